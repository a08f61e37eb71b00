"""The engine in other people's hands: scipy's optimizers, primitives that a user adds, an equation
solved step by step. Each example is right by another route, and runs."""

from __future__ import annotations

import numpy as np
import pytest

from autograd import Tensor, grad, hessian, hvp, jacobian, jit, jvp, vmap
from models import gaussian_process, ode, rosenbrock
from models.gaussian_process import COLUMNS, POSITIVE_DEFINITE, cholesky, solve


def slope(f, x, v, step=1e-3):
    """The derivative of f at x along v by the five-point formula: its error is step^4 = 1e-12 of
    the fifth derivative, and rounding adds 1e-13 of f."""
    values = [f(x + k * step * v) for k in (-2, -1, 1, 2)]
    return (8 * (values[2] - values[1]) - (values[3] - values[0])) / (12 * step)


# --- scipy's optimizers --------------------------------------------------------------------------


@pytest.fixture
def optimize():
    return pytest.importorskip("scipy.optimize")


@pytest.mark.parametrize("n", [2, 3, 100])
def test_rosenbrocks_derivatives_are_scipys(optimize, n):
    """To rounding of the sums: a handful of terms of up to 100 times the cube of an entry."""
    generator = np.random.default_rng(n)
    for _ in range(10):
        x, v = generator.uniform(-2, 2, (2, n))
        for ours, scipys in [
            (rosenbrock.rosenbrock(x), optimize.rosen(x)),
            (grad(rosenbrock.rosenbrock)(x), optimize.rosen_der(x)),
            (hvp(rosenbrock.rosenbrock, x, v), optimize.rosen_hess_prod(x, v)),
        ]:
            np.testing.assert_allclose(ours, scipys, rtol=1e-13, atol=1e-12)
    np.testing.assert_allclose(
        hessian(rosenbrock.rosenbrock)(x), optimize.rosen_hess(x), rtol=1e-13, atol=1e-12
    )


@pytest.mark.parametrize("method", ["trust-ncg", "L-BFGS-B"])
def test_scipys_optimizers_do_with_our_derivatives_what_they_do_with_scipys(optimize, method):
    """From a near start rounding has no time to part them; from the far side of the valley both
    arrive, after about as many iterations."""
    near = np.tile([1.3, 0.7, 0.8, 1.9, 1.2], 20)
    for x, apart in [(near, 0.0), (rosenbrock.start(100), 0.1)]:
        ours = rosenbrock.minimize(method, "our", x)
        scipys = rosenbrock.minimize(method, "scipy's", x)
        assert max(ours.error, scipys.error) < 1e-8
        assert abs(ours.iterations - scipys.iterations) <= apart * scipys.iterations
        for point in ours.path[::10]:
            judge = optimize.rosen_der(point)
            gap = np.abs(grad(rosenbrock.rosenbrock)(point) - judge).max()
            assert gap <= 1e-15 * max(1.0, np.abs(judge).max()) * 100


def test_rosenbrock_prints_its_table(optimize, capsys):
    rosenbrock.main()
    out = capsys.readouterr().out
    assert out.count("trust-ncg") == out.count("L-BFGS-B") == 2
    assert "largest difference of the gradients" in out


# --- primitives of one's own ---------------------------------------------------------------------


def positive_definite(n: int, seed: int):
    half = np.random.default_rng(seed).standard_normal((n, n))
    return half @ half.T + n * np.eye(n)


ROWS = {
    "cholesky": lambda a: cholesky(a),
    "solve, of the matrix": lambda a: solve(a, COLUMNS),
    "solve, of the columns": lambda b: solve(POSITIVE_DEFINITE, b),
    "solve, of both": lambda a: solve(a, a[:, :2] * a[:, :2]),
    "both": lambda a: solve(cholesky(a), COLUMNS),
}


