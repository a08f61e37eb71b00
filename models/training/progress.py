"""What is printed while a model learns: a table with a line for each epoch, and on a terminal a
bar that moves below it."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from models.command_line import has_unicode
from models.training.place import Epoch
from models.training.screen import Screen
from models.training.text import columns, epoch_count, percent
from models.training.trainer import Callback, Trainer

__all__ = ["Progress"]

REFRESH = 0.1  # seconds between two drawings of the bar
SHORTEST_BAR = 5  # columns
MANY = 100  # epochs, each of which has a line; of later ones those have that are round,
QUIET = 10.0  # and those that come so many seconds after the last line


class Progress(Callback):
    """Prints a line for each epoch, and draws a bar where standard output is a terminal.

    Of more than MANY epochs not all have a line: those of round numbers do, and slow ones. What
    does not fit into a terminal is left out, never broken: the speed, then the figures of training,
    then the last metrics. unit: what the examples are called.
    """

    def __init__(self, unit: str = "examples", screen: Screen | None = None) -> None:
        self.unit, self.screen = unit, screen or Screen()

    def begin(self, trainer: Trainer) -> None:
        self.total = trainer.epochs * trainer.steps_per_epoch
        self.drawn = self.shown = time.perf_counter()
        self.header = ""
        self._table(trainer)

    def epoch(self, trainer: Trainer, epoch: Epoch) -> None:
        now = time.perf_counter()
        is_last = epoch.step >= self.total
        if not (_is_round(epoch.epoch) or is_last or now - self.shown >= QUIET):
            return
        self.shown = now
        self.screen.show(self._table(trainer).row(epoch, epoch.step / trainer.steps_per_epoch))

    def steps(self, trainer: Trainer) -> None:
        """Move the bar, unless it was drawn a moment ago."""
        now = time.perf_counter()
        place, width = trainer.place, self.screen.width
        if width is None or not self.screen.redraws:
            return
        if not place.position or now - self.drawn < REFRESH:
            return
        self.drawn = now
        figures = zip(trainer.figures, place.means(), strict=True)
        speed = place.position / place.spent()  # in this epoch: the first one had to compile
        seconds = round((self.total - place.step) / speed)
        left = f"{seconds // 60}:{seconds % 60:02} left"
        told = [_short(name, value) for name, value in figures]
        told.append(f"{speed * place.batch_size:,.0f} {self.unit}/s")
        epoch = f"epoch {place.epoch + 1}/{trainer.epochs}"
        # Behind it a terminal writes "^C", which must not need a line.
        self.screen.draw(bar(place.step / self.total, [epoch, left, *told], width - 3))

    def end(self, trainer: Trainer) -> None:
        """Remove the bar."""
        self.screen.draw("")

    def _table(self, trainer: Trainer) -> Table:
        """What fits into the terminal now, its header printed where that is another."""
        groups = ["train", "validation"] if trainer.validates else ["train"]
        names, width = list(trainer.figures), self.screen.width
        table = Table.fitting(width, groups, names, trainer.epochs, self.unit)
        if table.header() != self.header:
            self.header = table.header()
            self.screen.show(self.header)
        return table


@dataclass(frozen=True)
class Table:
    """Which columns there are. groups: "train", "validation" or both. names: of the figures in
    each. epochs: of the whole training. unit: of the speed at the end of a row; "" for none."""

    groups: Sequence[str]
    names: Sequence[str]
    epochs: int
    unit: str = ""

    @classmethod
    def fitting(
        cls, width: int | None, groups: Sequence[str], names: Sequence[str], *more: Any
    ) -> Table:
        """What fits into so many columns: the speed is left out first, then the training's
        figures, then the last of the names. None: all."""
        fewer = [(groups[-1:], names[:n]) for n in range(len(names), 0, -1)]
        tables = [cls(groups, names, *more), cls(groups, names, *more[:1])]
        tables += [cls(*columns, *more[:1]) for columns in fewer]
        fit = (table for table in tables if width is None or table.width <= width)
        return next(fit, tables[-1])

    @property
    def width(self) -> int:
        """The columns of a row."""
        speed = len(self._speed(0)) if self.unit else 0
        return self._first + len(self.groups) * sum(map(_width, self.names)) + speed

    def header(self) -> str:
        """The two lines above the rows.

        >>> print(Table(["train", "validation"], ["loss", "accuracy"], epochs=5).header())
                       train             validation
        epoch        loss   accuracy     loss   accuracy
        """
        names = "".join(f"{name:>{_width(name)}}" for name in self.names)
        groups = "".join(f"{group:^{len(names)}}" for group in self.groups)
        above = " " * self._first + groups
        return f"{above.rstrip()}\n{'epoch':{self._first}}{names * len(self.groups)}"

    def row(self, epoch: Epoch, done: float) -> str:
        """An epoch as a line below `header`. done: epochs until now."""
        line = f"{f'{epoch_count(done)}/{self.epochs}':{self._first - 1}} "
        for group in self.groups:
            figures = epoch.train if group == "train" else epoch.validation or {}
            cells = (f"{_figure(name, figures.get(name)):>{_width(name)}}" for name in self.names)
            line += "".join(cells)
        return line + (self._speed(epoch.examples / epoch.seconds) if self.unit else "")

    @property
    def _first(self) -> int:
        """Columns of the first column."""
        return max(8, 2 * len(str(self.epochs)) + 2)

    def _speed(self, speed: float) -> str:
        return f"{speed:>10,.0f} {self.unit}/s"


def bar(share: float, texts: Sequence[str], width: int) -> str:
    """A line of so many columns: the first text, a bar of which a share is done, the others, and
    the second text at the end. What does not fit is left out, the last texts first.

    >>> line = bar(0.5, ["epoch 2/3", "0:06 left", "loss 0.512", "1,234 images/s"], 40)
    >>> len(line), line[:9], line[-20:]
    (40, 'epoch 2/3', 'loss 0.512 0:06 left')
    """
    ends = accumulate(columns(text) + 1 for text in texts)
    told = [text for text, end in zip(texts, ends, strict=True) if end <= width - SHORTEST_BAR]
    room = width - sum(columns(text) + 1 for text in told)
    full, empty = ("━", "─") if has_unicode() else ("#", ".")
    done = round(share * room)
    return " ".join([*told[:1], full * done + empty * (room - done), *told[2:], *told[1:2]])


def _is_round(epoch: int) -> bool:
    """Of the first MANY each is, then every tenth, from 10 MANY on every hundredth, and so on."""
    while epoch > MANY and epoch % 10 == 0:
        epoch //= 10
    return epoch <= MANY


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
