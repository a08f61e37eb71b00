"""A kernel as a C function: one class for each kind of loops.

Lines are pulled (expressions.py) into the scopes of a kernel's loops, and the loops are written
around them from the inside out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from .expressions import TYPES, Pull, loop, nested, neutral, rounds, source, step
from .kernels import Kernel, Plan
from .memory import Array, Memory
from .places import ZERO, Index, Place, Shape, at, contiguous, gathered
from .product import CACHE, Machine, Operand, Product, operand, product
from .simplify import LEAVES

PARAMETERS = "char *const *p, struct ahead *ahead, long part, long parts"
FAR, MANY = 1024, 512  # bytes from one entry to the next, and entries
STRIP = 64  # columns that are summed at a time
PANELS = 8  # of a product that one thread does, if it can
SMALL = 1 << 14  # lines of C, run this often, are done by one thread before the others are there

Touched = set[tuple[Array, bool]]  # arrays, and whether they are written


def vector(lines: list[str], when: bool) -> list[str]:
    """A loop, whose turns may be done side by side."""
    return ['_Pragma("omp simd")', *lines] if when else lines


def part(n: int, step: str = "1") -> tuple[str, str]:
    """Where a share of a range begins and ends, in whole steps."""
    if step == "1":
        return f"{n} * part / parts", f"{n} * (part + 1) / parts"
    return f"PART({n}, {step}, part, parts)", f"MIN({n}, PART({n}, {step}, part + 1, parts))"


class Writer:
    """Writes one kernel. `work` is about how many lines are run, once `body` has been called."""

    def __init__(self, plan: Plan, memory: Memory, machine: Machine, number: int) -> None:
        self.plan, self.memory, self.machine, self.number = plan, memory, machine, number
        self.kernel: Kernel = plan.kernels[number]
        self.ops = plan.graph.ops
        self.own = {store.op for store in self.kernel.stores}
        self.pointers: dict[tuple[int, int], tuple[str, str]] = {}  # names and declarations
        self.places: list[Place] = []  # in memory, of each entry that is read or written
        self.touched: Touched = set()
        self.pulls: list[Pull] = []
        self.work = 0

    def function(self) -> list[str]:
        """The lines of the function."""
        body = self.body()
        ops = ", ".join(f"%{store.op}" for store in self.kernel.stores)
        declarations = [declaration for _, declaration in self.pointers.values()]
        head = f"static void {self.name}({PARAMETERS}) {{"
        return [f"/* {ops} */", head, *declarations, *body, "}"]

    @property
    def name(self) -> str:
        """The function's."""
        return f"kernel{self.number}"

    @property
    def flops(self) -> int:
        """About how many operations it computes."""
        return self.work

    @property
    def computed(self) -> set[int]:
        """The ops that it computes, those fused into others too, once `body` has been called."""
        return {number for pull in self.pulls for number in pull.computed} | self.anchors()

    @property
    def shares(self) -> int:
        """In how many it may be done, each worth a thread's while (1: in one for each thread); 0:
        by one thread alone. Known once `body` has been called."""
        return max(1, min(2 * self.work // SMALL, self.cuts())) if self.work >= SMALL else 0

    def cuts(self) -> int:
        """In how many shares it may be done at next to no cost."""
        return self.work

    def anchors(self) -> set[int]:
        """Those of them that are no lines of C."""
        return set() if self.kernel.anchor is None else {self.kernel.anchor}

    def body(self) -> list[str]:
        """The loops."""
        raise NotImplementedError

    def pull(self, *scopes: Sequence[str]) -> Pull:
        """A fresh pull in nested loops over these variables."""
        pull = Pull(self.plan.graph, self.load)
        self.pulls.append(pull)
        for names in scopes:
            pull.open(*names)
        return pull

    def pointer(self, array: Array, writes: bool = False) -> str:
        """The name of an array's pointer."""
        self.touched.add((array, writes))
        key = array.slot, array.offset
        if key not in self.pointers:
            name, kind = f"a{len(self.pointers)}", TYPES[array.dtype]
            place = f"(p[{array.slot}] + {array.offset})" if array.offset else f"p[{array.slot}]"
            self.pointers[key] = name, f"{kind} *restrict {name} = ({kind} *){place};"
        return self.pointers[key][0]

    def entry(self, array: Array, index: Index, writes: bool = False) -> str:
        """An entry of an array, in C."""
        self.places.append(at(index, array.strides))
        return f"{self.pointer(array, writes)}[{self.places[-1]}]"

    def load(self, number: int, index: Index) -> str | None:
        """The C that reads an op's entry, if it is in memory when the kernel begins."""
        array = self.memory.ops.get(number)
        before = self.ops[number].row in LEAVES or number in self.kernel.reads
        if array is None or number in self.own or not before:
            return None
        return self.entry(array, index)

    def stores(self, pull: Pull) -> list[str]:
        """The lines that store everything at the entry; what computes it is in the pull's scopes.
        All is computed before anything is stored: a state that is written may be read here."""
        names = [(store, pull.entry(store.op, store.index)) for store in self.kernel.stores]
        return [
            f"{self.entry(self.memory.targets[store.target], store.index, True)} = {name};"
            for store, name in names
            if store.target
        ]


class LoopWriter(Writer):
    """Entry by entry; what is reduced within an entry is a loop inside."""

    def body(self) -> list[str]:
        """The axes of the domain, the outermost shared among the threads."""
        domain, order = self.kernel.domain, self._order()
        pull = self.pull(*([f"d{axis}"] for axis in order))
        lines = self.stores(pull)
        self.work = math.prod(domain) * (pull.count + len(lines))
        flat = not pull.scopes[-1].loops
        for axis in reversed(order):
            first, last = part(domain[axis]) if axis == order[0] else ("0", str(domain[axis]))
            inside = loop(f"d{axis}", first, last, [*pull.close().lines, *lines])
            lines = vector(inside, flat and axis == order[-1])
        guard = [] if order else ["if (part) return;"]
        return [*guard, *pull.scopes[0].lines, *lines]

    def _order(self) -> list[int]:
        """The axes, the innermost the one along which most arrays are dense."""
        axes = [axis for axis, n in enumerate(self.kernel.domain) if n != 1]
        pull = self.pull(*([f"d{axis}"] for axis in axes))
        self.stores(pull)
        places, self.places = self.places, []
        self.pointers.clear()
        if any(scope.loops for scope in pull.scopes) or len(axes) < 2:
            return axes
        dense = {axis: [place.factor(f"d{axis}") for place in places].count(1) for axis in axes}
        best = max(reversed(axes), key=dense.__getitem__)
        return [*(axis for axis in axes if axis != best), best]


class ColumnsWriter(Writer):
    """Sums down the columns of a strip, row by row; then what depends on them, at each column."""

    def body(self) -> list[str]:
        """Loops over the axes that stay, but for the last; within them, strip by strip."""
        *outer, last = [axis for axis, n in enumerate(self.kernel.domain) if n != 1]
        adding, gather = self._gather(outer, last)
        after, use = self._use(outer, last, adding.count)
        n = self.kernel.domain[last]
        first, end = ("0", str(n)) if outer else part(n)
        strip = [
            f"long count = MIN({end} - first, {STRIP});",
            *self._start("sums"),
            *gather,
            *use,
        ]
        lines = loop("first", first, end, strip, str(STRIP))
        for axis in reversed(outer):
            n = self.kernel.domain[axis]
            first, end = part(n) if axis == outer[0] else ("0", str(n))
            both = [*adding.close().lines, *after.close().lines]
            lines = loop(f"d{axis}", first, end, [*both, *lines])
        return [*adding.scopes[0].lines, *after.scopes[0].lines, *lines]

    def cuts(self) -> int:
        """Whole strips, where they are what is shared."""
        long = [n for n in self.kernel.domain if n != 1]
        return long[0] if len(long) > 1 else long[0] // STRIP

    def _gather(self, outer: list[int], last: int) -> tuple[Pull, list[str]]:
        """The lines that add the rows up; the pull is left in the outer loops."""
        assert self.kernel.anchor is not None
        op = self.ops[self.kernel.anchor]
        (arg,), gone = op.args, op.params["axis"]
        shape, rest = self.ops[arg].shape, iter(self.kernel.index)
        rows = {axis: Place.of(f"r{axis}") if shape[axis] != 1 else ZERO for axis in gone}
        index = tuple(rows[i] if i in rows else next(rest) for i in range(len(shape)))
        reduced = [axis for axis in gone if shape[axis] != 1]
        names = [f"d{axis}" for axis in outer] + [f"r{axis}" for axis in reduced]
        pull = self.pull(*([name] for name in names), [f"d{last}"])
        entry = pull.typed(arg, index, op.dtype)
        self.work = math.prod(shape) * pull.count
        loops = [(f"r{axis}", shape[axis]) for axis in reduced]
        if not rounds(op, loops):
            lines = self._strip(last, pull, [step(op.row.name, "sums[c]", entry)])
            return pull, nested(loops, lines, pull.close)
        lines = self._strip(last, pull, [step(op.row.name, "some[c]", entry)])
        gather = self._columns("GATHER(sums[c], lost[c], some[c]);")
        lines = nested(loops, lines, pull.close, (), (self._start("some"), gather))
        after = self._columns("sums[c] = GATHERED(sums[c], lost[c]);")
        return pull, [*self._start("lost"), *lines, *after]

    def _start(self, name: str) -> list[str]:
        """A strip of what nothing is reduced to."""
        op = self.ops[self.kernel.anchor or 0]
        start = f"{name}[c] = {neutral(op.row.name, op.dtype)};"
        return [f"{TYPES[op.dtype]} {name}[{STRIP}];", *self._columns(start)]

    @staticmethod
    def _columns(line: str) -> list[str]:
        return [f"for (long c = 0; c < {STRIP}; c++) {line}"]

    def _use(self, outer: list[int], last: int, count: int) -> tuple[Pull, list[str]]:
        """The lines that store the sums and what depends on them; likewise. Names are counted on
        from `count`."""
        assert self.kernel.anchor is not None
        pull = self.pull(*([f"d{axis}"] for axis in (*outer, last)))
        pull.count = count
        kind = TYPES[self.ops[self.kernel.anchor].dtype]
        name = pull.let(kind, "sums[c]", [f"d{last}"])
        pull.know((self.kernel.anchor, self.kernel.index), name)
        return pull, self._strip(last, pull, self.stores(pull))

    @staticmethod
    def _strip(axis: int, pull: Pull, lines: Sequence[str]) -> list[str]:
        scope = pull.close()
        inside = [f"long d{axis} = first + c;", *scope.lines, *lines]
        return vector(loop("c", "0", "count", inside), not scope.loops)


class ScatterWriter(Writer):
    """Zeros, and then additions where arrays of integers say, in the order of these: an entry may
    be named twice. So threads share an axis that is not the arrays', if there is one."""

    @property
    def flops(self) -> int:
        """An addition for each entry, whoever does it, and what is computed for it."""
        return self.additions

    def body(self) -> list[str]:
        """Both in loops over the same part of the axis."""
        assert self.kernel.anchor is not None
        op = self.ops[self.kernel.anchor]
        added, *arrays = op.args
        shape, key = self.ops[added].shape, op.params["key"]
        index = tuple(ZERO if n == 1 else Place.of(f"g{axis}") for axis, n in enumerate(shape))
        axes = max(len(self.ops[array].shape) for array in arrays)
        named, inner = gathered(key, axes, index, op.shape)
        wide = [axis for axis, place in enumerate(index) if place.terms]
        order = sorted(wide, key=lambda axis: index[axis] not in named)  # the arrays' axes outside
        shared = self._shared(inner, op.shape, dict(zip(index, shape, strict=True)))
        pull = self.pull(*([f"g{axis}"] for axis in order))
        array = self.memory.targets[self.kernel.stores[0].target or ("", 0)]
        value = pull.typed(added, index, op.dtype)
        into = self.entry(array, pull.named(key, arrays, index, op.shape), writes=True)
        lines = [f"{into} = {into} + {value};"]
        self.additions = math.prod(shape) * (pull.count + 1)
        self.work = self.additions if shared else 0
        flat = not (pull.scopes[-1].loops or all(index[axis] in named for axis in order))
        for axis in reversed(order):
            ends = part(shape[axis]) if index[axis] == shared else ("0", str(shape[axis]))
            inside = loop(f"g{axis}", *ends, [*pull.close().lines, *lines])
            lines = vector(inside, flat and axis == order[-1])
        return [*pull.scopes[0].lines, *self._zero(array, inner, shared), *lines]

    def cuts(self) -> int:
        """Each share goes over all of the arrays of integers."""
        return 1

    @staticmethod
    def _shared(
        inner: Sequence[Place | None], shape: Shape, lengths: Mapping[Place, int]
    ) -> Place | None:
        """The variable of the longest axis that is taken whole and in order, so that a thread's
        zeros are its own too. lengths: of the loops over variables."""
        whole = [
            (n, place)
            for place, n in zip(inner, shape, strict=True)
            if place and place.terms and lengths.get(place) == n
        ]
        return max(whole, key=lambda pair: pair[0])[1] if whole else None

    def _zero(self, array: Array, inner: Sequence[Place | None], shared: Place | None) -> list[str]:
        axes = [axis for axis, n in enumerate(array.shape) if n != 1]
        index = [Place.of(f"z{axis}") if axis in axes else ZERO for axis in range(len(array.shape))]
        lines = [f"{self.entry(array, tuple(index), writes=True)} = 0;"]
        for axis in reversed(axes):
            n = array.shape[axis]
            ends = part(n) if shared and inner[axis] == shared else ("0", str(n))
            lines = loop(f"z{axis}", *ends, lines)
        return lines


class ProductWriter(Writer):
    """Tiles of a matrix product, and what is done with each while it is at hand."""

    @property
    def flops(self) -> int:
        """The product's own."""
        return 2 * math.prod(self.kernel.domain) * self.product().inner

    def anchors(self) -> set[int]:
        """The product, and the views through which it reads."""
        assert self.kernel.anchor is not None
        ops = {self.kernel.anchor}
        for arg in self.ops[self.kernel.anchor].args:
            number, base = arg, source(self.plan.graph, arg)
            while number != base:
                ops.add(number)
                (number,) = self.ops[number].args
        return ops

    def product(self) -> Product:
        """How the product goes over its operands."""
        return product(self.plan, self.kernel, self.memory.ops, self.machine)

    def body(self) -> list[str]:
        """Stacks; blocks of rows that stay in the second cache; panels of columns, which stay in
        the first; tiles of rows."""
        how, names = self.product(), [place.names() for place in self.kernel.index]
        batch = range(len(how.batch))
        self.work = math.prod(self.kernel.domain) * how.inner // 8
        *outer, row, column = names
        pull = self.pull(*outer, [*row, "r"], [*column, "c"])
        tile = self._tile(how, pull, row, column)
        by_rows = self._by_rows(how)
        rows = part(how.rows, "ROWS") if by_rows else ("0", str(how.rows))
        columns = ("0", str(how.columns)) if by_rows else part(how.columns, str(how.width))
        block = how.block(self.machine)
        here = "i", "block", f"MIN({rows[1]}, block + {block})"
        lines = loop("j", *columns, loop(*here, tile, "ROWS"), str(how.width))
        if self.left_far():
            kind = TYPES[self.ops[self.kernel.anchor or 0].dtype]
            room = f"{kind} left[{block * how.inner}] __attribute__((aligned(64)));"
            lines = [room, *loop(*here, [self._line_up(how)], "ROWS"), *lines]
        lines = loop("block", *rows, lines, str(block))
        for axis in reversed(batch):
            known = [f"long {name} = b{axis};" for name in names[axis]]
            inside = [*known, *pull.close().lines, *lines]
            lines = loop(f"b{axis}", "0", str(how.batch[axis]), inside)
        return [*pull.scopes[0].lines, *lines]

    def _by_rows(self, how: Product) -> bool:
        """Whether threads share rows, not columns."""
        return -(-how.rows // self.machine.rows) >= how.panels

    def cuts(self) -> int:
        """Tiles; but blocks, where the right operand comes from far for each share, and so many
        panels as are worth what each does to the left one."""
        how = self.product()
        if not self._by_rows(how):
            return how.panels // PANELS
        size = self.ops[self.kernel.anchor or 0].dtype.itemsize * how.inner * how.columns
        return how.rows // (how.block(self.machine) if size > 2 * CACHE else self.machine.rows)

    def _tile(self, how: Product, pull: Pull, row: list[str], column: list[str]) -> list[str]:
        """The lines that compute a tile and use its entries."""
        assert self.kernel.anchor is not None
        kind = TYPES[self.ops[self.kernel.anchor].dtype]
        # The entry of a column is known in the loop over rows, where a sum over it may stand.
        one = how.columns == 1 and how.rows > 1
        text = f"tile[r * {how.width}]" if one else f"tile[r * {how.width} + c]"
        name = pull.let(kind, text, ["r"] if one else ["r", "c"])
        pull.know((self.kernel.anchor, self.kernel.index), name)
        stores = self.stores(pull)
        inner, middle = pull.close(), pull.close()
        inside = [*[f"long {name} = j + c;" for name in column], *inner.lines, *stores]
        outside = [*[f"long {name} = i + r;" for name in row], *middle.lines]
        flat = not (inner.loops or middle.loops)

        def entries(rows: str, columns: str) -> list[str]:
            return loop("r", "0", rows, [*outside, *vector(loop("c", "0", columns, inside), flat)])

        return [
            "aside(ahead);",
            f"{kind} tile[ROWS * {how.width}] __attribute__((aligned(64)));",
            *self._multiply(how),
            *self._ragged(how, entries),
        ]

    def left(self) -> Operand:
        """The left operand."""
        op = self.ops[self.kernel.anchor or 0]
        return operand(self.plan.graph, op.args[0], self.memory.ops, len(op.shape) - 2)

    def left_far(self) -> bool:
        """Whether the rows of the left operand are worth putting side by side: they are turned,
        so that each entry is on a page of its own, more than the CPU has at hand."""
        how, size = self.product(), self.ops[self.kernel.anchor or 0].dtype.itemsize
        far = abs(self.left().strides[-1]) * size >= FAR
        return far and how.inner >= MANY and how.panels > 1

    def _line_up(self, how: Product) -> str:
        """The call that copies a tile's rows of the left operand, entry by entry of a row."""
        left, bits = self.left(), 8 * self.ops[self.kernel.anchor or 0].dtype.itemsize
        *_, down, along = left.strides
        last = f"MIN({how.rows} - i, ROWS) - 1"
        start = f"{self._start(left)} + i * {down}, {down}, {along}, {how.inner}, {last}"
        return f"line_up_f{bits}({start}, left + (i - block) * {how.inner});"

    def _multiply(self, how: Product) -> list[str]:
        """The call that computes a tile; of the last, which may have fewer rows, another."""
        left, (right, stride) = self.left(), self._right(how)
        *_, down, along = map(str, left.strides)
        start = f"{self._start(left)} + i * {down}"
        if self.left_far():
            start, down, along = f"left + (i - block) * {how.inner}", "1", "ROWS"
        name = f"tile_f{8 * self.ops[self.kernel.anchor or 0].dtype.itemsize}"
        first = f"{start}, {down}, {along}, {right}, {stride}, {how.inner}"

        def call(last: str) -> str:
            return f"{name}({first}, {last}, {how.vectors}, tile);"

        if how.rows % self.machine.rows == 0:
            return [call("ROWS - 1")]
        rows = f"long rows = MIN({how.rows} - i, ROWS);"
        if self.left_far():
            return [rows, call("ROWS - 1")]
        return [rows, f"if (rows == ROWS) {call('ROWS - 1')}", f"else {call('rows - 1')}"]

    def _ragged(self, how: Product, entries: Callable[[str, str], list[str]]) -> list[str]:
        """The loops over a tile's entries; where there are as many as a tile has, by numbers that
        the compiler knows."""
        rows = "rows" if how.rows % self.machine.rows else "ROWS"
        if how.columns < how.width or how.columns % how.width == 0:
            return entries(rows, str(min(how.columns, how.width)))
        return [
            f"long columns = MIN({how.columns} - j, {how.width});",
            f"if (columns == {how.width}) {{",
            *entries(rows, str(how.width)),
            "} else {",
            *entries(rows, "columns"),
            "}",
        ]

    def _right(self, how: Product) -> tuple[str, int]:
        """Where a panel of the right operand begins, and the stride of its rows."""
        if not how.packs:
            return f"{self._start(how.right)} + j", how.right.strides[-2]
        packed = self.pointer(self.memory.packed[self.number])
        return f"{packed} + {self._panel(how, f'j / {how.width}')}", how.width

    @staticmethod
    def _panel(how: Product, number: str) -> str:
        """Where a packed panel of a stack begins."""
        stack = [f"b{axis} * {n * how.panels}" for axis, n in enumerate(contiguous(how.batch))]
        return f"({' + '.join([*stack, number])}) * {how.inner * how.width}"

    def _start(self, matrix: Operand) -> str:
        """Where an operand of the stack at hand begins."""
        parts = [f"b{axis} * {stride}" for axis, stride in enumerate(matrix.strides[:-2]) if stride]
        parts += [str(matrix.offset)] if matrix.offset else []
        return " + ".join([self.pointer(self.memory.ops[matrix.op]), *parts])


class PackWriter(ProductWriter):
    """Copies a product's right operand into panels as wide as a tile."""

    @property
    def name(self) -> str:
        """The function's."""
        return f"pack{self.number}"

    @property
    def flops(self) -> int:
        """It only copies."""
        return 0

    def anchors(self) -> set[int]:
        """None: they are the product's."""
        return set()

    def cuts(self) -> int:
        """Panels."""
        return self.product().panels

    def body(self) -> list[str]:
        """The panels of each matrix of a stack."""
        how, packed = self.product(), self.memory.packed[self.number]
        self.work = packed.shape[0] if how.panels > 1 else 0
        down, along = how.right.strides[-2:]
        call = (
            f"pack_f{packed.dtype.itemsize * 8}("
            f"{self._start(how.right)} + panel * {how.width * along}, {down}, {along}, "
            f"{how.inner}, MIN({how.columns} - panel * {how.width}, {how.width}), {how.width}, "
            f"{self.pointer(packed, writes=True)} + {self._panel(how, 'panel')});"
        )
        lines = loop("panel", *part(how.panels), [call])
        for axis in reversed(range(len(how.batch))):
            lines = loop(f"b{axis}", "0", str(how.batch[axis]), lines)
        return lines


WRITERS = {
    "loop": LoopWriter,
    "columns": ColumnsWriter,
    "scatter": ScatterWriter,
    "matmul": ProductWriter,
}
