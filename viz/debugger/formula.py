"""Formulas of primitives and their rules, in names and in numbers, with the fewest parentheses.

A rule that is called with symbols returns its own formula. The symbols carry their values along, so
that a rule which asks for a shape gets one, and each formula can be shown with its numbers in it.
"""

from __future__ import annotations

import ast
import inspect
import re
from typing import Any, NamedTuple

import numpy as np

from autograd import index, sum_to
from autograd.nodes.methods import ArrayMethods, NumberMethods
from autograd.nodes.symbol import Symbol
from autograd.ops import equal, greater, greater_equal, less, less_equal, not_equal
from autograd.primitives.indexing import index_p
from autograd.primitives.primitive import Primitive
from autograd.primitives.shapes import transpose_p
from viz.text import param, short

__all__ = [
    "ATOM",
    "LOOSEST",
    "Formula",
    "Text",
    "format_call",
    "formula_of_node",
    "formula_of_rule",
    "number",
    "symbol",
]

SIGNS: dict[Primitive, str] = {  # of primitives that have no operator of their own
    greater: ">", greater_equal: ">=", less: "<", less_equal: "<=",
    equal: "==", not_equal: "!=",
}  # fmt: skip
# How tightly an operator binds, and how tightly its left and right operand must bind at least. The
# order of operations is kept, because floats round: a + (b + c) is not (a + b) + c.
BINDING = {
    **dict.fromkeys(SIGNS.values(), (0, 1, 1)),
    "+": (1, 1, 2), "-": (1, 1, 2),
    "*": (2, 2, 3), "/": (2, 2, 3), "@": (2, 2, 3),
    "**": (4, 5, 3),
}  # fmt: skip
LOOSEST, NEGATIVE, ATOM = -1, 3, 5


class Text(NamedTuple):
    """A part of a formula, and how tightly it binds."""

    text: str
    strength: int = ATOM

    def within(self, strength: int) -> str:
        """The text, in parentheses where it binds less tightly than it must."""
        return self.text if self.strength >= strength else f"({self.text})"


class Formula(Symbol, NumberMethods, ArrayMethods):
    """A formula in `names` and in `numbers`, with its value.

    >>> a, b = symbol("a", 2.0), symbol("b", -3.0)
    >>> product = (a + b) * b
    >>> product.names.text, product.numbers.text, product.data
    ('(a + b) * b', '(2.0 + -3.0) * -3.0', 3.0)
    """

    __slots__ = ("data", "names", "numbers")

    def __init__(self, names: Text, numbers: Text, data: Any) -> None:
        super().__init__(names.text)
        self.names, self.numbers, self.data = names, numbers, data

    @classmethod
    def _record(cls, prim: Primitive, args: tuple[Any, ...], params: dict[str, Any]) -> Formula:
        parts = [arg if isinstance(arg, Formula) else constant(arg) for arg in args]
        with np.errstate(all="ignore"):
            data = prim.compute(tuple(part.data for part in parts), params)
        return cls(*format_call(prim, parts, params), data)

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of each axis."""
        return np.shape(self.data)

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return np.ndim(self.data)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the entries."""
        return np.asarray(self.data).dtype

    @property
    def T(self) -> Any:
        """The axes reversed."""
        return self.transpose()

    def __matmul__(self, other: Any) -> Any:
        return self.matmul(other)

    def __getitem__(self, key: Any) -> Any:
        return index(self, key)


def symbol(name: str | Text, data: Any) -> Formula:
    """A name for a number or an array."""
    return Formula(name if isinstance(name, Text) else Text(name), number(data), data)


def constant(data: Any) -> Formula:
    """A number that stands in a rule, written in full; or an array."""
    if isinstance(data, np.ndarray):
        return symbol("array", data)
    text = repr(data)
    return Formula(Text(text, _strength(text)), number(data), data)


def number(data: Any) -> Text:
    """A number in a few digits, or the shape of an array."""
    array = np.asarray(data)
    text = str(array.shape) if array.ndim else short(array.item())
    return Text(text, _strength(text))


def _strength(text: str) -> int:
    return NEGATIVE if text.startswith("-") else ATOM


def format_call(prim: Primitive, args: list[Formula], params: dict[str, Any]) -> tuple[Text, Text]:
    """A primitive applied to arguments, in names and in numbers."""
    keywords = _keywords(params, args[0].ndim)
    names, numbers = [arg.names for arg in args], [arg.numbers for arg in args]
    return _call(prim, names, keywords), _call(prim, numbers, keywords)


