"""Emits a kernel as a function of the loop language: one class for each kind of kernel.

The statements that compute entries are written into the scopes of a loop nest (nest.py); then the
loops are put around them, from the inside out. product.py has the emitters
of a matrix product.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from ...primitives.expressions import (
    INT64,
    Affine,
    Expr,
    Index,
    Load,
    Var,
    minimum,
    offset,
    variables,
    zero,
)
from ..language import statements as language
from ..language.statements import For, Function, If, Let, Run, Statement
from ..language.tiles import add_compensated, compensated, write
from .entries import data_variables, is_scatter, reduction_index, scatter_index
from .kernels import Check, ColumnReduction, Kernel, Loop, OpKernel, Plan, Scatter
from .memory import Array, Memory
from .nest import (
    LoopNest,
    axis_loop,
    combined,
    integer,
    is_long_sum,
    loop,
    nest_loops,
    neutral,
    part_bounds,
)
from .tiling import Machine

STRIP_COLUMNS = 64  # columns that are reduced at a time
MIN_PARALLEL_WORK = 1 << 14  # statements: one thread has run fewer before another is awake

Accesses = set[tuple[Array, bool]]  # arrays, and whether they are written


class Emitter:
    """Emits the function of one kernel. `run` does it; from then on `work` says about how many
    statements the function runs, `accesses` which arrays it reads and writes, and `computed` which
    ops it computes."""

    prefix = "kernel"

    def __init__(self, plan: Plan, memory: Memory, machine: Machine, number: int) -> None:
        self.plan, self.memory, self.machine, self.number = plan, memory, machine, number
        self.ops = plan.graph.ops
        self.kernel: Kernel = plan.kernels[number]
        self.inputs = self.kernel.inputs
        self.arrays: dict[tuple[int, int], language.Array] = {}  # by slot and offset
        self.writes: set[str] = set()
        self.own: list[language.Array] = []
        self.accesses: Accesses = set()
        self.nests: list[LoopNest] = []
        self.work = 0

    def statements(self) -> list[Statement]:
        """The body of the function."""
        raise NotImplementedError

    def run(self) -> Run:
        """The function, and the arrays that it is given."""
        body = tuple(self.statements())
        arrays, own = tuple(self.arrays.values()), tuple(self.own)
        function = Function(arrays, frozenset(self.writes), own, body)
        return Run(self.name, function, tuple(self.arrays), self.parts)

    @property
    def name(self) -> str:
        """The name of the run."""
        return f"{self.prefix}{self.number}"

    @property
    def flops(self) -> int:
        """About how many operations it computes."""
        return self.work

    @property
    def computed(self) -> set[int]:
        """The ops that it computes, also those that are fused into others."""
        return {number for nest in self.nests for number in nest.computed}

    @property
    def parts(self) -> int:
        """How many parts are each worth waking a thread for (1: one for each thread); 0: one thread
        does it all."""
        if self.work < MIN_PARALLEL_WORK:
            return 0
        return max(1, min(2 * self.work // MIN_PARALLEL_WORK, self.max_parts()))

    def max_parts(self) -> int:
        """Into how many parts it can be split without doing much work twice."""
        return self.work

    def nest(self, *scopes: Sequence[str]) -> LoopNest:
        """A new loop nest over these variables, from the outermost scope to the innermost."""
        nest = LoopNest(self.plan.graph, self.load)
        self.nests.append(nest)
        for names in scopes:
            nest.open(*names)
        return nest

    def array(self, array: Array, writes: bool = False) -> language.Array:
        """The name and size by which the function knows an array."""
        self.accesses.add((array, writes))
        key = array.slot, array.offset
        if key not in self.arrays:
            self.arrays[key] = language.Array(f"a{len(self.arrays)}", array.dtype, array.extent)
        self.writes |= {self.arrays[key].name} if writes else set()
        return self.arrays[key]

    def local(self, name: str, dtype: object, size: int) -> language.Array:
        """An array that the function has for itself."""
        array = language.Array(name, dtype, size)
        self.own.append(array)
        return array

    def entry(self, array: Array, index: Index, writes: bool = False) -> Load:
        """An entry of an array."""
        return language.load(self.array(array, writes), offset(index, array.strides))

    def load(self, number: int, index: Index) -> Expr | None:
        """The load of an op's entry; None if it is not in memory when the kernel begins."""
        return self.entry(self.memory.ops[number], index) if number in self.inputs else None

    def stores(self, nest: LoopNest) -> list[Statement]:
        """The stores of an iteration; the statements that compute the values go into the nest. All
        values come before the first store, which may overwrite a state that they read."""
        values = [(each, nest.entry(each.op, each.index)) for each in self.kernel.computes]
        return [
            write(self.entry(self.memory.targets[each.target], each.index, True), value)
            for each, value in values
            if each.target
        ]


