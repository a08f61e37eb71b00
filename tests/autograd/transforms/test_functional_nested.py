"""Transforms of constants, of nodes (the answer goes on being differentiable), and inside
jit and around it."""

from __future__ import annotations

import numpy as np
import pytest

import autograd
from autograd import (
    Tensor,
    Value,
    exp,
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
from tests.autograd.transforms.transforms import POINT, ROWS, cubes, equal

# --- what does not depend on an argument ---------------------------------------------------------


def test_a_function_that_ignores_its_argument_has_derivative_zero():
    assert grad(lambda x: 3.0)(1.0) == 0.0
    equal(grad(lambda x: 3.0)(POINT), np.zeros(3))
    equal(grad(lambda x, y: y.sum(), (0, 1))(POINT, ROWS), (np.zeros(3), np.ones((3, 2))))
    equal(jvp(lambda x: np.ones(2), (POINT,), (POINT,)), (np.ones(2), np.zeros(2)))
    equal(vjp(lambda x: Tensor(np.ones(2)), POINT)[1](np.ones(2)), (np.zeros(3),))
    for forward in (True, False):
        equal(jacobian(lambda x: Tensor(np.ones(2)), forward)(POINT), np.zeros((2, 3)))
    equal(hessian(lambda x: x.sum())(POINT), np.zeros((3, 3)))
    equal(hvp(lambda x: x.sum(), POINT, POINT), np.zeros(3))
    assert hessian(lambda x: 3.0 * x)(1.0) == 0.0
    equal(vmap(grad(lambda x: 3.0))(POINT), np.zeros(3))


@pytest.mark.parametrize(
    ("transform", "shape"),
    [(jacobian(lambda x: np.ones(2)), (2, 3)), (hessian(lambda x: 3.0), (3, 3))],
)
def test_a_constant_result_of_numpy_has_a_jacobian_of_zeros(transform, shape):
    equal(transform(POINT), np.zeros(shape))


@pytest.mark.parametrize(
    "inner",
    [
        lambda x: grad(lambda y: x)(x),
        lambda x: jvp(lambda y: x, (x,), (1.0,))[1],
        lambda x: vjp(lambda y: x, x)[1](1.0)[0],
    ],
    ids=["grad", "jvp", "vjp"],
)
def test_a_derivative_of_zero_is_a_node_where_others_are(inner):
    """exp is a method of every node: what an outer transform computes with must not depend on
    whether there happened to be a path."""
    assert grad(lambda x: inner(x).exp() + x)(2.0) == 1.0


@pytest.mark.parametrize(
    "transform",
    [
        grad(lambda x: 3.0),
        lambda x: grad(lambda x, y: x.sum(), (0, 1))(x, x),
        lambda x: jvp(lambda y: x * 1.0, (x,), (x,)),
    ],
    ids=["grad", "one of two", "jvp"],
)
def test_a_derivative_of_zero_can_leave_a_jitted_step(transform):
    """A parameter that a loss does not use yet is no reason for an error."""
    equal(jit(transform)(POINT), transform(POINT))


def test_the_tangent_of_a_constant_under_vmap():
    equal(vmap(lambda x: jvp(lambda y: 2.0, (x,), (x,))[1])(POINT), np.zeros(3))


def test_detach_and_no_grad_cut():
    assert grad(lambda x: x * autograd.detach(x))(3.0) == 3.0
    assert jvp(lambda x: x * autograd.detach(x), (3.0,), (1.0,)) == (9.0, 3.0)

    def frozen(x):
        with no_grad():
            factor = x * x
        return factor * x

    assert grad(frozen)(3.0) == 9.0
    with no_grad():
        assert grad(lambda x: x * x)(3.0) == 6.0


# --- on nodes: the answer goes on being differentiable -------------------------------------------


def test_the_gradient_at_a_leaf_differentiates_further():
    """hessian, vmap and grad at an argument that requires a gradient give nodes."""
    x = Tensor(POINT.copy(), requires_grad=True)
    for transform, judge in {
        grad(cubes): 6 * POINT,
        vmap(grad(lambda x: x * x * x)): 6 * POINT,
        hessian(cubes): np.full(3, 6.0),
        (lambda x: jvp(cubes, (x,), (np.ones(3),))[1]): 6 * POINT,
        (lambda x: vjp(cubes, x)[1](1.0)[0]): 6 * POINT,
        (lambda x: value_and_grad(cubes)(x)[0]): 3 * POINT**2,
    }.items():
        out = transform(x)
        equal(gradients(out.sum(), [x]), [judge])
    assert x.grad is None
    a = Value(2.0)
    grad(lambda x: x * x * x)(a).backward()
    assert a.grad == 12.0


def test_a_pullback_is_a_function_that_differentiates():
    """It is linear in its cotangent: its own Jacobian is that of f, transposed. A 0 here is wrong
    in silence."""
    _, pullback = vjp(lambda x: x * x, POINT)
    equal(grad(lambda g: pullback(g)[0].sum())(np.ones(3)), 2 * POINT)


def test_a_pullback_carries_tangents():
    _, pullback = vjp(lambda x: x * x, POINT)
    equal(jvp(lambda g: pullback(g)[0], (np.ones(3),), (np.ones(3),))[1], 2 * POINT)


def test_a_pullback_is_mapped_over_many_cotangents():
    _, pullback = vjp(lambda x: x * x, POINT)
    equal(vmap(lambda g: pullback(g)[0])(np.eye(3)), np.diag(2 * POINT))


def test_a_pullback_made_inside_does_all_that():
    def pulled(g):
        return vjp(lambda x: x * x, POINT)[1](g)[0]

    equal(vmap(pulled)(np.eye(3)), np.diag(2 * POINT))
    equal(jacobian(pulled)(np.ones(3)), np.diag(2 * POINT))


def test_a_pullback_can_be_called_again():
    _, pullback = vjp(lambda x: x * x, POINT)
    for _ in range(2):
        equal(pullback(np.ones(3)), (2 * POINT,))


# --- inside jit, and around it -------------------------------------------------------------------


@pytest.mark.parametrize(
    "transform",
    [
        grad(cubes),
        value_and_grad(cubes),
        lambda x: jvp(lambda x: exp(x) * x, (x,), (x,)),
        lambda x: jvp(lambda x: x.logsumexp() * x, (x,), (x,)),
        lambda x: hvp(cubes, x, x),
        lambda x: vjp(lambda x: x * x, x)[1](x),
        grad(lambda x: (grad(cubes)(x) * x).sum()),
        vmap(grad(lambda x: x * x * x)),
        vmap(lambda x: x.exp()),
        lambda x: vmap(lambda a: vmap(lambda b: a * b)(x))(x),
    ],
    ids=[
        *("grad", "value_and_grad", "jvp", "jvp of a reduction", "hvp", "vjp", "grad of grad"),
        *("vmap of grad", "vmap", "vmap of vmap"),
    ],
)
def test_transforms_inside_jit(transform):
    """Traced and replayed on other numbers: what they eagerly give."""
    step = jit(transform)
    for x in (POINT, 2 * POINT):
        found, judge = step(x), transform(x)
        equal(found, judge)


@pytest.mark.parametrize("forward", [True, False])
def test_jacobians_inside_jit(forward):
    transform = jacobian(lambda x: x * x.sum(), forward)
    step = jit(transform)
    for x in (POINT, 2 * POINT):
        equal(step(x), transform(x))


def test_hessians_inside_jit():
    equal(jit(hessian(cubes))(POINT), np.diag(6 * POINT))


@pytest.mark.parametrize(
    "transform",
    [
        lambda f: grad(f)(POINT),
        lambda f: jvp(f, (POINT,), (POINT,)),
        lambda f: vjp(f, POINT)[1](np.ones(())),
        lambda f: jacobian(f)(POINT),
        lambda f: gradients(f(leaf := Tensor(POINT, requires_grad=True)), [leaf]),
    ],
    ids=["grad", "jvp", "vjp", "jacobian", "gradients"],
)
def test_nothing_differentiates_through_a_compiled_call_in_silence(transform):
    """A gradient of 0 would be wrong."""
    with pytest.raises(RuntimeError, match="a compiled step's result does not differentiate"):
        transform(jit(cubes))


def test_jit_under_vmap_is_the_function_itself():
    equal(vmap(jit(lambda x: (x * x).sum()))(ROWS), (ROWS**2).sum(1))
