"""How an entry of an op is computed from entries of others: its definition, as the primitive says
it.

A definition is an expression whose leaves are entries. So the same words of a primitive tell what
is read (`Reads`, which the planner asks), what is only another's entry (`viewed`), which positions
come of data (`bounds`), and what statements compute (nest.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...primitives.dtypes import DTYPES
from ...primitives.expressions import (
    BOOL,
    ZERO,
    Affine,
    Const,
    DType,
    Expr,
    Index,
    Shape,
    Var,
    broadcast_index,
    convert,
    variables,
    walk,
)
from ...primitives.expressions import Op as Operation
from ...primitives.primitive import Primitive
from .simplify import CONSTANT, LEAVES, Graph, Op


@dataclass(frozen=True)
class Entry(Expr):
    """An op's entry. A position of its index may be any expression of integers, affine or not."""

    number: int
    index: tuple[Any, ...]
    dtype: DType

    def __str__(self) -> str:
        return f"%{self.number}[{', '.join(map(str, self.index))}]"


@dataclass(frozen=True)
class Argument:
    """An argument in the hands of a primitive's `entry`: `argument[index]` is an entry of it."""

    number: int
    shape: Shape
    dtype: DType

    @property
    def ndim(self) -> int:
        """How many axes it has."""
        return len(self.shape)

    def __getitem__(self, index: Any) -> Entry:
        at = index if isinstance(index, tuple) else (index,)
        if len(at) != len(self.shape):
            raise TypeError(f"{len(at)} positions in an argument of {len(self.shape)} axes")
        return Entry(self.number, at, self.dtype)


def definition(graph: Graph, number: int, index: Index) -> Expr | None:
    """What an op's entry at an index is; None where its primitive does not say. TypeError where the
    primitive has no code for these dtypes."""
    op = graph.ops[number]
    if op.primitive.entry:
        expr = op.primitive.entry(index, *_arguments(graph, op), **op.params)
        return None if expr is None else convert(_checked(expr), op.dtype)
    if op.primitive.code is None:
        return None
    operands = []
    for arg, dtype in zip(op.args, operand_types(graph, op), strict=True):
        before = graph.ops[arg]
        operands.append(
            convert(Entry(arg, broadcast_index(index, before.shape), before.dtype), dtype)
        )
    out = _checked(op.primitive.code(*operands, **op.params))
    if out.dtype != op.dtype:
        raise TypeError(f"{op.primitive.name}: its code gives {out.dtype}, not {op.dtype}")
    return out


def _checked(expr: Any) -> Expr:
    if not isinstance(expr, Expr):
        raise TypeError(f"{expr!r} is no expression")
    return expr


def landing(graph: Graph, number: int, index: Index) -> tuple[Expr, ...] | None:
    """Of an op that adds into entries which arrays name: the index in its result of the entry to
    which its first argument's entry at an index is added; None where its primitive does not say."""
    op = graph.ops[number]
    assert op.primitive.into
    return op.primitive.into(index, *_arguments(graph, op), **op.params)


def _arguments(graph: Graph, op: Op) -> list[Argument]:
    return [Argument(arg, graph.ops[arg].shape, graph.ops[arg].dtype) for arg in op.args]


def operand_types(graph: Graph, op: Op) -> list[DType]:
    """To what the arguments of an elementwise primitive are converted: its conditions to truth
    values, the others to the result's dtype, or, where that is one, to what NumPy compares them
    in."""
    rest = [graph.ops[arg] for arg in op.args[op.primitive.conditions :]]
    common = op.dtype if op.dtype != BOOL else np.result_type(*map(_weak, rest))
    return [BOOL] * op.primitive.conditions + [common] * len(rest)


def _weak(op: Op) -> Any:
    value = op.params.get("value") if op.primitive is CONSTANT else None
    return value if type(value) in (int, float, bool) else op.dtype


