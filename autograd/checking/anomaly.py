"""detect_anomaly: stop at the first operation that makes a NaN or an infinity, and say why.

Inside it the engine shows every node to a `Watch` as it is made (graph.made), and every cotangent
as a rule gives it (graph.sweep). Outside, it asks for none, and nothing is watched.
"""

from __future__ import annotations

import contextlib
import linecache
import sys
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any, NamedTuple

import numpy as np

from .. import ops
from ..graph import VIEW, Node, remember, sweep
from ..modes.frames import PACKAGE
from ..modes.mode import mode, set_mode
from ..primitives.primitive import Primitive
from ..transforms.forward import pushforward

__all__ = ["AnomalyError", "Watch", "detect_anomaly"]

# The operators of Value have this in the place of a file (specialized.py).
COMPILED = "from its primitive>"

Index = tuple[int, ...]
Advice = tuple[str, str]  # the cause, and what to write instead


class AnomalyError(FloatingPointError):
    """An operation, or its derivative, made a NaN or an infinity; the text says which and why.

    op: its name. where: the file and line that called it, "file:line"; empty where unknown.
    """

    def __init__(self, text: str, op: str = "", where: str = "") -> None:
        super().__init__(text)
        self.op, self.where = op, where


@contextmanager
def detect_anomaly() -> Iterator[None]:
    """Raise AnomalyError at the first operation that makes a NaN or an infinity.

    The first in the order of the forward pass; or, if that is finite, the first whose rule makes
    one in the backward pass (put both inside). The error names the operation, its inputs with
    shapes, the entry, the line that called it, the likely cause and what to write instead.
    A NaN that comes in from outside is reported by the first operation that reads it (but not by
    `where`, which may drop it); an infinity only if the result is bad too, as exp(-inf) is not.

    For Values and Tensors, in this thread, also as a decorator. NumPy's own warnings are off
    inside. A jitted step is refused with RuntimeError: its replay has no operations to watch;
    call `step.function`, which is the step run eagerly. Not watched: tangents of `jvp`,
    operations on plain arrays, and updates in place, which show at the next operation.

    >>> from autograd import Value, detect_anomaly
    >>> with detect_anomaly():
    ...     x = Value(-1.0)
    ...     y = x.log()
    Traceback (most recent call last):
    autograd.checking.anomaly.AnomalyError: log made nan from finite numbers
    <BLANKLINE>
      <doctest autograd.checking.anomaly.detect_anomaly[1]>:3
          y = x.log()
      log: the natural logarithm of x
          x       -1 (leaf)
          result  nan
    <BLANKLINE>
      cause:   the logarithm of a negative number is not real
      instead: find out why x is negative; for its size alone, log(abs(x))
    """
    if mode.trace:
        raise RuntimeError(REFUSED)
    with set_mode(watch=mode.watch or Watch()), np.errstate(all="ignore"):
        yield


REFUSED = (
    "detect_anomaly: a jitted step is recorded and replayed, with no operations to watch; inside "
    "detect_anomaly() call step.function(...), which runs the step eagerly"
)


# --- what the engine shows ---------------------------------------------------------------------


