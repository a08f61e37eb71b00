"""Stage 5, from the loop language to C: the same, in other words.

Functions that are alike are one function of C; which run calls it with which arrays is a table.
What is decided here is how they are put into files. What is the machine's own (the tile of a
product, how a panel is turned) is in prelude.h.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from ...primitives.expressions import (
    BOOL,
    FLOAT32,
    FLOAT64,
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
    Run,
    Segment,
    Set,
    Statement,
    Store,
    Tile,
)
from ..passes.tiling import Machine

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
FILE_SIZE = 1 << 15  # characters: a compiler's work of 1 s; an empty file costs it 0.05 s
SIGNATURE = "char *const *p, const struct place *at, struct ahead *ahead, long part, long parts"

# A slot behind the others points at the time of the last lap, and at the sum for each run.
LAP = f"""#include <time.h>

static void lap({SIGNATURE}) {{
    double *laps = (double *)p[at->slot];
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    double now = t.tv_sec + 1e-9 * t.tv_nsec;
    if (at->offset) *(double *)AT(0) += now - laps[0];
    laps[0] = now;
}}"""


# --- programs ------------------------------------------------------------------------------------


def source(segments: Mapping[str, Segment], machine: Machine) -> str:
    """The C of a step: a list of stages by the name of each segment, as threads.c does them."""
    return sources(segments, machine, sys.maxsize)[0]


def sources(segments: Mapping[str, Segment], machine: Machine, size: int = FILE_SIZE) -> list[str]:
    """The same as files of about this many characters, to be compiled side by side and linked."""
    names, files = _functions(segments, machine, size)
    tables = _Tables()
    lists = list[str]()
    for segment, groups in segments.items():
        stages = list[str]()
        for group in groups:
            calls = [([tables.run(run, names)], run.parts) for run in group if run.parts]
            small = [tables.run(run, names) for run in group if not run.parts]
            calls += [(small, 0)] if small else []  # what one thread does it does in order
            stages += [
                f"{{{tables.calls(some)}, {parts}, {int(i == 0)}}}"
                for i, (some, parts) in enumerate(calls)
            ]
        lists.append(_stages(segment, stages))
    *others, last = files
    pieces = [*last, *_declared(names, bool(others)), *tables.texts(), *lists]
    return ["\n\n".join(some) + "\n" for some in (*others, pieces)]


def timed(
    segments: Mapping[str, Segment], machine: Machine, laps: Mapping[str, int], slot: int
) -> str:
    """The same, but each run waits for all before it, and after each one thread looks at the clock:
    the double at place laps[name] of the slot's array grows by the seconds that the run took."""
    names, (pieces,) = _functions(segments, machine, sys.maxsize)
    tables, lists = _Tables(), list[str]()
    for segment, groups in segments.items():
        stages = [f"{{{tables.calls([tables.lap(slot, 0)])}, 0, 1}}"]
        for run in (run for group in groups for run in group):
            stages.append(f"{{{tables.calls([tables.run(run, names)])}, {run.parts}, 1}}")
            stages.append(f"{{{tables.calls([tables.lap(slot, laps[run.name])])}, 0, 1}}")
        lists.append(_stages(segment, stages))
    return "\n\n".join([*pieces, LAP, *tables.texts(), *lists]) + "\n"


class _Tables:
    """The arrays that runs are given, and lists of calls, as data."""

    def __init__(self) -> None:
        self.places, self.called = list[str](), list[str]()
        self.count = 0  # of places

    def run(self, run: Run, names: Mapping[Function, str]) -> str:
        """The call of a function with its arrays."""
        return self._call(run.name, names[run.function], run.arrays)

    def lap(self, slot: int, number: int) -> str:
        """The call that adds the seconds since the last lap to a number of the slot's array."""
        return self._call(f"lap {number}", "lap", [(slot, number * FLOAT64.itemsize)])

    def _call(self, title: str, name: str, arrays: Sequence[tuple[int, int]]) -> str:
        pairs = "".join(f"{{{slot}, {offset}}}, " for slot, offset in arrays)
        self.places.append(f"{pairs}/* {title} */")
        self.count += len(arrays)
        return f"{{{name}, places + {self.count - len(arrays)}}}"

    def calls(self, calls: Sequence[str]) -> str:
        """Where the list of some calls begins."""
        first = len(self.called)
        self.called += [*calls, "{0}"]
        return f"calls + {first}"

    def texts(self) -> list[str]:
        """The tables themselves."""
        places, calls = _lines([*self.places, "{0}"], ""), _lines(self.called, ",")
        return [
            f"static const struct place places[] = {{\n{places}\n}};",
            f"static const struct call calls[] = {{\n{calls}\n}};",
        ]


