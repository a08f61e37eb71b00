"""Whole programs, drawn at random from the table of primitives, on which every route to a number
and to its slope must agree: Value, Tensor, replay, forward, reverse, a second graph, vmap,
differences.

    python -m tests.programs --count 10000      # check so many, and print what was in them

`programs()` is a hypothesis strategy; a primitive joins it by having a domain or cases. A program
is data: it runs on whatever it is called with, and prints as Python. `agree` judges any function.
`blame` finds the first node whose own primitive disagrees, for the text and the picture of a
failure.
"""

from __future__ import annotations

import argparse
import itertools
import os
import re
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

import viz
from autograd import Tensor, Value, grad, gradients, jit, jvp, value_and_grad, vmap
from autograd.nodes.walk import walk
from autograd.primitives.indexing import ARRAY
from autograd.primitives.primitive import TABLE, Primitive

EDGE = 0.02  # how far from a kink is far: ten times the largest step of the differences
LARGEST = 100.0  # what a node may reach; beyond it products of products lose every digit
MOST_ENTRIES = 48
SHAPES = ((2, 3), (3,), (2, 1), (), (3, 2), (2, 3, 2), (4,), (1, 3))

# The primitives that make a graph more than a formula are drawn more often.
WEIGHTS = {"matmul": 9, "sum": 4, "max": 3, "logsumexp": 2}

# --- a program as data ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Step:
    """One primitive applied. Of its arguments an int is the position of an input or an earlier step
    (inputs first); a float or an array is itself."""

    primitive: str
    args: tuple[Any, ...]
    params: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Program:
    """Inputs (arrays, or floats for a program of numbers) and steps; the last one is its answer,
    one number. Calling it runs the steps on floats, Values, arrays, Tensors or batches."""

    inputs: tuple[Any, ...]
    steps: tuple[Step, ...]
    closing: int = 0  # the last so many steps only add the loose ends up to one number

    def __call__(self, *args: Any) -> Any:
        values = list(args)
        for step in self.steps:
            given = [values[arg] if type(arg) is int else arg for arg in step.args]
            values.append(TABLE[step.primitive](*given, **step.params))
        return values[-1]

    def __repr__(self) -> str:
        return as_python(self)


def as_python(program: Program) -> str:
    """The program as Python to paste at the root of the repository, where it fails as it did."""
    count = len(program.inputs)
    names = [f"{'xy'[i >= count]}{i}" for i in range(count + len(program.steps))]
    constants, lines = [], []
    for name, step in zip(names[count:], program.steps, strict=True):
        given = []
        for i, arg in enumerate(step.args):
            given.append(names[arg] if type(arg) is int else _source(arg))
            if isinstance(arg, np.ndarray):  # outside: a trace refuses arrays made in a step
                constants.append(f"{name}_{i} = {given[-1]}")
                given[-1] = f"{name}_{i}"
        given += [f"{key}={_source(value)}" for key, value in step.params.items()]
        lines.append(f"    {name} = {step.primitive}({', '.join(given)})")
    body = [
        *constants,
        "",
        f"def program({', '.join(names[:count])}):",
        *lines,
        f"    return {names[-1]}",
        "",
        f"agree(program, [{', '.join(map(_source, program.inputs))}])",
    ]
    text = "\n".join(body)
    head = ["import numpy as np"] * ("np." in text)
    head += ["from autograd.primitives.indexing import ARRAY"] * ("ARRAY" in text)
    head += [
        "from autograd.primitives.primitive import TABLE",
        "from tests.programs import agree",
        "",
    ]
    rows = sorted({step.primitive for step in program.steps})
    return "\n".join([*head, *(f'{prim} = TABLE["{prim}"]' for prim in rows), text])


def _source(value: Any) -> str:
    """A constant as Python writes it, exactly."""
    if value is ARRAY:
        return "ARRAY"
    if isinstance(value, np.dtype):
        return f"np.dtype(np.{value})"
    if isinstance(value, np.ndarray):
        if value.dtype in (np.float64, np.int64, bool):
            return f"np.array({value.tolist()})"
        shown = np.array2string(value, separator=", ", floatmode="unique", threshold=10**6)
        return f"np.array({' '.join(shown.split())}, np.{value.dtype})"
    if isinstance(value, tuple):
        return f"({', '.join(map(_source, value))}{',' * (len(value) == 1)})"
    return repr(value)


# --- drawing one ---------------------------------------------------------------------------------


