"""Layers: a Module holds parameters and state as Tensors, and computes with them when called.

Names and shapes are PyTorch's, so that files of weights exchange.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from . import composites, ops, ranks
from .composites import binary_cross_entropy, cross_entropy, hinge, huber, mse
from .modes.mode import mode
from .primitives.memory import cache_aligned
from .primitives.shapes import reshape
from .random import int64, uniform
from .state import State, counted, summary
from .tensor import Tensor
from .transforms.batching import Batched

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "BatchNorm",
    "Dropout",
    "LayerNorm",
    "Linear",
    "Module",
    "Sequential",
    "State",
    "binary_cross_entropy",
    "cross_entropy",
    "glorot",
    "he",
    "hinge",
    "huber",
    "lecun",
    "mse",
]


class Module(State):
    """A function with parameters. Subclasses set Tensors and Modules as attributes (also lists and
    dicts of them), and say in `forward` what calling does. `print` shows what it holds.

    >>> class Scale(Module):
    ...     def __init__(self):
    ...         self.factor = Tensor(2.0, requires_grad=True)
    ...     def forward(self, x):
    ...         return self.factor * x
    >>> Scale()(3.0).item()
    6.0
    >>> Scale()
    Scale(factor: float64[])  # 1 parameter
    """

    _training = True
    _name: str | None = None  # the attribute that holds it, for drawings

    def forward(self, *args: Any, **keywords: Any) -> Any:
        """Compute the module's result. A subclass says how."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        outer = mode.scope
        name = self._name or type(self).__name__
        try:
            mode.scope = (*outer, name)
            return self.forward(*args, **keywords)
        finally:
            mode.scope = outer

    def __repr__(self) -> str:
        total = sum(p.size for p in self.parameters())
        return summary(self) + (f"  # {counted(total, 'parameter')}" if total else "")

    def __setattr__(self, name: str, value: Any) -> None:
        # The mode is there from the start: to a trace, one that comes later is a change.
        vars(self).setdefault("_training", True)
        super().__setattr__(name, value)
        parts = enumerate(value) if isinstance(value, list | tuple) else [(None, value)]
        for i, part in parts:
            if isinstance(part, Module):
                part.__dict__["_name"] = name if i is None else f"{name}.{i}"

    @property
    def training(self) -> bool:
        """Whether this is training (dropout drops, batch norm learns) or evaluation."""
        return self._training

    def modules(self) -> Iterator[Module]:
        """This module and all modules within it, each once."""
        seen: set[int] = set()
        stack: list[Any] = [self]
        while stack:
            item = stack.pop()
            if isinstance(item, list | tuple | dict):
                stack.extend(reversed(list(item.values()) if isinstance(item, dict) else item))
            elif isinstance(item, Module) and id(item) not in seen:
                seen.add(id(item))
                yield item
                stack.extend(reversed(vars(item).values()))

    def train(self, training: bool = True) -> Module:
        """Switch this module and all within it to training; gives it back."""
        for module in self.modules():
            object.__setattr__(module, "_training", training)
        return self

    def eval(self) -> Module:
        """Switch this module and all within it to evaluation; gives it back."""
        return self.train(False)

    def named_parameters(self) -> Iterator[tuple[str, Tensor]]:
        """The Tensors that require a gradient, each once, by path."""
        seen: set[Tensor] = set()
        for name, tensor in self.named_state():
            if tensor.requires_grad and tensor not in seen:
                seen.add(tensor)
                yield name, tensor

    def parameters(self) -> list[Tensor]:
        """The Tensors that require a gradient."""
        return [tensor for _, tensor in self.named_parameters()]


# --- initialisers ------------------------------------------------------------------------------
# Each gives weights of shape (out, in), as a Linear holds them.

Array = np.ndarray[Any, Any]
# (The name in quotes: to evaluate it would import numpy.random, a tenth of NumPy's own time.)
Initialiser = Callable[[int, int, "np.random.Generator"], Array]


def he(fan_out: int, fan_in: int, generator: np.random.Generator) -> Array:
    """Normal with variance 2 / fan_in, for relu (He et al., arXiv 1502.01852, eq. 10).

    >>> he(3, 2, np.random.default_rng(0)).shape
    (3, 2)
    """
    return math.sqrt(2.0 / fan_in) * generator.standard_normal((fan_out, fan_in))


def glorot(fan_out: int, fan_in: int, generator: np.random.Generator) -> Array:
    """Uniform with variance 2 / (fan_in + fan_out), for tanh (Glorot and Bengio 2010, eq. 16).

    >>> bool(abs(glorot(3, 2, np.random.default_rng(0))).max() < math.sqrt(6 / 5))
    True
    """
    bound = math.sqrt(6.0 / (fan_in + fan_out))
    return np.asarray(generator.uniform(-bound, bound, (fan_out, fan_in)))


def lecun(fan_out: int, fan_in: int, generator: np.random.Generator) -> Array:
    """Normal with variance 1 / fan_in (LeCun et al., Efficient BackProp, 1998, eq. 16).

    >>> lecun(3, 2, np.random.default_rng(0)).shape
    (3, 2)
    """
    return math.sqrt(1.0 / fan_in) * generator.standard_normal((fan_out, fan_in))


