"""Tensor: what it holds, its dtypes, NumPy beside it, and what Python asks of it."""

from __future__ import annotations

import numpy as np
import pytest

import autograd
from autograd import Tensor, concatenate, cross_entropy, gradients, stack
from tests.autograd.gradients import FLOATS, normal

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
    "mse": lambda x: autograd.mse(x, [[0.5] * 3] * 2),
    "huber": lambda x: autograd.huber(x, np.zeros((2, 3))),
    "hinge": lambda x: autograd.hinge(x, np.ones((2, 3), int)),
    "binary_cross_entropy": lambda x: autograd.binary_cross_entropy(x, np.ones((2, 3), bool)),
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
    assert repr(w * 2.0) == "Tensor([2.], primitive=mul)"
    assert "dtype=float32" in repr(Tensor(np.ones(1, np.float32)))
    assert "shape=(100, 100)" in repr(Tensor(np.ones((100, 100))))
    assert len(repr(Tensor(np.ones((100, 100))))) < 1000


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
