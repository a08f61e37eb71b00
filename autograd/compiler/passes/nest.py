"""A loop nest under construction: entries of ops become statements.

An entry is computed where it is used, by its definition (entries.py): a view only changes the
index, an elementwise op becomes a statement, a reduction a loop. Each statement is put into the
outermost loop in which all of its variables are known, so that inner loops do not repeat it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ...ops import add
from ...primitives.expressions import (
    FUNCTIONS,
    INT64,
    Affine,
    Const,
    DType,
    Expr,
    Index,
    Shape,
    Var,
    convert,
    minimum,
    names,
    op,
    rewrite,
    walk,
)
from ...primitives.expressions import Op as Operation
from ...primitives.primitive import Primitive
from ..language.statements import PART, PARTS, For, Let, Set, Statement
from ..language.tiles import add_compensated, compensated
from .entries import Entry, as_affine, definition, reduction_index
from .simplify import CONSTANT, Graph, Op

CHUNK = 64  # entries in a running total; a longer sum adds up such totals, compensated
FUNCTION_NAMES = (*FUNCTIONS, "sqrt", "abs")  # operations that C calls a function for

Loops = Sequence[tuple[str, int]]  # variables and lengths, the outermost loop first


@dataclass
class Scope:
    """The body of a loop, or of the function, so far. has_loop: whether a loop is in it."""

    body: list[Statement] = field(default_factory=list)
    has_loop: bool = False


class LoopNest:
    """Writes statements that compute entries into its scopes, the outermost first.

    load: gives the load of an op's entry, or None for an op that is to be computed.
    """

    def __init__(self, graph: Graph, load: Callable[[int, Index], Expr | None]) -> None:
        self.graph, self.load = graph, load
        self.scopes = [Scope()]
        self.depth: dict[str, int] = {}  # of a variable: the number of its scope
        self.known: dict[tuple[int, Index], Expr] = {}
        self.count = 0  # of new names
        self.computed: set[int] = set()  # the ops that the statements compute

    # --- names and scopes ---

    def name(self, letter: str) -> str:
        """A new name."""
        self.count += 1
        return f"{letter}{self.count}"

    def let(self, expr: Expr) -> Expr:
        """A new variable for an expression, in the outermost scope that knows all of it."""
        if isinstance(expr, Var | Const):
            return expr
        depth = self._depth(expr)

        def put(part: Operation, twice: bool) -> Expr:
            """A variable for what is known further out or is used twice."""
            return self.let(part) if twice or self._depth(part) < depth else part

        value = rewrite(expr, put)
        self._add(depth, Let(name := self.name("t"), value))
        self.depth[name] = depth
        return Var(name, expr.dtype)

    def _add(self, depth: int, *statements: Statement) -> None:
        self.scopes[depth].body += statements

    def _depth(self, expr: Expr) -> int:
        return max((self.depth.get(name, 0) for name in names(expr)), default=0)

    def open(self, *variables: str) -> Scope:
        """Open the scope of a loop over these variables."""
        self.scopes.append(Scope())
        for variable in variables:
            self.depth[variable] = len(self.scopes) - 1
        return self.scopes[-1]

    def close(self) -> Scope:
        """Close the innermost scope. Entries known in it have its variables in their indices, and
        no other loop of the nest has these, so nobody asks for them again."""
        return self.scopes.pop()

    @contextmanager
    def outside(self, depth: int) -> Iterator[None]:
        """Hide the scopes below this one for a while."""
        inner = self.scopes[depth + 1 :]
        del self.scopes[depth + 1 :]
        yield
        self.scopes[depth + 1 :] = inner

    # --- entries ---

    def entry(self, number: int, index: Index) -> Expr:
        """An op's entry, as a variable or a constant."""
        key = number, index
        if key in self.known:
            return self.known[key]
        op = self.graph.ops[number]
        if op.primitive is CONSTANT and not op.shape:
            return constant(op.params["value"], op.dtype)
        loaded = self.load(number, index)
        value = self._computed(number, index) if loaded is None else self.let(loaded)
        self.know(key, value)
        return value

    def know(self, key: tuple[int, Index], value: Expr) -> None:
        """Say what an entry is, so that it is not computed."""
        self.known[key] = value

    def typed(self, number: int, index: Index, dtype: DType) -> Expr:
        """An entry, converted in a statement of its own: within an expression GCC simplifies
        -(-x - y), where x is an integer, to x + y."""
        return self.let(convert(self.entry(number, index), dtype))

    def _computed(self, number: int, index: Index) -> Expr:
        self.computed.add(number)
        op = self.graph.ops[number]
        if op.primitive.reduces:
            return self._reduction(op, op.primitive.reduces, index)
        expr = definition(self.graph, number, index)
        assert expr is not None
        return self.let(self.resolved(expr))

    def resolved(self, expr: Expr) -> Expr:
        """A definition with variables in place of its entries and conversions (see `typed`)."""
        done: dict[int, Expr] = {}
        for part in walk(expr):
            if isinstance(part, Entry):
                shape = self.graph.ops[part.number].shape
                done[id(part)] = self.entry(part.number, self.index(part.index, shape))
            elif isinstance(part, Operation):
                args = tuple(done.get(id(arg), arg) for arg in part.args)
                if part.name == "bounded":
                    done[id(part)] = args[0]
                elif part.name == "convert":
                    done[id(part)] = self.let(convert(args[0], part.dtype))
                else:
                    done[id(part)] = _with_args(part, args)
        return done.get(id(expr), expr)

    def index(self, positions: Sequence[Any], shape: Shape) -> Index:
        """An affine index: positions that are not affine become variables."""
        return tuple(map(self._position, positions, shape))

    def _position(self, position: Any, n: int) -> Affine:
        known = as_affine(position, n)
        if known is None:
            value = self.let(self.resolved(position))
            known = Affine.of(value.name) if isinstance(value, Var) else as_affine(value, n)
        assert known is not None
        return known

    # --- reductions ---

    def _reduction(self, op: Op, reducer: Primitive, index: Index) -> Expr:
        """Loops over the reduced axes, the last of them in lanes."""
        (arg,) = op.args
        shape, axes = self.graph.ops[arg].shape, op.params["axis"]
        variables = {axis: self.name("r") for axis in axes if shape[axis] != 1}
        inner = reduction_index(self.graph, op, index, lambda axis: Affine.of(variables[axis]))
        initial = neutral(reducer, op.dtype)
        if not variables:
            entry = self.typed(arg, inner, op.dtype)
            if reducer is add:
                entry = combined(reducer, initial, entry)  # 0 + -0 is 0
            return self.let(entry)
        depth = max((self.depth.get(name, 0) for at in index for name in at.names()), default=0)
        with self.outside(depth):
            for name in variables.values():
                self.open(name)
            entry = self.typed(arg, inner, op.dtype)
            out = Var(self.name("t"), op.dtype)
            loops = [(name, shape[axis]) for axis, name in variables.items()]
            statements = self._reduction_loops(loops, reducer, out, initial, entry)
            self.depth[out.name] = depth
            self._add(depth, *statements)
            self.scopes[depth].has_loop = True
        return out

    def _reduction_loops(
        self, loops: Loops, reducer: Primitive, out: Var, initial: Expr, entry: Expr
    ) -> list[Statement]:
        """Loops that reduce the entry to `out`."""
        in_lanes = reducer is add and not self.scopes[-1].has_loop
        vectorized = in_lanes and not has_calls(self.scopes[-1].body) and loops[-1][1] > CHUNK
        chunk = 8 * CHUNK if vectorized else CHUNK  # each of 8 lanes or more has a total
        if not is_long_sum(reducer, out.dtype, loops, chunk):
            inside = [Set(out.name, combined(reducer, out, entry))]
            mark = ("reduction", out.name) if in_lanes else ("", "")
            return [Let(out.name, initial), *nest_loops(loops, inside, self.close, mark)]
        part, lost = Var(self.name("s"), out.dtype), Var(self.name("s"), out.dtype)
        inside = [Set(part.name, combined(reducer, part, entry))]
        mark = ("reduction", part.name) if in_lanes else ("", "")
        temporaries = self.name("s"), self.name("s")
        around = [Let(part.name, initial)], add_compensated(out, lost, part, *temporaries)
        statements = nest_loops(loops, inside, self.close, mark, around, chunk)
        lets = [Let(out.name, initial), Let(lost.name, initial)]
        return [*lets, *statements, Set(out.name, compensated(out, lost))]


