"""Elementary functions written in the loop language: float32 to 2 units in the last place."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from autograd.compiler.language.elementary import definition
from autograd.compiler.language.interpret import evaluate
from autograd.primitives import expressions
from autograd.primitives.expressions import FLOAT32, FLOAT64, FUNCTIONS, Op, Var, names, walk
from tests.autograd.compiler.language.accuracy import (
    BOUND,
    REFERENCES,
    errors,
    interpreted,
    sample,
)


@pytest.mark.parametrize("name", REFERENCES)
def test_float32_is_within_2_units_in_the_last_place(name: str) -> None:
    """Infinities, nan and the sign of 0 included."""
    x = sample()
    off = errors(name, x, interpreted(name, x))
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
