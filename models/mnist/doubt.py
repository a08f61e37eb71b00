"""Doubt: whether a picture looks like what a network learned from, or like nothing it knows.

A network answers whatever it is asked: of a letter it says which digit, and often with 99 %. So the
training pictures are described by their strokes, where they run and in which direction, and each
class by the mean and the covariance of its descriptions. A picture is doubted that is far from the
class of its answer, or whose logits are all low. How far is too far is told by pictures that were
set aside, of which DOUBTED are doubted. Nothing that is no example of the dataset is looked at.

Covariances between a class's own and the common one: Friedman, Regularized Discriminant Analysis,
1989. Low logits: Liu et al., Energy-based Out-of-distribution Detection, 2020,
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
from models.mnist.image import is_picture
from models.mnist.reading.description import describe
from models.mnist.scoring import logits, sample
from models.runs.files import DOUBT

__all__ = ["Doubt", "Floats", "Gaussians", "load_doubt"]

Floats = NDArray[np.float32]

DOUBTED = 0.017  # of the examples set aside
FEWEST = 50  # examples set aside, by which such a share can be told
SAMPLE = 10_000  # training examples that are described; at most half as many of those set aside
AXES = 80  # principal components of the descriptions that are kept,
NUMBERS = 160_000  # fewer where the covariances of all classes would have more numbers than this
COMMON = 30  # examples' worth of what is common to all classes, in the figures of each
FLOOR = 0.02  # of the mean variance, added to each: few examples leave directions without any


@dataclass(frozen=True, eq=False)
class Gaussians:
    """Of each class the mean and the covariance of what `describe` gives: k numbers for a picture,
    along axes that are common to all."""

    centre: Floats  # (numbers,) the mean description
    axes: Floats  # (numbers, k) principal components
    means: Floats  # (classes, k)
    whitening: Floats  # (classes, k, k): a length after this product is a Mahalanobis distance

    @staticmethod
    def of(described: Floats, labels: NDArray[Any], classes: int) -> Gaussians:
        """Those of descriptions, (n, numbers). Raises LinAlgError where squares are not finite."""
        centre = described.mean(0)
        axes = _axes(described - centre, min(AXES, int((NUMBERS / classes) ** 0.5)))
        return Gaussians(centre, axes, *_classes((described - centre) @ axes, labels, classes))

    def arrays(self) -> dict[str, Floats]:
        """What there is to keep."""
        return {each.name: getattr(self, each.name) for each in fields(self)}

    def distances(self, described: Floats, labels: NDArray[np.int64]) -> NDArray[np.float64]:
        """The squared Mahalanobis distance of each description from the class of its label."""
        placed, found = (described - self.centre) @ self.axes, np.empty(len(labels))
        for label in np.unique(labels):
            chosen = labels == label
            away = (placed[chosen] - self.means[label]) @ self.whitening[label]
            found[chosen] = np.einsum("ij,ij->i", away, away)
        return found


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


def _axes(described: Floats, most: int) -> Floats:
    """The principal components of descriptions around 0, as columns."""
    _, axes = np.linalg.eigh(described.T @ described)
    return np.ascontiguousarray(axes[:, ::-1][:, :most], np.float32)


def _classes(placed: Floats, labels: NDArray[Any], classes: int) -> tuple[Floats, Floats]:
    """The mean of each class, and what makes its covariance the identity."""
    k = placed.shape[1]
    means = np.zeros((classes, k), np.float32)
    for label in np.unique(labels):
        means[label] = placed[labels == label].mean(0)
    away = placed - means[labels]
    common = away.T @ away / len(away)
    whitening = np.empty((classes, k, k), np.float32)
    for label in range(classes):
        own = away[labels == label]
        covariance = (COMMON * common + own.T @ own) / (COMMON + len(own))
        covariance += (FLOOR * np.trace(covariance) / k + 1e-12) * np.eye(k, dtype=np.float32)
        whitening[label] = np.linalg.cholesky(np.linalg.inv(covariance.astype(np.float64)))
    return means, whitening
