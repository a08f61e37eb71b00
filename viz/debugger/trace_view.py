"""The trace view: a forward and a backward pass in words and numbers, for page and terminal alike.

A trace view is plain data: `title` and `text`; `nodes`, oldest first, each with its label, formula
and value (node_view.py); `events`, each with a sentence, the rule's formula with the real numbers
in it, what flows, and what a central difference says of it (event_view.py).
"""

from __future__ import annotations

from typing import Any

from autograd import Value
from viz.backprop import ancestors, record
from viz.debugger.event_view import MAX_CHECKED, event_views
from viz.debugger.labels import Labels
from viz.debugger.node_view import node_views

__all__ = ["MAX_NODES", "trace_view"]

Data = dict[str, Any]

MAX_NODES = 400  # nobody steps through more; the page's table and picture could not be read


def trace_view(root: Any, title: str = "", text: str = "") -> Data:
    """The forward and the backward pass of a Value or a Tensor, to be stepped through.

    title: by default what the root is called.
    Everything in it is a string, a number, a boolean, None, a list or a dictionary, and no number
    is an infinity or a NaN. Raises TypeError for anything but a node, ValueError for a graph of
    more than MAX_NODES, RuntimeError for a stale one.

    >>> a, b = Value(2.0, name="a"), Value(-3.0, name="b")
    >>> trace = trace_view((a * b).tanh())
    >>> for event in trace["events"][2:4] + trace["events"][-1:]:
    ...     print(event["text"])
    a * b = 2.0 * -3.0 = -6.0
    tanh(a * b) = tanh(-6.0) = -1
    the gradient of a is complete: -7.373e-05
    """
    count = len(ancestors([root]))
    if count > MAX_NODES:
        raise ValueError(
            f"debug: {count:,} nodes are too many to step through, at most {MAX_NODES}; take an "
            "inner node or a smaller example, or see the whole with viz.draw(node)"
        )
    if isinstance(root, Value) and count > MAX_CHECKED:
        unchecked = (
            f"Each rule is checked by a difference, but not each node's gradient: {count:,} nodes "
            f"are too many for that (at most {MAX_CHECKED})."
        )
        text = f"{text}\n\n{unchecked}".lstrip()
    tape = record(root)
    labels = Labels(tape.nodes)
    nodes = node_views(labels)
    title = title or nodes[-1]["name"] or nodes[-1]["formula"] or nodes[-1]["label"]
    return {"title": title, "text": text, "nodes": nodes, "events": event_views(tape, labels)}
