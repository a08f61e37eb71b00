"""Mean squared error: a smooth function, learned from noisy points of it.

`python -m models.examples.curve` draws the points (".") and what was learned of them ("o").
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from autograd.nn import mse
from autograd.optim import Adam, cosine
from models.command_line import run
from models.examples.plot import picture
from models.mlp import MLP
from models.training import Trainer

__all__ = ["curve", "learn", "main", "points"]

NOISE = 0.1  # standard deviation


def curve(x: NDArray[Any]) -> NDArray[Any]:
    """The function to learn."""
    return np.asarray(np.sin(2.0 * x) + 0.3 * x)


def points(n: int, seed: int = 0) -> tuple[NDArray[Any], NDArray[Any]]:
    """x and y, (n, 1) each: y is the curve at x, and noise."""
    generator = np.random.default_rng(seed)
    x = generator.uniform(-3.0, 3.0, (n, 1))
    return x, curve(x) + NOISE * generator.standard_normal((n, 1))


def learn(x: NDArray[Any], y: NDArray[Any], epochs: int = 100) -> Trainer:
    """A network of one input and one output, taught."""
    model = MLP([1, 32, 32, 1], "tanh", seed=1)
    steps = epochs * (len(x) // 32)
    trainer = Trainer(model, mse, Adam(model.parameters(), lr=cosine(0.01, steps)))
    trainer.fit((x, y), epochs=epochs, batch_size=32)
    return trainer


def main() -> None:
    """Teach it, and draw it."""
    x, y = points(512)
    trainer = learn(x, y)
    grid = np.linspace(-3.0, 3.0, 61)[:, None]
    error = np.sqrt(np.mean((trainer.predict(grid) - curve(grid)) ** 2))
    loss = trainer.evaluate((x, y))["loss"]
    print(f"mse {loss:.4f} on the points, of which {NOISE**2:.4f} is noise")
    print(f"the curve itself is missed by {error:.3f}\n")
    print(picture((".", x, y), ("o", grid, trainer.predict(grid))))


if __name__ == "__main__":
    raise SystemExit(run(lambda: main))
