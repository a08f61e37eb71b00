"""A studio that runs, and a tab of a browser that may ask it alone."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import uvicorn

from tests.few import few
from tests.viz.studio.client import TOKEN
from viz.studio.app import create
from viz.studio.datasets import Datasets
from viz.studio.studio import Studio

IFRAME = '<!doctype html><title>A blog</title><iframe src="{}" width="900" height="700"></iframe>'


class Blog(BaseHTTPRequestHandler):
    """A page with a frame, of what its own address says after "?"."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(IFRAME.format(unquote(self.path.partition("?")[2])).encode())

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="session")
def blog() -> Iterator[int]:
    """The port of another site on this machine; the studio allows it as localhost alone."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Blog)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="session")
def runs_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the studio finds runs."""
    return tmp_path_factory.mktemp("studio")


@contextmanager
def served(folder: Path, port: int = 0, origins: tuple[str, ...] = ()) -> Iterator[int]:
    """The port of a studio in a thread, with 2,000 and 500 digits: all of them take seconds on a
    machine that does much else."""
    listener = socket.create_server(("127.0.0.1", port))
    app = create(Studio(TOKEN, datasets=Datasets(few()), folder=folder, origins=origins))
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", ws="none"))
    thread = threading.Thread(target=server.run, args=[[listener]])
    thread.start()
    yield listener.getsockname()[1]
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="session")
def address(runs_folder: Path, blog: int) -> Iterator[str]:
    """Of a studio that runs."""
    with served(runs_folder, origins=(f"http://localhost:{blog}",)) as port:
        yield f"http://127.0.0.1:{port}/"


@pytest.fixture
def tab(browser: Any, address: str) -> Iterator[Any]:
    """A tab that may ask this host alone, and may not fail."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(20_000)
    opened = context.new_page()
    errors: list[str] = []
    own = (address, f"blob:{address}", "data:image/")
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    opened.on("request", lambda it: None if it.url.startswith(own) else errors.append(it.url))
    yield opened
    context.close()
    assert not errors, errors
