"""Run a compiled step, once or in a loop: bind its arrays, and call its functions."""

from __future__ import annotations

import ctypes
import os
import threading
import time
import weakref
from bisect import bisect
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from ...graph import counter
from ...primitives.memory import base_array
from ...state import counted
from ..frontend.program import Program
from ..frontend.replay import Replayed, replay
from ..passes.kernels import ByNumpy
from ..passes.simplify import RefusedError, Spec
from ..printers.c_files import sources
from . import build
from .arrays import address, aligned, dense, folded, span, view
from .lowered import lowered
from .segments import by_numpy, entered


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


SLICE = 0.05  # seconds between two looks at signals


class Native(Replayed):
    """A compiled step; calling it with input arrays gives the results.

    Its memory is for one call at a time: other threads wait. A call within a call of the same
    thread (a signal's handler, a user's primitive) is replayed.
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
        """The primitives that NumPy computes."""
        ops = self.lowered.plan.graph.ops
        segments = self.lowered.code.segments
        return [ops[s.op].primitive.name for s in segments if isinstance(s, ByNumpy)]

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
        self.kept = [weakref.ref(base_array(array)) for array in bound]
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


# --- many steps in one call ---


class Loop:
    """Steps of a compiled program on batches gathered from whole arrays, in slices so short that
    Ctrl-C is heard between them."""

    def __init__(self, native: Native, inputs: Sequence[Any], order: Any) -> None:
        self.native, self.inputs, self.rows = native, inputs, order
        self.whole = [dense(array) for array in inputs]
        self.order = np.ascontiguousarray(order, np.int64)
        steps, batch = self.order.shape
        self.results = [np.empty((steps, *shape), dtype) for shape, dtype in native.results]
        self.batches = [aligned(batch * _row(array)) for array in inputs]

    def run(self) -> list[Any]:
        """Do all the steps; the results of each, stacked."""
        done, slice_, steps = 0, 1, len(self.order)
        while done < steps:
            start = time.perf_counter()
            count = min(slice_, steps - done)
            ran = self._slice(done, count) if self._may() else 0
            for tensor in self.native.written if ran else ():
                tensor.index = next(counter)
            done += ran
            if ran < count:  # a position is out of range, as the replay will say
                self.native.wrong()
                self._replay(done)
                done += 1
            seconds = (time.perf_counter() - start) / count
            slice_ = max(1, min(2 * slice_, int(SLICE / seconds)))
        return self.results

    def _may(self) -> bool:
        """Whether the step can run on what the states are now: between two slices Python's other
        threads and signals may have changed that."""
        read = map(span, (*self.inputs, self.rows))
        return self.native.ready() and not self.native.touched(read)

    def _replay(self, step: int) -> None:
        arrays = [array.take(self.rows[step], axis=0) for array in self.inputs]
        for stack, result in zip(self.results, replay(self.native.program, arrays), strict=True):
            stack[step] = result

    def _slice(self, first: int, count: int) -> int:
        native = self.native
        gathered = (_Gathered * len(self.whole))()
        for i, (array, batch) in enumerate(zip(self.whole, self.batches, strict=True)):
            gathered[i] = _Gathered(address(array), address(batch), _row(array))
            native.block[i] = address(batch)
        stacked = (_Stacked * len(self.results))()
        for i, array in enumerate(self.results):
            place = address(array[first:])
            stacked[i] = _Stacked(place, _row(array), native.first_result + i)
        loop = _Loop(
            native.segments[0],
            native.flag,
            ctypes.addressof(native.block),
            address(self.order[first:]),
            count,
            self.order.shape[1],
            len(gathered),
            len(stacked),
            0,
            ctypes.addressof(gathered),
            ctypes.addressof(stacked),
        )
        return int(native.pool.run_loop(ctypes.byref(loop), native.parts))


def _row(array: Any) -> int:
    """The bytes of an entry along the first axis."""
    return int(array.nbytes) // max(1, len(array))


def _structure(name: str, **fields: Any) -> Any:
    """A struct of threads.c."""
    return type(name, (ctypes.Structure,), {"_fields_": list(fields.items())})


_P, _L = ctypes.c_void_p, ctypes.c_long
_Gathered = _structure("gathered", source=_P, into=_P, bytes=_L)
_Stacked = _structure("stacked", into=_P, bytes=_L, slot=_L)
_Loop = _structure(
    "loop", step=_P, wrong=_P, block=_P, order=_P, steps=_L, batch=_L, inputs=_L, results=_L,
    done=_L, gathered=_P, stacked=_P,
)  # fmt: skip


# --- processes ---


def _forked() -> None:
    """A child process has none of its parent's other threads: what they held is free."""
    for native in NATIVES:
        native.lock = threading.RLock()
        if native.caller != threading.get_ident():
            native.caller = 0


NATIVES = weakref.WeakSet[Native]()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
