"""Small pictures as PNG in `data:` addresses: examples, and the weights of a first layer."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Weights", "first_weights", "picture"]

SHOWN = 64  # neurons
PIXELS = 2**19  # weights of all of them together, of one colour
# The ends and the middle of ColorBrewer's RdBu, which colour-blind eyes can tell apart.
NEGATIVE, ZERO, POSITIVE = (33, 102, 172), (247, 247, 247), (178, 24, 43)
LEVELS = 127  # on either side of zero: the palette has 255 colours and one for the gaps


@dataclass(frozen=True)
class Weights:
    """A picture of neurons in a grid of `columns`, read row by row: `neurons` says which.

    At `scale` the colour is full; `width` is in pixels, of which a weight has one.
    """

    source: str
    neurons: list[int]
    columns: int
    width: int
    scale: float


def picture(image: NDArray[np.uint8]) -> str:
    """An image, (height, width) or (height, width, 3) uint8, as it is."""
    from PIL import Image

    return _png(Image.fromarray(image))


def first_weights(weight: NDArray[np.float32], shape: Sequence[int], by_norm: bool) -> Weights:
    """The weights of each neuron of a layer, (n, prod(shape)), as a picture of `shape`, which is
    (height, width), or (height, width, 1 or 3): those of the neurons of largest norm, the largest
    first, or of the first in their own order, SHOWN or as many as PIXELS allow.

    Weights of red, green and blue are drawn as such, around the grey of weights that are 0.

    >>> weight = np.outer([1, -3, 2], np.ones(64)).astype(np.float32)
    >>> found = first_weights(weight, (8, 8), by_norm=True)
    >>> found.neurons, found.columns, found.scale, found.source[:22]
    ([1, 2, 0], 3, 3.0, 'data:image/png;base64,')
    """
    from PIL import Image

    height, width = shape[:2]
    colours = 3 if tuple(shape[2:]) == (3,) else 1
    norms = np.linalg.norm(weight, axis=1)
    most = max(1, min(SHOWN, PIXELS // (height * width)))
    neurons = (np.argsort(-norms, kind="stable") if by_norm else np.arange(len(norms)))[:most]
    shown = weight[neurons]
    # A few large weights would leave the rest pale.
    scale = float(np.quantile(np.abs(shown), 0.99)) or 1.0
    levels = np.rint(np.clip(shown / scale, -1, 1) * LEVELS).astype(np.int64) + LEVELS
    gap = 2 * LEVELS + 1
    columns = _columns(len(shown))
    pixels = _grid(levels.reshape(-1, height, width, colours), columns, gap)
    if colours == 1:
        drawn = Image.fromarray(np.ascontiguousarray(pixels[..., 0]))
        drawn.putpalette(_palette())
        source = _png(drawn, transparency=gap)
    else:
        source = _png(Image.fromarray(np.ascontiguousarray(pixels)), transparency=(gap,) * 3)
    return Weights(source, neurons.tolist(), columns, pixels.shape[1], scale)


def _columns(count: int) -> int:
    """Of a grid of so many: at most 8, and where it can be the last row is full."""
    return next((n for n in range(min(8, count), 3, -1) if count % n == 0), min(8, count))


def _grid(tiles: NDArray[np.int64], columns: int, gap: int) -> NDArray[np.uint8]:
    """Tiles, (n, height, width, colours), in rows, with a pixel of `gap` between two."""
    count, height, width, colours = tiles.shape
    rows = -(-count // columns)
    grid = np.full((rows, columns, height + 1, width + 1, colours), gap, np.uint8)
    for i, tile in enumerate(tiles):
        grid[i // columns, i % columns, :height, :width] = tile
    whole = grid.swapaxes(1, 2).reshape(rows * (height + 1), columns * (width + 1), colours)
    return whole[:-1, :-1]


def _palette() -> list[int]:
    share = np.linspace(-1, 1, 2 * LEVELS + 1)[:, None]
    end = np.where(share < 0, NEGATIVE, POSITIVE)
    colors = ZERO + np.abs(share) * (end - np.array(ZERO))
    return [*np.rint(colors).astype(int).ravel().tolist(), 0, 0, 0]


def _png(image: Any, **options: Any) -> str:
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True, **options)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
