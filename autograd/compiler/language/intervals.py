"""Interval arithmetic on the integers of the loop language: the least and the greatest value that
an expression may have.

A printer for a machine of 32-bit addresses asks it which int64 fit in 32 bits, which bounds of a
loop are constants, and which loops have a turn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np

from ...primitives.expressions import BOOL, Affine, Const, DType, Expr, Op, Var


@dataclass(frozen=True)
class Interval:
    """The integers from `low` to `high`, both among them.

    >>> Interval(0, 9) + Interval(-1, 1), Interval(-8, 9) // Interval(2, 4)
    (Interval(low=-1, high=10), Interval(low=-4, high=4))
    """

    low: int
    high: int

    @staticmethod
    def of(value: int) -> Interval:
        """One integer."""
        return Interval(value, value)

    @property
    def is_int32(self) -> bool:
        """Whether all of them are int32."""
        return self.low >= -(2**31) and self.high < 2**31

    @property
    def constant(self) -> int | None:
        """The only integer, if there is but one."""
        return self.low if self.low == self.high else None

    def union(self, other: Interval) -> Interval:
        """The least interval that contains both."""
        return Interval(min(self.low, other.low), max(self.high, other.high))

    def corners(self, other: Interval, combine: Callable[[int, int], int]) -> Interval:
        """What an operation gives that is monotonic in each operand."""
        ends = product((self.low, self.high), (other.low, other.high))
        found = [combine(x, y) for x, y in ends]
        return Interval(min(found), max(found))

    def __add__(self, other: Interval) -> Interval:
        return Interval(self.low + other.low, self.high + other.high)

    def __sub__(self, other: Interval) -> Interval:
        return Interval(self.low - other.high, self.high - other.low)

    def __mul__(self, other: Interval) -> Interval:
        return self.corners(other, lambda x, y: x * y)

    def __floordiv__(self, other: Interval) -> Interval:
        """By positive integers, rounded toward 0."""
        return self.corners(other, lambda x, y: abs(x) // y * (1 if x >= 0 else -1))


@cache
def whole(dtype: DType) -> Interval:
    """All integers of a dtype.

    >>> whole(np.dtype("uint8"))
    Interval(low=0, high=255)
    """
    if dtype == BOOL:
        return Interval(0, 1)
    limits = np.iinfo(dtype)
    return Interval(int(limits.min), int(limits.max))


def interval(expr: Expr, variables: Mapping[str, Interval]) -> Interval:
    """The values that an expression of integers may have. variables: what is known of some; of any
    other it is their dtype.

    >>> print(interval(Affine.of("i") * 4 + 3, {"i": Interval(0, 9)}))
    Interval(low=3, high=39)
    """
    everything = whole(expr.dtype)
    match expr:
        case Const(value):
            return Interval.of(int(value))
        case Var(name):
            return variables.get(name, everything)
        case Affine():
            found = _affine(expr, variables)
        case Op():
            found = _operation(expr, variables)
        case _:
            return everything
    fits = everything.low <= found.low and found.high <= everything.high
    return found if fits else everything  # it wraps around


def _affine(expr: Affine, variables: Mapping[str, Interval]) -> Interval:
    total = Interval.of(expr.const)
    for name, factor in expr.terms:
        total += variables.get(name, whole(expr.dtype)) * Interval.of(factor)
    return total


def _operation(expr: Op, variables: Mapping[str, Interval]) -> Interval:
    if any(arg.dtype.kind == "f" for arg in expr.args):
        return whole(expr.dtype)
    found = [interval(arg, variables) for arg in expr.args]
    match expr.name, found:
        case "select", (_, one, other):
            return _minimum(expr, one, other) or one.union(other)
        case "+", (x, y):
            return x + y
        case "-", (x, y):
            return x - y
        case "*", (x, y):
            return x * y
        case "neg", (x,):
            return Interval.of(0) - x
        case "//", (x, y) if y.low > 0:
            return x // y
        case "%", (x, y) if y.low > 0:
            return _remainder(x, y)
        case (("convert" | "bounded"), (x, *_)):
            return x
    return whole(expr.dtype)


def _minimum(expr: Op, one: Interval, other: Interval) -> Interval | None:
    """The minimum of two integers, if that is what a select gives."""
    test, *values = expr.args
    if test != Op("<", tuple(values), BOOL):
        return None
    return Interval(min(one.low, other.low), min(one.high, other.high))


def _remainder(x: Interval, y: Interval) -> Interval:
    """It has the sign of x, and is smaller than both."""
    most = y.high - 1
    return Interval(max(-most, min(x.low, 0)), min(most, max(x.high, 0)))