class LoopEmitter(Emitter):
    """Emits loops over entries; the reductions of an entry are loops inside."""

    kernel: Loop

    def statements(self) -> list[Statement]:
        """Loops over the axes of the domain; the outermost is split among threads."""
        domain, order = self.kernel.domain, self._axis_order()
        nest = self.nest(*([f"d{axis}"] for axis in order))
        body = self.stores(nest)
        self.work = math.prod(domain) * (nest.count + len(body))
        flat = not nest.scopes[-1].has_loop
        for axis in reversed(order):
            mark = "lanes" if flat and axis == order[-1] else ""
            inside = [*nest.close().body, *body]
            body = [axis_loop(f"d{axis}", domain[axis], inside, mark, axis == order[0])]
        return [*nest.scopes[0].body, *body]

    @property
    def parts(self) -> int:
        """0 for a single entry."""
        return super().parts if math.prod(self.kernel.domain) > 1 else 0

    def _axis_order(self) -> list[int]:
        """The axes of the loops, ending with the one along which most arrays are contiguous."""
        axes = [axis for axis, n in enumerate(self.kernel.domain) if n != 1]
        if self.kernel.inner_loops or len(axes) < 2:
            return axes
        contiguous = dict.fromkeys(axes, 0)
        for at in self._offsets():
            for axis in axes:
                contiguous[axis] += at.factor(f"d{axis}") == 1
        best = max(reversed(axes), key=contiguous.__getitem__)
        return [*(axis for axis in axes if axis != best), best]

    def _offsets(self) -> Iterator[Affine]:
        """The offsets of all entries that an iteration reads and writes."""
        for op_number, index in self.kernel.reads:
            array = self.memory.ops.get(op_number)
            if array is not None and index is not None:
                yield offset(index, array.strides)
        for each in self.kernel.computes:
            if each.target:
                yield offset(each.index, self.memory.targets[each.target].strides)


class OpEmitter(Emitter):
    """Emits the loops that one op needs."""

    kernel: OpKernel

    @property
    def computed(self) -> set[int]:
        """Its own op too."""
        return super().computed | {self.kernel.op}


