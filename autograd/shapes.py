"""The linear rows that change shapes. They come in pairs, each the other's derivative:

broadcast_to / sum_to, index / scatter, pick / put, concatenate / index,
and reshape, transpose and cast, which undo themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .rows import Row, primitive

Shape = tuple[int, ...]


def _sum_to(x: Any, shape: Shape) -> Any:
    lead = x.ndim - len(shape)
    axes = tuple(range(lead)) + tuple(
        lead + i for i, n in enumerate(shape) if n == 1 and x.shape[lead + i] != 1
    )
    if lead < 0 or np.broadcast_shapes(shape, x.shape) != x.shape:
        raise ValueError(f"sum_to: shape {x.shape} is no broadcast of {shape}")
    return x.sum(axis=axes, keepdims=True).reshape(shape) if axes else x


broadcast_row: Row = primitive(
    "broadcast_to",
    "x repeated along new axes and axes of length 1",
    lambda x, shape: np.broadcast_to(x, shape),
    lambda g, out, x, shape: sum_to(g, x.shape),
    cases=((((3, 1),), {"shape": (2, 3, 4)}), (((),), {"shape": (2,)})),
)
sum_to_row: Row = primitive(
    "sum_to",
    "the sum over the axes that broadcasting from `shape` would repeat",
    _sum_to,
    lambda g, out, x, shape: broadcast_to(g, x.shape),
    cases=((((2, 3, 4),), {"shape": (3, 1)}), (((2, 3),), {"shape": ()})),
)
reshape_row: Row = primitive(
    "reshape",
    "the same entries, in row-major order, in another shape",
    lambda x, shape: np.reshape(x, shape),
    lambda g, out, x, shape: reshape(g, x.shape),
    cases=((((2, 6),), {"shape": (3, 4)}), (((4,),), {"shape": (2, 1, 2)})),
)
transpose_row: Row = primitive(
    "transpose",
    "the axes in another order",
    lambda x, axes: np.transpose(x, axes),
    lambda g, out, x, axes: transpose(g, tuple(int(i) for i in np.argsort(axes))),
    cases=((((2, 3),), {"axes": (1, 0)}), (((2, 3, 4),), {"axes": (1, 2, 0)})),
)
cast_row: Row = primitive(
    "cast",
    "x in another dtype",
    lambda x, dtype: np.asarray(x).astype(dtype),
    lambda g, out, x, dtype: astype(g, x.dtype),
    cases=((((2, 3),), {"dtype": np.dtype(np.float64)}),),
)


def broadcast_to(x: Any, shape: Shape) -> Any:
    """x broadcast to `shape`, as NumPy does; ValueError where it does not go."""
    return broadcast_row(x, shape=tuple(shape))


def sum_to(x: Any, shape: Shape) -> Any:
    """x summed down to `shape`, the transpose of broadcasting; ValueError where it does not go."""
    return sum_to_row(x, shape=tuple(shape))


def reshape(x: Any, *shape: Any) -> Any:
    """x with the same entries in another shape, given as a tuple or as integers; one may be -1.

    >>> from autograd import Tensor
    >>> Tensor([1.0, 2.0, 3.0, 4.0]).reshape(2, -1).shape
    (2, 2)
    """
    wanted = tuple(shape[0]) if len(shape) == 1 and not np.isscalar(shape[0]) else shape
    if -1 in wanted:
        known = -int(np.prod(wanted, dtype=np.int64))
        size = int(np.prod(x.shape, dtype=np.int64))
        if known <= 0 or size % known or wanted.count(-1) > 1:
            raise ValueError(f"reshape: shape {x.shape} does not go into {wanted}")
        wanted = tuple(size // known if n == -1 else n for n in wanted)
    return reshape_row(x, shape=wanted)


def transpose(x: Any, axes: Sequence[int] | None = None) -> Any:
    """x with its axes in the order `axes` (reversed if None); negative axes count from the end."""
    order = range(x.ndim)[::-1] if axes is None else tuple(i % x.ndim for i in axes)
    if sorted(order) != list(range(x.ndim)):
        raise ValueError(f"transpose: axes {axes} do not name each of {x.ndim} axes once")
    return transpose_row(x, axes=tuple(order))


def astype(x: Any, dtype: Any) -> Any:
    """x in another dtype; a gradient comes back in x's own."""
    dtype = np.dtype(dtype)
    return x if x.dtype == dtype else cast_row(x, dtype=dtype)


# --- reading some entries --------------------------------------------------------------------


class ArrayHere:
    """In an index, the place of an array, which travels as an argument so that a trace sees it."""

    def __repr__(self) -> str:
        return "array"


ARRAY = ArrayHere()
Key = tuple[Any, ...]


def _fill(key: Key, arrays: tuple[Any, ...]) -> Key:
    rest = iter(arrays)
    return tuple(next(rest) if part is ARRAY else part for part in key)


def _scatter(g: Any, *arrays: Any, key: Key, shape: Shape) -> Any:
    out = np.zeros(shape, np.asarray(g).dtype)
    if arrays:
        np.add.at(out, _fill(key, arrays), g)  # an entry read twice gets both cotangents
    else:
        out[key] = g
    return out


