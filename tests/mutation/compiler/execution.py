"""Runs a lowered step with the interpreter, on memory that is watched.

Races are found without threads: the bytes that each part of each run reads and writes are recorded,
and those of each iteration of a loop in lanes. It is a fault if one of two parts without a barrier
between them, or one of two such iterations, writes what the other reads or writes; and so is a read
of what nobody has written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Any
from unittest.mock import patch

import numpy as np

from autograd.compiler.language import interpret
from autograd.compiler.language.statements import For, Run
from autograd.compiler.passes.kernels import ByNumpy
from autograd.compiler.passes.memory import Array
from autograd.compiler.runtime.lowered import Lowered
from autograd.compiler.runtime.segments import run_by_numpy
from autograd.primitives.expressions import INT64, Const

PARTS = 3  # of each run that is done in parts
GAP = 64  # bytes between arrays
RUN = interpret._run
POISON = 0xFF  # nan as a float, -1 as an integer


class FaultError(Exception):
    """A step has a race, or reads or writes where it must not."""


class Block:
    """The memory of a step. arrays: the first values of each slot, or None."""

    def __init__(self, arrays: Sequence[Any], sizes: Sequence[int]) -> None:
        room = [-(-size // GAP) * GAP + GAP for size in sizes]
        self.sizes, self.starts = sizes, [0, *accumulate(room)]
        self.bytes = np.full(self.starts[-1], POISON, np.uint8)
        self.written = np.zeros(self.starts[-1], bool)
        for slot, array in enumerate(arrays):
            if array is not None:
                self.view(Array(slot, 0, array.shape, strides(array), array.dtype))[...] = array
                self.written[self.starts[slot] : self.starts[slot] + sizes[slot]] = True

    def view(self, array: Array) -> Any:
        """An array of the step as a NumPy array."""
        first = self.starts[array.slot] + array.offset
        steps = [stride * array.dtype.itemsize for stride in array.strides]
        return np.ndarray(array.shape, array.dtype, self.bytes, first, steps)

    def copied(self, slot: int, array: Any) -> Any:
        """A copy of a slot's values, as an array that lies as this one does."""
        return self.view(Array(slot, 0, array.shape, strides(array), array.dtype)).copy()

    def slots(self) -> list[Any]:
        """The bytes of each slot."""
        return [
            self.bytes[start : start + size]
            for start, size in zip(self.starts, self.sizes, strict=False)
        ]


def strides(array: Any) -> tuple[int, ...]:
    """In entries; of arrays that do not run backwards."""
    assert all(stride >= 0 for stride in array.strides)
    return tuple(stride // array.itemsize for stride in array.strides)


class _Accesses:
    """The bytes that a part of a run, or a thread between two barriers, reads and writes."""

    def __init__(self, block: Block) -> None:
        self.block = block
        self.reads = np.zeros(block.bytes.size, bool)
        self.writes = np.zeros(block.bytes.size, bool)
        self.iteration: tuple[set[int], set[int]] = set(), set()  # reads and writes of one in lanes

    def run(self, run: Run, part: int, parts: int) -> None:
        given = {}
        for array, (slot, offset) in zip(run.function.arrays, run.arrays, strict=True):
            size = array.size * array.dtype.itemsize
            if not 0 <= offset <= self.block.sizes[slot] - size:
                raise FaultError(f"{run.name} is given {array} at byte {offset} of slot {slot}")
            given[array.name] = _Watched(self, array.dtype, array.size, slot, offset)
        with patch.object(interpret, "_run", self.statement):
            interpret.interpret(run.function, given, part, parts)

    def statement(self, statement: Any, variables: Any, arrays: Any, function: Any) -> None:
        """Run a statement in place of the interpreter: lanes one iteration at a time."""
        if not (isinstance(statement, For) and statement.mark == "lanes"):
            RUN(statement, variables, arrays, function)
            return
        read, written = set[int](), set[int]()
        first, last = (
            int(interpret.evaluate(bound, variables)) for bound in (statement.first, statement.last)
        )
        for i in range(first, last, statement.step):
            self.iteration = reads, writes = set(), set()
            bounds = (Const(at, INT64) for at in (i, i + 1))
            alone = replace(statement, **dict(zip(("first", "last"), bounds, strict=True)), mark="")
            RUN(alone, variables, arrays, function)
            if writes & (read | written) or reads & written:
                raise FaultError("a lane touches what another writes")
            read, written = read | reads, written | writes


class _Watched:
    """An array that the interpreter is given: it records what is read and written."""

    def __init__(self, accesses: _Accesses, dtype: Any, size: int, slot: int, offset: int) -> None:
        self.accesses, self.dtype, self.shape = accesses, dtype, (size,)
        self.first, self.itemsize = accesses.block.starts[slot] + offset, dtype.itemsize
        last = self.first + size * self.itemsize
        self.entries = accesses.block.bytes[self.first : last].view(dtype)

    def __len__(self) -> int:
        return int(self.shape[0])

    def bytes(self, at: int) -> slice:
        start = self.first + at * self.itemsize
        return slice(start, start + self.itemsize)

    def __getitem__(self, at: int) -> Any:
        bytes = self.bytes(at)
        if not self.accesses.block.written[bytes.start]:
            raise FaultError("what nobody has written is read")
        self.accesses.reads[bytes] = True
        self.accesses.iteration[0].add(bytes.start)
        return self.entries[at]

    def __setitem__(self, at: int, value: Any) -> None:
        bytes = self.bytes(at)
        self.accesses.writes[bytes] = self.accesses.block.written[bytes] = True
        self.accesses.iteration[1].add(bytes.start)
        self.entries[at] = value


def execute(step: Lowered, block: Block) -> bool:
    """Run a step; whether it came to its end, with no position out of range."""
    flag = None if step.memory.flag is None else block.view(step.memory.flag)
    if flag is not None:
        flag[...] = 0
    for segment in step.code.segments:
        if isinstance(segment, ByNumpy):
            _by_numpy(step, segment, block)
            continue
        for group in segment:
            execute_group(group, block)
            if flag is not None and flag:
                return False
    return True


def _by_numpy(step: Lowered, kernel: ByNumpy, block: Block) -> None:
    run_by_numpy(step, kernel, block.slots())
    array = step.memory.ops[kernel.op]
    start = block.starts[array.slot] + array.offset
    block.written[start : start + array.size] = True


def execute_group(group: Sequence[Run], block: Block) -> None:
    """Run the runs between two barriers: those without parts one after the other, by one thread,
    and all parts of the others in any order, here from the last to the first."""
    threads = list[_Accesses]()
    for run in reversed(group):
        for part in reversed(range(PARTS if run.parts else 0)):
            threads.append(_Accesses(block))
            threads[-1].run(run, part, PARTS)
    threads.append(_Accesses(block))
    for run in group:
        if not run.parts:
            threads[-1].run(run, 0, 1)
    writers = np.sum([accesses.writes for accesses in threads], 0, dtype=np.int16)
    for accesses in threads:
        others = writers - accesses.writes
        if (others[accesses.reads | accesses.writes] > 0).any():
            raise FaultError("a part touches what another writes at the same time")
