"""Serves the race's page and opens it in the system's Chromium, without a window."""

from __future__ import annotations

import shutil
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
# In a container there are neither the rights for a sandbox nor a large /dev/shm.
FLAGS = ["--no-sandbox", "--disable-dev-shm-usage"]
TYPES = {".html": "text/html", ".js": "text/javascript", ".wasm": "application/wasm"}
# Only an isolated page has shared memory, and with it threads.
ISOLATED = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
}


class Server(ThreadingHTTPServer):
    """Serves `files` by path, and folders of files by the paths that theirs begin with."""

    daemon_threads = True

    def __init__(self, files: Mapping[str, bytes], folders: Mapping[str, Path]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files, self.folders = files, folders

    def read(self, path: str) -> bytes | None:
        folder, _, name = path.rpartition("/")
        file = self.folders.get(folder, Path()) / name
        if path in self.files or folder not in self.folders or not file.is_file():
            return self.files.get(path)
        return file.read_bytes()


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        body = self.server.read(self.path)
        self.send_response(404 if body is None else 200)
        kind = TYPES.get(Path(self.path).suffix, "application/octet-stream")
        for name, value in {**ISOLATED, "Content-Type": kind}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def opened(files: Mapping[str, bytes], folders: Mapping[str, Path]) -> Iterator[Any]:
    """The page, as playwright gives it. SystemExit if there is no Chromium."""
    from playwright.sync_api import sync_playwright

    path = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if path is None:
        sys.exit(f"The race runs in a browser, and there is none of {', '.join(CHROMIUM)}.")
    with Server(files, folders) as server, sync_playwright() as driver:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        browser = driver.chromium.launch(executable_path=path, args=FLAGS)
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{server.server_port}/tests/benchmarks/browser/race.html")
        yield page
        browser.close()
        server.shutdown()
