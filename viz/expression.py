"""Expressions as people type them, `tanh(x * w + b)`, made into graphs without running Python.

`parse` reads the text once, from left to right, and lists what to compute in postfix order
(Dijkstra's shunting yard). Neither it nor the computation is recursive, so any depth of parentheses
works.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from keyword import iskeyword
from typing import Any

from autograd import Value, clip, gelu, leaky_relu
from autograd.ops import add, div, identity, mul, neg, power, sub
from autograd.primitives.primitive import TABLE
from models.command_line import InputError
from viz.text import cut

__all__ = [
    "CONSTANTS",
    "MAX_LENGTH",
    "Expression",
    "ExpressionError",
    "functions",
    "graph_of",
    "parse",
]

MAX_LENGTH = 100_000  # characters
# More is a program, not an expression: a picture of it would be of no use.
MAX_OPERATIONS = 1000
MAX_NAME = 64
EXCERPT = 60  # characters of the text that an error shows

# The values of these names, unless the caller gives others.
CONSTANTS: Mapping[str, float] = {"pi": math.pi, "e": math.e}

# Precedences are Python's: a power binds tighter than the minus before it, but looser than the
# minus after it.
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
    "'": "an expression has no strings",
    '"': "an expression has no strings",
    "\N{MULTIPLICATION SIGN}": "a product is written *",
    "\N{MIDDLE DOT}": "a product is written *",
    "\N{DOT OPERATOR}": "a product is written *",
    "\N{DIVISION SIGN}": "a quotient is written /",
    "\N{MINUS SIGN}": "a difference is written -",
    "\N{EN DASH}": "a difference is written -",
}


class ExpressionError(ValueError):
    """What is wrong with an expression, in one line, and below it the text with a caret."""

    def __init__(self, message: str, text: str, position: int):
        start = max(0, min(position - EXCERPT // 2, len(text) - EXCERPT))
        shown = text[start : start + EXCERPT]
        # A character that is not one column wide would move the caret.
        plain = "".join(" " if c in "\t\r\n" else c if " " <= c <= "~" else "?" for c in shown)
        super().__init__(f"{message}\n  {plain}\n  {' ' * (position - start)}^")


@dataclass(frozen=True)
class Expression:
    """An expression that has been read: its text, its names in order of appearance, and the steps
    that compute it, in postfix order. A step is a number, a name, or a function and how many
    results it takes."""

    text: str
    names: tuple[str, ...]
    steps: tuple[Any, ...]

    def __call__(self, values: Mapping[str, Value]) -> Value:
        """The root of the expression's graph. `values` are its leaves; they get their names here.
        Raises ValueError where one is missing or there is nothing to differentiate.

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
        for step in self.steps:
            if isinstance(step, float):
                stack.append(step)
            elif isinstance(step, str):
                stack.append(known[step])
            else:
                function, count = step
                args = stack[-count:]
                stack[-count:] = [function(*args)]
        (root,) = stack
        if not isinstance(root, Value):
            raise ValueError("expected a name to differentiate by, as in x**2, found only numbers")
        return root

    def missing(self, values: Mapping[str, Any]) -> list[str]:
        """The names that have no value: neither constants nor in `values`."""
        return [name for name in self.names if name not in {**CONSTANTS, **values}]


