"""Which arrays the engine computes with: their dtypes, and what is said of others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

# The dtypes of Tensors. One in another byte order is none of them.
DTYPES = frozenset(map(np.dtype, ["?", *"bhilqBHILQ", np.float32, np.float64]))


def check_native(array: Any, name: str) -> Any:
    """An array that is used where it lies: `check_array`, and refused in another byte order."""
    if isinstance(array, np.ndarray) and not array.dtype.isnative and array.dtype.kind in "iuf":
        raise TypeError(
            f"{name}: an array of {array.dtype}, in another machine's byte order, would be copied; "
            "give x.astype(x.dtype.newbyteorder('='))"
        )
    return check_array(array, name)


def check_array(array: Any, name: str) -> Any:
    """An array, if the engine computes with its dtype, in this machine's byte order.

    Raises TypeError for others, whose imaginary part, digits or meaning would be lost, and for the
    subclasses whose operators or entries are not an array's.
    """
    if array.__class__ is not np.ndarray:
        if isinstance(array, np.matrix) or hasattr(array, "_mask"):
            cure = "np.asarray of it" if isinstance(array, np.matrix) else "where() and its mask"
            raise TypeError(f"{name}: a {type(array).__name__} is no plain array; use {cure}")
        array = np.asarray(array)
    dtype = check_dtype(array.dtype, name)
    return array if array.dtype == dtype else array.astype(dtype)


def check_dtype(dtype: Any, name: str) -> Any:
    """A dtype that Tensors have, in this machine's byte order. TypeError for others."""
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
