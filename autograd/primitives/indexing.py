"""Reading some entries of an array, and the transpose: adding into some entries of zeros.

index and scatter_add take any NumPy index; gather and scatter a label for each vector along the
last axis.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from .expressions import (
    INT64,
    ZERO,
    Affine,
    Expr,
    Index,
    bounded,
    broadcast_index,
    convert,
    equal,
    quotient,
    remainder,
    select,
    zero,
)
from .joining import operand
from .primitive import Operand, Primitive, primitive
from .shapes import (
    Shape,
    batch_size,
    broadcast_batches,
    broadcast_to,
    expand_dims,
    inverse,
    moveaxis,
    transpose,
)


class ArrayInIndex:
    """Stands for an array in an index. The array itself is an argument, so that a trace sees it."""

    def __repr__(self) -> str:
        return "array"


ARRAY = ArrayInIndex()
Key = tuple[Any, ...]


def _with_arrays(key: Key, arrays: tuple[Any, ...]) -> Key:
    rest = iter(arrays)
    return tuple(next(rest) if part is ARRAY else part for part in key)


def _scatter_add(g: Any, *arrays: Any, key: Key, shape: Shape) -> Any:
    out = np.zeros(shape, np.asarray(g).dtype)
    if arrays:
        np.add.at(
            out, _with_arrays(key, arrays), g
        )  # an entry that is read twice gets both cotangents
    else:
        out[key] = g
    return out


index_p: Primitive = primitive(
    "index",
    "the entries of x that a NumPy index names",
    lambda x, *arrays, key: x[_with_arrays(key, arrays)],
    variadic=lambda i: (
        None
        if i
        else (lambda g, out, x, *arrays, key: scatter_add_p(g, *arrays, key=key, shape=x.shape))
    ),
    linear=True,
    batch=lambda args, batched, key: _batch_index(args, batched, key),
    view=True,
    entry=lambda at, x, *arrays, key: _read(at, x, arrays, key),
    composed=lambda x, *arrays, key: _without_masks(index_p, x, arrays, key),
    cases=(
        (((4, 3),), {"key": (slice(None, None, -2), 1)}),
        (((4, 3), np.array([0, 2, 2])), {"key": (ARRAY,)}),
        (((3, 4), np.array([[True, False, True, True]] * 3)), {"key": (ARRAY,)}),
    ),
)
scatter_add_p: Primitive = primitive(
    "scatter_add",
    "zeros, with each entry of g added where the index says",
    _scatter_add,
    variadic=lambda i: (
        None if i else (lambda g, out, x, *arrays, key, shape: index_p(g, *arrays, key=key))
    ),
    linear=True,
    batch=lambda args, batched, key, shape: _batch_scatter_add(args, batched, key, shape),
    entry=lambda at, g, *arrays, key, shape: None if arrays else _unsliced(at, g, key, shape),
    into=lambda at, g, *arrays, key, shape: _source_index(at, shape, arrays, key),
    composed=lambda g, *arrays, key, shape: _without_masks(
        scatter_add_p, g, arrays, key, shape=shape
    ),
    cases=(
        (((2,),), {"key": (slice(None, None, -2), 1), "shape": (4, 3)}),
        (((3, 2), np.array([0, 2, 2])), {"key": (ARRAY,), "shape": (4, 2)}),
    ),
)


def index(x: Operand, key: Any) -> Any:
    """x[key]: slices, integers, None, Ellipsis, integer and boolean arrays, as in NumPy.

    The dtype stays. An entry that is read twice gets both cotangents. Raises IndexError for a
    float where an integer is wanted, or beyond the end.

    >>> from autograd import Tensor, index
    >>> x = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> read = index(x, [0, 2, 2])  # x[[0, 2, 2]]
    >>> read.data
    array([1., 3., 3.])
    >>> read.sum().backward(); x.grad.data
    array([1., 0., 2.])
    """
    parts: list[Any] = []
    arrays: list[Any] = []
    for part in key if isinstance(key, tuple) else (key,):
        if isinstance(part, bool | np.bool_ | list | np.ndarray) or hasattr(part, "_record"):
            empty = isinstance(part, list) and not part  # NumPy would convert it to floats
            array = np.zeros(0, np.intp) if empty else part
            if isinstance(array, list | np.ndarray):
                array = operand(array, "index")
            dtype = getattr(array, "dtype", np.dtype(bool))
            if dtype.kind not in "iub":
                raise IndexError(
                    f"index: an array of {dtype} where one of integers or booleans is wanted"
                )
            parts.append(ARRAY)
            arrays.append(array)
        elif isinstance(part, int | np.integer):
            parts.append(int(part))
        elif part is None or part is Ellipsis or isinstance(part, slice):
            parts.append(part)
        else:
            raise IndexError(
                f"index: {part!r} is a {type(part).__name__} where an integer, a slice or an array "
                "of integers or booleans is wanted"
            )
    return index_p(x, *arrays, key=tuple(parts))


def _checked_labels(shape: Shape, labels: Any) -> Any:
    if labels.dtype.kind not in "iu":
        raise TypeError(f"gather: labels are integers, not {labels.dtype}")
    if labels.shape != shape[:-1]:
        raise ValueError(
            f"gather: labels have shape {labels.shape}; x of {shape} wants {shape[:-1]}"
        )
    # Converted to intp and viewed as unsigned, a negative label is very large: one test finds both.
    places = labels.astype(np.intp, copy=False)
    if labels.size and places.view(np.uintp).max() >= shape[-1]:
        wrong = labels[(labels < 0) | (labels >= shape[-1])].flat[0]
        raise IndexError(f"gather: label {wrong} is outside the classes 0 to {shape[-1] - 1}")
    return places


def _gather(x: Any, labels: Any) -> Any:
    places = _checked_labels(x.shape, np.asarray(labels))
    starts = np.arange(0, x.size, x.shape[-1])
    return x.ravel().take(places.ravel() + starts).reshape(places.shape)


def _scatter(g: Any, labels: Any, size: int) -> Any:
    labels = np.asarray(labels, np.intp)
    out = np.zeros((*labels.shape, size), g.dtype)
    out.reshape(-1)[labels.ravel() + np.arange(0, out.size, size)] = g.ravel()
    return out


gather_p: Primitive = primitive(
    "gather",
    "of each vector along x's last axis, the entry that an integer label names",
    _gather,
    lambda g, out, x, labels: scatter_p(g, labels, size=x.shape[-1]),
    None,
    linear=True,
    batch=lambda args, batched: gather_p(*broadcast_batches(args, batched)),
    entry=lambda at, x, labels: x[(*at, _label(labels[at], x.shape[-1]))],
    cases=((((3, 4), np.array([0, 3, 1])), {}), (((2,), np.array(1)), {})),
)
scatter_p: Primitive = primitive(
    "scatter",
    "zero vectors of length `size`, with g where an integer label names",
    _scatter,
    lambda g, out, x, labels, size: gather_p(g, labels),
    None,
    linear=True,
    batch=lambda args, batched, size: scatter_p(*broadcast_batches(args, batched), size=size),
    entry=lambda at, g, labels, size: select(
        equal(at[-1], _label(labels[at[:-1]], size)), g[at[:-1]], zero(g.dtype)
    ),
    cases=((((3,), np.array([0, 3, 1])), {"size": 4}),),
)


def gather(x: Operand, labels: Operand) -> Any:
    """One entry of each vector along x's last axis: the one that an integer label names.

    x: (..., classes). labels: (...), integers in 0..classes-1. Gives (...), of x's dtype: PyTorch's
    `x.gather(-1, labels[..., None])[..., 0]`. Raises TypeError for labels that are no integers,
    ValueError for shapes that disagree and IndexError for a label outside the classes, also a
    negative one.

    >>> from autograd import Tensor, gather
    >>> gather(Tensor([[1.0, 2.0], [3.0, 4.0]]), [1, 0]).data
    array([2., 3.])
    """
    return gather_p(x, labels)


# --- the index of each entry, as expressions -----------------------------------------------------


class _Layout:
    """An index with its Ellipsis written out, and where NumPy puts its arrays' axes: at the first
    array or, if a slice stands between arrays, in front of all other axes. (Integers beside arrays
    count as arrays.)"""

    def __init__(self, key: Key, axes: Sequence[int], masks: Sequence[bool], ndim: int) -> None:
        uses = [n if mask else 1 for n, mask in zip(axes, masks, strict=True)]
        used = sum(uses) + sum(isinstance(part, int | slice) for part in key)
        rest = (slice(None),) * (ndim - used)
        key = key if any(part is Ellipsis for part in key) else (*key, Ellipsis)
        self.key: Key = tuple(p for part in key for p in (rest if part is Ellipsis else (part,)))
        places = [i for i, p in enumerate(self.key) if p is ARRAY or (axes and type(p) is int)]
        self.masked = any(masks)
        self.apart = bool(places) and places[-1] - places[0] >= len(places)
        self.before = places[0] if places and not self.apart else 0
        self.axes = max([1 if m else n for n, m in zip(axes, masks, strict=True)], default=0)

    def counted(self, args: Sequence[Any], batched: Sequence[bool]) -> list[Any]:
        """The arrays of an index that differs between examples, after one that numbers these."""
        if self.masked:
            raise IndexError(
                "vmap: masks that differ between examples give no one shape; use where"
            )
        count = np.arange(batch_size(args, batched)).reshape(-1, *(1,) * self.axes)
        arrays = zip(args[1:], batched[1:], strict=True)
        return [count, *(expand_dims(array, self.axes) if b else array for array, b in arrays)]

    def order(self, ndim: int) -> list[int]:
        """The permutation that puts the axes before the arrays' back in front of them: NumPy has
        moved the arrays' axes first, because the array that numbers the examples stands apart."""
        arrays = range(1, 1 + self.axes)
        before = range(arrays.stop, arrays.stop + self.before)
        return [0, *before, *arrays, *range(before.stop, ndim)]


