"""Why an operation, or its derivative, is not finite, and what to write instead: the advice that
detect_anomaly gives for each primitive."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import ops
from ..graph import Node
from ..primitives.primitive import Primitive

Index = tuple[int, ...]
Advice = tuple[str, str]  # the cause, and what to write instead

MASK = "if a where() drops these entries, it comes too late for the gradient: put it inside, "


class Case(NamedTuple):
    """An entry of a result that is not finite: its operands x and y (nan where there are none, or
    more than numbers), the arguments, the result's dtype, the entry's index."""

    x: float
    y: float
    args: Sequence[Any]
    dtype: Any
    at: Index


def advice(
    prim: Primitive, operands: list[float], args: Sequence[Any], dtype: Any, at: Index = ()
) -> Advice:
    """Why an operation on these finite numbers is not finite, and what to write instead."""
    x, y = (*operands, np.nan, np.nan)[:2]
    known = ADVICE.get(prim)
    return (known and known(Case(x, y, args, dtype, at))) or overflow("the result", dtype)


def _log(case: Case) -> Advice:
    if case.x < 0.0:
        return (
            "the logarithm of a negative number is not real",
            "find out why x is negative; for its size alone, log(abs(x))",
        )
    if _is_softmax(case.args[0]):
        return _log_of_softmax(case)
    return (
        "the logarithm of 0 is -inf",
        "where x is a softmax, log_softmax; a sigmoid(z), -softplus(-z), which is what "
        "binary_cross_entropy(z, targets) does; a sum of exponentials, logsumexp; 1 + exp(z), "
        f"softplus(z); else keep it above 0, log(maximum(x, 1e-12)); {MASK}"
        "log(where(greater(x, 0.0), x, 1.0))",
    )


def _log_of_softmax(case: Case) -> Advice:
    arg, probability = case.args[0], "the probability"
    if _primitive(arg) is ops.exp:
        probability += f" exp({arg.args[0]._data[case.at]:.6g})"
    tiny = np.finfo(case.dtype).smallest_subnormal
    return (
        f"x is a softmax; {probability} there is below {tiny:.0e}, the least {case.dtype}, "
        "and rounded to 0, whose logarithm is -inf",
        "log_softmax(z), with z what the softmax was given: it never forms the "
        "probability, and is exact there; with labels, cross_entropy(z, labels)",
    )


def _log1p(case: Case) -> Advice:
    return (
        "log1p(x) is log(1 + x), so x has to be above -1",
        f"keep it there: log1p(maximum(x, -1 + 1e-12)); {MASK}"
        "log1p(where(greater(x, -1.0), x, 0.0))",
    )


def _exp(case: Case) -> Advice:
    largest = np.log(np.finfo(case.dtype).max)
    return (
        f"exp overflows above {largest:.1f} in {case.dtype}",
        "for log(sum(exp(z))) logsumexp(z); log(1 + exp(z)) softplus(z); exp(z) / "
        "sum(exp(z)) softmax(z); 1 / (1 + exp(-z)) sigmoid(z): they never form it",
    )


def _div(case: Case) -> Advice | None:
    if case.y != 0.0:
        return None
    if case.x == 0.0 and _primitive(case.args[0]) is ops.exp:
        return (
            "exponentials all rounded to 0, and 0 / 0 is nan",
            "softmax(z), if this is exp(z) / sum(exp(z)); else take the largest z out first",
        )
    return (
        "0 / 0 is nan" if case.x == 0.0 else "division by zero",
        f"keep y away from 0: x / (y + 1e-12) where y >= 0; {MASK}"
        "x / where(equal(y, 0.0), 1.0, y); for a mean, see that something is in it",
    )


def _sqrt(case: Case) -> Advice:
    return (
        "the square root of a negative number is not real",
        "rounding can make a difference that should be 0 negative: sqrt(maximum(x, 0.0)); "
        "for a variance, var(x) instead of mean(x * x) - mean(x) * mean(x)",
    )


def _power(case: Case) -> Advice | None:
    if case.x < 0.0 and case.y != np.floor(case.y):
        return (
            "a negative number to a power that is no integer is not real",
            "find out why x is negative; for its size alone, abs(x) ** y",
        )
    if case.x == 0.0:
        return (
            "0 to a negative power is a division by zero",
            f"(x + 1e-12) ** y where x >= 0; {MASK}where(equal(x, 0.0), 1.0, x) ** y",
        )
    return None


# Where a function gives None, the result has overflowed.
ADVICE: dict[Primitive, Callable[[Case], Advice | None]] = {
    ops.log: _log,
    ops.log1p: _log1p,
    ops.exp: _exp,
    ops.expm1: _exp,
    ops.div: _div,
    ops.sqrt: _sqrt,
    ops.power: _power,
}


def slope_advice(prim: Primitive, i: int, numbers: Sequence[Any], dtype: Any) -> Advice:
    """Why the rule for argument i makes a number that is not finite of numbers that are, and what
    to write instead. numbers: the inputs, the result, the cotangent and the rule's answer at one
    entry; empty where the primitive is not elementwise."""
    if not numbers:
        return overflow("the gradient that arrives, times the slope,", dtype)
    *inputs, out, g, _ = (float(x) for x in numbers)
    if prim is ops.power and i == 1 and inputs[0] < 0.0:
        return (
            "the derivative by the exponent is x ** y * log(x), and x is negative",
            "give an exponent that is not learned as a plain number: x ** 3.0",
        )
    if g == 0.0:
        return _zero_times_infinity(prim)
    if prim in INFINITE_AT_ZERO and inputs[i] == 0.0:
        return INFINITE_AT_ZERO[prim]
    if prim in (ops.log, ops.log1p, ops.div, ops.sqrt, ops.power):
        return (
            f"the slope of {prim.name} overflows so near to 0",
            "keep what it divides by away from 0: maximum(x, 1e-12)",
        )
    if not np.isfinite(_slope(prim, i, out, inputs)):
        return (
            f"the slope of {prim.name} is not finite at {inputs[i]:g}",
            "keep its argument away from there",
        )
    return overflow("the gradient that arrives, times the slope,", dtype)


def _slope(prim: Primitive, i: int, out: float, inputs: Sequence[float]) -> Any:
    """The derivative of an elementwise primitive by argument i, by its rule."""
    rule = prim.rule(i)
    assert rule is not None
    with np.errstate(all="ignore"):
        return rule(np.float64(1.0), *map(np.float64, (out, *inputs)))


INFINITE_AT_ZERO: dict[Primitive, Advice] = {
    ops.sqrt: (
        "the slope of sqrt at 0 is infinite",
        "sqrt(x + 1e-12); for a norm, sqrt(sum(v * v) + 1e-12); or do without the root",
    ),
    ops.power: ("the slope of x ** y at 0 is infinite for y below 1", "(x + 1e-12) ** y"),
}


def _zero_times_infinity(prim: Primitive) -> Advice:
    safe = "where(keep, x, 1.0)"
    called = f"{safe} ** y" if prim is ops.power else f"{prim.name}({safe})"
    return (
        f"the slope of {prim.name} is infinite there, and the gradient that arrives is 0, as "
        "it is where a where() took the other branch, or a product with 0 follows: 0 * inf is "
        "nan",
        "choose before the function too, not only after it: keep = greater(x, 0.0); "
        f"where(keep, {called}, 0.0)",
    )


def overflow(what: str, dtype: Any) -> Advice:
    """The advice for a number beyond the largest of its dtype."""
    return (
        f"{what} is beyond {np.finfo(dtype).max:.3g}, the largest {dtype}",
        "numbers that grow from step to step or layer to layer: a smaller learning rate or first "
        "weights, clip the gradients, normalise the inputs; or compute in float64",
    )


def _primitive(x: Any) -> Primitive | None:
    return x.primitive if isinstance(x, Node) else None


def _is_softmax(x: Any) -> bool:
    """Whether x is a softmax: ours, exp(log_softmax(z)), or one by hand, exp(z) / sum(exp(z))."""
    inner = [_primitive(arg) for arg in x.args] if isinstance(x, Node) else []
    if _primitive(x) is ops.div and inner == [ops.exp, ops.sum_p]:
        return _primitive(x.args[1].args[0]) is ops.exp
    return _primitive(x) is ops.exp and inner == [ops.log_softmax_p]
