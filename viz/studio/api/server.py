"""`/api/server`: what this studio is, and what may be asked of it."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends

from viz.studio.api import new_router
from viz.studio.replies import Strict
from viz.studio.studio import Studio, studio_of

router = new_router("server")


class Server(Strict):
    """version: of the API. writable: whether anything can be changed, given the token. datasets:
    the names of those that are here."""

    version: int
    writable: bool
    datasets: list[str]


@router.get("/server")
async def server(studio: Annotated[Studio, Depends(studio_of)]) -> Server:
    """What this studio is."""
    return Server(version=1, writable=not studio.read_only, datasets=[*studio.datasets.names])
