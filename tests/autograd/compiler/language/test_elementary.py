"""Elementary functions written in the loop language: float32 to 2 units in the last place.

    python -m tests.autograd.compiler.language.test_elementary exp sin    # every float32

The references are float64's, whose own error is far below a unit of float32.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from autograd.compiler.language.elementary import definition
from autograd.compiler.language.interpret import evaluate
from autograd.primitives import expressions
from autograd.primitives.expressions import FLOAT32, FLOAT64, FUNCTIONS, Op, Var, names, walk

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


def errors(name: str, x: Any) -> Any:
    """Of each, in units in the last place of the true result; infinite where a special is wrong."""
    with np.errstate(all="ignore"):
        true = REFERENCES[name](x.astype(np.float64))
        nearest = true.astype(np.float32)
        got = evaluate(Op(name, (Var("x", FLOAT32),), FLOAT32), {"x": x})
        assert got.dtype == FLOAT32
        special = ~np.isfinite(nearest) | ~np.isfinite(got)
        same = (got == nearest) | (np.isnan(got) & np.isnan(nearest))
        sign = np.isnan(got) | (np.signbit(got) == np.signbit(nearest))
        unit = np.spacing(np.abs(nearest)).astype(np.float64)
        return np.where(special, np.where(same, 0, np.inf), np.abs(got - true) / unit) + np.where(
            sign, 0, np.inf
        )


@pytest.mark.parametrize("name", REFERENCES)
def test_float32_is_within_2_units_in_the_last_place(name: str) -> None:
    """Infinities, nan and the sign of 0 included."""
    x = sample()
    off = errors(name, x)
    assert off.max() <= BOUND, f"{name}({x[off.argmax()]}) is {off.max()} off"


@pytest.mark.parametrize("name", ["sigmoid", "softplus"])
def test_float64_is_put_together_of_the_c_librarys(name: str) -> None:
    x = np.array([-800, -30, -1, -1e-300, 0, 0.5, 30, 800, np.inf, -np.inf, np.nan])
    got = evaluate(Op(name, (Var("x", FLOAT64),), FLOAT64), {"x": x})
    assert got.dtype == FLOAT64
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(got, REFERENCES[name](x))


def test_what_has_no_definition_is_the_c_librarys() -> None:
    of_float64 = {name for name in FUNCTIONS if definition(name, FLOAT64)}
    of_float32 = {name for name in FUNCTIONS if definition(name, FLOAT32)}
    assert of_float64 == {"sigmoid", "softplus"}
    missing = set(FUNCTIONS) - {"power"} - of_float32
    assert not missing, f"define {', '.join(missing)} of float32 in compiler/language/elementary.py"


@pytest.mark.parametrize("name", REFERENCES)
def test_nothing_of_a_definition_is_computed_twice(name: str) -> None:
    """What is used twice is a variable, let before it is used, so that it prints as no tree."""
    known = definition(name, FLOAT32)
    assert known is not None
    seen: set[int] = set()
    let = {param.name for param in known.params}
    for value in (*(statement.value for statement in known.body), known.result):
        assert set(names(value)) <= let
        operations = [id(part) for part in walk(value) if isinstance(part, Op)]
        assert seen.isdisjoint(operations)
        assert len(operations) == sum(1 for _ in _tree(value))
        seen |= set(operations)
        let |= {statement.name for statement in known.body if statement.value is value}


def _tree(value: expressions.Expr) -> Iterator[Op]:
    if isinstance(value, Op):
        yield value
        for arg in value.args:
            yield from _tree(arg)


def test_a_definition_prints_as_a_person_reads_it() -> None:
    assert str(definition("sigmoid", FLOAT64)) == (
        "sigmoid(x: float64):\n"
        "    v0: bool = x < 0.0\n"
        "    v1: float64 = abs(x)\n"
        "    v2: float64 = -v1\n"
        "    v3: float64 = exp(v2)\n"
        "    v4: float64 = v0 ? v3 : 1.0\n"
        "    v5: float64 = 1.0 + v3\n"
        "    return v4 / v5"
    )


def main(names: list[str]) -> None:
    """The largest error of each function over every float32."""
    for name in names or REFERENCES:
        worst, at = 0.0, math.nan
        for first in range(0, 2**32, 2**20):
            x = np.arange(first, first + 2**20, dtype=np.uint32).view(np.float32)
            off = errors(name, x)
            if off.max() > worst:
                worst, at = float(off.max()), float(x[off.argmax()])
        print(f"{name}: {worst:.3f} units in the last place, at {at!r}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
