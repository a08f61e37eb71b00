"""What `help(exp)` prints of a primitive: its signature and its page, made of its primitive when
asked.

So a primitive that a user adds has them too, nothing is said twice, and an import pays for none of
it. (An editor, which runs nothing, reads the types that primitives/primitive.py declares.)
"""

from __future__ import annotations

import functools
import inspect
import math
import sys
from collections.abc import Callable, Iterator
from inspect import Parameter, Signature
from types import FunctionType
from typing import Any

import numpy as np

from .modes.mode import Mode, set_mode
from .nodes.symbol import Symbol
from .primitives.primitive import Primitive
from .tensor import Tensor

KINDS = (np.float32, np.float64, np.int64, np.bool_)  # the dtypes that a primitive is tried on


class Described:
    """An attribute that each primitive answers for itself; of the class it is what it was."""

    def __init__(self, describe: Callable[[Primitive], Any], of_class: Any) -> None:
        self.describe, self.of_class = describe, of_class

    def __get__(self, prim: Primitive | None, owner: type) -> Any:
        return self.of_class if prim is None else self.describe(prim)


# --- its signature -------------------------------------------------------------------------------


@functools.cache
def signature(prim: Primitive) -> Signature:
    """The arguments, and the keywords: the primitive's own, or where it has none, `out`."""
    parameters = [
        Parameter(name, kind, annotation="Operand") for name, kind in _arguments(prim).items()
    ]
    keywords, only = prim._keywords(), Parameter.KEYWORD_ONLY
    if keywords is None:
        parameters.append(Parameter("params", Parameter.VAR_KEYWORD, annotation="Any"))
    elif keywords:
        parameters += [Parameter(name, only, annotation="Any") for name in keywords]
    else:
        parameters.append(Parameter("out", only, default=None, annotation="Tensor | None"))
    return Signature(parameters, return_annotation="Any")


def _arguments(prim: Primitive) -> dict[str, Any]:
    """The arguments and their kinds, by the names that the primitive's own functions give them;
    else x, y, z."""
    rule = next(filter(None, map(prim.rule, range(abs(prim.arity)))), None)
    for function, skipped in (rule, 2), (prim.code, 0), (prim.on_float, 0), (prim.on_array, 0):
        if not isinstance(function, FunctionType):
            continue
        given = list(inspect.signature(function).parameters.values())[skipped:]
        plain = [p.name for p in given if p.kind is Parameter.POSITIONAL_OR_KEYWORD]
        if prim.arity < 0:
            every = {p.name: p.kind for p in given if p.kind is Parameter.VAR_POSITIONAL}
            return dict.fromkeys(plain, Parameter.POSITIONAL_ONLY) | every
        if len(plain) >= prim.arity:
            return dict.fromkeys(plain[: prim.arity], Parameter.POSITIONAL_ONLY)
    names = ["x", "y", "z", *(f"x{i}" for i in range(3, prim.arity))]
    return dict.fromkeys(names[: prim.arity], Parameter.POSITIONAL_ONLY)


# --- its page ------------------------------------------------------------------------------------


@functools.cache
def page(prim: Primitive) -> str:
    """The docstring: what it computes, shapes, dtypes, the derivative, errors and an example."""
    # It may be asked for anywhere, also within a trace, where nothing of this belongs.
    outside = {name: getattr(Mode, name) for name in Mode.__annotations__}
    with set_mode(**outside), np.errstate(all="ignore"):
        parts = [
            f"{prim.name}{signature(prim)}".replace("'", ""),
            prim.summary,
            _out(prim),
            _dtypes(prim),
            _derivatives(prim),
            _errors(prim),
            _example(prim),
        ]
    return "\n\n".join(filter(None, parts))


def _out(prim: Primitive) -> str:
    if "out" not in signature(prim).parameters:
        return ""
    return "out: a Tensor that takes the result, as by `out.assign`, and is given back."


def _dtypes(prim: Primitive) -> str:
    """What comes of arguments of a dtype: tried."""
    said: dict[str, list[str]] = {}
    for kind in KINDS:
        name = np.dtype(kind).name
        try:
            args, params = _tried(prim, kind)
            out = np.asarray(prim.on_array(*args, **params)).dtype.name
        except Exception:  # whatever a user's function does with what it is given
            out = "TypeError"
        said.setdefault("the same" if out == name else out, []).append(name)
    if [*said] == ["TypeError"]:
        return ""
    changes = [f"{', '.join(names)} -> {out}" for out, names in said.items()]
    return f"Dtypes: {'; '.join(changes)}."


def _tried(prim: Primitive, kind: Any) -> tuple[list[Any], dict[str, Any]]:
    """Arrays of a dtype, where the primitive does not say which it takes, and params."""
    if not prim.cases:
        kinds = [np.bool_] * prim.conditions + [kind] * (prim.arity - prim.conditions)
        return [np.ones(2, each) for each in kinds], {}
    args, params = prim.cases[0]
    shapes = [arg for arg in args if isinstance(arg, tuple)]
    kept = None if shapes else kind
    return [
        np.ones(arg, kind) if isinstance(arg, tuple) else arg.astype(kept or arg.dtype)
        for arg in args
    ], params


