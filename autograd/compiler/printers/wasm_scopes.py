"""Variables and loops of a function that is being printed as WebAssembly, expressions of one number
each, and the addresses of entries.

What a loop does not change is computed before it: a part of an address, or a constant in lanes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from ...primitives.expressions import (
    COMPARES,
    FLOAT32,
    INT32,
    INT64,
    Affine,
    Const,
    DType,
    Expr,
    Load,
    Op,
    Var,
)
from ..language.intervals import Interval, interval, whole
from ..language.statements import PART, PARTS, Array
from . import wasm_lanes, wasm_scalars
from .wasm_helpers import Helpers
from .wasm_scalars import call, constant, get, kind

NARROW = ("+", "-", "*", "neg", "abs", "//", "%", "select", "&", "|", "^")  # of small int64


@dataclass
class Scope:
    """A loop that is being printed. before: what is computed before it. known: the variables of
    that, by what they stand for."""

    before: list[str] = field(default_factory=list)
    known: dict[object, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Variable:
    """A variable of the loop language. depth: the number of its scope."""

    local: str
    type: str  # i32, i64, f32, f64, v128
    depth: int


@dataclass(frozen=True)
class Place:
    """Where an array begins: the text of an address, and bytes beyond it."""

    address: str
    offset: int
    dtype: DType


class Scopes:
    """Knows the variables of the function, and prints expressions of them."""

    def __init__(self, helpers: Helpers) -> None:
        self.helpers = helpers
        self.locals: dict[str, str] = {}  # variables of the WebAssembly function, and their types
        self.scopes = [Scope()]
        self.variables: dict[str, Variable] = {}
        self.affine: dict[str, Affine] = {}  # variables that are an affine index of others
        self.intervals = {PART.name: Interval.of(0), PARTS.name: Interval.of(1)}
        self.mutable: set[str] = set()  # variables that are set after they were let
        self.places: dict[str, Place] = {}

    def place_arrays(self, given: Sequence[Array], own: Sequence[Array]) -> int:
        """Say where arrays are: parameters, and own ones in memory that all functions share. Gives
        how many bytes of that are needed."""
        for array in given:
            self.places[array.name] = Place(get(array.name), 0, array.dtype)
        end = 0
        for array in own:
            self.places[array.name] = Place("(global.get $own)", end, array.dtype)
            end += -(-array.size * array.dtype.itemsize // 64) * 64
        return end

    # --- variables ---

    @property
    def depth(self) -> int:
        """The number of the innermost scope."""
        return len(self.scopes) - 1

    def new_local(self, name: str, type: str) -> str:
        """A variable of the WebAssembly function; one of another type gets another name."""
        while self.locals.setdefault(name, type) != type:
            name += "_"
        return name

    def bind(self, name: str, type: str, values: Interval | None = None) -> str:
        """The WebAssembly variable of a variable of the loop language, known from here on. values:
        the integers that it may be, if that is known."""
        local = self.new_local(f"{name}.v" if type == "v128" else name, type)
        self.forget(name)
        self.variables[name] = Variable(local, type, self.depth)
        if values:
            self.intervals[name] = values
        return local

    def know(self, name: str, index: Affine, values: Interval) -> None:
        """Say that a variable is an affine index of others, known from here on; and its values."""
        self.forget(name)
        self.affine[name], self.intervals[name] = index, values

    def forget(self, name: str) -> None:
        """Forget what is known of another variable of this name, of a block that has ended."""
        for known in (self.variables, self.affine, self.intervals):
            known.pop(name, None)

    def set_local(self, name: str, text: str) -> str:
        """Gives a value to a variable of the WebAssembly function."""
        return call(f"local.set ${name}", text)

    def hoisted(self, key: object, depth: int, type: str, text: Callable[[], str]) -> str:
        """The value of a text that depends on nothing deeper than `depth`: a variable that is
        computed before the loop around which that is."""
        if depth == self.depth:
            return text()
        scope = self.scopes[depth + 1]
        if key not in scope.known:
            value = self._outside(depth, text)
            scope.known[key] = name = f"h.{sum(local.startswith('h.') for local in self.locals)}"
            self.locals[name] = type
            scope.before.append(self.set_local(name, value))
        return get(scope.known[key])

    def _outside(self, depth: int, text: Callable[[], str]) -> str:
        """A text printed as if in the scope of this depth."""
        inner = self.scopes[depth + 1 :]
        del self.scopes[depth + 1 :]
        value = text()
        self.scopes += inner
        return value

    def depth_of(self, names: Iterable[str]) -> int:
        """The deepest scope that variables are of. One that is set may change at any time."""
        depths = [0]
        for name in names:
            if name in self.mutable:
                return self.depth
            if name in self.affine:
                depths.append(self.depth_of(self.affine[name].names()))
            elif name in self.variables:
                depths.append(self.variables[name].depth)
        return max(depths)

    # --- expressions ---

    def interval(self, expr: Expr) -> Interval:
        """The integers that an expression may be."""
        return interval(expr, self.intervals)

    def is_small(self, expr: Expr) -> bool:
        """Whether an expression is an int64 that fits an i32."""
        return expr.dtype == INT64 and self.interval(expr).is_int32

    def scalar(self, expr: Expr) -> str:
        """The value of an expression, in the type that holds its dtype."""
        if self.is_small(expr):
            return call("i64.extend_i32_s", self.small(expr))
        match expr:
            case Const(value, dtype):
                return constant(value, kind(dtype))
            case Var(name) if name not in self.affine:
                return get(self.variables[name].local)
            case Var(name):
                return self._wide_index(self.affine[name])
            case Affine():
                return self._wide_index(expr.renamed(self.affine))
            case Load(array, offset, dtype):
                return wasm_scalars.load(dtype, *self.address(array, offset))
            case Op():
                return self._operation(expr)
        raise AssertionError(expr)

    def small(self, expr: Expr) -> str:
        """The value of an int64 that fits an i32, as one; or the low half of another."""
        known = self.interval(expr).constant
        if known is not None:
            return constant(known, "i32")
        match expr:
            case Var(name) if name not in self.affine:
                return self._term(name)
            case Var(name):
                return self.index(self.affine[name])
            case Affine():
                return self.index(expr.renamed(self.affine))
            case Op("convert", (arg,)) if arg.dtype.itemsize <= 4:
                return self.scalar(arg)
            case Op(name, args) if name in NARROW and self._are_small(args):
                operands = [self._as_i32(arg) for arg in args]
                return wasm_scalars.operation(expr, "i32", operands)
        return call("i32.wrap_i64", self._wide(expr))

    def _as_i32(self, expr: Expr) -> str:
        return self.small(expr) if expr.dtype == INT64 else self.scalar(expr)

    def _are_small(self, args: Sequence[Expr]) -> bool:
        return all(self.is_small(arg) for arg in args if arg.dtype == INT64)

    def _wide(self, expr: Expr) -> str:
        assert isinstance(expr, Op | Load)
        return self._operation(expr) if isinstance(expr, Op) else self.scalar(expr)

    def _operation(self, op: Op) -> str:
        source = op.args[0].dtype
        if op.name == "convert":
            if self.is_small(op.args[0]):
                return self._of_small(op)
            return wasm_scalars.convert(self.scalar(op.args[0]), source, op.dtype)
        if op.name == "bits":
            return wasm_scalars.bits(self.scalar(op.args[0]), source, op.dtype)
        if op.name in COMPARES and self._are_small(op.args) and source == INT64:
            operands = [self.small(arg) for arg in op.args]
            return wasm_scalars.operation(op, "i32", operands)
        self.helpers.use(op, lanes=False)
        operands = [self.scalar(arg) for arg in op.args]
        if op.name == "fma" and op.dtype == FLOAT32 and self.helpers.relaxed:
            x, y, z = (call("f32x4.splat", operand) for operand in operands)
            return call("f32x4.extract_lane 0", wasm_lanes.fma(x, y, z, True))
        return wasm_scalars.operation(op, kind(op.args[-1].dtype), operands)

    def _of_small(self, op: Op) -> str:
        """The conversion of an int64 that is held as an i32: as that of an int32."""
        return wasm_scalars.convert(self.small(op.args[0]), INT32, op.dtype)

    # --- indices and addresses ---

    def _term(self, name: str) -> str:
        """A variable of integers as an i32."""
        variable = self.variables[name]
        value = get(variable.local)
        return value if variable.type == "i32" else call("i32.wrap_i64", value)

    def index(self, index: Affine) -> str:
        """An affine index as an i32."""
        return self._sum("", index.terms, index.const)

    def _wide_index(self, index: Affine) -> str:
        """An affine index that needs 64 bits."""
        text = constant(index.const, "i64")
        for name, factor in index.terms:
            term = self.scalar(Var(name, INT64))
            text = call("i64.add", text, call("i64.mul", term, constant(factor, "i64")))
        return text

    def _sum(self, base: str, terms: Iterable[tuple[str, int]], const: int = 0) -> str:
        """The sum of a text, variables times integers, and an integer."""
        parts = [base] if base else []
        for name, factor in terms:
            value = self._term(name)
            parts.append(value if factor == 1 else call("i32.mul", value, constant(factor, "i32")))
        parts += [constant(const, "i32")] if const or not parts else []
        text = parts[0]
        for part in parts[1:]:
            text = call("i32.add", text, part)
        return text

    def address(self, array: str, offset: Affine) -> tuple[str, int]:
        """The address of an entry: a text, and bytes beyond it, which an instruction adds."""
        place = self.places[array]
        size = place.dtype.itemsize
        bytes = offset.renamed(self.affine) * size
        beyond = bytes.const + place.offset
        text = self._pointer(array, place.address, bytes.terms)
        # An instruction adds its offset to an address that is not negative, without wrapping.
        if beyond >= 0 and all(self._is_positive(*term) for term in bytes.terms):
            return text, beyond
        return call("i32.add", text, constant(beyond, "i32")) if beyond else text, 0

    def _is_positive(self, name: str, factor: int) -> bool:
        values = self.intervals.get(name, whole(INT64))
        return (factor > 0 and values.low >= 0) or (factor < 0 and values.high <= 0)

    def _pointer(self, array: str, base: str, terms: Sequence[tuple[str, int]]) -> str:
        """An address with these variables times bytes. What a loop does not change of it is
        computed before the loop."""
        depth = self.depth_of(name for name, _ in terms)
        inner = [term for term in terms if self.depth_of([term[0]]) == depth]
        outer = tuple(term for term in terms if term not in inner)
        if not terms:
            return base

        def text() -> str:
            return self._sum(self._pointer(array, base, outer), inner)

        return self.hoisted((array, tuple(terms)), depth, "i32", text)
