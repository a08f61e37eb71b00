"""Looking into a network while it learns: the numbers are the engine's, and nothing is changed."""

import json
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import data
from autograd.nn import cross_entropy
from data import Examples
from models.mlp import MLP
from models.mnist.scoring import inputs
from models.mnist.settings import ACTIVATIONS, Settings
from models.mnist.statistics import BINS, FIRST, SPAN, histogram, statistics
from models.mnist.train import build_model, build_trainer
from models.training import Callback


@cache
def digits() -> Examples:
    return data.load("mnist").train.take(np.arange(600))


def test_entries_are_counted_in_their_bins():
    """Entries in the middle of bins, so that no rounding can move one to its neighbour."""
    expected = np.random.default_rng(0).integers(1, 50, BINS)
    middles = np.repeat(np.arange(BINS) + 0.5, expected)
    found = histogram(np.concatenate([[0.0], middles, [BINS]]).astype(np.float32))
    expected[[0, -1]] += 1  # the ends themselves
    assert (found["low"], found["high"], found["beyond"]) == (0.0, BINS, 0)
    assert found["counts"] == expected.tolist()


def test_what_lies_far_out_is_counted_apart():
    # Else one large gradient would push all the others into a single bin.
    entries = np.random.default_rng(0).standard_normal(10_000)
    found = histogram(np.append(entries, [1000.0, -1000.0]).astype(np.float32))
    assert found["beyond"] == 2
    assert found["max"] == 1000.0 and found["high"] < 100
    assert found["high"] == pytest.approx(found["mean"] + SPAN * found["std"])


FLOATS = hnp.arrays(np.float32, st.integers(1, 200), elements=st.floats(width=32))


@given(FLOATS)
def test_whatever_the_entries_are_each_is_counted_once(array):
    """Infinities, NaN and the largest floats too: a network that diverges is looked at as well."""
    with np.errstate(all="ignore"):
        found = histogram(array)
    json.dumps(found, allow_nan=False)
    finite = array[np.isfinite(array)].astype(np.float64)
    assert found["bad"] == array.size - finite.size
    assert sum(found["counts"]) + found["beyond"] == finite.size
    if finite.size:
        # Rounding of float32, a part of the largest entry; below 1e-38 it has few digits left.
        close = {"rel": 1e-5, "abs": max(1e-5 * np.abs(finite).max(), 1e-44)}
        assert found["min"] == pytest.approx(finite.min(), **close)
        assert found["max"] == pytest.approx(finite.max(), **close)
        assert found["mean"] == pytest.approx(finite.mean(), **close)
        assert found["norm"] == pytest.approx(np.linalg.norm(finite), rel=1e-4, abs=1e-40)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("hidden", [(), (16,), (8, 8, 8)])
def test_the_numbers_are_those_of_a_backward_pass(activation, hidden):
    model = MLP([784, *hidden, 10], activation, dropout=0.5)
    found = statistics(model, digits(), 255.0)
    part = digits().take(np.arange(FIRST))
    logits = model.eval()(inputs(part.images, 255.0))
    cross_entropy(logits, part.labels).backward()
    assert list(found["outputs"]) == [str(i) for i in range(2 * len(hidden) + 1)]
    close = {"rel": 1e-4, "abs": 1e-6}  # the same float32 sums, in another order
    last = found["outputs"][str(2 * len(hidden))]
    assert last["norm"] == pytest.approx(np.linalg.norm(logits.data), **close)
    for name, tensor in model.named_parameters():
        assert found["weights"][name]["max"] == pytest.approx(tensor.data.max(), **close)
        slope = found["gradients"][name]
        assert slope["norm"] == pytest.approx(np.linalg.norm(tensor.grad.data), **close)
        assert sum(slope["counts"]) + slope["beyond"] == tensor.size


def test_dead_units_are_found():
    model = MLP([784, 16, 10])
    bias = np.zeros(16, np.float32)
    bias[:4] = -1e6
    dict(model.named_parameters())["0.bias"].assign(bias)
    relu = statistics(model, digits(), 255.0)["outputs"]["1"]
    assert relu["constant"] == 0.25
    assert 0.25 < relu["flat"] < 1
    tanh = statistics(MLP([784, 16, 10], "tanh"), digits(), 255.0)["outputs"]["1"]
    assert tanh["constant"] == 0 and tanh["flat"] < 0.5


def test_looking_changes_no_bit():
    """Else a training would depend on being watched."""

    class Look(Callback):
        def steps(self, trainer):
            before = [(p.grad, p.index) for p in trainer.model.parameters()]
            statistics(trainer.model, digits(), 255.0)
            assert [(p.grad, p.index) for p in trainer.model.parameters()] == before
            assert trainer.model.training

    settings = Settings(hidden=(16,), epochs=2, batch_size=100, dropout=0.3)
    bits = []
    for callbacks in ((), (Look(),)):
        model = build_model(settings, (784, 16, 10))
        build_trainer(settings, model, digits(), 255.0, callbacks).fit(digits(), 2, 100)
        bits.append([array.tobytes() for array in model.state_dict().values()])
    assert bits[0] == bits[1]


def test_broken_weights_are_told_not_raised():
    model = MLP([784, 8, 10])
    weight = dict(model.named_parameters())["0.weight"]
    weight.data[0, 0], weight.data[1, 1] = np.nan, np.inf
    found = statistics(model, digits(), 255.0)
    json.dumps(found, allow_nan=False)
    assert found["weights"]["0.weight"]["bad"] == 2
    assert found["gradients"]["0.weight"]["bad"] > 0