class _Site(NamedTuple):
    """Where a node was made: the operation, the user's line, and the node whose rule made it."""

    op: str
    file: str
    line: int
    rule_of: Node | None

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class Watch:
    """What `detect_anomaly` looks with, while it is on (mode.watch)."""

    def __init__(self) -> None:
        self.sites: dict[int, _Site] = {}  # by the node's id

    def made(
        self, node: Node, prim: Primitive, args: Sequence[Any], params: dict[str, Any]
    ) -> None:
        """Called with the node of every operation; raises AnomalyError."""
        if mode.trace:
            raise RuntimeError(REFUSED)
        site: _Site = remember(self.sites, node, _site(prim.name))
        # In a rule, what the rule answers is looked at. `identity` stands for an argument of grad.
        if site.rule_of is not None or prim is ops.identity:
            return
        bad = _bad(node._data)
        if bad or (prim is not ops.where and any(map(_nan, map(_data, args)))):
            raise self._forward(node, prim, args, params, site)

    def contributed(self, node: Node, i: int, g: Any, contribution: Any, total: Any) -> None:
        """Called with what the rule for argument i of a node made of its cotangent g, and what
        that argument's cotangents come to with it; raises AnomalyError."""
        if _bad(_data(total)):
            raise self._backward(node, i, _data(g), _data(contribution), _data(total))

    # --- the reports ---

    def _forward(
        self, node: Node, prim: Primitive, args: Sequence[Any], params: dict[str, Any], site: _Site
    ) -> AnomalyError:
        names = _names(prim, len(args))
        inputs, out = [np.asarray(_data(arg)) for arg in args], np.asarray(node._data)
        before = [i for i, x in enumerate(inputs) if _bad(x)]
        at = _first(inputs[before[0]] if before else out)
        lines = [*_called(site), f"{_named(prim, node)}: {prim.doc}"]
        lines += self._listed([*zip(names, inputs, args, strict=True), ("result", out, None)])
        if before:
            i = before[0]
            kind = _kind(inputs[i])
            title = f"{prim.name} reads {kind}, which it did not make: {names[i]} holds it already"
            cause, instead = self._from_outside(args[i])
            where = f"the first in {names[i]} is at {_at(at)}" if at else ""
        else:
            title = f"{prim.name} made {_kind(out)}{_count(out)} from finite numbers"
            there = _there(prim, params, inputs, out.shape, at)
            scalars = [float(x) for x in there] if all(x.size == 1 for x in there) else []
            cause, instead = _advice(prim, scalars, args, out.dtype, at)
            given = _equations((*names[: len(there)], "result"), (*there, out[at]))
            where = f"at {_at(at)}: {given}" if at else ""
        return _error(title, [*lines, where], (cause, instead), prim, site)

    def _backward(self, node: Node, i: int, g: Any, contribution: Any, total: Any) -> AnomalyError:
        prim, site = node.primitive, self.sites.get(id(node))
        assert prim
        names = _names(prim, len(node.args))
        inputs, out = [np.asarray(_data(arg)) for arg in node.args], np.asarray(node._data)
        g, contribution, total = np.asarray(g), np.asarray(contribution), np.asarray(total)
        lines = [*_called(site), f"{_named(prim, node)}: {prim.doc}"]
        if site and site.rule_of is not None:
            source = self.sites.get(id(site.rule_of))
            of = f"{source.op} at {source}" if source else "an operation from before"
            lines.append(f"(itself made by a backward pass, that of {of})")
        listed = list(zip(names, inputs, node.args, strict=True))
        incoming, outgoing = "gradient of result", f"gradient of {names[i]}"
        listed += [("result", out, None), (incoming, g, None), (outgoing, contribution, None)]
        lines += self._listed(listed)
        title = (
            f"the backward pass of {prim.name} made the {outgoing} {_kind(total)}{_count(total)}"
        )
        where = ""
        if any(map(_bad, (*inputs, out))):
            title += ": the forward pass was not finite before it"
            advice = ("", "run the forward pass inside detect_anomaly() too: it stops there")
        elif _bad(g):
            title += f": the {incoming} was {_kind(g)} before it"
            advice = ("it came so from outside: the seed of backward(), or a hook", "")
        elif not _bad(contribution):
            title += ", as a sum of finite gradients"
            advice = _overflow("the sum of the gradients of its uses", total.dtype)
        else:
            title += "; the forward pass was finite"
            at, there = _first_in_rule(prim, i, g, out, inputs, node.params, contribution)
            advice = _slope_advice(prim, i, there, g.dtype)
            if there and at:
                given = _equations((*names, "result", incoming, outgoing), there)
                where = f"at {_at(at)}: {given}"
        return _error(title, [*lines, where], advice, prim, site)

    def _listed(self, things: Sequence[tuple[str, Any, Any]]) -> list[str]:
        width = max(len(name) for name, _, _ in things)
        return [
            f"    {name:{width}}  {_summary(array)}{self._origin(arg)}"
            for name, array, arg in things
        ]

    def _origin(self, arg: Any) -> str:
        """Where an argument comes from."""
        if arg is None:
            return ""
        if not isinstance(arg, Node):
            return " (constant)"
        arg = _argument(arg)
        site = self.sites.get(id(arg))
        if site is not None:
            code = _code(site)
            return f" ({site.op} at {site}{': ' if code else ''}{code})"
        if arg.primitive is not None:
            return f" ({arg.primitive.name})"
        kind = "leaf" if arg.requires_grad else "constant"
        return f" ({kind} {arg.name!r})" if arg.name else f" ({kind})"

    def _from_outside(self, arg: Any) -> Advice:
        data = (
            "look at the data as it comes in, np.isfinite(data).all(); where -inf is a mask, -1e9"
        )
        if not isinstance(arg, Node):
            return "a number or an array of yours is not finite", data
        arg = _argument(arg)
        if id(arg) in self.sites:
            return "it is a gradient; what was not finite in it did no harm until here", ""
        if arg.primitive is not None:
            where = "begin detect_anomaly() earlier: it stops where the first one is made"
            return f"{arg.primitive.name} made it before detect_anomaly() began", where
        called = f"the leaf {arg.name!r}" if arg.name else "a leaf"
        spoilt = (
            "if it is a parameter, the step before spoilt it: a smaller learning rate, or clip the "
            "gradients"
        )
        return f"no operation in here made it: {called} holds it", (
            spoilt if arg.requires_grad else data
        )


