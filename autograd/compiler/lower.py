"""Stage 4, from kernels and memory to C: a function for each kernel, and the list of them.

The threads of a step share a kernel's rows or columns, and begin the next when all of the one
before is done (threads.c). Small kernels are left to one thread. Which thread computes an entry
changes nothing about how it is computed, so the bits do not depend on how many there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from .expressions import NUMBERED, TYPES, Pull, compiles, loop
from .kernels import Kernel, Plan, variables
from .memory import Memory, packs_early
from .places import Index, at, named_lengths
from .product import Machine
from .simplify import CONSTANT, LEAVES, Op
from .writers import PARAMETERS, WRITERS, PackWriter, Writer

# A slot behind the others points at the time of the last lap, and at the sum for each function.
LAP = """#include <time.h>

static void lap(char *const *p, long number) {
    double *laps = (double *)p[%d];
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    double now = t.tv_sec + 1e-9 * t.tv_nsec;
    if (number) laps[number] += now - laps[0];
    laps[0] = now;
}"""


@dataclass(frozen=True)
class Cost:
    """What a function computes and touches: arithmetic operations, about, and bytes of arrays. A
    product's operand may be packed by a function of its own, which computes none of the ops."""

    name: str
    kernel: int  # its number in the plan
    ops: tuple[int, ...]  # of the plan's graph that it computes, those fused into others too
    flops: int
    bytes: int
    parallel: bool  # or left to one thread


@dataclass(frozen=True)
class Code:
    """A step as C. `segments` are functions of it, by name, or kernels left to NumPy."""

    source: str
    segments: tuple[str | Kernel, ...]
    checks: bool  # whether labels are looked at before anything is computed
    costs: tuple[Cost, ...]
    timed: str  # the source of segments that say how long each function takes (measure.py)

    @property
    def names(self) -> list[str]:
        """The functions that are called from outside."""
        segments = [segment for segment in self.segments if isinstance(segment, str)]
        return [*segments, "check"] if self.checks else segments

    def __str__(self) -> str:
        costs = [
            f"{cost.name}: {cost.flops:,} operations, {cost.bytes:,} bytes"
            f"{', on all threads' if cost.parallel else ''}"
            for cost in self.costs
        ]
        return "\n".join([*costs, "", self.source])


def lower(plan: Plan, memory: Memory, machine: Machine) -> Code:
    """The C of a plan."""
    functions = list[str]()
    segments = list[Kernel | list[Writer]]()
    costs = list[Cost]()

    def add(writer: Writer, early: bool = False) -> None:
        functions.append("\n".join(_indented(writer.function())))
        if not segments or isinstance(segments[-1], Kernel):
            segments.append([])
        calls = segments[-1]
        assert isinstance(calls, list)
        calls.insert(0 if early else len(calls), writer)
        costs.append(_cost(writer))

    for number, kernel in enumerate(plan.kernels):
        if kernel.kind == "numpy":
            segments.append(kernel)
            costs.append(_numpy_cost(plan, memory, number))
            continue
        if number in memory.packed:
            add(PackWriter(plan, memory, machine, number), packs_early(plan, kernel))
        add(WRITERS[kernel.kind](plan, memory, machine, number))
    checks = _checks(plan, memory)
    functions += [_function("long check(char *const *p)", [*checks, "return 1;"])] if checks else []
    names = [s if isinstance(s, Kernel) else f"segment{i}" for i, s in enumerate(segments)]
    compiled = [(f"segment{i}", s) for i, s in enumerate(segments) if isinstance(s, list)]
    laps = {cost.name: number for number, cost in enumerate(costs, 1)}
    head = f"#define VECTOR {machine.vector}\n#define ROWS {machine.rows}\n"
    head += '#include "prelude.h"'
    source = "\n\n".join([head, *functions, *(_segment(*segment) for segment in compiled)])
    numbers = range(1 + len(laps))
    clock = [
        LAP % memory.slots,
        *(f"static void lap{i}({PARAMETERS}) {{ lap(p, {i}); }}" for i in numbers),
    ]
    clock += [*functions, *(_timed(*segment, laps) for segment in compiled)]
    timed = "\n\n".join([head, *clock])
    return Code(f"{source}\n", tuple(names), bool(checks), tuple(costs), f"{timed}\n")


def _cost(writer: Writer) -> Cost:
    size = sum(array.size for array in {array for array, _ in writer.touched})
    ops = tuple(sorted(writer.computed))
    return Cost(writer.name, writer.number, ops, writer.flops, size, writer.shares > 0)