def drawn_rows(numbers: bool = False) -> list[Primitive]:
    """The primitives that programs (of numbers) are made of: whatever has a derivative in the
    table, and arguments that can be drawn (a user's primitive may be tested on arrays of its own
    alone)."""
    rows = [
        prim for prim in TABLE.values() if any(map(prim.rule, range(arity(prim)))) and _free(prim)
    ]
    return [prim for prim in rows if prim.domain and prim.on_float] if numbers else rows


def _free(prim: Primitive) -> bool:
    shapes = [arg for args, _ in prim.cases for arg in args if not isinstance(arg, np.ndarray)]
    return bool(prim.domain or shapes)


def arity(prim: Primitive) -> int:
    """How many arguments it takes, at most, where it is tested."""
    return max([len(prim.domain), *(len(args) for args, _ in prim.cases)])


@st.composite
def genes(draw: Any, rows: tuple[Primitive, ...]) -> tuple[Primitive, list[int], int]:
    """One more step: its primitive, which of the newest nodes it is applied to, and which case of
    it."""
    prim = draw(st.sampled_from(rows))
    picks = [draw(st.integers(0, 11)) for _ in range(arity(prim))]
    return prim, picks, draw(st.integers(0, 23)) if prim.cases else 0


@st.composite
def programs(draw: Any, numbers: bool | None = None) -> Program:
    """A program: its inputs, and genes that say which primitive comes next and what it is applied
    to.

    numbers: whether its inputs are floats (else arrays). None: of one program in nine."""
    if numbers is None:
        numbers = draw(st.sampled_from(range(9))) == 0
    generator = np.random.default_rng(draw(st.integers(0, 999)))
    count = draw(st.integers(1, 3))
    if numbers:
        inputs: list[Any] = [float(_spread((), generator)) for _ in range(count)]
    else:
        shapes = [draw(st.sampled_from(SHAPES)) for _ in range(count)]
        dtypes = draw(st.sampled_from([(np.float64,), (np.float32,), (np.float64, np.float32)]))
        pairs = zip(shapes, itertools.cycle(dtypes))
        inputs = [_spread(shape, generator).astype(dtype) for shape, dtype in pairs]
    builder = _Builder(inputs)
    weighted = tuple(r for r in drawn_rows(numbers) for _ in range(WEIGHTS.get(r.name, 1)))
    # Lists rather than a drawn length: of a list, hypothesis can leave any element out. Most
    # have many, and can shrink to few.
    lists = [st.lists(genes(weighted), min_size=n, max_size=24) for n in (1, 12, 14, 16)]
    for prim, picks, variant in draw(st.one_of(lists)):
        builder.grow(prim, picks, variant)
    return builder.program()


def _spread(shape: Any, generator: Any) -> Any:
    """Two-digit numbers of [-1.6, 1.6], apart from each other: readable, and without ties."""
    size = int(np.prod(shape, dtype=int))
    places = generator.permutation(size) + generator.uniform(0.3, 0.7, size)
    return np.round(3.2 * places / max(size, 1) - 1.6, 2).reshape(shape)


class _Skip(Exception):  # noqa: N818 - it is no error: this primitive does not go here
    pass


