"""A forward and a backward pass over a graph, as a list of events that can be stepped through.

The rows' own rules are called, on plain numbers, in the order of the engine's sweep, so that the
events add up to the engine's gradients to the last bit. Nothing of the graph is touched, and no
hook is called.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from autograd import Node, Value, sum_to
from autograd.graph import check_order, walk
from autograd.rows import ieee
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
    "pull",
    "record",
    "replay",
]

# --- events --------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Visit:
    """Forward, a leaf; backward, a node whose gradient is complete, its turn in the sweep."""

    node: Any
    gradient: Any = None


@dataclass(frozen=True, eq=False)
class Compute:
    """Forward: a node's row computes it from its arguments."""

    node: Any


@dataclass(frozen=True, eq=False)
class Send:
    """A node's rule makes of its gradient, `upstream`, a contribution to argument number i."""

    node: Any
    i: int
    upstream: Any
    contribution: Any


@dataclass(frozen=True, eq=False)
class Accumulate:
    """A node adds a contribution to what it has got `before` (None: nothing), which gives `after`.

    sender, i: whose contribution it is, the node being its argument number i; None for the
    gradient of 1 that a root starts with.
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
    """A pass over the graph behind `root`: its nodes, oldest first, and what happens, in order.

    `backward` is empty where the root does not require a gradient.
    """

    root: Any
    nodes: list[Any]
    forward: list[Event]
    backward: list[Event]

    @property
    def gradients(self) -> dict[Any, Any]:
        """The gradient of each node that got one: what the events add up to."""
        return replay(self.backward)


def record(root: Any) -> Tape:
    """The passes over the graph behind a Value or a Tensor.

    Raises TypeError for anything else, RuntimeError for a stale graph and for a rule that fails.
    A Tensor that is not a scalar starts with a gradient of ones, as its sum would give it.

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
    for node, g, shares in _sweep(nodes, seeds):
        backward.append(Visit(node, g))
        for i, share, before, after in shares:
            backward.append(Send(node, i, g, share))
            backward.append(Accumulate(node.args[i], node, i, before, share, after))
    return Tape(root, nodes, forward, backward)


def replay(events: Iterable[Event]) -> dict[Any, Any]:
    """The gradients that a list of events adds up to, by node."""
    found: dict[Any, Any] = {}
    with np.errstate(all="ignore"):
        for event in events:
            if isinstance(event, Accumulate):
                found[event.node] = _added(found.get(event.node), event.contribution)
    return found


# --- the sweep -----------------------------------------------------------------------------------


def cotangents(roots: Sequence[Any]) -> tuple[dict[Any, Any], dict[tuple[Any, int], Any]]:
    """The gradient of every node behind `roots`, and what each edge carried of it.

    Of the sum of the roots, whose own gradients start at 1. The second dictionary holds the
    contribution of a node to its argument number i, by (node, i). Numbers for Values, arrays
    for Tensors; what takes no gradient is in neither. Raises as `record` does.

    >>> a, b = Value(2.0), Value(5.0)
    >>> product = a * b
    >>> gradients, contributions = cotangents([product])
    >>> gradients[a], contributions[product, 0]
    (5.0, 5.0)
    """
    gradients, contributions = {}, {}
    for node, g, shares in _sweep(ancestors(roots), _seeds(roots)):
        gradients[node] = g
        for i, share, _, _ in shares:
            contributions[node, i] = share
    return gradients, contributions


def ancestors(roots: Sequence[Any]) -> list[Any]:
    """The nodes that `roots` were computed from, and themselves, oldest first.

    Raises TypeError for what is no node, RuntimeError where a node is older than its argument.
    """
    for root in roots:
        if not isinstance(root, Node):
            raise TypeError(f"viz: takes a Value or a Tensor, not {type(root).__name__}")
    nodes = walk(roots)
    check_order(nodes, "viz")
    return nodes


Share = tuple[int, Any, Any, Any]  # an argument's number, its contribution, before and after it


def _sweep(nodes: Sequence[Any], running: dict[Any, Any]) -> Iterator[tuple[Any, Any, list[Share]]]:
    """Each node that gets a gradient, newest first, with it and what it sends to its arguments.

    running: what each node has got so far, to begin with the gradients of the roots.
    """
    for node in reversed(nodes):
        g = running.pop(node, None)
        if g is None:
            continue
        shares: list[Share] = []
        args = [plain(arg) for arg in node.args]
        # Not around the yield: what the caller does between two nodes is its own business.
        with np.errstate(all="ignore"):
            for i, arg in enumerate(node.args):
                if not isinstance(arg, Node) or not arg.requires_grad or not node.row.rule(i):
                    continue
                share = _share(node, i, g, args)
                before = running.get(arg)
                running[arg] = after = _added(before, share)
                shares.append((i, share, before, after))
        yield node, g, shares


def _share(node: Any, i: int, g: Any, args: Sequence[Any]) -> Any:
    """What the node contributes to its argument number i. Raises RuntimeError, which names the
    rule, where that raises or answers what is no gradient."""
    rule = f"{node.row.name}: its rule for argument {i + 1}"
    try:
        answer = pull(node, i, g, args)
    except Exception as error:
        raise RuntimeError(f"{rule} raised {type(error).__name__}: {error}") from error
    found = repr(answer) if np.ndim(answer) == 0 else f"an array of shape {np.shape(answer)}"
    if np.asarray(answer).dtype.kind not in "biuf":
        raise RuntimeError(f"{rule} gave {cut(found)}, which is no gradient")
    try:
        return fitted(answer, args[i])
    except (TypeError, ValueError) as error:
        raise RuntimeError(f"{rule} gave {found}, which does not fit the argument") from error


def pull(node: Any, i: int, g: Any, args: Sequence[Any] | None = None) -> Any:
    """What the node's rule for argument number i answers to the gradient g, before broadcasting
    is undone. args: the numbers or arrays of its arguments, if they are at hand."""
    if args is None:
        args = [plain(arg) for arg in node.args]
    rule = node.row.rule(i)
    if not isinstance(node, Value):
        return rule(g, node.data, *args, **node.params)
    try:
        return rule(g, node.data, *args)
    except ArithmeticError:  # floats raise where IEEE arithmetic gives inf or nan
        return ieee(rule, (g, node.data, *args))


def plain(arg: Any) -> Any:
    """The number or array of an argument, whether it is a node or not."""
    return arg.data if isinstance(arg, Node) else arg  # type: ignore[attr-defined]


def fitted(share: Any, data: Any) -> Any:
    """A rule's answer as the argument that holds `data` adds it up: broadcasting undone, in its
    dtype."""
    if not isinstance(data, np.ndarray):
        return float(share)
    share = np.asarray(share)
    if share.shape != data.shape:  # a rule may also answer with less, a number for all entries
        share = np.broadcast_to(share, np.broadcast_shapes(share.shape, data.shape))
        share = sum_to(share, data.shape)
    return share.astype(data.dtype, copy=False)


def _added(before: Any, share: Any) -> Any:
    return share if before is None else before + share


def _seeds(roots: Sequence[Any]) -> dict[Any, Any]:
    return {
        root: 1.0 if isinstance(root, Value) else np.ones(root.shape, root.dtype)
        for root in roots
        if root.requires_grad
    }
