"""A picture of characters: points of several kinds in the plane, each kind by a mark of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["picture"]

WIDTH, HEIGHT = 60, 18  # in characters


def picture(*kinds: tuple[str, Sequence[Any] | NDArray[Any], Sequence[Any] | NDArray[Any]]) -> str:
    """The points (mark, x, y) of each kind, a later one over an earlier one.

    >>> print("|".join(line.strip() for line in picture(("o", [0, 1], [0, 1])).split()))
    o|o
    """
    xs, ys = (np.concatenate([np.ravel(kind[i]) for kind in kinds]) for i in (1, 2))
    rows = [[" "] * WIDTH for _ in range(HEIGHT)]
    for mark, x, y in kinds:
        columns, heights = _cells(x, xs, WIDTH), _cells(y, ys, HEIGHT)
        for column, height in zip(columns, heights, strict=True):
            rows[HEIGHT - 1 - height][column] = mark
    return "\n".join("".join(row).rstrip() for row in rows)


def _cells(values: Any, among: NDArray[Any], count: int) -> list[int]:
    """Which of `count` cells from the least to the greatest of `among` each value lies in."""
    low, high = among.min(), among.max()
    places = (np.ravel(values) - low) / (high - low or 1.0) * (count - 1)
    return [round(place) for place in places.tolist()]
