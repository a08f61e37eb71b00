"""Tensor: NumPy's answers, the gradients that differences say, and errors that say what to do."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import autograd
from autograd import (
    Tensor,
    concatenate,
    cross_entropy,
    gradients,
    log_softmax,
    no_grad,
    softmax,
    stack,
)

FLOATS = (np.float32, np.float64)
SEEDS = st.integers(0, 2**32 - 1)


def normal(*shape, seed=0, dtype=np.float64):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def check(function, *arrays, differences):
    """function's value and gradients, weighted at random, against differences. Gives the value."""
    nodes = [Tensor(array, requires_grad=True) for array in arrays]
    out = function(*nodes)
    weights = np.random.default_rng(1).uniform(-1, 1, out.shape)
    out.backward(weights)

    def loss(*args):
        return np.sum(weights * function(*(Tensor(np.asarray(arg)) for arg in args)).data)

    for i, node in enumerate(nodes):
        judge = differences(loss, arrays, i)
        # 1e-6 is what the project asks of every gradient; differences are good to 1e-11.
        np.testing.assert_allclose(node.grad.data, judge, rtol=1e-6, atol=1e-6)
        assert node.grad.shape == node.shape
    return out.data


# --- what it holds -------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [*FLOATS, np.int64, np.uint8, bool])
def test_an_array_is_held_as_it_is_and_not_copied(dtype):
    array = np.ones((2, 3), dtype)
    tensor = Tensor(array)
    assert tensor.data is array
    assert (tensor.dtype, tensor.shape, tensor.ndim, tensor.size) == (dtype, (2, 3), 2, 6)
    assert len(tensor) == 2


def test_python_numbers_and_lists_become_float64():
    for data in (1, 1.0, [1, 2], [[1.0], [2.0]], [], [True, 1]):
        assert Tensor(data).dtype == np.float64
    assert Tensor(np.float32(1)).dtype == np.float32
    assert Tensor(np.int64(1)).dtype == np.int64


def test_grad_starts_as_none_and_nothing_is_required():
    tensor = Tensor([1.0])
    assert tensor.grad is None
    assert not tensor.requires_grad
    assert Tensor([1.0], requires_grad=True).requires_grad


@pytest.mark.parametrize(
    "data",
    [
        np.ones(2, np.float16),
        np.ones(2, np.complex128),
        np.ones(2, np.longdouble),
        np.array([None, 1]),
        np.array(["a"]),
        np.ones(2, ">f4"),
        "text",
        None,
        1j,
        {},
    ],
    ids=str,
)
def test_other_dtypes_are_refused_by_name(data):
    with pytest.raises(TypeError, match=str(np.asarray(data).dtype)):
        Tensor(data)


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, bool])
def test_integers_cannot_require_a_gradient(dtype):
    with pytest.raises(TypeError, match=np.dtype(dtype).name):
        Tensor(np.ones(2, dtype), requires_grad=True)


# --- dtypes: kept end to end ---------------------------------------------------------------------

ENDOMORPHISMS = {
    "exp": lambda x: x.exp(),
    "sigmoid": lambda x: x.sigmoid(),
    "softplus": lambda x: x.softplus(),
    "relu": lambda x: x.relu(),
    "gelu": lambda x: x.gelu(),
    "leaky_relu": lambda x: x.leaky_relu(),
    "clip": lambda x: x.clip(-1, 1),
    "abs": abs,
    "power": lambda x: abs(x) ** 1.5,
    "2**x": lambda x: 2**x,
    "sum": lambda x: x.sum(),
    "mean": lambda x: x.mean(0),
    "var": lambda x: x.var(1, keepdims=True),
    "max": lambda x: x.max(),
    "min": lambda x: x.min(1),
    "logsumexp": lambda x: x.logsumexp(0),
    "softmax": lambda x: x.softmax(),
    "log_softmax": lambda x: x.log_softmax(0),
    "matmul": lambda x: x @ x.T,
    "index": lambda x: x[0],
    "scalar index": lambda x: x[0, 0],
    "array index": lambda x: x[[0, 1, 0]],
    "concatenate": lambda x: concatenate([x, x]),
    "stack": lambda x: stack([x, x], 1),
    "reshape": lambda x: x.reshape(-1),
    "T": lambda x: x.T,
    "where": lambda x: autograd.where(x > 0, x, 0.0),
    "cross_entropy": lambda x: cross_entropy(x, [0, 2]),
    "python numbers": lambda x: 1 - 2.0 * x / 3,
    "numpy's scalars": lambda x: np.float64(2) * x + np.float64(1) - np.int64(3),
    "numpy's scalars right": lambda x: x * np.float64(2) / np.float64(3) ** x,
    "maximum": lambda x: autograd.maximum(x, np.float64(0)),
}


