"""The table of autograd/CONVENTIONS.md, made from the rows: each of its lines is computed here.

`python -m tests.autograd.primitives.test_convention_table` writes it anew.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

import autograd
from autograd import Tensor, Value, cross_entropy, grad, gradients, jit, jvp, less, vmap
from autograd.primitives.primitive import TABLE, Primitive

pytestmark = pytest.mark.rules

PAGE = Path(autograd.__file__).parent / "CONVENTIONS.md"
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"
INF, NAN = math.inf, math.nan


class Line(NamedTuple):
    """code: of the names in `at`. slopes: of its sum, by each of them. why: where no row's
    convention is behind it."""

    code: str
    at: dict[str, float | list[float]]
    slopes: list[float | list[float]]
    primitive: str = ""
    why: str = ""


LINES = [
    Line("relu(x)", {"x": 0.0}, [0.0], "relu"),
    Line("relu(x)", {"x": NAN}, [1.0], "relu"),
    Line("leaky_relu(x, 0.1)", {"x": 0.0}, [0.1], why="the slope of the left"),
    Line("leaky_relu(x, 0.1)", {"x": NAN}, [0.1], why="nan > 0 is false: the slope of the left"),
    Line("abs(x)", {"x": 0.0}, [0.0], "abs"),
    Line("abs(x)", {"x": NAN}, [1.0], "abs"),
    Line("maximum(x, y)", {"x": 1.0, "y": 1.0}, [0.5, 0.5], "maximum"),
    Line("minimum(x, y)", {"x": 1.0, "y": 1.0}, [0.5, 0.5], "minimum"),
    Line("maximum(x, y)", {"x": NAN, "y": 1.0}, [1.0, 1.0], "maximum"),
    Line("minimum(x, y)", {"x": 1.0, "y": NAN}, [1.0, 1.0], "minimum"),
    Line("maximum(x, x)", {"x": 1.0}, [1.0], why="two halves"),
    Line("clip(x, -1.0, 1.0)", {"x": 1.0}, [0.5], why="a tie with the bound: half"),
    Line("clip(x, -1.0, 1.0)", {"x": [-2.0, 0.0, 2.0]}, [[0.0, 1.0, 0.0]], why="off the bounds"),
    Line("clip(x, -1.0, 1.0)", {"x": NAN}, [1.0], why="on no side of a bound"),
    Line("max(x)", {"x": [1.0, 3.0, 3.0]}, [[0.0, 0.5, 0.5]], "max"),
    Line("max(x)", {"x": [1.0, NAN]}, [[NAN, NAN]], "max"),
    Line("min(x)", {"x": [1.0, 1.0, 3.0]}, [[0.5, 0.5, 0.0]], "min"),
    Line("min(x)", {"x": [1.0, NAN]}, [[NAN, NAN]], "min"),
    Line("power(x, y)", {"x": 0.0, "y": 0.0}, [0.0, 0.0], "power"),
    Line("power(x, y)", {"x": 0.0, "y": 2.0}, [0.0, 0.0], "power"),
    Line("power(x, y)", {"x": 0.0, "y": -1.0}, [-INF, -INF], "power"),
    Line("power(x, 1)", {"x": 0.0}, [1.0], why="as in school"),
    Line("power(x, y)", {"x": -2.0, "y": 2.0}, [-4.0, NAN], why="log(-2) for y"),
    Line("sqrt(x)", {"x": 0.0}, [INF], "sqrt"),
    Line("sqrt(sum(x * x))", {"x": [0.0, 0.0]}, [[NAN, NAN]], why="inf * 0: a norm is nan at 0"),
    Line(
        "sqrt(sum(x * x) + 1e-12)", {"x": [0.0, 0.0]}, [[0.0, 0.0]], why="flat, and 1e-6 too long"
    ),
    Line("log(x)", {"x": 0.0}, [INF], why="1 / 0"),
    Line("log(x)", {"x": -1.0}, [-1.0], why="1 / x, though the logarithm is nan"),
    Line("1.0 / x", {"x": 0.0}, [-INF], why="-1 / 0 / 0"),
    Line("where(True, x, y)", {"x": 1.0, "y": NAN}, [1.0, 0.0], "where"),
    Line(
        "where(greater(x, 0.0), sqrt(x), 0.0)",
        {"x": 0.0},
        [NAN],
        why="sqrt gets 0, and its rule makes 0 * inf of it",
    ),
    Line(
        "sqrt(where(greater(x, 0.0), x, 1.0))",
        {"x": 0.0},
        [0.0],
        why="the cure: choose before the root",
    ),
    Line(
        "logsumexp(x)",
        {"x": [-INF, 0.0]},
        [[0.0, 1.0]],
        why="a masked logit",
    ),
    Line("logsumexp(x)", {"x": [-INF, -INF]}, [[NAN, NAN]], why="all masked: 0 / 0"),
    Line(
        "huber(x, [0.0, 0.0], 2.0)",
        {"x": [2.0, -2.0]},
        [[1.0, -1.0]],
        why="the same from both sides; delta / 2, for it is a mean",
    ),
    Line(
        "hinge(x, [1.0, -1.0])", {"x": [1.0, -1.0]}, [[0.0, 0.0]], why="at the margin relu'(0) = 0"
    ),
    Line("detach(x) * x", {"x": 3.0}, [3.0], why="nothing flows through detach"),
    Line("greater(x, 0.0) * x", {"x": 3.0}, [1.0], why="nothing flows through a comparison"),
    Line("sum(x)", {"x": []}, [[]], why="of an empty array 0.0"),
    Line("mean(x)", {"x": []}, [[]], why="of an empty array nan"),
]
NAMES = {name: getattr(autograd, name) for name in autograd.__all__}


def evaluate(line: Line, make):
    nodes = {name: make(number) for name, number in line.at.items()}
    with np.errstate(all="ignore"):
        return eval(line.code, NAMES | nodes), list(nodes.values())


def tensor(data, dtype=np.float64):
    return Tensor(np.array(data, dtype), requires_grad=True)


def identify(line: Line) -> str:
    return f"{line.code} at {line.at}"


# --- each line is true ---------------------------------------------------------------------------


@pytest.mark.parametrize("line", LINES, ids=identify)
def test_a_line_says_what_the_derivative_is(line):
    out, nodes = evaluate(line, tensor)
    for found, slope in zip(gradients(out, nodes, np.ones(out.shape)), line.slopes, strict=True):
        np.testing.assert_array_equal(found.data, slope)


FINITE = [
    line
    for line in LINES
    if not any(np.isnan(slope).any() or not np.size(slope) for slope in line.slopes)
    and (len(line.slopes) == 1 or all(np.isfinite(slope).all() for slope in line.slopes))
]


@pytest.mark.parametrize("line", FINITE, ids=identify)
def test_forward_mode_has_the_same_conventions(line):
    """A tangent of 0 times a slope of nan or inf is nan: the lines with one are left out, and
    those of an empty array, which has no entry to move."""
    primals = [np.array(number, float) for number in line.at.values()]

    def compute(*nodes):
        return eval(line.code, NAMES | dict(zip(line.at, nodes, strict=True)))

    for i, slope in enumerate(line.slopes):
        for at in np.ndindex(primals[i].shape):
            tangents = [np.zeros_like(primal) for primal in primals]
            tangents[i][at] = 1.0
            with np.errstate(all="ignore"):
                assert np.sum(jvp(compute, primals, tangents)[1]) == np.asarray(slope)[at]


@pytest.mark.parametrize(
    "line",
    [line for line in LINES if not any(isinstance(x, list) for x in line.at.values())],
    ids=identify,
)
def test_a_value_has_the_same_conventions(line):
    out, nodes = evaluate(line, Value)
    out.backward()
    np.testing.assert_array_equal([node.grad for node in nodes], line.slopes)


@pytest.mark.parametrize("line", LINES, ids=identify)
def test_float32_has_the_same_conventions(line):
    out, nodes = evaluate(line, lambda data: tensor(data, np.float32))
    for found, slope in zip(gradients(out, nodes, np.ones(out.shape)), line.slopes, strict=True):
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found.data, np.float32(slope))


KINKS = [
    "relu(x)",
    "leaky_relu(x, 0.1)",
    "abs(x)",
    "maximum(x, 1.0)",
    "minimum(1.0, x)",
    "clip(x, 0.0, 1.0)",
]


@pytest.mark.parametrize("code", KINKS)
def test_at_nan_every_route_lets_the_gradient_through(code):
    """A zero there would say that nothing depends on x."""

    def compute(x):
        return eval(code, NAMES, {"x": x})

    slope = 0.1 if "leaky" in code else 1.0
    for dtype in (np.float32, np.float64):
        at = np.array([NAN, 2.0, NAN], dtype)
        routes = [vmap(grad(compute)), jit(grad(lambda x: compute(x).sum()))]
        for found in [route(at) for route in routes]:
            np.testing.assert_array_equal(np.asarray(found)[[0, 2]], dtype(slope))
    assert grad(compute)(NAN) == slope
    assert grad(grad(compute))(NAN) == grad(grad(compute))(np.array(NAN)) == 0.0


# --- and no row's is forgotten -------------------------------------------------------------------


AGREED = [row for row in TABLE.values() if row.kink or row.convention]
KINKED = [  # the rest have no kink to lie on, or lie off it, at a nan
    line
    for line in LINES
    if line.primitive not in ("", "where")
    and TABLE[line.primitive].kink
    and NAN not in line.at.values()
]
# `name'(x) = slope`, where a convention has that form.
SAID = [
    pytest.param(row, *said, id=f"{said[0]}'({said[1]})")
    for row in AGREED
    for said in re.findall(r"(\w+)'\((\S+)\) = (\S+)", row.convention)
]


@pytest.mark.parametrize("row", AGREED, ids=lambda row: row.name)
def test_a_row_with_a_kink_or_a_convention_has_a_line(row):
    known = any(line.primitive == row.name for line in LINES)
    assert known, f"add a line for {row.name} to LINES above, and write CONVENTIONS.md anew"


@pytest.mark.parametrize("line", KINKED, ids=identify)
def test_a_line_lies_on_its_rows_kink(line):
    assert TABLE[line.primitive].kink(*line.at.values()) == 0.0


@pytest.mark.parametrize(("row", "name", "x", "slope"), SAID)
def test_what_a_rows_convention_says_in_numbers_is_so(row, name, x, slope):
    assert name == row.name
    point = tensor(float(x))
    (found,) = gradients(row(point), [point])
    assert found.item() == float(slope)


# --- what is no number ---------------------------------------------------------------------------


def test_integers_have_no_derivative_but_go_along():
    with pytest.raises(TypeError, match="int64"):
        Tensor(np.array([1, 2]), requires_grad=True)
    with pytest.raises(TypeError, match="int64"):
        grad(lambda x: (x * x).sum())(np.array([1, 2]))
    assert grad(lambda x: x * x)(3) == 6.0  # a Python integer is a number like any other
    x = Tensor([1.0, 2.0], requires_grad=True)
    (x * np.array([3, 4])).sum().backward()
    np.testing.assert_array_equal(x.grad.data, [3.0, 4.0])


@pytest.mark.parametrize("dtype", [bool, np.int8, np.int32, np.int64, np.float64])
def test_beside_wide_arrays_float32_widens_as_in_numpy_but_its_gradient_does_not(dtype):
    x = tensor([1.0, 2.0], np.float32)
    out = x * np.ones(2, dtype)
    assert out.dtype == (np.float32 if dtype in (bool, np.int8) else np.float64)
    assert gradients(out.sum(), [x])[0].dtype == np.float32


@pytest.mark.parametrize("code", ["relu(x)", "abs(x)", "maximum(x, 0.0)", "clip(x, 0.0, 1.0)"])
def test_a_kink_has_a_second_derivative_of_zero(code):
    def compute(x):
        return eval(code, NAMES, {"x": x})

    assert grad(grad(compute))(0.0) == 0.0
    assert grad(grad(compute))(np.array(0.0)) == 0.0


def test_an_empty_array_has_no_largest_entry():
    empty = Tensor(np.zeros(0), requires_grad=True)
    for reduce in (autograd.max, autograd.min, autograd.logsumexp, autograd.log_softmax):
        with pytest.raises(ValueError, match="zero-size"):
            reduce(empty)


def test_a_product_over_an_empty_axis_has_a_gradient_of_zeros():
    x, w = tensor(np.zeros((0, 3))), tensor(np.ones((3, 2)))
    (x @ w).sum().backward()
    assert x.grad.shape == (0, 3)
    np.testing.assert_array_equal(w.grad.data, np.zeros((3, 2)))


# --- float32 stays float32 -----------------------------------------------------------------------


def point_of(row: Primitive):
    """float32 arguments and params: the domain's middle, or the first case."""
    generator = np.random.default_rng(0)
    if row.cases:
        args, params = row.cases[0]
        shapes = [arg if isinstance(arg, np.ndarray) else None for arg in args]
        made = [
            generator.uniform(0.5, 1.5, arg) if fixed is None else fixed
            for arg, fixed in zip(args, shapes, strict=True)
        ]
        return [x.astype(np.float32) if x.dtype == np.float64 else x for x in made], params
    assert isinstance(row.rules, tuple)
    domain = row.domain or ((-2.0, 2.0),) * len(row.rules)
    return [generator.uniform(low, high, (2, 3)).astype(np.float32) for low, high in domain], {}


