"""Derivatives of functions that read Tensors from outside, or call backward() themselves."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd import (
    Tensor,
    Value,
    grad,
    gradients,
    hessian,
    hvp,
    jacobian,
    jit,
    jvp,
    no_grad,
    value_and_grad,
    vjp,
    vmap,
)
from autograd.optim import clip_by_global_norm

WAYS = {  # each gives the gradient of (w x x x).sum(), 3 w x x, up to the factor in front
    "grad": lambda f, x: grad(f)(x),
    "value_and_grad": lambda f, x: value_and_grad(f)(x)[1],
    "vjp": lambda f, x: vjp(f, x)[1](1.0)[0],
    "jacobian": lambda f, x: jacobian(f)(x),
    "columns": lambda f, x: jacobian(f, forward=True)(x),
    "hvp": lambda f, x: hvp(f, x, x) / 2.0,
    "hessian": lambda f, x: hessian(f)(x) @ x / 2.0,
    "jvp": lambda f, x: jvp(grad(f), (x,), (x,))[1] / 2.0,
}
floats = st.sampled_from([-1.5, 0.5, 2.0])


@given(st.sampled_from(sorted(WAYS)), floats, floats, st.booleans())
def test_a_gradient_flows_through_an_answer_to_what_the_function_reads(way, a, b, middle):
    """As a gradient penalty or a differential equation in a loss wants it."""
    w = Tensor([a, b], requires_grad=True)
    x = np.array([3.0, -2.0])
    scale = w * 2.0 if middle else w
    g = WAYS[way](lambda v: (scale * v * v * v).sum(), Tensor(x))
    ((g * g).sum() + w.sum()).backward()
    twice = 4.0 if middle else 1.0
    # (3 s w x^2)^2 by w; a few roundings of numbers around 10^4.
    np.testing.assert_allclose(w.grad.data, 18.0 * twice * w.data * x**4 + 1.0, rtol=1e-12)


def test_value_and_grad_gives_a_value_to_go_on_from():
    w = Tensor(2.0, requires_grad=True)
    value, g = value_and_grad(lambda x: w * x * x)(Tensor(3.0))
    ((g - value) ** 2).backward()
    assert w.grad.data == 36.0  # 2 (6w - 9w) (6 - 9)


def test_per_example_gradients_flow_to_what_the_function_reads():
    w = Tensor(2.0, requires_grad=True)
    vmap(grad(lambda x: w * x * x))(np.array([1.0, 3.0])).sum().backward()
    assert w.grad.data == 8.0


def test_in_a_compiled_step_too():
    w = Tensor(2.0, requires_grad=True)

    def step(x):
        w.grad = None
        (grad(lambda v: w * v * v)(x) ** 2).backward()
        return w.grad * 1.0

    x = np.array(3.0)
    np.testing.assert_allclose(step(Tensor(x)).data, 144.0)
    np.testing.assert_allclose(jit(step)(x).data, 144.0)


@pytest.mark.parametrize("x", [3.0, np.array(3.0), np.float64(3.0)])
def test_plain_arguments_get_plain_answers(x):
    w = Tensor(2.0, requires_grad=True)
    answers = [grad(lambda v: w * v * v)(x), *value_and_grad(lambda v: w * v * v)(x)]
    answers += [hvp(lambda v: w * v * v, x, 1.0), *jvp(lambda v: w * v, (x,), (1.0,))]
    assert {type(a) for a in answers} <= {float, np.ndarray}


def test_under_no_grad_answers_are_constants():
    w = Tensor(2.0, requires_grad=True)
    with no_grad():
        assert not grad(lambda v: w * v * v)(Tensor(3.0)).requires_grad


def test_a_tangent_that_requires_a_gradient_gets_it():
    v = Tensor([1.0, 2.0], requires_grad=True)
    jvp(lambda x: x * x, (np.array([3.0, 4.0]),), (v,))[1].sum().backward()
    np.testing.assert_array_equal(v.grad.data, [6.0, 8.0])


@given(st.sampled_from([1.5, 2.0, -3.0]), st.booleans())
def test_gradients_and_backward_within_a_transform_are_differentiated(x, by_backward):
    def slope(v):
        if not by_backward:
            return gradients(v * v * v, [v])[0]
        a = Value(3.0) if isinstance(v, Value) else Tensor(3.0, requires_grad=True)
        (a * v * v * v).backward()  # by a: v cubed
        return a.grad

    # 3 x^2, then x^3; the derivative of each times x; a few roundings.
    once = 3.0 * x * x if by_backward else 6.0 * x
    times = 4.0 * x**3 if by_backward else 9.0 * x * x
    for given_x in (x, np.array(x)):
        assert grad(lambda v: slope(v) * 1.0)(given_x) == pytest.approx(once, rel=1e-14)
        assert grad(lambda v: slope(v) * v)(given_x) == pytest.approx(times, rel=1e-14)
        moved = jvp(lambda v: slope(v) * v, (given_x,), (1.0,))[1]
        assert moved == pytest.approx(times, rel=1e-14)


def test_gradients_under_no_grad_within_a_transform_are_constants():
    def f(v):
        y = v * v * v
        with no_grad():
            (slope,) = gradients(y, [v])
        return slope * v

    assert grad(f)(2.0) == 12.0


def test_a_pullback_reads_the_arrays_of_its_own_call():
    """The caller's arrays, given and got, are the caller's to fill anew."""
    a, unit = np.ones(2), np.ones(2)
    _, pullback = vjp(lambda x: x * x, a)
    a[:] = 9.0
    np.testing.assert_array_equal(pullback(unit)[0], [2.0, 2.0])
    for given_a in (np.zeros(2), Tensor(np.zeros(2))):
        y, pullback = vjp(lambda x: x.exp().reshape(2, 1), given_a)
        getattr(y, "_data", y)[:] = 0.0
        np.testing.assert_array_equal(np.asarray(pullback(np.ones((2, 1)))[0]), [1.0, 1.0])


def test_a_number_beside_arrays_of_two_dtypes_keeps_its_digits():
    a, b = np.ones(1, np.float32), np.ones(1)
    for pair in ((a, b), (b, a)):
        value, slope = value_and_grad(lambda s, p, q: (s * b).sum())(0.1, *pair)
        assert (value, slope) == (0.1, 1.0)


def test_derivatives_have_the_structure_of_the_argument():
    x = np.array([1.0, 2.0])
    answer = jacobian(lambda p: p["a"] * p["a"])({"a": x})
    np.testing.assert_array_equal(answer["a"], np.diag(2.0 * x))
    np.testing.assert_array_equal(jacobian(lambda p: 1.0)([x])[0], [0.0, 0.0])
    p = {"a": x, "b": 1.0}
    product = hvp(lambda q: (q["a"] * q["a"] * q["b"]).sum(), p, p)
    assert type(product["b"]) is float
    assert product["b"] == 10.0  # 2 a . a
    np.testing.assert_array_equal(product["a"], 4.0 * x)


def test_the_norm_of_no_gradients_is_a_tensor_too():
    assert clip_by_global_norm([Tensor([1.0], requires_grad=True)], 1.0).item() == 0.0