@pytest.mark.parametrize("name", list(ENDOMORPHISMS))
@pytest.mark.parametrize("dtype", FLOATS)
def test_the_dtype_stays_forward_and_backward(name, dtype):
    x = Tensor(normal(2, 3, dtype=dtype), requires_grad=True)
    out = ENDOMORPHISMS[name](x)
    assert out.dtype == dtype
    out.backward(np.ones(out.shape))  # a float64 seed
    assert x.grad.dtype == dtype
    (first,) = gradients(out, [x], np.ones(out.shape), create_graph=True)
    assert first.dtype == dtype


def test_a_float32_and_a_float64_tensor_meet_as_in_numpy_and_get_back_their_own():
    a = Tensor(normal(3, dtype=np.float32), requires_grad=True)
    b = Tensor(normal(3), requires_grad=True)
    out = (a * b).sum()
    assert out.dtype == np.float64
    out.backward()
    assert (a.grad.dtype, b.grad.dtype) == (np.float32, np.float64)


def test_a_cast_gives_its_gradient_back_in_the_dtype_it_came_in():
    x = Tensor(normal(3, dtype=np.float32), requires_grad=True)
    y = x.astype(np.float64)
    assert y.dtype == np.float64
    (y * y).sum().backward()
    assert x.grad.dtype == np.float32
    assert x.astype(np.float32) is x


# --- NumPy on either side ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "operator",
    [
        lambda a, b: a + b,
        lambda a, b: a - b,
        lambda a, b: a * b,
        lambda a, b: a / b,
        lambda a, b: a**b,
        lambda a, b: a @ b,
    ],
)
@pytest.mark.parametrize("wrap", [np.asarray, np.ndarray.tolist], ids=["array", "list"])
def test_arrays_and_lists_on_either_side(operator, wrap):
    left, right = np.abs(normal(2, 2)) + 0.1, np.abs(normal(2, 2, seed=1)) + 0.1
    judge = operator(left, right)
    for out in (operator(wrap(left), Tensor(right)), operator(Tensor(left), wrap(right))):
        assert isinstance(out, Tensor)
        # The same NumPy calls on the same numbers, by operator or by function.
        np.testing.assert_allclose(out.data, judge, rtol=1e-15)


def test_in_place_operators_make_new_tensors():
    x = Tensor([1.0, 2.0], requires_grad=True)
    y = x
    y += 1.0
    y *= x
    assert y is not x
    np.testing.assert_array_equal(x.data, [1.0, 2.0])
    array = np.ones(2)
    with pytest.raises(TypeError, match="Tensor"):
        array += x  # a refusal is better than an array that forgets the graph


def test_numpy_reads_a_tensor():
    x = Tensor([1.0, 2.0])
    assert np.asarray(x) is x.data
    assert np.array(x) is not x.data
    assert np.asarray(x, np.float32).dtype == np.float32


# --- what Python asks ----------------------------------------------------------------------------


