"""What the exhibits are trained on: handwritten digits, and others to be asked about."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import data
from autograd import Tensor, relu
from autograd.optim import SGD

TRAIN, TEST = 3000, 1000
PIXELS, HIDDEN, EPOCHS = 196, 64, 8  # digits of 14 x 14
# Below PIXELS * HIDDEN * BATCH = 2**18 OpenBLAS stays on one thread, and on a busy machine that
# is ten times as fast: its threads wait for each other.
BATCH = 20
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Digits:
    """images: (n, PIXELS), from 0 to 1. labels: (n,). onehot: (n, 10)."""

    images: Array
    labels: Array

    @property
    def onehot(self) -> Array:
        return np.eye(10)[self.labels]

    def batches(self) -> list[Digits]:
        starts = range(0, len(self.labels), BATCH)
        return [Digits(self.images[i : i + BATCH], self.labels[i : i + BATCH]) for i in starts]


@functools.cache
def load() -> tuple[Digits, Digits]:
    """The first of MNIST's training digits, and of its test digits."""
    mnist = data.load("mnist")
    first = ((mnist.train, TRAIN), (mnist.test, TEST))
    train, test = (
        Digits(_halved(part.images[:count]), part.labels[:count]) for part, count in first
    )
    return train, test


def _halved(images: Array) -> Array:
    return images.reshape(-1, 14, 2, 14, 2).mean((2, 4)).reshape(-1, PIXELS) / 255.0


def weights(*shapes: tuple[int, ...]) -> list[Array]:
    """Weights to start from, always the same."""
    generator = np.random.default_rng(0)
    return [generator.standard_normal(shape) * np.sqrt(2.0 / shape[0]) for shape in shapes]


@dataclass(frozen=True)
class Outcome:
    """How well something learned: its share of right answers on new digits, and its loss there."""

    accuracy: float
    loss: float


def outcome(logits: Array, loss: Callable[[Array, Array], float], predict: Any = None) -> Outcome:
    """What logits of the test digits are worth, by a loss of (logits, onehot)."""
    test = load()[1]
    answers = np.argmax(logits, 1) if predict is None else np.array([predict(x) for x in logits])
    return Outcome(float(np.mean(answers == test.labels)), float(loss(logits, test.onehot)))


def learn(
    loss: Callable[[Any, Array], Any],
    rate: float,
    predict: Any = None,
    read: Callable[[Any, Any], Any] = lambda x, key: x[key],
) -> Outcome:
    """A network with one hidden layer, taught on our engine with this loss of (logits, onehot).

    The first layer's weights and biases are one array, (PIXELS + 1, HIDDEN); `read` takes a part.
    """
    train, test = load()
    first, second = (
        Tensor(w, requires_grad=True) for w in weights((PIXELS + 1, HIDDEN), (HIDDEN, 10))
    )
    optimizer = SGD([first, second], lr=rate)

    def logits(images: Array) -> Any:
        return relu(images @ read(first, slice(0, PIXELS)) + read(first, PIXELS)) @ second

    for _ in range(EPOCHS):
        for batch in train.batches():
            optimizer.zero_grad()
            loss(logits(batch.images), batch.onehot).backward()
            optimizer.step()
    return outcome(logits(test.images).data, loss, predict)
