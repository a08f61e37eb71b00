"""Strokes of a pen that is thinner or thicker than any of MNIST's, brought to its width."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.mnist.reading.background import highest
from models.mnist.reading.framing import fitted

Ink = NDArray[np.float32]
FINE = 80  # pixels of the longer side, on which strokes are changed by whole ones
# By the longer side of the ink; of MNIST's 60,000, 1 in 1,000 has thinner strokes on average, or
# thicker ones. Their median is 0.119.
THINNEST, THICKEST = 0.062, 0.26
THIN, THICK = 0.11, 0.14  # what they are brought to
HEAVY = 0.17  # 1 in 14 of MNIST's is thicker, but photographs are read better with a usual pen


def penned(ink: Ink, photographed: bool) -> Ink:
    """The ink of a digit, (h, w), as MNIST's pens would have drawn it; unchanged if they may have.
    Its size may be another."""
    wide = width(ink) / max(ink.shape)
    if THINNEST <= wide <= (HEAVY if photographed else THICKEST):
        return ink
    aim = THIN if wide < THINNEST else THICK
    steps = round(FINE / 2 * (aim - wide) / (1 - aim))  # the digit grows with its strokes
    fine = np.pad(fitted(ink / ink.max(), FINE), max(0, steps) + 1)
    for step in range(abs(steps)):
        fine = _grown(fine, step % 2 == 0) if steps > 0 else -_grown(-fine, step % 2 == 0)
    rows, columns = (np.flatnonzero((fine > 0.1).any(axis)) for axis in (1, 0))
    if not len(rows):
        return ink
    return fine[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def width(ink: Ink) -> float:
    """The mean width of strokes in pixels: twice their area by the length of their outline, which
    is the total variation of ink that is 1 in full strokes (the coarea formula).

    >>> round(width(np.ones((100, 4), np.float32)), 1)
    3.9
    """
    ink = np.pad(ink / ink.max(), 1)
    down, right = np.diff(ink, axis=0)[:, 1:], np.diff(ink, axis=1)[1:]
    return float(2 * ink.sum() / np.hypot(down, right).sum())


def _grown(ink: Ink, square: bool) -> Ink:
    """Ink with its neighbours': crosses and squares in turn make octagons, nearly discs."""
    down, right = highest(ink, 1, 0), highest(ink, 1, 1)
    return highest(down, 1, 1) if square else np.maximum(down, right)
