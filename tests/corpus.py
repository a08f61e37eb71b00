"""The jitted programs on which golden.py compares the bits of two trees.

golden.py runs this file, as it stands in its own tree, with the engine of either:

    python -P tests/corpus.py OUT [PROGRAM ...]     # writes OUT.npz and OUT.json

So only what is public is used, and all numbers come from a generator that the program's name seeds.
A program is a function from that generator to a `Case`, under its name in `PROGRAMS`.
"""

from __future__ import annotations

import itertools
import json
import logging
import sys
import time
import traceback
import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

import autograd as ag
from autograd import Tensor, cross_entropy, gradients, jit, matmul
from autograd.nn import Activation, BatchNorm, Dropout, LayerNorm, Linear, Module, Sequential, mse
from autograd.optim import SGD, Adam, AdamW, clip_by_global_norm, clip_by_value, cosine, one_cycle
from autograd.primitives.indexing import ARRAY
from autograd.primitives.primitive import TABLE, Primitive
from autograd.random import uniform

Array = np.ndarray[Any, Any]
Generator = np.random.Generator
CALLS = 3
FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


@dataclass(frozen=True)
class Case:
    """A jitted step, what it is called with, and the states it moves. epoch: the arguments of
    `loop`, which goes on from where the single calls have ended."""

    step: Any
    args: Sequence[Any]
    states: Mapping[str, Tensor] = field(default_factory=dict)
    epoch: tuple[Sequence[Any], Array] | None = None


PROGRAMS: dict[str, Callable[[Generator], Case]] = {}


def program(name: str, dtypes: Sequence[str] = ("float32", "float64")) -> Callable[..., Any]:
    """Add a function from a dtype and a generator to a case as a program of each dtype."""

    def add(make: Callable[[np.dtype[Any], Generator], Case]) -> Callable[..., Any]:
        for dtype in dtypes:
            PROGRAMS[f"{name} {dtype}"] = partial(make, np.dtype(dtype))
        return make

    return add


# --- what may differ -----------------------------------------------------------------------------

# By name of a result. Of these functions of float32 the C library's last bits are nobody's promise:
# each is at most 2 ulp off where it is an expression of our own. In a derivative the function's
# value is a factor: its error of 2 ulp, at a mantissa of 1, is one of 4 where the product has a
# mantissa of 2; and each product rounds once more.
FUNCTION, ONE_PRODUCT, TWO_PRODUCTS = 2, 5, 8
ALLOWED = dict.fromkeys(("expm1", "log1p", "softplus", "sin", "cos", "erf", "power"), FUNCTION)
ALLOWED |= {"sin'": ONE_PRODUCT, "cos'": ONE_PRODUCT, "power'": TWO_PRODUCTS}


def allowed(result: str, dtype: np.dtype[Any]) -> int:
    """By how many units in the last place a result may differ: that of `primitive` or
    `primitive'`."""
    return ALLOWED.get(result, 0) if dtype == np.float32 else 0


# --- primitives ----------------------------------------------------------------------------------

# Broadcast, or not, with vectors' bodies and tails: 37 and 1000 are no multiples of 16 and 8.
SHAPES: tuple[tuple[tuple[int, ...], ...], ...] = (
    ((7, 37), (37,), (7, 1)),
    ((1000,), (1000,), (1000,)),
    ((5, 1), (1, 4), ()),
)
SPECIAL = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 0.5, -2.0, 3.0, 1e-3, -1e4]
SPECIAL += [88.6, 88.8, -87.5, -104.0, 709.5, 710.5, -708.5, -746.0]  # exp's ends


def specials(dtype: np.dtype[Any]) -> Array:
    """Numbers at the ends and in the gaps of a dtype, 32 of them."""
    info = np.finfo(dtype)
    small, large = float(info.smallest_subnormal), float(info.max)
    ends = [small, -small, 5 * small, float(info.tiny) / 3, float(info.tiny), -float(info.tiny)]
    ends += [large, -large, large / 3, float(info.eps), 1 - float(info.epsneg), np.sqrt(large)]
    return np.array([*SPECIAL, *ends], dtype)


def domains(prim: Primitive) -> tuple[tuple[float, float], ...]:
    """Where an elementwise primitive is tried; nothing for other primitives."""
    if prim.domain or prim.cases or callable(prim.rules):
        return prim.domain
    return ((-2.0, 2.0),) * len(prim.rules)


ELEMENTWISE = {name: prim for name, prim in TABLE.items() if domains(prim)}


def trials(
    prim: Primitive, dtype: np.dtype[Any], generator: Generator
) -> Iterator[tuple[Callable[..., Any], list[Any]]]:
    """Functions that are a primitive with its keywords, and arrays to try each with."""
    for shapes, keywords in prim.cases:
        given = [
            x if isinstance(x, np.ndarray) else generator.uniform(0.2, 1, x).astype(dtype)
            for x in shapes
        ]
        numbers = [x for x in given if x.dtype != bool]  # a mask among them is a constant, because
        masks = [x for x in given if x.dtype == bool and numbers]  # a shape depends on it
        yield partial(_masked, prim, masks, keywords), numbers or given
    intervals = domains(prim)
    for shapes in SHAPES if intervals else ():
        yield prim, drawn(prim, shapes, generator, dtype)
    if prim.kink or len(intervals) > 1:  # many of them equal
        args = drawn(prim, SHAPES[0], generator, dtype)
        yield prim, [np.round(x * 4) / 4 if x.dtype == dtype else x for x in args]


