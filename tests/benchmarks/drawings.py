"""Pictures that are no digits, and digits as photographs: what `doubt.py` asks a network about.

Drawn at twice the size, turned by up to 10 degrees, made smaller, with a photograph's noise and
JPEG's losses. All are (SIDE, SIDE) uint8, dark on light, and the same for the same seed.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

SIDE = 200
PAPER, INK = 215, 50
NOISE = 6
TURN = 10
Picture = NDArray[np.uint8]
Point = tuple[float, float]
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
LIKE_DIGITS = "BDIOQSZabgijloqsz"  # also in handwriting
FONTS = ("DejaVuSans.ttf", "DejaVuSerif.ttf", "LiberationSans-Regular.ttf")


def photograph(ink: NDArray[Any], generator: np.random.Generator) -> Picture:
    """A drawing, (h, w) from 0 to 1 for ink, as a photograph in flat light."""
    turned = Image.fromarray((255 * ink).astype(np.uint8)).rotate(
        generator.uniform(-TURN, TURN), resample=Image.Resampling.BICUBIC
    )
    drawn = np.asarray(turned.resize((SIDE, SIDE), Image.Resampling.LANCZOS)) / 255
    light = PAPER - (PAPER - INK) * drawn + generator.normal(0, NOISE, drawn.shape)
    file = io.BytesIO()
    Image.fromarray(np.clip(light, 0, 255).astype(np.uint8)).save(file, "JPEG", quality=90)
    return np.asarray(Image.open(file))


def digit(image: Picture, generator: np.random.Generator) -> Picture:
    """One of MNIST's digits on paper."""
    ink = np.zeros((2 * SIDE, 2 * SIDE))
    large = Image.fromarray(image).resize((280, 280), Image.Resampling.BICUBIC)
    ink[60:340, 60:340] = np.asarray(large) / 255
    return photograph(ink, generator)


def letter(character: str, generator: np.random.Generator) -> Picture:
    """A letter in one of FONTS that are installed, or in Pillow's own."""
    canvas = Image.new("L", (2 * SIDE, 2 * SIDE))
    size = int(generator.integers(200, 360))
    font: Any = ImageFont.load_default(size)
    name = generator.choice(["", *FONTS])
    if name:
        with suppress(OSError):  # it is not installed
            font = ImageFont.truetype(name, size)
    ImageDraw.Draw(canvas).text((SIDE, SIDE), character, fill=255, font=font, anchor="mm")
    return photograph(np.asarray(canvas) / 255, generator)


# --- shapes --------------------------------------------------------------------------------------


def ring(corners: int, radii: Sequence[float] = (1.0,), start: float = -0.25) -> list[Point]:
    """Points around (0, 0), the radii in turn, from `start` of a turn on."""
    turns = [2 * math.pi * (start + i / corners) for i in range(corners)]
    lengths = [radii[i % len(radii)] for i in range(corners)]
    return [(r * math.cos(t), r * math.sin(t)) for r, t in zip(lengths, turns, strict=True)]


def heart() -> list[Point]:
    def point(t: float) -> Point:
        down = 13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)
        return math.sin(t) ** 3, -down / 16

    return [point(2 * math.pi * i / 60) for i in range(60)]


def box(width: float, height: float) -> list[Point]:
    return [(-width, -height), (width, -height), (width, height), (-width, height)]


OUTLINES: dict[str, list[Point]] = {
    "triangle": ring(3),
    "square": box(0.75, 0.75),
    "rectangle": box(1, 0.5),
    "diamond": [(0, -1), (0.7, 0), (0, 1), (-0.7, 0)],
    "pentagon": ring(5),
    "hexagon": ring(6),
    "star": ring(10, (1, 0.42)),
    "heart": heart(),
    "circle": ring(60),
}
STROKES: dict[str, list[list[Point]]] = {
    "cross": [[(-1, 0), (1, 0)], [(0, -1), (0, 1)]],
    "x": [[(-1, -1), (1, 1)], [(-1, 1), (1, -1)]],
    "arrow": [[(-1, 0), (1, 0)], [(0.4, -0.5), (1, 0), (0.4, 0.5)]],
    "zigzag": [[(-1 + i / 3, 0.4 * (-1) ** i) for i in range(7)]],
    "spiral": [[(i / 90 * math.cos(i / 6), i / 90 * math.sin(i / 6)) for i in range(91)]],
    "house": [
        [(-0.7, -0.1), (0, -1), (0.7, -0.1), (-0.7, -0.1)],
        [(-0.7, -0.1), (-0.7, 1), (0.7, 1), (0.7, -0.1)],
    ],
    "hash": [[(x, -1), (x, 1)] for x in (-0.35, 0.35)] + [[(-1, y), (1, y)] for y in (-0.35, 0.35)],
    "grid": [[(x, -1), (x, 1)] for x in (-1, -0.33, 0.33, 1)]
    + [[(-1, y), (1, y)] for y in (-1, -0.33, 0.33, 1)],
    "smiley": [
        [*ring(60), ring(60)[0]],
        [(-0.35, -0.3), (-0.35, -0.2)],
        [(0.35, -0.3), (0.35, -0.2)],
        [(-0.5, 0.3), (-0.2, 0.5), (0.2, 0.5), (0.5, 0.3)],
    ],
}


def shape(strokes: list[list[Point]], filled: bool, generator: np.random.Generator) -> Picture:
    """Lines between points from -1 to 1, with a pen of some width; or a filled outline."""
    canvas = Image.new("L", (2 * SIDE, 2 * SIDE))
    drawing = ImageDraw.Draw(canvas)
    radius, pen = generator.uniform(80, 150), int(generator.integers(14, 32))
    for stroke in strokes:
        points = [(SIDE + radius * x, SIDE + radius * y) for x, y in stroke]
        if filled:
            drawing.polygon(points, fill=255)
            continue
        drawing.line(points, fill=255, width=pen, joint="curve")
        for x, y in points:
            drawing.ellipse([x - pen / 2, y - pen / 2, x + pen / 2, y + pen / 2], fill=255)
    return photograph(np.asarray(canvas) / 255, generator)


def scribble(generator: np.random.Generator) -> Picture:
    """A line that runs here and there."""
    corners = generator.uniform(-1.2, 1.2, (int(generator.integers(8, 16)), 2))
    ways = [np.interp(np.linspace(0, len(corners) - 1, 200), range(len(corners)), c)
            for c in corners.T]  # fmt: skip
    smooth = [np.convolve(way, np.ones(15) / 15, "valid").tolist() for way in ways]
    return shape([list(zip(*smooth, strict=True))], False, generator)


def paper(kind: str, generator: np.random.Generator) -> Picture:
    """Nothing: noise alone, in light that fades across, with a fold."""
    light = np.full((SIDE, SIDE), float(PAPER))
    if kind == "shaded":
        light -= np.linspace(0, generator.uniform(20, 120), SIDE)
    if kind == "folded":
        light[:, int(generator.integers(40, 160)) :] -= generator.uniform(5, 15)
    light += generator.normal(0, generator.uniform(2, 12), light.shape)
    return np.clip(light, 0, 255).astype(np.uint8)


def _shapes() -> Iterator[tuple[str, Callable[[np.random.Generator], Picture]]]:
    for name, outline in OUTLINES.items():
        yield name, partial(shape, [[*outline, outline[0]]], False)
        yield f"filled {name}", partial(shape, [outline], True)
    for name, strokes in STROKES.items():
        yield name, partial(shape, strokes, False)
    yield "scribble", scribble


SHAPES = dict(_shapes())
PAPERS = ("plain", "shaded", "folded")