def _call(prim: Primitive, parts: list[Text], keywords: dict[str, str]) -> Text:
    sign = SIGNS.get(prim, prim.infix)
    if sign in BINDING and len(parts) == 2:
        strength, left, right = BINDING[sign]
        return Text(f"{parts[0].within(left)} {sign} {parts[1].within(right)}", strength)
    if sign == "-":  # -(-2.0), not --2.0
        return Text(f"-{parts[0].within(NEGATIVE + 1)}", NEGATIVE)
    if prim is transpose_p and not keywords:
        return Text(f"{parts[0].within(ATOM)}.T")
    if prim is index_p:
        key = re.sub("array", "{}", keywords["key"]).format(*(part.text for part in parts[1:]))
        return Text(parts[0].within(ATOM) + key)
    positional = [part.text for part in parts]
    named = [f"{key}={text}" for key, text in keywords.items()]
    return Text(f"{prim.name}({', '.join(positional + named)})")


def _keywords(params: dict[str, Any], ndim: int) -> dict[str, str]:
    """Parameters as Python writes them, without those that are the default."""
    keywords = {}
    for key, value in params.items():
        if value is False or (key == "axis" and value == tuple(range(ndim))):
            continue
        if key == "axes" and value == tuple(range(ndim))[::-1]:
            continue
        if key == "key":
            keywords[key] = f"[{', '.join(map(param, value))}]"
        else:
            single = key == "axis" and isinstance(value, tuple) and len(value) == 1
            keywords[key] = param(value[0] if single else value)
    return keywords


def formula_of_node(node: Any, args: list[Formula]) -> tuple[str, str]:
    """How a node was computed from its arguments: in names, and in numbers.

    >>> from autograd import Value
    >>> a = Value(2.0)
    >>> formula_of_node(a * a, [symbol("a", 2.0), symbol("a", 2.0)])
    ('a * a', '2.0 * 2.0')
    """
    names, numbers = format_call(node.primitive, args, node.params)
    return names.text, numbers.text


def formula_of_rule(
    node: Any, i: int, g: Any, args: list[Formula]
) -> tuple[str | None, str | None]:
    """The formula of the node's rule for argument number i, given its gradient g: in names and in
    numbers.

    A rule that cannot be called with symbols is shown by its source, without numbers; None where
    that is not known.

    >>> from autograd import Value
    >>> formula_of_rule(Value(0.5).tanh(), 0, 1.0, [symbol("a", 0.5)])
    ('g * (1.0 - out * out)', '1.0 * (1.0 - 0.4621 * 0.4621)')
    """
    rule = node.primitive.rule(i)
    try:
        answer = rule(symbol("g", g), symbol("out", node.data), *args, **node.params)
        answer = answer if isinstance(answer, Formula) else constant(answer)
        if answer.shape != args[i].shape and answer.ndim:
            answer = sum_to(answer, args[i].shape)
        return answer.names.text, answer.numbers.text
    except Exception:  # a user's rule may branch, or call what knows numbers alone
        return source(rule), None


def source(rule: Any) -> str | None:
    """The source of a rule: a lambda's body, a function's name and arguments."""
    # A partial, and an object that can be called, have no name of their own.
    name = getattr(rule, "__name__", type(rule).__name__)
    try:
        signature = inspect.signature(rule)
        if name != "<lambda>":
            return f"{name}{signature}"
        lambdas = _lambdas(inspect.getsource(rule))
    except (OSError, TypeError, ValueError):
        return None
    own = list(signature.parameters)
    bodies = {ast.unparse(each.body) for each in lambdas if [a.arg for a in each.args.args] == own}
    return bodies.pop() if len(bodies) == 1 else None  # else it could be either


def _lambdas(text: str) -> list[ast.Lambda]:
    """The lambdas in a line, which may be in the middle of a call: each up to where it parses."""
    lambdas = []
    for match in re.finditer(r"\blambda\b", text):
        for end in range(len(text), match.end(), -1):
            try:
                tree = ast.parse(f"({text[match.start() : end]}\n)", mode="eval").body
            except SyntaxError:
                continue
            first = tree.elts[0] if isinstance(tree, ast.Tuple) else tree
            lambdas += [first] if isinstance(first, ast.Lambda) else []
            break
    return lambdas