@pytest.mark.parametrize("name", list(ROWS))
def test_a_users_primitive_differentiates_both_ways_and_twice(name):
    """By differences along random directions, of the function and of its gradient. The direction
    is not symmetric: `cholesky` is of the symmetric part, and its rule must say so."""
    f = ROWS[name]
    generator = np.random.default_rng(0)
    x = COLUMNS if name == "solve, of the columns" else positive_definite(3, seed=1)
    v = generator.uniform(-1, 1, x.shape)
    weights = generator.uniform(-1, 1, np.shape(f(x)))

    def total(x):
        return (f(x) * f(x) * weights).sum()

    out, tangent = jvp(f, (x,), (v,))
    np.testing.assert_allclose(tangent, slope(f, x, v), rtol=1e-8, atol=1e-10)
    np.testing.assert_array_equal(out, f(x))
    gradient = grad(total)
    np.testing.assert_allclose((gradient(x) * v).sum(), slope(total, x, v), rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(
        hvp(total, x, v), slope(gradient, x, v), rtol=1e-7, atol=1e-9 * np.abs(gradient(x)).max()
    )


def test_a_users_primitives_go_over_a_batch():
    stack = np.stack([positive_definite(3, seed) for seed in range(4)])

    def f(a):
        return (solve(cholesky(a), COLUMNS) * 2.0).sum()

    for mapped, one in [(vmap(f), f), (vmap(grad(f)), grad(f))]:
        np.testing.assert_allclose(mapped(stack), [one(a) for a in stack], rtol=1e-12, atol=1e-14)


def test_a_users_primitives_stay_float32():
    a = Tensor(POSITIVE_DEFINITE.astype(np.float32), requires_grad=True)
    out = solve(cholesky(a), COLUMNS.astype(np.float32))
    assert out.dtype == np.float32
    out.sum().backward()
    assert a.grad.dtype == np.float32


def test_a_users_primitives_replay_in_a_traced_step():
    value = jit(lambda a: grad(lambda a: solve(cholesky(a), COLUMNS).sum())(a))
    for seed in range(2):
        a = positive_definite(3, seed)
        judge = grad(lambda a: solve(cholesky(a), COLUMNS).sum())(a)
        np.testing.assert_array_equal(value(a).data, judge)


def test_the_likelihood_is_the_normal_distributions():
    """By a determinant and an inverse, which the example avoids."""
    theta = np.log([0.7, 1.3, 0.3])
    x, y = gaussian_process.draw(20, theta, seed=3)
    covariance = gaussian_process.kernel(theta, x)
    judge = 0.5 * y @ np.linalg.inv(covariance) @ y
    judge += 0.5 * np.linalg.slogdet(2 * np.pi * covariance).logabsdet
    ours = gaussian_process.negative_log_likelihood(theta, x, y)
    assert ours == pytest.approx(judge, rel=1e-10)  # the condition number is about 1e3


def test_newton_finds_the_top_of_the_likelihood():
    truth = np.log([1.0, 1.5, 0.2])
    x, y = gaussian_process.draw(60, truth, seed=0)
    path = gaussian_process.fit(np.zeros(3), x, y)
    values = [value for _, value in path]
    assert values == sorted(values, reverse=True)
    top, least = path[-1]

    def loss(theta):
        return gaussian_process.negative_log_likelihood(theta, x, y)

    assert np.abs(grad(loss)(top)).max() < 1e-9
    assert np.linalg.eigvalsh(hessian(loss)(top))[0] > 0
    assert least < loss(truth)
    # 60 points on 10 lengths say this much of the three numbers they were drawn with.
    assert np.abs(top - truth).max() < 0.5


def test_the_process_prints_its_fit(capsys):
    gaussian_process.main()
    assert "drawn with" in capsys.readouterr().out


# --- a differential equation ---------------------------------------------------------------------


def test_derivatives_go_through_two_hundred_euler_steps():
    """Forward, backward and by differences: 1,000 nodes in a row, six numbers at their start."""
    p = ode.guess(ode.PELTS)
    forward = jacobian(ode.populations, forward=True)(p)
    backward = jacobian(ode.populations, forward=False)(p)
    size = np.abs(forward).max()
    np.testing.assert_allclose(forward, backward, rtol=1e-9, atol=1e-11 * size)
    for i, v in enumerate(np.eye(6)):
        judge = slope(ode.populations, p, v, step=1e-5)
        np.testing.assert_allclose(forward[..., i], judge, rtol=1e-6, atol=1e-7 * size)


def test_euler_steps_are_the_equations():
    """A species without effects grows as its rate says; where growth and effect balance, none
    does."""
    alone = ode.populations(np.array([0.3, -0.2, 0.0, 0.0, 1.0, 2.0]))
    years = np.arange(21)
    np.testing.assert_allclose(alone[:, 0], 1.0 + 0.3 * years, rtol=1e-12)
    np.testing.assert_allclose(alone[:, 1], 2.0 - 0.2 * years, rtol=1e-12, atol=1e-12)
    still = ode.populations(np.array([0.5, -0.6, -0.05, 0.02, np.log(30.0), np.log(10.0)]))
    np.testing.assert_allclose(still, [[np.log(30.0), np.log(10.0)]] * 21, rtol=1e-12)


def test_the_rates_of_hares_and_lynxes_are_learned():
    p, error = ode.fit(ode.guess(ode.PELTS), ode.PELTS)[-1]
    assert error < 0.06  # a quarter of a logarithm: the pelts are within 25 % of the curve
    # Carpenter (2018) has 0.55, 0.80, 0.028 and 0.024, by Runge and Kutta's steps and with priors.
    np.testing.assert_allclose(p[:4], [0.55, -0.80, -0.028, 0.024], rtol=0.15)


def test_rates_that_made_the_data_are_found_again():
    truth = np.array([0.5, -0.7, -0.03, 0.02, np.log(30.0), np.log(5.0)])
    data = np.exp(ode.populations(truth))
    p, error = ode.fit(ode.guess(data), data)[-1]
    assert error < 1e-20
    np.testing.assert_allclose(p, truth, rtol=1e-8)


def test_the_equation_prints_its_fit(capsys):
    ode.main()
    assert "learned" in capsys.readouterr().out
