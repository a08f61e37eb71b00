"""Prints functions of the loop language as C: statement by statement, and nothing is decided here.

What depends on the machine (the tile of a product, the transposition of a panel) is in prelude.h;
c_files.py puts the functions of a step into files.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from ...primitives.expressions import (
    BOOL,
    FLOAT32,
    FUNCTIONS,
    INT64,
    OPERATIONS,
    UNARY,
    Affine,
    Const,
    DType,
    Expr,
    Load,
    Op,
    Var,
)
from ..language.elementary import definition
from ..language.statements import (
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

TYPES = {
    np.dtype(kind): name
    for kind, name in {
        "bool": "uint8_t",
        "int8": "int8_t",
        "uint8": "uint8_t",
        "int16": "int16_t",
        "uint16": "uint16_t",
        "int32": "int32_t",
        "uint32": "uint32_t",
        "int64": "int64_t",
        "uint64": "uint64_t",
        "float32": "float",
        "float64": "double",
    }.items()
}
SIGNATURE = "char *const *p, const struct place *at, struct ahead *ahead, long part, long parts"


# --- functions -----------------------------------------------------------------------------------


def function(function: Function, name: str) -> str:
    """A function in C, which other files of the library may call: see `work` in team.h."""
    arrays = [
        f"    {_pointer(function, array)}restrict {array.name} = (void *)AT({i});"
        for i, array in enumerate(function.arrays)
    ]
    own = [
        f"    {TYPES[array.dtype]} {array.name}[{array.size}] __attribute__((aligned(64)));"
        for array in function.own
    ]
    head = f'__attribute__((visibility("hidden"))) void {name}({SIGNATURE}) {{'
    return "\n".join([head, *arrays, *own, *_block(function.body), "}"])


def _pointer(function: Function, array: Array) -> str:
    return f"{'' if array.name in function.writes else 'const '}{TYPES[array.dtype]} *"


Call = tuple[str, DType]  # of an elementary function: its name and dtype


def elementary_functions(functions: Sequence[Function]) -> dict[str, None]:
    """The texts of the elementary functions that these call, each after those that it calls."""
    calls = (call for each in functions for call in _calls_in(each.body))
    return dict.fromkeys(text for call in calls for text in _definitions(*call))


@cache
def _definitions(name: str, dtype: DType) -> tuple[str, ...]:
    """The text of an elementary function, after those of the functions that it calls. It is inline,
    so that loops become vector code. None for functions of the C library."""
    known = definition(name, dtype)
    if known is None:
        return ()
    before = [call for let in known.body for call in _calls(let.value)] + [*_calls(known.result)]
    texts = dict.fromkeys(text for call in before for text in _definitions(*call))
    params = ", ".join(f"{TYPES[param.dtype]} {param.name}" for param in known.params)
    head = f"INLINE {TYPES[dtype]} {_name(name, dtype)}({params}) {{"
    text = [head, *_block(known.body), f"    return {expression(known.result)};", "}"]
    return (*texts, "\n".join(text))


def _calls_in(body: Sequence[Statement]) -> Iterator[Call]:
    for statement in body:
        match statement:
            case Let(_, value) | Set(_, value) | Store(_, _, value):
                yield from _calls(value)
            case For():
                yield from _calls_in(statement.body)
            case If(test, one, other):
                yield from _calls(test)
                yield from _calls_in((*one, *other))


def _calls(expr: Expr) -> Iterator[Call]:
    if isinstance(expr, Op):
        for arg in expr.args:
            yield from _calls(arg)
        if expr.name in FUNCTIONS:
            yield expr.name, expr.dtype


# --- statements ----------------------------------------------------------------------------------


def _block(statements: Sequence[Statement]) -> list[str]:
    return [f"    {line}" for statement in statements for line in _statement(statement)]


def _statement(statement: Statement) -> Iterator[str]:
    match statement:
        case Let(name, value):
            yield f"{_register(value.dtype)} {name} = {expression(value)};"
        case Set(name, value):
            yield f"{name} = {expression(value)};"
        case Store(array, offset, value):
            yield f"{array}[{offset}] = {expression(value)};"
        case For():
            yield from _loop(statement)
        case If(test, body, otherwise):
            yield f"if ({expression(test)}) {{"
            yield from _block(body)
            if otherwise:
                yield "} else {"
                yield from _block(otherwise)
            yield "}"
        case Tile():
            yield from _tile(statement)
        case Panel(into, start, matrix, inner, columns, width, dtype):
            what = f"{_start(matrix)}, {matrix.down}, {matrix.along}, {inner}"
            size = f"{expression(columns)}, {width}"
            yield f"pack_f{8 * dtype.itemsize}({what}, {size}, {into} + {start});"


PRAGMAS = {"lanes": "omp simd", "reduction": "omp simd reduction(+:{})"}


def _loop(loop: For) -> Iterator[str]:
    name, first, last = loop.name, _bound(loop.first), _bound(loop.last)
    if isinstance(loop.last, Op | Load):  # computed once, before the loop
        end = Var(f"{name}_end", INT64)
        yield "{"
        yield f"    const long {end} = {last};"
        yield from _block([replace(loop, last=end)])
        yield "}"
        return
    if loop.mark in PRAGMAS:
        yield f'_Pragma("{PRAGMAS[loop.mark].format(loop.sum)}")'
    up = f"{name}++" if loop.step == 1 else f"{name} += {loop.step}"
    yield f"for (long {name} = {first}; {name} < {last}; {up}) {{"
    yield from _block(loop.body)
    yield "}"


def _bound(expr: Expr) -> str:
    return str(expr) if isinstance(expr, Const | Affine) else expression(expr)


def _tile(tile: Tile) -> Iterator[str]:
    """The call for a full tile has a constant number of rows, which C compilers unroll."""
    left, right, rows = tile.left, tile.right, _bound(tile.rows)
    operands = f"{_start(left)}, {left.down}, {left.along}, {_start(right)}, {right.down}"

    def call(last: str) -> str:
        name = f"tile_f{8 * tile.dtype.itemsize}"
        return f"{name}({operands}, {tile.inner}, {last}, {tile.width}, {tile.into});"

    yield "prefetch(ahead);"
    if rows == str(tile.height):
        yield call(f"{tile.height - 1}")
        return
    yield f"if ({rows} == {tile.height}) {call(f'{tile.height - 1}')}"
    yield f"else {call(f'{rows} - 1')}"


def _start(matrix: Matrix) -> str:
    return f"{matrix.array} + {matrix.start}"


# --- expressions ---------------------------------------------------------------------------------

SYMBOLS = {"//": "/"}
LOGICAL = {"&": "&&", "|": "||", "^": "!="}  # of booleans: any number but 0 is true


def expression(expr: Expr) -> str:
    """An expression in C."""
    match expr:
        case Const(value, dtype):
            return literal(value, dtype)
        case Affine((), const):
            return literal(const, INT64)
        case Load(array, offset, _):
            return f"{array}[{offset}]"
        case Op():
            return _operation(expr)
    return str(expr)


def literal(value: Any, dtype: DType) -> str:
    """A number in C, exactly."""
    if dtype.kind == "b":
        return str(int(value))
    if dtype.kind in "iu":
        suffix = {"i8": "L", "u8": "UL", "u4": "U"}.get(f"{dtype.kind}{dtype.itemsize}", "")
        if value == np.iinfo(dtype).min < 0:  # C has no negative literals
            return f"({value + 1}{suffix} - 1)"
        text = f"{value}{suffix}"
    elif math.isnan(value):
        return "NAN"
    else:
        text = "INFINITY" if math.isinf(value) else f"{abs(value).hex()}{'f' * (dtype == FLOAT32)}"
        text = f"-{text}" if math.copysign(1, value) < 0 else text
    return f"({text})" if text.startswith("-") else text


def _operation(expr: Op) -> str:
    name, dtype = expr.name, expr.dtype
    args = [_operand(arg) for arg in expr.args]
    if name == "select":
        return "{} ? {} : {}".format(*args)
    if name == "convert":
        return f"{args[0]} != 0" if dtype == BOOL else f"({TYPES[dtype]}){args[0]}"
    if name == "bits":
        return _bits(expr)
    if name == "abs" and dtype.kind == "u":
        return f"({args[0]})"
    if name in FUNCTIONS or name in ("fma", "sqrt", "abs"):
        return _call(name, dtype, [expression(arg) for arg in expr.args])
    if name in UNARY:
        text = f"{UNARY[name]}{args[0]}"
    else:
        logical = LOGICAL if expr.args[0].dtype == BOOL else {}
        text = f"{args[0]} {logical.get(name, SYMBOLS.get(name, name))} {args[1]}"
    # C computes with ints in place of smaller integers.
    small = dtype.kind in "iu" and dtype.itemsize < 4
    return f"({TYPES[dtype]})({text})" if small else text


def _operand(expr: Expr) -> str:
    text = expression(expr)
    if isinstance(expr, Op):
        return f"({text})" if expr.name in COMPOUND or expr.dtype == BOOL else text
    whole = not isinstance(expr, Affine) or not expr.terms or text.isidentifier()
    return text if whole else f"({text})"


COMPOUND = {*OPERATIONS} - {*FUNCTIONS, "fma", "sqrt", "abs"}  # operations that have a symbol in C
C_NAMES = {
    ("fma", "f4"): "FMAF",
    ("fma", "f8"): "FMA",
    ("abs", "f4"): "fabsf",
    ("abs", "f8"): "fabs",
    ("power", "f4"): "powf",
    ("power", "f8"): "pow",
}


def _call(name: str, dtype: DType, args: Sequence[str]) -> str:
    text = f"{_name(name, dtype)}({', '.join(args)})"
    return f"({TYPES[dtype]}){text}" if dtype.kind == "i" else text


def _name(name: str, dtype: DType) -> str:
    """The C name of a function: an elementary one's, or the C library's."""
    if dtype.kind == "i":
        return f"{name}_i64"
    if name in FUNCTIONS and definition(name, dtype):
        return f"{name}_f{8 * dtype.itemsize}"
    kind = f"{dtype.kind}{dtype.itemsize}"
    return C_NAMES.get((name, kind), f"{name}{'f' * (dtype == FLOAT32)}")


def _bits(expr: Op) -> str:
    """Reads the bytes as another dtype. The helpers have signed integers; others need a cast."""
    (arg,), dtype = expr.args, expr.dtype
    size = 8 * dtype.itemsize
    if arg.dtype == dtype:
        return expression(arg)
    if dtype.kind == "f":
        return f"f{size}_of_bits({expression(arg)})"
    if arg.dtype.kind != "f":
        return f"({TYPES[dtype]}){_operand(arg)}"
    text = f"bits_of_f{size}({expression(arg)})"
    return text if dtype.kind == "i" else f"({TYPES[dtype]}){text}"


def _register(dtype: DType) -> str:
    """The type of a variable; a boolean is an int, as comparisons give it."""
    return "int" if dtype == BOOL else TYPES[dtype]
