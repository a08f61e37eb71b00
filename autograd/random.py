"""Random numbers that a trace can replay: a function of a seed and a counter, with no state.

The counter is a Tensor that the step itself advances, so a compiled step draws what the eager
one would have drawn.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from .rows import Row, primitive
from .shapes import Shape


def _mix(x: Any) -> Any:
    """A bijection of 32-bit integers in which each bit of the answer depends on every bit of x.

    The constants are those of github.com/skeeto/hash-prospector/issues/19 (bias 0.107).
    """
    x ^= x >> np.uint32(16)
    x *= np.uint32(0x21F0AAAD)
    x ^= x >> np.uint32(15)
    x *= np.uint32(0xD35A2D97)
    x ^= x >> np.uint32(15)
    return x


@functools.lru_cache(maxsize=8)
def _count(n: int) -> Any:
    """0, 1, ..., n - 1: the same at every step, and a tenth of the work of a draw to make."""
    return np.arange(n, dtype=np.uint32)


def _uniform(count: Any, seed: int, shape: Shape, dtype: np.dtype[Any]) -> Any:
    # Each draw walks the integers from its own start in its own odd stride, both from the key.
    if np.asarray(count).dtype.kind not in "iu":
        raise TypeError(f"uniform: the count is an integer, not {np.asarray(count).dtype}")
    draw = int(count)
    parts = (seed, seed >> 32, draw, draw >> 32)
    key = np.array([part & 0xFFFFFFFF for part in parts], np.uint32)
    start = _mix(_mix(_mix(key[:1] + np.uint32(1)) ^ key[1:2]) ^ key[2:3]) ^ key[3:]
    stride = _mix(start + np.uint32(0x9E3779B9)) | np.uint32(1)
    bits = _count(math.prod(shape)) * stride
    bits += start
    bits = _mix(bits)
    bits >>= np.uint32(8)  # 24 bits: what a float32 holds exactly
    out = bits.astype(dtype)
    out *= dtype.type(2.0**-24)
    return out.reshape(shape)


uniform_row: Row = primitive(
    "uniform",
    "random numbers in [0, 1), a function of a seed and a counter",
    _uniform,
    None,
    cases=(((np.array(3),), {"seed": 1, "shape": (2, 3), "dtype": np.dtype(np.float64)}),),
)


def uniform(count: Any, shape: Shape, seed: int = 0, dtype: Any = np.float32) -> Any:
    """Numbers in [0, 1), independent and uniform, multiples of 2**-24.

    count: an integer (a Tensor, to draw anew in each traced step). The same seed, count and shape
    give the same numbers; no gradient flows. dtype: float32 or float64, else TypeError.

    >>> from autograd.random import uniform
    >>> (uniform(0, (3,)) == uniform(0, (3,))).all(), (uniform(1, (3,)) == uniform(0, (3,))).any()
    (np.True_, np.False_)
    """
    if np.dtype(dtype) not in (np.float32, np.float64):
        raise TypeError(f"uniform: gives float32 or float64, not {np.dtype(dtype)}")
    return uniform_row(count, seed=seed, shape=tuple(shape), dtype=np.dtype(dtype))
