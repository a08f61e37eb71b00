"""The slope of a primitive, or of a graph of numbers, by the step that says most.

gradcheck takes the first step that will do, because a call of its function is dear, and finds kinks
in the values alone. Here a call is cheap and the kinks are known by their primitives, but the
number may be anything that somebody typed: so every step is tried, down to those that a number near
a pole needs, and none is believed that disagrees with the finest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from autograd.checking.differences import (
    EPS,
    STEPS,
    UNKNOWN,
    Slope,
    Stencil,
    slope_rounding,
    stencil,
)

__all__ = ["BEND", "best_slope", "smooth", "truncation"]

BEND = 1e-3  # a slope that changes by more of itself within a step has a kink there
# BEND lets pass what is not yet smooth enough for the quotients' own estimate of their truncation.
CAUTION = 12


def smooth(points: Stencil) -> Any:
    """Where a function has no kink and no pole within the step, as far as its values show it."""
    left, right = points.sides
    change = np.abs(right - left)  # over a step to each side
    return np.isfinite(points.wide) & (change <= 2 * BEND * np.maximum(1.0, np.abs(points.slope)))


def truncation(points: Stencil) -> Any:
    """What the slope of each entry may be off by, apart from rounding."""
    return CAUTION * points.truncation


class _Reading(NamedTuple):
    """What one step says of a slope, and what rounding may cost it."""

    points: Stencil
    slope: float
    truncation: float
    rounding: float

    @property
    def tolerance(self) -> float:
        return self.truncation + self.rounding


@np.errstate(all="ignore")
def best_slope(
    f: Callable[[float], float], same_side: Callable[[float], Any], x: float, noise: float
) -> Slope:
    """The slope at x with the smallest tolerance; UNKNOWN where no step can be believed.

    f: a function of the distance from x, which is off by at most `noise`.
    same_side(h): whether -h and h are on one side of every kink that is known.
    """
    *larger, smallest = _steps(x)
    # The smallest step tells least, but where larger ones disagree with it f turns around within
    # them: of sin(1e9 * x) their points lie anywhere on the wave.
    finest = _read(f, x, smallest, noise)
    if finest.truncation > BEND * abs(finest.slope) + 2 * finest.rounding:
        return UNKNOWN
    best: _Reading | None = None
    kinked: _Reading | None = None
    for h in larger:
        reading = _read(f, x, h, noise)
        if not (smooth(reading.points) and same_side(h)):
            kinked = kinked or reading
        elif abs(reading.slope - finest.slope) <= reading.tolerance + finest.tolerance:
            if best is None or reading.tolerance < best.tolerance:
                best = reading
            if reading.truncation <= reading.rounding:  # smaller steps only round more
                break
    if best:
        return Slope(best.slope, best.slope, best.tolerance, best.points.h)
    return _kink(kinked, finest) if kinked else UNKNOWN


def _read(f: Callable[[float], float], x: float, h: float, noise: float) -> _Reading:
    points = stencil(lambda t: np.float64(f(t)), h)
    slope = float(points.slope)
    # The rounding of f, of x + h, and of the quotient itself.
    rounding = slope_rounding(noise, h) + 4 * EPS * (np.float64(abs(x)) / h + 1.0) * abs(slope)
    return _Reading(points, slope, float(truncation(points)), float(rounding))


def _kink(kinked: _Reading, finest: _Reading) -> Slope:
    """At a kink each side has a slope of its own, and keeps it as the step shrinks; at a pole the
    slopes grow, and nothing is known."""
    sides = [float(side) for side in kinked.points.sides]
    bend = BEND * max(1.0, *map(abs, sides)) + 4 * finest.tolerance
    pairs = zip(sides, finest.points.sides, strict=True)
    if not all(abs(side - finer) <= bend for side, finer in pairs):
        return UNKNOWN
    return Slope(min(sides), max(sides), BEND, kinked.points.h, kink=True)


def _steps(x: float) -> Iterator[float]:
    """From large to small; in the end relative to a small x, which may lie near a pole."""
    for scale in sorted({max(1.0, abs(x)), abs(x) or 1.0}, reverse=True):
        yield from (h * scale for h in STEPS)
