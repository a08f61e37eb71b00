"""What detect_anomaly says: the operation, its inputs, the entry, the user's line, the advice."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import ops
from ..graph import VIEW, Node
from ..primitives.primitive import Primitive
from .anomaly_advice import Advice, Index, advice, overflow, slope_advice
from .anomaly_sites import Site
from .node_data import data_of

Sites = Mapping[int, Site]  # where nodes were made, by their ids


class Report(NamedTuple):
    """The text of an error, the operation's name, and the line that called it."""

    text: str
    op: str
    where: str


def forward_report(
    node: Node, prim: Primitive, args: Sequence[Any], params: dict[str, Any], sites: Sites
) -> Report:
    """An operation made a number that is not finite, or was given one."""
    names = _argument_names(prim, len(args))
    inputs, out = [np.asarray(data_of(arg)) for arg in args], np.asarray(node._data)
    lines = _heading(node, prim, sites)
    lines += _listed([*zip(names, inputs, args, strict=True), ("result", out, None)], sites)
    spoilt = [i for i, x in enumerate(inputs) if not_finite(x)]
    if spoilt:
        i = spoilt[0]
        held = f"{_kinds(inputs[i])}, which it did not make: {names[i]} holds it already"
        at = _first_index(inputs[i])
        where = f"the first in {names[i]} is at {_brackets(at)}" if at else ""
        why = _advice_from_outside(args[i], sites)
        return _report(f"{prim.name} reads {held}", [*lines, where], why, prim, sites.get(id(node)))
    at = _first_index(out)
    operands = _operands(prim, params, inputs, out.shape, at)
    scalars = [float(x) for x in operands] if all(x.size == 1 for x in operands) else []
    given = _equations((*names[: len(operands)], "result"), (*operands, out[at]))
    where = f"at {_brackets(at)}: {given}" if at else ""
    title = f"{prim.name} made {_kinds(out)}{_count(out)} from finite numbers"
    why = advice(prim, scalars, args, out.dtype, at)
    return _report(title, [*lines, where], why, prim, sites.get(id(node)))


def backward_report(
    node: Node, i: int, g: Any, contribution: Any, total: Any, sites: Sites
) -> Report:
    """The rule for argument i of a node made a number that is not finite."""
    prim = node.primitive
    assert prim
    names = _argument_names(prim, len(node.args))
    inputs, out = [np.asarray(data_of(arg)) for arg in node.args], np.asarray(node._data)
    incoming, outgoing = "gradient of result", f"gradient of {names[i]}"
    lines = [*_heading(node, prim, sites), *_made_by_a_rule(sites.get(id(node)), sites)]
    listed = list(zip(names, inputs, node.args, strict=True))
    listed += [("result", out, None), (incoming, g, None), (outgoing, contribution, None)]
    lines += _listed(listed, sites)
    title = f"the backward pass of {prim.name} made the {outgoing} {_kinds(total)}{_count(total)}"
    if any(map(not_finite, (*inputs, out))):
        title += ": the forward pass was not finite before it"
        why = ("", "run the forward pass inside detect_anomaly() too: it stops there")
    elif not_finite(g):
        title += f": the {incoming} was {_kinds(g)} before it"
        why = ("it came so from outside: the seed of backward(), or a hook", "")
    elif not not_finite(contribution):
        title += ", as a sum of finite gradients"
        why = overflow("the sum of the gradients of its uses", total.dtype)
    else:
        title += "; the forward pass was finite"
        at, numbers = _at_the_rule(node, i, g, inputs, contribution)
        why = slope_advice(prim, i, numbers, g.dtype)
        if numbers and at:
            given = _equations((*names, "result", incoming, outgoing), numbers)
            lines.append(f"at {_brackets(at)}: {given}")
    return _report(title, lines, why, prim, sites.get(id(node)))