def test_numbers_out_of_tensors():
    assert Tensor([[2.5]]).item() == float(Tensor(2.5)) == 2.5
    assert int(Tensor(np.array(3))) == 3
    assert bool(Tensor(1.0))
    with pytest.raises(ValueError, match=r"\(2,\)"):
        Tensor([1.0, 2.0]).item()
    with pytest.raises(TypeError):
        len(Tensor(1.0))
    with pytest.raises(TypeError):
        iter(Tensor(1.0))


def test_iteration_gives_rows_that_differentiate():
    x = Tensor(normal(3, 2), requires_grad=True)
    first, second, third = x
    (first * 1.0 + second * 10.0).sum().backward()
    np.testing.assert_array_equal(x.grad.data, [[1.0, 1.0], [10.0, 10.0], [0.0, 0.0]])
    assert third.shape == (2,)


def test_repr_shows_what_there_is():
    assert repr(Tensor([1.0, 2.0])) == "Tensor([1., 2.])"
    w = Tensor([1.0], requires_grad=True, name="w")
    assert repr(w) == "Tensor([1.], requires_grad=True, name='w')"
    assert repr(w * 2.0) == "Tensor([2.], row=mul)"
    assert "dtype=float32" in repr(Tensor(np.ones(1, np.float32)))
    assert "shape=(100, 100)" in repr(Tensor(np.ones((100, 100))))
    assert len(repr(Tensor(np.ones((100, 100))))) < 1000


# --- indexing ------------------------------------------------------------------------------------


@st.composite
def indexed(draw):
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=3, max_side=4))
    kind = draw(st.sampled_from(["basic", "integers", "mask", "mixed"]))
    if kind == "basic":
        key = draw(hnp.basic_indices(shape, allow_newaxis=True, allow_ellipsis=True))
    elif kind == "integers":
        key = draw(hnp.integer_array_indices(shape, result_shape=hnp.array_shapes(max_dims=2)))
    elif kind == "mask":
        key = draw(hnp.arrays(bool, shape[: draw(st.integers(1, len(shape)))]))
    else:
        rows = hnp.arrays(np.int64, draw(st.integers(0, 3)), elements=st.integers(-1, shape[0] - 1))
        key = (
            (draw(rows), *draw(hnp.basic_indices((1, *shape[1:]), allow_ellipsis=False))[1:])
            if (len(shape) > 1)
            else (draw(rows),)
        )
    return shape, key


@given(indexed(), SEEDS)
def test_an_index_means_what_it_means_in_numpy_and_its_gradient_goes_back_there(given_, seed):
    shape, key = given_
    array = np.random.default_rng(seed).standard_normal(shape)
    try:
        judge = array[key]
    except IndexError:
        assume(False)
    x = Tensor(array, requires_grad=True)
    out = x[key]
    np.testing.assert_array_equal(out.data, judge)
    weights = np.random.default_rng(seed + 1).uniform(-1, 1, out.shape)
    out.backward(weights)
    # Indexing is linear: the gradient is the sum of the weights over where each entry went.
    places = np.arange(array.size).reshape(shape)[key].ravel()
    expected = np.bincount(places, np.ravel(weights), minlength=array.size).reshape(shape)
    np.testing.assert_allclose(x.grad.data, expected, rtol=1e-15, atol=1e-15)


KEYS = [
    3,
    -1,
    np.int64(2),
    (1, 2),
    (slice(None), 0),
    slice(1, None, 2),
    slice(None, None, -1),
    slice(5, 1),
    slice(np.int64(1), np.int64(3)),
    None,
    ...,
    (),
    (..., 0),
    (None, 1, None, ...),
    True,
    False,
    [0, 2, 2, -1],
    [True, False, True, False],
    [[0, 1], [2, 3]],
    ([0, 1], [2, 2]),
    (slice(None), [0, 0, 2]),
    (1, [0, 0, 2]),
    ([0, 1], slice(None, 2)),
    np.zeros((0,), np.int64),
    np.zeros((4, 3), bool),
    np.array(1),
    np.array([3, 3], np.uint8),
    (np.array([[0], [1]]), np.array([0, 2])),
    np.arange(12).reshape(4, 3) % 2 == 0,
]


