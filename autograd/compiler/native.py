"""Run a compiled step: bind its arrays, call its functions, do with NumPy what has no C."""

from __future__ import annotations

import ctypes
import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..graph import counter
from . import build
from .kernels import Kernel, Plan, plan
from .lower import Code, lower
from .memory import LINE, Array, Memory, arrange
from .program import Assign, Program
from .replay import replay
from .simplify import CONSTANT, Graph, RefusedError, Spec, simplify

LOG = logging.getLogger("autograd.jit")


@dataclass(frozen=True)
class Lowered:
    """A program at every stage of its way to C."""

    program: Program
    graph: Graph
    plan: Plan
    memory: Memory
    code: Code

    def __str__(self) -> str:
        stages = (self.program, self.graph, self.plan, self.memory, self.code.source)
        return "\n\n".join(map(str, stages))


def lowered(program: Program, inputs: Sequence[Spec], states: Sequence[Any]) -> Lowered:
    """Compile a program as far as C. states: the arrays, whose strides it is made for."""
    graph = simplify(program, inputs)
    planned = plan(graph)
    machine = build.machine()
    memory = arrange(planned, [_strides(array) for array in states], machine)
    return Lowered(program, graph, planned, memory, lower(planned, memory, machine))


def _strides(array: Any) -> tuple[int, ...]:
    """The strides in entries."""
    if any(stride % array.itemsize for stride in array.strides) or not array.flags.aligned:
        raise RefusedError("a state's entries do not lie at multiples of their size")
    return tuple(stride // array.itemsize for stride in array.strides)


def runner(program: Program, inputs: Sequence[Any]) -> Any:
    """A function that does a step on input arrays such as these, compiled if that is possible."""
    if build.compiler() is None:
        return lambda arrays: replay(program, arrays)
    try:
        return Native(program, [(array.shape, array.dtype) for array in inputs])
    except RefusedError as refusal:
        LOG.warning("a step is replayed by NumPy, not compiled: %s", refusal)
        return lambda arrays: replay(program, arrays)


class Native:
    """A compiled step; calling it with input arrays gives the results."""

    def __init__(self, program: Program, inputs: Sequence[Spec]) -> None:
        self.program, self.inputs = program, inputs
        self.lock = threading.Lock()
        self.layout: Any = None
        self.bound: list[Any] = []
        self._bind()

    @property
    def left_to_numpy(self) -> list[str]:
        """The rows that NumPy computes."""
        ops = self.lowered.plan.graph.ops
        segments = self.lowered.code.segments
        return [ops[s.anchor or 0].row.name for s in segments if isinstance(s, Kernel)]

    def __call__(self, inputs: Sequence[Any]) -> list[Any]:
        with self.lock:
            return self._run(inputs)

    def _run(self, inputs: Sequence[Any]) -> list[Any]:
        states = self.program.states
        for (_, tensor), array in zip(states, self.bound, strict=True):
            if tensor._data is not array:
                self._bind()
                break
        if self.shared or self._touch(inputs):
            return replay(self.program, inputs)
        block = self.block
        arrays = [
            x if x.flags.c_contiguous and x.flags.aligned else np.array(x, order="C")
            for x in inputs
        ]
        results = [np.empty(shape, dtype) for shape, dtype in self.results]
        for i, array in enumerate(arrays):
            block[i] = _address(array)
        for i, array in enumerate(results, self.first_result):
            block[i] = _address(array)
        if self.check and not self.check(block):
            return replay(self.program, inputs)
        for segment in self.segments:
            if isinstance(segment, Kernel):
                self._numpy(segment, [*arrays, *self.bound, *self.constants, *results, self.room])
            else:
                self.run(segment, block, self.parts)
        for tensor in self.written:
            tensor.index = next(counter)
        return results

    # --- what it is bound to ---

    def _bind(self) -> None:
        """Compile for the states' arrays as they lie now, and point at them."""
        states = self.program.states
        self.bound = [tensor._data for _, tensor in states]
        layout = [(array.strides, array.flags.aligned) for array in self.bound]
        if layout != self.layout:
            self._compile()
            self.layout = layout
        for i, array in enumerate(self.bound, len(self.inputs)):
            self.block[i] = _address(array)
        spans = [_span(array) for array in self.bound]
        tensors = [tensor for _, tensor in states]
        self.spans = [span for span, t in zip(spans, tensors, strict=True) if t in self.written]
        self.shared = any(_meet(one, other) for i, one in enumerate(spans) for other in spans[:i])

    def _compile(self) -> None:
        self.lowered = lowered(self.program, self.inputs, self.bound)
        code, memory, graph = self.lowered.code, self.lowered.memory, self.lowered.plan.graph
        library = build.library(code.source)
        self.check = library.check if code.checks else None
        self.segments = [
            s if isinstance(s, Kernel) else ctypes.cast(getattr(library, s), ctypes.c_void_p)
            for s in code.segments
        ]
        self.run, self.parts = build.pool().run, ctypes.c_long(build.threads())
        slots = dict(self.program.states)
        assigned = {step.state for step in self.program.steps if isinstance(step, Assign)}
        self.written = [slots[slot] for slot in assigned]
        self.results = [(graph.ops[n].shape, graph.ops[n].dtype) for n in graph.results]
        self.first_result = memory.slots - 1 - len(self.results)
        self.constants = memory.constants
        self.room = _aligned(memory.size)
        self.block = (ctypes.c_void_p * memory.slots)()
        fixed = (*self.constants, *self.results, self.room)
        for i, array in enumerate(fixed, len(self.inputs) + len(self.program.states)):
            if isinstance(array, np.ndarray):
                self.block[i] = _address(array)

    def _touch(self, inputs: Sequence[Any]) -> bool:
        """Whether an input shares memory with a state that is written."""
        spans = [_span(array) for array in inputs]
        return any(_meet(span, other) for span in spans for other in self.spans)

    # --- what has no C ---

    def _numpy(self, kernel: Kernel, slots: Sequence[Any]) -> None:
        ops, memory = self.lowered.plan.graph.ops, self.lowered.memory
        assert kernel.anchor is not None
        op = ops[kernel.anchor]
        args = [
            ops[arg].params["value"] if ops[arg].row is CONSTANT else _view(memory.ops[arg], slots)
            for arg in op.args
        ]
        with np.errstate(all="ignore"):
            out = op.row.on_array(*args, **op.params)
        np.copyto(_view(memory.ops[kernel.anchor], slots), out)


def _view(array: Array, slots: Sequence[Any]) -> Any:
    """An array of the step as NumPy sees it."""
    base = slots[array.slot]
    if array.offset or base.dtype != array.dtype or base.shape != array.shape:
        strides = [stride * array.dtype.itemsize for stride in array.strides]
        return np.ndarray(array.shape, array.dtype, base, array.offset, strides)
    return base


def _address(array: Any) -> int:
    return int(array.__array_interface__["data"][0])


def _aligned(size: int) -> Any:
    room = np.empty(size + LINE, np.uint8)
    start = -_address(room) % LINE
    return room[start : start + size]


def _span(array: Any) -> tuple[int, int]:
    """From where to where an array's entries lie."""
    first, last = np.lib.array_utils.byte_bounds(array) if array.size else (0, 0)
    return int(first), int(last)


def _meet(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] < other[1] and other[0] < one[1]
