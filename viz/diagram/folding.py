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

MOST_BOXES = 800
MOST_SPAN = 5_000  # columns that arrows cross; dot takes a second or two for these
LONGEST_PERIOD = 64  # of a repetition, in boxes; what it finds are the boxes of the next round
PIECES = 40  # into so many a graph is cut that neither modules nor repetition make small enough


@dataclass(frozen=True, eq=False)
class Box:
    """One box of the picture: the positions of its items, more than one if it is a fold.

    title: the module it is. times: how often its parts are repeated. parts: what is in it, once.
    key: equal for boxes that look the same.
    """

    members: tuple[int, ...]
    key: Hashable = None
    title: str = ""
    times: int = 1
    parts: tuple[str, ...] = ()

    @property
    def folded(self) -> bool:
        """Whether it is more than the item itself."""
        return bool(self.title) or len(self.members) > 1

    @property
    def label(self) -> str:
        """What it is called as a part of a larger one."""
        text = self.title or ", ".join(self.parts)
        if self.times == 1:
            return text
        return f"{text} x {self.times}" if len(self.parts) == 1 else f"({text}) x {self.times}"


def unfolded(items: Sequence[Item]) -> list[Box]:
    """A box for each item, leaves and constants before the first that reads them."""
    return _with_leaves(_operations(items), items)


def fold(items: Sequence[Item]) -> list[Box]:
    """The boxes of a folded picture: runs of one module's operations, then runs that repeat; for
    as long as the picture is too large, that again. The roots stay in sight; a leaf goes into the
    fold that alone reads it."""
    depth = max((len(item.scope) for item in items), default=0)
    boxes = _by_repetition(_by_scope(_operations(items), items, depth))
    together = _with_leaves(boxes, items)
    while len(boxes) > PIECES and (len(together) > MOST_BOXES or span(together, items) > MOST_SPAN):
        before = len(boxes)
        if depth > 1:
            depth -= 1
            boxes = _by_scope(boxes, items, depth)
        boxes = _by_repetition(boxes)
        if len(boxes) == before and depth <= 1:
            boxes = _in_pieces(boxes)
        together = _with_leaves(boxes, items, shared=True)
    return together


def span(boxes: Sequence[Box], items: Sequence[Item]) -> int:
    """How many columns the arrows cross, in all: what the layout takes its time for."""
    place = {member: number for number, box in enumerate(boxes) for member in box.members}
    column = [0] * len(boxes)
    total = 0
    for number, box in enumerate(boxes):
        read = {place[arg] for member in box.members for arg in items[member].args} - {number}
        column[number] = max((column[arg] + 1 for arg in read), default=0)
        total += sum(column[number] - column[arg] for arg in read)
    return total


def _operations(items: Sequence[Item]) -> list[Box]:
    alike: dict[tuple[str, ...], int] = {}  # scopes, but for the numbers of layers
    for scope in {item.scope for item in items}:
        alike[scope] = hash(tuple(re.sub(r"\d+", "#", part) for part in scope))
    boxes = []
    for i, item in enumerate(items):
        if item.args:
            name = item.row.name if item.row else str(item.name)
            # A root is like nothing else, and so never folded.
            key = i if item.kind == "root" else (name, shape_of(item.data), alike[item.scope])
            boxes.append(Box((i,), key, "", 1, (name,)))
    return boxes


def _by_scope(boxes: list[Box], items: Sequence[Item], depth: int) -> list[Box]:
    """Runs of boxes that one call of a module made become one."""

    def scope(box: Box) -> Any:
        item = items[box.members[0]]
        if item.kind == "root" or not item.scope:
            return box  # alone
        return item.scope[:depth]

    return [
        run[0] if isinstance(key, Box) else _joined(run, " / ".join(key))
        for key, run in ((key, list(run)) for key, run in groupby(boxes, scope))
    ]


def _joined(run: Sequence[Box], title: str = "", times: int = 1) -> Box:
    """One box for a run, of which the first 1/times is repeated."""
    members = tuple(i for box in run for i in box.members)
    once = run[: len(run) // times]
    key = (times, *(box.key for box in once))
    return Box(members, hash(key), title, times, tuple(box.label for box in once))


def _by_repetition(boxes: list[Box]) -> list[Box]:
    """Runs that repeat become one box each; what is in no such run stays as it is."""
    found: list[Box] = []
    numbers: dict[Hashable, int] = {}
    keys = np.array([numbers.setdefault(box.key, len(numbers)) for box in boxes])
    end = 0
    for start, period, times in _repetitions(keys):
        found += boxes[end:start]
        end = start + period * times
        found.append(_joined(boxes[start:end], times=times))
    return found + boxes[end:]


def _repetitions(keys: np.ndarray[Any, Any]) -> Iterator[tuple[int, int, int]]:
    """(start, period, times) of the runs that repeat, from left to right; at each place the one
    that goes furthest, of those the one with the shortest period.

    >>> list(_repetitions(np.array([0, 1, 2, 1, 2, 1, 2, 3, 3, 3])))
    [(1, 2, 3), (7, 1, 3)]
    """
    n = len(keys)
    cover, period = np.zeros(n, int), np.ones(n, int)
    places = np.arange(n)
    for p in range(1, min(LONGEST_PERIOD, n // 2) + 1):
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


def _in_pieces(boxes: list[Box]) -> list[Box]:
    """What has neither modules nor repetition, cut into pieces of one size."""
    size = -(-len(boxes) // PIECES)
    runs = [boxes[i : i + size] for i in range(0, len(boxes), size)]
    return [run[0] if len(run) == 1 else _joined(run) for run in runs]


def _is_data(item: Item) -> bool:
    """Whether it is a batch, or the input of a program."""
    return item.kind == "constant" and (item.data is None or np.ndim(item.data) > 0)


def _with_leaves(boxes: list[Box], items: Sequence[Item], shared: bool = False) -> list[Box]:
    """The boxes, with the leaves and constants before the first that reads them, or in the fold
    that alone does; an array of data stays in sight. shared: those that are first read by the same
    box become one too."""
    readers: dict[int, list[int]] = {i: [] for i, item in enumerate(items) if not item.args}
    for number, box in enumerate(boxes):
        for member in box.members:
            for arg in items[member].args:
                if arg in readers and number not in readers[arg][-1:]:
                    readers[arg].append(number)
    inside: dict[int, list[int]] = {}
    before: dict[int, dict[Hashable, list[int]]] = {}
    for leaf, read_by in readers.items():
        stays = _is_data(items[leaf]) and not shared
        if len(read_by) == 1 and boxes[read_by[0]].folded and not stays:
            inside.setdefault(read_by[0], []).append(leaf)
        else:
            together = before.setdefault(read_by[0] if read_by else 0, {})
            together.setdefault(None if shared else leaf, []).append(leaf)
    found: list[Box] = []
    for number, box in enumerate(boxes or [Box(())]):
        found += [Box(tuple(alike)) for alike in before.get(number, {}).values()]
        leaves = inside.get(number)
        found.append(replace(box, members=(*leaves, *box.members)) if leaves else box)
    return [box for box in found if box.members]
