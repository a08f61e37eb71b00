"""Guards: what a traced step read from outside, and what it found there.

A guard is a way to read something again, and what was found. All of them are checked before every
call, so they lie in columns that `map` walks without Python in between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from operator import call, getitem, is_
from typing import Any

import numpy as np

from ....graph import Node, hooks

SCALARS = frozenset((int, float, complex, str, bytes, bool, type(None)))
MISSING = object()
MAX_SHOWN = 60  # characters of a value in a message


class Column:
    """Guards of one kind: `read(holder, key)` gave `found`; `path` says what that is."""

    def __init__(self, read: Callable[..., Any]) -> None:
        self.read = read
        self.holders: list[Any] = []
        self.keys: list[Any] = []
        self.found: list[Any] = []
        self.paths: list[str] = []

    def add(self, holder: Any, key: Any, found: Any, path: str) -> None:
        """Add a guard."""
        self.holders.append(holder)
        self.keys.append(key)
        self.found.append(found)
        self.paths.append(path)

    def holds(self) -> bool:
        """Whether each reading gives the very object that was found."""
        return all(map(is_, map(self.read, self.holders, self.keys), self.found))

    def difference(self) -> str:
        """The first reading that gives something else, in words; an equal number is not something
        else, and is kept for the next comparison."""
        for i, (holder, key) in enumerate(zip(self.holders, self.keys, strict=True)):
            try:
                now = self.read(holder, key)
            except (LookupError, AttributeError, ValueError):  # ValueError: an empty cell
                now = MISSING
            if now is self.found[i]:
                continue
            if not unchanged(now, self.found[i]):
                return describe_change(self.paths[i], self.found[i], now)
            self.found[i] = now
        return ""


class Guards:
    """All guards of one trace."""

    def __init__(self) -> None:
        self.items = Column(getitem)
        self.attributes = Column(getattr)
        self.types = Column(lambda holder, key: type(holder))
        self.absent: list[tuple[Callable[[Any], bool], frozenset[str], str]] = []
        self.parts: list[tuple[Callable[[Any], Iterable[Any]], Any, tuple[Any, ...], str]] = []
        self.calls: list[tuple[Callable[[], Any], Any, str]] = []
        self.contents: list[tuple[Any, Any, str]] = []
        self.arrays: list[tuple[Callable[[], Any], Any]] = []  # a reference, and a copy
        self.hooks: dict[Node, tuple[Any, ...]] = {}

    def requires_grad(self, node: Node) -> None:
        """A guard for what decides whether a node gets a gradient."""
        path = f"{node.name or 'a state'}.requires_grad"
        self.attributes.add(node, "requires_grad", node.requires_grad, path)

    def add_call(self, ask: Callable[[], Any], found: Any, path: str) -> None:
        """A guard that asks a function."""
        self.calls.append((ask, found, path))

    def changed(self) -> str:
        """The first change, in words; empty if nothing has changed."""
        try:
            if self._holds():
                return ""
        except (LookupError, AttributeError, ValueError):
            pass
        return self._difference()

    def _holds(self) -> bool:
        return (
            self.items.holds()
            and self.attributes.holds()
            and all(map(is_, map(type, self.types.holders), self.types.found))
            and all(map(call, self._disjoint, self._names))
            and not any(map(self._parts_changed, self.parts))
            and not (self.calls and any(not unchanged(f(), found) for f, found, _ in self.calls))
            and all(map(_contents_unchanged, self.contents))
            and all(map(_array_unchanged, self.arrays))
            and not ((hooks or self._hooks) and self._hooks_changed())
        )

    def freeze(self) -> None:
        """Called when all guards are added."""
        self._hooks = any(self.hooks.values())
        self._disjoint = [disjoint for disjoint, _, _ in self.absent]
        self._names = [names for _, names, _ in self.absent]

    @staticmethod
    def _parts_changed(part: Any) -> bool:
        read, holder, found, _ = part
        now = tuple(read(holder))
        return len(now) != len(found) or not all(map(is_, now, found))

    def _hooks_changed(self) -> str:
        for node, functions in self.hooks.items():
            if tuple(hooks.get(id(node), ())) != functions:
                return f"the hooks of {node.name or 'a state'} have changed"
        return ""

    def _difference(self) -> str:
        return next(filter(None, self._differences()), "")

    def _differences(self) -> Iterator[str]:
        """What has changed, or "" for a guard that holds."""
        for column in (self.items, self.attributes, self.types):
            yield column.difference()
        for absent in self.absent:
            yield self._appeared(*absent)
        for i in range(len(self.parts)):
            yield self._part_changed(i)
        for ask, found, path in self.calls:
            now = ask()
            yield "" if unchanged(now, found) else describe_change(path, found, now)
        for content in self.contents:
            yield "" if _contents_unchanged(content) else f"{content[2]} was changed"
        for array in self.arrays:
            shape = array[1].shape
            changed = f"an array of shape {shape} that it uses was changed"
            yield "" if _array_unchanged(array) else changed
        yield self._hooks_changed()

    @staticmethod
    def _appeared(disjoint: Callable[[Any], bool], names: frozenset[str], path: str) -> str:
        if disjoint(names):
            return ""
        name = next(name for name in sorted(names) if not disjoint((name,)))
        return f"{path}{name} is there now"

    def _part_changed(self, i: int) -> str:
        read, holder, found, path = self.parts[i]
        now = tuple(read(holder))
        if len(now) != len(found):
            return f"{path} had {len(found)} parts, has {len(now)}"
        for one, other in zip(now, found, strict=True):
            if one is not other and not unchanged(one, other):
                return describe_change(f"a part of {path}", other, one)
        self.parts[i] = read, holder, now, path
        return ""


def is_a(obj: Any, kinds: Any) -> bool:
    """isinstance by the true class: `__class__` may be a property of the user's, whose code is not
    to run here."""
    return issubclass(type(obj), kinds)


def describe_change(path: str, then: Any, now: Any) -> str:
    """A change in words."""
    return f"{path} was {describe(then)}, is {describe(now)}"


def describe(obj: Any) -> str:
    """A number; of anything else its class."""
    if obj is MISSING:
        return "absent"
    if type(obj) in SCALARS or is_a(obj, np.generic):
        text = repr(obj)
        return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 3] + "..."
    return f"another {type(obj).__name__}" if not is_a(obj, type) else obj.__name__


def unchanged(now: Any, then: Any) -> bool:
    """Whether two readings are the same object, or the same number."""
    if now is then:
        return True
    if type(now) is not type(then):
        return False
    if is_a(now, tuple):
        return len(now) == len(then) and all(map(unchanged, now, then))
    number = type(now) in SCALARS or is_a(now, np.generic)
    return number and repr(now) == repr(then)  # nan is nan, -0.0 is not 0.0


def keys_and_values(holder: Any) -> tuple[Any, ...]:
    """The keys and values of a dict."""
    return (*dict.keys(holder), *dict.values(holder))


def snapshot(obj: Any) -> Any:
    """A copy of what an array or a buffer holds."""
    array = is_a(obj, np.ndarray)
    return obj.copy(order="K") if array else bytes(memoryview(obj))


def _contents_unchanged(content: Any) -> bool:
    obj, copy, _ = content
    if is_a(obj, np.ndarray):
        return obj.dtype == copy.dtype and equal_bytes(obj, copy)
    return bool(bytes(memoryview(obj)) == copy)


def _array_unchanged(array: Any) -> bool:
    again, copy = array[0](), array[1]
    return again is not None and equal_bytes(again, copy)


def equal_bytes(array: Any, copy: Any) -> bool:
    """Whether two arrays of one dtype hold the same bits."""
    array, copy = np.asarray(array), np.asarray(copy)  # without the mask
    if array.shape != copy.shape:
        return False
    if array.flags.c_contiguous and copy.flags.c_contiguous:
        return np.array_equal(array.reshape(-1).view(np.uint8), copy.reshape(-1).view(np.uint8))
    return bool(array.tobytes() == copy.tobytes())
