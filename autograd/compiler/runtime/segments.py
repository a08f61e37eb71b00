"""The segments of a compiled step: lists of stages in a library, and kernels for NumPy."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..passes.kernels import ByNumpy
from ..passes.lower import Code
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
    ops, memory = stages.plan.graph.ops, stages.memory
    op = ops[kernel.op]
    args = [
        ops[arg].params["value"] if ops[arg].primitive is CONSTANT else view(memory.ops[arg], slots)
        for arg in op.args
    ]
    with np.errstate(all="ignore"):
        out = op.primitive.on_array(*args, **op.params)
    np.copyto(view(memory.ops[kernel.op], slots), out)
