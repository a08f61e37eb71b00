"""`/api/server`: what this studio is, and what may be asked of it."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request, Response

from viz.studio.api import new_router
from viz.studio.replies import Strict, answer_json, as_json
from viz.studio.studio import Studio, studio_of

router = new_router("server")


class Server(Strict):
    """version: of the API. writable: whether anything can be changed, given the token. datasets:
    the names of those that are here."""

    version: int
    writable: bool
    datasets: list[str]


@router.get("/server", response_model=Server)
async def server(request: Request, studio: Annotated[Studio, Depends(studio_of)]) -> Response:
    """What this studio is."""
    names = studio.datasets.names
    said = {"version": 1, "writable": not studio.read_only, "datasets": names}
    return answer_json(request, as_json(said))
