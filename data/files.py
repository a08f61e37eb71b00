"""Files that are there whole or not at all, and why one cannot be had."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

__all__ = ["reason", "write"]


def write(path: str | Path, content: str | bytes) -> None:
    """Write a file; one of that name is replaced in one step, also where this is interrupted.

    A link stays one: the file that it leads to is written. Raises OSError where that cannot be
    written, or is no regular file but a device or a pipe; ValueError for a null byte in the path.
    """
    path = Path(os.path.realpath(path))
    if os.path.lexists(path) and not path.is_file():
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    with tempfile.TemporaryDirectory(prefix=".writing-", dir=path.parent) as folder:
        part = Path(folder, "part")
        part.write_bytes(content.encode() if isinstance(content, str) else content)
        part.replace(path)


def reason(error: Exception) -> str:
    """Why a file could not be opened, without the path and the number of the error.

    >>> reason(FileNotFoundError(2, "No such file or directory", "a.png"))
    'No such file or directory'
    >>> reason(ValueError("embedded null byte"))
    'embedded null byte'
    """
    return str(getattr(error, "strerror", None) or error)
