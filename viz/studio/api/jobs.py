"""`/api/retrain` and `/api/jobs`: a network that is taught in the background, one at a time.

What a job has learned is served when it ends well, in place of the weights that If-Match names.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import Annotated, Any, Literal

from anyio import to_thread
from fastapi import Depends, Header, Path, Request, Response
from fastapi.responses import StreamingResponse
from fastapi.sse import EventSourceResponse
from pydantic import Field

from models.mnist.settings import ACTIVATIONS, MAX_SEED, OPTIMIZERS, SCHEDULES, Settings
from viz.studio.api import new_router
from viz.studio.jobs.events import events, last_of
from viz.studio.jobs.jobs import Job
from viz.studio.jobs.mark import MARK
from viz.studio.jobs.runs import Run
from viz.studio.replies import (
    JSON,
    Refusal,
    Strict,
    accepted,
    answer_json,
    as_json,
    errors,
    require_match,
)
from viz.studio.studio import Studio, studio_of

__all__ = ["EVENTS", "STREAM", "LastEventId", "stream"]

router = new_router("jobs")

LAYERS, WIDTH = 8, 4096  # at most
EPOCHS = 100_000
OF_JOB = {
    name: {"operationId": name, "parameters": {"id": "$response.body#/id"}}
    for name in ("job", "job_events", "cancel_job", "resume_job")
} | {"run": {"operationId": "run", "parameters": {"run": "$response.body#/id"}}}
LOCATION = {"Location": {"schema": {"type": "string"}, "description": "The job."}}
BEGUN: dict[int | str, dict[str, Any]] = {
    202: {"description": "It has begun.", "headers": LOCATION, "links": OF_JOB},
    **errors(404, 412, 428, 507),
    409: {**errors(409)[409], "headers": LOCATION, "description": "Another job is at work."},
}
EVENTS: dict[int | str, dict[str, Any]] = {
    **errors(404),
    200: {
        "description": "Events: `epoch`, a line of metrics.jsonl; `progress` of a job; `end`.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    },
}

Opened = Annotated[Studio, Depends(studio_of)]
IfMatch = Annotated[str | None, Header(description="The ETag of the weights, or *.")]
LastEventId = Annotated[str | None, Header(alias="Last-Event-ID")]
Width = Annotated[int, Field(ge=1, le=WIDTH)]
Id = Annotated[str, Path(max_length=255)]


def _one_of(names: Sequence[str], default: str) -> Any:
    """A field of Recipe, which Settings checks."""
    return Field(default, json_schema_extra={"enum": list(names)})


class Recipe(Strict):
    """What to teach, and how: the options of `python -m models.mnist train`. dataset: one of
    /api/datasets; without it, the one that the served weights learned from."""

    dataset: str | None = None
    hidden: list[Width] = Field(default=list(Settings.hidden), max_length=LAYERS)
    activation: str = _one_of(ACTIVATIONS, Settings.activation)
    epochs: Annotated[int, Field(ge=1, le=EPOCHS)] = Settings.epochs
    batch_size: Annotated[int | None, Field(ge=1, le=2**31)] = None
    optimizer: str = _one_of(OPTIMIZERS, Settings.optimizer)
    lr: Annotated[float | None, Field(gt=0)] = None
    schedule: str = _one_of(SCHEDULES, Settings.schedule)
    momentum: Annotated[float | None, Field(ge=0, lt=1)] = None
    weight_decay: Annotated[float, Field(ge=0)] = Settings.weight_decay
    dropout: Annotated[float, Field(ge=0, lt=1)] = Settings.dropout
    clip: Annotated[float | None, Field(gt=0)] = None
    seed: Annotated[int, Field(ge=0, le=MAX_SEED)] = Settings.seed
    validation: Annotated[int | None, Field(ge=0, le=2**31)] = None
    stop_at: Annotated[float | None, Field(gt=0, le=1)] = None

    def settings(self) -> Settings:
        """As the command line has them. Raises InputError."""
        given = self.model_dump(exclude={"dataset"}, exclude_none=True)
        settings = Settings(**{**given, "hidden": tuple(self.hidden)})
        settings.check_momentum(given)
        return settings


class ProgressBody(Strict):
    """epoch: the one at hand, of so many. step: of all. metrics: the last line of metrics.jsonl."""

    epoch: int
    epochs: int
    step: int
    steps_per_epoch: int
    examples_per_second: float | None
    metrics: dict[str, Any] | None


class JobBody(Strict):
    """A job; its run is at /api/runs under the same name. state: one that is "cancelling" saves
    what it learned; one that was "cancelled", "interrupted" (its server or its process was ended)
    or "failed" can go on. message: what went wrong, or what to know. weights: the ETag under which
    what it learned is served."""

    id: str
    state: Literal[
        "queued", "running", "cancelling", "cancelled", "interrupted", "failed", "finished"
    ]
    created: str
    settings: dict[str, Any]
    dataset: str
    message: str
    weights: str | None
    progress: ProgressBody | None


@router.post("/retrain", status_code=202, response_model=JobBody, responses=BEGUN)
async def retrain(
    request: Request, recipe: Recipe, studio: Opened, if_match: IfMatch = None
) -> Response:
    """Teach a new network, and serve it when it has learned."""
    tag = await _current(request, studio)
    settings = recipe.settings()

    def start() -> Job:
        name = recipe.dataset or studio.dataset
        described = studio.datasets.get(name).dataset.describe()
        return studio.jobs.start(settings, described, tag)

    return await _begun(start)


@router.get("/jobs", response_model=list[JobBody])
async def jobs(request: Request, studio: Opened) -> Response:
    """The jobs, the newest first."""
    found = await to_thread.run_sync(studio.jobs.all)
    return answer_json(request, as_json([job.as_json() for job in found]))


@router.get("/jobs/{id}", response_model=JobBody, responses={**errors(404), 200: {"links": OF_JOB}})
async def job(request: Request, id: Id, studio: Opened) -> Response:
    """How a job is."""
    found = await to_thread.run_sync(studio.jobs.get, id)
    return answer_json(request, as_json(found.as_json()))


@router.delete("/jobs/{id}", response_model=JobBody, responses=errors(404, 409))
async def cancel_job(id: Id, studio: Opened) -> Response:
    """End a job and keep what it has learned, in its run: it is "cancelling" until its process has
    ended. One that has ended stays as it is."""
    found = await to_thread.run_sync(studio.jobs.cancel, id)
    return Response(as_json(found.as_json()), media_type=JSON)


@router.post("/jobs/{id}/resume", status_code=202, response_model=JobBody, responses=BEGUN)
async def resume_job(
    request: Request, id: Id, studio: Opened, if_match: IfMatch = None
) -> Response:
    """Go on with a job that ended before it had learned all, to the same bits."""
    tag = await _current(request, studio)
    return await _begun(partial(studio.jobs.resume, id, tag))


async def in_stream(studio: Opened) -> AsyncIterator[None]:
    """One of the places for those who watch. Raises a Refusal where all are taken."""
    if studio.streams.locked():
        found = "all of them open"
        raise Refusal(503, "events", "fewer streams at once", found, {"Retry-After": "5"})
    async with studio.streams:
        yield


STREAM = [Depends(in_stream)]


async def _watched(id: Id, studio: Opened) -> Run:
    await to_thread.run_sync(studio.jobs.get, id)  # whether it is a job
    return await to_thread.run_sync(studio.runs.get, id, MARK)


@router.get(
    "/jobs/{id}/events", response_class=StreamingResponse, responses=EVENTS, dependencies=STREAM
)
async def job_events(
    request: Request,
    run: Annotated[Run, Depends(_watched)],
    studio: Opened,
    last_event_id: LastEventId = None,
) -> Response:
    """How a job goes on, until it ends."""
    look = partial(studio.jobs.of, run.folder)
    return stream(request, events(run, look, last_of(last_event_id), studio.ending))


def stream(request: Request, content: AsyncIterator[bytes]) -> Response:
    """The answer of events. (Not by an endpoint that yields them: as of FastAPI 0.165 that fails
    where a client goes while something is sent.)"""
    accepted(request, EventSourceResponse.media_type)
    headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}  # nginx is not to wait
    return EventSourceResponse(content, headers=headers)


async def _begun(start: Callable[[], Job]) -> Response:
    found = await to_thread.run_sync(start)
    return Response(as_json(found.as_json()), 202, {"Location": found.address}, JSON)


async def _current(request: Request, studio: Studio) -> str:
    """What If-Match says. Raises a Refusal where the weights that it names are not served."""
    if_match = require_match(request)
    studio.weights.seen(if_match)
    return if_match
