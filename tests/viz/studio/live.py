"""A studio that answers at a port, and events as they come, for the tests of what goes on."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from tests.viz.studio.client import TOKEN
from viz.studio.app import create
from viz.studio.studio import Studio

LIMIT = 60.0  # seconds, that only what hangs takes


class Server(uvicorn.Server):
    """Ends the streams when it ends, as the studio's own does."""

    def __init__(self, studio: Studio) -> None:
        super().__init__(uvicorn.Config(create(studio), log_level="error", ws="none"))
        self.studio = studio

    async def shutdown(self, sockets=None):
        self.studio.ending.set()
        await super().shutdown(sockets)


class Live:
    """A studio that answers."""

    def __init__(self, studio: Studio, server: Server, thread: threading.Thread, port: int) -> None:
        self.studio, self.server, self.thread, self.port = studio, server, thread, port
        self.opened: list[Events] = []

    def events(self, path: str, last: str | None = None) -> Events:
        """The events at an address."""
        headers = {} if last is None else {"Last-Event-ID": last}
        self.opened.append(Events(self.port, path, headers))
        return self.opened[-1]

    def close(self) -> None:
        """Have the server end."""
        self.server.should_exit = True


class Events:
    """The events that a stream has: tuples of event, id (None without one) and data."""

    def __init__(self, port: int, path: str, headers: dict[str, str]) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT)
        self.connection.request("GET", path, headers=headers)
        self.answer = self.connection.getresponse()

    def __iter__(self) -> Iterator[tuple[str, str | None, object]]:
        found: dict[str, str] = {}
        for line in map(bytes.decode, self.answer):
            name, _, value = line.rstrip("\n").partition(": ")
            if name:
                found[name] = value
            elif found:
                yield found["event"], found.get("id"), json.loads(found["data"])
                found = {}

    def close(self) -> None:
        """Read no more."""
        self.answer.close()
        self.connection.close()


@contextmanager
def live(**how) -> Iterator[Live]:
    """A studio that is made `how` the fields of Studio say, until this ends."""
    studio = Studio(TOKEN, **how)
    server = Server(studio)
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, args=[[bound]])
        thread.start()
        try:
            while not server.started:
                thread.join(0.01)
                assert thread.is_alive()
            yield (served := Live(studio, server, thread, bound.getsockname()[1]))
        finally:
            served.close()
            thread.join(LIMIT)
            for each in served.opened:
                each.close()
            assert not thread.is_alive()
