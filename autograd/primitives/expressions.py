"""The expressions of the loop language: how one number is computed, typed by dtype.

In these a primitive says how an entry of its result is computed from entries of its arguments
(`code` and `entry` of primitive.py); the compiler puts statements around them
(compiler/language/statements.py). There are five kinds: a constant, a variable, an affine index, a
load from an array, and an operation. The file is long because it is the whole of that language.

Operators and the functions below build them, and convert Python's numbers to the dtype of the other
operand. TypeError if the dtypes differ: nothing else is converted implicitly.

>>> x = Var("x", FLOAT32)
>>> print(select(x <= 0, 0, x * 2.5))
(x <= 0.0) ? 0.0 : (x * 2.5)
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

DType = Any  # np.dtype
Shape = tuple[int, ...]

BOOL, INT32, UINT32, INT64, UINT64, FLOAT32, FLOAT64 = map(
    np.dtype, ("bool", "int32", "uint32", "int64", "uint64", "float32", "float64")
)


class Expr:
    """An expression; `dtype` is that of its value. `==` compares expressions as objects, so that
    they can be keys; the operation is `equal(x, y)`."""

    dtype: DType

    def __bool__(self) -> bool:
        raise TypeError(f"{self}: an expression is neither true nor false; use select, &, |, ~")

    def __add__(self, other: Any) -> Any:
        return op("+", self, other)

    def __radd__(self, other: Any) -> Any:
        return op("+", other, self)

    def __sub__(self, other: Any) -> Any:
        return op("-", self, other)

    def __rsub__(self, other: Any) -> Any:
        return op("-", other, self)

    def __mul__(self, other: Any) -> Any:
        return op("*", self, other)

    def __rmul__(self, other: Any) -> Any:
        return op("*", other, self)

    def __truediv__(self, other: Any) -> Any:
        return op("/", self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return op("/", other, self)

    def __floordiv__(self, other: int) -> Any:
        return _floor(self, other)[0]

    def __mod__(self, other: int) -> Any:
        return _floor(self, other)[1]

    def __neg__(self) -> Any:
        return op("neg", self)

    def __abs__(self) -> Any:
        return op("abs", self)

    def __invert__(self) -> Any:
        return op("not", self)

    def __and__(self, other: Any) -> Any:
        return op("&", self, other)

    def __or__(self, other: Any) -> Any:
        return op("|", self, other)

    def __xor__(self, other: Any) -> Any:
        return op("^", self, other)

    def __lshift__(self, other: Any) -> Any:
        return op("<<", self, other)

    def __rshift__(self, other: Any) -> Any:
        return op(">>", self, other)

    def __lt__(self, other: Any) -> Any:
        return op("<", self, other)

    def __le__(self, other: Any) -> Any:
        return op("<=", self, other)

    def __gt__(self, other: Any) -> Any:
        return op(">", self, other)

    def __ge__(self, other: Any) -> Any:
        return op(">=", self, other)


@dataclass(frozen=True, eq=False)
class Const(Expr):
    """A number: a Python int, float or bool with the value that the dtype holds. As expressions 0.0
    and -0.0 differ, and nan equals nan."""

    value: Any
    dtype: DType

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Const) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    @property
    def _key(self) -> tuple[str, DType]:
        return repr(self.value), self.dtype

    def __str__(self) -> str:
        return str(self.dtype.type(self.value))


@dataclass(frozen=True)
class Var(Expr):
    """A variable, which a statement (let, for) defines."""

    name: str
    dtype: DType

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Affine(Expr):
    """An int64 of the form `const` plus variables times integers: a position along an axis, or in
    memory. Sums of affine indices, and their products with integers, are affine.

    >>> print(Affine.of("i") * 10 + Affine.of("j") + 3)
    i * 10 + j + 3
    """

    terms: tuple[tuple[str, int], ...]
    const: int = 0

    @property
    def dtype(self) -> DType:
        """Always int64."""
        return INT64

    @staticmethod
    def of(name: str) -> Affine:
        """The affine index that is one variable."""
        return Affine(((name, 1),))

    def __add__(self, other: Any) -> Any:
        if isinstance(other, int):
            return Affine(self.terms, self.const + other)
        if not isinstance(other, Affine):
            return op("+", self, other)
        total = dict(self.terms)
        for name, factor in other.terms:
            total[name] = total.get(name, 0) + factor
        terms = tuple(sorted((name, n) for name, n in total.items() if n))
        return Affine(terms, self.const + other.const)

    def __radd__(self, other: Any) -> Any:
        return self + other if isinstance(other, int) else op("+", other, self)

    def __sub__(self, other: Any) -> Any:
        return self + other * -1 if isinstance(other, int | Affine) else op("-", self, other)

    def __rsub__(self, other: Any) -> Any:
        return self * -1 + other if isinstance(other, int) else op("-", other, self)

    def __neg__(self) -> Any:
        return self * -1

    def __mul__(self, other: Any) -> Any:
        if not isinstance(other, int):
            return op("*", self, other)
        terms = tuple((name, n * other) for name, n in self.terms) if other else ()
        return Affine(terms, self.const * other)

    def __rmul__(self, other: Any) -> Any:
        return self * other if isinstance(other, int) else op("*", other, self)

    def names(self) -> list[str]:
        """The variables in it."""
        return [name for name, _ in self.terms]

    def factor(self, name: str) -> int:
        """The factor of a variable, 0 if it is not there."""
        return dict(self.terms).get(name, 0)

    def renamed(self, names: Mapping[str, Affine]) -> Affine:
        """This, with affine indices substituted for variables."""
        total = Affine((), self.const)
        for name, factor in self.terms:
            total += names.get(name, Affine.of(name)) * factor
        return total

    def __str__(self) -> str:
        parts = [name if n == 1 else f"{name} * {n}" for name, n in self.terms]
        parts += [str(self.const)] if self.const or not parts else []
        return " + ".join(parts)


@dataclass(frozen=True)
class Load(Expr):
    """An entry of an array in memory, by its offset: how many entries lie before it."""

    array: str
    offset: Affine
    dtype: DType

    def __str__(self) -> str:
        return f"{self.array}[{self.offset}]"


@dataclass(frozen=True)
class Op(Expr):
    """An operation of the table OPERATIONS on expressions."""

    name: str
    args: tuple[Expr, ...]
    dtype: DType

    def __str__(self) -> str:
        if self.name in ("convert", "bits"):
            word = str(self.dtype) if self.name == "convert" else f"bits.{self.dtype}"
            return f"{word}({self.args[0]})"
        if self.name == "select" and self.args[0] == Op("<", self.args[1:], BOOL):
            return f"min({self.args[1]}, {self.args[2]})"
        shown = [_in_parentheses(arg) for arg in self.args]
        if self.name == "select":
            return "{} ? {} : {}".format(*shown)
        if self.name in UNARY:
            return f"{UNARY[self.name]}{shown[0]}"
        if self.name in FUNCTIONS or self.name in CALLED:
            return f"{self.name}({', '.join(map(str, self.args))})"
        return f"{shown[0]} {self.name} {shown[1]}"


UNARY = {"neg": "-", "not": "!"}
CALLED = ("fma", "sqrt", "abs", "bounded")


def _in_parentheses(arg: Expr) -> str:
    several = isinstance(arg, Affine) and len(arg.terms) + bool(arg.const) > 1
    several |= isinstance(arg, Op) and arg.name not in (*FUNCTIONS, *CALLED, "convert", "bits")
    return f"({arg})" if several else str(arg)


# --- which dtypes go together --------------------------------------------------------------------

# Functions of floats that are no instructions: compiler/language/elementary.py, or a C library.
ONE = ("exp", "expm1", "log", "log1p", "sin", "cos", "tanh", "erf", "sigmoid", "softplus")
FUNCTIONS = dict.fromkeys(ONE, 1) | {"power": 2}

Rule = Callable[[tuple[DType, ...]], str]  # why an operation has no type for these dtypes, or ""


def _all(kinds: str, what: str) -> Rule:
    """Operands of one dtype, of these kinds (NumPy's letters)."""

    def rule(dtypes: tuple[DType, ...]) -> str:
        if any(dtype != dtypes[0] for dtype in dtypes):
            return f"{' and '.join(map(str, dtypes))} differ"
        return "" if dtypes[0].kind in kinds else f"takes {what}, not {dtypes[0]}"

    return rule


def _select(dtypes: tuple[DType, ...]) -> str:
    test, one, other = dtypes
    if test != BOOL:
        return f"the condition is a {test}, not a bool"
    return "" if one == other else f"the alternatives {one} and {other} differ"


def _bounded(dtypes: tuple[DType, ...]) -> str:
    return "" if dtypes == (INT64, INT64) else f"takes an int64, not {dtypes[0]}"


NUMBERS, FLOATS, INTEGERS = "numbers", "floats", "integers"
OPERATIONS: dict[str, tuple[int, Rule]] = {
    **dict.fromkeys(("+", "-", "*"), (2, _all("iuf", NUMBERS))),
    **dict.fromkeys(("neg", "abs"), (1, _all("iuf", NUMBERS))),
    **dict.fromkeys(("//", "%", "<<", ">>"), (2, _all("iu", INTEGERS))),  # // and % cut off at 0
    **dict.fromkeys(("&", "|", "^"), (2, _all("iub", "integers or booleans"))),
    **dict.fromkeys(("<", "<=", ">", ">=", "==", "!="), (2, _all("iufb", NUMBERS))),
    "/": (2, _all("f", FLOATS)),
    "sqrt": (1, _all("f", FLOATS)),
    "fma": (3, _all("f", FLOATS)),  # x * y + z, rounded once where the machine can
    "not": (1, _all("b", "booleans")),
    "select": (3, _select),
    "bounded": (2, _bounded),
    **{name: (count, _all("f", FLOATS)) for name, count in FUNCTIONS.items()},
}
COMPARES = ("<", "<=", ">", ">=", "==", "!=")


def type_of(name: str, args: Sequence[Expr]) -> DType:
    """The dtype of an operation of the table. TypeError, with the operands, if it has none."""
    if name not in OPERATIONS:
        raise TypeError(f"{name}: there is no such operation")
    count, rule = OPERATIONS[name]
    if len(args) != count:
        raise TypeError(f"{name}: takes {count} operands, not {len(args)}")
    wrong = rule(tuple(arg.dtype for arg in args))
    if wrong:
        raise TypeError(f"{name} of {', '.join(map(str, args))}: {wrong}")
    return BOOL if name in COMPARES else args[-1].dtype


def lift(value: Any, dtype: DType) -> Expr:
    """A Python number as a constant of a dtype; an expression stays. TypeError if the dtype cannot
    hold it, and for a bool: it may be the result of `==`, which compares expressions as objects."""
    if isinstance(value, Expr):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        cure = "; use equal(x, y)" if isinstance(value, bool) else ""
        raise TypeError(f"{value!r} is no expression{cure}")
    if dtype.kind == "f":
        with np.errstate(over="ignore"):  # a number too large becomes infinite, as in arrays
            return Const(float(dtype.type(value)), dtype)
    if isinstance(value, int) and dtype.kind in "iu":
        limits = np.iinfo(dtype)
        if limits.min <= value <= limits.max:
            return Const(value, dtype)
    raise TypeError(f"{value!r} is no {dtype}")


def op(name: str, *args: Any) -> Expr:
    """An operation of the table; Python's numbers take the dtype of the last expression."""
    known = [arg.dtype for arg in args if isinstance(arg, Expr)]
    if name == "select":
        known = [arg.dtype for arg in args[1:] if isinstance(arg, Expr)]
    if not known:
        raise TypeError(f"{name} of {', '.join(map(str, args))}: none of them says the dtype")
    lifted = tuple(lift(arg, known[-1]) for arg in args)
    return Op(name, lifted, type_of(name, lifted))


def equal(x: Any, y: Any) -> Expr:
    """Whether two values are equal."""
    return op("==", x, y)


def not_equal(x: Any, y: Any) -> Expr:
    """Whether two values differ."""
    return op("!=", x, y)


def select(test: Any, x: Any, y: Any) -> Expr:
    """x if the test holds, else y; both may be computed."""
    return op("select", test, x, y)


def fma(x: Any, y: Any, z: Any) -> Expr:
    """x * y + z, rounded once where the machine can do that."""
    return op("fma", x, y, z)


def _floor(x: Expr, n: Any) -> tuple[Expr, Expr]:
    """x // n and x % n as in Python, for a positive integer n: C does not define division by 0."""
    if not isinstance(n, int) or n < 1:
        raise TypeError(f"// and % of {x}: the divisor is a positive integer, not {n}")
    down, rest = quotient(x, n), remainder(x, n)
    if x.dtype.kind == "u":
        return down, rest
    return down - select(rest < 0, lift(1, x.dtype), 0), select(rest < 0, rest + n, rest)


def quotient(x: Expr, n: int) -> Expr:
    """x / n rounded towards 0, of integers."""
    return op("//", x, n)


def remainder(x: Expr, n: int) -> Expr:
    """The remainder of that division, which has the sign of x."""
    return op("%", x, n)


def sqrt(x: Any) -> Expr:
    """The square root, correctly rounded."""
    return op("sqrt", x)


def minimum(x: Any, y: Any) -> Expr:
    """The smaller of two integers."""
    return select(op("<", x, y), x, y)


def convert(x: Expr, dtype: DType) -> Expr:
    """x in another dtype: floats round to nearest, integers wrap around, a boolean is whether x is
    not 0. TypeError for a float to an integer, which C does not define where it is out of range."""
    if x.dtype == dtype:
        return x
    if x.dtype.kind == "f" and dtype.kind in "iu":
        raise TypeError(f"convert: {x} is a {x.dtype}, which may be out of the range of {dtype}")
    if isinstance(x, Const):
        return Const(np.asarray(x.value, x.dtype).astype(dtype).item(), dtype)
    return not_equal(x, 0) if dtype == BOOL else Op("convert", (x,), dtype)


def zero(dtype: DType) -> Expr:
    """0; of booleans, False."""
    return convert(Const(0, INT64), dtype)


def bits(x: Expr, dtype: DType) -> Expr:
    """The bytes of x, read as another dtype of the same size."""
    if x.dtype.itemsize != dtype.itemsize or BOOL in (x.dtype, dtype):
        raise TypeError(f"bits: {x} is a {x.dtype}, which has not the bytes of a {dtype}")
    return Op("bits", (x,), dtype)


def bounded(i: Expr, n: int) -> Expr:
    """i, an int64 that depends on data and has to be in 0 to n - 1. A compiled step checks that
    before it writes anything, so that uses may rely on it."""
    return op("bounded", i, n)


def function(name: str) -> Callable[..., Expr]:
    """A function of floats, by its name in FUNCTIONS."""
    return lambda *args: op(name, *args)


exp, expm1, log, log1p, sin, cos, tanh, erf, sigmoid, softplus, power = map(function, FUNCTIONS)


# --- walking and rewriting expressions -----------------------------------------------------------


def walk(expr: Expr) -> Iterator[Expr]:
    """An expression and its subexpressions, operands first; an object that occurs twice, once."""
    return _walk(expr, set())


def _walk(expr: Expr, seen: set[int]) -> Iterator[Expr]:
    if id(expr) in seen:
        return
    seen.add(id(expr))
    for part in expr.args if isinstance(expr, Op) else ():
        yield from _walk(part, seen)
    yield expr


def rewrite(expr: Expr, change: Callable[[Op, bool], Expr]) -> Expr:
    """An expression in which `change` replaces each operation below it, operands first. Its second
    argument says whether the operation is used more than once."""
    uses = Counter(id(arg) for part in walk(expr) if isinstance(part, Op) for arg in part.args)
    done: dict[int, Expr] = {}
    for part in walk(expr):
        if isinstance(part, Op):
            whole = replace(part, args=tuple(done.get(id(arg), arg) for arg in part.args))
            done[id(part)] = whole if part is expr else change(whole, uses[id(part)] > 1)
    return done.get(id(expr), expr)


def names(expr: Expr) -> Iterator[str]:
    """The variables in an expression, with repetitions."""
    for part in walk(expr):
        if isinstance(part, Var):
            yield part.name
        elif isinstance(part, Affine):
            yield from part.names()
        elif isinstance(part, Load):
            yield from part.offset.names()


# --- indices -------------------------------------------------------------------------------------

ZERO = Affine(())
Index = tuple[Affine, ...]


def variables(shape: Shape, letter: str = "d") -> Index:
    """A variable for each axis that is longer than 1."""
    return tuple(ZERO if n == 1 else Affine.of(f"{letter}{i}") for i, n in enumerate(shape))


def contiguous(shape: Shape) -> tuple[int, ...]:
    """The strides, in entries, of an array in row-major order."""
    return tuple(math.prod(shape[i + 1 :]) for i in range(len(shape)))


def offset(index: Index, strides: Sequence[int]) -> Affine:
    """How many entries lie before the one at an index, in memory with these strides."""
    total: Affine = ZERO
    for position, stride in zip(index, strides, strict=True):
        total += position * stride
    return total


def broadcast_index(index: Index, shape: Shape) -> Index:
    """The index of an entry in an argument of this shape, which is broadcast to the index's."""
    last = index[len(index) - len(shape) :]
    return tuple(ZERO if n == 1 else position for position, n in zip(last, shape, strict=True))
