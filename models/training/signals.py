"""Signals that end a training, without losing it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

__all__ = ["ENDING", "noted"]

# Ctrl-C, `kill`, and a closed terminal, which Windows does not have.
ENDING = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)


@contextmanager
def noted(numbers: Sequence[int]) -> Iterator[list[int]]:
    """A list that the first of these signals is noted in. From then on Ctrl-C does what it did
    before. A second SIGTERM or SIGHUP does nothing: a shell whose terminal is closed sends SIGHUP
    after the system has, and service managers after SIGTERM.

    Signals that are ignored (as `nohup` and a shell's background jobs have it) stay so. In other
    threads than the main one, which Python gives no signals to, nothing is noted.
    """
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    before = {number: signal.getsignal(number) for number in numbers}
    before = {number: was for number, was in before.items() if was not in (signal.SIG_IGN, None)}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def note(number: int, frame: FrameType | None) -> None:
        if not received:
            received.append(number)
        if signal.SIGINT in before:
            signal.signal(signal.SIGINT, before[signal.SIGINT])

    for number in before:
        signal.signal(number, note)
    try:
        yield received
    finally:
        restore()
