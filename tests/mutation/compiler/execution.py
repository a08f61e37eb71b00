"""Runs a lowered step by the interpreter, on memory that is watched.

Threads are not needed to find what they would do to each other: who reads and who writes which byte
is written down for each share of each run, and for each turn of a loop in lanes. Two shares between
which there is no barrier, or two such turns, of which one writes what the other touches are a
fault, and so is a read of what nobody has written.
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

SHARES = 3  # what is shared is done in so many parts
GAP = 64  # bytes between arrays
RUN = interpret._run
POISON = 0xFF  # a nan, of floats; -1, of integers


class FaultError(Exception):
    """A step that does what no order of its threads makes right."""


class Block:
    """The memory of a step. arrays: one for each slot, None where nothing is there at first."""

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
        """An array in it, of NumPy's."""
        first = self.starts[array.slot] + array.offset
        steps = [stride * array.dtype.itemsize for stride in array.strides]
        return np.ndarray(array.shape, array.dtype, self.bytes, first, steps)

    def copied(self, slot: int, array: Any) -> Any:
        """A copy of what is in a slot, which an array such as this was put into."""
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


class _Share:
    """What one thread does between two barriers: the bytes that it reads and writes."""

    def __init__(self, block: Block) -> None:
        self.block = block
        self.reads = np.zeros(block.bytes.size, bool)
        self.writes = np.zeros(block.bytes.size, bool)
        self.turn: tuple[set[int], set[int]] = set(), set()  # what one reads, and writes

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
        """Run one, in the place of the interpreter: lanes turn by turn."""
        if not (isinstance(statement, For) and statement.mark == "lanes"):
            RUN(statement, variables, arrays, function)
            return
        read, written = set[int](), set[int]()
        first, last = (
            int(interpret.evaluate(bound, variables)) for bound in (statement.first, statement.last)
        )
        for i in range(first, last, statement.step):
            self.turn = reads, writes = set(), set()
            bounds = (Const(at, INT64) for at in (i, i + 1))
            alone = replace(statement, **dict(zip(("first", "last"), bounds, strict=True)), mark="")
            RUN(alone, variables, arrays, function)
            if writes & (read | written) or reads & written:
                raise FaultError("a lane touches what another writes")
            read, written = read | reads, written | writes


class _Watched:
    """An array of a share, as the interpreter sees it."""

    def __init__(self, share: _Share, dtype: Any, size: int, slot: int, offset: int) -> None:
        self.share, self.dtype, self.shape = share, dtype, (size,)
        self.first, self.itemsize = share.block.starts[slot] + offset, dtype.itemsize
        last = self.first + size * self.itemsize
        self.entries = share.block.bytes[self.first : last].view(dtype)

    def __len__(self) -> int:
        return int(self.shape[0])

    def bytes(self, at: int) -> slice:
        start = self.first + at * self.itemsize
        return slice(start, start + self.itemsize)

    def __getitem__(self, at: int) -> Any:
        place = self.bytes(at)
        if not self.share.block.written[place.start]:
            raise FaultError("what nobody has written is read")
        self.share.reads[place] = True
        self.share.turn[0].add(place.start)
        return self.entries[at]

    def __setitem__(self, at: int, value: Any) -> None:
        place = self.bytes(at)
        self.share.writes[place] = self.share.block.written[place] = True
        self.share.turn[1].add(place.start)
        self.entries[at] = value


def execute(step: Lowered, block: Block) -> bool:
    """Do a step; whether it came to its end, and no position was out of range."""
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
    """Runs that wait for none of their own: those without shares one after the other, by one
    thread, and all other shares as they come, here from the last to the first."""
    shares = list[_Share]()
    for run in reversed(group):
        for part in reversed(range(SHARES if run.parts else 0)):
            shares.append(_Share(block))
            shares[-1].run(run, part, SHARES)
    shares.append(_Share(block))
    for run in group:
        if not run.parts:
            shares[-1].run(run, 0, 1)
    writers = np.sum([share.writes for share in shares], 0, dtype=np.int16)
    for share in shares:
        others = writers - share.writes
        if (others[share.reads | share.writes] > 0).any():
            raise FaultError("a share touches what another writes at the same time")
