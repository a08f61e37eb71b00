"""vmap: a function of one example, applied to a batch of them at once.

An argument becomes a `Batched`, whose shape hides a leading axis. An operation on it is one
operation on the whole batch: elementwise primitives line the axes up, primitives that change shapes
say how (`Primitive.batch`). What lies beneath is a Tensor like any other, so gradients pass
through.
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
    """A decorator: the name, the docstring and the signature of another function. (Not what it
    holds besides: of a Module that would be its parameters.)"""
    return functools.wraps(function, updated=())


def vmap(function: Callable[..., Any], in_axes: Any = 0, out_axes: int = 0) -> Callable[..., Any]:
    """`function` of one example as a function of a batch, computed in one pass.

    in_axes: the batch axis of the arguments: an integer for all, or a tuple with one for each
    argument; None for an argument that all examples share, as they do those given by keyword.
    Arguments and results may be nested, as `grad`'s. out_axes: where the batch
    axis is put in the results. Gives arrays for arrays and Tensors for Tensors, and where a Tensor
    from outside requires a gradient. Raises ValueError where batch sizes differ or
    nothing is batched, TypeError where the function branches on a value.

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
        sizes: set[int] = set()
        nodes = False
        handed = []
        for i, (arg, axis) in enumerate(zip(args, axes, strict=True)):
            leaves, structure = flatten(arg)
            if axis is not None:
                for leaf, path in zip(leaves, paths(structure), strict=True):
                    if not (is_number(leaf) or isinstance(leaf, bool | np.bool_)):
                        raise unfit(leaf, f"vmap: argument {i}{path}")
            nodes = nodes or any(hasattr(leaf, "_record") for leaf in leaves)
            if axis is not None:
                leaves = [_to_front(leaf, axis) for leaf in leaves]
                sizes |= {leaf.shape[0] for leaf in leaves}
                leaves = [Batched(leaf, level) for leaf in leaves]
            else:  # an array has not the methods that an example's Tensor has
                leaves = [Tensor(x) if isinstance(x, np.ndarray) else x for x in leaves]
            handed.append(unflatten(iter(leaves), structure))
        if len(sizes) != 1:
            raise ValueError(f"vmap: the arguments have one batch size, not {sorted(sizes)}")
        (size,) = sizes
        with set_mode(batches=(*mode.batches, size)):
            leaves, structure = flatten(function(*handed, **keywords))
        for leaf, path in zip(leaves, paths(structure), strict=True):
            if not (is_number(leaf) or isinstance(leaf, bool | np.bool_)):
                raise unfit(leaf, f"vmap: the function's result{path}")
        given = [_from_batch(leaf, level, size, out_axes, nodes) for leaf in leaves]
        return unflatten(iter(given), structure)

    return over_batch


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
    x = x if x.flags.writeable and x.base is None else x.copy()  # nobody's alias
    return wrap(x) if nodes else x
