"""The address that the studio listens on: opened before anything that takes long, so that two
studios never start on one, and what is wrong with it is said at once."""

from __future__ import annotations

import errno
import socket
import sys
from ipaddress import ip_address
from typing import Any
from urllib.parse import quote

from models.command_line import InputError

__all__ = ["is_loopback", "listen", "url"]

BACKLOG = 512
TRIED = 20  # ports after one that is taken, in search of a free one
ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # all of a machine's addresses, and one of them


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there; port 0 for any that is free. Raises InputError."""
    if not 0 <= port <= 65_535:
        raise InputError(f"--port: expected a port from 0 to 65535, found {port}")
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        return _open(family, address)
    except OSError as error:
        raise InputError(_why(error, host, port)) from error
    except UnicodeError:  # no host's name is so long, or has such letters
        raise InputError(_unknown(host, "no name of a host")) from None


def _open(family: int, address: Any) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        # Elsewhere it only allows for what remains of closed connections; there, to share a port.
        alone = "SO_EXCLUSIVEADDRUSE" if sys.platform == "win32" else "SO_REUSEADDR"
        listener.setsockopt(socket.SOL_SOCKET, getattr(socket, alone), 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


def _why(error: OSError, host: str, port: int) -> str:
    """What is wrong, and what to do about it."""
    if error.errno == errno.EADDRINUSE:
        free = _free(host, port)
        example = f", as --port {free}" if free else ""
        return f"--port: expected a port that is free{example}; {port} of {host} is taken"
    if error.errno == errno.EACCES:
        return f"--port: expected one that you may use, as from 1024 on, found {port}"
    return _unknown(host, error.strerror or str(error))


def _unknown(host: str, why: str) -> str:
    return f"--host: expected a name or an address of this machine, found {host!r} ({why})"


def _free(host: str, port: int) -> int | None:
    """The next port that is free."""
    for other in range(port + 1, min(port + TRIED, 65_535) + 1):
        try:
            listen(host, other).close()
        except InputError:
            continue
        return other
    return None


def is_loopback(listener: socket.socket) -> bool:
    """Whether only this machine reaches it."""
    return ip_address(listener.getsockname()[0].partition("%")[0]).is_loopback


def url(listener: socket.socket, host: str, token: str) -> str:
    """What a browser on this machine opens; the token stands where none sends it to a server.

    host: as it was given: it may be a name.
    """
    name = ANY.get(listener.getsockname()[0], host)
    shown = f"[{name}]" if ":" in name else name
    return f"http://{shown}:{listener.getsockname()[1]}/#token={quote(token, safe='')}"
