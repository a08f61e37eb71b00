"""The process that computes: it takes requests from a pipe, one after the other, and answers.

`python -m viz.studio.engine.worker N`, N being the pipe's descriptor, is how `engine.py` starts it.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import traceback
from multiprocessing.connection import Connection
from queue import SimpleQueue
from threading import Thread
from typing import Any

from models.command_line import InputError
from viz.studio.engine import answers, learning, modules  # noqa: F401  (ready to be called)
from viz.studio.refusal import Refusal

MEMORY = 4 << 30  # bytes of data, so that no request takes the machine's
NICE = 5  # the server, and who works at the machine, come first


def main(descriptor: int) -> None:
    """Answer until the server's end of the pipe is closed, as it is when that process dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(NICE)
    _bound_memory()
    pipe, requests = Connection(descriptor), SimpleQueue[bytes]()
    Thread(target=_read, args=(pipe, requests), daemon=True).start()
    while True:
        pipe.send_bytes(answer(requests.get()))


def _read(pipe: Connection, requests: SimpleQueue[bytes]) -> None:
    """In a thread, so that a closed pipe is seen while something is computed, too."""
    try:
        while True:
            requests.put(pipe.recv_bytes())
    finally:
        os.kill(os.getpid(), signal.SIGTERM)


def _bound_memory() -> None:
    # Not of all addresses: Graphviz's module reserves gigabytes of those, and uses a few megabytes.
    if sys.platform != "win32":
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        bound = MEMORY if hard == resource.RLIM_INFINITY else min(MEMORY, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (bound, hard))


def answer(request: bytes) -> bytes:
    """What a pickled call gives, pickled: ("gives", it), or how it failed."""
    try:
        function, arguments = pickle.loads(request)
        return _pickled("gives", function(*arguments))
    except Refusal as error:
        told = error.status, error.where, error.expected, str(error.found), dict(error.headers)
        return _pickled("refuses", told)
    except InputError as error:
        return _pickled("expects", tuple(map(str, error.args)))
    except MemoryError as error:
        room = f"what {MEMORY >> 30} GiB have room for"
        return _pickled("refuses", (413, "engine", room, str(error) or "more"))
    except Exception:
        return _pickled("fails", traceback.format_exc())


def _pickled(kind: str, what: Any) -> bytes:
    return pickle.dumps((kind, what), pickle.HIGHEST_PROTOCOL)


if __name__ == "__main__":
    main(int(sys.argv[1]))
