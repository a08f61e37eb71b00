"""A studio in a process of its own, which can be asked, measured and killed."""

from __future__ import annotations

import http.client
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

TOKEN = "only-for-the-tests"
ROOT = Path(__file__).parents[3]
COMMAND = [sys.executable, "-m", "viz", "studio", "--no-browser", "--port", "0", "--token", TOKEN]


@contextmanager
def started(folder: str | Path, *words: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The process of a studio in a folder, and its port. In the end it is killed."""
    process = subprocess.Popen(
        [*COMMAND, *words], cwd=folder, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    try:
        line = process.stdout.readline()
        yield process, int(re.search(r":(\d+)/", line)[1])
    finally:
        process.kill()
        process.communicate()


class Client:
    """A connection that stays open, and is opened again where it was lost; to be closed."""

    def __init__(self, port: int, timeout: float = 30.0) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)

    def close(self) -> None:
        self.connection.close()

    def ask(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers by their small names, and body. Raises OSError or HTTPException where
        the server is gone."""
        given = {"Authorization": f"Bearer {TOKEN}", **headers}
        try:
            with suppress(BrokenPipeError, ConnectionResetError):  # answered before it was all sent
                self.connection.request(method, path, body, given)
            answer = self.connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException):
            self.connection.close()
            raise
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, content


def peak(pid: int) -> dict[int, float]:
    """The most memory, in MB, that a process and each of those it started have had at a time."""
    found = {}
    for each in (pid, *_children(pid)):
        text = Path(f"/proc/{each}/status").read_text()
        found[each] = int(re.search(r"VmHWM:\s+(\d+) kB", text)[1]) / 1000
    return found


def _children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]