def _label(entry: Expr, n: int) -> Expr:
    """A label of n classes, as an int64. (As such a uint64 that is too large is negative.)"""
    return bounded(convert(entry, INT64), n)


def _position(entry: Expr, n: int) -> Expr:
    """A position along an axis of length n, from an array in an index: negative positions count
    from the end."""
    i = convert(entry, INT64)
    return bounded(i if entry.dtype.kind == "u" else select(i < 0, i + n, i), n)


def _source_index(
    at: Index, shape: Shape, arrays: Sequence[Any], key: Key
) -> tuple[Expr, ...] | None:
    """The index in x, of this shape, of the entry of x[key] at index `at`. None if the key has
    masks: how many entries they select is not known here."""
    if any(array.dtype == bool for array in arrays):
        return None
    layout = _Layout(key, [array.ndim for array in arrays], [False] * len(arrays), len(shape))
    first, last = layout.before, layout.before + layout.axes
    kept, rest = iter((*at[:first], *at[last:])), iter(arrays)
    lengths, index = iter(shape), list[Expr]()
    for part in layout.key:
        if part is None:
            next(kept)
            continue
        n = next(lengths)
        if part is ARRAY:
            array = next(rest)
            index.append(_position(array[broadcast_index(at[first:last], array.shape)], n))
        elif isinstance(part, slice):
            numbers = range(n)[part]
            index.append(next(kept) * numbers.step + numbers.start)
        else:
            index.append(Affine((), part % n))
    return tuple(index)