# --- what can be asked of an op ------------------------------------------------------------------


def compiles(graph: Graph, number: int) -> bool:
    """Whether there are loops for an op; what there is none for is left to NumPy."""
    op = graph.ops[number]
    dtypes = (op.dtype, *(graph.ops[arg].dtype for arg in op.args))
    if op.primitive in LEAVES:
        return True
    if any(dtype not in DTYPES for dtype in dtypes):
        return False
    if op.primitive.product:
        return bool(op.dtype.kind == "f")
    if op.primitive.reduces:
        return _reduces(op, op.primitive.reduces)
    try:
        if adds(op):
            index = variables(graph.ops[op.args[0]].shape)
            return op.dtype != BOOL and landing(graph, number, index) is not None
        exact = op.primitive.entry or _exact(graph, op)
        return bool(exact) and definition(graph, number, variables(op.shape)) is not None
    except TypeError:
        return False


def _reduces(op: Op, by: Primitive) -> bool:
    """Whether a primitive puts two values of a reduction's dtype together to one, and begins with
    something; and the axes are told as ours are."""
    axes, x = op.params.get("axis"), Var("x", op.dtype)
    if not isinstance(axes, tuple) or not all(isinstance(i, int) and i >= 0 for i in axes):
        return False
    try:
        return bool(by.neutral and by.code and by.code(x, x).dtype == op.dtype)
    except TypeError:
        return False


def _exact(graph: Graph, op: Op) -> bool:
    """Whether a comparison is NumPy's: it compares int64 with uint64, and with numbers of Python's
    that no dtype holds, exactly."""
    if op.dtype != BOOL:
        return True
    args = [graph.ops[arg] for arg in op.args[op.primitive.conditions :]]
    common = operand_types(graph, op)[-1]
    exact = common.kind != "f" or any(arg.dtype.kind == "f" for arg in args)
    return common in DTYPES and exact and all(_holds(common, arg) for arg in args)


def _holds(dtype: DType, op: Op) -> bool:
    value = _weak(op)
    if dtype.kind not in "iu" or type(value) is not int:
        return True
    return bool(np.iinfo(dtype).min <= value <= np.iinfo(dtype).max)


def adds(op: Op) -> bool:
    """Whether it adds into entries that arrays name, so that one may be named twice."""
    return op.primitive.into is not None and len(op.args) > 1


def moves(graph: Graph, number: int) -> bool:
    """Whether an op's entry is just an entry of an argument, wherever that is."""
    op = graph.ops[number]
    return bool(op.primitive.entry) and isinstance(
        definition(graph, number, variables(op.shape)), Entry
    )


def viewed(graph: Graph, number: int, index: Index) -> tuple[int, Index] | None:
    """The argument, and the index into it, whose entry an op's entry is, if the index is affine."""
    if not graph.ops[number].primitive.entry:
        return None
    entry = definition(graph, number, index)
    if not isinstance(entry, Entry):
        return None
    at = tuple(map(affine, entry.index, graph.ops[entry.number].shape))
    return None if None in at else (entry.number, at)  # type: ignore[return-value]


def affine(position: Any, n: int) -> Affine | None:
    """A position along an axis of length n as an affine index, if it is one."""
    if n == 1:
        return ZERO
    if isinstance(position, Const):
        return Affine((), int(position.value))
    if isinstance(position, int | np.integer):
        return Affine((), int(position))
    return position if isinstance(position, Affine) else None


def source(graph: Graph, number: int) -> int:
    """The op whose memory a chain of views can be read from by strides."""
    return viewing(graph, number)[1]


def viewing(graph: Graph, number: int) -> tuple[list[int], int]:
    """The chain of views that begins with an op, and the op whose memory they are read from."""
    views = list[int]()
    while view := viewed(graph, number, variables(graph.ops[number].shape)):
        before = graph.ops[view[0]]
        if before.primitive is CONSTANT and not before.shape:
            break
        views.append(number)
        number = view[0]
    return views, number


