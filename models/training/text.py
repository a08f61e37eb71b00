"""Figures of a training as text, the same in the terminal and in the report."""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["duration", "epoch_count", "layer_sizes", "percent"]


def percent(fraction: float | None) -> str:
    """A fraction in percent; "-" for None, NaN and infinity.

    >>> percent(0.98431), percent(None)
    ('98.43 %', '-')
    """
    return "-" if fraction is None or not math.isfinite(fraction) else f"{100 * fraction:.2f} %"


def epoch_count(epochs: float) -> str:
    """How many epochs, of which the last may not be whole.

    >>> epoch_count(13.0), epoch_count(0.75)
    ('13', '0.75')
    """
    return f"{epochs:.0f}" if epochs == round(epochs) else f"{epochs:.2f}"


def duration(seconds: float) -> str:
    """How long something took.

    >>> duration(4.312)
    '4.3 s'
    """
    return f"{seconds:,.1f} s"


def layer_sizes(sizes: Sequence[int]) -> str:
    """The sizes of a network's layers, from its inputs to its outputs.

    >>> layer_sizes((784, 512, 10))
    '784-512-10'
    """
    return "-".join(map(str, sizes))
