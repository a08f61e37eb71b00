"""The entries of an MLP's module of WebAssembly: what a page needs to train it and look into it.

`entries` gives functions and arguments for `autograd.compiler.wasm`, which prints them as they
stand: a step of training, the same for many batches, a look at examples, and a score.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from autograd import astype, equal, gather, gradients, jit, logsumexp, reshape, softmax, sum
from autograd.nn import Module, cross_entropy
from autograd.optim import Optimizer, clip_by_global_norm
from autograd.random import draws
from models.mlp import MLP
from models.training.metrics import LABEL, predictions
from models.training.steps import Reduce

__all__ = ["entries"]


def entries(
    model: MLP,
    optimizer: Optimizer,
    shape: Sequence[int],
    batch: int = 128,
    block: int = 1000,
    steps: int = 100,
    scored: int = 1000,
    drawn: int = 1000,
    clip: float | None = None,
    scale: float = 255.0,
    reduce: Reduce | None = None,
) -> dict[str, tuple[Any, tuple[Any, ...]]]:
    """The entries, by name; each takes images, (n, *shape) uint8, and labels, (n,) int32.

    step: learns from a batch; gives the `loss`, how many were `right` before, and of each layer the
    activations (`layer.0`, ..., `logits`, `probabilities`) and the cotangents of what its Linear
    gave (`delta.0`, ...). loop: that for rows of `order`, (steps, batch), of a block of images.
    forward: the activations and the `prediction` of one image. backward: the `loss` of one image
    with a label, and the cotangents as `step` gives them, in evaluation. image_gradient: the
    gradient of the logit of a label by the pixels of one image. score: of so many images, how many
    are `right`, the sum of their losses, and of each its loss (`losses`), the class that it is
    taken for (`predictions`) and the probability of that (`confidences`). draws: what so many
    (`drawn`) examples draw in an `epoch` with a `seed`, by which the page sorts them. clip: the
    greatest norm of the gradient of a step.
    """

    def inputs(images: Any) -> Any:
        return astype(reshape(images, (len(images), math.prod(shape))), np.float32) / np.float32(
            scale
        )

    @jit
    def step(images: Any, labels: Any) -> dict[str, Any]:
        outputs = model.outputs(inputs(images))
        loss = cross_entropy(outputs[-1], labels)
        optimizer.zero_grad()
        loss.backward()
        deltas = gradients(loss, outputs[::2])
        if reduce is not None:
            reduce(model.parameters())
        if clip is not None:
            clip_by_global_norm(model.parameters(), clip)
        optimizer.step()
        right = sum(astype(equal(predictions(outputs[-1]), labels), np.float32))
        return {"loss": loss, "right": right, **activations(outputs), **cotangents(deltas)}

    def forward(images: Any) -> dict[str, Any]:
        with evaluating(model):
            outputs = model.outputs(inputs(images))
        return {"prediction": predictions(outputs[-1]), **activations(outputs)}

    def backward(images: Any, labels: Any) -> dict[str, Any]:
        with evaluating(model):
            outputs = model.outputs(inputs(images))
        loss = cross_entropy(outputs[-1], labels)
        return {"loss": loss, **cotangents(gradients(loss, outputs[::2]))}

    def image_gradient(images: Any, labels: Any) -> dict[str, Any]:
        x = inputs(images)
        x.requires_grad = True
        with evaluating(model):
            chosen = sum(gather(model(x), labels))
        (gradient,) = gradients(chosen, [x])
        return {"gradient": reshape(gradient, (len(images), *shape))}

    def score(images: Any, labels: Any) -> dict[str, Any]:
        with evaluating(model):
            logits = model(inputs(images))
        found = predictions(logits)
        losses = logsumexp(logits, axis=1) - gather(logits, labels)
        return {
            "right": sum(astype(equal(found, labels), np.float32)),
            "loss": sum(losses),
            "losses": losses,
            "predictions": found,
            "confidences": softmax(logits).max(axis=1),
        }

    def draw(epoch: Any, seed: Any) -> dict[str, Any]:
        return {"draws": draws(epoch, drawn, seed)}

    def examples(n: int) -> tuple[Any, Any]:
        return np.zeros((n, *shape), np.uint8), np.zeros(n, LABEL)

    order = np.zeros((steps, batch), LABEL)
    return {
        "step": (step, examples(batch)),
        "loop": (step.loop, (examples(block), order)),
        "forward": (forward, examples(1)[:1]),
        "backward": (backward, examples(1)),
        "image_gradient": (image_gradient, examples(1)),
        "score": (score, examples(scored)),
        "draws": (draw, (np.zeros((), np.int64), np.zeros((), np.int64))),
    }


@contextmanager
def evaluating(model: Module) -> Iterator[None]:
    """The model in evaluation; afterwards as it was."""
    was = model.training
    try:
        model.eval()
        yield
    finally:
        model.train(was)


def activations(outputs: Sequence[Any]) -> dict[str, Any]:
    """What the layers give, by name."""
    hidden = {f"layer.{i}": layer for i, layer in enumerate(outputs[1::2])}
    return {**hidden, "logits": outputs[-1], "probabilities": softmax(outputs[-1])}


def cotangents(deltas: Sequence[Any]) -> dict[str, Any]:
    """The cotangents of what the Linear of each layer gives, by name."""
    return {f"delta.{i}": delta for i, delta in enumerate(deltas)}
