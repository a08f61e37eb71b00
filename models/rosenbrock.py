"""Rosenbrock's valley in 100 dimensions: scipy's optimizers with our derivatives, and with scipy's.

`python -m models.rosenbrock` prints how many iterations each takes, and how near it comes to the
optimum. Needs scipy (`pip install scipy`).
"""

from __future__ import annotations

import sys
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from autograd import grad, hvp
from models.command_line import InputError, run

__all__ = ["Run", "main", "minimize", "rosenbrock", "start"]

Array = np.ndarray[Any, Any]
# ftol=0: L-BFGS-B, too, stops when the gradient is small.
METHODS = {"trust-ncg": {}, "L-BFGS-B": {"ftol": 0.0, "maxiter": 10_000}}


def rosenbrock(x: Any) -> Any:
    """The sum over i of 100 (x[i+1] - x[i]^2)^2 + (1 - x[i])^2, for n >= 2 numbers; the minimum, 0,
    is where all are 1 (Rosenbrock 1960; `scipy.optimize.rosen`).

    >>> rosenbrock(np.ones(5)), grad(rosenbrock)(np.array([0.0, 1.0]))
    (np.float64(0.0), array([ -2., 200.]))
    """
    here, ahead = x[:-1], x[1:]
    curve, distance = ahead - here * here, 1.0 - here
    return (100.0 * curve * curve + distance * distance).sum()


def start(n: int) -> Array:
    """The customary start (-1.2, 1, -1.2, 1, ...): across the valley from the optimum."""
    return np.where(np.arange(n) % 2 == 0, -1.2, 1.0)


class Run(NamedTuple):
    """How a minimization went: iterations, gradients and Hessian products used, the largest
    distance of a coordinate from the optimum, and the points on the way."""

    iterations: int
    gradients: int
    products: int
    error: float
    path: list[Array]


def minimize(method: str, derivatives: str, x: Array) -> Run:
    """Minimize from x by "trust-ncg" or "L-BFGS-B", with "our" derivatives or "scipy's"."""
    from scipy import optimize  # type: ignore[import-untyped]

    functions = {
        "our": (rosenbrock, grad(rosenbrock), partial(hvp, rosenbrock)),
        "scipy's": (optimize.rosen, optimize.rosen_der, optimize.rosen_hess_prod),
    }
    function, gradient, product = functions[derivatives]
    path = [x]
    result = optimize.minimize(
        function,
        x,
        method=method,
        jac=gradient,
        hessp=product if method == "trust-ncg" else None,
        callback=path.append,
        options={"gtol": 1e-9, **METHODS[method]},
    )
    error = float(np.abs(result.x - 1.0).max())
    return Run(result.nit, result.njev, result.get("nhev", 0), error, path)


def main() -> None:
    """Both methods, each with both derivatives, from the same point."""
    try:
        from scipy import optimize
    except ImportError as error:
        raise InputError("the optimizers are scipy's: pip install scipy") from error

    x = start(100)
    print("method      derivatives  iterations  gradients  H products  error at the end")
    for method in METHODS:
        for derivatives in ("scipy's", "our"):
            run = minimize(method, derivatives, x)
            print(
                f"{method:12}{derivatives:13}{run.iterations:10}{run.gradients:11}"
                f"{run.products or '':12}{run.error:18.1e}"
            )
    gaps = [np.abs(grad(rosenbrock)(x) - optimize.rosen_der(x)) for x in run.path]
    sizes = [np.abs(optimize.rosen_der(x)).max() for x in run.path]
    print(
        f"largest difference of the gradients at {len(gaps)} points: {np.max(gaps):.1e}, "
        f"where they reach {np.max(sizes):.0f}"
    )


if __name__ == "__main__":
    sys.exit(run(lambda: main))
