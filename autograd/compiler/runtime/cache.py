"""The user's cache of machine code: compiled steps, and what else is slow to make (viz keeps its
WebAssembly there, the studio its modules in a folder beside).

What is read here is executed. So the folder and its files are this user's and nobody else may
write there; each file ends with a digest of the bytes before it, and is moved into its place whole.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import re
import shutil
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

__all__ = [
    "build_folder",
    "cache_folder",
    "keep",
    "private_folder",
    "read",
    "seal",
    "store",
    "warn_once",
]

DIGEST = hashlib.sha256().digest_size
CACHE_MB = 256
KEPT = (".so", ".cwasm", ".module")  # the endings of the files' names
BUILD_PREFIX = "tmp-step-"  # of the names of folders in which files are made
WARNED = set[str]()  # the causes that were logged


def warn_once(message: str) -> None:
    """Log a warning, once for each cause. Messages that differ only in line numbers and temporary
    files have one cause."""
    cause = re.sub(rf":\d+|/{BUILD_PREFIX}\S*", "", message)
    if cause not in WARNED:
        WARNED.add(cause)
        plain = message.encode("utf-8", "backslashreplace").decode()  # paths may not be
        logging.getLogger("autograd.jit").warning("%s", plain)


def cache_folder(name: str = "jit") -> Path:
    """Where the files are kept. Raises RuntimeError where the user has no home."""
    root = os.environ.get("XDG_CACHE_HOME", "")
    return Path(root if os.path.isabs(root) else Path.home() / ".cache", "chainrule", name)


def private_folder(name: str = "jit") -> tuple[Path | None, Exception | None]:
    """A cache folder, made if it does not exist; or why it cannot be used: only this user may
    write to it."""
    try:
        if sys.platform == "win32":
            raise OSError("Windows does not say whose a folder is")
        folder = cache_folder(name)
        for part in (*reversed(folder.parents), folder):
            part.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
            raise OSError(f"{folder} is no folder of this user")
        if status.st_mode & 0o022:
            raise OSError(f"others may write to {folder}")
        if os.statvfs(folder).f_flag & getattr(os, "ST_NOEXEC", 0):
            raise OSError(f"{folder} is mounted noexec")
    except (OSError, RuntimeError) as error:
        return None, error
    return folder, None


def read(file: Path) -> bytes | None:
    """What was kept in a file of the cache; None unless it is this user's, and whole."""
    try:
        status = file.lstat()
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.getuid():
            return None
        data = file.read_bytes()
    except OSError:
        return None
    if hashlib.sha256(data[:-DIGEST]).digest() != data[-DIGEST:]:
        return None
    with contextlib.suppress(OSError):
        os.utime(file)  # the least recently used are removed first
    return data[:-DIGEST]


def keep(file: Path, data: bytes, megabytes: int | None = None) -> None:
    """Put a file into a private folder, where that is possible. megabytes: that all files there may
    have; None: as many as `CHAINRULE_CACHE_MB` says."""
    with contextlib.suppress(OSError), build_folder(file.parent) as (folder, refused):
        if not refused:
            made = folder / file.name
            made.write_bytes(data)
            seal(made)
            store(made, file, megabytes)


def seal(made: Path) -> None:
    """Add the digest, by which `read` knows that the file is whole."""
    digest = hashlib.sha256(made.read_bytes()).digest()
    with open(made, "ab") as file:
        file.write(digest)
    made.chmod(0o600)


@contextlib.contextmanager
def build_folder(folder: Path | None) -> Iterator[tuple[Path, OSError | None]]:
    """A folder to make a file in: in the cache; or among the system's temporary files, with the
    reason. It is locked while its process lives, so that the folder of a killed process can be
    told."""
    import tempfile

    refused = None
    with contextlib.ExitStack() as stack:
        try:
            build_folder = tempfile.mkdtemp(prefix=BUILD_PREFIX, dir=folder)
        except OSError as error:
            refused = error
            build_folder = tempfile.mkdtemp(prefix=BUILD_PREFIX)
        stack.callback(shutil.rmtree, build_folder, ignore_errors=True)
        handle = os.open(build_folder, os.O_RDONLY)
        stack.callback(os.close, handle)
        _lock(handle)
        yield Path(build_folder), refused


def store(made: Path, file: Path, megabytes: int | None = None) -> bool:
    """Move what was made into the cache, and remove old files there; whether it could be moved."""
    now = made.stat().st_mtime_ns
    with contextlib.suppress(OSError):  # there is a folder of that name
        os.replace(made, file)
    for left in file.parent.glob("tmp*"):
        with contextlib.suppress(OSError):
            if _abandoned(left, now):
                shutil.rmtree(left) if left.is_dir() else left.unlink()
    _evict(file, _megabytes() if megabytes is None else megabytes)
    return file.is_file()


def _lock(handle: int) -> bool:
    """Lock a file until it is closed or the process ends; whether that was possible."""
    import fcntl  # here: Windows has none

    with contextlib.suppress(OSError):
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def _abandoned(left: Path, now: int) -> bool:
    """Whether the process that made a folder is gone: it is old enough to be locked, and is not."""
    handle = os.open(left, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    try:
        return os.fstat(handle).st_mtime_ns < now - 10**8 and _lock(handle)
    finally:
        os.close(handle)


def _megabytes() -> int:
    """What CHAINRULE_CACHE_MB says."""
    given = os.environ.get("CHAINRULE_CACHE_MB", "")
    if given.isascii() and given.isdigit():
        return int(given)
    if given:
        warn_once(
            f"CHAINRULE_CACHE_MB is a whole number of megabytes, not {given!r}: it is {CACHE_MB}"
        )
    return CACHE_MB


def _evict(newest: Path, megabytes: int) -> None:
    """Remove the least recently used files beyond so many megabytes."""
    free = megabytes * 10**6
    kept = list[tuple[int, int, Path]]()
    for file in newest.parent.iterdir():
        with contextlib.suppress(OSError):
            if file.suffix in KEPT:
                status = file.lstat()
                kept.append((status.st_mtime_ns, status.st_size, file))
    for _, size, file in sorted(kept, reverse=True):
        free -= size
        if free < 0 and file != newest:
            with contextlib.suppress(OSError):  # it is a folder, or another process was quicker
                file.unlink()
