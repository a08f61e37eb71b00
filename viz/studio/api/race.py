"""`/api/race`: how fast this machine learns by compiled C, beside which the page races WebAssembly.

A lap an answer, so that who races can alternate. Nothing is changed by it, but it takes all cores
for as long as it takes: none is made beside a job.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

from anyio import to_thread
from fastapi import Request, Response
from pydantic import Field

from models.mnist.settings import MAX_SEED
from viz.studio.api import new_router
from viz.studio.api.weights import Opened
from viz.studio.engine.architecture import EXAMPLE, Architecture
from viz.studio.race.lap import Lap
from viz.studio.race.workers import MOST_STEPS, Threads, task_of
from viz.studio.replies import JSON, Refusal, Strict, as_json, errors

router = new_router("race")

MOST = 1e9  # of a rate or decay, as the page takes them


class Entry(Strict):
    """What learns a lap, as the page would: the network of an architecture (the name of a module,
    without _relaxed), from the weights that the seed draws, the first steps of its training on a
    dataset. threads: "one", or "all" that the server may use."""

    dataset: Annotated[str, Field(max_length=255)]
    architecture: Annotated[str, Field(max_length=200, examples=[EXAMPLE])]
    rate: Annotated[float, Field(ge=0, le=MOST, allow_inf_nan=False)] = 0.1
    momentum: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.9
    decay: Annotated[float, Field(ge=0, le=MOST, allow_inf_nan=False)] = 0.0
    seed: Annotated[int, Field(ge=0, le=MAX_SEED)] = 0
    steps: Annotated[int, Field(ge=1, le=MOST_STEPS)] = 100
    threads: Threads = "one"


class LapBody(Strict):
    """by: what ran the steps: "NumPy" where there is no C compiler, or the step cannot be compiled;
    how: in words. threads: it had, of so many (`cores`) that the server may use. seconds: of all
    steps; to compile does not count. losses: of each step, before it; None for what is no number.
    """

    by: Literal["C", "NumPy"]
    how: str
    threads: int
    cores: int
    seconds: float
    losses: list[float | None]


@router.post("/race", response_model=LapBody, responses=errors(404, 409))
async def race(request: Request, entry: Entry, studio: Opened) -> Response:
    """Learn the first steps of a training by compiled C, and tell how long that took. A client that
    goes away ends it."""
    architecture = Architecture.read(entry.architecture)
    if architecture.relaxed:
        raise Refusal(422, "body.architecture", "one without _relaxed", entry.architecture)
    served = await to_thread.run_sync(studio.datasets.get, entry.dataset)
    if active := await to_thread.run_sync(studio.jobs.active):
        expected = "no job at work, which it would slow, and which would slow it"
        raise Refusal(409, "race", expected, f"{active.address}, which is {active.state}")
    numbers = (entry.rate, entry.momentum, entry.decay)
    split = await to_thread.run_sync(served.split, "train")
    task = await to_thread.run_sync(task_of, architecture, numbers, entry.seed, entry.steps, split)
    made = asyncio.ensure_future(studio.race.lap(task, entry.threads))
    found = await _unless_gone(request, made)
    said = LapBody(
        by=found.by,
        how=found.how,
        threads=found.threads,
        cores=studio.race.cores,
        seconds=found.seconds,
        losses=found.losses.tolist(),
    )
    return Response(as_json(said.model_dump()), media_type=JSON)


async def _unless_gone(request: Request, made: asyncio.Future[Lap]) -> Lap:
    """The lap; it is cancelled where the client goes away."""

    async def gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    watching = asyncio.ensure_future(gone())
    either: list[asyncio.Future[Any]] = [made, watching]
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if made.done():
            return made.result()
        raise Refusal(503, "race", "somebody who waits for it", "that the client has gone")
    finally:
        watching.cancel()
        made.cancel()
