"""The studio's page: plain modules of JavaScript, which the server hands out as they are.

index.html loads app.js, which shows the view that the address names (state.js); api.js asks the
server. data/ is the view of the examples: grid.js, order.js and layers.js are numbers alone,
paint.js draws one, beside.js shows the chosen one and the classes. Its workers are reader.js, which
fetches them, and painter.js, which draws all of them (atlas.js).
"""

from __future__ import annotations

import gzip
import hashlib
from functools import lru_cache
from pathlib import Path

from fastapi import Request, Response
from fastapi.routing import APIRoute

from viz import page as shared
from viz.studio.replies import answer, quoted, takes_gzip

__all__ = ["files", "routes"]

FOLDER = Path(__file__).parent
KINDS = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}


def files() -> dict[str, Path]:
    """Every file of the page by its address, which is its place below viz/; index.html is at "".

    >>> found = files()
    >>> found[""].name, "page/dom.js" in found, "studio/page/app.js" in found
    ('index.html', True, True)
    """
    root = shared.FOLDER.parent
    found = [
        path
        for folder in (shared.FOLDER, FOLDER)
        for path in folder.rglob("*")
        if path.suffix in KINDS and path.name != "index.html"
    ]
    return {
        "": FOLDER / "index.html",
        **{path.relative_to(root).as_posix(): path for path in found},
    }


def routes() -> list[APIRoute]:
    """A route for each file: no address is ever a path."""
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
