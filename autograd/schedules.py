"""Schedules: the learning rate as an expression of the count of steps, a number or a Tensor.

They are objects, not closures: with an optimizer they are pickled and printed.
"""

from __future__ import annotations

import math
from typing import Any

from . import composites, ops
from .primitives.primitive import Operand
from .state import summary

__all__ = ["check_positive", "constant", "cosine", "one_cycle"]


class constant:
    """The same learning rate at every step. ValueError where it is not positive.

    >>> constant(0.1)(5)
    0.1
    """

    __repr__ = summary

    def __init__(self, rate: float) -> None:
        check_positive("rate", rate)
        self.rate = rate

    def __call__(self, count: Operand) -> Any:
        return self.rate


class cosine:
    """From `rate` to 0 along half a cosine over `steps` steps (Loshchilov and Hutter, arXiv
    1608.03983), then 0. Called with the count of steps, a number or a Tensor, it gives the rate.
    ValueError where one is not positive.

    >>> rate = cosine(0.5, steps=100)
    >>> rate
    cosine(rate=0.5, steps=100)
    >>> [round(float(rate(count)), 3) for count in (0, 25, 50, 100, 200)]
    [0.5, 0.427, 0.25, 0.0, 0.0]
    """

    __repr__ = summary

    def __init__(self, rate: float, steps: int) -> None:
        check_positive("rate", rate)
        check_positive("steps", steps)
        self.rate, self.steps = rate, steps

    def __call__(self, count: Operand) -> Any:
        return _cosine(self.rate, 0.0, composites.clip(count / self.steps, 0.0, 1.0))


class one_cycle:
    """Up from rate / 25 to `rate` over the first `warmup` of `steps`, then down to almost nothing,
    each along half a cosine (Smith and Topin, arXiv 1708.07120; PyTorch's OneCycleLR). ValueError
    where a number is not positive or `warmup` is no fraction.

    >>> rate = one_cycle(0.5, steps=100)
    >>> rate
    one_cycle(rate=0.5, steps=100, warmup=0.3)
    >>> [round(float(rate(count)), 3) for count in (0, 15, 29, 64, 99)]
    [0.02, 0.273, 0.5, 0.25, 0.0]
    """

    __repr__ = summary

    def __init__(self, rate: float, steps: int, warmup: float = 0.3) -> None:
        check_positive("rate", rate)
        check_positive("steps", steps)
        if not 0.0 < warmup < 1.0:
            raise ValueError(f"one_cycle: warmup is a fraction between 0 and 1, not {warmup}")
        self.rate, self.steps, self.warmup = rate, steps, warmup

    def __call__(self, count: Operand) -> Any:
        # Steps are counted from 0, as PyTorch does; a run too short for both ramps keeps some of
        # each.
        rate, peak = self.rate, max(self.warmup * self.steps - 1.0, 1e-9)
        last = max(self.steps - 1.0, peak + 1e-9)
        up = _cosine(rate / 25.0, rate, composites.clip(count / peak, 0.0, 1.0))
        fraction = composites.clip((count - peak) / (last - peak), 0.0, 1.0)
        return ops.where(ops.less(count, peak), up, _cosine(rate, rate / 25e4, fraction))


def _cosine(start: float, end: float, fraction: Any) -> Any:
    return end + (start - end) * 0.5 * (1.0 + ops.cos(math.pi * fraction))


def check_positive(name: str, number: float) -> None:
    """ValueError if a number is not positive and finite."""
    if not (number > 0 and math.isfinite(number)):
        raise ValueError(f"{name} is a positive number, not {number}")
