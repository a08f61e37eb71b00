"""Modules of WebAssembly: steps that share states, their names, loops, and what is refused."""

import numpy as np

from autograd import cross_entropy, jit
from autograd.optim import SGD
from models.mlp import MLP
from tests.autograd.compiler.webpage import page


def training(sizes=(12, 8, 3), batch=6):
    """A step of training, its model and optimizer, and a batch."""
    model = MLP(sizes, seed=0)
    optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9)
    generator = np.random.default_rng(0)
    x = generator.random((batch, sizes[0]), dtype=np.float32)
    y = generator.integers(0, sizes[-1], batch).astype(np.int32)

    @jit
    def step(x, y):
        loss = cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return {"loss": loss}

    return step, model, optimizer, (x, y)


def test_a_step_of_training_is_that_of_jit():
    """1e-6 a step, from the same state: sums in four lanes, where C has more."""
    step, model, optimizer, batch = training()
    web = page({"step": (step, batch)}, model=model, optimizer=optimizer)
    for _ in range(3):
        got, want = web("step", *batch), step(*batch)
        np.testing.assert_allclose(got["loss"], want["loss"].data, rtol=1e-6)
        for name, array in model.state_dict().items():
            np.testing.assert_allclose(web.arrays[f"model.{name}", None], array, atol=1e-6)


def test_a_label_out_of_range_changes_no_state():
    step, model, optimizer, (x, y) = training()
    web = page({"step": (step, (x, y))}, model=model, optimizer=optimizer)
    before = web.buffer.copy()
    for wrong in (-1, 3, 2**31 - 1, -(2**31)):
        bad = y.copy()
        bad[-1] = wrong
        assert web("step", x, bad) is None
        for each in web.manifest["arrays"]:
            if each["kind"] == "state":
                was = web.view(each, before)
                np.testing.assert_array_equal(web.arrays[each["name"], None], was)
    assert web("step", x, y) is not None
