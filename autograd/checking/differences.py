"""Difference quotients: what gradcheck and the debugger of viz compare gradients with.

A slope is computed from a function's values at five points along a line. It is off by rounding, at
most 8 B / h where the function is off by at most B, and by truncation, which the quotients over h
and h / 2 show. At a kink it is an interval: any slope between those of the two sides is right.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

EPS = sys.float_info.epsilon
ULPS = 4  # no operation of the table is off by more units in the last place
# The distance of the outer points. Rounding costs EPS / h of a slope, truncation h**2: at this h
# they are equal.
STEP = EPS ** (1 / 3)
# Near a kink or a pole only smaller steps stay on one side, at the price of their rounding.
STEPS = tuple(STEP / 16.0**k for k in range(7))
# A jump of the slope is at the point itself if this many steps find it, with sizes that differ by
# less than this fraction.
SIGHTINGS, ALIKE = 3, 0.1


class Slope(NamedTuple):
    """The slope of a function at a point, give or take `tolerance`: one number, or at a kink
    anything from `low` to `high`. `step` is the distance of the outer points."""

    low: float
    high: float
    tolerance: float
    step: float
    kink: bool = False

    @property
    def known(self) -> bool:
        """Whether the differences settled on a slope."""
        return self.high < np.inf

    @property
    def jump(self) -> float:
        """The difference of the slopes of the two sides."""
        return self.high - self.low

    @property
    def middle(self) -> float:
        """The slope; at a kink, the mean of the two sides."""
        return self.low if self.low == self.high else (self.low + self.high) / 2

    def error(self, slope: float) -> float:
        """The distance of another slope from this one, in units of the tolerance."""
        off = max(self.low - slope, slope - self.high, 0.0)
        return off / self.tolerance if off and self.tolerance else off and np.inf

    def times(self, factor: float) -> Slope:
        """The slope of the function times a factor."""
        low, high = sorted((factor * self.low, factor * self.high))
        return self._replace(low=low, high=high, tolerance=abs(factor) * self.tolerance)


UNKNOWN = Slope(-np.inf, np.inf, 0.0, 0.0)


class Stencil(NamedTuple):
    """The values of a function at -h, -h/2, 0, h/2 and h: numbers, or arrays of one shape."""

    h: float
    far_left: Any
    left: Any
    here: Any
    right: Any
    far_right: Any

    @property
    def finite(self) -> Any:
        """Where all five values are finite."""
        return np.isfinite(self[1:]).all(axis=0)

    @property
    def narrow(self) -> Any:
        """The central difference over h / 2 to each side."""
        return (self.right - self.left) / self.h

    @property
    def wide(self) -> Any:
        """The central difference over h to each side."""
        return (self.far_right - self.far_left) / (2 * self.h)

    @property
    def slope(self) -> Any:
        """The two central differences, extrapolated to h = 0 (Richardson)."""
        return (4 * self.narrow - self.wide) / 3

    @property
    def truncation(self) -> Any:
        """What the extrapolation changed: where f is smooth, a bound of the error that is left."""
        return np.abs(self.slope - self.narrow)

    @property
    def sides(self) -> tuple[Any, Any]:
        """The slope on the left and on the right of the point."""
        return (self.here - self.far_left) / self.h, (self.far_right - self.here) / self.h

    @property
    def fourth_difference(self) -> Any:
        """Of the order of h**4 where the function is smooth, and of h where it has a kink."""
        return self.far_left - 4 * self.left + 6 * self.here - 4 * self.right + self.far_right


def stencil(f: Callable[[float], Any], h: float) -> Stencil:
    """The five values of a function of the distance from the point."""
    return Stencil(h, *(f(t) for t in (-h, -h / 2, 0.0, h / 2, h)))


def slope_rounding(noise: float, h: float = STEP) -> float:
    """The rounding in a slope over h of a function that is off by at most `noise`.

    It moves the extrapolated slope by 3 noise / h. A kink that hides in the fourth difference's
    own 16 noise has a jump of 16 noise / h, and moves the slope by half of that: hence 8.
    """
    return 8 * noise / h


def first_smooth_slope(f: Callable[[float], float], noise: float) -> Slope:
    """The slope of f at 0, from its values alone, by the largest step within which f is smooth:
    five calls of f, if it is smooth within the first step.

    noise: how far f may be off, by rounding within it.
    Gives UNKNOWN where nothing settles as the step shrinks, or f is not finite on both sides.

    >>> slope = first_smooth_slope(lambda t: (3.0 + t) ** 2, noise=9.0 * EPS)
    >>> slope.error(6.0) < 1.0 < slope.error(6.0 + 1e-6)
    True
    >>> first_smooth_slope(abs, noise=EPS)[:2]
    (-1.0, 1.0)
    """
    kinks: list[Slope] = []
    for h in STEPS:
        points = stencil(f, h)
        if not points.finite:
            continue
        rounding = noise + ULPS * EPS * max(map(abs, points[1:]))
        if abs(points.fourth_difference) <= 16 * rounding:
            tolerance = slope_rounding(rounding, h) + float(points.truncation)
            return Slope(points.slope, points.slope, tolerance, h)
        low, high = sorted(points.sides)
        kinks.append(Slope(low, high, slope_rounding(rounding, h), h, kink=True))
        alike = [kink for kink in kinks if abs(kink.jump - (high - low)) < ALIKE * (high - low)]
        if len(alike) == SIGHTINGS:  # the jump of a kink beside the point, or of curvature, shrinks
            return alike[0]._replace(step=h)
    return UNKNOWN


def random_entries(generator: np.random.Generator, shape: tuple[int, ...]) -> Any:
    """Random entries of both signs, between 0.5 and 1 in size, so that every entry counts."""
    return generator.uniform(0.5, 1.0, shape) * generator.choice((-1.0, 1.0), shape)


def random_direction(generator: np.random.Generator, x: Any) -> Any:
    """A random direction to move an argument in; a large entry moves by more."""
    scale = np.where(np.isfinite(x), np.maximum(1.0, np.abs(x)), 1.0)
    return random_entries(generator, np.shape(x)) * scale
