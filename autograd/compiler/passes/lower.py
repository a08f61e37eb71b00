"""Stage 4, from kernels and memory to the loop language: a function for each kernel, and who waits
for whom.

The threads of a step share a kernel's rows or columns, and begin the next when all of the one
before is done (threads.c). Small kernels are left to one thread. Which thread computes an entry
changes nothing about how it is computed, so the bits do not depend on how many there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ...primitives.primitive import OURS, Primitive
from ..language.statements import Function, Run, Segment
from ..language.verify import verify
from .bodies import Body, CheckBody, ColumnsBody, LoopBody, ScatterBody
from .kernels import Anchored, ByNumpy, Check, Columns, Kernel, Loop, Plan, Product, Scatter
from .memory import Memory, packs_early
from .product import PackBody, ProductBody
from .tiling import Machine

BODIES: dict[type[Kernel], type[Body]] = {
    Loop: LoopBody,
    Columns: ColumnsBody,
    Scatter: ScatterBody,
    Product: ProductBody,
    Check: CheckBody,
}


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
    """A step in the loop language: segments, between kernels that are left to NumPy."""

    segments: tuple[Segment | ByNumpy, ...]
    costs: tuple[Cost, ...]

    @property
    def compiled(self) -> dict[str, Segment]:
        """The segments that are not left to NumPy, by name."""
        return {f"segment{i}": s for i, s in enumerate(self.segments) if isinstance(s, tuple)}

    @property
    def runs(self) -> list[Run]:
        """All of them, in order."""
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
    segments = list[ByNumpy | list[Body]]()
    runs, costs = dict[Body, Run](), list[Cost]()

    def add(body: Body, early: bool = False) -> None:
        runs[body] = body.run()
        if any(_foreign(plan.graph.ops[op].primitive) for op in body.computed):
            verify(runs[body].function)
        if not segments or isinstance(segments[-1], ByNumpy):
            segments.append([])
        bodies = segments[-1]
        assert isinstance(bodies, list)
        bodies.insert(0 if early else len(bodies), body)
        costs.append(_cost(body))

    for number, kernel in enumerate(plan.kernels):
        if isinstance(kernel, ByNumpy):
            segments.append(kernel)
            costs.append(_numpy_cost(plan, memory, number, kernel))
            continue
        if isinstance(kernel, Product) and number in memory.packed:
            add(PackBody(plan, memory, machine, number), packs_early(plan, kernel))
        add(BODIES[type(kernel)](plan, memory, machine, number))
    careful = _careful(plan, memory, runs)
    made = [s if isinstance(s, ByNumpy) else _groups(s, runs, careful) for s in segments]
    return Code(tuple(made), tuple(costs))


def _foreign(prim: Primitive) -> bool:
    """Whether it says itself where it reads, and is none of ours, which are tested."""
    return prim not in OURS and (prim.entry or prim.into) is not None


def _cost(body: Body) -> Cost:
    size = sum(array.size for array in {array for array, _ in body.touched})
    ops = tuple(sorted(body.computed))
    return Cost(body.name, body.number, ops, body.flops, size, body.shares > 0)


def _numpy_cost(plan: Plan, memory: Memory, number: int, kernel: Anchored) -> Cost:
    anchor = kernel.anchor
    arrays = {memory.ops[op] for op in (anchor, *plan.graph.ops[anchor].args) if op in memory.ops}
    size = sum(array.size for array in arrays)
    return Cost(f"numpy{number}", number, (anchor,), 0, size, False)


def _careful(plan: Plan, memory: Memory, bodies: Iterable[Body]) -> set[Body]:
    """Those that are not run where a position is out of range: they read or add there, or what they
    write is to stay as it is then."""
    states = {array for (kind, _), array in memory.targets.items() if kind == "state"}
    writes = {(array, True) for array in states}
    return {body for body in bodies if plan.checked & body.computed or writes & body.touched}


def _groups(bodies: Sequence[Body], runs: dict[Body, Run], careful: set[Body]) -> Segment:
    """What may be done side by side; what needs another's work waits for it."""
    groups: list[list[Body]] = [[]]  # of bodies that wait for none of their own
    for body in bodies:
        if any(_waits(body, other, body in careful) for other in groups[-1]):
            groups.append([])
        groups[-1].append(body)
    return tuple(tuple(runs[body] for body in group) for group in groups)


def _waits(body: Body, other: Body, careful: bool) -> bool:
    """Whether all of an earlier one must be done before this one begins."""
    if careful and isinstance(other.kernel, Check):
        return True  # what it finds is looked at in between
    if not body.shares and not other.shares:
        return False  # one thread does both
    return any(
        (writes or writes2) and one.overlaps(two)
        for one, writes in body.touched
        for two, writes2 in other.touched
    )