def _masked(prim: Primitive, masks: Sequence[Any], keywords: Mapping[str, Any], *args: Any) -> Any:
    return prim(*args, *masks, **keywords)


def drawn(prim: Primitive, shapes: Any, generator: Generator, dtype: np.dtype[Any]) -> list[Any]:
    """Arrays in an elementwise primitive's domain."""
    args = [
        np.asarray(generator.uniform(*interval, shape), dtype)
        for interval, shape in zip(domains(prim), shapes, strict=False)
    ]
    return [args[0] > 0, *args[1:]] if prim.name == "where" else args


def leaf(x: Any) -> Any:
    """An argument of a step: with a gradient, if it has floats."""
    return Tensor(x, requires_grad=True) if x.dtype.kind == "f" else x


def weights(outs: Sequence[Any], generator: Generator) -> list[Any]:
    """What results are weighted with in the scalar that is differentiated."""
    return [
        generator.uniform(0.5, 1.5, out.shape).astype(out.dtype if out.dtype.kind == "f" else int)
        for out in outs
    ]


def slopes(out: Any, args: Sequence[Any], weight: Any) -> list[Any]:
    """The gradients of a weighted result by its arguments; of one that has none, nothing."""
    if not (isinstance(out, Tensor) and out.requires_grad):
        return []
    leaves = [x for x in args if isinstance(x, Tensor) and x.requires_grad]
    return list(gradients((out * weight).sum(), leaves))


def all_of(
    functions: Sequence[tuple[str, Callable[..., Any]]],
    args: Any,
    generator: Generator,
    *,
    gradient: bool = True,
) -> Case:
    """Named functions side by side in one step, and their gradients; results of one name in a
    list. args: the arrays of each."""
    args = [[leaf(x) for x in given] for given in args]
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        outs = [f(*given) for (_, f), given in zip(functions, args, strict=True)]
    scale = weights(outs, generator) if gradient else [None] * len(outs)

    def step(args: Any, scale: Any) -> Any:
        results: dict[str, list[Any]] = {}
        for (name, function), given, weight in zip(functions, args, scale, strict=True):
            out = function(*given)
            results.setdefault(name, []).append(out)
            if gradient:
                results.setdefault(f"{name}'", []).extend(slopes(out, given, weight))
        return results

    return Case(jit(step), (args, scale))


def of_row(prim: Primitive, dtype: np.dtype[Any], generator: Generator) -> Case:
    """A primitive alone, each trial of it with its gradient."""
    functions, args = zip(*trials(prim, dtype, generator), strict=True)
    return all_of([(prim.name, f) for f in functions], args, generator)


def takes(prim: Primitive, args: Sequence[Any]) -> bool:
    """Whether a primitive computes with such arrays."""
    try:
        with np.errstate(all="ignore"):
            prim(*args)
    except (TypeError, ValueError):
        return False
    return True


def of_rows(draw: Callable[[Primitive], list[Any]], generator: Generator, **others: Any) -> Case:
    """All elementwise primitives that take what is drawn for them, in one step."""
    given = [(prim, draw(prim)) for prim in ELEMENTWISE.values()]
    given = [(prim, args) for prim, args in given if takes(prim, args)]
    functions = [(prim.name, prim) for prim, _ in given]
    return all_of(functions, [args for _, args in given], generator, **others)


@program("primitives of", ("int8", "uint8", "int32", "int64", "bool"))
def of_integers(dtype: np.dtype[Any], generator: Generator) -> Case:
    """Elementwise primitives and reductions of integers or booleans."""
    low = 0 if dtype.kind in "ub" else -7

    def draw(prim: Primitive) -> list[Any]:
        first = generator.integers(low, 8, (7, 37)).astype(dtype)
        others = [generator.integers(1, 4, n).astype(dtype) for n in ((37,), (7, 1))]
        return [first, *others][: len(domains(prim))]

    return of_rows(draw, generator)


@program("primitives of mixed dtypes and", ("float32",))
def of_mixed(dtype: np.dtype[Any], generator: Generator) -> Case:
    """Two dtypes in one operation."""
    pairs = ["fi", "fd", "bB", "?f", "lf", "df", "Bh", "i?"]
    names = ["add", "mul", "div", "maximum", "less", "power", "where"]

    def array(code: str) -> Array:
        return generator.uniform(1, 7, (7, 37)).astype(code)

    functions, args = [], []
    for name, pair in itertools.product(names, pairs):
        given = [array(code) for code in pair]
        given = [given[0] > 3, *given] if name == "where" else given
        functions.append((f"{name} {pair}", TABLE[name]))
        args.append(given)
    return all_of(functions, args, generator)


