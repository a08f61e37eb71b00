"""Gradients held against central differences, at one node or of the whole graph.

A difference is told apart from a wrong rule by what it may be off by itself: rounding, 8 B / h for
a function known up to B, and curvature, of which the differences over h and h / 2 tell.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from autograd import Node, Value
from viz.backprop import fitted, plain
from viz.text import short

__all__ = ["Check", "check_gradients", "check_rule"]

EPS = sys.float_info.epsilon
# Half the distance of the outer points: rounding costs EPS / h of a slope, curvature h**2.
STEP = EPS ** (1 / 3)
# Near a kink or a pole smaller ones see more.
STEPS = tuple(STEP / 16.0**k for k in range(6))
ULPS = 4  # what a function of the table may be off by
BEND = 1e-3  # a slope that changes by more of itself within a step has a kink there

MOST_ENTRIES = 10**7  # of an array; the differences hold several such in float64

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

    None where g is not finite, the function cannot be called nearby, or the arrays are very large.

    >>> x = Value(0.5)
    >>> check_rule(x.tanh(), 0, 1.0, 0.7864477329659274).agrees
    True
    >>> print(check_rule(x.tanh(), 0, 1.0, 0.5).note[:22])
    they differ by 0.2864;
    """
    largest = max(np.size(plain(arg)) for arg in (node, *node.args))
    if largest > MOST_ENTRIES or not np.isfinite(g).all():
        return None
    try:
        if isinstance(node, Value):
            return _check_number(node, i, g, contribution)
        return _check_array(node, i, g)
    except (ArithmeticError, ValueError, TypeError):
        return None


def _check_number(node: Any, i: int, g: float, contribution: float) -> Check:
    row, args = node.row, [arg.data for arg in node.args]

    def at(function: Callable[..., Any]) -> Callable[[float], Any]:
        return lambda t: function(*args[:i], args[i] + t, *args[i + 1 :])

    function = at(lambda *numbers: row.on_floats(numbers))
    what = f"upstream times the central difference of {row.name}"
    noise = ULPS * EPS * abs(node.data)
    found = _best(function, _sides(row, at), args[i], noise)
    return _judged(what, g, contribution, *found, row.convention)


def _best(
    f: Callable[[float], float], same_side: Callable[[float], Any], x: float, noise: float
) -> tuple[_Slopes, float]:
    """The slopes at x with the step that says most, and what they may be off by; infinity where
    there is a kink at every step. noise: what f may be off by."""
    best = None
    for h in _steps(x):
        slopes = _slopes(f, same_side, h)
        # Of the function, of x + h, and of the quotient itself.
        rounding = 8 * noise / h + 4 * EPS * (abs(x) / h + 1.0) * abs(float(slopes.slope))
        tolerance = rounding + float(slopes.error) if slopes.clear else np.inf
        if best is None or tolerance < best[1] or not np.isfinite(best[0].slope):
            best = slopes, tolerance
        if slopes.clear and slopes.error <= rounding:  # smaller steps only round more
            break
    assert best is not None
    return best


def _steps(x: float) -> Iterator[float]:
    """From large to small; in the end relative to a small x, which may lie near a pole."""
    for scale in sorted({max(1.0, abs(x)), abs(x) or 1.0}, reverse=True):
        yield from (h * scale for h in STEPS)


def _judged(
    what: str, g: float, found: float, slopes: _Slopes, tolerance: float, convention: str
) -> Check:
    if np.isfinite(tolerance):
        return _compared(what, g * float(slopes.slope), found, abs(g) * tolerance)
    low, high = sorted((g * float(slopes.low), g * float(slopes.high)))
    said = f": {convention}" if convention else ""
    if not np.isfinite([low, high]).all():
        note = f"not compared: no difference can be taken here{said}"
        return Check(what, "none", short(float(found)), None, note)
    between = low - BEND * abs(g) <= found <= high + BEND * abs(g)
    note = f"at a kink the derivative is a convention{said}"
    return Check(what, f"{short(low)} to {short(high)}", short(float(found)), between, note)


