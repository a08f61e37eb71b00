"""A Gaussian process fitted by its marginal likelihood: an example of primitives of your own.

The engine has no linear algebra. Two calls of `primitive` add it: `cholesky` and `solve`, each with
the rule for its derivative. Because the rules use the engine's functions only, both have
derivatives of any order, forward and backward: the fit below is Newton's method.
`python -m models.gaussian_process` runs it.
"""

from __future__ import annotations

import math
import sys
from functools import cache
from typing import Any

import numpy as np

from autograd import exp, grad, hessian, log, primitive, transpose
from autograd.primitives.primitive import Primitive
from models.command_line import run

__all__ = ["cholesky", "draw", "fit", "kernel", "main", "negative_log_likelihood", "solve"]

Array = np.ndarray[Any, Any]

# --- two primitives ----------------------------------------------------------------------------


def _t(x: Any) -> Any:
    """The transpose of a matrix, or of each of several."""
    return transpose(x, (*range(x.ndim - 2), -1, -2))


# Tests try the rules on these: fixed, because not every matrix is positive definite.
POSITIVE_DEFINITE = np.array([[2.0, 0.3, -0.4], [0.3, 1.5, 0.2], [-0.4, 0.2, 1.0]])
COLUMNS = np.array([[1.0, -0.5], [0.5, 2.0], [-1.5, 0.3]])

# Giles, "Collected matrix derivative results for forward and reverse mode algorithmic
# differentiation" (2008), section 2.3.1: b's cotangent is A^-T g, and A's is minus that times x^T.
solve: Primitive = primitive(
    "solve", "x where a @ x = b; b is a matrix", np.linalg.solve,
    lambda g, out, a, b: -(solve(_t(a), g) @ _t(out)),
    lambda g, out, a, b: solve(_t(a), g),
    cases=(((POSITIVE_DEFINITE, COLUMNS), {}),),
    batch=lambda args, batched: solve(*args),
)  # fmt: skip


@cache
def _half_lower(n: int, dtype: Any) -> Array:
    """1 below the diagonal and 1/2 on it. Times a symmetric matrix it is a triangle that adds up to
    the matrix with its transpose."""
    return np.tril(np.ones((n, n), dtype)) - np.eye(n, dtype=dtype) / 2


def _cholesky_rule(g: Any, out: Any, a: Any) -> Any:
    """Murray, "Differentiation of the Cholesky decomposition" (2016, arXiv 1602.07527), eq. 10."""
    inside = (_t(out) @ g) * _half_lower(a.shape[-1], a.dtype)
    half = _t(solve(_t(out), _t(solve(_t(out), inside))))
    return (half + _t(half)) * 0.5


# NumPy reads the lower triangle alone; with the mean of both, every entry counts, as in the rule.
cholesky: Primitive = primitive(
    "cholesky", "lower triangular l where l @ l.T = a, of a symmetric a",
    lambda a: np.linalg.cholesky((a + _t(a)) / 2),
    _cholesky_rule,
    cases=(((POSITIVE_DEFINITE,), {}),),
    batch=lambda args, batched: cholesky(*args),
)  # fmt: skip

# --- the process -------------------------------------------------------------------------------


def kernel(theta: Any, x: Array) -> Any:
    """The covariance of noisy measurements at the places x, (n,): (n, n).

    theta: the logarithms of the length over which the function changes, of its amplitude, and of
    the noise; (3,).
    """
    squared_distance = np.subtract.outer(x, x) ** 2
    squares = exp(2.0 * theta)  # of the three
    smooth = squares[1] * exp(-0.5 / squares[0] * squared_distance)
    return smooth + squares[2] * np.eye(len(x), dtype=x.dtype)


def negative_log_likelihood(theta: Any, x: Array, y: Array) -> Any:
    """-log p(y | x, theta): 1/2 y^T K^-1 y + 1/2 log det K + n/2 log 2 pi (Rasmussen and Williams,
    "Gaussian Processes for Machine Learning", 2006, eq. 2.30).

    x, y: (n,). With K = L L^T the first is half the squares of L^-1 y, and half the determinant's
    logarithm is the sum of those of L's diagonal.

    >>> theta, x, y = np.zeros(3), np.array([0.0, 1.0]), np.array([1.0, -1.0])
    >>> float(negative_log_likelihood(theta, x, y).round(6))
    3.200419
    """
    n = len(x)
    lower = cholesky(kernel(theta, x))
    white = solve(lower, y.reshape(n, 1))
    diagonal = lower[np.arange(n), np.arange(n)]
    return 0.5 * (white * white).sum() + log(diagonal).sum() + 0.5 * n * math.log(2.0 * math.pi)


def draw(n: int, theta: Array, seed: int) -> tuple[Array, Array]:
    """n places between 0 and 10, and a measurement at each of a function drawn from the process."""
    generator = np.random.default_rng(seed)
    x = np.sort(generator.uniform(0.0, 10.0, n))
    return x, cholesky(kernel(theta, x)) @ generator.standard_normal(n)


def fit(theta: Array, x: Array, y: Array, steps: int = 20) -> list[tuple[Array, float]]:
    """Newton's method from theta: each theta on the way, and its negative log likelihood.

    The absolute values of the curvatures are used, so that a step descends also where the function
    is not convex; it is halved until the loss falls. Ends after `steps`, where all slopes are below
    1e-9, or where no step lowers the loss.
    """

    def loss(theta: Any) -> Any:
        return negative_log_likelihood(theta, x, y)

    path = [(theta, float(loss(theta)))]
    for _ in range(steps):
        curvatures, directions = np.linalg.eigh(hessian(loss)(theta))
        slopes = directions.T @ grad(loss)(theta)
        if np.abs(slopes).max() < 1e-9:
            break
        step = directions @ (slopes / np.abs(curvatures))
        length = 1.0
        while length > 1e-6 and not loss(theta - length * step) < path[-1][1]:
            length /= 2
        if length <= 1e-6:
            break
        theta = theta - length * step
        path.append((theta, float(loss(theta))))
    return path


def main() -> None:
    """Fit 60 measurements of a function drawn with known length, amplitude and noise."""
    truth = np.log([1.0, 1.5, 0.2])
    x, y = draw(60, truth, seed=0)
    path = fit(np.zeros(3), x, y)
    print("step  -log likelihood  length  amplitude  noise")
    for i, (theta, value) in enumerate(path):
        print(f"{i:4}{value:17.6f}" + "{:8.3f}{:11.3f}{:7.3f}".format(*np.exp(theta)))
    slope = np.abs(grad(negative_log_likelihood)(path[-1][0], x, y)).max()
    print("drawn with" + "{:19.3f}{:11.3f}{:7.3f}".format(*np.exp(truth)))
    print(f"largest slope at the end: {slope:.1e}")


if __name__ == "__main__":
    sys.exit(run(lambda: main))
