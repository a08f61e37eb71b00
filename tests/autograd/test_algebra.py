"""What is true of derivatives whatever the function: linearity, the chain and product rules,
symmetry, duality, Euler's theorem; one Hessian by every route; any order; transforms that do not
confuse each other's perturbations."""

from __future__ import annotations

import math

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
    log,
    sigmoid,
    sin,
    sqrt,
    tanh,
    vjp,
    vmap,
)
from tests.programs import direction_of, rounding, sample

N = 4
POINT = np.array([0.3, -0.7, 1.1, 0.5])
W, V = np.array([1.5, -0.5, 0.25, 2.0]), np.array([-1.0, 0.75, 0.5, 1.25])
M = np.random.default_rng(0).normal(size=(N, N))
EPS = np.finfo(float).eps


def near(got, judge, terms=50.0):
    """Equal to the rounding of `terms` operations on numbers of the size of the largest."""
    got, judge = (np.asarray(x.data if isinstance(x, Tensor) else x) for x in (got, judge))
    assert got.shape == judge.shape
    scale = max(1.0, float(np.max(np.abs(judge), initial=0.0)))
    assert np.all(np.abs(got - judge) <= terms * EPS * scale), (got, judge)


# Smooth functions of four numbers, with a product, a reduction and an index in them.
FUNCTIONS = {
    "network": lambda x: (tanh(M @ x) * sigmoid(M.T @ x)).sum(),
    "logsumexp": lambda x: autograd.logsumexp(M @ (x * x)) + sin(x[0] * x[3]),
    "quotient": lambda x: (exp(x) / (1.0 + (x * x).sum())).sum(),
    "softmax": lambda x: (autograd.softmax(x.reshape(2, 2), 0) * x.reshape(2, 2)[::-1]).sum(),
    "powers": lambda x: sqrt(1.0 + (x * x).sum()) ** 3 + ((2.0 + x) ** (0.5 * x)).sum(),
    "gather": lambda x: (x[np.array([0, 2, 2])] * x[1:] * x[:3]).sum() + x.var(),
}
MAPS = {
    "affine": lambda x: M @ x + 1.0,
    "layer": lambda x: tanh(M[:3] @ x),
    "outer": lambda x: x[:, None] * sin(x),
    "mixed": lambda x: autograd.concatenate([x * x.sum(), exp(x[:2])]),
}


@pytest.fixture(params=FUNCTIONS, name="f")
def _function(request):
    return FUNCTIONS[request.param]


@pytest.fixture(params=MAPS, name="m")
def _map(request):
    return MAPS[request.param]


# --- one Hessian ---------------------------------------------------------------------------------


def reverse_over_reverse(f, x):
    leaf = Tensor(x, requires_grad=True)
    (first,) = gradients(f(leaf), [leaf], create_graph=True)
    return np.stack([gradients(first, [leaf], row)[0].data for row in np.eye(len(x))])


ROUTES = {
    "reverse over reverse": reverse_over_reverse,
    "forward over reverse": lambda f, x: hessian(f)(x),
    "reverse over forward": lambda f, x: jacobian(jacobian(f, True), False)(x),
    "forward over forward": lambda f, x: jacobian(jacobian(f, True), True)(x),
    "reverse over reverse, by rows at once": lambda f, x: jacobian(jacobian(f, False), False)(x),
    "columns of hvp": lambda f, x: np.stack([hvp(f, x, column) for column in np.eye(len(x))], 1),
    "vmap of hvp": lambda f, x: vmap(lambda v: hvp(f, x, v), out_axes=1)(np.eye(len(x))),
    "gradients of slopes": lambda f, x: np.stack(
        [grad(lambda x, v=v: jvp(f, (x,), (v,))[1])(x) for v in np.eye(len(x))]
    ),
}


