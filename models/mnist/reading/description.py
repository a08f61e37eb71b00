"""A picture described by its strokes: where light changes, in which direction, and how broad it is.

Histograms of oriented gradients: Dalal and Triggs, 2005, https://doi.org/10.1109/CVPR.2005.177.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autograd import concatenate, mean, minimum, relu, reshape, sqrt

__all__ = ["describe", "traced"]

CELLS = 4  # along each side, in which changes are summed up
LARGEST = 32  # pixels along a side; what is larger is made smaller
PEELED = 3  # times that a pixel is taken off all edges: strokes are gone, a filled shape is not
WEIGHT = 5  # of what is left then: without it Fashion-MNIST's trousers and dresses pass for ones
CHUNK = 128  # pictures at once, which stay in the processor's caches


@np.errstate(all="ignore")
def describe(images: NDArray[Any], scale: float) -> NDArray[np.float32]:
    """Pictures (n, h, w), or (n, h, w, c), as float32 numbers, (n, numbers): of each cell how much
    the light changes in 8 directions, and how bright it is in each of c colours; then how much is
    bright, and still is where edges are peeled off.

    scale: what the pictures are divided by, so that they range from 0 to 1.

    >>> describe(np.zeros((3, 28, 28), np.uint8), 255.0).shape
    (3, 148)
    """
    if images.ndim == 3:
        images = images[..., None]
    block = -(-max(images.shape[1:3]) // LARGEST)
    height, width = (max(1, n // block) for n in images.shape[1:3])
    cells = np.einsum("ay,bx->yxab", _cells(height), _cells(width)).reshape(height, width, -1)
    cells = np.pad(cells, ((1, 1), (1, 1), (0, 0)))
    parts = [
        _described(_smaller(images[i : i + CHUNK], block, height, width), cells, np.float32(scale))
        for i in range(0, len(images), CHUNK)
    ]
    return np.concatenate(parts)


def _smaller(images: NDArray[Any], block: int, height: int, width: int) -> NDArray[Any]:
    """Each block of pixels made one."""
    images = images[:, : height * block, : width * block]
    if block == 1:
        return images
    n, wide, colours = len(images), images.shape[2] // width, images.shape[3]
    parts = images.reshape(n, height, -1, width, wide, colours)
    smaller: NDArray[np.float32] = parts.mean((2, 4), dtype=np.float32)
    return smaller


def _described(
    images: NDArray[Any], cells: NDArray[np.float32], scale: np.float32
) -> NDArray[np.float32]:
    n, width, colours = len(images), cells.shape[1], images.shape[3]
    weights = cells.reshape(-1, cells.shape[2])
    # With a dark border a picture is a row of numbers, in which what is beside a pixel is beside
    # it, and what is below it is `width` further on: whole rows are faster than many short ones.
    padded = np.zeros((n, *cells.shape[:2], colours), images.dtype)
    padded[:, 1:-1, 1:-1] = images
    padded = padded.reshape(n, -1, colours)
    bright = padded.mean(2, dtype=np.float32) if colours > 1 else padded[..., 0]
    grey = np.divide(bright, scale, dtype=np.float32)
    changes = np.zeros((2, 4, *grey.shape), np.float32)
    across, falling, down, rising = changes[0]
    np.subtract(grey[:, 2:], grey[:, :-2], out=across[:, 1:-1])
    np.subtract(grey[:, 2 * width :], grey[:, : -2 * width], out=down[:, width:-width])
    np.add(across, down, out=falling)
    np.subtract(down, across, out=rising)
    np.maximum(changes[0], 0, out=changes[1])
    # One product: many small ones wait for each other's threads.
    sums = (changes.reshape(-1, len(weights)) @ weights).reshape(2, 4, n, -1)
    sums[:, 1::2] *= np.float32(math.sqrt(0.5))  # of the diagonals
    totals, rises = sums
    falls = rises - totals  # of -change, without computing it
    # Roots, so that a strong stroke counts little more than a faint one.
    strokes = np.sqrt(np.maximum(np.concatenate([*rises, *falls], 1), 0))
    lights = [grey] if colours == 1 else [padded[..., i] / scale for i in range(colours)]
    light = [each @ weights for each in lights]
    broad = np.sqrt(np.maximum(_broad(bright, width) / scale, 0))
    return np.concatenate([strokes, *light, np.float32(WEIGHT) * broad], 1)


def _broad(bright: NDArray[Any], width: int) -> NDArray[np.float32]:
    """How much is bright in pictures with a dark border, rows of numbers, and is when peeled. The
    numbers are as they lie in the dataset: minima of bytes are quick."""
    found = [bright.mean(1, dtype=np.float32)]
    for _ in range(PEELED):
        peeled = np.zeros_like(bright)  # the border stays dark
        inner, middle = peeled[:, width:-width], bright[:, width:-width]
        np.minimum(bright[:, : -2 * width], bright[:, 2 * width :], out=inner)
        np.minimum(inner, middle, out=inner)
        np.minimum(inner, bright[:, width - 1 : -width - 1], out=inner)
        np.minimum(inner, bright[:, width + 1 : 1 - width], out=inner)
        bright = peeled
        found.append(bright.mean(1, dtype=np.float32))
    return np.stack(found, 1)


def _cells(length: int) -> NDArray[np.float32]:
    """How much each pixel along a side counts for each cell, (cells, length): cells overlap, so
    that a stroke that moves by a pixel changes little."""
    cells = min(CELLS, length)
    middles = (np.arange(cells) + 0.5) * length / cells - 0.5
    weights = np.maximum(0, 1 - np.abs(np.arange(length) - middles[:, None]) * cells / length)
    normal: NDArray[np.float32] = (weights / weights.sum(1, keepdims=True)).astype(np.float32)
    return normal


# --- the same as a graph -------------------------------------------------------------------------


def traced(grey: Any) -> Any:
    """The descriptions of grey pictures, a node (n, h, w) from 0 to 1, in the engine's operations,
    which a compiler prints: (n, numbers). (`describe` is five times as fast as these run eagerly.)

    >>> from autograd import Tensor
    >>> traced(Tensor(np.zeros((3, 28, 28), np.float32))).shape
    (3, 148)
    """
    n, height, width = grey.shape
    block = -(-max(height, width) // LARGEST)
    if block > 1:
        height, width = (max(1, side // block) for side in (height, width))
        blocks = grey[:, : height * block, : width * block]
        grey = mean(reshape(blocks, (n, height, -1, width, blocks.shape[2] // width)), (2, 4))
    flat = n, height * width
    cells = np.einsum("ay,bx->yxab", _cells(height), _cells(width)).reshape(flat[1], -1)
    above, below, left, right = _beside(grey)
    across, down = right - left, below - above
    half = np.float32(math.sqrt(0.5))
    changes = [across, (across + down) * half, down, (down - across) * half]
    strokes = [sqrt(reshape(relu(each), flat) @ cells)
               for each in (*changes, *(-each for each in changes))]  # fmt: skip
    peeled = [grey]
    for _ in range(PEELED):
        above, below, left, right = _beside(peeled[-1])
        shared = minimum(minimum(above, below), minimum(left, right))
        peeled.append(minimum(shared, peeled[-1]))
    # `describe` takes means with the border.
    share = np.float32(height * width / ((height + 2) * (width + 2)))
    broad = [
        np.float32(WEIGHT) * sqrt(mean(reshape(each, flat), 1, True) * share) for each in peeled
    ]
    return concatenate([*strokes, reshape(grey, flat) @ cells, *broad], 1)


def _beside(grey: Any) -> list[Any]:
    """What lies above each pixel, below it, on the left and on the right: 0 beyond the edges."""
    n, height, width = grey.shape
    row, column = np.zeros((n, 1, width), np.float32), np.zeros((n, height, 1), np.float32)
    return [
        concatenate([row, grey[:, :-1]], 1),
        concatenate([grey[:, 1:], row], 1),
        concatenate([column, grey[:, :, :-1]], 2),
        concatenate([grey[:, :, 1:], column], 2),
    ]
