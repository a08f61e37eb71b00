"""An application for the tests of the server: routes that each do one thing to a connection."""

from __future__ import annotations

import asyncio
import time

from fastapi import FastAPI, Request
from fastapi.responses import Response, StreamingResponse

TOKEN = "a-token-that-nobody-sees"


def application():
    """The routes."""
    app = FastAPI()

    @app.get("/")
    def hello():
        return Response(b"hello")

    @app.post("/length")
    async def length(request: Request):
        return len(await request.body())

    @app.post("/unread")
    async def unread():
        return Response(b"no", 413)

    @app.get("/large")
    async def large():
        return Response(bytes(40_000_000))

    @app.get("/wait")
    async def wait():
        await asyncio.sleep(30)

    @app.get("/soon")
    async def soon():
        await asyncio.sleep(0.3)

    @app.get("/spin")
    async def spin():  # in the event loop, which no route may
        while True:
            time.sleep(0.01)

    @app.get("/sleep")
    def sleep():  # in a thread, which nobody can end
        time.sleep(30)

    @app.get("/stream")
    async def stream():
        async def events():
            while True:
                yield b"data: x\n\n"
                await asyncio.sleep(0.01)

        return StreamingResponse(events(), media_type="text/event-stream")

    @app.get("/fault")
    async def fault():
        raise RuntimeError(f"something with {TOKEN} in it")

    return app
