"""Hinge loss: two moons told apart; a point counts until it is on its side with a margin of 1.

`python -m models.examples.margin` draws both sides. `models/moons.py` does it with single numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from autograd import astype, greater, mean
from autograd.nn import hinge
from autograd.optim import AdamW
from models import moons
from models.command_line import run
from models.examples.plot import picture
from models.mlp import MLP
from models.training import Trainer

__all__ = ["learn", "main", "points", "right_side"]


def points(n: int, seed: int = 0) -> tuple[NDArray[Any], NDArray[Any]]:
    """Points, (n, 2), and for each its moon, -1 or 1: (n, 1), of the shape of the scores."""
    where, labels = moons.moons(n, noise=0.1, seed=seed)
    return np.array(where), np.array(labels, float)[:, None]


def right_side(scores: Any, labels: Any) -> Any:
    """The share of scores that have the sign of their label."""
    return mean(astype(greater(scores * labels, 0.0), np.float32))


def learn(x: NDArray[Any], y: NDArray[Any], epochs: int = 100) -> Trainer:
    """A network of one score, taught."""
    model = MLP([2, 16, 16, 1], "relu", seed=0)
    optimizer = AdamW(model.parameters(), lr=0.01, weight_decay=0.01)
    trainer = Trainer(model, hinge, optimizer, metrics={"right": right_side})
    trainer.fit((x, y), epochs=epochs, batch_size=50)
    return trainer


def main() -> None:
    """Teach it, and draw the two sides: "." and ":" where the score is beyond a margin of 1."""
    x, y = points(200)
    trainer = learn(x, y)
    found = trainer.evaluate(points(1000, seed=1))
    print(f"new points: hinge {found['loss']:.4f}, {found['right']:.1%} right\n")
    grid = np.stack(np.meshgrid(*np.linspace(x.min(0), x.max(0), 60).T), -1).reshape(-1, 2)
    score = trainer.predict(grid)[:, 0]
    kinds = [(".", grid[score < -1]), (":", grid[score > 1])]
    kinds += [("o", x[y[:, 0] < 0]), ("x", x[y[:, 0] > 0])]
    print(picture(*((mark, *at.T) for mark, at in kinds)))


if __name__ == "__main__":
    raise SystemExit(run(lambda: main))
