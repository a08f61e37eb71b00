"""What can be reached from a step, and what is found there.

Everything reached is opened by its kind: the parts of containers, the entries of arrays, of
objects, classes and modules the attributes that some function of the step reads by name. An
attribute counts as read on whatever object it is found: too much is traced again for nothing, too
little would be an old number. What was found first counts; later it may be what the step itself
has put there.
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
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from typing import Any

import numpy as np

from ...graph import Node, Wrapper
from ...state import State
from ...tensor import Tensor
from ...value import Value
from .guards import MISSING, SCALARS, Guards, copied, is_a, mapping
from .reads import ANY, Reads, Uses, fills, measures, merged
from .refusals import CHANCE, OUTSIDE, position
from .things import (
    code_of,
    content,
    dict_of,
    engine,
    entries,
    library,
    made_in_step,
    mask_of,
    offset,
    ours,
    plain,
    progress,
    remembered,
    slots,
    within,
    wrapped,
)

PARTLESS = (
    Wrapper,
    range,
    slice,
    np.ufunc,
    np.dtype,
    types.CodeType,
    types.GetSetDescriptorType,
    types.MemberDescriptorType,
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
    types.ClassMethodDescriptorType,
    type(Ellipsis),
    type(NotImplemented),
)
NAMED_OTHERWISE = (type, Node, types.ModuleType, types.FunctionType, io.IOBase, *weakref.ProxyTypes)
HEAP = 1 << 9  # a class that was not written in C (or is as mutable)


class Thing:
    """Something that was reached. (It is held here, so that its id stays its own.)"""

    def __init__(self, it: Any, path: str) -> None:
        self.it, self.path = it, path
        self.edges: dict[tuple[str, Any], tuple[Any, str]] = {}  # (how, key): what, and its path
        self.parts: list[Any] = []  # what it holds besides
        self.notes: list[Callable[[Guards], Any]] = []  # other guards
        self.attributes: Any = None  # the dict whose keys are its attributes
        self.slots: frozenset[str] = frozenset()  # the names of others, which are in no dict
        self.absent: set[str] = set()  # the names that were looked up there, and not found
        self.fixed = False  # whether nothing is ever added to them
        self.own = False  # whether the engine's functions read its attributes too
        self.whole = False  # whether all its attributes are read
        self.deep = False  # and those of all that it holds
        self.source: Any = None  # where it stood, if random numbers come from it


class Walk:
    """Things reached so far, and the names that functions have read so far."""

    def __init__(self) -> None:
        self.things: dict[int, Thing] = {}
        self.roots: list[Thing] = []
        self.loose: list[Thing] = []
        self.names: Uses = {}  # attributes that the user's functions read
        self.own: Uses = {}  # and those that the engine's layers and optimizers read
        # By the id of code: two functions of the same text have equal code, and other globals.
        self.entered: dict[int, tuple[types.CodeType, Reads]] = {}
        self.functions: dict[int, list[Thing]] = {}
        self.found: set[tuple[type, int]] = set()  # methods, by class
        self.resumed: set[types.FrameType] = set()  # of generators
        self.filled: dict[
            int, tuple[Any, tuple[Any, ...]]
        ] = {}  # what was added to: its parts then
        self.refusal = ""
        self._new: list[Thing] = []

    # --- where it starts ---

    def root(self, it: Any, path: str) -> None:
        """Something that is there at every call."""
        thing = self._thing(it, path)
        if thing:
            self.roots.append(thing)
        self._open_new()

    def hand(self, it: Any, path: str) -> None:
        """Something that went into a function or came from one: it counts if it outlives the
        step."""
        if id(it) not in self.things:
            thing = self._thing(it, path)
            if thing:
                self.loose.append(thing)
            self._open_new()

    def enter(self, code: types.CodeType, found: Reads, users: bool) -> None:
        """A function of the user's, or of the engine's layers, is entered for the first time."""
        self.entered[id(code)] = code, found
        self._learn(found.attributes, users)
        for function in self.functions.get(id(code), ()):
            self._read_function(function, found)
        self._open_new()

    def _learn(self, attributes: Uses, users: bool = True) -> None:
        known = self.names if users else self.own
        new = {n: uses for n, uses in attributes.items() if not uses <= known.get(n, set())}
        known.update(merged(known, new))
        for thing in list(self.things.values()) if new else ():
            if thing.attributes is not None and (users or thing.own):
                self._read(thing, new)

    def read_globals(self, names: dict[str, Any], builtins: dict[str, Any], uses: Uses) -> None:
        """A function of a module with these globals reads some of them."""
        here, beneath = self._table(names), self._table(builtins)
        here.absent |= uses.keys() - names.keys()
        for name, use in uses.items():
            if name in names and name not in here.absent:
                self._edge(here, ("item", name), names[name], use, name)
            elif name in builtins:
                self._edge(beneath, ("item", name), builtins[name], use, name)
        self._open_new()

    def method(self, first: Any, code: types.CodeType) -> None:
        """A method is entered; if it is one that no code names, such as __call__, it is found by
        the class of its first argument."""
        cls, name = first if is_a(first, type) else type(first), code.co_name
        if (cls, id(code)) in self.found:
            return
        self.found.add((cls, id(code)))
        places = [vars(base).get(name) for base in cls.__mro__]
        if not any(code is one for place in places if place for one in code_of(place)):
            return
        for base, place in zip(cls.__mro__, places, strict=True):
            thing = self._thing(base, base.__name__)
            self._open_new()
            if thing is not None and place is not None:
                self._edge(thing, ("item", name), place, ANY, f"{base.__name__}.{name}")
            elif thing is not None and thing.attributes is not None and not thing.fixed:
                thing.absent.add(name)
            if place is not None and any(code is one for one in code_of(place)):
                break
        self._open_new()

    def take_whole(self, it: Any, deep: bool) -> None:
        """Every attribute of something is read, by names that are computed; deep: and of all that
        it holds."""
        thing = self._thing(it, "")
        if thing is not None:
            self._take(thing, deep)
        self._open_new()

    def _take(self, thing: Thing, deep: bool) -> None:
        if thing.fixed:
            return
        if deep and not thing.deep:
            thing.deep = True
            for below in [*(found for found, _ in thing.edges.values()), *thing.parts]:
                self._reached(thing, below, "")
        if not thing.whole:
            thing.whole = True
            self._take_attributes(thing)
            if not is_a(thing.it, type | types.ModuleType):
                for cls in type(thing.it).__mro__:
                    if id(cls) in self.things:
                        self._take(self.things[id(cls)], deep=False)

    def _take_attributes(self, thing: Thing) -> None:
        attributes, path = thing.attributes, thing.path
        if attributes is None or is_a(thing.it, types.FunctionType):
            return  # not opened yet, or without any that count
        names = tuple(attributes)
        thing.notes.append(lambda to: to.parts.append((iter, attributes, names, path)))
        special = is_a(thing.it, type | types.ModuleType)
        own = [n for n in names if not (special and n.startswith("__"))]
        self._read(thing, dict.fromkeys((*own, *thing.slots), ANY))

    # --- what becomes of it ---

    def guards(self) -> Guards:
        """The guards of everything that outlives the step."""
        self._find_functions()
        alive = self._anchored()
        outside = [
            (weakref.ref(thing.it), thing.path)
            for thing in self.loose
            if id(thing.it) not in alive and type(thing.it).__weakrefoffset__
        ]
        self.things, self.loose = alive, []
        if any(reference() is not None for reference, _ in outside):
            gc.collect()
        for reference, path in outside:
            if reference() is not None:
                self.root(reference(), path)
        guards = Guards()
        for thing in self._anchored().values():
            self._note(thing, guards)
        return guards

    def _find_functions(self) -> None:
        """Functions that nothing named: a derivative rule of the user's, a hook."""
        written = {id(part) for code, _ in self.entered.values() for part in within(code)}
        missing = [
            code
            for number, (code, _) in self.entered.items()
            if number not in self.functions and number not in written
            if code.co_freevars or code.co_argcount or code.co_kwonlyargcount
        ]
        for function in gc.get_referrers(*missing) if missing else ():
            known = is_a(function, types.FunctionType) and function.__code__
            if any(known is code for code in missing):
                self.root(function, function.__name__)

    def _anchored(self) -> dict[int, Thing]:
        found: dict[int, Thing] = {}
        stack = list(self.roots)
        while stack:
            thing = stack.pop()
            if id(thing.it) not in found:
                found[id(thing.it)] = thing
                below = [*(what for what, _ in thing.edges.values()), *thing.parts]
                stack += [self.things[id(it)] for it in below if id(it) in self.things]
        return found

    def _note(self, thing: Thing, guards: Guards) -> None:
        it = thing.it
        for (how, key), (found, path) in thing.edges.items():
            if how == "item":
                guards.items.add(thing.attributes, key, found, path)
            elif how == "cell":
                guards.attributes.add(it.__closure__[key], "cell_contents", found, path)
            else:
                guards.attributes.add(it, key, found, path)
        for note in thing.notes:
            note(guards)
        if is_a(it, types.FunctionType):
            for name in ("__defaults__", "__kwdefaults__"):
                if name in self.names:
                    guards.attributes.add(it, name, getattr(it, name), f"{thing.path}.{name}")
        if is_a(it, Tensor) and "name" in self.names:
            guards.attributes.add(it, "_name", it.name, f"{thing.path}.name")
        if is_a(it, Tensor) and "requires_grad" in self.names:
            guards.requires_grad(it)
        if thing.source is not None and position(it) != thing.source:
            self.refusal = self.refusal or f"{thing.path} draws random numbers; {CHANCE}"
        if thing.absent:
            prefix, absent = f"{thing.path}." if thing.path else "", frozenset(thing.absent)
            guards.absent.append((thing.attributes.keys().isdisjoint, absent, prefix))

    # --- things ---

    def _thing(self, it: Any, path: str) -> Thing | None:
        """What something is here; None for what has no parts."""
        thing = self.things.get(id(it))
        if thing is not None or type(it) in SCALARS or is_a(it, PARTLESS) or made_in_step(it):
            return thing
        thing = self.things[id(it)] = Thing(it, path)
        self._new.append(thing)
        return thing

    def _table(self, names: dict[str, Any]) -> Thing:
        """The globals of a module, of which only what is read counts."""
        thing = self.things.get(id(names))
        if thing is None:
            thing = self.things[id(names)] = Thing(names, "")
            self.roots.append(thing)
        thing.attributes = names
        return thing

    def _edge(
        self, thing: Thing, key: tuple[str, Any], found: Any, uses: frozenset[str], path: str
    ) -> None:
        """Something was read, and this was found."""
        found, path = thing.edges.setdefault(key, (found, path))
        if fills(found, uses):
            self.filled.setdefault(id(found), (found, tuple(found)))
            return
        if measures(found, uses):
            size = found.shape, found.dtype
            thing.notes.append(lambda to: to.answer(lambda: (found.shape, found.dtype), size, path))
            return
        self._reached(thing, found, path)

    def _part(self, thing: Thing, it: Any, path: str) -> None:
        thing.parts.append(it)
        self._reached(thing, it, path)

    def _reached(self, thing: Thing, it: Any, path: str) -> None:
        """`it` is held by a thing."""
        below = self._thing(it, path)
        if below is not None and thing.deep:
            self._take(below, deep=True)

    def _read(self, thing: Thing, uses: Uses) -> None:
        """Some attributes of it are read."""
        if not thing.fixed:
            thing.absent |= uses.keys() - thing.attributes.keys()
        for name in (uses.keys() & thing.attributes.keys()) - thing.absent:
            path = f"{thing.path}.{name}"
            self._edge(thing, ("item", name), thing.attributes[name], uses[name], path)
        for name in uses.keys() & thing.slots:
            found = getattr(thing.it, name, MISSING)
            self._edge(thing, ("attribute", name), found, uses[name], f"{thing.path}.{name}")

    # --- opening ---

    def _open_new(self) -> None:
        while self._new:
            thing = self._new.pop()
            it = thing.it
            opener = next((open_ for kinds, open_ in OPENERS if is_a(it, kinds)), None)
            if opener is not None:
                opener(self, thing)
            elif not self._open_source(thing):
                self._open_rest(thing)
            named = type(it).__flags__ & HEAP or dict_of(it) is not None
            if named and not is_a(it, NAMED_OTHERWISE):
                self._open_object(thing)

    def _open_rest(self, thing: Thing) -> None:
        """Something made in C: its bytes, if it shows them, or what it refers to."""
        try:
            self._contents(thing)
        except (TypeError, BufferError, ValueError):
            if hasattr(type(thing.it), "__next__"):
                self._open_iterator(thing)
            elif not type(thing.it).__flags__ & HEAP and dict_of(thing.it) is None:
                self._held(thing, gc.get_referents)

    def _held(self, thing: Thing, read: Callable[[Any], Iterable[Any]]) -> None:
        """A container, which is to hold the very parts that it holds now."""
        it, path = thing.it, thing.path
        parts = self.filled[id(it)][1] if id(it) in self.filled else tuple(read(it))
        thing.notes.append(lambda guards: guards.parts.append((read, it, parts, path)))
        for i, part in enumerate(parts):
            self._part(thing, part, f"{path}[{i}]")

    def _contents(self, thing: Thing) -> None:
        it, path, copy = thing.it, thing.path, copied(thing.it)
        thing.notes.append(lambda guards: guards.contents.append((it, copy, path)))

    def _open_array(self, thing: Thing) -> None:
        if thing.it.dtype.hasobject:
            self._held(thing, entries)
        else:
            self._contents(thing)
        if is_a(thing.it, np.ma.MaskedArray):
            it, path, found = thing.it, thing.path, mask_of(thing.it)
            thing.notes.append(lambda to: to.answer(lambda: mask_of(it), found, path))

    def _open_void(self, thing: Thing) -> None:
        """A record, which shows the memory of an array."""
        bits, path, found = thing.it.tobytes, thing.path, thing.it.tobytes()
        thing.notes.append(lambda to: to.answer(bits, found, path))

    def _open_mapping(self, thing: Thing) -> None:
        it, path = thing.it, thing.path
        keys, values = tuple(dict.keys(it)), tuple(dict.values(it))
        thing.notes.append(lambda guards: guards.parts.append((mapping, it, keys + values, path)))
        for key, value in zip(keys, values, strict=True):
            self._part(thing, key, f"a key of {path}")
            self._part(thing, value, f"{path}[{key!r}]" if type(key) in SCALARS else path)

    def _open_tuple(self, thing: Thing) -> None:
        for i, part in enumerate(tuple.__iter__(thing.it)):
            self._part(thing, part, f"{thing.path}[{i}]")

    def _open_node(self, thing: Thing) -> None:
        if is_a(thing.it, Value):
            thing.edges["attribute", "_data"] = thing.it._data, f"{thing.path}.data"

    def _open_function(self, thing: Thing) -> None:
        function = thing.it
        number = id(function.__code__)
        self.functions.setdefault(number, []).append(thing)
        if number in self.entered:
            self._read_function(thing, self.entered[number][1])
        # Functions that it wraps, if they are entered it is from here that they are known.
        inner = [content(cell) for cell in function.__closure__ or ()]
        inner.append(function.__dict__.get("__wrapped__"))
        for part in inner:
            if callable(part):
                self._part(thing, part, thing.path)
        if not ours(function):
            self._attributed(thing, function.__dict__)

    def _read_function(self, thing: Thing, found: Reads) -> None:
        """It is entered."""
        function = thing.it
        for name in () if ours(function) else ("__code__", "__defaults__", "__kwdefaults__"):
            path = f"{thing.path}.{name}"
            self._edge(thing, ("attribute", name), getattr(function, name), ANY, path)
        for i, name in enumerate(function.__code__.co_freevars):
            if name in found.cells:
                inside = content(function.__closure__[i])
                self._edge(thing, ("cell", i), inside, found.cells[name], name)

    def _open_module(self, thing: Thing) -> None:
        thing.fixed = library(thing.it.__name__)
        self._attributed(thing, thing.it.__dict__)

    def _open_class(self, thing: Thing) -> None:
        cls = thing.it
        if not cls.__flags__ & HEAP or engine(cls):
            return
        thing.own, thing.fixed = issubclass(cls, State), library(cls.__module__)
        if not ours(cls):
            thing.edges["attribute", "__mro__"] = cls.__mro__, f"{thing.path}.__mro__"
        for base in (type(cls), *cls.__mro__[1:]):
            self._part(thing, base, base.__name__)
        self._attributed(thing, vars(cls))

    def _open_object(self, thing: Thing) -> None:
        """An object of a class that has attributes by name."""
        it, path, cls = thing.it, thing.path, type(thing.it)
        self._part(thing, cls, cls.__name__)
        if engine(cls):
            if cls.__name__ != "jit":
                return
            self._part(thing, it.function, path)
        thing.own = is_a(it, State)
        thing.slots = slots(cls) if plain(cls) else frozenset()
        thing.notes.append(lambda guards: guards.types.add(it, None, cls, f"type({path})"))
        # What is written in C, or NumPy's own Python, reads its attributes unseen.
        thing.whole |= not cls.__flags__ & HEAP or str(cls.__module__).startswith("numpy")
        names = dict_of(it)
        if names is not None and plain(cls):
            thing.edges["attribute", "__dict__"] = names, f"{path}.__dict__"
        self._attributed(thing, {} if names is None else names)

    def _attributed(self, thing: Thing, attributes: Any) -> None:
        thing.attributes = attributes
        self._read(thing, self.names)
        if thing.own:
            self._read(thing, self.own)
        if thing.whole:
            self._take_attributes(thing)

    def _open_wrapper(self, thing: Thing) -> None:
        """A method, a property, a partial: made of functions, which it keeps."""
        bound = "self" if is_a(thing.it, types.MethodType) else thing.path
        for part in wrapped(thing.it):
            self._part(thing, part, bound)

    def _open_getter(self, thing: Thing) -> None:
        """operator.attrgetter and methodcaller, that read attributes of the names they hold."""
        _, names = thing.it.__reduce__()[:2]
        parts = [part for name in names if is_a(name, str) for part in name.split(".")]
        self._learn(dict.fromkeys(parts, ANY))

    def _open_cache(self, thing: Thing) -> None:
        """What functools.cache remembers is as good as the function, until it is cleared."""
        it, path = thing.it, thing.path
        self._part(thing, it.__wrapped__, path)
        self._held(thing, remembered)
        filled = it.cache_info()[1::2]  # misses and size
        thing.notes.append(lambda to: to.answer(lambda: it.cache_info()[1::2], filled, path))

    def _open_reference(self, thing: Thing) -> None:
        it, path = thing.it, thing.path
        found = it()
        self._part(thing, found, path)
        thing.notes.append(lambda to: to.answer(it, found, path))

    def _open_context(self, thing: Thing) -> None:
        it, path, found = thing.it, thing.path, thing.it.get(MISSING)
        self._part(thing, found, path)
        thing.notes.append(lambda to: to.answer(lambda: it.get(MISSING), found, path))

    def _open_source(self, thing: Thing) -> bool:
        thing.source = position(thing.it)
        return thing.source is not None

    def _open_iterator(self, thing: Thing) -> None:
        it, path, before = thing.it, thing.path, progress(thing.it)

        def refuse(guards: Guards) -> None:
            resumed = is_a(it, types.GeneratorType) and it.gi_frame in self.resumed
            if resumed or before is None or progress(it) != before:
                self.refusal = self.refusal or (
                    f"{path} is an iterator, of which the step would take only once; pass what it "
                    "gives as an argument"
                )

        thing.notes.append(refuse)

    def _open_file(self, thing: Thing) -> None:
        it, path, before = thing.it, thing.path, offset(thing.it)

        def refuse(guards: Guards) -> None:
            if offset(it) != before:
                self.refusal = self.refusal or f"{path} is read, a file; {OUTSIDE}"

        thing.notes.append(refuse)

    def _open_proxy(self, thing: Thing) -> None:
        with contextlib.suppress(ReferenceError):
            self._part(thing, thing.it.__repr__.__self__, thing.path)


OPENERS: tuple[tuple[Any, Callable[[Walk, Thing], None]], ...] = (
    (Node, Walk._open_node),
    (np.ndarray, Walk._open_array),
    (np.void, Walk._open_void),
    (np.generic, lambda walk, thing: None),
    (types.FunctionType, Walk._open_function),
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
        Walk._open_wrapper,
    ),
    ((operator.attrgetter, operator.methodcaller), Walk._open_getter),
    (types.ModuleType, Walk._open_module),
    (type, Walk._open_class),
    (type(functools.lru_cache(len)), Walk._open_cache),
    (dict, Walk._open_mapping),
    (list, lambda walk, thing: walk._held(thing, list.__iter__)),
    (deque, lambda walk, thing: walk._held(thing, deque.__iter__)),
    (set, lambda walk, thing: walk._held(thing, set.__iter__)),
    (frozenset, lambda walk, thing: walk._held(thing, frozenset.__iter__)),
    (tuple, Walk._open_tuple),
    (weakref.ReferenceType, Walk._open_reference),
    (ContextVar, Walk._open_context),
    (types.GeneratorType, Walk._open_iterator),
    (io.IOBase, Walk._open_file),
    (weakref.ProxyTypes, Walk._open_proxy),
)
