"""The process of a job: `python -m viz.studio.jobs.child FOLDER` does what `python -m models.mnist
train` does in the run's folder, from the beginning or from where it stands.

It prints nothing but JSON lines of how it goes on, and on standard error what is wrong. When its
standard input ends it saves what was learned and ends: its parent has closed it, or has gone.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any, BinaryIO

from models.command_line import run
from models.mnist.commands.train import resume_command, train_command
from models.mnist.datasets import Described
from models.mnist.settings import Settings
from models.runs.files import CONFIG, plain
from models.training import Callback, Epoch, Trainer
from viz.studio.jobs.mark import Mark

__all__ = ["main"]

NICE = 10  # what else runs on this machine comes first: above all the server
SHORTEST = 0.1  # seconds between two lines


class Reporter(Callback):
    """Tells how a training goes on, at most ten times a second, and cuts its end short."""

    def __init__(self, output: BinaryIO) -> None:
        self.output = output
        self.is_hurried = False  # set from another thread: nothing is scored any more
        self.told = 0.0
        self.speed: float | None = None  # examples per second
        self.metrics: dict[str, Any] | None = None  # the last line

    def begin(self, trainer: Trainer) -> None:
        self._tell(trainer)

    def steps(self, trainer: Trainer) -> None:
        place = trainer.place
        if place.position:
            self.speed = place.position * place.batch_size / place.spent()
        if time.perf_counter() - self.told >= SHORTEST:
            self._tell(trainer)

    def epoch(self, trainer: Trainer, epoch: Epoch) -> None:
        self.speed = epoch.examples / epoch.seconds
        self.metrics = epoch.line()

    def end(self, trainer: Trainer) -> None:
        """The last line. In a hurry, end here, as a second Ctrl-C would: all is saved, or is
        being saved; what is missing of a run is made when it goes on."""
        self._tell(trainer)
        if self.is_hurried:
            raise KeyboardInterrupt

    def _tell(self, trainer: Trainer) -> None:
        self.told = time.perf_counter()
        place = trainer.place
        line = {
            "epoch": min(place.epoch + 1, trainer.epochs),
            "epochs": trainer.epochs,
            "step": place.step,
            "steps_per_epoch": trainer.steps_per_epoch,
            "examples_per_second": self.speed,
            "metrics": self.metrics,
        }
        with suppress(OSError):  # nobody reads it any more: then the end comes from elsewhere
            self.output.write(json.dumps(plain(line)).encode() + b"\n")
            self.output.flush()


def main(folder: str) -> int:
    """Teach what the job in this folder says; gives the exit code of `train`."""
    start = time.perf_counter()
    if hasattr(os, "nice"):
        os.nice(NICE)
    reporter = Reporter(_own_output())
    Thread(target=_end_with_parent, args=[reporter], daemon=True).start()
    return run(lambda: _command(Path(folder), start, reporter))


def _command(folder: Path, start: float, reporter: Reporter) -> Callable[[], int]:
    if (folder / CONFIG).exists():
        return partial(resume_command, str(folder), {}, start, [reporter])
    mark = Mark.read(folder)
    dataset = Described.read(mark.dataset).load("train", "test")
    settings = Settings.read(mark.settings)
    return partial(train_command, settings, str(folder), dataset, start, [reporter])


def _own_output() -> BinaryIO:
    """What was standard output, which from now on is nowhere: `train` writes for people."""
    output = os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    return output


def _end_with_parent(reporter: Reporter) -> None:
    # Not by sys.stdin: Python cannot end while a thread waits in there.
    with suppress(OSError):
        os.read(0, 1)
    reporter.is_hurried = True
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
