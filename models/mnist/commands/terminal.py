"""Pictures in a terminal: two pixels to a character, a caption below each, several in a row."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from itertools import groupby, zip_longest
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.command_line import can_redraw, has_unicode
from models.training.text import columns, padded

GAP = 2  # columns between two pictures
CAPTION = 32  # columns that a caption may take where its picture is narrower
SHADES = " .:-=+*#%@"  # from black to white, all ASCII: a log or a mail keeps them
LUMINANCE = np.array([0.299, 0.587, 0.114])  # of red, green and blue: ITU-R BT.601


def render(
    images: NDArray[np.uint8],
    captions: Sequence[str] | None = None,
    width: int | None = None,
    colour: bool | None = None,
    widest: int | None = None,
) -> str:
    """Pictures as text to print: `images` is uint8, (n, h, w) or (h, w) with 255 for white, or
    (n, h, w, 3) of red, green and blue.

    A picture takes `w` columns and `h / 2` rows; one of more than `widest` columns, or `width`, is
    made smaller. As many stand side by side as fit into `width` columns, at least one; each with
    its caption below, of which no line is broken but what is too long is cut.

    In colour each character is an upper half block, with 24-bit escape codes for the pixel above
    and the one below; otherwise it is one of ten shades of ASCII. By default `width` is the
    terminal's, and there is colour unless standard output is no terminal, NO_COLOR is set
    (https://no-color.org) or blocks cannot be encoded.

    Raises ValueError for another shape and for too few or too many captions; TypeError for another
    dtype.

    >>> ring = np.full((6, 6), 255, np.uint8)
    >>> ring[2:4, 1:5] = 0
    >>> print(render(np.stack([ring, ring // 2]), ["#0", "#1\\ndark"], width=80, colour=False))
    @@@@@@  ======
    @    @  =    =
    @@@@@@  ======
    #0      #1
            dark
    """
    images = _checked(images, captions)
    width = shutil.get_terminal_size().columns if width is None else width
    images = _shrunk(images, min(width, widest or width))
    draw = _blocks if (_shows_colour() if colour is None else colour) else _shades
    tiles = [draw(image) for image in images]
    texts = [caption.splitlines() for caption in captions or [""] * len(images)]
    longest = max((columns(line) for text in texts for line in text), default=0)
    each = max(images.shape[2], min(longest, CAPTION, width))
    across = max(1, (width + GAP) // (each + GAP))
    groups = [slice(i, i + across) for i in range(0, len(tiles), across)]
    return "\n\n".join(
        _side_by_side(tiles[group], texts[group], images.shape[2], each) for group in groups
    )


def _side_by_side(
    tiles: Sequence[list[str]], texts: Sequence[list[str]], drawn: int, each: int
) -> str:
    """Pictures in one row, with their captions below them. drawn: columns of a picture. each:
    columns that it takes."""
    rows = [[line + " " * (each - drawn) for line in row] for row in zip(*tiles, strict=True)]
    for row in zip_longest(*texts, fillvalue=""):
        rows.append([padded(text, each) for text in row])
    return "\n".join((" " * GAP).join(row).rstrip() for row in rows)


def _checked(images: NDArray[Any], captions: Sequence[str] | None) -> NDArray[np.uint8]:
    """The pictures as (n, h, w) or (n, h, w, 3), or an error."""
    if images.dtype != np.uint8:
        raise TypeError(f"render: images: expected uint8 from 0 to 255, found {images.dtype}")
    several = images[None] if images.ndim == 2 else images
    if several.ndim < 3 or 0 in several.shape[1:3] or several.shape[3:] not in ((), (3,)):
        expected = "(n, h, w), (h, w) or (n, h, w, 3)"
        raise ValueError(f"render: images: expected shape {expected}, found {images.shape}")
    if captions is not None and len(captions) != len(several):
        raise ValueError(f"render: expected {len(several)} captions, found {len(captions)}")
    return several


def _shrunk(images: NDArray[np.uint8], widest: int) -> NDArray[np.uint8]:
    """The pictures with at most so many columns, by area averages, and with an even height: what is
    added below is black."""
    height, width = images.shape[1:3]
    if width > widest:
        from PIL import Image

        size = max(1, widest), max(1, round(height * widest / width))
        smaller = [Image.fromarray(image).resize(size, Image.Resampling.BOX) for image in images]
        images = np.stack([np.asarray(image) for image in smaller])
    below = [(0, 0)] * images.ndim
    below[1] = (0, images.shape[1] % 2)
    return np.pad(images, below)


def _blocks(image: NDArray[np.uint8]) -> list[str]:
    """Rows of half blocks. Neighbours of equal colours share one escape code: a digit is mostly
    black, and this makes it a third as long."""
    if image.ndim == 2:
        image = np.stack([image] * 3, axis=-1)
    lines = []
    for above, below in zip(image[::2].tolist(), image[1::2].tolist(), strict=True):
        line = ""
        for (a, b), run in groupby(zip(above, below, strict=True)):
            codes = ";".join(map(str, [38, 2, *a, 48, 2, *b]))
            line += f"\x1b[{codes}m" + "▀" * len(list(run))
        lines.append(line + "\x1b[0m")
    return lines


def _shades(image: NDArray[np.uint8]) -> list[str]:
    """Rows of characters as dense as two pixels are bright."""
    grey = image @ LUMINANCE if image.ndim == 3 else image
    pairs = grey.reshape(-1, 2, image.shape[1]).mean(1)
    shades = np.array(list(SHADES))[np.rint(pairs / 255 * (len(SHADES) - 1)).astype(int)]
    return ["".join(row) for row in shades.tolist()]


def _shows_colour() -> bool:
    return can_redraw() and has_unicode() and not os.environ.get("NO_COLOR")
