"""How far functions of float32 are off, in units in the last place.

    python -m tests.autograd.compiler.language.accuracy exp sin    # every float32

The references are float64's, whose own error is far below a unit of float32.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from autograd.compiler.language.interpret import evaluate
from autograd.primitives.expressions import FLOAT32, Op, Var

BOUND = 2.0  # units in the last place


def sigmoid(x: Any) -> Any:
    """Without cancellation, and without overflow."""
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1) / (1 + e)


def softplus(x: Any) -> Any:
    """log(1 + e^x)."""
    return np.where(x > 0, x, 0) + np.log1p(np.exp(-np.abs(x)))


REFERENCES: dict[str, Callable[[Any], Any]] = {
    **{name: getattr(np, name) for name in ("exp", "expm1", "log", "log1p", "sin", "cos", "tanh")},
    "erf": np.vectorize(math.erf, otypes=[float]),
    "sigmoid": sigmoid,
    "softplus": softplus,
}
# Where a function goes another way, or its result becomes 0, infinite, subnormal or nan.
BRANCHES = (
    *(0, 1, 2.0**-126, 2.0**-149, 2.0**-25, 2.0**-24, 2.0**127, math.inf),
    *(math.sqrt(0.5), math.sqrt(2), math.sqrt(0.5) - 1, math.sqrt(2) - 1, 0.5, 0.625, 0.9277, 4),
    *(math.log(2) / 2, 1.5 * math.log(2), 18, 87.3366, 88.7228, 89, 103.98, 104),
    *(n * math.pi / 4 for n in range(1, 9)),
    *(
        16367173.0 * 2.0**72,
        2.0**23,
        2.0**24,
        2.0**32,
        2.0**64,
        2.0**96,
    ),  # the first: near to a turn
)


def sample() -> Any:
    """One float32 in 2^16, another few at each branch, and every special; of both signs."""
    spread = np.arange(0, 2**31, 65_521, dtype=np.uint32)
    branches = np.array(BRANCHES).astype(np.float32).view(np.uint32)
    around = (branches[:, None] + np.arange(-20, 21)).ravel() % 2**31
    specials = np.array([0, 1, 0x7FFFFF, 0x800000, 0x7F7FFFFF, 0x7F800000, 0x7FC00000])
    patterns = np.concatenate([spread, around, specials]).astype(np.uint32)
    return np.concatenate([patterns, patterns | 0x80000000]).astype(np.uint32).view(np.float32)


def interpreted(name: str, x: Any) -> Any:
    """A function of float32 as the interpreter computes it."""
    return evaluate(Op(name, (Var("x", FLOAT32),), FLOAT32), {"x": x})


def errors(name: str, x: Any, got: Any) -> Any:
    """Of each, in units in the last place of the true result; infinite where a special is wrong."""
    with np.errstate(all="ignore"):
        true = REFERENCES[name](x.astype(np.float64))
        nearest = true.astype(np.float32)
        assert got.dtype == FLOAT32
        special = ~np.isfinite(nearest) | ~np.isfinite(got)
        same = (got == nearest) | (np.isnan(got) & np.isnan(nearest))
        sign = np.isnan(got) | (np.signbit(got) == np.signbit(nearest))
        unit = np.spacing(np.abs(nearest)).astype(np.float64)
        return np.where(special, np.where(same, 0, np.inf), np.abs(got - true) / unit) + np.where(
            sign, 0, np.inf
        )


def main(names: list[str]) -> None:
    """The largest error of each function over every float32."""
    for name in names or REFERENCES:
        worst, at = 0.0, math.nan
        for first in range(0, 2**32, 2**20):
            x = np.arange(first, first + 2**20, dtype=np.uint32).view(np.float32)
            off = errors(name, x, interpreted(name, x))
            if off.max() > worst:
                worst, at = float(off.max()), float(x[off.argmax()])
        print(f"{name}: {worst:.3f} units in the last place, at {at!r}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
