"""Hares and lynxes: the rates of a small differential equation, learned through its Euler steps.

The graph follows the program: 200 steps of Lotka and Volterra's equation are a thousand nodes, and
the derivative goes through them all. `python -m models.ode` fits it to the pelts that the Hudson's
Bay Company took in each year from 1900 to 1920.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from autograd import exp, jacobian, stack
from models.command_line import run

__all__ = ["PELTS", "fit", "guess", "main", "populations"]

Array = np.ndarray[Any, Any]
STEPS = 10  # of Euler's method in a year

# Thousands of pelts of hare and lynx, 1900 to 1920: Howard, "Modeling basics" (2009), as used by
# Carpenter, "Predator-prey population dynamics", Stan case studies (2018).
PELTS = np.array([
    [30.0, 4.0], [47.2, 6.1], [70.2, 9.8], [77.4, 35.2], [36.3, 59.4], [20.6, 41.7], [18.1, 19.0],
    [21.4, 13.0], [22.0, 8.3], [25.4, 9.1], [27.1, 7.4], [40.3, 8.0], [57.0, 12.3], [76.6, 19.5],
    [52.3, 45.7], [19.5, 51.1], [11.2, 29.7], [7.6, 15.8], [14.6, 9.7], [16.2, 10.1], [24.7, 8.6],
])  # fmt: skip


def guess(data: Array) -> Array:
    """Parameters to start from: rates for a cycle of ten years about the data's means."""
    rate, (hares, lynx) = 2.0 * np.pi / 10.0, data.mean(0)
    return np.array([rate, -rate, -rate / lynx, rate / hares, *np.log(data[0])])


def populations(p: Any, years: int = 20) -> Any:
    """The logarithms of hares and lynxes at the start and after each year: (years + 1, 2).

    p: (6,): the growth of each species alone, a year; what one of the other adds to it; the
    logarithms at the start. A species grows by log(n)' = growth + effect * (the other's number).
    """
    growth, effect, state = p[0:2], p[2:4], p[4:6]
    states = [state]
    for _ in range(years):
        for _ in range(STEPS):
            state = state + (growth + effect * exp(state[::-1])) * (1.0 / STEPS)
        states.append(state)
    return stack(states)


def fit(p: Array, data: Array, steps: int = 50) -> list[tuple[Array, float]]:
    """Least squares on the logarithms by Levenberg and Marquardt's method: each p on the way, and
    the mean squared distance there. data: (years + 1, 2) numbers.

    The Jacobian, 6 columns of 42 or so, comes by forward mode, all columns at once.
    """

    def distances(p: Any) -> Any:
        return (populations(p, len(data) - 1) - np.log(data)).reshape(-1)

    def loss(p: Array) -> float:
        return float((distances(p) ** 2).mean())

    derivative = jacobian(distances, forward=True)
    path, damping = [(p, loss(p))], 1e-2
    for _ in range(steps):
        matrix = derivative(p)
        normal = matrix.T @ matrix
        step = np.linalg.solve(normal + damping * np.diag(np.diag(normal)), matrix.T @ distances(p))
        with np.errstate(over="ignore", invalid="ignore"):  # after too long a step it may overflow
            there = loss(p - step)
        if not there < path[-1][1]:
            damping *= 10.0
            continue
        gain = path[-1][1] - there
        p, damping = p - step, damping / 10.0
        path.append((p, there))
        if gain < 1e-9 * there:
            break
    return path


def main() -> None:
    """Fit the pelts, and show the years as they were and as they are learned."""
    path = fit(guess(PELTS), PELTS)
    print("step  mean squared error of log pelts")
    for i, (_, value) in enumerate(path):
        print(f"{i:4}  {value:.6f}")
    p = path[-1][0]
    print(f"hares: {p[0]:+.3f} {p[2]:+.4f} lynx a year")
    print(f"lynx:  {p[1]:+.3f} {p[3]:+.4f} hares a year")
    print("year   hares  learned   lynx  learned")
    learned = np.exp(populations(p))
    for year in range(0, len(PELTS), 4):
        hares, lynx = zip(PELTS[year], learned[year], strict=True)
        print(f"{1900 + year}" + "{:8.1f}{:9.1f}".format(*hares) + "{:7.1f}{:9.1f}".format(*lynx))


if __name__ == "__main__":
    sys.exit(run(lambda: main))