@program("primitives of special numbers")
def of_specials(dtype: np.dtype[Any], generator: Generator) -> Case:
    """Every elementwise primitive on every pair of special numbers."""
    x = specials(dtype)

    def draw(prim: Primitive) -> list[Any]:
        return [np.repeat(x[:, None], x.size, axis=1), x, x[:, None]][: len(domains(prim))]

    return of_rows(draw, generator)


USERS = ("cholesky", "solve")  # of models/gaussian_process.py, where that was imported
for _row in (prim for prim in TABLE.values() if prim.name not in USERS):
    for _dtype in FLOATS:
        PROGRAMS[f"primitive {_row.name} {_dtype}"] = partial(of_row, _row, _dtype)


@program("a chain of rows in one kernel")
def chain(dtype: np.dtype[Any], generator: Generator) -> Case:
    def function(x: Any, y: Any, z: Any) -> Any:
        a = ag.tanh(x * y + z)
        b = ag.where(a > 0.1, ag.sigmoid(a) / (1.0 + x * x), ag.relu(-z))
        return ag.maximum(b, a) * ag.exp(-ag.abs(y)) - ag.log(1.0 + y * y) * ag.sqrt(2.0 + a)

    args = [normal(shape, dtype, generator) for shape in ((33, 70), (70,), (33, 1))]
    return all_of([("chain", function)], [args], generator)


@program("a second derivative")
def second(dtype: np.dtype[Any], generator: Generator) -> Case:
    def function(x: Any, w: Any) -> Any:
        return ag.grad(lambda x: (ag.tanh(x @ w) ** 2.0).sum())(x)

    args = [normal(shape, dtype, generator) for shape in ((9, 20), (20, 7))]
    return all_of([("gradient", function)], [args], generator)


def normal(shape: Any, dtype: Any, generator: Generator) -> Array:
    return generator.standard_normal(shape).astype(dtype)


# --- reductions ----------------------------------------------------------------------------------

REDUCTIONS = ("sum", "max", "min", "logsumexp", "log_softmax", "mean", "var")


def subsets(ndim: int) -> list[tuple[int, ...]]:
    """All sets of axes but the empty one."""
    return [axes for n in range(1, ndim + 1) for axes in itertools.combinations(range(ndim), n)]


def of_reduction(
    name: str, shapes: Sequence[tuple[int, ...]], dtype: np.dtype[Any], generator: Generator
) -> Case:
    """A reduction over every subset of axes; its gradient over some."""
    function = getattr(ag, name)
    keeps = [False, True] if name in ("sum", "max") else [False]
    functions, args = [], []
    for shape in shapes:
        x = np.round(normal(shape, dtype, generator) * 8, 1)  # a few of them tie
        for axes, keep in itertools.product(subsets(len(shape)), keeps):
            keywords = {"keepdims": True} if keep else {}
            functions.append((name, partial(function, axis=axes, **keywords)))
            args.append([x])
    return all_of(functions, args, generator, gradient=len(shapes) == 1)


SMALL, WIDE = (3, 70, 5), (5, 3, 200)
for _name, _dtype in itertools.product(REDUCTIONS, FLOATS):
    PROGRAMS[f"{_name} of axes {_dtype}"] = partial(of_reduction, _name, (SMALL, WIDE), _dtype)
    PROGRAMS[f"gradient of {_name} {_dtype}"] = partial(of_reduction, _name, (SMALL,), _dtype)


@program("long reductions")
def long(dtype: np.dtype[Any], generator: Generator) -> Case:
    shapes = ((100_000,), (2, 100_000), (100_000, 3), (300, 400))
    functions, args = [], []
    for shape in shapes:
        x = normal(shape, dtype, generator)
        for axis in subsets(len(shape)):
            for name in ("sum", "max", "logsumexp"):
                functions.append((name, partial(getattr(ag, name), axis=axis)))
                args.append([x])
    return all_of(functions, args, generator, gradient=False)


@program("a reduction of what is computed")
def fused_reduction(dtype: np.dtype[Any], generator: Generator) -> Case:
    def function(x: Any, y: Any) -> Any:
        centred = x * y - (x * y).mean(-1, keepdims=True)
        return ag.tanh(centred).sum(0) / ag.sqrt((centred * centred).mean(0) + 1e-5)

    args = [normal(shape, dtype, generator) for shape in ((65, 300), (300,))]
    return all_of([("ratio", function)], [args], generator)


@program("reductions of special numbers")
def special_reductions(dtype: np.dtype[Any], generator: Generator) -> Case:
    x = specials(dtype)
    orders = np.stack([generator.permutation(x[x == x]) for _ in range(70)])
    mixed = np.stack([generator.permutation(x)[:9] for _ in range(70)])
    zeros = generator.choice(np.array([0.0, -0.0], dtype), (70, 3))
    small = x[np.abs(x) < np.finfo(dtype).tiny] * np.ones((20, 1), dtype)
    functions, args = [], []
    for array, name in itertools.product(
        (orders, mixed, zeros, small), ("sum", "max", "min", "logsumexp")
    ):
        for axis in (0, 1):
            functions.append((name, partial(getattr(ag, name), axis=axis)))
            args.append([array])
    return all_of(functions, args, generator)


