"""Compiled steps against the replay of the same program: the same numbers, but for rounding.

The replay adds in another order than the kernels and takes other functions' last bits, so what is
asked for is a bound on rounding, of the program itself (tests/programs.py) or said at the test.
"""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from autograd import Tensor, cross_entropy, gradients, jit, matmul, pick, primitive, value_and_grad
from autograd.compiler.frontend.replay import replay
from autograd.compiler.frontend.trace import trace
from autograd.compiler.passes.tiling import Machine
from autograd.compiler.runtime import build
from autograd.compiler.runtime.native import Native
from autograd.nn import BatchNorm, LayerNorm
from autograd.optim import SGD, Adam, AdamW, clip_by_global_norm, clip_by_value, cosine, one_cycle
from autograd.primitives.primitive import TABLE
from autograd.random import uniform
from autograd.transforms.tree import flatten
from models.mlp import MLP
from tests import programs
from tests.autograd.compiler.steps import training

pytestmark = pytest.mark.skipif(build._found(None) is None, reason="there is no C compiler")


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """A folder for what these tests compile."""
    return str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(autouse=True)
def replayed(monkeypatch, cache):
    """The compiler is on."""
    monkeypatch.delenv("CHAINRULE_CC", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", cache)


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
        ([x if masks and x.dtype == bool else Tensor(x, x.dtype.kind == "f") for x in args], params)
        for args, params in arguments(row, dtype)
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


@pytest.mark.parametrize("machine", [Machine(64, 8), Machine(32, 6), Machine(16, 4)], ids=str)
def test_products_in_vectors_of_every_width(machine, monkeypatch):
    if machine.vector > build.machine().vector:
        pytest.skip("this CPU has no such vectors")
    monkeypatch.setattr(build, "machine", lambda: machine)
    generator = np.random.default_rng(0)
    x, w = (generator.standard_normal(shape).astype(np.float32) for shape in ((50, 70), (96, 70)))
    turned = np.asfortranarray(generator.standard_normal((96, 70)).astype(np.float32))
    state = Tensor(turned)
    step = lambda x, w: (matmul(x, w.T), matmul(matmul(x, state.T), state))  # noqa: E731
    got, want, _ = both_ways(step, Tensor(x), Tensor(w))
    for one, other in zip(got, want, strict=True):
        assert_close(one, other, ulps=96)


def test_products_of_a_turned_and_long_left_operand():
    generator = np.random.default_rng(0)
    x, y = (
        generator.standard_normal(shape).astype(np.float32) for shape in ((700, 300), (700, 77))
    )
    (got,), (want,), native = both_ways(lambda x, y: matmul(x.T, y), Tensor(x), Tensor(y))
    assert "left" in native.lowered.source
    assert_close(got, want, ulps=700, scale=1.0 + np.max(np.abs(want)) / 16)


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


KEYS = {
    "rows": lambda i, j: (i,),
    "columns": lambda i, j: (slice(None), i),
    "both": lambda i, j: (i, j),
    "pairs": lambda i, j: (i[:, None], j[None]),
    "apart": lambda i, j: (i, slice(None), j),
    "beside a number": lambda i, j: (1, i, slice(1, 3)),
    "a number apart": lambda i, j: (1, slice(None), j),
    "between slices": lambda i, j: (slice(None, None, -2), j, slice(0, 2)),
    "new axes": lambda i, j: (None, i, None, j),
    "last": lambda i, j: (Ellipsis, j),
    "one number": lambda i, j: (i[0],),
    "unsigned": lambda i, j: (abs(i).astype(np.uint8), j.astype(np.int16)),
    "mask": lambda i, j: (np.arange(60).reshape(4, 5, 3) % 7 < 3,),
    "mask of rows": lambda i, j: (slice(None), np.array([True, False, True, True, False]), 1),
}


@pytest.mark.parametrize(
    ("key", "held"),
    # A mask that is an input would decide the answer's shape.
    [(k, h) for k in KEYS for h in ("constant", "input") if "mask" not in k or h == "constant"],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_entries_that_arrays_name_are_read_and_added_to(key, dtype, held):
    i, j = np.array([3, 0, -2, 3, 3]), np.array([-1, 2, -1, 0, -1])
    parts = KEYS[key](i, j)
    arrays = [part for part in parts if isinstance(part, np.ndarray)]

    def step(x, arrays):
        given = iter(arrays if held == "input" else (part for part in ARRAYS))
        named = tuple(next(given) if isinstance(p, np.ndarray) else p for p in parts)
        out = (x * 2.0)[named]
        (g,) = gradients((out * out * out).sum(), [x])
        return out + 1.0, g, g * 3.0

    ARRAYS = arrays
    x = np.random.default_rng(0).standard_normal((4, 5, 3)).astype(dtype)
    got, want, native = both_ways(step, Tensor(x, True), arrays if held == "input" else ())
    assert native.left_to_numpy == []
    for one, other in zip(got, want, strict=True):
        assert_close(one, other)


@pytest.mark.parametrize("shape", [(11, 37), (11,), (11, 1), (11, 2, 5)])
def test_repeated_additions_are_made_in_order_on_any_number_of_threads(shape):
    """An embedding: float32 sums of thousands of terms to the last bit as np.add.at makes them."""
    generator = np.random.default_rng(0)
    table = generator.standard_normal(shape).astype(np.float32)
    words = generator.integers(-11, 11, (160, 150))
    g = generator.standard_normal((160, 150, *shape[1:])).astype(np.float32)
    step = lambda words, table, g: gradients((table[words] * g).sum(), [table])[0]  # noqa: E731
    native, program, inputs = compiled(step, words, Tensor(table, True), Tensor(g))
    (want,) = replay(program, inputs)
    kernels = native.lowered.plan.kernels
    (scatter,) = (c for c in native.lowered.costs if kernels[c.kernel].kind == "scatter")
    assert scatter.flops >= g.size
    assert scatter.parallel == (shape[1:] not in ((), (1,)))
    for parts in (1, 2, 3):
        native.parts.value = parts
        np.testing.assert_array_equal(native(inputs)[0], want)


def test_an_index_beyond_the_end_is_the_replays_error_and_changes_nothing():
    w = Tensor(np.arange(5.0))
    step = jit(lambda i: (w[i], w.assign(w * 2.0))[0])
    assert step(np.array([-5, 4])).data.tolist() == [0.0, 4.0]
    for wrong in (5, -6):
        with pytest.raises(IndexError, match=f"index {wrong} is out of bounds"):
            step(np.array([0, wrong]))
    np.testing.assert_array_equal(w.data, 2.0 * np.arange(5.0))


def test_a_state_that_is_read_by_index_keeps_its_old_entries_until_all_are_read():
    w, i = Tensor(np.arange(5.0)), np.array([4, 3, 2, 1, 0])
    jit(lambda i: w.assign(w + w[i]))(i)
    assert w.data.tolist() == [4.0] * 5


def test_nothing_at_all_has_sums_and_products():
    x, y = np.zeros((0, 3)), np.zeros((3, 0))
    step = lambda x, y: (matmul(x, y), matmul(y, x), x.sum(), x.sum(axis=0), x * 2.0)  # noqa: E731
    got, want, _ = both_ways(step, Tensor(x), Tensor(y))
    for one, other in zip(got, want, strict=True):
        assert_close(one, other)


def test_random_numbers_are_the_same_bits():
    got, want, _ = both_ways(
        lambda count: (uniform(count, (7, 5), 3), uniform(count, (9,), 2**40 + 1, np.float64)),
        Tensor(np.array(2**33 + 5)),
    )
    for one, other in zip(got, want, strict=True):
        np.testing.assert_array_equal(one, other)


# --- steps --------------------------------------------------------------------------------------


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


@pytest.mark.parametrize(
    ("name", "batch"),
    # A batch of one has no variance to normalise by.
    [(name, n) for name in STEPS for n in (1, 16, 33) if (name, n) != ("batch norm", 1)],
)
def test_epochs_in_float64_agree_to_1e_9(name, batch):
    """The compiled run beside the replayed one: 300 steps, all states and losses."""
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


def returned_gradients(model):
    return [p.grad for p in model.parameters()]


def clipped_by_much(model):
    return clip_by_global_norm(model.parameters(), 1e30)  # the factor is 1: same bits


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("unfuse", [returned_gradients, clipped_by_much])
@pytest.mark.parametrize("optimizer", ["momentum", "adam"])
def test_updates_beside_a_product_and_on_their_own_give_the_same_bits(optimizer, unfuse, dtype):
    """A norm needs every gradient before the first update: none is in a product's kernel then."""
    losses, states, updated = [], [], []
    for extra in (lambda model: None, unfuse):
        kind, make, _ = STEPS[optimizer]
        model = MLP([40, 33, 10], dtype=dtype, **kind)
        chosen = make(model.parameters())

        def step(x, y, model=model, chosen=chosen, extra=extra):
            loss = cross_entropy(model(x), y)
            chosen.zero_grad()
            loss.backward()
            more = extra(model)
            chosen.step()
            return loss, more

        x, y = next(batches(1, 50, dtype, 40))
        native, _, _ = compiled(step, x, y)
        kernels = [k for k in native.lowered.plan.kernels if k.kind == "product"]
        targets = [store.target for kernel in kernels for store in kernel.stores if store.target]
        updated.append(sum(kind == "state" for kind, _ in targets))
        losses.append([native([x, y])[0] for x, y in batches(30, 50, dtype, 40)])
        states.append([t.data for part in (model, chosen) for _, t in part.named_state()])
    assert updated[0] > 0
    if unfuse is clipped_by_much:
        assert updated[1] == 0
    np.testing.assert_array_equal(losses[0], losses[1])
    for one, other in zip(*states, strict=True):
        np.testing.assert_array_equal(one, other)


def test_bits_do_not_depend_on_the_number_of_threads():
    answers = []
    for parts in (1, 2, 3, 5):
        _, state, step = build_training("dropout", np.float32, (200, 130, 67, 10))
        x, y = next(batches(1, 129, np.float32, 200))
        native, _, _ = compiled(step, x, y)
        native.parts.value = parts
        losses = [native([x, y])[0].copy() for x, y in batches(20, 129, np.float32, 200)]
        answers.append([*losses, *(t.data for t in state)])
    for other in answers[1:]:
        for one, two in zip(answers[0], other, strict=True):
            np.testing.assert_array_equal(one, two)


def test_each_float32_step_from_the_same_state_is_within_rounding():
    """400 steps, each also replayed from the state that the compiled one began with."""
    _, state, step = build_training("momentum", np.float32, (100, 70, 10))
    x, y = next(batches(1, 50, np.float32, 100))
    native, program, _ = compiled(step, x, y)
    for x, y in batches(400, 50, np.float32, 100):
        before = [t.data.copy() for t in state]
        (loss,) = native([x, y])
        after = [t.data.copy() for t in state]
        for t, array in zip(state, before, strict=True):
            t.assign(array)
        (want,) = replay(program, [x, y])
        assert_close(loss, want)
        for got, t in zip(after, state, strict=True):
            # Gradients sum 50 products of sums of 100: each is 1e-2 of the largest entry.
            assert_close(got, t.data, ulps=16)


def test_the_replay_and_the_steps_compiled_differ_by_less_than_1e_4_after_100_steps():
    runs = []
    for kind in ("compiled", "replayed"):
        model, _, step = build_training("momentum", np.float32, (100, 70, 10))
        x, y = next(batches(1, 50, np.float32, 100))
        native, program, _ = compiled(step, x, y)
        for x, y in batches(100, 50, np.float32, 100):
            native([x, y]) if kind == "compiled" else replay(program, [x, y])
        runs.append(model.state_dict())
    for name, array in runs[0].items():
        np.testing.assert_allclose(array, runs[1][name], rtol=0, atol=1e-4)


# --- state -------------------------------------------------------------------------------------


def test_a_state_read_after_it_was_written_has_its_new_value():
    w, u = Tensor(np.arange(4.0)), Tensor(np.ones(4))

    @jit
    def step(x):
        w.assign(w * 2.0)
        before = u * 1.0
        u.assign(w + x)
        w.assign(w + u)
        return before, w * 1.0

    before, now = step(np.ones(4))
    np.testing.assert_array_equal(before.data, np.ones(4))
    np.testing.assert_array_equal(w.data, [1.0, 5.0, 9.0, 13.0])
    np.testing.assert_array_equal(now.data, w.data)


def test_labels_that_are_state_are_looked_at_too():
    labels = Tensor(np.array([[0, 9], [2, 9], [1, 9]])[:, 0])
    step = jit(lambda x: pick(x, labels).sum())
    x = np.arange(9.0).reshape(3, 3)
    assert step(x).item() == 0.0 + 5.0 + 7.0
    labels.assign(np.array([0, 3, 1]))
    with pytest.raises(IndexError, match="label 3 is outside the classes 0 to 2"):
        step(x)


@pytest.mark.parametrize("shared", [False, True])
def test_a_long_chain_needs_no_recursion_and_no_endless_function(shared):
    def step(x):
        y = x
        for _ in range(1500):
            y = y + 1e-3 * y * (y if shared else 1.0)
        return y.sum()

    x = np.linspace(0.1, 0.2, 50)
    (got,), (want,), _ = both_ways(step, Tensor(x))
    np.testing.assert_allclose(got, want, rtol=1e-11)


def test_states_exchange_and_turn():
    a, b = Tensor(np.arange(9.0).reshape(3, 3)), Tensor(np.ones((3, 3)))

    @jit
    def step():
        first = a * 1.0
        a.assign(b + a.T)  # every entry is read before it is written
        b.assign(first)

    want_a, want_b = b.data + a.data.T, a.data.copy()
    step()
    np.testing.assert_array_equal(a.data, want_a)
    np.testing.assert_array_equal(b.data, want_b)


def test_a_weight_that_is_read_after_its_update_was_due_keeps_its_old_value_until_then():
    generator = np.random.default_rng(0)
    w = Tensor(generator.standard_normal((6, 6)))

    @jit
    def step(x):
        w.assign(w - 0.1 * matmul(x.T, x))  # the old w is read by a product that comes after
        return matmul(x, w)

    x = generator.standard_normal((9, 6))
    old = w.data.copy()
    (answer,) = [step(x)]
    np.testing.assert_allclose(w.data, old - 0.1 * x.T @ x, rtol=1e-13)
    np.testing.assert_allclose(answer.data, x @ w.data, rtol=1e-12)


def test_states_of_every_layout_replaced_and_sliced():
    base = np.arange(40.0).reshape(5, 8)
    layouts = [base[:, :4].copy(), np.asfortranarray(base[:, :4]), base[:, ::2], base[::-1, 1:5]]
    w = Tensor(layouts[0])
    step = jit(lambda x: w.assign(w + matmul(x, w).sum(axis=0)))
    for array in layouts:
        w.data = array
        want = array + (np.ones((3, 5)) @ array).sum(0)
        step(np.ones((3, 5)))
        np.testing.assert_array_equal(array, want)


def test_inputs_of_every_layout():
    step = jit(lambda x: x * 2.0 + x.sum(axis=0))
    base = np.arange(48.0).reshape(6, 8)
    for x in (base[:, ::2], base[::-1, 1:5], base.T[:6, :4], np.asfortranarray(base[:, :4])):
        np.testing.assert_array_equal(step(x).data, x * 2.0 + x.sum(0))
    odd = np.frombuffer(b"\0" + base.tobytes(), np.uint8)[1:].view(np.float64).reshape(6, 8)
    np.testing.assert_array_equal(step(odd[:, :4]).data, base[:, :4] * 2.0 + base[:, :4].sum(0))


def test_an_input_that_is_the_memory_of_a_state():
    w, u = Tensor(np.ones(4)), Tensor(np.zeros(4))

    def step(x):
        w.assign(w * 2.0)
        u.assign(x * 1.0)

    jit(step)(w.data)  # the argument shows what is written to the state, as it does eagerly
    np.testing.assert_array_equal(u.data, np.full(4, 2.0))


def test_two_states_in_one_memory():
    memory = np.ones(4)
    a, b = Tensor(memory), Tensor(memory)
    jit(lambda: (a.assign(a * 2.0), b.assign(b + a), None)[-1])()
    np.testing.assert_array_equal(memory, np.full(4, 4.0))


def test_results_are_new_at_every_call():
    step = jit(lambda x: (x * 2.0, x + 1.0))
    first, _ = step(np.ones(3))
    step(np.full(3, 5.0))
    np.testing.assert_array_equal(first.data, np.full(3, 2.0))


def test_a_wrong_label_is_the_replays_error_and_changes_nothing():
    _, state, step = build_training("momentum", np.float64)
    before = [t.data.copy() for t in state]
    x, y = next(batches(1, 16, np.float64))
    y[3] = 10
    with pytest.raises(IndexError, match="label 10 is outside the classes 0 to 9"):
        jit(step)(x, y)
    assert all(np.array_equal(t.data, b) for t, b in zip(state, before, strict=True))


# --- epochs ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["momentum", "adam", "dropout", "batch norm"])
def test_a_loop_ends_in_the_bits_of_single_calls(name):
    generator = np.random.default_rng(5)
    x = generator.standard_normal((300, 20)).astype(np.float32)
    y = generator.integers(0, 10, 300).astype(np.uint8)
    order = generator.integers(0, 300, (70, 33))
    _, one, single = build_training(name, np.float32)
    _, other, looped = build_training(name, np.float32)
    single, looped = jit(single), jit(looped)
    losses = [single(x[rows], y[rows]).item() for rows in order]
    found = looped.loop((x, Tensor(y)), order)
    np.testing.assert_array_equal(found.data, np.array(losses, np.float32))
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a.data, b.data)


def test_a_loop_of_a_step_that_numpy_takes_part_in():
    row = primitive("twisted", "x rolled by one", lambda x: np.roll(x, 1), None)
    try:
        total = Tensor(np.zeros(3))

        @jit
        def step(x):
            total.assign(total + row(x.sum(axis=0)))
            return total.sum()

        x = np.arange(12.0).reshape(4, 3)
        assert step.loop((x,), [[0, 1], [2, 3]]).data.tolist() == [15.0, 66.0]
        np.testing.assert_array_equal(total.data, np.roll(x.sum(0), 1))
    finally:
        del TABLE["twisted"]


def test_a_loop_checks_its_order_and_its_labels():
    _, _, step = build_training("momentum", np.float64)
    step = jit(step)
    x, y = next(batches(1, 50, np.float64))
    with pytest.raises(IndexError, match=r"outside 0\.\.49"):
        step.loop((x, y), [[0, 50]])
    with pytest.raises(ValueError, match=r"integers of shape \(steps, batch\)"):
        step.loop((x, y), [0, 1])
    assert step.loop((x, y), np.zeros((0, 4), int)).shape == (0,)
    y[7] = 10
    before = step.loop((x, y), [[1, 2], [3, 4]]).data
    with pytest.raises(IndexError, match="label 10"):
        step.loop((x, y), [[1, 2], [3, 4], [6, 7], [1, 2]])
    assert before.shape == (2,)


def test_ctrl_c_ends_a_loop_after_a_step():
    count, w = Tensor(np.zeros(())), np.ones((256, 1024))

    @jit
    def step(x):
        count.assign(count + 1.0)
        return matmul(x, w).sum()

    x, order = np.ones((16, 256)), np.tile(np.arange(16), (200_000, 1))
    step(x)
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 1.0)
    try:
        with pytest.raises(KeyboardInterrupt):
            step.loop((x,), order)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
    assert 1 < count.item() < len(order)
    assert step(x).item() == x.size * 1024.0