def _derivatives(prim: Primitive) -> str:
    """What the rules make of a cotangent: they are called with symbols."""
    names = list(_arguments(prim))
    rules = [prim.rule(i) for i in range(len(names))]
    if not any(rules):
        return "No gradient flows through it."
    params = prim.cases[0][1] if prim.cases else {}
    lines = ["Cotangents, where g is that of the result `out`:"]
    for name, rule in zip(names, rules, strict=True):
        lines.append(f"    {name}: {_formula(prim, rule, names, params)}")
    return "\n".join(lines)


def _formula(prim: Primitive, rule: Any, names: list[str], params: dict[str, Any]) -> str:
    if rule is None:
        return "none"
    try:
        text = str(rule(*map(Symbol, ["g", "out", *names]), **params).text)
    except Exception:  # it asks for a shape, which no symbol has
        return "g by the transpose" if prim.linear else "by its rule"
    return text[1:-1] if text.startswith("(") else text


def _errors(prim: Primitive) -> str:
    text = "Raises TypeError for other dtypes (complex, float16) and for a Value beside a Tensor"
    if prim.on_float and prim.arity > 1:
        text += ",\nValueError for shapes that do not broadcast"
    return f"{text}."


# --- its example ---------------------------------------------------------------------------------


def _example(prim: Primitive) -> str:
    """A session with the primitive, and what comes of it: run here. "" where it does not run."""
    home, called = _home(prim)
    names: dict[str, Any] = {"np": np, "Tensor": Tensor, called: prim}
    lines = []
    try:
        for statement in _statements(prim, home, called, names):
            lines.append(f">>> {statement}")
            lines += _answer(statement, names)
    except Exception:  # of a user's primitive whose domain is not said, and where 1.0 may not fit
        return ""
    return "\n".join(lines)


def _answer(statement: str, names: dict[str, Any]) -> list[str]:
    """What the interpreter shows."""
    try:
        code = compile(statement, "<help>", "eval")
    except SyntaxError:  # it is no expression
        if not statement.startswith(("from ", "import ")):
            exec(statement, names)
        return []
    answer = eval(code, names)
    return [] if answer is None else [repr(answer)]


def _home(prim: Primitive) -> tuple[str, str]:
    """The module that a primitive is imported from, and its name there; ("", its name) if it is no
    variable of one. What a package gathers at its top is imported from there."""
    own = prim.__module__
    for module in (own.partition(".")[0], own):
        for name, thing in list(vars(sys.modules.get(module, object)).items()):
            if thing is prim:
                return module, name
    return "", prim.name


def _statements(prim: Primitive, home: str, called: str, names: dict[str, Any]) -> Iterator[str]:
    """The session's lines; `names` has what those before it made."""
    given = _given(prim)
    args = list(_arguments(prim)) if prim.arity >= 0 else ["x", "y", "z"][: len(given)]
    if any("np." in text for text in given):
        yield "import numpy as np"
    own = __name__.partition(".")[0]
    yield f"from {own} import Tensor{f', {called}' * (home == own)}"
    if home not in ("", own):
        yield f"from {home} import {called}"
    yield from (f"{arg} = {text}" for arg, text in zip(args, given, strict=True))
    params = prim.cases[0][1] if prim.cases else {}
    keywords = [f"{name}={_written(value)}" for name, value in params.items()]
    yield f"out = {called}({', '.join([*args, *keywords])})"
    yield _read("out", names)
    moved = [arg for i, arg in enumerate(args) if prim.rule(i)]
    if moved:
        yield "out.sum().backward()"
        yield ", ".join(_read(f"{arg}.grad", names) for arg in moved)


def _read(what: str, names: dict[str, Any]) -> str:
    """An array, or where it would take a page, its shape."""
    return f"{what}.data" if eval(what, names).ndim < 3 else f"{what}.shape"


def _given(prim: Primitive) -> list[str]:
    """The arguments of the example, written down: three numbers of the domain, and beside them one;
    or the arrays of the primitive's first case."""
    if prim.cases:
        return [_of_case(arg, bool(prim.rule(i))) for i, arg in enumerate(prim.cases[0][0])]
    texts = ["Tensor([True, False, True])"] * prim.conditions
    for i in range(prim.conditions, prim.arity):
        low, high = prim.domain[i] if prim.domain else (-2.0, 2.0)
        *points, last = [round(low + (high - low) * part, 1) for part in (0.25, 0.5, 0.75)]
        numbers = last if i > prim.conditions else [*points, last]
        texts.append(f"Tensor({numbers}{', requires_grad=True' * bool(prim.rule(i))})")
    return texts


def _of_case(arg: Any, leaf: bool) -> str:
    if isinstance(arg, tuple):
        numbers = f"np.arange({math.prod(arg)}.0).reshape{arg}"
    else:
        numbers = f"np.array({arg.tolist()})"
    return f"Tensor({numbers}{', requires_grad=True' * leaf})"


def _written(value: Any) -> str:
    return f"np.{value!r}" if isinstance(value, np.dtype) else repr(value)


def describe_primitives() -> None:
    """Let each primitive answer for its docstring and signature."""
    for name, describe in {"__signature__": signature, "__doc__": page}.items():
        setattr(Primitive, name, Described(describe, getattr(Primitive, name, None)))
