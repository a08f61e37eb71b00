"""The events of a forward and a backward pass as the debugger shows them: a sentence, the rule with
its numbers, what flows, and what a check says of it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from autograd import Node, Value
from viz.backprop import Accumulate, Send, Tape, Visit, vjp
from viz.debugger.checks.check import Check
from viz.debugger.checks.graph import check_gradients
from viz.debugger.checks.rule import check_rule
from viz.debugger.formula import formula_of_rule
from viz.debugger.labels import Labels, describe, exact
from viz.debugger.node_view import MAX_FORMULA
from viz.text import cut

__all__ = ["MAX_CHECKED", "TIMES", "event_views"]

Data = dict[str, Any]

MAX_CHECKED = 300  # nodes; to compute the graph again for each of its nodes is quadratic
TIMES = "\N{MULTIPLICATION SIGN}"


def event_views(tape: Tape, labels: Labels) -> list[Data]:
    """The events of both passes, in order, as plain data."""
    views = _EventViews(tape, labels)
    return [*views.forward(), *views.backward()]


class _EventViews:
    def __init__(self, tape: Tape, labels: Labels) -> None:
        self.tape, self.labels = tape, labels
        self.ids, self.label = labels.ids, labels.label

    # --- forward ---

    def forward(self) -> list[Data]:
        views = []
        for node in self.tape.nodes:
            for i in self.labels.constants(node):
                text = _constant(self.labels.argument(node, i).text, node.args[i])
                views.append(_event("forward", "visit", self.labels.argument_id(node, i), text))
            views.append(self._computed(node) if node.args else self._leaf(node))
        return views

    def _leaf(self, node: Any) -> Data:
        text = _constant(self.label(node), node.data)
        if node.requires_grad:
            value = describe(node.data)
            text = f"{self.label(node)} is a leaf with the value {value}; it takes a gradient"
        return _event("forward", "visit", self.ids[node], text)

    def _computed(self, node: Any) -> Data:
        formula, numbers = (cut(text, MAX_FORMULA) for text in self.labels.formulas[node])
        parts = [self.label(node)]
        if formula != parts[0]:
            parts.append(formula)
        if not np.ndim(node.data):
            parts.append(numbers)
        text = f"{' = '.join(parts)} = {describe(node.data)}"
        return _event("forward", "compute", self.ids[node], text, formula=formula, numbers=numbers)

    # --- backward ---

    def backward(self) -> list[Data]:
        events = self.tape.backward
        last = {event.node: event for event in events if isinstance(event, Accumulate)}
        checks = self._checks()
        views = []
        for event in events:
            if isinstance(event, Visit):
                views.append(self._visited(event))
            elif isinstance(event, Send):
                views.append(self._sent(event))
            elif isinstance(event, Accumulate):
                check = checks.get(event.node) if last[event.node] is event else None
                views.append(self._accumulated(event, check))
        return views

    def _checks(self) -> dict[Any, Check]:
        """Of a graph of Values: each gradient against a central difference of the whole graph."""
        nodes = self.tape.nodes
        if not isinstance(self.tape.root, Value) or len(nodes) > MAX_CHECKED:
            return {}
        return dict(check_gradients(nodes, self.tape.gradients))

    def _visited(self, event: Visit) -> Data:
        label, gradient = self.label(event.node), describe(event.gradient)
        receivers = [
            self.labels.argument(event.node, i).text
            for i, arg in enumerate(event.node.args)
            if isinstance(arg, Node) and arg.requires_grad and event.node.primitive.rule(i)
        ]
        text = f"the gradient of {label} is complete: {gradient}"
        if receivers:
            called = "rules are called" if len(receivers) > 1 else "rule is called"
            listed = " and ".join(filter(None, [", ".join(receivers[:-1]), receivers[-1]]))
            text = f"{label} has its whole gradient, {gradient}, and its {called} for {listed}"
        return _event("backward", "visit", self.ids[event.node], text)

    def _sent(self, event: Send) -> Data:
        node, i = event.node, event.i
        formula, numbers = formula_of_rule(node, i, event.upstream, self.labels.arguments(node))
        local = _local_derivative(event)
        is_product = local is not None and _multiplies(event, local)
        return _event(
            "backward",
            "send",
            self.ids[node],
            self._send_text(event, local, is_product),
            to=self.ids[node.args[i]],
            position=i + 1,
            formula=formula and cut(formula, MAX_FORMULA),
            numbers=numbers and cut(numbers, MAX_FORMULA),
            check=check_rule(node, i, event.upstream, event.contribution),
            upstream=event.upstream,
            local=local if is_product else None,
            contribution=event.contribution,
        )

    def _send_text(self, event: Send, local: Any, is_product: bool) -> str:
        node, i = event.node, event.i
        flow = describe(event.contribution)
        if is_product and not np.ndim(event.contribution):
            flow = f"{describe(event.upstream)} {TIMES} {describe(local)} = {flow}"
        receiver = self.labels.argument(node, i).text
        if sum(arg is node.args[i] for arg in node.args) > 1:
            receiver += f" as its argument {i + 1}"
        text = f"{self.label(node)} sends {flow} to {receiver}"
        if local is not None and not is_product:
            text += "; its rule is not upstream times something"
        return text

    def _accumulated(self, event: Accumulate, check: Check | None) -> Data:
        return _event(
            "backward",
            "accumulate",
            self.ids[event.node],
            self._accumulate_text(event),
            to=self.ids[event.node],
            position=None if event.i is None else event.i + 1,
            sender=None if event.sender is None else self.ids[event.sender],
            check=check,
            before=event.before,
            contribution=event.contribution,
            after=event.after,
        )

    def _accumulate_text(self, event: Accumulate) -> str:
        label, contribution = self.label(event.node), describe(event.contribution)
        if event.sender is None:
            one = "1.0" if not np.ndim(event.after) else "1.0 in each entry"
            return f"the backward pass begins at {label}, whose own gradient is {one}"
        if event.before is None:
            return f"{label} gets its first contribution, {contribution}"
        after = describe(event.after)
        return f"{label} adds {contribution} to its {describe(event.before)}: {after}"


def _constant(label: str, data: Any) -> str:
    value = describe(data)
    return f"{label} is a constant" + (f": {value}" if value != label else "")


def _local_derivative(event: Send) -> Any:
    """What the rule answers to an upstream gradient of 1, where it works entry by entry."""
    node = event.node
    if node.primitive.on_float is None and not isinstance(node, Value):
        return None
    one = np.ones_like(event.upstream) if np.ndim(event.upstream) else 1.0
    try:
        with np.errstate(all="ignore"):
            local = vjp(node, event.i, one)
    except Exception:  # a wrong rule may fail on 1
        return None
    if isinstance(node, Value):
        return local
    local = np.asarray(local)
    return local if local.shape == event.contribution.shape else None


def _multiplies(event: Send, local: Any) -> bool:
    """Whether the contribution is upstream times local, up to rounding."""
    contribution = np.asarray(event.contribution)
    with np.errstate(all="ignore"):
        product = np.asarray(event.upstream * local)
        if product.shape != contribution.shape:  # it has been un-broadcast
            return True
        finite = np.isfinite(product) & np.isfinite(contribution)
        info = np.finfo(contribution.dtype)
        rtol = max(1e-6, 64 * info.eps)
        near = np.isclose(product, contribution, rtol=rtol, atol=info.tiny)
    return bool(np.all(near | ~finite))


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
