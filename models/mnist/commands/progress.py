"""What is printed while a network learns: a table with a line for each epoch, and on a terminal a
bar that moves below it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from models.command_line import can_redraw
from models.mnist.settings import Settings
from models.mnist.train import Epoch
from models.training.text import epoch_count, percent

if TYPE_CHECKING:
    from rich.progress import Progress

REFRESH = 0.1  # seconds between two drawings of the bar

HEADER = f"{'':8}{'train':^18}{'validation':^20}\n{'epoch':8}" + f"{'loss':>8}{'accuracy':>11}" * 2


def epoch_row(epoch: Epoch, done: float, epochs: int) -> str:
    """An epoch as a line below HEADER. done: epochs until now. epochs: of the whole training."""
    row = f"{f'{epoch_count(done)}/{epochs}':8}"
    row += _pair(epoch.train_loss, epoch.train_accuracy)
    row += _pair(epoch.validation_loss, epoch.validation_accuracy)
    return f"{row}{epoch.images / epoch.seconds:>10,.0f} images/s"


def _pair(loss: float | None, accuracy: float | None) -> str:
    return f"{'-' if loss is None else f'{loss:.4f}':>8}{percent(accuracy):>11}"


class Lines:
    """Plain lines, each printed at once, so that a log can be followed."""

    def show(self, text: str) -> None:
        """Print a line, or several."""
        print(text, flush=True)

    def step(self, epoch: int, step: int, loss: float, accuracy: float) -> None:
        """Called after each step."""

    def close(self) -> None:
        """No more steps will come."""


class Bar(Lines):
    """The same lines, and below them a bar over the whole training."""

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
        """Move the bar, unless it was drawn a moment ago."""
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
        """Remove the bar."""
        self.progress.stop()


def screen(settings: Settings, images: int) -> Lines:
    """A bar, for epochs of `images` images, where standard output is a terminal; else lines."""
    return Bar(settings, images) if can_redraw() else Lines()
