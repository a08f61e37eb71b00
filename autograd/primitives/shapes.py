"""The linear primitives that change shapes. They come in pairs, each the other's derivative:

broadcast_to / sum_to, concatenate / index, and reshape, transpose and cast, which undo themselves.
Indexing is in indexing.py.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..modes.mode import mode
from .dtypes import DTYPES, fitting, known
from .expressions import (
    ZERO,
    Expr,
    Index,
    aligned,
    contiguous,
    convert,
    place,
    quotient,
    remainder,
    select,
    zero,
)
from .primitive import Operand, Primitive, primitive

Shape = tuple[int, ...]

ROWS = 32  # entries in a running total; up to 4 * ROWS are left to NumPy, which is quicker at it
add_up: Any = np.add.reduce  # `array.sum` without half a microsecond


def total(x: Any, axes: Shape, keepdims: bool = False) -> Any:
    """The sum of an array over axes, with an error that does not grow as the count does.

    NumPy sums pairwise along the axis on which entries lie closest; along others one running total
    adds up row after row, and a million times 0.1 in float32 make 100958.
    """
    if math.prod([x.shape[axis] for axis in axes]) <= 4 * ROWS or x.dtype.kind != "f":
        return add_up(x, axes, keepdims=keepdims)
    flags, lead = x.flags, x.ndim - len(axes)
    if (flags.c_contiguous and axes[0] == lead) or (flags.f_contiguous and not lead):
        return add_up(x, axes, keepdims=keepdims)
    out = x
    for axis in sorted(axes, key=x.shape.__getitem__, reverse=True):
        out = _along(out, axis)
    return out if keepdims else out.squeeze(axes)


def _along(x: Any, axis: int) -> Any:
    """The sum along an axis, which is kept, of sums of ROWS entries."""
    n, rows = x.shape[axis], x.swapaxes(0, axis)
    if n <= 4 * ROWS or x.strides[axis] == x.itemsize:
        return add_up(x, axis, keepdims=True)
    whole = n - n % ROWS
    sums = add_up(rows[:whole].reshape(-1, ROWS, *rows.shape[1:]), 1)
    if whole < n:
        sums = np.concatenate([sums, add_up(rows[whole:], 0, keepdims=True)])
    return _along(sums.swapaxes(0, axis), axis)


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
        front(args[0], len(shape)), (len(args[0]), *shape)
    ),
    cases=((((3, 1),), {"shape": (2, 3, 4)}), (((),), {"shape": (2,)})),
    view=True,
    entry=lambda at, x, shape: x[aligned(at, x.shape)],
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
    batch=lambda args, batched, shape: _batch_sum_to(args[0], shape),
    cases=((((2, 3, 4),), {"shape": (3, 1)}), (((2, 3),), {"shape": ()})),
    view=True,
    composed=_sum_and_reshape,
)


def _reshaped(at: Index, shape: Shape, before: Shape) -> tuple[Expr, ...]:
    """The index in an array of shape `before` of the entry that has this one since it was reshaped:
    affine where only axes of length 1 came or went."""
    if [n for n in shape if n != 1] == [n for n in before if n != 1]:
        rest = iter([position for position, n in zip(at, shape, strict=True) if n != 1])
        return tuple(ZERO if n == 1 else next(rest) for n in before)
    here, strides = place(at, contiguous(shape)), contiguous(before)
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
    entry=lambda at, x, shape: x[_reshaped(at, shape, x.shape)],
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
    """The order of axes that undoes an order."""
    return tuple(sorted(range(len(axes)), key=axes.__getitem__))


def axis_of(axis: Any, shape: Shape, name: str) -> int:
    """An axis counted from the front; ValueError where there is none, TypeError for no integer."""
    i = operator.index(axis)
    if not -len(shape) <= i < len(shape):
        raise ValueError(f"{name}: there is no axis {i} in shape {tuple(shape)}")
    return i % len(shape)


def broadcast_to(x: Operand, shape: Shape) -> Any:
    """x broadcast to `shape`, as NumPy does; ValueError where it does not go. The dtype stays.

    >>> from autograd import Tensor
    >>> Tensor([1.0, 2.0]).broadcast_to((2, 2)).data
    array([[1., 2.],
           [1., 2.]])
    """
    return broadcast_p(x, shape=tuple(shape))


def sum_to(x: Operand, shape: Shape) -> Any:
    """x summed down to `shape`, the transpose of broadcasting; ValueError where it does not go.

    >>> from autograd import Tensor
    >>> Tensor([[1.0, 2.0], [3.0, 4.0]]).sum_to((2, 1)).data
    array([[3.],
           [7.]])
    """
    return sum_to_p(x, shape=tuple(shape))


def reshape(x: Operand, *shape: int | Sequence[int]) -> Any:
    """x with the same entries in another shape, given as a tuple or as integers; one may be -1.

    The entries are taken in row-major order. ValueError where their number differs.

    >>> from autograd import Tensor
    >>> Tensor([1.0, 2.0, 3.0, 4.0]).reshape(2, -1).shape
    (2, 2)
    """
    x = operand(x, "reshape")
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
    """x with its axes in another order: a tuple or integers, reversed where none are given.

    Negative axes count from the end. ValueError where each axis is not named once.

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
    x = operand(x, "transpose")
    if given is None:
        given = range(x.ndim)[::-1]
    places = [axis_of(i, x.shape, "transpose") for i in given]
    if sorted(places) != list(range(x.ndim)):
        raise ValueError(f"transpose: axes {tuple(given)} do not name each of {x.ndim} axes once")
    return transpose_p(x, axes=tuple(places))


