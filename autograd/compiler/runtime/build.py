"""From C to a library in memory: compiled by the system's compiler, kept in the user's cache (see
cache.py).

The compiler, the folders and their limits are the system's. Where one of them fails a BuildError
says so, and NumPy runs the step instead.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import hashlib
import math
import os
import platform
import re
import shutil
import signal
import struct
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from ..passes.tiling import Machine
from . import cache, cpu
from .quota import quota

HERE = Path(__file__).parent
HEADERS = HERE.parent / "printers"
FLAGS = ["-O3", "-march=native", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math"]
FLAGS += ["-fwrapv", "-fopenmp-simd", "-fPIC", "-shared", "-std=gnu11", "-w", "-pthread"]
MAX_THREADS = 64  # as threads.c has it
COMPILE_SECONDS = 60.0  # for the compilers of a step; the longest in the tests takes 3
TIMED_OUT = set[str]()  # compilers that took too long, and are not started again


class BuildError(RuntimeError):
    """No library was made; the message says why."""


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
        cache.warn_once(
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
    folder, why = cache.private_folder()
    file = folder and folder / f"{key}.so"
    if file and cache.read(file) is not None:
        with contextlib.suppress(OSError, BuildError):  # it cannot be loaded: it is compiled again
            return _loaded(file, names)
    with cache.build_folder(folder) as (build_folder, refused):
        made = _compiled(path, parts, build_folder)
        opened = _loaded(made, names)  # raises before a broken library is stored
        kept = file and not refused and cache.store(made, file)
    if not kept:
        cause = why or refused or f"a folder has a library's name in {folder}"
        cache.warn_once(f"compiled steps are not kept for the next process: {cause}")
    return opened


def _loaded(file: Path, names: Sequence[str]) -> ctypes.CDLL:
    opened = ctypes.CDLL(str(file))
    missing = [name for name in names if not hasattr(opened, name)]
    if missing:
        raise BuildError(f"{file} has no function {', '.join(missing)}")
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
    if _truncated(made.read_bytes()):
        raise BuildError(f"{path} makes a part of a library: {words}")
    cache.seal(made)
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
