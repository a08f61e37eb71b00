"""Integers and booleans: no gradient passes through them, and they compute as NumPy's do, without
its float16 and without wrapping around where a float is the answer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import autograd
from autograd import Tensor, grad, gradients, jit, jvp, primitive, vjp
from autograd.nn import LayerNorm, mse
from autograd.primitives.primitive import TABLE

DTYPES = [np.dtype(t) for t in (np.uint8, np.int8, np.int16, np.uint16, np.int32, np.int64)]
INTEGERS = [*DTYPES, np.dtype(bool)]
X = np.array([0.4, -1.7, 2.5])


# --- no gradient ---------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("route", [lambda f: f, jit])
def test_no_gradient_passes_through_integers(dtype, route):
    """Rounding is flat: the slope is 0 and not that of the identity."""

    def through(x):
        return (x.astype(dtype).astype(float) * x).sum()

    at = np.abs(X)
    want = at.astype(dtype).astype(float)  # that of the other factor alone
    np.testing.assert_array_equal(np.asarray(route(grad(through))(at)), want)
    out, tangent = jvp(through, (at,), (np.ones(3),))
    assert tangent == want.sum() and out == (want * at).sum()


@pytest.mark.parametrize("dtype", INTEGERS)
def test_what_is_no_float_never_requires_a_gradient(dtype):
    x = Tensor(X, requires_grad=True)
    whole = x.astype(dtype)
    for node in (whole, whole.astype(np.float64), whole.reshape(3, 1), whole.max()):
        assert not node.requires_grad
    np.testing.assert_array_equal(jvp(lambda x: x.astype(dtype), (X,), (X,))[1], np.zeros(3))
    np.testing.assert_array_equal(vjp(lambda x: x.astype(dtype), X)[1](np.ones(3))[0], np.zeros(3))


def test_nor_does_a_primitive_of_ones_own():
    """Its rule would be asked for a cotangent of integers."""
    rounded = primitive(
        "rounded", "x rounded", lambda x: np.rint(x).astype(int), lambda g, out, x: g
    )
    try:
        assert not rounded(Tensor(X, requires_grad=True)).requires_grad
    finally:
        del TABLE["rounded"]


def test_a_loss_of_integers_is_refused():
    with pytest.raises(TypeError, match=r"grad: .*int64.*no gradient"):
        grad(lambda x: x.astype(np.int64).sum())(X)


# --- the numbers ---------------------------------------------------------------------------------


def drawn(dtypes):
    shapes = arrays.array_shapes(min_dims=1, max_dims=2, max_side=4)
    return st.sampled_from(dtypes).flatmap(lambda dtype: arrays.arrays(dtype, shapes))


@given(drawn([*INTEGERS, np.dtype(np.float32), np.dtype(np.float64)]), st.booleans(), st.booleans())
def test_min_is_numpys(x, whole, keepdims):
    axis = None if whole else -1
    for name in ("min", "max"):
        found = getattr(Tensor(x), name)(axis, keepdims)
        judge = getattr(np, name)(x, axis=axis, keepdims=keepdims)
        assert found.dtype == x.dtype
        np.testing.assert_array_equal(found.data, judge)


@pytest.mark.parametrize("dtype", [*DTYPES, np.dtype(np.float32), np.dtype(np.float64)])
def test_min_is_compiled_as_it_is_run(dtype):
    limits = np.iinfo(dtype) if dtype.kind in "iu" else np.finfo(dtype)
    x = np.array([[limits.max, 5, 7], [limits.min, 5, limits.max]], dtype)
    tests = [x, x.T, *([np.where(x == 5, np.nan, x).astype(dtype)] if dtype.kind == "f" else [])]
    for at in tests:
        for axis in (None, 0, 1):
            found = jit(lambda x, axis=axis: (x.min(axis), x.max(axis)))(np.ascontiguousarray(at))
            np.testing.assert_array_equal(found[0].data, at.min(axis))
            np.testing.assert_array_equal(found[1].data, at.max(axis))


OF_FLOATS = {
    "exp": np.exp, "expm1": np.expm1, "log1p": np.log1p, "sqrt": np.sqrt, "sin": np.sin,
    "cos": np.cos, "tanh": np.tanh, "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "softplus": lambda x: np.log1p(np.exp(x)), "mean": np.mean, "var": np.var,
    "softmax": lambda x: np.exp(x) / np.exp(x).sum(-1, keepdims=True),
    "log_softmax": lambda x: x - np.log(np.exp(x).sum(-1, keepdims=True)),
    "logsumexp": lambda x: np.log(np.exp(x).sum()),
    "gelu": lambda x: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
}  # fmt: skip


@pytest.mark.parametrize("name", OF_FLOATS)
@given(drawn(INTEGERS))
def test_a_function_with_fractions_computes_integers_in_float64(name, x):
    """NumPy takes float16 for what has 8 bits, and `x - max(x)` of unsigned integers wraps."""
    x = x % 7 if x.dtype != bool else x  # exp without overflow
    if name in ("log1p", "sqrt"):
        x = np.abs(x)
    with np.errstate(all="ignore"):
        found, judge = getattr(Tensor(x), name)(), OF_FLOATS[name](x.astype(np.float64))
    assert found.dtype == np.float64
    np.testing.assert_allclose(found.data, judge, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("name", ["sigmoid", "softmax", "log_softmax", "exp", "softplus"])
def test_so_does_a_compiled_step(name):
    x = np.array([1, 0, 250], np.uint8)[: 2 if name in ("exp", "softplus") else 3]
    function = getattr(autograd, name)
    found = jit(function)(x)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found.data, function(Tensor(x)).data, rtol=1e-14)


def test_losses_and_layers_of_small_integers():
    x = np.array([[1, 200], [0, 3]], np.uint8)
    assert mse(Tensor(x), x[::-1].copy()).item() == np.mean((x - x[::-1].astype(float)) ** 2)
    layer = LayerNorm(2)
    np.testing.assert_array_equal(layer(Tensor(x)).data, layer(Tensor(x.astype(np.float64))).data)


# --- softmax over several axes -------------------------------------------------------------------


@pytest.mark.parametrize("axis", [None, (0, 1), (1, 2), (-1, 0), [0, 2], (1,), 1, -1])
@pytest.mark.parametrize("route", [lambda f: f, jit])
def test_softmax_is_over_all_the_axes_it_is_given(axis, route):
    x = np.random.default_rng(0).normal(size=(2, 3, 4))
    axes = tuple(axis) if isinstance(axis, list) else axis
    judge = np.exp(x) / np.exp(x).sum(axes, keepdims=True)
    found = route(lambda x: autograd.softmax(x, axis))(Tensor(x))
    np.testing.assert_allclose(found.data, judge, rtol=1e-14)
    logs = route(lambda x: autograd.log_softmax(x, axis))(Tensor(x))
    np.testing.assert_allclose(logs.data, np.log(judge), rtol=1e-14)
    weights = np.arange(24.0).reshape(2, 3, 4)
    node = Tensor(x, requires_grad=True)
    (found,) = gradients((autograd.softmax(node, axis) * weights).sum(), [node])
    want = judge * (weights - (judge * weights).sum(axes, keepdims=True))
    np.testing.assert_allclose(found.data, want, rtol=1e-12, atol=1e-15)
