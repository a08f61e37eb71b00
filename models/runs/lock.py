"""One process per run: a lock in the run's folder that dies with the process that holds it."""

from __future__ import annotations

import errno
import json
import os
import platform
import sys
import threading
import time
import weakref
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from data.files import flock
from models.command_line import InputError

__all__ = ["LOCK", "Lock", "in_use"]

LOCK = ".lock"


class Lock:
    """Holds a folder for this process until `release`, or as a context manager.

    The lock is flock's on a file in the folder, which kill -9 frees; the file names the holder.
    Where a file system has no flock, the file itself is the lock: it is taken over only from a
    process of this machine that has ended; any other has to be removed by hand.

    Raises InputError where another holds the folder, with the `advice` what to do beside waiting;
    OSError where it cannot be written.
    """

    def __init__(self, folder: str | Path, advice: str = "name another folder") -> None:
        self.folder, self.advice = Path(folder), advice
        self.path = self.folder / LOCK
        self._descriptor: int | None = None
        self._mutex = threading.Lock()
        self.take()
        _LOCKS.add(self)

    def __enter__(self) -> Lock:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    def is_held(self) -> bool:
        """Whether this process holds the folder that is there now: it may have been made anew."""
        if self._descriptor is None:
            return False
        try:
            return os.path.samestat(os.stat(self.path), os.fstat(self._descriptor))
        except OSError:
            return False

    def take(self) -> None:
        """Hold the folder, also one that was made anew. Raises as making a Lock does."""
        with self._mutex:
            # Again where the holder removed the file just before this locked it.
            while not self.is_held():
                self._take_file()

    def release(self) -> None:
        """Let the folder go; a second call does nothing."""
        with self._mutex:
            if self._descriptor is None:
                return
            is_held = self.is_held()
            if sys.platform == "win32":  # what is open cannot be removed
                self._close()
            if is_held:
                with suppress(OSError):
                    self.path.unlink()
            self._close()

    def forget(self) -> None:
        """In a forked child: its copy of the descriptor would hold the lock of a dead parent."""
        self._mutex = threading.Lock()
        self._close()

    def _take_file(self) -> None:
        descriptor, is_new = _open(self.path)
        try:
            is_free = flock(descriptor)
            if is_free is None and not is_new:
                self._take_over()
                is_free = True
            if is_free is False:
                raise self._refusal(f"wait until it ends, or {self.advice}")
        except BaseException:
            os.close(descriptor)
            raise
        self._close()
        self._descriptor = descriptor
        with suppress(OSError):  # a full disk: the words are missing, the lock holds
            os.ftruncate(descriptor, 0)
            os.write(descriptor, _words())

    def _take_over(self) -> None:
        """Remove a lock without flock whose process has ended. Raises InputError for others."""
        holder = _holder(self.path)
        if not holder or holder["host"] != platform.node() or _is_alive(holder["pid"]):
            raise self._refusal(f"if it has ended, remove {self.path}")
        self.path.unlink(missing_ok=True)

    def _refusal(self, advice: str) -> InputError:
        holder = _holder(self.path)
        who = "another process"
        if holder:
            who = f"process {holder['pid']} on {holder['host']}, since {holder['since']}"
        return InputError(f"{self.folder}: {who} writes into this folder; {advice}")

    def _close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def in_use(folder: str | Path) -> bool:
    """Whether a process holds a folder. The lock is not tried where the process that it names has
    ended: to try one that is free is to hold it for a moment, in which another would be refused."""
    path = Path(folder) / LOCK
    if not path.is_file():
        return False
    holder = _holder(path)
    if holder and holder["host"] == platform.node() and not _is_alive(holder["pid"]):
        return False
    try:
        descriptor = os.open(path, os.O_RDWR)
    except OSError as error:
        return error.errno != errno.ENOENT
    try:
        return not flock(descriptor)
    finally:
        os.close(descriptor)


_LOCKS: weakref.WeakSet[Lock] = weakref.WeakSet()


def _forget_all() -> None:
    for each in list(_LOCKS):
        each.forget()


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_forget_all)


def _open(path: Path) -> tuple[int, bool]:
    """The lock's file, and whether this made it."""
    for _ in range(100):
        with suppress(FileExistsError):
            return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666), True
        with suppress(FileNotFoundError):  # removed since
            return os.open(path, os.O_RDWR), False
    raise OSError(errno.EEXIST, "a link that leads nowhere", str(path))


def _words() -> bytes:
    since = time.strftime("%Y-%m-%d %H:%M:%S")
    return json.dumps({"pid": os.getpid(), "host": platform.node(), "since": since}).encode()


def _holder(path: Path) -> dict[str, Any] | None:
    """What a lock's file says; None where it says nothing that can be printed."""
    try:
        found = json.loads(path.read_bytes()[:1000])
        pid, host, since = (found[key] for key in ("pid", "host", "since"))
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None
    printable = isinstance(host, str) and isinstance(since, str) and f"{host}{since}".isprintable()
    return found if type(pid) is int and pid > 0 and printable else None


def _is_alive(pid: int) -> bool:
    if sys.platform == "win32":  # os.kill would end it
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
