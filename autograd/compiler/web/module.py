"""Builds a WebAssembly module of steps: traces them, gives their arrays memory, and prints them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from itertools import pairwise
from types import MethodType
from typing import Any

import numpy as np

from ...primitives.expressions import INT32, Shape, contiguous
from ...state import State, counted
from ...tensor import Tensor
from ..frontend.program import RefusedError
from ..language.statements import Segment
from ..passes.stages import Stages
from ..passes.tiling import Machine
from ..printers.wasm_module import PAGE, Functions, Gathered, Loop, Steps, module
from ..runtime.arrays import byte_range
from ..step import checked_order, jit
from .entries import StepEntry, limits
from .layout import Layout, Region

Entries = Mapping[str, tuple[Callable[..., Any], Sequence[Any]]]
VERSION = 1  # of the manifest
UINT8 = np.dtype(np.uint8)
NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
# A product and a sum apart need a register more than multiply-add, which six rows do not leave.
# A narrow tile uses half of a cache line of what it writes: the other half is to be there still.
SMALL = {"vector": 16, "inner_to_pack": 64, "cache": 48 << 10}
MACHINES = {"v128": Machine(rows=4, **SMALL), "relaxed": Machine(rows=6, **SMALL)}


@dataclass(frozen=True)
class WasmModule:
    """A module. wat: its text. manifest: where its arrays are, to be written as JSON. states: the
    Tensors whose numbers the page has to give it."""

    wat: str
    manifest: dict[str, Any]
    states: dict[str, Tensor]

    @cached_property
    def wasm(self) -> bytes:
        """The module, assembled. ImportError where wasmtime is not installed."""
        try:
            from wasmtime import wat2wasm
        except ImportError:
            raise ImportError("a module is assembled by wasmtime: pip install wasmtime") from None
        return without_names(bytes(wat2wasm(self.wat)))

    def __repr__(self) -> str:
        counts = (len(self.manifest["entries"]), "entry"), (len(self.states), "state")
        entries, states = (counted(*each).replace("entrys", "entries") for each in counts)
        memory = counted(self.manifest["memory_bytes"], "byte")
        return f"<WebAssembly module: {entries}, {states}, {memory} of memory>"


def without_names(binary: bytes) -> bytes:
    """A module without its custom sections: names of variables, half of its bytes. (WebAssembly
    core specification, 5.5.2.)"""
    kept, at = [binary[:8]], 8
    while at < len(binary):
        size, shift, end = 0, 0, at + 1
        while True:  # an integer in LEB128
            byte = binary[end]
            size |= (byte & 0x7F) << shift
            shift, end = shift + 7, end + 1
            if byte < 0x80:
                break
        kept += [binary[at : end + size]] if binary[at] else []
        at = end + size
    return b"".join(kept)


def build(entries: Entries, simd: str, owners: Mapping[str, State]) -> WasmModule:
    """The module of `autograd.compiler.wasm`, which see."""
    if simd not in MACHINES:
        raise ValueError(f"wasm: simd is one of {', '.join(MACHINES)}, not {simd!r}")
    for name, entry in entries.items():
        _check_entry(name, entry)
    for name, owner in owners.items():
        if not isinstance(owner, State):
            kind = type(owner).__name__
            raise TypeError(f"wasm: {name}: expected a Module or an optimizer, found {kind}")
    return _Builder(simd, owners).build(entries)


def _check_entry(name: Any, entry: Any) -> None:
    if not (isinstance(name, str) and NAME.fullmatch(name)):
        raise ValueError(f"wasm: {name!r} is no name for an entry: letters, digits and _")
    match entry:
        case (function, list() | tuple()) if callable(function):
            return
    raise TypeError(f"wasm: entry {name}: expected a tuple, (function, (argument, ...))")


class _Builder:
    """A module as it grows."""

    def __init__(self, simd: str, owners: Mapping[str, State]) -> None:
        self.simd, self.layout = simd, Layout()
        self.functions = Functions(simd == "relaxed")
        self.names = dict(_names(owners))
        self.states: dict[Tensor, Region] = {}
        self.steps: list[Steps] = []
        self.loops: list[Loop] = []
        self.traced: dict[str, StepEntry] = {}
        self.constants: list[tuple[int, bytes]] = []
        self.described: dict[str, Any] = {}

    def build(self, entries: Entries) -> WasmModule:
        loops = {name: each for name, each in entries.items() if _is_loop(each[0])}
        for name, (function, args) in entries.items():
            if name not in loops:
                self.traced[name] = StepEntry.of(name, function, args)
        self._place_states()
        lowered = {name: self._lowered(entry) for name, entry in self.traced.items()}
        scratch = max((stages.memory.size for stages in lowered.values()), default=0)
        shared = self.layout.add("scratch", "scratch", None, (scratch,), UINT8)
        for name, stages in lowered.items():
            self._add_step(self.traced[name], stages, shared.offset)
        for name, (function, args) in loops.items():
            self._add_loop(name, function, args)
        size = self.functions.helpers.own
        own = self.layout.add("scratch.own", "scratch", None, (size,), UINT8).offset
        size = -(-self.layout.size // PAGE) * PAGE
        wat = module(self.functions, self.steps, self.loops, own, size, self.constants)
        states = {region.name: tensor for tensor, region in self.states.items()}
        return WasmModule(wat, self._manifest(size), states)

    def _manifest(self, size: int) -> dict[str, Any]:
        return {
            "version": VERSION,
            "engine": _engine(),
            "simd": self.simd,
            "memory_bytes": size,
            "arrays": [region.described() for region in self.layout.regions.values()],
            "entries": self.described,
        }

    # --- states ---

    def _place_states(self) -> None:
        """Give memory to each state, once. RefusedError if two share theirs."""
        tensors = dict.fromkeys(t for entry in self.traced.values() for t in entry.states)
        names = [
            self.names.get(tensor) or tensor.name or f"state.{number}"
            for number, tensor in enumerate(tensors)
        ]
        ranges = sorted((*byte_range(t._data), i) for i, t in enumerate(tensors) if t.size)
        for one, other in pairwise(ranges):
            if one[1] > other[0]:
                both = " and ".join(names[i] for *_, i in (one, other))
                raise RefusedError(
                    f"wasm: the states {both} share memory; hold a copy in one of them"
                )
        for tensor, name in zip(tensors, names, strict=True):
            strides = _dense_strides(tensor._data)
            self.states[tensor] = self.layout.add(
                name, "state", None, tensor.shape, tensor.dtype, strides
            )

    # --- steps ---

    def _lowered(self, entry: StepEntry) -> Stages:
        strides = [self.states[tensor].strides for tensor in entry.states]
        return entry.lowered(strides, MACHINES[self.simd])

    def _add_step(self, entry: StepEntry, stages: Stages, scratch: int) -> None:
        """Give memory to what a step takes and gives, and print its functions."""
        graph, memory, name = stages.plan.graph, stages.memory, entry.name
        below = limits(stages)
        inputs = [
            self.layout.add(each, "input", name, array.shape, array.dtype, below=below.get(place))
            for place, (each, array) in enumerate(entry.arrays.items())
        ]
        results = [
            self.layout.add(each, "result", name, graph.ops[op].shape, graph.ops[op].dtype)
            for each, op in zip(entry.result_names, graph.results, strict=True)
        ]
        constants = [self._constant(name, i, each) for i, each in enumerate(memory.constants)]
        regions = [*inputs, *(self.states[t] for t in entry.states), *constants, *results]
        slots = [*(region.offset for region in regions), scratch]
        flag = None if memory.flag is None else scratch + memory.flag.offset
        (groups,) = stages.code.compiled.values() or ((),)
        self._print(entry, stages, groups)
        self.steps.append(Steps(name, groups, slots, flag))
        self._describe(name, inputs, results, sum(cost.flops for cost in stages.costs))

    def _constant(self, entry: str, number: int, array: Any) -> Region:
        region = self.layout.add(f"constant.{number}", "constant", entry, array.shape, array.dtype)
        self.constants.append((region.offset, array.tobytes()))
        return region

    def _print(self, entry: StepEntry, stages: Stages, groups: Segment) -> None:
        """Print the functions of a step. RefusedError with the op that cannot be printed."""
        costs = {cost.name: cost for cost in stages.costs}
        for run in (run for group in groups for run in group):
            try:
                self.functions.add(run, entry.name)
            except RefusedError as error:
                raise entry.refused(stages, costs[run.name].ops[-1], str(error)) from None

    def _describe(
        self, name: str, args: Sequence[Region], results: Sequence[Region], flops: int
    ) -> None:
        named = {"args": args, "results": results}
        lists = {key: [region.name for region in regions] for key, regions in named.items()}
        self.described[name] = {**lists, "flops": flops}

    # --- loops ---

    def _add_loop(self, name: str, function: Any, args: Sequence[Any]) -> None:
        """An entry that does a step for each row of an order."""
        step, arrays, (steps, batch) = self._looped(name, function, args)
        wholes = []
        for each, whole in zip(step.arrays, arrays, strict=True):
            below = self.layout.regions[each, step.name].below
            wholes.append(
                self.layout.add(each, "input", name, whole.shape, whole.dtype, below=below)
            )
        rows = min((region.shape[0] for region in wholes), default=0)
        row = self.layout.add("order", "input", name, (steps, batch), INT32, below=rows or None)
        results = [self.layout.regions[each, step.name] for each in step.result_names]
        stacked = [
            self.layout.add(each.name, "result", name, (steps,), each.dtype)
            for each in results
            if not each.shape
        ]
        gathered = [self._gathered(step.name, region) for region in wholes]
        of = {region.name: region for region in results}
        stacks = [(of[s.name].offset, s.offset, s.dtype.itemsize) for s in stacked]
        self.loops.append(Loop(name, step.name, row.offset, steps, batch, gathered, stacks))
        flops = steps * self.described[step.name]["flops"]
        self._describe(name, [*wholes, row], stacked, flops)

    def _looped(
        self, name: str, function: Any, args: Sequence[Any]
    ) -> tuple[StepEntry, list[Any], Shape]:
        """The step of a loop, the loop's whole arrays, and the shape of its order. ValueError if no
        entry is that step."""
        if len(args) != 2:
            raise ValueError(f"wasm: entry {name}: a loop takes (arguments of its step), order")
        shape = checked_order(args[1], ()).shape
        error = ValueError(f"wasm: entry {name} is the loop of a step that is no entry; add it")
        for step in self.traced.values():
            if step.function is function.__self__:
                try:
                    return step, step.wholes(name, args[0], shape[1]), shape
                except ValueError as unlike:
                    error = unlike
        raise error

    def _gathered(self, step: str, whole: Region) -> Gathered:
        into = self.layout.regions[whole.name, step]
        rows = whole.shape[0]
        size = int(np.prod(whole.shape[1:], dtype=np.int64)) * whole.dtype.itemsize
        return Gathered(whole.offset, into.offset, rows, size)


def _engine() -> str:
    """The name of this project, and its version where it is installed."""
    try:
        return f"chainrule {metadata.version('chainrule')}"
    except metadata.PackageNotFoundError:
        return "chainrule"


def _is_loop(function: Callable[..., Any]) -> bool:
    return isinstance(function, MethodType) and function.__func__ is jit.loop


def _names(owners: Mapping[str, State]) -> Iterator[tuple[Tensor, str]]:
    """The path to each Tensor that an owner holds; the first owner names it."""
    for owner, holder in reversed(list(owners.items())):
        for path, tensor in holder.named_state(hidden=True):
            yield tensor, f"{owner}.{path}"


def _dense_strides(array: Any) -> tuple[int, ...]:
    """The strides of an array, if its entries fill memory in some order of the axes; else those of
    a new one."""
    new, dense = contiguous(array.shape), array.itemsize
    for stride, n in sorted(zip(array.strides, array.shape, strict=True)):
        if n != 1 and stride != dense:
            return new
        dense *= n
    axes = zip(array.strides, array.shape, new, strict=True)
    return tuple(own if n == 1 else stride // array.itemsize for stride, n, own in axes)
