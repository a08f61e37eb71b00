"""What a trace refuses and names, and Tensors that have two names or change behind one."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

import autograd
from autograd import Tensor, TraceError, Value, jit
from autograd.optim import SGD, clip_by_global_norm
from tests.autograd.compiler.steps import X, network

# --- what the trace refuses, and names -----------------------------------------------------------


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
    with pytest.raises(TypeError, match="an argument must be an array, a Tensor or hashable"):
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


def test_large_results_are_not_kept_while_a_step_is_traced():
    """Their numbers mean nothing: else a step of many large arrays takes all memory there is."""
    w = Tensor(np.ones((1024, 512), np.float32), requires_grad=True)

    def step(x):
        y = x
        for _ in range(30):
            y = (y * w).tanh()
        w.grad = None
        y.sum().backward()
        w.assign(w - 0.1 * w.grad)
        return y.sum()

    x = np.ones((1024, 512), np.float32)
    tracemalloc.start()
    try:
        compiled = jit(step)
        compiled.lower(x)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 12 * x.nbytes  # of some 150 results
