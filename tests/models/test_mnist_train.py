"""A training as Settings have it: the same bits, the right end, nothing learned from NaN."""

import math
from functools import cache

import numpy as np
import pytest

import data
from autograd.nn import ACTIVATIONS, cross_entropy
from autograd.random import order
from data import Examples
from models.command_line import InputError
from models.mlp import MLP
from models.mnist import settings
from models.mnist.scoring import (
    Score,
    Scorer,
    confusion_table,
    counts_table,
    inputs,
    probabilities,
    score,
)
from models.mnist.settings import Settings
from models.mnist.train import (
    CHECKS,
    build_model,
    build_optimizer,
    build_schedule,
    build_trainer,
    mean_of,
    reader,
)
from models.training import Trainer


@cache
def digits(n: int = 1500) -> Examples:
    return data.load("mnist").train.take(np.arange(n))


def learn(training=None, **changes):
    """A short training on 1000 digits, 500 more to validate with: the model, and its history."""
    chosen = Settings(**{"hidden": (32,), "epochs": 2, "batch_size": 64, **changes})
    model = build_model(chosen, chosen.sizes((28, 28), 10))
    training = training or digits().take(np.arange(1000))
    trainer = build_trainer(chosen, model, training, 255.0)
    validation = digits().take(np.arange(1000, 1500))
    checks = CHECKS if chosen.stop_at else 1
    history = trainer.fit(training, chosen.epochs, chosen.batch, validation, chosen.seed, checks)
    return model, history


def same(one: MLP, other: MLP) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(a.tobytes() == b.tobytes() for a, b in pairs)


