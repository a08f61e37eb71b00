"""Forward mode: tangents go from arguments to results, by the rules of reverse mode transposed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ..graph import Node, ancestors, pullback
from ..modes.mode import mode, set_mode
from ..tensor import wrap


def pushforward(roots: Sequence[Any], tangents: dict[Node, Any], create_graph: bool) -> list[Any]:
    """The tangents of the roots, from those of some nodes that they depend on; None for none.

    The tangent of a result is the sum of what its arguments contribute.
    """
    on_nodes = create_graph or mode.trace is not None
    differentiable = [r for r in roots if isinstance(r, Node) and r.requires_grad]
    nodes = reversed(ancestors(*differentiable))
    tangents = dict(tangents)
    with set_mode(gradients=create_graph, rules=True), np.errstate(all="ignore"):
        for node in nodes:  # (anomaly.py finds it by this name)
            moving = [i for i, arg in enumerate(node.args) if _node_or_none(arg) in tangents]
            if node.primitive is None or node in tangents or not moving:
                continue
            out, args = node, node.args
            if not on_nodes:
                out = node._data
                args = tuple([arg._data if isinstance(arg, Node) else arg for arg in args])
            parts = [
                node._fit(_contribution(node, i, tangents[node.args[i]], out, args, create_graph))
                for i in moving
                if node.primitive.rule(i) is not None
            ]
            if parts:
                tangents[node] = total(parts)
    return [tangents.get(_node_or_none(root)) for root in roots]


def _contribution(
    node: Any, i: int, tangent: Any, out: Any, args: tuple[Any, ...], create_graph: bool
) -> Any:
    """What the tangent of argument i contributes to a node's: the rule, transposed, of it.

    An elementwise rule is a diagonal matrix, its own transpose. A linear primitive is applied to
    tangents as to values. Any other rule is differentiated by its g.
    """
    prim = node.primitive
    if prim.on_float is not None:
        return (node._apply_rule or _call)(prim.rule(i), tangent, out, *args, **node.params)
    if prim.linear:
        return prim(*args[:i], tangent, *args[i + 1 :], **node.params)
    return _transposed(prim.rule(i), tangent, node, out, args, create_graph)


def _call(rule: Callable[..., Any], *args: Any, **params: Any) -> Any:
    return rule(*args, **params)


def _node_or_none(x: Any) -> Any:
    """x where it can be looked up among nodes: a plain array has no hash."""
    return x if isinstance(x, Node) else None


def _transposed(
    rule: Callable[..., Any],
    tangent: Any,
    node: Any,
    out: Any,
    args: tuple[Any, ...],
    create_graph: bool,
) -> Any:
    """The transpose of a rule, applied to a tangent: the gradient of <rule(g), tangent> by g, in
    which the rule is linear."""
    g = wrap(np.zeros(node.shape, node.dtype))
    g.requires_grad = True
    with set_mode(gradients=True):
        answer = rule(g, out, *args, **node.params)
        return pullback(answer, [g], tangent, create_graph)[g]


def total(parts: Iterable[Any]) -> Any:
    """The sum of some tangents or cotangents, at least one."""
    first, *rest = parts
    for part in rest:
        first = first + part
    return first
