"""What gradcheck says of wrong entries: the worst one, how many, and what they have in common."""

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
        """In units of the tolerance."""
        return self.slope.error(self.rules)


def mismatch(entries: list[Entry], names: Sequence[str]) -> Iterator[str]:
    """Lines about the worst entry. entries: all that were compared, some of them wrong."""
    worst = max(entries, key=lambda entry: entry.error)
    wrong = [entry for entry in entries if entry.error > 1.0]
    counts = ", ".join(
        f"{sum(e.leaf == i for e in wrong)} of {sum(e.leaf == i for e in entries)} of {name}"
        for i, name in enumerate(names)
    )
    s = worst.slope
    says = f"{s.middle:.10g}" if s.low == s.high else f"between {s.low:.6g} and {s.high:.6g}"
    yield f"wrong gradient of {names[worst.leaf]}{brackets(worst.at)}"
    yield (
        f"the rules say {worst.rules:.10g}, differences say {says}: error "
        f"{max(s.low - worst.rules, worst.rules - s.high):.3g}, tolerance {s.tolerance:.1g}"
    )
    yield f"wrong entries: {counts}"


def likely_mistake(entries: list[Entry]) -> Iterator[str]:
    """What the wrong numbers have in common, if anything."""
    wrong = [entry for entry in entries if entry.error > 1.0]
    rules = np.array([e.rules for e in wrong])
    right = np.array([e.slope.middle for e in wrong])
    by_leaf: dict[int, list[Entry]] = {}
    for entry in entries:
        by_leaf.setdefault(entry.leaf, []).append(entry)
    for i, j in itertools.combinations(by_leaf, 2):
        if _swapped(by_leaf[i], by_leaf[j]) and _swapped(by_leaf[j], by_leaf[i]):
            yield f"the gradients of two arguments, {i} and {j}, are swapped"
            return
    if not rules.any():
        yield "no gradient gets there: a rule that is None or gives 0, or a detach()"
    elif np.all(right) and close(rules, -right):
        yield "the sign is wrong"
    elif np.all(right) and close(rules / right, rules[0] / right[0]):
        yield f"a factor is wrong: the rules give {rules[0] / right[0]:.6g} times what they should"


def _swapped(one: list[Entry], other: list[Entry]) -> bool:
    """Whether the rules give the one argument what differences give the other, and are wrong."""
    if len(one) != len(other):
        return False
    pairs = zip(one, other, strict=True)
    return all(a.error > 1.0 and close(a.rules, b.slope.middle) for a, b in pairs)


def close(a: Any, b: Any) -> bool:
    """Whether numbers agree to five digits."""
    return bool(np.allclose(a, b, rtol=1e-5, atol=0.0))


def brackets(index: Any) -> str:
    """An index as one writes it; empty for a scalar."""
    return f"[{', '.join(str(int(i)) for i in index)}]" if len(index) else ""