@pytest.mark.parametrize("key", KEYS, ids=lambda key: repr(key).replace("\n", ""))
def test_every_kind_of_index(key, differences):
    array = normal(4, 3)
    out = check(lambda x: x[key], array, differences=differences)
    np.testing.assert_array_equal(out, array[key])


@pytest.mark.parametrize("key", [[], ([], slice(None)), (slice(None), [])], ids=repr)
def test_an_empty_list_is_an_index_too(key):
    array = normal(4, 3)
    np.testing.assert_array_equal(Tensor(array)[key].data, array[key])


def test_tensors_are_indices():
    x = Tensor(normal(4, 3))
    np.testing.assert_array_equal(x[Tensor(np.array([2, 0]))].data, x.data[[2, 0]])
    mask = Tensor(x.data > 0)
    np.testing.assert_array_equal(x[mask].data, x.data[x.data > 0])
    np.testing.assert_array_equal(x[autograd.greater(x, 0.0)].data, x.data[x.data > 0])
    with pytest.raises(IndexError, match="float64"):
        x[Tensor([1.0])]


def test_an_entry_read_twice_gets_both_gradients():
    x = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    x[[0, 2, 2, 2]].backward([1.0, 10.0, 100.0, 1000.0])
    np.testing.assert_array_equal(x.grad.data, [1.0, 0.0, 1110.0])


@pytest.mark.parametrize("key", [0.5, np.float64(1), [0.5], np.array([1.0]), "a", (0, 1.0), {}])
def test_a_float_index_is_an_error_that_says_so(key):
    with pytest.raises(IndexError, match=r"index: .*(integer)"):
        Tensor(normal(4, 3))[key]


@pytest.mark.parametrize("key", [4, -5, (0, 3), [0, 4], (0, 0, 0), np.ones(3, bool)])
def test_an_index_beyond_the_end_is_an_index_error(key):
    with pytest.raises(IndexError, match="index"):
        Tensor(normal(4, 3))[key]


@pytest.mark.parametrize("key", [slice(1.0, None), slice("a")])
def test_a_slice_by_floats_is_a_type_error_as_in_numpy(key):
    with pytest.raises(TypeError, match="index"):
        Tensor(normal(4))[key]


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


# --- softmax, cross-entropy and other compositions ----------------------------------------------


def wide(logits):
    return np.asarray(logits).astype(np.longdouble)


def direct_log_softmax(logits, axis=-1):
    x = wide(logits)
    x = x - x.max(axis, keepdims=True)
    return x - np.log(np.exp(x).sum(axis, keepdims=True))


def direct_cross_entropy(logits, labels):
    picked = np.take_along_axis(direct_log_softmax(logits), np.asarray(labels)[..., None], -1)
    return -picked.mean()


@given(
    hnp.arrays(np.float64, hnp.array_shapes(max_dims=3, max_side=4), elements=st.floats(-30, 30)),
    st.data(),
)
def test_softmax_equals_the_direct_formula(logits, data):
    axis = data.draw(st.integers(-logits.ndim, logits.ndim - 1))
    judge = direct_log_softmax(logits, axis)
    # A difference of numbers up to 30, hence a few eps of 30.
    got = log_softmax(logits, axis)
    np.testing.assert_allclose(got, judge.astype(np.float64), rtol=0, atol=4e-14)
    np.testing.assert_allclose(softmax(logits, axis), np.exp(judge).astype(float), rtol=4e-14)
    np.testing.assert_array_equal(softmax(Tensor(logits), axis).data, softmax(logits, axis))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("scale", [1e4, 1e30])
