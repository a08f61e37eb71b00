"""`debug(node)`: a pass forward and one back to step through, here, in a notebook or as a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from models.files import write
from viz.debugger.story import Data, chapter
from viz.diagram import outline

__all__ = ["Debugger", "debug"]


class Debugger:
    """Chapters to step through, as they were when this was made; a notebook shows them.

    title: of the whole; "" for that of the first chapter.
    steps: of each chapter the root of its graph, a title ("" for its formula) and a text.
    chapters: the nodes and events of each as plain data; see `viz.debugger.story`.
    """

    def __init__(self, title: str, steps: Sequence[tuple[Any, str, str]]) -> None:
        self.chapters = [chapter(*step) for step in steps]
        self.title = title or self.chapters[0]["title"]
        self._pictures = [outline(root) for root, _, _ in steps]
        for each, picture in zip(self.chapters, self._pictures, strict=True):
            if picture.too_large:
                raise ValueError(
                    f"debug: the graph of {each['title']}, of {len(each['nodes'])} nodes, is too "
                    "tangled to be laid out; take an inner node or a smaller example, or see the "
                    "whole with viz.draw(node)"
                )

    @property
    def events(self) -> list[Data]:
        """What happens, in order, through all chapters."""
        return [event for each in self.chapters for event in each["events"]]

    def run(self) -> None:
        """Step through it in the terminal; where there is none, print every step."""
        from viz.debugger.terminal import run

        for each in self.chapters:
            run(each)

    def save(self, path: str | Path) -> None:
        """Write one HTML file that needs nothing else; a file of that name is replaced in one step.

        Raises ValueError for another suffix, RuntimeError where Graphviz is missing, OSError
        where the file cannot be written.
        """
        path = Path(path)
        if path.suffix.lower() != ".html":
            raise ValueError(f"save: {path.name!r} does not end in .html")
        from viz.debugger.page import render

        write(path, render(self._page()))

    def _repr_html_(self) -> str:
        from viz.debugger.page import notebook

        return notebook(self._page())

    def _page(self) -> Data:
        shown = zip(self.chapters, self._pictures, strict=True)
        return {
            "title": self.title,
            "chapters": [{**each, "svg": picture._repr_svg_()} for each, picture in shown],
        }

    def __repr__(self) -> str:
        nodes = sum(len(each["nodes"]) for each in self.chapters)
        return (
            f"<Debugger: {nodes} nodes, {len(self.events)} steps; .run() opens it here, "
            '.save("steps.html") writes a page>'
        )


def debug(node: Any) -> Debugger:
    """The forward and the backward pass behind a Value or a Tensor, to be stepped through.

    At each step it shows the rule with its numbers, what flows from where to where, and a central
    difference beside it. Nothing of the graph is touched, and no `backward()` needs to have run.
    Raises TypeError for anything else, RuntimeError where a leaf was written since, ValueError
    for a graph too large to step through.

    >>> from autograd import Value
    >>> x = Value(3.0, name="x")
    >>> debug(x * x)
    <Debugger: 2 nodes, 9 steps; .run() opens it here, .save("steps.html") writes a page>
    >>> debug(x * x).events[4]["text"]
    'x * x sends 1.0 \N{MULTIPLICATION SIGN} 3.0 = 3.0 to x as its argument 1'
    """
    return Debugger("", [(node, "", "")])
