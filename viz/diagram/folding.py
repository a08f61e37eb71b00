"""Folding: a graph too large to read becomes a few boxes, by module and then by repetition.

Operations are taken in the order in which they were made, which is a topological order. A fold is
always a run of that order, so no folding can make a cycle.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np

from viz.diagram.items import Item, shape_of

__all__ = ["Box", "fold", "span", "unfolded"]

FOLDED_BOXES = 800
FOLDED_SPAN = 5_000  # columns that arrows cross; dot takes less than a second for these
MAX_PERIOD = 64  # of a repetition, in boxes; longer ones are found when their parts are folded
PIECES = 40  # that a graph is cut into which neither modules nor repetitions make small enough


@dataclass(frozen=True, eq=False)
class Box:
    """One box of the picture: the positions of its items, more than one if it is a fold.

    title: the module it is. times: how often its parts are repeated. parts: what is in it, once.
    key: equal for boxes that look the same.
    """

    members: tuple[int, ...]
    key: int = -1
    title: str = ""
    times: int = 1
    parts: tuple[str, ...] = ()

    @property
    def folded(self) -> bool:
        """Whether it stands for more than one item."""
        return bool(self.title) or len(self.members) > 1

    @property
    def label(self) -> str:
        """Its name as a part of a larger box."""
        text = self.title or ", ".join(self.parts)
        if self.times == 1:
            return text
        simple = self.title or (len(self.parts) == 1 and " x " not in text)
        return f"{text} x {self.times}" if simple else f"({text}) x {self.times}"


def unfolded(items: Sequence[Item]) -> list[Box]:
    """A box for each item, leaves and constants before the first that reads them."""
    return _Folding(items).with_leaves()


def fold(items: Sequence[Item]) -> list[Box]:
    """The boxes of a folded picture: runs of one module's operations, then runs that repeat; for
    as long as the picture is too large, that again. Roots stay boxes of their own, if they are
    few; a leaf goes into the fold that alone reads it."""
    folding = _Folding(items)
    folding.by_scope()
    folding.by_repetition()
    together = folding.with_leaves()
    if _large(together, items):
        together = folding.with_few_leaves()
    while _large(together, items) and folding.smaller():
        together = folding.with_few_leaves()
    return together


def span(boxes: Sequence[Box], items: Sequence[Item]) -> int:
    """How many columns the arrows cross, in all: the time of a layout depends on that."""
    place = {member: number for number, box in enumerate(boxes) for member in box.members}
    reads = [
        {place[arg] for member in box.members for arg in items[member].args} - {number}
        for number, box in enumerate(boxes)
    ]
    column = [0] * len(boxes)
    first: dict[int, int] = {}  # of a leaf: the column of what reads it first
    for number, read in enumerate(reads):
        column[number] = max((column[arg] + 1 for arg in read), default=0)
        for arg in read:
            first[arg] = min(first.get(arg, column[number]), column[number])
    for number, read in enumerate(reads):
        if not read and number in first:  # a leaf may stand in any column before that
            column[number] = first[number] - 1
    return sum(column[n] - column[arg] for n, read in enumerate(reads) for arg in read)


def _large(boxes: Sequence[Box], items: Sequence[Item]) -> bool:
    return len(boxes) > FOLDED_BOXES or span(boxes, items) > FOLDED_SPAN


class _Folding:
    """The operations of a graph as boxes, fewer after each step."""

    def __init__(self, items: Sequence[Item]) -> None:
        self.items = items
        self.numbers: dict[
            Hashable, int
        ] = {}  # a number for each key: boxes of one key look the same
        self.depth = max((len(item.scope) for item in items), default=0)
        roots = [i for i, item in enumerate(items) if item.kind == "root"]
        self.roots = set(roots) if len(roots) <= PIECES else set()
        alike = {scope: self._alike(scope) for scope in {item.scope for item in items}}
        self.boxes: list[Box] = []
        for i, item in enumerate(items):
            if item.args:
                name = item.primitive.name if item.primitive else str(item.name)
                # No other box has the key of a root, so a root is never part of a repetition.
                own = ("root", i) if i in self.roots else None
                key = own or (name, shape_of(item.data), alike[item.scope])
                self.boxes.append(Box((i,), self._number(key), "", 1, (name,)))

    def _alike(self, scope: tuple[str, ...]) -> int:
        """A number for a scope, the same for layers that differ in their numbers only."""
        return self._number(tuple(re.sub(r"\d+", "#", part) for part in scope))

    def _number(self, key: Hashable) -> int:
        return self.numbers.setdefault(key, len(self.numbers))

    # --- fewer operations ---

    def smaller(self) -> bool:
        """Fold further, if that is possible: by the modules around the modules, by repetition, and
        in the end into pieces of one size."""
        before = len(self.boxes)
        if self.depth > 1:
            self.depth -= 1
            self.by_scope()
            self.by_repetition()
            return True
        self.by_repetition()
        if len(self.boxes) == before:
            self.in_pieces()
        return len(self.boxes) < before

    def by_scope(self) -> None:
        """Make one box of each run of boxes that one module made, in one call or in several."""

        def scope(box: Box) -> Any:
            item = self.items[box.members[0]]
            return item.scope[: self.depth] if item.scope and not self._root(box) else box

        runs = [(key, list(run)) for key, run in groupby(self.boxes, scope)]
        self.boxes = [
            run[0] if isinstance(key, Box) else self._joined(run, " / ".join(key), _times(run))
            for key, run in runs
        ]

    def by_repetition(self) -> None:
        """Make one box of each run that repeats; the other boxes stay as they are."""
        found: list[Box] = []
        end = 0
        for start, period, times in _repetitions(np.array([box.key for box in self.boxes])):
            found += self.boxes[end:start]
            end = start + period * times
            found.append(self._joined(self.boxes[start:end], times=times))
        self.boxes = found + self.boxes[end:]

    def in_pieces(self) -> None:
        """Cut the boxes into pieces of one size; a root stays a box of its own."""
        size = -(-len(self.boxes) // PIECES)
        found: list[Box] = []
        for is_root, run in groupby(self.boxes, self._root):
            part = list(run)
            step = 1 if is_root else size
            pieces = [part[i : i + step] for i in range(0, len(part), step)]
            found += [piece[0] if len(piece) == 1 else self._joined(piece) for piece in pieces]
        self.boxes = found

    def _root(self, box: Box) -> bool:
        return box.members[-1] in self.roots

    def _joined(self, run: Sequence[Box], title: str = "", times: int = 1) -> Box:
        """One box for a run of boxes that consists of `times` equal parts."""
        members = tuple(i for box in run for i in box.members)
        once = run[: len(run) // times]
        key = self._number((times, *(box.key for box in once)))
        return Box(members, key, title, times, tuple(box.label for box in once))

    # --- with the leaves ---

    def with_leaves(self) -> list[Box]:
        """The boxes, and each leaf and constant before the first box that reads it, or within the
        fold that alone reads it; an array of data stays a box."""
        inside: dict[int, list[int]] = {}
        before: dict[int, list[Box]] = {}
        for leaf, read_by in self._readers().items():
            if self._alone(read_by) and not _is_data(self.items[leaf]):
                inside.setdefault(read_by[0], []).append(leaf)
            else:
                before.setdefault(read_by[0] if read_by else 0, []).append(Box((leaf,)))
        return self._together(inside, before)

    def with_few_leaves(self) -> list[Box]:
        """The same, but leaves that the same box reads first share a box."""
        inside: dict[int, list[int]] = {}
        before: dict[int, list[int]] = {}
        for leaf, read_by in self._readers().items():
            into = inside if self._alone(read_by) else before
            into.setdefault(read_by[0] if read_by else 0, []).append(leaf)
        return self._together(inside, {n: [Box(tuple(ls))] for n, ls in before.items()})

    def _readers(self) -> dict[int, list[int]]:
        """The boxes that read each leaf, in order."""
        readers: dict[int, list[int]] = {
            i: [] for i, item in enumerate(self.items) if not item.args
        }
        for number, box in enumerate(self.boxes):
            for member in box.members:
                for arg in self.items[member].args:
                    if arg in readers and number not in readers[arg][-1:]:
                        readers[arg].append(number)
        return readers

    def _alone(self, read_by: Sequence[int]) -> bool:
        return len(read_by) == 1 and self.boxes[read_by[0]].folded

    def _together(self, inside: dict[int, list[int]], before: dict[int, list[Box]]) -> list[Box]:
        found: list[Box] = [] if self.boxes else before.get(0, [])
        for number, box in enumerate(self.boxes):
            found += before.get(number, [])
            leaves = inside.get(number)
            found.append(replace(box, members=(*leaves, *box.members)) if leaves else box)
        return found


def _is_data(item: Item) -> bool:
    """Whether it is a batch, or the input of a program."""
    return item.kind == "constant" and (item.data is None or np.ndim(item.data) > 0)


def _times(run: Sequence[Box]) -> int:
    """Of how many equal parts a run consists."""
    keys = [box.key for box in run]
    for period in range(1, len(keys) // 2 + 1):
        if len(keys) % period == 0 and keys == keys[:period] * (len(keys) // period):
            return len(keys) // period
    return 1


def _repetitions(keys: np.ndarray[Any, Any]) -> Iterator[tuple[int, int, int]]:
    """(start, period, times) of the runs that repeat, from left to right; at each place the one
    that goes furthest, of those the one with the shortest period.

    >>> list(_repetitions(np.array([0, 1, 2, 1, 2, 1, 2, 3, 3, 3])))
    [(1, 2, 3), (7, 1, 3)]
    """
    n = len(keys)
    cover, period = np.zeros(n, int), np.ones(n, int)
    places = np.arange(n)
    for p in range(1, min(MAX_PERIOD, n // 2) + 1):
        differs = np.append(np.flatnonzero(keys[p:] != keys[:-p]), n - p)
        here = places[: n - p]
        times = (differs[np.searchsorted(differs, here)] - here) // p + 1
        covered = np.where((times > 1) & (times * p > 2), times * p, 0)
        better = covered > cover[: n - p]
        cover[: n - p][better] = covered[better]
        period[: n - p][better] = p
    i = 0
    while i < n:
        if cover[i]:
            yield i, int(period[i]), int(cover[i] // period[i])
        i += max(1, int(cover[i]))
