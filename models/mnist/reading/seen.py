"""What a network sees of a picture: its digits, cut out, or the whole."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from models.command_line import InputError
from models.mnist.datasets import MNIST, Described
from models.mnist.image import read_image, resize
from models.mnist.reading.digits import find, prepare

Box = tuple[int, int, int, int]  # top, left, bottom, right


@dataclass(frozen=True, eq=False)
class Seen:
    """What a network sees of a picture. picture: (h, w) or (h, w, 3), as it is in the file.
    examples: (n, *shape), from 0 to 255. boxes: where in the picture. how: made of it, in words."""

    picture: NDArray[np.uint8]
    examples: NDArray[np.uint8]
    boxes: Sequence[Box]
    how: str


def seen(
    source: str | os.PathLike[str] | BinaryIO,
    described: Described,
    one: bool = False,
    kinds: Sequence[str] | None = None,
) -> Seen:
    """The picture in a file, as a network that learned from the dataset `described` reads it.
    source, kinds: as of `read_image`. one: all ink is a single digit. Raises ImageError, and
    InputError where `one` says nothing.

    Only MNIST's own digits, by its name in the registry, were made as `prepare` does: to cut out
    and to centre would spoil a picture of any other dataset, and nobody knows which of its colours
    is the background.
    """
    if described.source["source"] == MNIST["source"]:
        return _digits(read_image(source, kinds=kinds), one)
    if one:
        raise InputError(
            "--one: expected for a network that learned MNIST by its name, found one of "
            f"{described.name}: it reads each picture whole"
        )
    picture = read_image(source, described.shape[2:] == (3,), kinds)
    sizes = [f"{width} x {height}" for height, width in (picture.shape[:2], described.shape[:2])]
    kind = "colours" if picture.ndim == 3 else "greys"
    if sizes[0] == sizes[1]:
        example, how = picture.reshape(described.shape), f"read whole as it is, {sizes[0]} {kind}"
    else:
        example = resize(picture, described.shape)
        how = f"read whole, resized from {sizes[0]} to {sizes[1]} {kind}"
    return Seen(picture, example[None], [], how)


def _digits(picture: NDArray[np.uint8], one: bool) -> Seen:
    """The digits in a picture, made as MNIST's are; in `one`, all ink as a single one."""
    found = find(picture)
    how = "prepared as MNIST's digits: cut out, sized and centred"
    if len(found) > 1:
        how = f"{len(found)} digits found, {'read as one,' if one else 'each'} {how}"
    if one:
        return Seen(picture, prepare(picture)[None], [], how)
    boxes = [digit.box for digit in found]
    return Seen(picture, np.stack([digit.pixels for digit in found]), boxes, how)


def white_of(described: Described) -> float:
    """What pixels of a picture, from 0 to 255, are divided by. The numbers of a table or of arrays
    may be of any unit, as the 8 x 8 digits are from 0 to 16: there white is taken for `scale`."""
    in_any_unit = described.source["source"][0].endswith((".csv", ".npz"))
    return 255.0 if in_any_unit else described.scale