def _read(at: Index, x: Any, arrays: Sequence[Any], key: Key) -> Expr | None:
    index = _source_index(at, x.shape, arrays, key)
    return None if index is None else x[index]


def _unsliced(at: Index, g: Any, key: Key, shape: Shape) -> Expr:
    """The entry of scatter_add at an index, for a key of slices and integers: the entry of g that
    goes there, or 0. An entry of g is read in either case."""
    here, index, places = [], list[Expr](), iter(zip(at, shape, strict=True))
    for part in _Layout(key, (), (), len(shape)).key:
        if part is None:
            index.append(ZERO)
            continue
        position, n = next(places)
        if isinstance(part, int):
            here.append(equal(position, part % n))
            continue
        numbers = range(*part.indices(n))
        if numbers == range(n):
            index.append(position)
            continue
        sign = 1 if numbers.step > 0 else -1
        step, away = numbers.step * sign, (position - numbers.start) * sign
        inside = (away >= 0) & (away < step * len(numbers)) & equal(remainder(away, step), 0)
        here.append(inside)
        index.append(select(inside, quotient(away, step), 0) if len(numbers) > 1 else ZERO)
    if 0 in g.shape:
        return zero(g.dtype)
    entry = g[tuple(index)]
    return select(functools.reduce(operator.and_, here), entry, zero(g.dtype)) if here else entry


