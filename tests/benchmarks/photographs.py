"""How well a network reads photographs of MNIST's test digits: right, refused, and lost.

Each kind of photograph is drawn from the same digits as a JPEG, read from its file as `predict`
does, and answered by a network. What counts is how many points of accuracy a kind loses beside the
digits themselves. `--wild` draws paper, ink, size, noise and place at random.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import data
from models.mnist.checkpoint import load
from models.mnist.image import ImageError, read_image
from models.mnist.reading import find
from models.mnist.scoring import probabilities
from tests.benchmarks.pens import Array, enlarged, thick, thin

QUALITY = 80  # of the JPEGs
NOISE = 6.0  # standard deviation, in levels
TURN = 10.0  # degrees, at most
COUNT = 1000
REFUSED = 2.0  # % of the pictures of a kind, at most

Answer = Callable[[NDArray[np.uint8]], NDArray[np.int64]]
Change = Callable[[Array, np.random.Generator], Array]  # of a grey picture


@dataclass
class Scene:
    """What a digit is drawn on. share: of the picture's height that a frame of MNIST takes, of
    which the digit itself has 20 rows of 28."""

    height: int = 200
    width: int = 200
    paper: float = 225
    ink: float = 40
    share: float = 0.85
    noise: float = NOISE

    @staticmethod
    def wild(rng: np.random.Generator) -> Scene:
        height = int(rng.integers(100, 600))
        width = int(height * rng.uniform(1, 4 / 3))
        paper, ink = rng.uniform(180, 250), rng.uniform(0, 110)
        return Scene(height, width, paper, ink, rng.uniform(0.42, 1.1), rng.uniform(0, 8))


# --- what happens to a picture -----------------------------------------------------------------


def grid(picture: Array) -> tuple[Array, Array]:
    """Rows and columns, both from -1 to 1."""
    rows, columns = (np.linspace(-1, 1, n, dtype=np.float32) for n in picture.shape)
    return np.broadcast_to(rows[:, None], picture.shape), np.broadcast_to(columns, picture.shape)


def light(levels: float) -> Change:
    """Brightness that falls by so many levels across the picture: planes, a lamp, a dark corner."""

    def change(picture: Array, rng: np.random.Generator) -> Array:
        y, x = grid(picture)
        kind, angle = rng.integers(3), rng.uniform(0, 2 * np.pi)
        along = np.cos(angle) * x + np.sin(angle) * y
        if kind == 0:
            dark = along
        elif kind == 1:
            cy, cx = rng.uniform(-0.6, 0.6, 2)
            dark = ((y - cy) ** 2 + (x - cx) ** 2) * rng.choice([-1, 1])
        else:
            corner = rng.choice([-1, 1], 2)
            dark = -(((y - corner[0]) ** 2 + (x - corner[1]) ** 2) ** 0.5)
        dark = (dark - dark.min()) / np.ptp(dark)
        return picture - np.float32(levels) * dark

    return change


def shadow(picture: Array, rng: np.random.Generator) -> Array:
    """The shadow of something with a straight edge, soft or hard."""
    y, x = grid(picture)
    angle = rng.uniform(0, 2 * np.pi)
    along = np.cos(angle) * x + np.sin(angle) * y - rng.uniform(-0.5, 0.5)
    soft = rng.choice([0.01, 0.05, 0.2])
    inside = 1 / (1 + np.exp(np.clip(-along / soft * 2, -50, 50)))
    return picture * (1 - rng.uniform(0.33, 0.5) * inside).astype(np.float32)


def specks(picture: Array, rng: np.random.Generator) -> Array:
    """Dirt: up to eight dark or light dots, of up to 3 % of the height."""
    picture = picture.copy()
    for _ in range(rng.integers(1, 9)):
        size = max(1, int(rng.uniform(0.005, 0.03) * len(picture)))
        row, column = (int(rng.integers(0, n - size)) for n in picture.shape)
        picture[row : row + size, column : column + size] = rng.uniform(0, 90)
    return picture


def edges(picture: Array, rng: np.random.Generator) -> Array:
    """The dark edge that scanners leave: on one to four sides, whole or half of the side."""
    picture = picture.copy()
    for side in rng.permutation(4)[: rng.integers(1, 5)]:
        seen = np.rot90(picture, side)
        depth = max(1, int(rng.uniform(0.005, 0.04) * len(picture)))
        half = seen.shape[1] // 2
        part = [slice(None), slice(None), slice(0, half), slice(half, None)][rng.integers(4)]
        seen[:depth, part] = rng.uniform(0, 90)
    return picture


def box(picture: Array, rng: np.random.Generator) -> Array:
    """A form's field: a rectangle drawn around the digit, near to the border."""
    picture = picture.copy()
    at = max(1, int(rng.uniform(0.01, 0.05) * len(picture)))
    pen = max(1, int(rng.uniform(0.005, 0.015) * len(picture)))
    level = rng.uniform(20, 130)
    kept = picture[at + pen : -at - pen, at + pen : -at - pen].copy()
    picture[at:-at, at:-at] = level
    picture[at + pen : -at - pen, at + pen : -at - pen] = kept
    return picture


