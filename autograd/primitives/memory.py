"""Whose memory an array is in, and copies that start where they should or stay as they are."""

from __future__ import annotations

from typing import Any

import numpy as np


def base_array(array: Any) -> Any:
    """The array that owns the memory of this one: itself, or what it is a view of, at any depth.
    (An array in the memory of a file or of bytes counts as its owner.)"""
    while isinstance(base := getattr(array, "base", None), np.ndarray):
        array = base
    return array


def snapshot(arg: Any) -> Any:
    """An argument as a rule will read it. The caller may write a plain array before `backward()`,
    so the graph keeps a read-only copy."""
    if arg.__class__ is not np.ndarray or (arg.base is None and not arg.flags.writeable):
        return arg
    copy = arg.copy(order="K")
    copy.flags.writeable = False
    return copy


def cache_aligned(array: Any) -> Any:
    """A copy that starts on a cache line, in column-major order if the array is only that:
    matrix products read the transpose of a column-major weight."""
    column_major = array.flags.f_contiguous and not array.flags.c_contiguous
    buffer = np.empty(array.nbytes + 64, np.uint8)
    start = -buffer.ctypes.data % 64
    flat = buffer[start : start + array.nbytes].view(array.dtype)
    out = flat.reshape(array.shape[::-1]).T if column_major else flat.reshape(array.shape)
    out[...] = array
    return out
