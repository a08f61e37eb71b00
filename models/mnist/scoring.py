"""How good a model is: its loss, its accuracy, which classes it takes for which, as tables too."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autograd import Tensor, jit, no_grad, softmax
from autograd.nn import Module, cross_entropy
from autograd.ranks import gather, world
from data import Examples
from models.command_line import terminal_width
from models.training.metrics import predictions
from models.training.plan import Set
from models.training.steps import CHUNK, over
from models.training.text import columns, cut, padded, percent

WIDTH = 80  # columns that a table may take, where the terminal is not narrower
NAME = 26  # columns that the name of a class may take,
LEAST = 8  # and what is left to a longer one
SAMPLE = 40_000_000  # numbers, which a copy has room for,
FEW = 200  # and of examples at least so many
PAIRS = 20  # of classes, that are listed where the whole table is too wide


@dataclass(frozen=True, eq=False)
class Score:
    """How a model did on a set of examples.

    loss: the mean cross-entropy. confusion: (classes, classes) counts, [label, prediction].
    """

    loss: float
    confusion: NDArray[np.int64]

    @property
    def count(self) -> int:
        """How many examples there were."""
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
        """The accuracy of each class; None for a class without an example."""
        counts = self.confusion.sum(1).tolist()
        rights = self.confusion.diagonal().tolist()
        return [right / n if n else None for right, n in zip(rights, counts, strict=True)]


def inputs(images: NDArray[Any], scale: float) -> NDArray[np.float32]:
    """Examples, (n, *shape), as the model reads them: (n, prod(shape)) float32, divided by `scale`.

    Called for each batch: float32 copies of all of MNIST are 188 MB, which take 0.58 s to make and
    then 23 ms an epoch to cut batches from; the bytes take 17 ms, division included.
    """
    rows: NDArray[np.float32] = images.reshape(len(images), -1)
    return np.divide(rows, np.float32(scale), dtype=np.float32)


class Scorer:
    """Runs `model` over sets of examples, in evaluation, and leaves it in the mode it was in.

    reads: what the model reads of a batch of images. compiled: 70,000 images then take 0.6 of the
    time, but the first call compiles; `reads` must then be of the engine's functions.
    """

    def __init__(
        self, model: Module, classes: int, reads: Callable[[Any], Any], compiled: bool
    ) -> None:
        def look(images: Any, labels: Any) -> list[Any]:
            logits = model(reads(images))
            return [cross_entropy(logits, labels), predictions(logits)]

        self.model, self.classes = model, classes
        self._look: Any = jit(look) if compiled else look

    def __call__(self, examples: Examples) -> Score:
        """How good the model is now on these. Where there are ranks, each looks at its part."""
        found, classes = Set.of("examples", examples), self.classes
        rows = world().part(found.rows)
        total, done, confusion = 0.0, 0, np.zeros(classes * classes, np.int64)
        parts = over(self.model, self._look, found.arrays, rows) if len(rows) else []
        for count, (loss, answers) in parts:
            total += float(loss) * count
            labels = found.arrays[1].take(rows[done : done + count])
            # A row with nan has no greatest logit: it is taken for the first class.
            chosen = np.where(answers < classes, answers, 0)
            confusion += np.bincount(classes * labels + chosen, minlength=classes * classes)
            done += count
        totals, confusions = zip(*gather((total, confusion)), strict=True)
        whole = np.sum(confusions, axis=0).reshape(classes, classes)
        return Score(sum(totals) / max(1, len(examples)), whole)


def score(model: Module, examples: Examples, classes: int, scale: float) -> Score:
    """Run `model` over `examples` in evaluation mode, and leave it in the mode it was in."""
    return Scorer(model, classes, lambda images: inputs(images, scale), compiled=False)(examples)


def probabilities(
    model: Module, images: NDArray[Any], scale: float, temperature: float = 1.0
) -> NDArray[np.float32]:
    """The probability that `model`, in evaluation mode, gives each class: (n, *shape) to
    (n, classes) float32. temperature: what its logits are divided by (calibration.py)."""
    return chances(logits(model, images, scale), temperature)


@np.errstate(all="ignore")
def chances(logits: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    """The probabilities of logits, (n, classes), that are divided by a temperature."""
    found: NDArray[np.float32] = softmax(Tensor(logits / np.float32(temperature))).data
    return found


@no_grad()
@np.errstate(all="ignore")
def logits(model: Module, images: NDArray[Any], scale: float) -> NDArray[np.float32]:
    """What `model`, in evaluation mode, gives of images, (n, *shape): (n, classes) float32."""
    model.eval()
    parts = [images[i : i + CHUNK] for i in range(0, len(images), CHUNK)]
    answers: list[Any] = [model(inputs(part, scale)).data for part in parts]
    return np.concatenate(answers)


def sample(examples: Examples, most: int) -> Examples:
    """At most so many of the examples, fewer where they are large; evenly spaced, because they may
    lie class by class.

    >>> sample(Examples(np.zeros((70, 8, 8), np.uint8), np.zeros(70, int)), 30)
    Examples(24 of shape (8, 8))
    """
    most = min(most, max(FEW, SAMPLE // math.prod(examples.base[0].shape[1:])))
    return examples.take(np.arange(0, len(examples), -(-len(examples) // most)))


def surest_mistakes(chances: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """The indices of the examples that a model gets wrong, the most confident mistake first.

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
    rows = [("right", "wrong", "accuracy", "loss")]
    for s in scores.values():
        rows.append((f"{s.right:,}", f"{s.wrong:,}", percent(s.accuracy), f"{s.loss:.4f}"))
    widths = [10, 9, 11, 9]
    for left_out in (3, 0):  # the loss, and what was right, where there is no room
        if 10 + sum(widths) > _room():
            widths[left_out] = 0
    return "\n".join(
        f"{name:10}" + "".join(f"{cell:>{w}}" for cell, w in zip(row, widths, strict=True) if w)
        for name, row in zip([title, *scores], rows, strict=True)
    )


