"""A lap of a race: the step of a module, compiled to C, learns from batches, and is timed.

In a worker of its own, because the compiled steps of a process have as many threads as its
environment says. All laps begin with the same weights, and lose the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from autograd import jit
from autograd.compiler.runtime.build import threads
from viz.studio.engine.architecture import Architecture
from viz.studio.engine.modules import entries_of, owners

__all__ = ["Lap", "Task", "lap"]


@dataclass(frozen=True)
class Task:
    """What is learned: by a network of an architecture, with the weights that `seed` draws, in so
    many steps, whose batches are `images`, (n, *shape) uint8, and `labels`, (n,) int32, as they
    lie. sha256: of the set that they are of. mean: of its images, (inputs,), about which sgd
    learns."""

    architecture: Architecture
    rate: float
    momentum: float
    decay: float
    seed: int
    steps: int
    sha256: str
    images: NDArray[np.uint8] = field(compare=False, repr=False)
    labels: NDArray[np.int32] = field(compare=False, repr=False)
    mean: NDArray[np.float32] = field(compare=False, repr=False)


@dataclass(frozen=True)
class Lap:
    """How a lap went. by: what ran the step; how: in words. losses: of its steps."""

    by: Literal["C", "NumPy"]
    how: str
    threads: int
    seconds: float
    losses: NDArray[np.float32]


def lap(task: Task) -> Lap:
    """Learn once, and say how long that took. The first lap of a task is made twice, so that
    neither compiling counts nor what a first run finds cold."""
    return _prepared(task)()


@lru_cache(maxsize=1)
def _prepared(task: Task) -> Callable[[], Lap]:
    """What makes a lap, after the first one."""
    of = task.architecture
    model, optimizer, mean = owners(of, task.seed)
    numbers = dict(optimizer.named_state())
    given = {"rate": task.rate, "momentum": task.momentum, "weight_decay": task.decay}
    for name, number in given.items():
        if name in numbers:
            numbers[name].assign(number)
    if mean is not None:
        mean.assign(task.mean)
    whole, _ = entries_of(of, model, optimizer, mean)["step"]

    @jit
    def step(images: Any, labels: Any) -> tuple[Any, Any]:
        found = whole(images, labels)  # what else it gives is to be looked at, and nobody does
        return found["loss"], found["right"]

    begun = [
        (tensor, tensor.data.copy())
        for owner in (model, optimizer)
        for _, tensor in owner.named_state(hidden=True)
    ]
    order = np.arange(task.steps * of.batch).reshape(task.steps, of.batch)

    @np.errstate(all="ignore")  # the losses show it
    def made() -> Lap:
        for tensor, array in begun:
            tensor.assign(array)
        start = time.perf_counter()
        losses, _ = step.loop((task.images, task.labels), order)
        seconds = time.perf_counter() - start
        by, how = _ran(step)
        return Lap(by, how, threads(), seconds, losses.data)

    made()
    return made


def _ran(step: Any) -> tuple[Literal["C", "NumPy"], str]:
    """What runs a step, which has run."""
    how = str(step).rpartition("\n")[2].partition(": ")[2]
    return ("C" if how.startswith("compiled to C") and "NumPy" not in how else "NumPy"), how