def differences_of_the_gradient(f, x):
    """Five points, steps of 5e-4: 5e-4^4 / 30 of the fifth derivative of the gradient, and eps /
    5e-4 of the gradient from rounding: 1e-11 of numbers of order 1 to 100."""
    h, columns = 5e-4, []
    for e in h * np.eye(len(x)):
        far, near_ = (grad(f)(x + k * e) - grad(f)(x - k * e) for k in (2, 1))
        columns.append((8.0 * near_ - far) / (12.0 * h))
    return np.stack(columns, 1)


@pytest.mark.parametrize("route", ROUTES)
def test_one_hessian_by_every_route(f, route):
    """Two routes that disagree share no mistake; differences judge."""
    found = ROUTES[route](f, POINT)
    near(found, ROUTES["reverse over reverse"](f, POINT))
    judge = differences_of_the_gradient(f, POINT)
    assert np.max(np.abs(found - judge)) <= 1e-9 * max(1.0, np.max(np.abs(judge)))


def test_a_hessian_is_symmetric(f):
    found = hessian(f)(POINT)
    near(found, found.T)


def test_hessians_of_values_are_those_of_tensors():
    def f(a, b, c, d):
        return tanh(a * b) * exp(c) / (1.0 + d * d) + sin(a) * a

    on_values = hessian(lambda x: f(*x))(POINT.tolist())
    near(on_values, hessian(lambda x: f(*x))(POINT))
    near(hvp(lambda x: f(*x), POINT.tolist(), V.tolist()), hvp(lambda x: f(*x), POINT, V))


def inner(vectors, others):
    return sum(((a * b).sum() for a, b in zip(vectors, others, strict=True)), 0.0)


def test_curvature_of_drawn_programs_by_three_routes():
    """v' H v: reverse over reverse, forward over reverse, forward over forward, within the
    rounding of the first one's graph (programs.rounding)."""
    curved = 0
    for program in sample(60):
        arrays = [np.asarray(x, float) for x in program.inputs]
        direction = direction_of(arrays)
        every = tuple(range(len(arrays)))
        nodes = [Tensor(x, requires_grad=True) for x in arrays]
        one = Tensor(1.0, requires_grad=True)  # so that nothing is left out of the graph
        first = gradients(program(*nodes), nodes, one, create_graph=True)
        second = gradients(inner(first, direction), nodes, create_graph=True)
        curvature = inner(second, direction)
        bound = 4 * rounding(curvature) if curvature.requires_grad else 0.0

        def slope(*args, every=every, program=program, direction=direction):
            return inner(grad(program, every)(*args), direction)

        def tangent(*args, program=program, direction=direction):
            return jvp(program, args, direction)[1]

        for route in (slope, tangent):
            found = jvp(route, arrays, direction)[1]
            assert abs(float(found) - curvature.item()) <= bound, program
        curved += curvature.item() != 0.0
    assert curved >= 30, "most were straight"


# --- algebra -------------------------------------------------------------------------------------


def test_a_gradient_is_linear_in_the_function(f):
    def g(x):
        return (x * x * x).sum()

    mixed = grad(lambda x: 2.0 * f(x) - 0.5 * g(x))(POINT)
    near(mixed, 2.0 * grad(f)(POINT) - 0.5 * grad(g)(POINT))


def test_the_product_rule(f):
    def g(x):
        return exp(0.3 * x).sum()

    found = grad(lambda x: f(x) * g(x))(POINT)
    near(found, grad(f)(POINT) * g(Tensor(POINT)).item() + f(Tensor(POINT)).item() * grad(g)(POINT))


def test_the_chain_rule(f, m):
    """The gradient of f(g(x)) is g's Jacobian, transposed, times f's gradient at g(x)."""

    places = np.arange(N) % m(Tensor(POINT)).size

    def g(x):
        return m(x).reshape(-1)[places]

    inside = g(Tensor(POINT)).data
    near(grad(lambda x: f(g(x)))(POINT), jacobian(g)(POINT).T @ grad(f)(inside), 200)


