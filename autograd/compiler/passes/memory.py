"""Stage 3, from kernels to memory: where every array of a step lies.

A step is given one block of pointers: to its inputs, states, constant arrays and results, and to
one stretch of memory in which everything between lies, each array only while it is needed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...primitives.expressions import INT64, Index, Shape, contiguous
from .entries import source
from .kernels import Check, Kernel, Plan, Product, Stored
from .simplify import CONSTANT, INPUT, LEAVES, STATE, Op
from .tiling import Machine, tiling

LINE = 64  # a cache line, and the widest vector

Strides = tuple[int, ...]


@dataclass(frozen=True)
class Array:
    """Where an array begins: bytes from the pointer in a slot of the block; strides in entries."""

    slot: int
    offset: int
    shape: Shape
    strides: Strides
    dtype: Any

    @property
    def size(self) -> int:
        """How many bytes its entries are."""
        return math.prod(self.shape) * int(self.dtype.itemsize)

    @property
    def extent(self) -> int:
        """From the first entry to behind the last one, in entries."""
        if 0 in self.shape:
            return 0
        ends = ((n - 1) * stride for n, stride in zip(self.shape, self.strides, strict=True))
        return 1 + sum(end for end in ends if end > 0)

    def overlaps(self, other: Array) -> bool:
        """Whether they share bytes."""
        one, two = (array.offset + array.size for array in (self, other))
        return self.slot == other.slot and self.offset < two and other.offset < one


@dataclass(frozen=True)
class Memory:
    """Where each op in memory lies, where states and results are written, the packed operands of
    products by kernel, how many bytes the stretch between has, and the flag, if there are checks:
    not 0 once a position was out of range."""

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
        yield f"{self.size} bytes between inputs and results"
        for number, array in self.ops.items():
            where = f"slot {array.slot}, byte {array.offset}"
            yield f"%{number}: {where}, {array.dtype}{list(array.shape)} by {list(array.strides)}"


def arrange(plan: Plan, states: Sequence[Strides], machine: Machine) -> Memory:
    """The memory of a plan whose states have these strides, in entries."""
    arranger = _Arranger(plan, states, machine)
    for time, kernel in enumerate(plan.kernels):
        if isinstance(kernel, Product) and packs_early(plan, kernel):
            arranger.pack(time, kernel, since=0)
    for time, kernel in enumerate(plan.kernels):
        for store in kernel.stores:
            arranger.store(time, kernel, store)
        if isinstance(kernel, Product) and not packs_early(plan, kernel):
            arranger.pack(time, kernel, since=time)
    return arranger.memory()


class _Arranger:
    """Memory as it is handed out. `time` is a kernel's number."""

    def __init__(self, plan: Plan, states: Sequence[Strides], machine: Machine) -> None:
        self.plan, self.states, self.machine = plan, states, machine
        self.ops: dict[int, Array] = {}
        self.targets: dict[tuple[str, int], Array] = {}
        self.packed: dict[int, Array] = {}
        self.constants: list[Any] = []
        self.room = _Room()
        self.ends = _last_reads(plan)
        for number, op in enumerate(plan.graph.ops):
            if op.primitive in LEAVES and (op.shape or op.primitive is not CONSTANT):
                self.ops[number] = self._leaf(op)
        self.results = plan.graph.inputs + len(states) + len(self.constants)  # the first's slot
        self.between = self.results + len(plan.graph.results)
        self.flag = self._flag() if any(isinstance(k, Check) for k in plan.kernels) else None

    def _leaf(self, op: Op) -> Array:
        """Inputs come first in the block, then states, then constant arrays."""
        if op.primitive is STATE:
            return self._state(op, op.params["place"])
        if op.primitive is INPUT:
            return Array(op.params["place"], 0, op.shape, contiguous(op.shape), op.dtype)
        slot = self.plan.graph.inputs + len(self.states) + len(self.constants)
        self.constants.append(np.array(op.params["value"], order="C"))
        return Array(slot, 0, op.shape, contiguous(op.shape), op.dtype)

    def _state(self, op: Op, place: int) -> Array:
        slot = self.plan.graph.inputs + place
        return Array(slot, 0, op.shape, self.states[place], op.dtype)

    def _flag(self) -> Array:
        offset = self.room.take(INT64.itemsize, 0, len(self.plan.kernels))
        return Array(self.between, offset, (), (), INT64)

    def store(self, time: int, kernel: Kernel, store: Stored) -> None:
        """Where an op that a kernel computes goes, if it is kept."""
        if store.target is None:
            return
        op, (kind, place) = self.plan.graph.ops[store.op], store.target
        if kind == "state":
            array = self._state(op, place)
        elif kind == "result":
            array = Array(self.results + place, 0, op.shape, contiguous(op.shape), op.dtype)
        else:
            strides = _along(kernel, store.index, op.shape)
            size = math.prod(op.shape) * op.dtype.itemsize
            offset = self.room.take(size, time, self.ends.get(store.op, time))
            array = Array(self.between, offset, op.shape, strides, op.dtype)
        self.ops[store.op] = self.targets[store.target] = array

    def pack(self, time: int, kernel: Product, since: int) -> None:
        """Room for a product's right operand in panels, if they are made."""
        how = tiling(self.plan.graph, kernel.anchor, self.ops, self.machine)
        if how.packs:
            size, dtype = how.packed_size(), self.plan.graph.ops[kernel.anchor].dtype
            offset = self.room.take(size * dtype.itemsize, since, time)
            self.packed[time] = Array(self.between, offset, (size,), (1,), dtype)

    def memory(self) -> Memory:
        """All of it."""
        constants, slots = tuple(self.constants), self.between + 1
        size = self.room.size
        return Memory(self.ops, self.targets, self.packed, constants, size, slots, self.flag)


def packs_early(plan: Plan, kernel: Product) -> bool:
    """Whether a product's right operand is there from the beginning, and can be packed then."""
    right = plan.graph.ops[kernel.anchor].args[1]
    return plan.graph.ops[source(plan.graph, right)].primitive in (INPUT, STATE)


def _last_reads(plan: Plan) -> dict[int, int]:
    """Of each op, the last kernel that reads it."""
    ends = {op: time for time, kernel in enumerate(plan.kernels) for op in kernel.inputs}
    return ends | dict.fromkeys(plan.graph.kept, len(plan.kernels))


def _along(kernel: Kernel, index: Index, shape: Shape) -> Strides:
    """Strides that let a kernel write its entries one after the other."""
    order = contiguous(kernel.domain)
    dense = contiguous(shape)
    place = {p.names()[0]: n for p, n in zip(kernel.index, order, strict=True) if p.terms}
    return tuple(place[p.names()[0]] if p.terms else n for p, n in zip(index, dense, strict=True))


class _Room:
    """Memory handed out for stretches of time, first fit."""

    def __init__(self) -> None:
        self.size = 0
        self.taken: list[tuple[int, int, int]] = []  # from byte, to byte, until when

    def take(self, size: int, now: int, until: int) -> int:
        size = -(-max(size, 1) // LINE) * LINE
        self.taken = sorted(t for t in self.taken if t[2] >= now)
        start = 0
        for begin, end, _ in self.taken:
            if start + size <= begin:
                break
            start = max(start, end)
        self.taken.append((start, start + size, until))
        self.size = max(self.size, start + size)
        return start
