"""Digits in a terminal: two pixels to a character, a caption below each, several in a row."""

from __future__ import annotations

import os
import shutil
import textwrap
from collections.abc import Sequence
from itertools import groupby, zip_longest

import numpy as np
from numpy.typing import NDArray

from models.command_line import can_redraw, has_unicode

GAP = 2  # columns between two pictures
SHADES = " .:-=+*#%@"  # from black to white, all ASCII: a log or a mail keeps them


def render(
    images: NDArray[np.uint8],
    captions: Sequence[str] | None = None,
    width: int | None = None,
    colour: bool | None = None,
    shrink: int = 1,
) -> str:
    """Pictures as text to print: `images` is (n, h, w) or (h, w) uint8, 255 is white.

    A picture takes `w` columns and `h / 2` rows, after averaging has made both `shrink` times
    smaller. As many stand side by side as fit into `width` columns, at least one; each with its
    caption, wrapped to its own columns.

    In colour each character is an upper half block, with 24-bit grey escape codes for the pixel
    above and the one below; otherwise it is one of ten shades of ASCII. By default `width` is the
    terminal's, and there is colour unless standard output is no terminal, NO_COLOR is set
    (https://no-color.org) or blocks cannot be encoded.

    Raises ValueError for another shape, too few or too many captions, or a `shrink` that does
    not divide the pictures; TypeError for another dtype.

    >>> ring = np.full((6, 6), 255, np.uint8)
    >>> ring[2:4, 1:5] = 0
    >>> print(render(np.stack([ring, ring // 2]), ["#0", "#1 dark"], width=80, colour=False))
    @@@@@@  ======
    @    @  =    =
    @@@@@@  ======
    #0      #1
            dark
    """
    images = _checked(images, captions, shrink)
    columns = images.shape[2]
    width = shutil.get_terminal_size().columns if width is None else width
    draw = _blocks if (_shows_colour() if colour is None else colour) else _shades
    tiles = [draw(image) for image in images]
    texts = [textwrap.wrap(caption, columns) for caption in captions or [""] * len(images)]
    across = max(1, (width + GAP) // (columns + GAP))
    groups = [slice(i, i + across) for i in range(0, len(tiles), across)]
    return "\n\n".join(_side_by_side(tiles[each], texts[each], columns) for each in groups)


def _side_by_side(tiles: Sequence[list[str]], texts: Sequence[list[str]], columns: int) -> str:
    """Pictures in one row, with their captions below them."""
    rows = list(zip(*tiles, strict=True))
    for row in zip_longest(*texts, fillvalue=""):
        rows.append(tuple(text.ljust(columns) for text in row))
    return "\n".join((" " * GAP).join(row).rstrip() for row in rows)


def _checked(
    images: NDArray[np.uint8], captions: Sequence[str] | None, shrink: int
) -> NDArray[np.uint8]:
    """The pictures as (n, h, w), made smaller, with an even height; or an error."""
    if images.dtype != np.uint8:
        raise TypeError(f"render: images: expected uint8 from 0 to 255, found {images.dtype}")
    found = images.shape
    if images.ndim not in (2, 3) or 0 in found[-2:]:
        raise ValueError(f"render: images: expected shape (n, h, w) or (h, w), found {found}")
    height, width = found[-2:]
    images = images.reshape(-1, height, width)
    if captions is not None and len(captions) != len(images):
        raise ValueError(f"render: expected {len(images)} captions, found {len(captions)}")
    if shrink < 1 or height % shrink or width % shrink:
        sides = f"{height} and {width}"
        raise ValueError(f"render: shrink: expected a divisor of {sides}, found {shrink}")
    cells = images.reshape(-1, height // shrink, shrink, width // shrink, shrink)
    smaller = np.rint(cells.mean((2, 4))).astype(np.uint8)
    return np.pad(smaller, ((0, 0), (0, smaller.shape[1] % 2), (0, 0)))


def _blocks(image: NDArray[np.uint8]) -> list[str]:
    """Rows of half blocks. Neighbours of equal greys share one escape code: a digit is mostly
    black, and this makes it a third as long."""
    lines = []
    for above, below in zip(image[::2].tolist(), image[1::2].tolist(), strict=True):
        line = ""
        for (a, b), run in groupby(zip(above, below, strict=True)):
            line += f"\x1b[38;2;{a};{a};{a};48;2;{b};{b};{b}m" + "▀" * len(list(run))
        lines.append(line + "\x1b[0m")
    return lines


def _shades(image: NDArray[np.uint8]) -> list[str]:
    """Rows of characters as dense as two pixels are bright."""
    pairs = image.reshape(-1, 2, image.shape[1]).mean(1)
    shades = np.array(list(SHADES))[np.rint(pairs / 255 * (len(SHADES) - 1)).astype(int)]
    return ["".join(row) for row in shades.tolist()]


def _shows_colour() -> bool:
    return can_redraw() and has_unicode() and not os.environ.get("NO_COLOR")
