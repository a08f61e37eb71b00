"""The digits in a picture, in reading order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.mnist.image import ImageError
from models.mnist.reading.background import Grey
from models.mnist.reading.framing import bounds, frame
from models.mnist.reading.groups import grouped
from models.mnist.reading.ink import SURE, evened, find_ink, greys, shrunk
from models.mnist.reading.pieces import Pieces, pieces
from models.mnist.reading.strokes import penned


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
    ink, found, groups, times, photographed = _drawn(picture)
    return [_digit(ink, found, group, times, photographed) for group in groups]


def prepare(picture: ArrayLike) -> NDArray[np.uint8]:
    """All that is drawn in `picture` as one digit, as in MNIST: (28, 28) uint8, ink 255 on 0.

    `picture` is (h, w), real numbers on any scale, dark on light or light on dark. The ink's longer
    side becomes 20 pixels, and its centre of mass moves to the centre by whole pixels, as described
    at http://yann.lecun.com/exdb/mnist/. The strongest ink becomes 255.

    Raises ImageError unless `picture` is two-dimensional, finite, and has ink on it.

    >>> picture = np.full((300, 400), 255, np.uint8)
    >>> picture[50:150, 70:90] = 0                      # a black bar, 100 x 20, on white paper
    >>> digit = prepare(picture)
    >>> digit.shape, digit.max(), np.argwhere(digit).min(0), np.argwhere(digit).max(0)
    ((28, 28), np.uint8(255), array([ 4, 12]), array([23, 15]))
    """
    ink, found, groups, times, photographed = _drawn(picture)
    return _digit(ink, found, np.concatenate(groups), times, photographed).pixels


def _drawn(picture: ArrayLike) -> tuple[Grey, Pieces, list[NDArray[np.int64]], int, bool]:
    """The ink, its pieces, those of each digit, how many times the picture was shrunk, and whether
    it is a photograph, with noise."""
    grey, times = shrunk(greys(picture))
    ink = find_ink(grey)
    found, strength, noise = ink.found, ink.strength, ink.noise
    groups = grouped(found, ink.cut)
    for _ in range(2):
        if not groups:
            raise ImageError(
                "expected a digit, found only dirt, dashes and edges: cut it out, or come closer"
            )
        wanted = np.isin(found.labels, np.concatenate(groups))
        strength = np.where(wanted | (found.labels < 0), strength, 0)
        least = max(SURE * noise, (0.25 if noise else 0.125) * float(strength[wanted].max()))
        found = pieces(strength > least, strength)
        groups = grouped(found, ink.cut)
    if noise:
        strength = evened(np.where(wanted, strength, 0), ink.behind, least)
    return strength, found, groups, times, noise > 0


def _digit(
    ink: Grey, found: Pieces, group: NDArray[np.int64], times: int, photographed: bool
) -> Digit:
    boxes = found.boxes[group]
    (top, left), (bottom, right) = boxes[:, :2].min(0).tolist(), boxes[:, 2:].max(0).tolist()
    here = slice(top, bottom), slice(left, right)
    labels = found.labels[here]
    mine = np.where((labels < 0) | np.isin(labels, group), ink[here], np.float32(0))
    up, first, down, last = bounds(mine)
    box = (top + up, left + first, top + down, left + last)
    digit = frame(penned(mine[up:down, first:last], photographed))
    return Digit(digit, tuple(times * side for side in box))
