"""Stage 4, from kernels and memory to C: a function for each kernel, and one that calls them.

Every thread of a step runs the same functions on its own part of the rows, and waits for the
others between kernels. Small kernels are left to one. Which thread computes an entry changes
nothing about how it is computed, so the bits do not depend on how many there are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .expressions import STEPS, TYPES, Pull, neutral
from .kernels import Kernel, Plan
from .memory import Array, Memory, packs_early
from .places import ZERO, Index, Place, at, contiguous
from .product import Machine, Operand, Product, operand, product
from .simplify import LEAVES

SMALL = 1 << 14  # lines of C, run this often, are done by one thread before the others are there
PARAMETERS = "char *const *p, struct team *team, long part, long parts"
STRIP = 64  # columns that are summed at a time


@dataclass(frozen=True)
class Code:
    """A step as C. `segments` are functions of it, by name, or kernels left to NumPy."""

    source: str
    segments: tuple[str | Kernel, ...]
    checks: bool  # whether labels are looked at before anything is computed


@dataclass(frozen=True)
class _Call:
    """A call of a kernel's function, by all threads or by one, and the memory it touches: the
    slot of the block, from which byte to which, and whether it writes there."""

    name: str
    parallel: bool
    touched: tuple[tuple[int, int, int, bool], ...]

    def waits(self, other: _Call) -> bool:
        """Whether all of an earlier call must be done before this one begins."""
        if not (self.parallel or other.parallel):
            return False
        return any(
            slot == slot2 and start < end2 and start2 < end and (writes or writes2)
            for slot, start, end, writes in self.touched
            for slot2, start2, end2, writes2 in other.touched
        )


def lower(plan: Plan, memory: Memory, machine: Machine) -> Code:
    """The C of a plan."""
    functions = list[str]()
    segments = list[str | Kernel]()
    calls = list[_Call]()

    def end_segment() -> None:
        if calls:
            segments.append(f"segment{len(segments)}")
            functions.append(_segment(str(segments[-1]), calls))
            calls.clear()

    for number, kernel in enumerate(plan.kernels):
        if kernel.kind == "numpy":
            end_segment()
            segments.append(kernel)
            continue
        writer = _Writer(plan, memory, machine, number, kernel)
        functions.append("\n".join(_indented(writer.function())))
        pack, call = writer.calls()
        calls += [call] if pack is None or packs_early(plan, kernel) else [pack, call]
        if pack and packs_early(plan, kernel):
            calls.insert(0, pack)
    end_segment()
    checks = _checks(plan, memory)
    functions += [_function("long check(char *const *p)", [*checks, "return 1;"])] if checks else []
    head = f"#define VECTOR {machine.vector}\n#define ROWS {machine.rows}\n"
    body = "\n\n".join(functions)
    return Code(f'{head}#include "prelude.h"\n\n{body}\n', tuple(segments), bool(checks))


def _segment(name: str, calls: Sequence[_Call]) -> str:
    """A function that calls the kernels; threads meet before what reads another's work."""
    lines: list[str] = []
    since: list[_Call] = []  # the last meeting
    for call in calls:
        if any(call.waits(other) for other in since):
            lines.append("meet(team, parts);")
            since.clear()
        since.append(call)
        alone = f"if (part == 0) {call.name}(p, team, 0, 1);"
        lines.append(f"{call.name}(p, team, part, parts);" if call.parallel else alone)
    return _function(f"void {name}({PARAMETERS})", lines)


def _function(head: str, lines: Sequence[str]) -> str:
    return "\n".join(_indented([f"{head} {{", *lines, "}"]))


def _indented(lines: Sequence[str]) -> list[str]:
    out, depth = [], 0
    for line in lines:
        depth -= line.startswith("}")
        out.append("    " * depth + line)
        depth += line.endswith("{")
    return out


