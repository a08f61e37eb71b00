"""The exhibits of the museum train, and are caught: both are the point of each of them."""

import dataclasses

import numpy as np
import pytest

from tests.museum import __main__ as tour
from tests.museum.digits import Outcome
from tests.museum.exhibits import (
    EXHIBITS,
    marked_lines,
    propagate_then_update,
    refused,
    train_step,
    update_then_propagate,
)

ENOUGH = 0.75  # of 1,000 digits answered right; chance is 0.1
TITLES = [exhibit.title for exhibit in EXHIBITS]


@pytest.mark.parametrize("exhibit", EXHIBITS, ids=TITLES)
def test_it_trains_although_it_is_wrong(exhibit):
    assert exhibit.train(exhibit.wrong).accuracy > ENOUGH


@pytest.mark.parametrize("exhibit", EXHIBITS, ids=TITLES)
def test_it_is_caught_and_what_is_right_is_not(exhibit):
    exhibit.check(exhibit.right)
    with pytest.raises(AssertionError):
        exhibit.check(exhibit.wrong)


@pytest.mark.parametrize("exhibit", EXHIBITS, ids=TITLES)
def test_the_lines_that_are_shown_differ(exhibit):
    assert marked_lines(exhibit.wrong) != marked_lines(exhibit.right)


def test_weights_that_move_too_early_end_in_nan_at_three_times_the_rate():
    """What the exhibit says of itself."""
    with np.errstate(all="ignore"):
        assert np.isnan(train_step(update_then_propagate, rate=0.3).loss)
    assert train_step(propagate_then_update, rate=0.3).accuracy > ENOUGH


def test_our_engine_refuses_weights_that_moved_too_early():
    assert "'w2' was written" in refused()


@pytest.mark.parametrize("width", [60, 80, 100])
def test_the_tour_fits_the_terminal(width, monkeypatch, capsys):
    monkeypatch.setattr(tour, "WIDTH", width)
    for number, exhibit in enumerate(EXHIBITS, 1):
        tour.show(number, dataclasses.replace(exhibit, train=lambda thing: Outcome(0.5, 0.25)))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= width
    assert sum(line.lstrip().startswith("caught") for line in lines) == len(EXHIBITS)