def _error(
    title: str, lines: Sequence[str], advice: Advice, prim: Primitive, site: _Site | None
) -> AnomalyError:
    body = "\n".join(f"  {line}" for line in lines if line)
    ends = [
        textwrap.fill(text, 96, initial_indent=f"  {label:9}", subsequent_indent=" " * 11)
        for label, text in zip(("cause:", "instead:"), advice, strict=True)
        if text
    ]
    text = "\n\n".join(part for part in (title, body, "\n".join(ends)) if part)
    return AnomalyError(text, prim.name, str(site or ""))


# --- why ---------------------------------------------------------------------------------------

MASK = "if a where() drops these entries, it comes too late for the gradient: put it inside, "


def _advice(
    prim: Primitive, there: list[float], args: Sequence[Any], dtype: Any, at: Index = ()
) -> Advice:
    """Why an operation on these finite numbers is not finite, and what to write instead."""
    x, y = (*there, np.nan, np.nan)[:2]
    big, tiny = np.log(np.finfo(dtype).max), np.finfo(dtype).smallest_subnormal
    match prim:
        case ops.log if x < 0.0:
            return (
                "the logarithm of a negative number is not real",
                "find out why x is negative; for its size alone, log(abs(x))",
            )
        case ops.log if _is_softmax(args[0]):
            probability = "the probability"
            if _primitive(args[0]) is ops.exp:
                probability += f" exp({_number(args[0].args[0]._data[at])})"
            return (
                f"x is a softmax; {probability} there is below {tiny:.0e}, the least {dtype}, "
                "and rounded to 0, whose logarithm is -inf",
                "log_softmax(z), with z what the softmax was given: it never forms the "
                "probability, and is exact there; with labels, cross_entropy(z, labels)",
            )
        case ops.log:
            return (
                "the logarithm of 0 is -inf",
                "where x is a softmax, log_softmax; a sum of exponentials, logsumexp; 1 + exp(z), "
                f"softplus(z); else keep it above 0, log(maximum(x, 1e-12)); {MASK}"
                "log(where(greater(x, 0.0), x, 1.0))",
            )
        case ops.log1p:
            return (
                "log1p(x) is log(1 + x), so x has to be above -1",
                f"keep it there: log1p(maximum(x, -1 + 1e-12)); {MASK}"
                "log1p(where(greater(x, -1.0), x, 0.0))",
            )
        case ops.exp | ops.expm1:
            return (
                f"exp overflows above {big:.1f} in {dtype}",
                "for log(sum(exp(z))) logsumexp(z); log(1 + exp(z)) softplus(z); exp(z) / "
                "sum(exp(z)) softmax(z); 1 / (1 + exp(-z)) sigmoid(z): they never form it",
            )
        case ops.div if x == 0.0 == y and _primitive(args[0]) is ops.exp:
            return (
                "exponentials all rounded to 0, and 0 / 0 is nan",
                "softmax(z), if this is exp(z) / sum(exp(z)); else take the largest z out first",
            )
        case ops.div if y == 0.0:
            return (
                "0 / 0 is nan" if x == 0.0 else "division by zero",
                f"keep y away from 0: x / (y + 1e-12) where y >= 0; {MASK}"
                "x / where(equal(y, 0.0), 1.0, y); for a mean, see that something is in it",
            )
        case ops.sqrt:
            return (
                "the square root of a negative number is not real",
                "rounding can make a difference that should be 0 negative: sqrt(maximum(x, 0.0)); "
                "for a variance, var(x) instead of mean(x * x) - mean(x) * mean(x)",
            )
        case ops.power if x < 0.0 and y != np.floor(y):
            return (
                "a negative number to a power that is no integer is not real",
                "find out why x is negative; for its size alone, abs(x) ** y",
            )
        case ops.power if x == 0.0:
            return (
                "0 to a negative power is a division by zero",
                f"(x + 1e-12) ** y where x >= 0; {MASK}where(equal(x, 0.0), 1.0, x) ** y",
            )
    return _overflow("the result", dtype)


