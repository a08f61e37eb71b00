"""What can be asked of an object without running any of the user's code: who defined it, what it is
made of, how far it has been read."""

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

from ....graph import Node
from ....modes.mode import mode
from .guards import MISSING, is_a


def is_library(name: Any) -> bool:
    """Whether a module of this name is Python's, NumPy's, the engine's or another that is
    installed: nothing is ever added to such a module, nor to its classes."""
    top = str(name).partition(".")[0]
    if top in ("autograd", "numpy") or (top in sys.stdlib_module_names and top != "__main__"):
        return True
    return "site-packages" in str(getattr(sys.modules.get(top), "__file__", ""))


def is_ours(obj: Any) -> bool:
    """Whether a class or a function is the engine's."""
    return str(obj.__module__).startswith("autograd.")


def is_engine_class(cls: type) -> bool:
    """Whether a class is the engine's, but not a layer or an optimizer."""
    return is_ours(cls) and cls.__module__ not in ("autograd.nn", "autograd.optim")


def iterator_position(iterator: Any) -> Any:
    """How far an iterator has come; None where it does not tell."""
    if is_a(iterator, types.GeneratorType):
        return "at its end" if iterator.gi_frame is None else "before it"
    if is_a(iterator, itertools.count):
        return repr(iterator)
    left = operator.length_hint(iterator, -1)
    return None if left < 0 else left


def read_offset(file: Any) -> Any:
    """How far a file has been read; None for a file that is written."""
    try:
        return None if file.writable() else file.tell()
    except (OSError, ValueError):  # it is read line by line, or closed
        return object()


def plain_getattribute(cls: type) -> bool:
    """Whether attributes of a class's objects are read without running code of the user's."""
    return not is_a(cls.__getattribute__, types.FunctionType)


def made_in_step(obj: Any) -> bool:
    """Whether an object is a node of the step: recorded by the trace, or a result."""
    trace = mode.trace
    return is_a(obj, Node) and bool(obj.primitive is not None or (trace and obj in trace.created))


def cell_content(cell: Any) -> Any:
    """What a closure's cell holds."""
    try:
        return cell.cell_contents
    except ValueError:
        return MISSING


def wrapped(obj: Any) -> list[Any]:
    """The functions and arguments of a method, a property, a partial and the like."""
    if is_a(obj, types.BuiltinFunctionType | types.MethodWrapperType):
        return [] if is_a(obj.__self__, types.ModuleType) else [obj.__self__]
    if is_a(obj, property):
        return [part for part in (obj.fget, obj.fset) if part]
    if is_a(obj, functools.partial | functools.partialmethod):
        return [obj.func, obj.args, obj.keywords]
    if is_a(obj, types.MethodType):
        return [obj.__func__, obj.__self__]
    return [obj.__func__] if is_a(obj, staticmethod | classmethod) else []


def code_of(obj: Any) -> list[types.CodeType]:
    """The code of a function, or of those that it wraps."""
    if is_a(obj, types.FunctionType):
        return [obj.__code__]
    return [code for part in wrapped(obj) for code in code_of(part)]


def nested_code(code: types.CodeType) -> Iterator[types.CodeType]:
    """The code of the functions defined in a function, at any depth."""
    for part in code.co_consts:
        if is_a(part, types.CodeType):
            yield part
            yield from nested_code(part)


def dict_of(obj: Any) -> Any:
    """An object's attributes; None where it has no dict."""
    try:
        names = (
            obj.__dict__
            if plain_getattribute(type(obj))
            else object.__getattribute__(obj, "__dict__")
        )
    except AttributeError:
        return None
    return names if type(names) is dict else None


def slot_names(cls: type) -> frozenset[str]:
    """The names of an object's attributes that lie in slots."""
    return frozenset(
        name
        for base in cls.__mro__
        for name, member in vars(base).items()
        if is_a(member, types.MemberDescriptorType)
    )


def cache_contents(cache: Any) -> list[Any]:
    """The values that functools.cache remembers."""
    tables = [table for table in gc.get_referents(cache) if is_a(table, dict)]
    return [value for table in tables for value in list(table.values())]


def object_entries(array: Any) -> list[Any]:
    """The objects in an array of objects."""
    return list(array.flat)


def mask_of(array: Any) -> bytes:
    """Which entries a masked array leaves out."""
    return np.ma.getmaskarray(array).tobytes()
