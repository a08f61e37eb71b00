"""From C to a library in memory: compiled by the system's compiler, kept in the user's cache.

Much of this belongs to somebody else: a compiler, folders, limits. Whatever of it fails is a
BuildError in words, on which NumPy takes over.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import hashlib
import logging
import math
import os
import platform
import re
import shutil
import signal
import stat
import struct
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from ..passes.tiling import Machine
from .quota import quota

HERE = Path(__file__).parent
HEADERS = HERE.parent / "printers"
FLAGS = ["-O3", "-march=native", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math"]
FLAGS += ["-fwrapv", "-fopenmp-simd", "-fPIC", "-shared", "-std=gnu11", "-w", "-pthread"]
MOST_THREADS = 64  # as threads.c has it
DIGEST = hashlib.sha256().digest_size
PATIENCE = 60.0  # seconds that a step's compilers are given; the longest in the tests takes 3
CACHE_MB = 256
WORKSHOP = "tmp-step-"  # what the folders that steps are compiled in are called
SAID = set[str]()  # what the user was told
HUNG = set[str]()  # compilers that are not waited for a second time


class BuildError(RuntimeError):
    """No library was made; the message says why."""


def say(message: str) -> None:
    """Tell the user, once for each cause: the same words on other lines and of other temporary
    files are one."""
    cause = re.sub(rf":\d+|/{WORKSHOP}\S*", "", message)
    if cause not in SAID:
        SAID.add(cause)
        plain = message.encode("utf-8", "backslashreplace").decode()  # a path may be no text
        logging.getLogger("autograd.jit").warning("%s", plain)


def compiler() -> str | None:
    """The C compiler's path; None, said once, where there is none. CHAINRULE_CC names another, or,
    empty, none."""
    return _found(os.environ.get("CHAINRULE_CC"))


@functools.cache
def _found(chosen: str | None) -> str | None:
    names = ["cc", "gcc", "clang"] if chosen is None else [chosen]
    names = [] if sys.platform == "win32" else names  # whose threads are not POSIX's
    found = next((path for name in names if name and (path := shutil.which(name))), None)
    if found is None and chosen != "":
        say(f"no C compiler ({', '.join(names)}): steps are replayed by NumPy, which is slower")
    return found and os.path.abspath(found)  # it is called from another folder


@functools.cache
def features() -> str:
    """What the CPU can do, as the system tells."""
    try:
        with open("/proc/cpuinfo", errors="replace") as lines:
            return next((line for line in lines if line.startswith(("flags", "Features"))), "")
    except OSError:
        return platform.processor()


@functools.cache
def machine() -> Machine:
    """The vectors and registers of this CPU."""
    words = set(features().split())
    if words >= {"avx512f", "avx512bw", "avx512dq", "avx512vl"}:
        return Machine(vector=64, rows=8)
    if words >= {"avx2", "fma"}:
        return Machine(vector=32, rows=6)
    return Machine(vector=16, rows=8 if platform.machine() in ("aarch64", "arm64") else 4)


def cache_folder() -> Path:
    """Where compiled steps are kept. Raises RuntimeError where the user has no home."""
    root = os.environ.get("XDG_CACHE_HOME", "")
    return Path(root if os.path.isabs(root) else Path.home() / ".cache", "chainrule", "jit")


def library(parts: Sequence[str], names: Sequence[str]) -> ctypes.CDLL:
    """Compile C, or find it compiled: a library with functions of these names. The parts are files
    of their own, compiled side by side on the cores that there are. Raises BuildError."""
    path = compiler()
    if path is None:
        raise BuildError("there is no C compiler")
    try:
        return _library(path, parts, names)
    except OSError as error:
        raise BuildError(f"{path}, or what it makes, cannot be used: {error}") from error


def _library(path: str, parts: Sequence[str], names: Sequence[str]) -> ctypes.CDLL:
    status = os.stat(path)
    known = [*parts, path, str(status.st_mtime_ns), str(status.st_size), features(), *FLAGS]
    known += [(HEADERS / name).read_text("utf-8") for name in ("prelude.h", "team.h")]
    text = "\0".join([*known, sys.platform, platform.machine()])
    key = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:32]
    folder, why = _own_folder()
    file = folder and folder / f"{key}.so"
    if file and _whole(file):
        with contextlib.suppress(OSError, BuildError):  # it cannot be loaded: it is made anew
            return _opened(file, names)
    with _workshop(folder) as (workshop, refused):
        made = _compiled(path, parts, workshop)
        opened = _opened(made, names)  # what cannot be loaded is not kept
        kept = file and not refused and _keep(made, file)
    if not kept:
        cause = why or refused or f"a folder has a library's name in {folder}"
        say(f"compiled steps are not kept for the next process: {cause}")
    return opened


def _opened(file: Path, names: Sequence[str]) -> ctypes.CDLL:
    opened = ctypes.CDLL(str(file))
    missing = [name for name in names if not hasattr(opened, name)]
    if missing:
        raise BuildError(f"{file} has no function {', '.join(missing)}")
    with contextlib.suppress(OSError):
        os.utime(file)  # those used the longest ago are removed first
    return opened


def _compiled(path: str, parts: Sequence[str], workshop: Path) -> Path:
    """Compile into a file of the workshop, which ends with the digest of what stands before."""
    made = workshop / "step.so"
    flags = [*FLAGS, "-mprefer-vector-width=512"] if machine().vector == 64 else FLAGS
    command, end = [path, *flags, f"-I{HEADERS}"], ["-o", str(made), "-lm"]
    files = [f"part{number}.c" for number in range(len(parts))]
    for name, part in zip(files, parts, strict=True):
        (workshop / name).write_text(part, "utf-8")
    if len(files) > 1:
        objects = [f"{name}.o" for name in files]
        both = zip(files, objects, strict=True)
        _run([[*command, "-c", name, "-o", into] for name, into in both], workshop)
        files = objects
    words = _run([[*command, *files, *end]], workshop)
    if not made.is_file():
        raise BuildError(f"{path} makes no library: {words}")
    data = made.read_bytes()
    if _cut_off(data):
        raise BuildError(f"{path} makes a part of a library: {words}")
    with open(made, "ab") as file:
        file.write(hashlib.sha256(data).digest())
    made.chmod(0o600)
    return made


def _cut_off(data: bytes) -> bool:
    """Whether an ELF file ends before its table of sections does, which is at its end. To load what
    is missing would be the end of the process (SIGBUS)."""
    if len(data) < 64 or data[:6] != b"\x7fELF\2\1":
        return False  # what it is instead, the loader says
    (table,), (size, count) = (
        struct.unpack_from("<Q", data, 40),
        struct.unpack_from("<HH", data, 58),
    )
    return int(table + size * count) > len(data)


def _run(commands: Sequence[list[str]], workshop: Path) -> str:
    """What compilers say that run side by side, as many at a time as there are cores. They are
    ended with all they started if they take too long, if one fails or if we are told to stop."""
    import subprocess  # here: what is found in the cache does not need it

    path, nothing = commands[0][0], subprocess.DEVNULL
    if path in HUNG:
        raise BuildError(_late(path))
    environment, end = os.environ | {"TMPDIR": str(workshop)}, time.monotonic() + PATIENCE
    waiting, running = list(commands), list[subprocess.Popen[bytes]]()
    with open(workshop / "said", "ab+") as said:
        try:
            while waiting or running:
                while waiting and len(running) < threads():
                    process = subprocess.Popen(
                        waiting.pop(0), stdin=nothing, stdout=nothing, stderr=said, cwd=workshop,
                        env=environment, process_group=0,
                    )  # fmt: skip
                    running.append(process)
                for process in tuple(running):
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        status = process.wait(0.01)
                        running.remove(process)
                        _check(path, status, said)
                if time.monotonic() > end:
                    HUNG.add(path)
                    raise BuildError(_late(path))
        finally:
            for process in running:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        return _words(said)


def _late(path: str) -> str:
    return f"{path} does not come to an end in {PATIENCE:g} s"


def _check(path: str, status: int, said: IO[bytes]) -> None:
    """Raise BuildError where a compiler has failed."""
    if status:
        how = f"is ended by signal {-status}" if status < 0 else "fails"
        raise BuildError(f"{path} {how}: {_words(said)}")


def _words(said: IO[bytes]) -> str:
    said.seek(0)
    return said.read().decode(errors="replace").strip() or "it says nothing"


# --- the cache -----------------------------------------------------------------------------------


def _own_folder() -> tuple[Path | None, Exception | None]:
    """The cache folder, made if need be; or why there is none: it has to be this user's alone."""
    try:
        folder = cache_folder()
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


