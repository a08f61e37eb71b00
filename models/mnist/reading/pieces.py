"""Connected pieces of ink."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.int64]  # (n, 4): top, left, bottom, right; the last two exclusive


@dataclass(frozen=True, eq=False)
class Pieces:
    """labels: (h, w), the number of each pixel's piece, -1 on paper. boxes: (n, 4). mass: (n,), the
    sum of a piece's ink."""

    labels: NDArray[np.int64]
    boxes: Boxes
    mass: NDArray[np.float64]

    @property
    def sizes(self) -> NDArray[np.int64]:
        """The longer side of each, in pixels."""
        longer: NDArray[np.int64] = (self.boxes[:, 2:] - self.boxes[:, :2]).max(1, initial=0)
        return longer


def pieces(drawn: NDArray[np.bool_], ink: NDArray[np.float32]) -> Pieces:
    """The pieces of what is drawn; pixels that touch at a corner are connected.

    >>> found = pieces(np.eye(3, 5) > 0, np.ones((3, 5), np.float32))
    >>> found.boxes, found.mass
    (array([[0, 0, 3, 3]]), array([3.]))
    """
    starts, ends, rows = _runs(drawn)
    parent = _joined(starts, ends, rows, drawn.shape[1])
    _, piece = np.unique(parent, return_inverse=True)
    count = int(piece.max(initial=-1)) + 1
    labels = np.full(drawn.shape, -1)
    labels[drawn] = np.repeat(piece, ends - starts)
    boxes = np.empty((count, 4), np.int64)
    boxes[:, :2], boxes[:, 2:] = max(drawn.shape), 0
    for lowest, side, of in (
        (True, 0, rows),
        (True, 1, starts),
        (False, 2, rows + 1),
        (False, 3, ends),
    ):
        (np.minimum if lowest else np.maximum).at(boxes[:, side], piece, of)
    return Pieces(labels, boxes, np.bincount(labels[drawn], ink[drawn], count).astype(np.float64))


def _runs(drawn: NDArray[np.bool_]) -> tuple[NDArray[np.int64], ...]:
    """Where runs of drawn pixels start and end within their rows, and the rows."""
    steps = np.diff(np.pad(drawn, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, starts = np.nonzero(steps == 1)
    return starts, np.nonzero(steps == -1)[1], rows


def _joined(
    starts: NDArray[np.int64], ends: NDArray[np.int64], rows: NDArray[np.int64], width: int
) -> NDArray[np.int64]:
    """For each run, the first run of its piece: runs of neighbouring rows are joined where they
    touch, and what is joined points to the lowest number until nothing changes."""
    wide = width + 2  # so that a run that ends a row does not touch one that starts the next
    first = np.searchsorted(rows * wide + ends, (rows + 1) * wide + starts, "left")
    last = np.searchsorted(rows * wide + starts, (rows + 1) * wide + ends, "right")
    count = np.maximum(0, last - first)
    upper = np.repeat(np.arange(len(rows)), count)
    lower = np.arange(count.sum()) + np.repeat(first - np.cumsum(count) + count, count)
    parent = np.arange(len(rows))
    while True:
        a, b = parent[upper], parent[lower]
        if (a == b).all():
            return parent
        lowest = np.minimum(a, b)
        np.minimum.at(parent, a, lowest)
        np.minimum.at(parent, b, lowest)
        while (parent != parent[parent]).any():
            parent = parent[parent]
