"""Every node that a graph consists of, for whoever looks at it: a drawing, the debugger, a test.

The reverse sweep has a walk of its own, graph.ancestors, which has to be fast and leaves out what
requires no gradient.
"""

from __future__ import annotations

from collections.abc import Container, Iterable

from ..graph import Node, by_index, stale


def walk(roots: Iterable[Node], stop: Container[Node] = ()) -> list[Node]:
    """The nodes that `roots` were computed from, and these, oldest first: recorded arguments
    before results, whether they require a gradient or not.

    stop: nodes that are left out, and with them what is reached only through them.
    """
    seen = {root for root in roots if root not in stop}
    stack = list(seen)
    while stack:
        for arg in stack.pop().args:
            if isinstance(arg, Node) and arg not in seen and arg not in stop:
                seen.add(arg)
                stack.append(arg)
    return sorted(seen, key=by_index)


def check_order(nodes: Iterable[Node], caller: str = "backward") -> None:
    """Raise RuntimeError if one of some nodes was computed before its argument was written."""
    for node in nodes:
        for arg in node.args:
            if isinstance(arg, Node) and arg.index > node.index:
                raise stale(node, arg, caller)
