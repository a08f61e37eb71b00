"""State in compiled steps: read before it is written, of every layout, replaced, shared."""

from __future__ import annotations

import numpy as np
import pytest

from autograd import Tensor, gather, jit, matmul
from tests.autograd.compiler.comparing import both_ways
from tests.autograd.compiler.steps import batches, build_training

pytestmark = pytest.mark.usefixtures("compiler")


def test_a_state_read_after_it_was_written_has_its_new_value():
    w, u = Tensor(np.arange(4.0)), Tensor(np.ones(4))

    @jit
    def step(x):
        w.assign(w * 2.0)
        before = u * 1.0
        u.assign(w + x)
        w.assign(w + u)
        return before, w * 1.0

    before, now = step(np.ones(4))
    np.testing.assert_array_equal(before.data, np.ones(4))
    np.testing.assert_array_equal(w.data, [1.0, 5.0, 9.0, 13.0])
    np.testing.assert_array_equal(now.data, w.data)


def test_labels_that_are_state_are_looked_at_too():
    labels = Tensor(np.array([[0, 9], [2, 9], [1, 9]])[:, 0])
    step = jit(lambda x: gather(x, labels).sum())
    x = np.arange(9.0).reshape(3, 3)
    assert step(x).item() == 0.0 + 5.0 + 7.0
    labels.assign(np.array([0, 3, 1]))
    with pytest.raises(IndexError, match="label 3 is outside the classes 0 to 2"):
        step(x)


@pytest.mark.parametrize("shared", [False, True])
def test_a_long_chain_needs_no_recursion_and_no_endless_function(shared):
    def step(x):
        y = x
        for _ in range(1500):
            y = y + 1e-3 * y * (y if shared else 1.0)
        return y.sum()

    x = np.linspace(0.1, 0.2, 50)
    (got,), (want,), _ = both_ways(step, Tensor(x))
    np.testing.assert_allclose(got, want, rtol=1e-11)


def test_states_exchange_and_turn():
    a, b = Tensor(np.arange(9.0).reshape(3, 3)), Tensor(np.ones((3, 3)))

    @jit
    def step():
        first = a * 1.0
        a.assign(b + a.T)  # every entry is read before it is written
        b.assign(first)

    want_a, want_b = b.data + a.data.T, a.data.copy()
    step()
    np.testing.assert_array_equal(a.data, want_a)
    np.testing.assert_array_equal(b.data, want_b)


def test_a_weight_that_is_read_after_its_update_was_due_keeps_its_old_value_until_then():
    generator = np.random.default_rng(0)
    w = Tensor(generator.standard_normal((6, 6)))

    @jit
    def step(x):
        w.assign(w - 0.1 * matmul(x.T, x))  # the old w is read by a product that comes after
        return matmul(x, w)

    x = generator.standard_normal((9, 6))
    old = w.data.copy()
    (answer,) = [step(x)]
    np.testing.assert_allclose(w.data, old - 0.1 * x.T @ x, rtol=1e-13)
    np.testing.assert_allclose(answer.data, x @ w.data, rtol=1e-12)


def test_states_of_every_layout_replaced_and_sliced():
    base = np.arange(40.0).reshape(5, 8)
    layouts = [base[:, :4].copy(), np.asfortranarray(base[:, :4]), base[:, ::2], base[::-1, 1:5]]
    w = Tensor(layouts[0])
    step = jit(lambda x: w.assign(w + matmul(x, w).sum(axis=0)))
    for array in layouts:
        w.data = array
        want = array + (np.ones((3, 5)) @ array).sum(0)
        step(np.ones((3, 5)))
        np.testing.assert_array_equal(array, want)


def test_inputs_of_every_layout():
    step = jit(lambda x: x * 2.0 + x.sum(axis=0))
    base = np.arange(48.0).reshape(6, 8)
    for x in (base[:, ::2], base[::-1, 1:5], base.T[:6, :4], np.asfortranarray(base[:, :4])):
        np.testing.assert_array_equal(step(x).data, x * 2.0 + x.sum(0))
    odd = np.frombuffer(b"\0" + base.tobytes(), np.uint8)[1:].view(np.float64).reshape(6, 8)
    np.testing.assert_array_equal(step(odd[:, :4]).data, base[:, :4] * 2.0 + base[:, :4].sum(0))


def test_an_input_that_is_the_memory_of_a_state():
    w, u = Tensor(np.ones(4)), Tensor(np.zeros(4))

    def step(x):
        w.assign(w * 2.0)
        u.assign(x * 1.0)

    jit(step)(w.data)  # the argument shows what is written to the state, as it does eagerly
    np.testing.assert_array_equal(u.data, np.full(4, 2.0))


def test_two_states_in_one_memory():
    memory = np.ones(4)
    a, b = Tensor(memory), Tensor(memory)
    jit(lambda: (a.assign(a * 2.0), b.assign(b + a), None)[-1])()
    np.testing.assert_array_equal(memory, np.full(4, 4.0))


def test_results_are_new_at_every_call():
    step = jit(lambda x: (x * 2.0, x + 1.0))
    first, _ = step(np.ones(3))
    step(np.full(3, 5.0))
    np.testing.assert_array_equal(first.data, np.full(3, 2.0))


def test_a_wrong_label_is_the_replays_error_and_changes_nothing():
    _, state, step = build_training("momentum", np.float64)
    before = [t.data.copy() for t in state]
    x, y = next(batches(1, 16, np.float64))
    y[3] = 10
    with pytest.raises(IndexError, match="label 10 is outside the classes 0 to 9"):
        jit(step)(x, y)
    assert all(np.array_equal(t.data, b) for t, b in zip(state, before, strict=True))
