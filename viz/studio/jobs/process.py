"""A job's process (child.py), watched over by a thread: what it tells, and how it ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

from models.mnist.__main__ import prepare_blas

__all__ = ["Process", "Progress"]

ROOT = Path(__file__).parents[3]  # where the packages lie
LONGEST = 65_536  # bytes of a line
PATIENCE = 0.7  # seconds in which a process saves what it learned before it is killed
ERROR = "error: "  # begins the line that says why a command ended


@dataclass(frozen=True)
class Progress:
    """How far a job is: in which epoch of how many, after which step of all, and how fast. metrics:
    the last line of metrics.jsonl, None before the first."""

    epoch: int
    epochs: int
    step: int
    steps_per_epoch: int
    examples_per_second: float | None
    metrics: dict[str, Any] | None


class Process:
    """The process that teaches in `folder`. ended: called in the watching thread with this, when
    the process has ended. Raises OSError where none can be started."""

    def __init__(self, folder: Path, ended: Callable[[Process], None]) -> None:
        self.progress: Progress | None = None
        self.is_cancelled = False
        self._said: deque[str] = deque(maxlen=20)  # on standard error
        self._process = subprocess.Popen(
            [sys.executable, "-m", "viz.studio.jobs.child", str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=_environment(),
            # Ctrl-C in the terminal is for the server alone. (In a session of its own the process
            # would not be as nice: Linux shares out a desktop's cores by session.)
            process_group=0,
        )
        self._thread = Thread(target=self._watch, args=[ended], name="job", daemon=True)
        self._thread.start()

    def cancel(self) -> None:
        """Have it end, keeping what was learned."""
        self.is_cancelled = True
        self._process.terminate()

    def close(self) -> None:
        """Have it save what was learned and end within a second; it can go on later."""
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()
        self._thread.join(PATIENCE)
        if self.code is None:
            self._kill()
        self._thread.join(PATIENCE)

    @property
    def code(self) -> int | None:
        """The exit code, None until it has ended."""
        return self._process.poll()

    @property
    def error(self) -> str:
        """What it said of why it ended; empty where that is nothing."""
        wrong = [line for line in self._said if line.startswith(ERROR)]
        last = wrong[-1:] or list(self._said)[-1:]
        return last[0].removeprefix(ERROR) if last else ""

    def _kill(self) -> None:
        if sys.platform == "win32":
            self._process.kill()
            return
        with suppress(ProcessLookupError):  # with the compiler that it may have started
            os.killpg(self._process.pid, signal.SIGKILL)

    def _watch(self, ended: Callable[[Process], None]) -> None:
        output = self._process.stdout
        assert output is not None
        with output:
            while line := output.readline(LONGEST):
                self._read(line)
        self._process.wait()
        try:
            ended(self)
        finally:
            assert self._process.stdin is not None
            with suppress(OSError):
                self._process.stdin.close()

    def _read(self, line: bytes) -> None:
        if line.startswith(b"{"):
            self.progress = Progress(**json.loads(line))
        elif words := line.decode(errors="replace").strip():
            self._said.append(words)


def _environment() -> dict[str, str]:
    """That of the command line: with another BLAS the last bits would differ from its runs."""
    environment = dict(os.environ)
    prepare_blas(environment)
    paths = [str(ROOT), *filter(None, [environment.get("PYTHONPATH")])]
    return environment | {"PYTHONPATH": os.pathsep.join(paths)}