class ColumnEmitter(OpEmitter):
    """Emits a column reduction: strips of columns, each reduced row by row, and then the ops that
    joined, at each column."""

    kernel: ColumnReduction

    def statements(self) -> list[Statement]:
        """Loops over the axes that stay; the last of them in strips."""
        *outer, last = [axis for axis, n in enumerate(self.kernel.domain) if n != 1]
        self.outer, self.last = outer, last
        op = self.ops[self.kernel.op]
        assert op.primitive.reduces
        self.reducer, self.dtype = op.primitive.reduces, op.dtype
        self.initial = neutral(self.reducer, op.dtype)
        rows_nest, rows = self._reduce_rows()
        columns_nest, columns = self._epilogue(rows_nest.count)
        n = self.kernel.domain[last]
        first, end = part_bounds(n) if not outer else (integer(0), integer(n))
        strip = [
            Let("count", minimum(Var("end", INT64) - Affine.of("first"), integer(STRIP_COLUMNS))),
            *self._fill_initial("sums"),
            *rows,
            *columns,
        ]
        strips = For(
            "first", first, Var("end", INT64), tuple(strip), STRIP_COLUMNS, parallel=not outer
        )
        body: list[Statement] = [Let("end", end), strips]
        for axis in reversed(outer):
            inside = [*rows_nest.close().body, *columns_nest.close().body, *body]
            body = [axis_loop(f"d{axis}", self.kernel.domain[axis], inside, "", axis == outer[0])]
        return [*rows_nest.scopes[0].body, *columns_nest.scopes[0].body, *body]

    def max_parts(self) -> int:
        """Iterations of the outermost loop, or whole strips if there is no other."""
        long = [n for n in self.kernel.domain if n != 1]
        return long[0] if len(long) > 1 else long[0] // STRIP_COLUMNS

    def _reduce_rows(self) -> tuple[LoopNest, list[Statement]]:
        """The nest, still in the scope of the outer loops, and the loops that reduce all rows."""
        op = self.ops[self.kernel.op]
        (arg,), dropped = op.args, op.params["axis"]
        shape = self.ops[arg].shape
        index = reduction_index(
            self.plan.graph, op, self.kernel.index, lambda axis: Affine.of(f"k{axis}")
        )
        loops = [(f"k{axis}", shape[axis]) for axis in dropped if shape[axis] != 1]
        names = [*(f"d{axis}" for axis in self.outer), *(name for name, _ in loops)]
        nest = self.nest(*([name] for name in names), [f"d{self.last}"])
        entry = nest.typed(arg, index, op.dtype)
        self.work = math.prod(shape) * nest.count
        if not is_long_sum(self.reducer, op.dtype, loops):
            sums = self._at_column("sums")
            body = self._strip_loop(nest, [write(sums, combined(self.reducer, sums, entry))])
            return nest, nest_loops(loops, body, nest.close)
        sums, lost, some = map(self._at_column, ("sums", "lost", "some"))
        body = self._strip_loop(nest, [write(some, combined(self.reducer, some, entry))])
        add_up = loop("c", STRIP_COLUMNS, add_compensated(sums, lost, some, "old", "back"))
        body = nest_loops(loops, body, nest.close, ("", ""), (self._fill_initial("some"), [add_up]))
        epilogue = loop("c", STRIP_COLUMNS, [write(sums, compensated(sums, lost))])
        return nest, [*self._fill_initial("lost"), *body, epilogue]

    def _at_column(self, name: str) -> Load:
        """The entry of a strip's array at the column of the iteration."""
        return Load(name, Affine.of("c"), self.dtype)

    def _fill_initial(self, name: str) -> list[Statement]:
        """Set a strip's array to the initial value."""
        self.local(name, self.dtype, STRIP_COLUMNS)
        return [loop("c", STRIP_COLUMNS, [write(self._at_column(name), self.initial)])]

    def _epilogue(self, count: int) -> tuple[LoopNest, list[Statement]]:
        """The nest, still in the scope of the outer loops, and the loop over the columns of a strip
        that computes and stores what joined. New names have numbers above `count`."""
        nest = self.nest(*([f"d{axis}"] for axis in (*self.outer, self.last)))
        nest.count = count
        nest.depth["c"] = len(nest.scopes) - 1
        nest.know((self.kernel.op, self.kernel.index), nest.let(self._at_column("sums")))
        return nest, self._strip_loop(nest, self.stores(nest))

    def _strip_loop(self, nest: LoopNest, body: Sequence[Statement]) -> list[Statement]:
        scope = nest.close()
        column = Let(f"d{self.last}", Affine.of("first") + Affine.of("c"))
        mark = "" if scope.has_loop else "lanes"
        inside = (column, *scope.body, *body)
        return [For("c", integer(0), Var("count", INT64), inside, mark=mark)]


