"""The page's files, handed out by the server: a route for each, so that no address is a path."""

from __future__ import annotations

import gzip
import hashlib
from functools import lru_cache
from pathlib import Path

from fastapi import Request, Response
from fastapi.routing import APIRoute

from viz.studio.page import KINDS, files
from viz.studio.replies import answer, quoted, takes_gzip

__all__ = ["routes"]


def routes() -> list[APIRoute]:
    """A route for each file."""
    return [_route(address, path) for address, path in files().items()]


def _route(address: str, path: Path) -> APIRoute:
    media = KINDS[path.suffix]

    async def file(request: Request) -> Response:
        content = path.read_bytes()
        digest = hashlib.sha256(content).hexdigest()[:32]
        said = {"Vary": "Accept, Accept-Encoding"}
        if not takes_gzip(request):
            return answer(request, content, media, quoted(digest), headers=said)
        said["Content-Encoding"] = "gzip"
        return answer(request, _packed(content), media, quoted(f"{digest}-gzip"), headers=said)

    return APIRoute(f"/{address}", file, include_in_schema=False, response_model=None)


@lru_cache(maxsize=128)
def _packed(content: bytes) -> bytes:
    """A quarter as long; kept, because that takes longer than to read a file."""
    return gzip.compress(content, mtime=0)