class _Builder:
    """A program as it grows, with the values that its nodes have, by which it keeps clear of
    kinks and of the domains' borders."""

    def __init__(self, inputs: list[Any]) -> None:
        self.inputs = inputs
        self.numbers = isinstance(inputs[0], float)
        self.steps: list[Step] = []
        self.values = [np.asarray(x, np.float64) for x in inputs]

    def grow(self, prim: Primitive, picks: list[int], variant: int) -> None:
        """Apply a primitive to the nodes that the picks name, 0 the newest; or, where that would
        come too near to a kink or to the largest numbers, leave everything as it was."""
        before = len(self.steps)
        nodes = [len(self.values) - 1 - pick % len(self.values) for pick in picks]
        try:
            if prim.domain:
                self._elementwise(prim, nodes)
            elif {"axis", "keepdims"} == prim.cases[0][1].keys():
                self._reduction(prim, nodes[0], variant)
            elif prim.name in MAKERS:
                MAKERS[prim.name](self, prim, nodes, variant)
            else:
                self._case(prim, nodes, variant)
        except _Skip:
            del self.steps[before:], self.values[len(self.inputs) + before :]

    def shape(self, node: int) -> tuple[int, ...]:
        return tuple(self.values[node].shape)

    def step(self, prim: str, *args: Any, **params: Any) -> int:
        """Add a step, and give its position."""
        plain = [self.values[arg] if type(arg) is int else arg for arg in args]
        out = np.asarray(TABLE[prim].on_array(*plain, **params))
        if out.size > MOST_ENTRIES or not np.all(np.abs(out) <= LARGEST):
            raise _Skip
        return self.append(Step(prim, args, params), out)

    def append(self, step: Step, value: Any = 0.0) -> int:
        self.steps.append(step)
        self.values.append(value)
        return len(self.values) - 1

    def _elementwise(self, prim: Primitive, nodes: list[int]) -> None:
        for i, node in enumerate(nodes):
            try:
                np.broadcast_shapes(*(self.shape(n) for n in nodes[: i + 1]))
            except ValueError:
                nodes[i] = self.fitted(node, self.shape(nodes[0]))
        nodes = [self.inside(n, *domain) for n, domain in zip(nodes, prim.domain, strict=True)]
        args = [self.values[node] for node in nodes]
        if prim.kink is not None and np.any(np.abs(prim.kink(*args)) < EDGE):
            raise _Skip
        self.step(prim.name, *nodes)

    def inside(self, node: int, low: float, high: float) -> int:
        """The node, moved and scaled into an interval if it is not well inside already."""
        value, half, middle = self.values[node], (high - low) / 2, (high + low) / 2
        if not value.size or np.all(np.abs(value - middle) <= 0.95 * half):
            return node
        scale = 2.0 ** np.floor(np.log2(0.9 * half / (np.max(np.abs(value)) + 1e-9)))
        if scale < 1.0:
            node = self.step("mul", node, float(scale))
        return self.step("add", node, round(middle, 3)) if middle else node

    def fitted(self, node: int, shape: tuple[int, ...]) -> int:
        """The node's entries in another shape, repeated or left out where their number differs."""
        size = int(np.prod(shape, dtype=int))
        if self.shape(node) == shape:
            return node
        if self.values[node].size != size:
            lead = len(shape) - self.values[node].ndim
            if lead >= 0 and all(
                n in (1, m) for n, m in zip(self.shape(node), shape[lead:], strict=True)
            ):
                return self.step("broadcast_to", node, shape=shape)
            flat = self.fitted(node, (self.values[node].size,))
            chosen = np.arange(size) % self.values[node].size
            node = self.step("index", flat, chosen, key=(ARRAY,))
        return node if self.shape(node) == shape else self.step("reshape", node, shape=shape)

    def _reduction(self, prim: Primitive, node: int, variant: int) -> None:
        if not self.shape(node):
            node = self.fitted(node, (2, 3))
        ndim = len(self.shape(node))
        chosen = variant // 2 % (2**ndim - 1) + 1
        axis = tuple(i for i in range(ndim) if chosen >> i & 1)
        self.smooth(prim, [node], {"axis": axis, "keepdims": bool(variant % 2)})

    def _case(self, prim: Primitive, nodes: list[int], variant: int) -> None:
        args, params = prim.cases[variant % len(prim.cases)]
        given = [
            arg if isinstance(arg, np.ndarray) else self.fitted(node, arg)
            for node, arg in zip(itertools.cycle(nodes), args, strict=False)
        ]
        self.smooth(prim, given[: len(args)], params)

    def smooth(self, prim: Primitive, args: Sequence[Any], params: dict[str, Any]) -> None:
        """Add a step if its primitive has no kink nearby: there a second difference is of the order
        of the step, elsewhere of its square."""
        plain = [self.values[arg] if type(arg) is int else arg for arg in args]
        generator = np.random.default_rng(0)
        away = [EDGE * generator.choice([-1, 1], np.shape(arg)) for arg in plain]
        moved = [
            prim.on_array(
                *(
                    a + sign * d if a.dtype == float else a
                    for a, d in zip(plain, away, strict=True)
                ),
                **params,
            )
            for sign in (-1, 0, 1)
        ]
        if np.any(np.abs(moved[0] - 2 * moved[1] + moved[2]) > EDGE / 4):
            raise _Skip
        self.step(prim.name, *args, **params)

    def matmul(self, prim: Primitive, nodes: list[int], variant: int) -> None:
        left, right = nodes
        if len(self.shape(left)) < 2:
            left = self.fitted(left, (2, 3))
        *_, rows, inner = self.shape(left)
        if self.shape(right)[-2:-1] != (inner,):
            right = self.fitted(right, (inner, variant % 3 + 1))
        try:
            np.broadcast_shapes(self.shape(left)[:-2], self.shape(right)[:-2])
        except ValueError:
            left = self.fitted(left, (rows, inner))
        self.step("matmul", left, right)

    def transpose(self, prim: Primitive, nodes: list[int], variant: int) -> None:
        orders = list(itertools.permutations(range(len(self.shape(nodes[0])))))
        self.step("transpose", nodes[0], axes=orders[-1 - variant % len(orders)])

    def index(self, prim: Primitive, nodes: list[int], variant: int) -> None:
        node = nodes[0] if self.shape(nodes[0]) else self.fitted(nodes[0], (2, 3))
        n = self.shape(node)[-1]
        again, mask = np.array([0, n - 1, n - 1]), np.arange(n) != n // 2
        keys: list[tuple[tuple[Any, ...], tuple[Any, ...]]] = [
            ((0,), ()),
            ((slice(None, None, -1),), ()),
            ((Ellipsis, slice(0, 1)), ()),
            ((None, Ellipsis, -1), ()),
            ((Ellipsis, ARRAY), (again,)),
            ((Ellipsis, ARRAY), (again.reshape(1, 3),)),
            ((Ellipsis, ARRAY), (mask,) if n > 1 else (again,)),
            ((ARRAY,), (np.arange(self.shape(node)[0])[::-1],)),
        ]
        key, arrays = keys[variant % len(keys)]
        self.step("index", node, *arrays, key=key)

    def program(self) -> Program:
        """The program, its loose ends weighted, summed and added up to one number."""
        grown = len(self.steps)
        used = {arg for step in self.steps for arg in step.args if type(arg) is int}
        inputs = range(len(self.inputs)) if not self.steps else ()
        first = len(self.inputs)
        ends = [*inputs, *(n for n in range(first, len(self.values)) if n not in used)]
        totals = []
        for node in ends:
            end = node
            if self.shape(end):
                # Weights that differ, or a gradient in the wrong place would not be seen.
                size = self.values[end].size
                weights = (np.arange(size) % 7 / 4.0 + 0.25).reshape(self.shape(end))
                axes = tuple(range(weights.ndim))
                part = self.append(Step("mul", (end, weights)))
                end = self.append(Step("sum", (part,), {"axis": axes, "keepdims": False}))
            totals.append(end)
        total = totals[0]
        for part in totals[1:]:
            total = self.append(Step("add", (total, part)))
        if total < first:
            self.append(Step("identity", (total,)))
        return Program(tuple(self.inputs), tuple(self.steps), len(self.steps) - grown)


