"""What the sections of a report share: the runs, pieces of HTML, and values as words.

Whatever comes from a folder (names, settings, notes) passes through `escape` here and in the
sections, or through `label` in charts.py: a run may be called anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data import Examples
from models.mnist.datasets import Described
from models.mnist.scoring import Score
from models.training.text import cut
from viz.report.runs import Run

__all__ = [
    "Answers",
    "Page",
    "details",
    "four_digits",
    "option",
    "scrolling",
    "setting",
    "table",
    "unfolding",
    "words",
]


NAME = 32  # columns of the name of a class


@dataclass(frozen=True, eq=False)
class Answers:
    """How a run's model does on the test set of its own dataset: its score, and (n, classes)
    probabilities."""

    described: Described
    test: Examples
    score: Score
    chances: NDArray[np.float32]

    def called(self, label: int, width: int = NAME) -> str:
        """The name of a class, as text without markup; a long one is cut."""
        return cut(self.described.classes[label], width)


@dataclass(eq=False)
class Page:
    """What the sections share: the runs, and the charts by the id of their place in the page."""

    runs: Sequence[Run]
    answers: dict[int, Answers] = field(default_factory=dict)  # by the number of the run
    charts: dict[str, dict[str, Any]] = field(default_factory=dict)
    ids: Iterator[int] = field(default_factory=lambda: count(1))

    def datasets(self) -> list[tuple[Described, list[int]]]:
        """The datasets that the runs were scored on, each with the numbers of its runs."""
        found: list[tuple[Described, list[int]]] = []
        for i, answers in self.answers.items():
            numbers = next((n for known, n in found if known == answers.described), None)
            if numbers is None:
                found.append((answers.described, [i]))
            else:
                numbers.append(i)
        return found

    def chart(self, title: str, chart: dict[str, Any]) -> str:
        """A place for a chart: for one, or for one by kind of axes ("linear", "log", "log-log")."""
        place = f"chart{next(self.ids)}"
        self.charts[place] = chart if "linear" in chart else {"linear": chart}
        return f'<div class="chart" id="{place}" role="img" aria-label="{escape(title)}"></div>'

    def figure(self, title: str, chart: dict[str, Any]) -> str:
        """The place for a chart, below its title."""
        return f"<figure><figcaption>{title}</figcaption>{self.chart(title, chart)}</figure>"


# --- HTML ----------------------------------------------------------------------------------------


def table(caption: str, head: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; the cells are HTML, the first of each row is its heading."""
    heads = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    lines = "".join(
        f'<tr><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in rest)}</tr>'
        for first, *rest in rows
    )
    return scrolling(
        caption,
        f"<table><caption>{caption}</caption><thead><tr>{heads}</tr></thead>"
        f"<tbody>{lines}</tbody></table>",
    )


def scrolling(title: str, body: str) -> str:
    """A box that scrolls, by keyboard too, what may be too wide for a small screen."""
    return f'<div class="scroll" tabindex="0" role="region" aria-label="{title}">{body}</div>'


def details(title: str, body: str) -> str:
    """A box that is closed until it is clicked."""
    return f"<details><summary>{title}</summary>{body}</details>"


def unfolding(title: str, body: str, opened: bool) -> str:
    """A part of a section with a heading, open or closed."""
    state = " open" if opened else ""
    return f"<details{state}><summary><h3>{title}</h3></summary>\n{body}\n</details>"


# --- words ---------------------------------------------------------------------------------------


def setting(value: Any) -> str:
    """The value of a setting as one types it."""
    if isinstance(value, list):
        return " ".join(map(str, value)) or "none"
    return "-" if value is None else str(value)


def option(name: str) -> str:
    """The option that sets a setting, as one types it."""
    return escape(f"--{name.replace('_', '-')}")


def words(name: str) -> str:
    """A key of a run's JSON as words."""
    return escape(name.replace("_", " "))


def four_digits(number: float | None) -> str:
    """A number in four digits.

    >>> four_digits(0.123456), four_digits(None)
    ('0.1235', '-')
    """
    return "-" if number is None else f"{number:,.4g}"