def test_softmax_and_cross_entropy_are_finite_at_large_logits(dtype, scale):
    x = Tensor(np.array([[1.0, -1.0, 0.5], [-1.0, -1.0, 1.0]], dtype) * dtype(scale), True)
    loss = cross_entropy(x, [1, 2])
    assert loss.item() == pytest.approx(scale, rel=1e-6)
    loss.backward()
    np.testing.assert_allclose(x.grad.data, [[0.5, -0.5, 0.0], [0.0, 0.0, 0.0]], atol=1e-7)
    np.testing.assert_allclose(x.softmax().data, [[1, 0, 0], [0, 0, 1]], atol=1e-7)


@pytest.mark.parametrize("offset", [0.0, 100.0, 1e4, -1e4])
@pytest.mark.parametrize("dtype", FLOATS)
def test_softmax_does_not_mind_where_the_logits_lie(dtype, offset):
    """Logits near 1e4 are spaced 1e-3 in float32, but exact ones are exact: subtracting the largest
    first loses nothing, subtracting logsumexp(x) ~ 1e4 loses all digits below its spacing."""
    logits = np.array([[0.0, 1.0, -5.0], [2.0, 2.0, 2.0]], dtype) + dtype(offset)
    judge = direct_log_softmax(logits)
    # The size of x costs nothing; exp and log cost 4 ulp each, at results up to 7.
    bound = 16 * np.finfo(dtype).eps if dtype is np.float32 else 1e-11
    np.testing.assert_allclose(log_softmax(Tensor(logits)).data, judge.astype(float), atol=bound)
    np.testing.assert_allclose(
        softmax(Tensor(logits)).data, np.exp(judge).astype(float), atol=bound
    )
    loss = cross_entropy(Tensor(logits), [1, 0]).item()
    assert abs(loss - float(direct_cross_entropy(logits, [1, 0]))) <= bound


@pytest.mark.parametrize("shape", [(3,), (4, 3), (2, 4, 3)])
@pytest.mark.parametrize("kind", [np.array, Tensor, np.ndarray.tolist])
def test_cross_entropy_is_the_mean_negative_log_probability(shape, kind, differences):
    logits = 3 * normal(*shape)
    labels = np.random.default_rng(1).integers(0, 3, shape[:-1])
    out = check(lambda x: cross_entropy(x, kind(labels)), logits, differences=differences)
    assert out.shape == ()
    assert out == pytest.approx(float(direct_cross_entropy(logits, labels)), rel=1e-14)
    x = Tensor(logits, requires_grad=True)
    cross_entropy(x, labels).backward()
    onehot = np.eye(3)[labels]
    # The known gradient, (softmax - onehot) / batch: a wrong one still trains to 94 %.
    judge = (np.exp(direct_log_softmax(logits)) - onehot) / max(1, labels.size)
    np.testing.assert_allclose(x.grad.data, judge.astype(float), atol=1e-15)


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64, np.uint64])
def test_labels_are_any_integers(dtype):
    logits = Tensor(normal(2, 3), requires_grad=True)
    loss = cross_entropy(logits, np.array([2, 0], dtype))
    loss.backward()
    assert loss.item() == cross_entropy(logits, [2, 0]).item()


@pytest.mark.parametrize(
    ("labels", "error", "word"),
    [
        ([0.0, 1.0], TypeError, "float64"),
        (np.array([True, False]), TypeError, "bool"),
        ([0, 3], IndexError, r"label 3 .* 0 to 2"),
        ([0, -1], IndexError, r"label -1 .* 0 to 2"),
        ([0], ValueError, r"\(1,\).*\(2, 3\).*\(2,\)"),
        ([0, 1, 2], ValueError, r"\(3,\).*\(2,\)"),
        ([[0, 1]], ValueError, r"\(1, 2\).*\(2,\)"),
        (0, ValueError, r"\(\).*\(2,\)"),
    ],
    ids=str,
)
def test_wrong_labels_say_what_is_wrong(labels, error, word):
    with pytest.raises(error, match=word):
        cross_entropy(Tensor(normal(2, 3)), labels)


