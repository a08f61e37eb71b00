"""`/api/train`: the served weights learn from posted examples, and the next version is what they
learned."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Literal

from anyio import to_thread
from fastapi import Query, Request, Response

from viz.studio.api import new_router
from viz.studio.api.weights import FILE, WROTE, IfMatch, Opened, VersionBody, body_of
from viz.studio.engine.learning import learn_from
from viz.studio.guard import too_large
from viz.studio.replies import BINARY, JSON, Refusal, Strict, require_match

router = new_router("train")

MOST_BYTES = 4 * 2**20  # of JSON: 1,000 pictures of MNIST; a Block of as many bytes has 5,000
MOST_STEPS = 10_000


class TrainBody(Strict):
    """images: lists within lists, of the shape that the network reads, or each as one list of its
    entries; in the unit of the dataset: 0 to 255 of most. labels: of each its class, by number."""

    images: list[Any]
    labels: list[int]


class Accuracy(Strict):
    """The share of the examples that is taken for what they are, before the first step and after
    the last one."""

    before: float
    after: float


class TrainedBody(Strict):
    """losses: the mean cross-entropy of the examples before each step: what that step went down.
    version: of the weights that are served now."""

    losses: list[float]
    accuracy: Accuracy
    version: VersionBody


BODY = {
    "requestBody": {
        "required": True,
        "description": "Examples, as JSON or as a Block: all entries, then all labels as uint16.",
        "content": {JSON: {"schema": TrainBody.model_json_schema()}, BINARY: FILE},
    }
}


@router.post("/train", response_model=TrainedBody, responses=WROTE, openapi_extra=BODY)
async def train(
    request: Request,
    studio: Opened,
    rate: Annotated[float, Query(gt=0, le=1e6, description="Of learning.")] = 0.05,
    steps: Annotated[int, Query(ge=1, le=MOST_STEPS, description="With the same examples.")] = 1,
    dtype: Annotated[
        Literal["uint8", "float32"], Query(description="Of the entries of a Block.")
    ] = "uint8",
    if_match: IfMatch = None,
) -> Response:
    """Have the network take steps of plain gradient descent on the mean loss of the examples."""
    version, content = studio.weights.seen(require_match(request))
    body, is_json = await _body(request)
    learning = partial(learn_from, content, body, is_json, dtype, rate, steps)
    learned = await to_thread.run_sync(learning)
    put = partial(studio.weights.put, learned.content, version.etag, "train")
    written = await to_thread.run_sync(put)
    before, after = learned.accuracy
    said = TrainedBody(
        losses=learned.losses,
        accuracy=Accuracy(before=before, after=after),
        version=body_of(written),
    )
    return Response(said.model_dump_json(), headers={"ETag": written.etag}, media_type=JSON)


async def _body(request: Request) -> tuple[bytes, bool]:
    """The body, and whether it is JSON."""
    body, media = await request.body(), request.headers.get("content-type", BINARY)
    match media.partition(";")[0].strip().lower():
        case "application/octet-stream":
            return body, False
        case "application/json":
            if len(body) > MOST_BYTES:
                raise too_large(MOST_BYTES, f"{len(body):,}")
            return body, True
    raise Refusal(415, "Content-Type", f"{JSON} or {BINARY}", media)
