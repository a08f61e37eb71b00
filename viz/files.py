"""Files that are there whole or not at all."""

from __future__ import annotations

import tempfile
from pathlib import Path

__all__ = ["write"]


def write(path: str | Path, content: str | bytes) -> None:
    """Write a file; one of that name is replaced in one step, also where this is interrupted.

    Raises OSError where it cannot be written.
    """
    path = Path(path)
    with tempfile.TemporaryDirectory(prefix=".viz-", dir=path.parent) as folder:
        part = Path(folder, "part")
        part.write_bytes(content.encode() if isinstance(content, str) else content)
        part.replace(path)