MAKERS = {name: getattr(_Builder, name) for name in ("matmul", "transpose", "index")}


# --- the judges ----------------------------------------------------------------------------------


class Disagreement(AssertionError):  # noqa: N818
    """Two routes that should give one number, and do not."""

    def __init__(self, what: str, got: Any, judge: Any, by: str, bound: Any = 0.0) -> None:
        self.what, self.got, self.judge, self.by = what, got, judge, by
        super().__init__(f"{what}: {got}; {by}: {judge}; rounding explains {bound:.2g}")


def rounding(root: Tensor) -> float:
    """How far rounding may have moved a number: 4 eps times the sum over its nodes of
    |cotangent * value|, each node's eps by its dtype.

    Each result is within 4 ulp (functions; sums here have few terms) and moves the root by its
    cotangent. A linear primitive may cancel: there it is the sum of |terms| that counts. That is
    the first order; the square of a difference that cancels has the second alone, hence the floor.
    """
    nodes = [node for node in walk([root]) if node.requires_grad]
    total = 0.0
    for node, cotangent in zip(nodes, gradients(root, nodes), strict=True):
        value = np.abs(node.data)
        if node.primitive is not None and node.primitive.linear:
            args = [np.asarray(plain(arg)) for arg in node.args]
            args = [np.abs(arg) if arg.dtype.kind == "f" else arg for arg in args]
            value = node.primitive.on_array(*args, **node.params)
        total += float(np.finfo(node.dtype).eps * np.sum(np.abs(cotangent.data) * value))
    widest = max(float(np.finfo(node.dtype).eps) for node in nodes)
    return 4.0 * total + (4.0 * widest * LARGEST) ** 2


def judged(
    what: str, got: float, function: Callable[[float], float], noise: float, slack: float
) -> dict[str, float]:
    """Compare a slope with the differences of a function of one number at 0.

    A kink may lie nearer than the largest steps reach, where the slope is another: steps that
    shrink to a thousandth get inside. What is wrong is wrong at every step.
    """
    for largest in (9, 14, 19):
        slope, error = slope_by_differences(function, noise, largest)
        if abs(got - slope) <= error + slack:
            return {"slope": slope, "error": error}
    slope, error = slope_by_differences(function, noise, 9)
    raise Disagreement(what, got, slope, "differences", error + slack)


