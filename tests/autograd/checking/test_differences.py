"""Difference quotients: within their own tolerance of the derivative, and honest where it fails."""

import math

import numpy as np
import pytest

from autograd.checking.differences import (
    EPS,
    STEP,
    STEPS,
    UNKNOWN,
    Slope,
    first_smooth_slope,
    random_direction,
    random_entries,
    stencil,
)


@pytest.mark.parametrize(
    ("f", "derivative"),
    [
        (lambda t: math.exp(1.0 + t), math.e),
        (lambda t: math.sin(1e3 * t), 1e3),
        (lambda t: math.log(1e-6 + t) if 1e-6 + t > 0.0 else math.nan, 1e6),
        (lambda t: 7.0, 0.0),
    ],
)
def test_a_smooth_slope_is_within_its_tolerance(f, derivative):
    """Else gradcheck calls a right rule wrong. The tolerance is small beside the slope, or a wrong
    rule would pass."""
    slope = first_smooth_slope(f, 4 * EPS * abs(f(0.0)))
    assert slope.low == slope.high == slope.middle and not slope.kink
    assert slope.error(derivative) <= 1.0
    # Of sin(1e3 * t) the truncation, (1e3 * STEP)**2 / 24 of the slope.
    assert slope.tolerance <= 1.6e-6 * max(1.0, derivative)


def test_at_a_kink_it_is_the_interval_between_the_sides():
    """Else a convention, such as relu'(0) = 0, is called wrong, or any number right."""
    slope = first_smooth_slope(lambda t: max(t, 0.0), 0.0)
    assert slope[:2] == (0.0, 1.0) and slope.kink and slope.step == STEPS[2]
    assert [slope.error(x) for x in (0.0, 0.3, 1.0)] == [0.0] * 3
    assert slope.error(1.5) > 1.0 and slope.error(-0.1) > 1.0


@pytest.mark.parametrize("distance", [0.9 * STEP, 1e-3 * STEP])
def test_beside_a_kink_the_step_shrinks(distance):
    """Else every slope near a kink is excused by it."""
    slope = first_smooth_slope(lambda t: max(distance + t, 0.0), 0.0)
    assert not slope.kink and slope.step < distance and slope.error(1.0) <= 1.0


@pytest.mark.parametrize(
    "f", [lambda t: float(t > 0.0), lambda t: math.sqrt(t) if t >= 0.0 else math.nan]
)
def test_where_nothing_settles_nothing_is_known(f):
    """Else a jump is taken for a slope."""
    slope = first_smooth_slope(f, 0.0)
    assert slope is UNKNOWN and not slope.known and slope.error(1e9) == 0.0


def test_a_slope_times_a_negative_factor():
    """Else the interval is empty, and every number is outside."""
    assert Slope(1.0, 2.0, 0.5, STEP, kink=True).times(-2.0) == (-4.0, -2.0, 1.0, STEP, True)


def test_the_five_values_of_an_array():
    """Else the entries of an array are not those of its numbers."""
    x = np.array([0.5, 0.0, 2.0])
    points = stencil(lambda t: np.abs(x + t), STEP)
    for i, at in enumerate(x):
        single = stencil(lambda t, at=at: abs(at + t), STEP)
        assert single == (STEP, *(values[i] for values in points[1:]))
        assert points.slope[i] == single.slope and points.sides[1][i] == single.sides[1]
    assert np.argmax(np.abs(points.fourth_difference)) == 1
    with np.errstate(all="ignore"):
        assert stencil(lambda t: np.log(x + t), STEP).finite.tolist() == [True, False, True]


def test_every_entry_counts_in_a_random_direction():
    """Else a wrong entry is hidden by a small one, or cancels."""
    x = np.array([1e3, 0.0, np.inf, -2.0] * 50)
    entries = random_entries(np.random.default_rng(0), x.shape)
    assert np.all((np.abs(entries) >= 0.5) & (np.abs(entries) <= 1.0)) and abs(entries.sum()) < 50
    moved = random_direction(np.random.default_rng(0), x) / entries
    np.testing.assert_allclose(moved, np.where(np.isfinite(x), np.maximum(1.0, abs(x)), 1.0))
