"""Training in a page: steps of every optimizer beside the replay, MNIST's beside the C, loops, and
indices out of range."""

import numpy as np
import pytest

from autograd import cross_entropy, jit, matmul
from autograd.nn import Linear
from autograd.optim import SGD
from autograd.tensor import Tensor
from models.mlp import MLP
from tests.autograd.compiler.steps import STEPS, batches, build_training
from tests.autograd.compiler.web.beside import Beside, Held, off
from tests.autograd.compiler.webpage import page

SIMD = pytest.mark.parametrize("simd", ["v128", "relaxed"])


# --- every optimizer -----------------------------------------------------------------------------


@SIMD
@pytest.mark.parametrize("name", STEPS)
def test_steps_of_every_optimizer_are_the_replays(name, simd):
    """Each from the same states; of batches that leave vectors and tiles every rest.

    In units in the last place of the largest entry: sums of 33 products of sums of 20. What is
    divided by the deviation of 3 numbers is off by more."""
    bound = 32 if name == "batch norm" else 8
    for batch in (1, 3, 16, 33):
        if (name, batch) == ("batch norm", 1):
            continue  # it has no variance to normalise by
        _, state, step = build_training(name, np.float32)
        x, y = next(batches(1, batch, np.float32))
        names = {f"state.{i}": tensor for i, tensor in enumerate(state)}
        beside = Beside(step, (x, y.astype(np.int32)), simd, names)
        for x, y in batches(4, batch, np.float32):
            got, want, moved, states = beside(x, y.astype(np.int32))
            assert off(got["result"], want["result"]) <= 8
            for key, array in states.items():
                away = off(moved[key], array, max(1.0, np.abs(array).max()))
                assert away <= bound, (batch, key)


# --- MNIST ---------------------------------------------------------------------------------------


def mnist(batch=128):
    """The step of MNIST's net, jitted; its states by name; and batches of a sort of digits."""
    model = MLP([784, 128, 10], seed=0)
    optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9)

    @jit
    def step(x, y):
        loss = cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return {"loss": loss}

    states = {f"model.{name}": t for name, t in model.named_state()}
    states |= {f"optimizer.{name}": t for name, t in optimizer.named_state()}
    return step, states, digits(batch)


def digits(batch):
    """Batches of ten blurred shapes with noise, in uint8 as pixels are, and their labels."""
    generator = np.random.default_rng(0)
    shapes = generator.random((10, 784)) * (generator.random((10, 784)) < 0.2)
    while True:
        y = generator.integers(0, 10, batch).astype(np.int32)
        pixels = shapes[y] + 0.3 * generator.random((batch, 784))
        yield np.clip(pixels, 0, 1).astype(np.float32), y


@SIMD
@pytest.mark.usefixtures("compiler")
def test_mnists_steps_are_those_of_c(simd):
    """1e-6 a step from the same states; 1e-4 after 100 steps on its own."""
    step, states, data = mnist()
    free = page({"step": (step, next(data))}, simd=simd, held=Held(states))
    same = page({"step": (step, next(data))}, simd=simd, held=Held(states))
    for _, (x, y) in zip(range(100), data, strict=False):
        for name, tensor in same.module.states.items():
            same.arrays[name, None][...] = tensor.data
        got, freely, want = same("step", x, y), free("step", x, y), step(x, y)
        assert abs(got["loss"] - want["loss"].item()) <= 1e-6
        assert abs(freely["loss"] - want["loss"].item()) <= 1e-4
        for name, tensor in same.module.states.items():
            away = np.abs(same.arrays[name, None] - tensor.data).max()
            assert away <= 1e-6, name
    for name, tensor in free.module.states.items():
        assert np.abs(free.arrays[name, None] - tensor.data).max() <= 1e-4, name
    assert want["loss"].item() < 0.1


# --- the same bits -------------------------------------------------------------------------------

