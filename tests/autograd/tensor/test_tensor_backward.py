"""The backward pass of Tensors: seeds, sums of gradients, whose memory they are, hooks, and the
pure `gradients()` up to third order."""

from __future__ import annotations

import numpy as np
import pytest

import autograd
from autograd import Tensor, concatenate, cross_entropy, gradients, no_grad, stack
from tests.autograd.gradients import normal

# --- backward ------------------------------------------------------------------------------------


def test_a_non_scalar_wants_a_seed():
    y = Tensor([1.0, 2.0], requires_grad=True) * 2.0
    with pytest.raises(ValueError, match=r"mul of shape \(2,\) is not a scalar.*seed"):
        y.backward()
    with pytest.raises(ValueError, match="seed"):
        gradients(y, [y])
    x = Tensor([1.0], requires_grad=True)
    with pytest.raises(ValueError, match=r"\(1,\)"):
        x.backward()


@pytest.mark.parametrize("seed", [1.0, [1.0], [1.0, 1.0, 1.0], [[1.0, 1.0]]])
def test_a_seed_has_the_roots_shape(seed):
    y = Tensor([1.0, 2.0], requires_grad=True) * 2.0
    for create_graph in (False, True):
        with pytest.raises(ValueError, match=r"seed of shape .* \(2,\)"):
            y.backward(seed, create_graph)


@pytest.mark.parametrize("seed", [[1.0, 3.0], np.array([1, 3]), Tensor([1.0, 3.0])])
def test_a_seed_is_a_cotangent(seed):
    x = Tensor(np.array([1.0, 2.0], np.float32), requires_grad=True)
    (x * 2.0).backward(seed)
    np.testing.assert_array_equal(x.grad.data, [2.0, 6.0])
    assert x.grad.dtype == np.float32
    (found,) = gradients(x * 2.0, [x], seed, create_graph=True)
    np.testing.assert_array_equal(found.data, [2.0, 6.0])


def test_what_was_computed_inside_no_grad_has_no_backward():
    x = Tensor([1.0], requires_grad=True)
    with no_grad():
        y = (x * x).sum()
        with pytest.raises(RuntimeError, match="no_grad"):
            y.backward()
    with pytest.raises(RuntimeError, match="no_grad"):
        y.backward()
    with pytest.raises(RuntimeError, match="requires_grad=True"):
        Tensor([1.0]).sum().backward()
    assert x.grad is None


def test_a_second_backward_adds_exactly_the_same_again():
    x, w = Tensor(normal(4, 3), requires_grad=True), Tensor(normal(3, 2), requires_grad=True)
    loss = cross_entropy((x @ w).tanh(), [0, 1, 1, 0])
    loss.backward()
    once = [x.grad.data.copy(), w.grad.data.copy()]
    loss.backward()
    np.testing.assert_array_equal(x.grad.data, 2 * once[0])
    np.testing.assert_array_equal(w.grad.data, 2 * once[1])
    x.grad = None
    loss.backward()
    np.testing.assert_array_equal(x.grad.data, once[0])
    np.testing.assert_array_equal(w.grad.data, once[1] + once[1] + once[1])


def test_a_gradient_handed_out_is_not_changed_by_the_next_backward():
    x = Tensor([1.0, 2.0], requires_grad=True)
    loss = (x * x).sum()
    loss.backward()
    first = x.grad
    kept = first.data.copy()
    loss.backward()
    np.testing.assert_array_equal(first.data, kept)


def test_grad_holds_a_tensor_of_its_shape_or_none():
    x = Tensor([1.0, 2.0], requires_grad=True)
    x.grad = Tensor([5.0, 6.0])
    (x * 1.0).backward([1.0, 1.0])
    np.testing.assert_array_equal(x.grad.data, [6.0, 7.0])
    for wrong in (np.ones(2), 0.0, Tensor([1.0])):
        with pytest.raises(TypeError, match="grad"):
            x.grad = wrong


def test_a_leaf_may_be_the_root():
    x = Tensor(2.0, requires_grad=True)
    x.backward()
    assert x.grad.item() == 1.0
    np.testing.assert_array_equal(gradients(x, [x])[0].data, 1.0)


# --- a gradient is nobody's alias ----------------------------------------------------------------


GRAPHS = {
    "add": lambda a, b: a + b,
    "the same twice": lambda a, b: a + a,
    "sum": lambda a, b: (a + b).sum() * np.ones((2, 2)),
    "reshape": lambda a, b: a.reshape(4).reshape(2, 2) + b,
    "transpose": lambda a, b: a.T + b.T,
    "index": lambda a, b: a[:] + b[::-1],
    "broadcast": lambda a, b: (a.broadcast_to((3, 2, 2)) + b)[0],
    "sub": lambda a, b: a - b,
    "where": lambda a, b: autograd.where(np.ones((2, 2)), a, b),
    "concatenate": lambda a, b: concatenate([a, b])[1:3],
    "stack": lambda a, b: stack([a, b])[0],
    "matmul": lambda a, b: a @ np.eye(2) + b,
    "mul": lambda a, b: a * b,
    "cast": lambda a, b: a.astype(np.float32).astype(np.float64) + b,
    "the leaf itself": lambda a, b: a,
}


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("name", list(GRAPHS))
def test_writing_a_gradient_changes_nothing_else(name, create_graph):
    """An optimizer that scales one .grad in place must not scale its neighbour, the weights, the
    data or the seed."""
    a = Tensor(normal(2, 2), requires_grad=True)
    b = Tensor(normal(2, 2, seed=1), requires_grad=True)
    data = [a.data.copy(), b.data.copy()]
    for seed in (normal(2, 2, seed=2), Tensor(normal(2, 2, seed=2))):
        kept = np.array(seed)
        a.grad = b.grad = None
        GRAPHS[name](a, b).backward(seed, create_graph)
        others = None if b.grad is None else b.grad.data.copy()
        if a.grad.primitive is None:  # else it is a result, and refuses to be written
            a.grad.assign(np.full((2, 2), 77.0))
        np.testing.assert_array_equal(np.asarray(seed), kept)
        if b.grad is not None:
            np.testing.assert_array_equal(b.grad.data, others)
        np.testing.assert_array_equal(a.data, data[0])
        np.testing.assert_array_equal(b.data, data[1])


