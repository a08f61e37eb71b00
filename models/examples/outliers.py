"""Huber's loss: a line through points of which some are far off, as a broken sensor gives them.

The pull of a point on mse grows with its distance, on huber it stays below `delta`.
`python -m models.examples.outliers` fits the same line by both.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autograd.nn import Linear, huber, mse
from autograd.optim import Adam, cosine
from models.command_line import run
from models.examples.plot import picture
from models.training import Trainer

__all__ = ["SLOPE", "START", "fit", "main", "points"]

SLOPE, START = 2.0, -1.0  # of the line that the good points lie on


def points(n: int, outliers: int, seed: int = 0) -> tuple[NDArray[Any], NDArray[Any]]:
    """x and y, (n, 1) each, near the line; but the last `outliers` are 15 too high."""
    generator = np.random.default_rng(seed)
    x = generator.uniform(-1.0, 1.0, (n, 1))
    y = START + SLOPE * x + 0.1 * generator.standard_normal((n, 1))
    y[n - outliers :] += 15.0
    return x, y


def fit(loss: Callable[..., Any], x: NDArray[Any], y: NDArray[Any]) -> tuple[float, float]:
    """The slope and the start of the line that is best by `loss`."""
    line = Linear(1, 1)
    trainer = Trainer(line, loss, Adam(line.parameters(), lr=cosine(0.1, 1000)))
    trainer.fit((x, y), epochs=1000, batch_size=len(x))
    return line.weight.item(), line.bias.item()


def main() -> None:
    """Fit both lines, and draw them."""
    x, y = points(100, outliers=10)
    grid = np.linspace(-1.0, 1.0, 60)
    print(f"{'the good points':16} y = {SLOPE:.2f} x {START:+.2f}")
    lines = []
    for mark, loss in (("m", mse), ("h", huber)):
        slope, start = fit(loss, x, y)
        print(f"{loss.__name__ + ' (' + mark + ')':16} y = {slope:.2f} x {start:+.2f}")
        lines.append((mark, grid, slope * grid + start))
    print(f"\n{picture(('.', x, y), *lines)}")


if __name__ == "__main__":
    sys.exit(run(lambda: main))
