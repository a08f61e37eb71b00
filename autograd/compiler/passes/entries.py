"""How an entry of an op is computed from entries of its arguments: the op's definition, which its
primitive gives.

A definition is an expression whose leaves are entries. All that the compiler asks of a primitive
comes from it: what an op reads (`Reads`), whether it is a view (`view_of`), which positions come of
data (`bounds`), and which statements compute it (nest.py).
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
    """An entry of an op. Each position of its index is an int or an expression of integers, affine
    or not."""

    number: int
    index: tuple[Any, ...]
    dtype: DType

    def __str__(self) -> str:
        return f"%{self.number}[{', '.join(map(str, self.index))}]"


@dataclass(frozen=True)
class Argument:
    """What a primitive's `entry` is given for an argument: `argument[index]` is an entry of it."""

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
    """The definition of an op's entry at an index; None if its primitive does not give one.
    TypeError if the primitive has no code for these dtypes."""
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


def scatter_index(graph: Graph, number: int, index: Index) -> tuple[Expr, ...] | None:
    """Where a scatter adds the entry of its first argument at this index: an index in its result;
    None if its primitive does not say."""
    op = graph.ops[number]
    assert op.primitive.into
    return op.primitive.into(index, *_arguments(graph, op), **op.params)


def _arguments(graph: Graph, op: Op) -> list[Argument]:
    return [Argument(arg, graph.ops[arg].shape, graph.ops[arg].dtype) for arg in op.args]


def operand_types(graph: Graph, op: Op) -> list[DType]:
    """The dtypes to which the arguments of an elementwise op are converted: bool for its
    conditions, the result's dtype for the others; where that is bool too, the dtype in which NumPy
    compares them."""
    rest = [graph.ops[arg] for arg in op.args[op.primitive.conditions :]]
    common = op.dtype if op.dtype != BOOL else np.result_type(*map(_weak, rest))
    return [BOOL] * op.primitive.conditions + [common] * len(rest)


def _weak(op: Op) -> Any:
    value = op.params.get("value") if op.primitive is CONSTANT else None
    return value if type(value) in (int, float, bool) else op.dtype


# --- what can be asked of an op ------------------------------------------------------------------


def compiles(graph: Graph, number: int) -> bool:
    """Whether an op can be compiled to loops; if not, it is left to NumPy."""
    op = graph.ops[number]
    dtypes = (op.dtype, *(graph.ops[arg].dtype for arg in op.args))
    if op.primitive in LEAVES:
        return True
    if any(dtype not in DTYPES for dtype in dtypes):
        return False
    if op.primitive.product:
        return bool(op.dtype.kind == "f")
    if op.primitive.reduces:
        return _can_reduce(op, op.primitive.reduces)
    try:
        if is_scatter(op):
            index = variables(graph.ops[op.args[0]].shape)
            return op.dtype != BOOL and scatter_index(graph, number, index) is not None
        exact = op.primitive.entry or _compares_exactly(graph, op)
        return bool(exact) and definition(graph, number, variables(op.shape)) is not None
    except TypeError:
        return False


def _can_reduce(op: Op, reducer: Primitive) -> bool:
    """Whether a reduction's axes are non-negative ints, and its reducer has a neutral element and
    combines two values of the op's dtype to one."""
    axes, x = op.params.get("axis"), Var("x", op.dtype)
    if not isinstance(axes, tuple) or not all(isinstance(i, int) and i >= 0 for i in axes):
        return False
    try:
        return bool(reducer.neutral and reducer.code and reducer.code(x, x).dtype == op.dtype)
    except TypeError:
        return False


def _compares_exactly(graph: Graph, op: Op) -> bool:
    """Whether C compares the converted arguments as NumPy does. It does not for int64 with uint64,
    nor for a Python number that the dtype does not hold: NumPy compares those exactly."""
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


def is_scatter(op: Op) -> bool:
    """Whether an op adds to the entries that arrays of integers name, some perhaps twice."""
    return op.primitive.into is not None and len(op.args) > 1


def is_column_reduction(graph: Graph, op: Op) -> bool:
    """Whether an op is a reduction whose argument's last axis stays: then vectors go along that."""
    if not op.primitive.reduces:
        return False
    shape = graph.ops[op.args[0]].shape
    long = [axis for axis, n in enumerate(shape) if n > 1]
    return bool(long) and long[-1] not in op.params["axis"]


def only_indexes(graph: Graph, number: int) -> bool:
    """Whether each entry of an op is an entry of an argument, affine index or not."""
    op = graph.ops[number]
    return bool(op.primitive.entry) and isinstance(
        definition(graph, number, variables(op.shape)), Entry
    )


def view_of(graph: Graph, number: int, index: Index) -> tuple[int, Index] | None:
    """The argument, and the affine index into it, whose entry an op's entry is; None if there is no
    such argument."""
    if not graph.ops[number].primitive.entry:
        return None
    entry = definition(graph, number, index)
    if not isinstance(entry, Entry):
        return None
    at = tuple(map(as_affine, entry.index, graph.ops[entry.number].shape))
    return None if None in at else (entry.number, at)  # type: ignore[return-value]


