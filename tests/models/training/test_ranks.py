"""A training that ranks share is the one that a process makes alone."""

from pathlib import Path

import numpy as np
import pytest

from tests.launched import printed

ON_RANKS = Path(__file__).parent / "on_ranks.py"


@pytest.fixture(scope="module")
def found():
    """By the number of ranks."""
    return {count: printed(count, ON_RANKS) for count in (1, 2, 4)}


@pytest.mark.parametrize("count", [2, 4])
def test_ranks_learn_what_one_process_learns_alone(found, count):
    """Sets that ranks cannot have equal parts of are looked at too. Sums in float64 are 1e-16 off,
    which 32 steps with momentum make a thousand times as much."""
    alone, shared = found[1]["said"], found[count]["said"]
    assert found[count]["alike"]  # on every rank: the same history, weights and reasons
    for name in ("compiled", "eager", "target"):
        close(shared[name], alone[name])
    assert shared["target"]["reason"] == "reached"


@pytest.mark.parametrize("count", [1, 2, 4])
def test_a_reason_that_one_rank_has_ends_all(found, count):
    told = found[count]["said"]["told"]
    assert told["reason"] == "told" and 14 <= told["steps"] < 32


@pytest.mark.parametrize("count", [1, 2, 4])
def test_what_went_bad_in_the_share_of_one_rank_is_said_by_all(found, count):
    said = found[count]["said"]
    assert said["diverged"]["reason"] == "diverged"
    assert said["diverged"]["message"] == found[1]["said"]["diverged"]["message"]
    assert "first bad: the data: " in said["bad data"]["message"]


def close(one, other):
    assert one.keys() == other.keys()
    for name, value in one.items():
        if isinstance(value, dict):
            close(value, other[name])
        elif isinstance(value, list):
            assert len(value) == len(other[name])
            for mine, yours in zip(value, other[name], strict=True):
                close(mine, yours)
        elif isinstance(value, float):
            np.testing.assert_allclose(value, other[name], rtol=1e-10, err_msg=name)
        else:
            assert value == other[name], name
