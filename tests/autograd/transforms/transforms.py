"""Points, a function and the comparison of trees that the tests of transforms share."""

from __future__ import annotations

import numpy as np

from autograd import Tensor, Value

ROWS = np.arange(6.0).reshape(3, 2) / 4 - 0.6
POINT = np.array([0.3, -0.7, 1.1])


def cubes(x):
    return (x * x * x).sum()


def equal(got, judge):
    """The same tree of numbers; to the few ulp in which two orders of arithmetic differ."""
    if isinstance(judge, dict):
        assert list(got) == list(judge)
        for key, value in judge.items():
            equal(got[key], value)
    elif isinstance(judge, list | tuple) and not isinstance(got, np.ndarray):
        assert type(got) is type(judge)
        assert len(got) == len(judge)
        for one, other in zip(got, judge, strict=True):
            equal(one, other)
    else:
        got = got.data if isinstance(got, Tensor | Value) else got
        assert np.shape(got) == np.shape(judge)
        np.testing.assert_allclose(got, judge, rtol=1e-14, atol=1e-15)
