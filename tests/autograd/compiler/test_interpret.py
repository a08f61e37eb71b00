"""The interpreter of the loop language against exact arithmetic: Python's integers and fractions.

It is the oracle of every printer, so what it is asked for is each bit.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd.compiler.language import tiles
from autograd.compiler.language.interpret import evaluate, interpret
from autograd.compiler.language.statements import (
    PART,
    PARTS,
    Array,
    For,
    Function,
    If,
    Let,
    Matrix,
    Panel,
    Set,
    Statement,
    Store,
    Tile,
)
from autograd.compiler.language.tiles import CHUNK, expanded
from autograd.primitives.expressions import (
    BOOL,
    FLOAT32,
    FLOAT64,
    INT32,
    INT64,
    UINT32,
    UINT64,
    ZERO,
    Affine,
    Const,
    DType,
    Expr,
    Load,
    Var,
    bits,
    bounded,
    convert,
    equal,
    fma,
    op,
    select,
    sqrt,
)

INTEGERS = (*map(np.dtype, ("int8", "uint8", "int16")), INT32, UINT32, INT64, UINT64)
ROW = Affine.of("i")


def integer(n: int) -> Const:
    """An int64."""
    return Const(n, INT64)


# --- integers ------------------------------------------------------------------------------------


def wrapped(value: int, dtype: DType) -> int:
    """Modulo 2 to the bits."""
    size = 8 * dtype.itemsize
    value %= 1 << size
    return value - (1 << size) if dtype.kind == "i" and value >> (size - 1) else value


def cut_off(x: int, y: int) -> int:
    """The quotient, cut off at 0."""
    return abs(x) // abs(y) * (1 if (x < 0) == (y < 0) else -1)


EXACT: dict[str, Callable[[int, int], int]] = {
    "+": lambda x, y: x + y,
    "-": lambda x, y: x - y,
    "*": lambda x, y: x * y,
    "//": lambda x, y: cut_off(x, y or 3),
    "%": lambda x, y: x - cut_off(x, y or 3) * (y or 3),
    "<<": lambda x, y: x << (y & 7),
    ">>": lambda x, y: x >> (y & 7),
    "&": lambda x, y: x & y,
    "|": lambda x, y: x | y,
    "^": lambda x, y: x ^ y,
    "neg": lambda x, y: -x,
    "abs": lambda x, y: abs(x),
    "select": lambda x, y: x if x < y else y,
}


def applied(name: str, x: Expr, y: Expr) -> Expr:
    """The same in the language."""
    if name in ("neg", "abs"):
        return op(name, x)
    if name == "select":
        return select(x < y, x, y)
    if name in ("//", "%"):
        return op(name, x, select(equal(y, 0), 3, y))
    return op(name, x, y & 7 if name in ("<<", ">>") else y)


@st.composite
def integer_expressions(draw: st.DrawFn) -> tuple[Expr, int]:
    """An expression of a dtype, and its value."""
    dtype = draw(st.sampled_from(INTEGERS))
    limits = np.iinfo(dtype)
    ends = st.sampled_from([limits.min, limits.min + 1, 0, 1, limits.max])
    numbers = ends | st.integers(int(limits.min), int(limits.max))
    stack: list[tuple[Expr, int]] = []
    for _ in range(draw(st.integers(2, 6))):
        value = int(draw(numbers))
        stack.append((Const(value, dtype), value))
    while len(stack) > 1:
        (x, one), (y, other) = stack.pop(), stack.pop()
        name = draw(st.sampled_from(sorted(EXACT)))
        stack.append((applied(name, x, y), wrapped(EXACT[name](one, other), dtype)))
    return stack[0]


@given(integer_expressions())
def test_integers_are_those_of_their_bits(expression: tuple[Expr, int]) -> None:
    expr, value = expression
    result = evaluate(expr)
    assert result == value and result.dtype == expr.dtype


@given(st.sampled_from(INTEGERS), st.sampled_from(INTEGERS), st.integers(-(2**63), 2**64 - 1))
def test_integers_are_converted_modulo_their_bits(one: DType, other: DType, value: int) -> None:
    x = {"x": one.type(wrapped(value, one))}
    assert evaluate(convert(Var("x", one), other), x) == wrapped(wrapped(value, one), other)
    assert evaluate(convert(Var("x", one), BOOL), x) == (wrapped(value, one) != 0)


# --- floats --------------------------------------------------------------------------------------


def rounded(exact: Fraction, dtype: DType) -> Any:
    """The nearest float, or the even one of two."""
    try:
        with np.errstate(over="ignore"):
            guess = dtype.type(float(exact))
    except OverflowError:
        return dtype.type(math.inf if exact > 0 else -math.inf)
    if not np.isfinite(guess):
        return guess
    near = [
        guess,
        np.nextafter(guess, dtype.type(-np.inf)),
        np.nextafter(guess, dtype.type(np.inf)),
    ]
    near = [x for x in near if np.isfinite(x)]
    whole = {4: np.uint32, 8: np.uint64}[dtype.itemsize]
    return min(near, key=lambda x: (abs(Fraction(float(x)) - exact), int(x.view(whole)) & 1))


def floats(dtype: DType) -> st.SearchStrategy[Any]:
    """From subnormal to large, few of them of all digits."""
    width = 8 * dtype.itemsize
    plain = st.floats(-(2.0**40), 2.0**40, width=width)  # type: ignore[arg-type]
    nearly = st.integers(-(2**12), 2**12).map(lambda n: 1 + n * 2.0**-23)
    return (plain | nearly | st.floats(-(2.0**-100), 2.0**-100, width=width)).map(dtype.type)  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", [FLOAT32, FLOAT64], ids=str)
@given(data=st.data())
def test_floats_are_rounded_once(dtype: DType, data: st.DataObject) -> None:
    values = [data.draw(floats(dtype)) for _ in range(3)]
    x, y, z = (Var(name, dtype) for name in "xyz")
    a, b, c = (Fraction(float(value)) for value in values)
    exact = {x + y: a + b, x - y: a - b, x * y: a * b, fma(x, y, z): a * b + c}
    if b:
        exact[x / y] = a / b
    for expr, value in exact.items():
        result = evaluate(expr, dict(zip("xyz", values, strict=True)))
        assert result.dtype == dtype
        assert result == rounded(value, dtype), str(expr)


def test_a_fused_multiply_add_is_rounded_once_where_float64_is_half_way() -> None:
    """x y + z is a little more than half way between two float32, by less than float64 holds."""
    x = np.float32(1 + 2.0**-23)
    z = np.float32(2.0**-60)
    y = np.float32(1 + 2.0**-1)  # the product ends in a half
    expr = fma(Var("x", FLOAT32), Var("y", FLOAT32), Var("z", FLOAT32))
    for tiny in (z, -z):
        exact = Fraction(float(x)) * Fraction(float(y)) + Fraction(float(tiny))
        got = evaluate(expr, {"x": x, "y": y, "z": tiny})
        assert got == rounded(exact, FLOAT32)
    up, down = (evaluate(expr, {"x": x, "y": y, "z": tiny}) for tiny in (z, -z))
    assert up != down


@pytest.mark.parametrize("dtype", [FLOAT32, FLOAT64], ids=str)
def test_a_fused_multiply_add_of_specials_is_ieees(dtype: DType) -> None:
    big, inf = float(np.finfo(dtype).max), math.inf
    expr = fma(Var("x", dtype), Var("y", dtype), Var("z", dtype))

    def of(x: float, y: float, z: float) -> float:
        return float(evaluate(expr, dict(zip("xyz", map(dtype.type, (x, y, z)), strict=True))))

    assert of(big, big, -inf) == -inf  # the product is no infinity
    assert of(big, 2, -big) == big
    assert of(-big, 2, 0) == -inf
    assert math.isnan(of(inf, 0, 1)) and math.isnan(of(inf, 1, -inf))
    assert math.copysign(1, of(0, -1, -0.0)) == -1
    assert math.copysign(1, of(1, 1, -1)) == 1


def test_square_roots_conversions_and_bits_are_exact() -> None:
    x = Var("x", FLOAT32)
    values = {"x": np.array([2, 0.5, -0.0], np.float32)}
    assert evaluate(sqrt(x), values).tobytes() == np.sqrt(values["x"]).tobytes()
    assert evaluate(convert(x, FLOAT64), values).dtype == FLOAT64
    assert evaluate(bits(x, UINT32), values).tolist() == [0x40000000, 0x3F000000, 0x80000000]
    assert evaluate(bits(bits(x, INT32), FLOAT32), values).tobytes() == values["x"].tobytes()
    large = {"n": np.int64(2**24 + 1)}
    assert evaluate(convert(Var("n", INT64), FLOAT32), large) == np.float32(2**24)
    half_way = {"d": np.float64(1 + 2.0**-24)}
    assert evaluate(convert(Var("d", FLOAT64), FLOAT32), half_way) == np.float32(1)


def test_functions_that_a_c_library_has_are_numpys() -> None:
    x = {"x": np.float64(0.3), "y": np.float64(2.5)}
    assert evaluate(op("exp", Var("x", FLOAT64)), x) == np.exp(0.3)
    assert evaluate(op("erf", Var("x", FLOAT64)), x) == math.erf(0.3)
    assert evaluate(op("power", Var("x", FLOAT64), Var("y", FLOAT64)), x) == np.power(0.3, 2.5)


# --- what C would not survive --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expr", "error", "words"),
    [
        (Load("a", ZERO + 3, FLOAT32), IndexError, r"a\[3\] is offset 3 of 3"),
        (Load("a", ROW * -1, FLOAT32), IndexError, r"is offset -1 of 3"),
        (Load("b", ZERO, FLOAT32), KeyError, "b is not known"),
        (Var("k", INT64) + 1, KeyError, "k is not known"),
        (op("//", ROW, ROW - 1), ZeroDivisionError, "divided by 0"),
        (op("%", ROW, ROW - 1), ZeroDivisionError, "divided by 0"),
        (Const(1, INT32) << 32, ValueError, "int32 shifted by 32"),
        (Const(1, INT32) >> -1, ValueError, "int32 shifted by -1"),
    ],
)
def test_what_c_leaves_open_is_an_error(expr: Expr, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        evaluate(expr, {"i": np.int64(1)}, {"a": np.zeros(3, np.float32)})


def test_of_a_select_only_what_is_asked_for_is_computed() -> None:
    """A part of an axis is chosen by one, where the other's offset is outside the array."""
    pieces = {"a": np.arange(3, dtype=np.float32), "b": np.arange(10, 12, dtype=np.float32)}
    joined = select(ROW < 3, Load("a", ROW, FLOAT32), Load("b", ROW - 3, FLOAT32))
    assert [evaluate(joined, {"i": np.int64(i)}, pieces) for i in range(5)] == [0, 1, 2, 10, 11]
    assert evaluate(joined, {"i": np.arange(5)}, pieces).tolist() == [0, 1, 2, 10, 11]
    column = {"i": np.arange(5)[:, None], "j": np.arange(2)}
    both = select(Affine.of("j") < 1, joined, 7)
    assert evaluate(both, column, pieces).tolist() == [[0, 7], [1, 7], [2, 7], [10, 7], [11, 7]]