def astype(x: Operand, dtype: Any) -> Any:
    """x in another dtype, one that Tensors have (else TypeError); a gradient comes back in x's own.

    Of a dtype in another byte order it is the one in this machine's.

    >>> from autograd import Tensor
    >>> Tensor([0.5, 1.0]).astype("float32").dtype
    dtype('float32')
    """
    x, dtype = operand(x, "astype"), fitting(np.dtype(dtype), "astype")
    return x if x.dtype == dtype else cast_p(x, dtype=dtype)


# --- putting together ------------------------------------------------------------------------


def _part(i: int) -> Callable[..., Any]:
    def rule(g: Any, out: Any, *args: Any, axis: int) -> Any:
        start = sum(arg.shape[axis] for arg in args[:i])
        here = slice(start, start + args[i].shape[axis])
        return g[(slice(None),) * axis + (here,)]

    return rule


def _entry_of_parts(at: Index, args: Sequence[Any], axis: int) -> Expr:
    """The entry of the part that has it. Each is asked for one that it has, wanted or not."""
    dtype, start = np.result_type(*(arg.dtype for arg in args)), 0
    parts = [arg for arg in args if arg.shape[axis]]
    if len(parts) < 2:
        return convert(parts[0][at], dtype) if parts else zero(dtype)
    out = zero(dtype)
    for part in parts:
        n, i = part.shape[axis], at[axis] - start
        here = (i >= 0) & (i < n)
        inside = select(here, i, 0) if n > 1 else ZERO
        entry = convert(part[(*at[:axis], inside, *at[axis + 1 :])], dtype)
        out, start = select(here, entry, out), start + n
    return out


concatenate_p: Primitive = primitive(
    "concatenate",
    "arrays one after the other along an axis",
    lambda *args, axis: np.concatenate(args, axis),
    variadic=_part,
    batch=lambda args, batched, axis: concatenate_p(*all_batched(args, batched), axis=axis + 1),
    cases=((((2, 3), (2, 1)), {"axis": 1}), (((2,), (1,), (3,)), {"axis": 0})),
    entry=lambda at, *args, axis: _entry_of_parts(at, args, axis),
)


MOST = 32  # arrays that one primitive puts together


def concatenate(parts: Sequence[Operand], axis: int = 0) -> Any:
    """The arrays of `parts` one after the other along an axis they may differ in.

    The dtype is the widest of theirs. Raises ValueError where there are none, they differ along
    another axis, or there is no such axis.

    >>> from autograd import Tensor, concatenate
    >>> concatenate([Tensor([1.0]), Tensor([2.0, 3.0])]).data
    array([1., 2., 3.])
    """
    parts = _parts(parts, "concatenate")
    axis = axis_of(axis, parts[0].shape, "concatenate")
    # Each part's rule looks at all the others: of many parts, neighbours go together first.
    while len(parts) > MOST:
        groups = (parts[i : i + MOST] for i in range(0, len(parts), MOST))
        parts = [concatenate_p(*group, axis=axis) for group in groups]
    return concatenate_p(*parts, axis=axis)


def stack(parts: Sequence[Operand], axis: int = 0) -> Any:
    """The arrays of `parts`, all of one shape (else ValueError), side by side along a new axis.

    >>> from autograd import Tensor, stack
    >>> stack([Tensor([1.0, 2.0]), Tensor([3.0, 4.0])], axis=1).data
    array([[1., 3.],
           [2., 4.]])
    """
    parts = _parts(parts, "stack")
    if len({part.shape for part in parts}) > 1:
        raise ValueError(f"stack: the shapes differ: {', '.join(str(p.shape) for p in parts)}")
    at = axis_of(axis, (1, *parts[0].shape), "stack")
    return concatenate([reshape(p, (*p.shape[:at], 1, *p.shape[at:])) for p in parts], at)


