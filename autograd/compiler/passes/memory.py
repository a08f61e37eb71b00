"""Stage 3, from kernels to memory: where every array of a step lies.

A step is given one block of pointers, whose entries are called slots: to its inputs, states,
constant arrays and results, and to scratch memory. All other arrays lie in the scratch, and those
whose live ranges are apart may share bytes there.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...primitives.expressions import INT64, Index, Shape, contiguous
from .entries import view_base
from .kernels import Check, Collective, Kernel, Materialized, Plan, Product
from .simplify import CONSTANT, INPUT, LEAVES, STATE, Op
from .tiling import Machine, tiling

ALIGNMENT = 64  # bytes: a cache line, and the widest vector

Strides = tuple[int, ...]


@dataclass(frozen=True)
class Array:
    """Where an array lies. offset: bytes from the pointer in its slot. strides: in entries."""

    slot: int
    offset: int
    shape: Shape
    strides: Strides
    dtype: Any

    @property
    def size(self) -> int:
        """How many bytes its entries have."""
        return math.prod(self.shape) * int(self.dtype.itemsize)

    @property
    def extent(self) -> int:
        """How many entries lie from the first to the last one, with those between."""
        if 0 in self.shape:
            return 0
        ends = ((n - 1) * stride for n, stride in zip(self.shape, self.strides, strict=True))
        return 1 + sum(end for end in ends if end > 0)

    def overlaps(self, other: Array) -> bool:
        """Whether two arrays share bytes."""
        one, two = (array.offset + array.size for array in (self, other))
        return self.slot == other.slot and self.offset < two and other.offset < one


@dataclass(frozen=True)
class Memory:
    """Where arrays lie: each op in memory, what is written to states and results, and the packed
    operands of products, by kernel.

    size: bytes of scratch. slots: of the block. flag: an integer that checks set where a position
    is out of range; None if there are no checks.
    """

    ops: dict[int, Array]
    targets: dict[tuple[str, int], Array]
    packed: dict[int, Array]
    constants: tuple[Any, ...]
    size: int
    slots: int
    flag: Array | None

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield f"{self.size} bytes of scratch"
        for number, array in self.ops.items():
            where = f"slot {array.slot}, byte {array.offset}"
            yield f"%{number}: {where}, {array.dtype}{list(array.shape)} by {list(array.strides)}"


def arrange(plan: Plan, states: Sequence[Strides], machine: Machine) -> Memory:
    """The memory of a plan whose states have these strides, in entries."""
    arranger = _Arranger(plan, states, machine)
    for time, kernel in enumerate(plan.kernels):
        if isinstance(kernel, Product) and packs_at_start(plan, kernel):
            arranger.pack(time, kernel, since=0)
    for time, kernel in enumerate(plan.kernels):
        arranger.begin(time)
        for each in kernel.computes:
            arranger.write(time, kernel, each)
        if isinstance(kernel, Product) and not packs_at_start(plan, kernel):
            arranger.pack(time, kernel, since=time)
    return arranger.memory()


class _Arranger:
    """Gives each array its memory. `time` is a kernel's number."""

    def __init__(self, plan: Plan, states: Sequence[Strides], machine: Machine) -> None:
        self.plan, self.states, self.machine = plan, states, machine
        self.ops: dict[int, Array] = {}
        self.targets: dict[tuple[str, int], Array] = {}
        self.packed: dict[int, Array] = {}
        self.constants: list[Any] = []
        self.scratch = _Scratch()
        self.last_reads = _last_reads(plan)
        self.shared = _shared(plan, self.last_reads)
        self.offsets: dict[int, int] = {}  # of ops that a collective kernel reads or computes
        for number, op in enumerate(plan.graph.ops):
            if op.primitive in LEAVES and (op.shape or op.primitive is not CONSTANT):
                self.ops[number] = self._leaf(op)
        self.first_result = plan.graph.inputs + len(states) + len(self.constants)  # its slot
        self.scratch_slot = self.first_result + len(plan.graph.results)
        self.flag = self._flag() if any(isinstance(k, Check) for k in plan.kernels) else None

    def _leaf(self, op: Op) -> Array:
        """Where a leaf lies: slots are those of inputs, then states, then constant arrays."""
        if op.primitive is STATE:
            return self._state(op, op.params["place"])
        if op.primitive is INPUT:
            return Array(op.params["place"], 0, op.shape, contiguous(op.shape), op.dtype)
        slot = self.plan.graph.inputs + len(self.states) + len(self.constants)
        self.constants.append(np.array(op.params["value"], order="C"))
        return Array(slot, 0, op.shape, contiguous(op.shape), op.dtype)

    def _state(self, op: Op, state: int) -> Array:
        slot = self.plan.graph.inputs + state
        return Array(slot, 0, op.shape, self.states[state], op.dtype)

    def _flag(self) -> Array:
        offset = self.scratch.allocate(INT64.itemsize, 0, len(self.plan.kernels))
        return Array(self.scratch_slot, offset, (), (), INT64)

    def begin(self, time: int) -> None:
        """Give memory to the collective kernels whose first argument is made at this time: what
        they compute lies one after the other there, each in place of its argument, if that may
        be."""
        for number, (first, last, in_place) in self.shared.items():
            if first != time:
                continue
            ops, sizes = self.plan.graph.ops, dict[int, int]()
            for each in self.plan.kernels[number].computes:
                size = math.prod(ops[each.op].shape) * ops[each.op].dtype.itemsize
                sizes[each.op] = -(-size // ALIGNMENT) * ALIGNMENT
            offset = self.scratch.allocate(sum(sizes.values()), first, last)
            for op, size in sizes.items():
                self.offsets[op] = offset
                if op in in_place:
                    self.offsets[ops[op].args[0]] = offset
                offset += size

    def write(self, time: int, kernel: Kernel, each: Materialized) -> None:
        """Give memory to an op that a kernel computes, unless it stays in a register."""
        if each.target is None:
            return
        op, (kind, number) = self.plan.graph.ops[each.op], each.target
        if kind == "state":
            array = self._state(op, number)
        elif kind == "result":
            slot = self.first_result + number
            array = Array(slot, 0, op.shape, contiguous(op.shape), op.dtype)
        else:
            size = math.prod(op.shape) * op.dtype.itemsize
            offset = self.offsets.get(each.op, -1)
            if offset < 0:
                offset = self.scratch.allocate(size, time, self.last_reads.get(each.op, time))
            strides = self._strides(kernel, each)
            array = Array(self.scratch_slot, offset, op.shape, strides, op.dtype)
        self.ops[each.op] = self.targets[each.target] = array

    def _strides(self, kernel: Kernel, each: Materialized) -> Strides:
        op = self.plan.graph.ops[each.op]
        if not isinstance(kernel, Collective):
            return _dense_strides(kernel, each.index, op.shape)
        (arg,) = op.args
        is_in_place = self.offsets.get(arg) == self.offsets[each.op]
        return self.ops[arg].strides if is_in_place else contiguous(op.shape)

    def pack(self, time: int, kernel: Product, since: int) -> None:
        """Give memory to the packed right operand of a product, if it is packed."""
        how = tiling(self.plan.graph, kernel.op, self.ops, self.machine)
        if how.packs:
            size, dtype = how.packed_size(), self.plan.graph.ops[kernel.op].dtype
            offset = self.scratch.allocate(size * dtype.itemsize, since, time)
            self.packed[time] = Array(self.scratch_slot, offset, (size,), (1,), dtype)

    def memory(self) -> Memory:
        """What has been arranged."""
        constants, slots = tuple(self.constants), self.scratch_slot + 1
        size = self.scratch.size
        return Memory(self.ops, self.targets, self.packed, constants, size, slots, self.flag)


def packs_at_start(plan: Plan, kernel: Product) -> bool:
    """Whether the right operand of a product is an input or a state, and can be packed at once."""
    right = plan.graph.ops[kernel.op].args[1]
    return plan.graph.ops[view_base(plan.graph, right)].primitive in (INPUT, STATE)


def _shared(plan: Plan, last_reads: dict[int, int]) -> dict[int, tuple[int, int, set[int]]]:
    """Of each collective kernel: when the memory that it works on is first written and last read;
    and which of its ops are computed in the place of their argument, which nobody reads later."""
    made = {
        each.op: time
        for time, kernel in enumerate(plan.kernels)
        for each in kernel.computes
        if each.target and each.target[0] == "scratch" and not isinstance(kernel, Collective)
    }
    ops = plan.graph.ops
    shared, taken = dict[int, tuple[int, int, set[int]]](), set[int]()
    for time, kernel in enumerate(plan.kernels):
        if not isinstance(kernel, Collective):
            continue
        first, last, in_place = time, time, set[int]()
        for each in kernel.computes:
            (arg,) = ops[each.op].args
            last = max(last, last_reads.get(each.op, time))
            own = arg in made and last_reads.get(arg) == time and arg not in taken
            if own and ops[arg].dtype == ops[each.op].dtype:
                taken.add(arg)
                in_place.add(each.op)
                first = min(first, made[arg])
        shared[time] = first, last, in_place
    return shared


def _last_reads(plan: Plan) -> dict[int, int]:
    """Of each op, the last kernel that reads it."""
    reads = {op: time for time, kernel in enumerate(plan.kernels) for op in kernel.inputs}
    return reads | dict.fromkeys(plan.graph.kept, len(plan.kernels))


def _dense_strides(kernel: Kernel, index: Index, shape: Shape) -> Strides:
    """Strides of an op's array with which a kernel writes its entries one after the other."""
    order = contiguous(kernel.domain)
    dense = contiguous(shape)
    stride = {p.names()[0]: n for p, n in zip(kernel.index, order, strict=True) if p.terms}
    return tuple(stride[p.names()[0]] if p.terms else n for p, n in zip(index, dense, strict=True))


class _Scratch:
    """Scratch memory, allocated for live ranges of arrays, first fit."""

    def __init__(self) -> None:
        self.size = 0
        self.live: list[tuple[int, int, int]] = []  # first byte, end, last use

    def allocate(self, size: int, first_use: int, last_use: int) -> int:
        """The offset of so many bytes that nobody else has from the first use to the last. Calls
        come in the order of first uses."""
        size = -(-max(size, 1) // ALIGNMENT) * ALIGNMENT
        self.live = sorted(t for t in self.live if t[2] >= first_use)
        start = 0
        for begin, end, _ in self.live:
            if start + size <= begin:
                break
            start = max(start, end)
        self.live.append((start, start + size, last_use))
        self.size = max(self.size, start + size)
        return start