def test_shared_expressions_are_computed_once() -> None:
    """A chain that doubles at every step would take 2^60 sums, as a tree."""
    x: Expr = Var("x", FLOAT64)
    for _ in range(60):
        x = x + x
    assert evaluate(x, {"x": np.float64(1)}) == 2.0**60


def test_a_bounded_position_is_its_own_value() -> None:
    assert evaluate(bounded(Var("k", INT64), 3), {"k": np.int64(2)}) == 2


# --- functions -----------------------------------------------------------------------------------

X, Y = Array("x", FLOAT32, 12), Array("y", FLOAT32, 4)


def row_sums() -> Function:
    """y[i] = the sum of a row of x, where it is above 0."""
    total = Var("total", FLOAT32)
    entry = Load("x", ROW * 3 + Affine.of("j"), FLOAT32)
    body = (
        Let("total", Const(0.0, FLOAT32)),
        For("j", integer(0), integer(3), (Set("total", total + entry),)),
        If(total > 0, (Store("y", ROW, total),), (Store("y", ROW, Const(-1.0, FLOAT32)),)),
    )
    first, last = (op("//", 4 * part, PARTS) for part in (PART, PART + 1))
    return Function((X, Y), frozenset({"y"}), (), (For("i", first, last, body, parallel=True),))


