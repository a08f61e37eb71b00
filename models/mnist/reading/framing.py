"""Ink cut out of a picture, in MNIST's frame: sized and centred as its digits are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SIDE = 28  # of the prepared picture, in pixels
BOX = 20  # the longer side of the ink in the prepared picture, in pixels
# Counting the first pixel as 0, the centres of mass of MNIST's 60,000 training images average
# (14.00, 14.01), and all but 2 lie in [13.5, 14.5): they were moved by whole pixels to 14, not to
# 13.5, the middle of the frame.
CENTRE = 14


def frame(ink: NDArray[np.float32]) -> NDArray[np.uint8]:
    """A digit in the frame of MNIST: (28, 28) uint8, the strongest ink 255 on 0.

    The ink's longer side becomes 20 pixels, and its centre of mass moves to the centre by whole
    pixels, as described at http://yann.lecun.com/exdb/mnist/. ink: (h, w), all of it the digit's.
    """
    ink = fitted(ink, BOX)
    height, width = ink.shape
    ink = ink / ink.max() * 255
    top, left = _offset(ink.sum(1)), _offset(ink.sum(0))
    digit = np.zeros((SIDE, SIDE), np.uint8)
    digit[top : top + height, left : left + width] = np.rint(ink)
    return digit


def bounds(ink: NDArray[np.float32]) -> tuple[int, int, int, int]:
    """Top, left, bottom and right of the ink. Ink fainter than an eighth of the strongest is blur,
    or JPEG's ringing, and is left out. A fifth of MNIST's own digits lose a faint row or column by
    that, 242 of the 60,000 move by a pixel, and 5 are resized."""
    drawn = ink > ink.max() / 8
    rows, columns = np.flatnonzero(drawn.any(1)), np.flatnonzero(drawn.any(0))
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


def fitted(ink: NDArray[np.float32], longer: int) -> NDArray[np.float32]:
    """With the longer side of so many pixels. Shrunk by area averages: exact for a digit enlarged
    by a whole number, and no negative ringing as Lanczos has. Enlarged linearly, where Pillow's box
    filter would give squares."""
    from PIL import Image

    height, width = (max(1, round(longer * n / max(ink.shape))) for n in ink.shape)
    method = Image.Resampling.BOX if max(ink.shape) > longer else Image.Resampling.BILINEAR
    # One side at a time: which comes first, and so the last bit, else depends on Pillow's version.
    rows = Image.fromarray(ink).resize((width, len(ink)), method)
    return np.array(rows.resize((width, height), method))


def _offset(mass: NDArray[np.float32]) -> int:
    """The row (or column) where the ink begins, so that its centre of mass comes to lie in
    [CENTRE - 0.5, CENTRE + 0.5), as far as the frame allows."""
    centre = np.average(np.arange(len(mass)), weights=mass)
    return int(np.clip(np.ceil(CENTRE - 0.5 - centre), 0, SIDE - len(mass)))
