"""Learning from posted examples: the loss that is told is the one whose gradient was applied."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.mlp import MLP
from models.mnist.checkpoint import read_snapshot
from models.mnist.settings import ACTIVATIONS
from models.runs.arrays import pack
from tests.few import drawn
from tests.viz.studio.test_weights import SIZES, TINY, content
from viz.studio.engine import learning
from viz.studio.engine.bodies import Body
from viz.studio.engine.learning import descend, learn, learn_from
from viz.studio.engine.network import Weights
from viz.studio.refusal import Refusal

IMAGES, LABELS = TINY.train.images[:6], TINY.train.labels[:6]


def loss(weights, x, labels, activation):
    """The mean cross-entropy, written once more, in NumPy."""
    functions = {
        "relu": lambda a: np.maximum(a, 0), "tanh": np.tanh, "identity": lambda a: a,
        "sigmoid": lambda a: 1 / (1 + np.exp(-a)), "softplus": lambda a: np.logaddexp(a, 0),
        "leaky_relu": lambda a: np.where(a > 0, a, 0.01 * a),
    }  # fmt: skip
    a, last = x, len(weights) - 2
    for i in range(0, len(weights), 2):
        a = a @ weights[i].T + weights[i + 1]
        a = a if i == last else functions[activation](a)
    return np.mean(np.logaddexp.reduce(a, 1) - a[np.arange(len(a)), labels])


@pytest.mark.parametrize("count", [1, 6])
@pytest.mark.parametrize("activation", [name for name in ACTIVATIONS if name != "gelu"])
def test_the_loss_that_is_told_is_the_one_that_was_differentiated(activation, count):
    """By central differences in float64, whose error is 1e-10 of numbers near 1: a factor of 10
    between the two, a sum in place of a mean or one example left out would all be seen."""
    generator, rate, h = np.random.default_rng(count), 0.1, 1e-5
    x, labels = generator.normal(size=(count, 4)), generator.integers(0, 2, count)
    model = MLP([4, 3, 3, 2], activation, dropout=0.5, dtype=np.float64)
    once = MLP([4, 3, 3, 2], activation, dtype=np.float64)
    before = [generator.normal(size=p.shape) for p in model.parameters()]
    for each in (model, once):  # not zeros: relu has a kink there
        each.load_state_dict(dict(zip(each.state_dict(), before, strict=True)))
    told = descend(model, x, labels, rate, 2)
    assert told[0] == pytest.approx(loss(before, x, labels, activation), rel=1e-13)

    descend(once, x, labels, rate, 1)
    after = [p.data for p in once.parameters()]
    assert told[1] == pytest.approx(loss(after, x, labels, activation), rel=1e-13)
    for i, weight in enumerate(before):
        for place in np.ndindex(weight.shape):
            moved = [[w.copy() for w in before] for _ in range(2)]
            moved[0][i][place] += h
            moved[1][i][place] -= h
            up, down = (loss(each, x, labels, activation) for each in moved)
            applied = (weight[place] - after[i][place]) / rate
            assert applied == pytest.approx((up - down) / (2 * h), rel=1e-7, abs=1e-9)


@given(st.integers(1, 6), st.integers(1, 4))
def test_many_examples_learn_what_their_mean_gradient_says(count, steps):
    """One example given n times is one example; and n examples are one batch."""
    one = learn(content(), IMAGES[:1], LABELS[:1], 0.1, steps)
    same = learn(content(), IMAGES[:1].repeat(count, 0), LABELS[:1].repeat(count), 0.1, steps)
    # The mean of equal float32 numbers may differ in the last bits, which steps carry on.
    np.testing.assert_allclose(one.losses, same.losses, rtol=1e-5)
    found = read_snapshot(same.content, "body").arrays
    for name, array in read_snapshot(one.content, "body").arrays.items():
        np.testing.assert_allclose(found[name], array, rtol=1e-4, atol=1e-6)


def test_learning_goes_on_from_what_was_learned():
    """Two steps at once are one and then one, to the last bit; both are kept."""
    both = learn(content(3, count=1.0), IMAGES, LABELS, 0.1, 2)
    first = learn(content(3), IMAGES, LABELS, 0.1, 1)
    second = learn(first.content, IMAGES, LABELS, 0.1, 1)
    assert (second.content, [*first.losses, *second.losses]) == (both.content, both.losses)
    assert both.losses[1] < both.losses[0]
    snapshot = read_snapshot(both.content, "body")
    assert (snapshot.step, snapshot.states) == (5, {})  # of another training
    before = read_snapshot(content(3), "body").metadata
    assert snapshot.metadata == {**before, "step": 5}


def test_enough_steps_learn_the_examples():
    # Noise around a picture of each class, whose scale is 255.
    learned = learn(content(), TINY.train.images, TINY.train.labels, 0.5, 300)
    assert learned.accuracy[1] == 1 > learned.accuracy[0]
    assert learned.losses[-1] < 0.3 < learned.losses[0]


def test_a_rate_that_is_too_high_is_said_and_nothing_is_learned():
    said = {"sizes": SIZES, "activation": "relu", "dataset": TINY.describe()}
    weights = pack(MLP(SIZES, seed=2).state_dict(), said)
    with pytest.raises(
        Refusal, match="rate: expected one with which loss and weights stay"
    ) as info:
        learn(weights, IMAGES, LABELS, 1e20, 50)
    assert info.value.status == 422


def test_a_request_may_compute_so_much(monkeypatch):
    monkeypatch.setattr(learning, "WORK", 23 * 6 * 10)
    learn(content(), IMAGES, LABELS, 0.1, 10)
    with pytest.raises(Refusal, match="at most 5 examples for 11 steps of this network, found 6"):
        learn(content(), IMAGES, LABELS, 0.1, 11)
    monkeypatch.setattr(learning, "NUMBERS", 5 * sum(SIZES))
    with pytest.raises(Refusal, match="at most 5 examples for 1 steps of this network, found 6"):
        learn(content(), IMAGES, LABELS, 0.1, 1)


# --- what is posted -------------------------------------------------------------------------------


def block(images, labels):
    return images.tobytes() + np.asarray(labels).astype("<u2").tobytes()


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("count", [1, 6])
def test_a_block_and_json_teach_the_same(count, dtype):
    images, labels = IMAGES[:count].astype(dtype), LABELS[:count]
    expected = learn(content(), images, labels, 0.1, 2)
    flat = images.reshape(count, -1)
    bodies = [json.dumps({"images": each.tolist(), "labels": labels.tolist()}).encode()
              for each in (images, flat)]  # fmt: skip
    weights = Weights("", None, content())
    raw = Body("raw", block(images, labels), dtype)
    assert learn_from(weights, raw, 0.1, 2) == expected
    for body in bodies:
        assert learn_from(weights, Body("json", body), 0.1, 2) == expected


def test_shape_and_classes_are_those_of_the_weights():
    """Nothing takes 28 pixels or ten classes for granted."""
    dataset = drawn((3, 5, 3), "abcd")
    said = {"sizes": (45, 4), "activation": "relu", "dataset": dataset.describe()}
    weights = pack(MLP((45, 4)).state_dict(), said)
    images, labels = dataset.train.images[:8], dataset.train.labels[:8]
    learned = learn_from(Weights("", None, weights), Body("raw", block(images, labels)), 0.05, 1)
    assert learned == learn(weights, images, labels, 0.05, 1)
