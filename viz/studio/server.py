"""From an application and a listening socket to answers, until a signal ends it: uvicorn, with the
bounds of protocol.py, and with an end of its own.

uvicorn waits for open connections before it ends, and a stream of events is one that stays open.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

import uvicorn
from fastapi import FastAPI
from starlette.requests import ClientDisconnect

from models.command_line import printable
from viz.studio.protocol import Protocol

__all__ = ["Server", "serve"]

TICK = 0.1  # seconds between looking for signals, and at connections
GRACE = 0.3  # seconds in which a request may still be answered when the server ends
LEFT = 0.2  # seconds for what is cut off then
QUIET = (asyncio.CancelledError, KeyboardInterrupt, ClientDisconnect)
LOGGERS = ("uvicorn.error", "asyncio")


def serve(
    app: FastAPI,
    listener: socket.socket,
    received: list[int],
    ready: Callable[[], None],
    ending: Callable[[], None],
    secrets: Iterable[str] = (),
    protocol: type[Protocol] = Protocol,
) -> None:
    """Answer requests by an ASGI application, until there is a signal in `received`.

    ready: is called when the first request can be answered. ending: when no more are accepted, so
    that streams end themselves. secrets: texts that no error may show.
    """
    server = Server(app, received, ready, ending, protocol)
    with complaints(tuple(secrets)):
        server.run([listener])


class Server(uvicorn.Server):
    """uvicorn's, which looks at a list of signals and ends within a second of one."""

    def __init__(
        self,
        app: FastAPI,
        received: list[int],
        ready: Callable[[], None],
        ending: Callable[[], None],
        protocol: type[Protocol],
    ) -> None:
        config = uvicorn.Config(
            app,
            http=protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=protocol.limits.idle_time,  # type: ignore[arg-type]
        )
        super().__init__(config)
        self._app = app
        self._received, self._ready, self._ending = received, ready, ending

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """They are captured already, before anything that takes long."""
        yield

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn, but what the application raises as it starts is raised here."""
        async with self._app.router.lifespan_context(self._app):
            await super().serve(sockets)

    async def main_loop(self) -> None:
        self._ready()
        count = 0
        while not self._received:
            await self.on_tick(count)  # it knows what time it is, for the header Date
            for connection in self._connections():
                connection.check()
            count += 1
            await asyncio.sleep(TICK)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer what has been asked, for a moment; then end what is left."""
        for server in self.servers:
            server.close()
        self._ending()
        for connection in self._connections():
            connection.shutdown()
        tasks = self.server_state.tasks
        await _done(tasks, GRACE)
        for connection in self._connections():
            connection.leave()
        for task in tasks:
            task.cancel()
        await _done(tasks, LEFT)
        for connection in self._connections():
            connection.cut_off()

    def _connections(self) -> list[Protocol]:
        return list(self.server_state.connections)  # type: ignore[arg-type]


async def _done(tasks: Iterable[asyncio.Task[None]], seconds: float) -> None:
    """Wait for them, but not for longer."""
    if waited := list(tasks):
        await asyncio.wait(waited, timeout=seconds)


# --- what goes wrong within -----------------------------------------------------------------------


class Complaints(logging.Handler):
    """Errors of ours, with their tracebacks, on standard error: without secrets and escape codes,
    and not what only says that a client has gone or the server ends."""

    def __init__(self, secrets: tuple[str, ...]) -> None:
        super().__init__(logging.ERROR)
        self._secrets = secrets

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, QUIET):
            return
        text = self.format(record)
        for secret in self._secrets:
            text = text.replace(secret, "[token]")
        lines = [printable(line) for line in text.rstrip().split("\n")]
        with suppress(OSError, ValueError):
            print("\n".join(lines), file=sys.stderr, flush=True)


@contextmanager
def complaints(secrets: tuple[str, ...]) -> Iterator[None]:
    """Have errors that are logged below shown; and warnings, which are about clients, not."""
    handler = Complaints(secrets)
    loggers = [logging.getLogger(name) for name in LOGGERS]
    before = [(logger.level, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.ERROR)
        logger.propagate = False
    try:
        yield
    finally:
        for logger, (level, propagate) in zip(loggers, before, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(level)
            logger.propagate = propagate