def _with_args(part: Operation, args: tuple[Expr, ...]) -> Operation:
    unchanged = all(one is two for one, two in zip(part.args, args, strict=True))
    return part if unchanged else replace(part, args=args)


def constant(value: Any, dtype: DType) -> Const:
    """A NumPy or Python number, as a dtype holds it."""
    return Const(np.asarray(value).astype(dtype).item(), dtype)


def has_calls(body: Sequence[Statement]) -> bool:
    """Whether statements call functions."""
    values = [statement.value for statement in body if isinstance(statement, Let | Set)]
    parts = (part for value in values for part in walk(value))
    return any(getattr(part, "name", "") in FUNCTION_NAMES for part in parts)


# --- loops ---------------------------------------------------------------------------------------


def integer(value: int) -> Const:
    """An int64."""
    return Const(value, INT64)


def loop(name: str, n: int, body: Sequence[Statement], mark: str = "") -> For:
    """A loop of n iterations, from 0."""
    return For(name, integer(0), integer(n), tuple(body), mark=mark)


def part_bounds(n: int) -> tuple[Expr, Expr]:
    """The first iteration of this part of n, and the one after its last."""
    return op("//", n * PART, PARTS), op("//", n * (PART + 1), PARTS)


def axis_loop(
    name: str, n: int, body: Sequence[Statement], mark: str = "", split: bool = False
) -> For:
    """A loop of n iterations; split: of this part of them."""
    if not split:
        return loop(name, n, body, mark)
    return For(name, *part_bounds(n), tuple(body), mark=mark, parallel=True)


