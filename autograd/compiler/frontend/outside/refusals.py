"""What a traced step may not read, because no guard can tell that it has changed at the next call:
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

DRAW_OTHERWISE = (
    "draw with autograd.random, by a counter that the step advances, or pass it as an argument"
)
PASS_IT_IN = "read it outside the step, and pass it as an argument"
# Functions of `time` and `os` whose results depend on their arguments alone, or that have none.
HARMLESS = frozenset(("fspath", "sleep", "strerror", "mktime", "strptime"))
CLOCKS = frozenset(("now", "utcnow", "today"))


def call_refusal(function: Any) -> str:
    """Why a step may not call this function, written in C; empty if it may."""
    name, owner = getattr(function, "__name__", ""), getattr(function, "__self__", None)
    module = getattr(function, "__module__", None)
    if isinstance(owner, types.ModuleType):
        module = module or owner.__name__
    if issubclass(type(owner), random.Random) and name in ("random", "getrandbits"):
        return f"random.{name}() draws a random number; {DRAW_OTHERWISE}"
    if name in HARMLESS or name.startswith("_"):
        return ""
    if module == "time" or (issubclass(type(owner), type) and name in CLOCKS):
        return f"{name}() reads the clock; {PASS_IT_IN}"
    if module in ("posix", "nt"):
        if name in ("urandom", "getrandom"):
            return f"os.{name}() draws random bytes; {DRAW_OTHERWISE}"
        return f"os.{name}() asks the operating system; {PASS_IT_IN}"
    if name in ("open", "input", "fromfile") and module in ("io", "_io", "builtins", "numpy"):
        return f"{name}() reads what may change; {PASS_IT_IN}"
    if name.startswith("read") and type(owner).__module__ in ("_io", "io"):
        return f"{name}() reads a file; {PASS_IT_IN}"
    if (module == "_pickle" and name == "load") or type(owner).__module__ == "sqlite3":
        return f"{name}() reads what may change; {PASS_IT_IN}"
    return ""


@functools.cache
def code_refusals() -> dict[types.CodeType, str]:
    """Why a step may not enter functions written in Python, by their code."""
    environment = vars(type(os.environ))
    readers = ("__getitem__", "__iter__", "__len__", "copy", "__contains__")
    found = [environment[name].__code__ for name in readers if name in environment]
    system = random.SystemRandom
    drawn = "the system's random bits are drawn, by a generator without a seed;"
    return dict.fromkeys(found, f"os.environ is read; {PASS_IT_IN}") | {
        system.getrandbits.__code__: f"{drawn} {DRAW_OTHERWISE}",
        system.random.__code__: f"{drawn} {DRAW_OTHERWISE}",
    }


def generator_state(generator: Any) -> Any:
    """The state of a random generator, which tells whether it was used; None for anything else."""
    kind = type(generator)
    if issubclass(kind, random.Random):
        if issubclass(kind, random.SystemRandom) or not hasattr(generator, "gauss_next"):
            return None  # the system's generator, or one that is not seeded yet
        return generator.getstate()
    if "numpy.random" not in sys.modules:
        return None
    numpy = sys.modules["numpy.random"]
    if issubclass(kind, numpy.Generator):
        generator = generator.bit_generator
    elif issubclass(kind, numpy.RandomState):
        generator = generator._bit_generator
    if not issubclass(type(generator), numpy.BitGenerator):
        return None
    spawned = getattr(generator.seed_seq, "n_children_spawned", 0)
    return pickle.dumps((generator.state, spawned))


def global_generators() -> Iterator[tuple[str, Any]]:
    """The generators behind the functions of `random` and `numpy.random`."""
    yield "random", random.seed.__self__  # type: ignore[attr-defined]
    with contextlib.suppress(
        OSError, ImportError
    ):  # too many files are open: the step cannot import it either
        import numpy.random  # NumPy does so when it is first named, which may be in the step

        yield "numpy.random", numpy.random.mtrand._rand
