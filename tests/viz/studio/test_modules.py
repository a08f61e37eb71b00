"""Modules of WebAssembly on demand: they train as Python does, and are kept as long as they are
whole and there is room."""

from __future__ import annotations

import json
import os
from types import SimpleNamespace

import numpy as np
import pytest

import data
from autograd.random import order
from models.mlp import MLP
from models.mnist.settings import Settings
from models.mnist.train import build_trainer, mean_of
from tests.autograd.compiler.webpage import Page
from viz.studio.engine import modules
from viz.studio.engine.architecture import Architecture
from viz.studio.refusal import Refusal

STEPS, BATCH, SEED = 100, 32, 3


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    """A cache of this test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    modules.module.cache_clear()
    yield tmp_path / "chainrule" / "modules"
    modules.module.cache_clear()


def page_of(name: str) -> Page:
    """A page with the module of this name."""
    return Page(modules.built_of(Architecture.read(name)))


def put(page, arrays):
    """Write states by name; all others but the optimizer's numbers are zero."""
    for (name, entry), array in page.arrays.items():
        if entry is None and name in page.module.states:
            array[...] = arrays.get(name, 0)


# --- training -------------------------------------------------------------------------------------


def python_losses(settings, examples):
    """What the Trainer of models.mnist loses in so many steps, and what it began with."""
    model = MLP((784, *settings.hidden, 10), settings.activation, settings.seed, settings.dropout)
    begun = model.state_dict()
    trainer = build_trainer(settings, model, examples, 255.0)
    step, losses = trainer._step, []
    rows = order(len(examples), settings.seed, 0)[: STEPS * BATCH].reshape(STEPS, BATCH)
    for batch in rows:
        taken = examples.take(batch)
        losses.append(float(step(taken.images, taken.labels)[0].data))
    return losses, begun, rows


@pytest.mark.parametrize(
    ("optimizer", "how", "held"),
    [
        ("sgd", {"momentum": 0.9}, {"momentum": 0.9}),
        ("sgd", {"momentum": 0.0}, {}),
        ("sgd", {"momentum": 0.5, "weight_decay": 0.01}, {"momentum": 0.5, "weight_decay": 0.01}),
        ("adam", {}, {}),
        ("adamw", {"weight_decay": 0.1}, {"weight_decay": 0.1}),
        ("sgd", {"momentum": 0.9, "dropout": 0.3}, {"momentum": 0.9}),
    ],
)
def test_a_page_loses_what_python_loses(optimizer, how, held):
    """Within 1e-4 over 100 steps, from the same weights, in the same order: the page says rate,
    momentum and decay to one module, 0 included; and of sgd the mean of the images."""
    rate = 0.05 if optimizer == "sgd" else 0.002
    how = {"dropout": 0.0, "eager": True, **how}  # to compile takes longer than to learn
    settings = Settings((24,), "relu", 1, BATCH, optimizer, rate, "constant", seed=SEED, **how)
    examples = data.load("mnist").train.take(np.arange(STEPS * BATCH))
    want, begun, rows = python_losses(settings, examples)
    dropped = f"_d{settings.dropout}" if settings.dropout else ""
    page = page_of(f"28x28-24-10_relu_{optimizer}_{BATCH}{dropped}")
    states = {f"model.{name}": array for name, array in begun.items()}
    states |= {"optimizer.rate": rate} | {f"optimizer.{k}": v for k, v in held.items()}
    states["model.dropouts.0.seed"] = SEED * 1009
    if optimizer == "sgd":
        states["mean"] = mean_of(examples, 255.0)
    put(page, states)
    got = []
    for batch in rows:
        taken = examples.take(batch)
        got.append(float(page("step", taken.images, taken.labels.astype(np.int32))["loss"]))
    np.testing.assert_allclose(got, want, atol=1e-4)


def test_zeros_for_the_mean_are_plain_sgd_and_a_rate_of_0_moves_nothing():
    """The numbers by hand: w - rate * (gradient + decay * w)."""
    page = page_of("4x4-3_identity_sgd_5")
    generator = np.random.default_rng(0)
    weight, bias = generator.standard_normal((3, 16)), generator.standard_normal(3)
    images = generator.integers(0, 256, (5, 4, 4), np.uint8)
    labels = np.array([0, 1, 2, 0, 1], np.int32)
    x = images.reshape(5, 16) / 255.0
    chances = np.exp(x @ weight.T + bias)
    chances /= chances.sum(1, keepdims=True)
    delta = (chances - np.eye(3)[labels]) / 5
    for rate, decay in ((0.5, 0.0), (0.5, 0.1), (0.0, 0.1)):
        states = {"model.0.weight": weight, "model.0.bias": bias}
        put(page, states | {"optimizer.rate": rate, "optimizer.weight_decay": decay})
        page("step", images, labels)
        moved = weight - rate * (delta.T @ x + decay * weight)
        # float32 keeps 7 digits of numbers of about 1.
        np.testing.assert_allclose(page.arrays["model.0.weight", None], moved, atol=1e-6)
        shifted = bias - rate * (delta.sum(0) + decay * bias)
        np.testing.assert_allclose(page.arrays["model.0.bias", None], shifted, atol=1e-6)


