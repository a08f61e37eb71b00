"""The objects that a step can reach, and which of their parts and attributes it reads.

An attribute counts as read on every object that has it: to trace again for nothing is cheap, to
miss a change would give an old number. What was found first counts; later it may be what the step
itself has put there.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ....graph import Wrapper
from .guards import MISSING, SCALARS, Guards, is_a, snapshot
from .introspection import cell_content, is_ours, made_in_step
from .reads import ANY, Reads, Uses, fills, measures, merged

# Types whose objects have no parts that could change.
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


class Tracked:
    """An object that was reached. (It is held here, so that its id stays its own.)"""

    def __init__(self, obj: Any, path: str) -> None:
        self.obj, self.path = obj, path
        # What was read, as ("item" or "cell" or "attribute", key): what was found, and its path.
        self.edges: dict[tuple[str, Any], tuple[Any, str]] = {}
        self.parts: list[Any] = []  # what it holds besides
        self.guard_makers: list[Callable[[Guards], Any]] = []  # each adds a guard of another kind
        self.attributes: Any = None  # the dict whose keys are its attributes
        self.slots: frozenset[str] = frozenset()  # the names of attributes that are in no dict
        self.absent: set[str] = set()  # the names that were looked up there, and not found
        self.closed = False  # whether no attribute is ever added, as to a library's module
        self.read_by_engine = False  # whether the engine's functions read its attributes too
        self.all_read = False  # whether all its attributes are read
        self.all_read_below = False  # and those of all that it holds
        self.random_state: Any = None  # a random generator's, when it was reached


class ObjectGraph:
    """The objects reached so far, and the names that functions have read so far.

    An object that is new is opened, by its kind (openers.py), when `new` is emptied.
    """

    def __init__(self) -> None:
        self.tracked: dict[int, Tracked] = {}
        self.roots: list[Tracked] = []
        self.new: list[Tracked] = []
        self.user_names: Uses = {}  # attributes that the user's functions read
        self.engine_names: Uses = {}  # and those that the engine's layers and optimizers read
        # By the id of code: two functions of the same text have equal code, and other globals.
        self.entered: dict[int, tuple[types.CodeType, Reads]] = {}
        self.functions: dict[int, list[Tracked]] = {}
        self.resumed: set[types.FrameType] = set()  # of generators
        # Containers that were only added to: with their parts before that.
        self.filled: dict[int, tuple[Any, tuple[Any, ...]]] = {}
        self.refusal = ""

    def track(self, obj: Any, path: str) -> Tracked | None:
        """The entry of an object; None for an object without parts."""
        known = self.tracked.get(id(obj))
        if known is not None or type(obj) in SCALARS or is_a(obj, PARTLESS) or made_in_step(obj):
            return known
        entry = self.tracked[id(obj)] = Tracked(obj, path)
        self.new.append(entry)
        return entry

    def track_table(self, names: dict[str, Any]) -> Tracked:
        """The entry of a module's globals: only the names that are read count."""
        entry = self.tracked.get(id(names))
        if entry is None:
            entry = self.tracked[id(names)] = Tracked(names, "")
            self.roots.append(entry)
        entry.attributes = names
        return entry

    # --- parts ---

    def add_part(self, entry: Tracked, obj: Any, path: str) -> None:
        """An object holds another."""
        entry.parts.append(obj)
        self._reach(entry, obj, path)

    def compare_parts(self, entry: Tracked, read: Callable[[Any], Iterable[Any]]) -> None:
        """A guard: a container still holds the very parts that it holds now."""
        obj, path = entry.obj, entry.path
        parts = self.filled[id(obj)][1] if id(obj) in self.filled else tuple(read(obj))
        entry.guard_makers.append(lambda guards: guards.parts.append((read, obj, parts, path)))
        for i, part in enumerate(parts):
            self.add_part(entry, part, f"{path}[{i}]")

    def compare_contents(self, entry: Tracked) -> None:
        """A guard: the bytes of an array or a buffer are those of now."""
        obj, path, copy = entry.obj, entry.path, snapshot(entry.obj)
        entry.guard_makers.append(lambda guards: guards.contents.append((obj, copy, path)))

    def _reach(self, entry: Tracked, obj: Any, path: str) -> None:
        below = self.track(obj, path)
        if below is not None and entry.all_read_below:
            self.read_all(below, below=True)

    # --- attributes ---

    def set_attributes(self, entry: Tracked, attributes: Any) -> None:
        """Say in which dict an object's attributes are; those that functions read are read."""
        entry.attributes = attributes
        self._read(entry, self.user_names)
        if entry.read_by_engine:
            self._read(entry, self.engine_names)
        if entry.all_read:
            self._read_all_attributes(entry)

    def learn(self, attributes: Uses, users: bool = True) -> None:
        """Functions read attributes of these names: on every object."""
        known = self.user_names if users else self.engine_names
        new = {n: uses for n, uses in attributes.items() if not uses <= known.get(n, set())}
        known.update(merged(known, new))
        for entry in list(self.tracked.values()) if new else ():
            if entry.attributes is not None and (users or entry.read_by_engine):
                self._read(entry, new)

    def record_read(
        self, entry: Tracked, key: tuple[str, Any], found: Any, uses: frozenset[str], path: str
    ) -> None:
        """An item, a cell or an attribute was read, and `found` was there."""
        found, path = entry.edges.setdefault(key, (found, path))
        if fills(found, uses):
            self.filled.setdefault(id(found), (found, tuple(found)))
            return
        if measures(found, uses):
            size = found.shape, found.dtype
            entry.guard_makers.append(
                lambda guards: guards.add_call(lambda: (found.shape, found.dtype), size, path)
            )
            return
        self._reach(entry, found, path)

    def _read(self, entry: Tracked, uses: Uses) -> None:
        """Some attributes of an object are read."""
        if not entry.closed:
            entry.absent |= uses.keys() - entry.attributes.keys()
        for name in (uses.keys() & entry.attributes.keys()) - entry.absent:
            path = f"{entry.path}.{name}"
            self.record_read(entry, ("item", name), entry.attributes[name], uses[name], path)
        for name in uses.keys() & entry.slots:
            path, found = f"{entry.path}.{name}", getattr(entry.obj, name, MISSING)
            self.record_read(entry, ("attribute", name), found, uses[name], path)

    def read_all(self, entry: Tracked, below: bool) -> None:
        """Every attribute of an object is read; below: and of all that it holds."""
        if entry.closed:
            return
        if below and not entry.all_read_below:
            entry.all_read_below = True
            for part in [*(found for found, _ in entry.edges.values()), *entry.parts]:
                self._reach(entry, part, "")
        if not entry.all_read:
            entry.all_read = True
            self._read_all_attributes(entry)
            if not is_a(entry.obj, type | types.ModuleType):
                for cls in type(entry.obj).__mro__:
                    if id(cls) in self.tracked:
                        self.read_all(self.tracked[id(cls)], below=False)

    def _read_all_attributes(self, entry: Tracked) -> None:
        attributes, path = entry.attributes, entry.path
        if attributes is None or is_a(entry.obj, types.FunctionType):
            return  # not opened yet, or without any that count
        names = tuple(attributes)
        entry.guard_makers.append(
            lambda guards: guards.parts.append((iter, attributes, names, path))
        )
        special = is_a(entry.obj, type | types.ModuleType)
        own = [n for n in names if not (special and n.startswith("__"))]
        self._read(entry, dict.fromkeys((*own, *entry.slots), ANY))

    # --- functions ---

    def read_function(self, entry: Tracked, found: Reads) -> None:
        """A function is entered: it reads some of its cells, and its defaults."""
        function = entry.obj
        for name in () if is_ours(function) else ("__code__", "__defaults__", "__kwdefaults__"):
            path = f"{entry.path}.{name}"
            self.record_read(entry, ("attribute", name), getattr(function, name), ANY, path)
        for i, name in enumerate(function.__code__.co_freevars):
            if name in found.cells:
                inside = cell_content(function.__closure__[i])
                self.record_read(entry, ("cell", i), inside, found.cells[name], name)
