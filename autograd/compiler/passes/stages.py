"""Runs the passes one after the other, from a program to loops, and keeps what each made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from ...state import counted
from ..frontend.program import Program
from .kernels import Plan
from .lower import Code, Cost, lower
from .memory import Memory, arrange
from .plan import plan
from .simplify import LEAVES, Graph, Spec, simplify
from .tiling import Machine


@dataclass(frozen=True)
class Stages:
    """A program at each stage on its way to the loop language."""

    program: Program
    graph: Graph
    plan: Plan
    memory: Memory
    code: Code
    machine: Machine

    @classmethod
    def of(
        cls,
        program: Program,
        inputs: Sequence[Spec],
        strides: Sequence[tuple[int, ...]],
        machine: Machine,
        keep: Sequence[int] = (),
    ) -> Self:
        """Lower a program for inputs of these shapes and dtypes, and states of these strides.
        keep: slots of the program whose values must be in memory at the end of the step."""
        graph = simplify(program, inputs, keep)
        planned = plan(graph)
        memory = arrange(planned, strides, machine)
        return cls(program, graph, planned, memory, lower(planned, memory, machine), machine)

    @property
    def costs(self) -> tuple[Cost, ...]:
        """What each function of the step costs: one for each kernel, and one for each operand that
        is packed for a product."""
        return self.code.costs

    def __repr__(self) -> str:
        operations = counted(sum(op.primitive not in LEAVES for op in self.graph.ops), "operation")
        kernels, scratch = len(self.plan.kernels), counted(self.memory.size, "byte")
        return f"<lowered step: {operations}, {counted(kernels, 'kernel')}, {scratch} of scratch>"

    def __str__(self) -> str:
        stages = (self.program, self.graph, self.plan, self.memory, self.code)
        return "\n\n".join(map(str, stages))
