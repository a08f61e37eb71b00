"""One entry of a Tensor node as a graph of the scalars behind it.

The row's own function is run on object arrays of Values: NumPy then calls their operators and
methods. Only what the entry reads becomes Values, so that a large product opens at once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from autograd import Node, Tensor, Value, pick
from autograd.ops import add, sum_row
from autograd.primitives.indexing import index_row
from autograd.primitives.shapes import (
    broadcast_row,
    cast_row,
    concatenate_row,
    reshape_row,
    sum_to_row,
    transpose_row,
)
from viz.backprop import plain

__all__ = ["entry", "terms"]

Array = np.ndarray[Any, Any]
Index = tuple[int, ...]

MOVES = (broadcast_row, reshape_row, transpose_row, index_row, pick, concatenate_row, cast_row)
MOST_VALUES = 100_000  # behind one entry; of an unknown row all that its arguments hold


def entry(node: Any, index: Index, names: Sequence[str] = ()) -> Any:
    """The Value that is the entry at `index` of a Tensor that a row computed, with its graph.

    The leaves are the entries of the arguments that it reads, named after them ("x[3,5]") or, in
    their order, by `names`. A sum begins with its largest terms; of a maximum's ties the first is
    it. All is computed anew, in float64.
    Raises TypeError for what is no Tensor, IndexError for an index outside, ValueError for a leaf,
    for a row whose function works on arrays of numbers alone, and where too much is read.

    >>> x = Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True, name="x")
    >>> root = entry(x @ np.array([[0.5], [10.0]]), (1, 0))
    >>> root.data, [term.data for term in terms(root)]
    (41.5, [40.0, 1.5])
    >>> terms(root)[0].args[0]
    Value(data=4.0, grad=0.0, name='x[1,1]')
    """
    if not isinstance(node, Tensor):
        raise TypeError(f"entry: takes a Tensor, not {type(node).__name__}")
    if node.row is None:
        raise ValueError("entry: a leaf has nothing behind it")
    if len(index) != node.ndim:
        raise ValueError(f"entry: {index} is no index of an entry of shape {node.shape}")
    index = tuple(range(n)[i] for i, n in zip(index, node.shape, strict=True))
    known: dict[Any, Any] = {}
    args = [_Argument(arg, i, names, known) for i, arg in enumerate(node.args)]
    row, params = node.row, node.params
    try:
        if row.on_float is not None:
            return row(*(arg.entry(arg.broadcast(index)) for arg in args), **params)
        if row in MOVES:
            return _moved(node, index, args)
        if row.product:
            return _product(index, *args)
        if row in (sum_row, sum_to_row):
            return _sum(node, index, args[0])
        if "axis" in params and len(args) == 1:
            return _along(node, index, args[0])
        return _whole(node, index, args)
    except (TypeError, AttributeError):  # NumPy's isfinite, LAPACK, ... know no objects
        raise ValueError(
            f"entry: {row.name} cannot be opened: its function takes arrays of numbers alone"
        ) from None


def terms(root: Any) -> list[Any]:
    """The Values that add up to `root`, the largest first; itself where it is no sum.

    >>> a, b, c = map(Value, (1.0, -3.0, 2.0))
    >>> [term.data for term in terms(a + b + c)]
    [-3.0, 2.0, 1.0]
    """
    found, stack = [], [root]
    while stack:
        value = stack.pop()
        if value.row is add:
            stack.extend(value.args)
        else:
            found.append(value)
    return sorted(found, key=lambda value: abs(value.data), reverse=True)


class _Argument:
    """One argument of a row, of which some entries become Values.

    known: those that have, by node and place: in x * x both are one.
    """

    def __init__(self, arg: Any, i: int, names: Sequence[str], known: dict[Any, Any]) -> None:
        self.node, self.known = arg if isinstance(arg, Node) else i, known
        self.data = np.asarray(plain(arg))
        self.number = not isinstance(arg, Node) and not self.data.ndim
        name = arg.name if isinstance(arg, Node) else None
        self.name = names[i] if names else name or f"argument {i + 1}"

    def entry(self, index: Index) -> Any:
        """One entry; a plain number stays one."""
        number = float(self.data[index])
        if self.number:
            return number
        if (self.node, index) not in self.known:
            name = f"{self.name}[{','.join(map(str, index))}]" if index else self.name
            self.known[self.node, index] = Value(number, name)
        return self.known[self.node, index]

    def broadcast(self, index: Index) -> Index:
        """Which entry stands at `index` once it is broadcast."""
        shape = self.data.shape
        last = index[len(index) - len(shape) :]
        return tuple(0 if n == 1 else i for i, n in zip(last, shape, strict=True))

    def values(self, places: Sequence[Index], shape: Index) -> Array:
        """Some entries as an object array."""
        array = np.empty(len(places), object)
        array[:] = [self.entry(place) for place in places]
        return array.reshape(shape)

    def block(self, key: Sequence[slice]) -> Array:
        """The entries of a slice as an object array."""
        ranges = [range(n)[part] for part, n in zip(key, self.data.shape, strict=True)]
        shape = tuple(map(len, ranges))
        if math.prod(shape) > MOST_VALUES:
            raise ValueError(
                f"entry: the {math.prod(shape):,} numbers behind it are too many to open "
                f"(at most {MOST_VALUES:,})"
            )
        places = [tuple(r[i] for r, i in zip(ranges, at, strict=True)) for at in np.ndindex(shape)]
        return self.values(places, shape)


def _at(i: int) -> slice:
    return slice(i, i + 1)


def _moved(node: Any, index: Index, args: list[_Argument]) -> Any:
    """Rows that put entries in other places: run on the places instead."""
    if node.row is cast_row:
        return args[0].entry(index)
    count, places = 0, []
    moving = args if node.row is concatenate_row else args[:1]
    for arg in moving:
        places.append(np.arange(count, count + arg.data.size).reshape(arg.data.shape))
        count += arg.data.size
    rest = [arg.data for arg in args[len(moving) :]]
    place = int(node.row.on_array(*places, *rest, **node.params)[index])
    for arg in moving:
        if place < arg.data.size:
            return arg.entry(tuple(int(i) for i in np.unravel_index(place, arg.data.shape)))
        place -= arg.data.size
    raise AssertionError(node)


def _product(index: Index, x: _Argument, y: _Argument) -> Any:
    batch, row, column = index[:-2], index[-2], index[-1]
    left = (*x.broadcast((*batch, 0, 0))[:-2], row)
    above = y.broadcast((*batch, 0, 0))[:-2]
    products = x.data[left] * y.data[above][:, column]
    order = [int(k) for k in np.argsort(-np.abs(products), kind="stable")]
    xs = x.values([(*left, k) for k in order], (1, len(order)))
    ys = y.values([(*above, k, column) for k in order], (len(order), 1))
    return _value(np.matmul(xs, ys)) if order else Value(0.0)


def _sum(node: Any, index: Index, x: _Argument) -> Any:
    """Its terms in another order, the largest first."""
    if node.row is sum_row:
        key = _read(index, x.data.ndim, node.params["axis"])
    else:
        lead = x.data.ndim - len(index)
        tail = zip(index, node.params["shape"], strict=True)
        key = [slice(None)] * lead + [slice(None) if n == 1 else _at(i) for i, n in tail]
    values = x.block(key).ravel()
    order = np.argsort([-abs(value.data) for value in values], kind="stable")
    return _value(values[order].sum()) if values.size else Value(0.0)


def _along(node: Any, index: Index, x: _Argument) -> Any:
    """A reduction, or what keeps the shape but reads all along an axis, as log_softmax."""
    axis = np.atleast_1d(node.params["axis"]).tolist()
    out = node.row.on_array(x.block(_read(index, x.data.ndim, axis)), **node.params)
    if np.size(out) == 1:
        return _value(out)
    return _value(out[tuple(i if k in axis else 0 for k, i in enumerate(index))])


def _read(index: Index, ndim: int, axis: Sequence[int]) -> list[slice]:
    """What an entry of a reduction over `axis` reads, whether the axes are kept or not."""
    rest = iter(index)
    kept = len(index) == ndim
    key = []
    for i in range(ndim):
        at = next(rest) if kept or i not in axis else 0
        key.append(slice(None) if i in axis else _at(at))
    return key


def _whole(node: Any, index: Index, args: list[_Argument]) -> Any:
    """A row of which nothing is known: all entries of its floating arguments become Values."""
    arrays = [
        arg.block([slice(None)] * arg.data.ndim) if arg.data.dtype.kind == "f" else arg.data
        for arg in args
    ]
    out = node.row.on_array(*arrays, **node.params)
    return _value(out[index] if isinstance(out, np.ndarray) else out)


def _value(out: Any) -> Any:
    """The one entry of a result; a number that no Value moved is a constant."""
    if isinstance(out, np.ndarray | np.generic) and out.dtype != object:
        raise TypeError("its function made floats of the Values, which leaves no graph")
    value = out.item() if isinstance(out, np.ndarray) else out
    return value if isinstance(value, Value) else Value(value)
