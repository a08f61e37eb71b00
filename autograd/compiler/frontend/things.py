"""What can be asked of a thing without running any of the user's code: whose it is, what it is made
of, how far it has come."""

from __future__ import annotations

import functools
import gc
import itertools
import operator
import sys
import types
from collections.abc import Iterator
from typing import Any

import numpy as np

from ...graph import Node
from ...modes.mode import mode
from .guards import MISSING, is_a


def library(name: Any) -> bool:
    """Whether a module of this name is Python's, NumPy's, the engine's or another that is
    installed: nothing is ever added to it, nor to its classes."""
    top = str(name).partition(".")[0]
    if top in ("autograd", "numpy") or (top in sys.stdlib_module_names and top != "__main__"):
        return True
    return "site-packages" in str(getattr(sys.modules.get(top), "__file__", ""))


def ours(it: Any) -> bool:
    """Whether a class or a function is the engine's."""
    return str(it.__module__).startswith("autograd.")


def engine(cls: type) -> bool:
    """Whether a class is the engine's, and no layer or optimizer."""
    return ours(cls) and cls.__module__ not in ("autograd.nn", "autograd.optim")


def progress(iterator: Any) -> Any:
    """How far an iterator is; None where it does not tell."""
    if is_a(iterator, types.GeneratorType):
        return "at its end" if iterator.gi_frame is None else "before it"
    if is_a(iterator, itertools.count):
        return repr(iterator)
    left = operator.length_hint(iterator, -1)
    return None if left < 0 else left


def offset(file: Any) -> Any:
    """How far a file has been read; nothing for one that is written."""
    try:
        return None if file.writable() else file.tell()
    except (OSError, ValueError):  # it is read line by line, or closed
        return object()


def plain(cls: type) -> bool:
    """Whether attributes are read without code of the user's."""
    return not is_a(cls.__getattribute__, types.FunctionType)


def made_in_step(it: Any) -> bool:
    """Whether it is a node that a trace records, or a result."""
    trace = mode.trace
    return is_a(it, Node) and bool(it.primitive is not None or (trace and it in trace.created))


def content(cell: Any) -> Any:
    """What a cell holds."""
    try:
        return cell.cell_contents
    except ValueError:
        return MISSING


def wrapped(it: Any) -> list[Any]:
    """The functions and arguments of a method, a property, a partial and the like."""
    if is_a(it, types.BuiltinFunctionType | types.MethodWrapperType):
        return [] if is_a(it.__self__, types.ModuleType) else [it.__self__]
    if is_a(it, property):
        return [part for part in (it.fget, it.fset) if part]
    if is_a(it, functools.partial | functools.partialmethod):
        return [it.func, it.args, it.keywords]
    if is_a(it, types.MethodType):
        return [it.__func__, it.__self__]
    return [it.__func__] if is_a(it, staticmethod | classmethod) else []


def code_of(it: Any) -> list[types.CodeType]:
    """The code of a function, or of those that it wraps."""
    if is_a(it, types.FunctionType):
        return [it.__code__]
    return [code for part in wrapped(it) for code in code_of(part)]


def within(code: types.CodeType) -> Iterator[types.CodeType]:
    """The code of the functions written in a function, at any depth."""
    for part in code.co_consts:
        if is_a(part, types.CodeType):
            yield part
            yield from within(part)


def dict_of(it: Any) -> Any:
    """An object's attributes; None where it has no dict."""
    try:
        names = it.__dict__ if plain(type(it)) else object.__getattribute__(it, "__dict__")
    except AttributeError:
        return None
    return names if type(names) is dict else None


def slots(cls: type) -> frozenset[str]:
    """The names of an object's attributes that lie in slots."""
    return frozenset(
        name
        for base in cls.__mro__
        for name, place in vars(base).items()
        if is_a(place, types.MemberDescriptorType)
    )


def remembered(cache: Any) -> list[Any]:
    """What functools.cache remembers."""
    tables = [table for table in gc.get_referents(cache) if is_a(table, dict)]
    return [value for table in tables for value in list(table.values())]


def entries(array: Any) -> list[Any]:
    """The objects in an array of objects."""
    return list(array.flat)


def mask_of(array: Any) -> bytes:
    """Which entries a masked array leaves out."""
    return np.ma.getmaskarray(array).tobytes()
