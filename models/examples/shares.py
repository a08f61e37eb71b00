"""Data parallelism in three lines: a curve is learned by as many processes as mpiexec starts.

`mpiexec -n 4 python -m models.examples.shares` learns what `python -m models.examples.shares` does,
to the rounding: each process computes the gradients of a quarter of each batch.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from autograd import jit
from autograd.nn import mse
from autograd.optim import Adam
from autograd.ranks import World, average, join
from models.command_line import run
from models.mlp import MLP

__all__ = ["learn", "main"]

BATCH, STEPS = 64, 1000


def learn(world: World) -> tuple[MLP, NDArray[Any]]:
    """A network, (n, 1) to (n, 1), taught a sine by this rank's share of each batch; and its
    losses, which are those of whole batches."""
    model = MLP([1, 32, 1], "tanh", seed=0, dtype=np.float64)
    optimizer = Adam(model.parameters(), lr=0.02)

    @jit
    def step(x: Any, y: Any) -> Any:
        loss = mse(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        (loss,) = average(model.parameters(), [loss])  # the second line
        optimizer.step()
        return loss

    losses = []
    for batch in np.random.default_rng(0).uniform(-3.0, 3.0, (STEPS, BATCH, 1)):
        x = world.share(batch)  # the third line
        losses.append(step(x, np.sin(x)).item())
    return model, np.array(losses)


def main() -> None:
    """Learn, and have one rank say how that went."""
    world = join()  # the first line
    model, losses = learn(world)
    if world.rank == 0:
        found = model(np.ones((1, 1))).item()
        print(
            f"{world.size} ranks, {BATCH // world.size} examples each: sin(1) = {found:.6f}, ",
            end="",
        )
        print(f"loss {losses[0]:.6f} at first, {losses[-1]:.9f} in the end")


if __name__ == "__main__":
    raise SystemExit(run(lambda: main))
