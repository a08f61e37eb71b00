"""The server's side of the worker: one call at a time, the others wait in a line that ends.

A thread sends and receives, so that the event loop never waits. A worker that dies, or takes too
long, costs the call at hand and no other: the next one has a new worker.
"""

from __future__ import annotations

import asyncio
import logging
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from multiprocessing import Pipe
from threading import BoundedSemaphore, Lock, Timer
from typing import Any, TypeVar

from models.command_line import InputError
from viz.studio.refusal import Refusal

__all__ = ["Engine"]

T = TypeVar("T")

WAITING = 32  # calls, beside the one at hand
LIMIT = 60.0  # seconds of a call, without its time in the line
RETRY = {"Retry-After": "1"}
# One thread: the server's own, and a training's, are to have the other cores.
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "CHAINRULE_THREADS": "1"}


class Engine:
    """Runs functions in a worker process; what they take and give is pickled.

    `start` has the worker import what it needs before the first call. threads: what the environment
    of the worker says of them.
    """

    def __init__(self, threads: Mapping[str, str] = ONE_THREAD) -> None:
        self._threads = threads
        self._thread = ThreadPoolExecutor(1, "engine")
        self._places = BoundedSemaphore(1 + WAITING)
        self._lock, self._closed = Lock(), False  # of `_worker`, which two threads may end
        self._worker: _Worker | None = None

    def start(self) -> None:
        """Start the worker, in the background."""
        self._thread.submit(self._ready)

    async def call(self, function: Callable[..., T], *arguments: Any, limit: float = LIMIT) -> T:
        """What a function, importable by its name, gives in the worker for picklable arguments.

        limit: seconds, after which the worker is ended. Raises the Refusal or InputError that the
        function raises; Refusal 503 where the line is full, or the worker ended; 413 where it has
        not the memory; 500 for anything else, which is logged.

        A call that is cancelled while it waits is not made; later, its answer goes nowhere.
        """
        if not self._places.acquire(blocking=False):
            raise Refusal(503, "engine", f"at most {WAITING} calls that wait", "more", RETRY)
        try:
            future = self._thread.submit(self._ask, (function, arguments), limit)
        except RuntimeError:
            self._places.release()
            raise _ended("it was closed") from None
        future.add_done_callback(lambda _: self._places.release())
        try:
            answer: T = await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            if self._closed:
                raise _ended("it was closed") from None
            raise
        return answer

    def close(self) -> None:
        """End the worker at once, and refuse the calls that wait."""
        with self._lock:
            self._closed = True
            if self._worker:
                self._worker.process.kill()
        self._thread.shutdown(cancel_futures=True)
        if self._worker:
            self._worker.end()

    def _ready(self) -> _Worker:
        """The worker; a new one where there is none, or it has ended."""
        with self._lock:
            if self._closed:
                raise _ended("it was closed")
            if self._worker and not self._worker.lives:
                self._worker.end()
                self._worker = None
            self._worker = self._worker or _Worker(self._threads)
            return self._worker

    def _ask(self, call: Any, limit: float) -> Any:
        request = pickle.dumps(call, pickle.HIGHEST_PROTOCOL)
        try:
            kind, answer = pickle.loads(self._ready().ask(request, limit))
        except TimeoutError:
            raise _ended(f"it took more than {limit:g} s") from None
        except (EOFError, OSError):
            raise _ended("its process died, maybe for want of memory") from None
        match kind:
            case "gives":
                return answer
            case "refuses":
                raise Refusal(*answer)
            case "expects":
                raise InputError(*answer)
        name = getattr(call[0], "__qualname__", call[0])
        logging.getLogger("chainrule.studio").error("engine: %s failed\n%s", name, answer)
        raise Refusal(500, "engine", "an answer", "a fault of the server; its log says more")


class _Worker:
    """A process of `worker.py`, and the pipe to it."""

    def __init__(self, threads: Mapping[str, str]) -> None:
        self.pipe, other = Pipe()
        self.late = self.over = False
        path = os.pathsep.join(map(os.path.abspath, sys.path))
        with other:
            # Not forked: a fork of a process with threads may wait forever for a lock of one. In a
            # session of its own: the terminal's Ctrl-C is the server's.
            self.process = subprocess.Popen(
                [sys.executable, "-m", "viz.studio.engine.worker", str(other.fileno())],
                env={**os.environ, **threads, "PYTHONPATH": path},
                pass_fds=[other.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    @property
    def lives(self) -> bool:
        return not self.over and self.process.poll() is None

    def ask(self, request: bytes, limit: float) -> bytes:
        """The answer to a request. TimeoutError where that takes more than `limit` seconds,
        EOFError or OSError where the process ends."""
        timer = Timer(limit, self._stop)
        timer.start()
        try:
            self.pipe.send_bytes(request)
            return self.pipe.recv_bytes()
        except (EOFError, OSError):
            self.over = True  # though the system may not have told its end yet
            if self.late:
                raise TimeoutError from None
            raise
        finally:
            timer.cancel()
            timer.join()  # it may have stopped the worker after the answer
            self.over = self.over or self.late

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        with suppress(OSError):
            self.pipe.close()

    def _stop(self) -> None:
        self.late = True
        self.process.kill()


def _ended(why: str) -> Refusal:
    return Refusal(503, "engine", "an answer", why, RETRY)
