"""Run a traced program with NumPy, in the order in which it was recorded.

This is the reference for what a compiled step means, and what runs where there is no compiler.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..graph import counter
from ..tensor import memory
from .program import Assign, Program


def replay(program: Program, inputs: Sequence[Any]) -> list[Any]:
    """The results of one step on these input arrays; the states take their new values."""
    slots: list[Any] = [None] * program.slots
    for slot, value in zip(program.inputs, inputs, strict=True):
        slots[slot] = value
    for slot, value in program.constants:
        slots[slot] = value
    for slot, tensor in program.states:
        slots[slot] = tensor._data  # looked up at each call: it may have been replaced
    states = dict(program.states)
    with np.errstate(all="ignore"):
        for step in program.steps:
            if isinstance(step, Assign):
                np.copyto(slots[step.state], slots[step.source], casting="same_kind")
                states[step.state].index = next(counter)
                continue
            out = step.row.on_array(*[slots[slot] for slot in step.args], **step.params)
            slots[step.out] = out if isinstance(out, np.ndarray) else np.asarray(out)
            for slot in step.frees:
                slots[slot] = None
    taken = {id(memory(array)) for array in inputs}
    taken |= {id(memory(tensor._data)) for tensor in states.values()}
    taken |= {id(memory(value)) for _, value in program.constants}
    return [_alone(slots[slot], taken) for slot in program.results]


def _alone(array: Any, taken: set[int]) -> Any:
    """An array that shares no memory with inputs, states, constants or the results before it."""
    array = array.copy() if id(memory(array)) in taken else array
    taken.add(id(memory(array)))
    return array