def _numpy_cost(plan: Plan, memory: Memory, number: int) -> Cost:
    anchor = plan.kernels[number].anchor
    assert anchor is not None
    arrays = {memory.ops[op] for op in (anchor, *plan.graph.ops[anchor].args) if op in memory.ops}
    size = sum(array.size for array in arrays)
    return Cost(f"numpy{number}", number, (anchor,), 0, size, False)


def _segment(name: str, calls: Sequence[Writer]) -> str:
    """The list of its stages: the kernels; what reads another's work waits for it."""
    groups: list[list[Writer]] = [[]]  # of kernels that wait for none of their own
    for call in calls:
        if any(_waits(call, other) for other in groups[-1]):
            groups.append([])
        groups[-1].append(call)
    functions, stages = list[str](), list[str]()
    for group in groups:
        small = [call.name for call in group if not call.shares]
        rows = [(call.name, call.shares) for call in group if call.shares]
        if len(small) > 1:  # one thread does them, in order
            together = f"{name}_{len(functions)}"
            lines = [f"{call}(p, ahead, 0, 1);" for call in small]
            functions.append(_function(f"static void {together}({PARAMETERS})", lines))
            small = [together]
        rows = [*rows, *((call, 0) for call in small)]
        stages += [f"{{{one}, {shares}, {int(i == 0)}}}," for i, (one, shares) in enumerate(rows)]
    return "\n\n".join([*functions, _stages(name, stages)])


def _timed(name: str, calls: Sequence[Writer], laps: Mapping[str, int]) -> str:
    """The same, but each waits for all before it, and after each one thread looks at the clock."""
    stages = ["{lap0, 0, 1},"]
    for call in calls:
        stages += [f"{{{call.name}, {call.shares}, 1}},", f"{{lap{laps[call.name]}, 0, 1}},"]
    return _stages(name, stages)


def _stages(name: str, stages: Sequence[str]) -> str:
    return "\n".join([f"const struct stage {name}[] = {{", *_indented([*stages, "{0},"]), "};"])


def _waits(call: Writer, other: Writer) -> bool:
    """Whether all of an earlier call must be done before this one begins."""
    if not call.shares and not other.shares:
        return False  # one thread does both
    return any(
        (writes or writes2) and one.overlaps(two)
        for one, writes in call.touched
        for two, writes2 in other.touched
    )


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
    """Lines that return 0 where a label or an index is out of range: the replay then says so."""
    ops, lines = plan.graph.ops, list[str]()
    for op in ops:
        for arg, least, end in _ranges(plan, op):
            if ops[arg].row is not CONSTANT:  # which was looked at when it was traced
                lines += _check(plan, memory, arg, least, end)
    return lines


def _ranges(plan: Plan, op: Op) -> Iterator[tuple[int, int, int]]:
    """The integers that say where an op reads or writes; from where to where they may be."""
    if op.row.name not in NUMBERED or not compiles(plan.graph, op):
        return
    read = op.row.name in ("pick", "index")
    shape = plan.graph.ops[op.args[0]].shape if read else op.shape
    if op.row.name in ("pick", "put"):
        yield op.args[1], 0, shape[-1]
    elif len(op.args) > 1:
        for arg, n in zip(op.args[1:], named_lengths(op.params["key"], shape), strict=True):
            yield arg, -n, n


def _check(plan: Plan, memory: Memory, number: int, least: int, end: int) -> list[str]:
    """Loops over integers."""

    def load(leaf: int, index: Index) -> str | None:
        array = memory.ops.get(leaf)
        if array is None or plan.graph.ops[leaf].row not in LEAVES:
            return None
        return f"((const {TYPES[array.dtype]} *)p[{array.slot}])[{at(index, array.strides)}]"

    op = plan.graph.ops[number]
    index, pull = variables(op.shape), Pull(plan.graph, load)
    axes = [axis for axis, place in enumerate(index) if place.terms]
    for axis in axes:
        pull.open(f"d{axis}")
    name = pull.entry(number, index)
    if op.dtype.kind == "i":
        lines = [f"if ({name} < {least} || {name} >= {end}) return 0;"]
    else:
        lines = [f"if ({name} >= {end}u) return 0;"]
    for axis in reversed(axes):
        lines = loop(f"d{axis}", "0", str(op.shape[axis]), [*pull.close().lines, *lines])
    return ["{", *pull.scopes[0].lines, *lines, "}"]
