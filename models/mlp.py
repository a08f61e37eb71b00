"""A multi-layer perceptron on Tensors."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from autograd.nn import Activation, Dropout, Linear, Module, Sequential, glorot, he, lecun

__all__ = ["MLP"]

# The initialiser that keeps the variance from layer to layer, by activation.
INITIALISERS = {"tanh": glorot, "sigmoid": glorot, "identity": lecun}


class MLP(Sequential):
    """Linear, activation, Linear, ..., Linear: named "0", "1", "2", ... as in a PyTorch Sequential.

    sizes: of the input, the hidden layers and the output. seed: of the weights and of dropout.
    dropout: the fraction of each hidden layer's units that is dropped in training; it is no layer
    of its own, so that the names stay. Called on (batch, sizes[0]) it gives logits,
    (batch, sizes[-1]). Raises ValueError where there are fewer than two sizes or one is not
    positive.

    >>> model = MLP([784, 128, 10], activation="relu", seed=0)
    >>> [name for name, _ in model.named_parameters()]
    ['0.weight', '0.bias', '2.weight', '2.bias']
    >>> print(model)
    MLP(
      dropout=0.0
      (0): Linear(weight: float32[128, 784], bias: float32[128])  # 100,480 parameters
      (1): Activation(name='relu')
      (2): Linear(weight: float32[10, 128], bias: float32[10])  # 1,290 parameters
    )  # 101,770 parameters
    """

    def __init__(
        self,
        sizes: Sequence[int],
        activation: str = "relu",
        seed: int = 0,
        dropout: float = 0.0,
        dtype: Any = np.float32,
    ) -> None:
        if len(sizes) < 2:
            raise ValueError(f"MLP: sizes are at least input and output, not {list(sizes)}")
        generator = np.random.default_rng(seed)
        layers: list[Module] = []
        for i, (size, following) in enumerate(pairwise(sizes)):
            last = i + 2 == len(sizes)
            init = lecun if last else INITIALISERS.get(activation, he)
            layers.append(Linear(size, following, init, generator, dtype))
            if not last:
                layers.append(Activation(activation))
        super().__init__(*layers)
        self.dropout = dropout
        self._dropouts = [Dropout(dropout, seed * 1009 + i) for i in range(len(sizes) - 2)]

    def forward(self, x: Any) -> Any:
        return self.outputs(x)[-1]

    def outputs(self, x: Any) -> list[Any]:
        """What each layer and each activation gives, in order; the last are the logits."""
        dropouts, outputs = iter(self._dropouts), list[Any]()
        for module in self:
            x = module(x)
            if isinstance(module, Activation):
                x = next(dropouts)(x)
            outputs.append(x)
        return outputs
