"""Compiled steps against the replay of the same program: the same numbers, but for rounding.

The replay adds in another order than the kernels and takes other functions' last bits, so what is
asked for is a bound on rounding, of the program itself (tests/programs.py) or said at the test.
"""

from __future__ import annotations

import numpy as np
import pytest

from autograd import Tensor, cross_entropy, gradients, matmul, value_and_grad
from autograd.compiler import build
from autograd.compiler.native import Native
from autograd.compiler.replay import replay
from autograd.compiler.trace import trace
from autograd.nn import BatchNorm, LayerNorm
from autograd.optim import (
    SGD,
    Adam,
    AdamW,
    clip_by_global_norm,
    clip_by_value,
    cosine,
    one_cycle,
)
from autograd.random import uniform
from autograd.rows import TABLE
from autograd.tree import flatten
from models.mlp import MLP
from tests import programs

pytestmark = pytest.mark.skipif(build._found(None) is None, reason="there is no C compiler")


@pytest.fixture(autouse=True, scope="module")
def _cache(tmp_path_factory):
    """The compiler is on, and keeps what it compiles in a folder of the test's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("CHAINRULE_CC", raising=False)
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


def compiled(function, *arrays):
    """The compiled step, its program and inputs."""
    leaves, structure = flatten((arrays, {}))
    traced = trace(function, leaves, structure)
    inputs = [getattr(leaves[i], "_data", leaves[i]) for i in traced.inputs]
    return Native(traced.program, [(x.shape, x.dtype) for x in inputs]), traced.program, inputs


def both_ways(function, *arrays):
    """The results of a step without state, compiled and replayed."""
    native, program, inputs = compiled(function, *arrays)
    return native(inputs), replay(program, inputs), native


def assert_close(got, want, ulps=8.0, scale=None):
    """Within so many units in the last place of the largest entry of `scale` (of `want`)."""
    assert (got.shape, got.dtype) == (want.shape, want.dtype)
    if want.dtype.kind != "f":
        np.testing.assert_array_equal(got, want)
        return
    finite = np.isfinite(want)
    np.testing.assert_array_equal(got[~finite], want[~finite])
    if finite.any():
        size = np.max(np.abs(want[finite])) if scale is None else scale
        bound = ulps * np.finfo(want.dtype).eps * max(size, np.finfo(want.dtype).tiny)
        assert np.max(np.abs(got[finite] - want[finite])) <= bound


# --- rows and programs ---------------------------------------------------------------------------


def arguments(row, dtype):
    """Arrays to try a row on, each with params: of its cases, or broadcast against each other."""
    generator = np.random.default_rng(0)
    if row.cases:
        for shapes, params in row.cases:
            yield (
                [
                    x if isinstance(x, np.ndarray) else generator.uniform(0.2, 1, x).astype(dtype)
                    for x in shapes
                ],
                params,
            )
        return
    domain = row.domain or ((-2.0, 2.0),)
    for shapes in (((3, 37), (37,), (3, 1)), ((5, 1), (1, 4), ()), ((), (), ())):
        yield (
            [
                np.asarray(generator.uniform(*interval, shape), dtype)
                for interval, shape in zip(domain, shapes, strict=False)
            ],
            {},
        )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", [n for n, row in TABLE.items() if programs._free(row) or row.code])
def test_a_row_and_its_derivative_compile(name, dtype):
    row = TABLE[name]

    def step(cases):
        answers = []
        for args, params in cases:
            out = row(*args, **params)
            answers.append(out * 1.0 if out.dtype.kind == "f" else out)
            at = [x for x in args if isinstance(x, Tensor) and x.requires_grad]
            if out.requires_grad:
                answers += gradients((out * out).sum(), at)
        return answers

    cases = [
        ([x if x.dtype == bool else Tensor(x, x.dtype.kind == "f") for x in args], params)
        for args, params in arguments(row, dtype)
    ]
    masks = [[x if isinstance(x, np.ndarray) else None for x in args] for args, _ in cases]

    def given(*flat):
        args = iter(flat)
        full = [[next(args) if x is None else x for x in mask] for mask in masks]
        return step([(a, params) for a, (_, params) in zip(full, cases, strict=True)])

    tensors = [x for args, _ in cases for x in args if isinstance(x, Tensor)]
    native, program, inputs = compiled(given, *tensors)
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


@pytest.mark.parametrize("number", range(40))
def test_a_random_program_and_its_gradient_compile(number):
    program = programs.sample(40)[number]
    with np.errstate(all="ignore"):
        assert_program_agrees(program)


# --- functions of one number ----------------------------------------------------------------------

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


# --- products ------------------------------------------------------------------------------------

SIZES = [1, 7, 10, 17, 100, 129]


@pytest.mark.parametrize("rows", SIZES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_products_of_shapes_that_no_tile_divides(rows, dtype):
    generator = np.random.default_rng(rows)
    lefts = [generator.standard_normal((rows, inner)).astype(dtype) for inner in SIZES]
    rights = [generator.standard_normal((inner, SIZES[-1])).astype(dtype) for inner in SIZES]

    def step(lefts, rights):
        out = [matmul(x, y[:, :n]) for x, y, n in zip(lefts, rights, SIZES, strict=True)]
        out += [matmul(y[:, :n].T, x.T) for x, y, n in zip(lefts, rights, SIZES, strict=True)]
        return out

    got, want, native = both_ways(step, lefts, rights)
    assert native.left_to_numpy == []
    for one, other in zip(got, want, strict=True):
        # Each of up to 129 terms rounds once, in either order; their sizes are about 1.
        assert_close(one, other, ulps=129, scale=1.0 + np.max(np.abs(other)) / 4)


def test_stacks_of_products_broadcast():
    generator = np.random.default_rng(0)
    x, y = generator.standard_normal((2, 1, 9, 4)), generator.standard_normal((5, 4, 33))
    got, want, _ = both_ways(
        lambda x, y: (matmul(x, y), matmul(y.transpose((0, 2, 1)), x[0, 0].T)), Tensor(x), Tensor(y)
    )
    for one, other in zip(got, want, strict=True):
        assert_close(one, other, ulps=16)


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


def test_nothing_at_all_has_sums_and_products():
    x, y = np.zeros((0, 3)), np.zeros((3, 0))
    step = lambda x, y: (matmul(x, y), matmul(y, x), x.sum(), x.sum(axis=0), x * 2.0)  # noqa: E731
    got, want, _ = both_ways(step, Tensor(x), Tensor(y))
    for one, other in zip(got, want, strict=True):
        assert_close(one, other)


def test_long_sums_round_no_more_than_a_thousand_terms_do():
    x = np.full(3_000_001, 0.1, np.float32)
    (got,), _, _ = both_ways(lambda x: x.sum(), Tensor(x))
    assert abs(float(got) / (float(np.float32(0.1)) * x.size) - 1) < 1024 * 2.0**-24


def test_random_numbers_are_the_same_bits():
    got, want, _ = both_ways(
        lambda count: (uniform(count, (7, 5), 3), uniform(count, (9,), 2**40 + 1, np.float64)),
        Tensor(np.array(2**33 + 5)),
    )
    for one, other in zip(got, want, strict=True):
        np.testing.assert_array_equal(one, other)


# --- steps --------------------------------------------------------------------------------------


def training(model, optimizer, between=None):
    def step(x, y):
        loss = cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        if between:
            between(model)
        optimizer.step()
        return loss

    return step


class Normed(MLP):
    """An MLP with its first hidden layer normalised."""

    def __init__(self, norm, dtype):
        super().__init__([20, 17, 10], "tanh", dtype=dtype)
        self.norm = norm(17, dtype=dtype)

    def forward(self, x):
        first, *rest = self
        x = self.norm(first(x))
        for module in rest:
            x = module(x)
        return x


STEPS = {
    "sgd": ({}, lambda p: SGD(p, 0.02), None),
    "momentum": ({}, lambda p: SGD(p, 0.02, momentum=0.9, weight_decay=1e-3), None),
    "nesterov": ({}, lambda p: SGD(p, 0.02, momentum=0.9, nesterov=True), None),
    "adam": ({"activation": "tanh"}, lambda p: Adam(p, 0.01), None),
    "adamw": ({"activation": "gelu"}, lambda p: AdamW(p, 0.01, weight_decay=0.1), None),
    "one_cycle": ({}, lambda p: SGD(p, one_cycle(0.05, 200), momentum=0.9), None),
    "cosine": ({"activation": "sigmoid"}, lambda p: Adam(p, cosine(0.01, 15)), None),
    "dropout": ({"dropout": 0.3}, lambda p: SGD(p, 0.02, momentum=0.9), None),
    "global norm": (
        {}, lambda p: SGD(p, 0.02, momentum=0.9),
        lambda model: clip_by_global_norm(model.parameters(), 0.1),
    ),
    "value": (
        {}, lambda p: SGD(p, 0.02), lambda model: clip_by_value(model.parameters(), 0.01)
    ),
    "batch norm": (BatchNorm, lambda p: SGD(p, 0.02, momentum=0.9), None),
    "layer norm": (LayerNorm, lambda p: SGD(p, 0.02, momentum=0.9), None),
}  # fmt: skip


def build_training(name, dtype, sizes=(20, 17, 10)):
    kind, optimizer, between = STEPS[name]
    plain = isinstance(kind, dict)
    model = MLP(list(sizes), dtype=dtype, **kind) if plain else Normed(kind, dtype)
    chosen = optimizer(model.parameters())
    state = {t: None for part in (model, chosen) for _, t in part.named_state()}
    return model, list(state), training(model, chosen, between)


def batches(count, batch, dtype, features=20):
    generator = np.random.default_rng(3)
    for _ in range(count):
        x = generator.standard_normal((batch, features)).astype(dtype)
        yield x, generator.integers(0, 10, batch)


@pytest.mark.parametrize("batch", [1, 16, 33])
@pytest.mark.parametrize("name", STEPS)
def test_epochs_in_float64_agree_to_1e_9(name, batch):
    """The compiled run beside the replayed one: 300 steps, all states and losses."""
    if name == "batch norm" and batch == 1:
        pytest.skip("a batch of one has no variance")
    losses, states = [], []
    for mode in ("compiled", "replayed"):
        _, state, step = build_training(name, np.float64)
        x, y = next(batches(1, batch, np.float64))
        native, program, _ = compiled(step, x, y)
        assert native.left_to_numpy == []
        run = (
            native
            if mode == "compiled"
            else lambda arrays, program=program: replay(program, arrays)
        )
        losses.append([run([x, y])[0] for x, y in batches(300, batch, np.float64)])
        states.append([t.data for t in state])
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-9, atol=1e-9)
    for one, other in zip(*states, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9)
