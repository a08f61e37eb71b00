"""Gradient health: a word for the colour of each box, and the share that each edge carries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from autograd.primitives.primitive import Primitive
from viz.backprop import vjp
from viz.diagram.items import Item
from viz.text import norm

__all__ = ["COLOURS", "health", "shares"]

# The sizes of a gradient, of a whole array its length as a vector. A float32 sum of squares loses
# entries below 1e-23; long before that a step of 1e-6 times a learning rate moves nothing that
# float32 can hold. Above 1e3 one step at a usual learning rate spoils a network.
VANISHING, EXPLODING = 1e-6, 1e3
# Saturated: to move x by its own size (or by 1) moves the result by less than this. tanh is
# saturated from 3.0 on, sigmoid from 4.8 on; sqrt and log never are, although their slope is small
# for a large x.
SATURATED_SLOPE = 0.1
PROBE_DISTANCE = 0.2  # how far on both sides it must be flat, times x (or 1)

# They differ in lightness as well as in hue (Okabe and Ito 2008), so that any eye tells them apart.
COLOURS = {
    "healthy": "#e4f4ec",
    "zero": "#d9dce0",
    "vanishing": "#9cc9ec",
    "saturated": "#f0dc6e",
    "dead": "#9aa0a8",
    "exploding": "#e8905c",
    "NaN or inf": "#3b1f4a",
}


def health(item: Item, gradient: Any) -> str:
    """A word of COLOURS for what becomes of the gradient at one item.

    NaN or inf: it, or the value, is not finite. dead: the operation passes none of it on, here and
    around here (relu below 0); of an array (examples, units) for half of the units or more.
    saturated: next to none (tanh far from 0), at half of the entries or more. Else by its size.
    """
    if isinstance(gradient, float):
        size, finite = abs(gradient), abs(gradient) + abs(item.data) < np.inf
    else:
        size = norm(gradient)
        finite = bool(np.isfinite(gradient).all() and np.isfinite(item.data).all())
    if not finite:
        return "NaN or inf"
    if slope := _blocked(item):
        return slope
    if size == 0.0:
        return "zero"
    return "vanishing" if size < VANISHING else "exploding" if size > EXPLODING else "healthy"


def _blocked(item: Item) -> str:
    """Whether an elementwise function of one argument is "dead" or "saturated" here; else ""."""
    prim, node = item.primitive, item.node
    if prim is None or len(prim.domain) != 1 or prim.linear or prim.rule(0) is None:
        return ""
    if not (node.args[0].requires_grad and np.size(item.data)):
        return ""
    x = node.args[0].data
    one = 1.0 if isinstance(x, float) else np.ones_like(x)
    with np.errstate(all="ignore"):
        slopes = np.abs(vjp(node, 0, one))
        size = np.maximum(1.0, np.abs(x))
        if 2 * np.count_nonzero(slopes * size < SATURATED_SLOPE) < np.size(x):
            return ""  # the usual case, decided without other points
        for side in (1, -1) if prim.kink is None else ():  # cos is flat in one point only
            nearby = np.asarray(x + side * PROBE_DISTANCE * size)
            slopes = np.maximum(slopes, _slopes_at(prim, nearby, item.params))
        flat = slopes * size < SATURATED_SLOPE
    if _dead(slopes):
        return "dead"
    smooth = prim.kink is None  # relu is made to be flat in half of its entries
    return "saturated" if smooth and 2 * np.count_nonzero(flat) >= np.size(x) else ""


def _slopes_at(prim: Primitive, x: Any, params: dict[str, Any]) -> Any:
    rule = prim.rule(0)
    assert rule is not None
    return np.abs(rule(np.ones_like(x), prim.on_array(x, **params), x, **params))


def _dead(slopes: Any) -> bool:
    """Whether half of the units (the last axis) or more pass nothing on for any of the examples;
    without several examples, whether no entry passes anything on."""
    if slopes.ndim < 2 or slopes.size == slopes.shape[-1]:
        return not slopes.any()
    dead = ~slopes.any(axis=tuple(range(slopes.ndim - 1)))
    return bool(2 * np.count_nonzero(dead) >= dead.size)


def shares(
    items: Sequence[Item], contributions: dict[Any, Any], seen: set[int]
) -> dict[tuple[int, int], float]:
    """The share, from 0 to 1, of an argument's gradient that each edge carries, by (position of the
    item, number of the argument). seen: the positions of the arguments that are wanted.

    Contributions that cancel each other count by their size.
    """
    sizes: dict[tuple[int, int], float] = {}
    totals: dict[int, float] = {}
    for place, item in enumerate(items):
        for i, arg in enumerate(item.args):
            share = contributions.get((item.node, i)) if arg in seen else None
            if share is not None:
                sizes[place, i] = size = abs(share) if isinstance(share, float) else norm(share)
                totals[arg] = totals.get(arg, 0.0) + size
    shares = {}
    for (place, i), size in sizes.items():
        total = totals[items[place].args[i]]
        shares[place, i] = size / total if 0.0 < total < np.inf else 0.0
    return shares
