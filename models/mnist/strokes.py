"""A picture described by its strokes: where light changes, in which direction, and how broad it is.

Histograms of oriented gradients: Dalal and Triggs, 2005, https://doi.org/10.1109/CVPR.2005.177.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["describe"]

CELLS = 4  # along each side, in which changes are summed up
DIRECTIONS = 4  # of the changes; each from dark to light and from light to dark
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
    cells = np.einsum("ay,bx->yxab", _cells(height), _cells(width)).reshape(height * width, -1)
    parts = [
        _described(_smaller(images[i : i + CHUNK], block, height, width, scale), cells)
        for i in range(0, len(images), CHUNK)
    ]
    return np.concatenate(parts)


def _smaller(
    images: NDArray[Any], block: int, height: int, width: int, scale: float
) -> NDArray[np.float32]:
    """As float32 from 0 to 1, each block of pixels made one."""
    images = images[:, : height * block, : width * block].astype(np.float32) / np.float32(scale)
    if block == 1:
        return images
    parts = images.reshape(
        len(images), height, -1, width, images.shape[2] // width, images.shape[3]
    )
    smaller: NDArray[np.float32] = parts.mean((2, 4))
    return smaller


def _described(images: NDArray[np.float32], cells: NDArray[np.float32]) -> NDArray[np.float32]:
    n, height, width, colours = images.shape
    padded = np.zeros((n, height + 2, width + 2), np.float32)
    padded[:, 1:-1, 1:-1] = images.mean(3)
    across = (padded[:, 1:-1, 2:] - padded[:, 1:-1, :-2]).reshape(n, -1)
    down = (padded[:, 2:, 1:-1] - padded[:, :-2, 1:-1]).reshape(n, -1)
    changes = np.empty((2, DIRECTIONS, n, height * width), np.float32)
    for i in range(DIRECTIONS):
        angle = math.pi * i / DIRECTIONS
        np.multiply(across, np.float32(math.cos(angle)), out=changes[0, i])
        changes[0, i] += np.float32(math.sin(angle)) * down
        np.maximum(changes[0, i], 0, out=changes[1, i])
    # One product: many small ones wait for each other's threads.
    totals, rises = (changes.reshape(-1, height * width) @ cells).reshape(2, DIRECTIONS, n, -1)
    falls = rises - totals  # of -change, without computing it
    # Roots, so that a strong stroke counts little more than a faint one.
    strokes = np.sqrt(np.maximum(np.concatenate([*rises, *falls], 1), 0))
    light = [images[..., colour].reshape(n, -1) @ cells for colour in range(colours)]
    return np.concatenate([strokes, *light, _broad(padded)], 1)


def _broad(padded: NDArray[np.float32]) -> NDArray[np.float32]:
    """How much is bright in pictures with a dark border, (n, h, w), and is when peeled."""
    found = [padded.mean((1, 2))]
    for _ in range(PEELED):
        rows = np.minimum(padded[:, 2:], padded[:, :-2])
        rows = np.minimum(rows, padded[:, 1:-1], out=rows)
        peeled = np.zeros_like(padded)
        inner = np.minimum(padded[:, 1:-1, 2:], padded[:, 1:-1, :-2])
        np.minimum(inner, rows[:, :, 1:-1], out=peeled[:, 1:-1, 1:-1])
        padded = peeled
        found.append(padded.mean((1, 2)))
    weighted: NDArray[np.float32] = np.float32(WEIGHT) * np.sqrt(np.stack(found, 1))
    return weighted


def _cells(length: int) -> NDArray[np.float32]:
    """How much each pixel along a side counts for each cell, (cells, length): cells overlap, so
    that a stroke that moves by a pixel changes little."""
    cells = min(CELLS, length)
    middles = (np.arange(cells) + 0.5) * length / cells - 0.5
    weights = np.maximum(0, 1 - np.abs(np.arange(length) - middles[:, None]) * cells / length)
    normal: NDArray[np.float32] = (weights / weights.sum(1, keepdims=True)).astype(np.float32)
    return normal