def _whole(file: Path) -> bool:
    """Whether a file is this user's and ends with the digest of what stands before."""
    try:
        status = file.lstat()
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.getuid():
            return False
        data = file.read_bytes()
    except OSError:
        return False
    return hashlib.sha256(data[:-DIGEST]).digest() == data[-DIGEST:]


@contextlib.contextmanager
def _workshop(folder: Path | None) -> Iterator[tuple[Path, OSError | None]]:
    """A folder to compile in: in the cache, or else, and why, where the system has its temporary
    files. It is locked while its owner lives, so that what a killed one leaves can be told."""
    import tempfile

    refused = None
    with contextlib.ExitStack() as stack:
        try:
            workshop = tempfile.mkdtemp(prefix=WORKSHOP, dir=folder)
        except OSError as error:
            refused = error
            workshop = tempfile.mkdtemp(prefix=WORKSHOP)
        stack.callback(shutil.rmtree, workshop, ignore_errors=True)
        handle = os.open(workshop, os.O_RDONLY)
        stack.callback(os.close, handle)
        _lock(handle)
        yield Path(workshop), refused


def _lock(handle: int) -> bool:
    """Whether a file could be locked; until it is closed, or its process ends in whatever way."""
    import fcntl  # here: Windows has none

    with contextlib.suppress(OSError):
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def _keep(made: Path, file: Path) -> bool:
    """Move a library into the cache, and make room there; whether there was a place for it."""
    now = made.stat().st_mtime_ns
    with contextlib.suppress(OSError):  # a folder has its name
        os.replace(made, file)
    for left in file.parent.glob("tmp*"):
        with contextlib.suppress(OSError):
            if _abandoned(left, now):
                shutil.rmtree(left) if left.is_dir() else left.unlink()
    _bound(file)
    return file.is_file()