def ruled(both: bool = False) -> Change:
    """Paper with lines, or with squares, as in exercise books."""

    def change(picture: Array, rng: np.random.Generator) -> Array:
        high = len(picture)
        apart = rng.uniform(0.07, 0.1) * high if both else rng.uniform(0.11, 0.16) * high
        pen, slope = max(1.0, rng.uniform(0.005, 0.01) * high), rng.uniform(-0.03, 0.03)
        level, start = np.float32(rng.uniform(0.55, 0.8) * picture.max()), rng.uniform(0, apart)
        rows, columns = np.indices(picture.shape)
        for along, across in [(rows, columns), (columns, rows)][: 1 + both]:
            lined = (along + slope * across - start) % apart < pen
            picture = np.where(lined, np.minimum(picture, level), picture)
        return picture

    return change


def noisy(sigma: float) -> Change:
    def change(picture: Array, rng: np.random.Generator) -> Array:
        return picture + rng.normal(0, sigma, picture.shape).astype(np.float32)

    return change


def inverted(picture: Array, rng: np.random.Generator) -> Array:
    return np.float32(255) - picture


# --- photographs -------------------------------------------------------------------------------


def drawn(scene: Scene, kind: Kind, digits: Any, rng: np.random.Generator) -> Array:
    """Digits on paper, in rows, without light and noise: (h, w) greys."""
    side = int(scene.share * scene.height / (1 if len(digits) == 1 else 2 * kind.rows**0.5))
    inks = [enlarged(digit, side, rng.uniform(-TURN, TURN)) for digit in digits]
    inks = [cropped(kind.pen(ink) if kind.pen else ink) for ink in inks]
    per = len(inks) // kind.rows
    gap = int(rng.uniform(0.1, 0.3) * side)
    rows = [beside(inks[i : i + per], gap) for i in range(0, len(inks), per)]
    ink = beside([row.T for row in rows], gap).T
    edge = round(0.06 * scene.height)  # of paper around them
    free = [
        max(0, n - m - 2 * edge)
        for n, m in zip((scene.height, scene.width), ink.shape, strict=True)
    ]
    top, left = (int(rng.integers(0, n + 1)) for n in free)
    spare = [(top + edge, free[0] - top + edge), (left + edge, free[1] - left + edge)]
    return scene.paper + (scene.ink - scene.paper) * np.pad(ink, spare)


def cropped(ink: Array) -> Array:
    rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def beside(inks: Sequence[Array], gap: int) -> Array:
    """Pictures side by side, each in the middle of the height of all."""
    high = max(len(ink) for ink in inks)
    parts = []
    for ink in inks:
        above = (high - len(ink)) // 2
        parts.append(np.pad(ink, ((above, high - len(ink) - above), (0, gap))))
    return np.concatenate(parts, 1)[:, :-gap] if gap else np.concatenate(parts, 1)


def save(path: Path, picture: Array, tint: Sequence[float] = ()) -> None:
    """A JPEG, grey or tinted by the light that red, green and blue get."""
    levels = np.stack([picture * part for part in tint], -1) if tint else picture
    Image.fromarray(np.uint8(np.clip(np.rint(levels), 0, 255))).save(path, "JPEG", quality=QUALITY)


@dataclass
class Kind:
    """changes: what happens to the picture, in order. aim: points that may be lost."""

    name: str
    aim: float | None = None
    changes: Sequence[Change] = ()
    pen: Callable[[Array], Array] | None = None
    tint: Sequence[float] = ()
    digits: int = 1
    rows: int = 1
    noise: float | None = None


KINDS = [
    Kind("flat light", 2),
    Kind("light, 40 levels", 4, [light(40)]),
    Kind("light, 80 levels", 4, [light(80)]),
    Kind("light, 120 levels", 4, [light(120)]),
    Kind("specks", 5, [specks]),
    Kind("scanner's edges", 5, [edges]),
    Kind("a field's frame", 5, [box]),
    Kind("warm light", 5, tint=(1.0, 0.86, 0.62)),
    Kind("a shadow's edge", 12, [shadow]),
    Kind("thin pen", 12, pen=thin),
    Kind("thick pen", 12, pen=thick),
    Kind("noise 15", 12, noise=15),
    Kind("ruled paper", 15, [ruled()]),
    Kind("squared paper", None, [ruled(both=True)]),
    Kind("white on black", 2, [inverted]),
    Kind("light and specks", None, [light(80), specks]),
    Kind("light, on ruled paper", None, [ruled(), light(80)]),
    Kind("shadow, edges, specks", None, [shadow, edges, specks]),
    Kind("light on black, 80", None, [inverted, light(80)]),
    Kind("thin pen, light", None, [light(80)], pen=thin),
    Kind("thin pen, ruled", None, [ruled()], pen=thin),
    Kind("digits in a row", None, digits=3),
    Kind("two rows", None, digits=4, rows=2),
    Kind("a row, in a shadow", None, [shadow], digits=3),
]


