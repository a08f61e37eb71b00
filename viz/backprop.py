"""A forward and a backward pass over a graph, as a list of events that can be stepped through.

It calls the primitives' own rules on plain numbers, in the order of the engine's sweep, so that the
events add up to the engine's gradients to the last bit. It changes nothing in the graph and calls
no hook.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from autograd import Node, Value, sum_to
from autograd.nodes.walk import check_order, walk
from autograd.primitives.primitive import ieee
from viz.text import cut

__all__ = [
    "Accumulate",
    "Compute",
    "Event",
    "Send",
    "Tape",
    "Visit",
    "ancestors",
    "cotangents",
    "plain",
    "record",
    "replay",
    "unbroadcast",
    "vjp",
]

# --- events --------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Visit:
    """Forward: a leaf. Backward: a node whose gradient is complete, when its turn comes."""

    node: Any
    gradient: Any = None


@dataclass(frozen=True, eq=False)
class Compute:
    """Forward: a node is computed from its arguments."""

    node: Any


@dataclass(frozen=True, eq=False)
class Send:
    """A node's rule turns its gradient, `upstream`, into a contribution to argument number i."""

    node: Any
    i: int
    upstream: Any
    contribution: Any


@dataclass(frozen=True, eq=False)
class Accumulate:
    """A node adds a contribution to its running sum: `before` (None at first), then `after`.

    sender, i: the contribution comes from `sender`, whose argument number i the node is; both are
    None for the gradient of 1 that a root starts with.
    """

    node: Any
    sender: Any
    i: int | None
    before: Any
    contribution: Any
    after: Any


Event = Visit | Compute | Send | Accumulate


@dataclass(frozen=True, eq=False)
class Tape:
    """A pass over the graph of `root`: its nodes, oldest first, and the events, in order.

    `backward` is empty where the root does not require a gradient.
    """

    root: Any
    nodes: list[Any]
    forward: list[Event]
    backward: list[Event]

    @property
    def gradients(self) -> dict[Any, Any]:
        """The gradient of each node that gets one: the sum of its contributions."""
        return replay(self.backward)


def record(root: Any) -> Tape:
    """The forward and the backward pass over the graph of a Value or a Tensor.

    Raises TypeError for anything else, RuntimeError for a stale graph and for a rule that fails.
    A Tensor that is not a scalar starts with a gradient of ones, that of its sum.

    >>> x = Value(3.0, name="x")
    >>> tape = record(x * x)
    >>> [type(event).__name__ for event in tape.backward[1:]]
    ['Visit', 'Send', 'Accumulate', 'Send', 'Accumulate', 'Visit']
    >>> tape.gradients[x]
    6.0
    """
    nodes = ancestors([root])
    forward: list[Event] = [Compute(node) if node.args else Visit(node) for node in nodes]
    seeds = _seeds([root])
    backward: list[Event] = [Accumulate(root, None, None, None, g, g) for g in seeds.values()]
    for node, g, sent in _sweep(nodes, seeds):
        backward.append(Visit(node, g))
        for i, contribution, before, after in sent:
            backward.append(Send(node, i, g, contribution))
            backward.append(Accumulate(node.args[i], node, i, before, contribution, after))
    return Tape(root, nodes, forward, backward)


def replay(events: Iterable[Event]) -> dict[Any, Any]:
    """The sum of each node's contributions in a list of events."""
    sums: dict[Any, Any] = {}
    with np.errstate(all="ignore"):
        for event in events:
            if isinstance(event, Accumulate):
                sums[event.node] = _add(sums.get(event.node), event.contribution)
    return sums


# --- the sweep -----------------------------------------------------------------------------------


def cotangents(roots: Sequence[Any]) -> tuple[dict[Any, Any], dict[tuple[Any, int], Any]]:
    """The gradient of the sum of `roots` by every node in their graph, and its contributions.

    Gives two dictionaries: the gradients by node, and by (node, i) the contribution of a node to
    its argument number i. They hold numbers for Values, arrays for Tensors, and nothing for a node
    that does not require a gradient. Each root starts with a gradient of 1. Raises as `record`
    does.

    >>> a, b = Value(2.0), Value(5.0)
    >>> product = a * b
    >>> gradients, contributions = cotangents([product])
    >>> gradients[a], contributions[product, 0]
    (5.0, 5.0)
    """
    gradients, contributions = {}, {}
    for node, g, sent in _sweep(ancestors(roots), _seeds(roots)):
        gradients[node] = g
        for i, contribution, _, _ in sent:
            contributions[node, i] = contribution
    return gradients, contributions