def test_images_are_divided_by_the_scale():
    image = np.arange(16, dtype=np.uint8).reshape(1, 4, 4)
    found = []
    for name, factor in (("4x4-3_tanh_sgd_1", 17), ("4x4-3_tanh_sgd_1_s15", 1)):
        page = page_of(name)  # 255 is 17 x 15
        put(page, {"model.0.weight": np.arange(48.0).reshape(3, 16) / 48})
        found.append(page("forward", image * factor)["logits"])
    np.testing.assert_array_equal(*found)


def test_fewer_examples_draw_the_first_numbers_of_more():
    """So that a module need not know how many examples the page has."""
    page = page_of("2-2_relu_sgd_1")
    drawn = page("draws", 4, 7)["draws"]
    for n in (1, 1000, 60_000):
        assert np.argsort(drawn[:n], kind="stable").tolist() == order(n, 7, 4).tolist()


@pytest.mark.parametrize(
    "name",
    ["28x28-512-256-10_gelu_adam_512", "128x128-64-10_relu_sgd_256", "28x28-10_tanh_adamw_4096"],
)
def test_the_memory_that_is_said_before_is_about_that_of_the_module(name):
    """Else what is refused would have fitted, or a minute goes by before it is refused."""
    architecture = Architecture.read(name)
    made = modules.built_of(architecture).manifest["memory_bytes"]
    assert 0.75 < architecture.memory / made < 1.05


# --- the cache ------------------------------------------------------------------------------------

NAME = "8x8-4-3_relu_sgd_2"


def made_count(monkeypatch):
    """Counts how often a module is made."""
    count = SimpleNamespace(made=0)
    make = modules.make

    def counting(of):
        count.made += 1
        return make(of)

    monkeypatch.setattr(modules, "make", counting)
    return count


def again(name=NAME):
    """As a new worker would ask."""
    modules.module.cache_clear()
    return modules.module(name)


def test_a_module_is_made_once_and_is_whole(folder, monkeypatch):
    count = made_count(monkeypatch)
    first, second = again(), again()
    assert (first, count.made) == (second, 1)
    assert first.wasm[:4] == b"\0asm" and json.loads(first.manifest)["version"] == 1
    (file,) = folder.iterdir()
    assert file.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("damage", ["cut", "changed", "empty", "folder"])
def test_a_damaged_file_is_made_anew(folder, monkeypatch, damage):
    whole, count = again(), made_count(monkeypatch)
    (file,) = folder.iterdir()
    content = bytearray(file.read_bytes())
    file.unlink()
    if damage == "folder":
        file.mkdir()
    else:
        content[100] ^= 1
        file.write_bytes({"cut": content[:-9], "changed": content, "empty": b""}[damage])
    assert again() == whole and count.made == 1
    if damage != "folder":
        assert again() == whole and count.made == 1, "what was made anew is kept"


def test_a_changed_engine_makes_a_new_module(folder, monkeypatch):
    again()
    count = made_count(monkeypatch)
    monkeypatch.setattr(modules, "sources", lambda: "others")
    again()
    assert count.made == 1 and len(list(folder.iterdir())) == 2


def test_the_oldest_go_where_there_is_no_more_room(folder, monkeypatch):
    monkeypatch.setattr(modules, "MEGABYTES", 0)
    first = again()
    (old,) = folder.iterdir()
    os.utime(old, (1, 1))
    again("8x8-5-3_relu_sgd_2")
    assert not old.exists() and len(list(folder.iterdir())) == 1, "the newest stays"
    assert again() == first


def test_without_a_cache_that_can_be_written_a_module_is_made_all_the_same(monkeypatch, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert again().wasm[:4] == b"\0asm"


def test_what_webassembly_has_no_room_for_is_refused(monkeypatch):
    def refusing(of):
        raise modules.RefusedError("wasm: scratch ends at 3 GB")

    monkeypatch.setattr(modules, "built_of", refusing)
    with pytest.raises(Refusal, match="room") as info:
        again()
    assert info.value.status == 422
