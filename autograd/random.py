"""Random numbers that a trace can replay: a function of a seed and a counter, without state.

The counter is a Tensor that the step itself advances, so a compiled step draws what the eager
step would have drawn. The seed may be a Tensor too, to be changed between steps.
"""

from __future__ import annotations

import functools
import math
import operator
from typing import Any

import numpy as np

from .primitives.expressions import (
    INT32,
    UINT32,
    UINT64,
    Expr,
    Index,
    contiguous,
    convert,
    offset,
    op,
)
from .primitives.primitive import Operand, Primitive, primitive
from .primitives.shapes import Shape

GOLDEN = 0x9E3779B9  # 2^32 divided by the golden ratio; it makes the stride differ from the start


def _mix(x: Any) -> Any:
    """A bijection of 32-bit integers in which each bit of the answer depends on every bit of x.
    x: an array, which is written, or an expression.

    The constants are those of github.com/skeeto/hash-prospector/issues/19 (bias 0.107).
    """
    x ^= x >> 16
    x *= 0x21F0AAAD
    x ^= x >> 15
    x *= 0xD35A2D97
    x ^= x >> 15
    return x


@functools.lru_cache(maxsize=8)
def _count(n: int) -> Any:
    """0, 1, ..., n - 1, kept from step to step: to make it is a tenth of the work of a draw."""
    return np.arange(n, dtype=np.uint32)


def _halves(n: int) -> tuple[Any, Any]:
    """The low and the high 32 bits of an integer, in arrays of one entry."""
    low, high = (np.array([part & 0xFFFFFFFF], np.uint32) for part in (n, n >> 32))
    return low, high


def _key(count: tuple[Any, Any], seed: tuple[Any, Any]) -> tuple[Any, Any]:
    """Each draw mixes start + i * stride, with a start and an odd stride of its own. count, seed:
    their halves."""
    start = _mix(_mix(_mix(seed[0] + 1) ^ seed[1]) ^ count[0]) ^ count[1]
    return start, _mix(start + GOLDEN) | 1


def _uniform(count: Any, seed: Any, shape: Shape, dtype: np.dtype[Any], first: int = 0) -> Any:
    for name, number in (("count", count), ("seed", seed)):
        if np.asarray(number).dtype.kind not in "iu":
            raise TypeError(f"uniform: the {name} is an integer, not {np.asarray(number).dtype}")
    start, stride = _key(_halves(int(count)), _halves(int(seed)))
    bits = _count(math.prod(shape)) * stride
    bits += start + stride * np.uint32(first & 0xFFFFFFFF)
    bits = _mix(bits)
    bits >>= 8  # 24 bits: what a float32 holds exactly
    out = bits.astype(dtype)
    out *= dtype.type(2.0**-24)
    return out.reshape(shape)


def _halves_of_entry(number: Any) -> tuple[Expr, Expr]:
    wide = convert(number[()], UINT64)
    return convert(wide, UINT32), convert(wide >> 32, UINT32)


def _entry(
    at: Index, count: Any, seed: Any, shape: Shape, dtype: np.dtype[Any], first: int = 0
) -> Expr:
    """`_uniform` as an expression of one entry."""
    start, stride = _key(_halves_of_entry(count), _halves_of_entry(seed))
    bits = _mix(convert(offset(at, contiguous(shape)) + first, UINT32) * stride + start)
    signed = convert(bits >> 8, INT32)  # many CPUs convert only signed integers in vectors
    return op("*", convert(signed, dtype), 2.0**-24)


uniform_p: Primitive = primitive(
    "uniform",
    "random numbers in [0, 1), a function of a seed and a counter",
    _uniform,
    None,
    None,
    entry=_entry,
    cases=(((np.array(3), np.array(1)), {"shape": (2, 3), "dtype": np.dtype(np.float64)}),),
)


def uniform(
    count: Operand, shape: Shape, seed: Operand = 0, dtype: Any = np.float32, first: int = 0
) -> Any:
    """Numbers in [0, 1), independent and uniform, multiples of 2**-24.

    count, seed: integers, of which the low 64 bits matter (a Tensor, to draw anew in each traced
    step). The same seed, count and shape give the same numbers; no gradient flows. dtype: float32
    or float64. first: the number of the first entry, where these are a part of more: so whoever
    draws a part draws what the whole has there. Raises TypeError for other dtypes.

    >>> from autograd.random import uniform
    >>> (uniform(0, (3,)) == uniform(0, (3,))).all(), (uniform(1, (3,)) == uniform(0, (3,))).any()
    (np.True_, np.False_)
    >>> bool((uniform(0, (2,), first=1) == uniform(0, (3,))[1:]).all())
    True
    """
    if np.dtype(dtype) not in (np.float32, np.float64):
        raise TypeError(f"uniform: gives float32 or float64, not {np.dtype(dtype)}")
    if isinstance(seed, int | np.integer):
        seed = int64(seed)
    params = {"first": int(first)} if first else {}
    return uniform_p(count, seed, shape=tuple(shape), dtype=np.dtype(dtype), **params)


def draws(epoch: Operand, n: int, seed: Operand) -> Any:
    """The numbers that n examples draw for their order in an epoch: (n,) float32. Traced, a
    compiled step or a page draws the same.

    >>> draws(0, 5, seed=0).argsort()
    array([2, 1, 4, 0, 3])
    """
    return uniform(epoch, (n,), -1 - seed)  # another stream than a dropout's with this seed


def order(n: int, seed: int, epoch: int) -> np.ndarray[Any, Any]:
    """The order in which an epoch takes its n examples: a permutation of 0 .. n - 1, int64.

    They are sorted by what they draw, equal ones as they stand. So an order needs no state: whoever
    knows the seed and the epoch has it, also in another process or language. Raises ValueError
    where n is not between 0 and 2**32.

    >>> order(5, seed=0, epoch=0), order(5, seed=0, epoch=1)
    (array([2, 1, 4, 0, 3]), array([2, 0, 4, 1, 3]))
    """
    if not 0 <= n <= 2**32:
        raise ValueError(f"order: n is from 0 to 2**32, not {n}")
    # One integer holds the number drawn, 24 bits, and then the place: no two are equal, so every
    # sorting algorithm gives the same order.
    keys = (draws(epoch, n, seed) * np.float32(2.0**24)).astype(np.uint64) << np.uint64(32)
    keys |= np.arange(n, dtype=np.uint64)
    keys.sort()
    places: np.ndarray[Any, Any] = (keys & np.uint64(2**32 - 1)).astype(np.int64)
    return places


def int64(number: Any) -> int:
    """The int64 with the low 64 bits of an integer. TypeError for anything else."""
    return (operator.index(number) + 2**63) % 2**64 - 2**63
