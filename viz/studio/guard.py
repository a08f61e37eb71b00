"""What every request has to pass, before any route sees it; and the headers of every answer.

- Host names this machine, or a host that `--allow-host` names: else a page of any site could reach
  the server under a name of its own that it points at 127.0.0.1 (DNS rebinding).
- Origin, where a browser sends one, is the server's own or one that `--allow-origin` names.
- Everything but GET and HEAD needs the token, from this machine too: other users and other pages
  reach a port as well.
- A body has a bound and is not encoded; all bodies together have a bound too. (How long one may
  take, protocol.py says.)
"""

from __future__ import annotations

import asyncio
import hmac
import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from viz.studio.replies import Refusal

__all__ = ["Guard", "origin", "split_host"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = Iterable[tuple[bytes, bytes]]

MB = 2**20
SMALL = 1 * MB  # bytes of a body, where the next line names no other bound
LARGE = {
    "/api/weights": 64 * MB,
    "/api/train": 16 * MB,
    "/api/predict": 16 * MB,
    "/api/activations": 16 * MB,
    "/api/gradient": 16 * MB,
    "/api/prepare": 32 * MB,
}
ALL = 128 * MB  # bytes of all bodies that are being read or answered, each held twice at times
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
READING = ("GET", "HEAD")
# These compute, and change nothing: a server that is --read-only answers them.
COMPUTING = ("/api/predict", "/api/prepare", "/api/activations", "/api/gradient", "/api/race")
HOST = re.compile(r"(?P<name>\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(:(?P<port>\d{0,5}))?")
PORTS = {"http": 80, "https": 443}
BEARER = b"bearer "
DECIDING = (b"host", b"origin", b"authorization", b"content-length", b"content-encoding")

POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; "
    "img-src 'self' data: blob:; connect-src 'self'; worker-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors {}"
)
HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
EXPOSED = b"ETag, Location, Content-Location, Retry-After, Allow"
ALLOWED = b"Authorization, Content-Type, If-Match, If-None-Match, Last-Event-ID"
METHODS = b"GET, HEAD, POST, PUT, DELETE"


class Guard:
    """An ASGI application that lets through to `app` what may pass.

    token: what `Authorization: Bearer` has to say. hosts, origins: the further ones that are
    answered, as `split_host` and `origin` write them. read_only: refuse what changes anything.
    """

    def __init__(
        self, app: Any, token: str, hosts: Iterable[str], origins: Iterable[str], read_only: bool
    ) -> None:
        self.app, self.read_only = app, read_only
        self.hosts = LOOPBACK | {host.lower() for host in hosts}
        self.origins = frozenset(origins)
        self._headers = security(self.origins)
        self._token = token.encode()
        self._bytes = 0  # of bodies that are here

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        exchange = Exchange(scope, receive, send, self._headers)
        try:
            await self._pass(scope, single(scope["headers"]), exchange)
        except Refusal as refusal:
            if exchange.begun:
                raise
            await refusal.response()(scope, receive, exchange.send)

    async def _pass(self, scope: Scope, headers: dict[bytes, bytes], exchange: Exchange) -> None:
        self._check_host(headers)
        other = self._check_origin(headers)
        if other:
            exchange.add(cors(other))
        if scope["method"] == "OPTIONS" and other and b"access-control-request-method" in headers:
            await exchange.preflight()
            return
        if scope["method"] in READING:
            await self.app({**scope, "method": "GET"}, exchange.receive, exchange.send)
            return
        self._check_token(headers)
        self._check_writable(scope)
        size = self._check_length(scope, headers)
        body = await self._read(exchange, size)
        try:
            await self.app(scope, exchange.replay(body), exchange.send)
        finally:
            self._bytes -= size

    # --- who asks ---

    def _check_host(self, headers: dict[bytes, bytes]) -> None:
        if b"host" not in headers:
            raise Refusal(400, "Host", "the name that the address begins with", "none")
        found = headers[b"host"].decode("latin-1")
        name = split_host(found)[0]
        if name not in self.hosts:
            expected = "a name of this machine, or one that --allow-host names"
            raise Refusal(421, "Host", expected, found or "nothing")

    def _check_origin(self, headers: dict[bytes, bytes]) -> str:
        """The other origin that asks and may; empty where it is the server's own, or none."""
        found = headers.get(b"origin")
        if found is None:
            return ""
        text = found.decode("latin-1")
        if text in self.origins:
            return text
        scheme, _, host = text.partition("://")
        if scheme in PORTS and split_host(host)[0]:  # https: of a proxy before the server
            asked = headers.get(b"host", b"").decode("latin-1")
            if _with_port(host, scheme) == _with_port(asked, scheme):
                return ""
        expected = "the server's own, or one that --allow-origin names"
        raise Refusal(403, "Origin", expected, text)

    def _check_token(self, headers: dict[bytes, bytes]) -> None:
        given = headers.get(b"authorization", b"")
        is_bearer = given[: len(BEARER)].lower() == BEARER
        if is_bearer and hmac.compare_digest(given[len(BEARER) :].strip(), self._token):
            return
        found = "another" if is_bearer else "another scheme" if given else "none"
        raise Refusal(
            401,
            "Authorization",
            "Bearer and the token that the studio printed when it started",
            found,
            {"WWW-Authenticate": "Bearer"},
        )

    def _check_writable(self, scope: Scope) -> None:
        if self.read_only and scope["path"] not in COMPUTING:
            computing = ", ".join(COMPUTING)
            expected = f"GET or HEAD, or POST to {computing}: the studio runs with --read-only"
            raise Refusal(403, "method", expected, scope["method"])

    # --- bodies ---

    def _check_length(self, scope: Scope, headers: dict[bytes, bytes]) -> int:
        """The bytes that a body may have: as many as it says, else as many as are allowed."""
        encoding = headers.get(b"content-encoding", b"").decode("latin-1")
        if encoding.strip().lower() not in ("", "identity"):
            raise Refusal(
                415, "Content-Encoding", "none", encoding, {"Accept-Encoding": "identity"}
            )
        most = LARGE.get(scope["path"], SMALL)
        said = headers.get(b"content-length", b"").decode("latin-1")
        if said and not re.fullmatch(r"\d{1,18}", said, re.ASCII):
            raise Refusal(400, "Content-Length", "a whole number", said)
        size = int(said or (most if b"transfer-encoding" in headers else 0))
        if size > most:
            raise too_large(most, f"{size:,}")
        if self._bytes + size > ALL:
            expected = f"at most {ALL:,} bytes in all requests at a time"
            raise Refusal(503, "body", expected, "more", {"Retry-After": "1"})
        return size

    async def _read(self, exchange: Exchange, size: int) -> bytes:
        self._bytes += size
        try:
            return await exchange.body(size)
        except BaseException:
            self._bytes -= size
            raise