def photographs(
    kind: Kind, images: NDArray[np.uint8], labels: NDArray[Any], wild: bool, seed: int = 0
) -> Iterable[tuple[Array, list[int]]]:
    """Pictures before they are saved, and what they show."""
    per = kind.digits
    for i in range(0, len(images) - per + 1, per):
        rng = np.random.default_rng([seed, i, wild])
        scene = Scene.wild(rng) if wild else Scene()
        picture = drawn(scene, kind, images[i : i + per], rng)
        for change in kind.changes:
            picture = change(picture, rng)
        picture = noisy(scene.noise if kind.noise is None else kind.noise)(picture, rng)
        yield picture, labels[i : i + per].tolist()


def measured(
    answer: Answer, pictures: Iterable[tuple[Array, list[int]]], tint: Sequence[float] = ()
) -> tuple[float, float]:
    """The shares, in %, of digits answered right and of pictures refused. Where another number of
    digits was found than there is, none is right."""
    right = refused = count = shown = 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "digits.jpg"
        for picture, labels in pictures:
            save(path, picture, tint)
            shown, count = shown + 1, count + len(labels)
            try:
                seen = [digit.pixels for digit in find(read_image(path))]
            except ImageError:
                refused += 1
                continue
            if len(seen) == len(labels):
                right += int((answer(np.stack(seen)) == labels).sum())
    return 100 * right / count, 100 * refused / shown


def small_digits(answer: Answer, light: bool, count: int) -> tuple[float, float]:
    """The same of scikit-learn's digits, 8 x 8, enlarged to 64 x 64, as arrays."""
    from sklearn.datasets import load_digits

    loaded = load_digits()
    right = refused = 0
    chosen = np.random.default_rng(0).permutation(len(loaded.images))[:count]
    for image, label in zip(loaded.images[chosen], loaded.target[chosen], strict=True):
        small = Image.fromarray(np.uint8(np.rint(image * 255 / 16)))
        picture = np.asarray(small.resize((64, 64), Image.Resampling.BICUBIC))
        try:
            seen = [digit.pixels for digit in find(picture if light else 255 - picture)]
        except ImageError:
            refused += 1
            continue
        right += len(seen) == 1 and int(answer(np.stack(seen))[0] == label)
    return 100 * right / len(chosen), 100 * refused / len(chosen)


def table(answer: Answer, options: argparse.Namespace) -> Iterable[dict[str, Any]]:
    """A row for each kind, as it is done; the first, of the digits themselves, says what `lost` is
    counted from."""
    test = data.load("mnist").test
    chosen = np.random.default_rng(options.seed).permutation(len(test))[: options.count]
    images, labels = np.asarray(test.images)[chosen], np.asarray(test.labels)[chosen]
    clean = 100 * float((answer(images) == labels).mean())
    yield {"name": "the digits themselves", "right": clean, "refused": 0.0, "lost": 0.0}
    for kind in KINDS:
        pictures = photographs(kind, images, labels, options.wild, options.seed)
        right, refused = measured(answer, pictures, kind.tint)
        yield row(kind.name, right, refused, clean - right, kind.aim)
    if find_spec("sklearn") is None:
        print("Not measured, because not installed: scikit-learn's digits", file=sys.stderr)
        return
    for light in (False, True):
        right, refused = small_digits(answer, light, options.count)
        name = f"scikit-learn's, {'light on dark' if light else 'dark on light'}"
        yield row(name, right, refused, 100 - right, 10)


def row(name: str, right: float, refused: float, lost: float, aim: float | None) -> dict[str, Any]:
    met = None if aim is None else lost <= aim and refused <= REFUSED
    return {"name": name, "right": right, "refused": refused, "lost": lost, "aim": aim, "met": met}


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("run", help="the folder of a run of `python -m models.mnist train`")
    parser.add_argument("--count", type=int, default=COUNT, help=f"digits a kind ({COUNT})")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--wild", action="store_true", help="scenes at random")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    model, _ = load(options.run)

    def answer(seen: NDArray[np.uint8]) -> NDArray[np.int64]:
        return probabilities(model, seen, 255).argmax(1)

    rows = []
    if not options.json:
        print(f"{'':30}{'right':>8}{'refused':>9}{'lost':>7}{'aim':>6}   in % of {options.count:,}")
    for line in table(answer, options):
        rows.append(line)
        if not options.json:
            numbers = f"{line['right']:8.2f}{line['refused']:9.2f}{line['lost']:7.2f}"
            aim = "" if line.get("aim") is None else f"{line['aim']:6.0f}"
            met = {True: " met", False: " missed"}.get(line.get("met"), "")
            print(f"{line['name']:30}{numbers}{aim}{met}", flush=True)
    if options.json:
        print(json.dumps({"benchmark": "photographs", "wild": options.wild, "rows": rows}))


if __name__ == "__main__":
    main()
