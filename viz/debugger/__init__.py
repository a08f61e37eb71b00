"""`debug(node)`: step through a forward and a backward pass, here, in a notebook or in a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from data.files import write
from viz.debugger.trace_view import Data, trace_view
from viz.diagram import outline

__all__ = ["Debugger", "debug"]


class Debugger:
    """One graph, or several as in a lesson, to step through; a notebook shows it as a page.

    It shows each graph as it was when this was made.

    title: of the whole; "" for that of the first graph.
    graphs: of each its root, a title ("" for its formula) and a text.
    traces: the nodes and events of each as plain data; see `viz.debugger.trace_view`.
    """

    def __init__(self, title: str, graphs: Sequence[tuple[Any, str, str]]) -> None:
        self.traces = [trace_view(*graph) for graph in graphs]
        self.title = title or self.traces[0]["title"]
        self._pictures = [outline(root) for root, _, _ in graphs]
        for trace, picture in zip(self.traces, self._pictures, strict=True):
            if picture.too_large:
                raise ValueError(
                    f"debug: the graph of {trace['title']}, of {len(trace['nodes'])} nodes, is too "
                    "tangled to be laid out; take an inner node or a smaller example, or see the "
                    "whole with viz.draw(node)"
                )

    @property
    def events(self) -> list[Data]:
        """The events of all traces, in order."""
        return [event for trace in self.traces for event in trace["events"]]

    def run(self) -> None:
        """Step through it in the terminal; without a terminal, print every step."""
        from viz.debugger.terminal import run

        for trace in self.traces:
            run(trace)

    def save(self, path: str | Path) -> None:
        """Write one HTML file that needs no other; a file of that name is replaced atomically.

        Raises ValueError for another suffix, RuntimeError where Graphviz is missing, OSError
        where the file cannot be written.
        """
        path = Path(path)
        if path.suffix.lower() != ".html":
            raise ValueError(f"save: {path.name!r} does not end in .html")
        write(path, self.html())

    def html(self) -> str:
        """What `save` writes. Raises RuntimeError where Graphviz is missing."""
        from viz.debugger.page import render

        return render(self._page())

    def _repr_html_(self) -> str:
        from viz.debugger.page import notebook

        return notebook(self._page())

    def _page(self) -> Data:
        pairs = zip(self.traces, self._pictures, strict=True)
        return {
            "title": self.title,
            "traces": [{**trace, "svg": picture._repr_svg_()} for trace, picture in pairs],
        }

    def __repr__(self) -> str:
        nodes = sum(len(trace["nodes"]) for trace in self.traces)
        return (
            f"<Debugger: {nodes} nodes, {len(self.events)} steps; .run() opens it here, "
            '.save("steps.html") writes a page>'
        )


def debug(node: Any) -> Debugger:
    """The forward and the backward pass of a Value or a Tensor, to be stepped through.

    Each step shows the rule with its numbers, what flows from where to where, and a central
    difference that checks it. The graph is not changed, and `backward()` need not have run.
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
