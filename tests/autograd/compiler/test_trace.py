"""jit's contract: a replayed step equals the eager one to the last bit, or a named error is raised.

The ten everyday steps are those that a tracer gets wrong in silence when state is Python's.
"""

from __future__ import annotations

import gc
import itertools
import logging
import warnings

import numpy as np
import pytest

import autograd
from autograd import Tensor, TraceError, Value, cross_entropy, jit, no_grad
from autograd.compiler.frontend.program import Apply, Assign
from autograd.nn import Activation, BatchNorm, Dropout, LayerNorm, Linear, Module, Sequential
from autograd.optim import SGD, Adam, AdamW, clip_by_global_norm, clip_by_value, cosine, one_cycle
from tests.autograd.compiler.steps import training

X = np.random.default_rng(1).standard_normal((12, 16, 5))
Y = np.random.default_rng(2).integers(0, 3, (12, 16))


def network(*middle):
    generator = np.random.default_rng(0)
    return Sequential(
        Linear(5, 8, generator=generator, dtype=np.float64),
        Activation("tanh"),
        *middle,
        Linear(8, 3, generator=generator, dtype=np.float64),
    )


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


# --- the ten everyday steps --------------------------------------------------------------------


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

    with pytest.raises(TraceError, match=r"used at .*test_trace\.py:\d+ was made in the step"):
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

    with pytest.raises(TraceError, match=r"writing \.data is not seen.*test_trace\.py:\d+"):
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


# --- what the trace refuses, and names ---------------------------------------------------------


@pytest.mark.parametrize(
    ("read", "what"),
    [
        (lambda x: x.data, "data"),
        (float, "float"),
        (int, "int"),
        (bool, "bool"),
        (lambda x: x.item(), "item"),
        (np.asarray, "np.asarray"),
        (lambda x: bool(x > 0), "bool"),
    ],
    ids=["data", "float", "int", "bool", "item", "asarray", "greater"],
)
def test_reading_a_traced_value_names_the_line(read, what):
    @jit
    def step(x):
        read(x.sum())

    with pytest.raises(TraceError, match=rf"{what}.*reads a traced value.*test_trace\.py:\d+"):
        step(X[0])


def test_reading_a_state_is_refused_too():
    w = Tensor(np.ones(5))
    with pytest.raises(TraceError, match="reads a traced value"):
        jit(lambda x: x * float(w.data[0]))(X[0])


def test_a_tensor_kept_in_a_list_is_an_error():
    kept = []
    with pytest.raises(TraceError, match="kept beyond the step"):
        jit(lambda x: kept.append(x * 2))(X[0])


def test_a_random_tensor_made_in_the_step_is_an_error():
    generator = np.random.default_rng(0)
    with pytest.raises(TraceError, match="made in the step"):
        jit(lambda x: (x + Tensor(generator.random(5))).sum())(X[0])


def test_assigning_an_argument_is_an_error():
    with pytest.raises(TraceError, match="assign to an argument"):
        jit(lambda x: x.assign(x * 2))(Tensor(X[0]))


def test_a_view_taken_before_an_assignment_is_an_error():
    w = Tensor(np.ones((2, 3)))

    def step():
        turned = w.T
        w.assign(w * 2.0)
        return turned.sum()

    with pytest.raises(TraceError, match=r"reads a transpose of .* before the state was assigned"):
        jit(step)()


def test_backward_through_a_state_written_since_is_stale_as_it_is_eagerly():
    w = Tensor(np.ones(5), requires_grad=True)

    def step(x):
        w.grad = None
        loss = (x * w).sum()
        w.assign(w * 0.5)
        loss.backward()

    for run in (step, jit(step)):
        with pytest.raises(RuntimeError, match="computed before its argument"):
            run(X[0])


def test_a_mask_that_is_traced_gives_no_shape():
    with pytest.raises(TraceError, match="index: the result's shape would depend"):
        jit(lambda x: x[autograd.greater(x, 0.0)].sum())(X[0])


def test_values_are_refused():
    v = Value(2.0)
    with pytest.raises(TypeError, match="jit traces Tensors, not Values"):
        jit(lambda x: v * v)(X[0])


def test_a_numpy_result_is_refused():
    with pytest.raises(TraceError, match="a result is a NumPy array"):
        jit(lambda x: np.ones(3))(X[0])


def test_an_unhashable_argument_is_refused():
    with pytest.raises(TypeError, match="an argument is an array, a Tensor or something hashable"):
        jit(lambda x, s: x)(X[0], {1, 2})


# --- one Tensor, two names; what changes behind names --------------------------------------------


def test_one_tensor_given_twice_is_one():
    def step(x, y):
        return autograd.gradients((x * y).sum(), [x])[0]

    t = Tensor(np.full(3, 2.0), requires_grad=True)
    other = Tensor(np.full(3, 5.0), requires_grad=True)
    compiled = jit(step)
    for x, y in [(t, t), (t, other), (t, t)]:
        np.testing.assert_array_equal(step(x, y).data, compiled(x, y).data)


