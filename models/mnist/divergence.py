"""When the loss turns NaN: goes back to the last weights that gave a finite loss, and names the
layer that was the first to go bad.

A step on a NaN has already spoilt every weight, and a copy before each step would cost 3 % of it.
So everything that changes is copied every few steps, and the steps since then are done again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autograd import no_grad
from autograd.nn import Linear, Sequential
from autograd.optim import Optimizer

EVERY = 32  # steps between two copies

Batch = tuple[NDArray[np.float32], NDArray[np.int64]]
Index = NDArray[np.int64]


class Rewind:
    """Remembers enough to take `model` and `optimizer` back by a few steps."""

    def __init__(self, model: Sequential, optimizer: Optimizer) -> None:
        self.model = model
        # The hidden ones too: dropout's counter must go back as well.
        held = (*model.named_state(hidden=True), *optimizer.named_state(hidden=True))
        self.tensors = [tensor for _, tensor in held]
        # "K": a weight is transposed in memory, and a copy in another order is ten times slower.
        self.copies = [tensor.data.copy("K") for tensor in self.tensors]
        self.fresh = [copy.copy("K") for copy in self.copies]
        self.since: list[Index] = []  # the batches that were learned from since `copies`

    def before(self, index: Index) -> None:
        """To be called before each step with what identifies its batch."""
        if len(self.since) % EVERY == 0:
            self._copy(self.fresh)
        self.since.append(index)

    def after(self) -> None:
        """To be called after each step whose loss was finite: that proves the weights before it."""
        if (len(self.since) - 1) % EVERY == 0:
            self.copies, self.fresh = self.fresh, self.copies
            del self.since[:-1]

    def back(self, step: Callable[..., Any], batch: Callable[[Index], Batch]) -> str:
        """Undo the step whose loss was not finite, and the one before it, which caused that.

        Gives the name of the layer that went bad first. `batch` gives the batch of an index.
        """
        *done, bad = self.since
        self._restore(self.copies)
        for index in done[:-1]:
            step(*batch(index))
        self._copy(self.fresh)
        for index in done[-1:]:  # [] where the very first loss was bad
            step(*batch(index))
        where = first_bad_layer(self.model, batch(bad)[0])
        self._restore(self.fresh)
        return where

    def _copy(self, into: list[Any]) -> None:
        for tensor, array in zip(self.tensors, into, strict=True):
            np.copyto(array, tensor.data)

    def _restore(self, arrays: list[Any]) -> None:
        for tensor, array in zip(self.tensors, arrays, strict=True):
            tensor.assign(array)


@no_grad()
def first_bad_layer(model: Sequential, x: Any) -> str:
    """The first layer, in forward order, whose weights or whose output for `x` are not finite.

    >>> from models.mlp import MLP
    >>> model = MLP([2, 3, 1])
    >>> dict(model.named_parameters())["2.weight"].data[0, 1] = np.inf
    >>> first_bad_layer(model, np.ones((4, 2), np.float32))
    'layer 2 (Linear 3 to 1): 1 of the 3 entries of its weight became inf'
    """
    for i, layer in enumerate(model):
        name = f"layer {i} ({type(layer).__name__})"
        if isinstance(layer, Linear):
            outputs, inputs = layer.weight.shape
            name = f"layer {i} (Linear {inputs} to {outputs})"
        for part, tensor in layer.named_parameters():
            if not np.isfinite(tensor.data).all():
                return f"{name}: {_bad(tensor.data)} of its {part} became {_worst(tensor.data)}"
        x = layer(x)
        if not np.isfinite(x.data).all():
            return f"{name}: {_bad(x.data)} of its output became {_worst(x.data)}"
    return "the loss itself, every layer being finite"


def _bad(array: NDArray[Any]) -> str:
    return f"{np.count_nonzero(~np.isfinite(array)):,} of the {array.size:,} entries"


def _worst(array: NDArray[Any]) -> str:
    return "nan" if np.isnan(array).any() else "inf"
