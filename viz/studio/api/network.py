"""What the served weights make of images: `/api/predict`, `prepare`, `activations`, `gradient`; and
`/api/graph`, their graph for an example, to be stepped through.

Images are JSON, or raw entries one image after the other, as they lie in a Block. All are computed
in the engine's worker, bodies and answers read and written there.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Literal

from fastapi import Query, Request, Response

from viz.studio.api import new_router
from viz.studio.api.samples import Digest, Index, Name, split_of
from viz.studio.api.weights import FILE, SAFETENSORS, Opened
from viz.studio.engine import answers
from viz.studio.engine.bodies import Body, Form
from viz.studio.engine.network import Weights
from viz.studio.engine.pictures import KINDS
from viz.studio.replies import BINARY, JSON, Refusal, Strict, accepted, answer, errors, is_known
from viz.studio.studio import Studio
from viz.studio.weights import Version

__all__ = ["LABELLED", "Dtype", "images_of", "router", "weights_of"]

router = new_router("network")

FORMS: dict[str, Form] = {JSON: "json", BINARY: "raw", SAFETENSORS: "safetensors"}
PICTURES = [f"image/{kind.lower()}" for kind in KINDS]
Rows = list[list[float | None]]  # None: what is not finite

Dtype = Annotated[
    Literal["uint8", "float32"], Query(description="Of the entries, where they are raw bytes.")
]


class Images(Strict):
    """images: lists within lists, of the shape that the network reads, or each as one list of its
    entries; in the unit of the dataset: 0 to 255 of most."""

    images: list[Any]


class Labelled(Images):
    """labels: of each image its class, by number."""

    labels: list[int]


class Predicted(Strict):
    """probabilities: of each image and class. prediction: the likeliest class by its number."""

    probabilities: Rows
    prediction: list[int]


class Prepared(Strict):
    """images: of each the entries that the network sees, in the unit of its dataset, which `shape`
    lays out. boxes: where each lies in the picture, top, left, bottom, right; none where it was
    read whole. how: made of it, in words."""

    images: Rows
    boxes: list[list[int]]
    how: str
    shape: list[int]
    dtype: str


class Sloped(Strict):
    """gradient: by each entry of each image. value: of what it is the gradient, for each image."""

    gradient: Rows
    value: list[float | None]


class Graph(Strict):
    """nodes, events: of the forward and the backward pass, as the debugger shows them. svg: the
    graph, drawn."""

    title: str
    text: str
    nodes: list[dict[str, Any]]
    events: list[dict[str, Any]]
    svg: str


def taking(model: type[Strict], what: str) -> dict[str, Any]:
    """For OpenAPI: a body of images."""
    content = {JSON: {"schema": model.model_json_schema()}, BINARY: FILE}
    return {"requestBody": {"required": True, "description": what, "content": content}}


def giving(what: str, *media: str, **more: Any) -> dict[int | str, dict[str, Any]]:
    """For OpenAPI: an answer that has other forms than JSON."""
    content = dict.fromkeys(media, FILE)
    return {**errors(409), 200: {"content": content, "description": what, **more}}


IMAGES = taking(Images, "Images; raw, their entries one image after the other.")
LABELLED = taking(Labelled, "Images and labels; raw, a Block: all entries, then labels as uint16.")
PICTURE = {
    "requestBody": {
        "required": True,
        "description": "A picture's file.",
        "content": dict.fromkeys([*PICTURES, BINARY], FILE),
    }
}
PREPARED = {
    name: {"operationId": name, "requestBody": {"images": "$response.body#/images"}}
    for name in ("predict", "activations")
}


@router.post(
    "/predict",
    response_model=Predicted,
    responses=giving("The probabilities; raw, float32.", BINARY, SAFETENSORS),
    openapi_extra=IMAGES,
)
async def predict(request: Request, studio: Opened, dtype: Dtype = "uint8") -> Response:
    """What the network takes images for."""
    body, media = await images_of(request, dtype), accepted(request, JSON, BINARY, SAFETENSORS)
    return await _computed(studio, media, answers.predict, body, FORMS[media])


@router.post(
    "/prepare",
    response_model=Prepared,
    responses=giving(
        "What the network sees; raw, its entries.", BINARY, SAFETENSORS, links=PREPARED
    ),
    openapi_extra=PICTURE,
)
async def prepare(request: Request, studio: Opened) -> Response:
    """A picture as the network sees it: digits cut out, sized and centred, or the whole resized."""
    content, _ = await _content(request, BINARY, *PICTURES)
    media = accepted(request, JSON, BINARY, SAFETENSORS)
    return await _computed(studio, media, answers.prepare, content, FORMS[media])


@router.post(
    "/activations",
    response_model=dict[str, Rows],
    responses=giving("What each layer gives, by name.", SAFETENSORS),
    openapi_extra=IMAGES,
)
async def activations(request: Request, studio: Opened, dtype: Dtype = "uint8") -> Response:
    """What the layers give for images: `layer.0`, ... after the activation function, `logits`,
    `probabilities`."""
    body, media = await images_of(request, dtype), accepted(request, JSON, SAFETENSORS)
    return await _computed(studio, media, answers.activations, body, FORMS[media])


@router.post(
    "/gradient",
    response_model=Sloped,
    responses=giving("The gradient; raw, float32.", BINARY, SAFETENSORS),
    openapi_extra=LABELLED,
)
async def gradient(
    request: Request,
    studio: Opened,
    of: Annotated[
        Literal["class", "loss"], Query(description="The logit of the label, or the loss.")
    ] = "class",
    dtype: Dtype = "uint8",
) -> Response:
    """The gradient by each entry of each image, as it lies there: the change for a step of 1, where
    most images have 0 to 255."""
    body, media = await images_of(request, dtype), accepted(request, JSON, BINARY, SAFETENSORS)
    return await _computed(studio, media, answers.gradient, body, of, FORMS[media])


@router.get(
    "/graph/{dataset}/{split}/{index}",
    response_model=Graph,
    responses={**errors(404, 409), 304: {"description": "It is what If-None-Match names."}},
)
async def graph(
    request: Request,
    studio: Opened,
    dataset: str,
    split: Name,
    index: Index,
    of: Annotated[
        str, Query(max_length=40, description="loss, or one number: layer.0/12, logits/3.")
    ] = "loss",
    sha256: Digest = None,
) -> Response:
    """The network's graph for one example, with its numbers and gradients."""
    accepted(request, JSON)
    examples = await split_of(request, dataset, split, sha256)
    if index >= len(examples):
        raise Refusal(404, "index", f"0 to {len(examples) - 1}", index)
    weights = weights_of(*studio.weights.content())
    said = f"{weights.sha256} {examples.sha256} {index} {of}"
    tag = f'"{hashlib.sha256(said.encode()).hexdigest()[:32]}"'
    if is_known(request, tag):
        return answer(request, b"", JSON, tag)
    label = int(examples.labels[index])
    example = answers.Example(examples.images[index], label, examples.classes)
    content = await studio.engine.call(answers.graph, weights, example, of)
    return answer(request, content, JSON, tag)


def weights_of(version: Version, content: bytes) -> Weights:
    """A version of the weights, as the worker finds it."""
    return Weights(version.sha256, version.path, None if version.path else content)


async def _computed(studio: Studio, media: str, function: Any, *arguments: Any) -> Response:
    content = await studio.engine.call(function, weights_of(*studio.weights.content()), *arguments)
    return Response(content, headers={"Vary": "Accept"}, media_type=media)


async def images_of(request: Request, dtype: str) -> Body:
    """Images in a request. Raises a Refusal of 415."""
    content, media = await _content(request, JSON, BINARY)
    return Body(FORMS[media], content, dtype)


async def _content(request: Request, *known: str) -> tuple[bytes, str]:
    """The body, and its type. Raises a Refusal unless that is known."""
    media = request.headers.get("content-type", BINARY)
    plain = media.partition(";")[0].strip().lower()
    if plain not in known:
        raise Refusal(415, "Content-Type", f"one of {', '.join(known)}", media)
    return await request.body(), plain
