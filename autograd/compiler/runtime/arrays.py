"""NumPy arrays as C sees them: where they begin, how they lie."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...primitives.expressions import contiguous
from ..passes.memory import ALIGNMENT, Array
from ..passes.simplify import RefusedError


def strides(array: Any) -> tuple[int, ...]:
    """The strides in entries. Of an empty array, whose own may be 0, those of a dense one: what is
    at the same place at every turn of a loop is read before that, though there be no turn."""
    if not array.size:
        return contiguous(array.shape)
    if any(stride % array.itemsize for stride in array.strides) or not array.flags.aligned:
        raise RefusedError("a state's entries do not lie at multiples of their size")
    return tuple(stride // array.itemsize for stride in array.strides)


def view(array: Array, slots: Sequence[Any]) -> Any:
    """An array of the step as NumPy sees it."""
    base = slots[array.slot]
    if array.offset or base.dtype != array.dtype or base.shape != array.shape:
        strides = [stride * array.dtype.itemsize for stride in array.strides]
        return np.ndarray(array.shape, array.dtype, base, array.offset, strides)
    return base


def dense(array: Any) -> Any:
    """The array itself if its entries lie one after the other, else a copy."""
    flags = array.flags
    return array if flags.c_contiguous and flags.aligned else np.array(array, order="C")


def address(array: Any) -> int:
    try:  # a quarter of the time of what is general; only for what is dense and can be written
        return ctypes.addressof(ctypes.c_byte.from_buffer(array))
    except (TypeError, ValueError):
        return int(array.__array_interface__["data"][0])


def aligned(size: int) -> Any:
    room = np.empty(size + ALIGNMENT, np.uint8)
    start = -address(room) % ALIGNMENT
    return room[start : start + size]


def span(array: Any) -> tuple[int, int]:
    """From where to where an array's entries lie."""
    first, last = np.lib.array_utils.byte_bounds(array) if array.size else (0, 0)
    return int(first), int(last)


def folded(array: Any) -> bool:
    """Whether two entries may share bytes, as in a broadcast view or a sliding window."""
    reach = array.itemsize
    for stride, n in sorted(zip(map(abs, array.strides), array.shape, strict=True)):
        if n > 1 and stride < reach:
            return bool(array.size)
        reach += stride * (n - 1)
    return False
