"""What several ranks compute together, as JSON from rank 0; one rank computes the same alone.

`mpiexec -n 4 python together.py` gives: losses of steps, by dtype and by how they are run; of the
rule of all_reduce, for each rank, the slope that it gives beside that of finite differences.
"""

import json

import numpy as np

from autograd import Tensor, all_reduce, gradients, jit, ranks
from autograd.nn import Activation, BatchNorm, Dropout, Linear, Sequential, cross_entropy
from autograd.optim import Adam

WORLD = ranks.join()
BATCH, STEPS = 24, 8


def losses(dtype, wrap):
    """Of steps with batch norm, dropout and Adam; and at the end, the running variance."""
    generator = np.random.default_rng(0)
    norm = BatchNorm(7, dtype=dtype)
    model = Sequential(
        Linear(5, 7, generator=generator, dtype=dtype),
        norm,
        Activation("tanh"),
        Dropout(0.4, seed=3),
        Linear(7, 3, generator=generator, dtype=dtype),
    )
    optimizer = Adam(model.parameters(), lr=0.05)

    def step(x, y):
        loss = cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        (mean,) = ranks.average(model.parameters(), [loss])
        optimizer.step()
        return mean

    step = wrap(step)
    x = generator.standard_normal((STEPS, BATCH, 5)).astype(dtype)
    y = generator.integers(0, 3, (STEPS, BATCH))
    found = [step(*map(WORLD.share, batch)).item() for batch in zip(x, y, strict=True)]
    return found + norm.running_var.data.tolist()


def slopes():
    """Of sums over ranks of functions of sums over ranks."""
    x = np.random.default_rng(7).standard_normal((WORLD.size, 4))

    def own_loss(given):
        whole = all_reduce(given.sin())
        return (whole * whole * (1.0 + WORLD.rank)).sum() + (given * whole).sum()

    def loss(moved):
        return all_reduce(own_loss(Tensor(moved[WORLD.rank]))).item()

    own = Tensor(x[WORLD.rank], requires_grad=True)
    (slope,) = gradients(own_loss(own), [own])
    rows = np.zeros_like(x)
    rows[WORLD.rank] = slope.data
    numeric, h = np.zeros_like(x), 1e-6
    for at in np.ndindex(*x.shape):
        step = np.zeros_like(x)
        step[at] = h
        numeric[at] = (loss(x + step) - loss(x - step)) / (2 * h)
    return {"rule": all_reduce(rows).tolist(), "differences": numeric.tolist()}


def main():
    runs = {"eager": lambda step: step, "compiled": jit}
    said = {
        f"{dtype.__name__} {name}": losses(dtype, wrap)
        for dtype in (np.float32, np.float64)
        for name, wrap in runs.items()
    }
    said["slopes"] = slopes()
    if WORLD.rank == 0:
        print(json.dumps(said))


if __name__ == "__main__":
    main()
