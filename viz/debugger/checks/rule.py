"""One rule of a primitive against difference quotients of the primitive's own function.

Of a Value the contribution itself is compared. Of a Tensor the change along one direction is, in
float64, and then the contribution with what the rule answers in float64.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from autograd import Value
from autograd.checking.differences import (
    EPS,
    STEP,
    ULPS,
    random_direction,
    random_entries,
    slope_rounding,
    stencil,
)
from viz.backprop import plain, unbroadcast
from viz.debugger.checks.best_slope import best_slope, smooth, truncation
from viz.debugger.checks.check import TINY, Check, compare, compare_digits, compare_with_slope
from viz.text import norm, short

__all__ = ["check_rule"]

ROUNDINGS = 64  # of its arguments, that a rule in float32 may be off by
# Multiplications and additions of a product, and for every entry of what is computed otherwise
# as many as take that long; each is computed some ten times, in float64.
MAX_WORK, WORK_PER_ENTRY = 10**9, 300

Array = np.ndarray[Any, Any]


def check_rule(node: Any, i: int, g: Any, contribution: Any) -> Check | None:
    """The contribution of a node to its argument number i against g times the difference of its
    primitive's own function; of Tensors both along one direction, in float64.

    None where g or a number that the function takes is not finite, and where it cannot be called
    nearby.

    >>> x = Value(0.5)
    >>> check_rule(x.tanh(), 0, 1.0, 0.7864477329659274).agrees
    True
    >>> print(check_rule(x.tanh(), 0, 1.0, 0.5).note[:22])
    they differ by 0.2864;
    """
    if _work(node) > MAX_WORK:
        name = f"the rule of {node.primitive.name}"
        return Check(name, "none", "none", None, "not compared: too large to compute again")
    if not np.isfinite(g).all():
        return None
    try:
        if isinstance(node, Value):
            return _check_number(node, i, g, contribution)
        with np.errstate(all="ignore"):
            return _ArrayRule(node, i).check(g, contribution)
    except (ArithmeticError, ValueError, TypeError):
        return None


def _work(node: Any) -> int:
    """How much it is to compute the node once more, about."""
    sizes = [np.size(node.data), *(np.size(plain(arg)) for arg in node.args)]
    if node.primitive.product:
        return sizes[0] * int(np.shape(plain(node.args[0]))[-1])
    return WORK_PER_ENTRY * max(sizes)


def _same_side(prim: Any, at: Callable[..., Any]) -> Callable[[float], Any]:
    """Whether -h and h are on one side of the primitive's kink. at: makes of a function of the
    arguments one of the step."""
    if prim.kink is None:
        return lambda h: True
    side = at(lambda *args: np.sign(np.asarray(prim.kink(*args), np.float64)))
    return lambda h: side(-h) == side(h)


def _check_number(node: Any, i: int, g: float, contribution: float) -> Check | None:
    prim, args = node.primitive, [arg.data for arg in node.args]
    if not np.isfinite(args).all():
        return None

    def at(function: Callable[..., Any]) -> Callable[[float], Any]:
        return lambda t: function(*args[:i], args[i] + t, *args[i + 1 :])

    noise = ULPS * EPS * max(abs(node.data), TINY)
    slope = best_slope(
        at(lambda *numbers: prim.on_floats(numbers)), _same_side(prim, at), args[i], noise
    )
    what = f"upstream times the central difference of {prim.name}"
    return compare_with_slope(what, g, contribution, slope, prim.convention)


# --- arrays --------------------------------------------------------------------------------------


class _ArrayRule:
    """A Tensor's primitive as a function of a step of one argument along one direction."""

    def __init__(self, node: Any, i: int) -> None:
        self.node, self.primitive, self.params, self.i = node, node.primitive, node.params, i
        self.args = [_float64(plain(arg)) for arg in node.args]
        self.x = self.args[i]
        self.direction = random_direction(np.random.default_rng(0), self.x)
        self.out = np.asarray(self.primitive.on_array(*self.args, **self.params))

    def at(self, function: Callable[..., Any]) -> Callable[[float], Any]:
        """A function of the arguments as one of the step."""
        args, i = self.args, self.i
        return lambda t: function(
            *args[:i], self.x + t * self.direction, *args[i + 1 :], **self.params
        )

    def vjp(self, g: Array, out: Array, *args: Array, within: Any = True) -> Array:
        """What the rule answers, of which only the entries `within` count."""
        answer = self.primitive.rule(self.i)(g, out, *args, **self.params)
        # At a pole the slope is infinite, and that times an upstream of 0 is NaN.
        kept = answer if within is True else np.where(within, answer, 0.0)
        return np.asarray(unbroadcast(kept, self.x))

    def check(self, g: Array, contribution: Array) -> Check:
        """Along the direction, and if that agrees, entry by entry in float64."""
        upstream = g.astype(np.float64)
        along = self._along_direction(upstream)
        if not along.agrees:
            return along
        return self._in_float64(upstream, np.asarray(contribution)) or along

    def _along_direction(self, upstream: Array) -> Check:
        points = stencil(
            lambda t: np.asarray(self.at(self.primitive.on_array)(t), np.float64), STEP
        )
        clear = smooth(points) & _same_side(self.primitive, self.at)(STEP)
        g = np.where(clear, upstream, 0.0)
        terms = g * np.where(clear, points.slope, 0.0)
        error = np.where(clear, slope_rounding(self._noise()) + truncation(points), 0.0)
        tolerance = float(np.sum(np.abs(g) * error) + 4 * EPS / STEP * np.sum(np.abs(terms)))
        within = clear if self.primitive.on_float else True
        answer = self.vjp(g, self.out.astype(np.float64), *self.args, within=within)
        expected, found = float(np.sum(terms)), float(np.sum(answer * self.direction))
        return self._verdict(clear, expected, found, tolerance, float(np.sum(np.abs(g))))

    def _verdict(
        self, clear: Any, expected: float, found: float, tolerance: float, scale: float
    ) -> Check:
        prim = self.primitive
        what = f"upstream times the central difference of {prim.name}, in float64"
        note, left_out = "", int(np.sum(~clear))
        if left_out:
            convention = f" ({prim.convention})" if prim.convention else ""
            note = f"{left_out:,} of {clear.size:,} entries left out, at a kink or a pole"
            note += convention
        if left_out == clear.size:
            return Check(what, "none", "none", None, f"not compared: {note}")
        if prim.on_float is None and not np.isfinite(found):
            return Check(what, short(expected), short(found), None, f"not compared: {note}")
        if self.x.size != 1:
            what = f"{what}, along one direction"
            return compare(what, expected, found, tolerance, scale, note)
        unit = float(self.direction.item())  # of one number its derivative itself
        return compare(what, expected / unit, found / unit, tolerance / abs(unit), scale, note)

    def _noise(self) -> Any:
        """What each entry of the function may be off by, by the numbers whose rounding is in it:
        of a sum its terms."""
        prim, args = self.primitive, list(self.args)
        args[self.i] = np.abs(self.x) + STEP * np.abs(self.direction)
        sizes = [np.abs(arg) if arg.dtype.kind == "f" else arg for arg in args]
        # A cast to float32 is a function known to float32's precision.
        ulps = ULPS * float(np.finfo(self.out.dtype).eps)
        if prim.linear:
            return ulps * prim.on_array(*sizes, **self.params)
        if prim.on_float is not None:
            return ulps * np.abs(self.out)
        finite = (size[np.isfinite(size)] for size in sizes if size.dtype.kind == "f")
        largest = max(float(np.max(size, initial=0.0)) for size in finite)
        return ulps * (np.abs(self.out) + largest)

    def _in_float64(self, upstream: Array, contribution: Array) -> Check | None:
        """None where the contribution is what the rule answers in float64, but for the rounding of
        each of the numbers that it is given to the dtypes at hand."""
        right = self.vjp(upstream, self.out.astype(np.float64), *self.args)
        there = np.isfinite(right) & (np.abs(right) <= np.finfo(contribution.dtype).max)
        off = norm((contribution - right)[there])
        tolerance = self._rounding_in_dtype(upstream, contribution, right, there)
        what = "the rule's answer in float64"
        norms = compare_digits(norm(right), norm(contribution), False)
        lost = np.any(np.isfinite(self.out) & ~np.isfinite(self.node.data))
        overflows = lost or np.any(np.isfinite(right) & ~there)
        if overflows and not np.isfinite(contribution).all():
            note = f"not compared: too large for {contribution.dtype}"
            return Check(what, *norms, None, note)
        if off <= tolerance or np.isnan(tolerance):
            return None
        note = f"they differ by {short(off)}, as norms; rounding costs at most {tolerance:.0e}"
        return Check(what, *norms, False, note)

    def _rounding_in_dtype(
        self, upstream: Array, contribution: Array, right: Array, there: Array
    ) -> float:
        """What rounding upstream, result and arguments may change of the answer, as a norm: each to
        the coarsest dtype there is, in which a rule may compute a part, such as a log of its x."""
        node = self.node
        parts = [upstream, self.out.astype(np.float64), *self.args]
        dtypes = [node.dtype, contribution.dtype, *(np.asarray(plain(a)).dtype for a in node.args)]
        eps = max(float(np.finfo(dtype).eps) for dtype in dtypes if dtype.kind == "f")
        moved = eps * norm(right[there])
        floating = [k for k, part in enumerate(parts) if part.dtype.kind == "f"]
        for k in floating if eps > EPS else []:
            # By either sign: else terms that cancel would hide it.
            signs = np.sign(random_entries(np.random.default_rng(0), parts[k].shape))
            near = self.vjp(*parts[:k], parts[k] * (1.0 + eps * signs), *parts[k + 1 :])
            moved += norm((near - right)[there])
        smallest = float(np.finfo(node.dtype).tiny)
        return ROUNDINGS * moved + smallest * float(np.max(np.abs(upstream), initial=1.0))


def _float64(data: Any) -> Any:
    array = np.asarray(data)
    return array.astype(np.float64) if array.dtype.kind == "f" else array
