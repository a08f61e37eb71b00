"""softmax, cross-entropy and other compositions against their direct formulas in wide floats."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import autograd
from autograd import Tensor, cross_entropy, log_softmax, softmax
from tests.autograd.gradients import FLOATS, SEEDS, check, normal

# --- softmax, cross-entropy and other compositions -----------------------------------------------


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
