"""A tape in words and numbers: the chapter that the debugger's page and terminal both show.

A chapter is plain data: `title` and `text`; `nodes`, oldest first, each with its label, formula and
value; `events`, each with a sentence, the rule's formula with the real numbers in it, what flows,
and what a central difference says of it. Node number i is n{i}, and a plain number or array that
is the second argument of n5 is n5_2, as in the diagram.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import asdict
from typing import Any

import numpy as np

from autograd import Node, Tensor, Value
from viz.backprop import Accumulate, Send, Visit, ancestors, plain, record, vjp
from viz.debugger.check import Check
from viz.debugger.entry import entry, terms
from viz.debugger.formula import (
    ATOM,
    LOOSEST,
    Formula,
    Text,
    formula_of_node,
    formula_of_rule,
    number,
    written,
)
from viz.debugger.graph_check import check_gradients
from viz.debugger.rule_check import check_rule
from viz.text import cut, entries, norm, printable, short

__all__ = ["MOST_NODES", "chapter", "describe", "exact"]

Data = dict[str, Any]

MOST_NODES = 400  # nobody steps through more; the page's table and picture would not be read
MOST_CHECKED = 300  # nodes; to compute the graph again for each of its nodes is quadratic
LONGEST_LABEL = 24  # of an expression; a longer one is called by its id
LONGEST_FORMULA = 300
# What may stand in a formula as it is: layers.0.weight, x[1], y'. Others may be read as operations.
NAME = re.compile(r"[^\W\d][\w.\[\]'\N{HORIZONTAL ELLIPSIS}]*")
TERMS = 8  # of the sum behind an entry
TIMES = "\N{MULTIPLICATION SIGN}"


def chapter(root: Any, title: str = "", text: str = "") -> Data:
    """The forward and the backward pass behind a Value or a Tensor, to be stepped through.

    title: by default what the root is called.
    Everything in it is a string, a number, a boolean, None, a list or a dictionary, and none is an
    infinity or a NaN. Raises TypeError for what is no node, ValueError for a graph of more than
    MOST_NODES, RuntimeError for a stale one.

    >>> a, b = Value(2.0, name="a"), Value(-3.0, name="b")
    >>> story = chapter((a * b).tanh())
    >>> for event in story["events"][2:4] + story["events"][-1:]:
    ...     print(event["text"])
    a * b = 2.0 * -3.0 = -6.0
    tanh(a * b) = tanh(-6.0) = -1
    the gradient of a is complete: -7.373e-05
    """
    count = len(ancestors([root]))
    if count > MOST_NODES:
        raise ValueError(
            f"debug: {count:,} nodes are too many to step through, at most {MOST_NODES}; take an "
            "inner node or a smaller example, or see the whole with viz.draw(node)"
        )
    story = _Story(root)
    nodes = story.nodes()
    if isinstance(root, Value) and count > MOST_CHECKED:
        unchecked = (
            f"Each rule is checked by a difference, but not each node's gradient: {count:,} nodes "
            f"are too many for that (at most {MOST_CHECKED})."
        )
        text = f"{text}\n\n{unchecked}".lstrip()
    own = nodes[-1]["name"] or nodes[-1]["formula"] or nodes[-1]["label"]
    return {"title": title or own, "text": text, "nodes": nodes, "events": story.events()}


# --- numbers as text -----------------------------------------------------------------------------


def describe(data: Any) -> str:
    """A number or an array in a few words.

    >>> describe(0.25), describe(np.arange(3.0)), describe(np.ones((9, 2)))
    ('0.25', 'float64 (3,): 0.0 1.0 2.0', 'float64 (9, 2), all 1.0')
    """
    array = np.asarray(data)
    if not array.ndim:
        return short(array.item())
    kind = f"{array.dtype} {array.shape}"
    few = entries(array)
    if few:
        return f"{kind}: {'; '.join(' '.join(row) for row in few)}"
    known = array[array == array]
    if not known.size:
        return f"{kind}, all nan" if array.size else kind
    low, high = short(known.min().item()), short(known.max().item())
    if len(known) == array.size and low == high:
        return f"{kind}, all {low}"
    size = f", norm {short(norm(array))}" if array.dtype.kind == "f" else ""
    return f"{kind}, from {low} to {high}{size}"


def exact(data: Any) -> float | str | None:
    """One number itself, what JSON cannot hold as text; None for arrays.

    >>> exact(0.5), exact(float("-inf")), exact(np.ones(2))
    (0.5, '-inf', None)
    """
    array = np.asarray(data)
    if array.ndim or array.dtype.kind not in "iuf":
        return None
    value = float(array)
    return value if math.isfinite(value) else str(value)


# --- the story -----------------------------------------------------------------------------------


class _Story:
    """A tape, what its nodes are called, and how they were computed."""

    def __init__(self, root: Any) -> None:
        self.tape = record(root)
        self.ids = {node: f"n{i}" for i, node in enumerate(self.tape.nodes, 1)}
        self.names = _names(self.ids)
        arrays = [arg for node in self.tape.nodes for arg in node.args if _is_array(arg)]
        self.several = len(arrays) > 1 or "array" in self.names.values()
        self.labels: dict[Any, Text] = {}
        self.formulas: dict[Any, tuple[str, str]] = {}
        for node in self.tape.nodes:
            if node.args:
                self.formulas[node] = formula_of_node(node, self.arguments(node))
            self.labels[node] = self._label(node)

    def _label(self, node: Any) -> Text:
        if node in self.names:
            name = self.names[node]
            return Text(name, ATOM if NAME.fullmatch(name) else LOOSEST)
        if not node.args:
            plain_number = not node.requires_grad and not np.ndim(node.data)
            return number(node.data) if plain_number else Text(self.ids[node])
        names = self.formulas[node][0]
        others = {*self.names.values(), *(text.text for text in self.labels.values())}
        if len(names) > LONGEST_LABEL or names in others:
            return Text(self.ids[node])
        return written(node.row, self.arguments(node), node.params)[0]

    def label(self, node: Any) -> str:
        return self.labels[node].text

    def arguments(self, node: Any) -> list[Formula]:
        """The arguments as symbols, for formulas."""
        return [
            Formula(self._name(node, i), number(plain(arg)), plain(arg))
            for i, arg in enumerate(node.args)
        ]

    def _name(self, node: Any, i: int) -> Text:
        arg = node.args[i]
        if isinstance(arg, Node):
            return self.labels[arg]
        if not np.ndim(arg):
            return number(arg)
        return Text(f"array_{self.argument_id(node, i)}" if self.several else "array")

    def argument_id(self, node: Any, i: int) -> str:
        arg = node.args[i]
        return self.ids[arg] if isinstance(arg, Node) else f"{self.ids[node]}_{i + 1}"

    def constants(self, node: Any) -> list[int]:
        """Which arguments are no nodes, but plain numbers and arrays."""
        return [i for i, arg in enumerate(node.args) if not isinstance(arg, Node)]

    # --- the nodes ---

    def nodes(self) -> list[Data]:
        found = []
        for node in self.tape.nodes:
            found += [self._constant(node, i) for i in self.constants(node)]
            found.append(self._node(node))
        told: set[str] = set()
        for each in found:  # several constants are 2.0, and each can be run to
            if each["label"] in told:
                each["label"] += f" ({each['id']})"
            told.add(each["label"])
        return found

    def _constant(self, node: Any, i: int) -> Data:
        return {
            "id": self.argument_id(node, i), "label": self._name(node, i).text, "name": None,
            "operation": None, "doc": None, "args": [], "leaf": True, "constant": True,
            "formula": None, "numbers": None, "value": describe(node.args[i]),
            "exact": exact(node.args[i]), "entry": None,
        }  # fmt: skip

    def _node(self, node: Any) -> Data:
        computed = bool(node.args)
        formula, numbers = self.formulas.get(node, (None, None))
        return {
            "id": self.ids[node],
            "label": self.label(node),
            "name": printable(str(node.name)) if node in self.names else None,
            "operation": node.row.name if computed else None,
            "doc": node.row.doc if computed else None,
            "args": [self.argument_id(node, i) for i in range(len(node.args))],
            "leaf": not computed,
            "constant": not node.requires_grad,
            "formula": formula and cut(formula, LONGEST_FORMULA),
            "numbers": numbers and cut(numbers, LONGEST_FORMULA),
            "value": describe(node.data),
            "exact": exact(node.data),
            "entry": self._entry(node) if isinstance(node, Tensor) and computed else None,
        }

    def _entry(self, node: Any) -> Data | None:
        """The scalars behind the largest entry; of a number computed from numbers it has no more
        to say."""
        if not node.size or (not node.ndim and node.row.on_float is not None):
            return None
        sizes = np.abs(node.data.astype(np.float64))
        index = tuple(int(i) for i in np.unravel_index(int(np.argmax(sizes)), node.shape))
        names = [self._name(node, i).within(ATOM) for i in range(len(node.args))]
        place = {
            "index": f"[{', '.join(map(str, index))}]" if index else "",
            "value": short(node.data[index].item()),
        }
        try:
            found = terms(entry(node, index, names))
        except Exception as error:  # a row of one's own may raise anything on arrays of objects
            why = str(error).removeprefix("entry: ")
            if not isinstance(error, ValueError):
                why = f"{node.row.name} cannot be opened: {type(error).__name__}: {why}"
            return {**place, "rows": [], "rest": cut(printable(why), LONGEST_FORMULA)}
        rest = found[TERMS:]
        together = short(sum(term.data for term in rest))
        return {
            **place,
            "rows": [_term(term) for term in found[:TERMS]],
            "rest": f"{len(rest):,} more terms, together {together}" if rest else None,
        }

    # --- the events ---

    def events(self) -> list[Data]:
        return [*self._forward(), *self._backward()]

    def _forward(self) -> list[Data]:
        events = []
        for node in self.tape.nodes:
            for i in self.constants(node):
                said = self._said(self._name(node, i).text, "a constant", node.args[i])
                events.append(_event("forward", "visit", self.argument_id(node, i), said))
            events.append(self._computed(node) if node.args else self._leaf(node))
        return events

    def _said(self, label: str, kind: str, data: Any) -> str:
        value = describe(data)
        return f"{label} is {kind}" + (f": {value}" if value != label else "")

    def _leaf(self, node: Any) -> Data:
        said = self._said(self.label(node), "a constant", node.data)
        if node.requires_grad:
            value = describe(node.data)
            said = f"{self.label(node)} is a leaf with the value {value}; it takes a gradient"
        return _event("forward", "visit", self.ids[node], said)

    def _computed(self, node: Any) -> Data:
        formula, numbers = (cut(text, LONGEST_FORMULA) for text in self.formulas[node])
        parts = [self.label(node)]
        if formula != parts[0]:
            parts.append(formula)
        if not np.ndim(node.data):
            parts.append(numbers)
        said = f"{' = '.join(parts)} = {describe(node.data)}"
        return _event("forward", "compute", self.ids[node], said, formula=formula, numbers=numbers)

    def _backward(self) -> list[Data]:
        last = {event.node: event for event in self.tape.backward if isinstance(event, Accumulate)}
        checks = self._checks()
        found = []
        for event in self.tape.backward:
            if isinstance(event, Visit):
                found.append(self._visited(event))
            elif isinstance(event, Send):
                found.append(self._sent(event))
            elif isinstance(event, Accumulate):
                check = checks.get(event.node) if last[event.node] is event else None
                found.append(self._accumulated(event, check))
        return found

    def _checks(self) -> dict[Any, Check]:
        """What a central difference of the whole graph says, of a graph of Values."""
        nodes = self.tape.nodes
        if not isinstance(self.tape.root, Value) or len(nodes) > MOST_CHECKED:
            return {}
        return dict(check_gradients(nodes, self.tape.gradients))

    def _visited(self, event: Visit) -> Data:
        label, gradient = self.label(event.node), describe(event.gradient)
        takers = [
            self._name(event.node, i).text
            for i, arg in enumerate(event.node.args)
            if isinstance(arg, Node) and arg.requires_grad and event.node.row.rule(i)
        ]
        if takers:
            called = "rules are called" if len(takers) > 1 else "rule is called"
            listed = " and ".join(filter(None, [", ".join(takers[:-1]), takers[-1]]))
            said = f"{label} has its whole gradient, {gradient}, and its {called} for {listed}"
        else:
            said = f"the gradient of {label} is complete: {gradient}"
        return _event("backward", "visit", self.ids[event.node], said)

    def _sent(self, event: Send) -> Data:
        node, i = event.node, event.i
        args = self.arguments(node)
        formula, numbers = formula_of_rule(node, i, event.upstream, args)
        local, remark = self._local(event), ""
        if local is not None and not _multiplies(event, local):
            local, remark = None, "; its rule is not upstream times something"
        flows = describe(event.contribution)
        if local is not None and not np.ndim(event.contribution):
            flows = f"{describe(event.upstream)} {TIMES} {describe(local)} = {flows}"
        to = args[i].names.text
        if sum(arg is node.args[i] for arg in node.args) > 1:
            to += f" as its argument {i + 1}"
        return _event(
            "backward",
            "send",
            self.ids[node],
            f"{self.label(node)} sends {flows} to {to}{remark}",
            to=self.ids[node.args[i]],
            position=i + 1,
            formula=formula and cut(formula, LONGEST_FORMULA),
            numbers=numbers and cut(numbers, LONGEST_FORMULA),
            check=check_rule(node, i, event.upstream, event.contribution),
            upstream=event.upstream,
            local=local,
            contribution=event.contribution,
        )

    def _local(self, event: Send) -> Any:
        """What the rule makes of an upstream gradient of 1, where it goes entry by entry."""
        if event.node.row.on_float is None and not isinstance(event.node, Value):
            return None
        one = np.ones_like(event.upstream) if np.ndim(event.upstream) else 1.0
        try:
            with np.errstate(all="ignore"):
                local = vjp(event.node, event.i, one)
        except Exception:  # a wrong rule need not know 1
            return None
        if isinstance(event.node, Value):
            return local
        local = np.asarray(local)
        return local if local.shape == event.contribution.shape else None

    def _accumulated(self, event: Accumulate, check: Check | None) -> Data:
        label, contribution = self.label(event.node), describe(event.contribution)
        if event.sender is None:
            one = "1.0" if not np.ndim(event.after) else "1.0 in each entry"
            said = f"the backward pass begins at {label}, whose own gradient is {one}"
        elif event.before is None:
            said = f"{label} gets its first contribution, {contribution}"
        else:
            after = describe(event.after)
            said = f"{label} adds {contribution} to its {describe(event.before)}: {after}"
        return _event(
            "backward",
            "accumulate",
            self.ids[event.node],
            said,
            to=self.ids[event.node],
            position=None if event.i is None else event.i + 1,
            sender=None if event.sender is None else self.ids[event.sender],
            check=check,
            before=event.before,
            contribution=event.contribution,
            after=event.after,
        )


def _is_array(arg: Any) -> bool:
    return not isinstance(arg, Node) and np.ndim(arg) > 0


def _multiplies(event: Send, local: Any) -> bool:
    """Whether the contribution is upstream times local, as far as anybody can see."""
    found = np.asarray(event.contribution)
    with np.errstate(all="ignore"):
        product = np.asarray(event.upstream * local)
        if product.shape != found.shape:  # broadcasting undone
            return True
        both = np.isfinite(product) & np.isfinite(found)
        info = np.finfo(found.dtype)
        near = np.isclose(product, found, rtol=max(1e-6, 64 * info.eps), atol=info.tiny)
    return bool(np.all(near | ~both))


def _names(ids: dict[Any, str]) -> dict[Any, str]:
    """What the nodes that were given names are called: each its own, and none like an id."""
    short_names = {
        node: cut(printable(str(node.name)), LONGEST_LABEL)
        for node in ids
        if node.name not in (None, "")
    }
    taken = Counter([*short_names.values(), *ids.values()])
    for node, name in short_names.items():
        if taken[name] > 1:
            own = f"{name}_{ids[node]}"
            while own in taken:
                own += "_"
            short_names[node] = own
    return short_names


def _event(
    view: str,
    kind: str,
    node: str,
    text: str,
    *,
    to: str | None = None,
    position: int | None = None,
    sender: str | None = None,
    formula: str | None = None,
    numbers: str | None = None,
    check: Check | None = None,
    **flows: Any,
) -> Data:
    names = ("upstream", "local", "contribution", "before", "after")
    known = {name: flows[name] for name in names if flows.get(name) is not None}
    return {
        "view": view, "kind": kind, "node": node, "to": to, "position": position, "from": sender,
        "text": text, "formula": formula, "numbers": numbers,
        **{name: describe(known[name]) if name in known else None for name in names},
        "exact": {name: exact(known[name]) if name in known else None for name in names},
        "check": None if check is None else asdict(check),
    }  # fmt: skip


# --- the scalars behind an entry -----------------------------------------------------------------


def _term(term: Any) -> Data:
    """One term of a sum: in names, in numbers, and its value."""
    nodes = ancestors([term])
    labels: dict[Any, Formula] = {}
    for node in nodes:
        args = [labels[arg] for arg in node.args]
        if node.name is not None or not args:
            name = Text(node.name) if node.name else number(node.data)
        else:
            name = written(node.row, args, node.params)[0]
            name = Text(cut(name.text, 2 * LONGEST_LABEL), name.strength)
        labels[node] = Formula(name, number(node.data), node.data)
    numbers = labels[term].numbers.text
    if term.args:
        numbers = formula_of_node(term, [labels[arg] for arg in term.args])[1]
    return {"term": labels[term].names.text, "numbers": numbers, "value": short(term.data)}
