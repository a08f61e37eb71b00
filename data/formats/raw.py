"""What every format gives, and how a file's bytes are had."""

import math
import mmap
import os
import stat
from typing import Any, NamedTuple, TypeAlias

from numpy.typing import NDArray

from data.errors import DataError
from data.files import reason

PathLike: TypeAlias = str | os.PathLike[str]
Content: TypeAlias = bytes | mmap.mmap

DEFLATE_MAX_RATIO = 1032  # no deflate stream grows by more: https://zlib.net/zlib_tech.html


class Raw(NamedTuple):
    """Images and labels as a file has them, neither checked nor converted.

    images: (n, ...) of any type. labels: (n,), what each example is called: integers or texts.
    The two names say in messages where they come from.
    """

    images: NDArray[Any]
    labels: NDArray[Any]
    where: str
    labels_where: str


def contents(path: PathLike) -> Content:
    """The bytes of a file: mapped, so that what is not looked at is not read.

    Raises `DataError` where it cannot be read or is no regular file: a pipe may never end.
    """
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise DataError(f"{path}: cannot be read: expected a regular file; copy it to one")
            if not status.st_size:
                return b""
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except DataError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        raise DataError(f"{path}: cannot be read: {reason(error)}") from error


def _without_waiting(path: str, flags: int) -> int:
    """Opening a pipe waits for its writer, unless told not to."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def as_number(text: str) -> float | None:
    """The finite number that a text is, or None. Python reads 1_000 too, which no table means.

    >>> as_number("1e3"), as_number("1_000"), as_number("nan"), as_number("two")
    (1000.0, None, None, None)
    """
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and "_" not in text else None