@pytest.mark.parametrize("optimizer", settings.OPTIMIZERS)
@pytest.mark.parametrize("schedule", settings.SCHEDULES)
def test_every_recipe_learns(optimizer, schedule):
    _, history = learn(optimizer=optimizer, schedule=schedule, clip=1.0, epochs=3)
    assert (history.reason, history.steps) == ("finished", 3 * (1000 // 64))
    first, *_, last = history.epochs
    assert last.train["loss"] < first.train["loss"]
    assert last.validation["accuracy"] > 0.5  # guessing gives 0.1


def test_the_figures_of_an_epoch():
    model, history = learn(epochs=1)
    (epoch,) = history.epochs
    assert (epoch.epoch, epoch.step, epoch.examples) == (1, 15, 960)
    validation = digits().take(np.arange(1000, 1500))
    assert epoch.validation["accuracy"] == score(model, validation, 10, 255.0).accuracy
    assert epoch.lr < 0.4 / 25  # one-cycle is at its end


def test_the_seed_decides_every_bit():
    one, _ = learn(seed=5, dropout=0.3)
    assert same(one, learn(seed=5, dropout=0.3)[0])
    assert not same(one, learn(seed=6, dropout=0.3)[0])


def test_the_compiled_training_is_the_eager_one_but_for_rounding():
    models = [learn(eager=eager, clip=1.0, epochs=1)[0] for eager in (False, True)]
    # Of weights of about 0.1, whose 15 steps each round by 1e-8.
    for one, other in zip(*(model.state_dict().values() for model in models), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", settings.OPTIMIZERS)
def test_each_optimizer_is_the_one_of_its_name(name):
    """Not Adam, for want of another: a name that is added is built, or refused by name."""
    chosen = Settings(optimizer=name)
    optimizer = build_optimizer(
        chosen, build_model(chosen, chosen.sizes((28, 28), 10)), build_schedule(chosen, 12)
    )
    assert type(optimizer).__name__.lower() == name


@pytest.mark.parametrize("name", settings.SCHEDULES)
def test_each_schedule_is_the_one_of_its_name(name):
    schedule = build_schedule(Settings(schedule=name), 12)
    assert type(schedule).__name__.replace("_", "-") == name


def test_stop_at_ends_within_an_epoch():
    _, history = learn(epochs=50, stop_at=0.6)
    assert history.reason == "reached"
    *before, last = history.epochs
    assert last.validation["accuracy"] >= 0.6
    assert all(epoch.validation["accuracy"] < 0.6 for epoch in before)
    assert history.steps == last.step
    assert last.step % 15 in {0, 3, 7, 11}  # looked at after each quarter


@pytest.mark.parametrize("bad", [0, 1, 2, 14])
def test_a_loss_that_turns_nan_goes_back_to_the_last_good_weights(bad):
    """The batch of step `bad` has an infinite pixel. What is kept must be what the same training
    had before the last good loss, dropout's counter included."""
    images = digits(1000).images.astype(np.float32)
    good = Examples(images.copy(), digits(1000).labels)
    batch = order(1000, seed=0, epoch=0)[64 * bad : 64 * (bad + 1)]
    images[batch[0], 3, 3] = np.inf
    model, history = learn(Examples(images, good.labels), dropout=0.3)
    assert (history.reason, history.steps) == ("diverged", max(0, bad - 1))
    assert f"epoch 1, step {1 + bad}: the loss became nan" in history.message
    assert "the data: 1 of the 50,176 entries of the inputs" in history.message
    chosen = Settings(hidden=(32,), epochs=2, batch_size=64, dropout=0.3)
    expected = build_model(chosen, (784, 32, 10))
    step = build_trainer(chosen, expected, Examples(images, good.labels), 255.0)._step
    for i in range(bad - 1):
        rows = order(1000, seed=0, epoch=0)[64 * i : 64 * (i + 1)]
        step(good.images[rows], good.labels[rows])
    assert same(model, expected)


def test_argmax_does_not_start_from_zero():
    # With all logits negative, `if logit > best` from best = 0.0 answers "0" for everything.
    model = build_model(Settings(hidden=()), (784, 10))
    bias = np.full(10, -1e3, np.float32)
    bias[7] = -1.0
    dict(model.named_parameters())["0.bias"].assign(bias)
    result = score(model, digits(), 10, 255.0)
    assert result.confusion[:, 7].sum() == result.count == 1500
    assert (probabilities(model, digits().images, 255.0).argmax(1) == 7).all()


def test_a_score_counts_and_leaves_the_mode():
    confusion = np.zeros((10, 10), np.int64)
    confusion[3, 3], confusion[3, 5], confusion[8, 8] = 30, 10, 60
    result = Score(0.25, confusion)
    assert (result.count, result.right, result.accuracy) == (100, 90, 0.9)
    assert result.class_accuracy[3] == 0.75
    assert result.class_accuracy[0] is None
    model = build_model(Settings(), (784, 512, 10))
    score(model.train(), digits(10), 10, 255.0)
    assert model.training
    score(model.eval(), digits(10), 10, 255.0)
    assert not model.training


def test_a_compiled_score_is_that_of_numpy():
    # A training tells by the one how good its network is, evaluate by the other.
    model = build_model(Settings(hidden=(32,)), (784, 32, 10))
    some = Examples(*digits().base, rows=np.arange(3, 1207))  # two whole chunks, and a rest
    compiled = Scorer(model, 10, reader(255.0), compiled=True)
    for weights in ("as built", "changed", "nan"):
        found, expected = compiled(some), score(model, some, 10, 255.0)
        assert (found.confusion == expected.confusion).all(), weights
        assert found.count == 1204
        # A chunk's mean is a sum of 500 float32, in another order.
        np.testing.assert_allclose(found.loss, expected.loss, rtol=1e-6)
        bias = dict(model.named_parameters())["2.bias"]
        bias.assign(bias.data + (np.arange(10) if weights == "as built" else np.nan))


def test_tables_fit_sixty_columns_and_hold_the_numbers():
    confusion = np.full((10, 10), 1234)
    text = confusion_table(Score(0.5, confusion), tuple("0123456789"))
    assert max(map(len, text.split("\n"))) <= 60
    assert text.count("1234") == 100
    assert "10.00" in text
    assert "1,234" in counts_table("after", {"test": Score(0.5, np.diag([1234] + [0] * 9))})


def test_inputs_are_pixels_by_255():
    pixels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    expected = (np.arange(256) / 255).astype(np.float32)
    np.testing.assert_array_equal(inputs(pixels, 255.0)[0], expected)
    assert inputs(pixels, 255.0).dtype == np.float32


def test_the_names_in_settings_are_those_of_the_engine():
    assert tuple(ACTIVATIONS) == settings.ACTIVATIONS  # settings.py may not import it
    rates = {(o, s) for o in settings.OPTIMIZERS for s in settings.SCHEDULES}
    assert set(settings.RATES) == rates


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden": (0,)}, "--hidden: expected layers of at least 1 neuron, found 0"),
        ({"activation": "swish"}, "--activation: expected one of relu, .* found swish"),
        ({"epochs": 0}, "--epochs: expected at least 1, found 0"),
        ({"batch_size": 0}, "--batch-size: expected at least 1, found 0"),
        ({"optimizer": "lion"}, "--optimizer: expected one of sgd, adam, adamw, found lion"),
        ({"schedule": "step"}, "--schedule: expected one of"),
        ({"lr": 0.0}, "--lr: expected a positive number, found 0.0"),
        ({"lr": math.nan}, "--lr: .* found nan"),
        ({"lr": math.inf}, "--lr: .* found inf"),
        ({"momentum": 1.0}, "--momentum: expected at least 0 and below 1, found 1.0"),
        ({"weight_decay": -0.1}, "--weight-decay: expected 0 or more, found -0.1"),
        ({"dropout": 1.0}, "--dropout: expected at least 0 and below 1, found 1.0"),
        ({"clip": 0.0}, "--clip: expected a positive number, found 0.0"),
        ({"seed": -1}, "--seed: expected 0 to 4294967295, found -1"),
        ({"validation": -1}, "--validation: expected 0 or more, found -1"),
        ({"stop_at": 97.5}, r"--stop-at: expected a fraction .* \(0.975 is 97.5 %\), found 97.5"),
        ({"stop_at": 0.9, "validation": 0}, "--validation: .* because --stop-at is given, found 0"),
    ],
)
def test_settings_that_make_no_sense(changes, message):
    with pytest.raises(InputError, match=message):
        Settings(**changes)


def test_settings_that_ask_for_more_examples_than_there_are():
    with pytest.raises(InputError, match=r"--validation: expected fewer than the 100 .* found 100"):
        Settings(validation=100).validated(100)
    with pytest.raises(InputError, match=r"--batch-size: expected at most the 90 .* found 91"):
        Settings(batch_size=91).fitted(90)
    with pytest.raises(InputError, match=r"--validation: .* because --stop-at is given, found 0"):
        Settings(batch_size=5, stop_at=0.9).validated(11)
    assert Settings(validation=10).validated(100) == 10
    assert Settings().validated(60_000) == 5000
    assert Settings().validated(11) == 0


@pytest.mark.parametrize(
    ("examples", "batch"),
    [(1, 1), (3, 2), (120, 16), (1319, 16), (6400, 32), (55_000, 256), (10**6, 256)],
)
def test_a_batch_fits_the_examples_and_the_rate_the_batch(examples, batch):
    """A few examples are not refused for a batch that nobody asked for, and what is written of a
    run leaves nothing open."""
    found = Settings().fitted(examples)
    assert found.batch_size == batch
    assert found.lr == pytest.approx(0.4 * (batch / 256) ** 0.75, rel=0.05)  # of two digits
    assert found.fitted(examples) == found
    assert Settings(optimizer="adam").fitted(examples).lr == 0.004
    assert Settings(lr=0.3).fitted(examples).lr == 0.3
    assert Settings(batch_size=1).fitted(examples).batch_size == 1


def test_a_network_learns_what_it_would_on_centred_inputs():
    """The gradients are those of b + W mean in place of b: without that, pictures with much light
    in them leave most units of a layer dead, and the accuracy is 3 % less."""
    pictures = Examples(255 - digits(320).images, digits(320).labels)
    mean = mean_of(pictures, 255.0)
    rows = reader(255.0)(pictures.images)
    chosen = Settings(hidden=(16,), epochs=3, batch_size=32, dropout=0.0)
    ours, theirs = (build_model(chosen, (784, 16, 10)) for _ in range(2))
    bias, weight = (dict(theirs.named_parameters())[name] for name in ("0.bias", "0.weight"))
    bias.assign(weight.data @ mean)
    build_trainer(chosen, ours, pictures, 255.0).fit(pictures, 3, 32)
    optimizer = build_optimizer(chosen, theirs, build_schedule(chosen, 30))
    Trainer(theirs, cross_entropy, optimizer).fit((rows.data - mean, pictures.labels), 3, 32)
    # Logits of about 1 to 10, from sums of 784 numbers in float32, after 30 steps.
    np.testing.assert_allclose(
        ours.eval()(rows).data, theirs.eval()(rows.data - mean).data, rtol=0, atol=2e-3
    )


def test_the_mean_of_examples():
    images = np.array([[0, 255], [100, 255]], np.uint8)
    labels = np.zeros(2, np.int64)
    np.testing.assert_allclose(mean_of(Examples(images, labels), 255.0), [50 / 255, 1], rtol=1e-6)
    numbers = np.array([[1, np.inf], [3, 2]], np.float32)  # what is not finite is the loss's to say
    assert mean_of(Examples(numbers, labels), 2.0).tolist() == [1, 0]
    many = Examples(
        np.repeat(np.arange(2, dtype=np.uint8), 60_000)[:, None], np.zeros(120_000, int)
    )
    assert mean_of(many, 1.0) == pytest.approx([0.5], abs=1e-3)  # in the order of their classes


def test_settings_are_read_again_and_only_some_may_change():
    chosen = Settings(hidden=(5, 4), clip=1.0)
    found = {**vars(chosen), "hidden": [5, 4], "lr": chosen.rate}
    again = Settings.read(found)
    assert again == Settings(hidden=(5, 4), clip=1.0, lr=chosen.rate)
    assert again.changed({"lr": 0.1, "epochs": 20}).rate == 0.1
    for name in sorted(found.keys() - set(settings.CHANGEABLE)):
        option = name.replace("_", "-")
        with pytest.raises(InputError, match=f"--{option}: expected without --resume"):
            again.changed({name: found[name]})
    with pytest.raises(InputError, match="--momentum: expected sgd"):
        Settings(optimizer="adam").changed({"momentum": 0.5})
    for name in found:
        for wrong in ("x", [None], {}, True if name != "eager" else 3):
            if name in ("activation", "optimizer", "schedule") and wrong == "x":
                continue
            with pytest.raises(InputError, match=f'expected "{name}"'):
                Settings.read({**found, name: wrong})
    for wrong in (None, [], "x", 3):
        with pytest.raises(InputError, match='an object of "settings"'):
            Settings.read(wrong)


def test_sizes_are_those_of_the_data():
    assert Settings(hidden=(5, 4)).sizes((8, 8, 3), 7) == (192, 5, 4, 7)
    with pytest.raises(InputError, match="--hidden: expected sizes that make at most 100,000,000"):
        Settings(hidden=(10**9,)).sizes((4,), 3)
