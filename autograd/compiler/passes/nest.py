"""Nested loops as they are filled: entries of ops become statements.

An entry is computed where it is used, by its definition (entries.py): views only move indices, an
elementwise op becomes a line, a reduction a loop. Each line stands in the outermost loop in which
its variables are known, so nothing is computed more often than need be.
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
    rewrite,
    walk,
)
from ...primitives.expressions import Op as Operation
from ...primitives.primitive import Primitive
from ..language.statements import For, Let, Set, Statement
from ..language.tiles import gather, gathered
from .entries import Entry, affine, definition, reduced
from .simplify import CONSTANT, Graph, Op

CHUNK = 64  # entries in a running total; a sum of more than two chunks gathers them
CALLS = (*FUNCTIONS, "sqrt", "abs")

Loops = Sequence[tuple[str, int]]  # variables and how far they go, the outermost loop first


@dataclass
class Scope:
    """The inside of a loop (or of the function): its statements so far."""

    body: list[Statement] = field(default_factory=list)
    loops: bool = False  # whether there is a loop among the statements


class Nest:
    """Writes the statements that compute entries, in scopes that are open.

    load: what reads an op's entry from memory, or None for an op to be computed.
    """

    def __init__(self, graph: Graph, load: Callable[[int, Index], Expr | None]) -> None:
        self.graph, self.load = graph, load
        self.scopes = [Scope()]
        self.depth: dict[str, int] = {}  # of a variable: the scope it is known in
        self.known: dict[tuple[int, Index], Expr] = {}
        self.count = 0  # of names
        self.computed: set[int] = set()  # the ops that the statements compute

    # --- names and scopes ---

    def name(self, letter: str) -> str:
        """A new name."""
        self.count += 1
        return f"{letter}{self.count}"

    def let(self, expr: Expr) -> Expr:
        """A variable with an expression's value, let where all of the expression is known."""
        if isinstance(expr, Var | Const):
            return expr
        depth = self._depth(expr)

        def put(part: Operation, twice: bool) -> Expr:
            """What is known further out, or is there twice, is a variable."""
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
        """Enter a loop over variables."""
        self.scopes.append(Scope())
        for variable in variables:
            self.depth[variable] = len(self.scopes) - 1
        return self.scopes[-1]

    def close(self) -> Scope:
        """Leave the innermost loop. What is computed in it is at an index with a variable of it,
        and nobody asks for that outside: no two loops of a nest have a name in common."""
        return self.scopes.pop()

    @contextmanager
    def outside(self, depth: int) -> Iterator[None]:
        """Write for a while as if the scopes deeper than this were not there."""
        inner = self.scopes[depth + 1 :]
        del self.scopes[depth + 1 :]
        yield
        self.scopes[depth + 1 :] = inner

    # --- entries ---

    def entry(self, number: int, index: Index) -> Expr:
        """An op's entry: a variable, or a constant."""
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
        """From now on an entry is this."""
        self.known[key] = value

    def typed(self, number: int, index: Index, dtype: DType) -> Expr:
        """An entry, converted, by a statement of its own: in one expression GCC takes -(-x - y), x
        an integer, for x + y."""
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
        """A definition, with variables for its entries; conversions are statements of their own."""
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
                    done[id(part)] = _same(part, args)
        return done.get(id(expr), expr)

    def index(self, positions: Sequence[Any], shape: Shape) -> Index:
        """An index of expressions, in an array of a shape, as an affine one: what is not is let."""
        return tuple(map(self._position, positions, shape))

    def _position(self, position: Any, n: int) -> Affine:
        known = affine(position, n)
        if known is None:
            value = self.let(self.resolved(position))
            known = Affine.of(value.name) if isinstance(value, Var) else affine(value, n)
        assert known is not None
        return known

    # --- reductions ---

    def _reduction(self, op: Op, by: Primitive, index: Index) -> Expr:
        """A loop over the axes that go, the last of them in lanes."""
        (arg,) = op.args
        shape, axes = self.graph.ops[arg].shape, op.params["axis"]
        variables = {axis: self.name("r") for axis in axes if shape[axis] != 1}
        inner = reduced(self.graph, op, index, lambda axis: Affine.of(variables[axis]))
        start = neutral(by, op.dtype)
        if not variables:
            entry = self.typed(arg, inner, op.dtype)
            return self.let(joined(by, start, entry) if by is add else entry)  # 0 + -0 is 0
        depth = max((self.depth.get(name, 0) for at in index for name in at.names()), default=0)
        with self.outside(depth):
            for name in variables.values():
                self.open(name)
            entry = self.typed(arg, inner, op.dtype)
            out = Var(self.name("t"), op.dtype)
            loops = [(name, shape[axis]) for axis, name in variables.items()]
            statements = self._gathered(loops, by, out, start, entry)
            self.depth[out.name] = depth
            self._add(depth, *statements)
            self.scopes[depth].loops = True
        return out

    def _gathered(
        self, loops: Loops, by: Primitive, out: Var, start: Expr, entry: Expr
    ) -> list[Statement]:
        """Nested loops that gather the entry into `out`."""
        simple = by is add and not self.scopes[-1].loops
        wide = simple and not calls(self.scopes[-1].body) and loops[-1][1] > CHUNK
        chunk = 8 * CHUNK if wide else CHUNK  # in lanes each has a total
        if not rounds(by, out.dtype, loops, chunk):
            inside = [Set(out.name, joined(by, out, entry))]
            mark = ("reduction", out.name) if simple else ("", "")
            return [Let(out.name, start), *nested(loops, inside, self.close, mark)]
        into, lost = Var(self.name("s"), out.dtype), Var(self.name("s"), out.dtype)
        inside = [Set(into.name, joined(by, into, entry))]
        mark = ("reduction", into.name) if simple else ("", "")
        temporaries = self.name("s"), self.name("s")
        around = [Let(into.name, start)], gather(out, lost, into, *temporaries)
        statements = nested(loops, inside, self.close, mark, around, chunk)
        lets = [Let(out.name, start), Let(lost.name, start)]
        return [*lets, *statements, Set(out.name, gathered(out, lost))]


