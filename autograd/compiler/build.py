"""From C to a library in memory: compiled by the system's compiler, kept in the user's cache."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import logging
import math
import os
import platform
import re
import shutil
import stat
import sys
from pathlib import Path

from .product import Machine
from .quota import quota

HERE = Path(__file__).parent
FLAGS = ["-O3", "-march=native", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math"]
FLAGS += ["-fwrapv", "-fopenmp-simd", "-fPIC", "-shared", "-std=gnu11", "-w", "-pthread"]
MOST_THREADS = 64  # as threads.c has it
DIGEST = hashlib.sha256().digest_size


class BuildError(RuntimeError):
    """The compiler did not take what was made for it; the message has its words."""


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
        logging.getLogger("autograd.jit").warning(
            "no C compiler (%s): steps are replayed by NumPy, which is slower", ", ".join(names)
        )
    return found


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
    """Where compiled steps are kept."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root, "chainrule", "jit")


def library(source: str) -> ctypes.CDLL:
    """Compile C, or find it compiled. Raises BuildError."""
    path = compiler()
    if path is None:
        raise BuildError("there is no C compiler")
    status = os.stat(path)
    parts = (source, path, str(status.st_mtime_ns), str(status.st_size), features(), *FLAGS)
    parts += tuple((HERE / name).read_text() for name in ("prelude.h", "team.h"))
    key = hashlib.sha256("\0".join((*parts, sys.platform, platform.machine())).encode())
    return _load(path, source, key.hexdigest()[:32])


def _load(path: str, source: str, key: str) -> ctypes.CDLL:
    folder = _private(cache_folder())
    if folder is None:  # a cache that others could write to is none
        import tempfile

        with tempfile.TemporaryDirectory() as temporary:
            return ctypes.CDLL(str(_compiled(path, source, Path(temporary), key)))
    file = folder / f"{key}.so"
    if not _whole(file):
        file = _compiled(path, source, folder, key)
    return ctypes.CDLL(str(file))


def _private(folder: Path) -> Path | None:
    """The folder, made if need be, if it is this user's alone."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.lstat()
    except OSError:
        return None
    mine = stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid()
    return folder if mine and not status.st_mode & 0o022 else None


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


def _compiled(path: str, source: str, folder: Path, key: str) -> Path:
    """Compile into a file of the folder, which appears there whole or not at all."""
    import subprocess  # here: what is found in the cache needs neither
    import tempfile

    handle, name = tempfile.mkstemp(suffix=".so", dir=folder)  # readable by its owner alone
    os.close(handle)
    flags = [*FLAGS, "-mprefer-vector-width=512"] if machine().vector == 64 else FLAGS
    command = [path, *flags, f"-I{HERE}", "-x", "c", "-", "-o", name, "-lm"]
    try:
        result = subprocess.run(command, input=source, capture_output=True, text=True, check=False)
        if result.returncode:
            raise BuildError(f"{path} fails: {result.stderr.strip() or 'it says nothing'}")
        data = Path(name).read_bytes()
        with open(name, "ab") as file:
            file.write(hashlib.sha256(data).digest())
        os.chmod(name, 0o600)
        target = folder / f"{key}.so"
        os.replace(name, target)
        return target
    finally:
        Path(name).unlink(missing_ok=True)


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
    return library((HERE / "threads.c").read_text())