def _without_masks(
    prim: Primitive, first: Any, arrays: Sequence[Any], key: Key, **params: Any
) -> Any:
    """The primitive with constant masks replaced by the integers that they stand for; None if no
    mask is constant."""
    rest, args, parts = iter(arrays), list[Any](), list[Any]()
    for part in key:
        array = next(rest) if part is ARRAY else None
        if array is None:
            parts.append(part)
        elif array.value is None or array.dtype != bool or not array.shape:
            parts.append(part)
            args.append(array)
        else:
            places = np.nonzero(array.value)
            parts += [ARRAY] * len(places)
            args += places
    changed = len(args) != len(arrays) or any(a is not b for a, b in zip(args, arrays, strict=True))
    return prim(first, *args, key=tuple(parts), **params) if changed else None


# --- with a batch axis in front, for vmap ------------------------------------------------------


def _layout_of(args: Sequence[Any], batched: Sequence[bool], key: Key, ndim: int) -> _Layout:
    axes = [array.ndim - b for array, b in zip(args[1:], batched[1:], strict=True)]
    return _Layout(key, axes, [array.dtype == bool for array in args[1:]], ndim)


def _batch_index(args: Sequence[Any], batched: Sequence[bool], key: Key) -> Any:
    x, *arrays = args
    layout = _layout_of(args, batched, key, x.ndim - batched[0])
    if not any(batched[1:]):
        out = index_p(x, *arrays, key=(slice(None), *layout.key))
        return moveaxis(out, layout.axes, 0) if layout.apart else out
    x = x if batched[0] else broadcast_to(x, (batch_size(args, batched), *x.shape))
    out = index_p(x, *layout.counted(args, batched), key=(ARRAY, *layout.key))
    return transpose(out, layout.order(out.ndim)) if layout.before else out


def _batch_scatter_add(args: Sequence[Any], batched: Sequence[bool], key: Key, shape: Shape) -> Any:
    g, *arrays = args
    layout = _layout_of(args, batched, key, len(shape))
    size = batch_size(args, batched)
    if not any(batched[1:]):
        g = moveaxis(g, 0, layout.axes) if layout.apart else g
        return scatter_add_p(g, *arrays, key=(slice(None), *layout.key), shape=(size, *shape))
    g = g if batched[0] else broadcast_to(g, (size, *g.shape))
    if layout.before:
        g = transpose(g, inverse(layout.order(g.ndim)))
    numbers = layout.counted(args, batched)
    return scatter_add_p(g, *numbers, key=(ARRAY, *layout.key), shape=(size, *shape))
