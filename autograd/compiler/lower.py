"""Stage 4, from kernels and memory to C: a function for each kernel, and one that calls them.

Every thread of a step runs the same functions on its own part of the rows, and waits for the
others between kernels. Small kernels are left to one. Which thread computes an entry changes
nothing about how it is computed, so the bits do not depend on how many there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .expressions import TYPES
from .kernels import Kernel, Plan
from .memory import Memory, packs_early
from .places import Place, at
from .product import Machine
from .writers import PARAMETERS, WRITERS, PackWriter, Writer, loop

SMALL = 1 << 14  # lines of C, run this often, are done by one thread before the others are there


@dataclass(frozen=True)
class Cost:
    """What a function computes and touches: arithmetic operations, about, and bytes of arrays."""

    name: str
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
    segments = list[str | Kernel]()
    calls = list[Writer]()
    costs = list[Cost]()

    def end_segment() -> None:
        if calls:
            segments.append(f"segment{len(segments)}")
            functions.append(_segment(str(segments[-1]), calls))
            calls.clear()

    def add(writer: Writer, early: bool = False) -> None:
        functions.append("\n".join(_indented(writer.function())))
        calls.insert(0 if early else len(calls), writer)
        size = sum(array.size for array in {array for array, _ in writer.touched})
        costs.append(Cost(writer.name, writer.flops, size, writer.work >= SMALL))

    for number, kernel in enumerate(plan.kernels):
        if kernel.kind == "numpy":
            end_segment()
            segments.append(kernel)
            continue
        if number in memory.packed:
            add(PackWriter(plan, memory, machine, number), packs_early(plan, kernel))
        add(WRITERS[kernel.kind](plan, memory, machine, number))
    end_segment()
    checks = _checks(plan, memory)
    functions += [_function("long check(char *const *p)", [*checks, "return 1;"])] if checks else []
    head = f"#define VECTOR {machine.vector}\n#define ROWS {machine.rows}\n"
    body = "\n\n".join(functions)
    source = f'{head}#include "prelude.h"\n\n{body}\n'
    return Code(source, tuple(segments), bool(checks), tuple(costs))


def _segment(name: str, calls: Sequence[Writer]) -> str:
    """A function that calls the kernels; threads meet before what reads another's work."""
    lines: list[str] = []
    since: list[Writer] = []  # the last meeting
    for call in calls:
        if any(_waits(call, other) for other in since):
            lines.append("meet(team, parts);")
            since.clear()
        since.append(call)
        everyone = f"{call.name}(p, team, part, parts);"
        lines.append(
            everyone if call.work >= SMALL else f"if (part == 0) {call.name}(p, team, 0, 1);"
        )
    return _function(f"void {name}({PARAMETERS})", lines)


def _waits(call: Writer, other: Writer) -> bool:
    """Whether all of an earlier call must be done before this one begins."""
    if call.work < SMALL and other.work < SMALL:
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
    """Lines that return 0 where a label is outside the classes: the replay then says so."""
    lines = []
    for op in plan.graph.ops:
        if op.row.name not in ("pick", "put"):
            continue
        array = memory.ops.get(op.args[1])
        if array is None:  # one constant number, checked when it was traced
            continue
        classes = plan.graph.ops[op.args[0]].shape[-1] if op.row.name == "pick" else op.shape[-1]
        names = tuple(Place.of(f"i{axis}") for axis in range(len(array.shape)))
        label = f"((const {TYPES[array.dtype]} *)p[{array.slot}])[{at(names, array.strides)}]"
        check = [f"if ((uint64_t){label} >= {classes}u) return 0;"]
        for axis, n in reversed(list(enumerate(array.shape))):
            check = loop(f"i{axis}", "0", str(n), check)
        lines += check
    return lines
