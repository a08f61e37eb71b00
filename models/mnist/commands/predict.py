"""The command that reads pictures of one's own: predict."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.command_line import InputError, fail, has_unicode, printable
from models.mnist.checkpoint import load
from models.mnist.commands.terminal import render
from models.mnist.datasets import MNIST, Described
from models.mnist.image import ImageError, is_picture, pixels, read_image, resize
from models.mnist.reading import prepare
from models.mnist.scoring import probabilities
from models.training.text import columns, cut, padded

BAR = 24  # columns for a probability of 1
NAME = 24  # columns for the name of a class beside a bar
LISTED = 10  # probabilities that are printed
BESIDE = 16  # columns that a picture may take beside them


def predict(checkpoint: str, images: Sequence[str]) -> int:
    """Print what a checkpoint reads in image files; gives the exit code. A file that is no image
    does not stop the others."""
    model, described = load(checkpoint)
    if not is_picture(described.shape):
        raise InputError(
            f"{checkpoint}: expected a network that reads pictures, found one of examples of shape "
            f"{described.shape}; evaluate and show --wrong read its dataset"
        )
    code = 0
    for path in images:
        try:
            picture, how = _prepared(path, described)
        except ImageError as error:
            sys.stdout.flush()
            text = str(error)
            code = fail(text if text.startswith(path) else f"{path}: {text}")
            continue
        (chances,) = probabilities(model, picture[None], _white(described))
        drawn = render(pixels(picture[None], 255), widest=_beside_width(picture.shape[1]))
        print(f"{printable(path)}: {printable(described.classes[chances.argmax()])}\n{how}")
        print(f"{_beside(drawn, _bars(chances, described.classes))}\n", flush=True)
    return code


def _prepared(path: str, described: Described) -> tuple[NDArray[np.uint8], str]:
    """The picture in a file as the network reads it, from 0 to 255, and how it became that.

    Only MNIST's own digits, by its name in the registry, were made as `prepare` does: to cut out
    and to centre would spoil a picture of any other dataset, and nobody knows which of its colours
    is the background.
    """
    if described.source["source"] == MNIST["source"]:
        return prepare(read_image(path)), "prepared as MNIST's digits: cut out, sized and centred"
    picture = read_image(path, colour=described.shape[2:] == (3,))
    sizes = [f"{width} x {height}" for height, width in (picture.shape[:2], described.shape[:2])]
    kind = "colours" if picture.ndim == 3 else "greys"
    if sizes[0] == sizes[1]:
        return picture.reshape(described.shape), f"read as it is, {sizes[0]} {kind}"
    return resize(picture, described.shape), f"resized from {sizes[0]} to {sizes[1]} {kind}"


def _white(described: Described) -> float:
    """What pixels of a picture, from 0 to 255, are divided by. The numbers of a table or of arrays
    may be of any unit, as the 8 x 8 digits are from 0 to 16: there white is taken for `scale`."""
    in_any_unit = described.source["source"][0].endswith((".csv", ".npz"))
    return 255.0 if in_any_unit else described.scale


def _bars(chances: NDArray[np.float32], classes: Sequence[str]) -> list[str]:
    """The probabilities of the likeliest classes, the highest first."""
    full = "█" if has_unicode() else "#"
    order = np.argsort(-chances, kind="stable")[:LISTED]
    names = [cut(classes[i], NAME) for i in order]
    width = max(map(columns, names))
    lines = [
        f"{padded(name, width)}  {chances[i]:8.3%}  {full * round(BAR * float(chances[i]))}"
        for i, name in zip(order, names, strict=True)
    ]
    left = len(classes) - len(lines)
    return [*lines, f"and {left:,} less likely"] if left else lines


def _beside_width(width: int) -> int:
    """The columns of a picture beside the bars: by a whole number smaller, which keeps it sharp."""
    return width // -(-width // BESIDE)


def _beside(picture: str, lines: list[str]) -> str:
    """Lines to the right of a picture, which may be fewer lines high, or more."""
    left = picture.split("\n")
    # Escape codes have no width: with them, a line is as wide as the picture already.
    width = max((len(row) for row in left if "\x1b" not in row), default=0)
    width = width or left[0].count("▀")
    rows = max(len(left), len(lines))
    left = [row if "\x1b" in row else row.ljust(width) for row in left]
    left += [" " * width] * (rows - len(left))
    lines = lines + [""] * (rows - len(lines))
    return "\n".join(f"{a}  {b}".rstrip() for a, b in zip(left, lines, strict=True))
