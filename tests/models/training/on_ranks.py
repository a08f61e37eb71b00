"""A training on the ranks that mpiexec starts, as JSON from rank 0: what the Trainer says of it."""

import json
import sys

import numpy as np

from autograd import ranks
from autograd.nn import cross_entropy
from autograd.optim import SGD
from models.mlp import MLP
from models.training import Callback, Target, Trainer, accuracy

GENERATOR = np.random.default_rng(5)
X = GENERATOR.standard_normal((250, 6))
Y = (X[:, :3].sum(axis=1) > 0).astype(int) + (X[:, 3] > 0.5)


class Told(Callback):
    """Ends the training of this rank alone, in the middle of an epoch."""

    def steps(self, trainer):
        if trainer.place.step >= 14:
            trainer.stop("told")


def train(callbacks=(), rate=0.3, x=X, **how):
    """In float64: rounding then stays below what is looked at."""
    model = MLP([6, 12, 3], "tanh", seed=1, dropout=0.3, dtype=np.float64)
    optimizer = SGD(model.parameters(), lr=rate, momentum=0.9)
    trainer = Trainer(
        model, cross_entropy, optimizer, callbacks, metrics={"accuracy": accuracy}, **how
    )
    history = trainer.fit((x[:203], Y[:203]), 4, 24, (x[203:], Y[203:]))
    return {
        "reason": history.reason,
        "message": history.message,
        "steps": history.steps,
        "epochs": [{**epoch.line(), "seconds": 0} for epoch in history.epochs],
        "evaluated": trainer.evaluate((x[:3], Y[:3])),
        "weights": float(np.abs(model.parameters()[0].data).sum()),
    }


def main():
    world = ranks.join()
    last = world.rank == world.size - 1
    bad = X.copy()
    bad[170:] = np.nan
    said = {
        "compiled": train(clip=1.0),
        "eager": train(eager=True, clip=1.0),
        "target": train([Target("accuracy", 0.7)]),
        "told": train([Told()] if last else [], rate=0.1),
        "diverged": train(rate=1e308),
        "bad data": train(x=bad),
    }
    alike = ranks.gather(json.dumps(said))
    if world.rank == 0:
        print(json.dumps({"said": said, "alike": len(set(alike)) == 1}))


if __name__ == "__main__":
    sys.exit(main())
