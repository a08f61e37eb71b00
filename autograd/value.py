"""Value: one number that remembers how it was computed (micrograd's idea and names).

In a graph of many small nodes, its operators and its sweep are the hot loops. So the operators are
written out for each primitive, and the sweep runs steps compiled from the primitives' rules
(specialized.py).
"""

from __future__ import annotations

import threading
from numbers import Number
from typing import Any

import numpy as np

from . import ops
from .graph import Node, Wrapper, ancestors, by_index, counter, hooks, made
from .modes.mode import mode, special
from .nodes.methods import Comparisons, NumberMethods, Operators, compares
from .nodes.numpy_protocols import NumpyProtocols
from .nodes.specialized import compile_operator, compile_sweep
from .nodes.walk import check_order
from .primitives.dtypes import float_dtype
from .primitives.primitive import Primitive, ieee
from .tensor import Tensor

# The fast sweep keeps cotangents in a slot of the nodes, so one thread at a time may run it; any
# other takes the general sweep.
_sweeping = threading.Lock()


class Value(Operators, Comparisons, NumberMethods, NumpyProtocols, Node):
    """A number in a graph. It requires a gradient; `.grad` starts at 0.0 and `backward()` adds.

    Arithmetic is IEEE's: 1/0 is inf, and log(-1) is nan.

    >>> a = Value(2.0, name="a")
    >>> b = a * a + a.exp()
    >>> b.backward()
    >>> b, a
    (Value(data=11.38905609893065), Value(data=2.0, grad=11.38905609893065, name='a'))
    """

    __slots__ = ("_cotangent",)
    _cotangent: float | None  # between sweeps: None in a result, 0.0 in a leaf
    last_write = 0
    mixed = False  # whether a Value was ever made of a Tensor: then a graph may hold both

    def __init__(self, data: Any, name: str | None = None) -> None:
        self._data = number(data) if data.__class__ is float else leaf_number(data)
        self.primitive, self.args, self.index = None, (), next(counter)
        self.requires_grad, self._grad, self._cotangent = True, 0.0, 0.0
        if name is not None:
            self.name = name

    @property
    def grad(self) -> Any:
        """The gradient that `backward()` has added up here; setting None sets 0.0."""
        return Node.grad.__get__(self)

    @grad.setter
    def grad(self, grad: Any) -> None:
        self._grad = 0.0 if grad is None else grad

    @property
    def data(self) -> float:
        """The number. Writing it makes what was computed from it stale."""
        self._read("data")
        return float(self._data)

    @data.setter
    def data(self, data: Any) -> None:
        if self.primitive is not None:
            raise RuntimeError(
                f"Value: the result of {self.primitive.name} cannot be written, a leaf can"
            )
        self._data = leaf_number(data)
        self.index = Value.last_write = next(counter)

    def item(self) -> float:
        """The number."""
        self._read("item()")
        return float(self._data)

    def __float__(self) -> float:
        self._read("float() or math")
        self._convert("float() or math")
        return float(self._data)

    def __bool__(self) -> bool:
        return bool(self._data)

    def _compared(self, prim: Primitive, other: Any) -> Any:
        if not compares(other):
            return NotImplemented
        if mode.transforms and is_array(other):
            return prim(self, other)
        if isinstance(other, Value):
            other = other._data
        if isinstance(other, list | tuple | Tensor):
            return NotImplemented  # it equals no list; a Tensor says what does not go
        if not isinstance(other, Number):  # complex, fractions, integers of any length
            other = number(other)
        if isinstance(other, np.complexfloating):
            other = complex(other)  # NumPy would order them
        assert prim.on_float is not None
        return bool(prim.on_float(self._data, other))

    def __format__(self, spec: str) -> str:
        return format(float(self._data), spec) if spec else str(self)

    def __repr__(self) -> str:
        grad = "" if self.grad is None else f", grad={getattr(self.grad, '_data', self.grad)!r}"
        name = "" if self.name is None else f", name={self.name!r}"
        return f"Value(data={self._data!r}{grad}{name})"

    @classmethod
    def _record(cls, prim: Primitive, args: tuple[Any, ...], params: dict[str, Any]) -> Any:
        if mode.trace:
            raise TypeError(f"{prim.name}: jit traces Tensors, not Values")
        if mode.transforms and any(map(is_array, args)):
            dtype = float_dtype(args)
            lifted = [a._as_tensor(dtype, prim.name) if isinstance(a, Value) else a for a in args]
            return prim(*lifted, **params)
        if prim.on_float is None:
            raise TypeError(f"{prim.name}: works on arrays; a Value is one number, use Tensor")
        for arg in args:
            if isinstance(arg, Node) and not isinstance(arg, Value):
                raise TypeError(f"{prim.name}: Value and {type(arg).__name__} do not mix")
        # An argument that no gradient flows to becomes a constant: the sweep need not go below it.
        args = tuple(
            arg if isinstance(arg, Value) and prim.rule(i) is not None else constant(arg)
            for i, arg in enumerate(args)
        )
        data = float(prim.on_floats(tuple(arg._data for arg in args)))
        node = made(cls, data, prim, args, params)
        node._cotangent = None if node.primitive else 0.0
        return node

    def backward(self, seed: Any = None, create_graph: bool = False) -> None:
        """Add the gradient of this node into `.grad` of every leaf; see `Node.backward`."""
        plain = not (create_graph or special) and self.primitive is not None and self.requires_grad
        if (hooks or Value.mixed) and plain:
            nodes = ancestors(self)
            plain = not any(id(node) in hooks or node.__class__ is not Value for node in nodes)
        if not plain or not _sweeping.acquire(blocking=False):
            return super().backward(seed, create_graph)
        try:
            sweep_floats(self, self._seed(seed, False))
        finally:
            _sweeping.release()

    def _seed(self, seed: Any, create_graph: bool) -> Any:
        seed = 1.0 if seed is None else seed
        return (
            (seed if isinstance(seed, Value) else Value(seed, "seed"))
            if create_graph
            else number(seed)
        )

    def _fit(self, cotangent: Any) -> Any:
        if isinstance(cotangent, Tensor):
            return _as_value(cotangent)
        return cotangent if isinstance(cotangent, Value) else float(cotangent)

    def _as_tensor(self, dtype: Any, name: str) -> Tensor:
        """This number beside arrays, within a transform: a Tensor without axes."""
        if mode.trace or not mode.transforms:
            raise TypeError(
                f"{name}: Tensor and Value do not mix, and a list of Values is no array; use "
                "Tensors, or Values alone, one by one"
            )
        return made(Tensor, np.asarray(self._data, dtype), AS_TENSOR, (self,), {})

    def _wrap(self, cotangent: Any) -> Any:
        return cotangent

    def _zero(self, create_graph: bool) -> Any:
        return constant(0.0) if create_graph else 0.0

    def _accumulate(self, cotangent: Any) -> None:
        self.grad = cotangent if self.grad is None else self.grad + cotangent

    @staticmethod
    def _apply_rule(rule: Any, *args: Any, **params: Any) -> Any:
        try:
            return rule(*args, **params)
        except ArithmeticError:
            return ieee(rule, args)


