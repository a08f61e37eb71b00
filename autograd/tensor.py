"""Tensor: a NumPy array that remembers how it was computed.

The file is long because all of a Tensor is in it: what it is, when it may be read and written, how
an operation on it is recorded, and how its cotangents are started, shaped and added up.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from .graph import VIEW, Node, Wrapper, counter, made
from .modes.mode import mode, special
from .nodes.methods import ArrayMethods, Comparisons, NumberMethods, Operators
from .nodes.numpy_protocols import NumpyProtocols
from .ops import matmul
from .primitives import shapes
from .primitives.dtypes import check_native, float_dtype
from .primitives.indexing import index
from .primitives.joining import as_argument, operand
from .primitives.memory import base_array
from .primitives.primitive import Primitive
from .primitives.shapes import Shape

Array = np.ndarray


class Tensor(Operators, Comparisons, NumberMethods, ArrayMethods, NumpyProtocols, Node):
    """An array in a graph: float32 or float64, or integers and booleans for indices and masks.

    data: an array, which is not copied; or nested lists or a number, which become float64.
    requires_grad: whether gradients flow to it. `.grad` starts as None; `backward()` adds to it.
    Raises TypeError for other dtypes, and for an integer array that should require a gradient.
    A write through a NumPy view of the array is not noticed; use `assign`. (A plain array beside
    Tensors is read at once, and may be written afterwards.)

    >>> w = Tensor([[1.0, 2.0]], requires_grad=True)
    >>> (w * w).sum().backward()
    >>> w.grad
    Tensor([[2., 4.]])
    """

    __slots__ = ()
    _grad: Tensor | None

    def __init__(self, data: Any, requires_grad: bool = False, name: str | None = None) -> None:
        array = _from_python(data)
        if requires_grad and array.dtype.kind != "f":
            raise TypeError(f"Tensor: an array of {array.dtype} cannot require a gradient")
        if mode.trace:
            mode.trace.leaf_created(self, data)
        self._data = array
        self.primitive, self.args, self.index = None, (), next(counter)
        self.requires_grad, self.name, self._grad = requires_grad, name, None

    # --- what it is ---

    @property
    def shape(self) -> Shape:
        """The length of each axis."""
        return tuple(self._data.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the entries."""
        return self._data.dtype  # type: ignore[no-any-return]

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return int(self._data.ndim)

    @property
    def size(self) -> int:
        """The number of entries."""
        return int(self._data.size)

    @property
    def T(self) -> Any:
        """The axes reversed."""
        return shapes.transpose_p(self, axes=tuple(range(self._data.ndim))[::-1])

    def __len__(self) -> int:
        return len(self._data)

    def __format__(self, spec: str) -> str:
        return format(self._number("format()"), spec) if spec else str(self)

    def __repr__(self) -> str:
        text = np.array2string(self._data, prefix="Tensor(", separator=", ", threshold=20)
        parts = [text]
        if self._data.dtype != np.float64 and self._data.dtype.kind == "f":
            parts.append(f"dtype={self._data.dtype}")
        if self._data.size > 20:
            parts.append(f"shape={self.shape}")
        if self.primitive is not None:
            parts.append(f"primitive={self.primitive.name}")
        elif self.requires_grad:
            parts.append("requires_grad=True")
        if self.name is not None:
            parts.append(f"name={self.name!r}")
        return f"Tensor({', '.join(parts)})"

    # --- reading it in Python, which a trace cannot see ---

    @property
    def data(self) -> np.ndarray[Any, Any]:
        """The array itself. Writing replaces it by another of the same shape and dtype, and makes
        what was computed from the old one stale."""
        self._read("data")
        return self._data  # type: ignore[no-any-return]

    @data.setter
    def data(self, data: Any) -> None:
        if mode.trace:
            raise mode.trace.error("writing .data is not seen by the trace; use .assign(...)")
        data = operand(data, "data")
        _constant_in_transform(data, "data")
        data = data._data if isinstance(data, Tensor) else data
        self._writable(data, "data")
        if data.dtype != self.dtype:
            raise TypeError(f"data: an array of {data.dtype} for a Tensor of {self.dtype}")
        self._data = data
        self.index = next(counter)

    def _read(self, what: str) -> None:
        self._refuse_in_trace(what)
        super()._read(what)

    def _convert(self, what: str) -> None:
        self._read(what)
        super()._convert(what)

    def _refuse_in_trace(self, what: str) -> None:
        if mode.trace:
            raise mode.trace.error(
                f"{what} reads a traced value, which would be a constant from then on; "
                "compute with Tensors, or return it from the step"
            )

    def _writable(self, data: Any, what: str) -> None:
        if self.primitive is not None:
            named = (
                "a view of a leaf"
                if self.primitive is VIEW
                else f"the result of {self.primitive.name}"
            )
            raise RuntimeError(f"{what}: {named} cannot be written; a leaf can")
        if data.shape != self.shape:
            raise ValueError(f"{what}: shape {data.shape} for a Tensor of shape {self.shape}")

    def item(self) -> float | int | bool:
        """The only entry, as a Python number; ValueError where there are several or none."""
        self._read("item()")
        return self._number("item()")

    def _number(self, what: str) -> float | int | bool:
        self._refuse_in_trace(what)
        if self.size != 1:
            raise ValueError(
                f"{what.rstrip('()')}: a Tensor of shape {self.shape} is not one number"
            )
        return self._data.item()  # type: ignore[no-any-return]

    def __float__(self) -> float:
        self._convert("float() or math")
        return float(self._number("float()"))

    def __int__(self) -> int:
        self._convert("int()")
        return int(self._number("int()"))

    def __bool__(self) -> bool:
        self._refuse_in_trace("bool()")
        return bool(self._data)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        self._convert("np.asarray()")
        return np.array(self._data, dtype=dtype, copy=copy)

    # --- operations that have a syntax of their own ---

    def __matmul__(self, other: Any) -> Any:
        return matmul(self, other)

    def __rmatmul__(self, other: Any) -> Any:
        return matmul(other, self)

    def __getitem__(self, key: Any) -> Any:
        return index(self, key)

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    # --- state ---

    def _refuse_rebinding(self, other: Any) -> Any:
        if self.primitive is None and self.requires_grad and not (mode.gradients or mode.trace):
            raise TypeError(
                "p -= step (or +=, *=, /=) gives the name p to a new Tensor, and leaves the "
                "parameter as it was; write p.assign(p - step)"
            )
        return NotImplemented  # then Python uses the operator without `=`

    __iadd__ = __isub__ = __imul__ = __itruediv__ = _refuse_rebinding

    def assign(self, value: Any) -> None:
        """Copy `value` (a Tensor, array or number of this shape) into this leaf's own memory.

        All state that changes from step to step changes by `assign`: eagerly at once, and in a
        traced step when the compiled step runs. The dtype stays; what was computed from the old
        value becomes stale. Raises ValueError for another shape, TypeError for a dtype that does
        not go into this one, RuntimeError on a result.

        >>> count = Tensor(0.0)
        >>> count.assign(count + 1.0)
        >>> count
        Tensor(1.)
        """
        if isinstance(value, Node) and not isinstance(value, Tensor):
            raise TypeError(f"assign: Tensor and {type(value).__name__} do not mix")
        if not isinstance(value, Tensor | float | int):
            value = operand(value, "assign")
        _constant_in_transform(value, "assign")
        data = np.asarray(getattr(value, "_data", value))
        self._writable(data, "assign")
        if data.dtype != self.dtype and not np.can_cast(data.dtype, self.dtype, "same_kind"):
            raise TypeError(f"assign: {data.dtype} does not go into a Tensor of {self.dtype}")
        if mode.trace:
            mode.trace.assign(self, value)
        else:
            np.copyto(self._data, data, casting="same_kind")
        self.index = next(counter)

    @property
    def grad(self) -> Tensor | None:
        """What `backward()` has added up: a Tensor of this shape and dtype, or None."""
        if special and mode.trace:
            mode.trace.grad_read(self)
        return self._grad_or_none()

    @grad.setter
    def grad(self, grad: Tensor | None) -> None:
        fits = isinstance(grad, Tensor) and (grad.shape, grad.dtype) == (self.shape, self.dtype)
        if grad is not None and not fits:
            raise TypeError(
                f"grad: {grad!r} is not None or a Tensor of shape {self.shape} and {self.dtype}"
                + "; to start anew write .grad = None" * (not isinstance(grad, Tensor))
            )
        if special and mode.trace:
            mode.trace.grad_written(self, grad)
        self._grad = grad

    def _grad_or_none(self) -> Tensor | None:
        try:
            return self._grad
        except AttributeError:  # a result
            return None

    # --- how the graph makes and differentiates it ---

    @classmethod
    def _record(cls, prim: Primitive, args: tuple[Any, ...], params: dict[str, Any]) -> Any:
        trace = mode.trace if special else None
        if trace:
            trace.check(prim, args)
        if not PLAIN.issuperset(map(type, args)):
            args = tuple([a if type(a) in PLAIN else _as_argument_of(prim, a, args) for a in args])
            for arg in args:
                if isinstance(arg, Wrapper):
                    return arg._record(prim, args, params)
        arrays = [arg._data if arg.__class__ is Tensor else arg for arg in args]
        try:
            data = prim.on_array(*arrays, **params)
        except (ValueError, IndexError, TypeError) as error:
            raise _with_shapes(error, prim, arrays) from None
        if data.__class__ is not np.ndarray:
            data = np.asarray(data)
        node = made(cls, data, prim, args, params)
        if trace:
            trace.record(node)
        elif node.primitive is None and (data.base is not None or data is arrays[0]):
            node._keep_view(args)
        return node

    def _keep_view(self, args: tuple[Any, ...]) -> None:
        """Let a leaf remember the leaf whose memory it shows: after a write to that, `backward()`
        through the view is stale. A leaf that shows a result's memory gets memory of its own: it
        may become a parameter and be written while the result is still part of a graph."""
        owner, base = None, base_array(self._data)
        while shown := [a for a in args if isinstance(a, Tensor) and base_array(a._data) is base]:
            owner = shown[0].args[0] if shown[0].primitive is VIEW else shown[0]
            args = owner.args
        if owner is not None and owner.primitive is None:
            self.primitive, self.args, self.params = VIEW, (owner,), {}
        elif owner is not None:
            self._data = self._data.copy(order="K")

    def _take(self, prim: Primitive, args: tuple[Any, ...]) -> Tensor:
        """`self.assign(primitive(*args))`, without a copy if NumPy can compute in place."""
        target = self._data
        arrays = [arg._data if arg.__class__ is Tensor else arg for arg in args]
        fits = target.shape in [array.shape for array in arrays if array.__class__ is Array]
        plain = prim.in_place and PLAIN.issuperset(map(type, args))
        if not (plain and fits) or self.primitive is not None or mode.trace or mode.transforms:
            self.assign(prim(*args))
            return self
        try:
            prim.on_array(*arrays, out=target, casting="same_kind")
        except (ValueError, TypeError) as error:
            raise _with_shapes(error, prim, arrays) from None
        self.index = next(counter)
        return self

    def _seed(self, seed: Any, create_graph: bool) -> Any:
        if seed is None:
            if self.shape:
                raise ValueError(
                    f"backward: {self.primitive.name if self.primitive else 'a leaf'} of shape "
                    f"{self.shape} is not a scalar; sum it, or give the seed, a cotangent of "
                    "that shape"
                )
            if not (create_graph or mode.trace):
                return np.ones((), self.dtype)
            seed = 1.0
        seed = seed if isinstance(seed, Tensor) else operand(seed, "backward")
        data = getattr(seed, "_data", seed)
        if data.shape != self.shape:
            raise ValueError(f"backward: a seed of shape {data.shape} for a root of {self.shape}")
        if create_graph or mode.trace:
            return seed if isinstance(seed, Tensor) else wrap(data.astype(self.dtype))
        return data.astype(self.dtype, copy=False)

    def _fit(self, cotangent: Any) -> Any:
        data = self._data
        if cotangent.__class__ is np.ndarray and cotangent.shape == data.shape:
            return cotangent if cotangent.dtype == data.dtype else cotangent.astype(data.dtype)
        if isinstance(cotangent, Node) and not isinstance(cotangent, Tensor):
            cotangent = cotangent._as_tensor(self.dtype, "backward")  # type: ignore[attr-defined]
        if type(cotangent) in (float, int):
            cotangent = np.asarray(cotangent, self.dtype)
            if mode.trace:
                mode.trace.array_created(cotangent)
        if cotangent.shape != self._data.shape:
            joint = np.broadcast_shapes(cotangent.shape, self.shape)
            if joint != cotangent.shape:  # a rule may give one number for all entries
                cotangent = shapes.broadcast_to(cotangent, joint)
            cotangent = shapes.sum_to(cotangent, self.shape)
        return shapes.astype(cotangent, self.dtype)

    def _wrap(self, cotangent: Any) -> Any:
        return cotangent if isinstance(cotangent, Tensor) else wrap(cotangent.copy())

    def _leaf_cotangents(self, seed: Any, create_graph: bool) -> Iterable[tuple[Node, Any]]:
        in_use = {id(base_array(getattr(seed, "_data", seed)))}
        for leaf, cotangent in super()._leaf_cotangents(seed, create_graph):
            # The seed itself may be assigned to later: the gradient is not to change with it.
            if isinstance(cotangent, Tensor) and cotangent.primitive is None:
                yield leaf, cotangent * 1.0 if cotangent.requires_grad else cotangent._copy()
            elif cotangent.__class__ is np.ndarray:
                # If a rule returns g itself, two leaves have one array, or a leaf has the seed's.
                # Gradients share no memory: the second gets a copy, and so does a broadcast view.
                owner = id(base_array(cotangent))
                if owner in in_use or not cotangent.flags.writeable:
                    yield leaf, cotangent.copy(order="K")
                else:
                    in_use.add(owner)
                    yield leaf, cotangent
            else:
                yield leaf, cotangent

    def _copy(self) -> Tensor:
        return wrap(self._data.copy())

    def _zero(self, create_graph: bool) -> Any:
        return wrap(np.zeros(self.shape, self.dtype))

    def _accumulate(self, cotangent: Any) -> None:
        before = self.grad
        if cotangent.__class__ is not Tensor:
            cotangent = wrap(cotangent if before is None else before._data + cotangent)
        elif before is not None:
            cotangent = before + cotangent
        self.grad = cotangent