class ScatterEmitter(OpEmitter):
    """Emits a scatter: zeros, and then additions to the entries that arrays of integers name, in
    their order. An entry may be named twice, so threads split an axis that no array indexes, if
    there is one."""

    kernel: Scatter

    @property
    def flops(self) -> int:
        """An addition for each entry that is added, and what computes that."""
        return self.additions

    def statements(self) -> list[Statement]:
        """The zeros and the additions, in loops over the same part of the split axis."""
        op = self.ops[self.kernel.op]
        added = op.args[0]
        shape, array = self.ops[added].shape, self.memory.targets[self._target()]
        index = variables(shape, "g")
        inner = scatter_index(self.plan.graph, self.kernel.op, index)
        assert inner
        named = {name for position in inner for name in data_variables(position)}
        axes = [axis for axis, n in enumerate(shape) if n != 1]
        order = sorted(axes, key=lambda axis: f"g{axis}" not in named)  # indexed axes outside
        split = self._split_axis(inner, op.shape, dict(zip(index, shape, strict=True)))
        nest = self.nest(*([f"g{axis}"] for axis in order))
        value = nest.typed(added, index, op.dtype)
        into = self.entry(array, nest.index(inner, op.shape), writes=True)
        body: list[Statement] = [write(into, into + value)]
        self.additions = math.prod(shape) * (nest.count + 1)
        self.work = 0 if split is None else self.additions
        flat = not (nest.scopes[-1].has_loop or all(f"g{axis}" in named for axis in order))
        for axis in reversed(order):
            mark = "lanes" if flat and axis == order[-1] else ""
            inside = [*nest.close().body, *body]
            body = [axis_loop(f"g{axis}", shape[axis], inside, mark, index[axis] == split)]
        return [*nest.scopes[0].body, *self._zero_fill(array, inner, split), *body]

    def _target(self) -> tuple[str, int]:
        (each,) = self.kernel.computes
        assert each.target
        return each.target

    def max_parts(self) -> int:
        """One for each thread: every part reads all of the arrays of integers."""
        return 1

    @staticmethod
    def _split_axis(
        inner: Sequence[Expr], shape: Sequence[int], lengths: dict[Affine, int]
    ) -> Affine | None:
        """The variable of the longest axis that is added to whole and in order: there a thread adds
        to the zeros that it wrote. lengths: of the loops over variables."""
        whole = [
            (n, at)
            for at, n in zip(inner, shape, strict=True)
            if isinstance(at, Affine) and at.terms and lengths.get(at) == n
        ]
        return max(whole, key=lambda pair: pair[0])[1] if whole else None

    def _zero_fill(
        self, array: Array, inner: Sequence[Expr], split: Affine | None
    ) -> list[Statement]:
        index = variables(array.shape, "z")
        entry = self.entry(array, index, writes=True)
        body: list[Statement] = [write(entry, zero(array.dtype))]
        for axis in reversed(range(len(array.shape))):
            if array.shape[axis] != 1:
                is_split = split is not None and inner[axis] == split
                body = [axis_loop(f"z{axis}", array.shape[axis], body, "", is_split)]
        return body


class CheckEmitter(OpEmitter):
    """Emits a check of a position, which sets the flag if it is out of range."""

    kernel: Check

    def statements(self) -> list[Statement]:
        """Loops over all entries of the position."""
        assert self.memory.flag is not None and self.kernel.bound is not None
        op, bound = self.ops[self.kernel.op], self.kernel.bound
        domain = self.ops[op.args[0]].shape if is_scatter(op) else op.shape
        lengths = {f"d{axis}": n for axis, n in enumerate(domain)}
        names = sorted({*data_variables(bound)})
        nest = self.nest(*([name] for name in names))
        position = nest.let(nest.resolved(bound.args[0]))
        wrong = write(self.entry(self.memory.flag, (), writes=True), integer(1))
        body: list[Statement] = [If((position < 0) | (position >= bound.args[1]), (wrong,))]
        self.work = math.prod(lengths[name] for name in names) * (nest.count + 1)
        for name in reversed(names):
            body = [loop(name, lengths[name], [*nest.close().body, *body])]
        return [*nest.scopes[0].body, *body]

    @property
    def computed(self) -> set[int]:
        """No ops: other kernels compute them."""
        return set()

    @property
    def parts(self) -> int:
        """One thread sets the flag."""
        return 0
