"""Where in the user's code a node was made, for the reports of detect_anomaly."""

from __future__ import annotations

import contextlib
import linecache
import sys
from types import FrameType
from typing import NamedTuple

from ..graph import Node, sweep
from ..modes.frames import PACKAGE
from ..transforms.forward import pushforward

# The operators of Value have this in the place of a file (specialized.py).
COMPILED = "from its primitive>"


class Site(NamedTuple):
    """Where a node was made: the operation, the user's line, and the node whose rule made it."""

    op: str
    file: str
    line: int
    rule_of: Node | None

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"

    @property
    def source(self) -> str:
        """The text of the line; empty where it is not known."""
        return linecache.getline(self.file, self.line).strip()


def current_site(op: str) -> Site:
    """The line of the user's code that runs an operation now; in a backward pass, the line that
    called it, and the node whose rule runs the operation."""
    user, rule_of = None, None
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        if code in (sweep.__code__, pushforward.__code__):
            # The line is that of backward(), not one within a user's own rule.
            user, rule_of = None, frame.f_locals.get("node")
        elif user is None and not code.co_filename.startswith((PACKAGE, contextlib.__file__)):
            user = None if code.co_filename.endswith(COMPILED) else frame
        frame = frame.f_back
    if user is None:
        return Site(op, "?", 0, rule_of)
    return Site(op, user.f_code.co_filename, user.f_lineno, rule_of)