@program("reductions of", ("int8", "uint8", "int32", "int64", "bool"))
def reductions_of_integers(dtype: np.dtype[Any], generator: Generator) -> Case:
    x = generator.integers(0, 2 if dtype.kind == "b" else 100, SMALL).astype(dtype)
    names = ("sum", "max", "min", "mean", *(["all", "any"] if dtype.kind == "b" else []))
    functions = [
        (name, partial(getattr(ag, name), axis=axes))
        for name, axes in itertools.product(names, subsets(3))
    ]
    functions = [(name, f) for name, f in functions if takes(f, [x])]
    return all_of(functions, [[x]] * len(functions), generator, gradient=False)


# --- views ---------------------------------------------------------------------------------------

VIEWS: dict[str, Callable[[Any], Any]] = {  # of (6, 10, 14)
    "reversed axes": lambda x: x.transpose(),
    "rotated axes": lambda x: x.transpose(1, 2, 0),
    "swapped axes": lambda x: x.transpose(0, 2, 1),
    "steps": lambda x: x[::-1, 1::3, -2:0:-2],
    "an entry": lambda x: x[:, 3],
    "new axes": lambda x: x[None, :, ::-1, 2, None],
    "mixed": lambda x: x.reshape(10, 84),
    "mixed, transposed": lambda x: x.transpose(2, 0, 1).reshape(12, 70),
    "cut, then mixed": lambda x: x[:, ::2, :].reshape(-1, 21),
    "broadcast": lambda x: ag.broadcast_to(x[:, :1, :], (3, 6, 5, 14)),
    "broadcast, transposed": lambda x: ag.broadcast_to(x[0, :, :1], (10, 9)).T,
    "flat, cut, folded": lambda x: x.reshape(-1)[3:-1:4].reshape(-1, 19),
    "put together": lambda x: ag.concatenate([x[:, :3], x[:, ::-1], x[:, 4:5]], 1),
    "stacked": lambda x: ag.stack([x[0], x[3] * 2.0, x[-1]], 1),
}


def through(reader: Callable[[Any], Any], dtype: np.dtype[Any], generator: Generator) -> Case:
    """What reads each view."""
    x = normal((6, 10, 14), dtype, generator)
    functions = [(name, partial(_read, reader, view)) for name, view in VIEWS.items()]
    return all_of(functions, [[x]] * len(functions), generator)


def _read(reader: Callable[[Any], Any], view: Callable[[Any], Any], x: Any) -> Any:
    return reader(view(x))


@program("views read by rows")
def views_by_rows(dtype: np.dtype[Any], generator: Generator) -> Case:
    return through(lambda v: ag.tanh(v) * v + 1.0, dtype, generator)


@program("views of what is computed")
def views_of_rows(dtype: np.dtype[Any], generator: Generator) -> Case:
    x = normal((6, 10, 14), dtype, generator)
    functions = [(name, lambda x, view=view: view(ag.tanh(x))) for name, view in VIEWS.items()]
    return all_of(functions, [[x]] * len(functions), generator)


@program("views read by a sum over the last axis")
def views_by_sum(dtype: np.dtype[Any], generator: Generator) -> Case:
    return through(lambda v: (v * v).sum(-1), dtype, generator)


@program("views read by a maximum over the first axis")
def views_by_max(dtype: np.dtype[Any], generator: Generator) -> Case:
    return through(lambda v: v.max(0), dtype, generator)


@program("views read by a product")
def views_by_product(dtype: np.dtype[Any], generator: Generator) -> Case:
    return through(lambda v: matmul(v, v.transpose(*range(v.ndim - 2), -1, -2)), dtype, generator)


# --- products ------------------------------------------------------------------------------------

Shapes = tuple[tuple[int, ...], tuple[int, ...]]
TILES: list[Shapes] = [  # rows and columns that leave every kind of remainder
    ((rows, 19), (19, columns))
    for rows, columns in (
        (1, 1),
        (1, 40),
        (2, 17),
        (5, 16),
        (7, 31),
        (8, 32),
        (9, 33),
        (13, 65),
        (70, 3),
        (130, 129),
    )
]
INNER: list[Shapes] = [((rows, k), (k, 37)) for k in (1, 3, 300) for rows in (1, 11)]
INNER += [((3, 20_000), (20_000, 18)), ((20, 20_000), (20_000,)), ((1, 20_000), (20_000, 1))]
STACKS: list[Shapes] = [
    ((4, 9, 20), (4, 20, 17)), ((4, 9, 20), (20, 17)), ((9, 20), (4, 20, 17)),
    ((2, 1, 9, 20), (3, 20, 17)), ((1, 9, 20), (5, 20, 1)), ((6, 2, 3, 1), (1, 1, 9)),
    ((12,), (12,)), ((12,), (12, 40)), ((40, 12), (12,)), ((12,), (3, 12, 5)), ((3, 5, 12), (12,)),
]  # fmt: skip