PLAIN = frozenset((Tensor, float, int, bool))  # a primitive takes these as they are


def wrap(array: Any) -> Tensor:
    """A leaf Tensor of an array that the engine made itself, so no trace needs to check it."""
    node = object.__new__(Tensor)
    node._data = np.asarray(array)
    node.primitive, node.args, node.index, node.requires_grad = None, (), next(counter), False
    node._grad = None
    if special and mode.trace:
        mode.trace.created.add(node)
    return node


def _from_python(data: Any) -> Any:
    """The argument of `Tensor(...)` as an array."""
    if isinstance(data, Array):
        return check_native(data, "Tensor")
    array = operand(data, "Tensor")
    if isinstance(array, NumpyProtocols):  # of a node, or of a list that holds some
        if array._is_tracked():
            raise TypeError(
                "Tensor: a new Tensor is a leaf, through which no gradient flows back to what it "
                "was made of; autograd.stack puts Tensors together, .detach() cuts one off"
            )
        return array._data.copy()
    if isinstance(data, np.generic) or array.dtype.kind not in "iu":
        return array
    return array.astype(np.float64)


def _constant_in_transform(value: Any, what: str) -> None:
    """Refuse to write a value that a transform differentiates: the leaf would hold a constant."""
    if mode.transforms and mode.gradients and isinstance(value, Tensor) and value.requires_grad:
        raise TypeError(
            f"{what}: no gradient would flow through what is written; compute with it as it is, or "
            "write .detach() for a constant"
        )


def _as_argument_of(prim: Primitive, data: Any, args: tuple[Any, ...]) -> Any:
    """An argument that is not a Tensor, as a primitive computes with it."""
    if isinstance(data, Wrapper):
        return data
    if isinstance(data, Node):  # a Value
        return data._as_tensor(float_dtype(args), prim.name)  # type: ignore[attr-defined]
    return as_argument(data, prim.name)


def _with_shapes(error: Exception, prim: Primitive, arrays: list[Any]) -> Exception:
    """NumPy's error, with the operation and the shapes added."""
    given = ", ".join(str(np.shape(array)) for array in arrays)
    text, named = str(error), prim.name
    if isinstance(error, ValueError) and "broadcast" in text and named not in text:
        return ValueError(f"{named}: shapes {given.replace('), (', ') and (')} do not broadcast")
    kind = next(k for k in (TypeError, IndexError, ValueError) if isinstance(error, k))
    return kind(text if text.startswith(named) else f"{named} of {given}: {text}")
