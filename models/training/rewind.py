"""When the loss turns NaN: goes back to the last weights that gave a finite loss, and names what
was the first to go bad.

A step on a NaN has already spoilt every weight, and a copy before each step would cost 3 % of it.
So everything that changes is copied before each run of some steps, and those are done again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from autograd import no_grad
from autograd.nn import Linear, Module, Sequential
from autograd.optim import Optimizer
from models.training.place import Place

__all__ = ["Rewind", "bad_data", "first_bad"]

Order = NDArray[Any]
Run = Callable[[Order], list[NDArray[Any]]]


class Before(NamedTuple):
    """What was before some steps: a copy of each state, the place, and the steps' batches."""

    copies: list[NDArray[Any]]
    place: Place
    order: Order


class Rewind:
    """Remembers enough to take `model` and `optimizer` back to before the last steps."""

    def __init__(self, model: Module, optimizer: Optimizer) -> None:
        self.model = model
        # The hidden ones too: dropout's counter must go back as well.
        held = (*model.named_state(hidden=True), *optimizer.named_state(hidden=True))
        self.tensors = [tensor for _, tensor in held]
        self.buffers = [self._copies(), self._copies()]  # used by turns
        self.before: list[Before] = []  # at most two

    def note(self, place: Place, order: Order) -> None:
        """To be called before the steps on the batches that `order` names."""
        self.buffers.reverse()
        for tensor, array in zip(self.tensors, self.buffers[0], strict=True):
            np.copyto(array, tensor.data)
        self.before = [*self.before[-1:], Before(self.buffers[0], place.copy(), order)]

    def back(self, run: Run, bad: int) -> tuple[Place, Order]:
        """Undo the step `bad` of the last ones, whose loss was not finite, and the one before it,
        which caused that. Gives the place that this goes back to, and the batch of the bad step.

        The model is left with the weights that gave the bad loss; `restore` goes on from there.
        """
        before, batch, done = self.before[-1], self.before[-1].order[bad], bad
        if not bad and self.before[1:]:  # the step that caused it is the last of those before
            before = self.before[0]
            done = len(before.order)
        self._restore(before.copies)
        place = before.place
        if done > 1:
            place.advance(run(before.order[: done - 1]))
        self.kept = self._copies()
        if done:
            run(before.order[done - 1 : done])
        return place, batch

    def restore(self) -> None:
        """Put the weights back to where `back` went."""
        self._restore(self.kept)

    def _copies(self) -> list[NDArray[Any]]:
        # "K": a weight is transposed in memory, and a copy in another order is ten times slower.
        return [tensor.data.copy("K") for tensor in self.tensors]

    def _restore(self, arrays: list[Any]) -> None:
        for tensor, array in zip(self.tensors, arrays, strict=True):
            tensor.assign(array)


def bad_data(x: NDArray[Any], y: NDArray[Any]) -> str:
    """What of a batch is not finite; nothing where all is.

    >>> bad_data(np.array([[1.0, np.nan]]), np.array([0]))
    'the data: 1 of the 2 entries of the inputs of that batch are nan'
    """
    for name, array in (("inputs", x), ("targets", y)):
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            return f"the data: {_bad(array)} of the {name} of that batch are {_worst(array)}"
    return ""


@no_grad()
@np.errstate(all="ignore")
def first_bad(model: Module, x: Any) -> str:
    """What is the first, in forward order, to be not finite: the weights of a layer, or its output
    for `x`; of a model that is no Sequential, the first of its Tensors.

    >>> from models.mlp import MLP
    >>> model = MLP([2, 3, 1])
    >>> dict(model.named_parameters())["2.weight"].data[0, 1] = np.inf
    >>> first_bad(model, np.ones((4, 2), np.float32))
    'layer 2 (Linear 3 to 1): 1 of the 3 entries of its weight became inf'
    """
    if not isinstance(model, Sequential):
        return _bad_state(model) or "the outputs or the loss, every weight being finite"
    for i, layer in enumerate(model):
        name = f"layer {i} ({type(layer).__name__})"
        if isinstance(layer, Linear):
            outputs, inputs = layer.weight.shape
            name = f"layer {i} (Linear {inputs} to {outputs})"
        if said := _bad_state(layer):
            return f"{name}: {said}"
        x = layer(x)
        if not np.isfinite(x.data).all():
            return f"{name}: {_bad(x.data)} of its output became {_worst(x.data)}"
    return "the loss itself, every layer being finite"


def _bad_state(module: Module) -> str:
    for part, tensor in module.named_state():
        if tensor.dtype.kind == "f" and not np.isfinite(tensor.data).all():
            return f"{_bad(tensor.data)} of its {part} became {_worst(tensor.data)}"
    return ""


def _bad(array: NDArray[Any]) -> str:
    return f"{np.count_nonzero(~np.isfinite(array)):,} of the {array.size:,} entries"


def _worst(array: NDArray[Any]) -> str:
    return "nan" if np.isnan(array).any() else "inf"