def test_gelu_leaky_relu_and_clip(differences):
    x = normal(20) * 2
    out = check(autograd.gelu, x, differences=differences)
    inner = np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)
    np.testing.assert_allclose(out, 0.5 * x * (1 + np.tanh(inner)), rtol=1e-13, atol=1e-15)
    out = check(lambda x: x.leaky_relu(0.2), x, differences=differences)
    np.testing.assert_array_equal(out, np.where(x > 0, x, 0.2 * x))
    out = check(lambda x: x.clip(-0.5, 1.0), x, differences=differences)
    np.testing.assert_array_equal(out, np.clip(x, -0.5, 1.0))
    out = check(lambda x: autograd.clip(x, normal(20), None), x, differences=differences)
    np.testing.assert_array_equal(out, np.maximum(x, normal(20)))


# --- empty and 0-d -------------------------------------------------------------------------------


def test_empty_arrays_flow():
    x = Tensor(np.ones((0, 3)), requires_grad=True)
    loss = (x * 2.0).exp().sum() + (x @ np.ones((3, 2))).sum() + concatenate([x, x]).sum()
    assert loss.item() == 0.0
    loss.backward()
    assert x.grad.shape == (0, 3)
    np.testing.assert_array_equal(x.sum(0).data, np.zeros(3))
    assert x[:, 0].shape == (0,)
    for name in ("max", "logsumexp", "min"):
        with pytest.raises(ValueError, match="zero-size"):
            getattr(x, name)()


@pytest.mark.parametrize(
    ("one", "other"), [((1,), (0,)), ((1, 3), (0, 3)), ((), (0,)), ((0, 1), (3,))]
)
def test_an_empty_array_broadcasts_and_its_gradient_is_zero(one, other):
    a = Tensor(np.ones(one), requires_grad=True)
    b = Tensor(np.ones(other), requires_grad=True)
    (a * b).sum().backward()
    np.testing.assert_array_equal(a.grad.data, np.zeros(one))
    np.testing.assert_array_equal(b.grad.data, np.zeros(other))


def test_scalars_of_no_axes():
    x = Tensor(2.0, requires_grad=True)
    y = x * x * 3.0
    assert y.shape == ()
    assert isinstance(y.data, np.ndarray)
    y.backward()
    assert x.grad.item() == 12.0
    assert isinstance(x.grad.data, np.ndarray)
    assert x.grad.shape == ()
    assert x.sum().item() == x.max().item() == x.mean().item() == 2.0
    assert x.reshape(1, 1).shape == (1, 1)
    assert x[()].item() == x[...].item() == 2.0
    assert x[None].shape == (1,)


# --- writing -------------------------------------------------------------------------------------


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
    """Not a NumPy view: the engine made it. Either the old numbers count, or an error says so."""
    state, w = Tensor([1.0, 2.0, 3.0]), Tensor([1.0, 1.0], requires_grad=True)
    loss = (w * view(state)).sum()
    state.assign([7.0, 7.0, 7.0])
    try:
        loss.backward()
    except RuntimeError:
        return
    np.testing.assert_array_equal(w.grad.data, [1.0, 2.0])


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
        if a.grad.row is None:  # else it is a result, and refuses to be written
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


# --- a whole network -----------------------------------------------------------------------------


@given(SEEDS, st.sampled_from(["relu", "tanh", "gelu", "softplus", "leaky_relu", "sigmoid"]))
def test_the_loss_of_a_whole_network(differences, seed, activation):
    generator = np.random.default_rng(seed)
    sizes = [(3, 4), (1, 4), (4, 3), (1, 3)]
    arrays = [generator.standard_normal(size) for size in [(5, 3), *sizes]]
    labels = generator.integers(0, 3, 5)

    def loss(x, w, b, v, c):
        hidden = x @ w + b
        return cross_entropy(getattr(hidden, activation)() @ v + c, labels)

    hidden = arrays[0] @ arrays[1] + arrays[2]
    assume(activation not in ("relu", "leaky_relu") or np.min(np.abs(hidden)) > 0.02)
    check(loss, *arrays, differences=differences)
