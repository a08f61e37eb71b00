"""NumPy arrays as C sees them: their addresses, strides and overlaps."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...primitives.expressions import contiguous
from ..frontend.program import RefusedError
from ..passes.memory import ALIGNMENT, Array


def entry_strides(array: Any) -> tuple[int, ...]:
    """The strides in entries. An empty array, whose own may be 0, gets those of a dense array: with
    a stride of 0 its entry would be loaded before the loop, though the loop has no turn."""
    if not array.size:
        return contiguous(array.shape)
    if any(stride % array.itemsize for stride in array.strides) or not array.flags.aligned:
        raise RefusedError("a state's entries do not lie at multiples of their size")
    return tuple(stride // array.itemsize for stride in array.strides)


def view(array: Array, slots: Sequence[Any]) -> Any:
    """An array of the step as a NumPy array."""
    base = slots[array.slot]
    if array.offset or base.dtype != array.dtype or base.shape != array.shape:
        strides = [stride * array.dtype.itemsize for stride in array.strides]
        return np.ndarray(array.shape, array.dtype, base, array.offset, strides)
    return base


def dense_array(array: Any) -> Any:
    """The array itself if its entries lie one after the other, else a copy."""
    flags = array.flags
    return array if flags.c_contiguous and flags.aligned else np.array(array, order="C")


def address(array: Any) -> int:
    """Where an array's first entry is."""
    try:  # a quarter of the other's time; only for dense arrays that can be written
        return ctypes.addressof(ctypes.c_byte.from_buffer(array))
    except (TypeError, ValueError):
        return int(array.__array_interface__["data"][0])


def aligned_bytes(size: int) -> Any:
    """Memory that begins at a cache line."""
    block = np.empty(size + ALIGNMENT, np.uint8)
    start = -address(block) % ALIGNMENT
    return block[start : start + size]


def byte_range(array: Any) -> tuple[int, int]:
    """The addresses between which an array's entries lie."""
    first, last = np.lib.array_utils.byte_bounds(array) if array.size else (0, 0)
    return int(first), int(last)


def overlaps_itself(array: Any) -> bool:
    """Whether two entries may share bytes, as in a broadcast view or a sliding window."""
    reach = array.itemsize
    for stride, n in sorted(zip(map(abs, array.strides), array.shape, strict=True)):
        if n > 1 and stride < reach:
            return bool(array.size)
        reach += stride * (n - 1)
    return False
