"""Reads the parts of a page that is a file of its own, and hashes its scripts."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

__all__ = ["digest", "read"]


def digest(text: str) -> str:
    """The hash by which a content security policy admits a script or a style.

    >>> digest("")
    "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"
    """
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def read(folder: Path, name: str) -> str:
    """The text of a file that is part of a page."""
    return (folder / name).read_text(encoding="utf-8")
