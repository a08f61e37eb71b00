"""Run a compiled step: bind its arrays, call its functions, do with NumPy what has no C."""

from __future__ import annotations

import ctypes
import os
import threading
import weakref
from bisect import bisect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from ..graph import counter
from ..summaries import counted
from ..tensor import memory as owner
from . import build
from .arrays import address, aligned, dense, folded, span, strides, view
from .epochs import Loop
from .kernels import ByNumpy, Plan
from .lower import Code, Cost, lower
from .memory import Memory, arrange
from .plan import plan
from .print_c import source, sources
from .program import Program
from .replay import Replayed
from .simplify import CONSTANT, LEAVES, Graph, RefusedError, Spec, simplify
from .tiling import Machine


@dataclass(frozen=True)
class Lowered:
    """A program at every stage of its way to C."""

    program: Program
    graph: Graph
    plan: Plan
    memory: Memory
    code: Code
    machine: Machine

    @property
    def source(self) -> str:
        """The C."""
        return source(self.code.compiled, self.machine)

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

    def __repr__(self) -> str:
        operations = counted(sum(op.row not in LEAVES for op in self.graph.ops), "operation")
        kernels, scratch = len(self.plan.kernels), counted(self.memory.size, "byte")
        return f"<lowered step: {operations}, {counted(kernels, 'kernel')}, {scratch} of scratch>"

    def __str__(self) -> str:
        stages = (self.program, self.graph, self.plan, self.memory, self.code)
        return "\n\n".join(map(str, stages))


def lowered(
    program: Program, inputs: Sequence[Spec], states: Sequence[Any], keep: Sequence[int] = ()
) -> Lowered:
    """Compile a program as far as the loop language. states: the arrays, whose strides it is made
    for. keep: slots of the program whose values are to be in memory when the step has been done."""
    graph = simplify(program, inputs, keep)
    planned = plan(graph)
    machine = build.machine()
    memory = arrange(planned, [strides(array) for array in states], machine)
    return Lowered(program, graph, planned, memory, lower(planned, memory, machine), machine)


def by_numpy(lowered: Lowered, kernel: ByNumpy, slots: Sequence[Any]) -> None:
    """Do a kernel that has no C. slots: the step's arrays, as its block of pointers has them."""
    ops, memory = lowered.plan.graph.ops, lowered.memory
    op = ops[kernel.anchor]
    args = [
        ops[arg].params["value"] if ops[arg].row is CONSTANT else view(memory.ops[arg], slots)
        for arg in op.args
    ]
    with np.errstate(all="ignore"):
        out = op.row.on_array(*args, **op.params)
    np.copyto(view(memory.ops[kernel.anchor], slots), out)


def runner(program: Program, inputs: Sequence[Any]) -> Replayed:
    """What does a step on input arrays such as these: compiled, if that is possible. Raises
    TraceError where a constant lies in memory that the step writes."""
    replayed = Replayed(program, "there is no C compiler")
    replayed.check_apart()
    try:
        if build.compiler() is not None:
            return Native(program, [(array.shape, array.dtype) for array in inputs])
    except Exception as error:  # whatever it is, NumPy can do the step
        replayed.why = say_replayed(error)
    return replayed


def say_replayed(error: Exception) -> str:
    """Say why a step is not compiled, and give the cause."""
    plain = isinstance(error, RefusedError | build.BuildError)
    cause = str(error) if plain else f"{type(error).__name__}: {error}"
    build.say(f"a step is replayed by NumPy, not compiled: {cause}")
    return cause


