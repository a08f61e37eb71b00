"""Learning from examples that somebody sends: a few steps of plain gradient descent.

One example and many are learned by the same lines, and what is told as the loss of a step is the
number whose gradient the step went along. Nothing is compiled: that takes longer than the steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from autograd import no_grad
from autograd.nn import Module, cross_entropy
from autograd.optim import SGD
from models.mnist.checkpoint import read_snapshot
from models.mnist.scoring import inputs
from models.runs.arrays import pack
from models.training.metrics import accuracy
from viz.studio.engine.bodies import Body, read
from viz.studio.engine.network import TOO_LARGE, Weights
from viz.studio.refusal import Refusal

__all__ = ["Learned", "descend", "learn", "learn_from"]

# Weights x examples x steps of a request: 2.5 s of one core, the usual network having 400,000.
WORK = 40_000_000_000
NUMBERS = 2**25  # of all layers for all examples: 128 MB, and their gradients as much again


class Learned(NamedTuple):
    """content: the weights after it, as a file. losses: before each step, the mean over the
    examples. accuracy: on them, before and after."""

    content: bytes
    losses: list[float]
    accuracy: tuple[float, float]


def learn_from(weights: Weights, body: Body, rate: float, steps: int) -> Learned:
    """Have the network in a file of weights learn from the examples in a body. Raises a Refusal."""
    content = weights.read()
    images, labels = read(body, read_snapshot(content, "weights").described, labelled=True)
    return learn(content, images, labels, rate, steps)


@np.errstate(all="ignore")
def learn(
    content: bytes, images: NDArray[Any], labels: NDArray[np.int32], rate: float, steps: int
) -> Learned:
    """Have the network in a file of weights learn from examples, (n, *shape) and (n,).

    All of them are one batch, `steps` times. The step in the metadata counts on; what an optimizer
    held beside the weights is left out, being of another training. Raises a Refusal of 413 for more
    than a request may compute, of 422 where the loss is or becomes infinite, or a weight.
    """
    snapshot = read_snapshot(content, "weights")
    _check_work(snapshot.sizes, sum(w.size for w in snapshot.arrays.values()), len(labels), steps)
    model, x = snapshot.model(), inputs(images, snapshot.described.scale)
    before = _accuracy(model, x, labels)
    losses = descend(model, x, labels, rate, steps)
    arrays = model.state_dict()
    if not np.isfinite(losses[0]):
        raise Refusal(422, "weights", "some that give a loss for these examples", TOO_LARGE)
    if not np.isfinite(losses).all() or not all(map(_is_finite, arrays.values())):
        raise Refusal(422, "rate", "one with which loss and weights stay finite", rate)
    after = _accuracy(model, x, labels)
    metadata = {**snapshot.metadata, "step": snapshot.step + steps}
    return Learned(pack(arrays, metadata), losses, (before, after))


def descend(
    model: Module, x: NDArray[Any], labels: NDArray[np.int32], rate: float, steps: int
) -> list[float]:
    """Take so many steps against the gradient of the mean cross-entropy; gives it before each."""
    model.eval()  # without dropout: what is told would be another loss
    optimizer, losses = SGD(model.parameters(), lr=rate), list[float]()
    for _ in range(steps):
        loss = cross_entropy(model(x), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def _is_finite(array: NDArray[Any]) -> bool:
    return bool(np.isfinite(array).all())


def _check_work(sizes: Sequence[int], weights: int, count: int, steps: int) -> None:
    most = min(WORK // (weights * steps), NUMBERS // sum(sizes))
    if count > most:
        expected = f"at most {most:,} examples for {steps} steps of this network"
        raise Refusal(413, "body", expected, f"{count:,}")


@no_grad()
def _accuracy(model: Module, x: NDArray[Any], labels: NDArray[np.int32]) -> float:
    return float(accuracy(model(x), labels).item())
