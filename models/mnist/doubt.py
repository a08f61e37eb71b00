"""Doubt: whether a picture looks like what a network learned from, or like nothing it knows.

A network answers whatever it is asked: of a letter it says which digit, and often with 99 %. So the
training pictures are described by their strokes, where they run and in which direction, and each
class by the mean and the covariance of its descriptions. A picture is doubted that is far from the
class of its answer, or whose logits are all low. How far is too far is told by pictures that were
set aside, of which DOUBTED are doubted. Nothing that is no example of the dataset is looked at.

Low logits: Liu et al., Energy-based Out-of-distribution Detection, 2020,
https://arxiv.org/abs/2010.03759.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autograd.nn import Module
from data import Examples
from models.command_line import InputError
from models.mnist.checkpoint import read_arrays, weights_file
from models.mnist.datasets import Described
from models.mnist.gaussians import COMMON, Floats, Gaussians
from models.mnist.image import is_picture
from models.mnist.scoring import logits, sample
from models.mnist.strokes import describe
from models.runs.files import DOUBT

__all__ = ["Doubt", "load_doubt"]

DOUBTED = 0.017  # of the examples set aside
FEWEST = 50  # examples set aside, by which such a share can be told
SAMPLE = 10_000  # training examples that are described; at most half as many of those set aside


@dataclass(frozen=True, eq=False)
class Doubt(Gaussians):
    """What tells which pictures are doubted.

    >>> rng = np.random.default_rng(0)
    >>> labels = np.arange(400) % 2                    # a bar that stands, and one that lies
    >>> bars = rng.integers(0, 60, (400, 8, 8))
    >>> bars[labels == 0, :, 3:5] += 190
    >>> bars[labels == 1, 3:5, :] += 190
    >>> from models.mlp import MLP
    >>> model = MLP([64, 2])
    >>> means = np.stack([bars[labels == i].mean(0).ravel() for i in (0, 1)])
    >>> model.load_state_dict({"0.weight": np.float32(means / 255), "0.bias": np.zeros(2)})
    >>> bars = Examples(bars.astype(np.uint8), labels)
    >>> doubt = Doubt.fit(model, bars, bars, 255.0)
    >>> corner = np.zeros((1, 8, 8), np.uint8)
    >>> corner[:, :3, :3] = 250
    >>> doubt(corner, logits(model, corner, 255.0), 255.0)
    array([ True])
    """

    usual: Floats  # (classes + 1, 2) mean and deviation of the distances; last: of the energy
    threshold: Floats  # () of the score

    @staticmethod
    @np.errstate(all="ignore")
    def fit(
        model: Module, training: Examples, aside: Examples | None, scale: float
    ) -> Doubt | None:
        """By what a model learned from, and examples that it did not learn from; None where these
        are no pictures, too few, or not finite. scale: their divisor."""
        if not aside or len(aside) < FEWEST or not is_picture(training.base[0].shape[1:]):
            return None
        known, new = sample(training, SAMPLE), sample(aside, SAMPLE // 2)
        answers, described = logits(model, new.images, scale), describe(known.images, scale)
        if not np.isfinite(answers).all() or not np.isfinite(described).all():
            return None
        try:
            classes = Gaussians.of(described, known.labels, answers.shape[1])
            found = _scaled(classes, describe(new.images, scale), answers)
        except np.linalg.LinAlgError:  # numbers whose squares are not finite
            return None
        return found if all(np.isfinite(each).all() for each in found.arrays().values()) else None

    def __call__(self, images: NDArray[Any], logits: Floats, scale: float) -> NDArray[np.bool_]:
        """Which of the images, (n, *shape), are doubted: (n,). logits: of a model, (n, classes)."""
        doubted: NDArray[np.bool_] = self.score(images, logits, scale) > self.threshold
        return doubted

    def score(self, images: NDArray[Any], logits: Floats, scale: float) -> NDArray[np.float64]:
        """How far from what the network learned from: (n,), of no unit."""
        distances = self.distances(describe(images, scale), logits.argmax(1))
        return self.total(distances, logits)

    def total(self, distances: NDArray[np.float64], logits: Floats) -> NDArray[np.float64]:
        """The score, of distances from the classes of the answers, and the logits."""
        mean, deviation = self.usual[logits.argmax(1)].T.astype(np.float64)
        low, spread = self.usual[-1].astype(np.float64)
        far: NDArray[np.float64] = (distances - mean) / deviation + (_energy(logits) - low) / spread
        return far


def load_doubt(path: str, described: Described) -> Doubt | None:
    """What lies beside a model; None where nothing does: it was taught before there was doubt, or
    nothing was set aside. described: the dataset that it learned from. Raises InputError."""
    file = weights_file(path).with_name(DOUBT)
    if not file.exists():
        return None
    try:
        arrays = read_arrays(file)
    except InputError as error:
        raise InputError(f"{error}; remove {file.name}, and nothing is doubted") from error
    classes, numbers = len(described.classes), len(describe(np.zeros((1, *described.shape)), 1)[0])
    axes = arrays.get("axes", np.zeros((0, 0)))
    k = axes.shape[-1] if axes.ndim else 0
    shapes = [(numbers,), (numbers, k), (classes, k), (classes, k, k), (classes + 1, 2), ()]
    for name, shape in zip((each.name for each in fields(Doubt)), shapes, strict=True):
        array = arrays.get(name, np.zeros(0))
        found = f"{array.dtype} of shape {array.shape}" if name in arrays else "nothing"
        if found != f"float32 of shape {shape}" or not np.isfinite(array).all():
            raise InputError(
                f"{file}: expected {name} to be finite float32 of shape {shape}, found {found}; "
                "remove it, and nothing is doubted"
            )
    return Doubt(**{each.name: arrays[each.name] for each in fields(Doubt)})


def _scaled(classes: Gaussians, described: Floats, logits: Floats) -> Doubt:
    """What is usual, and a threshold, by examples set aside."""
    answers, energy = logits.argmax(1), _energy(logits)
    distances = classes.distances(described, answers)
    every = distances.mean(), distances.std()
    usual = [_usual(distances[answers == label], *every) for label in range(logits.shape[1])]
    usual.append((energy.mean(), energy.std() + 1e-6))
    unlimited = np.array(np.inf, np.float32)
    scaled = Doubt(**classes.arrays(), usual=np.array(usual, np.float32), threshold=unlimited)
    scores = scaled.total(distances, logits)
    limit = np.quantile(scores, 1 - DOUBTED, method="higher")
    # The next float32: rounding may not put the limit below the score that it is.
    limit = np.nextafter(np.float32(limit), np.float32(np.inf))
    return replace(scaled, threshold=np.array(limit, np.float32))


def _usual(distances: NDArray[Any], mean: float, deviation: float) -> tuple[float, float]:
    """Mean and deviation of the distances of a class, which may be few, or none: those of all
    classes weigh as much as COMMON examples."""
    n = len(distances)
    own = COMMON * mean + distances.sum(), COMMON * deviation + n * (distances.std() if n else 0.0)
    return own[0] / (COMMON + n), own[1] / (COMMON + n) + 1e-6


def _energy(logits: Floats) -> NDArray[np.float64]:
    """Minus log sum exp: high where all logits are low."""
    highest = logits.max(1).astype(np.float64)
    total: NDArray[np.float64] = -highest - np.log(np.exp(logits - highest[:, None]).sum(1))
    return total
