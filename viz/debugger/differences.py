"""Gradients held against central differences, at one node or of the whole graph.

A difference is told apart from a wrong rule by what it may be off by itself: rounding, 8 B / h for
a function known up to B, and curvature, of which the differences over h and h / 2 tell.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from autograd import Node, Value
from viz.backprop import fitted, plain, pull
from viz.text import short

__all__ = ["Check", "check_gradients", "check_rule"]

EPS = sys.float_info.epsilon
TINY = sys.float_info.min
# Half the distance of the outer points: rounding costs EPS / h of a slope, curvature h**2.
STEP = EPS ** (1 / 3)
# Near a kink or a pole smaller ones see more.
STEPS = tuple(STEP / 16.0**k for k in range(7))
ULPS = 4  # what a function of the table may be off by
BEND = 1e-3  # a slope that changes by more of itself within a step has a kink there
ROUNDINGS = 64  # of its arguments, that a rule in float32 may be off by
ZERO = 1e-6  # of what comes from upstream: so small a contribution counts as none

# Multiplications and additions of a product, and for every entry of what is computed otherwise
# as many as take that long; each is computed some ten times, in float64.
MOST_WORK, PER_ENTRY = 10**9, 300

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Check:
    """What a difference says beside what the rules say, and whether they agree.

    agrees: None where nothing can be compared. note: by how much they part, or why that is.
    """

    what: str
    expected: str
    found: str
    agrees: bool | None
    note: str = ""


@dataclass(frozen=True)
class _Slopes:
    """The slope of each entry of a function of a step, and what it may be off by for curvature.

    clear: where the function is smooth within the step. low, high: the slopes on both sides.
    """

    slope: Array
    error: Array
    clear: Array
    low: Array
    high: Array


def _slopes(f: Callable[[float], Any], same_side: Callable[[float], Any], h: float) -> _Slopes:
    """same_side(h): where -h and h are on one side of every kink."""
    steps = (-h, -h / 2, 0.0, h / 2, h)
    with np.errstate(all="ignore"):
        far_left, left, here, right, far_right = (np.asarray(f(t), np.float64) for t in steps)
        wide, narrow = (far_right - far_left) / (2 * h), (right - left) / h
        low, high = (here - left) / (h / 2), (right - here) / (h / 2)
        smooth = np.abs(high - low) <= BEND * np.maximum(1.0, np.abs(narrow))
        clear = smooth & np.isfinite(wide) & same_side(h)
        return _Slopes(narrow, 4 * np.abs(narrow - wide), clear, low, high)


def _sides(row: Any, at: Callable[..., Any]) -> Callable[[float], Any]:
    """Whether -h and h are on one side of the row's kink. at: makes of a function of the
    arguments one of the step."""
    if row.kink is None:
        return lambda h: True
    side = at(lambda *args: np.sign(np.asarray(row.kink(*args), np.float64)))
    return lambda h: side(-h) == side(h)


# --- one rule ------------------------------------------------------------------------------------


def check_rule(node: Any, i: int, g: Any, contribution: Any) -> Check | None:
    """The contribution of a node to its argument number i against g times the difference of its
    row's own function; of Tensors both along one direction, in float64.

    None where g or a number that the function takes is not finite, and where it cannot be called
    nearby.

    >>> x = Value(0.5)
    >>> check_rule(x.tanh(), 0, 1.0, 0.7864477329659274).agrees
    True
    >>> print(check_rule(x.tanh(), 0, 1.0, 0.5).note[:22])
    they differ by 0.2864;
    """
    if _work(node) > MOST_WORK:
        name = f"the rule of {node.row.name}"
        return Check(name, "none", "none", None, "not compared: too large to compute again")
    if not np.isfinite(g).all():
        return None
    try:
        if isinstance(node, Value):
            return _check_number(node, i, g, contribution)
        return _check_array(node, i, g, contribution)
    except (ArithmeticError, ValueError, TypeError):
        return None


def _work(node: Any) -> int:
    """How much it is to compute the node once more, about."""
    sizes = [np.size(node.data), *(np.size(plain(arg)) for arg in node.args)]
    if node.row.product:
        return sizes[0] * int(np.shape(plain(node.args[0]))[-1])
    return PER_ENTRY * max(sizes)


def _check_number(node: Any, i: int, g: float, contribution: float) -> Check | None:
    row, args = node.row, [arg.data for arg in node.args]

    if not np.isfinite(args).all():
        return None

    def at(function: Callable[..., Any]) -> Callable[[float], Any]:
        return lambda t: function(*args[:i], args[i] + t, *args[i + 1 :])

    function = at(lambda *numbers: row.on_floats(numbers))
    what = f"upstream times the central difference of {row.name}"
    noise = ULPS * EPS * max(abs(node.data), TINY)
    found = _best(function, _sides(row, at), args[i], noise)
    return _judged(what, g, contribution, *found, row.convention)


def _best(
    f: Callable[[float], float], same_side: Callable[[float], Any], x: float, noise: float
) -> tuple[_Slopes, float]:
    """The slopes at x with the step that says most, and what they may be off by: infinity where
    there is a kink at every step, NaN where no step can be believed. noise: what f may be off by.
    """
    # The smallest step tells least, but where larger ones part from it f turns around within
    # them: of sin(1e9 * x) their points lie anywhere on the wave.
    *steps, smallest = _steps(x)
    finest, rounding = _measured(f, same_side, x, smallest, noise)
    unsure = rounding + float(finest.error)
    if finest.error > BEND * abs(finest.slope) + 2 * rounding:
        return finest, np.nan
    best: tuple[_Slopes, float] | None = None
    kinked = None
    for h in steps:
        slopes, rounding = _measured(f, same_side, x, h, noise)
        tolerance = rounding + float(slopes.error)
        if not slopes.clear:
            kinked = kinked or slopes
        elif abs(slopes.slope - finest.slope) <= tolerance + unsure:
            if best is None or tolerance < best[1]:
                best = slopes, tolerance
            if slopes.error <= rounding:  # smaller steps only round more
                break
    if best or kinked is None:
        return best or (finest, np.nan)
    # At a kink each side has a slope of its own; at a pole they grow as the step shrinks.
    sides = [float(side) for side in (kinked.low, kinked.high, finest.low, finest.high)]
    bend = BEND * max(1.0, *map(abs, sides[:2])) + 4 * unsure
    same = abs(sides[0] - sides[2]) <= bend and abs(sides[1] - sides[3]) <= bend
    return kinked, np.inf if same else np.nan


def _measured(
    f: Callable[[float], float], same_side: Callable[[float], Any], x: float, h: float, noise: float
) -> tuple[_Slopes, float]:
    """The slopes, and what rounding may cost: of f, of x + h, and of the quotient itself."""
    slopes = _slopes(f, same_side, h)
    return slopes, 8 * noise / h + 4 * EPS * (abs(x) / h + 1.0) * abs(float(slopes.slope))


def _steps(x: float) -> Iterator[float]:
    """From large to small; in the end relative to a small x, which may lie near a pole."""
    for scale in sorted({max(1.0, abs(x)), abs(x) or 1.0}, reverse=True):
        yield from (h * scale for h in STEPS)


def _judged(
    what: str, g: float, found: float, slopes: _Slopes, tolerance: float, convention: str
) -> Check:
    if np.isfinite(tolerance):
        return _compared(what, g * float(slopes.slope), found, abs(g) * (tolerance + TINY), abs(g))
    low, high = sorted((g * float(slopes.low), g * float(slopes.high)))
    said = f": {convention}" if convention else ""
    if np.isnan(tolerance) or not np.isfinite([low, high]).all():
        note = f"not compared: no difference can be taken here{said}"
        return Check(what, "none", short(float(found)), None, note)
    between = low - BEND * abs(g) <= found <= high + BEND * abs(g)
    note = f"at a kink the derivative is a convention{said}"
    return Check(what, f"{short(low)} to {short(high)}", short(float(found)), between, note)


def _compared(
    what: str, expected: float, found: float, tolerance: float, scale: float, note: str = ""
) -> Check:
    """scale: the size of what comes from upstream."""
    off = 0.0 if expected == found else abs(expected - found)  # of infinities, too
    if off and not np.isfinite(expected):
        why = "not compared: the difference is not finite"
        return Check(what, short(expected), short(found), None, why)
    if off and tolerance >= max(abs(expected), abs(found), ZERO * scale, TINY):
        why = f"not compared: rounding may cost {tolerance:.0e}, which hides it"
        return Check(what, short(expected), short(found), None, why)
    agrees = bool(off <= tolerance + TINY)
    if not agrees:
        note = f"they differ by {short(off)}; measuring is off by at most {tolerance:.0e}" + (
            f"; {note}" if note else ""
        )
    return Check(what, *_apart(expected, found, agrees), agrees, note)


def _apart(expected: float, found: float, agrees: bool) -> tuple[str, str]:
    """Both numbers; where they differ, in as many digits as show it.

    >>> _apart(0.12345678, 0.12345679, False), _apart(0.5, 0.75, False)
    (('0.12345678', '0.12345679'), ('0.5', '0.75'))
    """
    digits = 4
    while not agrees and digits < 17 and short(expected, digits) == short(found, digits):
        digits += 1
    return short(expected, digits), short(found, digits)


def _check_array(node: Any, i: int, g: Array, contribution: Array) -> Check:
    row, params = node.row, node.params
    args = [_widened(plain(arg)) for arg in node.args]
    x, upstream = args[i], g.astype(np.float64)
    direction = _direction(x.shape) * np.where(np.isfinite(x), np.maximum(1.0, np.abs(x)), 1.0)
    what = f"upstream times the central difference of {row.name}, in float64"

    def at(function: Callable[..., Any]) -> Callable[[float], Any]:
        return lambda t: function(*args[:i], x + t * direction, *args[i + 1 :], **params)

    def pulled(g: Array, out: Array, *args: Array, within: Any = True) -> Array:
        answer = row.rule(i)(g, out, *args, **params)
        # At a pole the slope is infinite, and that times an upstream of 0 is NaN.
        share: Array = fitted(answer if within is True else np.where(within, answer, 0.0), x)
        return share

    slopes = _slopes(at(row.on_array), _sides(row, at), STEP)
    near = [*args[:i], np.abs(x) + STEP * np.abs(direction), *args[i + 1 :]]
    wide = np.where(slopes.clear, upstream, 0.0)
    with np.errstate(all="ignore"):
        out = np.asarray(row.on_array(*args, **params))
        parts = [out.astype(np.float64), *args]
        share = pulled(wide, *parts, within=slopes.clear if row.on_float else True)
        terms = wide * np.where(slopes.clear, slopes.slope, 0.0)
        # A cast to float32 is a function known to float32's precision.
        noise = ULPS * float(np.finfo(out.dtype).eps) * _magnitude(row, near, params, out)
        error = np.where(slopes.clear, 8 * noise / STEP + slopes.error, 0.0)
        tolerance = float(np.sum(np.abs(wide) * error) + 4 * EPS / STEP * np.sum(np.abs(terms)))
        expected, found = float(np.sum(terms)), float(np.sum(share * direction))
        shown = _as_shown(pulled, [upstream, *parts], np.asarray(contribution), node)
    left_out = int(np.sum(~slopes.clear))
    note = ""
    if left_out:
        convention = f" ({row.convention})" if row.convention else ""
        note = f"{left_out:,} of {out.size:,} entries left out, at a kink or a pole{convention}"
    if left_out == out.size:
        return Check(what, "none", "none", None, f"not compared: {note}")
    if row.on_float is None and not np.isfinite(found):
        return Check(what, short(expected), short(found), None, f"not compared: {note}")
    scale = float(np.sum(np.abs(wide)))
    if x.size != 1:
        what = f"{what}, along one direction"
        check = _compared(what, expected, found, tolerance, scale, note)
    else:
        unit = float(direction.item())  # of one number its derivative itself
        check = _compared(what, expected / unit, found / unit, tolerance / abs(unit), scale, note)
    return shown if shown and check.agrees else check


def _as_shown(
    pulled: Callable[..., Array], parts: list[Array], contribution: Array, node: Any
) -> Check | None:
    """None where the contribution is what the rule answers in float64, but for what comes of
    rounding each of the numbers it is given to the dtypes at hand."""
    right = pulled(*parts)
    eps = float(max(np.finfo(node.dtype).eps, np.finfo(contribution.dtype).eps))
    there = np.isfinite(right) & (np.abs(right) <= np.finfo(contribution.dtype).max)
    moved = eps * _norm(right[there])
    floating = [k for k, part in enumerate(parts) if part.dtype.kind == "f"]
    for k in floating if eps > EPS else []:
        # By either sign: else terms that cancel would hide it.
        rounded = parts[k] * (1.0 + eps * np.sign(_direction(parts[k].shape)))
        near = pulled(*parts[:k], rounded, *parts[k + 1 :])
        moved += _norm((near - right)[there])
    off, tolerance = _norm((contribution - right)[there]), ROUNDINGS * moved
    tolerance += float(np.finfo(node.dtype).tiny) * float(np.max(np.abs(parts[0]), initial=1.0))
    what, norms = "the rule's answer in float64", _apart(_norm(right), _norm(contribution), False)
    lost = np.any(np.isfinite(parts[1]) & ~np.isfinite(node.data))
    if (lost or np.any(np.isfinite(right) & ~there)) and not np.isfinite(contribution).all():
        return Check(what, *norms, None, f"not compared: too large for {contribution.dtype}")
    if off <= tolerance or np.isnan(tolerance):
        return None
    note = f"they differ by {short(off)}, as norms; rounding costs at most {tolerance:.0e}"
    return Check(what, *norms, False, note)


def _norm(array: Array) -> float:
    return float(np.sqrt(np.sum(np.square(array, dtype=np.float64))))


def _direction(shape: tuple[int, ...]) -> Array:
    """Entries of either sign and different sizes: of ones, half would cancel the other half."""
    generator = np.random.default_rng(0)
    return np.asarray(generator.uniform(0.5, 1.5, shape) * generator.choice([-1.0, 1.0], shape))


def _widened(data: Any) -> Any:
    array = np.asarray(data)
    return array.astype(np.float64) if array.dtype.kind == "f" else array


def _magnitude(row: Any, args: Sequence[Array], params: dict[str, Any], out: Array) -> Any:
    """How large the numbers are whose rounding is in each entry: of a sum its terms."""
    sizes = [np.abs(arg) if arg.dtype.kind == "f" else arg for arg in args]
    if row.linear:
        return row.on_array(*sizes, **params)
    if row.on_float is not None:
        return np.abs(out)
    finite = (size[np.isfinite(size)] for size in sizes if size.dtype.kind == "f")
    largest = max(float(np.max(size, initial=0.0)) for size in finite)
    return np.abs(out) + largest


# --- the whole graph -----------------------------------------------------------------------------


def check_gradients(nodes: Sequence[Any], gradients: dict[Any, Any]) -> Iterator[tuple[Any, Check]]:
    """The gradient of each node of a graph of Values against the central difference of the root
    (the last of `nodes`), the later nodes computed again: quadratic in their number.

    >>> x = Value(3.0)
    >>> y = x * x
    >>> [(check.expected, check.agrees) for _, check in check_gradients([x, y], {x: 6.0, y: 1.0})]
    [('6', True)]
    """
    root = nodes[-1]
    # The first order of what rounding can move the root by: of every node by a few ulp.
    size = sum(abs(g * node.data) for node, g in gradients.items())
    noise = ULPS * EPS * max(size, TINY)
    # Where the root is not known but to be small, as sin(1e17), neither are its slopes.
    if not np.isfinite(noise) or 0.0 < abs(root.data) < noise:
        return
    for place, node in enumerate(nodes[:-1]):
        if node not in gradients:
            continue
        graph = _Graph(node, nodes[place + 1 :])
        what = f"central difference of {root.name or 'the root'} by this node"
        slopes, tolerance = _best(graph.value, graph.same_side, node.data, noise)
        tolerance += ULPS * EPS * _flow(node, nodes[place + 1 :], gradients)
        check = _judged(what, 1.0, gradients[node], slopes, tolerance, graph.conventions())
        if not np.isfinite(tolerance) and check.expected != "none":
            # Conventions within a graph need not add up to a slope of one side or the other:
            # relu(x) - relu(-x) is x.
            note = check.note if check.agrees else f"not compared: {check.note}"
            check = replace(check, agrees=check.agrees or None, note=note)
        yield node, check


def _flow(node: Any, later: Sequence[Any], gradients: dict[Any, Any]) -> float:
    """The sizes of a node's contributions together: what rounds where they cancel."""
    return sum(
        abs(float(pull(other, i, gradients[other])))
        for other in later
        for i, arg in enumerate(other.args)
        if arg is node and other in gradients and other.row.rule(i)
    )


