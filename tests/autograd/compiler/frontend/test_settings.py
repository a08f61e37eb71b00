"""What may be set while training is state: a compiled step sees the change, and is not traced again
unless a term comes or goes."""

from __future__ import annotations

import numpy as np
import pytest

from autograd import Tensor, TraceError, jit, vmap
from autograd.nn import Dropout
from autograd.optim import SGD, Adam, AdamW, constant, cosine
from tests.autograd.compiler.steps import X, Y, network, training


@pytest.fixture(params=["replayed", "compiled"])
def rounding(request):
    """How the jitted steps run, and how far from the eager ones: the replay has their bits; C sums
    in another order, some 100 terms of size 1 in float64."""
    if request.param == "replayed":
        return {"rtol": 0, "atol": 0}
    request.getfixturevalue("compiler")
    return {"rtol": 1e-12, "atol": 1e-12}


class Run:
    """A training, eager or jitted, and how often its Python was run."""

    def __init__(self, make, compiled, middle=tuple):
        self.model = network(*middle())
        self.optimizer = make(self.model.parameters())
        self.runs = []
        step = training(self.model, self.optimizer, lambda model: self.runs.append(1))
        self.step = jit(step) if compiled else step

    def __call__(self, batches):
        return [self.step(X[i], Y[i]).item() for i in batches]

    def loop(self, batches):
        if not isinstance(self.step, jit):
            return self(batches)
        order = np.arange(X.shape[0] * X.shape[1]).reshape(X.shape[:2])[batches]
        return self.step.loop((np.concatenate(X), np.concatenate(Y)), order).data

    def numbers(self):
        return {**self.model.state_dict(), **self.optimizer.state_dict()}


def follows(make, changes, rounding, way=Run.__call__, middle=tuple):
    """Train eagerly and jitted, with changes in between; how often the jitted step was traced."""
    eager, jitted = (Run(make, compiled, middle) for compiled in (False, True))
    for change in (lambda run: None, *changes):
        for run in (eager, jitted):
            change(run)
        np.testing.assert_allclose(way(jitted, [0, 1, 2]), way(eager, [0, 1, 2]), **rounding)
    expected, found = eager.numbers(), jitted.numbers()
    assert expected.keys() == found.keys()
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, **rounding, err_msg=name)
    return len(jitted.runs)


def sets(name, value):
    return lambda run: setattr(run.optimizer, name, value)


WAYS = pytest.mark.parametrize("way", [Run.__call__, Run.loop], ids=["calls", "loop"])
MOVING = {
    "momentum": (lambda p: SGD(p, 0.1, momentum=0.9), [("momentum", 0.5), ("momentum", 0.95)]),
    "nesterov": (lambda p: SGD(p, 0.1, 0.9, nesterov=True), [("momentum", 0.25)]),
    "both": (
        lambda p: SGD(p, cosine(0.1, 9), 0.9, weight_decay=0.1),
        [("weight_decay", 0.5), ("momentum", 0.5), ("weight_decay", 1e-3)],
    ),
    "and the rate": (
        lambda p: SGD(p, 0.1, momentum=0.9), [("lr", 0.5), ("momentum", 0.5), ("lr", 0.01)]
    ),
    "adam": (lambda p: Adam(p, weight_decay=0.1), [("weight_decay", 0.5), ("lr", 0.1)]),
    "adamw": (lambda p: AdamW(p, 0.1), [("weight_decay", 0.5), ("weight_decay", 0.1)]),
    "adamw, constant": (lambda p: AdamW(p, constant(0.1)), [("weight_decay", 0.5)]),
}  # fmt: skip


@WAYS
@pytest.mark.parametrize("name", MOVING)
def test_a_setting_is_changed_without_a_new_trace(name, way, rounding):
    """Else a slider in a page, whose step is never traced again, would move nothing."""
    make, changes = MOVING[name]
    assert follows(make, [sets(*change) for change in changes], rounding, way) == 1


TURNED = {
    "momentum": (lambda p: SGD(p, 0.1), [("momentum", 0.9), ("momentum", 0.5), ("momentum", 0.0)]),
    "decay": (lambda p: SGD(p, 0.1, 0.9), [("weight_decay", 0.1), ("weight_decay", 0)]),
    "adam": (Adam, [("weight_decay", 0.1), ("weight_decay", 0.0)]),
    "adamw": (lambda p: AdamW(p, 0.1), [("weight_decay", 0.0), ("weight_decay", 0.1)]),
}


@WAYS
@pytest.mark.parametrize("name", TURNED)
def test_a_term_that_comes_or_goes_is_traced(name, way, rounding):
    make, changes = TURNED[name]
    traces = follows(make, [sets(*change) for change in changes], rounding, way)
    assert traces == (3 if name == "adamw" else 2), "what is turned off again has its trace still"


def test_an_unrelated_attribute_of_the_optimizer_is_no_reason_to_trace():
    run = Run(lambda p: SGD(p, 0.1, momentum=0.9), True)
    run([0])
    run.optimizer.epoch = 1
    run([0])
    run.optimizer.epoch = 2
    run([0])
    assert len(run.runs) == 1


def test_a_state_dict_that_is_loaded_sets_the_numbers_too(rounding):
    saved = Run(lambda p: SGD(p, 0.1, momentum=0.25, weight_decay=0.5), False)
    saved([0])

    def load(run):
        run.optimizer.load_state_dict(saved.optimizer.state_dict())
        assert (run.optimizer.momentum, run.optimizer.weight_decay) == (0.25, 0.5)

    assert follows(lambda p: SGD(p, 0.1, 0.9, weight_decay=0.1), [load], rounding) == 1


def test_a_setting_may_be_written_in_the_step_and_not_read(rounding):
    def build(compiled):
        model = network()
        optimizer = SGD(model.parameters(), 0.1, momentum=0.9)
        train = training(model, optimizer)

        def step(x, y):
            optimizer.momentum = 0.25
            return train(x, y)

        return optimizer, jit(step) if compiled else step

    (eager_optimizer, eager), (optimizer, step) = build(False), build(True)
    for x, y in zip(X[:3], Y[:3], strict=True):
        np.testing.assert_allclose(step(x, y).item(), eager(x, y).item(), **rounding)
    assert optimizer.momentum == eager_optimizer.momentum == 0.25
    with pytest.raises(TraceError, match="reads a traced value"):
        jit(lambda x: x * optimizer.momentum)(X)


# --- the seed of dropout -------------------------------------------------------------------------


@WAYS
def test_dropouts_seed_is_changed_without_a_new_trace(way, rounding):
    def reseed(seed):
        return lambda run: setattr(getattr(run.model, "2"), "seed", seed)

    changes = [reseed(7), reseed(-(2**40)), reseed(5)]
    traces = follows(lambda p: SGD(p, 0.1), changes, rounding, way, lambda: [Dropout(0.5, seed=5)])
    assert traces == 1


def test_under_vmap_too(rounding):
    x = np.ones((6, 4, 5))
    layer, twin = Dropout(0.5, seed=3), Dropout(0.5, seed=3)
    runs = []

    @jit
    def step(x):
        runs.append(1)
        return vmap(layer)(x)

    for seed in (3, 4, 2**62):
        layer.seed = twin.seed = seed
        np.testing.assert_allclose(step(x).data, twin(Tensor(x)).data, **rounding)
    assert len(runs) == 1
