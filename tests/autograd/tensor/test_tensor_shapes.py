"""Products, parts put together and taken apart, and reductions: NumPy's answers, the gradients that
differences say, and errors that name the shapes."""

from __future__ import annotations

import re

import numpy as np
import pytest

import autograd
from autograd import Tensor, concatenate, stack
from tests.autograd.gradients import check, normal

# --- products ------------------------------------------------------------------------------------


PRODUCTS = [
    ((3,), (3,)),
    ((2, 3), (3,)),
    ((3,), (3, 2)),
    ((2, 3), (3, 4)),
    ((1, 1), (1, 1)),
    ((4, 2, 3), (3,)),
    ((3,), (4, 3, 2)),
    ((4, 2, 3), (3, 2)),
    ((2, 3), (4, 3, 2)),
    ((4, 2, 3), (4, 3, 2)),
    ((4, 1, 2, 3), (2, 3, 2)),
    ((1, 2, 3), (4, 3, 2)),
    ((2, 0), (0, 3)),
    ((0, 2), (2, 3)),
]


@pytest.mark.parametrize(("left", "right"), PRODUCTS, ids=str)
def test_matrix_products_of_every_kind(left, right, differences):
    a, b = normal(*left), normal(*right, seed=1)
    out = check(lambda a, b: a @ b, a, b, differences=differences)
    np.testing.assert_allclose(out, a @ b, rtol=1e-14, atol=1e-15)


def test_a_product_with_itself_transposed(differences):
    check(lambda a: a @ a.T @ a, normal(3, 2), differences=differences)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((2, 3), (2, 3)),
        ((3,), (2,)),
        ((), (3,)),
        ((2, 3), ()),
        ((2, 2, 3), (3, 3, 4)),
        ((3,), (2, 3)),
    ],
    ids=str,
)
def test_a_product_that_does_not_fit_names_both_shapes(left, right):
    both = rf"^matmul: shapes {re.escape(str(left))} and {re.escape(str(right))}"
    with pytest.raises(ValueError, match=both):
        Tensor(np.ones(left)) @ Tensor(np.ones(right))


# --- putting together, taking apart --------------------------------------------------------------


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -3])
def test_concatenate_and_stack(axis, differences):
    a, b = normal(2, 3, 2), normal(2, 3, 2, seed=1)
    out = check(lambda a, b: concatenate([a, b, a], axis), a, b, differences=differences)
    np.testing.assert_array_equal(out, np.concatenate([a, b, a], axis))
    out = check(lambda a, b: stack([a, b, a], axis), a, b, differences=differences)
    np.testing.assert_array_equal(out, np.stack([a, b, a], axis))


def test_concatenate_takes_arrays_lists_and_empty_parts():
    x = Tensor(normal(2, 3), requires_grad=True)
    out = concatenate([np.zeros((1, 3)), x, [[1.0, 2.0, 3.0]], np.zeros((0, 3))])
    assert out.shape == (4, 3)
    out.backward(np.arange(12.0).reshape(4, 3))
    np.testing.assert_array_equal(x.grad.data, np.arange(12.0).reshape(4, 3)[1:3])


@pytest.mark.parametrize(
    "act",
    [
        lambda x: concatenate([x, x], axis=2),
        lambda x: concatenate([x, x], axis=-3),
        lambda x: stack([x, x], axis=3),
        lambda x: stack([x, x], axis=-4),
        lambda x: autograd.transpose(x, (2, 3)),
        lambda x: autograd.transpose(x, (0, -3)),
    ],
)
def test_an_axis_beyond_the_end_is_an_error(act):
    with pytest.raises(ValueError, match="ax"):
        act(Tensor(np.ones((2, 3))))


