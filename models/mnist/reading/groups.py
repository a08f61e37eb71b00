"""Which pieces of ink are digits, which are parts of one, and which are dirt."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.mnist.reading.ink import LEAST, TINY, inside
from models.mnist.reading.pieces import Boxes, Pieces

PART = 0.5  # of the greatest piece's size: what is smaller is a part of a digit, or dirt
NEAR = 0.25  # of that size: how far a part may be from its digit
OVERLAP = 0.25  # of the area of the smaller of two boxes: they hold one digit
GAP, HIGH = 0.15, 1.5  # of the greater of two: how far apart they are, and how high both together
SMALL = 0.04  # of the picture's height: what is smaller is dirt, or noise
FLAT = 5  # times as wide as high: a dash, not a digit
TRACE = 0.03  # of that piece's ink: what has less is dirt


def grouped(found: Pieces, cut: bool) -> list[NDArray[np.int64]]:
    """The pieces of each digit, in reading order. cut: whether they may touch the border."""
    sizes = found.sizes
    kept = np.arange(len(sizes)) if cut else _candidates(found)
    high, wide = (found.boxes[kept, 2:] - found.boxes[kept, :2]).T
    upright = kept[(wide <= FLAT * high) & (sizes[kept] >= SMALL * len(found.labels))]
    if not len(upright):
        return []
    size = sizes[upright].max()
    heads = upright[sizes[upright] >= PART * size]
    trace = 0 if min(found.labels.shape) < TINY else TRACE * found.mass[kept].max()
    groups = _whole([[int(head)] for head in heads], found.boxes)
    for part in kept[(sizes[kept] < PART * size) & (found.mass[kept] >= trace)]:
        gaps = [_gaps(found.boxes[group], found.boxes[part]).min() for group in groups]
        if min(gaps) <= NEAR * size:
            groups[int(np.argmin(gaps))].append(int(part))
    return _ordered([np.array(group) for group in groups], found.boxes)


def _candidates(found: Pieces) -> NDArray[np.int64]:
    """Without what touches the border, unless there is little else; then without what is but an
    edge along it."""
    free = inside(found)
    boxes, shape = found.boxes, np.array(found.labels.shape)
    touches = (boxes[:, :2] == 0) | (boxes[:, 2:] == shape)
    if len(free):
        return np.flatnonzero(~touches.any(1))
    deep = (boxes[:, 2:] - boxes[:, :2] >= LEAST * shape.min()) | ~touches
    return np.flatnonzero(deep.all(1))


def _whole(groups: list[list[int]], boxes: Boxes) -> list[list[int]]:
    """Digits of which two large parts were found, as the bar of a 5 and the rest of it, joined."""
    for i, group in enumerate(groups):
        for other in groups[i + 1 :]:
            if _are_one(_around(boxes[group]), _around(boxes[other])):
                rest = [each for each in groups if each is not group and each is not other]
                return _whole([group + other, *rest], boxes)
    return groups


def _around(boxes: Boxes) -> Boxes:
    return np.concatenate([boxes[:, :2].min(0), boxes[:, 2:].max(0)])


def _are_one(a: Boxes, b: Boxes) -> bool:
    """Whether two boxes hold one digit: they overlap by much, or one lies close above the other and
    both together are not as high as two."""
    size = max((box[2:] - box[:2]).max() for box in (a, b))
    overlap = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    narrow = np.minimum(a[2:] - a[:2], b[2:] - b[:2])
    if (overlap > 0).all() and np.prod(overlap / narrow) >= OVERLAP:
        return True
    both = _around(np.stack([a, b]))
    stacked = overlap[1] >= 0.4 * narrow[1] and -overlap[0] <= GAP * size
    return bool(stacked and (both[2:] - both[:2]).max() <= HIGH * size)


def _gaps(boxes: Boxes, box: NDArray[np.int64]) -> NDArray[np.float64]:
    """How far each box is from another, in pixels."""
    apart = np.maximum(boxes[:, :2] - box[2:], box[:2] - boxes[:, 2:])
    gaps: NDArray[np.float64] = np.hypot(*np.maximum(apart, 0).T)
    return gaps


def _ordered(groups: list[NDArray[np.int64]], boxes: Boxes) -> list[NDArray[np.int64]]:
    """Rows from top to bottom, each from left to right."""
    tops = [boxes[group, 0].min() for group in groups]
    bottoms = [boxes[group, 2].max() for group in groups]
    rows: list[list[int]] = []
    middle = -np.inf
    for i in np.argsort([(a + b) / 2 for a, b in zip(tops, bottoms, strict=True)]):
        centre = (tops[i] + bottoms[i]) / 2
        if not rows or centre > middle + 0.5 * (bottoms[i] - tops[i]):
            rows.append([])
            middle = centre
        rows[-1].append(int(i))
    return [groups[i] for row in rows for i in sorted(row, key=lambda i: boxes[groups[i], 1].min())]
