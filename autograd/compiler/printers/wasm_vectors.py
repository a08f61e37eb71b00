"""Statements of four iterations of a loop at once, printed as WebAssembly.

Whether that is possible turns out while it is printed: NoLanesError is raised where it is not, and
the caller prints the loop one iteration after the other.
"""

from __future__ import annotations

from collections.abc import Callable

from ...primitives.expressions import (
    BOOL,
    FLOAT32,
    INT32,
    UINT32,
    Affine,
    Const,
    DType,
    Expr,
    Load,
    Op,
    Var,
)
from ..language.statements import For, Let, Set, Statement, Store
from . import wasm_lanes, wasm_scalars
from .wasm_helpers import Helpers
from .wasm_lanes import LANES
from .wasm_scalars import call, constant, get, kind
from .wasm_scopes import Scopes

DTYPES = (FLOAT32, INT32, UINT32, BOOL)


class NoLanesError(Exception):
    """Something cannot be computed in lanes."""


class Vectors(Scopes):
    """Prints four iterations of a loop at once."""

    def __init__(self, helpers: Helpers) -> None:
        super().__init__(helpers)
        self.lane = ""  # the variable of the loop
        self.lane_start = Affine(())  # and what it is in the first lane
        self.extracted = 0  # the lane of whose entry the address is printed

    def attempt(self, make: Callable[[], list[str]]) -> list[str] | None:
        """What `make` prints; None, and nothing left of it, if it cannot be computed in lanes."""
        locals, calls = dict(self.locals), dict(self.helpers.calls)
        befores = [(list(scope.before), dict(scope.known)) for scope in self.scopes]
        try:
            return make()
        except NoLanesError:
            self.locals, self.helpers.calls = locals, calls
            del self.scopes[len(befores) :]
            for scope, (before, known) in zip(self.scopes, befores, strict=True):
                scope.before, scope.known = before, known
            return None
        finally:
            self.lane = ""

    # --- statements ---

    def vectors(self, loop: For, start: Affine) -> list[str]:
        """Four iterations, the first of them at `start`."""
        self.lane, self.lane_start = loop.name, start
        lines = [line for each in loop.body for line in self._vector_statement(each, loop.sum)]
        self.lane = ""
        return lines

    def _vector_statement(self, statement: Statement, sum: str) -> list[str]:
        match statement:
            case Let(name, Affine() as index):
                self.know(name, index.renamed(self.affine), self.interval(index))
                return []
            case Let(name, value):
                values = self.interval(value) if value.dtype.kind in "iu" else None
                text = self.vector(value)
                return [self.set_local(self.bind(name, "v128", values), text)]
            case Set(name, value) if name == sum:
                return [self.set_local(f"{name}.v", self._added(value, name))]
            case Store(array, offset, value):
                return self._vector_store(array, offset.renamed(self.affine), value)
        raise NoLanesError

    def _added(self, value: Expr, sum: str) -> str:
        """The totals and what is added to them."""
        if isinstance(value, Op) and value.name == "+" and value.dtype in DTYPES:
            for total, term in (value.args, value.args[::-1]):
                if total == Var(sum, value.dtype):
                    return wasm_lanes.operation(value, [get(f"{sum}.v"), self.vector(term)])
        raise NoLanesError

    def _vector_store(self, array: str, offset: Affine, value: Expr) -> list[str]:
        dtype, stride, text = value.dtype, offset.factor(self.lane), self.vector(value)
        if dtype not in DTYPES or any(map(self._in_lanes, offset.names())) or not stride:
            raise NoLanesError
        if stride == 1:
            return [wasm_lanes.store(dtype, *self._lane_address(array, offset), text)]
        if dtype == BOOL:
            raise NoLanesError
        local = self.new_local("stored.v", "v128")
        lines = [self.set_local(local, text)]
        for i in range(LANES):
            address, at = self._lane_address(array, offset + i * stride)
            lines.append(f"(v128.store32_lane offset={at} {i} {address} {get(local)})")
        return lines

    # --- expressions ---

    def vector(self, expr: Expr) -> str:
        """The value of an expression in four lanes."""
        if expr.dtype.itemsize > 4 and not self.is_small(expr):
            raise NoLanesError
        match expr:
            case Const(value, dtype):
                return self.hoisted(expr, 0, "v128", lambda: wasm_lanes.constant(value, dtype))
            case Affine():
                return self._vector_index(expr.renamed(self.affine))
            case Var(name) if name in self.affine or name == self.lane:
                return self._vector_index(Affine.of(name).renamed(self.affine))
            case Var(name):
                return self._vector_variable(expr)
            case Load(array, offset, dtype):
                return self._vector_load(array, offset.renamed(self.affine), dtype)
            case Op():
                return self._vector_operation(expr)
        raise NoLanesError

    def _vector_variable(self, variable: Var) -> str:
        local, type = self.variables[variable.name].local, self.variables[variable.name].type
        if type == "v128":
            return get(local)
        depth = self.depth_of([variable.name])
        return self.hoisted(
            variable, depth, "v128", lambda: wasm_lanes.splat(get(local), variable.dtype)
        )

    def _vector_operation(self, op: Op) -> str:
        if not wasm_lanes.has(op):
            raise NoLanesError
        if op.name not in ("<<", ">>"):
            operands = [self.vector(arg) for arg in op.args]
            self.helpers.use(op, lanes=True)
            return wasm_lanes.operation(op, operands, self.helpers.relaxed)
        x, shift = op.args
        if not isinstance(shift, Const):
            raise NoLanesError
        return wasm_lanes.operation(op, [self.vector(x), constant(shift.value, "i32")])

    def _vector_index(self, index: Affine) -> str:
        if any(map(self._in_lanes, index.names())):
            raise NoLanesError
        factor, first = index.factor(self.lane), self._at_lane(index)
        base = call("i32x4.splat", self.index(first))
        if not factor:
            return base
        steps = " ".join(str(factor * i) for i in range(LANES))
        return call("i32x4.add", base, f"(v128.const i32x4 {steps})")

    def _vector_load(self, array: str, offset: Affine, dtype: DType) -> str:
        """Entries of an array in four lanes: one for all, four in a row, or each for itself."""
        each_its_own = any(map(self._in_lanes, offset.names()))
        stride = offset.factor(self.lane)
        if not each_its_own and stride == 1:
            return wasm_lanes.load(dtype, *self._lane_address(array, offset))
        if not each_its_own and not stride:
            one = wasm_scalars.load(dtype, *self._lane_address(array, offset))
            return wasm_lanes.splat(one, dtype)
        if dtype.itemsize != 4:
            raise NoLanesError
        text = ""
        for i in range(LANES):
            address, at = self._lane_address(array, offset + i * stride, i)
            text = (
                f"(v128.load32_lane offset={at} {i} {address} {text})"
                if text
                else f"(v128.load32_splat offset={at} {address})"
            )
        return text

    def _in_lanes(self, name: str) -> bool:
        """Whether a variable has four lanes."""
        return name in self.variables and self.variables[name].type == "v128"

    def _at_lane(self, index: Affine) -> Affine:
        """An index as it is in the first lane."""
        start: Affine = index.renamed({self.lane: self.lane_start}) if self.lane else index
        return start

    def _lane_address(self, array: str, offset: Affine, lane: int = 0) -> tuple[str, int]:
        """The address of an entry, where a variable that has lanes is that of one lane."""
        self.extracted = lane
        return self.address(array, self._at_lane(offset))

    def _term(self, name: str) -> str:
        if self._in_lanes(name):
            return call(f"i32x4.extract_lane {self.extracted}", get(self.variables[name].local))
        return super()._term(name)

    # --- sums ---

    def sum_begin(self, sum: str) -> list[str]:
        """A total for each lane."""
        return [self.set_local(self.new_local(f"{sum}.v", "v128"), "(v128.const i32x4 0 0 0 0)")]

    def sum_end(self, sum: str, dtype: DType) -> list[str]:
        """Adds the totals of the lanes."""
        local, total = self.variables[sum].local, wasm_lanes.fold(f"{sum}.v", dtype)
        return [self.set_local(local, call(f"{kind(dtype)}.add", get(local), total))]
