"""What is printed while a model learns: a table with a line for each epoch, and on a terminal a
bar that moves below it."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Mapping
from itertools import accumulate
from typing import TYPE_CHECKING

from models.command_line import can_redraw
from models.training.place import Epoch
from models.training.screen import Screen
from models.training.text import epoch_count, percent
from models.training.trainer import Callback, Trainer

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

__all__ = ["Progress"]

REFRESH = 0.1  # seconds between two drawings of the bar
SHORTEST_BAR = 7  # columns, two of them spaces


class Progress(Callback):
    """Prints a line for each epoch, and draws a bar where standard output is a terminal.

    unit: what the examples are called.
    """

    def __init__(self, unit: str = "examples", screen: Screen | None = None) -> None:
        self.unit, self.screen = unit, screen or Screen()

    def begin(self, trainer: Trainer) -> None:
        self.total = trainer.epochs * trainer.steps_per_epoch
        self.drawn = time.perf_counter()
        if can_redraw():
            self.screen.bar = self._bar()
        self.screen.show(header(list(trainer.figures)))

    def epoch(self, trainer: Trainer, epoch: Epoch) -> None:
        done = epoch.step / trainer.steps_per_epoch
        line = row(epoch, done, trainer.epochs, self.unit)
        if self.screen.bar is not None and len(line) > _columns():
            line = line.rsplit(maxsplit=2)[0]  # without the speed
        self.screen.show(line)

    def steps(self, trainer: Trainer) -> None:
        """Move the bar, unless it was drawn a moment ago."""
        now = time.perf_counter()
        place = trainer.place
        if self.screen.bar is None or not place.position or now - self.drawn < REFRESH:
            return
        self.drawn = now
        figures = zip(trainer.figures, place.means(), strict=True)
        speed = place.position / place.spent()  # in this epoch: the first one had to compile
        seconds = round((self.total - place.step) / speed)
        told = [_short(name, value) for name, value in figures]
        told.append(f"{speed * place.batch_size:,.0f} {self.unit}/s")
        epoch = f"epoch {place.epoch + 1}/{trainer.epochs}"
        left = f"{seconds // 60}:{seconds % 60:02} left"
        width = _columns() - 3  # a terminal writes "^C" behind it, which must not need a line
        room = width - len(epoch) - len(left) - SHORTEST_BAR
        try:
            self.screen.bar.console.width = width
            self.screen.bar.update(
                self.task,
                completed=place.step,
                epoch=epoch,
                figures=" ".join(_fitting(told, room)),
                left=left,
            )
            self.screen.bar.refresh()
        except OSError as error:
            self.screen.fail(error)

    def end(self, trainer: Trainer) -> None:
        """Remove the bar."""
        bar, self.screen.bar = self.screen.bar, None
        try:
            if bar is not None:
                bar.stop()
        except OSError as error:
            self.screen.fail(error)

    def _bar(self) -> Bar:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        # Drawn from `steps` rather than from a thread of its own, which would take turns with the
        # training in the middle of a step.
        bar = Progress(
            TextColumn("{task.fields[epoch]}"),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[figures]}"),
            TextColumn("{task.fields[left]}"),
            console=Console(highlight=False),
            expand=True,
            transient=True,
            auto_refresh=False,
        )
        self.task = bar.add_task("", total=self.total, epoch="", figures="", left="")
        bar.start()
        return bar


def header(names: list[str]) -> str:
    """The two lines above the table, for these figures.

    >>> print(header(["loss", "accuracy"]))
                   train             validation
    epoch        loss   accuracy     loss   accuracy
    """
    columns = "".join(f"{name:>{_width(name)}}" for name in names)
    groups = f"{'':8}{'train':^{len(columns)}}{'validation':^{len(columns)}}".rstrip()
    return f"{groups}\n{'epoch':8}{columns}{columns}"


def row(epoch: Epoch, done: float, epochs: int, unit: str) -> str:
    """An epoch as a line below `header`. done: epochs until now. epochs: of the whole training."""
    line = f"{f'{epoch_count(done)}/{epochs}':7} "
    for figures in (epoch.train, epoch.validation or dict.fromkeys(epoch.train)):
        line += _cells(figures)
    return f"{line}{epoch.examples / epoch.seconds:>10,.0f} {unit}/s"


def _cells(figures: Mapping[str, float | None]) -> str:
    return "".join(f"{_figure(name, value):>{_width(name)}}" for name, value in figures.items())


def _width(name: str) -> int:
    return max(9, len(name) + 3)  # 0.000123, and a space


def _figure(name: str, value: float | None) -> str:
    if name == "accuracy":
        return percent(value)
    if value is None or not math.isfinite(value):
        return "-"
    return f"{value:.4f}" if 1e-3 < abs(value) < 1e3 else f"{value:.3g}"


def _short(name: str, value: float) -> str:
    """A figure beside the bar."""
    return percent(value) if name == "accuracy" else f"{name} {value:.3g}"


def _fitting(texts: list[str], room: int) -> list[str]:
    """The first of these texts that, each after a space, take at most so many columns."""
    ends = accumulate(len(text) + 1 for text in texts)
    return [text for text, end in zip(texts, ends, strict=True) if end <= room]


def _columns() -> int:
    return shutil.get_terminal_size().columns
