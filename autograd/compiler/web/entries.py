"""A step of a module: traced, lowered, and how its arguments and results are named."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...primitives.expressions import BOOL, FUNCTIONS, Op, variables, walk
from ...tensor import Tensor
from ...transforms.tree import dotted, flatten
from ..frontend.program import RefusedError, TraceError
from ..frontend.trace import Traced, is_input, trace
from ..language.elementary import definition as elementary
from ..passes.entries import Entry, definition
from ..passes.kernels import ByNumpy, Check
from ..passes.simplify import INPUT, Graph
from ..passes.stages import Stages
from ..passes.tiling import Machine
from ..printers.wasm_scalars import imported
from ..step import jit


@dataclass(frozen=True)
class StepEntry:
    """A step that was traced for arguments. leaves, structure: of these. arrays: those that are
    arrays, each once, by name."""

    name: str
    function: Callable[..., Any]
    traced: Traced
    leaves: list[Any]
    structure: Any
    arrays: dict[str, Any]

    @classmethod
    def of(cls, name: str, function: Callable[..., Any], args: Sequence[Any]) -> StepEntry:
        """Trace a function. TraceError as `jit` raises it, and if it changes what it reads."""
        given, structure = flatten((tuple(args), {}))
        # Views, so that one array given for two inputs, as an example of both, is no single input.
        leaves = [leaf.view() if isinstance(leaf, np.ndarray) else leaf for leaf in given]
        plain = function.function if isinstance(function, jit) else function
        traced = trace(plain, leaves, structure)
        if changed := traced.guards.changed():
            raise TraceError(
                f"wasm: entry {name}: {changed}; the step changed it, and in a module it would "
                "never change: hold it in a Tensor, or set it back"
            )
        names = list(_argument_names(plain, args))
        arrays = {names[i]: getattr(leaves[i], "_data", leaves[i]) for i in traced.inputs}
        return cls(name, function, traced, leaves, structure, arrays)

    @property
    def states(self) -> list[Tensor]:
        """The Tensors from outside that it reads or writes."""
        return [tensor for _, tensor in self.traced.program.states]

    @property
    def result_names(self) -> list[str]:
        """The names of the results that it computes. RefusedError for one that is an argument, a
        state or a constant as it is."""
        answer = self.traced.answer
        names = [path or "result" for path in dotted(answer.structure)]
        for name, source in zip(names, answer.sources, strict=True):
            if source is not None:
                raise RefusedError(
                    f"wasm: entry {self.name}: result {name} is an argument, a state or a constant "
                    "as it is; leave it out, or return a Tensor computed of it, such as x * 1.0"
                )
        return names

    def wholes(self, loop: str, args: Sequence[Any], batch: int) -> list[Any]:
        """Of a loop's arguments, the arrays, whole where the step takes a batch. ValueError if they
        are not the step's in all else."""
        leaves, structure = flatten((tuple(args), {}))
        pairs = list(zip(self.leaves, leaves, strict=False))
        given = {id(one): whole for one, whole in pairs}  # one Tensor given twice is one input
        same = structure == self.structure and all(
            given[id(one)] is whole if is_input(one) and is_input(whole) else _equal(one, whole)
            for one, whole in pairs
        )
        if not same:
            raise ValueError(
                f"wasm: entry {loop}: its arguments are those of the entry {self.name}, with whole "
                "arrays for batches, and all else the same"
            )
        arrays = [getattr(leaves[i], "_data", leaves[i]) for i in self.traced.inputs]
        for (name, one), whole in zip(self.arrays.items(), arrays, strict=True):
            rows = (batch, *whole.shape[1:])
            if not whole.ndim or (one.shape, one.dtype) != (rows, whole.dtype):
                raise ValueError(
                    f"wasm: entry {loop}: {name} is {whole.dtype}{list(whole.shape)} in batches of "
                    f"{batch}, and the entry {self.name} takes {one.dtype}{list(one.shape)}; what "
                    "has no row for each example is to be held in a Tensor"
                )
        return arrays

    def lowered(self, strides: Sequence[tuple[int, ...]], machine: Machine) -> Stages:
        """The step in the loop language, for states of these strides. RefusedError if NumPy would
        have to do a part of it."""
        specs = [(array.shape, array.dtype) for array in self.arrays.values()]
        stages = Stages.of(self.traced.program, specs, strides, machine)
        for segment in stages.code.segments:
            if isinstance(segment, ByNumpy):
                raise self.refused(stages, segment.op, "only NumPy has code for it")
        for number in range(len(stages.plan.graph.ops)):
            try:
                _check_functions(stages.plan.graph, number)
            except RefusedError as error:
                raise self.refused(stages, number, str(error)) from None
        return stages

    def refused(self, stages: Stages, number: int, why: str) -> RefusedError:
        """The error for an op of the graph that cannot be printed."""
        graph = stages.plan.graph
        op = graph.ops[number]
        args = [graph.ops[arg] for arg in op.args] or [op]
        of = " and ".join(f"{arg.dtype}{list(arg.shape)}" for arg in args)
        to = "" if op.dtype in (BOOL, *(arg.dtype for arg in args)) else f" to {op.dtype}"
        where = f", made at {op.line}" if op.line else ""
        what = f"{op.primitive.name} of {of}{to}{where}"
        return RefusedError(f"wasm: entry {self.name}: {what}: {why}")


def _check_functions(graph: Graph, number: int) -> None:
    """RefusedError if an op calls a function of floats that no page has."""
    expr = definition(graph, number, variables(graph.ops[number].shape))
    for part in walk(expr) if expr is not None else ():
        if (
            isinstance(part, Op)
            and part.name in FUNCTIONS
            and not elementary(part.name, part.dtype)
        ):
            imported(part.name, part.dtype)


def limits(stages: Stages) -> dict[int, int]:
    """Of inputs whose integers have to be in 0 to n - 1, the number of the input and n."""
    graph, found = stages.plan.graph, dict[int, int]()
    for kernel in stages.plan.kernels:
        if isinstance(kernel, Check) and kernel.bound is not None:
            position, bound = kernel.bound.args
            parts = list(walk(position))
            read = [graph.ops[part.number] for part in parts if isinstance(part, Entry)]
            others = [part.name for part in parts if isinstance(part, Op)]
            if len(read) == 1 and read[0].primitive is INPUT and {*others} <= {"convert"}:
                place, most = read[0].params["place"], np.iinfo(read[0].dtype).max + 1
                found[place] = min(int(str(bound)), found.get(place, most))
    return found


def _argument_names(function: Callable[..., Any], args: Sequence[Any]) -> Iterator[str]:
    """A name for each leaf of the arguments: of its parameter, and its path in that."""
    for name, arg in inspect.signature(function).bind(*args).arguments.items():
        for path in dotted(flatten(arg)[1]):
            yield f"{name}.{path}" if path else name


def _equal(one: Any, other: Any) -> bool:
    """Whether two static arguments are of one type and equal."""
    return type(one) is type(other) and not is_input(one) and bool(one == other)


__all__ = ["StepEntry", "limits"]
