"""`/api/train`: the served weights learn from posted examples, and the next version is what they
learned."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from anyio import to_thread
from fastapi import Query, Request, Response

from viz.studio.api import new_router
from viz.studio.api.network import LABELLED, Dtype, images_of, weights_of
from viz.studio.api.weights import WROTE, IfMatch, Opened, VersionBody, body_of
from viz.studio.engine.learning import learn_from
from viz.studio.replies import JSON, Strict, as_json, require_match

router = new_router("train")

MOST_STEPS = 10_000


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


@router.post("/train", response_model=TrainedBody, responses=WROTE, openapi_extra=LABELLED)
async def train(
    request: Request,
    studio: Opened,
    rate: Annotated[
        float, Query(gt=0, le=1e6, allow_inf_nan=False, description="Of learning.")
    ] = 0.05,
    steps: Annotated[int, Query(ge=1, le=MOST_STEPS, description="With the same examples.")] = 1,
    dtype: Dtype = "uint8",
    if_match: IfMatch = None,
) -> Response:
    """Have the network take steps of plain gradient descent on the mean loss of the examples."""
    version, content = studio.weights.seen(require_match(request))
    weights, body = weights_of(version, content), await images_of(request, dtype)
    learned = await studio.engine.call(learn_from, weights, body, rate, steps)
    put = partial(studio.weights.put, learned.content, version.etag, "train")
    written = await to_thread.run_sync(put)
    before, after = learned.accuracy
    said = TrainedBody(
        losses=learned.losses,
        accuracy=Accuracy(before=before, after=after),
        version=body_of(written),
    )
    return Response(as_json(said.model_dump()), headers={"ETag": written.etag}, media_type=JSON)