# --- layers ------------------------------------------------------------------------------------


class Linear(Module):
    """x @ weight.T + bias: (batch, features_in) to (batch, features_out).

    weight: (features_out, features_in), from `init`. bias: (features_out,), zero. Both `dtype`.
    Raises ValueError where a size is not a positive integer.

    >>> layer = Linear(784, 10)
    >>> layer
    Linear(weight: float32[10, 784], bias: float32[10])  # 7,850 parameters
    >>> layer(np.ones((32, 784), np.float32)).shape
    (32, 10)
    """

    def __init__(
        self,
        features_in: int,
        features_out: int,
        init: Initialiser = he,
        generator: np.random.Generator | None = None,
        dtype: Any = np.float32,
    ) -> None:
        _positive_sizes("Linear", (features_in, features_out))
        weight = init(features_out, features_in, generator or np.random.default_rng())
        # Column-major: the products read the transpose.
        column_major = cache_aligned(np.asarray(weight, dtype, order="F"))
        self.weight = Tensor(column_major, requires_grad=True, name="weight")
        self.bias = Tensor(cache_aligned(np.zeros(features_out, dtype)), True, name="bias")

    def forward(self, x: Any) -> Any:
        return ops.matmul(x, self.weight.T) + self.bias


ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "relu": ops.relu,
    "leaky_relu": composites.leaky_relu,
    "gelu": composites.gelu,
    "tanh": ops.tanh,
    "sigmoid": ops.sigmoid,
    "softplus": ops.softplus,
    "identity": lambda x: x,
}


class Activation(Module):
    """A function of ACTIVATIONS as a layer, by its name. Raises ValueError for other names.

    >>> relu = Activation("relu")
    >>> relu, relu(Tensor([-1.0, 2.0]))
    (Activation(name='relu'), Tensor([0., 2.]))
    """

    def __init__(self, name: str) -> None:
        if name not in ACTIVATIONS:
            raise ValueError(f"Activation: {name!r} is unknown; known: {', '.join(ACTIVATIONS)}")
        self.name = name

    def forward(self, x: Any) -> Any:
        return ACTIVATIONS[self.name](x)


class Sequential(Module):
    """Modules one after the other; named by their position, as PyTorch names them. Raises
    TypeError for anything but modules.

    >>> model = Sequential(Linear(784, 128), Activation("relu"), Linear(128, 10))
    >>> print(model)
    Sequential(
      (0): Linear(weight: float32[128, 784], bias: float32[128])  # 100,480 parameters
      (1): Activation(name='relu')
      (2): Linear(weight: float32[10, 128], bias: float32[10])  # 1,290 parameters
    )  # 101,770 parameters
    >>> model(np.ones((32, 784), np.float32)).shape
    (32, 10)
    """

    def __init__(self, *modules: Module) -> None:
        for i, module in enumerate(modules):
            if not callable(module):
                raise TypeError(
                    f"Sequential: a {type(module).__name__} is not a module; for a list write "
                    "Sequential(*modules)"
                )
            setattr(self, str(i), module)

    def __iter__(self) -> Iterator[Module]:
        return (value for name, value in vars(self).items() if name.isdigit())

    def forward(self, x: Any) -> Any:
        for module in self:
            x = module(x)
        return x


class Dropout(Module):
    """In training, zero each entry with probability `p` and scale the others by 1 / (1 - p)
    (Srivastava et al. 2014); in evaluation, change nothing. The seed and the number of batches so
    far say which entries are dropped; neither is in `state_dict`, which stays PyTorch's.
    `drop.seed = 2` changes the seed, of which the low 64 bits matter, also under jit.
    Under vmap each example has a mask of its own, and where ranks share a batch each share: the
    entries that are dropped are those of the whole batch. Raises ValueError for a `p` outside
    [0, 1), TypeError for a seed that is no integer.

    >>> drop = Dropout(0.5)
    >>> drop(Tensor([1.0, 1.0, 1.0, 1.0])).data
    array([2., 0., 0., 2.])
    >>> drop.eval()(Tensor([1.0, 1.0, 1.0, 1.0])).data
    array([1., 1., 1., 1.])
    """

    def __init__(self, p: float, seed: int = 0) -> None:
        if not 0.0 <= p < 1.0:
            raise ValueError(f"Dropout: p is in [0, 1), not {p}")
        self.p = p
        self._seed = Tensor(np.asarray(int64(seed), np.int64))
        self._count = Tensor(np.zeros((), np.int64))

    def __repr__(self) -> str:
        return f"Dropout(p={self.p}, seed={self._seed._data})"

    @property
    def seed(self) -> int:
        """The seed, an integer of 64 bits."""
        return int(self._seed)

    @seed.setter
    def seed(self, seed: int) -> None:
        self._seed.assign(int64(seed))

    def forward(self, x: Any) -> Any:
        if not self.training or self.p == 0.0:
            return x
        dtype = x.dtype if x.dtype.kind == "f" else np.float32
        # Under vmap each example takes its own part of the mask of the whole batch.
        shape = (*mode.batches, *x.shape)
        first = ranks.world().rank * math.prod(
            shape
        )  # of the whole batch's, of which this is a share
        kept: Any = ops.greater(uniform(self._count, shape, self._seed, dtype, first), self.p)
        for level in range(len(mode.batches)):
            kept = Batched(kept, level)
        self._count.assign(self._count + 1)
        return ops.where(kept, x * (1.0 / (1.0 - self.p)), 0.0)


