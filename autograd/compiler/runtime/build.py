"""From C to a library in memory: compiled by the system's compiler, kept in the user's cache.

The compiler, the folders and their limits are the system's. Where one of them fails a BuildError
says so, and NumPy runs the step instead.
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
from . import cpu
from .quota import quota

HERE = Path(__file__).parent
HEADERS = HERE.parent / "printers"
FLAGS = ["-O3", "-march=native", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math"]
FLAGS += ["-fwrapv", "-fopenmp-simd", "-fPIC", "-shared", "-std=gnu11", "-w", "-pthread"]
MAX_THREADS = 64  # as threads.c has it
DIGEST = hashlib.sha256().digest_size
COMPILE_SECONDS = 60.0  # for the compilers of a step; the longest in the tests takes 3
CACHE_MB = 256
BUILD_PREFIX = "tmp-step-"  # of the names of folders in which steps are compiled
WARNED = set[str]()  # the causes that were logged
TIMED_OUT = set[str]()  # compilers that took too long, and are not started again


class BuildError(RuntimeError):
    """No library was made; the message says why."""


def warn_once(message: str) -> None:
    """Log a warning, once for each cause. Messages that differ only in line numbers and temporary
    files have one cause."""
    cause = re.sub(rf":\d+|/{BUILD_PREFIX}\S*", "", message)
    if cause not in WARNED:
        WARNED.add(cause)
        plain = message.encode("utf-8", "backslashreplace").decode()  # paths may not be
        logging.getLogger("autograd.jit").warning("%s", plain)


def compiler() -> str | None:
    """The C compiler's path; None, which is logged once, where there is none. CHAINRULE_CC names
    another compiler; if it is empty, none is used."""
    return find_compiler(os.environ.get("CHAINRULE_CC"))


@functools.cache
def find_compiler(chosen: str | None) -> str | None:
    """The path of a compiler of this name; for None, of the system's."""
    names = ["cc", "gcc", "clang"] if chosen is None else [chosen]
    names = [] if sys.platform == "win32" else names  # its threads are not POSIX's
    found = next((path for name in names if name and (path := shutil.which(name))), None)
    if found is None and chosen != "":
        warn_once(
            f"no C compiler ({', '.join(names)}): steps are replayed by NumPy, which is slower"
        )
    return found and os.path.abspath(found)  # it is run in another folder


@functools.cache
def machine() -> Machine:
    """The vectors and registers of this CPU."""
    if cpu.has(*cpu.AVX512):
        return Machine(vector=64, rows=8)
    if cpu.has("avx2", "fma"):
        return Machine(vector=32, rows=6)
    return Machine(vector=16, rows=8 if cpu.architecture() == "aarch64" else 4)


def cache_folder() -> Path:
    """Where compiled steps are kept. Raises RuntimeError where the user has no home."""
    root = os.environ.get("XDG_CACHE_HOME", "")
    return Path(root if os.path.isabs(root) else Path.home() / ".cache", "chainrule", "jit")


def library(parts: Sequence[str], names: Sequence[str]) -> ctypes.CDLL:
    """A library with functions of these names, compiled or found in the cache. parts: the texts of
    its C files, which are compiled in parallel. Raises BuildError."""
    path = compiler()
    if path is None:
        raise BuildError("there is no C compiler")
    try:
        return _cached_or_built(path, parts, names)
    except OSError as error:
        raise BuildError(f"{path}, or what it makes, cannot be used: {error}") from error


def _cached_or_built(path: str, parts: Sequence[str], names: Sequence[str]) -> ctypes.CDLL:
    status = os.stat(path)
    known = [*parts, path, str(status.st_mtime_ns), str(status.st_size), cpu.features(), *FLAGS]
    known += [(HEADERS / name).read_text("utf-8") for name in ("prelude.h", "team.h")]
    text = "\0".join([*known, sys.platform, platform.machine()])
    key = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:32]
    folder, why = _private_folder()
    file = folder and folder / f"{key}.so"
    if file and _intact(file):
        with contextlib.suppress(OSError, BuildError):  # it cannot be loaded: it is compiled again
            return _loaded(file, names)
    with _build_folder(folder) as (build_folder, refused):
        made = _compiled(path, parts, build_folder)
        opened = _loaded(made, names)  # raises before a broken library is stored
        kept = file and not refused and _store(made, file)
    if not kept:
        cause = why or refused or f"a folder has a library's name in {folder}"
        warn_once(f"compiled steps are not kept for the next process: {cause}")
    return opened


def _loaded(file: Path, names: Sequence[str]) -> ctypes.CDLL:
    opened = ctypes.CDLL(str(file))
    missing = [name for name in names if not hasattr(opened, name)]
    if missing:
        raise BuildError(f"{file} has no function {', '.join(missing)}")
    with contextlib.suppress(OSError):
        os.utime(file)  # the least recently used are removed first
    return opened


def _compiled(path: str, parts: Sequence[str], build_folder: Path) -> Path:
    """Compile into a file of the build folder; its last bytes are a digest of those before."""
    made = build_folder / "step.so"
    flags = [*FLAGS, "-mprefer-vector-width=512"] if machine().vector == 64 else FLAGS
    command, end = [path, *flags, f"-I{HEADERS}"], ["-o", str(made), "-lm"]
    files = [f"part{number}.c" for number in range(len(parts))]
    for name, part in zip(files, parts, strict=True):
        (build_folder / name).write_text(part, "utf-8")
    if len(files) > 1:
        objects = [f"{name}.o" for name in files]
        both = zip(files, objects, strict=True)
        _run_compilers([[*command, "-c", name, "-o", into] for name, into in both], build_folder)
        files = objects
    words = _run_compilers([[*command, *files, *end]], build_folder)
    if not made.is_file():
        raise BuildError(f"{path} makes no library: {words}")
    data = made.read_bytes()
    if _truncated(data):
        raise BuildError(f"{path} makes a part of a library: {words}")
    with open(made, "ab") as file:
        file.write(hashlib.sha256(data).digest())
    made.chmod(0o600)
    return made