def of_products(
    shapes: Sequence[Shapes],
    function: Callable[[Any, Any], Any],
    dtype: Any,
    generator: Generator,
    **others: Any,
) -> Case:
    args = [[normal(shape, dtype, generator) for shape in pair] for pair in shapes]
    return all_of([("product", function)] * len(args), args, generator, **others)


@program("products of tiles and remainders")
def tiles(dtype: np.dtype[Any], generator: Generator) -> Case:
    return of_products(TILES, matmul, dtype, generator)


@program("products of many lengths")
def inner(dtype: np.dtype[Any], generator: Generator) -> Case:
    return of_products(INNER, matmul, dtype, generator)


@program("products of stacks and vectors")
def stacks(dtype: np.dtype[Any], generator: Generator) -> Case:
    return of_products(STACKS, matmul, dtype, generator)


@program("products of transposed operands")
def transposed(dtype: np.dtype[Any], generator: Generator) -> Case:
    shapes: list[Shapes] = [((19, 70), (33, 19)), ((300, 9), (17, 300)), ((8, 8), (8, 8))]
    return of_products(shapes, lambda x, y: x.T @ y.T, dtype, generator)


@program("products of reversed and strided operands")
def strided(dtype: np.dtype[Any], generator: Generator) -> Case:
    shapes: list[Shapes] = [((21, 40), (40, 66)), ((64, 100), (100, 30))]
    return of_products(shapes, lambda x, y: x[::-1, ::2] @ y[::2, ::-1], dtype, generator)


@program("products with primitives before and after")
def epilogues(dtype: np.dtype[Any], generator: Generator) -> Case:
    def function(x: Any, y: Any) -> Any:
        out = ag.relu(ag.tanh(x) @ (y * 0.5) + y[0])
        return out * out - out.max(-1, keepdims=True)

    return of_products([((33, 19), (19, 70)), ((128, 300), (300, 10))], function, dtype, generator)


@program("a product with itself")
def gram(dtype: np.dtype[Any], generator: Generator) -> Case:
    x = normal((65, 30), dtype, generator)
    return all_of([("gram", lambda x: x @ x.T), ("other", lambda x: x.T @ x)], [[x]] * 2, generator)


@program("a large product")
def large(dtype: np.dtype[Any], generator: Generator) -> Case:
    return of_products([((257, 300), (300, 260))], matmul, dtype, generator)


@program("products of", ("int32", "int64", "uint8", "bool"))
def products_of_integers(dtype: np.dtype[Any], generator: Generator) -> Case:
    high = 2 if dtype.kind == "b" else 50
    args = [[generator.integers(0, high, s).astype(dtype) for s in ((7, 12), (12, 9))]]
    return all_of([("product", matmul)], args, generator, gradient=False)


# --- positions in arrays -------------------------------------------------------------------------


@program("entries by arrays of positions")
def gathers(dtype: np.dtype[Any], generator: Generator) -> Case:
    x = normal((40, 6, 9), dtype, generator)
    rows, columns = generator.integers(-40, 40, (5, 7)), generator.integers(0, 9, (5, 7))
    functions: list[Callable[..., Any]] = [
        lambda x, i: x[i],
        lambda x, i: ag.tanh(x)[i] * 2.0,
        lambda x, i: x[i, 2],
        lambda x, i: x[i, :, ::-2].sum(-1),
        lambda x, i, j: x[i, :, j],
        lambda x, i, j: x[i, 1, j],
        lambda x, i, j: x[:, 0][i, j] + x[i, 5, j],
    ]
    args = [[x, rows, columns][: f.__code__.co_argcount] for f in functions]
    return all_of([("entries", f) for f in functions], args, generator)


@program("sums into entries")
def scatters(dtype: np.dtype[Any], generator: Generator) -> Case:
    scatter, g = TABLE["scatter_add"], normal((30, 9), dtype, generator)
    often = generator.integers(0, 4, 30)  # each entry is named many times
    functions: list[Callable[..., Any]] = [
        lambda g, i: scatter(g, i, key=(ARRAY,), shape=(11, 9)),
        lambda g, i: scatter(ag.exp(g) * 0.1, i, key=(ARRAY,), shape=(11, 9)) * 2.0,
        lambda g, i: scatter(g.T, i, key=(slice(9), ARRAY), shape=(12, 11)),
        lambda g: scatter(g, key=(slice(None, None, -2), slice(9)), shape=(60, 10)),
    ]
    args = [[g, often][: f.__code__.co_argcount] for f in functions]
    return all_of([("sums", f) for f in functions], args, generator)


