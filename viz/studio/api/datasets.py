"""`/api/datasets`: what the datasets are; their examples are in samples.py."""

from __future__ import annotations

import json
from typing import Annotated

from anyio import to_thread
from fastapi import Depends, Request, Response

from viz.studio.api import new_router
from viz.studio.replies import Strict, answer_json, errors
from viz.studio.studio import Studio, studio_of

router = new_router("datasets")

EXAMPLES = {
    "sample": {
        "operationId": "sample",
        "parameters": {"dataset": "$response.body#/name", "split": "test", "index": 0},
    },
    "thumbnails": {
        "operationId": "thumbnails",
        "parameters": {"dataset": "$response.body#/name", "split": "test"},
    },
}


class SplitBody(Strict):
    """count: of the examples. sha256: of their entries, and then their labels as uint16."""

    count: int
    sha256: str


class Thumbnail(Strict):
    """shape: of one small picture in `thumbnails`."""

    shape: list[int]


class DatasetBody(Strict):
    """shape: of one example. classes: classes[label] is what people call it. scale: what entries
    are divided by before a network reads them. dtype: of the entries, uint8 or float32."""

    name: str
    shape: list[int]
    classes: list[str]
    splits: dict[str, SplitBody]
    scale: float
    dtype: str
    thumbnail: Thumbnail


@router.get("/datasets", response_model=list[str])
async def datasets(request: Request, studio: Annotated[Studio, Depends(studio_of)]) -> Response:
    """The names of the datasets that are here."""
    return answer_json(request, json.dumps(studio.datasets.names).encode())


@router.get(
    "/datasets/{dataset}",
    response_model=DatasetBody,
    responses={**errors(404), 200: {"links": EXAMPLES}},
)
async def dataset(
    request: Request, dataset: str, studio: Annotated[Studio, Depends(studio_of)]
) -> Response:
    """What a dataset is."""
    served = await to_thread.run_sync(studio.datasets.get, dataset)
    description = await to_thread.run_sync(lambda: served.description)
    return answer_json(request, json.dumps(description).encode())