def reduced(graph: Graph, op: Op, index: Index, variable: Callable[[int], Affine]) -> Index:
    """The index into a reduction's argument; `variable` gives that of an axis that goes."""
    shape, axes = graph.ops[op.args[0]].shape, op.params["axis"]
    gone = axes if len(index) == len(shape) else ()  # there they are kept, with length 1
    rest, inner = (at for axis, at in enumerate(index) if axis not in gone), []
    for axis, n in enumerate(shape):
        if axis in axes:
            inner.append(ZERO if n == 1 else variable(axis))
        else:
            inner.append(next(rest))
    return tuple(inner)


# --- what an entry is computed from --------------------------------------------------------------

Read = tuple[int, Index]


class Reads:
    """The entries in memory from which entries are computed.

    stored: whether an op's entry is read, not computed. A position that is no affine index has a
    variable of its own, which is in no loop.
    """

    def __init__(self, graph: Graph, stored: Callable[[int, Index], bool]) -> None:
        self.graph, self.stored = graph, stored
        self.found: dict[Read, None] = {}
        self.seen: set[Read] = set()
        self.ops: set[int] = set()  # that are computed on the way
        self.loops = False  # whether something is reduced on the way
        self.named: dict[Any, Affine] = {}

    def computed(self, number: int, index: Index) -> None:
        """Add what an op's entry is computed from."""
        op = self.graph.ops[number]
        self.ops.add(number)
        if op.primitive.reduces:
            shape = self.graph.ops[op.args[0]].shape
            self.loops |= any(shape[axis] != 1 for axis in op.params["axis"])
            inner = reduced(self.graph, op, index, lambda axis: self._name((number, index, axis)))
            self.read(op.args[0], inner)
        elif op.primitive.entry:
            self.of(definition(self.graph, number, index))
        else:
            for arg in op.args:
                self.read(arg, broadcast_index(index, self.graph.ops[arg].shape))

    def read(self, number: int, index: Index) -> None:
        """Add an op's entry, or what that is computed from."""
        key, op = (number, index), self.graph.ops[number]
        if key in self.seen or (op.primitive is CONSTANT and not op.shape):
            return
        self.seen.add(key)
        if self.stored(number, index):
            self.found[key] = None
        else:
            self.computed(number, index)

    def of(self, expr: Any) -> None:
        """Add the entries in an expression."""
        for entry in entries(expr):
            shape = self.graph.ops[entry.number].shape
            self.read(entry.number, tuple(map(self._position, entry.index, shape)))

    def _position(self, position: Any, n: int) -> Affine:
        known = affine(position, n)
        return self._name(position) if known is None else known

    def _name(self, key: Any) -> Affine:
        return self.named.setdefault(key, Affine.of(f"?{len(self.named)}"))


def entries(expr: Any) -> Iterator[Entry]:
    """The entries in a definition, those that say where others are included."""
    for part in walk(expr):
        if isinstance(part, Entry):
            for position in part.index:
                if isinstance(position, Expr):
                    yield from entries(position)
            yield part


def bounds(graph: Graph, number: int) -> list[Operation]:
    """The positions that come of data, which an op's primitive marks as bounded; in variables of
    the op's axes, or of its first argument's where it adds."""
    op = graph.ops[number]
    if adds(op):
        marked: Any = landing(graph, number, variables(graph.ops[op.args[0]].shape))
    else:
        marked = (definition(graph, number, variables(op.shape)),) if op.primitive.entry else ()
    return list({bound: None for expr in marked for bound in _bounded(expr)})


def _bounded(expr: Any) -> Iterator[Operation]:
    for part in walk(expr) if isinstance(expr, Expr) else ():
        if isinstance(part, Operation) and part.name == "bounded":
            yield part
        for position in part.index if isinstance(part, Entry) else ():
            yield from _bounded(position)