def as_affine(position: Any, n: int) -> Affine | None:
    """A position along an axis of length n as an affine index; None if it is not affine."""
    if n == 1:
        return ZERO
    if isinstance(position, Const):
        return Affine((), int(position.value))
    if isinstance(position, int | np.integer):
        return Affine((), int(position))
    return position if isinstance(position, Affine) else None


def view_base(graph: Graph, number: int) -> int:
    """The op whose memory an op can be read from by strides: itself, if it is no view."""
    return view_chain(graph, number)[1]


def view_chain(graph: Graph, number: int) -> tuple[list[int], int]:
    """The views from an op down to its base, and the base, whose memory they are read from."""
    views = list[int]()
    while view := view_of(graph, number, variables(graph.ops[number].shape)):
        before = graph.ops[view[0]]
        if before.primitive is CONSTANT and not before.shape:
            break
        views.append(number)
        number = view[0]
    return views, number


def reduction_index(graph: Graph, op: Op, index: Index, variable: Callable[[int], Affine]) -> Index:
    """The index into a reduction's argument. variable: gives the one of a reduced axis."""
    shape, axes = graph.ops[op.args[0]].shape, op.params["axis"]
    dropped = axes if len(index) == len(shape) else ()  # keepdims
    rest, inner = (at for axis, at in enumerate(index) if axis not in dropped), []
    for axis, n in enumerate(shape):
        if axis in axes:
            inner.append(ZERO if n == 1 else variable(axis))
        else:
            inner.append(next(rest))
    return tuple(inner)


# --- what an entry is computed from --------------------------------------------------------------

Read = tuple[int, Index]


class Reads:
    """Collects, in `found`, the entries in memory from which other entries are computed.

    stored: says whether an op's entry is read from memory; else its own arguments are followed. A
    position that is not affine is replaced by a variable that no loop has.
    """

    def __init__(self, graph: Graph, stored: Callable[[int, Index], bool]) -> None:
        self.graph, self.stored = graph, stored
        self.found: dict[Read, None] = {}
        self.seen: set[Read] = set()
        self.ops: set[int] = set()  # that are computed, not read
        self.inner_loops = False  # whether one of them is a reduction
        self.unknowns: dict[Any, Affine] = {}

    def add_arguments(self, number: int, index: Index) -> None:
        """Add the entries from which an op's entry is computed."""
        op = self.graph.ops[number]
        self.ops.add(number)
        if op.primitive.reduces:
            shape = self.graph.ops[op.args[0]].shape
            self.inner_loops |= any(shape[axis] != 1 for axis in op.params["axis"])
            key = number, index
            inner = reduction_index(self.graph, op, index, lambda axis: self._name((*key, axis)))
            self.add(op.args[0], inner)
        elif op.primitive.entry:
            self.add_expression(definition(self.graph, number, index))
        else:
            for arg in op.args:
                self.add(arg, broadcast_index(index, self.graph.ops[arg].shape))

    def add(self, number: int, index: Index) -> None:
        """Add an op's entry or, if it is not in memory, those from which it is computed."""
        key, op = (number, index), self.graph.ops[number]
        if key in self.seen or (op.primitive is CONSTANT and not op.shape):
            return
        self.seen.add(key)
        if self.stored(number, index):
            self.found[key] = None
        else:
            self.add_arguments(number, index)

    def add_expression(self, expr: Any) -> None:
        """Add the entries in an expression."""
        for entry in entries(expr):
            shape = self.graph.ops[entry.number].shape
            self.add(entry.number, tuple(map(self._position, entry.index, shape)))

    def _position(self, position: Any, n: int) -> Affine:
        known = as_affine(position, n)
        return self._name(position) if known is None else known

    def _name(self, key: Any) -> Affine:
        return self.unknowns.setdefault(key, Affine.of(f"?{len(self.unknowns)}"))


def entries(expr: Any) -> Iterator[Entry]:
    """The entries in a definition, also those in the positions of others."""
    for part in walk(expr):
        if isinstance(part, Entry):
            for position in part.index:
                if isinstance(position, Expr):
                    yield from entries(position)
            yield part


def bounds(graph: Graph, number: int) -> list[Operation]:
    """The positions of an op that come of data, with their bounds, as its primitive marks them; in
    variables of the op's axes, or, of a scatter, those of its first argument."""
    op = graph.ops[number]
    if is_scatter(op):
        marked: Any = scatter_index(graph, number, variables(graph.ops[op.args[0]].shape))
    else:
        marked = (definition(graph, number, variables(op.shape)),) if op.primitive.entry else ()
    return list({bound: None for expr in marked for bound in _bounded(expr)})


def _bounded(expr: Any) -> Iterator[Operation]:
    for part in walk(expr) if isinstance(expr, Expr) else ():
        if isinstance(part, Operation) and part.name == "bounded":
            yield part
        for position in part.index if isinstance(part, Entry) else ():
            yield from _bounded(position)


def data_variables(position: Expr) -> Iterator[str]:
    """The variables on which a position depends, if it comes of data."""
    for part in () if isinstance(position, Affine) else walk(position):
        if isinstance(part, Affine):
            yield from part.names()
        for at in part.index if isinstance(part, Entry) else ():
            yield from at.names() if isinstance(at, Affine) else data_variables(at)
