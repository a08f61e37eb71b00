"""What is said on standard error while files are fetched: a bar on a terminal, else lines.

rich draws the bar and is imported when one is drawn, for to import `data` is to need NumPy alone.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress

EVERY = 10.0  # seconds between two lines on one file


class Lines:
    """Plain lines. A reader that has gone does not end the fetching."""

    def __init__(self) -> None:
        self.label, self.shown = "", time.monotonic()

    def say(self, text: str) -> None:
        """Print a line."""
        with suppress(OSError, ValueError):
            print(text, file=sys.stderr, flush=True)

    def begin(self, label: str) -> None:
        """From now on it is this file that is fetched."""
        self.label, self.shown = label, time.monotonic()
        self.say(f"fetching {label}")

    def step(self, done: int, total: int | None) -> None:
        """So many bytes of the file are there, of `total` where that is known."""
        if time.monotonic() - self.shown >= EVERY:
            self.shown = time.monotonic()
            self.say(f"fetching {self.label}: {_amount(done, total)}")

    def close(self) -> None:
        """Nothing more will come."""


class Bar(Lines):
    """A bar for the file that is fetched."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn
        from rich.table import Column

        super().__init__()
        # A narrow terminal cuts the name and the bar, never the figures.
        name = Column(ratio=1, no_wrap=True, overflow="ellipsis")
        self.progress: Progress = Progress(
            TextColumn("{task.description}", markup=False, table_column=name),
            BarColumn(bar_width=None, table_column=Column(ratio=1)),
            TextColumn("{task.fields[amount]:>16}", table_column=Column(width=16, no_wrap=True)),
            console=Console(stderr=True, highlight=False),
            expand=True,
            transient=True,
        )
        self.task = self.progress.add_task("", total=None, amount="", visible=False)

    def say(self, text: str) -> None:
        """Print a line above the bar."""
        self.progress.console.print(text, markup=False, soft_wrap=True)

    def begin(self, label: str) -> None:
        """A bar of its own for each file."""
        self.progress.start()
        self.progress.reset(self.task, total=None, description=label, amount="", visible=True)

    def step(self, done: int, total: int | None) -> None:
        """Move the bar."""
        amount = _amount(done, total)
        self.progress.update(self.task, completed=done, total=total, amount=amount)

    def close(self) -> None:
        """Remove the bar."""
        self.progress.stop()


def screen() -> Lines:
    """A bar where standard error is a terminal that can redraw a line; else lines."""
    redraws = sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    if redraws:
        with suppress(ImportError):
            return Bar()
    return Lines()


def _amount(done: int, total: int | None) -> str:
    """In one unit, that of the whole.

    >>> _amount(1_500_000, 26_421_880), _amount(0, 5148), _amount(70_000, None)
    ('1.5 of 26.4 MB', '0.0 of 5.1 kB', '70.0 kB')
    """
    size, unit = (1e6, "MB") if (total or done) >= 1e6 else (1e3, "kB")
    whole = f" of {total / size:.1f}" if total else ""
    return f"{done / size:.1f}{whole} {unit}"
