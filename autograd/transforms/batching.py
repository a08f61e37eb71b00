"""vmap: a function of one example, applied to a batch of them at once.

An argument becomes a `Batched`, whose shape hides a leading axis. An operation on it is one
operation on the whole batch: for elementwise primitives the axes are aligned, the others have a
batching rule (`Primitive.batch`). The batch itself is a Tensor like any other, so gradients flow
through it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .. import ops
from ..graph import Wrapper
from ..modes.mode import mode, set_mode
from ..nodes.methods import ArrayMethods, Comparisons, NumberMethods, Operators
from ..nodes.numpy_protocols import NumpyProtocols
from ..primitives import shapes
from ..primitives.indexing import index
from ..primitives.joining import as_argument, operand
from ..primitives.primitive import Primitive
from ..primitives.shapes import Shape
from ..tensor import Tensor, wrap
from .tree import flatten, is_number, paths, unfit, unflatten


class Batched(Operators, Comparisons, NumberMethods, ArrayMethods, NumpyProtocols, Wrapper):
    """A batch that looks like one example; only `vmap` makes them.

    batch: all examples, their axis first: an array, a Tensor, or the Batched of an outer vmap.
    level: which vmap it belongs to, the innermost highest.
    """

    __slots__ = ("batch", "level")

    def __init__(self, batch: Any, level: int) -> None:
        self.batch, self.level = batch, level

    @property
    def shape(self) -> Shape:
        """The shape of one example."""
        return tuple(self.batch.shape[1:])

    @property
    def ndim(self) -> int:
        """The number of axes of one example."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of entries of one example."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def dtype(self) -> Any:
        """The type of the entries."""
        return self.batch.dtype

    @property
    def T(self) -> Any:
        """The axes of each example reversed."""
        return shapes.transpose(self)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of a single number")
        return self.shape[0]

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, key: Any) -> Any:
        return index(self, key)

    def __matmul__(self, other: Any) -> Any:
        return ops.matmul(self, other)

    def __rmatmul__(self, other: Any) -> Any:
        return ops.matmul(other, self)

    def _no(self, *args: Any, **keywords: Any) -> Any:
        raise TypeError(
            "vmap: a batch has no one value to branch on or to read as plain data; use where(), "
            "autograd's functions in the place of NumPy's and math's, and Tensor(a)[i] for a[i]"
        )

    __bool__ = __float__ = __int__ = item = __array__ = _no
    data = property(_no)

    def _is_tracked(self) -> bool:
        return True

    def __repr__(self) -> str:
        return f"Batched({self.dtype}{list(self.shape)}, batch of {self.batch.shape[0]})"

    @classmethod
    def _record(cls, prim: Primitive, args: tuple[Any, ...], params: dict[str, Any]) -> Any:
        args = tuple([a if hasattr(a, "_record") else as_argument(a, prim.name) for a in args])
        level = max(arg.level for arg in args if isinstance(arg, Batched))
        batched = tuple(isinstance(arg, Batched) and arg.level == level for arg in args)
        inner = tuple(arg.batch if b else arg for arg, b in zip(args, batched, strict=True))
        if prim.batch is not None:
            return cls(prim.batch(inner, batched, **params), level)
        if prim.on_float is None:
            raise TypeError(f"vmap: the primitive {prim.name} has no batching rule")
        return cls(prim(*shapes.align_batches(inner, batched), **params), level)


