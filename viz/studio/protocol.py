"""HTTP/1.1 on one connection: uvicorn's, with bounds on what a client may send, and how slowly.

What it refuses never reaches the application (app.py), whose own bounds are in guard.py. A refused
client is told why: the answer is followed by the end of what we send, and what still comes in is
thrown away for a moment. To close at once, with bytes unread, would have TCP drop the answer too.
"""

from __future__ import annotations

import asyncio
import math
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from viz.studio.replies import JSON, Refusal

__all__ = ["Limits", "Protocol"]

AUTHORITY = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*://([^/?#]*)")  # GET http://localhost/ HTTP/1.1


@dataclass(frozen=True)
class Limits:
    """Of one connection, but for the first. Times are in seconds."""

    connections: int = 256
    head: int = 64 * 1024  # bytes of request line and headers
    target: int = 8 * 1024  # bytes of the address in the request line
    headers: int = 100
    pipelined: int = 16  # requests sent before the answer to the one before them
    head_time: float = 10  # from its first byte to its last
    idle_time: float = 30  # between an answer and the next request
    stall_time: float = 30  # without a byte of a body that is due, or of an answer being taken
    linger_time: float = 2  # after a refusal, or an answer to a body that is still coming
    excess: int = 64 * 1024  # bytes of such a body that are thrown away


class Refused(Exception):  # noqa: N818  it is no error of ours
    """Raised within the parser, which ends it; the protocol has noted why."""


