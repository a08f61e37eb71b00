"""How good a model is: its loss, its accuracy, which digits it takes for which, as tables too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autograd import no_grad, softmax
from autograd.nn import Module, cross_entropy
from data import Examples
from models.mnist.settings import CLASSES
from models.training.text import percent

# Images that go through the model at once: 60,000 take 0.16 s (784-512-10, 2 cores of a Zen 5).
# From 2,000 on they leave the caches, and it takes 1.4 times as long or more.
CHUNK = 500


@dataclass(frozen=True, eq=False)
class Score:
    """How a model did on a set of images.

    loss: the mean cross-entropy. confusion: (10, 10) counts, [label, prediction].
    """

    loss: float
    confusion: NDArray[np.int64]

    @property
    def count(self) -> int:
        """How many images there were."""
        return int(self.confusion.sum())

    @property
    def right(self) -> int:
        """How many were taken for what they are."""
        return int(self.confusion.trace())

    @property
    def wrong(self) -> int:
        """How many were taken for something else."""
        return self.count - self.right

    @property
    def accuracy(self) -> float:
        """The share of `right`, from 0 to 1."""
        return self.right / self.count

    @property
    def class_accuracy(self) -> list[float | None]:
        """The accuracy of each class; None for a class without an image."""
        counts = self.confusion.sum(1).tolist()
        rights = self.confusion.diagonal().tolist()
        return [right / n if n else None for right, n in zip(rights, counts, strict=True)]


def inputs(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(n, 28, 28) pixels as the model reads them: (n, 784) float32, pixel / 255.

    Called for each batch: float32 copies of all 60,000 images are 188 MB, which take 0.58 s to
    make and then 23 ms an epoch to cut batches from; the bytes take 17 ms, division included.
    """
    return np.divide(images.reshape(len(images), -1), np.float32(255), dtype=np.float32)


@no_grad()
@np.errstate(all="ignore")  # weights may be far off: the loss shows it
def score(model: Module, examples: Examples) -> Score:
    """Run `model` over `examples` in evaluation mode, and leave it in the mode it was in."""
    training = model.training
    model.eval()
    total, confusion = 0.0, np.zeros(CLASSES * CLASSES, np.int64)
    for start in range(0, len(examples), CHUNK):
        labels = examples.labels[start : start + CHUNK]
        logits = model(inputs(examples.images[start : start + CHUNK]))
        total += cross_entropy(logits, labels).item() * len(labels)
        # Not `max > best` from 0.0, which answers "0" where all logits are negative.
        predicted = logits.data.argmax(1)
        confusion += np.bincount(CLASSES * labels + predicted, minlength=CLASSES * CLASSES)
    model.train(training)
    return Score(total / max(1, len(examples)), confusion.reshape(CLASSES, CLASSES))


@no_grad()
@np.errstate(all="ignore")
def probabilities(model: Module, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The probability that `model`, in evaluation mode, gives each class: (n, 28, 28) uint8 to
    (n, 10) float32."""
    model.eval()
    parts = [images[i : i + CHUNK] for i in range(0, len(images), CHUNK)]
    answers: list[Any] = [softmax(model(inputs(part))).data for part in parts]
    return np.concatenate(answers)


def surest_mistakes(chances: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """The indices of the images that a model gets wrong, the most confident mistake first.

    chances: (n, classes), as `probabilities` gives them. labels: (n,).

    >>> surest_mistakes(np.float32([[0.6, 0.4], [0.2, 0.8], [0.1, 0.9]]), np.array([1, 1, 0]))
    array([2, 0])
    """
    predicted = chances.argmax(1)
    wrong = np.flatnonzero(predicted != labels)
    return wrong[np.argsort(-chances[wrong, predicted[wrong]], kind="stable")]


def counts_table(title: str, scores: Mapping[str, Score]) -> str:
    """Right, wrong, accuracy and loss of several sets.

    >>> perfect = Score(0.125, np.diag(np.full(10, 100)))
    >>> print(counts_table("after", {"test": perfect}))
    after          right    wrong   accuracy     loss
    test           1,000        0   100.00 %   0.1250
    """
    lines = [f"{title:10}{'right':>10}{'wrong':>9}{'accuracy':>11}{'loss':>9}"]
    for name, s in scores.items():
        counts = f"{s.right:>10,}{s.wrong:>9,}"
        lines.append(f"{name:10}{counts}{percent(s.accuracy):>11}{s.loss:9.4f}")
    return "\n".join(lines)


def confusion_table(score: Score) -> str:
    """Which digits were taken for which: a row for each digit, a column for each answer, and at the
    end of the row the accuracy of that class. 60 columns wide for 1,000 to 9,999 of a digit."""
    cells = [[str(n) if n else "." for n in row] for row in score.confusion.tolist()]
    width = 1 + max(len(cell) for row in cells for cell in row)
    digits = "".join(f"{digit:>{width}}" for digit in range(CLASSES))
    lines = ["row: the digit; column: the answer; last: right, in %", f"  {digits}"]
    for digit, (row, accuracy) in enumerate(zip(cells, score.class_accuracy, strict=True)):
        counts = "".join(f"{cell:>{width}}" for cell in row)
        lines.append(f"{digit:2}{counts}{percent(accuracy).removesuffix(' %'):>8}")
    return "\n".join(lines)
