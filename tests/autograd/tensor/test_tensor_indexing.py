"""Indexing: what NumPy reads, the gradient where it was read, and errors that say what to do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import autograd
from autograd import Tensor
from tests.autograd.gradients import SEEDS, check, normal


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
