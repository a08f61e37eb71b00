"""How long each function of a compiled step takes, measured on memory of its own."""

from __future__ import annotations

import ctypes
import time
from typing import Any

import numpy as np

from ..passes.kernels import ByNumpy
from ..passes.memory import Array
from ..passes.simplify import INPUT, STATE
from ..passes.stages import Stages
from ..printers.c_files import timed
from . import build
from .arrays import address, aligned_bytes, view
from .segments import entry_points, run_by_numpy

ROUNDS = 15
ROUND_SECONDS, MAX_STEPS = 5e-3, 50  # of a round; each round begins with the same states


def measure(lowered: Stages) -> list[float]:
    """Seconds of each of `lowered.costs`: the least of some rounds, because other work on the
    machine only adds.

    The functions run one after the other as in a step, so each finds the caches as there; but all
    threads wait for each other after each function.
    """
    step = _BoundStep(lowered)
    step.run(1)  # touches the memory first
    start = time.perf_counter()
    step.run(1)
    count = min(max(int(ROUND_SECONDS / (time.perf_counter() - start)), 1), MAX_STEPS)
    rounds = [step.run(count) for _ in range(ROUNDS)]
    return [float(seconds) for seconds in np.min(rounds, axis=0)]


class _BoundStep:
    """A step bound to memory of its own: copies of the states, and invented inputs."""

    def __init__(self, lowered: Stages) -> None:
        self.lowered, code, memory = lowered, lowered.code, lowered.memory
        self.pool, self.threads = build.pool(), ctypes.c_long(build.threads())
        laps = {cost.name: i for i, cost in enumerate(code.costs, 1)}
        source = timed(code.compiled, lowered.machine, laps, memory.slots)
        library = build.library([source], tuple(code.compiled))
        self.segments = entry_points(code, library)
        kernels = lowered.plan.kernels
        self.numbers = {kernels[cost.kernel]: i for i, cost in enumerate(code.costs, 1)}
        self.laps = np.zeros(1 + len(code.costs))
        results = [empty(memory.targets["result", i]) for i in range(len(lowered.graph.results))]
        between = [*memory.constants, *results, aligned_bytes(memory.size), self.laps]
        self.inputs = [self._leaf(INPUT, i) for i in range(lowered.graph.inputs)]
        self.states = [self._leaf(STATE, i) for i in range(len(lowered.program.states))]
        self.slots = [*self.inputs, *self.states, *between]
        self.flag = np.zeros(()) if memory.flag is None else view(memory.flag, self.slots)
        self.block = (ctypes.c_void_p * len(self.slots))(*map(address, self.slots))
        self._invent_inputs()

    def _leaf(self, prim: Any, place: int) -> Any:
        """Memory for an input or a state; empty if the step does not use it."""
        ops, memory = self.lowered.plan.graph.ops, self.lowered.memory
        numbers = (
            n for n, op in enumerate(ops) if op.primitive is prim and op.params["place"] == place
        )
        number = next(numbers, None)
        written = memory.targets.get(("state", place)) if prim is STATE else None
        array = written if number is None else memory.ops[number]
        return np.empty(0) if array is None else empty(array)

    def _invent_inputs(self) -> None:
        """Random floats. Integers are 0, which is in range as any label or index."""
        generator = np.random.default_rng(0)
        for array in self.inputs:
            array[...] = generator.standard_normal(array.shape) if array.dtype.kind == "f" else 0

    def run(self, count: int) -> Any:
        """Run steps from the states as they are outside; the mean seconds of each function."""
        for array, (_, tensor) in zip(self.states, self.lowered.program.states, strict=True):
            if array.shape == tensor.shape:
                array[...] = tensor.data
        self.laps[:] = 0.0
        for _ in range(count):
            for segment in self.segments:
                if isinstance(segment, ByNumpy):
                    self._run_numpy(segment)
                else:
                    self._run_compiled(segment)
        return self.laps[1:] / count

    def _run_compiled(self, segment: Any) -> None:
        self.flag[...] = 0
        self.pool.run(segment, self.block, self.threads, ctypes.c_void_p(address(self.flag)))
        if self.flag:
            raise IndexError("measure: an index is out of range, computed from the invented inputs")

    def _run_numpy(self, kernel: ByNumpy) -> None:
        start = time.perf_counter()
        run_by_numpy(self.lowered, kernel, self.slots)
        self.laps[self.numbers[kernel]] += time.perf_counter() - start


def empty(array: Array) -> Any:
    """Memory with an array's strides, which may leave gaps or go backwards."""
    size = array.dtype.itemsize
    ends = [(n - 1) * stride for n, stride in zip(array.shape, array.strides, strict=True)]
    if any(n == 0 for n in array.shape):
        return np.empty(array.shape, array.dtype)
    first, last = sum(min(end, 0) for end in ends), sum(max(end, 0) for end in ends)
    block = aligned_bytes((last - first + 1) * size)
    return np.ndarray(
        array.shape, array.dtype, block, -first * size, [s * size for s in array.strides]
    )
