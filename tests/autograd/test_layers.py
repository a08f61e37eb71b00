"""Layers on shapes of every rank, dropout under vmap, optimizers on parameters of two dtypes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd import Tensor, grad, jit, vmap
from autograd.nn import BatchNorm, Dropout, LayerNorm
from autograd.optim import (
    SGD,
    Adam,
    AdamW,
    clip_by_global_norm,
    clip_by_value,
    constant,
    cosine,
    one_cycle,
)

SHAPES = st.lists(st.integers(1, 4), min_size=0, max_size=4).map(tuple)


@given(SHAPES, SHAPES.filter(bool), st.booleans())
def test_layer_norm_normalises_the_shape_it_was_made_for_or_refuses(lead, shape, match):
    x = np.random.default_rng(0).normal(size=(*lead, *shape) if match else lead)
    layer = LayerNorm(shape, dtype=np.float64)
    if x.shape[-len(shape) :] != shape:
        with pytest.raises(ValueError, match=r"LayerNorm: takes \(\.\.\., "):
            layer(Tensor(x))
        return
    axes = tuple(range(-len(shape), 0))
    mean, var = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
    judge = (x - mean) / np.sqrt(var + 1e-5)
    np.testing.assert_allclose(layer(Tensor(x)).data, judge, rtol=1e-10, atol=1e-12)


@given(SHAPES, st.integers(1, 4), st.booleans())
def test_batch_norm_takes_features_second_in_training_and_evaluation_or_refuses(
    shape, features, training
):
    x = np.random.default_rng(0).normal(size=shape)
    layer = BatchNorm(features, dtype=np.float64).train(training)
    mean, var = np.linspace(-1, 1, features), np.linspace(1, 2, features)
    layer.running_mean.assign(mean)
    layer.running_var.assign(var)
    n = x.size // features if x.ndim > 1 else 0
    if x.ndim < 2 or shape[1] != features or (training and n < 2):
        with pytest.raises(ValueError, match="BatchNorm"):
            layer(Tensor(x))
        np.testing.assert_array_equal(layer.running_mean.data, mean)
        return
    axes = (0, *range(2, x.ndim))
    moved = mean
    if training:
        moved = 0.9 * mean + 0.1 * x.mean(axes)
        mean, var = x.mean(axes), x.var(axes)
    wide = (features, *(1,) * (x.ndim - 2))
    judge = (x - mean.reshape(wide)) / np.sqrt(var.reshape(wide) + 1e-5)
    np.testing.assert_allclose(layer(Tensor(x)).data, judge, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(layer.running_mean.data, moved, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("shape", [(8, 3), (4, 3, 5), (2, 3, 2, 2)])
def test_batch_norm_of_any_rank_is_compiled_as_it_is_run(shape):
    x = np.random.default_rng(0).normal(size=shape)
    eager, compiled = BatchNorm(3, dtype=np.float64), BatchNorm(3, dtype=np.float64)
    step = jit(lambda x: compiled(x))
    for _ in range(3):
        np.testing.assert_allclose(step(x).data, eager(Tensor(x)).data, rtol=1e-12, atol=1e-13)
    for name, array in eager.state_dict().items():
        np.testing.assert_allclose(compiled.state_dict()[name], array, rtol=1e-12, err_msg=name)


# --- dropout under vmap --------------------------------------------------------------------------

ONES = np.ones((6, 4, 5))
ROUTES = {
    "vmap": lambda d: vmap(d)(ONES),
    "nested": lambda d: vmap(vmap(d))(ONES),
    "three levels": lambda d: vmap(vmap(vmap(d)))(ONES),
    "gradient": lambda d: vmap(grad(lambda x: d(x).sum()))(ONES),
    "compiled": lambda d: jit(vmap(d))(ONES).data,
    "compiled gradient": lambda d: jit(vmap(grad(lambda x: d(x).sum())))(ONES).data,
    "of what is shared": lambda d: vmap(lambda x, i: d(x), in_axes=(None, 0))(ONES[0], ONES),
}


@pytest.mark.parametrize("route", ROUTES.values(), ids=ROUTES)
def test_under_vmap_each_example_has_the_mask_of_its_row_in_the_batch(route):
    """One mask for all would be no independent noise: the mean over examples stays noisy."""
    judge, layer = Dropout(0.5, seed=3), Dropout(0.5, seed=3)
    for _ in range(3):  # and another at each call
        whole = judge(Tensor(ONES)).data
        np.testing.assert_array_equal(route(layer), whole)
        assert len({row.tobytes() for row in whole}) == 6


def test_other_axes_and_evaluation():
    layer, judge = Dropout(0.5), Dropout(0.5)
    x = np.ones((4, 6))
    np.testing.assert_array_equal(vmap(layer, in_axes=1)(x), judge(Tensor(x.T)).data)
    np.testing.assert_array_equal(vmap(layer.eval())(x), x)


# --- parameters of two dtypes --------------------------------------------------------------------

OPTIMIZERS = [
    lambda p, lr: SGD(p, lr),
    lambda p, lr: SGD(p, lr, momentum=0.9, nesterov=True, weight_decay=0.1),
    lambda p, lr: Adam(p, lr, weight_decay=0.1),
    lambda p, lr: AdamW(p, lr),
]
CLIPS = [
    lambda p: None,
    lambda p: clip_by_global_norm(p, 0.5),
    lambda p: clip_by_value(p, 0.5),
    lambda p: clip_by_value(p, np.float64(0.5)),
]


@given(
    st.permutations([np.float32, np.float64, np.float32]),
    st.sampled_from(OPTIMIZERS),
    st.sampled_from([0.1, constant(0.1), cosine(0.1, 10), one_cycle(0.1, 10)]),
    st.sampled_from(CLIPS),
)
def test_each_parameter_and_its_gradient_keep_their_dtype(dtypes, make, rate, clip):
    def run(dtypes):
        parameters = [
            Tensor(np.full(3, i + 1.0, dtype), requires_grad=True) for i, dtype in enumerate(dtypes)
        ]
        optimizer = make(parameters, rate)
        for _ in range(3):
            loss = sum(((p * p).sum() for p in parameters), 0.0)
            optimizer.zero_grad()
            loss.backward()
            clip(parameters)
            assert [p.grad.dtype for p in parameters] == list(dtypes)
            optimizer.step()
        assert [p.dtype for p in parameters] == list(dtypes)
        return [p.data for p in parameters]

    judge = run([np.float64] * 3)
    for found, wide in zip(run(dtypes), judge, strict=True):
        np.testing.assert_allclose(found, wide, rtol=1e-5)


def test_a_gradient_of_another_dtype_is_refused():
    p = Tensor(np.ones(2, np.float32), requires_grad=True)
    with pytest.raises(TypeError, match="float32"):
        p.grad = Tensor(np.ones(2))