def named(function: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator that copies the name, docstring and signature of another function. (Not its
    attributes: those of a Module are its parameters.)"""
    return functools.wraps(function, updated=())


def vmap(function: Callable[..., Any], in_axes: Any = 0, out_axes: int = 0) -> Callable[..., Any]:
    """`function` of one example as a function of a batch, computed in one pass.

    in_axes: the batch axis of the arguments: an integer for all, or a tuple with one for each
    argument; None for an argument that all examples share, as they share keyword arguments.
    Arguments and results may be nested, as `grad`'s. out_axes: the position of the batch axis in
    the results. Gives arrays for arrays, and Tensors for Tensors or if the function reads a Tensor
    that requires a gradient. Raises ValueError if batch sizes differ or nothing is batched,
    TypeError if the function branches on a value.

    >>> import numpy as np
    >>> from autograd import Tensor, grad, vmap
    >>> x = np.arange(6.0).reshape(3, 2)
    >>> vmap(lambda row: (row * row).sum())(x)
    array([ 1., 13., 41.])
    >>> vmap(grad(lambda w, row: (w @ row).tanh()), in_axes=(None, 0))(np.ones(2), x).shape
    (3, 2)
    """

    @named(function)
    def over_batch(*args: Any, **keywords: Any) -> Any:
        axes = tuple(in_axes) if isinstance(in_axes, tuple | list) else (in_axes,) * len(args)
        if len(axes) != len(args):
            raise ValueError(f"vmap: {len(axes)} in_axes for {len(args)} arguments")
        level = len(mode.batches)
        handed, size, nodes = _batched_arguments(args, axes, level)
        with set_mode(batches=(*mode.batches, size)):
            leaves, structure = flatten(function(*handed, **keywords))
        _check(leaves, structure, "vmap: the function's result")
        given = [_from_batch(leaf, level, size, out_axes, nodes) for leaf in leaves]
        return unflatten(iter(given), structure)

    return over_batch


def _batched_arguments(
    args: tuple[Any, ...], axes: tuple[Any, ...], level: int
) -> tuple[list[Any], int, bool]:
    """The arguments as the function sees them, the batch size, and whether any leaf is a node."""
    sizes: set[int] = set()
    nodes = False
    handed = []
    for i, (arg, axis) in enumerate(zip(args, axes, strict=True)):
        leaves, structure = flatten(arg)
        nodes = nodes or any(hasattr(leaf, "_record") for leaf in leaves)
        if axis is not None:
            _check(leaves, structure, f"vmap: argument {i}")
            leaves = [_to_front(leaf, axis) for leaf in leaves]
            sizes |= {leaf.shape[0] for leaf in leaves}
            leaves = [Batched(leaf, level) for leaf in leaves]
        else:  # a plain array lacks the methods of a Tensor
            leaves = [Tensor(x) if isinstance(x, np.ndarray) else x for x in leaves]
        handed.append(unflatten(iter(leaves), structure))
    if len(sizes) != 1:
        raise ValueError(f"vmap: the arguments have one batch size, not {sorted(sizes)}")
    return handed, sizes.pop(), nodes


def _check(leaves: list[Any], structure: Any, what: str) -> None:
    """TypeError for a leaf that is neither a number nor a boolean."""
    for leaf, path in zip(leaves, paths(structure), strict=True):
        if not (is_number(leaf) or isinstance(leaf, bool | np.bool_)):
            raise unfit(leaf, what + path)


def _to_front(x: Any, axis: int) -> Any:
    x = operand(x, "vmap")
    if not -x.ndim <= axis < x.ndim:
        raise ValueError(f"vmap: an argument of shape {x.shape} has no batch axis {axis}")
    return shapes.moveaxis(x, axis % x.ndim, 0)


def _from_batch(x: Any, level: int, size: int, axis: int, nodes: bool) -> Any:
    if isinstance(x, Batched) and x.level == level:
        x = x.batch
    else:
        x = shapes.broadcast_to(x, (size, *np.shape(getattr(x, "_data", x))))
    x = shapes.moveaxis(x, 0, shapes.axis_of(axis, x.shape, "vmap: out_axes"))
    if mode.batches or mode.transforms or mode.trace:
        return x
    if isinstance(x, Tensor):
        return x if nodes or x.requires_grad else x.data
    # What the caller gets shares memory with no other array.
    x = x if x.flags.writeable and x.base is None else x.copy()
    return wrap(x) if nodes else x