def test_two_threads_of_pythons_may_call_steps():
    steps = [jit(lambda x, k=k: matmul(x, x).sum() * k) for k in (1.0, 2.0)]
    x = np.ones((150, 150))
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda i: steps[i % 2](x).item(), range(400)))
    assert found == [150.0**3 * (1 + i % 2) for i in range(400)]


# --- the stages, the compiler, the cache -----------------------------------------------------


def test_lower_shows_every_stage_and_does_nothing():
    _, state, step = build_training("momentum", np.float32)
    step = jit(step)
    before = [t.data.copy() for t in state]
    x, y = next(batches(1, 16, np.float32))
    lowered = step.lower(x, y)
    assert all(np.array_equal(t.data, b) for t, b in zip(state, before, strict=True))
    text = str(lowered)
    for part in (
        "inputs %0, %1",
        "= matmul(",
        "kernel 1: product",
        "bytes between",
        "barrier",
    ):
        assert part in text
    costs = {cost.name: cost for cost in lowered.code.costs}
    assert costs["kernel1"].flops == 2 * 16 * 20 * 17
    assert costs["pack1"].flops == 0
    slot = next(s.out for s in lowered.program.steps if getattr(s, "row", None) is TABLE["add"])
    kept = step.lower(x, y, keep=[slot])
    assert len(kept.memory.targets) == len(lowered.memory.targets) + 1