FLOWING = [
    row
    for row in TABLE.values()
    if row.name != "cast" and (not isinstance(row.rules, tuple) or any(row.rules))
]


@pytest.mark.parametrize("row", FLOWING, ids=[row.name for row in FLOWING])
def test_a_row_stays_float32_in_every_mode(row):
    """Forward and backward, the gradient's gradient, a tangent, a batch, a trace: a 0.5 or an
    np.eye that is float64 would make all that follows twice as wide."""
    args, params = point_of(row)
    moving = [i for i, x in enumerate(args) if x.dtype == np.float32 and row.rule(i)]

    def compute(*moved):
        given = list(args)
        for i, x in zip(moving, moved, strict=True):
            given[i] = x
        out = row(*given, **params)
        return (out * out).sum()

    def first(*moved):
        found = grad(compute, tuple(range(len(moving))))(*moved)
        return sum(((g * g).sum() for g in found), 0.0)

    start = [args[i] for i in moving]
    every = tuple(range(len(moving)))
    results = [
        row(*args, **params),
        *grad(compute, every)(*start),
        *grad(first, every)(*start),
        jvp(lambda *moved: compute(*moved) * start[0], start, start)[1],
        *vmap(grad(compute, every))(*[np.stack([x, x]) for x in start]),
        *jit(grad(compute, every))(*start),
    ]
    assert {result.dtype for result in results} == {np.dtype(np.float32)}


