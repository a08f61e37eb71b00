"""The page's files, handed out by the server: a route for each, so that no address is a path.

They are read once, when the server starts: an update of the files under a server that runs would
give a page of two versions, of which parts ask for others that are gone."""

from __future__ import annotations

import gzip
import hashlib
from functools import cache

from fastapi import Request, Response
from fastapi.routing import APIRoute

from viz.studio.page import KINDS, files
from viz.studio.replies import answer, quoted, takes_gzip

__all__ = ["routes"]


def routes() -> list[APIRoute]:
    """A route for each file, as it is now."""
    return [
        _route(address, path.read_bytes(), KINDS.get(path.suffix, "text/plain"))
        for address, path in files().items()
    ]


def _route(address: str, content: bytes, media: str) -> APIRoute:
    digest = hashlib.sha256(content).hexdigest()[:32]
    packed = cache(lambda: gzip.compress(content, mtime=0))  # when it is asked for first

    async def file(request: Request) -> Response:
        said = {"Vary": "Accept, Accept-Encoding"}
        if not takes_gzip(request):
            return answer(request, content, media, quoted(digest), headers=said)
        said["Content-Encoding"] = "gzip"
        return answer(request, packed(), media, quoted(f"{digest}-gzip"), headers=said)

    return APIRoute(f"/{address}", file, include_in_schema=False, response_model=None)