def test_every_op_belongs_to_a_function_that_is_measured():
    _, state, step = build_training("global norm", np.float32)
    x, y = next(batches(1, 16, np.float32))
    lowered = jit(step).lower(x, y)
    ops = lowered.plan.graph.ops
    computed = {number for cost in lowered.costs for number in cost.ops}
    assert computed == {number for number, op in enumerate(ops) if op.args}
    first = next(cost for cost in lowered.costs if cost.name == "kernel1")
    assert {"matmul", "add", "relu"} <= {ops[number].row.name for number in first.ops}
    assert all(cost.bytes > 0 for cost in lowered.costs)
    before = [t.data.copy() for t in state]
    seconds = lowered.measure()
    assert len(seconds) == len(lowered.costs) and all(0 < s < 1 for s in seconds)
    for t, b in zip(state, before, strict=True):
        np.testing.assert_array_equal(t.data, b)


def test_what_numpy_computes_and_what_is_not_dense_is_measured_too():
    row = primitive("twisted", "x rolled by one", lambda x: np.roll(x, 1), None)
    try:
        w, unread = Tensor(np.arange(24.0).reshape(4, 6)[::-1, ::2]), Tensor(np.ones(2))

        def step(x, labels):
            w.assign(row(w * 2.0) + pick(x, labels).sum())
            unread.assign(unread * 0.0 + 1.0)

        lowered = jit(step).lower(np.ones((5, 3)), np.full(5, 2))
        assert "numpy2" in [cost.name for cost in lowered.costs]
        assert all(s > 0 for s in lowered.measure())
        assert w.data[0, 0] == 18.0
    finally:
        del TABLE["twisted"]