def parse(text: str) -> Expression:
    """Read an expression: numbers, names, + - * / ** with Python's precedence, parentheses, and
    calls of `functions()`.

    Names consist of ASCII letters, digits and _. Arithmetic is that of IEEE floats, when the
    expression is called: 10**10**10 is inf. Raises ExpressionError for anything else.

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


def graph_of(text: str, at: Sequence[str]) -> Value:
    """The root of the graph of an expression that was typed, at numbers as they were typed after
    --at. Raises InputError.

    >>> graph_of("x*y", ["x=2", "y=0.5"])
    Value(data=1.0)
    """
    try:
        expression = parse(text)
    except ExpressionError as error:
        raise InputError(*str(error).split("\n")) from None
    values = _values(at, expression.names)
    if missing := expression.missing(values):
        example = " ".join(f"{name}=0.5" for name in missing[:3])
        wanted = f"expected a number for {_listed(missing)}, as in --at {example}"
        raise InputError(f"{wanted}, found none")
    try:
        return expression({name: Value(number) for name, number in values.items()})
    except ValueError as error:
        raise InputError(str(error)) from error


def _values(at: Sequence[str], names: Sequence[str]) -> dict[str, float]:
    """The numbers of --at, by name."""
    values: dict[str, float] = {}
    for text in at:
        name, sign, number = text.partition("=")
        shown = repr(cut(name))
        if not sign:
            raise InputError(f"--at: expected name=number, found {shown}")
        if name not in names:
            raise InputError(
                f"--at: expected a name of the expression ({_listed(names)}), found {shown}"
            )
        if name in values:
            raise InputError(f"--at: expected {name} once, found it twice")
        try:
            values[name] = float(number)
        except ValueError:
            found = repr(cut(number))
            raise InputError(f"--at: expected a number for {name}, found {found}") from None
    return values


def _listed(names: Sequence[str]) -> str:
    return cut(", ".join(names), 100) or "it has none"


def functions() -> dict[str, tuple[Callable[..., Any], tuple[int, ...]]]:
    """What can be called, and with how many arguments: the primitives that take numbers and have a
    derivative by each argument, and three functions composed of them.

    >>> sorted(functions())[:5]
    ['abs', 'clip', 'cos', 'exp', 'expm1']
    """
    primitives: dict[str, tuple[Callable[..., Any], tuple[int, ...]]] = {
        prim.name: (prim, (len(prim.domain),))
        for prim in TABLE.values()
        # `identity` is the engine's own: nobody types identity(x) for x.
        if prim.on_float and not prim.infix and prim.domain and prim is not identity
        if all(map(prim.rule, range(len(prim.domain))))
    }
    composed = {"clip": (clip, (3,)), "gelu": (gelu, (1,)), "leaky_relu": (leaky_relu, (1, 2))}
    return {**primitives, **composed}


@dataclass(frozen=True)
class _Token:
    kind: str  # the group of TOKEN; a call includes its opening parenthesis
    text: str
    position: int


@dataclass
class _Parenthesis:
    """An open parenthesis; with a function, that of a call."""

    position: int
    function: str | None = None
    arguments: int = 1


class _Reader:
    """The shunting yard. `steps` is its output; its `stack` holds open parentheses, and operators
    whose last operand is not complete: (precedence, function, operands)."""

    def __init__(self, text: str):
        self.text = text
        self.functions = functions()
        self.names: dict[str, None] = {}  # each once, in order
        self.steps: list[Any] = []
        self.stack: list[_Parenthesis | tuple[int, Any, int]] = []
        self.operations = 0

    def read(self) -> Expression:
        operand = True  # whether an operand must come next
        for token in self.tokens():
            operand = self.operand(token) if operand else self.operator(token)
        return Expression(self.text, tuple(self.names), tuple(self.steps))

    def tokens(self) -> Iterator[_Token]:
        position, kind = 0, ""
        while kind != "end":
            match = TOKEN.match(self.text, position)
            assert match and match.lastgroup  # `other` matches any character
            kind, position = match.lastgroup, match.end()
            yield _Token(kind, match[kind], match.start(kind))

    def operand(self, token: _Token) -> bool:
        """Take the token that begins an operand; whether an operand must still come next."""
        if token.kind == "number":
            self.steps.append(float(token.text))
            return False
        if token.kind == "name":
            self.check_name(token)
            self.names[token.text] = None
            self.steps.append(token.text)
            return False
        if token.kind == "call":
            self.check_function(token)
            self.stack.append(_Parenthesis(token.position, token.text))
        elif token.text == "(":
            self.stack.append(_Parenthesis(token.position))
        elif token.text == "-":
            self.stack.append((*MINUS, 1))
        elif token.text != "+":
            raise self.unexpected("a number, a name or '('", token)
        return True

    def operator(self, token: _Token) -> bool:
        """Take the token that follows an operand; whether an operand must come next."""
        if token.text in BINARY:
            precedence, function = BINARY[token.text]
            # Operators of one precedence associate to the left, powers to the right.
            self.complete(precedence + (function is power), token)
            self.stack.append((precedence, function, 2))
            return True
        if token.text not in (")", ",") and token.kind != "end":
            factor = token.kind in ("name", "call") or token.text == "("
            raise self.unexpected("an operator", token, "a product is written *" if factor else "")
        self.complete(0, token)
        opened = self.stack.pop() if self.stack else None
        assert not isinstance(opened, tuple)
        if token.kind == "end":
            if opened:
                raise self.error("expected ')' for this '(', found the end", opened.position)
            return False
        if opened is None:
            raise self.unexpected("an operator", token, "no '(' is open")
        if token.text == ")":
            self.close(opened, token)
            return False
        if opened.function is None:
            raise self.unexpected("')'", token, "a comma stands between arguments")
        opened.arguments += 1
        self.stack.append(opened)
        return True

    def complete(self, precedence: int, token: _Token) -> None:
        """Output the operators in the innermost parenthesis of this precedence or a higher one."""
        while self.stack:
            last = self.stack[-1]
            if isinstance(last, _Parenthesis) or last[0] < precedence:
                return
            self.stack.pop()
            self.output(last[1], last[2], token)

    def close(self, opened: _Parenthesis, token: _Token) -> None:
        """Output the call that this parenthesis ends, if it is one."""
        if opened.function is None:
            return
        function, counts = self.functions[opened.function]
        if opened.arguments not in counts:
            wanted = f"{' or '.join(map(str, counts))} argument{'s' * (counts != (1,))}"
            message = f"{opened.function}: expected {wanted}, found {opened.arguments}"
            raise self.error(message, opened.position)
        self.output(function, opened.arguments, token)

    def output(self, function: Any, count: int, token: _Token) -> None:
        self.operations += 1
        if self.operations > MAX_OPERATIONS:
            message = f"expected at most {MAX_OPERATIONS:,} operations, found more"
            raise self.error(message, token.position)
        self.steps.append((function, count))

    def check_name(self, token: _Token) -> None:
        """Refuse a keyword of Python, the name of a function, and a name that is too long."""
        if iskeyword(token.text):
            raise self.unexpected("a number, a name or '('", token)
        if token.text in self.functions:
            raise self.error(
                f"expected '(' after {token.text}, which is a function", token.position
            )
        if len(token.text) > MAX_NAME:
            message = f"expected a name of at most {MAX_NAME} characters, found"
            raise self.error(f"{message} {len(token.text):,}", token.position)

    def check_function(self, token: _Token) -> None:
        """Refuse a call of an unknown function, and suggest similar names."""
        if token.text in self.functions:
            return
        names = sorted(self.functions)
        similar = get_close_matches(cut(token.text), names)
        why = f"is {' or '.join(similar)} meant?" if similar else f"there are {', '.join(names)}"
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
        return self.error(
            f"expected {expected}, found {found}{why and f' ({why})'}", token.position
        )

    def error(self, message: str, position: int) -> ExpressionError:
        return ExpressionError(message, self.text, position)
