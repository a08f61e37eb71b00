"""The step of a training, built from its parts, and run many times in one call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autograd import astype, jit, no_grad
from autograd.nn import Module
from autograd.optim import Optimizer, clip_by_global_norm
from autograd.ranks import average

__all__ = [
    "Arrays",
    "Loss",
    "Reduce",
    "as_dtype",
    "listed",
    "mean_of",
    "over",
    "run",
    "scored",
    "step_of",
]

Arrays = Sequence[NDArray[Any]]
Function = Callable[..., Any]
Loss = Callable[[Any, Any], Any]
Reduce = Callable[[Sequence[Any]], None]

# Examples that go through the model at once when it is scored. From 2,000 on they leave the caches,
# and it takes 1.4 times as long or more (784-512-10).
CHUNK = 500


def as_dtype(dtype: np.dtype[Any]) -> Function:
    """Makes floats of a batch the dtype of the weights; labels and pixels stay integers."""
    return lambda x: astype(x, dtype) if x.dtype.kind == "f" and x.dtype != dtype else x


def mean_of(name: str, figure: Loss) -> Loss:
    """The loss or metric, which raises ValueError where it gives no mean over the batch."""

    def checked(outputs: Any, targets: Any) -> Any:
        value = figure(outputs, targets)
        if getattr(value, "shape", None) != ():
            what = f"shape {value.shape}" if hasattr(value, "shape") else repr(value)
            raise ValueError(
                f"{name}: expected a Tensor of shape (), the mean over the batch, found {what}"
            )
        return value

    return checked


def listed(outputs: Any) -> list[Any]:
    """The outputs of a model, of which there may be several."""
    return list(outputs) if isinstance(outputs, tuple | list) else [outputs]


def step_of(
    model: Module,
    loss: Loss,
    optimizer: Optimizer,
    reads: tuple[Function, Function],
    metrics: Sequence[Loss],
    reduce: Reduce | None,
    clip: float | None,
) -> Function:
    """A step of learning: of a batch's inputs and targets it gives the loss and the metrics. Where
    ranks share a batch, each is given its share: all learn, and are given, what the whole says.

    reads: what is made of inputs and of targets before the model and the loss see them.
    """
    parameters, (inputs, targets) = model.parameters(), reads

    def step(x: Any, y: Any) -> list[Any]:
        outputs, y = model(inputs(x)), targets(y)
        value = loss(outputs, y)
        optimizer.zero_grad()
        value.backward()
        with no_grad():
            figures = [value * 1.0, *(metric(outputs, y) for metric in metrics)]
        figures = average(parameters, figures)
        if reduce is not None:
            reduce(parameters)
        if clip is not None:
            clip_by_global_norm(parameters, clip)
        optimizer.step()
        return figures

    return step


def scored(model: Module, reads: tuple[Function, Function], figures: Sequence[Loss]) -> Function:
    """A look at the model as it is: of inputs and targets it gives the figures."""
    inputs, targets = reads

    def score(x: Any, y: Any) -> list[Any]:
        outputs, y = model(inputs(x)), targets(y)
        return [figure(outputs, y) for figure in figures]

    return score


@np.errstate(all="ignore")  # the loss shows inf and nan
def run(step: Function, arrays: Arrays, order: NDArray[Any]) -> list[NDArray[Any]]:
    """A step for each row of `order`, (steps, batch), on the entries of `arrays` that it names:
    each result, stacked."""
    if isinstance(step, jit):
        return [result.data for result in step.loop(arrays, order)]
    results = [_once(step, arrays, rows) for rows in order]
    return [np.stack(parts) for parts in zip(*results, strict=True)]


def _once(step: Function, arrays: Arrays, rows: NDArray[Any]) -> list[Any]:
    # A function of its own, so that a step's graph is freed before the next one needs memory.
    return [result.data for result in step(*(array.take(rows, axis=0) for array in arrays))]


@no_grad()
@np.errstate(all="ignore")
def over(
    model: Module, function: Function, arrays: Arrays, rows: NDArray[Any]
) -> list[tuple[int, list[Any]]]:
    """`function` of all these rows of the arrays, in chunks, the model being in evaluation: of each
    chunk its number of rows and the results. The model is left in the mode it was in."""
    training = model.training
    model.eval()
    try:
        whole = rows[: len(rows) - len(rows) % CHUNK].reshape(-1, CHUNK)
        parts: list[tuple[int, list[Any]]] = []
        if len(whole):
            stacked = run(function, arrays, whole)
            parts += [(CHUNK, [result[i] for result in stacked]) for i in range(len(whole))]
        rest = len(rows) % CHUNK
        if rest or not parts:
            # By NumPy: to compile for so many rows as well would take longer.
            plain = function.function if isinstance(function, jit) else function
            parts.append((rest, _once(plain, arrays, rows[len(rows) - rest :])))
        return parts
    finally:
        model.train(training)
