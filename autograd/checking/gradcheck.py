"""gradcheck: do the rules' gradients agree with the function itself?

Gradients are compared with differences of the function (differences.py), along one random
direction for all arguments at once, or entry by entry. Besides, a gradient must have its
argument's shape and dtype, be linear in the cotangent, be the same on a second call, and agree with
forward mode.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..functional import jvp, vjp
from ..graph import Node, ancestors, pullback
from ..modes.mode import no_grad, set_mode
from ..tensor import wrap
from ..transforms.tree import flatten, unflatten
from ..value import Value
from .differences import (
    EPS,
    STEP,
    ULPS,
    Slope,
    first_smooth_slope,
    random_direction,
    random_entries,
    slope_rounding,
)
from .gradcheck_inputs import Function, float_arguments
from .gradcheck_report import Entry, brackets, close, likely_mistake, mismatch
from .node_data import data_of

__all__ = ["GradientCheck", "GradientError", "gradcheck"]

MAX_ENTRIES = 2000  # looked at to find the worst one; entries=True looks at all


class GradientError(AssertionError):
    """A gradient is wrong; the text says of which argument, where, and by how much."""


@dataclass
class GradientCheck:
    """The result of a check that found nothing wrong. It counts as true.

    order: the highest that was checked. compared: how many slopes.
    error: the largest difference between rules and differences, in units of its tolerance.
    notes: kinks at the point, and where the differences are too coarse to say much.
    """

    order: int
    compared: int = 0
    error: float = 0.0
    notes: list[str] = field(default_factory=list)


def gradcheck(
    f: Function, *inputs: Any, order: int = 1, entries: bool = False, seed: int = 0
) -> GradientCheck:
    """Check the gradient of `f` at a point against differences of `f`, in float64.

    inputs: numbers, arrays, Values or Tensors, also in nested lists, tuples and dicts; what
    holds no floats (labels, flags) is given to f as it is. f gives a number, an array, or a
    structure of them; arrays are checked against a random cotangent drawn with `seed`.
    order: 2 also checks the gradient of the gradient. entries: every entry, not one direction.
    Raises GradientError, which names the argument, the entry and both numbers; ValueError for an
    order other than 1 and 2, or inputs without a float.

    A slope is the difference over steps h and h/2, h = eps**(1/3) * max(1, |x|), extrapolated to
    0 (Richardson). Its tolerance is 8 B/h for rounding, and what the extrapolation changed, which
    bounds the error that is left. B = 4 eps * sum over nodes of |cotangent * value| bounds the
    rounding in f: a badly conditioned f has a wide tolerance, another f a narrow one. A kink shows
    as a fourth difference above its own rounding, 16 B. If its jump stays while h shrinks, any
    slope between the two sides passes, with a note. Where nothing settles, the check only notes it.

    >>> from autograd import detach, gradcheck, sin
    >>> bool(gradcheck(sin, 0.5, order=2))
    True
    >>> gradcheck(lambda x, y: x * detach(y), 2.0, 3.0)
    Traceback (most recent call last):
    autograd.checking.gradcheck.GradientError: gradcheck, order 1: wrong gradient of argument 1 (y)
      the rules say 0, differences say 2: error 2, tolerance 7e-09
      wrong entries: 0 of 1 of argument 0 (x), 1 of 1 of argument 1 (y)
      no gradient gets there: a rule that is None or gives 0, or a detach()
    """
    if order not in (1, 2):
        raise ValueError(f"gradcheck: order must be 1 or 2, not {order!r}")
    flat, given, names = float_arguments(f, inputs)
    leaves = [x if isinstance(x, float) else np.array(x, np.float64) for x in given]
    generator, result = np.random.default_rng(seed), GradientCheck(order)
    first = _Check(flat, leaves, names, 1, generator, result)
    first.run(entries)
    if order == 2:
        _Check(first.gradient, leaves, names, 2, generator, result).run(entries)
    first.vjp(given, first.weights)  # in the dtypes that were given
    return result


class _Check:
    """The gradient of one function of floats and float64 arrays, at one point."""

    def __init__(
        self,
        f: Function,
        leaves: list[Any],
        names: list[str],
        order: int,
        generator: np.random.Generator,
        result: GradientCheck,
    ) -> None:
        self.f, self.leaves, self.names = f, leaves, names
        self.order, self.generator, self.result = order, generator, result
        outs, self.structure = flatten(self._compute(leaves))
        for i, (x, y) in enumerate(zip(outs, flatten(self._compute(leaves))[0], strict=True)):
            if np.asarray(x).dtype.kind != "f":
                raise TypeError(
                    f"gradcheck: result {i} of the function is {x!r}, not a float or an array of "
                    "floats"
                )
            if not np.isfinite(x).all():
                what = "the function" if order == 1 else "the gradient"
                raise self._wrong(f"{what} is not finite at this point: result {i} is {x}")
            if not close(x, y):
                raise self._wrong(
                    "the function gives other numbers the second time: random ones, or a state "
                    "that it changes"
                )
        # The gradient of a single number is shown as it is; of other results, that of <weights, f>.
        self.single = sum(map(np.size, outs)) == 1
        self.weights = [np.ones_like(x) for x in outs] if self.single else self._random_like(outs)
        self.direction = [random_direction(self.generator, x) for x in leaves]
        self._call_elsewhere()
        self.rounding = self._rounding()

    def _call_elsewhere(self) -> None:
        """Call the rules at another point: one that remembers the point it saw first, or last, is
        wrong afterwards."""
        self.vjp(self._point(self.direction, STEP), self.weights)

    def gradient(self, *leaves: Any) -> tuple[Any, ...]:
        """The gradient of <weights, f>: the function to check at the next order."""
        return self.vjp(leaves, self.weights)

    def run(self, entries: bool) -> None:
        """Make every check; raises GradientError."""
        entries = entries or sum(map(np.size, self.leaves)) == 1
        self._call_elsewhere()
        gradient = self.vjp(self.leaves, self.weights)
        for g, name in zip(gradient, self.names, strict=True):
            if not np.isfinite(g).all():
                at = _first_index(~np.isfinite(g))
                raise self._wrong(f"the gradient of {name}{brackets(at)} is {np.asarray(g)[at]}")
        self._differences(gradient, entries)
        self._cotangents(gradient)
        self._forward(gradient)

    # --- the three kinds of checks ---

    def _differences(self, gradient: Any, entries: bool) -> None:
        largest = max(float(np.max(np.abs(g), initial=0.0)) for g in gradient)
        if not entries:
            slope = self._slope(self.direction, "along a random direction")
            along = _dot(gradient, self.direction)
            if slope.error(along) <= 1.0:
                self._compared(slope, along, _dot(gradient, self.direction, np.abs))
                return
        looked = list(self._entries(gradient, None if entries else MAX_ENTRIES))
        if any(entry.error > 1.0 for entry in looked):
            raise self._wrong(self._mismatch(looked))
        if not entries:
            raise self._wrong(
                f"along a random direction the rules say {along:.10g}, differences "
                f"{slope.middle:.10g}: tolerance {slope.tolerance:.1g}, though none of the "
                f"{len(looked)} entries looked at is wrong by itself"
            )
        for entry in looked:
            self._compared(entry.slope, entry.rules, largest)

    def _cotangents(self, gradient: Any) -> None:
        again = self.vjp(self.leaves, self.weights, times=2)
        self._agree(gradient, again, gradient, "is not the same on a second call")
        zero = self.vjp(self.leaves, [0.0 * w for w in self.weights])
        for g, name in zip(zero, self.names, strict=True):
            if np.any(g):
                at = _first_index(np.asarray(g) != 0.0)
                raise self._wrong(
                    f"the gradient of {name}{brackets(at)} is {np.asarray(g)[at]:.10g} for a "
                    "cotangent of zero: a rule that leaves out g, or adds to it"
                )
        other = self._random_like(self.weights)
        apart = self.vjp(self.leaves, other)
        mixed = [3.0 * v - 2.0 * w for v, w in zip(other, self.weights, strict=True)]
        wanted = [3.0 * b - 2.0 * a for a, b in zip(gradient, apart, strict=True)]
        got = self.vjp(self.leaves, mixed)
        what = "is not linear in the cotangent: for 3 v - 2 w it is"
        self._agree(wanted, got, (*gradient, *apart), what)

    def _forward(self, gradient: Any) -> None:
        tangents = [_plain(u, x) for u, x in zip(self.direction, self.leaves, strict=True)]
        pushed = flatten(jvp(self.f, self.leaves, tangents)[1])[0]
        forward, reverse = _dot(self.weights, pushed), _dot(gradient, self.direction)
        scale = _dot(gradient, self.direction, np.abs)
        # Both are sums of products with some rounding each; a mistake is larger than that.
        if not abs(forward - reverse) <= slope_rounding(self.rounding) + 1e-9 * scale:
            raise self._wrong(
                f"forward and reverse mode disagree: <w, J v> = {forward:.10g}, "
                f"<J^T w, v> = {reverse:.10g}"
            )

    # --- differences of <weights, f> ---

    def _slope(self, direction: Any, where: str) -> Slope:
        """The slope of <weights, f> along a direction; see gradcheck."""
        slope = first_smooth_slope(lambda t: self._number(self._point(direction, t)), self.rounding)
        if not slope.known:
            self._note(
                f"{where} differences do not settle as the step shrinks, or f is not finite on "
                "both sides: nothing is checked there"
            )
        elif slope.kink:
            self._note(
                f"{where} there is a kink within {slope.step:.0e} of the point: slope "
                f"{slope.low:.6g} on one side, {slope.high:.6g} on the other"
            )
        return slope

    def _entries(self, gradient: Any, limit: int | None) -> Iterator[Entry]:
        indices = [(i, at) for i, x in enumerate(self.leaves) for at in np.ndindex(np.shape(x))]
        if limit and len(indices) > limit:
            chosen = self.generator.choice(len(indices), limit, replace=False)
            indices = [indices[i] for i in sorted(chosen)]
        for i, at in indices:
            direction = [np.zeros(np.shape(x)) for x in self.leaves]
            scale = max(1.0, abs(float(np.asarray(self.leaves[i])[at])))
            direction[i][at] = scale
            slope = self._slope(direction, f"at {self.names[i]}{brackets(at)}").times(1.0 / scale)
            yield Entry(i, at, float(np.asarray(gradient[i])[at]), slope)

    def _number(self, leaves: Sequence[Any]) -> float:
        outs = flatten(self._compute(leaves))[0]
        return _dot(self.weights, outs)

    def _compute(self, leaves: Sequence[Any]) -> Any:
        """What the function gives, in plain numbers and arrays."""
        with no_grad(), np.errstate(all="ignore"):
            outs, structure = flatten(self.f(*[_node(x) for x in leaves]))
        return unflatten(iter([data_of(x) for x in outs]), structure)

    def _point(self, direction: Any, t: float) -> list[Any]:
        """The leaves, moved along a direction by t."""
        return [_plain(x + t * u, x) for x, u in zip(self.leaves, direction, strict=True)]

    def _rounding(self) -> float:
        """B of gradcheck: each node's rounding, carried to the result by its cotangent."""
        total = 0.0
        with set_mode(gradients=True), np.errstate(all="ignore"):
            nodes = [_node(x) for x in self.leaves]
            for node in nodes:
                node.requires_grad = True
            outs = flatten(self.f(*nodes))[0]
            for out, w in zip(outs, self.weights, strict=True):
                if isinstance(out, Node) and out.requires_grad:
                    cotangents = pullback(out, ancestors(out), out._seed(w, False), False)
                    for node, g in cotangents.items():
                        size = np.abs(np.asarray(g * node._data, np.float64))
                        total += float(np.sum(size, where=np.isfinite(size)))
        return ULPS * EPS * total

    # --- gradients ---

    def vjp(self, leaves: Sequence[Any], weights: Sequence[Any], times: int = 1) -> tuple[Any, ...]:
        """The gradient of <weights, f> at some leaves, as the last of several calls gives it."""
        out, apply = vjp(self.f, *leaves)
        shown = [_plain(w, x) for w, x in zip(weights, flatten(out)[0], strict=True)]
        for _ in range(times):
            gradient: tuple[Any, ...] = apply(unflatten(iter(shown), self.structure))
        for x, g, name in zip(leaves, gradient, self.names, strict=True):
            found, argument = np.asarray(data_of(g)), np.asarray(data_of(x))
            if found.shape != argument.shape or found.dtype != argument.dtype:
                raise self._wrong(
                    f"the gradient of {name} has shape {found.shape} and dtype "
                    f"{found.dtype}, the argument {argument.shape} and {argument.dtype}"
                )
        return gradient

    def _random_like(self, arrays: Sequence[Any]) -> list[Any]:
        """Random numbers in these shapes."""
        return [random_entries(self.generator, np.shape(x)) for x in arrays]

    # --- what it found ---

    def _compared(self, slope: Slope, found: float, scale: float) -> None:
        """Record a slope that agrees; scale: the size of the gradient."""
        self.result.compared += slope.known
        self.result.error = max(self.result.error, slope.error(found))
        if slope.tolerance > 1e-3 * scale > 0.0:
            self._note(
                f"differences are good to {slope.tolerance:.1g} here, and the "
                f"gradient is about {scale:.1g}: f is badly conditioned, this check says little"
            )

    def _note(self, text: str) -> None:
        self.result.notes.append(f"order {self.order}: {text}")

    def _agree(self, wanted: Any, got: Any, terms: Sequence[Any], what: str) -> None:
        """Raise GradientError where two gradients differ by more than the rounding of `terms`."""
        # Not to the last bit: BLAS may add in another order where memory is aligned differently.
        scale = max(float(np.max(np.abs(term), initial=0.0)) for term in terms)
        bound = slope_rounding(self.rounding) + 1e-9 * scale
        for a, b, name in zip(wanted, got, self.names, strict=True):
            off = np.abs(np.asarray(a) - b)
            if not np.all(off <= bound):
                at = np.unravel_index(np.argmax(off), off.shape)
                raise self._wrong(
                    f"the gradient of {name}{brackets(at)} {what}: {np.asarray(b)[at]:.10g}, "
                    f"wanted {np.asarray(a)[at]:.10g}"
                )

    def _wrong(self, text: str) -> GradientError:
        notes = "".join(f"\n  note: {note}" for note in self.result.notes[:3])
        return GradientError(f"gradcheck, order {self.order}: {text}{notes}")

    def _mismatch(self, entries: list[Entry]) -> str:
        lines = list(mismatch(entries, self.names))
        if self.order == 2:
            lines.append("the gradient is right; this is the gradient of <w, gradient>, w random")
        elif not self.single:
            lines.append("these are gradients of <w, f>, w random")
        return "\n  ".join([*lines, *likely_mistake(entries)])


def _dot(xs: Sequence[Any], ys: Sequence[Any], of: Function = np.asarray) -> float:
    """The sum of products of the entries of two lists of numbers and arrays."""
    return sum(float(np.sum(of(x * y))) for x, y in zip(xs, ys, strict=True))


def _node(x: Any) -> Any:
    return wrap(x) if isinstance(x, np.ndarray) else Value(x)


def _plain(x: Any, like: Any) -> Any:
    """x as a float where `like` is a float or a Value, else as an array."""
    return np.asarray(x) if hasattr(like, "shape") else float(x)


def _first_index(where: Any) -> tuple[int, ...]:
    return tuple(int(i) for i in np.argwhere(where)[0]) if np.ndim(where) else ()
