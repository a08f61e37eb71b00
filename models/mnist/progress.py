"""What is seen while a network learns: a live bar on a terminal, plain lines anywhere else."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

from models.mnist.scoring import percent
from models.mnist.settings import Settings

if TYPE_CHECKING:
    from rich.progress import Progress

REFRESH = 0.1  # seconds from one picture of the bar to the next


class Lines:
    """Plain lines, each at once on its way: a log can be followed."""

    def show(self, text: str) -> None:
        """Print a line, or several."""
        print(text, flush=True)

    def step(self, epoch: int, step: int, loss: float, accuracy: float) -> None:
        """Called after each step."""

    def close(self) -> None:
        """No more steps will come."""


class Bar(Lines):
    """Above, the same lines; below them a bar over the whole training."""

    def __init__(self, settings: Settings, images: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        # Drawn from `step` rather than from a thread of its own, which would take turns with the
        # training in the middle of a step.
        self.progress: Progress = Progress(
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(bar_width=None),
            TextColumn("loss {task.fields[loss]:.3f} {task.fields[accuracy]}"),
            TextColumn("{task.fields[speed]:,.0f} images/s"),
            TextColumn("{task.fields[left]} left"),
            console=Console(highlight=False),
            expand=True,
            transient=True,
            auto_refresh=False,
        )
        self.epochs, self.batch_size = settings.epochs, settings.batch_size
        self.steps = settings.epochs * (images // settings.batch_size)
        self.start = self.drawn = time.perf_counter()
        self.task = self.progress.add_task(
            "", total=self.steps, epoch="", loss=0.0, accuracy="", speed=0.0, left=""
        )
        self.progress.start()

    def show(self, text: str) -> None:
        """Print a line, or several, above the bar."""
        self.progress.console.print(text, markup=False, soft_wrap=True)

    def step(self, epoch: int, step: int, loss: float, accuracy: float) -> None:
        """Move the bar, if it is time to."""
        now = time.perf_counter()
        if now - self.drawn < REFRESH:
            return
        self.drawn = now
        speed = step / (now - self.start)
        seconds = round((self.steps - step) / speed)
        self.progress.update(
            self.task,
            completed=step,
            epoch=f"{epoch}/{self.epochs}",
            loss=loss,
            accuracy=percent(accuracy),
            speed=speed * self.batch_size,
            left=f"{seconds // 60}:{seconds % 60:02}",
        )
        self.progress.refresh()

    def close(self) -> None:
        """Take the bar away."""
        self.progress.stop()


def screen(settings: Settings, images: int) -> Lines:
    """A bar, for epochs of `images` images, where standard output is a terminal; else lines."""
    if sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
        return Bar(settings, images)
    return Lines()