def _abandoned(left: Path, now: int) -> bool:
    """Whether its owner is gone: nobody holds its lock, and it was there long enough to take it."""
    handle = os.open(left, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    try:
        return os.fstat(handle).st_mtime_ns < now - 10**8 and _lock(handle)
    finally:
        os.close(handle)


def _bound(newest: Path) -> None:
    """Of the libraries, keep those used last, so many megabytes (CHAINRULE_CACHE_MB) of them."""
    given = os.environ.get("CHAINRULE_CACHE_MB", "")
    number = given.isascii() and given.isdigit()
    if given and not number:
        say(f"CHAINRULE_CACHE_MB is a whole number of megabytes, not {given!r}: it is {CACHE_MB}")
    free = (int(given) if number else CACHE_MB) * 10**6
    kept = list[tuple[int, int, Path]]()
    for file in newest.parent.glob("*.so"):
        with contextlib.suppress(OSError):
            status = file.lstat()
            kept.append((status.st_mtime_ns, status.st_size, file))
    for _, size, file in sorted(kept, reverse=True):
        free -= size
        if free < 0 and file != newest:
            with contextlib.suppress(OSError):  # it is a folder, or another process was quicker
                file.unlink()


# --- threads -------------------------------------------------------------------------------------


@functools.cache
def threads() -> int:
    """How many threads a step runs on: CHAINRULE_THREADS, or as many as there are cores that this
    process may use, and time on them. Raises ValueError where the setting is no such number."""
    given = os.environ.get("CHAINRULE_THREADS", "")
    if given:
        if re.fullmatch("[0-9]{1,9}", given) and 1 <= int(given) <= MOST_THREADS:
            return int(given)
        wanted = f"a whole number from 1 to {MOST_THREADS}"
        raise ValueError(f"CHAINRULE_THREADS is {wanted}, not {given[:20]!r}")
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    # With less than half of a core's time the last thread would keep the others waiting for it.
    return max(1, math.floor(min(cores, quota() + 0.5, MOST_THREADS)))


@functools.cache
def pool() -> ctypes.CDLL:
    """The library that runs steps on threads."""
    return library([(HERE / "threads.c").read_text("utf-8")], ("run", "run_loop"))
