"""The lines of ruled and squared paper, and of fields of forms, taken away from what is drawn."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SLOPE = 0.2  # of a line, at most: 11 degrees
WHOLE = 0.75  # of its way across the picture that a line must be seen on
THICK = 0.03  # of the picture, at most
LOOKED = 10_000  # pixels of ink that are asked for a line's slope

Grey = NDArray[np.float32]
Mask = NDArray[np.bool_]


def without_lines(ink: Grey, drawn: Mask) -> Grey:
    """The ink without lines that cross the picture, from left to right and from top to bottom.
    Where a stroke crosses a line, it stays whole."""
    rows, columns = _lines(drawn), _lines(drawn.T).T
    lined = rows | columns
    if not lined.any():
        return ink
    level = np.percentile(ink[lined & drawn], 75)  # not of the blur on both sides of a line
    kept = np.where(lined & (ink < 1.5 * level), np.float32(0), ink)
    for _ in range(2):  # a stroke along one line may cross another
        for band, axis in ((rows, 0), (columns, 1)):
            back = band & _between(kept > 0.5 * level, band, axis)
            kept = np.where(back, ink, kept)
    return kept


def _lines(drawn: Mask) -> Mask:
    """Which pixels belong to thin lines from left to right."""
    height, width = drawn.shape
    slope = _slope(drawn)
    shift = np.rint(slope * (np.arange(width) - width / 2)).astype(int)
    margin = int(np.abs(shift).max(initial=0)) + 2
    sheared = np.zeros((height + 2 * margin, width), bool)
    rows, columns = np.nonzero(drawn)
    sheared[rows - shift[columns] + margin, columns] = True
    near = sheared.copy()  # a line may be half a pixel off its slope
    near[1:] |= sheared[:-1]
    near[:-1] |= sheared[1:]
    at = np.arange(-margin, height + margin)
    inside = ((at[:, None] + shift >= 0) & (at[:, None] + shift < height)).sum(1)
    full = near.sum(1) >= WHOLE * np.maximum(inside, width / 2)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], full, [False]]).astype(int)))
    lined = np.zeros(len(full), bool)
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        if end - start - 2 <= max(2, THICK * height):
            lined[max(0, start - 1) : end + 1] = True
    mask: Mask = lined[np.arange(height)[:, None] - shift + margin]
    return mask


def _slope(drawn: Mask) -> float:
    """That of the lines, if there are any: where rows, sheared by it, are fullest."""
    rows, columns = np.nonzero(drawn)
    step = max(1, len(rows) // LOOKED)
    rows, columns = rows[::step], columns[::step]
    height, width = drawn.shape
    most = int(SLOPE * width)
    slopes = np.arange(-most, most + 1) / width
    best, found = 0.0, 0.0
    for slope in slopes[np.argsort(np.abs(slopes), kind="stable")]:
        at = np.rint(rows - slope * (columns - width / 2)).astype(int) + height
        full = np.bincount(at, minlength=1) * (step / width)
        score = float((full[full > 0.8 * WHOLE] ** 4).sum())  # strokes are full on less
        if score > best:
            best, found = score, float(slope)
    return found


def _between(drawn: Mask, band: Mask, axis: int) -> Mask:
    """Where ink reaches a band of pixels from either side, straight across it along an axis."""
    reached = drawn & ~band
    whole = np.zeros_like(drawn)
    for flip in (1, -1):
        seen, bands, reach = (np.moveaxis(each, axis, 0)[::flip] for each in (whole, band, reached))
        here = np.zeros(seen.shape[1], bool)
        for i in range(len(seen)):  # a row takes over from the row before while both are lined
            here = np.where(bands[i], here, reach[i])
            seen[i] |= bands[i] & here
    return whole
