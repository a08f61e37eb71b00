"""What the debugger calls things: a number or an array in a few words, a node by its label."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from autograd import Node
from viz.backprop import plain
from viz.debugger.formula import ATOM, LOOSEST, Formula, Text, format_call, formula_of_node, number
from viz.text import cut, entries, norm, printable, short

__all__ = ["MAX_LABEL", "Labels", "describe", "exact"]

MAX_LABEL = 24  # characters of an expression; a node with a longer one is called by its id
# What may stand in a formula as it is: layers.0.weight, x[1], y'. Others may be read as operations.
NAME = re.compile(r"[^\W\d][\w.\[\]'\N{HORIZONTAL ELLIPSIS}]*")


def describe(data: Any) -> str:
    """A number or an array in a few words.

    >>> describe(0.25), describe(np.arange(3.0)), describe(np.ones((9, 2)))
    ('0.25', 'float64 (3,): 0.0 1.0 2.0', 'float64 (9, 2), all 1.0')
    """
    array = np.asarray(data)
    if not array.ndim:
        return short(array.item())
    kind = f"{array.dtype} {array.shape}"
    rows = entries(array)
    if rows:
        return f"{kind}: {'; '.join(' '.join(row) for row in rows)}"
    known = array[array == array]
    if not known.size:
        return f"{kind}, all nan" if array.size else kind
    low, high = short(known.min().item()), short(known.max().item())
    if len(known) == array.size and low == high:
        return f"{kind}, all {low}"
    size = f", norm {short(norm(array))}" if array.dtype.kind == "f" else ""
    return f"{kind}, from {low} to {high}{size}"


def exact(data: Any) -> float | str | None:
    """A number as JSON holds it, infinities and NaN as text; None for an array.

    >>> exact(0.5), exact(float("-inf")), exact(np.ones(2))
    (0.5, '-inf', None)
    """
    array = np.asarray(data)
    if array.ndim or array.dtype.kind not in "iuf":
        return None
    value = float(array)
    return value if math.isfinite(value) else str(value)


class Labels:
    """The id, label and formula of each node of a graph, and of each constant among arguments.

    Node number i is n{i}, and a plain number or array that is the second argument of n5 is n5_2,
    as in the diagram. A label is the node's name, else a short expression, else the id.
    formulas: of each computed node, in names and in numbers.
    """

    def __init__(self, nodes: Sequence[Any]) -> None:
        self.ids = {node: f"n{i}" for i, node in enumerate(nodes, 1)}
        self.names = _names(self.ids)
        arrays = [arg for node in nodes for arg in node.args if _is_array(arg)]
        self._numbered_arrays = len(arrays) > 1 or "array" in self.names.values()
        self._labels: dict[Any, Text] = {}
        self.formulas: dict[Any, tuple[str, str]] = {}
        for node in nodes:
            if node.args:
                self.formulas[node] = formula_of_node(node, self.arguments(node))
            self._labels[node] = self._label(node)

    def _label(self, node: Any) -> Text:
        if node in self.names:
            name = self.names[node]
            return Text(name, ATOM if NAME.fullmatch(name) else LOOSEST)
        if not node.args:
            plain_number = not node.requires_grad and not np.ndim(node.data)
            return number(node.data) if plain_number else Text(self.ids[node])
        names = self.formulas[node][0]
        others = {*self.names.values(), *(text.text for text in self._labels.values())}
        if len(names) > MAX_LABEL or names in others:
            return Text(self.ids[node])
        return format_call(node.primitive, self.arguments(node), node.params)[0]

    def label(self, node: Any) -> str:
        """What a node is called."""
        return self._labels[node].text

    def argument(self, node: Any, i: int) -> Text:
        """What a node's argument number i is called."""
        arg = node.args[i]
        if isinstance(arg, Node):
            return self._labels[arg]
        if not np.ndim(arg):
            return number(arg)
        return Text(f"array_{self.argument_id(node, i)}" if self._numbered_arrays else "array")

    def arguments(self, node: Any) -> list[Formula]:
        """The arguments as symbols, for formulas."""
        return [
            Formula(self.argument(node, i), number(plain(arg)), plain(arg))
            for i, arg in enumerate(node.args)
        ]

    def argument_id(self, node: Any, i: int) -> str:
        """The id of a node's argument number i."""
        arg = node.args[i]
        return self.ids[arg] if isinstance(arg, Node) else f"{self.ids[node]}_{i + 1}"

    def constants(self, node: Any) -> list[int]:
        """The numbers of the arguments that are plain numbers and arrays, not nodes."""
        return [i for i, arg in enumerate(node.args) if not isinstance(arg, Node)]


def _is_array(arg: Any) -> bool:
    return not isinstance(arg, Node) and np.ndim(arg) > 0


def _names(ids: dict[Any, str]) -> dict[Any, str]:
    """The names of the nodes that have one, made different from each other and from all ids."""
    names = {
        node: cut(printable(str(node.name)), MAX_LABEL)
        for node in ids
        if node.name not in (None, "")
    }
    taken = Counter([*names.values(), *ids.values()])
    for node, name in names.items():
        if taken[name] > 1:
            unique = f"{name}_{ids[node]}"
            while unique in taken:
                unique += "_"
            names[node] = unique
    return names
