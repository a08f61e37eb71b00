"""From what a step touches to the guards of everything that outlives it.

The watcher (watch.py) tells which objects are there at every call, which pass through functions,
and which functions are entered. What these reach is tracked (object_graph.py) and opened
(openers.py); in the end each object that is reachable from outside the step gives its guards.
"""

from __future__ import annotations

import gc
import types
import weakref
from typing import Any

from ....tensor import Tensor
from .guards import Guards, is_a
from .introspection import code_of, nested_code
from .object_graph import ObjectGraph, Tracked
from .openers import open_new
from .reads import ANY, Reads, Uses
from .refusals import DRAW_OTHERWISE, generator_state


class Walk(ObjectGraph):
    """The objects reached in one trace."""

    def __init__(self) -> None:
        super().__init__()
        self.locals: list[Tracked] = []  # what passed through functions
        self.found_methods: set[tuple[type, int]] = set()  # by class and code

    def add_root(self, obj: Any, path: str) -> None:
        """An object that is there at every call."""
        entry = self.track(obj, path)
        if entry:
            self.roots.append(entry)
        open_new(self)

    def add_local(self, obj: Any, path: str) -> None:
        """An argument or a result of a function: it counts if it outlives the step."""
        if id(obj) not in self.tracked:
            entry = self.track(obj, path)
            if entry:
                self.locals.append(entry)
            open_new(self)

    def enter(self, code: types.CodeType, found: Reads, users: bool) -> None:
        """A function of the user's, or of the engine's layers, is entered for the first time."""
        self.entered[id(code)] = code, found
        self.learn(found.attributes, users)
        for function in self.functions.get(id(code), ()):
            self.read_function(function, found)
        open_new(self)

    def read_globals(self, names: dict[str, Any], builtins: dict[str, Any], uses: Uses) -> None:
        """A function of a module with these globals reads some of them."""
        module, beneath = self.track_table(names), self.track_table(builtins)
        module.absent |= uses.keys() - names.keys()
        for name, use in uses.items():
            if name in names and name not in module.absent:
                self.record_read(module, ("item", name), names[name], use, name)
            elif name in builtins:
                self.record_read(beneath, ("item", name), builtins[name], use, name)
        open_new(self)

    def enter_method(self, first: Any, code: types.CodeType) -> None:
        """A method is entered. One that no code names, such as __call__, is found by the class of
        its first argument."""
        cls, name = first if is_a(first, type) else type(first), code.co_name
        if (cls, id(code)) in self.found_methods:
            return
        self.found_methods.add((cls, id(code)))
        definitions = [vars(base).get(name) for base in cls.__mro__]
        if not any(code is one for found in definitions if found for one in code_of(found)):
            return
        for base, found in zip(cls.__mro__, definitions, strict=True):
            entry = self.track(base, base.__name__)
            open_new(self)
            if entry is not None and found is not None:
                self.record_read(entry, ("item", name), found, ANY, f"{base.__name__}.{name}")
            elif entry is not None and entry.attributes is not None and not entry.closed:
                entry.absent.add(name)
            if found is not None and any(code is one for one in code_of(found)):
                break
        open_new(self)

    def read_computed_names(self, obj: Any, below: bool) -> None:
        """Attributes of an object are read by computed names, so all may be; below: and those of
        all that it holds."""
        entry = self.track(obj, "")
        if entry is not None:
            self.read_all(entry, below)
        open_new(self)

    # --- guards ---

    def guards(self) -> Guards:
        """The guards of everything that outlives the step."""
        self._find_functions()
        reachable = self._reachable()
        others = [
            (weakref.ref(entry.obj), entry.path)
            for entry in self.locals
            if id(entry.obj) not in reachable and type(entry.obj).__weakrefoffset__
        ]
        self.tracked, self.locals = reachable, []
        if any(reference() is not None for reference, _ in others):
            gc.collect()
        for reference, path in others:
            if reference() is not None:
                self.add_root(reference(), path)
        guards = Guards()
        for entry in self._reachable().values():
            self._add_guards(entry, guards)
        return guards

    def _find_functions(self) -> None:
        """Add functions that nothing named: a derivative rule of the user's, a hook."""
        nested = {id(part) for code, _ in self.entered.values() for part in nested_code(code)}
        missing = [
            code
            for number, (code, _) in self.entered.items()
            if number not in self.functions and number not in nested
            if code.co_freevars or code.co_argcount or code.co_kwonlyargcount
        ]
        for function in gc.get_referrers(*missing) if missing else ():
            known = is_a(function, types.FunctionType) and function.__code__
            if any(known is code for code in missing):
                self.add_root(function, function.__name__)

    def _reachable(self) -> dict[int, Tracked]:
        """The entries that are reached from the roots."""
        found: dict[int, Tracked] = {}
        stack = list(self.roots)
        while stack:
            entry = stack.pop()
            if id(entry.obj) not in found:
                found[id(entry.obj)] = entry
                below = [*(obj for obj, _ in entry.edges.values()), *entry.parts]
                stack += [self.tracked[id(obj)] for obj in below if id(obj) in self.tracked]
        return found

    def _add_guards(self, entry: Tracked, guards: Guards) -> None:
        obj = entry.obj
        for (how, key), (found, path) in entry.edges.items():
            if how == "item":
                guards.items.add(entry.attributes, key, found, path)
            elif how == "cell":
                guards.attributes.add(obj.__closure__[key], "cell_contents", found, path)
            else:
                guards.attributes.add(obj, key, found, path)
        for make in entry.guard_makers:
            make(guards)
        if is_a(obj, types.FunctionType):
            for name in ("__defaults__", "__kwdefaults__"):
                if name in self.user_names:
                    guards.attributes.add(obj, name, getattr(obj, name), f"{entry.path}.{name}")
        if is_a(obj, Tensor) and "name" in self.user_names:
            guards.attributes.add(obj, "_name", obj.name, f"{entry.path}.name")
        if is_a(obj, Tensor) and "requires_grad" in self.user_names:
            guards.requires_grad(obj)
        if entry.random_state is not None and generator_state(obj) != entry.random_state:
            drawn = f"{entry.path} draws random numbers; {DRAW_OTHERWISE}"
            self.refusal = self.refusal or drawn
        if entry.absent:
            prefix, absent = f"{entry.path}." if entry.path else "", frozenset(entry.absent)
            guards.absent.append((entry.attributes.keys().isdisjoint, absent, prefix))