def _report(
    title: str, lines: Sequence[str], why: Advice, prim: Primitive, site: Site | None
) -> Report:
    body = "\n".join(f"  {line}" for line in lines if line)
    ends = [
        textwrap.fill(text, 96, initial_indent=f"  {label:9}", subsequent_indent=" " * 11)
        for label, text in zip(("cause:", "instead:"), why, strict=True)
        if text
    ]
    text = "\n\n".join(part for part in (title, body, "\n".join(ends)) if part)
    return Report(text, prim.name, str(site or ""))


# --- the operation and its arguments -------------------------------------------------------------


def _heading(node: Node, prim: Primitive, sites: Sites) -> list[str]:
    """The user's line, and the operation."""
    site = sites.get(id(node))
    name = f"{prim.name} in {'.'.join(node.scope)}" if node.scope else prim.name
    if site is None:
        line = "(made before detect_anomaly() began: put the forward pass inside to see the line)"
        return [line, f"{name}: {prim.doc}"]
    source = [f"    {site.source}"] if site.source else []
    return [str(site), *source, f"{name}: {prim.doc}"]


def _made_by_a_rule(site: Site | None, sites: Sites) -> list[str]:
    """A line about a node that a backward pass has made, as for a second derivative."""
    if site is None or site.rule_of is None:
        return []
    source = sites.get(id(site.rule_of))
    of = f"{source.op} at {source}" if source else "an operation from before"
    return [f"(itself made by a backward pass, that of {of})"]


def _argument_names(prim: Primitive, count: int) -> list[str]:
    """What the primitive's rules call its arguments."""
    for i in range(count):
        code = getattr(prim.rule(i), "__code__", None)
        if code is not None:
            known = code.co_varnames[2 : code.co_argcount]  # after g and out
            return [known[j] if j < len(known) else f"argument {j}" for j in range(count)]
    return [f"argument {j}" for j in range(count)]


def _listed(arrays: Sequence[tuple[str, Any, Any]], sites: Sites) -> list[str]:
    """A line for each (name, array, argument): what it holds, and where it comes from."""
    width = max(len(name) for name, _, _ in arrays)
    return [
        f"    {name:{width}}  {_summary(array)}{_origin(arg, sites)}" for name, array, arg in arrays
    ]


def _origin(arg: Any, sites: Sites) -> str:
    """Where an argument comes from."""
    if arg is None:
        return ""
    if not isinstance(arg, Node):
        return " (constant)"
    arg = _users_node(arg)
    site = sites.get(id(arg))
    if site is not None:
        return f" ({site.op} at {site}{': ' if site.source else ''}{site.source})"
    if arg.primitive is not None:
        return f" ({arg.primitive.name})"
    kind = "leaf" if arg.requires_grad else "constant"
    return f" ({kind} {arg.name!r})" if arg.name else f" ({kind})"


def _users_node(node: Node) -> Node:
    """The user's own node, where grad and its kind have put one of theirs in front."""
    while node.primitive in (ops.identity, VIEW):
        node = node.args[0]
    return node


def _advice_from_outside(arg: Any, sites: Sites) -> Advice:
    """What to say of an argument that was not finite when the operation was given it."""
    data = "look at the data as it comes in, np.isfinite(data).all(); where -inf is a mask, -1e9"
    if not isinstance(arg, Node):
        return "a number or an array of yours is not finite", data
    arg = _users_node(arg)
    if id(arg) in sites:
        return "it is a gradient; what was not finite in it did no harm until here", ""
    if arg.primitive is not None:
        where = "begin detect_anomaly() earlier: it stops where the first one is made"
        return f"{arg.primitive.name} made it before detect_anomaly() began", where
    leaf = f"the leaf {arg.name!r}" if arg.name else "a leaf"
    diverged = (
        "if it is a parameter, the step before spoilt it: a smaller learning rate, or clip the "
        "gradients"
    )
    cause = f"no operation in here made it: {leaf} holds it"
    return cause, diverged if arg.requires_grad else data


# --- the entry -----------------------------------------------------------------------------------