def _same(part: Operation, args: tuple[Expr, ...]) -> Operation:
    unchanged = all(one is two for one, two in zip(part.args, args, strict=True))
    return part if unchanged else replace(part, args=args)


def constant(value: Any, dtype: DType) -> Const:
    """A number of NumPy's or Python's, as a dtype holds it."""
    return Const(np.asarray(value).astype(dtype).item(), dtype)


def calls(body: Sequence[Statement]) -> bool:
    """Whether statements call functions."""
    values = [statement.value for statement in body if isinstance(statement, Let | Set)]
    return any(getattr(part, "name", "") in CALLS for value in values for part in walk(value))


# --- loops ---------------------------------------------------------------------------------------


def integer(value: int) -> Const:
    """An int64."""
    return Const(value, INT64)


def loop(name: str, n: int, body: Sequence[Statement], mark: str = "") -> For:
    """A loop from 0 to before n."""
    return For(name, integer(0), integer(n), tuple(body), mark=mark)


def nested(
    loops: Loops,
    body: Sequence[Statement],
    close: Callable[[], Scope],
    mark: tuple[str, str] = ("", ""),
    around: tuple[Sequence[Statement], Sequence[Statement]] | None = None,
    chunk: int = CHUNK,
) -> list[Statement]:
    """Loops around statements, from the inside out: what `close` gives stands in each; the
    innermost has the mark, and the sum it is for. `around` are statements before and after every
    `chunk` turns or fewer."""
    turns = 1  # of the loops inside
    for name, n in reversed(loops):
        inside = (*close().body, *body)
        if around and turns <= chunk < turns * n:
            first, step = Affine.of(f"{name}_first"), chunk // turns
            last = minimum(first + step, integer(n))
            block = [*around[0], For(name, first, last, inside, 1, *mark), *around[1]]
            body = [For(f"{name}_first", integer(0), integer(n), tuple(block), step)]
        else:
            body = [For(name, integer(0), integer(n), inside, 1, *mark)]
        turns, mark = turns * n, ("", "")
    return list(body)


def rounds(by: Primitive, dtype: DType, loops: Loops, chunk: int = CHUNK) -> bool:
    """Whether it is a sum so long that the rounding of a running total shows."""
    count = math.prod(n for _, n in loops)
    return by is add and dtype.kind == "f" and count > 2 * chunk


def joined(by: Primitive, total: Expr, entry: Expr) -> Expr:
    """What a reduction has once one more entry joins it."""
    assert by.code
    return by.code(total, entry)


def neutral(by: Primitive, dtype: DType) -> Const:
    """What a reduction of nothing gives."""
    assert by.neutral
    return constant(by.neutral(dtype), dtype)