def test_the_jacobian_of_a_composition_is_the_product_of_jacobians(m):
    def g(x):
        return sin(M @ x)

    near(
        jacobian(lambda x: m(g(x)))(POINT), jacobian(m)(g(Tensor(POINT)).data) @ jacobian(g)(POINT)
    )


def test_forward_and_reverse_give_one_jacobian(m):
    found = jacobian(m, forward=True)(POINT)
    near(found, jacobian(m, forward=False)(POINT))
    assert found.shape == (*m(Tensor(POINT)).shape, N)


def test_forward_and_reverse_are_adjoint(m):
    """<w, J v> = <J' w, v> for any w and v: one is the other's transpose."""
    out, tangent = jvp(m, (POINT,), (V,))
    w = np.random.default_rng(1).normal(size=out.shape)
    _, pullback = vjp(m, POINT)
    near(np.sum(w * tangent), np.sum(pullback(w)[0] * V))


def test_tangents_and_cotangents_are_linear(m):
    def forward(v):
        return jvp(m, (POINT,), (v,))[1]

    out, pullback = vjp(m, POINT)
    a, b = np.random.default_rng(1).normal(size=(2, *out.shape))
    near(forward(2.0 * V - W), 2.0 * forward(V) - forward(W))
    near(pullback(2.0 * a - b)[0], 2.0 * pullback(a)[0] - pullback(b)[0])
    assert not forward(0.0 * V).any()
    assert not pullback(0.0 * a)[0].any()


@pytest.mark.parametrize(
    ("degree", "function"),
    [
        (1, lambda x: sqrt((x * x).sum())),
        (1, lambda x: abs(x).max()),
        (2, lambda x: x @ M @ x),
        (3, lambda x: (x * x).sum() * x[1] - x.max() * x[0] * x[2]),
        (0, lambda x: x[0] / x.sum()),
        (-2, lambda x: 1.0 / (x * x).sum()),
    ],
)
def test_eulers_theorem_on_homogeneous_functions(degree, function):
    """<grad f(x), x> = k f(x), and the gradient itself is homogeneous: H x = (k - 1) grad f."""
    first = grad(function)(POINT)
    near(first @ POINT, degree * function(Tensor(POINT)).item())
    near(hvp(function, POINT, POINT), (degree - 1) * first)


def test_the_hessian_of_a_product_with_a_matrix_is_that_matrix():
    near(hessian(lambda x: 0.5 * (x @ M @ x))(POINT), (M + M.T) / 2)


def test_the_inverse_functions_derivative_is_the_inverse():
    for there, back in ((exp, log), (lambda x: x * x, sqrt), (tanh, _artanh)):
        for x in (0.2, 0.5, 0.9):
            y = float(there(x))
            near(grad(there)(x) * grad(back)(y), 1.0)


def _artanh(y):
    return 0.5 * log((1.0 + y) / (1.0 - y))


def test_the_implicit_derivative_of_a_fixed_point():
    """y = cos(x y) has dy/dx = -y sin(x y) / (1 + x sin(x y)): by 80 steps of iteration, whose
    graph is 80 deep, and by the formula."""

    def solve(x):
        y = x * 0.0 + 0.5
        for _ in range(80):
            y = autograd.cos(x * y)
        return y

    x, y = 0.6, float(solve(0.6))
    s = math.sin(x * y)
    near(grad(solve)(x), -y * s / (1.0 + x * s))
    near(jvp(solve, (x,), (1.0,))[1], -y * s / (1.0 + x * s))


# --- any order -----------------------------------------------------------------------------------


def nth(f, n):
    for _ in range(n):
        f = grad(f)
    return f


def nth_forward(f, n):
    for _ in range(n):
        f = slope_forward(f)
    return f


def slope_forward(f):
    return lambda x: jvp(f, (x,), (1.0,))[1]