def _operands(
    prim: Primitive, params: dict[str, Any], inputs: Sequence[Any], shape: Any, at: Index
) -> list[Any]:
    """The entries of the inputs from which one entry of the result is computed; empty where the
    primitive does not say."""
    if prim.on_float is not None:
        return [np.broadcast_to(x, shape)[at] for x in inputs]
    if prim.product:
        x, y = (np.broadcast_to(x, (*shape[:-2], *x.shape[-2:])) for x in inputs)
        return [x[at[:-1]], y.swapaxes(-1, -2)[(*at[:-2], at[-1])]]
    if "axis" in params and len(inputs) == 1:  # a reduction, or log_softmax
        (x,), axis = inputs, np.atleast_1d(params["axis"])
        indices = iter(at)
        keeps = len(at) == x.ndim
        key = []
        for i in range(x.ndim):
            index = next(indices) if keeps or i not in axis else None
            key.append(slice(None) if i in axis else index)
        return [x[tuple(key)]]
    return []


def _at_the_rule(
    node: Node, i: int, g: Any, inputs: Sequence[Any], contribution: Any
) -> tuple[Index, list[Any]]:
    """The first entry of a rule's answer that is not finite, before broadcasting is undone; and
    there the inputs, the result, g, and the answer."""
    prim, out = node.primitive, np.asarray(node._data)
    assert prim
    if prim.on_float is None:
        return _first_index(contribution), []
    rule: Any = prim.rule(i)
    answer = rule(g[()], out[()], *(x[()] for x in inputs), **node.params)
    answer = np.broadcast_to(answer, out.shape)
    if not not_finite(answer):
        return _first_index(contribution), []
    at = _first_index(answer)
    return at, [np.broadcast_to(x, out.shape)[at] for x in (*inputs, out, g, answer)]


def not_finite(x: Any) -> bool:
    """Whether some float of x is NaN or infinite."""
    x = np.asarray(x)
    return bool(x.dtype.kind == "f" and not np.isfinite(x).all())


def has_nan(x: Any) -> bool:
    """Whether some float of x is NaN."""
    x = np.asarray(x)
    return bool(x.dtype.kind == "f" and np.isnan(x).any())


def _first_index(x: Any) -> Index:
    """Where the first number is that is not finite; () in a scalar."""
    return tuple(int(i) for i in np.argwhere(~np.isfinite(x))[0]) if np.ndim(x) else ()


# --- numbers in words ----------------------------------------------------------------------------


def _brackets(at: Index) -> str:
    return f"[{', '.join(map(str, at))}]"


def _kinds(x: Any) -> str:
    """Which of nan, inf and -inf are in x."""
    tests = (("nan", np.isnan), ("inf", np.isposinf), ("-inf", np.isneginf))
    return " and ".join(name for name, test in tests if test(x).any())


def _count(x: Any) -> str:
    return f" in {np.count_nonzero(~np.isfinite(x)):,} of {x.size:,} entries" if x.ndim else ""


def _number(x: Any) -> str:
    return f"{x:.6g}" if np.asarray(x).dtype.kind == "f" else str(x)


def _equations(names: Sequence[str], values: Sequence[Any]) -> str:
    shown = [
        np.array2string(x, threshold=8, precision=6) if np.ndim(x) else _number(x) for x in values
    ]
    return ", ".join(f"{name} = {text}" for name, text in zip(names, shown, strict=False))


def _summary(x: Any) -> str:
    """A number; of an array its dtype, shape, least and largest entry, and how many are not
    finite."""
    if x.ndim == 0:
        return _number(x[()])
    text = f"{x.dtype} {x.shape}"
    if x.dtype.kind != "f" or not x.size:
        return text
    known = x[~np.isnan(x)]
    if known.size:
        text += f", min {_number(known.min())}, max {_number(known.max())}"
    counts = (("nan", np.isnan(x).sum()), ("inf", np.isinf(x).sum()))
    return ", ".join([text, *(f"{n:,} {name}" for name, n in counts if n)])
