"""Which networks an export can train: all that `widths 16,32; depth 0-2` describes.

Clauses are separated by semicolons; each is a name and its values, separated by commas; of whole
numbers 0-2 are 0, 1 and 2. A clause that is left out is as `python -m viz export --help` says.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from math import prod
from typing import Any

from models.command_line import InputError
from viz.studio.engine.architecture import BATCH, LAYERS, WIDTH, Architecture
from viz.studio.options import ARCHITECTURES, CLAUSES
from viz.studio.refusal import Refusal

__all__ = ["architectures"]

MOST = 1000  # each is made, which takes about a second, and has some 30 KB
RANGE = re.compile(r"(\d{1,7})-(\d{1,7})", re.ASCII)


def architectures(
    text: str, shape: Sequence[int], classes: int, scale: float
) -> list[Architecture]:
    """The networks that a text describes, for examples of a dataset. Raises InputError.

    >>> found = architectures("widths 16,32; depth 0-1; optimizer sgd", (28, 28), 10, 255.0)
    >>> [str(each) for each in found]
    ['28x28-10_relu_sgd_128', '28x28-16-10_relu_sgd_128', '28x28-32-10_relu_sgd_128']
    """
    clauses = _clauses(f"{ARCHITECTURES}; {CLAUSES}") | _clauses(text)  # in the order of VALUES
    widths, depths = clauses.pop("widths"), clauses.pop("depth")
    count = sum(len(widths) ** depth for depth in depths) * prod(map(len, clauses.values()))
    if count > MOST:
        raise _wrong(f"at most {MOST:,} networks", f"{count:,}")
    layers = [hidden for depth in depths for hidden in product(widths, repeat=depth)]
    try:
        return [
            Architecture(
                tuple(shape), hidden, classes, activation, optimizer, batch, dropout, scale
            )
            for hidden, activation, optimizer, batch, dropout in product(layers, *clauses.values())
        ]
    except Refusal as error:
        raise InputError(f"--architectures: {str(error).partition(': ')[2]}") from error


def _clauses(text: str) -> dict[str, list[Any]]:
    """The values of each clause, by its name."""
    found: dict[str, list[Any]] = {}
    for clause in text.split(";"):
        name, *values = clause.split(None, 1) or [""]
        if name not in VALUES:
            example = f"clauses of {', '.join(VALUES)}, such as {ARCHITECTURES!r}"
            raise _wrong(example, repr(clause.strip()) if clause.strip() else "an empty clause")
        if name in found:
            raise _wrong(f"{name} once", "it twice")
        parts = [part.strip() for part in "".join(values).split(",")]
        read = [value for part in parts for value in VALUES[name](name, part)]
        found[name] = list(dict.fromkeys(read))
    return found


def _whole(least: int, most: int) -> Callable[[str, str], Iterator[int]]:
    """Reads a whole number, or a range of them."""

    def read(name: str, text: str) -> Iterator[int]:
        found = RANGE.fullmatch(text if "-" in text else f"{text}-{text}")
        first, last = map(int, found.groups()) if found else (1, 0)
        if not (least <= first <= last <= most):
            expected = f"{name} from {least} to {most:,}, as 1, 2 or as 1-2"
            raise _wrong(expected, text or "nothing")
        yield from range(first, last + 1)

    return read


def _name(name: str, text: str) -> Iterator[str]:
    if not text:
        raise _wrong(
            f"an {name}, as {name} relu" if name == "activation" else f"an {name}", "nothing"
        )
    yield text


def _share(name: str, text: str) -> Iterator[float]:
    try:
        yield float(text)
    except ValueError:
        raise _wrong(f"a {name} such as 0.2", text or "nothing") from None


def _wrong(expected: str, found: str) -> InputError:
    return InputError(f"--architectures: expected {expected}, found {found}")


# In the order in which an Architecture has them.
VALUES: dict[str, Callable[[str, str], Iterator[Any]]] = {
    "widths": _whole(1, WIDTH),
    "depth": _whole(0, LAYERS),
    "activation": _name,
    "optimizer": _name,
    "batch": _whole(1, BATCH),
    "dropout": _share,
}