def _compared(what: str, expected: float, found: float, tolerance: float, note: str = "") -> Check:
    off = abs(expected - found)
    agrees = bool(off <= tolerance)
    if not agrees:
        note = f"they differ by {short(off)}; rounding and curvature explain {tolerance:.0e}" + (
            f"; {note}" if note else ""
        )
    return Check(what, short(expected), short(found), agrees, note)


def _check_array(node: Any, i: int, g: Array) -> Check:
    row, params = node.row, node.params
    args = [_widened(plain(arg)) for arg in node.args]
    x = args[i]
    direction = _direction(x.shape) * np.maximum(1.0, np.abs(x))

    def at(function: Callable[..., Any]) -> Callable[[float], Any]:
        return lambda t: function(*args[:i], x + t * direction, *args[i + 1 :], **params)

    slopes = _slopes(at(row.on_array), _sides(row, at), STEP)
    out = np.asarray(row.on_array(*args, **params))
    near = [*args[:i], np.abs(x) + STEP * np.abs(direction), *args[i + 1 :]]
    wide = np.where(slopes.clear, g.astype(np.float64), 0.0)
    with np.errstate(all="ignore"):
        share = fitted(row.rule(i)(wide, out.astype(np.float64), *args, **params), x)
        terms = wide * np.where(slopes.clear, slopes.slope, 0.0)
        # A cast to float32 is a function known to float32's precision.
        noise = ULPS * float(np.finfo(out.dtype).eps) * _magnitude(row, near, params, out)
        error = np.where(slopes.clear, 8 * noise / STEP + slopes.error, 0.0)
        tolerance = float(np.sum(np.abs(wide) * error) + 4 * EPS / STEP * np.sum(np.abs(terms)))
        expected, found = float(np.sum(terms)), float(np.sum(share * direction))
    what = f"upstream times the central difference of {row.name}, in float64"
    left_out = int(np.sum(~slopes.clear))
    note = ""
    if left_out:
        convention = f" ({row.convention})" if row.convention else ""
        note = f"{left_out:,} of {out.size:,} entries left out, at a kink or a pole{convention}"
    if left_out == out.size:
        return Check(what, "none", "none", None, f"not compared: {note}")
    if x.size != 1:
        return _compared(f"{what}, along one direction", expected, found, tolerance, note)
    unit = float(direction.item())  # of one number its derivative itself
    return _compared(what, expected / unit, found / unit, tolerance / abs(unit), note)


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
    largest = max(float(np.max(size, initial=0.0)) for size in sizes if size.dtype.kind == "f")
    return np.abs(out) + largest


# --- the whole graph -----------------------------------------------------------------------------


def check_gradients(nodes: Sequence[Any], gradients: dict[Any, Any]) -> Iterator[tuple[Any, Check]]:
    """The gradient of each node of a graph of Values against the central difference of the root
    (the last of `nodes`), the later nodes computed again: quadratic in their number.

    >>> x = Value(3.0)
    >>> y = x * x
    >>> [(check.expected, check.agrees) for _, check in check_gradients([x, y], {x: 6.0, y: 1.0})]
    [('6.0', True)]
    """
    root = nodes[-1]
    # The first order of what rounding can move the root by: of every node by a few ulp.
    noise = ULPS * EPS * sum(abs(g * node.data) for node, g in gradients.items())
    if not np.isfinite(noise):
        return
    for place, node in enumerate(nodes[:-1]):
        if node not in gradients:
            continue
        graph = _Graph(node, nodes[place + 1 :])
        what = f"central difference of {root.name or 'the root'} by this node"
        found = _best(graph.value, graph.same_side, node.data, noise)
        check = _judged(what, 1.0, gradients[node], *found, graph.conventions())
        if not np.isfinite(found[1]) and check.expected != "none":
            # Conventions within a graph need not add up to a slope of one side or the other:
            # relu(x) - relu(-x) is x.
            check = Check(check.what, check.expected, check.found, True, check.note)
        yield node, check


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
