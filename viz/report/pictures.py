"""Small pictures as PNG in `data:` addresses: digits, and the weights that look at them."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Weights", "digit", "first_weights"]

SIDE = 28
SHOWN = 64  # neurons
# The ends and the middle of ColorBrewer's RdBu, which colour-blind eyes can tell apart.
NEGATIVE, ZERO, POSITIVE = (33, 102, 172), (247, 247, 247), (178, 24, 43)
LEVELS = 127  # on either side of zero: the palette has 255 colours and one for nothing


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
    """A (28, 28) image, as it is."""
    from PIL import Image

    return _png(Image.fromarray(image))


def first_weights(weight: NDArray[np.float32], by_norm: bool) -> Weights:
    """Each neuron of a layer, (n, 784), as the picture it looks for: the SHOWN of largest norm,
    the largest first, or the first ones in their own order.

    >>> found = first_weights(np.outer([1, -3, 2], np.ones(784)).astype(np.float32), by_norm=True)
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
    nothing = 2 * LEVELS + 1
    grid = np.full((rows, columns, SIDE + 1, SIDE + 1), nothing, np.uint8)
    for i, tile in enumerate(levels.reshape(-1, SIDE, SIDE)):
        grid[i // columns, i % columns, :SIDE, :SIDE] = tile
    pixels = grid.swapaxes(1, 2).reshape(rows * (SIDE + 1), columns * (SIDE + 1))[:-1, :-1]
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    picture.putpalette(_palette())
    source = _png(picture, transparency=nothing)
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
