"""What each kind of object holds: how an object that a step reaches is opened.

Containers have parts, arrays bytes, and objects, classes and modules a dict of attributes. A cache
or a weak reference can be compared only by a call. An iterator or a file that the step advances is
refused.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import io
import operator
import types
import weakref
from collections import deque
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import numpy as np

from ....graph import Node
from ....state import State
from ....value import Value
from .guards import MISSING, SCALARS, Guards, is_a, keys_and_values
from .introspection import (
    cache_contents,
    cell_content,
    dict_of,
    is_engine_class,
    is_library,
    is_ours,
    iterator_position,
    mask_of,
    object_entries,
    plain_getattribute,
    read_offset,
    slot_names,
    wrapped,
)
from .object_graph import ObjectGraph, Tracked
from .reads import ANY
from .refusals import PASS_IT_IN, generator_state

# Their attributes are read by their own openers, or do not count.
OPENED_OTHERWISE = (
    type,
    Node,
    types.ModuleType,
    types.FunctionType,
    io.IOBase,
    *weakref.ProxyTypes,
)
HEAP = 1 << 9  # Py_TPFLAGS_HEAPTYPE: a class that was not written in C, or is as mutable


def open_new(graph: ObjectGraph) -> None:
    """Open what was reached, until nothing is new."""
    while graph.new:
        entry = graph.new.pop()
        obj = entry.obj
        opener = next((open_ for kinds, open_ in OPENERS if is_a(obj, kinds)), None)
        if opener is not None:
            opener(graph, entry)
        elif not _open_generator(entry):
            _open_in_c(graph, entry)
        named = type(obj).__flags__ & HEAP or dict_of(obj) is not None
        if named and not is_a(obj, OPENED_OTHERWISE):
            _open_object(graph, entry)


def _compare_call(entry: Tracked, ask: Callable[[], Any], found: Any) -> None:
    """A guard: a call gives what it gave."""
    path = entry.path
    entry.guard_makers.append(lambda guards: guards.add_call(ask, found, path))


def _open_generator(entry: Tracked) -> bool:
    """Whether it is a random generator: its state tells whether the step has drawn from it."""
    entry.random_state = generator_state(entry.obj)
    return entry.random_state is not None


def _open_in_c(graph: ObjectGraph, entry: Tracked) -> None:
    """Something made in C: its bytes, if it shows them, or what it refers to."""
    try:
        graph.compare_contents(entry)
    except (TypeError, BufferError, ValueError):
        if hasattr(type(entry.obj), "__next__"):
            _open_iterator(graph, entry)
        elif not type(entry.obj).__flags__ & HEAP and dict_of(entry.obj) is None:
            graph.compare_parts(entry, gc.get_referents)


# --- data ----------------------------------------------------------------------------------------


def _open_nothing(graph: ObjectGraph, entry: Tracked) -> None:
    """NumPy's numbers have no parts."""


def _open_array(graph: ObjectGraph, entry: Tracked) -> None:
    array = entry.obj
    if array.dtype.hasobject:
        graph.compare_parts(entry, object_entries)
    else:
        graph.compare_contents(entry)
    if is_a(array, np.ma.MaskedArray):
        _compare_call(entry, lambda: mask_of(array), mask_of(array))


def _open_record(graph: ObjectGraph, entry: Tracked) -> None:
    """A NumPy record, which shows the memory of an array."""
    _compare_call(entry, entry.obj.tobytes, entry.obj.tobytes())


def _open_node(graph: ObjectGraph, entry: Tracked) -> None:
    if is_a(entry.obj, Value):
        entry.edges["attribute", "_data"] = entry.obj._data, f"{entry.path}.data"


def _open_dict(graph: ObjectGraph, entry: Tracked) -> None:
    obj, path = entry.obj, entry.path
    keys, values = tuple(dict.keys(obj)), tuple(dict.values(obj))
    entry.guard_makers.append(
        lambda guards: guards.parts.append((keys_and_values, obj, keys + values, path))
    )
    for key, value in zip(keys, values, strict=True):
        graph.add_part(entry, key, f"a key of {path}")
        graph.add_part(entry, value, f"{path}[{key!r}]" if type(key) in SCALARS else path)


def _open_tuple(graph: ObjectGraph, entry: Tracked) -> None:
    for i, part in enumerate(tuple.__iter__(entry.obj)):
        graph.add_part(entry, part, f"{entry.path}[{i}]")


def _container(read: Callable[[Any], Any]) -> Callable[[ObjectGraph, Tracked], None]:
    return lambda graph, entry: graph.compare_parts(entry, read)


# --- functions, modules, classes, objects --------------------------------------------------------


def _open_function(graph: ObjectGraph, entry: Tracked) -> None:
    function = entry.obj
    number = id(function.__code__)
    graph.functions.setdefault(number, []).append(entry)
    if number in graph.entered:
        graph.read_function(entry, graph.entered[number][1])
    # A function that it wraps is known from here, if it is entered.
    inner = [cell_content(cell) for cell in function.__closure__ or ()]
    inner.append(function.__dict__.get("__wrapped__"))
    for part in inner:
        if callable(part):
            graph.add_part(entry, part, entry.path)
    if not is_ours(function):
        graph.set_attributes(entry, function.__dict__)


def _open_wrapper(graph: ObjectGraph, entry: Tracked) -> None:
    """A method, a property, a partial: made of functions, which it keeps."""
    bound = "self" if is_a(entry.obj, types.MethodType) else entry.path
    for part in wrapped(entry.obj):
        graph.add_part(entry, part, bound)


