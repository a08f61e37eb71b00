"""The application: the routes below /api behind the guard, and the page."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import metadata
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match

from data import DataError
from models.command_line import InputError
from viz.studio import sentences
from viz.studio.api import (
    datasets,
    debug,
    jobs,
    modules,
    network,
    novelty,
    race,
    runs,
    samples,
    server,
    train,
    weights,
)
from viz.studio.guard import Guard
from viz.studio.page.routes import routes
from viz.studio.replies import JSON, Refusal
from viz.studio.studio import Studio

__all__ = ["create"]

ROUTERS = (
    samples.router,  # first: it is asked for the most
    server.router,
    datasets.router,
    novelty.router,
    weights.router,
    train.router,
    network.router,
    modules.router,
    race.router,
    jobs.router,
    runs.router,
    debug.router,
)


def create(studio: Studio) -> FastAPI:
    """The application of a studio: an ASGI application, whose `openapi()` describes the API."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await studio.start()
        try:
            yield
        finally:
            await studio.close()

    app = Application(
        title="Chainrule's studio",
        version=metadata.version("chainrule"),
        docs_url=None,  # its page loads scripts from elsewhere
        redoc_url=None,
        openapi_url="/api/openapi.json",
        redirect_slashes=False,
        lifespan=lifespan,
    )
    app.state.studio = studio
    for router in ROUTERS:  # not by include_router, whose matching takes as long as an answer
        app.router.routes += router.routes
    app.router.routes += routes()
    for kind, handler in HANDLERS.items():
        app.add_exception_handler(kind, handler)
    app.add_middleware(
        Guard,
        token=studio.token,
        hosts=studio.hosts,
        origins=studio.origins,
        read_only=studio.read_only,
    )
    return app


class Application(FastAPI):
    """FastAPI's, whose description says too which operations need the token."""

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document."""
        said = super().openapi()
        said["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        for operations in said["paths"].values():
            for method, operation in operations.items():
                if method != "get":
                    operation["security"] = [{"token": []}]
        return said


# --- errors, all with one body --------------------------------------------------------------------


async def _refused(request: Request, error: Any) -> Response:
    refusal: Refusal = error
    return refusal.response()


async def _wrong_input(request: Request, error: Any) -> Response:
    return Refusal.of(error).response()


async def _invalid(request: Request, error: Any) -> Response:
    """What pydantic found first."""
    first = error.errors()[0]
    media = request.headers.get("content-type", "none")
    if first["loc"] == ("body",) and isinstance(error.body, bytes) and error.body:
        return Refusal(415, "Content-Type", JSON, media).response()
    return sentences.refusal(first).response()


async def _no_route(request: Request, error: Any) -> Response:
    """What Starlette says: an address that is none, a method that an address does not take."""
    path = request.url.path
    if error.status_code == 405:
        allowed = ", ".join(_methods(request))
        refusal = Refusal(405, path, allowed, request.method, {"Allow": allowed})
    elif error.status_code == 404:
        refusal = Refusal(404, "address", "one that /api/openapi.json describes", path)
    else:
        refusal = Refusal(error.status_code, path, "a request that can be read", error.detail)
    return refusal.response()


def _methods(request: Request) -> list[str]:
    """Those that an address takes, of all its routes."""
    routes = [each for each in request.app.routes if each.matches(request.scope)[0] != Match.NONE]
    found = {method for route in routes for method in route.methods}
    return sorted(found | ({"HEAD"} if "GET" in found else set()))


async def _fault(request: Request, error: Any) -> Response:
    """Anything else is ours; Starlette logs it after this."""
    logging.getLogger("chainrule.studio").debug("%s %s", request.method, request.url.path)
    expected = "no fault of the studio's own; what it was stands where the studio was started"
    return Refusal(500, request.url.path, expected, type(error).__name__).response()


HANDLERS: dict[Any, Any] = {
    Refusal: _refused,
    InputError: _wrong_input,
    DataError: _wrong_input,
    RequestValidationError: _invalid,
    HTTPException: _no_route,
    Exception: _fault,
}
