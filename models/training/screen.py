"""Standard output while something long goes on: it may fail, and what goes on does not."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from models.command_line import mute, printable, warn

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

__all__ = ["Screen"]


class Screen:
    """Prints lines, each at once, so that a log can be followed; above a bar, where there is one.

    Where they cannot be printed (the disk behind a log is full, the terminal was closed), that is
    said once on standard error, and nothing is raised. `failed` is why. (Of a pipe whose reader has
    gone nothing is said: he has seen what he wanted.)
    """

    def __init__(self) -> None:
        self.failed: OSError | None = None
        self.bar: Bar | None = None

    def show(self, text: str) -> None:
        """Print a line, or several, in which nothing steers the terminal."""
        text = "\n".join(map(printable, text.split("\n")))
        try:
            if self.bar is not None:
                self.bar.console.print(text, markup=False, soft_wrap=True)
            else:
                print(text, flush=True)
        except (OSError, ValueError) as error:  # ValueError: standard output was closed
            self.fail(error)

    def fail(self, error: Exception) -> None:
        """Note that standard output cannot be written."""
        self.bar = None
        if isinstance(error, BrokenPipeError):
            mute()  # a line that waits to be written would fail again
            self.failed = error
        elif self.failed is None:
            self.failed = error if isinstance(error, OSError) else OSError(errno.EBADF, str(error))
            why = self.failed.strerror or error
            warn(f"standard output cannot be written: {why}; the training goes on")