index_row: Row = primitive(
    "index",
    "the entries of x that a NumPy index names",
    lambda x, *arrays, key: x[_fill(key, arrays)],
    variadic=lambda i: (
        None
        if i
        else (lambda g, out, x, *arrays, key: scatter_row(g, *arrays, key=key, shape=x.shape))
    ),
    cases=(
        (((4, 3),), {"key": (slice(None, None, -2), 1)}),
        (((4, 3), np.array([0, 2, 2])), {"key": (ARRAY,)}),
        (((3, 4), np.array([[True, False, True, True]] * 3)), {"key": (ARRAY,)}),
    ),
)
scatter_row: Row = primitive(
    "scatter",
    "zeros, with each entry of g added where the index says",
    _scatter,
    variadic=lambda i: (
        None if i else (lambda g, out, x, *arrays, key, shape: index_row(g, *arrays, key=key))
    ),
    cases=(
        (((2,),), {"key": (slice(None, None, -2), 1), "shape": (4, 3)}),
        (((3, 2), np.array([0, 2, 2])), {"key": (ARRAY,), "shape": (4, 2)}),
    ),
)


def index(x: Any, key: Any) -> Any:
    """x[key]: slices, integers, None, Ellipsis, integer and boolean arrays, as in NumPy.

    Raises IndexError for a float where an integer is wanted, or beyond the end.
    """
    parts: list[Any] = []
    arrays: list[Any] = []
    for part in key if isinstance(key, tuple) else (key,):
        if isinstance(part, bool | np.bool_ | list | np.ndarray) or hasattr(part, "_record"):
            dtype = part.dtype if hasattr(part, "dtype") else np.array(part or [0]).dtype
            if dtype.kind not in "iub":
                raise IndexError(
                    f"index: an array of {dtype} where integers or booleans are wanted"
                )
            parts.append(ARRAY)
            arrays.append(part)
        elif isinstance(part, int | np.integer):
            parts.append(int(part))
        elif part is None or part is Ellipsis or isinstance(part, slice):
            parts.append(part)
        else:
            raise IndexError(
                f"index: {part!r} is a {type(part).__name__} where an integer, a slice or an array "
                "of integers or booleans is wanted"
            )
    return index_row(x, *arrays, key=tuple(parts))


def _check_labels(shape: Shape, labels: Any) -> None:
    if labels.dtype.kind not in "iu":
        raise TypeError(f"pick: labels are integers, not {labels.dtype}")
    if labels.shape != shape[:-1]:
        raise ValueError(f"pick: labels have shape {labels.shape}; x of {shape} wants {shape[:-1]}")
    # Seen as unsigned, a negative label is a very large one: one look finds both.
    if labels.size and labels.view(f"u{labels.itemsize}").max() >= shape[-1]:
        wrong = labels[(labels < 0) | (labels >= shape[-1])].flat[0]
        raise IndexError(f"pick: label {wrong} is outside the classes 0 to {shape[-1] - 1}")


def _pick(x: Any, labels: Any) -> Any:
    labels = np.asarray(labels)
    _check_labels(x.shape, labels)
    places = labels.ravel().astype(np.intp, copy=False) + np.arange(0, x.size, x.shape[-1])
    return x.ravel().take(places).reshape(labels.shape)


def _put(g: Any, labels: Any, size: int) -> Any:
    labels = np.asarray(labels, np.intp)
    out = np.zeros((*labels.shape, size), g.dtype)
    out.reshape(-1)[labels.ravel() + np.arange(0, out.size, size)] = g.ravel()
    return out


pick: Row = primitive(
    "pick",
    "of each vector along x's last axis, the entry that an integer label names",
    _pick,
    lambda g, out, x, labels: put_row(g, labels, size=x.shape[-1]),
    None,
    cases=((((3, 4), np.array([0, 3, 1])), {}), (((2,), np.array(1)), {})),
)
put_row: Row = primitive(
    "put",
    "zero vectors of length `size`, with g where an integer label names",
    _put,
    lambda g, out, x, labels, size: pick(g, labels),
    None,
    cases=((((3,), np.array([0, 3, 1])), {"size": 4}),),
)


# --- putting together ------------------------------------------------------------------------


def _part(i: int) -> Callable[..., Any]:
    def rule(g: Any, out: Any, *args: Any, axis: int) -> Any:
        start = sum(arg.shape[axis] for arg in args[:i])
        here = slice(start, start + args[i].shape[axis])
        return index_row(g, key=(slice(None),) * axis + (here,))

    return rule


concatenate_row: Row = primitive(
    "concatenate",
    "arrays one after the other along an axis",
    lambda *args, axis: np.concatenate(args, axis),
    variadic=_part,
    cases=((((2, 3), (2, 1)), {"axis": 1}), (((2,), (1,), (3,)), {"axis": 0})),
)


def concatenate(parts: Sequence[Any], axis: int = 0) -> Any:
    """The arrays of `parts` one after the other along an axis they may differ in.

    >>> from autograd import Tensor, concatenate
    >>> concatenate([Tensor([1.0]), Tensor([2.0, 3.0])]).data
    array([1., 2., 3.])
    """
    parts = [part if hasattr(part, "shape") else np.asarray(part) for part in parts]
    return concatenate_row(*parts, axis=axis % max(1, parts[0].ndim))


def stack(parts: Sequence[Any], axis: int = 0) -> Any:
    """The arrays of `parts`, all of one shape, side by side along a new axis.

    >>> from autograd import Tensor, stack
    >>> stack([Tensor([1.0, 2.0]), Tensor([3.0, 4.0])], axis=1).data
    array([[1., 3.],
           [2., 4.]])
    """
    parts = [part if hasattr(part, "shape") else np.asarray(part) for part in parts]
    at = axis % (parts[0].ndim + 1)
    return concatenate([reshape(p, (*p.shape[:at], 1, *p.shape[at:])) for p in parts], at)
