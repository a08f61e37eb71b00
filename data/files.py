"""Files and folders that are there whole or not at all, and why one cannot be had.

What is written goes into a part beside its place, is forced onto the disk, and is renamed: also
after a power cut there is the old one or the new one. A process that is killed leaves its part
behind; `clear` removes those that nobody is writing any more.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["clear", "flock", "reason", "sync", "write", "write_folder"]

PART = re.compile(r"\.writing-[0-9a-f]{16}")


def write(path: str | Path, content: str | bytes | bytearray) -> None:
    """Write a file; one of that name is replaced in one step, also where this is interrupted.

    A link stays one: the file that it leads to is written. Raises OSError where that cannot be
    written, or is no regular file but a device or a pipe; ValueError for a null byte in the path.
    """
    path = Path(os.path.realpath(path))
    if os.path.lexists(path) and not path.is_file():
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    with _part(path.parent, os.O_RDWR | os.O_CREAT | os.O_EXCL) as part:
        part.write_bytes(content.encode() if isinstance(content, str) else content)
        sync(part)
        part.replace(path)
    sync(path.parent)


def write_folder(path: str | Path, contents: Mapping[str, bytes], replaces: bool = False) -> None:
    """Make a folder of files in one step, also where this is interrupted. Their names may have
    folders in them. Raises OSError where it cannot be made, or, unless it `replaces` a folder,
    holds something already."""
    path = Path(path)
    with _part(path.parent, os.O_RDONLY) as part:
        for name, content in contents.items():
            (part / name).parent.mkdir(parents=True, exist_ok=True)
            (part / name).write_bytes(content)
            sync(part / name)
        for folder in {(part / name).parent for name in contents} | {part}:
            sync(folder)
        if replaces:
            _exchange(part, path)
        else:
            part.rename(path)
    sync(path.parent)


def _exchange(part: Path, path: Path) -> None:
    """Put a part in the place of a folder, which is removed. Between the two there is neither for
    a moment: no system has a call for it that Python knows."""
    with _part(path.parent, os.O_RDONLY) as old:
        path.rename(old)
        try:
            part.rename(path)
        except OSError:
            old.rename(path)
            raise
    _remove(old)


def sync(path: str | Path) -> None:
    """Force a file's bytes, or the names in a folder, onto the disk. Raises OSError."""
    try:
        descriptor = os.open(path, os.O_RDONLY if Path(path).is_dir() else os.O_RDWR)
    except PermissionError:  # a folder that may be written but not listed; any folder on Windows
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # a file system without it
            raise
    finally:
        os.close(descriptor)


def clear(folder: str | Path) -> None:
    """Remove what processes that were killed have left in a folder by `write` or `write_folder`.

    A part that is being written is locked and stays; where files cannot be locked, all stay.
    """
    with suppress(OSError):
        for part in filter(lambda each: PART.fullmatch(each.name), Path(folder).iterdir()):
            with suppress(OSError):  # gone meanwhile, or somebody else's
                _remove_if_left(part)


def flock(descriptor: int) -> bool | None:
    """Lock an open file for this process, without waiting: whether nobody else holds it.

    The lock goes with the last descriptor: kill -9 frees it. None where there is no such lock:
    on Windows, and on some network file systems.
    """
    if sys.platform == "win32":
        return None
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def reason(error: BaseException) -> str:
    """Why a file could not be opened, without the path and the number of the error.

    >>> reason(FileNotFoundError(2, "No such file or directory", "a.png"))
    'No such file or directory'
    >>> reason(ValueError("embedded null byte"))
    'embedded null byte'
    """
    return str(getattr(error, "strerror", None) or error) or type(error).__name__


@contextmanager
def _part(parent: Path, flags: int) -> Iterator[Path]:
    """A new locked part in a folder: a file where `flags` create one, else a folder. It is removed
    where an error ends this."""
    part, descriptor = _new_part(parent, flags)
    try:
        yield part
    except BaseException:
        _remove(part)
        raise
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _new_part(parent: Path, flags: int) -> tuple[Path, int | None]:
    """A part and the descriptor that locks it."""
    while True:
        part = parent / f".writing-{secrets.token_hex(8)}"
        if not flags & os.O_CREAT:
            part.mkdir()
        if sys.platform == "win32":  # what is open cannot be renamed
            return part, None
        with suppress(FileNotFoundError, FileExistsError):
            descriptor = os.open(part, flags, 0o666)
            # Between the two calls `clear` may have found it unlocked: then it is gone.
            if flock(descriptor) is not False and part.exists():
                return part, descriptor
            os.close(descriptor)
        if not parent.is_dir():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(parent))


def _remove_if_left(part: Path) -> None:
    descriptor = os.open(part, os.O_RDONLY if part.is_dir() else os.O_RDWR)
    try:
        if flock(descriptor):
            _remove(part)
    finally:
        os.close(descriptor)


def _remove(part: Path) -> None:
    if part.is_dir():
        shutil.rmtree(part, ignore_errors=True)
    else:
        with suppress(OSError):
            part.unlink()
