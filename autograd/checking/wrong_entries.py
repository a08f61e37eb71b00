"""What gradcheck says of the entries of a gradient that are wrong: which, by how much, and why."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from .differences import Slope


class Entry(NamedTuple):
    """One entry of an argument: what the rules say there, and what differences say."""

    leaf: int
    at: tuple[int, ...]
    rules: float
    slope: Slope

    @property
    def error(self) -> float:
        """Of the rules, in units of the slope's tolerance: above 1 they are wrong."""
        return self.slope.error(self.rules)


def describe(entries: Sequence[Entry], worst: Entry, names: Sequence[str]) -> list[str]:
    """The worst entry and the numbers of wrong ones, in lines. names: of the arguments."""
    wrong = [entry for entry in entries if entry.error > 1.0]
    counts = ", ".join(
        f"{sum(e.leaf == i for e in wrong)} of {sum(e.leaf == i for e in entries)} of {name}"
        for i, name in enumerate(names)
    )
    slope = worst.slope
    says = f"between {slope.low:.6g} and {slope.high:.6g}" if slope.kink else f"{slope.low:.10g}"
    error = max(slope.low - worst.rules, worst.rules - slope.high)
    return [
        f"wrong gradient of {names[worst.leaf]}{bracketed(worst.at)}",
        f"the rules say {worst.rules:.10g}, differences say {says}: error {error:.3g}, "
        f"tolerance {slope.tolerance:.1g}",
        f"wrong entries: {counts}",
    ]


def diagnose(entries: Sequence[Entry]) -> Iterator[str]:
    """What the wrong entries have in common, if anything."""
    wrong = [entry for entry in entries if entry.error > 1.0]
    rules = np.array([entry.rules for entry in wrong])
    right = np.array([entry.slope.middle for entry in wrong])
    by_leaf: dict[int, list[Entry]] = {}
    for entry in entries:
        by_leaf.setdefault(entry.leaf, []).append(entry)
    for i, j in itertools.combinations(by_leaf, 2):
        if _swapped(by_leaf[i], by_leaf[j]) and _swapped(by_leaf[j], by_leaf[i]):
            yield f"the gradients of two arguments, {i} and {j}, are swapped"
            return
    if not rules.any():
        yield "no gradient gets there: a rule that is None or gives 0, or a detach()"
    elif np.all(right) and near(rules, -right):
        yield "the sign is wrong"
    elif np.all(right) and near(rules / right, rules[0] / right[0]):
        yield f"a factor is wrong: the rules give {rules[0] / right[0]:.6g} times what they should"


def _swapped(mine: list[Entry], other: list[Entry]) -> bool:
    """Whether the rules give the one argument what differences give the other, and are wrong."""
    if len(mine) != len(other):
        return False
    pairs = zip(mine, other, strict=True)
    return all(a.error > 1.0 and near(a.rules, b.slope.middle) for a, b in pairs)


def near(a: Any, b: Any) -> bool:
    """Whether two numbers or arrays are equal to five digits."""
    return bool(np.allclose(a, b, rtol=1e-5, atol=0.0))


def bracketed(index: Any) -> str:
    """An index as Python writes it; nothing for that of a number."""
    return f"[{', '.join(str(int(i)) for i in index)}]" if len(index) else ""
