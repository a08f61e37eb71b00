"""The order of an epoch: a permutation that a seed and an epoch decide, and nothing else."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd.random import order, uniform


@given(st.integers(0, 3000), st.integers(-(2**70), 2**70), st.integers(0, 10**6))
def test_each_example_comes_once_and_the_same_numbers_give_the_same_order(n, seed, epoch):
    found = order(n, seed, epoch)
    assert found.dtype == np.int64
    assert sorted(found.tolist()) == list(range(n))
    assert (order(n, seed, epoch) == found).all()


def test_it_is_the_examples_sorted_by_what_they_drew():
    """Another language makes the same order of the numbers that `uniform` gives it."""
    drawn = uniform(7, (500,), ~3).tolist()
    assert order(500, seed=3, epoch=7).tolist() == sorted(range(500), key=lambda i: (drawn[i], i))


@pytest.mark.parametrize("what", ["seed", "epoch"])
def test_every_example_stands_at_every_place_equally_often(what):
    """Of 5 examples in 5,000 orders each place has 1,000 of each, give or take 4.5 standard
    deviations of 28: about one false alarm in 6,000 machines, were the seeds not fixed."""
    orders = [order(5, **{"seed": 0, "epoch": 0, what: i}) for i in range(5000)]
    for place in np.stack(orders).T:
        assert abs(np.bincount(place, minlength=5) - 1000).max() < 4.5 * 28


@pytest.mark.parametrize("n", [-1, 2**32 + 1])
def test_a_number_of_examples_that_there_cannot_be_is_refused(n):
    with pytest.raises(ValueError, match="n is from 0 to"):
        order(n, 0, 0)