def test_an_argument_that_is_also_state_is_an_error():
    w = Tensor(np.ones(5), requires_grad=True)

    @jit
    def step(x, parameters):
        w.grad = None
        (x @ w).sum().backward()
        clip_by_global_norm(parameters, 0.1)
        w.assign(w - w.grad)

    with pytest.raises(TraceError, match="is an argument of the step and is used from outside too"):
        step(X[0], [w])


def test_freezing_a_parameter_is_noticed():
    def run(compiled):
        a, b = (Tensor(np.ones(5), requires_grad=True) for _ in range(2))

        def step(x):
            a.grad = b.grad = None
            (x * a * b).sum().backward()
            for p in (a, b):
                if p.grad is not None:
                    p.assign(p - 0.1 * p.grad)

        step = jit(step) if compiled else step
        step(X[0])
        b.requires_grad = False
        step(X[1])
        return a.data, b.data

    for eager, compiled in zip(run(False), run(True), strict=True):
        np.testing.assert_array_equal(eager, compiled)


def test_results_are_nobodys_alias():
    w, u = Tensor(np.ones(2), requires_grad=True), Tensor(np.ones(2), requires_grad=True)
    x = np.ones(2)
    zero = jit(lambda x: autograd.gradients((w * x).sum(), [w, u])[1])
    zero(x).assign(np.full(2, 5.0))
    np.testing.assert_array_equal(zero(x).data, np.zeros(2))
    view = jit(lambda: w.detach().reshape(2, 1))
    view().assign(np.zeros((2, 1)))
    np.testing.assert_array_equal(w.data, np.ones(2))
    turned = jit(lambda x: x.T)
    turned(x).assign(np.zeros(2))
    np.testing.assert_array_equal(x, np.ones(2))


def test_a_result_made_outside_is_read_or_refused():
    w = Tensor(np.ones(5), requires_grad=True)
    y = w * 2.0
    with pytest.raises(TraceError, match="reads the result of mul made outside the step"):
        jit(lambda x: x * y)(X[0])
    fixed = y.detach()
    np.testing.assert_array_equal(jit(lambda x: x * fixed)(X[0]).data, X[0] * 2.0)


@pytest.mark.parametrize("where", ["list", "dict", "object", "lambda", "self"])
def test_numbers_one_level_behind_a_name_are_noticed(where):
    class Plain:
        k = 2.0

        def __init__(self):
            self.k = 2.0

        def step(self, x):
            return x * self.k

    numbers, names, thing = [2.0], {"k": 2.0}, Plain()
    step = {
        "list": jit(lambda x: x * numbers[0]),
        "dict": jit(lambda x: x * names["k"]),
        "object": jit(lambda x: x * thing.k),
        "lambda": jit(lambda x: sum([y * thing.k for y in [x]], 0.0)),
        "self": lambda x: compiled(thing, x),
    }[where]
    compiled = jit(Plain.step)
    np.testing.assert_array_equal(step(X[0]).data, X[0] * 2.0)
    numbers[0] = names["k"] = thing.k = 3.0
    np.testing.assert_array_equal(step(X[0]).data, X[0] * 3.0)


def test_a_replaced_tensor_in_a_list_is_noticed():
    weights = [Tensor(np.ones(5))]
    step = jit(lambda x: x * weights[0])
    step(X[0])
    weights[0] = Tensor(np.full(5, 2.0))
    np.testing.assert_array_equal(step(X[0]).data, X[0] * 2.0)


def test_an_argument_kept_beyond_the_step_is_an_error():
    keep = []
    with pytest.raises(TraceError, match="an argument is kept beyond the step"):
        jit(lambda x: keep.append(x))(X[0])


def test_zero_and_minus_zero_are_two_arguments():
    step = jit(lambda x, i: x / i)
    with np.errstate(all="ignore"):
        assert step(np.ones(()), 0.0).item() == np.inf
        assert step(np.ones(()), -0.0).item() == -np.inf


def test_a_line_of_the_users_is_named_under_a_decorator():
    net = network()
    optimizer = SGD(net.parameters(), 0.1)
    (net(X[0]).sum()).backward()
    with pytest.raises(TraceError) as error:
        jit(optimizer.step)()
    assert "contextlib" not in str(error.value)


# --- what a call does and leaves ---------------------------------------------------------------


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
        return autograd.vmap(autograd.grad(lambda row: (row * row).tanh().sum()))(x)

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
    alive = [o for o in gc.get_objects() if issubclass(type(o), Tensor) and o.row is not None]
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

    with pytest.raises(ValueError, match=r"loop: a result of the step .* as it is"):
        step.loop((np.ones((5, 3)),), [[0], [1]])
    np.testing.assert_array_equal(w.data, np.ones(3))
