"""The README's picture. `python -m viz.readme` makes it again, as viz/graph.svg."""

from __future__ import annotations

import sys
from pathlib import Path

from autograd import Value
from models.command_line import run
from viz.diagram import Diagram, draw

__all__ = ["PICTURE", "readme_picture"]

PICTURE = Path(__file__).with_name("graph.svg")


def readme_picture() -> Diagram:
    """`(a * b + c) / a` after `backward()`: a reader can check every number in his head.

    `a` is used twice, so its gradient is a sum of two; the division shows the order of arguments.
    """
    a, b, c = Value(2.0, name="a"), Value(-3.0, name="b"), Value(10.0, name="c")
    d = a * b + c
    e = d / a
    d.name, e.name = "d", "e"
    e.backward()
    return draw(e)


def main() -> None:
    """Make the file again."""
    readme_picture().save(PICTURE)


if __name__ == "__main__":
    sys.exit(run(lambda: main))
