"""What ranks compute together is what one computes alone, and the rule of all_reduce is right."""

from pathlib import Path

import numpy as np
import pytest

from tests.launched import printed

TOGETHER = Path(__file__).parent / "together.py"


@pytest.fixture(scope="module")
def alone():
    return printed(1, TOGETHER)


@pytest.mark.parametrize("count", [2, 4])
def test_ranks_compute_what_one_does_alone(alone, count):
    """Batch norm and dropout included. Float64: 1e-16 in sums of a hundred numbers, by eight steps
    of Adam, which divides by roots. Float32: the same, of 6e-8."""
    found = printed(count, TOGETHER)
    for dtype, bound in (("float32", 1e-4), ("float64", 1e-12)):
        for how in ("eager", "compiled"):
            name = f"{dtype} {how}"
            np.testing.assert_allclose(found[name], alone[name], rtol=bound, err_msg=name)
    rule, differences = (np.array(found["slopes"][name]) for name in ("rule", "differences"))
    assert rule.shape == (count, 4)
    # Of losses of some 10, in float64: 1e-15 by 1e-6, and the square of the step.
    np.testing.assert_allclose(rule, differences, rtol=1e-6, atol=1e-7)


def test_a_run_repeated_gives_the_same_bits():
    assert printed(2, TOGETHER) == printed(2, TOGETHER)