def _slope_advice(prim: Primitive, i: int, there: Sequence[Any], dtype: Any) -> Advice:
    """Why a rule for argument i makes a number that is not finite, from inputs, result and g that
    are. there: these and its answer, at one entry; nothing where it is not elementwise."""
    if not there:
        return _overflow("the gradient that arrives, times the slope,", dtype)
    *inputs, _, g, _ = (float(x) for x in there)
    x = inputs[i]
    if prim is ops.power and i == 1 and inputs[0] < 0.0:
        return (
            "the derivative by the exponent is x ** y * log(x), and x is negative",
            "give an exponent that is not learned as a plain number: x ** 3.0",
        )
    if g == 0.0:
        safe = "where(keep, x, 1.0)"
        return (
            f"the slope of {prim.name} is infinite there, and the gradient that arrives is 0, as "
            "it is where a where() took the other branch, or a product with 0 follows: 0 * inf is "
            "nan",
            "choose before the function too, not only after it: keep = greater(x, 0.0); "
            f"where(keep, {f'{safe} ** y' if prim is ops.power else f'{prim.name}({safe})'}, 0.0)",
        )
    if prim is ops.sqrt and x == 0.0:
        return (
            "the slope of sqrt at 0 is infinite",
            "sqrt(x + 1e-12); for a norm, sqrt(sum(v * v) + 1e-12); or do without the root",
        )
    if prim is ops.power and x == 0.0:
        return (
            "the slope of x ** y at 0 is infinite for y below 1",
            "(x + 1e-12) ** y",
        )
    if prim in (ops.log, ops.log1p, ops.div, ops.sqrt, ops.power):
        return (
            f"the slope of {prim.name} overflows so near to 0",
            "keep what it divides by away from 0: maximum(x, 1e-12)",
        )
    return _overflow("the gradient that arrives, times the slope,", dtype)


def _overflow(what: str, dtype: Any) -> Advice:
    return (
        f"{what} is beyond {np.finfo(dtype).max:.3g}, the largest {dtype}",
        "numbers that grow from step to step or layer to layer: a smaller learning rate or first "
        "weights, clip the gradients, normalise the inputs; or compute in float64",
    )


def _primitive(x: Any) -> Primitive | None:
    return x.primitive if isinstance(x, Node) else None


def _is_softmax(x: Any) -> bool:
    """Ours, exp(log_softmax(z)), or by hand, exp(z) / sum(exp(z))."""
    inner = [_primitive(arg) for arg in x.args] if isinstance(x, Node) else []
    if _primitive(x) is ops.div and inner == [ops.exp, ops.sum_p]:
        return _primitive(x.args[1].args[0]) is ops.exp
    return _primitive(x) is ops.exp and inner == [ops.log_softmax_p]


# --- where -------------------------------------------------------------------------------------


def _site(op: str) -> _Site:
    """Where the user's code is. In the sweep, also the node whose rule is called."""
    user, rule_of = None, None
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        code = frame.f_code
        if code in (sweep.__code__, pushforward.__code__):
            # The line is that of backward(), not one within a user's own rule.
            user, rule_of = None, frame.f_locals.get("node")
        elif user is None and not code.co_filename.startswith((PACKAGE, contextlib.__file__)):
            user = None if code.co_filename.endswith(COMPILED) else frame
        frame = frame.f_back
    if user is None:
        return _Site(op, "?", 0, rule_of)
    return _Site(op, user.f_code.co_filename, user.f_lineno, rule_of)


def _called(site: _Site | None) -> list[str]:
    if site is None:
        return ["(made before detect_anomaly() began: put the forward pass inside to see the line)"]
    code = _code(site)
    return [str(site), f"    {code}"] if code else [str(site)]


def _code(site: _Site) -> str:
    return linecache.getline(site.file, site.line).strip()


def _named(prim: Primitive, node: Node) -> str:
    return f"{prim.name} in {'.'.join(node.scope)}" if node.scope else prim.name


