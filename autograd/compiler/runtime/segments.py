"""The segments of a compiled step: lists of stages in a library, and kernels for NumPy."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..passes.kernels import ByNumpy, Collective
from ..passes.lower import Code
from ..passes.memory import Array
from ..passes.simplify import CONSTANT
from ..passes.stages import Stages
from .arrays import view


def entry_points(code: Code, library: ctypes.CDLL) -> list[Any]:
    """The segments of a step: pointers to their lists of stages, or kernels left to NumPy."""
    where = {name: ctypes.addressof(ctypes.c_char.in_dll(library, name)) for name in code.compiled}
    compiled = iter(where.values())
    return [s if isinstance(s, ByNumpy) else ctypes.c_void_p(next(compiled)) for s in code.segments]


def run_by_numpy(stages: Stages, kernel: ByNumpy, slots: Sequence[Any]) -> None:
    """Run a kernel that has no C. slots: the step's arrays, as its block of pointers has them."""
    if isinstance(kernel, Collective):
        run_collective(stages, kernel, slots)
        return
    ops, memory = stages.plan.graph.ops, stages.memory
    op = ops[kernel.op]
    args = [
        ops[arg].params["value"] if ops[arg].primitive is CONSTANT else view(memory.ops[arg], slots)
        for arg in op.args
    ]
    with np.errstate(all="ignore"):
        out = op.primitive.on_array(*args, **op.params)
    np.copyto(view(memory.ops[kernel.op], slots), out)


def run_collective(stages: Stages, kernel: Collective, slots: Sequence[Any]) -> None:
    """Run a kernel of several processes: one call for all that it computes."""
    ops, memory = stages.plan.graph.ops, stages.memory
    for each in kernel.computes:
        (arg,) = ops[each.op].args
        place = memory.ops[each.op]
        if ops[arg].primitive is CONSTANT:
            view(place, slots)[...] = ops[arg].params["value"]
        elif memory.ops[arg] != place:
            np.copyto(view(place, slots), view(memory.ops[arg], slots))
    places = [memory.ops[each.op] for each in kernel.computes]
    first, last = places[0], places[-1]
    count = (last.offset + last.size - first.offset) // first.dtype.itemsize
    whole = Array(first.slot, first.offset, (count,), (1,), first.dtype)
    in_place = ops[kernel.op].primitive.collective
    assert in_place is not None
    in_place(view(whole, slots))
