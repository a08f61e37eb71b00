"""Numbers, arrays and names as short text, the same in pictures, pages and terminals."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["amount", "cut", "entries", "norm", "param", "printable", "short", "value_range"]


def short(number: float, digits: int = 4) -> str:
    """A number in a few digits; a whole float keeps its ".0".

    >>> short(2.0), short(0.123456), short(-1e10), short(7), short(float("nan"))
    ('2.0', '0.1235', '-1e+10', '7', 'nan')
    >>> short(1234.5678), short(99999.4)
    ('1235', '99999')
    """
    if not isinstance(number, float):
        return str(number)
    text = f"{number:.{digits}g}"
    if "e+" in text and abs(number) < 1e6:
        text = f"{number:.0f}"
    return text + ".0" if text.lstrip("-").isdigit() and float(text) == number else text


def value_range(array: np.ndarray[Any, Any]) -> str:
    """The least and the greatest entry of an array that is too large to write down.

    >>> value_range(np.array([3, 1, 2])), value_range(np.ones(9))
    ('1 to 3', 'all 1.0')
    >>> value_range(np.array([1.5, np.nan, 0.25]))
    '0.25 to 1.5, nan in 1'
    """
    known = array[array == array]
    missing = array.size - known.size
    if not known.size:
        return "all nan" if missing else ""
    low, high = short(known.min().item()), short(known.max().item())
    text = f"all {low}" if low == high and not missing else f"{low} to {high}"
    return f"{text}, nan in {missing:,}" if missing else text


def amount(count: int) -> str:
    """A large count in three digits, with a space and a prefix for its unit.

    >>> amount(25_690_112) + "flop", amount(512) + "B"
    ('25.7 Mflop', '512 B')
    """
    for power, prefix in ((9, "G"), (6, "M"), (3, "k")):
        if count >= 10**power:
            return f"{count / 10**power:.3g} {prefix}"
    return f"{count} "


def entries(array: np.ndarray[Any, Any]) -> list[list[str]]:
    """The entries as rows of short numbers; [] where they are too many to read."""
    if array.ndim > 2 or max(array.shape, default=1) > 4 or not array.size:
        return []
    digits = 4 if array.size == 1 else 3
    return [[short(entry, digits) for entry in row] for row in np.atleast_2d(array).tolist()]


def norm(array: np.ndarray[Any, Any]) -> float:
    """The length of the array as a vector, in float64."""
    with np.errstate(all="ignore"):
        return float(np.linalg.norm(array.astype(np.float64)))


def param(value: Any) -> str:
    """A primitive's parameter as Python writes it, slices as an index does.

    >>> param((slice(1, 4, 2), 0)), param(True)
    ('[1:4:2, 0]', 'True')
    """
    if isinstance(value, tuple) and any(isinstance(part, slice) for part in value):
        return f"[{', '.join(map(param, value))}]"
    if isinstance(value, slice):
        start, stop, step = ("" if i is None else i for i in (value.start, value.stop, value.step))
        return f"{start}:{stop}" + (f":{step}" if step != "" else "")
    return str(value)


def cut(text: str, longest: int = 32) -> str:
    """Text of at most so many characters.

    >>> cut("a long name", 7)
    'a long…'
    """
    return text if len(text) <= longest else text[: longest - 1] + "…"


def printable(text: str) -> str:
    """Text in which line ends and control characters are written as Python escapes them.

    >>> print(printable("two" + chr(10) + "lines"))
    two\\nlines
    """
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