@pytest.mark.parametrize("name", list(GRAPHS))
def test_the_answers_of_gradients_are_nobodys_alias(name):
    a = Tensor(normal(2, 2), requires_grad=True)
    b = Tensor(normal(2, 2, seed=1), requires_grad=True)
    seed = normal(2, 2, seed=2)
    found = gradients(GRAPHS[name](a, b), [a, b], seed)
    for gradient, other in (found, found[::-1]):
        for array in (other.data, seed, a.data, b.data):
            assert not np.shares_memory(gradient.data, array)
        gradient.assign(np.zeros((2, 2)))


# --- gradients() ---------------------------------------------------------------------------------


def test_gradients_reaches_inner_nodes_and_touches_nothing():
    x = Tensor([1.0, 2.0], requires_grad=True)
    other = Tensor(normal(3, 2, dtype=np.float32), requires_grad=True)
    y = x * x
    z = (y * y).sum()
    found = gradients(z, [y, other, x, z])
    np.testing.assert_array_equal(found[0].data, [2.0, 8.0])
    np.testing.assert_array_equal(found[1].data, np.zeros((3, 2)))
    assert found[1].dtype == np.float32
    np.testing.assert_array_equal(found[2].data, [4.0, 32.0])
    assert found[3].item() == 1.0
    assert x.grad is None
    assert other.grad is None
    assert not any(answer.requires_grad for answer in found)


def test_gradients_computes_only_what_is_on_the_way():
    """No product for the gradient of the input batch: here its rule would raise."""

    def never(g, out, x, y):
        raise AssertionError("a rule off the path was called")

    row = autograd.primitive("of_a_test", "x y", np.multiply, never, lambda g, out, x, y: g * x)
    try:
        x, w = Tensor([2.0]), Tensor([3.0], requires_grad=True)
        (found,) = gradients(row(x, w).sum(), [w])
        assert found.item() == 2.0
        u = Tensor([2.0], requires_grad=True)
        (found,) = gradients(row(u, w).sum(), [w])
        assert found.item() == 2.0
        row(x, w).sum().backward()
    finally:
        del autograd.primitives.primitive.TABLE["of_a_test"]


@pytest.mark.parametrize("function", [
    lambda x: (x * x * x).sum(),
    lambda x: x.exp().sum() * x.tanh().mean(),
    lambda x: x.reshape(2, 3).softmax()[:, 0].sum(),
    lambda x: cross_entropy(x.reshape(2, 3) * 2.0, [0, 2]),
    lambda x: (x.reshape(2, 3) @ x.reshape(3, 2)).logsumexp(),
    lambda x: x.var() / (x * x).mean(),
    lambda x: concatenate([x, x * x])[::2].max(),
    lambda x: (abs(x) ** x).sum(),
], ids=range(8))  # fmt: skip
def test_hessians(function, differences):
    """Column by column from the gradient's own graph, against differences of the gradient, and
    symmetric."""
    x = Tensor(normal(6), requires_grad=True)
    (first,) = gradients(function(x), [x], create_graph=True)
    rows = [gradients(first, [x], np.eye(6)[i])[0].data for i in range(6)]

    def slope(i):
        def of(array):
            y = Tensor(np.asarray(array), requires_grad=True)
            return gradients(function(y), [y])[0].data[i]

        return of

    for i in range(6):
        np.testing.assert_allclose(
            rows[i], differences(slope(i), [x.data], 0), rtol=1e-6, atol=1e-6
        )
    np.testing.assert_allclose(rows, np.transpose(rows), rtol=1e-12, atol=1e-12)


def test_third_order():
    x = Tensor([0.5, -1.0], requires_grad=True)
    y = (x**5).sum()
    for factor, power in ((5, 4), (20, 3), (60, 2)):
        (y,) = gradients(y if y.ndim == 0 else y.sum(), [x], create_graph=True)
        np.testing.assert_allclose(y.data, factor * x.data**power, rtol=1e-14)


# --- hooks, detach -------------------------------------------------------------------------------


def test_a_hook_sees_the_whole_gradient_and_may_change_it():
    x = Tensor([1.0, 2.0], requires_grad=True)
    y = x * x
    z = (y * 2.0 + y).sum()
    seen = []
    remove = y.hook(lambda g: seen.append(g.data.copy()))
    z.backward()
    np.testing.assert_array_equal(seen, [[3.0, 3.0]])
    remove()
    remove = y.hook(lambda g: g * 10.0)
    x.grad = None
    z.backward()
    np.testing.assert_array_equal(x.grad.data, [60.0, 120.0])
    remove()
    x.grad = None
    z.backward()
    np.testing.assert_array_equal(x.grad.data, [6.0, 12.0])


def test_detach_cuts_and_differentiates_nothing():
    x = Tensor([1.0, 2.0], requires_grad=True)
    y = (x.detach() * x).sum()
    assert not x.detach().requires_grad
    y.backward()
    np.testing.assert_array_equal(x.grad.data, x.data)