class Native(Replayed):
    """A compiled step; calling it with input arrays gives the results.

    Its memory is for one call at a time: other threads wait. A call within a call of the same
    thread (a signal's handler, a user's row) is replayed.
    """

    def __init__(self, program: Program, inputs: Sequence[Spec]) -> None:
        super().__init__(program)
        self.inputs = inputs
        self.lock, self.caller = threading.RLock(), 0  # the thread that is in a call
        self.bound: list[Any] | None = None
        self.layout = self.refused = None
        self._bind(self._layout())
        NATIVES.add(self)

    def __str__(self) -> str:
        if self.bound is None:
            return super().__str__()
        kernels, left = len(self.lowered.plan.kernels), self.left_to_numpy
        said = f"compiled to C: {counted(kernels, 'kernel')}"
        return f"{said}, of which NumPy does {', '.join(left)}" if left else said

    @property
    def left_to_numpy(self) -> list[str]:
        """The rows that NumPy computes."""
        ops = self.lowered.plan.graph.ops
        segments = self.lowered.code.segments
        return [ops[s.anchor].row.name for s in segments if isinstance(s, ByNumpy)]

    def __call__(self, inputs: Sequence[Any]) -> list[Any]:
        with self.lock:
            results = self._alone(self._run, inputs)
            return super().__call__(inputs) if results is None else results

    def loop(self, inputs: Sequence[Any], order: Any) -> list[Any]:
        """The results of a step on each row of `order`, which says what entries of the inputs."""
        with self.lock:
            results = self._alone(self._loop, inputs, order)
        return super().loop(inputs, order) if results is None else results

    def _alone(self, run: Callable[..., Any], *args: Any) -> list[Any] | None:
        """What `run` gives; None where NumPy has to do it, for there is no compiled step for the
        states as they lie now, or it is at work."""
        if self.caller:
            return None
        self.caller = threading.get_ident()
        try:
            return run(*args) if self.ready() else None
        finally:
            self.caller = 0

    def _run(self, inputs: Sequence[Any]) -> list[Any] | None:
        block = self.block
        try:
            arrays = [dense(array) for array in inputs]
        except MemoryError:  # a broadcast view may be larger than memory
            return None
        results = [np.empty(shape, dtype) for shape, dtype in self.results]
        spans = list[tuple[int, int]]()
        for i, (given, array) in enumerate(zip(inputs, arrays, strict=True)):
            block[i] = start = address(array)
            spans.append((start, start + array.nbytes) if array is given else span(given))
        for i, array in enumerate(results, self.first_result):
            block[i] = address(array)
        if self.touched(spans):
            return None
        for segment in self.segments:
            if isinstance(segment, ByNumpy):
                slots = [*arrays, *(self.bound or ()), *self.constants, *results, self.room]
                by_numpy(self.lowered, segment, slots)
            else:
                self.pool.run(segment, block, self.parts, self.flag)
                if self.wrong():
                    return None
        for tensor in self.written:
            tensor.index = next(counter)
        return results

    def _loop(self, inputs: Sequence[Any], order: Any) -> list[Any] | None:
        if len(self.segments) != 1 or isinstance(self.segments[0], ByNumpy):
            return None
        try:
            loop = Loop(self, inputs, order)
        except MemoryError:
            return None
        return loop.run()

    # --- what it is bound to ---

    def ready(self) -> bool:
        """Whether it can be run on the arrays that the states have now; if they have others than at
        the last call, it is bound anew. Raises ValueError where one is read-only."""
        self.check_writable()
        if self.bound is not None:
            for (_, tensor), array in zip(self.program.states, self.bound, strict=True):
                if tensor._data is not array:
                    break
            else:
                return True
        self.check_apart()
        layout = self._layout()
        if layout == self.refused:
            return False
        try:
            self._bind(layout)
        except Exception as error:  # as in `runner`
            self.why = say_replayed(error)
            self.refused = layout
        return self.bound is not None

    def _layout(self) -> Any:
        """What of the states' arrays a compiled step is made for."""
        arrays = [tensor._data for _, tensor in self.program.states]
        return [(array.strides, array.flags.aligned) for array in arrays]

    def _bind(self, layout: Any) -> None:
        """Compile for the states' arrays as they lie now, if need be, and point at them."""
        self.bound = None  # whatever interrupts this, the next call begins it again
        bound = [tensor._data for _, tensor in self.program.states]
        if layout != self.layout:
            self.layout = None
            self._compile(bound)
            self.layout = layout
        for i, array in enumerate(bound, len(self.inputs)):
            self.block[i] = address(array)
        # NumPy does not resize in place, and so move, what is referred to weakly.
        self.kept = [weakref.ref(owner(array)) for array in bound]
        spans = sorted(map(span, bound))
        self.shared = any(one[1] > other[0] for one, other in pairwise(spans))
        self.shared |= any(folded(tensor._data) for tensor in self.written)
        self.spans = sorted(span(tensor._data) for tensor in self.written)
        self.bound = bound

    def _compile(self, states: Sequence[Any]) -> None:
        self.lowered = lowered(self.program, self.inputs, states)
        code, memory, graph = self.lowered.code, self.lowered.memory, self.lowered.plan.graph
        library = build.library(sources(code.compiled, self.lowered.machine), tuple(code.compiled))
        self.segments = entered(code, library)
        self.pool, self.parts = build.pool(), ctypes.c_long(build.threads())
        self.results = [(graph.ops[n].shape, graph.ops[n].dtype) for n in graph.results]
        self.first_result = memory.slots - 1 - len(self.results)
        self.constants = memory.constants
        self.room = aligned(memory.size)
        self.flag = None
        if memory.flag:
            self.found = view(memory.flag, (*(None,) * memory.flag.slot, self.room))
            self.found[...] = 0
            self.flag = ctypes.c_void_p(address(self.found))
        self.block = (ctypes.c_void_p * memory.slots)()
        fixed = (*self.constants, *self.results, self.room)
        for i, array in enumerate(fixed, len(self.inputs) + len(self.program.states)):
            if isinstance(array, np.ndarray):
                self.block[i] = address(array)

    def wrong(self) -> bool:
        """Whether a position was out of range, so that the step ended before it wrote a state."""
        if self.flag is None or not self.found:
            return False
        self.found[...] = 0
        return True

    def touched(self, spans: Iterable[tuple[int, int]]) -> bool:
        """Whether one of these stretches of memory has bytes of a state that is written, or two
        states share some. Then the order of reading and writing matters, which the replay keeps."""
        if self.shared:
            return True
        for first, last in spans:
            before = bisect(self.spans, (last, 0)) - 1
            if before >= 0 and self.spans[before][1] > first:
                return True
        return False


def entered(code: Code, library: ctypes.CDLL) -> list[Any]:
    """The segments of a step: where their lists of stages are, or kernels left to NumPy."""
    where = {name: ctypes.addressof(ctypes.c_char.in_dll(library, name)) for name in code.compiled}
    compiled = iter(where.values())
    return [s if isinstance(s, ByNumpy) else ctypes.c_void_p(next(compiled)) for s in code.segments]


def _forked() -> None:
    """A child process has none of its parent's other threads: what they held is free."""
    for native in NATIVES:
        native.lock = threading.RLock()
        if native.caller != threading.get_ident():
            native.caller = 0


NATIVES = weakref.WeakSet[Native]()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
