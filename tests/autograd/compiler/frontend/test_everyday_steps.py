"""jit's contract: a replayed step equals the eager one to the last bit, or a named error is raised.

The ten everyday steps are those that a tracer gets wrong in silence when state is Python's.
"""

from __future__ import annotations

import numpy as np
import pytest

from autograd import Tensor, TraceError, cross_entropy, jit, no_grad
from autograd.nn import BatchNorm, Dropout, LayerNorm, Module
from autograd.optim import SGD, Adam, AdamW, clip_by_global_norm, clip_by_value, cosine, one_cycle
from tests.autograd.compiler.steps import X, Y, network, training


def assert_same_run(build, epochs=2):
    """An eager run and a jitted run of what `build` gives end in the same bits."""
    (eager_net, eager_state, eager), (net, state, step) = build(), build()
    step = jit(step)
    for _ in range(epochs):
        for x, y in zip(X, Y, strict=True):
            assert eager(x, y).item() == step(x, y).item()
    for one, other in ((eager_net, net), (eager_state, state)):
        expected, found = one.state_dict(), other.state_dict()
        assert expected.keys() == found.keys()
        for name, array in expected.items():
            np.testing.assert_array_equal(array, found[name], err_msg=name)
    return step


OPTIMIZERS = {
    "sgd": lambda p: SGD(p, 0.1),
    "momentum": lambda p: SGD(p, 0.1, momentum=0.9, weight_decay=1e-3),
    "nesterov": lambda p: SGD(p, 0.1, momentum=0.9, nesterov=True),
    "adam": lambda p: Adam(p, 0.01),
    "adamw": lambda p: AdamW(p, 0.01, weight_decay=0.1),
    "one_cycle": lambda p: SGD(p, one_cycle(0.3, 20), momentum=0.9),
    "cosine": lambda p: Adam(p, cosine(0.01, 15)),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_and_schedule_replays_its_epochs_bit_for_bit(name):
    def build():
        net = network()
        optimizer = OPTIMIZERS[name](net.parameters())
        return net, optimizer, training(net, optimizer)

    step = assert_same_run(build)
    assert len(step.programs) == 1, "one shape, one trace"


@pytest.mark.parametrize(
    "middle",
    [
        lambda: Dropout(0.3, seed=5),
        lambda: BatchNorm(8, dtype=np.float64),
        lambda: LayerNorm(8, dtype=np.float64),
    ],
    ids=["dropout", "batch norm", "layer norm"],
)
def test_layers_with_state_replay_bit_for_bit(middle):
    def build():
        net = network(middle())
        optimizer = SGD(net.parameters(), 0.1, momentum=0.9)
        return net, optimizer, training(net, optimizer)

    assert_same_run(build)


@pytest.mark.parametrize(
    "clip",
    [
        lambda net: clip_by_global_norm(net.parameters(), 0.1),
        lambda net: clip_by_value(net.parameters(), 0.01),
    ],
    ids=["global norm", "value"],
)
def test_clipping_replays_bit_for_bit(clip):
    def build():
        net = network()
        optimizer = SGD(net.parameters(), 0.1)
        return net, optimizer, training(net, optimizer, clip)

    assert_same_run(build)


# --- the ten everyday steps ----------------------------------------------------------------------


def test_1_plain_descent_replays():
    def run(compiled):
        w = Tensor(np.ones(5), requires_grad=True)

        def step(x):
            w.grad = None
            loss = ((x @ w) * (x @ w)).mean()
            loss.backward()
            with no_grad():
                w.assign(w - 0.1 * w.grad)
            return loss

        step = jit(step) if compiled else step
        return [step(x).item() for x in X], w.data

    eager, compiled = run(False), run(True)
    assert eager[0] == compiled[0]
    np.testing.assert_array_equal(eager[1], compiled[1])


def test_2_a_rate_held_as_a_float_is_noticed_when_it_changes():
    def run(compiled):
        w, rate = Tensor(np.ones(5)), 0.5

        def step(x):
            w.assign(w - rate * x)

        step = jit(step) if compiled else step
        for x in X[0]:
            step(x)
            rate = rate * 0.9
        return w.data

    np.testing.assert_array_equal(run(False), run(True))


def test_2_an_optimizers_rate_changes_without_a_new_trace():
    net = network()
    optimizer = SGD(net.parameters(), 0.1)
    step = jit(training(net, optimizer))
    step(X[0], Y[0])
    before = net.state_dict()["0.bias"]
    optimizer.lr = 1e-30
    step(X[0], Y[0])
    assert len(step.programs) == 1
    np.testing.assert_allclose(net.state_dict()["0.bias"], before, rtol=1e-12)


def test_3_adams_count_is_state():
    # The correction 1 - beta**count is far from 1 in the first steps: a count that stood still
    # would show at once.
    test_every_optimizer_and_schedule_replays_its_epochs_bit_for_bit("adam")


def test_3_a_count_held_in_python_is_noticed():
    def run(compiled):
        w, count = Tensor(np.zeros(())), 0

        def step(x):
            nonlocal count
            count += 1
            w.assign(w + x.sum() / count)

        step = jit(step) if compiled else step
        for x in X:
            step(x)
        return w.item()

    assert run(False) == run(True)


def test_4_a_numpy_dropout_mask_is_an_error():
    generator = np.random.default_rng(0)

    @jit
    def step(x):
        return (x * (generator.random(x.shape) > 0.5)).sum()

    with pytest.raises(
        TraceError, match=r"used at .*test_everyday_steps\.py:\d+ was made in the step"
    ):
        step(X[0])


def test_5_batch_norm_rebinding_its_mean_is_an_error():
    class Rebinding(Module):
        def __init__(self):
            self.mean = Tensor(np.zeros(5))

        def forward(self, x):
            self.mean = 0.9 * self.mean + 0.1 * x.mean(0)
            return x - self.mean

    layer = Rebinding()
    with pytest.raises(TraceError, match=r"the result of add made at .*kept beyond the step"):
        jit(lambda x: layer(x).sum())(X[0])


def test_6_a_forgotten_zero_grad_is_an_error():
    net = network()
    optimizer = SGD(net.parameters(), 0.1)

    @jit
    def step(x, y):
        loss = cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        return loss

    with pytest.raises(TraceError, match=r"call zero_grad\(\) before backward"):
        step(X[0], Y[0])
    assert all(p.grad is None for p in net.parameters())


def test_7_a_captured_array_changed_in_place_is_noticed():
    def run(compiled):
        scale = np.ones(5)

        def step(x):
            return (x * scale).sum()

        step = jit(step) if compiled else step
        out = []
        for x in X:
            out.append(step(x).item())
            scale *= 1.1
        return out

    assert run(False) == run(True)


def test_7_a_view_of_a_captured_array_is_a_captured_array():
    def run(compiled):
        table = np.arange(15.0).reshape(5, 3)

        def step(x):
            return (x @ table[:, ::2] + table.T[0, :2]).sum()

        step = jit(step) if compiled else step
        out = []
        for x in X:
            out.append(step(x).item())
            table *= 1.1
        return out

    assert run(False) == run(True)


def test_8_train_and_eval_have_a_trace_each():
    net = network(Dropout(0.5, seed=1))
    twin = network(Dropout(0.5, seed=1))
    forward = jit(lambda x: net(x).sum())
    for flag in (True, False, True, False, True):
        net.train(flag)
        twin.train(flag)
        assert forward(X[0]).item() == twin(X[0]).sum().item()
    assert len(forward.programs) == 2


def test_9_writing_data_in_the_step_is_an_error():
    w = Tensor(np.ones(5), requires_grad=True)

    @jit
    def step(x):
        w.data = np.zeros(5)

    with pytest.raises(
        TraceError, match=r"writing \.data is not seen.*test_everyday_steps\.py:\d+"
    ):
        step(X[0])
    np.testing.assert_array_equal(w.data, np.ones(5))


def test_10_a_gradient_from_before_the_step_is_an_error():
    w = Tensor(np.ones(5), requires_grad=True)
    (w * w).sum().backward()

    @jit
    def step(x):
        (x @ w).sum().backward()

    with pytest.raises(TraceError, match=r"gradient of .* from before the step"):
        step(X[0])
    np.testing.assert_array_equal(w.grad.data, 2 * np.ones(5))  # the failed trace touched nothing
