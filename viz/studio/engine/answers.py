"""What the server calls: bytes of a body to bytes of an answer. The numbers are of network.py,
pictures.py and graph.py."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.training.metrics import predictions
from viz.studio.engine import graph as graphs
from viz.studio.engine import network as networks
from viz.studio.engine import pictures
from viz.studio.engine.bodies import Body, Form, read, written
from viz.studio.engine.network import TOO_LARGE, Network, Weights, network
from viz.studio.refusal import Refusal

__all__ = ["Example", "activations", "gradient", "graph", "predict", "prepare"]


MOST_IMAGES = 4096  # of a request


@dataclass(frozen=True, eq=False)
class Example:
    """An example of a dataset, and what a network for it reads: (*shape) entries, classes."""

    image: NDArray[Any]
    label: int
    classes: tuple[str, ...]


def predict(weights: Weights, body: Body, form: Form) -> bytes:
    """Of images the `probabilities` of the classes, (n, classes), and the `prediction`,
    (n,) int32; where a probability is nan, it is the number of classes, which is none."""
    of = network(weights)
    images, _ = _few(body, of)
    found = networks.predict(of, images)
    if not np.isfinite(found).all():
        raise Refusal(422, "weights", "some that give probabilities", TOO_LARGE)
    arrays = {"probabilities": found, "prediction": np.asarray(predictions(found))}
    return written(form, "probabilities", arrays)


def prepare(weights: Weights, content: bytes, form: Form) -> bytes:
    """Of a picture the `images` that the network sees, their `boxes`, and `how` they were made."""
    found = pictures.prepare(content, network(weights).described)
    flat = found.images.reshape(len(found.images), -1)
    arrays = {"images": flat, "boxes": found.boxes}
    more = {"how": found.how, "shape": list(found.images.shape[1:]), "dtype": str(flat.dtype)}
    return written(form, "images", arrays, **more)


def activations(weights: Weights, body: Body, form: Form) -> bytes:
    """Of images what each layer gives, by name, each (n, width)."""
    of = network(weights)
    images, _ = _few(body, of)
    return written(form, "", networks.activations(of, images))


def gradient(weights: Weights, body: Body, what: str, form: Form) -> bytes:
    """Of images and labels the `gradient` of the "loss" or of the logit of the "class", (n, entries
    of an image), and its `value`, (n,)."""
    of = network(weights)
    images, labels = _few(body, of, labelled=True)
    slopes, values = networks.gradient(of, images, labels, what)
    arrays = {"gradient": slopes.reshape(len(slopes), -1), "value": values}
    return written(form, "gradient", arrays)


def graph(weights: Weights, example: Example, what: str) -> bytes:
    """Of an example the graph of the "loss", or of one number of a layer, JSON."""
    of = network(weights)
    mine, its = of.described, example
    if (its.image.shape, its.classes) != (mine.shape, mine.classes):
        wanted = f"{'x'.join(map(str, mine.shape))} and {len(mine.classes)} classes"
        found = f"{'x'.join(map(str, its.image.shape))} and {len(its.classes)}"
        raise Refusal(409, "dataset", f"one for the served weights, of {wanted}", found)
    return json.dumps(graphs.graph(of, example.image, example.label, what)).encode()


def _few(body: Body, of: Network, labelled: bool = False) -> tuple[NDArray[Any], NDArray[np.int32]]:
    images, labels = read(body, of.described, labelled)
    if len(images) > MOST_IMAGES:
        raise Refusal(413, "images", f"at most {MOST_IMAGES:,} of them", f"{len(images):,}")
    return images, labels
