"""Every primitive, random programs and elementary functions, compiled: what the replay of the same
program gives, but for rounding (comparing.py)."""

from __future__ import annotations

import numpy as np
import pytest

from autograd import Tensor, gradients, matmul, value_and_grad
from autograd.compiler.frontend.replay import replay
from autograd.primitives.primitive import TABLE
from autograd.random import uniform
from tests import programs
from tests.autograd.compiler.comparing import assert_close, both_ways, compiled

pytestmark = pytest.mark.usefixtures("compiler")


# --- primitives and programs ---------------------------------------------------------------------


def arguments(prim, dtype):
    """Arrays to try a primitive on, each with params: of its cases, or broadcast against each
    other."""
    generator = np.random.default_rng(0)
    if prim.cases:
        for shapes, params in prim.cases:
            yield (
                [
                    x if isinstance(x, np.ndarray) else generator.uniform(0.2, 1, x).astype(dtype)
                    for x in shapes
                ],
                params,
            )
        return
    domain = prim.domain or ((-2.0, 2.0),)
    for shapes in (((3, 37), (37,), (3, 1)), ((5, 1), (1, 4), ()), ((), (), ())):
        yield (
            [
                np.asarray(generator.uniform(*interval, shape), dtype)
                for interval, shape in zip(domain, shapes, strict=False)
            ],
            {},
        )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "name", [n for n, prim in TABLE.items() if programs._free(prim) or prim.code]
)
def test_a_primitive_and_its_derivative_compile(name, dtype):
    prim = TABLE[name]

    def step(cases):
        answers = []
        for args, params in cases:
            out = prim(*args, **params)
            answers.append(out * 1.0 if out.dtype.kind == "f" else out)
            at = [x for x in args if isinstance(x, Tensor) and x.requires_grad]
            if out.requires_grad:
                answers += gradients((out * out).sum(), at)
        return answers

    cases = [
        ([x if masks and x.dtype == bool else Tensor(x, x.dtype.kind == "f") for x in args], params)
        for args, params in arguments(prim, dtype)
        for masks in [any(x.dtype != bool for x in args)]
    ]
    masks = [[x if isinstance(x, np.ndarray) else None for x in args] for args, _ in cases]

    def given(*flat):
        args = iter(flat)
        full = [[next(args) if x is None else x for x in mask] for mask in masks]
        return step([(a, params) for a, (_, params) in zip(full, cases, strict=True)])

    tensors = [x for args, _ in cases for x in args if isinstance(x, Tensor)]
    native, program, inputs = compiled(given, *tensors)
    assert native.left_to_numpy == []
    for got, want in zip(native(inputs), replay(program, inputs), strict=True):
        # 4 ulp of a function, squared and differentiated, with sums of up to a hundred terms.
        assert_close(got, want, ulps=32)


def assert_program_agrees(program):
    arrays = [np.asarray(x) for x in program.inputs]
    nodes = [Tensor(x, requires_grad=True) for x in arrays]
    root = program(*nodes)
    one = Tensor(np.ones((), root.dtype), requires_grad=True)
    graph = gradients(root, nodes, one, create_graph=True)
    direction = programs.direction_of(arrays)
    parts = [(g * v).sum() for g, v in zip(graph, direction, strict=True)]
    slope = sum(parts[1:], parts[0])
    both = value_and_grad(program, tuple(range(len(arrays))))
    (out, *found), (same, *judge), _ = both_ways(both, *arrays)
    programs.close("compiled", out, same, "the replay", programs.rounding(root))
    along = [
        sum(float(np.sum(np.asarray(g, float) * v)) for g, v in zip(gs, direction, strict=False))
        for gs in (found, judge)
    ]
    programs.close("compiled slope", *along, "the replay", 2 * programs.rounding(slope))


@pytest.fixture(scope="module")
def drawn():
    return programs.sample(20)


@pytest.mark.parametrize("number", range(20))
def test_a_random_program_and_its_gradient_compile(drawn, number):
    program = drawn[number]
    with np.errstate(all="ignore"):
        assert_program_agrees(program)


# --- numbers at the edges, and random ones -------------------------------------------------------


def test_nan_and_infinity_pass_through():
    x = np.array([[1.0, np.nan, np.inf], [-np.inf, 0.0, -1.0]], np.float32)

    def step(x):
        return [
            x.relu(), x.exp(), x.tanh(), x.sigmoid(), x.log(), x.max(axis=1), x.max(axis=0),
            x.sum(axis=1), x.log_softmax(), x.logsumexp(axis=0), matmul(x, x.T),
            TABLE["maximum"](x, 0.0), TABLE["minimum"](x, 0.0),
            TABLE["where"](TABLE["greater"](x, 0.0), x, 0.0), x.softplus(),
        ]  # fmt: skip

    with np.errstate(all="ignore"):
        got, want, _ = both_ways(step, Tensor(x))
    for one, other in zip(got, want, strict=True):
        assert_close(one, other)


def test_random_numbers_are_the_same_bits():
    got, want, _ = both_ways(
        lambda count: (uniform(count, (7, 5), 3), uniform(count, (9,), 2**40 + 1, np.float64)),
        Tensor(np.array(2**33 + 5)),
    )
    for one, other in zip(got, want, strict=True):
        np.testing.assert_array_equal(one, other)


# --- functions of one number ---------------------------------------------------------------------


EXACT = {
    "exp": np.exp,
    "log": np.log,
    "tanh": np.tanh,
    "sigmoid": lambda x: np.exp(np.minimum(x, 0)) / (1 + np.exp(-np.abs(x))),
}


@pytest.mark.parametrize("name", EXACT)
def test_functions_are_within_two_ulp_over_the_whole_range(name):
    """Of float32: every 1021st of all bit patterns, subnormal, infinite and nan ones too, and the
    stretch around 0 and 1 densely."""
    x = np.concatenate(
        [
            np.arange(0, 2**32, 1021, dtype=np.uint64).astype(np.uint32).view(np.float32),
            np.linspace(-3, 3, 1_000_003, dtype=np.float32),
            np.linspace(-105, 90, 1_000_003, dtype=np.float32),
        ]
    )
    native, _, inputs = compiled(lambda x: TABLE[name](x), x)
    (got,) = native(inputs)
    with np.errstate(all="ignore"):
        exact = EXACT[name](x.astype(np.float64))
        want = exact.astype(np.float32)
    finite = np.isfinite(want)
    np.testing.assert_array_equal(got[~finite], want[~finite])
    ulp = np.spacing(np.abs(want[finite])).astype(np.float64)
    assert np.max(np.abs(got[finite] - exact[finite]) / ulp) <= 2.0
