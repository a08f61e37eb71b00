"""An application for the tests of the server: routes that each do one thing to a connection."""

from __future__ import annotations

import asyncio
import time

from fastapi import FastAPI, Request
from fastapi.responses import Response, StreamingResponse

TOKEN = "a-token-that-nobody-sees"


def application():
    """Each of the functions below, at an address of its name."""
    app = FastAPI()
    for route in (hello, host, large, soon, wait, sleep, spin, stream, fault):
        app.add_api_route("/" if route is hello else f"/{route.__name__}", route)
    for route in (length, unread):
        app.add_api_route(f"/{route.__name__}", route, methods=["POST"])
    return app


def hello():
    return Response(b"hello")


async def host(request: Request):
    return Response(request.headers["host"])


async def length(request: Request):
    return len(await request.body())


async def unread():
    return Response(b"no", 413)


async def large():
    return Response(bytes(40_000_000))


async def soon():
    await asyncio.sleep(0.3)


async def wait():
    await asyncio.sleep(30)


def sleep():  # in a thread, which nobody can end
    time.sleep(30)


async def spin():  # in the event loop, which no route may
    while True:
        time.sleep(0.01)


async def stream():
    async def events():
        while True:
            yield b"data: x\n\n"
            await asyncio.sleep(0.01)

    return StreamingResponse(events(), media_type="text/event-stream")


async def fault():
    raise RuntimeError(f"something with {TOKEN} in it")
