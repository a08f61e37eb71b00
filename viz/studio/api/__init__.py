"""The routes of the studio, a file for each kind of thing: app.py takes the `router` of each."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.dependencies.utils import get_flat_params
from fastapi.params import Query
from fastapi.routing import APIRoute

from viz.studio.replies import Refusal, errors

__all__ = ["Exact", "new_router"]

ALWAYS = errors(400, 401, 403, 406, 413, 415, 421, 422, 500, 503)  # what the guard and all say


class Exact(APIRoute):
    """A route that takes the query parameters that it names, each once, and refuses others: what is
    misspelt would else be done in another way than was asked."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's, behind that check."""
        handle = super().get_route_handler()

        async def exact(request: Request) -> Response:
            if request.scope["query_string"]:
                self._check(request)
            return await handle(request)

        return exact

    def _check(self, request: Request) -> None:
        parameters = get_flat_params(self.dependant)
        known = [each.alias for each in parameters if isinstance(each.field_info, Query)]
        given = [name for name, _ in request.query_params.multi_items()]
        for name in given:
            if name not in known:
                expected = f"one of {', '.join(known)}" if known else "no parameters"
                raise Refusal(422, "query", expected, name)
            if given.count(name) > 1:
                raise Refusal(422, f"query.{name}", "it once", f"it {given.count(name)} times")


def new_router(tag: str, prefix: str = "") -> APIRouter:
    """A router for routes below /api."""
    return APIRouter(
        prefix=f"/api{prefix}",
        tags=[tag],
        route_class=Exact,
        responses=ALWAYS,
        generate_unique_id_function=lambda route: route.name,  # what links call it
    )