SHAPES = [
    *(((rows, 19), (19, columns)) for rows in (1, 2, 5, 6, 7, 13) for columns in (1, 3, 4, 8, 17)),
    *(((7, inner), (inner, 9)) for inner in (1, 2, 3, 4, 255, 256, 257, 600)),
    ((128, 784), (784, 128)), ((784, 128), (128, 128)), ((4, 9, 20), (4, 20, 17)),
]  # fmt: skip


@pytest.mark.usefixtures("compiler", "fused")
def test_products_have_the_bits_of_c_where_both_fuse():
    """An entry is one chain of fused multiply-adds in each chunk of 256 terms, by C with whatever
    vectors, and by relaxed SIMD in an engine that is deterministic."""
    generator = np.random.default_rng(0)
    pairs = [[generator.standard_normal(s).astype(np.float32) for s in pair] for pair in SHAPES]

    @jit
    def step(pairs):
        found = [matmul(x, y) for x, y in pairs]
        found += [matmul(x, x.T) for x, _ in pairs[:4]]
        return [*found, pairs[0][0][::-1, ::-1] @ pairs[0][1][::-1]]

    got = page({"step": (step, (pairs,))}, simd="relaxed")(
        "step", *[x for pair in pairs for x in pair]
    )
    for one, other in zip(got.values(), step(pairs), strict=True):
        np.testing.assert_array_equal(one, other.data)


@pytest.mark.usefixtures("compiler", "fused")
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_a_forward_pass_has_the_bits_of_c_where_both_fuse(activation):
    """Biases and activations join the products; elementary functions are the same polynomials. A
    loss is a sum, in four lanes here and in more in C: there the bits part."""
    model = MLP([784, 128, 10], activation, seed=0)
    x, _ = next(digits(128))
    logits = jit(lambda x: model(x) * 1.0)
    web = page({"forward": (logits, (x,))}, simd="relaxed", model=model)
    np.testing.assert_array_equal(web("forward", x)["result"], logits(x).data)


# --- loops ---------------------------------------------------------------------------------------