@pytest.mark.parametrize("make", [np.asarray, Tensor])
def test_the_tangent_of_one_number_is_what_the_number_is(make):
    x = make(np.ones(2, np.float32))
    out, tangent = jvp(lambda x: (x * x).sum(), (x,), (x,))
    assert type(tangent) is type(out)
    assert tangent.dtype == np.float32


COMPOSED = {
    "leaky_relu": autograd.leaky_relu,
    "gelu": autograd.gelu,
    "clip": lambda x: autograd.clip(x, 0.8, 1.2),
    "mean": lambda x: autograd.mean(x, 0),
    "var": lambda x: autograd.var(x, -1),
    "min": lambda x: autograd.min(x, -1),
    "softmax": autograd.softmax,
    "log_softmax": autograd.log_softmax,
    "cross_entropy": lambda x: cross_entropy(x, np.array([0, 2])),
    "mse": lambda x: autograd.mse(x, np.ones((2, 3))),
    "huber": lambda x: autograd.huber(x, np.ones((2, 3), np.int64), 0.2),
    "hinge": lambda x: autograd.hinge(x, np.ones((2, 3), np.int64)),
    "binary_cross_entropy": lambda x: autograd.binary_cross_entropy(x, np.ones((2, 3), bool)),
    "where": lambda x: autograd.where(less(x, 1.0), x, 1.0),
    "stack": lambda x: autograd.stack([x, x]),
    "numbers": lambda x: 2.0 * x + 1 - x / 3.0 + (1 / x) ** 2 - np.float64(0.5) * x,
}


