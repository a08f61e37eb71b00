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
from ..frontend.program import Program, RefusedError
from ..frontend.replay import Replayed, replay
from ..passes.kernels import ByNumpy
from ..passes.simplify import Spec
from ..printers.c_files import sources
from . import build, cache
from .arrays import address, aligned_bytes, byte_range, dense_array, overlaps_itself, view
from .lowered import lowered
from .segments import entry_points, run_by_numpy


def runner(program: Program, inputs: Sequence[Any]) -> Replayed:
    """What runs a step on such input arrays: compiled, if that is possible. Raises TraceError where
    a constant lies in memory that the step writes."""
    replayed = Replayed(program, "there is no C compiler")
    replayed.check_apart()
    try:
        if build.compiler() is not None:
            return Native(program, [(array.shape, array.dtype) for array in inputs])
    except Exception as error:  # whatever it is, NumPy can do the step
        replayed.why = warn_replayed(error)
    return replayed


def warn_replayed(error: Exception) -> str:
    """Log why a step is not compiled; gives the cause."""
    plain = isinstance(error, RefusedError | build.BuildError)
    cause = str(error) if plain else f"{type(error).__name__}: {error}"
    cache.warn_once(f"a step is replayed by NumPy, not compiled: {cause}")
    return cause


SLICE_SECONDS = 0.05  # of a loop's steps between two checks for signals


class Native(Replayed):
    """A compiled step; calling it with input arrays gives the results.

    Its memory is for one call at a time: other threads wait. A call within a call of the same
    thread (by a signal's handler, or a user's primitive) is replayed.
    """

    def __init__(self, program: Program, inputs: Sequence[Spec]) -> None:
        super().__init__(program)
        self.inputs = inputs
        self.lock, self.running_thread = threading.RLock(), 0  # its id, or 0
        self.bound: list[Any] | None = None
        self.layout = self.refused_layout = None
        self._bind(self._layout())
        INSTANCES.add(self)

    def __str__(self) -> str:
        if self.bound is None:
            return super().__str__()
        kernels, left = len(self.lowered.plan.kernels), self.left_to_numpy
        said = f"compiled to C: {counted(kernels, 'kernel')}"
        return f"{said}; NumPy computes {', '.join(left)}" if left else said

    @property
    def left_to_numpy(self) -> list[str]:
        """The primitives that NumPy computes."""
        ops = self.lowered.plan.graph.ops
        segments = self.lowered.code.segments
        return [ops[s.op].primitive.name for s in segments if isinstance(s, ByNumpy)]

    def __call__(self, inputs: Sequence[Any]) -> list[Any]:
        with self.lock:
            results = self._exclusively(self._run, inputs)
            return super().__call__(inputs) if results is None else results

    def loop(self, inputs: Sequence[Any], order: Any) -> list[Any]:
        """The results of a step for each row of `order`: the entries of the inputs it takes."""
        with self.lock:
            results = self._exclusively(self._loop, inputs, order)
        return super().loop(inputs, order) if results is None else results

    def _exclusively(self, run: Callable[..., Any], *args: Any) -> list[Any] | None:
        """The result of `run`; None where NumPy has to do it, because the states' arrays cannot be
        bound or a call of this thread is running."""
        if self.running_thread:
            return None
        self.running_thread = threading.get_ident()
        try:
            return run(*args) if self.bind_states() else None
        finally:
            self.running_thread = 0

    def _run(self, inputs: Sequence[Any]) -> list[Any] | None:
        block = self.block
        try:
            arrays = [dense_array(array) for array in inputs]
        except MemoryError:  # a broadcast view may be larger than memory
            return None
        results = [np.empty(shape, dtype) for shape, dtype in self.results]
        ranges = list[tuple[int, int]]()
        for i, (given, array) in enumerate(zip(inputs, arrays, strict=True)):
            block[i] = start = address(array)
            ranges.append((start, start + array.nbytes) if array is given else byte_range(given))
        for i, array in enumerate(results, self.first_result):
            block[i] = address(array)
        if self.aliases_written(ranges):
            return None
        for segment in self.segments:
            if isinstance(segment, ByNumpy):
                slots = [*arrays, *(self.bound or ()), *self.constants, *results, self.scratch]
                run_by_numpy(self.lowered, segment, slots)
            else:
                self.pool.run(segment, block, self.threads, self.fault_pointer)
                if self.pop_fault():
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

    # --- binding ---

    def bind_states(self) -> bool:
        """Bind to the arrays that the states have now, if they are not those of the last call;
        whether that was possible. Raises ValueError where one is read-only."""
        self.check_writable()
        if self.bound is not None:
            for (_, tensor), array in zip(self.program.states, self.bound, strict=True):
                if tensor._data is not array:
                    break
            else:
                return True
        self.check_apart()
        layout = self._layout()
        if layout == self.refused_layout:
            return False
        try:
            self._bind(layout)
        except Exception as error:  # as in `runner`
            self.why = warn_replayed(error)
            self.refused_layout = layout
        return self.bound is not None

    def _layout(self) -> Any:
        """The properties of the states' arrays that a step is compiled for."""
        arrays = [tensor._data for _, tensor in self.program.states]
        return [(array.strides, array.flags.aligned) for array in arrays]

    def _bind(self, layout: Any) -> None:
        """Compile for the layout of the states' arrays, if it is new, and point at them."""
        self.bound = None  # if this is interrupted, the next call binds again
        bound = [tensor._data for _, tensor in self.program.states]
        if layout != self.layout:
            self.layout = None
            self._compile(bound)
            self.layout = layout
        for i, array in enumerate(bound, len(self.inputs)):
            self.block[i] = address(array)
        # NumPy does not resize arrays in place, and so move them, while weak references exist.
        self.references = [weakref.ref(base_array(array)) for array in bound]
        ranges = sorted(map(byte_range, bound))
        self.states_alias = any(one[1] > other[0] for one, other in pairwise(ranges))
        self.states_alias |= any(overlaps_itself(tensor._data) for tensor in self.written)
        self.written_ranges = sorted(byte_range(tensor._data) for tensor in self.written)
        self.bound = bound

    def _compile(self, states: Sequence[Any]) -> None:
        self.lowered = lowered(self.program, self.inputs, states)
        code, memory, graph = self.lowered.code, self.lowered.memory, self.lowered.plan.graph
        library = build.library(sources(code.compiled, self.lowered.machine), tuple(code.compiled))
        self.segments = entry_points(code, library)
        self.pool, self.threads = build.pool(), ctypes.c_long(build.threads())
        self.results = [(graph.ops[n].shape, graph.ops[n].dtype) for n in graph.results]
        self.first_result = memory.slots - 1 - len(self.results)
        self.constants = memory.constants
        self.scratch = aligned_bytes(memory.size)
        self.fault_pointer = None
        if memory.flag:
            self.fault = view(memory.flag, (*(None,) * memory.flag.slot, self.scratch))
            self.fault[...] = 0
            self.fault_pointer = ctypes.c_void_p(address(self.fault))
        self.block = (ctypes.c_void_p * memory.slots)()
        fixed = (*self.constants, *self.results, self.scratch)
        for i, array in enumerate(fixed, len(self.inputs) + len(self.program.states)):
            if isinstance(array, np.ndarray):
                self.block[i] = address(array)

    def pop_fault(self) -> bool:
        """Whether an index was out of range, so that the step ended before it wrote a state; clears
        the flag."""
        if self.fault_pointer is None or not self.fault:
            return False
        self.fault[...] = 0
        return True

    def aliases_written(self, ranges: Iterable[tuple[int, int]]) -> bool:
        """Whether one of these ranges of memory has bytes of a state that is written, or two states
        overlap. Then the order of reading and writing matters, which the replay keeps."""
        if self.states_alias:
            return True
        for first, last in ranges:
            before = bisect(self.written_ranges, (last, 0)) - 1
            if before >= 0 and self.written_ranges[before][1] > first:
                return True
        return False


