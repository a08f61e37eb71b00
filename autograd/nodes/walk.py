"""All nodes of a graph in order, for drawings, the debugger and tests.

The reverse sweep has a walk of its own, graph.ancestors, which has to be fast and leaves out nodes
that require no gradient.
"""

from __future__ import annotations

from collections.abc import Container, Iterable

from ..graph import Node, by_index, stale


def walk(roots: Iterable[Node], stop: Container[Node] = ()) -> list[Node]:
    """`roots` and the nodes that they were computed from, oldest first, so arguments come before
    results, whether they require a gradient or not.

    stop: nodes to leave out, together with those reached only through them.
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
    """Raise RuntimeError if one of `nodes` was computed before its argument was written."""
    for node in nodes:
        for arg in node.args:
            if isinstance(arg, Node) and arg.index > node.index:
                raise stale(node, arg, caller)
