"""The server's side of a race: it learns by compiled C, lap by lap, on one thread and on all.

Each number of threads has a worker of its own, beside the one that answers: it is made for the
first lap, and ends a while after the last one, or when who asked for a lap has gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from functools import lru_cache
from typing import Literal

import numpy as np

from autograd.compiler.runtime.build import threads as all_threads
from autograd.random import order
from models.mnist.__main__ import prepare_blas
from viz.studio.datasets import Split
from viz.studio.engine.architecture import Architecture
from viz.studio.engine.engine import ONE_THREAD, Engine
from viz.studio.race.lap import Lap, Task, lap
from viz.studio.refusal import Refusal

__all__ = ["MOST_STEPS", "Race", "Threads", "task_of"]

Threads = Literal["one", "all"]

MOST_STEPS = 10_000
WORK = 100_000_000_000  # weights x examples of a lap: some 6 s of one core
BYTES = 32 << 20  # of the images of a lap
IDLE = 30.0  # seconds until the workers end


class Race:
    """The workers of a race, and the one lap that is made at a time."""

    def __init__(self) -> None:
        self._engines: dict[Threads, Engine] = {}
        self._is_busy = False
        self._ending: asyncio.TimerHandle | None = None

    async def lap(self, task: Task, threads: Threads) -> Lap:
        """Have a lap made. Raises a Refusal where one is made now, and as `Engine.call`. One that
        is cancelled ends at once, and the workers with it."""
        if self._is_busy:
            raise Refusal(409, "race", "no other race at work", "one that is")
        if self._ending:
            self._ending.cancel()
        self._is_busy = True
        if threads not in self._engines:
            self._engines[threads] = Engine(_environment(threads))
        try:
            return await self._engines[threads].call(lap, task)
        except asyncio.CancelledError:
            self._end()
            raise
        finally:
            self._is_busy = False
            self._ending = asyncio.get_running_loop().call_later(IDLE, self._end)

    def _end(self) -> None:
        engines, self._engines = self._engines, {}
        asyncio.get_running_loop().run_in_executor(None, _close, engines.values())

    def close(self) -> None:
        """End the workers at once, and the lap that is made."""
        _close(self._engines.values())

    @property
    def cores(self) -> int:
        """How many threads all are: the cores that this process may use."""
        return all_threads()


def _close(engines: Iterable[Engine]) -> None:
    for engine in engines:
        engine.close()


def _environment(threads: Threads) -> dict[str, str]:
    """Of a worker. What NumPy computes where there is no compiler is on as many threads."""
    environment: dict[str, str] = {}
    prepare_blas(environment)
    count = 1 if threads == "one" else all_threads()
    return environment | dict.fromkeys(ONE_THREAD, str(count))


@lru_cache(maxsize=1)  # a race has many laps
def task_of(
    of: Architecture, numbers: tuple[float, float, float], seed: int, steps: int, split: Split
) -> Task:
    """The first steps of a training, as the page learns them: in the order of its first epoch.
    numbers: rate, momentum and decay. Raises a Refusal for examples that do not fit the network,
    and for more than a lap may compute."""
    images, labels = split.images, split.labels
    found = f"{images.dtype} {'x'.join(map(str, split.shape))} and {len(split.classes)} classes"
    wanted = f"uint8 {'x'.join(map(str, of.shape))} and {of.classes} classes, as the architecture"
    fits = split.shape == of.shape and len(split.classes) == of.classes
    if not fits or images.dtype != np.uint8:
        raise Refusal(422, "body.dataset", wanted, found)
    most = min(
        len(labels) // of.batch,
        WORK // (of.weights * of.batch),
        BYTES // (of.batch * of.sizes[0]),
    )
    if steps > most:
        expected = f"at most {most:,} for this network and dataset"
        raise Refusal(422, "body.steps", expected, f"{steps:,}")
    rows = order(len(labels), seed, 0)[: steps * of.batch]
    mean = images.reshape(len(images), -1).sum(0, np.float64) / len(images) / of.scale
    chosen = images[rows], labels[rows].astype(np.int32)
    return Task(of, *numbers, seed, steps, split.sha256, *chosen, mean.astype(np.float32))