def test_a_cached_file_that_was_changed_is_built_anew(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    step = lambda x: x * 3.0 + 1.0  # noqa: E731
    compiled(step, Tensor(np.ones(3)))
    folder = build.cache_folder()
    assert folder.stat().st_mode & 0o777 == 0o700
    for file in folder.iterdir():
        assert file.stat().st_mode & 0o777 == 0o600
        data = file.read_bytes()
        file.unlink()  # this process runs what is in it
        file.write_bytes(data[:-100] + bytes(100))
        file.chmod(0o666)
    for file in folder.iterdir():
        assert not build._whole(file)
    (got,), _, _ = both_ways(step, Tensor(np.ones(3)))
    np.testing.assert_array_equal(got, np.full(3, 4.0))


def test_a_folder_that_others_may_write_to_is_not_used(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = build.cache_folder()
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    (got,), _, _ = both_ways(lambda x: x * 7.0, Tensor(np.ones(3)))
    np.testing.assert_array_equal(got, np.full(3, 7.0))
    assert not list(folder.iterdir())


def test_without_a_compiler_the_step_is_replayed_and_it_is_said_once(monkeypatch, caplog):
    monkeypatch.setenv("CHAINRULE_CC", "no-such-compiler")
    for _ in range(2):
        assert jit(lambda x: (x * 2.0).sum())(np.ones(3)).item() == 6.0
    assert caplog.text.count("no C compiler (no-such-compiler)") == 1


def test_a_compiler_that_fails_is_no_reason_to_fail(monkeypatch, caplog):
    monkeypatch.setenv("CHAINRULE_CC", "false")
    assert jit(lambda x: (x * 2.0).sum())(np.ones(3)).item() == 6.0
    assert "not compiled" in caplog.text and "false fails" in caplog.text


def test_a_users_row_is_computed_between_the_kernels():
    row = primitive("twisted", "x rolled by one", lambda x: np.roll(x, 1), None)
    try:
        step = lambda x: row(x * 2.0) + x  # noqa: E731
        (got,), (want,), native = both_ways(step, Tensor(np.arange(5.0)))
        assert native.left_to_numpy == ["twisted"]
        np.testing.assert_array_equal(got, want)
    finally:
        del TABLE["twisted"]


def test_threads_survive_a_fork():
    step = jit(lambda x: matmul(x, x).sum())
    x = np.ones((200, 200))
    want = step(x).item()
    child = os.fork()
    if child == 0:
        os._exit(0 if step(x).item() == want else 1)
    _, status = os.waitpid(child, 0)
    assert status == 0
    assert step(x).item() == want