def slope_by_differences(
    function: Callable[[float], float], noise: float, largest: int
) -> tuple[float, float]:
    """The derivative at 0 of a function of one number, and a bound on its error.

    Central differences at steps that halve, extrapolated (Ridders 1982): each column cancels one
    more even power of the step, and the distance to the two entries it was made of bounds what
    is left. `noise`, the rounding of one value, is divided by the step; extrapolation at most
    doubles it.
    """
    table: list[list[float]] = []
    best, error = 0.0, np.inf
    for k in range(5):
        h = 2.0 ** -(largest + k)
        row = [(function(h) - function(-h)) / (2 * h)]
        for j in range(1, k + 1):
            row.append(row[j - 1] + (row[j - 1] - table[k - 1][j - 1]) / (4.0**j - 1))
            left = max(abs(row[j] - row[j - 1]), abs(row[j] - table[k - 1][j - 1]))
            if left + 2 * noise / h < error:
                best, error = row[j], left + 2 * noise / h
        table.append(row)
    return best, error


def direction_of(arrays: Sequence[Any]) -> list[Any]:
    """A direction to differentiate in, the same at each call, with no entry near 0."""
    generator = np.random.default_rng(1)
    return [
        np.asarray(generator.choice([-1, 1], x.shape) * generator.uniform(0.5, 1, x.shape), x.dtype)
        for x in arrays
    ]


def agree(function: Callable[..., Any], inputs: Sequence[Any]) -> dict[str, float]:
    """Compare every route to the number function(*inputs) and to its slope in one direction.

    function: of as many numbers or arrays as there are inputs, made of primitives; gives one
        number.
    inputs: floats for a function of numbers (then Values are tried too), or arrays.
    Gives {"error": what the differences may be wrong by, "slope": ...}; raises Disagreement.
    """
    arrays = [np.asarray(x) for x in inputs]
    routes = Routes(function, arrays)
    routes.arrays_and_replay()
    routes.forward()
    routes.batches()
    if all(isinstance(x, float) for x in inputs):
        routes.values(inputs)
    wide = routes
    if any(x.dtype != np.float64 for x in arrays):
        wide = Routes(function, [x.astype(np.float64) for x in arrays])
        close("float32", routes.out, wide.out, "float64", routes.noise)
        close("the float32 gradient", routes.slope, wide.slope, "float64's", routes.slope_noise)
    return wide.differences()


def plain(x: Any) -> Any:
    """What a node holds, or the number or array itself."""
    return x.data if isinstance(x, Tensor | Value) else x


def close(what: str, got: Any, judge: Any, by: str, bound: float) -> None:
    got, judge = float(plain(got)), float(plain(judge))
    if not abs(got - judge) <= bound:
        raise Disagreement(what, got, judge, by, bound)


def same(what: str, got: Any, judge: Any, by: str) -> None:
    """The same numbers, bit for bit, in the same shape and dtype: it is the same arithmetic."""
    got, judge = np.asarray(plain(got)), np.asarray(plain(judge))
    alike = got.shape == judge.shape and got.dtype == judge.dtype
    if not (alike and np.array_equal(got, judge, equal_nan=True)):
        raise Disagreement(what, got, judge, by)


