"""The digits in a picture, in reading order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.mnist.reading.framing import bounds, frame
from models.mnist.reading.ink import find_ink


@dataclass(frozen=True, eq=False)
class Digit:
    """A digit that was found in a picture.

    pixels: (28, 28) uint8, as in MNIST: ink 255 on 0, sized and centred.
    box: top, left, bottom and right of its ink in the picture, in pixels; the last two exclusive.
    """

    pixels: NDArray[np.uint8]
    box: tuple[int, int, int, int]


def find(picture: ArrayLike) -> list[Digit]:
    """The digits in `picture`, (h, w) real numbers on any scale, in reading order.

    Raises ImageError unless `picture` is two-dimensional, finite, and has ink on it.

    >>> picture = np.full((300, 400), 255, np.uint8)
    >>> picture[50:150, 70:90] = 0                      # a black bar, 100 x 20, on white paper
    >>> [digit.box for digit in find(picture)]
    [(50, 70, 150, 90)]
    """
    ink = find_ink(picture)
    box = bounds(ink)
    return [Digit(_framed(ink, box), box)]


def prepare(picture: ArrayLike) -> NDArray[np.uint8]:
    """The digit in `picture`, sized and centred as in MNIST: (28, 28) uint8, ink 255 on 0.

    `picture` is (h, w), real numbers on any scale, dark on light or light on dark. Its border
    should be mostly background. The ink's longer side becomes 20 pixels, and its centre of mass
    moves to the centre by whole pixels, as described at http://yann.lecun.com/exdb/mnist/.
    The brightest pixel becomes 255, so that a thin pen is not a faint one.

    Raises ImageError unless `picture` is two-dimensional, finite, and has ink on it.

    >>> picture = np.full((300, 400), 255, np.uint8)
    >>> picture[50:150, 70:90] = 0                      # a black bar, 100 x 20, on white paper
    >>> digit = prepare(picture)
    >>> digit.shape, digit.max(), np.argwhere(digit).min(0), np.argwhere(digit).max(0)
    ((28, 28), np.uint8(255), array([ 4, 12]), array([23, 15]))
    """
    ink = find_ink(picture)
    return _framed(ink, bounds(ink))


def _framed(ink: NDArray[np.float32], box: tuple[int, int, int, int]) -> NDArray[np.uint8]:
    top, left, bottom, right = box
    return frame(ink[top:bottom, left:right])