@program("labels: gather, scatter and cross entropy")
def labels(dtype: np.dtype[Any], generator: Generator) -> Case:
    x, y = normal((70, 10), dtype, generator), generator.integers(0, 10, 70)
    scatter, g = TABLE["scatter"], normal(70, dtype, generator)
    functions = [
        ("gather", ag.gather),
        ("gather of a primitive", lambda x, y: ag.gather(ag.tanh(x), y) * 2.0),
        ("cross entropy", cross_entropy),
        ("scatter", lambda g, y: scatter(g, y, size=10)),
    ]
    small = y.astype(np.uint8)
    args = [[x, y], [x, small], [x, y], [g, y]]
    return all_of(functions, args, generator)


@program("losses of outputs and targets")
def losses(dtype: np.dtype[Any], generator: Generator) -> Case:
    x, y = (2 * normal((40, 5), dtype, generator) for _ in range(2))
    yes = generator.integers(0, 2, (40, 5))
    functions = [
        ("mse", ag.mse),
        ("huber", lambda x, y: ag.huber(x, y, 1.5)),
        ("hinge", ag.hinge),
        ("binary cross entropy", ag.binary_cross_entropy),
        ("binary cross entropy of booleans", ag.binary_cross_entropy),
    ]
    args = [[x, y], [x, y], [x, 2 * yes - 1], [x, yes.astype(dtype)], [x, yes > 0]]
    return all_of(functions, args, generator)


@program("positions that the step computes")
def computed_positions(dtype: np.dtype[Any], generator: Generator) -> Case:
    x, y = normal((30, 10), dtype, generator), generator.integers(0, 5, 30)
    functions = [
        ("gather", lambda x, y: ag.gather(x, y * 2)),
        ("entries", lambda x, y: x[y + 3]),
        ("of floats", lambda x, y: x[ag.astype(ag.abs(ag.detach(x)[:, 0]), np.int64)]),
    ]
    return all_of(functions, [[x, y]] * 3, generator)


@program("random numbers")
def random_numbers(dtype: np.dtype[Any], generator: Generator) -> Case:
    count = Tensor(np.array(5))

    @jit
    def step(x: Any) -> Any:
        drawn = [uniform(count, shape, seed, dtype) for shape, seed in (((7, 37), 0), ((1000,), 9))]
        count.assign(count + 1)
        return [*drawn, x * drawn[0], ag.where(drawn[0] > 0.5, x, 0.0).sum(0)]

    return Case(step, [normal((7, 37), dtype, generator)], {"count": count})


# --- training ------------------------------------------------------------------------------------


def training(
    model: Module,
    optimizer: Any,
    data: Sequence[Any],
    batch: int,
    generator: Generator,
    loss: Callable[..., Any] = cross_entropy,
    between: Callable[[Any], Any] = lambda parameters: [],
) -> Case:
    """Steps of training on a batch, then on batches of a random order. data: what the model takes,
    and the target. between: called with the parameters after the backward pass."""
    parameters = model.parameters()

    @jit
    def step(*args: Any) -> Any:
        *xs, y = args
        out = loss(model(*xs), y)
        optimizer.zero_grad()
        out.backward()
        seen = between(parameters)
        optimizer.step()
        return out, seen

    states = {f"model.{name}": t for name, t in model.named_state()}
    states |= {f"optimizer.{name}": t for name, t in optimizer.named_state()}
    order = generator.permutation(len(data[0]))
    order = order[: len(order) // batch * batch].reshape(-1, batch)[:4]
    return Case(step, [x[:batch] for x in data], states, (data, order))


def mlp(sizes: Sequence[int], dtype: Any, generator: Generator, *layers: Module) -> Sequential:
    """Linear layers with relu between them. layers: what else stands after the first."""
    parts: list[Module] = []
    for n, m in itertools.pairwise(sizes):
        parts += [Linear(n, m, generator=generator, dtype=dtype), *([] if parts else layers)]
        parts += [Activation("relu")]
    return Sequential(*parts[:-1])


def digits(
    dtype: Any, generator: Generator, count: int = 200, features: int = 20
) -> tuple[Array, Array]:
    """Numbers in [0, 1] and labels of ten classes, for want of digits."""
    x = generator.uniform(0, 1, (count, features)).astype(dtype)
    return x, generator.integers(0, 10, count)


@program("MNIST's step, SGD with momentum")
def mnist(dtype: np.dtype[Any], generator: Generator) -> Case:
    model = mlp((784, 128, 10), dtype, generator)
    optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9)
    return training(model, optimizer, digits(dtype, generator, 600, 784), 128, generator)


def optimized(
    make: Callable[[list[Tensor]], Any], dtype: Any, generator: Generator, **others: Any
) -> Case:
    model = mlp((20, 30, 10), dtype, generator)
    data = digits(dtype, generator)
    return training(model, make(model.parameters()), data, 33, generator, **others)


