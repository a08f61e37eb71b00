"""The MLP: its whole loss differentiates right, and it knows what it is."""

import numpy as np
import pytest

from autograd.nn import ACTIVATIONS, cross_entropy
from models.mlp import MLP


def problem():
    rng = np.random.default_rng(0)
    return rng.normal(size=(7, 6)), rng.integers(0, 4, 7)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_gradient_of_the_whole_loss_is_that_of_central_differences(activation):
    model = MLP([6, 5, 3, 4], activation, seed=1, dtype=np.float64)
    x, labels = problem()
    cross_entropy(model(x), labels).backward()
    h = 1e-5
    for name, p in model.named_parameters():
        numeric = np.empty(p.shape)
        for at in np.ndindex(p.shape):
            losses = []
            for sign in (1, -1):
                moved = p.data.copy()
                moved[at] += sign * h
                before = p.data.copy()
                p.assign(moved)
                losses.append(cross_entropy(model(x), labels).item())
                p.assign(before)
            numeric[at] = (losses[0] - losses[1]) / (2 * h)
        # h**2 times a third derivative of order 1, and eps / h of rounding: 1e-10 each. No relu
        # is within h of its kink for this seed.
        np.testing.assert_allclose(p.grad.data, numeric, rtol=0, atol=2e-9, err_msg=name)


def test_names_and_shapes_are_those_of_a_sequential_in_pytorch():
    shapes = {name: array.shape for name, array in MLP([784, 32, 16, 10]).state_dict().items()}
    assert shapes == {
        "0.weight": (32, 784),
        "0.bias": (32,),
        "2.weight": (16, 32),
        "2.bias": (16,),
        "4.weight": (10, 16),
        "4.bias": (10,),
    }


def test_the_seed_decides_the_weights():
    one, same, other = (MLP([5, 4, 3], seed=seed).state_dict() for seed in (1, 1, 2))
    assert all(np.array_equal(one[name], same[name]) for name in one)
    assert not np.array_equal(one["0.weight"], other["0.weight"])


def test_dropout_only_in_training():
    model = MLP([6, 50, 4], seed=0, dropout=0.5)
    x = problem()[0].astype(np.float32)
    assert not np.array_equal(model(x).data, model(x).data)  # another mask each time
    model.eval()
    np.testing.assert_array_equal(model(x).data, model(x).data)


@pytest.mark.parametrize("sizes", [[], [784], [784, 0, 10]])
def test_sizes_that_make_no_sense(sizes):
    with pytest.raises(ValueError, match="sizes"):
        MLP(sizes)
