"""From the record of a run to a program: every node and constant becomes a numbered slot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ...tensor import Tensor
from .program import Apply, Assign, Program
from .record import Trace


def build_program(
    record: Trace, results: list[Tensor], captured: tuple[Callable[[], Any], ...]
) -> Program:
    """The program of a record; captured: references to the arrays that constants are copies of."""
    slots = _Slots(record)
    inputs = tuple(slots[tensor] for tensor in record.inputs)
    steps: list[Apply | Assign] = []
    for event in record.events:
        if isinstance(event, tuple):
            steps.append(Assign(slots[event[0]], slots[event[1]]))
        else:
            args = tuple(slots[arg] for arg in event.args)
            assert event.primitive
            what = event.shape, event.dtype, event.scope, record.lines[event]
            steps.append(Apply(event.primitive, args, event.params, slots[event], *what))
    answers = tuple(slots[result] for result in results)
    states, constants = tuple(slots.states), tuple(slots.constants)
    lasting = {*inputs, *answers, *(slot for slot, _ in (*states, *constants))}
    freeing = tuple(_with_last_reads(steps, lasting))
    return Program(len(slots.numbers), inputs, states, constants, freeing, answers, captured)


class _Slots:
    """Numbers of values, given out as they are first asked for."""

    def __init__(self, record: Trace) -> None:
        self.record = record
        self.numbers: dict[Any, int] = {}
        self.states: list[tuple[int, Tensor]] = []
        self.constants: list[tuple[int, Any]] = []

    def __getitem__(self, value: Any) -> int:
        record = self.record
        if isinstance(value, Tensor) and value in record.created and value not in record.input_set:
            value = value._data  # a leaf made in the step is a constant
        key: Any = value
        if isinstance(value, np.ndarray):
            key = id(value)
        elif not isinstance(value, Tensor):
            key = (type(value), repr(value))  # repr: -0.0 is not 0.0
        if key not in self.numbers:
            self.numbers[key] = number = len(self.numbers)
            if not isinstance(value, Tensor):
                self.constants.append((number, self._copy(value)))
            elif value not in record.lines and value not in record.created:
                self.states.append((number, value))
        return self.numbers[key]

    def _copy(self, constant: Any) -> Any:
        if not isinstance(constant, np.ndarray):
            return constant
        known = self.record.captured.get(id(constant))
        return known[1] if known else constant.copy()


def _with_last_reads(steps: list[Apply | Assign], lasting: set[int]) -> list[Apply | Assign]:
    """The steps, each with the slots that no later step reads. lasting: slots that are kept."""
    seen = set(lasting)
    out: list[Apply | Assign] = []
    for step in reversed(steps):
        if isinstance(step, Assign):
            seen.add(step.source)
            out.append(step)
        else:
            read = {*step.args, step.out}
            frees = tuple(sorted(read - seen))
            seen |= read
            out.append(replace(step, frees=frees))
    return out[::-1]