def _lines(items: Sequence[str], end: str) -> str:
    return "\n".join(f"    {item}{end}" for item in items)


def _stages(name: str, stages: Sequence[str]) -> str:
    return f"const struct stage {name}[] = {{\n{_lines([*stages, '{0}'], ',')}\n}};"


def _declared(names: Mapping[Function, str], elsewhere: bool) -> list[str]:
    return [f"work {', '.join(names.values())};"] if elsewhere else []


def _functions(
    segments: Mapping[str, Segment], machine: Machine, size: int
) -> tuple[dict[Function, str], list[list[str]]]:
    """A name for each function that is not like another, and files of them of about one length."""
    runs = (run for groups in segments.values() for group in groups for run in group)
    names = dict[Function, str]()
    for run in runs:
        names.setdefault(run.function, f"body{len(names)}")
    texts = {each: function(each, name) for each, name in names.items()}
    files = [list[Function]() for _ in range(1 + sum(map(len, texts.values())) // size)]
    lengths = [0] * len(files)
    for each in sorted(texts, key=lambda each: -len(texts[each])):  # the longest first
        shortest = lengths.index(min(lengths))
        files[shortest].append(each)
        lengths[shortest] += len(texts[each])
    head = f'#define VECTOR {machine.vector}\n#define ROWS {machine.rows}\n#include "prelude.h"'
    return names, [[head, *_inlined(file), *(texts[each] for each in file)] for file in files]


def _inlined(functions: Sequence[Function]) -> dict[str, None]:
    """The elementary functions that are called, in the order in which they are defined."""
    calls = (call for each in functions for call in _calls_in(each.body))
    return dict.fromkeys(text for call in calls for text in _definitions(*call))


# --- functions -----------------------------------------------------------------------------------


def function(function: Function, name: str) -> str:
    """A function of C: of its arrays, and of the share that is wanted. Other files of the library
    may name it."""
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


Call = tuple[str, DType]  # a function of numbers: its name, and of what dtype


@cache
def _definitions(name: str, dtype: DType) -> tuple[str, ...]:
    """A function of numbers, inline so that loops become vector code, after those that it calls;
    nothing where it is the C library's."""
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
    if isinstance(loop.last, Op | Load):  # it is computed once
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
    """Where the number of rows is as usual, it is one that the compiler knows."""
    left, right, rows = tile.left, tile.right, _bound(tile.rows)
    operands = f"{_start(left)}, {left.down}, {left.along}, {_start(right)}, {right.down}"

    def call(last: str) -> str:
        name = f"tile_f{8 * tile.dtype.itemsize}"
        return f"{name}({operands}, {tile.inner}, {last}, {tile.width}, {tile.into});"

    yield "aside(ahead);"
    if rows == str(tile.height):
        yield call(f"{tile.height - 1}")
        return
    yield f"if ({rows} == {tile.height}) {call(f'{tile.height - 1}')}"
    yield f"else {call(f'{rows} - 1')}"


def _start(matrix: Matrix) -> str:
    return f"{matrix.array} + {matrix.start}"


# --- expressions ---------------------------------------------------------------------------------

SYMBOLS = {"//": "/"}
LOGICAL = {"&": "&&", "|": "||", "^": "!="}  # of booleans, of which any but 0 is true


def expression(expr: Expr) -> str:
    """An expression of C."""
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
    """A number as C writes it, exactly."""
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
    # C computes with no integers that are smaller than an int.
    small = dtype.kind in "iu" and dtype.itemsize < 4
    return f"({TYPES[dtype]})({text})" if small else text


def _operand(expr: Expr) -> str:
    text = expression(expr)
    if isinstance(expr, Op):
        return f"({text})" if expr.name in COMPOUND or expr.dtype == BOOL else text
    whole = not isinstance(expr, Affine) or not expr.terms or text.isidentifier()
    return text if whole else f"({text})"


COMPOUND = {*OPERATIONS} - {*FUNCTIONS, "fma", "sqrt", "abs"}  # what has a symbol of C
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
    """A function's: the elementary one, or else the C library's."""
    if dtype.kind == "i":
        return f"{name}_i64"
    if name in FUNCTIONS and definition(name, dtype):
        return f"{name}_f{8 * dtype.itemsize}"
    kind = f"{dtype.kind}{dtype.itemsize}"
    return C_NAMES.get((name, kind), f"{name}{'f' * (dtype == FLOAT32)}")


def _bits(expr: Op) -> str:
    """By helpers that know signed integers; the same bits, signed or not, are a cast away."""
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
    """The type of a variable: a truth value is an int, as comparisons give it."""
    return "int" if dtype == BOOL else TYPES[dtype]
