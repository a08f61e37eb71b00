"""Interprets the loop language, one number at a time with NumPy. Printers are tested against it.

Operations round and wrap as their dtype does: float32 to float32, integers modulo their bits; `//`
and `%` round toward 0, fma rounds once. It is slow, and raises where C is undefined: an offset
outside an array, a division by 0, a shift by too many bits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from ...primitives.expressions import FUNCTIONS, Affine, Const, DType, Expr, Load, Op, Var
from .elementary import definition
from .statements import PART, PARTS, For, Function, If, Let, Panel, Set, Statement, Store, Tile
from .tiles import expanded

Values = Mapping[str, Any]


def interpret(function: Function, arrays: Values, part: int = 0, parts: int = 1) -> None:
    """Runs a part of a function on 1-D arrays, by name; it stores to those in `writes`.

    TypeError where an array has another dtype or size than the function says.
    IndexError for an offset outside an array; KeyError for a name that is not known.
    """
    for array in function.arrays:
        given = arrays[array.name]
        if given.dtype != array.dtype or given.shape != (array.size,):
            raise TypeError(f"{array} is given {given.dtype}[{given.shape}]")
    own = {array.name: _unwritten(array.size, array.dtype) for array in function.own}
    start = {PART.name: np.int64(part), PARTS.name: np.int64(parts)}
    with np.errstate(all="ignore"):
        _block(function.body, start, {**arrays, **own}, function)


def evaluate(expr: Expr, variables: Values | None = None, arrays: Values | None = None) -> Any:
    """The value of an expression, as a NumPy number of its dtype; an array of them where variables
    are arrays, which broadcast. `arrays` are 1-D. Of a select, only the chosen value is computed.

    >>> from autograd.primitives.expressions import FLOAT32
    >>> evaluate(Var("x", FLOAT32) * 0.1 + 1, {"x": np.arange(3, dtype=np.float32)})
    array([1. , 1.1, 1.2], dtype=float32)
    """
    with np.errstate(all="ignore"):
        return _Evaluation(variables or {}, arrays or {}).of(expr)


def _unwritten(size: int, dtype: DType) -> Any:
    """The entries of memory that nobody has written: not to be taken for a result."""
    return np.full(size, np.nan if dtype.kind == "f" else 85, dtype)


# --- statements ----------------------------------------------------------------------------------


def _block(
    body: Sequence[Statement], around: dict[str, Any], arrays: Values, function: Function
) -> None:
    """Runs statements. Variables that they let are forgotten at the end."""
    known = set(around)
    for statement in body:
        _run(statement, around, arrays, function)
    for name in set(around) - known:
        del around[name]


def _run(
    statement: Statement, variables: dict[str, Any], arrays: Values, function: Function
) -> None:
    evaluation = _Evaluation(variables, arrays)
    match statement:
        case Let(name, value):
            variables[name] = evaluation.of(value)
        case Set(name, value):
            _known(variables, name)
            variables[name] = evaluation.of(value)
        case Store(array, offset, value):
            if array not in function.writes and all(array != own.name for own in function.own):
                raise KeyError(f"{array} is not written")
            at = evaluation.offset(array, offset)
            _known(arrays, array)[at] = evaluation.of(value)
        case For(name, first, last, inside, step):
            for i in range(int(evaluation.of(first)), int(evaluation.of(last)), step):
                variables[name] = np.int64(i)
                _block(inside, variables, arrays, function)
            variables.pop(name, None)
        case If(test, one, other):
            _block(one if evaluation.of(test) else other, variables, arrays, function)
        case Tile() | Panel():
            _run(expanded(statement), variables, arrays, function)


def _known(values: Values, name: str) -> Any:
    if name not in values:
        raise KeyError(f"{name} is not known; known are {', '.join(values)}")
    return values[name]


# --- expressions ---------------------------------------------------------------------------------


class _Evaluation:
    """Evaluates expressions while variables do not change, each node once."""

    def __init__(self, variables: Values, arrays: Values) -> None:
        self.variables, self.arrays = variables, arrays
        self.done: dict[int, tuple[Expr, Any]] = {}  # by id of the expression, which is kept alive

    def of(self, expr: Expr) -> Any:
        """The value of an expression."""
        if id(expr) not in self.done:
            self.done[id(expr)] = expr, self._of(expr)
        return self.done[id(expr)][1]

    def _of(self, expr: Expr) -> Any:
        match expr:
            case Const(value, dtype):
                return dtype.type(value)
            case Var(name):
                return _known(self.variables, name)
            case Affine():
                return self.affine(expr)
            case Load(array, offset):
                return _known(self.arrays, array)[self.offset(array, offset)]
            case Op("select", (test, one, other)):
                return self.select(self.of(test), one, other)
            case Op(_, args):
                return operation(expr, [self.of(arg) for arg in args])
        raise TypeError(f"{expr!r} is no expression")

    def affine(self, expr: Affine) -> Any:
        """An int64."""
        total = np.int64(expr.const)
        for name, factor in expr.terms:
            total = total + _known(self.variables, name) * np.int64(factor)
        return total

    def offset(self, array: str, offset: Affine) -> Any:
        """The value of an offset. IndexError where it is outside the array."""
        at, size = self.affine(offset), len(_known(self.arrays, array))
        inside = (at >= 0) & (at < size)
        if not inside.all():
            wrong = np.extract(~inside, at)[0]
            raise IndexError(f"{array}[{offset}] is offset {wrong} of {size}")
        return at

    def select(self, test: Any, one: Expr, other: Expr) -> Any:
        """A select. Where the test is an array, each value is computed only for the entries that
        choose it: for others a load may be outside its array."""
        if np.ndim(test) == 0:
            return self.of(one if test else other)
        if not any(_may_fail(arg) for arg in (one, other)):
            return np.where(test, self.of(one), self.of(other))
        names = list(self.variables)
        test, *values = np.broadcast_arrays(test, *self.variables.values())
        result = np.empty(test.shape, one.dtype)
        for wanted, expr in ((test, one), (~test, other)):
            chosen = {name: x[wanted] for name, x in zip(names, values, strict=True)}
            result[wanted] = _Evaluation(chosen, self.arrays).of(expr)
        return result


def _may_fail(expr: Expr) -> bool:
    if isinstance(expr, Op):
        return expr.name in ("//", "%", "<<", ">>") or any(map(_may_fail, expr.args))
    return isinstance(expr, Load)


# --- operations ----------------------------------------------------------------------------------


def operation(expr: Op, args: Sequence[Any]) -> Any:
    """The result of an operation on NumPy numbers, or arrays of them, of its operands' dtypes."""
    if expr.name == "convert":
        return np.asarray(args[0]).astype(expr.dtype)[()]
    if expr.name == "bits":
        return np.ascontiguousarray(args[0]).view(expr.dtype).reshape(np.shape(args[0]))[()]
    if expr.name == "bounded":  # says something of its operand
        return args[0]
    if expr.name in FUNCTIONS:
        return _function(expr.name, expr.args[0].dtype, args)
    return _COMPUTED[expr.name](*args)


