"""Where an entry is: sums of loop variables times integers, and an array's strides."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Place:
    """A position along an axis, or in memory: `const` plus variables times integers.

    >>> print(Place.of("i") * 10 + Place.of("j") + Place((), 3))
    i * 10 + j + 3
    """

    terms: tuple[tuple[str, int], ...]
    const: int = 0

    @staticmethod
    def of(name: str) -> Place:
        return Place(((name, 1),))

    def __add__(self, other: Place) -> Place:
        total = dict(self.terms)
        for name, factor in other.terms:
            total[name] = total.get(name, 0) + factor
        terms = tuple(sorted((name, n) for name, n in total.items() if n))
        return Place(terms, self.const + other.const)

    def __mul__(self, factor: int) -> Place:
        terms = tuple((name, n * factor) for name, n in self.terms) if factor else ()
        return Place(terms, self.const * factor)

    def names(self) -> list[str]:
        """The variables in it."""
        return [name for name, _ in self.terms]

    def factor(self, name: str) -> int:
        """What a variable is multiplied by."""
        return dict(self.terms).get(name, 0)

    def renamed(self, names: Mapping[str, Place]) -> Place:
        """With places put for variables."""
        total = Place((), self.const)
        for name, factor in self.terms:
            total += names.get(name, Place.of(name)) * factor
        return total

    def __str__(self) -> str:
        parts = [name if n == 1 else f"{name} * {n}" for name, n in self.terms]
        parts += [str(self.const)] if self.const or not parts else []
        return " + ".join(parts)


ZERO = Place(())
Index = tuple[Place, ...]


def contiguous(shape: Shape) -> tuple[int, ...]:
    """The strides, in entries, of an array in row-major order."""
    return tuple(math.prod(shape[i + 1 :]) for i in range(len(shape)))


def at(index: Index, strides: Sequence[int]) -> Place:
    """The place in memory of an entry."""
    total = ZERO
    for place, stride in zip(index, strides, strict=True):
        total += place * stride
    return total


def aligned(index: Index, shape: Shape) -> Index:
    """The index into an argument of this shape where it broadcasts to the index's."""
    last = index[len(index) - len(shape) :]
    return tuple(ZERO if n == 1 else place for place, n in zip(last, shape, strict=True))


def reshaped(index: Index, shape: Shape, before: Shape) -> Index | None:
    """The index into an array of shape `before` that was reshaped to `shape`, where only axes of
    length 1 came or went; else None."""
    wide = [place for place, n in zip(index, shape, strict=True) if n != 1]
    if [n for n in shape if n != 1] != [n for n in before if n != 1]:
        return None
    rest = iter(wide)
    return tuple(ZERO if n == 1 else next(rest) for n in before)
