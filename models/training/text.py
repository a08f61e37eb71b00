"""Figures of a training as text, the same in the terminal and in the report."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence

from models.command_line import printable

__all__ = ["columns", "cut", "duration", "epoch_count", "layer_sizes", "padded", "percent"]


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


# --- names, which may be of any length and in any script -----------------------------------------


def columns(text: str) -> int:
    """How many columns of a terminal text takes: a Chinese or Japanese character takes two.

    >>> columns("shirt"), columns("お")
    (5, 2)
    """
    return sum(map(_columns, text))


def cut(text: str, width: int) -> str:
    """Text from a file, free of control characters, in at most `width` columns.

    >>> cut("T-shirt/top", 8), cut("coat", 8)
    ('T-shirt…', 'coat')
    """
    text = printable(text[: 8 * width])  # a name may be as long as a book
    if columns(text) <= width:
        return text
    kept, room = "", width - 1
    for character in text:
        room -= _columns(character)
        if room < 0:
            break
        kept += character
    return f"{kept}…"


def padded(text: str, width: int) -> str:
    """`cut`, and filled with spaces to `width` columns.

    >>> padded("coat", 6) + "|"
    'coat  |'
    """
    text = cut(text, width)
    return text + " " * (width - columns(text))


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
