"""Novelty: whether a picture is like none of the classes of a dataset.

By its strokes, where they run and in which direction: each class has a mean and a covariance of
these, and a picture is new that is far from all of them, as a share of less than NEW of pictures
that were set aside are. No network is asked, so that what is said of a picture holds before one
learns and after; of one that has learned, `models.mnist.doubt` asks more.

What is drawn in the studio is told by it. In percent, with MNIST's test set set aside, what is new,
and what would be by 5 % of the test set, of which the studio says "perhaps":

    test digits that were not set aside                  0.8     5
    digits drawn in 210 slants, sizes and pens             0     0
    dots, filled boxes, chessboards                98 to 100   100
    clothes (Fashion-MNIST)                               99   100
    two digits side by side                               81   100
    printed letters that are unlike digits                72    96
    outlines: triangle, star, house, ...                  69    85
    scribbles of 8 to 15 corners                          61    90
    scribbles of 3 to 7 corners                           51    75
    digits upside down (2, 3, 4, 5, 7)                    10    38
    printed letters that are like digits (B, S, l, ...)    8    44

At the 1 % the largest probability of a network of 97.5 % finds 2 % of these letters and 16 % of the
long scribbles; low logits 2 and 15, the Mahalanobis distance in its hidden layer 0 and 22; of the
pixels the nearest of 60,000 digits 2 and 28, what a class's principal components leave over 8 and
32; and the nearest of 60,000 by strokes 4 and 46.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import autograd
from autograd import astype, greater_equal, mean, reshape
from data import Examples
from models.mnist.doubt import Floats, Gaussians
from models.mnist.image import is_picture
from models.mnist.reading.description import describe, traced
from models.mnist.scoring import sample

__all__ = ["Novelty"]

NEW = 0.01  # of the examples set aside are as far
FEWEST = 50  # of these, by which such a share can be told
SAMPLE = 10_000  # training examples that are described; at most half as many of those set aside


@dataclass(frozen=True, eq=False)
class Novelty(Gaussians):
    """What tells which pictures are new; of the classes of which there was an example.

    >>> rng = np.random.default_rng(0)
    >>> labels = np.arange(400) % 2                    # a bar that stands, and one that lies
    >>> bars = rng.integers(0, 60, (400, 8, 8))
    >>> bars[labels == 0, :, 3:5] += 190
    >>> bars[labels == 1, 3:5, :] += 190
    >>> bars = Examples(bars.astype(np.uint8), labels)
    >>> novelty = Novelty.fit(bars, bars, 255.0)
    >>> corner = np.zeros((1, 8, 8), np.uint8)
    >>> corner[:, :3, :3] = 250
    >>> novelty(corner, 255.0)
    array([ True])
    """

    aside: (
        Floats  # (n,) squared distances of examples set aside, each from the class that is nearest
    )

    @staticmethod
    @np.errstate(all="ignore")
    def fit(training: Examples, aside: Examples, scale: float) -> Novelty | None:
        """By examples, and others that say how far is far; None where these are no grey pictures,
        too few, or not finite. scale: their divisor."""
        shape = training.base[0].shape[1:]
        if len(aside) < FEWEST or not is_picture(shape) or shape[2:] not in ((), (1,)):
            return None
        known, new = sample(training, SAMPLE), sample(aside, SAMPLE // 2)
        described = describe(known.images, scale)
        if not np.isfinite(described).all():
            return None
        names, labels = np.unique(known.labels, return_inverse=True)
        try:
            classes = Gaussians.of(described, labels, len(names))
        except np.linalg.LinAlgError:  # numbers whose squares are not finite
            return None
        distances = _nearest(classes, describe(new.images, scale))
        found = Novelty(**classes.arrays(), aside=distances.astype(np.float32))
        return found if all(np.isfinite(each).all() for each in found.arrays().values()) else None

    def __call__(self, images: NDArray[Any], scale: float) -> NDArray[np.bool_]:
        """Which of the images, (n, *shape), are new: (n,)."""
        return self.share(images, scale) < NEW

    def share(self, images: NDArray[Any], scale: float) -> NDArray[np.float64]:
        """Of the examples set aside, how many are as far from the class that is nearest to them as
        each image from its own, or further: (n,), from 0 to 1."""
        distances = _nearest(self, describe(images, scale))
        nearer = np.searchsorted(np.sort(self.aside), distances)
        return 1 - nearer / len(self.aside)

    def entries(self, shape: Sequence[int], scale: float) -> dict[str, tuple[Any, tuple[Any, ...]]]:
        """The share of one uint8 picture for `autograd.compiler.wasm`: `share` of `novelty`."""
        classes, k = self.means.shape
        whitening = np.ascontiguousarray(self.whitening.transpose(1, 0, 2).reshape(k, -1))
        means = np.einsum("ci,cij->cj", self.means, self.whitening).ravel()

        def novelty(images: Any) -> dict[str, Any]:
            described = traced(astype(reshape(images, (1, *shape[:2])), np.float32) / scale)
            away = ((described - self.centre) @ self.axes) @ whitening - means
            squares = autograd.sum(reshape(away * away, (classes, k)), 1)
            is_as_far = greater_equal(self.aside, autograd.min(squares))
            return {"share": mean(astype(is_as_far, np.float32))}

        return {"novelty": (novelty, (np.zeros((1, *shape), np.uint8),))}


def _nearest(classes: Gaussians, described: Floats) -> NDArray[np.float64]:
    """The squared distances from the class that is nearest."""
    labels = range(len(classes.means))
    distances = [classes.distances(described, np.full(len(described), i)) for i in labels]
    nearest: NDArray[np.float64] = np.min(distances, axis=0)
    return nearest
