"""The judge of every gradient here: differences of the function itself, in float64."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

STEP = 5e-4


@pytest.fixture(autouse=True, name="replayed")
def _replayed(monkeypatch: pytest.MonkeyPatch) -> None:
    """`jit` replays: to the last bit what runs eagerly. What is compiled rounds differently; its
    tests (compiler/) ask for the compiler, by the fixture of that name."""
    monkeypatch.setenv("CHAINRULE_CC", "")


def differences(f: Callable[..., Any], args: Sequence[Any], i: int) -> Any:
    """The gradient of the number f(*args) by argument number i, entry by entry.

    The five-point formula: its error is STEP^4 |f'''''| / 30, about 2e-15 of f''''', and
    rounding adds about eps |f| / STEP = 4e-13 |f|. Both are far below the 1e-6 that is asked for.
    """
    arrays = [np.array(arg) for arg in args]
    x = arrays[i]
    if not x.flags.c_contiguous:
        x = arrays[i] = np.ascontiguousarray(x)
    gradient = np.zeros(x.shape)
    for at in np.ndindex(x.shape):
        here = x[at]
        values = []
        for steps in (-2, -1, 1, 2):
            x[at] = here + steps * STEP
            values.append(float(f(*(array[()] for array in arrays))))
        x[at] = here
        far_left, left, right, far_right = values
        gradient[at] = (8.0 * (right - left) - (far_right - far_left)) / (12.0 * STEP)
    return gradient


@pytest.fixture(scope="session", name="differences")
def _differences() -> Callable[..., Any]:
    """`differences(f, args, i)`, as above."""
    return differences
