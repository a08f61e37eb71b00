"""What a network makes of images: probabilities, activations, and gradients by the images.

Images are (n, *shape), in the unit of the dataset that the network learned from, uint8 or float32;
the network reads them divided by that dataset's scale.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autograd import Tensor, gather, gradients, log_softmax, no_grad, reshape, sum
from data.files import reason
from models.mlp import MLP
from models.mnist.checkpoint import read_snapshot
from models.mnist.datasets import Described
from models.mnist.scoring import chances, inputs, logits
from models.training.steps import CHUNK
from models.web import activations as named
from viz.studio.refusal import Refusal

__all__ = ["TOO_LARGE", "Network", "Weights", "activations", "gradient", "network", "predict"]

Floats = NDArray[np.float32]
TOO_LARGE = "some so large that what they give is not finite"
MOST_NUMBERS = 1 << 24  # of an answer: 64 MB of float32


@dataclass(frozen=True)
class Weights:
    """A file of weights that never changes, by the digest of its bytes. path: of the file; or,
    where it is in none, its content."""

    sha256: str
    path: Path | None = field(compare=False)
    content: bytes | None = field(default=None, compare=False, repr=False)

    def read(self) -> bytes:
        """The bytes. Raises Refusal 503 where the file has gone, a hundred versions later."""
        try:
            return self.content or (self.path or Path()).read_bytes()
        except OSError as error:
            raise Refusal(503, "weights", "those that were served", reason(error)) from error


@dataclass(frozen=True, eq=False)
class Network:
    """A model in evaluation, the dataset that it learned from, and what its logits are divided by,
    so that its probabilities mean what they say."""

    model: MLP
    described: Described
    temperature: float


@lru_cache(maxsize=2)  # the served weights, and those before them
def network(weights: Weights) -> Network:
    """The network of a file. Raises Refusal 503 where it has gone, InputError where it is none."""
    snapshot = read_snapshot(weights.read(), "weights")
    model = snapshot.model()
    model.eval()
    for name, parameter in model.named_parameters():
        parameter.name = name  # for the graph
    return Network(model, snapshot.described, snapshot.temperature)


def predict(of: Network, images: NDArray[Any]) -> Floats:
    """The probabilities of the classes, (n, classes)."""
    return chances(logits(of.model, images, of.described.scale), of.temperature)


@no_grad()
@np.errstate(all="ignore")
def activations(of: Network, images: NDArray[Any]) -> dict[str, Floats]:
    """What the layers give, by name, each (n, width): `layer.0`, ... after the activation function,
    `logits`, and the `probabilities` that `predict` gives. Refusal 413 where it is too much."""
    widths = [layer.size for layer in of.model.parameters()[1::2]]
    numbers = len(images) * (np.sum(widths) + widths[-1])
    if numbers > MOST_NUMBERS:
        most = max(1, int(MOST_NUMBERS * len(images) // numbers))
        raise Refusal(413, "images", f"at most {most:,} of them for all activations", len(images))
    outputs = of.model.outputs(inputs(images, of.described.scale))
    found = {name: node.data for name, node in named(outputs).items()}
    return {**found, "probabilities": chances(found["logits"], of.temperature)}


def gradient(
    of: Network, images: NDArray[Any], labels: NDArray[np.int32], what: str
) -> tuple[Floats, Floats]:
    """The gradient, by each entry of each image, of the logit of its label, or ("loss") of its
    cross-entropy; and the logits or losses, (n,).

    By the entry as it lies in the image, 0 to 255 where that is the dataset's scale, and not by the
    quotient that the network reads: a step of 1 in the image changes what is asked by about that.
    The loss is that of training, without the temperature.
    """
    parts = [slice(i, i + CHUNK) for i in range(0, len(images), CHUNK)]
    found = [_gradient(of, images[part], labels[part], what) for part in parts]
    slopes, values = (np.concatenate(each) for each in zip(*found, strict=True))
    return slopes, values


@np.errstate(all="ignore")
def _gradient(
    of: Network, images: NDArray[Any], labels: NDArray[np.int32], what: str
) -> tuple[Floats, Floats]:
    x = Tensor(images.astype(np.float32), requires_grad=True)
    rows = reshape(x, (len(images), -1))
    outputs = of.model(rows / np.float32(of.described.scale))
    values = gather(outputs if what == "class" else -log_softmax(outputs), labels)
    (slope,) = gradients(sum(values), [x])
    return slope.data, values.data
