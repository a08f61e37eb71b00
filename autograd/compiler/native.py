"""Run a compiled step: bind its arrays, call its functions, do with NumPy what has no C."""

from __future__ import annotations

import ctypes
import logging
import threading
from bisect import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from ..graph import counter
from . import build
from .arrays import address, aligned, dense, span, strides, view
from .epochs import Loop
from .kernels import Kernel, Plan, plan
from .lower import Code, Cost, lower
from .memory import Memory, arrange
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

    @property
    def costs(self) -> tuple[Cost, ...]:
        """What each function of the step computes and touches: one for each kernel, and one more
        for each operand that is packed for a product."""
        return self.code.costs

    def measure(self) -> list[float]:
        """The seconds that each function takes, in the order of `costs`. The step is run, again
        and again, on memory made for it: no state changes. Raises BuildError where there is no C
        compiler."""
        from .measure import measure  # here: it is seldom wanted

        return measure(self)

    def __str__(self) -> str:
        stages = (self.program, self.graph, self.plan, self.memory, self.code)
        return "\n\n".join(map(str, stages))


def lowered(
    program: Program, inputs: Sequence[Spec], states: Sequence[Any], keep: Sequence[int] = ()
) -> Lowered:
    """Compile a program as far as C. states: the arrays, whose strides it is made for. keep: slots
    of the program whose values are to be in memory when the step has been done."""
    graph = simplify(program, inputs, keep)
    planned = plan(graph)
    machine = build.machine()
    memory = arrange(planned, [strides(array) for array in states], machine)
    return Lowered(program, graph, planned, memory, lower(planned, memory, machine))


def by_numpy(lowered: Lowered, kernel: Kernel, slots: Sequence[Any]) -> None:
    """Do a kernel that has no C. slots: the step's arrays, as its block of pointers has them."""
    ops, memory = lowered.plan.graph.ops, lowered.memory
    assert kernel.anchor is not None
    op = ops[kernel.anchor]
    args = [
        ops[arg].params["value"] if ops[arg].row is CONSTANT else view(memory.ops[arg], slots)
        for arg in op.args
    ]
    with np.errstate(all="ignore"):
        out = op.row.on_array(*args, **op.params)
    np.copyto(view(memory.ops[kernel.anchor], slots), out)


class Replayed:
    """A step that NumPy does, where it cannot be compiled."""

    def __init__(self, program: Program) -> None:
        self.program = program

    def __call__(self, inputs: Sequence[Any]) -> list[Any]:
        return replay(self.program, inputs)

    def loop(self, inputs: Sequence[Any], order: Any) -> list[Any]:
        """The results of a step on each row of `order`, which says what entries of the inputs."""
        steps = [self([whole.take(rows, axis=0) for whole in inputs]) for rows in order]
        return [np.stack(results) for results in zip(*steps, strict=True)]


def runner(program: Program, inputs: Sequence[Any]) -> Replayed:
    """What does a step on input arrays such as these: compiled, if that is possible."""
    if build.compiler() is None:
        return Replayed(program)
    try:
        return Native(program, [(array.shape, array.dtype) for array in inputs])
    except (RefusedError, build.BuildError) as refusal:
        LOG.warning("a step is replayed by NumPy, not compiled: %s", refusal)
        return Replayed(program)


class Native(Replayed):
    """A compiled step; calling it with input arrays gives the results."""

    def __init__(self, program: Program, inputs: Sequence[Spec]) -> None:
        super().__init__(program)
        self.inputs = inputs
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
        self._look_up()
        block = self.block
        arrays = [dense(array) for array in inputs]
        results = [np.empty(shape, dtype) for shape, dtype in self.results]
        starts = [address(array) for array in arrays]
        for i, start in enumerate(starts):
            block[i] = start
        for i, array in enumerate(results, self.first_result):
            block[i] = address(array)
        if self._touched(starts, arrays) or (self.check and not self.check(block)):
            return super().__call__(inputs)
        for segment in self.segments:
            if isinstance(segment, Kernel):
                by_numpy(
                    self.lowered,
                    segment,
                    [*arrays, *self.bound, *self.constants, *results, self.room],
                )
            else:
                self.pool.run(segment, block, self.parts)
        for tensor in self.written:
            tensor.index = next(counter)
        return results

    def loop(self, inputs: Sequence[Any], order: Any) -> list[Any]:
        """The results of a step on each row of `order`, which says what entries of the inputs."""
        with self.lock:
            self._look_up()
            arrays = [dense(array) for array in inputs]
            whole = len(self.segments) == 1 and not isinstance(self.segments[0], Kernel)
            if whole and not self._touched([address(array) for array in arrays], arrays):
                return Loop(self, arrays, order).run()
        return super().loop(inputs, order)

    # --- what it is bound to ---

    def _look_up(self) -> None:
        """Bind anew where a state has another array than at the last call."""
        for (_, tensor), array in zip(self.program.states, self.bound, strict=True):
            if tensor._data is not array:
                self._bind()
                return

    def _bind(self) -> None:
        """Compile for the states' arrays as they lie now, and point at them."""
        states = self.program.states
        self.bound = [tensor._data for _, tensor in states]
        layout = [(array.strides, array.flags.aligned) for array in self.bound]
        if layout != self.layout:
            self._compile()
            self.layout = layout
        for i, array in enumerate(self.bound, len(self.inputs)):
            self.block[i] = address(array)
        spans = sorted(map(span, self.bound))
        self.shared = any(one[1] > other[0] for one, other in pairwise(spans))
        held = zip(self.bound, states, strict=True)
        written = set(self.written)  # by identity; `in` the list would ask ==
        self.spans = sorted(span(array) for array, (_, t) in held if t in written)

    def _compile(self) -> None:
        self.lowered = lowered(self.program, self.inputs, self.bound)
        code, memory, graph = self.lowered.code, self.lowered.memory, self.lowered.plan.graph
        library = build.library(code.source)
        self.check = library.check if code.checks else None
        self.segments = [
            s if isinstance(s, Kernel) else ctypes.cast(getattr(library, s), ctypes.c_void_p)
            for s in code.segments
        ]
        self.pool, self.parts = build.pool(), ctypes.c_long(build.threads())
        slots = dict(self.program.states)
        assigned = {step.state for step in self.program.steps if isinstance(step, Assign)}
        self.written = [slots[slot] for slot in assigned]
        self.results = [(graph.ops[n].shape, graph.ops[n].dtype) for n in graph.results]
        self.first_result = memory.slots - 1 - len(self.results)
        self.constants = memory.constants
        self.room = aligned(memory.size)
        self.block = (ctypes.c_void_p * memory.slots)()
        fixed = (*self.constants, *self.results, self.room)
        for i, array in enumerate(fixed, len(self.inputs) + len(self.program.states)):
            if isinstance(array, np.ndarray):
                self.block[i] = address(array)

    def _touched(self, starts: Sequence[int], inputs: Sequence[Any]) -> bool:
        """Whether an input shares memory with a state that is written, or two states do."""
        if self.shared:
            return True
        for start, array in zip(starts, inputs, strict=True):
            before = bisect(self.spans, (start + array.nbytes, 0)) - 1
            if before >= 0 and self.spans[before][1] > start:
                return True
        return False
