"""One entry of a Tensor node as a graph of the scalars that it is computed from.

The primitive's own function runs on object arrays of Values: NumPy then calls their operators and
methods. Only what the entry reads becomes Values, so that a large product opens at once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from autograd import Node, Tensor, Value
from autograd.ops import add, sum_p
from autograd.primitives.indexing import gather_p, index_p
from autograd.primitives.joining import concatenate_p
from autograd.primitives.shapes import (
    broadcast_p,
    cast_p,
    reshape_p,
    sum_to_p,
    transpose_p,
)
from viz.backprop import plain

__all__ = ["entry", "terms"]

Array = np.ndarray[Any, Any]
Index = tuple[int, ...]

MOVING = (broadcast_p, reshape_p, transpose_p, index_p, gather_p, concatenate_p, cast_p)
MAX_VALUES = 100_000  # that one entry reads; of an unknown primitive, all entries of its arguments


def entry(node: Any, index: Index, names: Sequence[str] = ()) -> Any:
    """The entry at `index` of a computed Tensor, as a Value with its graph.

    The leaves are the entries of the arguments that it reads, named after them ("x[3,5]"), or after
    `names`, one for each argument. A sum begins with its largest terms; a maximum takes the first
    of ties. It is computed anew, in float64.
    Raises TypeError for anything but a Tensor, IndexError for an index outside, ValueError for a
    leaf, for a primitive whose function needs arrays of numbers, and where it reads too much.

    >>> x = Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True, name="x")
    >>> root = entry(x @ np.array([[0.5], [10.0]]), (1, 0))
    >>> root.data, [term.data for term in terms(root)]
    (41.5, [40.0, 1.5])
    >>> terms(root)[0].args[0]
    Value(data=4.0, grad=0.0, name='x[1,1]')
    """
    if not isinstance(node, Tensor):
        raise TypeError(f"entry: takes a Tensor, not {type(node).__name__}")
    if node.primitive is None:
        raise ValueError("entry: a leaf is not computed from anything")
    if len(index) != node.ndim:
        raise ValueError(f"entry: {index} is no index of an entry of shape {node.shape}")
    index = tuple(range(n)[i] for i, n in zip(index, node.shape, strict=True))
    made: dict[Any, Any] = {}
    args = [_Argument(arg, i, names, made) for i, arg in enumerate(node.args)]
    try:
        return _computed(node, index, args)
    except (TypeError, AttributeError):  # NumPy's isfinite, LAPACK, ... do not take objects
        raise ValueError(
            f"entry: {node.primitive.name} cannot be opened: its function takes arrays of numbers "
            "alone"
        ) from None


def terms(root: Any) -> list[Any]:
    """The Values that add up to `root`, the largest first; of anything but a sum, `root` itself.

    >>> a, b, c = map(Value, (1.0, -3.0, 2.0))
    >>> [term.data for term in terms(a + b + c)]
    [-3.0, 2.0, 1.0]
    """
    added, stack = [], [root]
    while stack:
        value = stack.pop()
        if value.primitive is add:
            stack.extend(value.args)
        else:
            added.append(value)
    return sorted(added, key=lambda value: abs(value.data), reverse=True)


class _Argument:
    """One argument of a primitive, some of whose entries become Values.

    made: the Values made so far, by node and index, for all arguments: x * x has one leaf.
    """

    def __init__(self, arg: Any, i: int, names: Sequence[str], made: dict[Any, Any]) -> None:
        self.node, self.made = arg if isinstance(arg, Node) else i, made
        self.data = np.asarray(plain(arg))
        self.number = not isinstance(arg, Node) and not self.data.ndim
        name = arg.name if isinstance(arg, Node) else None
        self.name = names[i] if names else name or f"argument {i + 1}"

    def entry(self, index: Index) -> Any:
        """One entry as a Value, or as a number where the argument is a plain number."""
        number = float(self.data[index])
        if self.number:
            return number
        if (self.node, index) not in self.made:
            name = f"{self.name}[{','.join(map(str, index))}]" if index else self.name
            self.made[self.node, index] = Value(number, name)
        return self.made[self.node, index]

    def broadcast_index(self, index: Index) -> Index:
        """The index of the entry that broadcasting puts at `index`."""
        shape = self.data.shape
        last = index[len(index) - len(shape) :]
        return tuple(0 if n == 1 else i for i, n in zip(last, shape, strict=True))

    def array(self, indices: Sequence[Index], shape: Index) -> Array:
        """Some entries as an object array."""
        array = np.empty(len(indices), object)
        array[:] = [self.entry(index) for index in indices]
        return array.reshape(shape)

    def block(self, key: Sequence[slice]) -> Array:
        """The entries of a slice as an object array."""
        ranges = [range(n)[part] for part, n in zip(key, self.data.shape, strict=True)]
        shape = tuple(map(len, ranges))
        if math.prod(shape) > MAX_VALUES:
            raise ValueError(
                f"entry: it is computed from {math.prod(shape):,} numbers, too many to open "
                f"(at most {MAX_VALUES:,})"
            )
        indices = [tuple(r[i] for r, i in zip(ranges, at, strict=True)) for at in np.ndindex(shape)]
        return self.array(indices, shape)


def _computed(node: Any, index: Index, args: list[_Argument]) -> Any:
    """The entry, by the kind of the primitive: what it reads differs."""
    prim, params = node.primitive, node.params
    if prim.on_float is not None:
        return prim(*(arg.entry(arg.broadcast_index(index)) for arg in args), **params)
    if prim in MOVING:
        return _moved_entry(node, index, args)
    if prim.product:
        return _product(index, *args)
    if prim in (sum_p, sum_to_p):
        return _sum(node, index, args[0])
    if "axis" in params and len(args) == 1:
        return _reduction(node, index, args[0])
    return _unknown(node, index, args)


def _only(i: int) -> slice:
    return slice(i, i + 1)


def _moved_entry(node: Any, index: Index, args: list[_Argument]) -> Any:
    """The entry that a primitive moves to `index`: its function runs on positions instead."""
    if node.primitive is cast_p:
        return args[0].entry(index)
    count, positions = 0, []
    sources = args if node.primitive is concatenate_p else args[:1]
    for arg in sources:
        positions.append(np.arange(count, count + arg.data.size).reshape(arg.data.shape))
        count += arg.data.size
    rest = [arg.data for arg in args[len(sources) :]]
    position = int(node.primitive.on_array(*positions, *rest, **node.params)[index])
    for arg in sources:
        if position < arg.data.size:
            return arg.entry(tuple(int(i) for i in np.unravel_index(position, arg.data.shape)))
        position -= arg.data.size
    raise AssertionError(node)


def _product(index: Index, x: _Argument, y: _Argument) -> Any:
    batch, prim, column = index[:-2], index[-2], index[-1]
    left = (*x.broadcast_index((*batch, 0, 0))[:-2], prim)
    right = y.broadcast_index((*batch, 0, 0))[:-2]
    products = x.data[left] * y.data[right][:, column]
    order = [int(k) for k in np.argsort(-np.abs(products), kind="stable")]
    xs = x.array([(*left, k) for k in order], (1, len(order)))
    ys = y.array([(*right, k, column) for k in order], (len(order), 1))
    return _value(np.matmul(xs, ys)) if order else Value(0.0)


def _sum(node: Any, index: Index, x: _Argument) -> Any:
    """The sum of the terms in another order, the largest first."""
    if node.primitive is sum_p:
        key = _reduced_slices(index, x.data.ndim, node.params["axis"])
    else:
        lead = x.data.ndim - len(index)
        tail = zip(index, node.params["shape"], strict=True)
        key = [slice(None)] * lead + [slice(None) if n == 1 else _only(i) for i, n in tail]
    values = x.block(key).ravel()
    order = np.argsort([-abs(value.data) for value in values], kind="stable")
    return _value(values[order].sum()) if values.size else Value(0.0)


def _reduction(node: Any, index: Index, x: _Argument) -> Any:
    """A reduction, or a primitive that reads a whole axis and keeps the shape, as log_softmax."""
    axis = np.atleast_1d(node.params["axis"]).tolist()
    out = node.primitive.on_array(x.block(_reduced_slices(index, x.data.ndim, axis)), **node.params)
    if np.size(out) == 1:
        return _value(out)
    return _value(out[tuple(i if k in axis else 0 for k, i in enumerate(index))])


def _reduced_slices(index: Index, ndim: int, axis: Sequence[int]) -> list[slice]:
    """The slices that an entry of a reduction over `axis` reads, with the axes kept or not."""
    rest = iter(index)
    kept = len(index) == ndim
    key = []
    for i in range(ndim):
        at = next(rest) if kept or i not in axis else 0
        key.append(slice(None) if i in axis else _only(at))
    return key


def _unknown(node: Any, index: Index, args: list[_Argument]) -> Any:
    """An unknown primitive: all entries of its floating arguments become Values."""
    arrays = [
        arg.block([slice(None)] * arg.data.ndim) if arg.data.dtype.kind == "f" else arg.data
        for arg in args
    ]
    out = node.primitive.on_array(*arrays, **node.params)
    return _value(out[index] if isinstance(out, np.ndarray) else out)


def _value(out: Any) -> Any:
    """The one entry of a result; a number that does not depend on a Value is a constant."""
    if isinstance(out, np.ndarray | np.generic) and out.dtype != object:
        raise TypeError("its function turned the Values into floats, which have no graph")
    value = out.item() if isinstance(out, np.ndarray) else out
    return value if isinstance(value, Value) else Value(value)