def ancestors(roots: Sequence[Any]) -> list[Any]:
    """The nodes that `roots` were computed from, and the roots, oldest first.

    Raises TypeError for anything but nodes, RuntimeError where an argument was written after a
    node was computed from it.
    """
    for root in roots:
        if not isinstance(root, Node):
            raise TypeError(f"viz: takes a Value or a Tensor, not {type(root).__name__}")
    nodes = walk(roots)
    check_order(nodes, "viz")
    return nodes


# The number of an argument, the contribution to it, and its running sum before and after.
Sent = tuple[int, Any, Any, Any]


def _sweep(nodes: Sequence[Any], sums: dict[Any, Any]) -> Iterator[tuple[Any, Any, list[Sent]]]:
    """Each node that gets a gradient, newest first, with its gradient and what it sends.

    sums: the running sum of each node's contributions, at first the gradients of the roots.
    """
    for node in reversed(nodes):
        g = sums.pop(node, None)
        if g is None:
            continue
        sent: list[Sent] = []
        args = [plain(arg) for arg in node.args]
        # Not around the yield: the caller's own arithmetic between two nodes may warn.
        with np.errstate(all="ignore"):
            for i, arg in enumerate(node.args):
                if not isinstance(arg, Node) or not arg.requires_grad or not node.primitive.rule(i):
                    continue
                contribution = _contribution(node, i, g, args)
                before = sums.get(arg)
                sums[arg] = after = _add(before, contribution)
                sent.append((i, contribution, before, after))
        yield node, g, sent


def _contribution(node: Any, i: int, g: Any, args: Sequence[Any]) -> Any:
    """What the node contributes to its argument number i. Raises RuntimeError, which names the
    rule, if the rule raises or does not answer with a gradient."""
    rule = f"{node.primitive.name}: its rule for argument {i + 1}"
    try:
        answer = vjp(node, i, g, args)
    except Exception as error:
        raise RuntimeError(f"{rule} raised {type(error).__name__}: {error}") from error
    shown = repr(answer) if np.ndim(answer) == 0 else f"an array of shape {np.shape(answer)}"
    if np.asarray(answer).dtype.kind not in "biuf":
        raise RuntimeError(f"{rule} gave {cut(shown)}, which is no gradient")
    try:
        return unbroadcast(answer, args[i])
    except (TypeError, ValueError) as error:
        raise RuntimeError(f"{rule} gave {shown}, which does not fit the argument") from error


def vjp(node: Any, i: int, g: Any, args: Sequence[Any] | None = None) -> Any:
    """The vector-Jacobian product of g with a node's derivative by its argument number i, as the
    rule gives it: not yet un-broadcast. args: the numbers or arrays of the arguments, if known."""
    if args is None:
        args = [plain(arg) for arg in node.args]
    rule = node.primitive.rule(i)
    if not isinstance(node, Value):
        return rule(g, node.data, *args, **node.params)
    try:
        return rule(g, node.data, *args)
    except ArithmeticError:  # floats raise where IEEE arithmetic gives inf or nan
        return ieee(rule, (g, node.data, *args))


def plain(arg: Any) -> Any:
    """The number or array of an argument, whether it is a node or not."""
    return arg.data if isinstance(arg, Node) else arg  # type: ignore[attr-defined]


def unbroadcast(answer: Any, data: Any) -> Any:
    """A rule's answer summed to the shape of the argument's data, in the dtype of that."""
    if not isinstance(data, np.ndarray):
        return float(answer)
    answer = np.asarray(answer)
    if answer.shape != data.shape:  # a rule may also answer with one number for all entries
        answer = np.broadcast_to(answer, np.broadcast_shapes(answer.shape, data.shape))
        answer = sum_to(answer, data.shape)
    return answer.astype(data.dtype, copy=False)


def _add(before: Any, contribution: Any) -> Any:
    return contribution if before is None else before + contribution


def _seeds(roots: Sequence[Any]) -> dict[Any, Any]:
    return {
        root: 1.0 if isinstance(root, Value) else np.ones(root.shape, root.dtype)
        for root in roots
        if root.requires_grad
    }
