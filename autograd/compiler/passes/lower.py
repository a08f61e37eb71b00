"""Stage 4, from kernels and memory to the loop language: a function for each kernel, and barriers
between them.

A large kernel is done in parts, of its rows or columns, by all threads; a small one by a single
thread. A kernel that needs what others write stands behind a barrier (threads.c). Each entry is
computed whole by one thread and always in the same way, so the bits do not depend on how many
threads there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ...primitives.primitive import OURS, Primitive
from ..language.statements import Function, Run, Segment
from ..language.verify import verify
from .emitters import CheckEmitter, ColumnEmitter, Emitter, LoopEmitter, ScatterEmitter
from .kernels import ByNumpy, Check, ColumnReduction, Kernel, Loop, OpKernel, Plan, Product, Scatter
from .memory import Memory, packs_at_start
from .product import PackEmitter, ProductEmitter
from .tiling import Machine

EMITTERS: dict[type[Kernel], type[Emitter]] = {
    Loop: LoopEmitter,
    ColumnReduction: ColumnEmitter,
    Scatter: ScatterEmitter,
    Product: ProductEmitter,
    Check: CheckEmitter,
}


@dataclass(frozen=True)
class Cost:
    """What a function costs: about how many arithmetic operations, and bytes of the arrays that it
    reads or writes. A function that packs the operand of a product computes no ops."""

    name: str
    kernel: int  # its number in the plan
    ops: tuple[int, ...]  # of the plan's graph that it computes, those fused into others too
    flops: int
    bytes: int
    parallel: bool  # whether it is done in parts, by all threads


@dataclass(frozen=True)
class Code:
    """A step in the loop language: segments, and between them kernels that are left to NumPy."""

    segments: tuple[Segment | ByNumpy, ...]
    costs: tuple[Cost, ...]

    @property
    def compiled(self) -> dict[str, Segment]:
        """The segments that are not left to NumPy, by name."""
        return {f"segment{i}": s for i, s in enumerate(self.segments) if isinstance(s, tuple)}

    @property
    def runs(self) -> list[Run]:
        """The runs of all segments, in order."""
        return [run for segment in self.compiled.values() for group in segment for run in group]

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        for cost in self.costs:
            threads = ", on all threads" if cost.parallel else ""
            yield f"{cost.name}: {cost.flops:,} operations, {cost.bytes:,} bytes{threads}"
        names = dict[Function, str]()
        for run in self.runs:
            if run.function not in names:
                names[run.function] = f"function{len(names)}"
                yield ""
                yield from run.function.lines(names[run.function])
        for name, segment in self.compiled.items():
            yield f"\n{name}:"
            for i, group in enumerate(segment):
                yield from ["    barrier"] * (i > 0)
                for run in group:
                    yield f"    {run} = {names[run.function]}"


def lower(plan: Plan, memory: Memory, machine: Machine) -> Code:
    """The loops of a plan."""
    segments = list[ByNumpy | list[Emitter]]()
    runs, costs = dict[Emitter, Run](), list[Cost]()

    def add(emitter: Emitter, at_start: bool = False) -> None:
        runs[emitter] = emitter.run()
        if any(_says_where(plan.graph.ops[op].primitive) for op in emitter.computed):
            verify(runs[emitter].function)
        if not segments or isinstance(segments[-1], ByNumpy):
            segments.append([])
        emitters = segments[-1]
        assert isinstance(emitters, list)
        emitters.insert(0 if at_start else len(emitters), emitter)
        costs.append(_cost(emitter))

    for number, kernel in enumerate(plan.kernels):
        if isinstance(kernel, ByNumpy):
            segments.append(kernel)
            costs.append(_numpy_cost(plan, memory, number, kernel))
            continue
        if isinstance(kernel, Product) and number in memory.packed:
            add(PackEmitter(plan, memory, machine, number), packs_at_start(plan, kernel))
        add(EMITTERS[type(kernel)](plan, memory, machine, number))
    heeding = _heeding(plan, memory, runs)
    made = [s if isinstance(s, ByNumpy) else _barrier_groups(s, runs, heeding) for s in segments]
    return Code(tuple(made), tuple(costs))


def _says_where(prim: Primitive) -> bool:
    """Whether a user's primitive says where it reads or adds. (Ours do too, and are tested.)"""
    return prim not in OURS and (prim.entry or prim.into) is not None


def _cost(emitter: Emitter) -> Cost:
    size = sum(array.size for array in {array for array, _ in emitter.accesses})
    ops = tuple(sorted(emitter.computed))
    return Cost(emitter.name, emitter.number, ops, emitter.flops, size, emitter.parts > 0)


def _numpy_cost(plan: Plan, memory: Memory, number: int, kernel: OpKernel) -> Cost:
    computed = tuple(each.op for each in kernel.computes)
    used = {*computed, *(arg for op in computed for arg in plan.graph.ops[op].args)}
    arrays = {memory.ops[op] for op in used if op in memory.ops}
    size = sum(array.size for array in arrays)
    return Cost(f"numpy{number}", number, computed, 0, size, False)


def _heeding(plan: Plan, memory: Memory, emitters: Iterable[Emitter]) -> set[Emitter]:
    """The functions that may only run once positions are known to be in range: those that read or
    add there, and those that write a state, which a failing step leaves as it was."""
    states = {array for (kind, _), array in memory.targets.items() if kind == "state"}
    writes = {(array, True) for array in states}
    return {
        emitter
        for emitter in emitters
        if plan.checked & emitter.computed or writes & emitter.accesses
    }


def _barrier_groups(
    emitters: Sequence[Emitter], runs: dict[Emitter, Run], heeding: set[Emitter]
) -> Segment:
    """Runs in groups with barriers between. The runs of a group do not depend on each other."""
    groups: list[list[Emitter]] = [[]]
    for emitter in emitters:
        if any(_must_wait(emitter, other, emitter in heeding) for other in groups[-1]):
            groups.append([])
        groups[-1].append(emitter)
    return tuple(tuple(runs[emitter] for emitter in group) for group in groups)


def _must_wait(emitter: Emitter, other: Emitter, heeding: bool) -> bool:
    """Whether an earlier function must be finished before this one begins. heeding: whether this
    one may only run once positions are known to be in range."""
    if heeding and isinstance(other.kernel, Check):
        return True  # the flag is read at the barrier
    if not emitter.parts and not other.parts:
        return False  # the same thread does both, in order
    return any(
        (writes or writes2) and one.overlaps(two)
        for one, writes in emitter.accesses
        for two, writes2 in other.accesses
    )
