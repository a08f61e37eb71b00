"""`/api/datasets/.../novelty`: the WebAssembly that tells which pictures are like no class.

What it computes, models/mnist/novelty.py says. It is a module as those of modules.py, made when it
is first asked for.
"""

from __future__ import annotations

from anyio import to_thread
from fastapi import Request, Response

from viz.studio.api import new_router
from viz.studio.api.modules import BINARIES, READ, Manifest, manifest_of, wasm_of
from viz.studio.api.samples import Digest
from viz.studio.api.weights import Opened
from viz.studio.engine.modules import Module, made_of
from viz.studio.replies import Refusal
from viz.studio.studio import Studio

router = new_router("datasets", "/datasets/{dataset}/novelty")

LINKS = {
    "module": {
        "operationId": "novelty_wasm",
        "parameters": {"dataset": "$request.path.dataset", "sha256": "$response.body#/sha256"},
    }
}


@router.get("/manifest", response_model=Manifest, responses={**READ, 200: {"links": LINKS}})
async def novelty(request: Request, dataset: str, studio: Opened) -> Response:
    """What the module holds, and where."""
    return manifest_of(request, await _module(studio, dataset))


@router.get("/module.wasm", response_class=Response, responses=BINARIES)
async def novelty_wasm(
    request: Request, dataset: str, studio: Opened, sha256: Digest = None
) -> Response:
    """The module: of a picture, its entry `novelty` gives the `share` of the test set
    that is as far from every class, or further."""
    return wasm_of(request, await _module(studio, dataset), sha256)


async def _module(studio: Studio, dataset: str) -> Module:
    """The module, as it was made before."""
    served = await to_thread.run_sync(studio.datasets.get, dataset)
    if served.telling is None:
        novelty = await to_thread.run_sync(served.novelty)
        if novelty is None:
            raise Refusal(404, "dataset", "one of grey pictures, 50 in its test set", dataset)
        said = served.description
        served.telling = await studio.engine.call(made_of, novelty, said["shape"], said["scale"])
    return served.telling
