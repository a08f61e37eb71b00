"""What the worker of the engine's tests is asked to do."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import numpy as np

from models.command_line import InputError
from viz.studio.refusal import Refusal


def echo(value):
    return value


def process():
    """Its number, its parent's, its priority and the threads that NumPy may use."""
    return os.getpid(), os.getppid(), os.nice(0), os.environ["OPENBLAS_NUM_THREADS"]


def die(number: int = signal.SIGKILL):
    os.kill(os.getpid(), number)
    time.sleep(60)


def sleep(seconds: float, noted: str = ""):
    if noted:
        Path(noted).write_text("begun")
    time.sleep(seconds)
    return "slept"


def refuse():
    raise Refusal(409, "here", "this", ["that"], {"Retry-After": "7"})


def expect():
    raise InputError("here: expected this, found that")


def fail():
    raise ZeroDivisionError("a fault of ours")


def take(gigabytes: int):
    return int(np.ones(gigabytes << 30, np.uint8)[-1])


class Odd:
    """What cannot be pickled."""

    def __reduce__(self):
        raise TypeError("not this")


def odd():
    return Odd()


def closed():
    """Ends as a library would that calls exit."""
    raise SystemExit(3)