@pytest.mark.parametrize(
    ("act", "word"),
    [
        (lambda x: concatenate([x, x.T]), "concatenate"),
        (lambda x: x.reshape(4, 2), "reshape"),
        (lambda x: x.reshape(4, -1), "reshape"),
        (lambda x: x.reshape(-1, -1), "reshape"),
        (lambda x: x.broadcast_to((3, 3)), "broadcast_to"),
        (lambda x: x.sum_to((3, 3)), "sum_to"),
        (lambda x: x.sum_to((2, 2, 3)), "sum_to"),
        (lambda x: x + np.ones(2), "add"),
        (lambda x: np.ones(2) * x, "mul"),
        (lambda x: autograd.maximum(x, np.ones(2)), "maximum"),
        (lambda x: autograd.where(np.ones(2), x, 0.0), "where"),
        (lambda x: x.sum(2), "sum"),
        (lambda x: x.sum((0, 0)), "sum"),
        (lambda x: x.max(-3), "max"),
        (lambda x: x.mean((0, -2)), "mean|sum"),
        (lambda x: x.logsumexp(5), "logsumexp"),
        (lambda x: x.softmax(2), "log_softmax"),
    ],
)
def test_shapes_that_do_not_fit_name_the_operation_and_the_shape(act, word):
    with pytest.raises(ValueError, match=rf"^({word}).*\(2, 3\)"):
        act(Tensor(np.ones((2, 3))))


def test_axes_that_are_no_order_and_parts_of_several_shapes():
    x = Tensor(np.ones((2, 3)))
    for axes in [(0, 0), (0,), (0, 1, 1)]:
        with pytest.raises(ValueError, match=r"^transpose: axes"):
            autograd.transpose(x, axes)
    with pytest.raises(ValueError, match=r"concatenate|stack"):
        stack([x, x.T])


def test_shape_changers(differences):
    x = normal(2, 3, 4)
    for function, judge in [
        (lambda x: x.reshape(4, 6), x.reshape(4, 6)),
        (lambda x: x.reshape((-1, 8)), x.reshape(-1, 8)),
        (lambda x: x.T, x.T),
        (lambda x: x.transpose(), x.T),
        (lambda x: x.transpose((1, 0, 2)), x.transpose(1, 0, 2)),
        (lambda x: x.transpose((-1, 0, 1)), x.transpose(-1, 0, 1)),
        (lambda x: x.broadcast_to((2, 2, 3, 4)), np.broadcast_to(x, (2, 2, 3, 4))),
        (lambda x: x.sum_to((3, 1)), x.sum((0, 2))[:, None]),
        (lambda x: x.sum_to(()), x.sum()),
        (lambda x: x.reshape(24)[5:10].reshape(5, 1).T, x.ravel()[None, 5:10]),
    ]:
        out = check(function, x, differences=differences)
        np.testing.assert_allclose(out, judge, rtol=1e-14)


# --- reductions ----------------------------------------------------------------------------------


REDUCTIONS = {
    "sum": np.sum,
    "mean": np.mean,
    "var": np.var,
    "max": np.max,
    "min": np.min,
    "logsumexp": lambda x, axis, keepdims: np.log(np.sum(np.exp(x), axis=axis, keepdims=keepdims)),
}
AXES = [None, 0, 1, 2, -1, (0, 1), (0, -1), (2, 0), (0, 1, 2), ()]


@pytest.mark.parametrize("name", list(REDUCTIONS))
@pytest.mark.parametrize("axis", AXES, ids=str)
def test_reductions_over_every_axis(name, axis, differences):
    x = normal(2, 3, 2)
    for keepdims in (False, True):

        def reduce(x, keepdims=keepdims):
            return getattr(autograd, name)(x, axis, keepdims)

        out = check(reduce, x, differences=differences)
        # Sums of up to 12 terms in another order.
        judge = REDUCTIONS[name](x, axis=axis, keepdims=keepdims)
        np.testing.assert_allclose(out, judge, rtol=1e-14, atol=1e-15)
        assert out.shape == np.shape(judge)
        method = getattr(Tensor(x), name)(axis=axis, keepdims=keepdims)
        np.testing.assert_array_equal(method.data, out)


@pytest.mark.parametrize("axis", [np.int64(0), (np.int64(0), np.int32(1))], ids=repr)
def test_an_axis_may_be_numpys_integer(axis):
    np.testing.assert_array_equal(Tensor(np.ones((2, 3))).sum(axis).data, np.ones((2, 3)).sum(axis))


def test_sums_of_float32_are_as_good_as_numpys():
    """A running float32 sum of a million 0.1 is off by 1 %; NumPy's pairwise one is not."""
    assert Tensor(np.full(10**6, 0.1, np.float32)).sum().item() == pytest.approx(1e5, rel=1e-6)
