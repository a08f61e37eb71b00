"""Where an entry is: sums of loop variables times integers, and an array's strides."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

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


# --- indices through views ------------------------------------------------------------------------


def transposed(index: Index, axes: Sequence[int]) -> Index:
    """The index into an array whose axes were put into this order."""
    inner = [ZERO] * len(index)
    for place, axis in zip(index, axes, strict=True):
        inner[axis] = place
    return tuple(inner)


def ranges(key: Any, shape: Shape) -> list[tuple[int, int, int | None]]:
    """Start, step and count along each axis that a key of slices and integers reads; the count of
    an integer is None."""
    parts = [part for part in (key if isinstance(key, tuple) else (key,)) if part is not None]
    used = sum(part is not Ellipsis for part in parts)
    rest = [slice(None)] * (len(shape) - used)
    if Ellipsis in parts:
        where = parts.index(Ellipsis)
        parts[where : where + 1] = rest
    else:
        parts += rest
    found: list[tuple[int, int, int | None]] = []
    for part, n in zip(parts, shape, strict=True):
        if isinstance(part, slice):
            numbers = range(n)[part]
            found.append((numbers.start, numbers.step, len(numbers)))
        else:
            found.append((part % n, 1, None))
    return found


def sliced(key: Any, index: Index, shape: Shape) -> Index:
    """The index into an array of this shape, given that into its slices."""
    kept = iter(_without_new(key, index, len(shape)))
    inner = []
    for start, step, count in ranges(key, shape):
        inner.append(Place((), start) if count is None else next(kept) * step + Place((), start))
    return tuple(inner)


def _without_new(key: Any, index: Index, ndim: int) -> list[Place]:
    """The index without the axes that None made."""
    new = _new_axes(key, len(index))
    return [place for axis, place in enumerate(index) if axis not in new]


def unsliced(key: Any, inner: list[Place], shape: Shape) -> Index:
    """The index into the slices themselves, with the axes that None made."""
    new, rest = _new_axes(key, len(shape)), iter(inner)
    places = [ZERO if axis in new else next(rest) for axis in range(len(shape))]
    return tuple(ZERO if n == 1 else place for place, n in zip(places, shape, strict=True))


def gathered(key: Any, axes: int, index: Index, shape: Shape) -> tuple[Index, list[Place | None]]:
    """Where x[key] reads x, of this shape, if arrays (of `axes` axes together) are in the key: the
    index into the arrays, and that into x, with None where an array says it. NumPy puts the
    arrays' axes where the first of them stands; in front of all, if something is between them."""
    parts = _spelled(key, len(shape))
    fixed = [i for i, part in enumerate(parts) if not (part is None or isinstance(part, slice))]
    apart = fixed[-1] - fixed[0] >= len(fixed)
    first = 0 if apart else fixed[0]
    kept = iter((*index[:first], *index[first + axes :]))
    lengths, inner = iter(shape), list[Place | None]()
    for part in parts:
        if part is None:
            next(kept)
            continue
        n = next(lengths)
        if isinstance(part, slice):
            numbers = range(n)[part]
            inner.append(next(kept) * numbers.step + Place((), numbers.start))
        else:
            inner.append(Place((), part % n) if isinstance(part, int) else None)
    return index[first : first + axes], inner


def named_lengths(key: Any, shape: Shape) -> list[int]:
    """The lengths of the axes at which there are arrays in a key."""
    parts = [part for part in _spelled(key, len(shape)) if part is not None]
    return [n for p, n in zip(parts, shape, strict=True) if not isinstance(p, int | slice)]


def _spelled(key: Any, ndim: int) -> list[Any]:
    """The parts of a key, with slices for its Ellipsis."""
    where, parts = _ellipsis(key), list(key)
    used = sum(part is not None and part is not Ellipsis for part in parts)
    parts[where : where + 1] = [slice(None)] * (ndim - used)
    return parts


def _new_axes(key: Any, ndim: int) -> set[int]:
    """The axes of the slices (ndim in all) that None made."""
    parts = key if isinstance(key, tuple) else (key,)
    before = [part for part in parts[: _ellipsis(parts)] if not isinstance(part, int)]
    after = [part for part in parts[_ellipsis(parts) + 1 :] if not isinstance(part, int)]
    found = {i for i, part in enumerate(before) if part is None}
    return found | {ndim - len(after) + i for i, part in enumerate(after) if part is None}


def _ellipsis(parts: Any) -> int:
    return parts.index(Ellipsis) if Ellipsis in parts else len(parts)
