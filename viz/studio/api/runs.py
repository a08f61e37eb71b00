"""`/api/runs`: the folders that trainings leave, of jobs and of `python -m models.mnist train` in a
terminal, which is watched live here."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Literal

from anyio import to_thread
from fastapi import Depends, Path, Request, Response
from fastapi.responses import StreamingResponse

from models.runs.files import HISTOGRAMS, METRICS
from viz.studio.api import new_router
from viz.studio.api.jobs import EVENTS, STREAM, LastEventId, stream
from viz.studio.jobs.events import events, last_of
from viz.studio.jobs.runs import Run, size_of
from viz.studio.replies import BINARY, Strict, accepted, answer, answer_json, errors, quoted
from viz.studio.studio import Studio, studio_of

router = new_router("runs", "/runs")

SAFETENSORS = "application/vnd.safetensors"
FILE = {"schema": {"type": "string", "format": "binary"}}
WEIGHTS: dict[int | str, dict[str, Any]] = {
    **errors(404),
    200: {"content": {SAFETENSORS: FILE, BINARY: FILE}, "description": "The weights."},
    304: {"description": "They are those that If-None-Match names."},
}
OF_RUN = {
    name: {"operationId": name, "parameters": {"run": "$response.body#/name"}}
    for name in ("run_metrics", "run_histograms", "run_weights", "run_checkpoints", "run_events")
}


FIRST = {"run": {"operationId": "run", "parameters": {"run": "$response.body#/0/name"}}}


class RunBody(Strict):
    """A run. state: "unknown" of one that was killed. epochs: that were asked for. epoch, accuracy:
    of its newest line, on the validation set if there is one. changed: when it was written to.
    Whatever a run does not say is null."""

    name: str
    state: Literal["running", "finished", "stopped", "diverged", "unknown"]
    sizes: list[int] | None
    activation: str | None
    dataset: str | None
    epochs: int | None
    epoch: int | None
    accuracy: float | None
    changed: str


class WholeRunBody(RunBody):
    """A run with its config.json, and its summary.json if it has ended."""

    config: dict[str, Any]
    summary: dict[str, Any] | None


CHECKPOINT = {
    "run_checkpoint": {
        "operationId": "run_checkpoint",
        "parameters": {"run": "$request.path.run", "step": "$response.body#/0/step"},
    }
}


class CheckpointBody(Strict):
    """A checkpoint. step: after which it was written. bytes: of its files."""

    step: int
    bytes: int


async def run_of(
    run: Annotated[str, Path(max_length=255)], studio: Annotated[Studio, Depends(studio_of)]
) -> Run:
    """The run that an address names. Raises a Refusal where there is none."""
    return await to_thread.run_sync(studio.runs.get, run)


Found = Annotated[Run, Depends(run_of)]


@router.get("", response_model=list[RunBody], responses={200: {"links": FIRST}})
async def runs(request: Request, studio: Annotated[Studio, Depends(studio_of)]) -> Response:
    """The newest runs, the last one first."""

    def listed() -> bytes:
        return json.dumps([each.overview() for each in studio.runs.all()]).encode()

    return answer_json(request, await to_thread.run_sync(listed))


@router.get(
    "/{run}", response_model=WholeRunBody, responses={**errors(404), 200: {"links": OF_RUN}}
)
async def run(request: Request, found: Found) -> Response:
    """A run: what it is, and how it ended."""

    def said() -> bytes:
        parts = {"config": found.config(), "summary": found.summary()}
        return json.dumps({**found.overview(), **parts}).encode()

    return answer_json(request, await to_thread.run_sync(said))


@router.get("/{run}/metrics", response_model=list[dict[str, Any]], responses=errors(404))
async def run_metrics(request: Request, found: Found) -> Response:
    """The lines of its metrics.jsonl: what each epoch came to."""
    return await _lines(request, found, METRICS)


@router.get("/{run}/histograms", response_model=list[dict[str, Any]], responses=errors(404))
async def run_histograms(request: Request, found: Found) -> Response:
    """The lines of its histograms.jsonl: of weights, gradients and outputs after each epoch."""
    return await _lines(request, found, HISTOGRAMS)


@router.get("/{run}/weights", response_class=Response, responses=WEIGHTS)
async def run_weights(request: Request, found: Found) -> Response:
    """The weights that it came to, as safetensors."""
    content = await to_thread.run_sync(found.weights)
    return await _file(request, content)


@router.get(
    "/{run}/checkpoints",
    response_model=list[CheckpointBody],
    responses={**errors(404), 200: {"links": CHECKPOINT}},
)
async def run_checkpoints(request: Request, found: Found) -> Response:
    """Its checkpoints, the first one first."""

    def listed() -> bytes:
        steps = found.checkpoints().items()
        return json.dumps([{"step": step, "bytes": size_of(path)} for step, path in steps]).encode()

    return answer_json(request, await to_thread.run_sync(listed))


@router.get("/{run}/checkpoints/{step}", response_class=Response, responses=WEIGHTS)
async def run_checkpoint(
    request: Request, found: Found, step: Annotated[int, Path(ge=0, le=2**53)]
) -> Response:
    """The weights at a checkpoint, with the optimizer's states, as safetensors."""
    content = await to_thread.run_sync(found.checkpoint, step)
    return await _file(request, content)


@router.get(
    "/{run}/events", response_class=StreamingResponse, responses=EVENTS, dependencies=STREAM
)
async def run_events(
    request: Request,
    found: Found,
    studio: Annotated[Studio, Depends(studio_of)],
    last_event_id: LastEventId = None,
) -> Response:
    """How a run goes on, until it ends."""
    content = events(found, lambda: found.state, last_of(last_event_id), studio.ending)
    return stream(request, content)


async def _lines(request: Request, run: Run, name: str) -> Response:
    def read() -> bytes:
        # One by one, so that other threads have their turn.
        return f"[{', '.join(map(json.dumps, run.lines(name)))}]".encode()

    return answer_json(request, await to_thread.run_sync(read))


async def _file(request: Request, content: bytes) -> Response:
    media = accepted(request, SAFETENSORS, BINARY)
    digest = await to_thread.run_sync(lambda: hashlib.sha256(content).hexdigest())
    return answer(request, content, media, quoted(digest))
