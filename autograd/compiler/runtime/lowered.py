"""What `step.lower` gives: a program at every stage of its way to C."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..frontend.program import Program
from ..passes.simplify import Spec
from ..passes.stages import Stages
from ..printers.c_files import source
from . import build
from .arrays import entry_strides
from .measure import measure


class Lowered(Stages):
    """A program at every stage of its way to C."""

    @property
    def source(self) -> str:
        """The C."""
        return source(self.code.compiled, self.machine)

    def measure(self) -> list[float]:
        """The seconds that each function takes, in the order of `costs`. The step runs on memory
        of its own, so no state changes. Raises BuildError where there is no C compiler."""
        return measure(self)


def lowered(
    program: Program, inputs: Sequence[Spec], states: Sequence[Any], keep: Sequence[int] = ()
) -> Lowered:
    """Compile a program as far as the loop language. states: the arrays, whose strides it is made
    for. keep: slots of the program whose values are to be in memory when the step has been done."""
    strides = [entry_strides(array) for array in states]
    return Lowered.of(program, inputs, strides, build.machine(), keep)