def _checks(plan: Plan, memory: Memory) -> list[str]:
    """Lines that return 0 where a label is outside the classes: the replay then says so."""
    lines = []
    for op in plan.graph.ops:
        if op.row.name not in ("pick", "put"):
            continue
        array = memory.ops.get(op.args[1])
        if array is None:  # a label that is one constant number was checked when it was traced
            continue
        classes = plan.graph.ops[op.args[0]].shape[-1] if op.row.name == "pick" else op.shape[-1]
        pointer = f"(const {TYPES[array.dtype]} *)p[{array.slot}]"
        if not _dense(array):
            continue
        lines += [
            f"for (long i = 0; i < {math.prod(array.shape)}; i++) {{",
            f"if ((uint64_t)({pointer})[i] >= {classes}u) return 0;",
            "}",
        ]
    return lines


def _dense(array: Array) -> bool:
    return array.strides == contiguous(array.shape)


class _Writer:
    """Writes one kernel."""

    def __init__(
        self, plan: Plan, memory: Memory, machine: Machine, number: int, kernel: Kernel
    ) -> None:
        self.plan, self.memory, self.machine = plan, memory, machine
        self.number, self.kernel = number, kernel
        self.ops = plan.graph.ops
        self.own = {store.op for store in kernel.stores}
        self.used: dict[tuple[int, int], tuple[str, str]] = {}  # array: its name and declaration
        self.loads: list[tuple[Array, Index]] = []
        self.touched: set[tuple[Array, bool]] = set()  # and whether it is written
        self.work = 0  # about how many lines are run

    def calls(self) -> tuple[_Call | None, _Call]:
        """The calls of its functions, once they are written: that which packs, if there is one."""
        call = _Call(f"kernel{self.number}", self.work >= SMALL, _touched(self.touched))
        if self.number not in self.memory.packed:
            return None, call
        how, packed = self.product(), self.memory.packed[self.number]
        arrays = {(self.memory.ops[how.right.op], False), (packed, True)}
        parallel = packed.shape[0] >= SMALL and how.panels > 1
        return _Call(f"pack{self.number}", parallel, _touched(arrays)), call

    def function(self) -> list[str]:
        """The kernel's function, and that which packs for it."""
        body = getattr(self, f"_{self.kernel.kind}")()
        declarations = [declaration for _, declaration in self.used.values()]
        name = f"kernel{self.number}"
        head = f"static void {name}({PARAMETERS}) {{"
        about = f"/* {', '.join(f'%{store.op}' for store in self.kernel.stores)} */"
        before = self._pack() if self.number in self.memory.packed else []
        return [*before, about, head, *declarations, *body, "}"]

    def product(self) -> Product:
        return product(self.plan, self.kernel, self.memory.ops, self.machine)

    # --- memory ---

    def pointer(self, array: Array) -> str:
        """The name of an array's pointer."""
        key = array.slot, array.offset
        if key not in self.used:
            name = f"a{len(self.used)}"
            kind = TYPES[array.dtype]
            place = f"(p[{array.slot}] + {array.offset})" if array.offset else f"p[{array.slot}]"
            self.used[key] = name, f"{kind} *restrict {name} = ({kind} *){place};"
        return self.used[key][0]

    def load(self, number: int, index: Index) -> str | None:
        """The C that reads an entry, if it is in memory when the kernel begins."""
        array = self.memory.ops.get(number)
        if array is None or number in self.own:
            return None
        if self.ops[number].row not in LEAVES and number not in self.kernel.reads:
            return None
        self.loads.append((array, index))
        self.touched.add((array, False))
        return f"{self.pointer(array)}[{at(index, array.strides)}]"

    def stores(self, pull: Pull) -> list[str]:
        """The lines that compute and store everything at the entry; the lines before them are in
        the pull's scopes. All is computed before anything is stored: a state may be read here."""
        lines = []
        for store in self.kernel.stores:
            name = pull.entry(store.op, store.index)
            if store.target is None:
                continue
            array = self.memory.targets[store.target]
            self.loads.append((array, store.index))
            self.touched.add((array, True))
            lines.append(f"{self.pointer(array)}[{at(store.index, array.strides)}] = {name};")
        return lines

    # --- loops over the domain ---

    def _loop(self) -> list[str]:
        order = self._order()
        self.used.clear()
        pull = Pull(self.plan.graph, self.load)
        for axis in order:
            pull.open(f"d{axis}")
        lines = self.stores(pull)
        simd = not pull.scopes[-1].loops
        self.work = math.prod(self.kernel.domain) * (pull.count + len(lines))
        for axis in reversed(order):
            scope = pull.close()
            outer = axis == order[0]
            first, last = _part(self.kernel.domain[axis]) if outer else ("0", None)
            last = last or str(self.kernel.domain[axis])
            head = f"for (long d{axis} = {first}; d{axis} < {last}; d{axis}++) {{"
            lines = [head, *scope.lines, *lines, "}"]
            if simd:
                lines.insert(0, '_Pragma("omp simd")')
                simd = False
        guard = ["if (part) return;"] if not order else []
        return [*guard, *pull.scopes[0].lines, *lines]

    def _order(self) -> list[int]:
        """The axes of the domain, the innermost the one along which most arrays are dense."""
        axes = [axis for axis, n in enumerate(self.kernel.domain) if n != 1]
        pull = Pull(self.plan.graph, self.load)
        for axis in axes:
            pull.open(f"d{axis}")
        self.stores(pull)
        if any(scope.loops for scope in pull.scopes) or len(axes) < 2:
            return axes
        votes = dict.fromkeys(axes, 0)
        for array, index in self.loads:
            for axis in axes:
                votes[axis] += at(index, array.strides).factor(f"d{axis}") == 1
        best = max(reversed(axes), key=votes.__getitem__)
        return [*(axis for axis in axes if axis != best), best]

    # --- sums down the columns ---

    def _columns(self) -> list[str]:
        assert self.kernel.anchor is not None
        op = self.ops[self.kernel.anchor]
        (arg,) = op.args
        shape, gone = self.ops[arg].shape, op.params["axis"]
        long = [axis for axis, n in enumerate(self.kernel.domain) if n != 1]
        *outer, last = long
        rest = iter(self.kernel.index)
        index = tuple(
            (ZERO if n == 1 else Place.of(f"r{axis}")) if axis in gone else next(rest)
            for axis, n in enumerate(shape)
        )
        reduced = [axis for axis in gone if shape[axis] != 1]
        kind, columns = TYPES[op.dtype], self.kernel.domain[last]
        pull = Pull(self.plan.graph, self.load)
        for name in (*(f"d{axis}" for axis in outer), *(f"r{a}" for a in reduced), f"d{last}"):
            pull.open(name)
        entry = pull.typed(arg, index, op.dtype)
        inside = pull.close()
        self.work = math.prod(shape) * pull.count
        step = STEPS[op.row.name].format(into="sums[c]", entry=entry)
        gather = _strip(last, inside.lines, [step], not inside.loops)
        for axis in reversed(reduced):
            head = f"for (long r{axis} = 0; r{axis} < {shape[axis]}; r{axis}++) {{"
            gather = [head, *pull.close().lines, *gather, "}"]

        after = Pull(self.plan.graph, self.load)
        after.count = pull.count
        for axis in (*outer, last):
            after.open(f"d{axis}")
        name = after.let(kind, "sums[c]", [f"d{last}"])
        after.know((self.kernel.anchor, self.kernel.index), name)
        stores = self.stores(after)
        scope = after.close()
        use = _strip(last, scope.lines, stores, not scope.loops)

        first, end = ("0", str(columns)) if outer else _part(columns)
        lines = [
            f"for (long first = {first}; first < {end}; first += {STRIP}) {{",
            f"long count = MIN({end} - first, {STRIP});",
            f"{kind} sums[{STRIP}];",
            f"for (long c = 0; c < {STRIP}; c++) sums[c] = {neutral(op.row.name, op.dtype)};",
            *gather,
            *use,
            "}",
        ]
        for axis in reversed(outer):
            both = [*pull.close().lines, *after.close().lines]
            n = self.kernel.domain[axis]
            first, end = _part(n) if axis == outer[0] else ("0", str(n))
            head = f"for (long d{axis} = {first}; d{axis} < {end}; d{axis}++) {{"
            lines = [head, *both, *lines, "}"]
        return [*pull.scopes[0].lines, *after.scopes[0].lines, *lines]

    # --- products ---

    def _matmul(self) -> list[str]:
        assert self.kernel.anchor is not None
        op = self.ops[self.kernel.anchor]
        how = self.product()
        left_operand = operand(self.plan.graph, op.args[0], self.memory.ops, len(how.batch))
        kind, name = TYPES[op.dtype], f"tile_f{op.dtype.itemsize * 8}"
        n = len(how.batch)
        pull = Pull(self.plan.graph, self.load)
        names = [place.names() for place in self.kernel.index]
        for axis in range(n):
            pull.open(*names[axis])
        pull.open(*names[n], "r")
        pull.open(*names[n + 1], "c")
        # The entry of a column is known in the loop over rows, where a sum over it may stand.
        one = how.columns == 1 and how.rows > 1
        text = f"tile[r * {how.width}]" if one else f"tile[r * {how.width} + c]"
        value = pull.let(kind, text, ["r"] if one else ["r", "c"])
        pull.know((self.kernel.anchor, self.kernel.index), value)
        stores = self.stores(pull)
        inner, middle = pull.close(), pull.close()
        am, ak = left_operand.strides[-2:]
        left = f"{self._at(left_operand)} + i * {am}"
        if how.packs:
            packed = self.memory.packed[self.number]
            self.touched.add((packed, False))
            which = "".join(f"b{axis} * {s} + " for axis, s in enumerate(contiguous(how.batch)))
            panel = (
                f"({which or ''}0) * {how.panels} + j / {how.width}"
                if which
                else (f"j / {how.width}")
            )
            right = f"{self.pointer(packed)} + ({panel}) * {how.inner * how.width}"
            down = how.width
        else:
            right, down = f"{self._at(how.right)} + j", how.right.strides[-2]
        self.work = math.prod(op.shape) * how.inner // 8
        by_rows = -(-how.rows // self.machine.rows) >= how.panels
        rows = _part(how.rows, "ROWS") if by_rows else ("0", str(how.rows))
        columns = ("0", str(how.columns)) if by_rows else _part(how.columns, str(how.width))
        call = f"{name}({left}, {am}, {ak}, {right}, {down}, {how.inner}, "
        call += f"LAST, {how.vectors}, tile);"
        simd = not (inner.loops or middle.loops)
        body = [
            "aside(team, part);",
            f"{kind} tile[ROWS * {how.width}] __attribute__((aligned(64)));",
            *self._tile(how, call),
            *self._tile_use(how, names, middle.lines, [*inner.lines, *stores], simd),
        ]
        lines = [
            f"for (long j = {columns[0]}; j < {columns[1]}; j += {how.width}) {{",
            f"for (long i = {rows[0]}; i < {rows[1]}; i += ROWS) {{",
            *body,
            "}",
            "}",
        ]
        for axis in reversed(range(n)):
            lines = [*pull.close().lines, *lines]
            if names[axis]:
                lines.insert(0, f"long d{axis} = b{axis};")
            lines = [
                f"for (long b{axis} = 0; b{axis} < {how.batch[axis]}; b{axis}++) {{",
                *lines,
                "}",
            ]
        return [*pull.scopes[0].lines, *lines]

    def _tile(self, how: Product, call: str) -> list[str]:
        """The product of a tile; the last may have fewer rows."""
        whole = call.replace("LAST", "ROWS - 1")
        if how.rows % self.machine.rows == 0:
            return [whole]
        last = f"long rows = MIN({how.rows} - i, ROWS);"
        return [last, f"if (rows == ROWS) {whole}", f"else {call.replace('LAST', 'rows - 1')}"]

    def _tile_use(
        self, how: Product, names: list[list[str]], middle: list[str], inner: list[str], simd: bool
    ) -> list[str]:
        """What is done with a tile's entries. Where all of it is used, the loops' lengths are
        numbers that the compiler knows."""

        def loops(rows: str, columns: str) -> list[str]:
            return [
                f"for (long r = 0; r < {rows}; r++) {{",
                *[f"long {name} = i + r;" for name in names[-2]],
                *middle,
                *(['_Pragma("omp simd")'] if simd else []),
                f"for (long c = 0; c < {columns}; c++) {{",
                *[f"long {name} = j + c;" for name in names[-1]],
                *inner,
                "}",
                "}",
            ]

        rows = "rows" if how.rows % self.machine.rows else "ROWS"
        if how.columns < how.width:
            return loops(rows, str(how.columns))
        if how.columns % how.width == 0:
            return loops(rows, str(how.width))
        count = f"long columns = MIN({how.columns} - j, {how.width});"
        whole = [f"if (columns == {how.width}) {{", *loops(rows, str(how.width))]
        return [count, *whole, "} else {", *loops(rows, "columns"), "}"]

    def _at(self, operand: Operand) -> str:
        array = self.memory.ops[operand.op]
        self.touched.add((array, False))
        parts = [f"b{axis} * {s}" for axis, s in enumerate(operand.strides[:-2]) if s]
        parts += [str(operand.offset)] if operand.offset else []
        return " + ".join([self.pointer(array), *parts])

    def _pack(self) -> list[str]:
        """A function that copies the right operand into panels as wide as a tile."""
        how = self.product()
        packed = self.memory.packed[self.number]
        self.used.clear()
        source, into = self._at(how.right), self.pointer(packed)
        bits = packed.dtype.itemsize * 8
        down, along = how.right.strides[-2:]
        first, last = _part(how.panels)
        lines = [
            f"for (long panel = {first}; panel < {last}; panel++) {{",
            f"pack_f{bits}({source} + panel * {how.width * along}, {down}, {along}, {how.inner}, "
            f"MIN({how.columns} - panel * {how.width}, {how.width}), {how.width}, "
            f"{into} + (BATCH + panel) * {how.inner * how.width});",
            "}",
        ]
        which = " + ".join(f"b{axis} * {s}" for axis, s in enumerate(contiguous(how.batch)))
        lines[1] = lines[1].replace("BATCH", f"({which}) * {how.panels}" if which else "0")
        for axis in reversed(range(len(how.batch))):
            head = f"for (long b{axis} = 0; b{axis} < {how.batch[axis]}; b{axis}++) {{"
            lines = [head, *lines, "}"]
        declarations = [declaration for _, declaration in self.used.values()]
        head = f"static void pack{self.number}({PARAMETERS}) {{"
        return [head, *declarations, *lines, "}", ""]


def _touched(arrays: set[tuple[Array, bool]]) -> tuple[tuple[int, int, int, bool], ...]:
    """The bytes of arrays, and whether they are written."""
    found = []
    for array, writes in arrays:
        size = math.prod(array.shape) * array.dtype.itemsize
        found.append((array.slot, array.offset, array.offset + size, writes))
    return tuple(found)


def _strip(axis: int, lines: Sequence[str], last: Sequence[str], simd: bool) -> list[str]:
    """A loop over the columns of a strip."""
    head = ["for (long c = 0; c < count; c++) {", f"long d{axis} = first + c;"]
    return [*(['_Pragma("omp simd")'] if simd else []), *head, *lines, *last, "}"]


def _part(n: int, step: str = "1") -> tuple[str, str]:
    """Where this thread's part of a range begins and ends, in whole steps."""
    if step == "1":
        return f"{n} * part / parts", f"{n} * (part + 1) / parts"
    return f"PART({n}, {step}, part, parts)", f"MIN({n}, PART({n}, {step}, part + 1, parts))"
