"""The classes of a dataset as Gaussians: what strokes the pictures of each have, and how they vary.

Doubt and novelty stand on them. Covariances between a class's own and the common one: Friedman,
Regularized Discriminant Analysis, 1989.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["COMMON", "Floats", "Gaussians"]

Floats = NDArray[np.float32]

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