class Protocol(HttpToolsProtocol):
    """A connection. `check` is to be called a few times a second."""

    limits = Limits()

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._refusal: Refusal | None = None
        self._running: RequestResponseCycle | None = None  # the request that is being answered
        self._is_over = False  # nothing that comes is looked at any more
        self._is_head = True  # a request's head is due, or coming; else its body
        self._size = 0  # bytes since the last whole request
        self._head_size = 0  # bytes of the headers so far
        self._excess = 0  # bytes of a body since it was answered
        self._deadline = math.inf  # when what is due has to be here
        self._left = (math.inf, 0)  # when to look again how many bytes wait to be taken

    # --- what comes in ---

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Refuse one that is too many."""
        super().connection_made(transport)
        self._due(self.limits.head_time)
        most = self.limits.connections
        if len(self.connections) > 2 * most:  # of which half were told
            self.cut_off()
        elif len(self.connections) > most:
            found = str(len(self.connections))
            self._refuse(Refusal(503, "connections", f"at most {most} at a time", found))

    def data_received(self, data: bytes) -> None:
        """Parse it. The callbacks below are called meanwhile."""
        if self._is_over:
            return
        if self._is_head and not self._size:
            self._due(self.limits.head_time)
        self._size += len(data)
        super().data_received(data)
        if self._is_head and self._size > self.limits.head and not self._is_over:
            self._refuse(self._head_too_large())

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_size = 0
        self._size = self._size or 1  # it may follow another in the same bytes
        self._due(self.limits.head_time)

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        most = self.limits.target
        if len(self.url) > most:
            expected = f"an address of at most {most:,} bytes"
            self._stop(Refusal(414, "request line", expected, "a longer one"))

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._is_head:  # after a body in chunks: nobody asks for these
            return
        super().on_header(name, value)
        self._head_size += len(name) + len(value) + 4  # with colon, space and end of line
        if self._head_size > self.limits.head:
            self._stop(self._head_too_large())
        if len(self.headers) > self.limits.headers:
            expected = f"at most {self.limits.headers} of them"
            self._stop(Refusal(431, "headers", expected, "more"))

    def on_headers_complete(self) -> None:
        if authority := AUTHORITY.match(self.url):  # it counts, and not Host: RFC 9112, 3.2.2
            others = [each for each in self.headers if each[0] != b"host"]
            self.headers[:] = [(b"host", authority[1]), *others]
        super().on_headers_complete()
        if self.parser.should_upgrade():
            # To a WebSocket, or HTTP/2: the request is answered as any other, and is the last one,
            # for the parser does not look at what comes after it.
            self.cycle.keep_alive = False
        self._is_head = False
        self._due(self.limits.stall_time)
        if not self.pipeline:
            self._running = self.cycle
        if len(self.pipeline) > self.limits.pipelined:
            raise Refused

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        if not self.cycle.response_complete:
            self._due(self.limits.stall_time)
            return
        self._excess += len(body)
        if self._excess > self.limits.excess:
            self._stop(Refusal(413, "body", "its end, for it was answered", "more of it"))

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._is_head = True
        self._size = self._excess = 0
        self._due(self.limits.idle_time if self.cycle.response_complete else math.inf)

    def send_400_response(self, msg: str) -> None:
        """Answer a request that the parser has refused."""
        refusal = Refusal(400, "request", "HTTP/1.1 as RFC 9112 has it", "another")
        self._refuse(self._refusal or refusal)

    # --- what goes out ---

    def on_response_complete(self) -> None:
        if self.pipeline:
            self._running = self.pipeline[-1][0]
        super().on_response_complete()
        if not self._is_head:
            self._due(self.limits.linger_time)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._look_at_writing()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._left = (math.inf, 0)

    # --- time ---

    def check(self) -> None:
        """Close the connection if the client has been too slow."""
        now = self.loop.time()
        if now > self._left[0]:
            if self.transport.get_write_buffer_size() >= self._left[1]:
                self.cut_off()
                return
            self._look_at_writing()
        if now <= self._deadline:
            return
        if self._is_over:
            self.cut_off()
        elif self.flow.read_paused:  # the application is slow, not the client
            self._due(self.limits.stall_time)
        elif self._is_head and not self._size:
            self.transport.close()
        else:
            self._refuse(self._too_slow())

    def leave(self) -> None:
        """End a connection because the server ends: with 503 where an answer is due."""
        if self._is_answering():
            self._is_head = False  # no other request comes after the one that is refused
            self._refuse(Refusal(503, "server", "that it runs", "that it is ending"))

    def cut_off(self) -> None:
        """End a connection as it is."""
        self._forget()
        self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Of several requests that were sent ahead, uvicorn forgets the last one alone."""
        super().connection_lost(exc)
        self._forget()

    def _forget(self) -> None:
        """Have what is being answered know that nobody reads it."""
        if self._running is not None:
            self._running.disconnected = True
            self._running.message_event.set()

    def _is_answering(self) -> bool:
        return self._running is not None and not self._running.response_complete

    def _due(self, seconds: float) -> None:
        self._deadline = self.loop.time() + seconds

    def _look_at_writing(self) -> None:
        waiting = self.transport.get_write_buffer_size()
        self._left = (self.loop.time() + self.limits.stall_time, waiting)

    # --- refusals ---

    def _head_too_large(self) -> Refusal:
        return Refusal(431, "headers", f"at most {self.limits.head:,} bytes", "more")

    def _too_slow(self) -> Refusal:
        if self._is_head:
            seconds = self.limits.head_time
            return Refusal(408, "headers", f"all of them within {seconds:g} s", "some of them")
        return Refusal(408, "body", f"more of it within {self.limits.stall_time:g} s", "none")

    def _stop(self, refusal: Refusal) -> None:
        """Have the parser end, and `send_400_response` answer."""
        self._refusal = refusal
        raise Refused

    def _refuse(self, refusal: Refusal) -> None:
        """Answer, where no other answer has begun, and look at nothing that comes."""
        if self.transport.is_closing():
            return
        is_answering = self._is_answering()
        if self.pipeline or (is_answering and (self._is_head or self.cycle.response_started)):
            self.cut_off()  # in the middle of an answer to a request before this one
            return
        if is_answering:
            self._forget()
        if self._is_head or is_answering:
            self.transport.write(answer(refusal))
        self._is_over = True
        self._unset_keepalive_if_required()
        self.flow.resume_reading()
        self._due(self.limits.linger_time)
        self.transport.write_eof()


def answer(refusal: Refusal) -> bytes:
    """The whole of an HTTP response, the last on its connection."""
    body = refusal.body()
    lines = [
        f"HTTP/1.1 {refusal.status} {HTTPStatus(refusal.status).phrase}",
        f"content-type: {JSON}",
        f"content-length: {len(body)}",
        "x-content-type-options: nosniff",
        "connection: close",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body
