"""Expressions as people type them, `tanh(x * w + b)`, made into graphs; no Python is run.

`parse` reads the text once, from left to right, and writes down what to compute in postfix order
(Dijkstra's shunting yard), with a stack of operators: neither reading nor computing recurses, so
parentheses may be nested to any depth.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from keyword import iskeyword
from typing import Any

from autograd import Value, clip, gelu, leaky_relu
from autograd.ops import add, div, mul, neg, power, same, sub
from autograd.primitives.primitive import TABLE
from viz.text import cut

__all__ = ["CONSTANTS", "MAX_LENGTH", "Expression", "ExpressionError", "functions", "parse"]

MAX_LENGTH = 100_000  # characters
# More than that is a program: nobody could read its picture.
MAX_OPERATIONS = 1000
MAX_NAME = 64
EXCERPT = 60  # characters of the text that an error shows

# What these names mean unless they are given a value.
CONSTANTS: Mapping[str, float] = {"pi": math.pi, "e": math.e}

# Python's: a power binds tighter than the minus before it, and looser than the one after it.
BINARY = {"+": (1, add), "-": (1, sub), "*": (2, mul), "/": (2, div), "**": (4, power)}
MINUS = (3, neg)

TOKEN = re.compile(
    r"""[ \t\r\n]*(?:
        (?P<number> (?:\d+\.?\d*|\.\d+) (?:[eE][+-]?\d+)? )
      | (?P<call>   [A-Za-z_]\w* ) [ \t\r\n]* \(
      | (?P<name>   [A-Za-z_]\w* )
      | (?P<sign>   \*\* | [-+*/(),] )
      | (?P<end>    \Z )
      | (?P<other>  . )
    )""",
    re.ASCII | re.DOTALL | re.VERBOSE,
)

HINTS = {
    "^": "a power is written **",
    "=": "an expression assigns nothing",
    ".": "nothing in an expression has attributes",
    "[": "nothing in an expression has entries",
    "'": "there are no texts in an expression",
    '"': "there are no texts in an expression",
    "\N{MULTIPLICATION SIGN}": "a product is written *",
    "\N{MIDDLE DOT}": "a product is written *",
    "\N{DOT OPERATOR}": "a product is written *",
    "\N{DIVISION SIGN}": "a quotient is written /",
    "\N{MINUS SIGN}": "a difference is written -",
    "\N{EN DASH}": "a difference is written -",
}


class ExpressionError(ValueError):
    """Something is wrong with an expression: a line says what, two below it show where."""

    def __init__(self, message: str, text: str, place: int):
        start = max(0, min(place - EXCERPT // 2, len(text) - EXCERPT))
        shown = text[start : start + EXCERPT]
        # A character more or less than one column wide would move the caret away from its place.
        plain = "".join(" " if c in "\t\r\n" else c if " " <= c <= "~" else "?" for c in shown)
        super().__init__(f"{message}\n  {plain}\n  {' ' * (place - start)}^")


@dataclass(frozen=True)
class Expression:
    """An expression that has been read: its text, the names in it in order of appearance, and
    what computes it in postfix order: numbers, names, and functions with the number of results
    that each takes."""

    text: str
    names: tuple[str, ...]
    postfix: tuple[Any, ...]

    def __call__(self, values: Mapping[str, Value]) -> Value:
        """The root of the expression's graph over `values`, the leaves, which are given their
        names. Raises ValueError where one is missing or there is nothing to differentiate.

        >>> x = Value(2.0)
        >>> parse("x**2 + 1")({"x": x}), x.name
        (Value(data=5.0), 'x')
        """
        known: dict[str, Any] = {**CONSTANTS, **values}
        if missing := self.missing(values):
            raise ValueError(f"expected a value for {', '.join(missing)}")
        for name, value in values.items():
            value.name = name
        stack: list[Any] = []
        for item in self.postfix:
            if isinstance(item, float):
                stack.append(item)
            elif isinstance(item, str):
                stack.append(known[item])
            else:
                function, count = item
                args = stack[-count:]
                stack[-count:] = [function(*args)]
        (root,) = stack
        if not isinstance(root, Value):
            raise ValueError("expected a name to differentiate by, as in x**2, found only numbers")
        return root

    def missing(self, values: Mapping[str, Any]) -> list[str]:
        """The names that are no constants and have no value in `values`."""
        return [name for name in self.names if name not in {**CONSTANTS, **values}]


def parse(text: str) -> Expression:
    """Read an expression: numbers, names, + - * / ** with Python's precedence, parentheses, and
    calls of `functions()`.

    Names are of ASCII letters, digits and _. Arithmetic is IEEE's, on floats, when the expression
    is called: 10**10**10 is inf. Raises ExpressionError for anything else.

    >>> parse("tanh(x*w + b)").names
    ('x', 'w', 'b')
    >>> parse("2 x")
    Traceback (most recent call last):
    viz.expression.ExpressionError: expected an operator, found 'x' (a product is written *)
      2 x
        ^
    """
    if len(text) > MAX_LENGTH:
        raise ExpressionError(
            f"expected at most {MAX_LENGTH:,} characters, found more", text, MAX_LENGTH
        )
    return _Reader(text).read()


def functions() -> dict[str, tuple[Callable[..., Any], tuple[int, ...]]]:
    """The functions that can be called, each with its numbers of arguments: the rows of the table
    that take numbers and have a derivative by each, and three that are composed of such.

    >>> sorted(functions())[:5]
    ['abs', 'clip', 'cos', 'exp', 'expm1']
    """
    found: dict[str, tuple[Callable[..., Any], tuple[int, ...]]] = {
        row.name: (row, (len(row.domain),))
        for row in TABLE.values()
        # `same` is there for the engine: nobody types x as same(x).
        if row.on_float and not row.infix and row.domain and row is not same
        if all(map(row.rule, range(len(row.domain))))
    }
    return {**found, "clip": (clip, (3,)), "gelu": (gelu, (1,)), "leaky_relu": (leaky_relu, (1, 2))}


@dataclass(frozen=True)
class _Token:
    kind: str  # the group of TOKEN; a call has its opening parenthesis behind it
    text: str
    place: int


@dataclass
class _Parenthesis:
    """An open parenthesis: of a call, or (function is None) of an expression."""

    place: int
    function: str | None = None
    arguments: int = 1


class _Reader:
    """Dijkstra's shunting yard. `postfix` is what was written down; the stack `operators` holds the
    open parentheses, and with their precedence the operators whose last operand is not complete."""

    def __init__(self, text: str):
        self.text = text
        self.functions = functions()
        self.names: dict[str, None] = {}  # each once, in order
        self.postfix: list[Any] = []
        self.operators: list[_Parenthesis | tuple[int, Any, int]] = []
        self.operations = 0

    def read(self) -> Expression:
        operand = True  # whether one must come next
        for token in self.tokens():
            operand = self.operand(token) if operand else self.operator(token)
        return Expression(self.text, tuple(self.names), tuple(self.postfix))

    def tokens(self) -> Iterator[_Token]:
        place, kind = 0, ""
        while kind != "end":
            match = TOKEN.match(self.text, place)
            assert match and match.lastgroup  # `other` takes any character
            kind, place = match.lastgroup, match.end()
            yield _Token(kind, match[kind], match.start(kind))

    def operand(self, token: _Token) -> bool:
        """Take the token that begins an operand; gives whether an operand must still come next."""
        if token.kind == "number":
            self.postfix.append(float(token.text))
            return False
        if token.kind == "name":
            self.check_name(token)
            self.names[token.text] = None
            self.postfix.append(token.text)
            return False
        if token.kind == "call":
            self.check_function(token)
            self.operators.append(_Parenthesis(token.place, token.text))
        elif token.text == "(":
            self.operators.append(_Parenthesis(token.place))
        elif token.text == "-":
            self.operators.append((*MINUS, 1))
        elif token.text != "+":
            raise self.unexpected("a number, a name or '('", token)
        return True

    def operator(self, token: _Token) -> bool:
        """Take the token that follows an operand; gives whether an operand must come next."""
        if token.text in BINARY:
            precedence, function = BINARY[token.text]
            # Equals are computed from left to right, but powers from right to left.
            self.complete(precedence + (function is power), token)
            self.operators.append((precedence, function, 2))
            return True
        if token.text not in (")", ",") and token.kind != "end":
            factor = token.kind in ("name", "call") or token.text == "("
            raise self.unexpected("an operator", token, "a product is written *" if factor else "")
        self.complete(0, token)
        opened = self.operators.pop() if self.operators else None
        assert not isinstance(opened, tuple)
        if token.kind == "end":
            if opened:
                raise self.error("expected ')' for this '(', found the end", opened.place)
            return False
        if opened is None:
            raise self.unexpected("an operator", token, "no '(' is open")
        if token.text == ")":
            self.close(opened, token)
            return False
        if opened.function is None:
            raise self.unexpected("')'", token, "a comma stands between arguments")
        opened.arguments += 1
        self.operators.append(opened)
        return True

    def complete(self, precedence: int, token: _Token) -> None:
        """Write down the operators since the last open parenthesis that bind as tightly or more."""
        while self.operators:
            last = self.operators[-1]
            if isinstance(last, _Parenthesis) or last[0] < precedence:
                return
            self.operators.pop()
            self.write(last[1], last[2], token)

    def close(self, opened: _Parenthesis, token: _Token) -> None:
        """Write down the call that the parenthesis belongs to, if it belongs to one."""
        if opened.function is None:
            return
        function, counts = self.functions[opened.function]
        if opened.arguments not in counts:
            wanted = f"{' or '.join(map(str, counts))} argument{'s' * (counts != (1,))}"
            message = f"{opened.function}: expected {wanted}, found {opened.arguments}"
            raise self.error(message, opened.place)
        self.write(function, opened.arguments, token)

    def write(self, function: Any, count: int, token: _Token) -> None:
        self.operations += 1
        if self.operations > MAX_OPERATIONS:
            message = f"expected at most {MAX_OPERATIONS:,} operations, found more"
            raise self.error(message, token.place)
        self.postfix.append((function, count))

    def check_name(self, token: _Token) -> None:
        """Refuse a name that is Python's, a function's or too long."""
        if iskeyword(token.text):
            raise self.unexpected("a number, a name or '('", token)
        if token.text in self.functions:
            raise self.error(f"expected '(' after {token.text}, which is a function", token.place)
        if len(token.text) > MAX_NAME:
            message = f"expected a name of at most {MAX_NAME} characters, found"
            raise self.error(f"{message} {len(token.text):,}", token.place)

    def check_function(self, token: _Token) -> None:
        """Refuse a call of what is no function, and name the functions nearest to it."""
        if token.text in self.functions:
            return
        names = sorted(self.functions)
        near = get_close_matches(cut(token.text), names)
        why = f"is {' or '.join(near)} meant?" if near else f"there are {', '.join(names)}"
        raise self.unexpected("a function", token, why)

    def unexpected(self, expected: str, token: _Token, why: str = "") -> ExpressionError:
        if token.kind == "other" and not token.text.isascii():
            why = unicodedata.name(token.text, "")
            if token.text.isalpha():
                why += "; names are made of a to z, digits and _"
        if iskeyword(token.text):
            why = "no Python is run"
        why = HINTS.get(token.text, why)
        found = repr(cut(token.text)) if token.text else "the end"
        return self.error(f"expected {expected}, found {found}{why and f' ({why})'}", token.place)

    def error(self, message: str, place: int) -> ExpressionError:
        return ExpressionError(message, self.text, place)
