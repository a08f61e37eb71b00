"""Standard output while something long goes on: it may fail, and what goes on does not."""

from __future__ import annotations

import errno

from models.command_line import can_redraw, mute, printable, terminal_width, warn
from models.training.text import columns

__all__ = ["Screen"]


class Screen:
    """Prints lines, each at once, so that a log can be followed; on a terminal above a last line
    that is drawn again and again.

    Where they cannot be printed (the disk behind a log is full, the terminal was closed), that is
    said once on standard error, and nothing is raised. `failed` is why. (Of a pipe whose reader has
    gone nothing is said: he has seen what he wanted.)
    """

    def __init__(self) -> None:
        self.failed: OSError | None = None
        self.drawn = ""  # the last line

    @property
    def redraws(self) -> bool:
        """Whether a line can be drawn again."""
        return self.failed is None and can_redraw()

    @property
    def width(self) -> int | None:
        """The columns of the terminal, which may change at any time; None of a log."""
        return terminal_width()

    def show(self, text: str) -> None:
        """Print a line, or several, in which nothing steers the terminal."""
        text = "\n".join(map(printable, text.split("\n")))
        self._write(f"{self._erasing()}{text}\n{self.drawn}")

    def draw(self, line: str) -> None:
        """Put a line below what was printed, in place of the last one; an empty one removes it."""
        erasing, self.drawn = self._erasing(), printable(line)
        if erasing or line:
            self._write(erasing + self.drawn)

    def _erasing(self) -> str:
        """What removes the last line. A terminal that was made narrower has broken it into several:
        the cursor is behind the last of them."""
        if not self.drawn:
            return ""
        above = (columns(self.drawn) - 1) // (self.width or columns(self.drawn))
        return (f"\x1b[{above}A" if above else "") + "\r\x1b[J"

    def _write(self, text: str) -> None:
        try:
            print(text, end="", flush=True)
        except (OSError, ValueError) as error:  # ValueError: standard output was closed
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        """Note that standard output cannot be written."""
        self.drawn = ""
        if isinstance(error, BrokenPipeError):
            mute()  # a line that waits to be written would fail again
            self.failed = error
        elif self.failed is None:
            self.failed = error if isinstance(error, OSError) else OSError(errno.EBADF, str(error))
            why = self.failed.strerror or error
            warn(f"standard output cannot be written: {why}; the training goes on")