def number(data: Any) -> float:
    """A float from anything that is one number."""
    if isinstance(data, Value):
        return float(data._data)
    if isinstance(data, int | float | np.integer | np.bool_):
        return float(data)
    if isinstance(data, np.floating) and data.itemsize <= 8:  # a longdouble's digits would be lost
        return float(data)
    if isinstance(data, np.ndarray) and data.shape == () and data.dtype.kind in "iubf":
        return float(data)
    raise TypeError(
        f"Value: holds one number, not {type(data).__name__}"
        + (f" of shape {np.shape(data)}; use Tensor" if np.ndim(data) else "")
    )


def leaf_number(data: Any) -> float:
    """The number of a new leaf. TypeError for a node of a graph: no gradient would flow back."""
    if (
        isinstance(data, Value)
        and data.requires_grad
        and (data.primitive is not None or mode.transforms)
    ):
        what = "a result" if data.primitive is None else f"the result of {data.primitive.name}"
        raise TypeError(
            f"Value: holds a plain number, and no gradient would flow back to {what}; compute with "
            "it as it is, or write .detach() for a constant"
        )
    return number(data)


def is_array(x: Any) -> bool:
    """Whether x is an array, beside which a number becomes a Tensor."""
    if isinstance(x, np.ndarray):
        return x.ndim > 0  # without axes it is a number
    return isinstance(x, Tensor | Wrapper | list | tuple)


def _as_value(tensor: Tensor) -> Value:
    node = made(Value, float(tensor._data), AS_VALUE, (tensor,), {})
    node._cotangent = None if node.primitive else 0.0
    Value.mixed = True
    return node


# Within grad, a number beside an array becomes a Tensor, and its cotangent a number again: `_fit`
# converts each to the class of the node. (The product turns an array without axes, which the sweep
# would take for a Tensor's cotangent, into a scalar.)
AS_TENSOR = Primitive(
    "as_tensor", "a number as an array", np.asarray, (lambda g, out, x: g * 1.0,), float
)
AS_VALUE = Primitive("as_value", "an array as a number", float, (lambda g, out, x: g * 1.0,), float)


def constant(data: Any) -> Value:
    """A Value that requires no gradient."""
    node = Value(number(data))
    node.requires_grad, node._grad = False, None  # type: ignore[assignment]
    return node


def sweep_floats(root: Value, seed: float) -> None:
    """`Node.backward` for a graph of Values alone. While it runs, cotangents are in a slot of the
    nodes (between sweeps None in results, 0.0 in leaves), and the rules are compiled."""
    order: list[Any] = []
    leaves: list[Any] = []
    stack: list[Any] = [root]
    root._cotangent = seed
    try:
        while stack:
            node = stack.pop()
            order.append(node)
            for arg in node.args:
                if arg.primitive is None:
                    leaves.append(arg)
                elif arg._cotangent is None:
                    arg._cotangent = 0.0
                    stack.append(arg)
        order.sort(key=by_index, reverse=True)
        if Value.last_write > order[-1].index:
            check_order(order)
        _sweep(order)
        for leaf in leaves:
            if leaf._cotangent and leaf.requires_grad:
                try:
                    leaf._grad += leaf._cotangent
                except (
                    AttributeError,
                    TypeError,
                ):  # a constant that became a leaf has no .grad yet
                    leaf._grad = leaf._cotangent
            leaf._cotangent = 0.0
    except BaseException:  # also after Ctrl-C, the next sweep has to find the slots reset
        for node in (*order, *stack):
            node._cotangent = None
        for leaf in leaves:
            leaf._cotangent = 0.0
        raise


_sweep = compile_sweep((ops.mul, ops.add, ops.sub))
for _name, _primitive in {
    **{"__add__": ops.add, "__sub__": ops.sub, "__mul__": ops.mul, "__truediv__": ops.div},
    **{"__radd__": ops.add, "__rsub__": ops.sub, "__rmul__": ops.mul, "__rtruediv__": ops.div},
    **{"__neg__": ops.neg, "exp": ops.exp, "tanh": ops.tanh, "relu": ops.relu},
}.items():
    _compiled = compile_operator(_name, _primitive, Value)
    _compiled.__doc__ = getattr(Value, _name).__doc__
    setattr(Value, _name, _compiled)
