"""A kernel as a function of the loop language: one class for each kind of loops.

Entries are computed into the scopes of a kernel's loops (nest.py), and the loops are put around
them from the inside out. product.py has the kinds that a matrix product needs.
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
    op,
    variables,
    walk,
    zero,
)
from ..language import statements as language
from ..language.statements import PART, PARTS, For, Function, If, Let, Run, Statement
from ..language.tiles import gather, gathered, write
from .entries import Entry, adds, landing, reduced
from .kernels import Anchored, Check, Columns, Kernel, Loop, Plan, Scatter
from .memory import Array, Memory
from .nest import Nest, integer, joined, loop, nested, neutral, rounds
from .tiling import Machine

STRIP = 64  # columns that are summed at a time
SMALL = 1 << 14  # statements, run this often, are done by one thread before the others are there

Touched = set[tuple[Array, bool]]  # arrays, and whether they are written


def share(n: int) -> tuple[Expr, Expr]:
    """From where to where a share of so many turns goes."""
    return op("//", n * PART, PARTS), op("//", n * (PART + 1), PARTS)


def over(name: str, n: int, body: Sequence[Statement], mark: str = "", shared: bool = False) -> For:
    """A loop of n turns, or of a share of them."""
    if not shared:
        return loop(name, n, body, mark)
    return For(name, *share(n), tuple(body), mark=mark, parallel=True)


class Body:
    """Makes one kernel's function. `work` is about how many statements are run, once `function` has
    been called; so are `touched`, the arrays it uses, and `computed`, the ops it computes."""

    letter = "kernel"

    def __init__(self, plan: Plan, memory: Memory, machine: Machine, number: int) -> None:
        self.plan, self.memory, self.machine, self.number = plan, memory, machine, number
        self.ops = plan.graph.ops
        self.kernel: Kernel = plan.kernels[number]
        self.inputs = self.kernel.inputs
        self.arrays: dict[tuple[int, int], language.Array] = {}  # by slot and offset
        self.writes: set[str] = set()
        self.locals: list[language.Array] = []
        self.touched: Touched = set()
        self.nests: list[Nest] = []
        self.work = 0

    def statements(self) -> list[Statement]:
        """The loops."""
        raise NotImplementedError

    def run(self) -> Run:
        """The function, given its arrays."""
        body = tuple(self.statements())
        arrays, own = tuple(self.arrays.values()), tuple(self.locals)
        function = Function(arrays, frozenset(self.writes), own, body)
        return Run(self.name, function, tuple(self.arrays), self.shares)

    @property
    def name(self) -> str:
        """The run's."""
        return f"{self.letter}{self.number}"

    @property
    def flops(self) -> int:
        """About how many operations it computes."""
        return self.work

    @property
    def computed(self) -> set[int]:
        """The ops that it computes, those fused into others too."""
        return {number for nest in self.nests for number in nest.computed}

    @property
    def shares(self) -> int:
        """In how many it may be done, each worth a thread's while (1: in one for each thread); 0:
        by one thread alone."""
        return max(1, min(2 * self.work // SMALL, self.cuts())) if self.work >= SMALL else 0

    def cuts(self) -> int:
        """In how many shares it may be done at next to no cost."""
        return self.work

    def nest(self, *scopes: Sequence[str]) -> Nest:
        """A fresh nest of loops over these variables."""
        nest = Nest(self.plan.graph, self.load)
        self.nests.append(nest)
        for names in scopes:
            nest.open(*names)
        return nest

    def array(self, array: Array, writes: bool = False) -> language.Array:
        """An array as the function knows it."""
        self.touched.add((array, writes))
        key = array.slot, array.offset
        if key not in self.arrays:
            self.arrays[key] = language.Array(f"a{len(self.arrays)}", array.dtype, array.extent)
        self.writes |= {self.arrays[key].name} if writes else set()
        return self.arrays[key]

    def local(self, name: str, dtype: object, size: int) -> language.Array:
        """An array of the function's own."""
        array = language.Array(name, dtype, size)
        self.locals.append(array)
        return array

    def entry(self, array: Array, index: Index, writes: bool = False) -> Load:
        """An entry of an array."""
        return language.load(self.array(array, writes), offset(index, array.strides))

    def load(self, number: int, index: Index) -> Expr | None:
        """What reads an op's entry, if it is in memory when the kernel begins."""
        return self.entry(self.memory.ops[number], index) if number in self.inputs else None

    def stores(self, nest: Nest) -> list[Statement]:
        """The statements that store everything at the entry; what computes it is in the nest's
        scopes. All is computed before anything is stored: a state that is written may be read."""
        values = [(store, nest.entry(store.op, store.index)) for store in self.kernel.stores]
        return [
            write(self.entry(self.memory.targets[store.target], store.index, True), value)
            for store, value in values
            if store.target
        ]


class LoopBody(Body):
    """Entry by entry; what is reduced within an entry is a loop inside."""

    kernel: Loop

    def statements(self) -> list[Statement]:
        """The axes of the domain, the outermost shared among the threads."""
        domain, order = self.kernel.domain, self._order()
        nest = self.nest(*([f"d{axis}"] for axis in order))
        body = self.stores(nest)
        self.work = math.prod(domain) * (nest.count + len(body))
        flat = not nest.scopes[-1].loops
        for axis in reversed(order):
            mark = "lanes" if flat and axis == order[-1] else ""
            inside = [*nest.close().body, *body]
            body = [over(f"d{axis}", domain[axis], inside, mark, axis == order[0])]
        return [*nest.scopes[0].body, *body]

    @property
    def shares(self) -> int:
        """None, where there is no axis."""
        return super().shares if math.prod(self.kernel.domain) > 1 else 0

    def _order(self) -> list[int]:
        """The axes, the innermost the one along which most arrays are dense."""
        axes = [axis for axis, n in enumerate(self.kernel.domain) if n != 1]
        if self.kernel.nested or len(axes) < 2:
            return axes
        dense = dict.fromkeys(axes, 0)
        for at in self._places():
            for axis in axes:
                dense[axis] += at.factor(f"d{axis}") == 1
        best = max(reversed(axes), key=dense.__getitem__)
        return [*(axis for axis in axes if axis != best), best]

    def _places(self) -> Iterator[Affine]:
        """In memory, of each entry that is read or written."""
        for op_number, index in self.kernel.reads:
            array = self.memory.ops.get(op_number)
            if array is not None and index is not None:
                yield offset(index, array.strides)
        for store in self.kernel.stores:
            if store.target:
                yield offset(store.index, self.memory.targets[store.target].strides)


class AnchoredBody(Body):
    """What computes an op in its own way."""

    kernel: Anchored

    @property
    def computed(self) -> set[int]:
        """The anchor too."""
        return super().computed | {self.kernel.anchor}


class ColumnsBody(AnchoredBody):
    """A reduction down the columns of a strip, row by row; then what depends on it, at each
    column."""

    kernel: Columns

    def statements(self) -> list[Statement]:
        """Loops over the axes that stay, but for the last; within them, strip by strip."""
        *outer, last = [axis for axis, n in enumerate(self.kernel.domain) if n != 1]
        self.outer, self.last = outer, last
        op = self.ops[self.kernel.anchor]
        assert op.primitive.reduces
        self.by, self.dtype = op.primitive.reduces, op.dtype
        self.start = neutral(self.by, op.dtype)
        adding, rows = self._gather()
        after, use = self._use(adding.count)
        n = self.kernel.domain[last]
        first, end = share(n) if not outer else (integer(0), integer(n))
        strip = [
            Let("count", minimum(Var("end", INT64) - Affine.of("first"), integer(STRIP))),
            *self._start("sums"),
            *rows,
            *use,
        ]
        strips = For("first", first, Var("end", INT64), tuple(strip), STRIP, parallel=not outer)
        body: list[Statement] = [Let("end", end), strips]
        for axis in reversed(outer):
            inside = [*adding.close().body, *after.close().body, *body]
            body = [over(f"d{axis}", self.kernel.domain[axis], inside, "", axis == outer[0])]
        return [*adding.scopes[0].body, *after.scopes[0].body, *body]

    def cuts(self) -> int:
        """Whole strips, where they are what is shared."""
        long = [n for n in self.kernel.domain if n != 1]
        return long[0] if len(long) > 1 else long[0] // STRIP

    def _gather(self) -> tuple[Nest, list[Statement]]:
        """The statements that put the rows together; the nest is left in the outer loops."""
        op = self.ops[self.kernel.anchor]
        (arg,), gone = op.args, op.params["axis"]
        shape = self.ops[arg].shape
        index = reduced(self.plan.graph, op, self.kernel.index, lambda axis: Affine.of(f"k{axis}"))
        loops_ = [(f"k{axis}", shape[axis]) for axis in gone if shape[axis] != 1]
        names = [*(f"d{axis}" for axis in self.outer), *(name for name, _ in loops_)]
        nest = self.nest(*([name] for name in names), [f"d{self.last}"])
        entry = nest.typed(arg, index, op.dtype)
        self.work = math.prod(shape) * nest.count
        if not rounds(self.by, op.dtype, loops_):
            sums = self._column("sums")
            body = self._strip(nest, [write(sums, joined(self.by, sums, entry))])
            return nest, nested(loops_, body, nest.close)
        sums, lost, some = map(self._column, ("sums", "lost", "some"))
        body = self._strip(nest, [write(some, joined(self.by, some, entry))])
        add_up = loop("c", STRIP, gather(sums, lost, some, "old", "back"))
        body = nested(loops_, body, nest.close, ("", ""), (self._start("some"), [add_up]))
        after = loop("c", STRIP, [write(sums, gathered(sums, lost))])
        return nest, [*self._start("lost"), *body, after]

    def _column(self, name: str) -> Load:
        """The entry at hand of a strip."""
        return Load(name, Affine.of("c"), self.dtype)

    def _start(self, name: str) -> list[Statement]:
        """A strip of what nothing is reduced to."""
        self.local(name, self.dtype, STRIP)
        return [loop("c", STRIP, [write(self._column(name), self.start)])]

    def _use(self, count: int) -> tuple[Nest, list[Statement]]:
        """The statements that store the sums and what depends on them; likewise. Names are counted
        on from `count`."""
        nest = self.nest(*([f"d{axis}"] for axis in (*self.outer, self.last)))
        nest.count = count
        nest.depth["c"] = len(nest.scopes) - 1
        nest.know((self.kernel.anchor, self.kernel.index), nest.let(self._column("sums")))
        return nest, self._strip(nest, self.stores(nest))

    def _strip(self, nest: Nest, body: Sequence[Statement]) -> list[Statement]:
        scope = nest.close()
        column = Let(f"d{self.last}", Affine.of("first") + Affine.of("c"))
        mark = "" if scope.loops else "lanes"
        inside = (column, *scope.body, *body)
        return [For("c", integer(0), Var("count", INT64), inside, mark=mark)]


class ScatterBody(AnchoredBody):
    """Zeros, and then additions where arrays of integers say, in the order of these: an entry may
    be named twice. So threads share an axis that is not the arrays', if there is one."""

    kernel: Scatter

    @property
    def flops(self) -> int:
        """An addition for each entry, whoever does it, and what is computed for it."""
        return self.additions

    def statements(self) -> list[Statement]:
        """Both in loops over the same part of the axis."""
        op = self.ops[self.kernel.anchor]
        added = op.args[0]
        shape, array = self.ops[added].shape, self.memory.targets[self._target()]
        index = variables(shape, "g")
        inner = landing(self.plan.graph, self.kernel.anchor, index)
        assert inner
        named = {name for position in inner for name in _asked(position)}
        wide = [axis for axis, n in enumerate(shape) if n != 1]
        order = sorted(wide, key=lambda axis: f"g{axis}" not in named)  # the arrays' axes outside
        shared = self._shared(inner, op.shape, dict(zip(index, shape, strict=True)))
        nest = self.nest(*([f"g{axis}"] for axis in order))
        value = nest.typed(added, index, op.dtype)
        into = self.entry(array, nest.index(inner, op.shape), writes=True)
        body: list[Statement] = [write(into, into + value)]
        self.additions = math.prod(shape) * (nest.count + 1)
        self.work = 0 if shared is None else self.additions
        flat = not (nest.scopes[-1].loops or all(f"g{axis}" in named for axis in order))
        for axis in reversed(order):
            mark = "lanes" if flat and axis == order[-1] else ""
            inside = [*nest.close().body, *body]
            body = [over(f"g{axis}", shape[axis], inside, mark, index[axis] == shared)]
        return [*nest.scopes[0].body, *self._zero(array, inner, shared), *body]

    def _target(self) -> tuple[str, int]:
        (store,) = self.kernel.stores
        assert store.target
        return store.target

    def cuts(self) -> int:
        """Each share goes over all of the arrays of integers."""
        return 1

    @staticmethod
    def _shared(
        inner: Sequence[Expr], shape: Sequence[int], lengths: dict[Affine, int]
    ) -> Affine | None:
        """The variable of the longest axis that is taken whole and in order, so that a thread's
        zeros are its own too. lengths: of the loops over variables."""
        whole = [
            (n, at)
            for at, n in zip(inner, shape, strict=True)
            if isinstance(at, Affine) and at.terms and lengths.get(at) == n
        ]
        return max(whole, key=lambda pair: pair[0])[1] if whole else None

    def _zero(self, array: Array, inner: Sequence[Expr], shared: Affine | None) -> list[Statement]:
        index = variables(array.shape, "z")
        entry = self.entry(array, index, writes=True)
        body: list[Statement] = [write(entry, zero(array.dtype))]
        for axis in reversed(range(len(array.shape))):
            if array.shape[axis] != 1:
                mine = shared is not None and inner[axis] == shared
                body = [over(f"z{axis}", array.shape[axis], body, "", mine)]
        return body


def _asked(position: Expr) -> Iterator[str]:
    """The variables on which a position that comes of data depends."""
    for part in () if isinstance(position, Affine) else walk(position):
        if isinstance(part, Affine):
            yield from part.names()
        for at in part.index if isinstance(part, Entry) else ():
            yield from at.names() if isinstance(at, Affine) else _asked(at)


class CheckBody(AnchoredBody):
    """Looks at a position, and says in the flag where it is out of range."""

    kernel: Check

    def statements(self) -> list[Statement]:
        """Loops over the entries that name it."""
        assert self.memory.flag is not None and self.kernel.bound is not None
        op, bound = self.ops[self.kernel.anchor], self.kernel.bound
        domain = self.ops[op.args[0]].shape if adds(op) else op.shape
        lengths = {f"d{axis}": n for axis, n in enumerate(domain)}
        asked = sorted({*_asked(bound)})
        nest = self.nest(*([name] for name in asked))
        position = nest.let(nest.resolved(bound.args[0]))
        wrong = write(self.entry(self.memory.flag, (), writes=True), integer(1))
        body: list[Statement] = [If((position < 0) | (position >= bound.args[1]), (wrong,))]
        self.work = math.prod(lengths[name] for name in asked) * (nest.count + 1)
        for name in reversed(asked):
            body = [loop(name, lengths[name], [*nest.close().body, *body])]
        return [*nest.scopes[0].body, *body]

    @property
    def computed(self) -> set[int]:
        """None: they are others'."""
        return set()

    @property
    def shares(self) -> int:
        """One thread sets the flag."""
        return 0
