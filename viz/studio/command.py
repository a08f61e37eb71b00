"""`python -m viz studio`: from options to a running server, and to its end.

Low to high: address.py opens the port; app.py and what it puts together answers; server.py runs it.
"""

from __future__ import annotations

import os
import re
import secrets
import signal
import socket
import sys
import threading
import webbrowser
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from models.command_line import InputError, printable, warn
from models.mnist.checkpoint import read_snapshot
from models.training.signals import ENDING, noted
from models.training.text import layer_sizes
from viz.studio.address import is_loopback, listen, url

if TYPE_CHECKING:
    from viz.studio.weights import Weights

__all__ = ["TOKEN", "Options", "studio_command"]

TOKEN = "CHAINRULE_TOKEN"  # the variable of the environment, which other users do not see
SHORTEST = 16  # characters of a token
PATIENCE = 0.2  # seconds for threads that are still at work at the end


@dataclass(frozen=True)
class Options:
    """What the command line says."""

    host: str
    port: int
    weights: str | None
    read_only: bool
    token: str | None
    allow_host: Sequence[str]
    allow_origin: Sequence[str]
    browser: bool


def studio_command(options: Options) -> int:
    """Serve until a signal; gives its exit code. Raises InputError."""
    token, before = chosen_token(options.token), threading.enumerate()
    with noted(ENDING) as received, listen(options.host, options.port) as listener:
        try:
            _serve(options, token, listener, received)
        except KeyboardInterrupt:  # the second Ctrl-C
            leave_threads(128 + signal.SIGINT, before)
            raise
    code = 128 + received[0]
    leave_threads(code, before)
    return code


def leave_threads(code: int, before: Sequence[threading.Thread]) -> None:
    """End the process here if some thread that was not there before does not end: Python would wait
    for it."""
    others = [each for each in threading.enumerate() if each not in before]
    for thread in others:
        if not thread.daemon:
            thread.join(PATIENCE / len(others))
    if any(thread.is_alive() and not thread.daemon for thread in others):
        sys.stdout.flush()
        os._exit(code)


def chosen_token(given: str | None) -> str:
    """The token of --token, else of the environment, else a new one. Raises InputError."""
    set_for_all = os.environ.pop(TOKEN, "")  # not for the processes that compute
    if given is None and not set_for_all:
        return secrets.token_urlsafe()
    token, where = (set_for_all, TOKEN) if given is None else (given, "--token")
    is_plain = re.fullmatch(r"[!-~]*", token)
    if not is_plain or len(token) < SHORTEST:
        expected = f"at least {SHORTEST} characters of ASCII without spaces"
        found = f"{len(token)} characters" if is_plain else "others"  # itself it stands nowhere
        raise InputError(f"{where}: expected {expected}, found {found}")
    return token


def named(text: str, split: Callable[[str], tuple[str, str]]) -> str:
    """The name of a host. Raises InputError for what is none, or more than one."""
    is_bare = text.count(":") > 1 and not text.startswith("[")  # an address of IPv6
    name, port = split(f"[{text}]" if is_bare else text)
    if not name or port:
        raise InputError(f"--allow-host: expected a name, as studio.example.com, found {text!r}")
    return name


def _serve(options: Options, token: str, listener: socket.socket, received: list[int]) -> None:
    try:
        from viz.studio.app import create
        from viz.studio.guard import origin, split_host
        from viz.studio.server import serve
        from viz.studio.studio import Studio
    except ImportError as error:
        wanted = "pip install -e '.[studio]' in Chainrule's folder"
        raise InputError(f"studio: it needs fastapi and uvicorn ({error}): {wanted}") from error

    hosts = [named(text, split_host) for text in options.allow_host]
    if not hosts and not is_loopback(listener):
        warn(
            f"--host {options.host}: requests for localhost alone are answered; --allow-host NAME "
            "has those answered that ask for a name or an address of this machine"
        )
    try:
        origins = [origin(text) for text in options.allow_origin]
    except ValueError as error:
        raise InputError(f"--allow-origin: {error}") from None
    studio = Studio(
        token=token,
        run=options.weights,
        read_only=options.read_only,
        hosts=tuple(hosts),
        origins=tuple(origins),
    )
    studio.open()
    address, served = url(listener, options.host, token), description(studio.weights)

    def ready() -> None:
        print(f"the studio is at {address}\nit serves {served}; Ctrl-C ends it", flush=True)
        if options.browser:
            open_browser(address)

    serve(create(studio), listener, received, ready, studio.end, [token])


def description(weights: Weights) -> str:
    """Which weights are served."""
    version, content = weights.content()
    found = read_snapshot(content, "weights")
    network = f"{layer_sizes(found.sizes)} for {printable(found.described.name)}"
    return f"version {version.number} of the weights, {network}"


def open_browser(address: str) -> None:
    """Have the user's browser open the page, where there is a screen; and not wait for it."""
    has_screen = sys.platform in ("win32", "darwin") or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )

    def attempt() -> None:
        with suppress(Exception):  # there may be none, and the address is printed
            webbrowser.open(address)

    if has_screen:
        threading.Thread(target=attempt, daemon=True).start()
