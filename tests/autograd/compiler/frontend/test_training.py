"""Training steps of every optimizer, compiled: beside the replay, by loops over epochs, and with
bits that depend neither on threads nor on what is fused."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from autograd import Tensor, cross_entropy, jit, matmul, primitive
from autograd.compiler.frontend.replay import replay
from autograd.optim import clip_by_global_norm
from autograd.primitives.primitive import TABLE
from models.mlp import MLP
from tests.autograd.compiler.comparing import assert_close, compiled
from tests.autograd.compiler.steps import STEPS, batches, build_training

pytestmark = pytest.mark.usefixtures("compiler")


# --- steps ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "batch"),
    # Rows that are no whole tiles for all; a single row, and whole tiles, for one with each kind of
    # layer. A batch of one has no variance to normalise by.
    [
        *((name, 33) for name in STEPS),
        *((name, n) for name in ("momentum", "layer norm", "dropout") for n in (1, 16)),
        ("batch norm", 16),
    ],
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
        targets = [each.target for kernel in kernels for each in kernel.computes if each.target]
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
        native.threads.value = parts
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


# --- epochs --------------------------------------------------------------------------------------


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
    prim = primitive("twisted", "x rolled by one", lambda x: np.roll(x, 1), None)
    try:
        total = Tensor(np.zeros(3))

        @jit
        def step(x):
            total.assign(total + prim(x.sum(axis=0)))
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