def _open_getter(graph: ObjectGraph, entry: Tracked) -> None:
    """operator.attrgetter and methodcaller, that read attributes of the names they hold."""
    _, names = entry.obj.__reduce__()[:2]
    parts = [part for name in names if is_a(name, str) for part in name.split(".")]
    graph.learn(dict.fromkeys(parts, ANY))


def _open_module(graph: ObjectGraph, entry: Tracked) -> None:
    entry.closed = is_library(entry.obj.__name__)
    graph.set_attributes(entry, entry.obj.__dict__)


def _open_class(graph: ObjectGraph, entry: Tracked) -> None:
    cls = entry.obj
    if not cls.__flags__ & HEAP or is_engine_class(cls):
        return
    entry.read_by_engine, entry.closed = issubclass(cls, State), is_library(cls.__module__)
    if not is_ours(cls):
        entry.edges["attribute", "__mro__"] = cls.__mro__, f"{entry.path}.__mro__"
    for base in (type(cls), *cls.__mro__[1:]):
        graph.add_part(entry, base, base.__name__)
    graph.set_attributes(entry, vars(cls))


def _open_object(graph: ObjectGraph, entry: Tracked) -> None:
    """An object of a class that has attributes by name."""
    obj, path, cls = entry.obj, entry.path, type(entry.obj)
    graph.add_part(entry, cls, cls.__name__)
    if is_engine_class(cls):
        if cls.__name__ != "jit":
            return
        graph.add_part(entry, obj.function, path)
    entry.read_by_engine = is_a(obj, State)
    entry.slots = slot_names(cls) if plain_getattribute(cls) else frozenset()
    entry.guard_makers.append(lambda guards: guards.types.add(obj, None, cls, f"type({path})"))
    # Code in C, and NumPy's own Python, read attributes of it that no watched code names.
    entry.all_read |= not cls.__flags__ & HEAP or str(cls.__module__).startswith("numpy")
    names = dict_of(obj)
    if names is not None and plain_getattribute(cls):
        entry.edges["attribute", "__dict__"] = names, f"{path}.__dict__"
    graph.set_attributes(entry, {} if names is None else names)


# --- objects that are asked by a call -------------------------------------------------------------


def _open_cache(graph: ObjectGraph, entry: Tracked) -> None:
    """What functools.cache remembers is as good as the function, until it is cleared."""
    cache = entry.obj
    graph.add_part(entry, cache.__wrapped__, entry.path)
    graph.compare_parts(entry, cache_contents)
    # The misses and the size.
    _compare_call(entry, lambda: cache.cache_info()[1::2], cache.cache_info()[1::2])


def _open_reference(graph: ObjectGraph, entry: Tracked) -> None:
    found = entry.obj()
    graph.add_part(entry, found, entry.path)
    _compare_call(entry, entry.obj, found)


def _open_proxy(graph: ObjectGraph, entry: Tracked) -> None:
    with contextlib.suppress(ReferenceError):
        graph.add_part(entry, entry.obj.__repr__.__self__, entry.path)


def _open_context(graph: ObjectGraph, entry: Tracked) -> None:
    variable = entry.obj
    found = variable.get(MISSING)
    graph.add_part(entry, found, entry.path)
    _compare_call(entry, lambda: variable.get(MISSING), found)


def _open_iterator(graph: ObjectGraph, entry: Tracked) -> None:
    obj, path, before = entry.obj, entry.path, iterator_position(entry.obj)

    def refuse(guards: Guards) -> None:
        resumed = is_a(obj, types.GeneratorType) and obj.gi_frame in graph.resumed
        if resumed or before is None or iterator_position(obj) != before:
            graph.refusal = graph.refusal or (
                f"{path} is an iterator, from which only the traced call would take; pass what it "
                "gives as an argument"
            )

    entry.guard_makers.append(refuse)


def _open_file(graph: ObjectGraph, entry: Tracked) -> None:
    obj, path, before = entry.obj, entry.path, read_offset(entry.obj)

    def refuse(guards: Guards) -> None:
        if read_offset(obj) != before:
            graph.refusal = graph.refusal or f"{path} is read, a file; {PASS_IT_IN}"

    entry.guard_makers.append(refuse)


OPENERS: tuple[tuple[Any, Callable[[ObjectGraph, Tracked], None]], ...] = (
    (Node, _open_node),
    (np.ndarray, _open_array),
    (np.void, _open_record),
    (np.generic, _open_nothing),
    (types.FunctionType, _open_function),
    (
        (
            types.MethodType,
            types.BuiltinFunctionType,
            types.MethodWrapperType,
            functools.partial,
            functools.partialmethod,
            property,
            staticmethod,
            classmethod,
        ),
        _open_wrapper,
    ),
    ((operator.attrgetter, operator.methodcaller), _open_getter),
    (types.ModuleType, _open_module),
    (type, _open_class),
    (type(functools.lru_cache(len)), _open_cache),
    (dict, _open_dict),
    (list, _container(list.__iter__)),
    (deque, _container(deque.__iter__)),
    (set, _container(set.__iter__)),
    (frozenset, _container(frozenset.__iter__)),
    (tuple, _open_tuple),
    (weakref.ReferenceType, _open_reference),
    (ContextVar, _open_context),
    (types.GeneratorType, _open_iterator),
    (io.IOBase, _open_file),
    (weakref.ProxyTypes, _open_proxy),
)
