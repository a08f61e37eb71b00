"""MNIST's digits as pens draw them, in any size: the usual one, a thin one and a thick one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

STROKE = 2.6 / 28  # the usual width of MNIST's strokes, by the side of its frame

Array = NDArray[np.float32]


def enlarged(digit: NDArray[np.uint8], side: int, angle: float) -> Array:
    """A digit of MNIST as a pen would have drawn it `side` pixels wide: (side, side), 0 to 1."""
    picture = Image.fromarray(digit).resize((4 * 28, 4 * 28), Image.Resampling.BICUBIC)
    picture = picture.rotate(angle, Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(1))
    picture = picture.resize((2 * side, 2 * side), Image.Resampling.BICUBIC)
    drawn = picture.point(lambda level: 255 * (level > 110)).resize((side, side))
    return np.asarray(drawn, np.float32) / 255


def thin(ink: Array) -> Array:
    """The same strokes, a third as wide as MNIST's usually are."""
    return penned(skeletonized(halved(ink)), len(ink), STROKE / 3)


def thick(ink: Array) -> Array:
    """The same strokes, wider by three quarters of MNIST's usual width."""
    return penned(halved(ink), len(ink), STROKE * 0.75)


def halved(ink: Array) -> NDArray[np.bool_]:
    """Ink or paper, (112, 112)."""
    return np.asarray(Image.fromarray(ink).resize((112, 112), Image.Resampling.BOX)) > 0.5


def penned(line: NDArray[np.bool_], side: int, width: float) -> Array:
    """A line, drawn by a round pen of this width in a picture of this side; both by the side."""
    paper = Image.new("L", (2 * side, 2 * side))
    draw, reach = ImageDraw.Draw(paper), width * side
    for row, column in (np.argwhere(line) + 0.5) * (2 * side / len(line)):
        draw.ellipse((column - reach, row - reach, column + reach, row + reach), 255)
    return np.asarray(paper.resize((side, side), Image.Resampling.BOX), np.float32) / 255


def skeletonized(drawn: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The middle line of strokes (Zhang and Suen, 1984)."""
    drawn = np.pad(drawn, 1)
    around = [(-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1)]
    gone = True
    while gone:
        gone = False
        for first in (0, 2):
            ring = [np.roll(drawn, (-i, -j), (0, 1)) for i, j in around]
            n, e, s, w = ring[::2]
            steps = sum(
                (~a & b).astype(int) for a, b in zip(ring, ring[1:] + ring[:1], strict=True)
            )
            count = sum(each.astype(int) for each in ring)
            ends = ~(n & e & s) & ~(e & s & w) if first == 0 else ~(n & e & w) & ~(n & s & w)
            away = drawn & (count >= 2) & (count <= 6) & (steps == 1) & ends
            drawn, gone = drawn & ~away, gone or bool(away.any())
    return drawn[1:-1, 1:-1]