OPTIMIZERS: dict[str, Callable[[list[Tensor]], Any]] = {
    "SGD": lambda p: SGD(p, 0.1),
    "Nesterov": lambda p: SGD(p, cosine(0.1, 6), momentum=0.8, nesterov=True, weight_decay=1e-3),
    "Adam": lambda p: Adam(p, 1e-2),
    "Adam, one cycle": lambda p: Adam(p, one_cycle(1e-2, 8), weight_decay=1e-2),
    "AdamW": lambda p: AdamW(p, 1e-2),
}
CLIPPINGS: dict[str, Callable[[list[Tensor]], Any]] = {
    "by global norm": lambda p: clip_by_global_norm(p, 0.1),
    "by value": lambda p: clip_by_value(p, 0.01),
}
for _dtype in FLOATS:
    for _name, _make in OPTIMIZERS.items():
        PROGRAMS[f"{_name} {_dtype}"] = partial(optimized, _make, _dtype)
    for _name, _between in CLIPPINGS.items():
        PROGRAMS[f"clipping {_name} {_dtype}"] = partial(
            optimized, OPTIMIZERS["Adam"], _dtype, between=_between
        )


@program("batch norm")
def batch_norm(dtype: np.dtype[Any], generator: Generator) -> Case:
    model = mlp((20, 30, 10), dtype, generator, BatchNorm(30, dtype=dtype))
    optimizer = SGD(model.parameters(), 0.1, momentum=0.9)
    return training(model, optimizer, digits(dtype, generator), 33, generator)


@program("batch norm of images")
def batch_norm_of_images(dtype: np.dtype[Any], generator: Generator) -> Case:
    model = BatchNorm(3, dtype=dtype)
    x, y = (normal((40, 3, 5, 7), dtype, generator) for _ in range(2))
    return training(model, SGD(model.parameters(), 0.1), [x, y], 20, generator, mse)


@program("batch norm and dropout in evaluation")
def evaluation(dtype: np.dtype[Any], generator: Generator) -> Case:
    model = mlp((20, 30, 10), dtype, generator, BatchNorm(30, dtype=dtype), Dropout(0.5)).eval()
    x, _ = digits(dtype, generator)
    return Case(jit(lambda x: ag.softmax(model(x))), [x], dict(model.named_state()))


@program("dropout")
def dropout(dtype: np.dtype[Any], generator: Generator) -> Case:
    model = mlp((20, 30, 10), dtype, generator, Dropout(0.3, seed=4))
    optimizer = SGD(model.parameters(), 0.1, momentum=0.9)
    return training(model, optimizer, digits(dtype, generator), 33, generator)


@program("activations")
def activations(dtype: np.dtype[Any], generator: Generator) -> Case:
    names = ("gelu", "tanh", "sigmoid", "leaky_relu")
    model = Sequential(*itertools.chain.from_iterable(
        (Linear(16, 16, generator=generator, dtype=dtype), Activation(name)) for name in names
    ))  # fmt: skip
    x, y = (normal((100, 16), dtype, generator) for _ in range(2))
    return training(model, SGD(model.parameters(), 0.1), [x, y], 25, generator, mse)


