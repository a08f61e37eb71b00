"""`/api/samples`: the examples of a dataset, one by one, in blocks, and all of them small.

Each is JSON, or a Block: the entries as they lie in memory, little-endian, and then the labels as
uint16. `sha256` in an address, the digest of the split, makes it one whose content never changes.
"""

from __future__ import annotations

import gzip
import json
import re
import secrets
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Literal

import numpy as np
from anyio import to_thread
from fastapi import Path, Query, Request, Response
from numpy.typing import NDArray

from models.runs.files import plain
from viz.studio.api import Exact, new_router
from viz.studio.datasets import Split
from viz.studio.replies import (
    BINARY,
    FOREVER,
    JSON,
    NO_CACHE,
    Refusal,
    Strict,
    accepted,
    answer,
    errors,
    takes_gzip,
)
from viz.studio.studio import Studio

router = new_router("samples", "/samples/{dataset}/{split}")

MOST = 2**24  # bytes of a block
MOST_NUMBERS = 2**20  # of a block as JSON
MAX_SEED = 2**53 - 1  # what JavaScript counts to
# Of uint8, as JSON has them. All are of one width, so that NumPy writes them: str.join takes ten
# times as long.
BYTES = np.array([f"{i:3}," for i in range(256)], "S4")
BLOCK = {
    "content": {BINARY: {"schema": {"type": "string", "format": "binary"}}},
    "description": "A sample, or as a Block its entries and then its label.",
}

PLAIN = re.compile(r"\d{1,9}", re.ASCII)

Name = Literal["train", "test"]
Index = Annotated[int, Path(ge=0, le=2**53)]
Digest = Annotated[str | None, Query(alias="sha256", max_length=64)]


class Sample(Strict):
    """An example. label: its class, by number; name: in words. entries: of the whole example, in
    the order of memory, which `shape` lays out."""

    dataset: str
    split: str
    index: int
    label: int
    name: str
    shape: list[int]
    entries: list[int | float]


class Block(Strict):
    """Examples from `first` on. entries: of each of them."""

    dataset: str
    split: str
    first: int
    labels: list[int]
    shape: list[int]
    entries: list[list[int | float]]


async def split_of(request: Request, dataset: str, split: Name, sha256: str | None) -> Split:
    """The set that an address names. Raises a Refusal where it is not here, or not the same. (A
    dependency of FastAPI's would take a third of the time of an answer.)"""
    studio: Studio = request.app.state.studio
    found = studio.datasets.ready(dataset, split)
    if found is None:
        served = await to_thread.run_sync(studio.datasets.get, dataset)
        found = await to_thread.run_sync(served.split, split)
    if sha256 is not None and sha256 != found.sha256:
        raise Refusal(404, "sha256", found.sha256, sha256)
    return found


@router.get("/random", response_model=Sample, responses={**errors(404), 200: BLOCK})
async def random_sample(
    request: Request,
    dataset: str,
    split: Name,
    seed: Annotated[int | None, Query(ge=0, le=MAX_SEED)] = None,
    label: Annotated[int | None, Query(ge=0, le=65_535)] = None,
    sha256: Digest = None,
) -> Response:
    """One example, of a class where that is given, drawn by a seed; without one by chance."""
    examples = await split_of(request, dataset, split, sha256)
    begin, end = 0, len(examples)
    order, starts = await to_thread.run_sync(lambda: examples.by_class)
    if label is not None:
        begin, end = starts[label : label + 2].tolist()
    if begin == end:
        raise Refusal(404, "label", "a class with examples", label)
    drawn = np.random.default_rng(secrets.randbits(64) if seed is None else seed)
    index = int(order[drawn.integers(begin, end)])
    return _sample(request, examples, index, "no-store" if seed is None else None)


@router.get(
    "/thumbnails",
    response_class=Response,
    responses={**errors(404), 200: {**BLOCK, "description": "All examples as a Block, small."}},
)
async def thumbnails(
    request: Request, dataset: str, split: Name, sha256: Digest = None
) -> Response:
    """All examples, each as small as `thumbnail` of the dataset says, as one Block; packed by gzip
    for all who take that."""
    examples = await split_of(request, dataset, split, sha256)
    accepted(request, BINARY)
    cache = NO_CACHE if sha256 is None else FOREVER
    packed = await to_thread.run_sync(lambda: examples.thumbnails)
    if takes_gzip(request):
        headers = {"Content-Encoding": "gzip", "Vary": "Accept, Accept-Encoding"}
        tag = f'"{examples.sha256[:24]}-small-gzip"'
        return answer(request, packed, BINARY, tag, cache, headers)
    content = await to_thread.run_sync(gzip.decompress, packed)
    tag = f'"{examples.sha256[:24]}-small"'
    return answer(request, content, BINARY, tag, cache, {"Vary": "Accept, Accept-Encoding"})


