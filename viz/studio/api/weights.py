"""`/api/weights`: the weights that are served, those before them, and what replaces them.

As safetensors, bytes as they are on disk, or as JSON. A write names by If-Match the version that it
is meant to replace, and is answered when the next one is on disk.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from anyio import to_thread
from fastapi import Depends, Header, Path, Request, Response
from pydantic import Field

from viz.studio.api import new_router
from viz.studio.guard import too_large
from viz.studio.replies import (
    BINARY,
    JSON,
    Refusal,
    Strict,
    accepted,
    answer,
    answer_json,
    as_json,
    errors,
    is_known,
    require_match,
)
from viz.studio.studio import Studio, studio_of
from viz.studio.weights.text import MOST_BYTES, from_json, to_json
from viz.studio.weights.versions import Cause, Version

__all__ = ["FILE", "WROTE", "IfMatch", "Opened", "VersionBody", "body_of", "router"]

router = new_router("weights", "/weights")

SAFETENSORS = "application/vnd.safetensors"
FILE = {"schema": {"type": "string", "format": "binary"}}
ETAG = {"ETag": {"schema": {"type": "string"}, "description": "What If-Match is to say."}}
REPLACING = {
    name: {"operationId": name, "parameters": {"If-Match": "$response.header.ETag"}}
    for name in ("put_weights", "delete_weights", "rollback_weights", "train")
}
READ: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {SAFETENSORS: FILE, BINARY: FILE},
        "description": "The weights.",
        "headers": ETAG,
        "links": REPLACING,
    },
    304: {"description": "They are those that If-None-Match names."},
}
FORMER = {
    "rollback_weights": {
        "operationId": "rollback_weights",
        "parameters": {"If-Match": "$response.body#/versions/0/etag"},
        "requestBody": {"version": "$response.body#/versions/0/version"},
    }
}
WROTE = errors(412, 428, 507) | {
    200: {"description": "What is served now.", "headers": ETAG, "links": REPLACING}
}
BODY = {
    "requestBody": {
        "required": True,
        "content": {
            SAFETENSORS: FILE,
            BINARY: FILE,
            JSON: {"schema": {"$ref": "#/components/schemas/WeightsBody"}},
        },
    }
}

Opened = Annotated[Studio, Depends(studio_of)]
IfMatch = Annotated[
    str | None, Header(alias="If-Match", description="The ETag of the weights, or *.")
]
Number = Annotated[int, Path(ge=1, le=2**53)]


class ArrayBody(Strict):
    """An array. data: its entries in the order of memory, which `shape` lays out."""

    dtype: Literal["float32", "float64"]
    shape: list[int]
    data: list[float]


class WeightsBody(Strict):
    """A network. metadata: "sizes", "activation" and "dataset" say which it is; "seed", "step" and
    "temperature" may be there. arrays: "0.weight", of shape (out, in), "0.bias", (out,), with 2, 4,
    ... those of the next layers; and an optimizer's states: "optimizer.count", ..."""

    metadata: dict[str, Any]
    arrays: dict[str, ArrayBody]


class VersionBody(Strict):
    """A version of the weights. time: when it was written. cause: by what. bytes: of the file."""

    version: int
    etag: str
    time: str
    cause: Cause
    bytes: int


class HistoryBody(Strict):
    """The versions that there are; the first one is served."""

    versions: list[VersionBody]


class RollbackBody(Strict):
    """version: the number of one in the history."""

    version: Annotated[int, Field(ge=1, le=2**53)]


@router.get("", response_model=WeightsBody, responses=READ)
async def weights(request: Request, studio: Opened) -> Response:
    """The weights that are served."""
    return await _read(request, studio, *studio.weights.content())


@router.get("/history", response_model=HistoryBody, responses={200: {"links": FORMER}})
async def weights_history(request: Request, studio: Opened) -> Response:
    """Which versions there are, the newest first."""
    said = HistoryBody(versions=[body_of(each) for each in reversed(studio.weights.history)])
    return answer_json(request, as_json(said.model_dump()))


@router.get("/history/{version}", response_model=WeightsBody, responses={**errors(404), **READ})
async def weights_of_version(request: Request, version: Number, studio: Opened) -> Response:
    """The weights of a version."""
    found = await to_thread.run_sync(studio.weights.content, version)
    return await _read(request, studio, *found)


@router.put("", response_model=VersionBody, responses=WROTE, openapi_extra=BODY)
async def put_weights(request: Request, studio: Opened, if_match: IfMatch = None) -> Response:
    """Serve other weights, of the same network or another one."""
    tag = require_match(request)
    content = await _content(request, studio)
    return written(await to_thread.run_sync(studio.weights.put, content, tag))


@router.delete("", response_model=VersionBody, responses=WROTE)
async def delete_weights(request: Request, studio: Opened, if_match: IfMatch = None) -> Response:
    """Go back to what the network was before it learned."""
    return written(await to_thread.run_sync(studio.weights.delete, require_match(request)))


@router.post("/rollback", response_model=VersionBody, responses={**errors(404), **WROTE})
async def rollback_weights(
    request: Request, body: RollbackBody, studio: Opened, if_match: IfMatch = None
) -> Response:
    """Go back to a version; it becomes the newest."""
    tag = require_match(request)
    return written(await to_thread.run_sync(studio.weights.rollback, body.version, tag))


def written(version: Version) -> Response:
    """The answer to a write."""
    content = as_json(body_of(version).model_dump())
    return Response(content, headers={"ETag": version.etag}, media_type=JSON)


def body_of(version: Version) -> VersionBody:
    """What is said of a version."""
    number, tag, time, cause = version.number, version.etag, version.time, version.cause
    return VersionBody(version=number, etag=tag, time=time, cause=cause, bytes=version.size)


async def _read(request: Request, studio: Studio, version: Version, content: bytes) -> Response:
    media = accepted(request, SAFETENSORS, BINARY, JSON)
    tag = version.json_etag if media == JSON else version.etag
    if media == JSON and not is_known(request, tag):
        content = await studio.engine.call(to_json, content)
    return answer(request, content, media, tag)


async def _content(request: Request, studio: Studio) -> bytes:
    """The file of weights in a request."""
    body, media = await request.body(), request.headers.get("content-type", BINARY)
    match media.partition(";")[0].strip().lower():
        case "application/vnd.safetensors" | "application/octet-stream":
            return body
        case "application/json":
            if len(body) > MOST_BYTES:
                raise too_large(MOST_BYTES, f"{len(body):,}")
            return await studio.engine.call(from_json, body)
    raise Refusal(415, "Content-Type", f"one of {SAFETENSORS}, {BINARY}, {JSON}", media)
