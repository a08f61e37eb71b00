"""Small pictures as PNG in `data:` addresses: digits, and the weights of a first layer."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Weights", "digit", "first_weights"]

SHOWN = 64  # neurons
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


def digit(image: NDArray[np.uint8]) -> str:
    """An image, (height, width) uint8, as it is."""
    from PIL import Image

    return _png(Image.fromarray(image))


def first_weights(weight: NDArray[np.float32], shape: tuple[int, int], by_norm: bool) -> Weights:
    """The weights of each neuron of a layer, (n, height * width), as a picture of `shape`: those
    of the SHOWN neurons of largest norm, the largest first, or of the first in their own order.

    >>> weight = np.outer([1, -3, 2], np.ones(784)).astype(np.float32)
    >>> found = first_weights(weight, (28, 28), by_norm=True)
    >>> found.neurons, found.columns, found.scale, found.source[:22]
    ([1, 2, 0], 3, 3.0, 'data:image/png;base64,')
    """
    from PIL import Image

    norms = np.linalg.norm(weight, axis=1)
    neurons = (np.argsort(-norms, kind="stable") if by_norm else np.arange(len(norms)))[:SHOWN]
    shown = weight[neurons]
    # A few large weights would leave the rest pale.
    scale = float(np.quantile(np.abs(shown), 0.99)) or 1.0
    levels = np.rint(np.clip(shown / scale, -1, 1) * LEVELS).astype(np.int64) + LEVELS
    columns = 5 if len(shown) == 10 else min(8, len(shown))
    rows = -(-len(shown) // columns)
    gap = 2 * LEVELS + 1
    height, width = shape
    grid = np.full((rows, columns, height + 1, width + 1), gap, np.uint8)
    for i, tile in enumerate(levels.reshape(-1, height, width)):
        grid[i // columns, i % columns, :height, :width] = tile
    pixels = grid.swapaxes(1, 2).reshape(rows * (height + 1), columns * (width + 1))[:-1, :-1]
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    picture.putpalette(_palette())
    source = _png(picture, transparency=gap)
    return Weights(source, neurons.tolist(), columns, pixels.shape[1], scale)


def _palette() -> list[int]:
    share = np.linspace(-1, 1, 2 * LEVELS + 1)[:, None]
    end = np.where(share < 0, NEGATIVE, POSITIVE)
    colors = ZERO + np.abs(share) * (end - np.array(ZERO))
    return [*np.rint(colors).astype(int).ravel().tolist(), 0, 0, 0]


def _png(picture: Any, **options: Any) -> str:
    file = io.BytesIO()
    picture.save(file, "PNG", optimize=True, **options)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
