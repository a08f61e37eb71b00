"""Run a traced program with NumPy, in the order in which it was recorded.

This is the reference for what a compiled step means, and what runs where there is no compiler.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...graph import counter
from ...primitives.memory import base_array
from .program import Apply, Assign, Program, TraceError

MAX_WORK = 10**5  # of NumPy's search for a byte that two arrays share; beyond, they may


def replay(program: Program, inputs: Sequence[Any]) -> list[Any]:
    """The results of one step on these input arrays; the states take their new values. If a
    primitive raises, they keep the old ones, as if the step had not begun."""
    slots: list[Any] = [None] * program.slots
    for slot, value in zip(program.inputs, inputs, strict=True):
        slots[slot] = value
    for slot, value in program.constants:
        slots[slot] = value
    for slot, tensor in program.states:
        slots[slot] = tensor._data  # looked up at each call: it may have been replaced
    states = dict(program.states)
    before: dict[int, Any] = {}  # old values of the states that were written
    try:
        with np.errstate(all="ignore"):
            for step in program.steps:
                if isinstance(step, Assign):
                    before.setdefault(step.state, slots[step.state].copy())
                    np.copyto(slots[step.state], slots[step.source], casting="same_kind")
                    continue
                out = step.primitive.on_array(*[slots[slot] for slot in step.args], **step.params)
                slots[step.out] = out if isinstance(out, np.ndarray) else np.asarray(out)
                for slot in step.frees:
                    slots[slot] = None
    except BaseException:  # Ctrl-C too
        for slot, array in reversed(before.items()):  # two states may share memory
            np.copyto(slots[slot], array)
        raise
    for slot in before:
        states[slot].index = next(counter)
    in_use = {id(base_array(array)) for array in inputs}
    in_use |= {id(base_array(tensor._data)) for tensor in states.values()}
    in_use |= {id(base_array(value)) for _, value in program.constants}
    return [_own_copy(slots[slot], in_use) for slot in program.results]


def _own_copy(array: Any, in_use: set[int]) -> Any:
    """An array that shares no memory with inputs, states, constants or the results before it."""
    array = array.copy() if id(base_array(array)) in in_use else array
    in_use.add(id(base_array(array)))
    return array


class Replayed:
    """A step that NumPy runs, because it cannot be compiled, and why."""

    def __init__(self, program: Program, why: str = "") -> None:
        self.program, self.why = program, why
        slots = dict(program.states)
        assigned = {step.state for step in program.steps if isinstance(step, Assign)}
        self.written = [slots[slot] for slot in assigned]

    def __str__(self) -> str:
        return f"replayed by NumPy: {self.why}"

    def __call__(self, inputs: Sequence[Any]) -> list[Any]:
        self.check_writable()
        self.check_apart()
        return replay(self.program, inputs)

    def loop(self, inputs: Sequence[Any], order: Any) -> list[Any]:
        """The results of a step for each row of `order`: the entries of the inputs it takes."""
        steps = [self([whole.take(rows, axis=0) for whole in inputs]) for rows in order]
        if not steps:
            return self._no_results()
        return [np.stack(results) for results in zip(*steps, strict=True)]

    def _no_results(self) -> list[Any]:
        """The results of a loop without steps, stacked."""
        made = {
            step.out: (step.shape, step.dtype)
            for step in self.program.steps
            if isinstance(step, Apply)
        }
        made |= {
            slot: (np.shape(value), np.asarray(value).dtype)
            for slot, value in self.program.constants
        }
        return [np.empty((0, *made[slot][0]), made[slot][1]) for slot in self.program.results]

    def check_writable(self) -> None:
        """Raise ValueError where a state is read-only, before anything is written."""
        for tensor in self.written:
            if not tensor._data.flags.writeable:
                raise ValueError(
                    f"assign: destination is read-only: the array of {tensor.name or 'a Tensor'}, "
                    f"of shape {tensor.shape}, that the step writes; hold a copy of it"
                )

    def check_apart(self) -> None:
        """Raise TraceError where a constant lies in memory that the step writes."""
        for reference in self.program.captured:
            array = reference()
            for tensor in self.written if array is not None else ():
                if np.may_share_memory(array, tensor._data, MAX_WORK):  # type: ignore[arg-type]
                    raise TraceError(
                        f"jit: an array of shape {array.shape} that the step uses is memory of "
                        f"{tensor.name or 'a Tensor'} that the step writes; use the Tensor, or "
                        "a copy of the array"
                    )