class Exchange:
    """A request's messages, in and out, with the headers that every answer has."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, headers: Headers) -> None:
        self._headers = list(headers)
        self._receive, self._send = receive, send
        self._is_head = scope["method"] == "HEAD"
        self.begun = False
        self._is_over = asyncio.Event()

    def add(self, headers: Headers) -> None:
        """Have the answer carry these headers too."""
        self._headers += headers

    async def send(self, message: Message) -> None:
        """What `app` sends, with the headers that it has not set itself; to HEAD, without the
        body."""
        if message["type"] == "http.response.start":
            self.begun = True
            own = {name for name, _ in message["headers"]} - {b"vary"}
            more = [each for each in self._headers if each[0] not in own]
            message = {**message, "headers": [*message["headers"], *more]}
        elif self._is_head:
            if self._is_over.is_set():
                return
            self._is_over.set()
            message = {"type": "http.response.body", "body": b""}
        await self._send(message)

    async def receive(self) -> Message:
        """What comes of the request; a stream that answers HEAD is over at once."""
        if self._is_over.is_set():
            return {"type": "http.disconnect"}
        return await self._receive()

    async def body(self, most: int) -> bytes:
        """The whole body. Raises a Refusal where it is longer, or the client goes."""
        content = bytearray()
        more = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise Refusal(400, "body", f"{most:,} bytes", f"{len(content):,}")
            content += message.get("body", b"")
            if len(content) > most:
                raise too_large(most, "more")
            more = message.get("more_body", False)
        return bytes(content)

    def replay(self, body: bytes) -> Receive:
        """Receives the body that was read, in one piece, and then what comes."""
        messages = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Message:
            return messages.pop() if messages else await self._receive()

        return receive

    async def preflight(self) -> None:
        """Tell another origin what it may ask."""
        headers = [
            (b"access-control-allow-methods", METHODS),
            (b"access-control-allow-headers", ALLOWED),
            (b"access-control-max-age", b"600"),
        ]
        await self.send({"type": "http.response.start", "status": 204, "headers": headers})
        await self.send({"type": "http.response.body", "body": b""})


def single(headers: Headers) -> dict[bytes, bytes]:
    """Headers by name. Raises a Refusal where one that decides who may pass is there twice: one
    of the two would be looked at here, and the other one elsewhere."""
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in DECIDING and name in found:
            raise Refusal(400, name.decode().title(), "it once", "it twice")
        found[name] = value
    return found


def security(origins: Iterable[str]) -> list[tuple[bytes, bytes]]:
    """The headers of every answer. A page of another origin that is answered may show the studio in
    a frame too: framed, the page never uses the token, so that no click there changes anything."""
    ancestors = " ".join(sorted(origins)) or "'none'"
    headers = {"Content-Security-Policy": POLICY.format(ancestors), **HEADERS}
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]


def too_large(most: int, found: str) -> Refusal:
    """Of a body, or of the arrays in it."""
    return Refusal(413, "body", f"at most {most:,} bytes", found)


def cors(other: str) -> list[tuple[bytes, bytes]]:
    """The headers by which a page of another origin may read the answer."""
    return [
        (b"access-control-allow-origin", other.encode("latin-1")),
        (b"access-control-expose-headers", EXPOSED),
        (b"vary", b"Origin"),
    ]


def split_host(text: str) -> tuple[str, str]:
    """The name, in small letters and without brackets, and the port of a Host header; two empty
    texts where it is none.

    >>> split_host("[::1]:8000"), split_host("LocalHost"), split_host("a b")
    (('::1', '8000'), ('localhost', ''), ('', ''))
    """
    found = HOST.fullmatch(text)
    if not found:
        return "", ""
    return found["name"].strip("[]").lower().removesuffix("."), found["port"] or ""


def origin(text: str) -> str:
    """An origin as browsers write it. Raises ValueError for what is none.

    >>> origin("https://Example.com/")
    'https://example.com'
    """
    wrong = ValueError(f"expected an origin, as https://example.com, found {text!r}")
    try:
        parts = urlsplit(text)
    except ValueError:
        raise wrong from None
    name, port = split_host(parts.netloc)
    is_origin = parts.scheme in PORTS and name and int(port or 0) <= 65_535
    if not is_origin or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise wrong
    shown = f"[{name}]" if ":" in name else name
    is_usual = not port or int(port) == PORTS[parts.scheme]
    return f"{parts.scheme}://{shown}" + ("" if is_usual else f":{port}")


def _with_port(host: str, scheme: str) -> tuple[str, int]:
    name, port = split_host(host)
    return name, int(port or PORTS[scheme])
