"""What a call of a jitted step does and leaves: effects, keys, errors, and what is freed."""

from __future__ import annotations

import gc
import itertools
import logging
import warnings

import numpy as np
import pytest

import autograd
from autograd import Tensor, TraceError, cross_entropy, jit, no_grad
from autograd.compiler.frontend.program import Apply, Assign
from autograd.nn import BatchNorm, Dropout
from autograd.optim import SGD, Adam
from tests.autograd.compiler.steps import X, Y, network, training


def test_the_tracing_run_is_undone_the_first_effect_is_the_programs():
    w = Tensor(np.zeros(()))

    @jit
    def step():
        w.assign(w + 1.0)
        return w * 1.0

    assert [step().item() for _ in range(3)] == [1.0, 2.0, 3.0]
    assert w.item() == 3.0


def test_a_failing_step_changes_nothing():
    net = network()
    optimizer = Adam(net.parameters(), 0.1)
    before = net.state_dict() | optimizer.state_dict()

    @jit
    def step(x, y):
        loss = cross_entropy(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        raise KeyError("the user's own")

    with pytest.raises(KeyError):
        step(X[0], Y[0])
    for name, array in (net.state_dict() | optimizer.state_dict()).items():
        np.testing.assert_array_equal(array, before[name])
    assert all(p.grad is None for p in net.parameters())
    assert training(net, optimizer)(X[0], Y[0]).item() > 0, "no mode was left on"


def test_python_runs_once_per_key():
    runs = []

    @jit
    def step(x, k):
        runs.append((x.shape, k))
        return x * k

    for x, k in [(X[0], 2), (X[1], 2), (X[0], 3), (X[0][:3], 2), (X[0].astype(np.float32), 2)]:
        np.testing.assert_array_equal(step(x, k).data, x * k)
    assert len(runs) == 4


def test_static_arguments_are_told_apart_by_type():
    double = jit(lambda x, k: x + (1.0 if k is True else 2.0))
    assert double(np.zeros(()), True).item() == 1.0
    assert double(np.zeros(()), 1).item() == 2.0


def test_gradients_live_inside_the_step():
    net = network()
    optimizer = SGD(net.parameters(), 0.1)
    step = jit(training(net, optimizer))
    for x, y in zip(X, Y, strict=True):
        step(x, y)
        assert all(p.grad is None for p in net.parameters())


def test_zero_grad_at_the_end_of_the_step_works_and_a_gradient_from_outside_is_refused():
    w = Tensor(np.ones(5), requires_grad=True)

    @jit
    def step(x):
        (x @ w).sum().backward()
        w.assign(w - 0.1 * w.grad)
        w.grad = None

    step(X[0])
    step(X[1])
    np.testing.assert_allclose(w.data, 1 - 0.1 * (X[0].sum(0) + X[1].sum(0)), rtol=1e-12)
    w.grad = Tensor(np.ones(5))
    with pytest.raises(TraceError, match="from before the step"):
        step(X[0])


def test_a_result_does_not_differentiate_in_silence():
    w = Tensor(np.ones(5), requires_grad=True)
    loss = jit(lambda x: (x @ w).sum())(X[0])
    with pytest.raises(RuntimeError, match="a compiled step's result does not differentiate"):
        (loss * 2.0).backward()


def test_replaced_state_arrays_are_bound_again():
    w = Tensor(np.ones(5))
    step = jit(lambda x: (x * w).sum())
    step(X[0])
    w.data = 2 * np.ones(5)
    assert step(X[0]).item() == (X[0] * (2 * np.ones(5))).sum()


def test_a_replaced_parameter_is_noticed():
    net = network()
    forward = jit(lambda x: net(x))
    forward(X[0])
    getattr(net, "0").bias = Tensor(np.full(8, 3.0), requires_grad=True)
    np.testing.assert_array_equal(forward(X[0]).data, net(X[0]).data)


def test_nested_arguments_and_results():
    @jit
    def step(batch, *, scale):
        return {"sum": batch["x"] + batch["y"][0], "rest": (scale, batch["x"])}

    x = X[0]
    out = step({"x": x, "y": [X[1]]}, scale=3)
    np.testing.assert_array_equal(out["sum"].data, X[0] + X[1])
    assert out["rest"][0] == 3
    assert out["rest"][1] is x, "an argument handed through is itself"


def test_a_jitted_step_inside_another_is_traced_through():
    inner = jit(lambda x: x * 2.0)
    outer = jit(lambda x: inner(x) + 1.0)
    np.testing.assert_array_equal(outer(X[0]).data, X[0] * 2.0 + 1.0)


def test_a_jitted_function_under_vmap_is_the_function():
    f = jit(lambda x: (x * x).sum())
    np.testing.assert_array_equal(autograd.vmap(f)(X[0]), (X[0] * X[0]).sum(1))


def test_derivatives_of_functions_trace():
    def step(x):
        return autograd.vmap(autograd.grad(lambda prim: (prim * prim).tanh().sum()))(x)

    np.testing.assert_array_equal(step(X[0]), jit(step)(X[0]).data)


def test_a_method_can_be_jitted():
    class Counter:
        def __init__(self):
            self.count = Tensor(0.0)

        @jit
        def up(self, by):
            self.count.assign(self.count + by)
            return self.count * 1.0

    one, two = Counter(), Counter()
    one.up(np.ones(()))
    assert one.up(np.ones(())).item() == 2.0
    assert two.up(np.ones(())).item() == 1.0


def test_no_grad_and_detach_are_recorded_and_cut_the_gradient():
    w = Tensor(np.ones(5), requires_grad=True)

    def step(x):
        w.grad = None
        with no_grad():
            scale = (w * w).sum()
        ((x @ w).sum() * scale + (w.detach() * w).sum()).backward()
        return w.grad * 1.0

    np.testing.assert_array_equal(step(X[0]).data, jit(step)(X[0]).data)


def test_higher_order_gradients_trace():
    w = Tensor(np.ones(5), requires_grad=True)

    def step(x):
        (first,) = autograd.gradients((x @ w).tanh().sum(), [w], create_graph=True)
        (second,) = autograd.gradients((first * first).sum(), [w])
        return second

    np.testing.assert_array_equal(step(X[0]).data, jit(step)(X[0]).data)


def test_uint8_images_divided_in_the_step():
    images = np.random.default_rng(0).integers(0, 256, (4, 6), np.uint8)
    step = jit(lambda x: (x.astype(np.float32) / 255.0).sum())
    assert step(images).dtype == np.float32
    assert step(images).item() == (images.astype(np.float32) / np.float32(255)).sum()


def test_a_retrace_is_logged_with_its_cause(caplog):
    rate = 0.5
    step = jit(lambda x: x * rate)
    with caplog.at_level(logging.INFO, "autograd.jit"):
        step(X[0])
        assert not caplog.records
        rate = 0.25
        step(X[0])
    assert "rate was 0.5, is 0.25" in caplog.text


def test_the_program_is_readable_and_frees_what_it_no_longer_needs():
    w = Tensor(np.ones(5), name="w")

    @jit
    def step(x):
        w.assign(w + x.sum(0))
        return (w * 2.0).sum()

    step(X[0])
    (program,) = step.programs
    text = str(program)
    assert "state w float64[5]" in text and ":=" in text and "sum(" in text
    freed = {slot for s in program.steps if not isinstance(s, Assign) for slot in s.frees}
    assert freed and freed.isdisjoint(program.results)


def test_a_trace_leaves_no_nodes_behind():
    net = network(Dropout(0.2), BatchNorm(8, dtype=np.float64))
    optimizer = Adam(net.parameters(), 0.01)
    step = jit(training(net, optimizer))
    step(X[0], Y[0])
    gc.collect()
    # By type: isinstance asks an object's __class__, and PyTorch's, if it is loaded, warn of that.
    alive = [o for o in gc.get_objects() if issubclass(type(o), Tensor) and o.primitive is not None]
    assert not alive


def test_warnings_of_the_step_are_not_the_programs():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        step = jit(lambda x: (x / 0.0).sum())
        step(X[0])
    step(X[0])  # warnings are errors in these tests


def test_a_program_says_which_module_made_each_step():
    """Else a picture of a training step cannot be grouped by layers."""
    model = network()
    optimizer = SGD(model.parameters(), lr=0.1)

    @jit
    def step(x, y):
        loss = cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    step(X[0], Y[0])
    scopes = [made.scope for made in step.programs[0].steps if isinstance(made, Apply)]
    found = [key for key, _ in itertools.groupby(scopes)]
    layers = [("Sequential", name) for name in ("0", "1", "2")]
    backward = [(*layer, "backward") for layer in layers[::-1]]
    assert [scope for scope in found if scope] == [*layers, *backward, ("SGD",)]


@pytest.mark.parametrize("what", ["an argument", "a state"])
def test_a_loop_does_not_hand_through_what_would_be_one_for_all_steps(what):
    """Else it gives the first batch for all."""
    w = Tensor(np.ones(3))

    @jit
    def step(x):
        w.assign(w + x.sum())
        return (x if what == "an argument" else w), w * 1.0

    with pytest.raises(ValueError, match=r"loop: a result of the step .* itself"):
        step.loop((np.ones((5, 3)),), [[0], [1]])
    np.testing.assert_array_equal(w.data, np.ones(3))
