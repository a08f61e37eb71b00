"""How operations are called: their keywords and names, the forms of transpose, many parts put
together, and plain arrays that are filled anew before `backward()`."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd
from autograd import (
    Tensor,
    concatenate,
    cross_entropy,
    grad,
    gradients,
    hessian,
    jacobian,
    primitive,
    stack,
    value_and_grad,
    vmap,
    where,
)
from autograd.primitives.primitive import TABLE

X = np.array([[0.5, -1.5], [2.0, 1.0]])

# --- calls ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "function",
    [
        lambda x, y, scale: x * y * scale,
        lambda *args, scale: args[0] * args[1] * scale,
        lambda x, *rest, scale: x * rest[0] * scale,
        lambda *args, **params: args[0] * args[1] * params["scale"],
    ],
)
def test_keywords_of_a_primitive_of_ones_own(function):
    """Else what its function takes is refused where its arguments have no names."""
    rules = (lambda g, out, x, y, scale: g * y * scale, lambda g, out, x, y, scale: g * x * scale)
    scaled = primitive("scaled", "x * y * scale", function, *rules)
    del TABLE["scaled"]
    np.testing.assert_array_equal(scaled(Tensor(X), X, scale=2.0).data, X * X * 2.0)


@pytest.mark.parametrize("prim", TABLE.values(), ids=TABLE)
def test_an_unknown_keyword_or_number_of_arguments_names_the_operation(prim):
    """NumPy's functions would take a second array for `out`, and write it."""
    args = [Tensor(X)] * max(prim.arity, 1)
    with pytest.raises(TypeError, match=rf"^{prim.name}: there is no keyword 'colour'"):
        prim(*args, colour=1)
    with pytest.raises(TypeError, match=rf"^{prim.name}: takes .* argument"):
        prim()
    if prim.arity >= 0:
        kept = X.copy()
        with pytest.raises(TypeError, match=rf"^{prim.name}: takes {prim.arity} argument"):
            prim(*[X] * prim.arity, X)
        np.testing.assert_array_equal(X, kept)


@pytest.mark.parametrize("transform", [grad, value_and_grad, jacobian, hessian, vmap])
def test_a_transformed_function_keeps_its_name(transform):
    def loss(x):
        """Of a point."""
        return x * x

    found = transform(loss)
    assert (found.__name__, found.__doc__) == ("loss", "Of a point.")


@given(st.permutations(range(3)), st.integers(0, 7), st.booleans())
def test_transpose_in_every_form(order, negative, batched):
    x = np.arange(24.0).reshape(2, 3, 4)
    axes = [i - 3 if negative >> i & 1 else i for i in order]
    judge = np.transpose(x, order)
    calls = [
        lambda x: x.transpose(*axes),
        lambda x: x.transpose(axes),
        lambda x: x.transpose(tuple(np.array(axes))),
        lambda x: autograd.transpose(x, axes),
        lambda x: autograd.transpose(x, axes=axes),
    ]
    for call in calls:
        if batched:
            np.testing.assert_array_equal(vmap(call)(np.stack([x, x]))[1], judge)
        else:
            np.testing.assert_array_equal(call(Tensor(x)).data, judge)
    for call in (lambda x: x.transpose(), lambda x: x.transpose(None), lambda x: x.T):
        np.testing.assert_array_equal(call(Tensor(x)).data, x.T)


@pytest.mark.parametrize("axes", [(0, 1), (0, 1, 1), (0, 1, 2, 3), (0, 1, 3)])
def test_transpose_refuses_what_names_not_each_axis_once(axes):
    with pytest.raises(ValueError, match="transpose"):
        Tensor(np.zeros((2, 3, 4))).transpose(*axes)


# --- many parts ----------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 3), min_size=1, max_size=100), st.booleans())
def test_many_parts_are_put_together_and_their_gradients_taken_apart(sizes, second):
    shapes = [(2, n) if second else (n, 2) for n in sizes]
    parts = [Tensor(np.full(s, float(i)), requires_grad=True) for i, s in enumerate(shapes)]
    axis = int(second)
    out = concatenate(parts, axis)
    np.testing.assert_array_equal(out.data, np.concatenate([p.data for p in parts], axis))
    weights = np.arange(float(out.size)).reshape(out.shape)
    judge = np.split(weights, np.cumsum(sizes)[:-1], axis)
    for found, want in zip(gradients((out * weights).sum(), parts), judge, strict=True):
        np.testing.assert_array_equal(found.data, want)


@pytest.mark.parametrize("function", [concatenate, stack])
def test_the_work_is_linear_in_the_number_of_parts(function):
    """20,000 parts took 86 s: each one's rule added up the lengths of all before it."""

    def seconds(n):
        parts = [Tensor(np.ones(2), requires_grad=True) for _ in range(n)]
        start = time.perf_counter()
        function(parts).sum().backward()
        return time.perf_counter() - start

    few, many = min(seconds(500) for _ in range(3)), min(seconds(4000) for _ in range(2))
    assert many < 24 * few  # 8, times three for a busy machine; squared it is 64


# --- plain arrays that are written ---------------------------------------------------------------

READERS = {
    "mul": lambda w, a: w * a,
    "div": lambda w, a: w / a,
    "matmul": lambda w, a: w @ a,
    "rmatmul": lambda w, a: a @ w,
    "power": lambda w, a: (w * w + 1.0) ** a,
    "maximum": lambda w, a: autograd.maximum(w, a),
    "where": lambda w, a: where(a > 0.75, w, 2.0 * w),
    "index": lambda w, a: w[(a > 0.75).astype(int)],
    "mask": lambda w, a: w[a > 0.75],
    "view": lambda w, a: w * a[::-1].T,
}


@pytest.mark.parametrize("name", READERS)
def test_an_array_filled_anew_before_backward_changes_no_gradient(name):
    """A loader's buffer may have its next batch before the gradient is asked for."""
    buffer = np.array([[0.5, 1.5], [2.0, 0.25]])
    held = []

    def loss(w):
        arrays = READERS[name]
        out = arrays(w, buffer)
        return (out * out).sum()

    judge_at = Tensor(X, requires_grad=True)
    (judge,) = gradients(loss(judge_at), [judge_at])
    w = Tensor(X, requires_grad=True)
    root = loss(w)
    held.append(buffer.copy())
    buffer[...] = np.nan
    (found,) = gradients(root, [w])
    np.testing.assert_array_equal(found.data, judge.data)


def test_so_do_labels_and_index_arrays():
    labels, places = np.array([0, 1]), np.array([1, 0])
    w = Tensor(X, requires_grad=True)
    root = cross_entropy(w[places], labels)
    (judge,) = gradients(cross_entropy(w[[1, 0]], [0, 1]), [w])
    labels[:], places[:] = 1, 0
    np.testing.assert_array_equal(gradients(root, [w])[0].data, judge.data)


def test_an_array_that_nothing_can_write_is_not_copied():
    frozen = X.copy()
    frozen.flags.writeable = False
    assert (Tensor(X, requires_grad=True) * frozen).args[1] is frozen