def _parts(parts: Sequence[Any], name: str) -> list[Any]:
    dtype = _joint(parts, name)
    arrays = [_stacked(part, dtype, name) for part in parts]
    if not arrays:
        raise ValueError(f"{name}: there is nothing to put together")
    return arrays


# --- what stands beside nodes --------------------------------------------------------------------


def operand(x: Any, name: str) -> Any:
    """What the primitive `name` is given, as something with a shape: nodes and arrays as they are,
    lists that hold nodes stacked, other lists, numbers and what NumPy takes for an array as
    arrays."""
    if x.__class__ is np.ndarray:
        return x if x.dtype in DTYPES else _own(known(x, name))
    if hasattr(x, "_record"):
        return _with_shape(x, float, name)
    if not any(hasattr(leaf, "_record") for leaf in _entries(x)):
        return _own(known(x if isinstance(x, np.ndarray) else np.asarray(x), name))
    return _stacked(x, _joint(x, name), name)


def _own(array: Any) -> Any:
    """An array that the engine made: to a trace it is a constant, and none that the step made."""
    if mode.trace:
        mode.trace.array_created(array)
    return array


def _entries(x: Any) -> Iterator[Any]:
    if isinstance(x, list | tuple):
        for part in x:
            yield from _entries(part)
    else:
        yield x


def _joint(x: Any, name: str) -> Any:
    """The dtype of nested lists. Numbers in them are weak, as everywhere: beside float32 they do
    not make float64."""
    numbers: dict[type, Any] = {}
    dtypes = set()
    for leaf in _entries(x):
        if isinstance(leaf, int | float):
            numbers[type(leaf)] = leaf
        else:
            array = known(leaf, name) if isinstance(leaf, np.ndarray) else leaf
            dtypes.add(getattr(array, "dtype", np.dtype(float)))
    return np.result_type(*dtypes, *(kind() for kind in numbers)) if dtypes or numbers else float


def _stacked(x: Any, dtype: Any, name: str) -> Any:
    leaves = list(_entries(x))
    if any(hasattr(leaf, "_record") for leaf in leaves):
        if isinstance(x, list | tuple):
            return stack([_stacked(part, dtype, name) for part in x])
        return _with_shape(x, dtype, name)
    if isinstance(x, np.ndarray):
        return operand(x, name)
    weak = all(isinstance(leaf, int | float) for leaf in leaves)
    return _own(known(np.asarray(x, dtype if weak else None), name))


def _with_shape(node: Any, dtype: Any, name: str) -> Any:
    lift = getattr(node, "_as_tensor", None)  # a Value's
    return lift(dtype, name) if lift else node


# --- with a batch axis in front, for vmap ------------------------------------------------------


def front(x: Any, ndim: int) -> Any:
    """A batch whose examples have `ndim` axes, by axes of length 1 behind the batch axis."""
    return reshape(x, (len(x), *(1,) * (ndim + 1 - x.ndim), *x.shape[1:]))


def moved(x: Any, source: int, target: int) -> Any:
    """x with one axis in another place."""
    order = [i for i in range(x.ndim) if i != source]
    order.insert(target, source)
    return x if source == target else transpose(x, order)


def all_batched(args: Sequence[Any], batched: Sequence[bool]) -> list[Any]:
    """The arguments, those without a batch axis repeated along one."""
    size = batch_size(args, batched)
    wide = [operand(arg, "vmap") for arg in args]
    return [
        arg if b else broadcast_to(arg, (size, *arg.shape))
        for arg, b in zip(wide, batched, strict=True)
    ]


def lined_up(args: tuple[Any, ...], batched: tuple[bool, ...]) -> list[Any]:
    """The arguments with the batch axis in front of the longest example's axes, as broadcasting
    wants it."""
    most = max(np.ndim(arg) - b for arg, b in zip(args, batched, strict=True))
    return [front(arg, most) if b else arg for arg, b in zip(args, batched, strict=True)]


def batch_size(args: Sequence[Any], batched: Sequence[bool]) -> int:
    """The length of the batch axis of those that have one."""
    return next(len(arg) for arg, b in zip(args, batched, strict=True) if b)


def _batch_sum_to(x: Any, shape: Shape) -> Any:
    lead = (1,) * (x.ndim - 1 - len(shape))
    return reshape(sum_to(x, (len(x), *lead, *shape)), (len(x), *shape))


Primitive.operand = staticmethod(operand)