def confusion_table(score: Score, classes: Sequence[str], where: str = "") -> str:
    """Which classes were taken for which, in the columns there are: a row for each class, a column
    for each answer, and at the end of the row the accuracy of that class. Of classes that are too
    many for that, the pairs that are confused most. where: what the title begins with.

    >>> print(confusion_table(Score(0.5, np.array([[8, 2], [0, 9]])), ["cat", "dog"]))
    row: the class; column: the answer; last: right, in %
         cat dog
     cat   8   2   80.00
     dog   .   9  100.00
    """
    cells = [[str(n) if n else "." for n in row] for row in score.confusion.tolist()]
    width = 1 + max(len(cell) for row in cells for cell in row)
    names = [cut(name, NAME) for name in classes]
    numbered = _numbered(names)
    longest, most = max(map(columns, names)), _room() - 9
    # A name stands above its column where there is room for all of them; else a number does.
    if longest + len(names) * max(width, 1 + longest) <= most:
        heads = labels = names
    else:
        heads, labels = [str(i) for i in range(len(names))], numbered
    width = max(width, 1 + max(map(columns, heads)))
    longest, room = max(map(columns, labels)), most - width * len(names)
    if room < min(longest, LEAST):
        return _pairs_table(score, numbered, where)
    room = min(room, longest)
    above = "".join(" " * (width - columns(head)) + head for head in heads)
    title = fill(f"{where}row: the class; column: the answer; last: right, in %", _room())
    lines = [title, f"{'':{1 + room}}{above}"]
    for label, row, accuracy in zip(labels, cells, score.class_accuracy, strict=True):
        counts = "".join(f"{cell:>{width}}" for cell in row)
        lines.append(f" {padded(label, room)}{counts}{percent(accuracy).removesuffix(' %'):>8}")
    return "\n".join(lines)


def most_confused(score: Score, most: int) -> list[tuple[int, int, int]]:
    """At most so many pairs of classes, label and answer, with how often one was taken for the
    other: the most frequent first.

    >>> most_confused(Score(0.5, np.array([[8, 2], [0, 9]])), 20)
    [(0, 1, 2)]
    """
    wrong = score.confusion.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:most]
    pairs = zip(*np.unravel_index(order, wrong.shape), strict=True)
    return [(int(i), int(j), int(wrong[i, j])) for i, j in pairs if wrong[i, j]]


def _room() -> int:
    """The columns that a table may take now."""
    return min(WIDTH, terminal_width() or WIDTH)


def _numbered(names: Sequence[str]) -> list[str]:
    """Names with their numbers, by which two that are cut can be told apart."""
    width = len(str(len(names) - 1))
    return [f"{i:>{width}} {name}" for i, name in enumerate(names)]


def _pairs_table(score: Score, names: Sequence[str], where: str) -> str:
    counts = score.confusion.sum(1)
    # Two names, each after two spaces, and 14 columns of numbers.
    longest = max(len("class"), *map(columns, names))
    width = min(longest, max(1, (_room() - 18) // 2))
    names = [cut(name, width) for name in names]
    title = f"{where}of {len(names)} classes, those most often taken for another; in % of the class"
    lines = [
        fill(title, _room()),
        f"{'count':>6}{'%':>8}  {padded('class', width)}  answer",
    ]
    for label, answer, n in most_confused(score, PAIRS):
        share = percent(n / counts[label]).removesuffix(" %")
        lines.append(f"{n:6,}{share:>8}  {padded(names[label], width)}  {names[answer]}")
    return "\n".join(lines)
