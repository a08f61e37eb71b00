"""Interval arithmetic against brute force: no value of an expression lies outside its interval."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograd.compiler.language.interpret import evaluate
from autograd.compiler.language.intervals import Interval, interval, whole
from autograd.primitives.expressions import (
    BOOL,
    COMPARES,
    FLOAT32,
    INT32,
    INT64,
    Affine,
    Const,
    Load,
    Op,
    Var,
    bounded,
    convert,
    minimum,
    op,
    select,
)

INT8, UINT8 = np.dtype(np.int8), np.dtype(np.uint8)
DTYPES = [INT8, UINT8, INT32, np.dtype(np.uint32), INT64, np.dtype(np.uint64)]
NAMES = {"x": INT8, "y": UINT8, "z": INT64}
ENDS = {INT8: (-128, 127), UINT8: (0, 255), INT64: (-40, 40)}


@st.composite
def ranges(draw):
    """An interval of each variable, of few numbers; often at an end of the dtype."""
    found = {}
    for name, dtype in NAMES.items():
        low, high = ENDS[dtype]
        first = draw(st.sampled_from([low, high - 3, 0, -1, 1]) | st.integers(low, high))
        first = max(first, low)
        found[name] = Interval(first, min(high, first + draw(st.integers(0, 5))))
    return found


@st.composite
def expressions(draw, dtype, depth=3):
    """An expression of integers or truths."""
    again = lambda dtype: draw(expressions(dtype, depth - 1))  # noqa: E731
    if depth == 0 or draw(st.integers(0, 5)) == 0:
        return draw(leaves(dtype))
    if dtype == BOOL:
        other = draw(st.sampled_from([*DTYPES, BOOL]))
        name = draw(st.sampled_from([*COMPARES, "&", "|", "not"]))
        if name == "not":
            return op(name, again(BOOL))
        other = BOOL if name in "&|" else other
        return op(name, again(other), again(other))
    name = draw(st.sampled_from(["+", "-", "*", "neg", "abs", "//", "%", "select", "min", "convert",
                                 "&", "|", "^", "<<", ">>", "affine", "bounded"]))  # fmt: skip
    if name in ("affine", "bounded") and dtype == INT64:
        terms = st.sampled_from([(("z", 3),), (("z", -2),), (), (("z", 2**62),)])
        index = Affine(draw(terms), draw(st.sampled_from([0, -7, 2**31, 2**63 - 1])))
        return index if name == "affine" else bounded(index, 9)
    if name == "convert" or name in ("affine", "bounded"):
        return convert(again(draw(st.sampled_from([*DTYPES, BOOL]))), dtype)
    if name in ("neg", "abs"):
        return op(name, again(dtype))
    if name in ("//", "%"):
        return op(name, again(dtype), draw(st.sampled_from([1, 2, 3, 7, 100])))
    if name in ("<<", ">>"):
        return op(name, again(dtype), draw(st.integers(0, 7)))
    if name == "min":
        return minimum(again(dtype), again(dtype))
    if name == "select":
        return select(again(BOOL), again(dtype), again(dtype))
    return op(name, again(dtype), again(dtype))


@st.composite
def leaves(draw, dtype):
    if dtype == BOOL:
        return Const(draw(st.booleans()), BOOL)
    same = [Var(name, each) for name, each in NAMES.items() if each == dtype]
    limits = np.iinfo(dtype)
    few = [0, 1, 3, 100, limits.max, limits.min]
    return draw(st.sampled_from([*same, *same, Const(draw(st.sampled_from(few)), dtype)]))


@settings(max_examples=20 * settings().max_examples)
@given(ranges(), st.sampled_from([*DTYPES, BOOL]).flatmap(expressions))
def test_no_value_lies_outside(known, expr):
    found = interval(expr, known)
    grid = np.meshgrid(*(np.arange(each.low, each.high + 1) for each in known.values()))
    values = {name: x.ravel().astype(NAMES[name]) for name, x in zip(known, grid, strict=True)}
    got = np.asarray(evaluate(expr, values))
    low, high = int(got.min()), int(got.max())
    assert found.low <= low, expr
    assert high <= found.high, expr
    assert whole(expr.dtype).low <= found.low
    assert found.high <= whole(expr.dtype).high


def ends(known, combine):
    found = [combine(x, y) for x in range(*known[0]) for y in range(*known[1])]
    return Interval(min(found), max(found))


def truncated(x, y):
    return int(np.fix(x / y))


EXACT = {
    "+": lambda x, y: x + y,
    "-": lambda x, y: x - y,
    "*": lambda x, y: x * y,
    "//": truncated,
    "min": min,
    "neg": lambda x, y: -x,
}


@pytest.mark.parametrize("name", EXACT)
def test_an_interval_is_no_wider_than_it_has_to_be(name):
    """Else what fits 32 bits is computed in 64, and a loop that runs has a test before it."""
    x, y = Var("x", INT64), Var("y", INT64)
    for one in ((-9, -4), (-9, 5), (-2, 1), (3, 9), (4, 5)):
        for other in ((1, 4), (2, 3), (5, 9)):
            known = {"x": Interval(one[0], one[1] - 1), "y": Interval(other[0], other[1] - 1)}
            expr = (
                minimum(x, y) if name == "min" else op(name, *(x, y)[: 1 if name == "neg" else 2])
            )
            assert interval(expr, known) == ends((one, other), EXACT[name])


def test_what_is_not_known_is_all_of_its_dtype():
    real = Var("f", FLOAT32)
    unknown = [Var("w", UINT8), Load("a", Affine(()), UINT8), op("abs", Var("y", UINT8))]
    unknown += [convert(real > 0, BOOL), op("//", Var("y", UINT8), Var("w", UINT8))]
    for expr in unknown:
        assert interval(expr, {"y": Interval(1, 2)}) == whole(expr.dtype)
    chosen = select(real > 0, Var("y", UINT8), 9)
    assert interval(chosen, {"y": Interval(1, 2)}) == Interval(1, 9)


def test_a_remainder_has_the_sign_of_what_is_divided():
    z = Var("z", INT64)
    of = lambda low, high: interval(op("%", z, 7), {"z": Interval(low, high)})  # noqa: E731
    assert of(0, 100) == Interval(0, 6)
    assert of(0, 3) == Interval(0, 3)
    assert of(-2, 100) == Interval(-2, 6)
    assert of(-100, -1) == Interval(-6, 0)


def test_what_wraps_around_may_be_anything():
    x = Var("x", INT8)
    assert interval(x + 1, {"x": Interval(0, 126)}) == Interval(1, 127)
    assert interval(x + 1, {"x": Interval(0, 127)}) == whole(INT8)
    assert interval(Affine.of("z") * 2, {"z": Interval(0, 2**62)}) == whole(INT64)
    assert interval(Op("convert", (Var("z", INT64),), UINT8), {"z": Interval(0, 255)}).high == 255


def test_what_fits_32_bits_ends_with_them():
    """One less is computed in 64 bits for nothing; one more is wrong."""
    low, high = -(2**31), 2**31 - 1
    assert Interval(low, high).is_int32
    assert not Interval(low - 1, 0).is_int32
    assert not Interval(0, high + 1).is_int32
