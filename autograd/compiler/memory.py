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

from .expressions import source
from .kernels import Kernel, Plan
from .places import Shape, contiguous
from .product import Machine, product
from .simplify import CONSTANT, INPUT, STATE

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

    def overlaps(self, other: Array) -> bool:
        """Whether they share bytes."""
        one, two = (array.offset + array.size for array in (self, other))
        return self.slot == other.slot and self.offset < two and other.offset < one


@dataclass(frozen=True)
class Memory:
    """Where each op in memory lies, where states and results are written, the packed operands of
    products by kernel, and how many bytes the stretch between has."""

    ops: dict[int, Array]
    targets: dict[tuple[str, int], Array]
    packed: dict[int, Array]
    constants: tuple[Any, ...]
    size: int
    slots: int

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield f"{self.size} bytes between inputs and results"
        for number, array in self.ops.items():
            where = f"slot {array.slot}, byte {array.offset}"
            yield f"%{number}: {where}, {array.dtype}{list(array.shape)} by {list(array.strides)}"


def arrange(plan: Plan, states: Sequence[Strides], machine: Machine) -> Memory:
    """The memory of a plan whose states have these strides, in entries."""
    graph = plan.graph
    inputs = graph.inputs
    ops: dict[int, Array] = {}
    constants: list[Any] = []
    for number, op in enumerate(graph.ops):
        dense = contiguous(op.shape)
        if op.row is INPUT:
            ops[number] = Array(op.params["place"], 0, op.shape, dense, op.dtype)
        elif op.row is STATE:
            place = op.params["place"]
            ops[number] = Array(inputs + place, 0, op.shape, states[place], op.dtype)
        elif op.row is CONSTANT and op.shape:
            slot = inputs + len(states) + len(constants)
            ops[number] = Array(slot, 0, op.shape, dense, op.dtype)
            constants.append(np.array(op.params["value"], order="C"))
    first = inputs + len(states) + len(constants)
    last = first + len(graph.results)
    targets: dict[tuple[str, int], Array] = {}
    packed: dict[int, Array] = {}
    room = _Room()
    ends = _last_reads(plan)

    def pack(time: int, kernel: Kernel, since: int) -> None:
        found = product(plan, kernel, ops, machine)
        if found.packs:
            size, dtype = found.packed_size(), graph.ops[kernel.anchor or 0].dtype
            offset = room.take(size * dtype.itemsize, since, time)
            packed[time] = Array(last, offset, (size,), (1,), dtype)

    for time, kernel in enumerate(plan.kernels):
        if packs_early(plan, kernel):
            pack(time, kernel, 0)
    for time, kernel in enumerate(plan.kernels):
        for store in kernel.stores:
            op = graph.ops[store.op]
            if store.target is None:
                continue
            kind, place = store.target
            if kind == "state":
                array = Array(inputs + place, 0, op.shape, states[place], op.dtype)
            elif kind == "result":
                array = Array(first + place, 0, op.shape, contiguous(op.shape), op.dtype)
            else:
                strides = _along(kernel, store.index, op.shape)
                size = math.prod(op.shape) * op.dtype.itemsize
                offset = room.take(size, time, ends.get(store.op, time))
                array = Array(last, offset, op.shape, strides, op.dtype)
            ops[store.op] = targets[store.target] = array
        if kernel.kind == "matmul" and not packs_early(plan, kernel):
            pack(time, kernel, time)
    return Memory(ops, targets, packed, tuple(constants), room.size, last + 1)


def packs_early(plan: Plan, kernel: Kernel) -> bool:
    """Whether a product's right operand is there from the beginning, and can be packed then."""
    if kernel.kind != "matmul" or kernel.anchor is None:
        return False
    right = plan.graph.ops[kernel.anchor].args[1]
    return plan.graph.ops[source(plan.graph, right)].row in (INPUT, STATE)


def _last_reads(plan: Plan) -> dict[int, int]:
    """Of each op, the last kernel that reads it."""
    ends = {op: time for time, kernel in enumerate(plan.kernels) for op in kernel.reads}
    return ends | dict.fromkeys(plan.graph.kept, len(plan.kernels))


def _along(kernel: Kernel, index: Any, shape: Shape) -> Strides:
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
