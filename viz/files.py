"""Files that are there whole or not at all."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

__all__ = ["write"]


def write(path: str | Path, content: str | bytes) -> None:
    """Write a file; one of that name is replaced in one step, also where this is interrupted.

    A link stays one: what it leads to is written. Raises OSError where it cannot be written, and
    for what is there and no file, a device or a pipe.
    """
    path = Path(os.path.realpath(path))
    if os.path.lexists(path) and not path.is_file():
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    with tempfile.TemporaryDirectory(prefix=".viz-", dir=path.parent) as folder:
        part = Path(folder, "part")
        part.write_bytes(content.encode() if isinstance(content, str) else content)
        part.replace(path)
