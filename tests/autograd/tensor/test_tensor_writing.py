"""Writing to a Tensor: the same memory, nothing lost on the way, and results that are stale."""

from __future__ import annotations

import numpy as np
import pytest

from autograd import Tensor, gradients


def test_assign_copies_into_the_same_memory():
    array = np.zeros(3, np.float32)
    x = Tensor(array)
    x.assign([1.0, 2.0, 3.0])
    np.testing.assert_array_equal(array, [1.0, 2.0, 3.0])
    x.assign(x * 2.0)
    np.testing.assert_array_equal(array, [2.0, 4.0, 6.0])
    assert x.data is array
    assert x.dtype == np.float32


def test_assign_of_a_view_of_oneself_reads_before_it_writes():
    x = Tensor(np.arange(9.0).reshape(3, 3))
    x.assign(x.T)
    np.testing.assert_array_equal(x.data, np.arange(9.0).reshape(3, 3).T)
    x.assign(x[::-1])
    np.testing.assert_array_equal(x.data, np.arange(9.0).reshape(3, 3).T[::-1])


@pytest.mark.parametrize("value", [[1.0, 2.0], 1.0, [[1.0, 2.0, 3.0]], np.ones(4)])
def test_assign_of_another_shape_is_an_error_and_changes_nothing(value):
    x = Tensor([1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match=r"assign: shape .* \(3,\)"):
        x.assign(value)
    np.testing.assert_array_equal(x.data, [1.0, 2.0, 3.0])


def test_assign_wants_numbers_of_the_same_kind():
    with pytest.raises(TypeError, match=r"float64.*int64"):
        Tensor(np.zeros(2, np.int64)).assign([1.5, 2.5])
    with pytest.raises(TypeError, match="complex"):
        Tensor([1.0]).assign([1j])
    x = Tensor([1.0], requires_grad=True)
    with pytest.raises(RuntimeError, match="mul"):
        (x * 2).assign([1.0])


def test_assign_makes_results_stale():
    x, w = Tensor([1.0], requires_grad=True, name="x"), Tensor([2.0], requires_grad=True)
    y = (x * w).sum()
    x.assign([5.0])
    for act in (y.backward, lambda: gradients(y, [w])):
        with pytest.raises(RuntimeError, match="'x' was written"):
            act()
    assert w.grad is None


def test_a_written_constant_makes_results_stale_too():
    """Its new numbers would be multiplied into the gradient of the old."""
    x, w = Tensor([1.0]), Tensor([2.0], requires_grad=True)
    y = (x * w).sum()
    x.assign([5.0])
    with pytest.raises(RuntimeError, match="written"):
        y.backward()


@pytest.mark.parametrize(
    "view",
    [
        lambda t: t[:2],
        lambda t: t.detach()[:2],
        lambda t: t.reshape(3, 1)[:2, 0],
        lambda t: t.T[:2],
        lambda t: t.broadcast_to((2, 3))[0, :2],
    ],
    ids=["slice", "detach", "reshape", "T", "broadcast_to"],
)
def test_a_view_of_a_written_leaf_does_not_change_a_gradient_in_silence(view):
    """Not a NumPy view: the engine made it, and knows that its numbers are the written ones."""
    state, w = Tensor([1.0, 2.0, 3.0]), Tensor([1.0, 1.0], requires_grad=True)
    loss = (w * view(state)).sum()
    state.assign([7.0, 7.0, 7.0])
    with pytest.raises(RuntimeError, match="was written"):
        loss.backward()
    assert w.grad is None


def test_data_puts_another_array_in_place():
    x = Tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    new = np.array([3.0, 4.0])
    x.data = new
    assert x.data is new
    with pytest.raises(RuntimeError, match="written"):
        y.backward([1.0, 1.0])
    with pytest.raises(ValueError, match=r"\(3,\).*\(2,\)"):
        x.data = np.ones(3)
    with pytest.raises(TypeError, match="float32"):
        x.data = np.ones(2, np.float32)
    with pytest.raises(RuntimeError, match="mul"):
        y.data = new