def test_the_parts_of_a_function_make_the_whole() -> None:
    x, y = np.arange(-4, 8, dtype=np.float32), np.zeros(4, np.float32)
    interpret(row_sums(), {"x": x, "y": y}, 1, 3)
    assert y.tolist() == [0, -1, 0, 0]
    interpret(row_sums(), {"x": x, "y": y}, 0, 3)
    interpret(row_sums(), {"x": x, "y": y}, 2, 3)
    assert y.tolist() == [-1, -1, 9, 18]


def test_arrays_are_those_that_the_function_names() -> None:
    x, y = np.zeros(12, np.float32), np.zeros(4, np.float32)
    with pytest.raises(TypeError, match="y: float32\\[4\\] is given float64"):
        interpret(row_sums(), {"x": x, "y": y.astype(float)})
    with pytest.raises(TypeError, match="x: float32\\[12\\] is given"):
        interpret(row_sums(), {"x": x[1:], "y": y})
    reads = Function((X, Y), frozenset(), (), (Store("y", ZERO, Const(0.0, FLOAT32)),))
    with pytest.raises(KeyError, match="y is not written"):
        interpret(reads, {"x": x, "y": y})


def test_what_a_block_lets_is_forgotten_and_own_arrays_are_no_zeros() -> None:
    def run(*body: Statement) -> Any:
        y = np.zeros(4, np.float32)
        interpret(Function((Y,), frozenset({"y"}), (Array("s", FLOAT32, 2),), body), {"y": y})
        return y

    assert np.isnan(run(Store("y", ZERO, Load("s", ZERO, FLOAT32)))[0])
    let = For("i", integer(0), integer(3), (Let("k", ROW), Store("y", ROW, Const(1.0, FLOAT32))), 2)
    assert run(let).tolist() == [1, 0, 1, 0]
    with pytest.raises(KeyError, match="k is not known"):
        run(let, Store("y", Affine.of("k"), Const(1.0, FLOAT32)))