def _truncated(data: bytes) -> bool:
    """Whether an ELF file ends before its table of sections does. To load the file would end the
    process (SIGBUS)."""
    if len(data) < 64 or data[:6] != b"\x7fELF\2\1":
        return False  # the loader says what is wrong
    (table,), (size, count) = (
        struct.unpack_from("<Q", data, 40),
        struct.unpack_from("<HH", data, 58),
    )
    return int(table + size * count) > len(data)


def _run_compilers(commands: Sequence[list[str]], build_folder: Path) -> str:
    """Run compilers, as many at a time as there are cores; gives their output. They and their child
    processes are killed if they take too long, if one fails or at an interrupt."""
    import subprocess  # here: libraries from the cache do not need it

    path, nothing = commands[0][0], subprocess.DEVNULL
    if path in TIMED_OUT:
        raise BuildError(_timeout_message(path))
    environment = os.environ | {"TMPDIR": str(build_folder)}
    deadline = time.monotonic() + COMPILE_SECONDS
    waiting, running = list(commands), list[subprocess.Popen[bytes]]()
    with open(build_folder / "output", "ab+") as output:
        try:
            while waiting or running:
                while waiting and len(running) < threads():
                    process = subprocess.Popen(
                        waiting.pop(0), stdin=nothing, stdout=nothing, stderr=output,
                        cwd=build_folder, env=environment, process_group=0,
                    )  # fmt: skip
                    running.append(process)
                for process in tuple(running):
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        status = process.wait(0.01)
                        running.remove(process)
                        _check_status(path, status, output)
                if time.monotonic() > deadline:
                    TIMED_OUT.add(path)
                    raise BuildError(_timeout_message(path))
        finally:
            for process in running:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        return _output_of(output)


def _timeout_message(path: str) -> str:
    return f"{path} does not come to an end in {COMPILE_SECONDS:g} s"


def _check_status(path: str, status: int, output: IO[bytes]) -> None:
    """Raise BuildError where a compiler has failed."""
    if status:
        how = f"is ended by signal {-status}" if status < 0 else "fails"
        raise BuildError(f"{path} {how}: {_output_of(output)}")


def _output_of(output: IO[bytes]) -> str:
    output.seek(0)
    return output.read().decode(errors="replace").strip() or "it says nothing"


# --- the cache -----------------------------------------------------------------------------------


def _private_folder() -> tuple[Path | None, Exception | None]:
    """The cache folder, made if it does not exist; or why it cannot be used: only this user may
    write to it."""
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


def _intact(file: Path) -> bool:
    """Whether a file is this user's and ends with a digest of the bytes before."""
    try:
        status = file.lstat()
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.getuid():
            return False
        data = file.read_bytes()
    except OSError:
        return False
    return hashlib.sha256(data[:-DIGEST]).digest() == data[-DIGEST:]


@contextlib.contextmanager
def _build_folder(folder: Path | None) -> Iterator[tuple[Path, OSError | None]]:
    """A folder to compile in: in the cache; or among the system's temporary files, with the reason.
    It is locked while its process lives, so that the folder of a killed process can be told."""
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


def _lock(handle: int) -> bool:
    """Lock a file until it is closed or the process ends; whether that was possible."""
    import fcntl  # here: Windows has none

    with contextlib.suppress(OSError):
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def _store(made: Path, file: Path) -> bool:
    """Move a library into the cache, and remove old files there; whether it could be moved."""
    now = made.stat().st_mtime_ns
    with contextlib.suppress(OSError):  # there is a folder of that name
        os.replace(made, file)
    for left in file.parent.glob("tmp*"):
        with contextlib.suppress(OSError):
            if _abandoned(left, now):
                shutil.rmtree(left) if left.is_dir() else left.unlink()
    _evict(file)
    return file.is_file()


def _abandoned(left: Path, now: int) -> bool:
    """Whether the process that made a folder is gone: it is old enough to be locked, and is not."""
    handle = os.open(left, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    try:
        return os.fstat(handle).st_mtime_ns < now - 10**8 and _lock(handle)
    finally:
        os.close(handle)


def _evict(newest: Path) -> None:
    """Remove the least recently used libraries beyond CHAINRULE_CACHE_MB megabytes."""
    given = os.environ.get("CHAINRULE_CACHE_MB", "")
    number = given.isascii() and given.isdigit()
    if given and not number:
        warn_once(
            f"CHAINRULE_CACHE_MB is a whole number of megabytes, not {given!r}: it is {CACHE_MB}"
        )
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
    """How many threads a step runs on: CHAINRULE_THREADS, or the number of cores that this process
    may use, within its quota of their time. Raises ValueError for another setting."""
    given = os.environ.get("CHAINRULE_THREADS", "")
    if given:
        if re.fullmatch("[0-9]{1,9}", given) and 1 <= int(given) <= MAX_THREADS:
            return int(given)
        wanted = f"a whole number from 1 to {MAX_THREADS}"
        raise ValueError(f"CHAINRULE_THREADS is {wanted}, not {given[:20]!r}")
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    # With less than half of a core's time the last thread would keep the others waiting for it.
    return max(1, math.floor(min(cores, quota() + 0.5, MAX_THREADS)))


@functools.cache
def pool() -> ctypes.CDLL:
    """The library that runs steps on threads."""
    return library([(HERE / "threads.c").read_text("utf-8")], ("run", "run_loop"))
