"""Where the files of registered datasets lie, and whether they are the right ones.

Those that are not in this package are in the user's cache, $XDG_CACHE_HOME or ~/.cache and there
chainrule/data/NAME: whole and verified, put there by `data.fetch`. Nothing here opens a connection.
"""

import hashlib
import os
from pathlib import Path

from data.errors import DataError
from data.files import reason
from data.registry import File, find


def cache() -> Path:
    """The folder in which fetched datasets are kept. Raises `DataError` for a user without home."""
    root = os.environ.get("XDG_CACHE_HOME", "")
    try:
        base = Path(root) if os.path.isabs(root) else Path.home() / ".cache"
    except RuntimeError as error:
        raise DataError(f"no cache: {error}: set XDG_CACHE_HOME to a folder") from error
    return base / "chainrule" / "data"


def place(name: str) -> Path:
    """The folder in which a dataset's files lie, or will. Raises `DataError`."""
    return find(name).folder or cache() / name


def missing(name: str) -> list[str]:
    """The names of a dataset's files that are not in its place.

    >>> missing("mnist")
    []
    """
    folder = place(name)
    return [file.name for file, _ in find(name).files() if not os.path.isfile(folder / file.name)]


def remedy(name: str) -> str:
    """What to do where a dataset's files are damaged."""
    vendored = find(name).folder is not None
    return "install Chainrule again" if vendored else f"run python -m data fetch {name}"


def damaged(name: str) -> list[str]:
    """What is wrong with those of a dataset's files that are there: a line for each."""
    folder, absent = place(name), missing(name)
    files = [file for file, _ in find(name).files() if file.name not in absent]
    return [wrong for file in files if (wrong := fault(folder / file.name, file))]


def fault(path: Path, file: File) -> str:
    """What is wrong with a file, or nothing."""
    try:
        wrong = difference(path.read_bytes(), file)
    except OSError as error:
        wrong = f"cannot be read: {reason(error)}"
    return wrong and f"{path}: {wrong}"


def difference(content: bytes, file: File) -> str:
    """How bytes differ from those registered, or nothing."""
    found = hashlib.sha256(content).hexdigest()
    if found == file.sha256:
        return ""
    return f"not the registered file: expected sha256 {file.sha256}, found {found}"