# --- many steps in one call ---


class Loop:
    """Steps of a compiled program on batches gathered from whole arrays, in slices short enough for
    Ctrl-C to end them."""

    def __init__(self, native: Native, inputs: Sequence[Any], order: Any) -> None:
        self.native, self.inputs, self.rows = native, inputs, order
        self.arrays = [dense_array(array) for array in inputs]
        self.order = np.ascontiguousarray(order, np.int64)
        steps, batch = self.order.shape
        self.results = [np.empty((steps, *shape), dtype) for shape, dtype in native.results]
        self.batches = [aligned_bytes(batch * _row(array)) for array in inputs]

    def run(self) -> list[Any]:
        """Run all steps; gives the results of each, stacked."""
        done, count_limit, steps = 0, 1, len(self.order)
        while done < steps:
            start = time.perf_counter()
            count = min(count_limit, steps - done)
            ran = self._slice(done, count) if self._can_run() else 0
            for tensor in self.native.written if ran else ():
                tensor.index = next(counter)
            done += ran
            if ran < count:  # an index is out of range: the replay raises
                self.native.pop_fault()
                self._replay(done)
                done += 1
            seconds = (time.perf_counter() - start) / count
            count_limit = max(1, min(2 * count_limit, int(SLICE_SECONDS / seconds)))
        return self.results

    def _can_run(self) -> bool:
        """Whether the step can run on the states' arrays: between two slices other threads or a
        signal's handler may have replaced them."""
        read = map(byte_range, (*self.inputs, self.rows))
        return self.native.bind_states() and not self.native.aliases_written(read)

    def _replay(self, step: int) -> None:
        arrays = [array.take(self.rows[step], axis=0) for array in self.inputs]
        for stack, result in zip(self.results, replay(self.native.program, arrays), strict=True):
            stack[step] = result

    def _slice(self, first: int, count: int) -> int:
        native = self.native
        gathered = (_Gathered * len(self.arrays))()
        for i, (array, batch) in enumerate(zip(self.arrays, self.batches, strict=True)):
            gathered[i] = _Gathered(address(array), address(batch), _row(array))
            native.block[i] = address(batch)
        stacked = (_Stacked * len(self.results))()
        for i, array in enumerate(self.results):
            place = address(array[first:])
            stacked[i] = _Stacked(place, _row(array), native.first_result + i)
        loop = _Loop(
            native.segments[0],
            native.fault_pointer,
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
        return int(native.pool.run_loop(ctypes.byref(loop), native.threads))


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


def _release_after_fork() -> None:
    """A child process has only one of its parent's threads: the locks of the others are free."""
    for native in INSTANCES:
        native.lock = threading.RLock()
        if native.running_thread != threading.get_ident():
            native.running_thread = 0


INSTANCES = weakref.WeakSet[Native]()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_release_after_fork)
