"""The nodes of a graph as the debugger shows them: label, formula, value, and the scalars behind
an entry of an array."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd import Tensor
from viz.backprop import ancestors
from viz.debugger.entry import entry, terms
from viz.debugger.formula import ATOM, Formula, Text, format_call, formula_of_node, number
from viz.debugger.labels import MAX_LABEL, Labels, describe, exact
from viz.text import cut, printable, short

__all__ = ["MAX_FORMULA", "node_views"]

Data = dict[str, Any]

MAX_FORMULA = 300  # characters
MAX_TERMS = 8  # of the sum behind an entry


def node_views(labels: Labels) -> list[Data]:
    """Each node after its arguments, and before it those that are constants, as plain data."""
    views = []
    for node in labels.ids:
        views += [_constant(labels, node, i) for i in labels.constants(node)]
        views.append(_node(labels, node))
    taken: set[str] = set()
    for view in views:  # several constants are 2.0, and one can run to each
        if view["label"] in taken:
            view["label"] += f" ({view['id']})"
        taken.add(view["label"])
    return views


def _constant(labels: Labels, node: Any, i: int) -> Data:
    return {
        "id": labels.argument_id(node, i), "label": labels.argument(node, i).text, "name": None,
        "operation": None, "doc": None, "args": [], "leaf": True, "constant": True,
        "formula": None, "numbers": None, "value": describe(node.args[i]),
        "exact": exact(node.args[i]), "entry": None,
    }  # fmt: skip


def _node(labels: Labels, node: Any) -> Data:
    computed = bool(node.args)
    formula, numbers = labels.formulas.get(node, (None, None))
    return {
        "id": labels.ids[node],
        "label": labels.label(node),
        "name": printable(str(node.name)) if node in labels.names else None,
        "operation": node.primitive.name if computed else None,
        "doc": node.primitive.doc if computed else None,
        "args": [labels.argument_id(node, i) for i in range(len(node.args))],
        "leaf": not computed,
        "constant": not node.requires_grad,
        "formula": formula and cut(formula, MAX_FORMULA),
        "numbers": numbers and cut(numbers, MAX_FORMULA),
        "value": describe(node.data),
        "exact": exact(node.data),
        "entry": _entry(labels, node) if isinstance(node, Tensor) and computed else None,
    }


def _entry(labels: Labels, node: Any) -> Data | None:
    """The scalars behind the largest entry. A number computed from numbers has none: its formula
    says it all."""
    if not node.size or (not node.ndim and node.primitive.on_float is not None):
        return None
    sizes = np.abs(node.data.astype(np.float64))
    index = tuple(int(i) for i in np.unravel_index(int(np.argmax(sizes)), node.shape))
    names = [labels.argument(node, i).within(ATOM) for i in range(len(node.args))]
    view = {
        "index": f"[{', '.join(map(str, index))}]" if index else "",
        "value": short(node.data[index].item()),
    }
    try:
        parts = terms(entry(node, index, names))
    except Exception as error:  # a user's primitive may raise anything on arrays of objects
        why = str(error).removeprefix("entry: ")
        if not isinstance(error, ValueError):
            why = f"{node.primitive.name} cannot be opened: {type(error).__name__}: {why}"
        return {**view, "rows": [], "rest": cut(printable(why), MAX_FORMULA)}
    rest = parts[MAX_TERMS:]
    together = short(sum(term.data for term in rest))
    return {
        **view,
        "rows": [_term(term) for term in parts[:MAX_TERMS]],
        "rest": f"{len(rest):,} more terms, together {together}" if rest else None,
    }


def _term(term: Any) -> Data:
    """One term of a sum: in names, in numbers, and its value."""
    symbols: dict[Any, Formula] = {}
    for node in ancestors([term]):
        args = [symbols[arg] for arg in node.args]
        if node.name is not None or not args:
            name = Text(node.name) if node.name else number(node.data)
        else:
            name = format_call(node.primitive, args, node.params)[0]
            name = Text(cut(name.text, 2 * MAX_LABEL), name.strength)
        symbols[node] = Formula(name, number(node.data), node.data)
    numbers = symbols[term].numbers.text
    if term.args:
        numbers = formula_of_node(term, [symbols[arg] for arg in term.args])[1]
    return {"term": symbols[term].names.text, "numbers": numbers, "value": short(term.data)}
