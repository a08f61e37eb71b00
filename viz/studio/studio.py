"""What the routes work with: the parts of a studio, and how it was started."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from anyio import to_thread
from fastapi import Request

from models.command_line import InputError
from models.mnist.checkpoint import load_snapshot, read_snapshot
from viz.studio.datasets import Datasets
from viz.studio.engine import Engine
from viz.studio.engine.modules import Module
from viz.studio.jobs.jobs import Jobs
from viz.studio.jobs.runs import Runs
from viz.studio.race.workers import Race
from viz.studio.weights import Weights, untrained_for

__all__ = ["Studio", "studio_of"]

STREAMS = 32  # of events that are open at once


@dataclass(eq=False)
class Studio:
    """A studio, as `create` (app.py) makes an application of it.

    token: what may change anything. folder: where the runs lie, and in .studio the studio's own.
    run: a run's folder or a file, whose weights are served; else those that were served last.
    hosts, origins: the further ones that are answered. ending: set when the server ends, so that
    streams do. streams: the places for those. modules: those that were asked for last, by name.
    """

    token: str
    datasets: Datasets = field(default_factory=Datasets)
    folder: Path = Path("runs")
    run: str | None = None
    read_only: bool = False
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    ending: asyncio.Event = field(default_factory=asyncio.Event)

    streams: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(STREAMS))

    engine: Engine = field(default_factory=Engine)
    race: Race = field(default_factory=Race)
    modules: dict[str, Module] = field(default_factory=dict)
    weights: Weights = field(init=False)
    runs: Runs = field(init=False)
    jobs: Jobs = field(init=False)

    _saving: asyncio.Task[None] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.runs = Runs(self.folder)
        self.jobs = Jobs(self.folder, self._put)

    def open(self) -> None:
        """Open what lies on disk, before `start`, which does it where it was not done. Raises
        InputError where that cannot be.

        Weights say where their dataset lies. That is believed of `run` alone, which who starts the
        studio has named, and never of what came by a request: it would open any file.
        """
        folder = self.folder / ".studio" / "weights"
        self.weights = Weights(folder, self._untrained, self.run, self.read_only)
        if self.run is None:
            return
        learned = load_snapshot(self.run).described
        if learned.name not in self.datasets.names:
            with suppress(InputError):  # it has gone; the weights are still those of a network
                self.datasets.add(learned.load().dataset)

    async def start(self) -> None:
        """Before the first request. Raises InputError as `open` does."""
        if not hasattr(self, "weights"):
            await to_thread.run_sync(self.open)
        self.engine.start()

    def end(self) -> None:
        """When no more requests are accepted, and some are still answered: streams end, and what is
        being done begins to be saved."""
        self.ending.set()
        if self._saving is None:
            self._saving = asyncio.create_task(to_thread.run_sync(self.jobs.close))

    async def close(self) -> None:
        """After the last one: what is being done is saved."""
        self.end()
        assert self._saving is not None
        computing = (self.engine, self.race)
        ends = (to_thread.run_sync(each.close) for each in computing)
        await asyncio.gather(self._saving, *ends)
        self.weights.close()

    @property
    def dataset(self) -> str:
        """The name of the one that the served weights learned from."""
        return read_snapshot(self.weights.content()[1], "weights").described.name

    def _put(self, content: bytes, if_match: str) -> str:
        """Serve what a job has learned; gives its ETag."""
        return self.weights.put(content, if_match, "retrain").etag

    def _untrained(self) -> bytes:
        """What is served where nothing was yet: the network that `models.mnist train` teaches."""
        return untrained_for(self.datasets.get("mnist").dataset.describe())


async def studio_of(request: Request) -> Studio:
    """The studio that a request is for. (Of a plain function FastAPI would make a thread.)"""
    studio: Studio = request.app.state.studio
    return studio
