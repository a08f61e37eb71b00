"""`all_reduce`, the primitive that adds up over all ranks, and what averages gradients by it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..primitives.primitive import Operand, primitive
from .joined import together, world

if TYPE_CHECKING:
    from ..primitives.primitive import Unary

__all__ = ["all_reduce", "average", "mean"]


def _summed(x: Any) -> Any:
    out = np.array(x, np.int64 if x.dtype.kind == "b" else x.dtype, order="C")
    _sum_in_place(out)
    return out


def _sum_in_place(x: Any) -> None:
    with together() as ranks:
        if ranks is not None:
            from mpi4py.MPI import IN_PLACE

            ranks.Allreduce(IN_PLACE, x)


# The cotangent of a sum is that of each term, and each rank's loss is a part of the whole loss: so
# what moves the sum here moves every rank's loss, and their cotangents are added up.
all_reduce: Unary = primitive(
    "all_reduce", "the sum of the x of all ranks; of booleans, how many are true", _summed,
    lambda g, out, x: all_reduce(g),
    linear=True, collective=_sum_in_place,
    composed=lambda x: x if world().size == 1 else None,
    batch=lambda args, batched: all_reduce(*args),
    cases=((((2, 3),), {}),),
)  # fmt: skip


def mean(x: Operand) -> Any:
    """The mean of the x of all ranks, (...) to (...): x itself where there is one."""
    size = world().size
    return x if size == 1 else all_reduce(x) * (1.0 / size)


def average(parameters: Sequence[Any], figures: Sequence[Any] = ()) -> list[Any]:
    """Makes the gradients of `parameters` the means of those of all ranks, and gives the means of
    the figures: Tensors of shape (), such as the loss. In a compiled step they are added up in one
    call, in the memory in which they were computed.

    Where each rank's loss is the mean over its share of a batch, of equal shares, these are the
    gradients of the mean over the batch. Raises ValueError for a parameter without a gradient.
    """
    if world().size == 1:
        return list(figures)
    gradients = []
    for parameter in parameters:
        if parameter.grad is None:
            raise ValueError(f"average: {parameter.name or 'a parameter'} has no gradient yet")
        gradients.append(parameter.grad)
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = mean(gradient)
    return [mean(figure) for figure in figures]
