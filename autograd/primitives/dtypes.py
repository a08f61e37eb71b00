"""Which dtypes and arrays the engine computes with, and the errors for others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

# The dtypes of Tensors. In another byte order they are not equal to these.
DTYPES = frozenset(map(np.dtype, ["?", *"bhilqBHILQ", np.float32, np.float64]))


def check_native(array: Any, name: str) -> Any:
    """`check_array` for an array that must not be copied: another byte order is a TypeError."""
    if isinstance(array, np.ndarray) and not array.dtype.isnative and array.dtype.kind in "iuf":
        raise TypeError(
            f"{name}: an array of {array.dtype}, in another machine's byte order, would be copied; "
            "give x.astype(x.dtype.newbyteorder('='))"
        )
    return check_array(array, name)


def check_array(array: Any, name: str) -> Any:
    """An array of a dtype that the engine computes with, in this machine's byte order.

    Raises TypeError for other dtypes, whose imaginary part, digits or meaning would be lost, and
    for matrices and masked arrays, whose operators and entries mean something else.
    """
    if array.__class__ is not np.ndarray:
        if isinstance(array, np.matrix) or hasattr(array, "_mask"):
            cure = "np.asarray of it" if isinstance(array, np.matrix) else "where() and its mask"
            raise TypeError(f"{name}: a {type(array).__name__} is no plain array; use {cure}")
        array = np.asarray(array)
    dtype = check_dtype(array.dtype, name)
    return array if array.dtype == dtype else array.astype(dtype)


def check_dtype(dtype: Any, name: str) -> Any:
    """A dtype in this machine's byte order. TypeError unless Tensors have it."""
    if dtype in DTYPES:
        return dtype
    if dtype.newbyteorder("=") in DTYPES:
        return dtype.newbyteorder("=")
    raise TypeError(
        f"{name}: computes with float32, float64, integers and booleans, not with {dtype}"
    )


def float_dtype(args: Iterable[Any]) -> Any:
    """The dtype of a Python number beside these arguments: the widest of their floats'."""
    dtypes = [arg.dtype for arg in args if hasattr(arg, "dtype")]
    floats = [dtype for dtype in dtypes if dtype.kind == "f"]
    return np.result_type(*floats) if floats else np.dtype(float)
