"""What all command lines share: words that argparse reads, and how every command ends.

Exit codes, as shells count them: 0 done; 2 something handed in is wrong, said in one line; 130 and
143 stopped by Ctrl-C and by SIGTERM; 141 the reader of the output has gone. Nothing here imports
NumPy, so that `--help` and mistyped options are answered at once.
"""

from __future__ import annotations

import argparse
import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from shutil import get_terminal_size
from typing import Any, NoReturn, TextIO

__all__ = [
    "SIGPIPE",
    "WRONG_INPUT",
    "InputError",
    "Parser",
    "can_redraw",
    "fail",
    "has_unicode",
    "mute",
    "number",
    "printable",
    "run",
    "terminal_width",
    "warn",
    "whole",
]

WRONG_INPUT = 2
SIGPIPE = 13  # which Windows does not name


class InputError(Exception):
    """Something that was handed in is wrong: one line says what was expected and what was found.

    More arguments are lines that are printed below that one, to show the place.
    """


class Parser(argparse.ArgumentParser):
    """Raises InputError for a command line that cannot be read."""

    def read(self, arguments: Sequence[str] | None) -> argparse.Namespace:
        """The command line, None for what was typed; where nothing was, the help is printed, as
        most programs with commands do."""
        given = sys.argv[1:] if arguments is None else arguments
        return self.parse_args(given or ["--help"])

    def print_help(self, file: Any = None) -> None:
        """At once, and failing where that fails: argparse ends as if somebody had read it."""
        print(self.format_help(), end="", file=file, flush=True)

    def error(self, message: str) -> NoReturn:
        """One line, without the usage."""
        raise InputError(f"{message.removeprefix('argument ')} (see {self.prog} --help)")


def whole(text: str) -> int:
    """A whole number that was typed, for argparse."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a whole number, found {text!r}") from None


def number(text: str) -> float:
    """A number that was typed, for argparse."""
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a number, found {text!r}") from None


def run(choose: Callable[[], Callable[[], int | None]]) -> int:
    """Have `choose` read the command line and import what the command needs; call the command it
    gives, which gives its exit code, None for 0, and turn whatever else ends it into one.

    Before the command is called, and once all is said, there is nothing to lose, and Ctrl-C ends
    the process at once: as an exception it would leave a traceback, and within an import half a
    module, or a lock.
    """
    _open_closed_streams()
    before = signal.getsignal(signal.SIGINT)
    _end_at_once()
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A name that is not UTF-8, a terminal that knows only ASCII: show it, do not crash.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        command = choose()
        _replace_handler(signal.SIG_DFL, signal.default_int_handler)
        code = command() or 0
        _flush(code)
        _end_at_once()
    except BrokenPipeError:
        mute()
        return 128 + SIGPIPE
    except OSError as error:  # a full disk behind standard output
        mute()
        return fail(f"{error.filename or 'standard output'}: {error.strerror or error}")
    except KeyboardInterrupt as error:  # it may say what is left
        _end_at_once()
        _complain("\ninterrupted" + (f": {printable(str(error))}" if error.args else ""))
        return 128 + signal.SIGINT
    except InputError as error:
        message, *place = map(str, error.args)
        code = fail(message)
        for line in place:
            _complain(printable(line))
    except MemoryError as error:
        return fail(f"expected enough memory, found: {error or 'none left'}")
    finally:
        if before is signal.default_int_handler:
            _replace_handler(signal.SIG_DFL, before)
        else:
            _end_at_once()
        _give_up_complaints()
    return code


def _end_at_once() -> None:
    """From here on Ctrl-C ends the process: there is nothing to lose."""
    _replace_handler(signal.default_int_handler, signal.SIG_DFL)


def _replace_handler(old: Any, new: Any) -> None:
    """Have Ctrl-C handled by `new`, if it was by `old`: not where it is ignored, nor in a thread
    that Python gives no signals to."""
    in_main_thread = threading.current_thread() is threading.main_thread()
    if in_main_thread and signal.getsignal(signal.SIGINT) is old:
        signal.signal(signal.SIGINT, new)


def fail(message: str) -> int:
    """Say in one line what is wrong; gives the exit code for it."""
    _complain(f"error: {printable(' '.join(message.split()))}")
    return WRONG_INPUT


def warn(message: str) -> None:
    """Say a line on standard error: what is warned of goes on."""
    _complain(f"warning: {printable(message)}")


def printable(text: str) -> str:
    """Text from a file as one may print it: spaces of any kind are spaces, and what would steer the
    terminal (escape codes, writing from right to left) stands as one writes it in Python.

    >>> printable("two\\nlines, \\x1b[31mred")
    'two lines, \\\\x1b[31mred'
    """
    return "".join(
        c if c.isprintable() else " " if c.isspace() else c.encode("unicode_escape").decode()
        for c in text
    )


def mute() -> None:
    """Send whatever is still printed to nowhere: the reader of a pipe has gone, and Python would
    say so once more when it flushes at the end."""
    _send_nowhere(sys.stdout)


def can_redraw() -> bool:
    """Whether standard output is a terminal that understands escape codes."""
    return terminal_width() is not None and os.environ.get("TERM") != "dumb"


def terminal_width() -> int | None:
    """The columns of the terminal that standard output is; None where it is none."""
    try:
        return max(1, get_terminal_size().columns) if sys.stdout.isatty() else None
    except ValueError:  # it was closed
        return None


def has_unicode() -> bool:
    """Whether standard output can encode block characters."""
    return "utf" in (sys.stdout.encoding or "").lower()


def _flush(code: int) -> None:
    """Print what waits to be printed. Where that fails after a command that did not end well, its
    exit code says more."""
    try:
        sys.stdout.flush()
    except OSError:
        if not code:
            raise
        mute()


def _complain(line: str) -> None:
    """Print a line on standard error, if that can be: the terminal may be closed, the disk behind
    it full. Then the exit code alone says it."""
    with suppress(OSError, ValueError):
        print(f"{line}\n", end="", file=sys.stderr, flush=True)  # in one piece: threads speak too


def _give_up_complaints() -> None:
    """What standard error could not take until now waits, and would fail once more when Python
    ends: with exit code 120."""
    try:
        sys.stderr.flush()
    except (OSError, ValueError):
        _send_nowhere(sys.stderr)


def _send_nowhere(stream: TextIO) -> None:
    with suppress(OSError, ValueError), open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())


def _open_closed_streams() -> None:
    """Open the null device in place of a standard stream that the caller has closed, as by >&-:
    Python has None there, which can neither be read nor be written."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115
