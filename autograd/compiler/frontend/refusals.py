"""What a traced step may not read, because nothing would tell that it is another at the next call:
random numbers, clocks, the environment, files."""

from __future__ import annotations

import contextlib
import functools
import os
import pickle
import random
import sys
import types
from collections.abc import Iterator
from typing import Any

CHANCE = "draw with autograd.random, by a counter that the step advances, or pass it as an argument"
OUTSIDE = "read it outside the step, and pass it as an argument"
# Functions of `time` and `os` that answer by their arguments alone, or answer nothing.
HARMLESS = frozenset(("fspath", "sleep", "strerror", "mktime", "strptime"))
CLOCKS = frozenset(("now", "utcnow", "today"))


def refused(function: Any) -> str:
    """Why a step may not call this function, made in C; nothing if it may."""
    name, owner = getattr(function, "__name__", ""), getattr(function, "__self__", None)
    module = getattr(function, "__module__", None)
    if isinstance(owner, types.ModuleType):
        module = module or owner.__name__
    if issubclass(type(owner), random.Random) and name in ("random", "getrandbits"):
        return f"random.{name}() draws a random number; {CHANCE}"
    if name in HARMLESS or name.startswith("_"):
        return ""
    if module == "time" or (issubclass(type(owner), type) and name in CLOCKS):
        return f"{name}() reads the clock; {OUTSIDE}"
    if module in ("posix", "nt"):
        if name in ("urandom", "getrandom"):
            return f"os.{name}() draws random bytes; {CHANCE}"
        return f"os.{name}() asks the operating system; {OUTSIDE}"
    if name in ("open", "input", "fromfile") and module in ("io", "_io", "builtins", "numpy"):
        return f"{name}() reads what may change; {OUTSIDE}"
    if name.startswith("read") and type(owner).__module__ in ("_io", "io"):
        return f"{name}() reads a file; {OUTSIDE}"
    if (module == "_pickle" and name == "load") or type(owner).__module__ == "sqlite3":
        return f"{name}() reads what may change; {OUTSIDE}"
    return ""


@functools.cache
def refused_code() -> dict[types.CodeType, str]:
    """The same of functions written in Python."""
    environment = vars(type(os.environ))
    readers = ("__getitem__", "__iter__", "__len__", "copy", "__contains__")
    found = [environment[name].__code__ for name in readers if name in environment]
    system = random.SystemRandom
    drawn = "the system's random bits are drawn, by a generator without a seed;"
    return dict.fromkeys(found, f"os.environ is read; {OUTSIDE}") | {
        system.getrandbits.__code__: f"{drawn} {CHANCE}",
        system.random.__code__: f"{drawn} {CHANCE}",
    }


def position(source: Any) -> Any:
    """Where a source of random numbers stands, which tells whether it was used; None for anything
    that is none."""
    kind = type(source)
    if issubclass(kind, random.Random):
        if issubclass(kind, random.SystemRandom) or not hasattr(source, "gauss_next"):
            return None  # the system's; or one that is not seeded yet
        return source.getstate()
    if "numpy.random" not in sys.modules:
        return None
    numpy = sys.modules["numpy.random"]
    if issubclass(kind, numpy.Generator):
        source = source.bit_generator
    elif issubclass(kind, numpy.RandomState):
        source = source._bit_generator
    if not issubclass(type(source), numpy.BitGenerator):
        return None
    spawned = getattr(source.seed_seq, "n_children_spawned", 0)
    return pickle.dumps((source.state, spawned))


def common_sources() -> Iterator[tuple[str, Any]]:
    """The sources behind the functions of `random` and `numpy.random`."""
    yield "random", random.seed.__self__  # type: ignore[attr-defined]
    with contextlib.suppress(OSError, ImportError):  # too many files are open: nor can the step
        import numpy.random  # NumPy does so when it is first named, which may be in the step

        yield "numpy.random", numpy.random.mtrand._rand