class Quick(Exact):
    """The route of a sample. FastAPI reads an address in the time in which all else is done, so a
    plain one is read here."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        careful = super().get_route_handler()

        async def handle(request: Request) -> Response:
            path, studio = request.path_params, request.app.state.studio
            index = path["index"]
            if PLAIN.fullmatch(index) and not request.scope["query_string"]:
                examples = studio.datasets.ready(path["dataset"], path["split"])
                if examples is not None:
                    return _sample(request, examples, int(index))
            return await careful(request)

        return handle


async def sample(
    request: Request, dataset: str, split: Name, index: Index, sha256: Digest = None
) -> Response:
    """One example, by its index."""
    examples = await split_of(request, dataset, split, sha256)
    return _sample(request, examples, index)


router.add_api_route(
    "/{index}",
    sample,
    methods=["GET"],
    response_model=Sample,
    responses={**errors(404), 200: BLOCK},
    route_class_override=Quick,
)


@router.get(
    "/classes/{label}/{index}", response_model=Sample, responses={**errors(404), 200: BLOCK}
)
async def sample_of_class(
    request: Request,
    dataset: str,
    split: Name,
    label: Annotated[int, Path(ge=0, le=65_535)],
    index: Index,
    sha256: Digest = None,
) -> Response:
    """One example of a class: `index` counts those alone."""
    examples = await split_of(request, dataset, split, sha256)
    order, starts = await to_thread.run_sync(lambda: examples.by_class)
    begin, end = starts[label : label + 2].tolist()
    if begin == end:
        raise Refusal(404, "label", "a class with examples", label)
    if index >= end - begin:
        raise Refusal(404, "index", f"0 to {end - begin - 1}", index)
    return _sample(request, examples, int(order[begin + index]))


@router.get("/blocks/{size}/{number}", response_model=Block, responses={**errors(404), 200: BLOCK})
async def block(
    request: Request,
    dataset: str,
    split: Name,
    size: Annotated[int, Path(ge=1, le=10_000)],
    number: Index,
    sha256: Digest = None,
) -> Response:
    """The examples from number x size on, `size` of them; the last block may have fewer."""
    examples = await split_of(request, dataset, split, sha256)
    blocks = -(-len(examples) // size)
    if number >= blocks:
        raise Refusal(404, "number", f"0 to {blocks - 1}, of {size} examples each", number)
    media = accepted(request, BINARY, JSON)
    numbers = size * examples.images[0].size
    most = MOST_NUMBERS if media == JSON else MOST // examples.images.itemsize
    if numbers > most:
        raise Refusal(422, "size", f"at most {most // examples.images[0].size:,}", size)
    tag = f'"{examples.sha256[:24]}-{size}-{number}-{media[-4:]}"'
    cache = NO_CACHE if sha256 is None else FOREVER
    rows = slice(number * size, min((number + 1) * size, len(examples)))
    if media == BINARY:
        return answer(request, examples.block(rows), BINARY, tag, cache)
    content = await to_thread.run_sync(_block, dataset, split, examples, rows)
    return answer(request, content, JSON, tag, cache)


def _sample(request: Request, examples: Split, index: int, cache: str | None = None) -> Response:
    """The answer of one example."""
    if index >= len(examples):
        raise Refusal(404, "index", f"0 to {len(examples) - 1}", index)
    media = accepted(request, JSON, BINARY)
    tag = f'"{examples.sha256[:24]}-{index}-{media[-4:]}"'
    if cache is None:
        cache = FOREVER if "sha256" in request.query_params else NO_CACHE
    if media == BINARY:
        content = examples.block(slice(index, index + 1))
    else:
        content = _json(request, examples, index)
    return answer(request, content, media, tag, cache)


def _json(request: Request, examples: Split, index: int) -> bytes:
    """One example, written piece by piece: json.dumps of 784 numbers takes four times as long."""
    path = request.path_params
    label = int(examples.labels[index])
    said = {
        "dataset": path["dataset"],
        "split": path["split"],
        "index": index,
        "label": label,
        "name": examples.classes[label],
        "shape": examples.shape,
    }
    return (
        json.dumps(said)[:-1] + ', "entries": ' + _numbers(examples.images[index]) + "}"
    ).encode()


def _block(dataset: str, split: str, examples: Split, rows: slice) -> bytes:
    said = {
        "dataset": dataset,
        "split": split,
        "first": rows.start,
        "labels": examples.labels[rows].tolist(),
        "shape": examples.shape,
    }
    entries = ", ".join(map(_numbers, examples.images[rows]))
    return (json.dumps(said)[:-1] + f', "entries": [{entries}]}}').encode()


def _numbers(image: NDArray[Any]) -> str:
    """The entries of an example, as JSON."""
    if image.dtype == np.uint8:
        return f"[{BYTES.take(image.ravel()).tobytes().decode()[:-1]}]"
    return json.dumps(plain(image.ravel()))
