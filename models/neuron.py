"""A multi-layer perceptron of single numbers, to be read first.

The classes are those of micrograd's nn. Every weight is a `Value`, every product and sum a node.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from operator import mul

from autograd import Value

__all__ = ["MLP", "Layer", "Neuron"]


class Neuron:
    """relu(w . x + b), or w . x + b where it is not `nonlinear`.

    The weights start uniform in [-1, 1), the bias at 0.
    """

    def __init__(self, inputs: int, nonlinear: bool = True, seed: random.Random | None = None):
        draw = seed or random.Random()
        self.w = [Value(draw.uniform(-1.0, 1.0)) for _ in range(inputs)]
        self.b = Value(0.0)
        self.nonlinear = nonlinear

    def __call__(self, x: Sequence[Value | float]) -> Value:
        act = sum(map(mul, self.w, x), self.b)
        return act.relu() if self.nonlinear else act

    def parameters(self) -> list[Value]:
        """The weights, then the bias."""
        return [*self.w, self.b]

    def __repr__(self) -> str:
        return f"{'ReLU' if self.nonlinear else 'Linear'}Neuron({len(self.w)})"


class Layer:
    """Neurons side by side, all reading the same inputs."""

    def __init__(
        self, inputs: int, outputs: int, nonlinear: bool = True, seed: random.Random | None = None
    ):
        self.neurons = [Neuron(inputs, nonlinear, seed) for _ in range(outputs)]

    def __call__(self, x: Sequence[Value | float]) -> list[Value]:
        return [neuron(x) for neuron in self.neurons]

    def parameters(self) -> list[Value]:
        """The parameters of every neuron."""
        return [p for neuron in self.neurons for p in neuron.parameters()]

    def __repr__(self) -> str:
        return f"Layer of [{', '.join(str(neuron) for neuron in self.neurons)}]"


class MLP:
    """Layers one after the other; the last is linear. Gives one output as a Value, more as a list.

    >>> net = MLP(3, [4, 4, 1], seed=1)
    >>> len(net.parameters())
    41
    >>> y = net([1.0, -2.0, 3.0])
    >>> y.backward()
    """

    def __init__(self, inputs: int, outputs: Sequence[int], seed: int | None = None):
        draw = random.Random(seed)
        sizes = [inputs, *outputs]
        self.layers = [
            Layer(sizes[i], sizes[i + 1], i + 1 < len(outputs), draw) for i in range(len(outputs))
        ]

    def __call__(self, x: Sequence[Value | float]) -> Value | list[Value]:
        values: Sequence[Value | float] = x
        for layer in self.layers:
            values = layer(values)
        return values[0] if len(values) == 1 else list(values)  # type: ignore[return-value, arg-type]

    def parameters(self) -> list[Value]:
        """The parameters of every layer."""
        return [p for layer in self.layers for p in layer.parameters()]

    def zero_grad(self) -> None:
        """Set every gradient to 0."""
        for p in self.parameters():
            p.grad = 0.0

    def __repr__(self) -> str:
        return f"MLP of [{', '.join(str(layer) for layer in self.layers)}]"
