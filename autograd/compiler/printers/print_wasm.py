"""Prints functions of the loop language as WebAssembly text, and does what a C compiler does for C.

Loops whose iterations do not depend on each other are printed for four lanes (wasm_vectors.py), and
then for the rest one by one. An int64 that fits 32 bits, by what is known of the bounds of loops,
is an i32. Loops with one iteration, and short ones in lanes, are printed without a loop.

wasm_scopes.py prints expressions; wasm_module.py puts functions together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from ...primitives.expressions import (
    FLOAT32,
    INT64,
    Affine,
    Const,
    Expr,
    Op,
    Var,
)
from ..frontend.program import RefusedError
from ..language.elementary import Elementary
from ..language.intervals import Interval
from ..language.statements import (
    For,
    Function,
    If,
    Let,
    Matrix,
    Panel,
    Set,
    Statement,
    Store,
    Tile,
)
from ..language.tiles import LONG_SUM, expanded
from . import wasm_scalars
from .wasm_helpers import CopyKind, Helpers, TileKind
from .wasm_lanes import LANES
from .wasm_scalars import call, constant, function_name, get, kind
from .wasm_scopes import Scope
from .wasm_tile import VECTOR
from .wasm_vectors import Vectors

MAX_UNROLLED = 4  # vectors of a loop that is printed without one


def function(function: Function, name: str, helpers: Helpers) -> str:
    """The text of a function; its parameters are the addresses of its arrays."""
    printer = _Printer(helpers, function.body)
    helpers.own = max(helpers.own, printer.place_arrays(function.arrays, function.own))
    params = "".join(f" (param ${array.name} i32)" for array in function.arrays)
    return printer.finished(f"(func ${name}{params}", printer.block(function.body))


def elementary(known: Elementary, lanes: bool, helpers: Helpers) -> str:
    """The text of an elementary function, of one number or of four."""
    name = f"{known.name}_f32x4" if lanes else function_name(known.name, known.dtype)
    type = "v128" if lanes else kind(known.dtype)
    printer = _Printer(helpers, ())
    x, lines = printer.elementary(known, lanes)
    return printer.finished(f"(func ${name} (param ${x} {type}) (result {type})", lines)


class _Printer(Vectors):
    """Prints the statements of one function."""

    def __init__(self, helpers: Helpers, body: Sequence[Statement]) -> None:
        super().__init__(helpers)
        self.mutable = {*_set_in(body)}

    def finished(self, head: str, body: Sequence[str]) -> str:
        """A function with its variables and its end."""
        lines = [f"(local ${name} {type})" for name, type in self.locals.items()]
        return "\n".join([head, *indented([*_joined(lines), *body])]) + ")"

    def elementary(self, known: Elementary, lanes: bool) -> tuple[str, list[str]]:
        """The parameter of an elementary function; its statements, and its result."""
        (x,) = known.params
        value = self.vector if lanes else self.scalar
        param = self.bind(x.name, "v128" if lanes else kind(x.dtype))
        del self.locals[param]
        lines = list[str]()
        for let in known.body:
            text = value(let.value)
            local = self.bind(let.name, "v128" if lanes else kind(let.value.dtype))
            lines.append(self.set_local(local, text))
        return param, [*lines, value(known.result)]

    # --- statements ---

    def block(self, statements: Iterable[Statement]) -> list[str]:
        """Statements, one after the other."""
        return [line for statement in statements for line in self._statement(statement)]

    def _statement(self, statement: Statement) -> list[str]:
        match statement:
            case Let(name, value):
                return self._let(name, value)
            case Set(name, value):
                return [self.set_local(self.variables[name].local, self.scalar(value))]
            case Store(array, offset, value):
                address = self.address(array, offset)
                return [wasm_scalars.store(value.dtype, *address, self.scalar(value))]
            case For():
                in_lanes = statement.mark and statement.step == 1
                return self._lanes(statement) if in_lanes else self._loop(statement)
            case If(test, body, otherwise):
                return self._branch(test, body, otherwise)
            case Tile():
                return self._tile(statement)
            case Panel():
                return self._panel(statement)

    def _let(self, name: str, value: Expr) -> list[str]:
        """A new variable; an affine index, and a number that is known, need none."""
        if name in self.mutable or value.dtype.kind not in "iu":
            text = self.scalar(value)
            return [self.set_local(self.bind(name, kind(value.dtype)), text)]
        values = self.interval(value)
        if value.dtype == INT64 and values.constant is not None:
            self.know(name, Affine((), values.constant), values)
            return []
        if isinstance(value, Affine) and not self.mutable & {*value.names()}:
            self.know(name, value.renamed(self.affine), values)
            return []
        small = self.is_small(value)
        text = self.small(value) if small else self.scalar(value)
        type = "i32" if small else kind(value.dtype)
        return [self.set_local(self.bind(name, type, values), text)]

    def _branch(
        self, test: Expr, body: Sequence[Statement], otherwise: Sequence[Statement]
    ) -> list[str]:
        """One block or the other; that one alone, where the test is known."""
        known = self._known(test)
        if known is not None:
            return self.block(body if known else otherwise)
        lines = [f"(if {self.scalar(test)}", "  (then", *indented(self.block(body), 4)]
        if otherwise:
            lines += ["  )", "  (else", *indented(self.block(otherwise), 4)]
        return [*lines, "  ))"]

    def _known(self, test: Expr) -> bool | None:
        """Whether two integers are equal, if that is known."""
        if not (isinstance(test, Op) and test.name == "==" and test.args[0].dtype.kind in "iu"):
            return None
        one, other = (self.interval(arg) for arg in test.args)
        if one.high < other.low or other.high < one.low:
            return False
        return True if one.constant is not None and one == other else None

    # --- loops ---

    def _values(self, loop: For) -> Interval:
        """The values of a loop's variable. RefusedError if they do not fit 32 bits."""
        first, last = self.interval(loop.first), self.interval(loop.last)
        high = last.high - 1
        if first.constant is not None:
            high = first.low + (high - first.low) // loop.step * loop.step
        if first.low < -(2**31) or last.high + LANES * loop.step >= 2**31:
            raise RefusedError(f"a loop to {loop.last} is too long for 32-bit addresses")
        return Interval(first.low, max(first.low, high))

    def _is_run(self, loop: For) -> bool | None:
        """Whether a loop has an iteration, if that is known."""
        first, last = self.interval(loop.first), self.interval(loop.last)
        if last.high <= first.low:
            return False
        return True if first.high < last.low else None

    def _loop(self, loop: For) -> list[str]:
        """A loop, one iteration after the other."""
        is_run = self._is_run(loop)
        if is_run is False:
            return []
        values = self._values(loop)
        if is_run and values.constant is not None:
            self.know(loop.name, Affine((), values.low), values)
            return self.block(loop.body)
        first, (before, last) = self.small(loop.first), self._end(loop)
        lines = self._counted(loop, first, last, loop.step, lambda: self.block(loop.body))
        return [*before, *(lines if is_run else _guarded(first, last, lines))]

    def _counted(
        self, loop: For, first: str, last: str, step: int, body: Callable[[], list[str]]
    ) -> list[str]:
        """A loop that has at least one iteration."""
        values = self._values(loop)
        self.scopes.append(Scope())
        variable = self.bind(loop.name, "i32", values)
        inside = body()
        scope = self.scopes.pop()
        next = call(f"local.tee ${variable}", call("i32.add", get(variable), f"(i32.const {step})"))
        return [
            self.set_local(variable, first),
            *scope.before,
            f"(loop ${loop.name}.loop",
            *indented(inside),
            f"  (br_if ${loop.name}.loop {call('i32.lt_s', next, last)}))",
        ]

    def _end(self, loop: For) -> tuple[list[str], str]:
        """Where a loop ends, as text; and the statements that compute it, if it is not known."""
        text = self.small(loop.last)
        if isinstance(loop.last, Var) or self.interval(loop.last).constant is not None:
            return [], text
        name = self.new_local(f"{loop.name}.end", "i32")
        return [self.set_local(name, text)], get(name)

    # --- loops over lanes ---

    def _lanes(self, loop: For) -> list[str]:
        """A loop in lanes, and then the rest; one iteration after the other, if it has to be."""
        if self._is_run(loop) is False:
            return []
        lines = self.attempt(lambda: self._in_lanes_and_rest(loop))
        return self._loop(loop) if lines is None else lines

    def _in_lanes_and_rest(self, loop: For) -> list[str]:
        ends = [self.interval(bound).constant for bound in (loop.first, loop.last)]
        if None in ends:
            return self._in_lanes_to(loop)
        first, last = (end or 0 for end in ends)
        rest = first + (last - first) // LANES * LANES
        lines = list[str]()
        if rest - first > MAX_UNROLLED * LANES:
            lines = self._vector_loop(loop, f"(i32.const {first})", f"(i32.const {rest})")
        else:
            for start in range(first, rest, LANES):
                self.forget(loop.name)
                self.intervals[loop.name] = self._values(loop)
                lines += self.vectors(loop, Affine((), start))
        if lines:
            lines = self._with_sums(loop, lines)
        return [*lines, *self._loop(replace(loop, first=Const(rest, INT64), mark="", sum=""))]

    def _in_lanes_to(self, loop: For) -> list[str]:
        """A loop whose bounds are not known."""
        first, (before, last) = self.small(loop.first), self._end(loop)
        start = self.new_local(f"{loop.name}.first", "i32")
        rest = self.new_local(f"{loop.name}.rest", "i32")
        count = call("i32.and", call("i32.sub", last, get(start)), f"(i32.const {-LANES})")
        vectors = self._vector_loop(loop, get(start), get(rest))
        lines = [
            self.set_local(rest, call("i32.add", get(start), count)),
            *self._with_sums(loop, _guarded(get(start), get(rest), vectors)),
        ]
        one_by_one = lambda: self.block(loop.body)  # noqa: E731
        lines += _guarded(get(rest), last, self._counted(loop, get(rest), last, 1, one_by_one))
        if not self._is_run(loop):  # then the end may lie before the start, and `rest` too
            lines = _guarded(get(start), last, lines)
        return [*before, self.set_local(start, first), *lines]

    def _vector_loop(self, loop: For, first: str, last: str) -> list[str]:
        index = Affine.of(loop.name)
        return self._counted(loop, first, last, LANES, lambda: self.vectors(loop, index))

    def _with_sums(self, loop: For, lines: list[str]) -> list[str]:
        """What is computed in lanes, with the total of each lane before and their sum after it."""
        if not loop.sum:
            return lines
        (dtype,) = {
            each.value.dtype
            for each in loop.body
            if isinstance(each, Set) and each.name == loop.sum
        }
        return [*self.sum_begin(loop.sum), *lines, *self.sum_end(loop.sum, dtype)]

    # --- products ---

    def _tile(self, tile: Tile) -> list[str]:
        """The call of a tile in vectors. A long sum is compensated, and float64 has no such tile:
        these are plain loops."""
        if tile.dtype != FLOAT32 or tile.inner > LONG_SUM:
            return self._statement(expanded(tile))
        rows = self.interval(tile.rows).constant
        size = FLOAT32.itemsize
        strides = tile.left.along * size, tile.right.down * size
        which = TileKind(rows or tile.height, tile.width * size // VECTOR, *strides)
        name = self.helpers.name(which)
        addresses = [self._row(tile, row, rows is None) for row in range(which.rows)]
        right, into = self._start(tile.right), self._whole(self.address(tile.into, Affine(())))
        return [call(f"call ${name}", *addresses, right, into, f"(i32.const {tile.inner})")]

    def _row(self, tile: Tile, row: int, ragged: bool) -> str:
        """The address of a row of the left operand: where there are fewer, of the last one."""
        matrix = tile.left
        if not ragged:
            return self._start(replace(matrix, start=matrix.start + row * matrix.down))
        last = call("i32.sub", self.small(tile.rows), "(i32.const 1)")
        here = f"(i32.const {row})"
        nearest = call("select", here, last, call("i32.lt_s", here, last))
        far = call("i32.mul", nearest, constant(matrix.down * FLOAT32.itemsize, "i32"))
        return call("i32.add", self._start(matrix), far)

    def _start(self, matrix: Matrix) -> str:
        return self._whole(self.address(matrix.array, matrix.start))

    def _whole(self, address: tuple[str, int]) -> str:
        text, beyond = address
        return call("i32.add", text, f"(i32.const {beyond})") if beyond else text

    def _panel(self, panel: Panel) -> list[str]:
        """The call of a copy, where the entries of a row lie side by side."""
        matrix, size = panel.matrix, panel.dtype.itemsize
        is_full = self.interval(panel.columns).constant == panel.width
        if matrix.along != 1 or not is_full or panel.width * size % 8 or not panel.inner:
            return self._statement(expanded(panel))
        which = CopyKind(matrix.down * size, panel.width * size)
        into = self._whole(self.address(panel.into, panel.start))
        rows = f"(i32.const {panel.inner})"
        return [call(f"call ${self.helpers.name(which)}", self._start(matrix), into, rows)]


# --- text ----------------------------------------------------------------------------------------


def indented(lines: Iterable[str], by: int = 2) -> list[str]:
    """Lines further to the right."""
    return [" " * by + line for line in lines]


def _joined(lines: Iterable[str], width: int = 90) -> Iterator[str]:
    """Short texts, several on a line."""
    text = ""
    for line in lines:
        if text and len(text) + len(line) > width:
            yield text
            text = ""
        text = f"{text} {line}".strip()
    if text:
        yield text


def _guarded(first: str, last: str, lines: Sequence[str]) -> list[str]:
    """Statements that are run if the first number is below the last."""
    test = call("i32.lt_s", first, last)
    return [f"(if {test} (then", *indented(lines), "))"]


def _set_in(body: Iterable[Statement]) -> Iterator[str]:
    """The variables that statements set."""
    for statement in body:
        match statement:
            case Set(name):
                yield name
            case For():
                yield from _set_in(statement.body)
            case If(_, one, other):
                yield from _set_in((*one, *other))
