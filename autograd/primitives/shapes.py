"""The linear primitives that change shapes and dtypes: broadcast_to and sum_to, each the other's
transpose, and reshape, transpose and cast, whose transposes are of the same kind.

Concatenation is in joining.py, indexing in indexing.py.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from .dtypes import check_dtype
from .expressions import (
    ZERO,
    Expr,
    Index,
    broadcast_index,
    contiguous,
    convert,
    offset,
    quotient,
    remainder,
)
from .primitive import Operand, Primitive, primitive

Shape = tuple[int, ...]

BLOCK = 32  # entries in a running total; NumPy sums up to 4 * BLOCK, and is quicker at it
add_reduce: Any = np.add.reduce  # `array.sum` without half a microsecond


def total(x: Any, axes: Shape, keepdims: bool = False) -> Any:
    """The sum of an array over axes, with an error that grows slower than the number of entries.

    NumPy sums pairwise only along the axis that is contiguous in memory; along others it adds row
    after row to a running total, and a million times 0.1 in float32 make 100958.
    """
    if math.prod([x.shape[axis] for axis in axes]) <= 4 * BLOCK or x.dtype.kind != "f":
        return add_reduce(x, axes, keepdims=keepdims)
    flags, lead = x.flags, x.ndim - len(axes)
    if (flags.c_contiguous and axes[0] == lead) or (flags.f_contiguous and not lead):
        return add_reduce(x, axes, keepdims=keepdims)
    out = x
    for axis in sorted(axes, key=x.shape.__getitem__, reverse=True):
        out = _sum_along(out, axis)
    return out if keepdims else out.squeeze(axes)


def _sum_along(x: Any, axis: int) -> Any:
    """The sum along an axis, which is kept, of sums of BLOCK entries."""
    n, rows = x.shape[axis], x.swapaxes(0, axis)
    if n <= 4 * BLOCK or x.strides[axis] == x.itemsize:
        return add_reduce(x, axis, keepdims=True)
    whole = n - n % BLOCK
    sums = add_reduce(rows[:whole].reshape(-1, BLOCK, *rows.shape[1:]), 1)
    if whole < n:
        sums = np.concatenate([sums, add_reduce(rows[whole:], 0, keepdims=True)])
    return _sum_along(sums.swapaxes(0, axis), axis)


def _sum_to(x: Any, shape: Shape) -> Any:
    lead = x.ndim - len(shape)
    tail = x.shape[lead:]
    if tail == shape and lead > 0:
        return total(x, tuple(range(lead)))
    if lead < 0 or any(n not in (1, m) for n, m in zip(shape, tail, strict=True)):
        raise ValueError(f"sum_to: shape {x.shape} is no broadcast of {shape}")
    axes = (*range(lead), *(lead + i for i, n in enumerate(shape) if n == 1 and tail[i] != 1))
    return total(x, axes, keepdims=True).reshape(shape) if axes else x


broadcast_p: Primitive = primitive(
    "broadcast_to",
    "x repeated along new axes and axes of length 1",
    lambda x, shape: np.broadcast_to(x, shape),
    lambda g, out, x, shape: sum_to(g, x.shape),
    linear=True,
    batch=lambda args, batched, shape: broadcast_to(
        expand_dims(args[0], len(shape)), (len(args[0]), *shape)
    ),
    cases=((((3, 1),), {"shape": (2, 3, 4)}), (((),), {"shape": (2,)})),
    view=True,
    entry=lambda at, x, shape: x[broadcast_index(at, x.shape)],
    composed=lambda x, shape: x if x.shape == shape else None,
)


def _sum_and_reshape(x: Any, shape: Shape) -> Any:
    lead = x.ndim - len(shape)
    ends = enumerate(zip(x.shape[lead:], shape, strict=True), lead)
    axes = (*range(lead), *(i for i, (n, m) in ends if n != m))
    return reshape(x.sum(axes) if axes else x, shape)


sum_to_p: Primitive = primitive(
    "sum_to",
    "the sum over the axes that broadcasting from `shape` would repeat",
    _sum_to,
    lambda g, out, x, shape: broadcast_to(g, x.shape),
    linear=True,
    batch=lambda args, batched, shape: _batched_sum_to(args[0], shape),
    cases=((((2, 3, 4),), {"shape": (3, 1)}), (((2, 3),), {"shape": ()})),
    view=True,
    composed=_sum_and_reshape,
)


def _index_before_reshape(at: Index, shape: Shape, before: Shape) -> tuple[Expr, ...]:
    """The index, in an array of shape `before`, of the entry at index `at` after a reshape to
    `shape`. It is affine if only axes of length 1 are added or removed."""
    if [n for n in shape if n != 1] == [n for n in before if n != 1]:
        rest = iter([position for position, n in zip(at, shape, strict=True) if n != 1])
        return tuple(ZERO if n == 1 else next(rest) for n in before)
    here, strides = offset(at, contiguous(shape)), contiguous(before)
    return tuple(
        ZERO if n == 1 else remainder(quotient(here, max(stride, 1)), max(n, 1))
        for n, stride in zip(before, strides, strict=True)
    )


def _simpler_reshape(x: Any, shape: Shape) -> Any:
    if x.shape == shape:
        return x
    return reshape(x.args[0], shape) if x.primitive is reshape_p else None


reshape_p: Primitive = primitive(
    "reshape",
    "the same entries, in row-major order, in another shape",
    lambda x, shape: np.reshape(x, shape),
    lambda g, out, x, shape: reshape(g, x.shape),
    linear=True,
    batch=lambda args, batched, shape: reshape(args[0], (len(args[0]), *shape)),
    cases=((((2, 6),), {"shape": (3, 4)}), (((4,),), {"shape": (2, 1, 2)})),
    view=True,
    entry=lambda at, x, shape: x[_index_before_reshape(at, shape, x.shape)],
    composed=_simpler_reshape,
)


def _simpler_transpose(x: Any, axes: Shape) -> Any:
    if axes == tuple(range(x.ndim)):
        return x
    if x.primitive is not transpose_p:
        return None
    return transpose(x.args[0], axes=[x.params["axes"][i] for i in axes])


transpose_p: Primitive = primitive(
    "transpose",
    "the axes in another order",
    lambda x, axes: np.transpose(x, axes),
    lambda g, out, x, axes: transpose_p(g, axes=inverse(axes)),
    linear=True,
    batch=lambda args, batched, axes: transpose(args[0], (0, *(i + 1 for i in axes))),
    cases=((((2, 3),), {"axes": (1, 0)}), (((2, 3, 4),), {"axes": (1, 2, 0)})),
    view=True,
    entry=lambda at, x, axes: x[tuple(at[i] for i in inverse(axes))],
    composed=_simpler_transpose,
)
cast_p: Primitive = primitive(
    "cast",
    "x in another dtype",
    lambda x, dtype: np.asarray(x).astype(dtype),
    lambda g, out, x, dtype: astype(g, x.dtype),
    linear=True,
    batch=lambda args, batched, dtype: astype(args[0], dtype),
    cases=((((2, 3),), {"dtype": np.dtype(np.float64)}),),
    code=convert,
    composed=lambda x, dtype: x if x.dtype == dtype else None,
)


def inverse(axes: Sequence[int]) -> tuple[int, ...]:
    """The permutation that undoes a permutation of axes."""
    return tuple(sorted(range(len(axes)), key=axes.__getitem__))


def axis_of(axis: Any, shape: Shape, name: str) -> int:
    """An axis counted from the front. ValueError if there is no such axis, TypeError if it is no
    integer."""
    i = operator.index(axis)
    if not -len(shape) <= i < len(shape):
        raise ValueError(f"{name}: there is no axis {i} in shape {tuple(shape)}")
    return i % len(shape)


def broadcast_to(x: Operand, shape: Shape) -> Any:
    """x broadcast to `shape`, as NumPy does; ValueError where it cannot be. The dtype stays.

    >>> from autograd import Tensor
    >>> Tensor([1.0, 2.0]).broadcast_to((2, 2)).data
    array([[1., 2.],
           [1., 2.]])
    """
    return broadcast_p(x, shape=tuple(shape))


def sum_to(x: Operand, shape: Shape) -> Any:
    """x summed to `shape`, the transpose of broadcasting; ValueError if `shape` does not broadcast
    to x's.

    >>> from autograd import Tensor
    >>> Tensor([[1.0, 2.0], [3.0, 4.0]]).sum_to((2, 1)).data
    array([[3.],
           [7.]])
    """
    return sum_to_p(x, shape=tuple(shape))


def reshape(x: Operand, *shape: int | Sequence[int]) -> Any:
    """x with the same entries in another shape, given as a tuple or as integers.

    The entries are taken in row-major order; a length of -1 is computed from the others. ValueError
    for a shape of another number of entries.

    >>> from autograd import Tensor
    >>> Tensor([1.0, 2.0, 3.0, 4.0]).reshape(2, -1).shape
    (2, 2)
    """
    x = Primitive.operand(x, "reshape")
    given: Any = shape
    wanted = tuple(given[0]) if len(given) == 1 and not np.isscalar(given[0]) else given
    if -1 in wanted:
        known = -int(np.prod(wanted, dtype=np.int64))
        size = int(np.prod(x.shape, dtype=np.int64))
        if known <= 0 or size % known or wanted.count(-1) > 1:
            raise ValueError(f"reshape: shape {x.shape} does not go into {wanted}")
        wanted = tuple(size // known if n == -1 else n for n in wanted)
    return reshape_p(x, shape=wanted)


def transpose(x: Operand, *order: int | Sequence[int], axes: Sequence[int] | None = None) -> Any:
    """x with its axes in another order, given as a tuple or as integers; reversed by default.

    Negative axes count from the end. ValueError unless each axis is named exactly once.

    >>> import numpy as np
    >>> from autograd import Tensor
    >>> x = Tensor(np.ones((2, 3, 4)))
    >>> x.transpose(2, 0, 1).shape, x.transpose((2, 0, 1)).shape, x.transpose().shape
    ((4, 2, 3), (4, 2, 3), (4, 3, 2))
    """
    if order and axes is not None:
        raise TypeError("transpose: the axes are given twice")
    given: Any = axes
    if order:
        given = order if len(order) > 1 or isinstance(order[0], int | np.integer) else order[0]
    x = Primitive.operand(x, "transpose")
    if given is None:
        given = range(x.ndim)[::-1]
    places = [axis_of(i, x.shape, "transpose") for i in given]
    if sorted(places) != list(range(x.ndim)):
        raise ValueError(f"transpose: axes {tuple(given)} do not name each of {x.ndim} axes once")
    return transpose_p(x, axes=tuple(places))


def astype(x: Operand, dtype: Any) -> Any:
    """x in another dtype; its gradient comes back in x's own.

    TypeError for a dtype that Tensors do not have. The byte order becomes this machine's.

    >>> from autograd import Tensor
    >>> Tensor([0.5, 1.0]).astype("float32").dtype
    dtype('float32')
    """
    x, dtype = Primitive.operand(x, "astype"), check_dtype(np.dtype(dtype), "astype")
    return x if x.dtype == dtype else cast_p(x, dtype=dtype)


# --- with a batch axis in front, for vmap ------------------------------------------------------


def expand_dims(x: Any, ndim: int) -> Any:
    """A batch with axes of length 1 put behind the batch axis, until its examples have `ndim`."""
    return reshape(x, (len(x), *(1,) * (ndim + 1 - x.ndim), *x.shape[1:]))


def moveaxis(x: Any, source: int, target: int) -> Any:
    """x with one axis moved."""
    order = [i for i in range(x.ndim) if i != source]
    order.insert(target, source)
    return x if source == target else transpose(x, order)


def broadcast_batches(args: Sequence[Any], batched: Sequence[bool]) -> list[Any]:
    """The arguments, broadcast along a batch axis if they have none."""
    size = batch_size(args, batched)
    wide = [Primitive.operand(arg, "vmap") for arg in args]
    return [
        arg if b else broadcast_to(arg, (size, *arg.shape))
        for arg, b in zip(wide, batched, strict=True)
    ]


def align_batches(args: tuple[Any, ...], batched: tuple[bool, ...]) -> list[Any]:
    """The arguments with axes inserted so that broadcasting aligns the batch axes."""
    most = max(np.ndim(arg) - b for arg, b in zip(args, batched, strict=True))
    return [expand_dims(arg, most) if b else arg for arg, b in zip(args, batched, strict=True)]


def batch_size(args: Sequence[Any], batched: Sequence[bool]) -> int:
    """The length of the batch axis of the arguments that have one."""
    return next(len(arg) for arg, b in zip(args, batched, strict=True) if b)


def _batched_sum_to(x: Any, shape: Shape) -> Any:
    lead = (1,) * (x.ndim - 1 - len(shape))
    return reshape(sum_to(x, (len(x), *lead, *shape)), (len(x), *shape))
