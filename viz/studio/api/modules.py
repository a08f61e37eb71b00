"""`/api/modules`: the WebAssembly that trains a network in the page, made for any architecture.

What a name says, viz/studio/engine/architecture.py tells. A manifest has the digest of its module,
whose address with that digest, ?sha256=, is one whose content never changes.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Any

from fastapi import Path, Request, Response

from viz.studio.api import new_router
from viz.studio.api.samples import Digest
from viz.studio.api.weights import FILE, Opened
from viz.studio.engine.architecture import EXAMPLE, Architecture
from viz.studio.engine.modules import Module, module
from viz.studio.replies import FOREVER, JSON, NO_CACHE, Refusal, Strict, accepted, answer, errors
from viz.studio.studio import Studio

router = new_router("modules", "/modules/{architecture}")

WASM = "application/wasm"
LIMIT = 120.0  # seconds that a large one may take
KEPT = 64  # in memory

Name = Annotated[str, Path(max_length=200, examples=[EXAMPLE])]
READ = {**errors(404), 304: {"description": "It is what If-None-Match names."}}
BINARIES = {**READ, 200: {"content": {WASM: FILE}, "description": "The module."}}


class Layout(Strict):
    """An array of the module: where it lies, in bytes, and how, strides in entries."""

    name: str
    kind: str
    entry: str | None
    offset: int
    shape: list[int]
    strides: list[int]
    dtype: str
    below: int | None = None


class Entry(Strict):
    """A function of the module: the names of what it takes and gives."""

    args: list[str]
    results: list[str]
    flops: int


class Manifest(Strict):
    """What a module holds. sha256: of its bytes."""

    version: int
    engine: str
    simd: str
    memory_bytes: int
    arrays: list[Layout]
    entries: dict[str, Entry]
    sha256: str


LINKS: dict[str, Any] = {
    "module": {
        "operationId": "module_wasm",
        "parameters": {
            "architecture": "$request.path.architecture",
            "sha256": "$response.body#/sha256",
        },
    }
}


@router.get("/manifest", response_model=Manifest, responses={**READ, 200: {"links": LINKS}})
async def manifest(request: Request, architecture: Name, studio: Opened) -> Response:
    """What the module of an architecture holds, and where."""
    return manifest_of(request, await _module(studio, architecture))


@router.get("/module.wasm", response_class=Response, responses=BINARIES)
async def module_wasm(
    request: Request, architecture: Name, studio: Opened, sha256: Digest = None
) -> Response:
    """The module of an architecture: the step of its training, and looks into it."""
    return wasm_of(request, await _module(studio, architecture), sha256)


def manifest_of(request: Request, module: Module) -> Response:
    accepted(request, JSON)
    return answer(request, module.manifest, JSON, _tag(module.manifest))


def wasm_of(request: Request, module: Module, sha256: str | None) -> Response:
    accepted(request, WASM)
    if sha256 not in (None, module.sha256):
        raise Refusal(404, "sha256", module.sha256, sha256)
    cache = NO_CACHE if sha256 is None else FOREVER
    return answer(request, module.wasm, WASM, _tag(module.wasm), cache)


async def _module(studio: Studio, name: str) -> Module:
    """The module, as it was made last. (A server's sources do not change under it.)"""
    found = studio.modules.get(name)
    if found is None:
        Architecture.read(name)  # here, because a worker has better to do than to refuse
        found = await studio.engine.call(module, name, limit=LIMIT)
        studio.modules[name] = found
        while len(studio.modules) > KEPT:
            del studio.modules[next(iter(studio.modules))]
    return found


def _tag(content: bytes) -> str:
    return f'"{hashlib.sha256(content).hexdigest()}"'
