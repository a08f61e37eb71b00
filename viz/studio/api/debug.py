"""`/api/debug`: an expression with its numbers as the debugger's page, in a tab of its own.

All that it shows is in its address, which anybody may have made: it is read and never run, computed
in the engine's worker within bounds, and shown in an origin of its own, from which nothing of the
studio's can be reached.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import Depends, Query, Request, Response
from fastapi.exceptions import RequestValidationError

from models.command_line import InputError
from viz.studio import sentences
from viz.studio.api import Exact, new_router
from viz.studio.engine.steps import steps
from viz.studio.replies import HTML, JSON, Refusal, accepted, answer, quoted
from viz.studio.studio import Studio, studio_of

__all__ = ["router"]

LIMIT = 10.0  # seconds; 400 nodes, the most that the debugger takes, are a second's work
HEADERS = {
    # The page says itself which one script may run. Browsers open nothing that is sandboxed and has
    # a policy of openers besides: it has none, and nothing to keep from them.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox allow-scripts"
    ),
    "Cross-Origin-Opener-Policy": "unsafe-none",
}
PAGE: dict[int | str, dict[str, Any]] = {
    200: {"content": {HTML: {"schema": {"type": "string"}}}, "description": "A page."},
    304: {"description": "It is what If-None-Match names."},
}


class Readable(Exact):
    """A route that people open in a tab: what it refuses is a page there too."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """That of other routes, within that."""
        handle = super().get_route_handler()

        async def readable(request: Request) -> Response:
            try:
                return await handle(request)
            except (Refusal, RequestValidationError, InputError) as error:
                if accepted(request, JSON, HTML) == JSON:
                    raise
                return _refusal(error).page()

        return readable


def _refusal(error: Any) -> Refusal:
    if isinstance(error, RequestValidationError):
        return sentences.refusal(error.errors()[0])
    return error if isinstance(error, Refusal) else Refusal.of(error)


router = new_router("debug")
router.route_class = Readable


@router.get("/debug", response_class=Response, responses=PAGE)
async def debug(
    request: Request,
    studio: Annotated[Studio, Depends(studio_of)],
    of: Annotated[str, Query(max_length=4000, description="An expression: tanh(x*w + b).")],
    at: Annotated[str, Query(max_length=8000, description="Its numbers: x=2 w=-0.5 b=1.")] = "",
) -> Response:
    """A page that steps through an expression, forward and backward, as `python -m viz debug`."""
    accepted(request, HTML)
    content = (await studio.engine.call(steps, of, at, limit=LIMIT)).encode()
    tag = quoted(hashlib.sha256(content).hexdigest()[:32])
    return answer(request, content, HTML, tag, headers=HEADERS)