class Training:
    """A small net with dropout, Adam's states and a schedule, and data for it."""

    def __init__(self, batch=6, steps=9):
        model = MLP([12, 9, 4], seed=0, dropout=0.2)
        optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01)

        @jit
        def step(x, y):
            output = model(x)
            loss = cross_entropy(output, y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return {"loss": loss, "output": output, "right": (output.max(1) > 0.0).sum()}

        generator = np.random.default_rng(0)
        self.step, self.owners = step, {"model": model, "optimizer": optimizer}
        self.whole = (
            generator.random((50, 12), dtype=np.float32),
            generator.integers(0, 4, 50).astype(np.int32),
        )
        self.order = generator.integers(0, 50, (steps, batch)).astype(np.int32)
        self.batch = tuple(x[:batch] for x in self.whole)

    def page(self):
        """A page with the step and its loop."""
        entries = {
            "step": (self.step, self.batch),
            "loop": (self.step.loop, (self.whole, self.order)),
        }
        web = page(entries, **self.owners)
        for name, array in zip(("x", "y", "order"), (*self.whole, self.order), strict=True):
            web.arrays[name, "loop"][...] = array
        return web


def states(web):
    """A copy of a page's states, and of what its loop has stacked."""
    found = {name: web.arrays[name, None].copy() for name in web.module.states}
    stacked = {f"{name} stacked": web.arrays[name, "loop"].copy() for name in ("loss", "right")}
    return found | stacked


def assert_same(one, other):
    for name, array in one.items():
        np.testing.assert_array_equal(array, other[name], name)


def run(web, *slices):
    """What the loop gives for each slice: first, count."""
    loop = web.instance.exports(web.store)["loop"]
    return [loop(web.store, first, count) for first, count in slices]


def test_a_loop_is_its_steps_and_ends_where_jits_does():
    training = Training()
    looped, stepped = training.page(), training.page()
    assert run(looped, (0, 9)) == [9]
    losses = []
    for rows in training.order:
        found = stepped("step", *(x[rows] for x in training.whole))
        losses.append(found["loss"])
    moved = states(looped)
    np.testing.assert_array_equal(moved["loss stacked"], losses)
    np.testing.assert_array_equal(looped.arrays["output", "step"], found["output"])
    assert_same({n: x for n, x in states(stepped).items() if "stacked" not in n}, moved)
    want = training.step.loop(training.whole, training.order)
    np.testing.assert_allclose(moved["loss stacked"], want["loss"].data, rtol=1e-5)
    np.testing.assert_array_equal(moved["right stacked"], want["right"].data)
    for name, tensor in looped.module.states.items():
        np.testing.assert_allclose(moved[name], tensor.data, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "slices",
    [[(0, 1)] * 0 + [(i, 1) for i in range(9)], [(0, 4), (4, 0), (4, 5)], [(0, 2), (2, 99)]],
)
def test_slices_give_the_bits_of_one_go(slices):
    training = Training()
    whole, cut = training.page(), training.page()
    run(whole, (0, 9))
    assert sum(run(cut, *slices)) == 9
    assert_same(states(whole), states(cut))


@pytest.mark.parametrize("wrong", [-1, 50, 2**31 - 1, -(2**31)])
def test_a_loop_stops_before_the_step_with_a_row_out_of_range(wrong):
    training = Training()
    web, before = training.page(), training.page()
    web.arrays["order", "loop"][5, 3] = wrong
    assert run(web, (2, 7)) == [3]
    assert run(before, (2, 3)) == [3]
    assert_same(states(web), states(before))
    assert run(web, (5, 4), (6, 1)) == [0, 1]


@pytest.mark.parametrize("wrong", [-1, 4, 2**31 - 1, -(2**31)])
def test_a_loop_stops_before_the_step_with_a_label_out_of_range(wrong):
    training = Training()
    row = training.order[4, 2]
    training.order[:4][training.order[:4] == row] = (row + 1) % 50
    web, before = training.page(), training.page()
    web.arrays["y", "loop"][row] = wrong
    assert run(web, (0, 9)) == [4]
    assert run(before, (0, 4)) == [4]
    assert_same(states(web), states(before))


@pytest.mark.parametrize("slice", [(9, 1), (-1, 3), (2**31 - 1, 1), (-(2**31), 5), (0, 0), (3, -4)])
def test_steps_that_the_order_has_not_are_not_done(slice):
    web = Training().page()
    before = states(web)
    assert run(web, slice) == [0]
    assert_same(before, states(web))


# --- indices out of range ------------------------------------------------------------------------


def entries_with_positions():
    """Two entries that read a table at positions, and count before; their good inputs."""
    table = Tensor(np.ones((10, 3), np.float32), requires_grad=True)
    layer, count = Linear(3, 4), Tensor(np.zeros(()))
    optimizer = SGD([table, *layer.parameters()], lr=0.1)

    def step(words, y):
        count.assign(count + 1.0)
        loss = cross_entropy(layer(table[words + 2]), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return {"loss": loss}

    def look(words):
        count.assign(count + 1.0)
        return {"rows": table[words] * 2.0}

    words, y = np.array([0, 4, 1], np.int32), np.array([3, 0, 1], np.int32)
    entries = {"step": (step, (words, y)), "look": (look, (words,))}
    held = Held({"table": table, "count": count})
    return entries, page(entries, held=held, layer=layer, optimizer=optimizer)


# A position from the end is one too, a label is not.
OUTSIDE = {("step", 0): (-13, 8), ("step", 1): (-1, 4), ("look", 0): (-11, 10)}


@pytest.mark.parametrize(("entry", "place"), OUTSIDE)
def test_an_index_out_of_range_moves_no_state(entry, place):
    entries, web = entries_with_positions()
    for wrong in (*OUTSIDE[entry, place], 2**30, -(2**31)):
        inputs = [array.copy() for array in entries[entry][1]]
        inputs[place][1] = wrong
        before = {name: web.arrays[name, None].copy() for name in web.module.states}
        assert web(entry, *inputs) is None, wrong
        for name, array in before.items():
            np.testing.assert_array_equal(web.arrays[name, None], array, name)
    for good, (_, inputs) in entries.items():
        assert web(good, *inputs) is not None
    assert web.arrays["held.count", None] == 2