@pytest.mark.parametrize("name", list(COMPOSED))
def test_what_is_composed_stays_float32(name):
    function = COMPOSED[name]
    x = np.random.default_rng(0).uniform(0.5, 1.5, (2, 3)).astype(np.float32)

    def loss(x):
        out = function(x)
        return (out * out).sum()

    def slopes(x):
        return (grad(loss)(x) * x).sum()

    tangent = jvp(lambda x: function(x) * np.ones(2, np.float32)[:, None], (x,), (x,))[1]
    for result in (function(Tensor(x)), grad(loss)(x), grad(slopes)(x), tangent):
        assert result.dtype == np.float32


# --- the page ------------------------------------------------------------------------------------


def shown(number) -> str:
    if isinstance(number, list):
        return f"[{', '.join(map(shown, number))}]"
    return "1/2" if number == 0.5 else f"{number:g}"


def table() -> str:
    rows = ["| function | at | derivative | |", "|---|---|---|---|"]
    for line in LINES:
        at = ", ".join(f"{name} = {shown(number)}" for name, number in line.at.items())
        slopes = ", ".join(map(shown, line.slopes))
        named = f"{TABLE[line.primitive].convention} (`{line.primitive}`)" if line.primitive else ""
        why = named or line.why
        rows.append(f"| `{line.code}` | {at} | {slopes} | {why} |")
    return "\n".join(rows)


def test_the_page_shows_this_table():
    page = PAGE.read_text()
    assert page.split(BEGIN)[1].split(END)[0].strip() == table(), (
        "run `python -m tests.autograd.primitives.test_convention_table`"
    )


if __name__ == "__main__":
    before, after = PAGE.read_text().split(BEGIN)[0], PAGE.read_text().split(END)[1]
    PAGE.write_text(f"{before}{BEGIN}\n{table()}\n{END}{after}")