class _Graph:
    """The root of a graph of Values as a function of one node, all else as it is."""

    def __init__(self, node: Any, later: Sequence[Any]) -> None:
        self.node = node
        self.later: list[Any] = []
        known = {node}
        for other in later:
            if any(isinstance(arg, Node) and arg in known for arg in other.args):
                known.add(other)
                self.later.append(other)

    def _computed(self, t: float) -> Iterator[tuple[Any, list[float], float]]:
        moved = {self.node: self.node.data + t}
        for other in self.later:
            args = [moved.get(arg, arg.data) for arg in other.args]
            moved[other] = other.row.on_floats(args)
            yield other, args, moved[other]

    def value(self, t: float) -> float:
        return [result for _, _, result in self._computed(t)][-1]

    def same_side(self, h: float) -> bool:
        """Whether -h and h are on one side of every kink."""
        return self._kinks(-h) == self._kinks(h)

    def _kinks(self, t: float) -> list[float]:
        computed = self._computed(t)
        return [np.sign(node.row.kink(*args)) for node, args, _ in computed if node.row.kink]

    def conventions(self) -> str:
        """What the derivative is at the kinks that are here."""
        near = [
            node.row.convention
            for node, args, _ in self._computed(0.0)
            if node.row.convention and (not node.row.kink or abs(node.row.kink(*args)) < STEP)
        ]
        return "; ".join(dict.fromkeys(near))