def _quotient(x: Any, y: Any) -> Any:
    return (x - _remainder(x, y)) // y


def _remainder(x: Any, y: Any) -> Any:
    if np.any(y == 0):
        raise ZeroDivisionError(f"{x} divided by 0")
    return np.fmod(x, y)


def _shifted(shift: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def checked(x: Any, count: Any) -> Any:
        if np.any(count < 0) or np.any(count >= 8 * x.dtype.itemsize):
            raise ValueError(f"{x.dtype} shifted by {count}")
        return shift(x, count)

    return checked


def _fma(x: Any, y: Any, z: Any) -> Any:
    dtype = np.result_type(x, y, z)
    if dtype.itemsize == 8:
        return np.vectorize(_fma_exactly, otypes=[dtype])(x, y, z)[()]
    x, y, z = (np.asarray(value, np.float64) for value in (x, y, z))
    product = x * y  # exact
    total = np.asarray(product + z)
    back = total - product
    lost = (product - (total - back)) + (z - back)
    # Rounded to odd: then rounding to float32 is as if it were rounded once (Boldo and Melquiond).
    number = total.view(np.int64)
    inexact = (lost != 0) & np.isfinite(total) & np.isfinite(lost) & (number & 1 == 0)
    towards = np.where((lost > 0) == (total > 0), 1, -1)
    return (number + inexact * towards).view(np.float64).astype(dtype)[()]


def _fma_exactly(x: float, y: float, z: float) -> float:
    if not (math.isfinite(x) and math.isfinite(y) and math.isfinite(z)):
        return z if math.isfinite(x) and math.isfinite(y) else x * y + z
    exact = Fraction(x) * Fraction(y) + Fraction(z)
    if exact == 0:
        return x * y + z  # with its sign
    try:
        return float(exact)
    except OverflowError:
        return math.inf if exact > 0 else -math.inf  # copysign would make a float of it


_COMPUTED: dict[str, Callable[..., Any]] = {
    **{"+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide},
    **{"//": _quotient, "%": _remainder, "neg": np.negative, "abs": np.abs},
    **{"<<": _shifted(np.left_shift), ">>": _shifted(np.right_shift)},
    **{"&": np.bitwise_and, "|": np.bitwise_or, "^": np.bitwise_xor, "not": np.logical_not},
    **{"<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal},
    **{"==": np.equal, "!=": np.not_equal, "sqrt": np.sqrt, "fma": _fma},
}


# power of one number takes roots for 0.5, and -inf has none.
_LIBRARY: dict[str, Callable[..., Any]] = {
    "erf": np.vectorize(math.erf, otypes=[float]),
    "power": np.float_power,
}


def _function(name: str, dtype: DType, args: Sequence[Any]) -> Any:
    """An elementary function, by its definition; NumPy's in float64 stands for the C library's."""
    known = definition(name, dtype)
    if known is None:
        by = _LIBRARY.get(name) or getattr(np, name)
        return by(*(np.asarray(arg, np.float64) for arg in args)).astype(dtype)[()]
    variables = {param.name: arg for param, arg in zip(known.params, args, strict=True)}
    for let in known.body:
        variables[let.name] = _Evaluation(variables, {}).of(let.value)
    return _Evaluation(variables, {}).of(known.result)
