"""Binary cross-entropy: several yes-or-no questions about one point, of which any may be true.

Where exactly one of several is true, cross_entropy is the loss; here each logit is a question of
its own. `python -m models.examples.questions` says how often each is answered right.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autograd.nn import binary_cross_entropy
from autograd.optim import Adam, cosine
from models.command_line import run
from models.examples.plot import picture
from models.mlp import MLP
from models.training import Trainer

__all__ = ["QUESTIONS", "learn", "main", "points"]

QUESTIONS = ("to the right?", "in the circle?", "on a stripe?")


def points(n: int, seed: int = 0) -> tuple[NDArray[Any], NDArray[Any]]:
    """Points of a square, (n, 2), and the answers, (n, 3) booleans."""
    x = np.random.default_rng(seed).uniform(-1.0, 1.0, (n, 2))
    answers = [x[:, 0] > 0.0, np.hypot(*x.T) < 0.7, np.sin(5.0 * x.sum(1)) > 0.0]
    return x, np.stack(answers, axis=1)


def learn(x: NDArray[Any], y: NDArray[Any], epochs: int = 60) -> Trainer:
    """A network with a logit for each question, taught."""
    model = MLP([2, 64, 64, len(QUESTIONS)], "tanh", seed=0)
    steps = epochs * (len(x) // 64)
    trainer = Trainer(model, binary_cross_entropy, Adam(model.parameters(), lr=cosine(0.01, steps)))
    trainer.fit((x, y), epochs=epochs, batch_size=64)
    return trainer


def main() -> None:
    """Teach it, and count on new points; draw those that are in the circle and on a stripe."""
    trainer = learn(*points(2048))
    x, y = points(2000, seed=1)
    says = trainer.predict(x) > 0.0  # where the probability is above a half
    for question, right in zip(QUESTIONS, (says == y).mean(0), strict=True):
        print(f"{question:16} {right:6.1%} right")
    both = says[:, 1] & says[:, 2]
    print(f"\n{picture(('.', *x.T), ('o', *x[both].T))}")


if __name__ == "__main__":
    sys.exit(run(lambda: main))