class Routes:
    """The routes of one function at one point, with reverse mode as the one to compare with."""

    def __init__(self, function: Callable[..., Any], arrays: list[Any]) -> None:
        self.function, self.arrays = function, arrays
        self.all = tuple(range(len(arrays)))
        self.direction = direction_of(arrays)
        self.nodes = [Tensor(x, requires_grad=True) for x in arrays]
        self.root = function(*self.nodes)
        self.out = self.root.data
        self.gradient = gradients(self.root, self.nodes)
        for x, g in zip(arrays, self.gradient, strict=True):
            if (g.shape, g.dtype) != (x.shape, x.dtype):
                shown = [f"{a.dtype} {a.shape}" for a in (g, x)]
                raise Disagreement("a gradient's dtype and shape", *shown, "its argument's")
        self.slope = self.along(self.gradient)
        self.noise = rounding(self.root)
        # A gradient is computed by a graph like any other, and its rounding is that graph's. (The
        # seed requires a gradient, so that what does not depend on the inputs is counted too.)
        one = Tensor(np.ones((), self.root.dtype), requires_grad=True)
        graph = gradients(self.root, self.nodes, one, create_graph=True)
        for g, first in zip(graph, self.gradient, strict=True):
            same("create_graph's gradient", g, first, "the gradient")
        parts = [(g * v).sum() for g, v in zip(graph, self.direction, strict=True)]
        total = sum(parts[1:], parts[0])
        self.slope_noise = 2 * rounding(total)

    def along(self, gradient: Sequence[Any]) -> float:
        """A gradient's product with the direction."""
        pairs = zip(gradient, self.direction, strict=True)
        return float(sum(np.sum(np.asarray(g, float) * v) for g, v in pairs))

    def arrays_and_replay(self) -> None:
        """Plain arrays, the transform and the replayed trace do the same arithmetic. (Arrays: but
        for NumPy's scalars, which it gives for arrays without axes, and which have loops of
        their own.)"""
        close("Tensor", self.out, self.function(*self.arrays), "the arrays", self.noise)
        both = value_and_grad(self.function, self.all)
        self.same_gradients("value_and_grad", *both(*self.arrays), self.gradient)
        with patch.dict(os.environ, CHAINRULE_CC=""):  # what is compiled rounds differently
            self.same_gradients("replay", *jit(both)(*self.arrays), self.gradient)

    def same_gradients(self, by: str, out: Any, found: Sequence[Any], judge: Sequence[Any]) -> None:
        same(by, out, self.out, "Tensor")
        for g, first in zip(found, judge, strict=True):
            same(f"{by}'s gradient", g, first, "reverse mode")

    def forward(self) -> None:
        """<gradient, v> by reverse mode is the tangent by forward mode; and once more of that."""
        out, tangent = jvp(self.function, self.arrays, self.direction)
        same("jvp", out, self.out, "Tensor")
        close("forward mode", tangent, self.slope, "reverse mode", self.slope_noise)

    def batches(self) -> None:
        """vmap over a stack of inputs is a loop over them; of several, the first is shared."""
        shared = len(self.arrays) == 2
        steps = np.array([0.0, 1.0, -1.0]) / 1024
        stacks = []
        for i, (x, v) in enumerate(zip(self.arrays, self.direction, strict=True)):
            stacks.append(
                x if shared and not i else np.stack([x + t * v for t in steps]).astype(x.dtype)
            )
        axes = tuple(None if shared and not i else 0 for i in self.all)
        both = value_and_grad(self.function, self.all)
        outs, founds = vmap(both, in_axes=axes)(*stacks)
        for k in range(len(steps)):
            point = [
                x if axis is None else np.asarray(x[k])
                for x, axis in zip(stacks, axes, strict=True)
            ]
            out, found = both(*point)
            close("vmap", outs[k], out, "the loop", 2 * self.noise)
            slope = self.along([g[k] for g in founds])
            close("vmap's gradient", slope, self.along(found), "the loop's", 2 * self.slope_noise)

    def values(self, inputs: Sequence[Any]) -> None:
        """Value: the sweep over floats, the general one, and jvp; and plain floats."""
        nodes = [Value(x) for x in inputs]
        root = self.function(*nodes)
        same("Value", root.data, float(self.function(*inputs)), "the floats")
        close("Value", root, self.out, "Tensor", 2 * self.noise)
        root.backward()
        by = {
            "Value's backward()": [node.grad for node in nodes],
            "Value's gradients()": gradients(root, nodes),
            "grad of Values": grad(self.function, self.all)(*inputs),
        }
        for what, found in by.items():
            close(what, self.along(found), self.slope, "Tensor", self.slope_noise)
        _, tangent = jvp(self.function, inputs, [float(v) for v in self.direction])
        close("Value's forward mode", tangent, self.slope, "Tensor", self.slope_noise)

    def differences(self) -> dict[str, float]:
        """Differences of the plain function, in float64, judge reverse mode."""

        def at(t: float) -> float:
            moved = [x + t * v for x, v in zip(self.arrays, self.direction, strict=True)]
            return float(self.function(*moved))

        return judged("reverse mode", self.slope, at, self.noise, self.slope_noise)


def check(program: Program) -> dict[str, float]:
    """`agree` on a program; whatever goes wrong is a Disagreement."""
    try:
        with np.errstate(all="ignore"):
            return agree(program, program.inputs)
    except Disagreement:
        raise
    except Exception as error:  # a route that raises disagrees with those that do not
        raise Disagreement(
            f"{type(error).__name__}: {error}", "nothing", "a number", "it"
        ) from error


# --- a failure's report --------------------------------------------------------------------------


