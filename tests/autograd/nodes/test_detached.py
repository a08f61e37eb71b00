"""What detach() and views of constants keep: the leaf whose memory they show, and no graph."""

import gc
import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd import Tensor, Value, detach, exp, gradients, no_grad
from autograd.nn import Linear, mse
from autograd.optim import SGD

CUTS = {
    "detach": lambda t: t.detach(),
    "detach twice": lambda t: detach(t.detach()),
    "reshape": lambda t: t.reshape(4).detach().reshape(2, 2),
    "T": lambda t: t.detach().T,
    "slice": lambda t: t[::-1].detach()[:, ::-1],
}
cuts = st.lists(st.sampled_from(sorted(CUTS)), min_size=1, max_size=4)


def cut(names, t):
    for name in names:
        t = CUTS[name](t)
    return t


@given(cuts, st.integers(2, 6))
def test_a_stateful_loop_forgets_the_steps_before(names, count):
    """A graph that is kept is checked against the parameters, which every step writes."""
    w, h = Tensor(np.eye(2), requires_grad=True), Tensor(np.zeros((2, 2)))
    optimizer = SGD([w], lr=0.01)
    results = []
    for _ in range(count):
        h2 = (h @ w).tanh() + 1.0
        optimizer.zero_grad()
        (h2 * h2).sum().backward()
        before = w.data.copy()
        out = np.tanh(h.data @ before) + 1.0
        inner = 2.0 * out * (1.0 - (out - 1.0) ** 2)
        # One product and a square: a few roundings of numbers around 10.
        np.testing.assert_allclose(w.grad.data, h.data.T @ inner, rtol=1e-12, atol=1e-12)
        optimizer.step()
        h = cut(names, h2)
        results.append(weakref.ref(h2))
    del h2
    gc.collect()
    assert all(ref() is None for ref in results)


def test_a_fixed_target_of_the_model_itself():
    model = Linear(2, 1)
    optimizer = SGD(model.parameters(), lr=0.1)
    x = np.ones((3, 2), np.float32)
    target = model(x).detach()
    fixed = target.data.copy()
    for _ in range(3):
        optimizer.zero_grad()
        mse(model(x) * 2.0, target).backward()
        optimizer.step()
    np.testing.assert_array_equal(target.data, fixed)


@given(cuts)
def test_a_view_of_a_written_leaf_is_stale_and_the_leaf_of_a_parameter_too(names):
    """Its numbers have changed in the memory that both show; what had to copy has the old."""
    for trains in (False, True):
        leaf = Tensor(np.arange(4.0).reshape(2, 2), requires_grad=trains, name="leaf")
        w = Tensor(np.ones((2, 2)), requires_grad=True)
        view = cut(names, leaf)
        loss = (w * view).sum()
        old = view.data.copy()
        leaf.assign(np.zeros((2, 2)))
        if np.shares_memory(view.data, leaf.data):
            with pytest.raises(RuntimeError, match="leaf' was written"):
                loss.backward()
        else:
            loss.backward()
            np.testing.assert_array_equal(w.grad.data, old)


@given(cuts, st.booleans(), st.booleans())
def test_a_detached_node_or_view_that_is_made_a_parameter_gets_its_gradient(names, result, inner):
    source = Tensor(np.arange(4.0).reshape(2, 2), requires_grad=inner)
    d = cut(names, source * 2.0 if result else source)
    d.requires_grad = True
    (d * d * d).sum().backward()
    np.testing.assert_allclose(d.grad.data, 3.0 * d.data**2, rtol=1e-15)
    np.testing.assert_array_equal(gradients((d * d).sum(), [d])[0].data, 2.0 * d.data)
    assert source.grad is None


def test_a_number_detached_and_made_a_parameter_gets_its_gradient():
    d = (Value(2.0) * 2).detach()
    d.requires_grad = True
    (d * d).backward()
    (d * d).backward(create_graph=True)
    assert d.grad.data == 16.0


def test_a_detached_result_can_be_trained_and_leaves_the_result_alone():
    """exp's rule reads exp's result: a step that wrote there would change a gradient."""
    x = Tensor([0.0, 1.0], requires_grad=True)
    y = exp(x)
    p = y.detach()
    p.requires_grad = True
    (p * p).sum().backward()
    SGD([p], lr=0.5).step()
    np.testing.assert_array_equal(p.data, [0.0, 0.0])
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.data, np.exp([0.0, 1.0]))


def test_a_view_of_a_leaf_is_not_written_behind_its_back():
    leaf = Tensor(np.ones((2, 2)))
    with pytest.raises(RuntimeError, match="view of a leaf cannot be written"):
        leaf.reshape(4).assign(np.zeros(4))
    with no_grad(), pytest.raises(RuntimeError, match="view of a leaf cannot be written"):
        Tensor(np.ones((2, 2)), requires_grad=True).T.assign(np.zeros((2, 2)))
