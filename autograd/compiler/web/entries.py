"""A step of a module: traced, lowered, and how its arguments and results are named."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ...primitives.expressions import Op, walk
from ...tensor import Tensor
from ...transforms.tree import flatten, paths
from ..frontend.trace import Traced, trace
from ..passes.entries import Entry
from ..passes.kernels import ByNumpy, Check
from ..passes.simplify import INPUT, RefusedError
from ..passes.stages import Stages
from ..passes.tiling import Machine
from ..step import jit

PATH = re.compile(r"\.(\w+)|\[('[^']*'|\"[^\"]*\"|[^\]]*)\]")  # a part of a path to a leaf


@dataclass(frozen=True)
class StepEntry:
    """A step that was traced for arguments. arrays: those that are arrays, by name. strides: of
    each state, by its Tensor."""

    name: str
    function: Callable[..., Any]
    traced: Traced
    arrays: dict[str, Any]

    @classmethod
    def of(cls, name: str, function: Callable[..., Any], args: Sequence[Any]) -> StepEntry:
        """Trace a function. TraceError as `jit` raises it."""
        leaves, structure = flatten((tuple(args), {}))
        plain = function.function if isinstance(function, jit) else function
        traced = trace(plain, leaves, structure)
        names = list(_argument_names(plain, tuple(args)))
        arrays = {names[i]: getattr(leaves[i], "_data", leaves[i]) for i in traced.inputs}
        return cls(name, function, traced, arrays)

    @property
    def states(self) -> list[Tensor]:
        """The Tensors from outside that it reads or writes."""
        return [tensor for _, tensor in self.traced.program.states]

    @property
    def result_names(self) -> list[str]:
        """The names of the results that it computes. RefusedError for one that is an argument or a
        state as it is."""
        answer = self.traced.answer
        names = [dotted(path) or "result" for path in paths(answer.structure)]
        for name, source in zip(names, answer.sources, strict=True):
            if source is not None:
                raise RefusedError(
                    f"wasm: entry {self.name}: result {name} is an argument, a state or a constant "
                    "as it is; return what is computed of it, such as x * 1.0"
                )
        return names

    def lowered(self, strides: Sequence[tuple[int, ...]], machine: Machine) -> Stages:
        """The step in the loop language, for states of these strides. RefusedError if NumPy would
        have to do a part of it."""
        specs = [(array.shape, array.dtype) for array in self.arrays.values()]
        stages = Stages.of(self.traced.program, specs, strides, machine)
        for segment in stages.code.segments:
            if isinstance(segment, ByNumpy):
                raise self.refused(stages, segment.op, "it has no code for these, only NumPy's")
        return stages

    def refused(self, stages: Stages, number: int, why: str) -> RefusedError:
        """The error for an op of the graph that cannot be printed."""
        op = stages.plan.graph.ops[number]
        where = f", made at {op.line}" if op.line else ""
        what = f"{op.primitive.name} of {op.dtype}{list(op.shape)}{where}"
        return RefusedError(f"wasm: entry {self.name}: {what}: {why}")


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
                found[read[0].params["place"]] = int(str(bound))
    return found


def _argument_names(function: Callable[..., Any], args: tuple[Any, ...]) -> Iterator[str]:
    """A name for each leaf of the arguments: of its parameter, and its path in that."""
    parameters = list(inspect.signature(function).parameters.values())
    positions = [p.name for p in parameters if p.kind is not p.VAR_POSITIONAL]
    others = next((p.name for p in parameters if p.kind is p.VAR_POSITIONAL), "argument")
    for number, arg in enumerate(args):
        name = positions[number] if number < len(positions) else f"{others}.{number}"
        for path in paths(flatten(arg)[1]):
            yield ".".join(filter(None, (name, dotted(path))))


def dotted(path: str) -> str:
    """A path to a leaf of a tree, in dots.

    >>> dotted("['layers'][0].weight")
    'layers.0.weight'
    """
    found = (match.groups() for match in PATH.finditer(path))
    return ".".join(name or str(ast.literal_eval(key)) for name, key in found)


__all__ = ["StepEntry", "dotted", "limits"]
