"""Checks a function of the loop language before it is printed.

`verify` first checks types, names and marks of every node. Then it runs the first and the last
iteration of each loop, with the values of all integers that do not come of data, and checks the
offsets of loads and stores: where bounds are constants or minima of those, an affine offset is
smallest and largest there. A fault that it reports does occur, with some data, if one thread does
all parts. That it finds none is no proof: offsets that come of data, the iterations between, and
other parts are not checked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ...primitives.expressions import (
    BOOL,
    INT64,
    Affine,
    Const,
    DType,
    Expr,
    Load,
    Op,
    Var,
    convert,
    names,
    type_of,
    walk,
)
from .interpret import operation
from .statements import PART, PARTS, For, Function, If, Let, Panel, Set, Statement, Store, Tile
from .tiles import expanded

MARKS = ("", "lanes", "reduction")
Path = tuple[str | Statement, ...]  # statements become text only when an error is raised


class MalformedError(Exception):
    """A function is no valid one of the loop language. The message says where and why."""

    def __init__(self, path: Path, why: str) -> None:
        way = ", ".join(part if isinstance(part, str) else _text(part) for part in path)
        super().__init__(f"{way}: {why}" if way else why)


def verify(function: Function) -> None:
    """Raises MalformedError for the first fault: a wrong type, a name that is unknown or taken, a
    mark that does not hold, or an offset outside its array."""
    _Types(function).block(function.body, {v.name: v.dtype for v in (PART, PARTS)}, ())
    _Bounds(function).block(function.body, {PART.name: np.int64(0), PARTS.name: np.int64(1)}, ())


def _text(statement: Statement) -> str:
    return next(iter(statement.lines())).rstrip(":")


# --- types, names and marks ----------------------------------------------------------------------


class _Types:
    def __init__(self, function: Function) -> None:
        arrays = (*function.arrays, *function.own)
        self.arrays = {array.name: array for array in arrays}
        self.own = {array.name for array in function.own}
        self.writes = function.writes | self.own
        if len(self.arrays) < len(arrays):
            raise MalformedError(
                (), f"two arrays of {', '.join(a.name for a in arrays)} are one name"
            )
        if unknown := self.writes - set(self.arrays):
            raise MalformedError((), f"{', '.join(sorted(unknown))} is written, and is no array")
        self.loops: set[str] = set()  # the variables of enclosing loops

    def block(self, body: Sequence[Statement], around: Mapping[str, DType], path: Path) -> None:
        """A block of statements; each knows the variables of those before."""
        known = dict(around)
        for statement in body:
            self.statement(statement, known, path)

    def statement(self, statement: Statement, known: dict[str, DType], path: Path) -> None:
        """One statement; a variable that it lets is known from then on."""
        here = (*path, statement)
        match statement:
            case Let(name, value):
                self.expect(value, None, known, here)
                self.new_name(name, known, here)
                known[name] = value.dtype
            case Set(name, value):
                if name not in known or name in (*self.loops, PART.name, PARTS.name):
                    raise MalformedError(here, f"{name} is no variable that was let")
                self.expect(value, known[name], known, here)
            case Store(array, offset, value):
                self.expect(Load(array, offset, value.dtype), value.dtype, known, here)
                self.expect(value, None, known, here)
                if array not in self.writes:
                    raise MalformedError(here, f"{array} is not one of those that are written")
            case For():
                self.loop(statement, known, path)
            case If(test, one, other):
                self.expect(test, BOOL, known, here)
                self.block(one, known, (*path, f"in if {test}"))
                self.block(other, known, (*path, f"in else of {test}"))
            case Tile() | Panel():
                if isinstance(statement, Tile) and statement.right.along != 1:
                    raise MalformedError(
                        here, f"the right operand's columns are {statement.right.along} apart"
                    )
                self.statement(expanded(statement), known, here)

    def new_name(self, name: str, known: Mapping[str, DType], here: Path) -> None:
        """Checks that a name is not taken."""
        if name in known or name in self.arrays:
            raise MalformedError(here, f"{name} is known already")

    def loop(self, loop: For, known: Mapping[str, DType], path: Path) -> None:
        """A loop: its bounds, its mark and its body."""
        here = (*path, loop)
        self.expect(loop.first, INT64, known, here)
        self.expect(loop.last, INT64, known, here)
        self.new_name(loop.name, known, here)
        if loop.step < 1:
            raise MalformedError(here, "the step is below 1")
        if loop.mark not in MARKS or bool(loop.sum) != (loop.mark == "reduction"):
            raise MalformedError(here, f"{loop.mark!r} of {loop.sum!r} is no mark")
        inside = (*path, f"in for {loop.name}")
        self.loops.add(loop.name)
        self.block(loop.body, {**known, loop.name: INT64}, inside)
        self.loops.remove(loop.name)
        if loop.mark or loop.parallel:
            self.independent(loop, known, inside)

    def independent(self, loop: For, known: Mapping[str, DType], path: Path) -> None:
        """Checks that iterations of a marked loop do not depend on each other by variables."""
        if loop.sum and loop.sum not in known:
            raise MalformedError(path, f"{loop.sum}, which is summed, is not known")
        mark = loop.mark or "parallel"
        for statement in _statements(loop.body):
            here = (*path, statement)
            if isinstance(statement, Set) and statement.name in known:
                if statement.name != loop.sum:
                    raise MalformedError(
                        here, f"the {mark} loop sets {statement.name}, from outside"
                    )
                if not _adds(statement):
                    raise MalformedError(here, f"{loop.sum} is not only added to")
            elif loop.sum and any(loop.sum in names(expr) for expr in _expressions(statement)):
                raise MalformedError(here, f"{loop.sum} is read, in the loop that sums it")

    def expect(
        self, expr: Expr, dtype: DType | None, known: Mapping[str, DType], here: Path
    ) -> None:
        """Checks that an expression is well-typed and, if a dtype is given, has it."""
        for part in walk(expr):
            wrong = self.wrong(part, known)
            if wrong:
                raise MalformedError(here, wrong)
        if dtype is not None and expr.dtype != dtype:
            raise MalformedError(here, f"{expr} is a {expr.dtype}, not {dtype}")

    def wrong(self, expr: Expr, known: Mapping[str, DType]) -> str:
        """What is wrong with a node, apart from its operands; "" if nothing is."""
        match expr:
            case Const(value, dtype):
                held = np.asarray(value).astype(dtype).item()
                same = type(held) is type(value) and (held == value or value != value)
                return "" if same else f"{value!r} is no {dtype}"
            case Var(name, dtype):
                return _wrong_name(name, dtype, known)
            case Affine():
                return next(filter(None, (_wrong_name(n, INT64, known) for n in expr.names())), "")
            case Load(name, offset, dtype):
                if name not in self.arrays:
                    return f"{name} is no array"
                if self.arrays[name].dtype != dtype:
                    return f"{expr} is a {dtype}, but {self.arrays[name]}"
                return self.wrong(offset, known)
            case Op():
                return _wrong_operation(expr)
        return f"{expr!r} is no expression"


def _wrong_name(name: str, dtype: DType, known: Mapping[str, DType]) -> str:
    if name not in known:
        return f"{name} is not known"
    return "" if known[name] == dtype else f"{name} is a {known[name]}, not {dtype}"


def _wrong_operation(expr: Op) -> str:
    try:
        if expr.name == "convert":
            dtype = convert(expr.args[0], expr.dtype).dtype
        elif expr.name == "bits":
            same = BOOL not in (expr.dtype, expr.args[0].dtype)
            same &= expr.dtype.itemsize == expr.args[0].dtype.itemsize
            dtype = expr.dtype if same else expr.args[0].dtype
        else:
            dtype = type_of(expr.name, expr.args)
    except TypeError as error:
        return str(error)
    return "" if dtype == expr.dtype else f"{expr} is a {dtype}, not {expr.dtype}"


def _statements(body: Sequence[Statement]) -> Iterator[Statement]:
    """Statements and those nested in them; tiles and panels as loops."""
    for statement in body:
        if isinstance(statement, Tile | Panel):
            yield from _statements([expanded(statement)])
            continue
        yield statement
        if isinstance(statement, For):
            yield from _statements(statement.body)
        elif isinstance(statement, If):
            yield from _statements((*statement.body, *statement.otherwise))


def _expressions(statement: Statement) -> tuple[Expr, ...]:
    """The expressions of a statement, without those of nested statements."""
    match statement:
        case Let(_, value) | Set(_, value):
            return (value,)
        case Store(_, offset, value):
            return offset, value
        case For(_, first, last):
            return first, last
        case If(test):
            return (test,)
    return ()


def _adds(statement: Set) -> bool:
    """Whether a statement adds to its variable, and uses it for nothing else."""
    match statement.value:
        case Op("+", (Var(name), rest)) | Op("+", (rest, Var(name))) if name == statement.name:
            return name not in names(rest)
        case Op("fma", (x, y, Var(name))):
            others = {*names(x), *names(y)}
            return name == statement.name and name not in others
    return False


def _varying(loop: For) -> set[str]:
    """The variables whose values may differ between iterations of a loop."""
    varying = {loop.name}
    for statement in _statements(loop.body):
        if isinstance(statement, Let | Set | For):
            read = {name for expr in _expressions(statement) for name in names(expr)}
            varying |= set() if read.isdisjoint(varying) else {statement.name}
    return varying


def _check_stores_differ(loop: For, scratch: set[str], path: Path) -> None:
    """Checks that iterations of a marked loop do not all store to one offset. scratch: arrays that
    each part has for itself."""
    varying = _varying(loop)
    for statement in _statements(loop.body):
        if not isinstance(statement, Store) or statement.array in scratch:
            continue
        if varying.isdisjoint(statement.offset.names()):
            mark = loop.mark or "parallel"
            raise MalformedError(
                (*path, statement), f"every iteration of the {mark} loop stores to the same offset"
            )


# --- offsets -------------------------------------------------------------------------------------


class _Bounds:
    """Runs the first and the last iteration of each loop. A variable is None if it comes of data or
    is set."""

    def __init__(self, function: Function) -> None:
        arrays = (*function.arrays, *function.own)
        self.sizes = {array.name: array.size for array in arrays}
        self.own = {array.name for array in function.own}
        self.set = {s.name for s in _statements(function.body) if isinstance(s, Set)}

    def block(self, body: Sequence[Statement], around: Mapping[str, Any], path: Path) -> None:
        """A block of statements; each knows the variables of those before."""
        known = dict(around)
        for statement in body:
            self.statement(statement, known, path)

    def statement(self, statement: Statement, known: dict[str, Any], path: Path) -> None:
        """One statement; a variable that it lets is known from then on."""
        here = (*path, statement)
        match statement:
            case Let(name, value):
                found = self.value(value, known, here)
                known[name] = None if name in self.set else found
            case Set(_, value):
                self.value(value, known, here)
            case Store(array, offset, value):
                self.value(Load(array, offset, value.dtype), known, here)
                self.value(value, known, here)
            case For():
                self.loop(statement, known, path)
            case If(test, one, other):
                holds = self.value(test, known, here)
                if holds is None or holds:
                    self.block(one, known, (*path, f"in if {test}"))
                if holds is None or not holds:
                    self.block(other, known, (*path, f"in else of {test}"))
            case Tile() | Panel():
                self.statement(expanded(statement), known, here)

    def loop(self, loop: For, known: Mapping[str, Any], path: Path) -> None:
        """The first and the last iteration; if a bound is not known, one of which nothing is."""
        here = (*path, loop)
        first, last = self.value(loop.first, known, here), self.value(loop.last, known, here)
        iterations: list[Any] = [None]
        if first is not None and last is not None:
            all = range(int(first), int(last), loop.step)
            iterations = [np.int64(iteration) for iteration in sorted({*all[:1], *all[-1:]})]
        if (loop.mark or loop.parallel) and (len(iterations) > 1 or iterations == [None]):
            _check_stores_differ(
                loop, set() if loop.mark else self.own, (*path, f"in for {loop.name}")
            )
        for iteration in iterations:
            at = "" if iteration is None else f" = {iteration}"
            self.block(
                loop.body, {**known, loop.name: iteration}, (*path, f"in for {loop.name}{at}")
            )

    def value(self, expr: Expr, known: Mapping[str, Any], here: Path) -> Any:
        """The value of an integer or a boolean; None if it comes of data, and for floats."""
        return self._value(expr, known, here, {})

    def _value(self, expr: Expr, known: Mapping[str, Any], here: Path, done: dict[int, Any]) -> Any:
        if id(expr) in done:
            return done[id(expr)]
        found: Any = None
        match expr:
            case Const(value, dtype) if dtype.kind in "iub":
                found = dtype.type(value)
            case Var(name):
                found = known[name]
            case Affine():
                found = _offset(expr, known)
            case Load(array, offset):
                at, size = _offset(offset, known), self.sizes[array]
                if at is not None and not 0 <= at < size:
                    raise MalformedError(here, f"{array}[{offset}] is offset {at} of {size}")
            case Op("select", (test, one, other)):
                holds = self._value(test, known, here, done)
                wanted = (one, other) if holds is None else (one if holds else other,)
                values = [self._value(arg, known, here, done) for arg in wanted]
                found = None if holds is None else values[0]
            case Op(_, args):
                found = self._computed(
                    expr, [self._value(arg, known, here, done) for arg in args], here
                )
        done[id(expr)] = found
        return found

    @staticmethod
    def _computed(expr: Op, values: Sequence[Any], here: Path) -> Any:
        integers = all(part.dtype.kind in "iub" for part in (expr, *expr.args))
        if not integers or any(value is None for value in values):
            return None
        try:
            with np.errstate(all="ignore"):
                return operation(expr, values)
        except (ArithmeticError, ValueError) as error:
            raise MalformedError(here, f"{expr}: {error}") from error


def _offset(offset: Affine, known: Mapping[str, Any]) -> Any:
    if any(known[name] is None for name in offset.names()):
        return None
    return np.int64(offset.const + sum(int(known[name]) * n for name, n in offset.terms))