@pytest.mark.parametrize("derive", [nth, nth_forward])
@pytest.mark.parametrize("x", [0.7, -1.3])
def test_the_fifth_derivative_of_a_composite_is_exact(derive, x):
    """Against Faa di Bruno's formula, to 1000 roundings of the largest term's size."""
    sine, cosine, power = math.sin(x), math.cos(x), math.exp(math.sin(x))
    s, c = math.sin(x * x), math.cos(x * x)
    for function, judge in (
        (lambda x: sin(x * x), fifth([c, -s, -c, s, c], [2 * x, 2, 0, 0, 0])),
        (lambda x: exp(sin(x)), fifth([power] * 5, [cosine, -sine, -cosine, sine, cosine])),
        (lambda x: x * x * x * x * x * x * x, 2520.0 * x * x),
        (lambda x: 1.0 / x, -120.0 / x**6),
    ):
        near(derive(function, 5)(x), judge, 1000)


def fifth(f, x):
    """The fifth derivative of f(x(t)), from the first five of f and of x."""
    f1, f2, f3, f4, f5 = f
    x1, x2, x3, x4, x5 = x
    straight = f1 * x5 + f2 * (5 * x1 * x4 + 10 * x2 * x3)
    bent = f3 * (10 * x1**2 * x3 + 15 * x1 * x2**2) + f4 * 10 * x1**3 * x2
    return straight + bent + f5 * x1**5


@pytest.mark.parametrize("order", range(8))
def test_forward_and_reverse_in_any_order_of_nesting(order):
    """The third derivative of tanh by each of the eight nestings of grad and jvp."""
    f = tanh
    for bit in range(3):
        f = nth(f, 1) if order >> bit & 1 else nth_forward(f, 1)
    t = math.tanh(0.4)
    judge = (1 - t * t) * (6 * t * t - 2)
    near(f(0.4), judge)
    near(vmap(f)(np.array([0.4, 0.4])), np.full(2, judge))


def test_third_derivatives_of_arrays():
    found = jacobian(hessian(lambda x: (x * x * x * x).sum() + x[0] * x[1] * x[2]))(POINT)
    judge = np.zeros((N, N, N))
    judge[np.arange(N), np.arange(N), np.arange(N)] = 24 * POINT
    for i, j, k in ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)):
        judge[i, j, k] = 1.0
    near(found, judge)


# --- perturbations are not confused --------------------------------------------------------------


@pytest.mark.parametrize(
    ("nested", "judge"),
    [
        (lambda: grad(lambda x: x * grad(lambda y: x + y)(1.0))(1.0), 1.0),
        (lambda: grad(lambda x: x * grad(lambda y: x * y)(2.0))(3.0), 6.0),
        (
            lambda: jvp(lambda x: x * jvp(lambda y: x + y, (1.0,), (1.0,))[1], (1.0,), (1.0,))[1],
            1.0,
        ),
        (lambda: jvp(lambda x: x * grad(lambda y: x * y)(2.0), (3.0,), (1.0,))[1], 6.0),
        (lambda: grad(lambda x: x * jvp(lambda y: x * y, (2.0,), (1.0,))[1])(3.0), 6.0),
        (lambda: grad(lambda x: grad(lambda y: x * x * x)(x) + x)(2.0), 1.0),
        (lambda: grad(lambda x: grad(lambda y: y * y * x)(x))(2.0), 8.0),
        (lambda: grad(lambda x: jvp(lambda y: y * y * x, (x,), (x,))[1])(2.0), 24.0),
        (lambda: grad(lambda x: vjp(lambda y: y * x, x * x)[1](x)[0])(2.0), 4.0),
        (lambda: grad(lambda x: grad(lambda y: grad(lambda z: x * y * z)(1.0))(1.0))(5.0), 1.0),
    ],
)
def test_an_inner_derivative_does_not_see_the_outer_perturbation(nested, judge):
    """Siskind and Pearlmutter's example, and what else a tag forgotten would get wrong."""
    assert nested() == judge


def test_perturbations_of_arrays_are_not_confused():
    found = grad(lambda x: (x * grad(lambda y: (x * y).sum())(x)).sum())(POINT)
    near(found, 2 * POINT)
    found = jacobian(lambda x: jacobian(lambda y: x * y)(x) @ x)(POINT)
    near(found, np.diag(2 * POINT))


