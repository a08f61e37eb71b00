"""Primitives compiled to straight-line Python for floats: the operators of Value and the steps of
its sweep.

Called with symbols, a rule gives its formula as text, which becomes the body of a function without
calls, other than of the primitives' functions. A sweep that calls the rules takes twice as long.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from textwrap import indent
from typing import Any

from ..graph import counter
from ..modes.mode import special
from ..primitives.primitive import TABLE, Primitive, ieee
from .symbol import Symbol

OPERATOR = """
def {method}({signature}):
    {operand}
    if special or not ({required}):
        return primitive({args})
    try:
        data = {compute}
    except (ArithmeticError, ValueError):
        data = primitive.on_floats(({reads},))
    node = new(Value)
    node._data = data
    node.primitive = primitive
    node.args = ({args},)
    node.index = next(counter)
    node.requires_grad = True
    node._cotangent = None
    return node
"""

# A number on the other side becomes a constant right here, without a call of the primitive.
CONSTANT = """if other.__class__ is not Value:
        if other.__class__ is not float and other.__class__ is not int:
            return primitive({args})
        number = other
        other = new(Value)
        other._data = float(number)
        other.primitive = None
        other.args = ()
        other.index = next(counter)
        other.requires_grad = False
        other._grad = None
        other._cotangent = 0.0"""

STEP = """
{names}, = node.args
g = node._cotangent
{body}
"""

# A division or a function may raise where IEEE arithmetic gives inf or nan. So nothing is added
# before all contributions are computed.
CAREFUL = """try:
    {contributions}
except (ArithmeticError, ValueError):
    {ieee}
{adds}"""

SWEEP = """
def sweep(order):
    for node in order:
        primitive = node.primitive
        {branches}
        else:
            (primitive.step or compile_step(primitive))(node)
        node._cotangent = None
"""


def compile_operator(method: str, prim: Primitive, cls: type) -> Callable[..., Any]:
    """The method of Value for a primitive of one or two floats. In methods such as `__radd__`,
    `other` is the first argument."""
    signature = ["self", "other"][: len(prim.rules)]  # type: ignore[arg-type]
    args = signature[::-1] if method.startswith("__r") else signature
    reads = [f"{name}._data" for name in args]
    infix = f" {prim.infix} ".join(["", *reads][-2:]) if prim.infix else ""
    required = " or ".join(f"{name}.requires_grad" for name in signature)
    source = OPERATOR.format(
        method=method,
        signature=", ".join(signature),
        operand=CONSTANT.format(args=", ".join(args)) if signature[1:] else "",
        required=required,
        args=", ".join(args),
        compute=infix or f"on_float({', '.join(reads)})",
        reads=", ".join(reads),
    )
    names = {"Value": cls, "new": object.__new__, "on_float": prim.on_float, "primitive": prim}
    compiled: Callable[..., Any] = _define(
        source, method, counter=counter, special=special, **names
    )
    return compiled


def compile_step(prim: Primitive) -> Callable[[Any], None]:
    """A function of a node that adds its cotangent's contributions into its arguments' slots."""
    source = f"def step(node):{indent(_step(prim), '    ')}"
    step: Callable[[Any], None] = _define(source, "step", primitive=prim, **_names())
    object.__setattr__(prim, "step", step)
    return step


def compile_sweep(primitives: Sequence[Primitive]) -> Callable[[list[Any]], None]:
    """The sweep over nodes in order: the steps of `primitives` are inlined, others are called."""
    branches = [
        f"if primitive is {prim.name}_p:{indent(_step(prim), ' ' * 12)}" for prim in primitives
    ]
    source = SWEEP.format(branches="        el".join(branches))
    named: dict[str, Any] = {f"{prim.name}_p": prim for prim in primitives}
    named["compile_step"] = compile_step
    sweep: Callable[[list[Any]], None] = _define(source, "sweep", **_names(), **named)
    return sweep


def _step(prim: Primitive) -> str:
    """The lines that apply a primitive's rules to one node."""
    args = [f"a{i}" for i in range(len(prim.rules))]  # type: ignore[arg-type]
    names = ["g", "node._data", *(f"{arg}._data" for arg in args)]
    formulas = {i: _formula(prim, i, names) for i in range(len(args)) if prim.rule(i)}
    body = "; ".join(f"a{i}._cotangent += {formula}" for i, formula in formulas.items())
    if re.search(r"/|\w\(", body):
        body = CAREFUL.format(
            # A constant is skipped: for an exponent the rule takes the logarithm of the base.
            contributions="; ".join(
                f"s{i} = {formula} if a{i}.requires_grad else 0.0"
                for i, formula in formulas.items()
            ),
            ieee="; ".join(
                f"s{i} = ieee(primitive.rule({i}), ({', '.join(names)}))" for i in formulas
            ),
            adds="; ".join(f"a{i}._cotangent += s{i}" for i in formulas),
        )
    return STEP.format(names=", ".join(args), body=body or "pass")


def _names() -> dict[str, Any]:
    functions = {name: prim.on_float for name, prim in TABLE.items() if prim.on_float}
    return {"ieee": ieee, "inf": math.inf, "nan": math.nan, **functions}


def _formula(prim: Primitive, i: int, names: list[str]) -> str:
    rule: Any = prim.rule(i)
    try:
        return str(rule(*map(Symbol, names)).text)
    except Exception:  # a user's rule may do what symbols cannot: then it is called
        return f"primitive.rule({i})({', '.join(names)})"


def _define(source: str, name: str, **names: Any) -> Any:
    exec(compile(source, f"<{name}, from its primitive>", "exec"), names)
    return names[name]
