"""The view in which people draw: what the network is shown of a drawing, and the page itself."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.mnist.image import ImageError
from models.mnist.reading import prepare

HERE = Path(__file__).parent
LARGE, SMALL = 280, 140  # pixels of a drawing, as in the page; and those that take less time
UNIT = 2  # parts of a pixel in which strokes are measured

Stroke = dict[str, Any]


def stroke(points: NDArray[np.float64], wide: float, erases: bool = False) -> Stroke:
    """points: (n, 2) or (n, 3): pixels from the left and the top, and how strongly it presses."""
    press = points[:, 2] if points.shape[1] > 2 else np.full(len(points), 15)
    rows = zip(*np.rint(UNIT * points[:, :2]).T.tolist(), press.tolist(), strict=True)
    return {
        "erases": erases,
        "wide": round(wide),
        "points": [{"x": x, "y": y, "press": int(each)} for x, y, each in rows],
    }


def curve(drawn: np.random.Generator) -> NDArray[np.float64]:
    """A smooth line within the unit square."""
    at, phase = np.linspace(0, 1, int(drawn.integers(2, 40))), drawn.uniform(0, 7, 2)
    swing, turns = drawn.uniform(0.1, 0.5, 2), drawn.uniform(0, 9, 2)
    return 0.5 + swing * np.sin(at[:, None] * turns + phase)


def drawing(drawn: np.random.Generator, number: int, side: int) -> list[Stroke]:
    """One to three strokes of a thin, thick or usual pen in some place, or in a corner; by turns
    tall or wide, pressed harder and less hard, with a dot or with dirt, erased in part."""
    size = side * drawn.uniform(0.12, 0.95) * drawn.uniform(0.3, 1, 2) ** (number % 3)
    corner = drawn.uniform(0, 1, 2) if number % 4 else drawn.integers(0, 2, 2)
    wide = side * (drawn.uniform(0.01, 0.25) if number % 5 else drawn.uniform(0.06, 0.1))

    def line() -> NDArray[np.float64]:
        return corner * (side - size) + size * curve(drawn)

    strokes = [stroke(line(), wide) for _ in range(drawn.integers(1, 4))]
    if number % 6 == 1:
        strokes += [stroke(drawn.uniform(0, side, (1, 2)), side * drawn.uniform(0.01, 0.09))]
    if number % 6 == 2:
        strokes += [stroke(line(), wide * drawn.uniform(0.1, 0.5), erases=True)]
    if number % 6 == 3:
        pressed = line()
        strokes += [stroke(np.c_[pressed, drawn.integers(0, 16, len(pressed))], wide)]
    return strokes


def symmetric(side: int) -> list[list[Stroke]]:
    """Of these, the last bit of a sum decides where they lie."""
    lines = [
        (side * wide, side / 2 + side * np.outer([-length, length], along))
        for wide in (0.03, 0.082, 0.086, 0.09, 0.14)
        for length in (0, 0.07, 0.22, 0.39)
        for along in ((0, 1), (1, 1))
    ]
    return [[stroke(line, wide)] for wide, line in lines]


def python_prepares(sheet: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """The drawing saved as a picture, with paper around it."""
    picture = np.pad(255 - sheet, len(sheet) // 2, constant_values=255)
    try:
        return prepare(picture)
    except ImageError:
        return None


def test_page_and_python_prepare_drawings_to_the_same_numbers(
    deno: Callable[..., None], tmp_path: Path
) -> None:
    """Else the network answers here what it does not answer there. To the last bit."""
    drawn = np.random.default_rng(5)
    sides = [LARGE if number % 4 == 0 else SMALL for number in range(160)]
    cases = [(side, drawing(drawn, number, side)) for number, side in enumerate(sides)]
    cases += [(LARGE, each) for each in symmetric(LARGE)]
    assert len(cases) == 200
    drawings = [{"side": side, "strokes": strokes} for side, strokes in cases]
    said = {"shape": [28, 28], "scale": 255, "drawings": drawings}
    (tmp_path / "drawings.json").write_text(json.dumps(said))
    allowed = [f"--allow-read={tmp_path}", f"--allow-write={tmp_path}"]
    deno("run", "--no-remote", "--no-check", *allowed, str(HERE / "draw.js"), str(tmp_path))
    ends = np.cumsum([side**2 for side, _ in cases])
    sheets = np.split(np.fromfile(tmp_path / "sheets", np.uint8), ends[:-1])
    found = np.fromfile(tmp_path / "examples", np.uint8).reshape(len(cases), -1)
    prepared = 0
    for number, (sheet, (is_digit, *example)) in enumerate(zip(sheets, found, strict=True)):
        side = math.isqrt(len(sheet))
        wanted = python_prepares(sheet.reshape(side, side))
        assert is_digit == (wanted is not None), number
        assert wanted is None or (wanted.ravel() == example).all(), number
        prepared += is_digit
    assert 180 < prepared < 200, "some are too small, or flat"