def nest_loops(
    loops: Loops,
    body: Sequence[Statement],
    close: Callable[[], Scope],
    mark: tuple[str, str] = ("", ""),
    around: tuple[Sequence[Statement], Sequence[Statement]] | None = None,
    chunk: int = CHUNK,
) -> list[Statement]:
    """Loops around statements, from the inside out.

    close: gives the scope of the innermost open loop, whose statements come first. mark: of the
    innermost loop, and its `sum`. around: statements before and after at most `chunk` iterations.
    """
    iterations = 1  # of the loops inside
    for name, n in reversed(loops):
        inside = (*close().body, *body)
        if around and iterations <= chunk < iterations * n:
            first, step = Affine.of(f"{name}_first"), chunk // iterations
            last = minimum(first + step, integer(n))
            block = [*around[0], For(name, first, last, inside, 1, *mark), *around[1]]
            body = [For(f"{name}_first", integer(0), integer(n), tuple(block), step)]
        else:
            body = [For(name, integer(0), integer(n), inside, 1, *mark)]
        iterations, mark = iterations * n, ("", "")
    return list(body)


def is_long_sum(reducer: Primitive, dtype: DType, loops: Loops, chunk: int = CHUNK) -> bool:
    """Whether a reduction is a sum of floats too long for one running total."""
    count = math.prod(n for _, n in loops)
    return reducer is add and dtype.kind == "f" and count > 2 * chunk


def combined(reducer: Primitive, total: Expr, entry: Expr) -> Expr:
    """The reduction of a total and one more entry."""
    assert reducer.code
    return reducer.code(total, entry)


def neutral(reducer: Primitive, dtype: DType) -> Const:
    """The reduction of no entries."""
    assert reducer.neutral
    return constant(reducer.neutral(dtype), dtype)