def blame(program: Program) -> tuple[int, Disagreement] | None:
    """The first step whose primitive, by itself at these arguments, disagrees; None if it is none.

    First by its rules alone, with the help of no other primitive; then by every route.
    """
    values: list[Any] = list(program.inputs)
    for step in program.steps:
        given = [values[arg] if type(arg) is int else arg for arg in step.args]
        values.append(TABLE[step.primitive](*given, **step.params))
    for judge in (_judge_rules, _judge_routes):
        for i, step in enumerate(program.steps, len(program.inputs)):
            given = [values[arg] if type(arg) is int else arg for arg in step.args]
            at = [k for k, arg in enumerate(given) if np.asarray(arg).dtype.kind == "f"]
            try:
                judge(step, given, at, np.shape(values[i]))
            except Disagreement as disagreement:
                return i, disagreement
    return None


def _judge_rules(step: Step, given: list[Any], at: list[int], shape: tuple[int, ...]) -> None:
    """Reverse and forward mode of one row, its result weighted, against differences."""
    weights = np.random.default_rng(2).uniform(0.5, 1.5, shape)
    arrays = [np.asarray(given[i], np.float64) for i in at]
    direction = direction_of(arrays)

    def function(*args: Any) -> Any:
        places = dict(zip(at, args, strict=True))
        all_args = [places.get(i, arg) for i, arg in enumerate(given)]
        return TABLE[step.primitive](*all_args, **step.params)

    def at_step(t: float) -> float:
        moved = [x + t * v for x, v in zip(arrays, direction, strict=True)]
        return float(np.sum(weights * function(*moved)))

    noise = 1e-14 * (1.0 + float(np.sum(np.abs(weights * function(*arrays)))))
    nodes = [Tensor(x, requires_grad=True) for x in arrays]
    found = gradients(function(*nodes), nodes, weights)
    reverse = sum(float(np.sum(g.data * v)) for g, v in zip(found, direction, strict=True))
    judged("reverse mode", reverse, at_step, noise, noise)
    _, tangent = jvp(function, arrays, direction)
    forward = float(np.sum(weights * tangent))
    judged("forward mode", forward, at_step, noise, noise)


def _judge_routes(step: Step, given: list[Any], at: list[int], shape: tuple[int, ...]) -> None:
    check(_alone(step, given, at, shape))


def _alone(step: Step, given: list[Any], at: list[int], shape: tuple[int, ...]) -> Program:
    """A step as a program of its own: its result weighted and summed."""
    places = {i: k for k, i in enumerate(at)}
    args = tuple(places.get(i, arg) for i, arg in enumerate(given))
    inputs = tuple(given[i] if isinstance(given[i], float) else np.asarray(given[i]) for i in at)
    n = len(inputs)
    steps = [Step(step.primitive, args, step.params)]
    if shape:
        weights = np.arange(1.0, 1.0 + np.prod(shape, dtype=int)).reshape(shape)
        steps += [
            Step("mul", (n, weights)),
            Step("sum", (n + 1,), {"axis": tuple(range(len(shape))), "keepdims": False}),
        ]
    return Program(inputs, tuple(steps))


def report(program: Program, disagreement: Disagreement) -> str:
    """What to print of a failure: who disagrees, the first wrong node, the program as Python,
    and where its picture is."""
    found = blame(program)
    where = "no primitive disagrees by itself: it is the sweep, or a transform"
    nodes = [_node(x) for x in program.inputs]
    for i, node in enumerate(nodes):
        node.name = f"x{i}"
    for i, step in enumerate(program.steps, len(nodes)):
        given = [nodes[arg] if type(arg) is int else arg for arg in step.args]
        nodes.append(TABLE[step.primitive](*given, **step.params))
        nodes[-1].name = f"y{i}"
    if found:
        i, wrong = found
        step = program.steps[i - len(program.inputs)]
        where = f"The first wrong node is y{i} = {step.primitive}: {wrong}"
        nodes[i].name = f"WRONG y{i}: {_short(wrong.got)}, not {_short(wrong.judge)}"
    path = Path(tempfile.gettempdir(), "chainrule-wrong.svg")  # of the last failure
    picture = viz.draw(nodes[-1])
    red = r'\1 color="#b3001b" fillcolor="#ffd7d7" penwidth=3]'
    picture = replace(picture, source=re.sub(r"(WRONG.*) color=.*\]", red, picture.source))
    try:
        picture.save(path)
    except (RuntimeError, ValueError):  # no Graphviz, or too large a picture
        path = path.with_suffix(".dot")
        picture.save(path)
    return f"{disagreement}\n{where}\ndrawn in {path}\n\n{as_python(program)}\n"


