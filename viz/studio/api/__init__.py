"""The routes of the studio, a file for each kind of thing: app.py takes the `router` of each."""

from fastapi import APIRouter

from viz.studio.replies import errors

__all__ = ["new_router"]

ALWAYS = errors(400, 401, 403, 406, 413, 415, 421, 422, 500, 503)  # what the guard and all say


def new_router(tag: str, prefix: str = "") -> APIRouter:
    """A router for routes below /api."""
    return APIRouter(
        prefix=f"/api{prefix}",
        tags=[tag],
        responses=ALWAYS,
        generate_unique_id_function=lambda route: route.name,  # what links call it
    )
