"""The loop language: how it prints, and what `verify` says of programs that are none."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

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
from autograd.compiler.language.verify import MalformedError, verify
from autograd.primitives.expressions import (
    BOOL,
    FLOAT32,
    FLOAT64,
    INT32,
    INT64,
    UINT32,
    ZERO,
    Affine,
    Const,
    Expr,
    Load,
    Op,
    Var,
    bits,
    convert,
    equal,
    exp,
    fma,
    minimum,
    op,
    select,
    sqrt,
)

ROW, COLUMN = Affine.of("i"), Affine.of("j")
X = Load("x", ROW, FLOAT32)
TOTAL = Var("total", FLOAT32)


def integer(n: int) -> Const:
    """An int64."""
    return Const(n, INT64)


def loop(name: str, last: Expr | int, *body: Statement, **more: object) -> For:
    """From 0."""
    end = integer(last) if isinstance(last, int) else last
    return For(name, integer(0), end, body, **more)  # type: ignore[arg-type]


def function(*body: Statement) -> Function:
    """Of x and y, 12 float32 each, and n, 12 int32; y is written, and s its own."""
    arrays = (Array("x", FLOAT32, 12), Array("y", FLOAT32, 12), Array("n", INT32, 12))
    return Function(arrays, frozenset({"y"}), (Array("s", FLOAT32, 4),), body)


def row_sums(mark: str = "reduction") -> For:
    """y[i] = the sum of a row of x."""
    add = Set("total", TOTAL + Load("x", ROW * 4 + COLUMN, FLOAT32))
    inner = loop("j", 4, add, mark=mark, sum="total" * (mark == "reduction"))
    body = (Let("total", Const(0.0, FLOAT32)), inner, Store("y", ROW, TOTAL))
    first, last = (op("//", 3 * part, PARTS) for part in (PART, PART + 1))
    return For("i", first, last, body, parallel=True)


# --- text ----------------------------------------------------------------------------------------


def test_a_function_prints_as_a_person_reads_it() -> None:
    assert str(function(row_sums())) == (
        "function(x: float32[12], y: float32[12] written, n: int32[12]):\n"
        "    own s: float32[4]\n"
        "    for i from (3 * part) // parts to (3 * (part + 1)) // parts parallel:\n"
        "        total: float32 = 0.0\n"
        "        for j from 0 to 4 reduction total:\n"
        "            total = total + x[i * 4 + j]\n"
        "        y[i] = total"
    )


def test_tiles_panels_and_branches_print_as_a_person_reads_them() -> None:
    tile = Tile("s", Matrix("x", ROW, 3, 1), Matrix("x", ZERO, 2, 1), 3, integer(1), 2, 2, FLOAT32)
    panel = Panel("s", ZERO, Matrix("x", ROW * 2, 1, 4), 2, integer(1), 2, FLOAT32)
    test = If(X < 0, (tile,), (panel,))
    assert list(test.lines()) == [
        "if x[i] < 0.0:",
        "    tile s (2 x 2, 1 rows) = x[i] by (3, 1) @ x[0] by (2, 1)",
        "        over 3",
        "else:",
        "    panel s[0] (2 x 2, 1 columns) = x[i * 2] by (1, 4)",
    ]


@pytest.mark.parametrize(
    ("expr", "text"),
    [
        (select(X <= 0, 0, X * 2 + 1), "(x[i] <= 0.0) ? 0.0 : ((x[i] * 2.0) + 1.0)"),
        (-exp(X) - sqrt(abs(X)), "(-exp(x[i])) - sqrt(abs(x[i]))"),
        (fma(X, 2, X), "fma(x[i], 2.0, x[i])"),
        (convert(X, FLOAT64), "float64(x[i])"),
        (bits(X, UINT32) >> 3, "bits.uint32(x[i]) >> 3"),
        (~equal(X, 0), "!(x[i] == 0.0)"),
        (ROW * 2 - COLUMN + 1, "i * 2 + j * -1 + 1"),
    ],
)
def test_expressions_print_as_a_person_reads_them(expr: Expr, text: str) -> None:
    assert str(expr) == text


# --- expressions that are none -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: X + Var("d", FLOAT64), "+ of x[i], d: float32 and float64 differ"),
        (lambda: X // 2, "takes integers, not float32"),
        (lambda: ROW // ROW, "// and % of i: the divisor is a positive integer, not i"),
        (lambda: ROW / 2, "/ of i, 2: takes floats, not int64"),
        (lambda: ~X, "not of x[i]: takes booleans, not float32"),
        (
            lambda: select(X, X, X),
            "select of x[i], x[i], x[i]: the condition is a float32, not a bool",
        ),
        (
            lambda: select(X < 0, X, ROW),
            "select of x[i] < 0.0, x[i], i: the alternatives float32 and int64",
        ),
        (lambda: Var("n", INT32) + 2**31, "2147483648 is no int32"),
        (lambda: Var("n", INT32) * 0.5, "0.5 is no int32"),
        (lambda: op("+", 1, 2), "+ of 1, 2: none of them says the dtype"),
        (lambda: op("**", X, X), "**: there is no such operation"),
        (lambda: op("fma", X, X), "fma: takes 3 operands, not 2"),
        (lambda: select(X == 0, X, 0), "False is no expression; use equal(x, y)"),  # type: ignore[comparison-overlap]
        (lambda: convert(X, INT64), "convert: x[i] is a float32, which may be out of the range of"),
        (lambda: bits(X, FLOAT64), "bits: x[i] is a float32, which has not the bytes of a float64"),
        (
            lambda: 1 if X < 0 else 0,
            "x[i] < 0.0: an expression is neither true nor false; use select",
        ),
    ],
)
def test_what_does_not_go_together_is_refused_with_its_operands(build, words: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(TypeError, match=re.escape(words)):
        build()


# --- functions that are fine ---------------------------------------------------------------------


FINE = {
    "sums of rows, shared": row_sums(),
    "products are added too": loop(
        "i",
        12,
        Let("total", X),
        loop("j", 12, Set("total", fma(X, X, TOTAL)), mark="reduction", sum="total"),
        Store("y", ROW, TOTAL),
    ),
    "an offset by way of a let": loop(
        "i", 3, Let("k", ROW * 4 + 3), Store("y", Affine.of("k"), X), mark="lanes"
    ),
    "tiles, the last one smaller": For(
        "i",
        integer(0),
        integer(11),
        (loop("j", minimum(op("-", integer(11), ROW), integer(4)), Store("y", ROW + COLUMN, X)),),
        4,
    ),
    "a part of an axis, chosen": loop(
        "i", 12, Store("y", ROW, select(ROW < 3, X, Load("x", ROW + -3, FLOAT32)))
    ),
    "one name in two loops": If(
        PART < 1, (loop("i", 12, Store("y", ROW, X)), loop("i", 12, Store("y", ROW, X)))
    ),
    "scratch of each part": loop(
        "i", 3, Store("s", ZERO, X), Store("y", ROW, Load("s", ZERO, FLOAT32)), parallel=True
    ),
    "lanes of one iteration": loop("i", 1, Store("y", ZERO, X), mark="lanes"),
    "a loop of no iterations": loop("i", 0, Store("y", ROW + 100, X)),
}


@pytest.mark.parametrize("statement", FINE.values(), ids=FINE)
def test_what_is_well_formed_is_not_refused(statement: Statement) -> None:
    verify(function(statement))


def test_a_tile_and_a_panel_are_verified_as_their_loops() -> None:
    tile = Tile("s", Matrix("x", ZERO, 6, 1), Matrix("x", ZERO, 2, 1), 6, integer(2), 2, 2, FLOAT32)
    panel = Panel("s", ZERO, Matrix("x", ZERO, 6, 1), 2, integer(2), 2, FLOAT32)
    verify(function(tile, panel))
    with pytest.raises(MalformedError, match=re.escape("in for s_k = 5, s_total = ")):
        verify(function(replace(tile, right=Matrix("x", ZERO, 3, 1))))
    with pytest.raises(MalformedError, match=re.escape("right operand's columns are 2 apart")):
        verify(function(replace(tile, right=Matrix("x", ZERO, 1, 2))))
    with pytest.raises(
        MalformedError, match=re.escape("s[s_column + s_row * 2 + 1] is offset 4 of 4")
    ):
        verify(function(replace(panel, start=ZERO + 1)))


# --- functions that are none ---------------------------------------------------------------------

FORGED = Op("+", (X, Load("x", ROW, FLOAT32)), FLOAT64)
FAULTS: dict[str, tuple[Statement, str]] = {
    "an operation of another dtype": (
        loop("i", 12, Store("y", ROW, convert(FORGED, FLOAT32))),
        "in for i, y[i] = float32(x[i] + x[i]): x[i] + x[i] is a float32, not float64",
    ),
    "operands that differ": (
        loop("i", 12, Store("y", ROW, Op("*", (X, Load("n", ROW, INT32)), FLOAT32))),
        "in for i, y[i] = x[i] * n[i]: * of x[i], n[i]: float32 and int32 differ",
    ),
    "a forged conversion": (
        loop("i", 12, Let("k", Op("convert", (X,), INT32))),
        "convert: x[i] is a float32, which may be out of the range of int32",
    ),
    "a forged reading of bits": (
        loop("i", 12, Let("k", Op("bits", (X,), FLOAT64))),
        "bits.float64(x[i]) is a float32, not float64",
    ),
    "a constant that its dtype does not hold": (
        Let("k", Const(0.1, FLOAT32)),
        "k: float32 = 0.1: 0.1 is no float32",
    ),
    "an unknown variable": (
        loop("i", 12, Store("y", ROW, TOTAL)),
        "in for i, y[i] = total: total is not known",
    ),
    "a variable of a block that has ended": (
        If(PART < 1, (If(PART < 1, (Let("total", Const(0.0, FLOAT32)),)), Let("k", TOTAL))),
        "in if part < 1, k: float32 = total: total is not known",
    ),
    "a variable as another dtype": (
        If(PART < 1, (Let("total", integer(0)), Let("k", TOTAL))),
        "total is a int64, not float32",
    ),
    "an unknown variable in an offset": (
        loop("i", 12, Store("y", COLUMN, X)),
        "in for i, y[j] = x[i]: j is not known",
    ),
    "an offset that is no int64": (
        loop("i", 12, Let("k", Load("n", ROW, INT32)), Store("y", Affine.of("k"), X)),
        "k is a int32, not int64",
    ),
    "an unknown array": (Store("z", ZERO, Const(0.0, FLOAT32)), "z[0] = 0.0: z is no array"),
    "a load as another dtype": (
        loop("i", 12, Store("y", ROW, convert(Load("x", ROW, FLOAT64), FLOAT32))),
        "x[i] is a float64, but x: float32[12]",
    ),
    "a store of another dtype": (
        Store("y", ZERO, Const(0.0, FLOAT64)),
        "y[0] is a float64, but y: float32[12]",
    ),
    "a store to what is not written": (
        Store("x", ZERO, Const(0.0, FLOAT32)),
        "x[0] = 0.0: x is not one of those that are written",
    ),
    "a name twice": (
        loop("i", 12, Let("i", integer(0))),
        "in for i, i: int64 = 0: i is known already",
    ),
    "an array's name": (Let("x", integer(0)), "x: int64 = 0: x is known already"),
    "a loop's variable set": (
        loop("i", 12, Set("i", integer(0))),
        "i = 0: i is no variable that was let",
    ),
    "an unknown variable set": (Set("k", integer(0)), "k = 0: k is no variable that was let"),
    "a variable set to another dtype": (
        loop("i", 12, Let("total", X), Set("total", integer(0))),
        "total = 0: 0 is a int64, not float32",
    ),
    "a test that is none": (If(PART, ()), "if part: part is a int64, not bool"),
    "bounds of another dtype": (loop("i", Const(3, INT32)), "3 is a int32, not int64"),
    "a loop that stands still": (
        loop("i", 3, step=0),
        "for i from 0 to 3 step 0: the step is below 1",
    ),
    "an unknown mark": (loop("i", 3, mark="fast"), "'fast' of '' is no mark"),
    "a reduction of nothing": (loop("i", 3, mark="reduction"), "'reduction' of '' is no mark"),
    "a reduction of what is not known": (
        loop("i", 3, mark="reduction", sum="total"),
        "in for i: total, which is summed, is not known",
    ),
    "lanes that set what is outside": (
        loop("i", 3, Let("total", X), replace(row_sums("").body[1], mark="lanes")),  # type: ignore[type-var]
        "in for i, in for j, total = total + x[i * 4 + j]: the lanes loop sets total, from outside",
    ),
    "parts that set a variable from outside": (
        If(
            PART < 1,
            (Let("total", Const(0.0, FLOAT32)), loop("i", 3, Set("total", X), parallel=True)),
        ),
        "the parallel loop sets total, from outside",
    ),
    "lanes that store to one offset": (
        loop("i", 3, loop("j", 3, Store("y", ROW, X), mark="lanes")),
        "in for i = 0, in for j, y[i] = x[i]: every iteration of the lanes loop stores to the same "
        "offset",
    ),
    "lanes that store to one offset of their own array": (
        loop("i", 3, Store("s", ZERO, X), mark="lanes"),
        "every iteration of the lanes loop stores to the same offset",
    ),
    "parts that store to one offset": (
        loop("i", 3, Store("y", ZERO, X), parallel=True),
        "every iteration of the parallel loop stores to the same offset",
    ),
    "a reduction that sets something else": (
        loop(
            "i",
            3,
            Let("total", X),
            Let("other", X),
            loop("j", 3, Set("other", X), mark="reduction", sum="total"),
        ),
        "the reduction loop sets other, from outside",
    ),
    "a reduction that does not add": (
        loop(
            "i",
            3,
            Let("total", X),
            loop("j", 3, Set("total", TOTAL * X), mark="reduction", sum="total"),
        ),
        "total = total * x[i]: total is not only added to",
    ),
    "a reduction that adds its sum": (
        loop(
            "i",
            3,
            Let("total", X),
            loop("j", 3, Set("total", TOTAL + TOTAL), mark="reduction", sum="total"),
        ),
        "total is not only added to",
    ),
    "a reduction that reads its sum": (
        loop(
            "i",
            3,
            Let("total", X),
            loop("j", 3, Store("y", COLUMN, TOTAL), mark="reduction", sum="total"),
        ),
        "y[j] = total: total is read, in the loop that sums it",
    ),
    "a constant offset outside": (
        Store("y", ZERO + 12, Const(0.0, FLOAT32)),
        "y[12] = 0.0: y[12] is offset 12 of 12",
    ),
    "a negative offset": (
        loop("i", 12, Store("y", ROW + -1, X)),
        "in for i = 0, y[i + -1] = x[i]: y[i + -1] is offset -1 of 12",
    ),
    "an offset that is too far in the last iteration": (
        loop("i", 3, loop("j", 5, Store("y", ROW * 4 + COLUMN, X))),
        "in for i = 2, in for j = 4, y[i * 4 + j] = x[i]: y[i * 4 + j] is offset 12 of 12",
    ),
    "an offset that is too far where the first is far": (
        loop("i", 12, loop("j", 2, Store("y", ROW * -1 + COLUMN + 11, X))),
        "in for i = 0, in for j = 1",
    ),
    "tiles, the last one as large": (
        For("i", integer(0), integer(11), (loop("j", 4, Store("y", ROW + COLUMN + 1, X)),), 4),
        "in for i = 8, in for j = 3, y[i + j + 1] = x[i]: y[i + j + 1] is offset 12 of 12",
    ),
    "an offset of a choice that data make": (
        loop("i", 12, Store("y", ROW, select(X < 0, Load("x", ROW + 1, FLOAT32), X))),
        "x[i + 1] is offset 12 of 12",
    ),
    "a division by 0": (
        loop("i", 12, Let("k", op("//", integer(3), ROW))),
        "divided by 0",
    ),
    "a shift by more than the bits": (
        Let("k", Const(1, INT32) << 32),
        "int32 shifted by 32",
    ),
}


@pytest.mark.parametrize(("statement", "words"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_named_with_the_way_to_it(statement: Statement, words: str) -> None:
    with pytest.raises(MalformedError, match=re.escape(words)):
        verify(function(statement))


def test_arrays_have_names_of_their_own_and_written_ones_exist() -> None:
    fine = function()
    with pytest.raises(MalformedError, match="two arrays of x, y, n, x are one name"):
        verify(replace(fine, own=(Array("x", FLOAT32, 4),)))
    with pytest.raises(MalformedError, match="z is written, and is no array"):
        verify(replace(fine, writes=frozenset({"z"})))


def test_shared_expressions_are_looked_at_once() -> None:
    """A chain that doubles at every step would take 2^60 looks, as a tree."""
    x: Expr = Const(1, INT64)
    for _ in range(60):
        x = op("&", x, x)
    verify(function(Let("k", x), Let("b", Const(True, BOOL)), Let("z", Const(np.inf, FLOAT32))))