class Block(Module):
    """A transformer's block: attention with so many heads, then an MLP, each after a layer norm
    and beside a residual. (batch, length, width) to the same."""

    def __init__(self, width: int, heads: int, dtype: Any, generator: Generator) -> None:
        self.heads = heads
        self.norms = [LayerNorm(width, dtype=dtype) for _ in range(2)]
        sizes = [(width, width)] * 4 + [(width, 2 * width), (2 * width, width)]
        self.linears = [Linear(n, m, generator=generator, dtype=dtype) for n, m in sizes]

    def forward(self, x: Any) -> Any:
        query, key, value, out, up, down = self.linears
        y = self.norms[0](x)
        scores = self._heads(query(y)) @ self._heads(key(y)).transpose(0, 1, 3, 2)
        weights = ag.softmax(scores * (x.shape[-1] / self.heads) ** -0.5)
        mixed = (weights @ self._heads(value(y))).transpose(0, 2, 1, 3)
        x = x + out(mixed.reshape(x.shape))
        return x + down(ag.gelu(up(self.norms[1](x))))

    def _heads(self, x: Any) -> Any:
        n, length, width = x.shape
        split = x.reshape(n, length, self.heads, width // self.heads)
        return split.transpose(0, 2, 1, 3)


def attention(heads: int, dtype: Any, generator: Generator) -> Case:
    model = Block(12, heads, dtype, generator)
    x, y = (normal((12, 7, 12), dtype, generator) for _ in range(2))
    optimizer = SGD(model.parameters(), 0.05, momentum=0.9)
    return training(model, optimizer, [x, y], 3, generator, mse)


for _heads, _dtype in ((1, FLOATS[0]), *((2, dtype) for dtype in FLOATS)):
    PROGRAMS[f"attention, heads: {_heads} {_dtype}"] = partial(attention, _heads, _dtype)


class Embedding(Module):
    """Primitives of a table by positions, averaged, then a linear layer."""

    def __init__(self, dtype: Any, generator: Generator) -> None:
        self.table = Tensor(normal((50, 8), dtype, generator), requires_grad=True)
        self.linear = Linear(8, 10, generator=generator, dtype=dtype)

    def forward(self, words: Any) -> Any:
        return self.linear(ag.tanh(self.table[words].mean(1)))


@program("an embedding by positions")
def embedding(dtype: np.dtype[Any], generator: Generator) -> Case:
    model = Embedding(dtype, generator)
    words, y = generator.integers(0, 50, (60, 6)), generator.integers(0, 10, 60)
    optimizer = SGD(model.parameters(), 0.5, momentum=0.9)
    return training(model, optimizer, [words, y], 15, generator)


# --- states --------------------------------------------------------------------------------------


@program("states moved while their old values are read")
def running(dtype: np.dtype[Any], generator: Generator) -> Case:
    mean, other, square = (Tensor(normal((37,), dtype, generator)) for _ in range(3))
    turned = Tensor(normal((37, 37), dtype, generator))
    count = Tensor(np.array(0))

    @jit
    def step(x: Any) -> Any:
        before = mean * 1.0
        mean.assign(0.9 * mean + 0.1 * x.mean(0))
        centred = x - before
        square.assign(0.5 * square[::-1] + (centred * centred).mean(0))  # reads other entries
        turned.assign(turned.T + before[:, None] * mean)
        swapped = mean * 2.0
        mean.assign(other)  # the two change places
        other.assign(swapped)
        count.assign(count + 1)
        return before, centred.sum(), (before - mean) / ag.sqrt(square + 1e-5), turned.sum(0)

    x = normal((60, 37), dtype, generator)
    names = {"mean": mean, "other": other, "square": square, "turned": turned, "count": count}
    order = generator.permutation(60).reshape(4, 15)
    return Case(step, [x[:15]], names, ([x], order))


@program("gradients of each example")
def of_each_example(dtype: np.dtype[Any], generator: Generator) -> Case:
    def loss(w: Any, x: Any) -> Any:
        return (ag.tanh(x @ w) ** 2.0).sum()

    args = [normal(shape, dtype, generator) for shape in ((20, 9), (33, 20))]
    return Case(jit(ag.vmap(ag.grad(loss), (None, 0))), args)


# --- running them --------------------------------------------------------------------------------


def results(case: Case) -> dict[str, Array]:
    """All that a program gives, and its states, by name: those of the first and the last call (what
    is left in memory by one must not reach the next), and of the loop."""
    arrays: dict[str, Array] = {}
    for number in range(CALLS):
        out = case.step(*case.args)
        if number in (0, CALLS - 1):
            arrays |= named(f"call {number + 1}", out, case.states)
    if case.epoch:
        arrays |= named("loop", case.step.loop(*case.epoch), case.states)
    return arrays


def named(when: str, out: Any, states: Mapping[str, Tensor]) -> dict[str, Array]:
    """The arrays of nested results, and of states: "call 1/tanh'/0"."""
    arrays = {"/".join((when, *path)): array for path, array in flat(out)}
    return arrays | {f"{when}/state/{name}": np.array(t.data) for name, t in states.items()}


def flat(out: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Array]]:
    if isinstance(out, dict | list | tuple):
        parts = out.items() if isinstance(out, dict) else enumerate(out)
        for key, part in parts:
            yield from flat(part, (*path, str(key)))
    elif out is not None:
        yield path, np.array(getattr(out, "data", out))


def looked_into(step: Any) -> tuple[bool | None, list[str]]:
    """Whether a step is compiled, and the primitives that NumPy computes in it; (None, []) where
    the engine's insides are other than here."""
    try:
        (traced,) = next(iter(step._traced.values()))
        if not type(traced.run).__module__.startswith("autograd.compiler."):
            return None, []
        left = getattr(traced.run, "left_to_numpy", None)
        return left is not None, list(left or ())
    except Exception:
        return None, []


def run(name: str) -> tuple[dict[str, Array], dict[str, Any]]:
    """A program's arrays, and what else is to be known: seconds, `compiled`, `left`, `error`."""
    start, case = time.perf_counter(), None
    generator = np.random.default_rng(zlib.crc32(name.encode()))
    arrays: dict[str, Array] = {}
    error = ""
    try:
        case = PROGRAMS[name](generator)
        arrays = results(case)
    except Exception:
        error = traceback.format_exc()
    compiled, left = looked_into(case.step) if case else (None, [])
    seconds = time.perf_counter() - start
    return arrays, {"seconds": seconds, "compiled": compiled, "left": left, "error": error}


def main(out: str, *names: str) -> None:
    np.seterr(all="ignore")  # special numbers are wanted
    logging.basicConfig(level=logging.WARNING)
    found: dict[str, Array] = {}
    about = {}
    for name in names or PROGRAMS:
        if name not in PROGRAMS:  # a primitive that the other tree has
            continue
        arrays, about[name] = run(name)
        found |= {f"{name}/{key}": array for key, array in arrays.items()}
    np.savez(f"{out}.npz", **found)
    with open(f"{out}.json", "w") as file:
        json.dump({"engine": ag.__file__, "programs": about}, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
