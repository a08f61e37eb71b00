"""Arrays put together: concatenate and stack, and with them what counts as an operand.

A list that holds nodes is an operand too, and is stacked. Every primitive therefore asks `operand`
here what it was given; it is also `Primitive.operand`, for the modules that this one imports.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..modes.mode import mode
from .dtypes import DTYPES, check_array
from .expressions import ZERO, Expr, Index, convert, select, zero
from .primitive import NUMBERS, Operand, Primitive, primitive
from .shapes import axis_of, broadcast_batches, reshape


def _concatenate_rule(i: int) -> Callable[..., Any]:
    def rule(g: Any, out: Any, *args: Any, axis: int) -> Any:
        start = sum(arg.shape[axis] for arg in args[:i])
        here = slice(start, start + args[i].shape[axis])
        return g[(slice(None),) * axis + (here,)]

    return rule


def _entry_of_parts(at: Index, args: Sequence[Any], axis: int) -> Expr:
    """The entry, from the part that holds it. All parts are read, each inside its bounds."""
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
    variadic=_concatenate_rule,
    batch=lambda args, batched, axis: concatenate_p(
        *broadcast_batches(args, batched), axis=axis + 1
    ),
    cases=((((2, 3), (2, 1)), {"axis": 1}), (((2,), (1,), (3,)), {"axis": 0})),
    entry=lambda at, *args, axis: _entry_of_parts(at, args, axis),
)


MAX_PARTS = 32  # arrays that one primitive concatenates


def concatenate(parts: Sequence[Operand], axis: int = 0) -> Any:
    """The arrays of `parts` one after the other along an axis.

    The dtype is the widest of theirs. Raises ValueError if there are no parts, if their shapes
    differ along another axis, or if there is no such axis.

    >>> from autograd import Tensor, concatenate
    >>> concatenate([Tensor([1.0]), Tensor([2.0, 3.0])]).data
    array([1., 2., 3.])
    """
    parts = _operands(parts, "concatenate")
    axis = axis_of(axis, parts[0].shape, "concatenate")
    # Each part's rule reads the shapes of all parts before it: many parts are joined as a tree.
    while len(parts) > MAX_PARTS:
        groups = (parts[i : i + MAX_PARTS] for i in range(0, len(parts), MAX_PARTS))
        parts = [concatenate_p(*group, axis=axis) for group in groups]
    return concatenate_p(*parts, axis=axis)


def stack(parts: Sequence[Operand], axis: int = 0) -> Any:
    """The arrays of `parts`, all of one shape (else ValueError), side by side along a new axis.

    >>> from autograd import Tensor, stack
    >>> stack([Tensor([1.0, 2.0]), Tensor([3.0, 4.0])], axis=1).data
    array([[1., 3.],
           [2., 4.]])
    """
    parts = _operands(parts, "stack")
    if len({part.shape for part in parts}) > 1:
        raise ValueError(f"stack: the shapes differ: {', '.join(str(p.shape) for p in parts)}")
    at = axis_of(axis, (1, *parts[0].shape), "stack")
    return concatenate([reshape(p, (*p.shape[:at], 1, *p.shape[at:])) for p in parts], at)


def _operands(parts: Sequence[Any], name: str) -> list[Any]:
    dtype = _result_type(parts, name)
    arrays = [_stack_nested(part, dtype, name) for part in parts]
    if not arrays:
        raise ValueError(f"{name}: there is nothing to put together")
    return arrays


# --- operands ------------------------------------------------------------------------------------


def operand(x: Any, name: str) -> Any:
    """An operand of the primitive `name`, as a node or an array. Nodes and arrays stay as they are,
    lists that hold nodes are stacked, and other lists and numbers become arrays."""
    if x.__class__ is np.ndarray:
        return x if x.dtype in DTYPES else _as_constant(check_array(x, name))
    if hasattr(x, "_record"):
        return _lift(x, float, name)
    if not any(hasattr(leaf, "_record") for leaf in _leaves(x)):
        return _as_constant(check_array(x if isinstance(x, np.ndarray) else np.asarray(x), name))
    return _stack_nested(x, _result_type(x, name), name)


def _as_constant(array: Any) -> Any:
    """An array that the engine made: a trace is told that it is a constant, and not the step's."""
    if mode.trace:
        mode.trace.array_created(array)
    return array


def _leaves(x: Any) -> Iterator[Any]:
    if isinstance(x, list | tuple):
        for part in x:
            yield from _leaves(part)
    else:
        yield x


def _result_type(x: Any, name: str) -> Any:
    """The dtype of an array of nested lists. Numbers in them are weak, as everywhere: beside
    float32 they do not make float64."""
    numbers: dict[type, Any] = {}
    dtypes = set()
    for leaf in _leaves(x):
        if isinstance(leaf, int | float):
            numbers[type(leaf)] = leaf
        else:
            array = check_array(leaf, name) if isinstance(leaf, np.ndarray) else leaf
            dtypes.add(getattr(array, "dtype", np.dtype(float)))
    return np.result_type(*dtypes, *(kind() for kind in numbers)) if dtypes or numbers else float


def _stack_nested(x: Any, dtype: Any, name: str) -> Any:
    leaves = list(_leaves(x))
    if any(hasattr(leaf, "_record") for leaf in leaves):
        if isinstance(x, list | tuple):
            return stack([_stack_nested(part, dtype, name) for part in x])
        return _lift(x, dtype, name)
    if isinstance(x, np.ndarray):
        return operand(x, name)
    weak = all(isinstance(leaf, int | float) for leaf in leaves)
    return _as_constant(check_array(np.asarray(x, dtype if weak else None), name))


def _lift(node: Any, dtype: Any, name: str) -> Any:
    lift = getattr(node, "_as_tensor", None)  # a Value's
    return lift(dtype, name) if lift else node


def as_argument(data: Any, name: str) -> Any:
    """A plain argument as primitives compute with it. NumPy's scalars count as Python's numbers,
    which do not turn a float32 array into float64."""
    if data.__class__ in NUMBERS:
        return data
    if isinstance(data, np.generic):
        return data.item() if data.dtype in DTYPES else check_array(np.asarray(data), name)
    return operand(data, name)


Primitive.operand = staticmethod(operand)