# --- tiles ---------------------------------------------------------------------------------------


def product(
    a: Any, b: Any, rows: int | None = None, down: int | None = None, as_loops: bool = False
) -> Any:
    """a @ b by a tile; of a, so many rows, `down` apart."""
    (height, inner), width, dtype = a.shape, b.shape[1], a.dtype
    left = Matrix("a", ZERO, inner if down is None else down, 1)
    count = integer(height if rows is None else rows)
    tile = Tile("t", left, Matrix("b", ZERO, width, 1), inner, count, height, width, dtype)
    arrays = (
        Array("a", dtype, a.size),
        Array("b", dtype, b.size),
        Array("t", dtype, height * width),
    )
    made = Function(arrays, frozenset("t"), (), (expanded(tile) if as_loops else tile,))
    t = np.full(height * width, 5, dtype)
    interpret(made, {"a": a.ravel(), "b": b.ravel(), "t": t})
    return t.reshape(height, width)


@pytest.mark.parametrize("dtype", [FLOAT32, FLOAT64], ids=str)
@pytest.mark.parametrize("inner", [0, 1, 7, CHUNK, CHUNK + 1, 2 * CHUNK + 9])
def test_a_tile_is_chunks_of_fused_sums(dtype: DType, inner: int) -> None:
    random = np.random.default_rng(inner)
    a, b = (random.standard_normal(s).astype(dtype) for s in ((2, inner), (inner, 1)))
    expr = fma(Var("x", dtype), Var("y", dtype), Var("z", dtype))
    wanted = []
    for row in a:
        parts = []
        for first in range(0, max(inner, 1), CHUNK):
            part = dtype.type(0)
            for k in range(first, min(first + CHUNK, inner)):
                part = evaluate(expr, {"x": row[k], "y": b[k, 0], "z": part})
            parts.append(part)
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        wanted.append([total])
    assert product(a, b).tolist() == wanted
    exact = a.astype(np.longdouble) @ b
    bound = (CHUNK + 3) * np.finfo(dtype).eps * (np.abs(a) @ np.abs(b))  # of sums of such a length
    assert np.all(np.abs(np.array(wanted).reshape(2, 1) - exact) <= bound)


def test_a_tile_of_fewer_rows_leaves_the_others() -> None:
    a, b = np.ones((3, 2), np.float32), np.ones((2, 2), np.float32)
    assert product(a, b, rows=2).tolist() == [[2, 2], [2, 2], [5, 5]]
    assert product(a, b, rows=1, as_loops=True).tolist() == [[2, 2], [5, 5], [5, 5]]


@pytest.fixture
def long(monkeypatch: pytest.MonkeyPatch) -> int:
    """Limits that are short enough for Python; the length of a sum that is compensated."""
    monkeypatch.setattr(tiles, "CHUNK", 8)
    monkeypatch.setattr(tiles, "LONG_SUM", 64 * 8)
    return 64 * 8 + 50


def test_a_long_sum_adds_what_rounding_takes(long: int) -> None:
    """Of chunks of tenths, each of which is rounded when it joins a large total."""
    a, b = np.full((1, long), 0.1, np.float32), np.ones((long, 1), np.float32)
    a[0, :8], a[0, 0] = 0, 2.0**22
    ((total,),) = product(a, b)
    exact = math.fsum(map(float, a[0]))
    assert abs(total - exact) <= np.spacing(np.float32(exact))
    ((plain,),) = product(a[:, : tiles.LONG_SUM], b[: tiles.LONG_SUM])  # not long: not compensated
    assert abs(plain - math.fsum(map(float, a[0, : tiles.LONG_SUM]))) > 5


@pytest.mark.parametrize("special", [np.inf, np.nan])
def test_a_long_sum_of_infinity_or_nan_is_that(special: float, long: int) -> None:
    a, b = np.ones((1, long)), np.ones((long, 1))
    a[0, 300] = special
    np.testing.assert_array_equal(product(a, b), [[special]])


def test_a_panel_is_a_transposed_part_and_zeros() -> None:
    matrix = np.arange(12, dtype=np.float32)  # 4 x 3, read as 3 x 4
    panel = Panel("p", ZERO + 1, Matrix("m", ZERO + 3, 1, 3), 3, integer(2), 4, FLOAT32)
    arrays = (Array("m", FLOAT32, 12), Array("p", FLOAT32, 14))
    p = np.full(14, 9, np.float32)
    interpret(Function(arrays, frozenset("p"), (), (panel,)), {"m": matrix, "p": p})
    assert p.tolist() == [9, 3, 6, 0, 0, 4, 7, 0, 0, 5, 8, 0, 0, 9]
