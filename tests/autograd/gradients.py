"""Arrays drawn at random, and the gradients of a function of Tensors held against differences."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from autograd import Tensor

FLOATS = (np.float32, np.float64)
SEEDS = st.integers(0, 2**32 - 1)


def normal(*shape, seed=0, dtype=np.float64):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def check(function, *arrays, differences):
    """function's value and gradients, weighted at random, against differences. Gives the value."""
    nodes = [Tensor(array, requires_grad=True) for array in arrays]
    out = function(*nodes)
    weights = np.random.default_rng(1).uniform(-1, 1, out.shape)
    out.backward(weights)

    def loss(*args):
        return np.sum(weights * function(*(Tensor(np.asarray(arg)) for arg in args)).data)

    for i, node in enumerate(nodes):
        judge = differences(loss, arrays, i)
        # 1e-6 is what the project asks of every gradient; differences are good to 1e-11.
        np.testing.assert_allclose(node.grad.data, judge, rtol=1e-6, atol=1e-6)
        assert node.grad.shape == node.shape
    return out.data
