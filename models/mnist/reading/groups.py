"""Which pieces of ink are digits, which are parts of one, and which are dirt."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.mnist.image import ImageError
from models.mnist.reading.ink import LEAST, TINY, inside
from models.mnist.reading.pieces import Boxes, Pieces

PART = 0.5  # of the greatest piece's size: what is smaller is a part of a digit, or dirt
NEAR = 0.25  # of that size: how far a part may be from its digit
OVERLAP = 0.25  # of the area of the smaller of two boxes: they hold one digit
GAP, HIGH = 0.15, 1.5  # of the greater of two: how far apart they are, and how high both together
SMALL = 0.04  # of the picture's shorter side: what is smaller is dirt, or noise
FLAT = 5  # times as wide as high: a dash, not a digit
MANY = 200  # digits in a picture, at most
TRACE = 0.03  # of that piece's ink: what has less is dirt


def grouped(found: Pieces, cut: bool) -> list[NDArray[np.int64]]:
    """The pieces of each digit, in reading order. cut: whether they may touch the border. Raises
    ImageError where there are too many to be digits."""
    sizes = found.sizes
    kept = np.arange(len(sizes)) if cut else _candidates(found)
    high, wide = (found.boxes[kept, 2:] - found.boxes[kept, :2]).T
    upright = kept[(wide <= FLAT * high) & (sizes[kept] >= SMALL * min(found.labels.shape))]
    if not len(upright):
        return []
    size = sizes[upright].max()
    heads = upright[sizes[upright] >= PART * size]
    trace = 0 if min(found.labels.shape) < TINY else TRACE * found.mass[kept].max()
    if len(heads) > MANY:
        raise ImageError(f"expected digits, found {len(heads):,} marks: a pattern, or text")
    groups = _whole(heads, found.boxes)
    members = np.concatenate(groups)
    owner = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    for part in kept[(sizes[kept] < PART * size) & (found.mass[kept] >= trace)]:
        gaps = _gaps(found.boxes[members], found.boxes[part])
        if gaps.min() <= NEAR * size:
            groups[owner[gaps.argmin()]].append(int(part))
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


def _whole(heads: NDArray[np.int64], boxes: Boxes) -> list[list[int]]:
    """Digits of which two large parts were found, as the bar of a 5 and the rest of it, joined."""
    groups, around, i = [[int(head)] for head in heads], boxes[heads], 0
    while i < len(groups):
        others = np.flatnonzero(_are_one(around[i], around[i + 1 :])) + i + 1
        if not len(others):
            i += 1
            continue
        j = int(others[0])
        groups.append(groups.pop(j) + groups.pop(i))
        whole = _around(around[[i, j]])
        around = np.concatenate([np.delete(around, (i, j), 0), whole[None]])
        i = 0  # what is larger now may be one with those before
    return groups


def _are_one(a: NDArray[np.int64], b: Boxes) -> NDArray[np.bool_]:
    """With which of the boxes b a box holds one digit: they overlap by much, or one lies close
    above the other and both together are not as high as two."""
    overlap = np.minimum(a[2:], b[:, 2:]) - np.maximum(a[:2], b[:, :2])
    size = np.maximum((a[2:] - a[:2]).max(), (b[:, 2:] - b[:, :2]).max(1))
    narrow = np.minimum(a[2:] - a[:2], b[:, 2:] - b[:, :2])
    nested = (overlap > 0).all(1) & (np.prod(overlap / narrow, 1) >= OVERLAP)
    both = np.maximum(a[2:], b[:, 2:]) - np.minimum(a[:2], b[:, :2])
    stacked = (overlap[:, 1] >= 0.4 * narrow[:, 1]) & (-overlap[:, 0] <= GAP * size)
    same: NDArray[np.bool_] = nested | (stacked & (both.max(1) <= HIGH * size))
    return same


def _gaps(boxes: Boxes, box: NDArray[np.int64]) -> NDArray[np.float64]:
    """How far each box is from another, in pixels."""
    apart = np.maximum(boxes[:, :2] - box[2:], box[:2] - boxes[:, 2:])
    gaps: NDArray[np.float64] = np.hypot(*np.maximum(apart, 0).T)
    return gaps


def _ordered(groups: list[NDArray[np.int64]], boxes: Boxes) -> list[NDArray[np.int64]]:
    """Rows from top to bottom, each from left to right; rows may slope. One begins where a digit
    lies lower than the one before by half its height."""
    around = np.stack([_around(boxes[group]) for group in groups])
    centres, high = (around[:, :2] + around[:, 2:]) / 2, around[:, 2] - around[:, 0]
    down = centres[:, 0] - _slope(centres) * centres[:, 1]
    rows: list[list[int]] = []
    last = -np.inf
    for i in np.argsort(down):
        if not rows or down[i] > last + 0.5 * high[i]:
            rows.append([])
        last = down[i]
        rows[-1].append(int(i))
    return [groups[i] for row in rows for i in sorted(row, key=lambda i: centres[i, 1])]


def _slope(centres: NDArray[np.float64]) -> float:
    """That of the rows: the median of those from each digit to its neighbour on the right."""
    down, right = np.moveaxis(centres - centres[:, None], -1, 0)
    far = np.where((right > 0) & (np.abs(down) <= 0.5 * right), np.hypot(down, right), np.inf)
    next_to, known = far.argmin(1), np.isfinite(far.min(1))
    if not known.any():
        return 0.0
    i = np.flatnonzero(known)
    return float(np.median(down[i, next_to[i]] / right[i, next_to[i]]))


def _around(boxes: Boxes) -> Boxes:
    return np.concatenate([boxes[:, :2].min(0), boxes[:, 2:].max(0)])
