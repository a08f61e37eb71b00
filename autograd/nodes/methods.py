"""Operators and methods, and the function that each calls: `a + b` is `add(a, b)`, `a.exp()` is
`exp(a)`.

Value, Tensor and Symbol share the operators, Value and Tensor the methods of numbers; only Tensor
has methods that need axes and shapes.
"""

from __future__ import annotations

from collections.abc import Callable
from numbers import Number
from typing import Any, ParamSpec

import numpy as np

from .. import composites, ops
from ..primitives import shapes
from ..primitives.primitive import Primitive

P = ParamSpec("P")


def _method(function: Callable[P, Any]) -> Callable[P, Any]:
    """A function as a method: its first argument is the node."""
    call: Any = function

    def method(self: Any, *args: Any, **params: Any) -> Any:
        if "dim" in params or "keepdim" in params:
            raise TypeError(f"{call.__name__}: for dim and keepdim write axis and keepdims")
        return call(self, *args, **params)

    method.__name__ = call.__name__
    method.__wrapped__ = call  # type: ignore[attr-defined]  # for its signature
    if isinstance(call, Primitive):  # its page for `help` is made only when it is read
        method.__doc__ = f"{call.summary}\n\n`help(autograd.{call.name})` says more."
    else:
        method.__doc__ = call.__doc__
    return method  # type: ignore[return-value]


class Operators:
    """Python's operators on nodes and symbols, each one a primitive."""

    __slots__ = ()

    def __add__(self, other: Any) -> Any:
        return ops.add(self, other)

    def __radd__(self, other: Any) -> Any:
        return ops.add(other, self)

    def __sub__(self, other: Any) -> Any:
        return ops.sub(self, other)

    def __rsub__(self, other: Any) -> Any:
        return ops.sub(other, self)

    def __mul__(self, other: Any) -> Any:
        return ops.mul(self, other)

    def __rmul__(self, other: Any) -> Any:
        return ops.mul(other, self)

    def __truediv__(self, other: Any) -> Any:
        return ops.div(self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return ops.div(other, self)

    def __pow__(self, other: Any) -> Any:
        return ops.power(self, other)

    def __rpow__(self, other: Any) -> Any:
        return ops.power(other, self)

    def __neg__(self) -> Any:
        return ops.neg(self)

    def __pos__(self) -> Any:
        return self

    def __abs__(self) -> Any:
        return ops.abs(self)


class Comparisons:
    """Python's comparisons, entry by entry, and logic on their results (`&`, `|`, `^`, `~`).

    A node is equal to no object that is neither a number nor an array. Dictionaries and sets find
    nodes by identity (`hash`); `in` a list does not, since it asks `==`.
    """

    __slots__ = ()
    __hash__ = object.__hash__

    def _compared(self, prim: Primitive, other: Any) -> Any:
        return prim(self, other) if compares(other) else NotImplemented

    def __eq__(self, other: Any) -> Any:
        return self._compared(ops.equal, other)

    def __ne__(self, other: Any) -> Any:
        return self._compared(ops.not_equal, other)

    def __lt__(self, other: Any) -> Any:
        return self._compared(ops.less, other)

    def __le__(self, other: Any) -> Any:
        return self._compared(ops.less_equal, other)

    def __gt__(self, other: Any) -> Any:
        return self._compared(ops.greater, other)

    def __ge__(self, other: Any) -> Any:
        return self._compared(ops.greater_equal, other)

    def __invert__(self) -> Any:
        return ops.logical_not(self)

    def __and__(self, other: Any) -> Any:
        return ops.logical_and(self, other)

    def __rand__(self, other: Any) -> Any:
        return ops.logical_and(other, self)

    def __or__(self, other: Any) -> Any:
        return ops.logical_or(self, other)

    def __ror__(self, other: Any) -> Any:
        return ops.logical_or(other, self)

    def __xor__(self, other: Any) -> Any:
        return ops.logical_xor(self, other)

    def __rxor__(self, other: Any) -> Any:
        return ops.logical_xor(other, self)


def compares(other: Any) -> bool:
    """Whether it is a number, an array, or a list that stands for one."""
    if isinstance(other, Number | np.ndarray | list | tuple):
        return True
    return hasattr(other, "_record") or hasattr(other, "__array__")


class NumberMethods:
    """Methods of one number, or of every entry of an array."""

    __slots__ = ()

    exp = _method(ops.exp)
    expm1 = _method(ops.expm1)
    log = _method(ops.log)
    log1p = _method(ops.log1p)
    sqrt = _method(ops.sqrt)
    sin = _method(ops.sin)
    cos = _method(ops.cos)
    tanh = _method(ops.tanh)
    sigmoid = _method(ops.sigmoid)
    softplus = _method(ops.softplus)
    relu = _method(ops.relu)
    leaky_relu = _method(composites.leaky_relu)
    gelu = _method(composites.gelu)
    abs = _method(ops.abs)
    clip = _method(composites.clip)
    detach = _method(ops.detach)


class ArrayMethods:
    """Methods that need axes or shapes."""

    __slots__ = ()

    sum = _method(ops.sum)
    mean = _method(composites.mean)
    var = _method(composites.var)
    max = _method(ops.max)
    min = _method(ops.min)
    all = _method(ops.all)
    any = _method(ops.any)
    logsumexp = _method(ops.logsumexp)
    softmax = _method(composites.softmax)
    log_softmax = _method(ops.log_softmax)
    matmul = _method(ops.matmul)
    reshape = _method(shapes.reshape)
    transpose = _method(shapes.transpose)
    broadcast_to = _method(shapes.broadcast_to)
    sum_to = _method(shapes.sum_to)
    astype = _method(shapes.astype)

    def __setitem__(self, key: Any, value: Any) -> None:
        raise TypeError(
            "x[...] = ...: entries are not written; write x = autograd.where(mask, value, x), or "
            "give a leaf all its entries anew: x.assign(...)"
        )