def test_a_vmap_level_does_not_see_another():
    """An inner map that closes over an outer example, under a gradient of it."""
    table = vmap(lambda a: vmap(lambda b: grad(lambda x: (x * a * b).sum())(a))(M))(M)
    near(table, M[:, None] * M)
    near(
        vmap(lambda a: grad(lambda x: vmap(lambda b: (x * b).sum())(M).sum())(a))(M), [M.sum(0)] * N
    )


# --- nests ---------------------------------------------------------------------------------------

NESTS = {
    "grad of grad of jvp of vmap": lambda x: grad(
        lambda y: grad(
            lambda z: jvp(lambda u: vmap(lambda r: tanh(r) * r)(u).sum(), (z,), (V,))[1]
        )(y).sum()
    )(x),
    "jvp of vmap of grad": lambda x: jvp(vmap(grad(lambda r: tanh(r) * r)), (x,), (V,))[1],
    "vmap of grad of jvp": lambda x: vmap(
        lambda r: grad(lambda s: jvp(lambda t: tanh(t) * t, (s,), (1.0,))[1])(r)
    )(x),
    "vmap of hessian": lambda x: vmap(hessian(lambda r: (tanh(r) * r).sum()))(M),
    "jacobian of vmap of vmap": lambda x: jacobian(
        lambda y: vmap(lambda a: vmap(lambda b: tanh(a * b))(y))(y)
    )(x),
    "vmap of jacobian": lambda x: vmap(jacobian(lambda r: tanh(M @ r)))(M),
    "vmap of vmap of hvp": lambda x: vmap(
        lambda a: vmap(lambda v: hvp(FUNCTIONS["network"], a, v))(np.eye(N))
    )(M),
}


def _second(r):
    """The second derivative of tanh(r) r."""
    t = np.tanh(r)
    return (1 - t * t) * (2 - 2 * r * t)


def _third(r):
    t = np.tanh(r)
    u = 1 - t * t
    return -2 * t * u * (2 - 2 * r * t) + u * (-2 * t - 2 * r * u)


JUDGES = {
    "grad of grad of jvp of vmap": lambda x: _third(x) * V,
    "jvp of vmap of grad": lambda x: _second(x) * V,
    "vmap of grad of jvp": _second,
    "vmap of hessian": lambda x: np.stack([np.diag(_second(row)) for row in M]),
    "jacobian of vmap of vmap": lambda x: _outer_jacobian(x),
    "vmap of jacobian": lambda x: (1 - np.tanh(M @ M.T).T[:, :, None] ** 2) * M,
    "vmap of vmap of hvp": lambda x: np.stack([hessian(FUNCTIONS["network"])(row) for row in M]),
}


def _outer_jacobian(x):
    slope = 1 - np.tanh(np.outer(x, x)) ** 2
    judge = np.einsum("ab,b,ac->abc", slope, x, np.eye(N))
    return judge + np.einsum("ab,a,bc->abc", slope, x, np.eye(N))


@pytest.mark.parametrize("name", NESTS)
def test_transforms_nest(name):
    """Against closed forms, on arrays and on Tensors that require a gradient."""
    near(NESTS[name](POINT), JUDGES[name](POINT), 200)
    near(NESTS[name](Tensor(POINT, requires_grad=True)), JUDGES[name](POINT), 200)


@pytest.mark.parametrize("name", NESTS)
def test_transforms_nest_inside_jit(name):
    step = jit(NESTS[name])
    for x in (POINT, 0.5 * POINT):
        near(step(x), JUDGES[name](x), 200)


def test_values_nest_too():
    x = Value(0.4)
    out = grad(lambda y: jvp(grad(tanh), (y,), (y,))[1])(x)
    t = math.tanh(0.4)
    second, third = -2 * t * (1 - t * t), (1 - t * t) * (6 * t * t - 2)
    near(out.data, second + 0.4 * third)
