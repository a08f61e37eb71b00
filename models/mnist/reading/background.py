"""What a picture would be without its ink: paper under any light, with frames and shadows.

Ink is thin beside what surrounds it. So the paper behind dark ink is the closing of mathematical
morphology, the brightest that squares wider than a stroke let through: planes of light, lamps,
dark corners and shadows with straight edges stay as they are, and strokes are filled in. (Serra,
Image Analysis and Mathematical Morphology, 1982.)
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.float32]


def paper(picture: Grey, reach: int) -> Grey:
    """What lies behind dark ink whose strokes are at most 2 `reach` wide: (h, w), no pixel of it
    darker than the picture's."""
    # Squares may lie beyond the border but for one row or column of theirs.
    seen = np.pad(picture, 2 * reach, mode="edge")
    for axis in (0, 1):
        seen = _highest_within(seen, reach, axis)
    for axis in (0, 1):
        seen = -_highest_within(-seen, reach, axis)
    return seen


def highest(picture: Grey, reach: int, axis: int) -> Grey:
    """The greatest of the pixels that are at most `reach` away along an axis."""
    pad = [(0, 0)] * picture.ndim
    pad[axis] = (reach, reach)
    return _highest_within(np.pad(picture, pad, mode="edge"), reach, axis)


def widened(picture: Grey, reach: int) -> Grey:
    """The greatest of the pixels in the square that reaches so far to all sides."""
    return highest(highest(picture, reach, 0), reach, 1)


def _highest_within(picture: Grey, reach: int, axis: int) -> Grey:
    """The same of pixels that have so many neighbours on both sides."""
    seen = np.moveaxis(picture, axis, 0)
    span, whole = 1, 2 * reach + 1
    while 2 * span <= whole:  # each step doubles how many pixels a maximum is of
        seen = np.maximum(seen[:-span], seen[span:])
        span *= 2
    if span < whole:
        seen = np.maximum(seen[: span - whole], seen[whole - span :])
    return np.moveaxis(seen, 0, axis)