def _node(x: Any) -> Any:
    return Value(x) if isinstance(x, float) else Tensor(x, requires_grad=True)


def _short(x: Any) -> str:
    return f"{x:.4g}" if isinstance(x, float) else str(x)


# --- what was in them ----------------------------------------------------------------------------


@dataclass
class Census:
    """What the programs that were checked were made of."""

    programs: int = 0
    rows: Counter[str] = field(default_factory=Counter)  # in how many programs
    features: Counter[str] = field(default_factory=Counter)
    nodes: list[int] = field(default_factory=list)
    undecided: int = 0  # programs on which the differences are too rough to judge

    def add(self, program: Program) -> None:
        """Count one program; the steps that close it count as nodes, not as features."""
        self.programs += 1
        self.nodes.append(len(program.inputs) + len(program.steps))
        self.rows.update({step.primitive for step in program.steps})
        found = features(program)
        self.features.update(found)
        self.features["all four"] += found >= {"sharing", "broadcasting", "reduction", "matmul"}

    def __str__(self) -> str:
        rows = [f"{name} {self.rows[name]}" for name in (prim.name for prim in drawn_rows())]
        share = {name: f"{n / self.programs:.0%}" for name, n in self.features.most_common()}
        return "\n".join(
            [
                f"{self.programs} programs, of {min(self.nodes)} to {max(self.nodes)} nodes, "
                f"{statistics.median(self.nodes):g} in the median",
                "with " + ", ".join(f"{name} {n}" for name, n in share.items()),
                f"differences too rough to judge: {self.undecided}",
                "programs with each primitive: "
                + ", ".join(sorted(rows, key=lambda r: int(r.split()[1]))),
            ]
        )


def features(program: Program) -> set[str]:
    """What a program has in it beyond a formula."""
    values: list[Any] = [np.asarray(x) for x in program.inputs]
    open_steps = program.steps[: len(program.steps) - program.closing]
    found = {"numbers" if isinstance(program.inputs[0], float) else "arrays"}
    found |= {f"{x.dtype}" for x in values if x.shape or len(values) > 1}
    uses = Counter(arg for step in open_steps for arg in step.args if type(arg) is int)
    if any(n > 1 for n in uses.values()):
        found.add("sharing")
    for step in open_steps:
        args = [values[arg] if type(arg) is int else np.asarray(arg) for arg in step.args]
        values.append(np.asarray(TABLE[step.primitive].on_array(*args, **step.params)))
        prim = TABLE[step.primitive]
        wide = any(arg.shape != values[-1].shape for arg in args if arg.ndim)
        if (prim.domain and wide) or prim.name == "broadcast_to":
            found.add("broadcasting")
        if values[-1].size < max(arg.size for arg in args) and "axis" in step.params:
            found.add("reduction")
        if prim.name in ("matmul", "index"):
            found.add(prim.name)
    return found


BOTH = (Phase.generate, Phase.shrink)


def each(
    function: Callable[[Program], None], count: int, start: int = 0, phases: Any = BOTH
) -> None:
    """Call a function with so many programs, the same ones for the same start."""

    @seed(start)
    @settings(
        max_examples=count, deadline=None, database=None, phases=phases,
        report_multiple_bugs=False, print_blob=False, suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(programs())
    def every(program: Program) -> None:
        function(program)

    every()


def sample(count: int) -> list[Program]:
    """So many programs, always the same."""
    drawn: list[Program] = []
    each(drawn.append, count, phases=(Phase.generate,))
    return drawn[:count]


def run(count: int, start: int = 0, phases: Any = BOTH) -> Census:
    """Check so many programs; the census of them, or an AssertionError with the report of the
    smallest program that fails."""
    census = Census()
    last: list[Program] = []

    def judge(program: Program) -> None:
        last[:] = [program]
        census.add(program)
        found = check(program)
        census.undecided += found["error"] > 1e-3 * max(1.0, abs(found["slope"]))

    try:
        each(judge, count, start, phases)
    except Disagreement as disagreement:
        raise AssertionError(report(last[0], disagreement)) from None
    return census


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n\n")[0])
    parser.add_argument("--count", type=int, default=10_000, help="how many programs")
    parser.add_argument("--seed", type=int, default=0, help="another seed, other programs")
    options = parser.parse_args()
    started = time.perf_counter()
    try:
        census = run(options.count, options.seed)
    except AssertionError as error:
        sys.exit(str(error))
    print(census)
    print(f"all agree, in {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