def _names(prim: Primitive, count: int) -> list[str]:
    """What the primitive's rules call its arguments."""
    for i in range(count):
        code = getattr(prim.rule(i), "__code__", None)
        if code is not None:
            known = code.co_varnames[2 : code.co_argcount]  # after g and out
            return [known[j] if j < len(known) else f"argument {j}" for j in range(count)]
    return [f"argument {j}" for j in range(count)]


def _argument(node: Node) -> Node:
    """The user's own node, where grad and its kind have put one of theirs in front."""
    while node.primitive in (ops.identity, VIEW):
        node = node.args[0]
    return node


def _there(
    prim: Primitive, params: dict[str, Any], inputs: Sequence[Any], shape: Any, at: Index
) -> list[Any]:
    """The entries of the inputs that one entry of the result is computed from, if it is known."""
    if prim.on_float is not None:
        return [np.broadcast_to(x, shape)[at] for x in inputs]
    if prim.product:
        x, y = (np.broadcast_to(x, (*shape[:-2], *x.shape[-2:])) for x in inputs)
        return [x[at[:-1]], y.swapaxes(-1, -2)[(*at[:-2], at[-1])]]
    if "axis" in params and len(inputs) == 1:  # a reduction, or log_softmax
        (x,), axis = inputs, np.atleast_1d(params["axis"])
        place = iter(at)
        keeps = len(at) == x.ndim
        key = []
        for i in range(x.ndim):
            entry = next(place) if keeps or i not in axis else None
            key.append(slice(None) if i in axis else entry)
        return [x[tuple(key)]]
    return []


def _first_in_rule(
    prim: Primitive,
    i: int,
    g: Any,
    out: Any,
    inputs: Sequence[Any],
    params: dict[str, Any],
    contribution: Any,
) -> tuple[Index, list[Any]]:
    """The first bad entry of what a rule answers, before broadcasting is undone; and there the
    inputs, the result, g, and the answer."""
    if prim.on_float is None:
        return _first(contribution), []
    rule: Any = prim.rule(i)
    raw = np.broadcast_to(rule(g[()], out[()], *(x[()] for x in inputs), **params), out.shape)
    if not _bad(raw):
        return _first(contribution), []
    at = _first(raw)
    return at, [np.broadcast_to(x, out.shape)[at] for x in (*inputs, out, g, raw)]


# --- numbers in words --------------------------------------------------------------------------


def _data(x: Any) -> Any:
    return x._data if isinstance(x, Node) else x


def _bad(x: Any) -> bool:
    x = np.asarray(x)
    return bool(x.dtype.kind == "f" and not np.isfinite(x).all())


def _nan(x: Any) -> bool:
    x = np.asarray(x)
    return bool(x.dtype.kind == "f" and np.isnan(x).any())


def _first(x: Any) -> Index:
    return tuple(int(i) for i in np.argwhere(~np.isfinite(x))[0]) if np.ndim(x) else ()


def _at(at: Index) -> str:
    return f"[{', '.join(map(str, at))}]"


def _kind(x: Any) -> str:
    kinds = [
        name
        for name, has in (("nan", np.isnan), ("inf", np.isposinf), ("-inf", np.isneginf))
        if has(x).any()
    ]
    return " and ".join(kinds)


def _count(x: Any) -> str:
    return f" in {np.count_nonzero(~np.isfinite(x)):,} of {x.size:,} entries" if x.ndim else ""


def _number(x: Any) -> str:
    return f"{x:.6g}" if np.asarray(x).dtype.kind == "f" else str(x)


def _equations(names: Sequence[str], there: Sequence[Any]) -> str:
    shown = [
        np.array2string(x, threshold=8, precision=6) if np.ndim(x) else _number(x) for x in there
    ]
    return ", ".join(f"{name} = {text}" for name, text in zip(names, shown, strict=False))


def _summary(x: Any) -> str:
    if x.ndim == 0:
        return _number(x[()])
    text = f"{x.dtype} {x.shape}"
    if x.dtype.kind != "f" or not x.size:
        return text
    known = x[~np.isnan(x)]
    if known.size:
        text += f", min {_number(known.min())}, max {_number(known.max())}"
    counts = [
        f"{n:,} {name}" for name, n in (("nan", np.isnan(x).sum()), ("inf", np.isinf(x).sum())) if n
    ]
    return ", ".join([text, *counts])