class LayerNorm(Module):
    """Each example's last axes, of the shape `features` (an integer for one axis), to mean 0 and
    variance 1, then scaled and shifted by learned `weight` and `bias` of that shape (Ba et al.,
    arXiv 1607.06450). Raises ValueError for arrays that do not end in that shape.

    >>> LayerNorm(2)(Tensor([[1.0, 3.0], [2.0, 8.0]])).data.round(3)
    array([[-1.,  1.],
           [-1.,  1.]])
    """

    def __init__(
        self, features: int | Sequence[int], eps: float = 1e-5, dtype: Any = np.float32
    ) -> None:
        shape = tuple(features) if isinstance(features, Sequence) else (features,)
        _positive_sizes("LayerNorm", shape)
        self.eps = eps
        self.weight = Tensor(np.ones(shape, dtype), requires_grad=True, name="weight")
        self.bias = Tensor(np.zeros(shape, dtype), requires_grad=True, name="bias")

    def forward(self, x: Any) -> Any:
        shape = self.weight.shape
        if x.shape[-len(shape) :] != shape:
            raise ValueError(f"LayerNorm: takes (..., {_listed(shape)}), not shape {x.shape}")
        axes = tuple(range(-len(shape), 0))
        distance = x - composites.mean(x, axes, keepdims=True)
        variance = composites.mean(distance * distance, axes, keepdims=True)
        return distance / ops.sqrt(variance + self.eps) * self.weight + self.bias


class BatchNorm(Module):
    """Each feature of (batch, features) or (batch, features, ...), to mean 0 and variance 1 over
    all other axes, then scaled and shifted (Ioffe and Szegedy, arXiv 1502.03167). Evaluation uses
    running statistics, which training moves by `momentum` of the way, with PyTorch's unbiased
    variance and its names. Where ranks share a batch, all of it counts. Raises ValueError for
    another number of features, and in training where each feature has one number alone.

    >>> norm = BatchNorm(2)
    >>> norm(Tensor([[1.0, 3.0], [5.0, 3.0]])).data.round(3)
    array([[-1.,  0.],
           [ 1.,  0.]])
    >>> norm.running_mean.data
    array([0.3, 0.3], dtype=float32)
    """

    def __init__(
        self, features: int, eps: float = 1e-5, momentum: float = 0.1, dtype: Any = np.float32
    ) -> None:
        _positive_sizes("BatchNorm", (features,))
        self.eps, self.momentum = eps, momentum
        self.weight = Tensor(np.ones(features, dtype), requires_grad=True, name="weight")
        self.bias = Tensor(np.zeros(features, dtype), requires_grad=True, name="bias")
        self.running_mean = Tensor(np.zeros(features, dtype))
        self.running_var = Tensor(np.ones(features, dtype))
        self.num_batches_tracked = Tensor(np.zeros((), np.int64))

    def forward(self, x: Any) -> Any:
        (features,) = self.weight.shape
        if x.ndim < 2 or x.shape[1] != features:
            raise ValueError(
                f"BatchNorm: takes (batch, {features}) or (batch, {features}, ...), not shape "
                f"{x.shape}"
            )
        axes = (0, *range(2, x.ndim))
        mean, variance = self.running_mean, self.running_var
        if self.training:
            n = ranks.world().size * math.prod(x.shape[axis] for axis in axes)
            if n < 2:
                raise ValueError(f"BatchNorm: a batch of {n} has no variance to learn from")
            mean = ranks.mean(composites.mean(x, axes, keepdims=True))
            distance = x - mean
            variance = ranks.mean(composites.mean(distance * distance, axes))
            mean = reshape(mean, (features,))
            self._move(self.running_mean, ops.detach(mean))
            self._move(self.running_var, ops.detach(variance) * (n / (n - 1)))
            self.num_batches_tracked.assign(self.num_batches_tracked + 1)
        wide = (features, *(1,) * (x.ndim - 2))  # as it broadcasts beside x
        mean, deviation, weight, bias = (
            part if x.ndim == 2 else reshape(part, wide)
            for part in (mean, ops.sqrt(variance + self.eps), self.weight, self.bias)
        )
        return (x - mean) / deviation * weight + bias

    def _move(self, running: Tensor, now: Any) -> None:
        running.assign(running + self.momentum * (now - running))


def _positive_sizes(name: str, sizes: Sequence[Any]) -> None:
    if not sizes or not all(isinstance(n, int | np.integer) and n > 0 for n in sizes):
        raise ValueError(f"{name}: sizes are positive integers, not {_listed(sizes)}")


def _listed(sizes: Sequence[Any]) -> str:
    return ", ".join(map(str, sizes))
