"""The gradients of a graph of Values against difference quotients of the whole graph."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from autograd.checking.differences import EPS, STEP, ULPS
from autograd.graph import dependents
from viz.backprop import vjp
from viz.debugger.checks.best_slope import best_slope
from viz.debugger.checks.check import TINY, Check, compare_with_slope

__all__ = ["check_gradients"]


def check_gradients(nodes: Sequence[Any], gradients: dict[Any, Any]) -> Iterator[tuple[Any, Check]]:
    """The gradient of each node of a graph of Values against the central difference of the root
    (the last of `nodes`), for which the later nodes are computed again: quadratic in their number.

    >>> from autograd import Value
    >>> x = Value(3.0)
    >>> y = x * x
    >>> [(check.expected, check.agrees) for _, check in check_gradients([x, y], {x: 6.0, y: 1.0})]
    [('6', True)]
    """
    root = nodes[-1]
    # The first order of what rounding can move the root by: of every node by a few ulp.
    size = sum(abs(g * node.data) for node, g in gradients.items())
    noise = ULPS * EPS * max(size, TINY)
    # Where nothing is known of the root but that it is small, as of sin(1e17), nothing is known of
    # its slopes.
    if not np.isfinite(noise) or 0.0 < abs(root.data) < noise:
        return
    for position, node in enumerate(nodes[:-1]):
        if node not in gradients:
            continue
        later = nodes[position + 1 :]
        graph = _GraphFunction(node, later)
        what = f"central difference of {root.name or 'the root'} by this node"
        slope = best_slope(graph.value, graph.same_side, node.data, noise)
        if slope.known and not slope.kink:
            cancelling = ULPS * EPS * _contributions_size(node, later, gradients)
            slope = slope._replace(tolerance=slope.tolerance + cancelling)
        check = compare_with_slope(what, 1.0, gradients[node], slope, graph.conventions())
        if slope.kink and check.agrees is False:
            # Conventions within a graph need not add up to a slope of one side or the other:
            # relu(x) - relu(-x) is x.
            check = replace(check, agrees=None, note=f"not compared: {check.note}")
        yield node, check


def _contributions_size(node: Any, later: Sequence[Any], gradients: dict[Any, Any]) -> float:
    """The sizes of a node's contributions together: what rounds where they cancel."""
    return sum(
        abs(float(vjp(other, i, gradients[other])))
        for other in later
        for i, arg in enumerate(other.args)
        if arg is node and other in gradients and other.primitive.rule(i)
    )


class _GraphFunction:
    """The root of a graph of Values as a function of one node, all other leaves as they are."""

    def __init__(self, node: Any, later: Sequence[Any]) -> None:
        self.node = node
        known = dependents(later, [node])
        self.dependents = [other for other in later if other in known]

    def _computed(self, t: float) -> Iterator[tuple[Any, list[float], float]]:
        """Each dependent, its arguments and its value, where the node is moved by t."""
        values = {self.node: self.node.data + t}
        for node in self.dependents:
            args = [values.get(arg, arg.data) for arg in node.args]
            values[node] = node.primitive.on_floats(args)
            yield node, args, values[node]

    def value(self, t: float) -> float:
        """The root's."""
        return [value for _, _, value in self._computed(t)][-1]

    def same_side(self, h: float) -> bool:
        """Whether -h and h are on one side of every kink."""
        return self._sides(-h) == self._sides(h)

    def _sides(self, t: float) -> list[float]:
        computed = self._computed(t)
        return [
            np.sign(node.primitive.kink(*args)) for node, args, _ in computed if node.primitive.kink
        ]

    def conventions(self) -> str:
        """What the derivative is at the kinks near here."""
        near = [
            node.primitive.convention
            for node, args, _ in self._computed(0.0)
            if node.primitive.convention
            and (not node.primitive.kink or abs(node.primitive.kink(*args)) < STEP)
        ]
        return "; ".join(dict.fromkeys(near))
