"""The temperature: the best one, which changes no answer, is kept with the model and used."""

import json
import shutil

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import data
from models.mnist.calibration import GREATEST, LEAST, calibrate, fit_temperature
from models.mnist.checkpoint import load, load_temperature
from models.mnist.cli import main
from models.mnist.scoring import chances, probabilities
from tests.few import (
    few,
    few_digits,  # noqa: F401  (used by every test)
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a run that knows its 1,500 training examples by heart."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    how = ["--hidden", "64", "--epochs", "25", "--batch-size", "50", "--validation", "500"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "load", lambda *source, **how: few())
        assert main(["train", *how, "--dropout", "0", "--out", str(folder)]) == 0
    return folder


def loss(logits, labels, temperature):
    scaled = logits.astype(float) / temperature
    scaled -= scaled.max(1, keepdims=True)
    right = scaled[np.arange(len(labels)), labels]
    return float((np.log(np.exp(scaled).sum(1)) - right).mean())


@pytest.mark.parametrize("stretch", [0.5, 1.0, 3.0])
def test_the_temperature_is_where_the_loss_is_least(stretch):
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (2000, 10))
    chance = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    labels = (chance.cumsum(1) > rng.random((2000, 1))).argmax(1)
    found = fit_temperature((stretch * logits).astype(np.float32), labels)
    # Logits that say what is so, stretched: 2,000 draws tell the stretch to a few percent.
    assert found == pytest.approx(stretch, rel=0.05)
    best = loss(stretch * logits, labels, found)
    # The slope by central differences: of the second order in a step of 1 %, and of four digits.
    above, below = (loss(stretch * logits, labels, found * step) for step in (1.01, 1 / 1.01))
    assert min(above, below) > best
    assert abs(above - below) / (2 * np.log(1.01)) < 1e-3


def test_where_nothing_can_be_learned_it_stays_within_bounds():
    sure = np.float32(100 * np.eye(3))
    assert fit_temperature(sure, np.arange(3)) == pytest.approx(LEAST)
    assert fit_temperature(sure, np.array([1, 2, 0])) == pytest.approx(GREATEST)
    assert fit_temperature(sure[:0], np.arange(0)) == 1
    assert fit_temperature(np.float32([[np.nan, 0]]), np.array([0])) == 1


def test_without_examples_set_aside_there_is_none(trained):
    model, _ = load(str(trained))
    assert calibrate(model, None, 255.0) == 1


def test_no_answer_changes():
    logits = np.random.default_rng(0).normal(0, 30, (500, 10)).astype(np.float32)
    for temperature in (LEAST, 1.7, GREATEST):
        assert (chances(logits, temperature).argmax(1) == logits.argmax(1)).all()


def test_train_keeps_it_and_the_probabilities_are_better_by_it(trained):
    temperature = load_temperature(str(trained))
    assert json.loads((trained / "summary.json").read_text())["temperature"] == temperature
    assert temperature > 1  # it is too sure of what it did not learn from
    model, described = load(str(trained))
    test = few().test

    def surprise(temperature):
        chance = probabilities(model, test.images, described.scale, temperature)
        return -np.log(chance[np.arange(len(test)), test.labels]).mean()

    assert surprise(temperature) < surprise(1.0)


def test_show_wrong_says_probabilities_by_it(trained, capsys):
    model, described = load(str(trained))
    chance = probabilities(
        model, few().test.images, described.scale, load_temperature(str(trained))
    )
    wrong = chance.max(1)[chance.argmax(1) != few().test.labels]
    assert main(["show", "--wrong", str(trained), "--count", "1"]) == 0
    assert f"({wrong.max():.1%})" in capsys.readouterr().out


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}])
def test_a_run_from_before_has_none(trained, tmp_path, metadata):
    shutil.copytree(trained, tmp_path / "run")
    save_file(
        load_file(trained / "model.safetensors"), tmp_path / "run/model.safetensors", metadata
    )
    assert load_temperature("run") == 1
    assert main(["show", "--wrong", "run", "--count", "1"]) == 0


@pytest.mark.parametrize("said", ["0", "-1", "NaN", "Infinity", '"warm"', "[]", "null"])
def test_what_is_no_temperature_is_refused(trained, tmp_path, capsys, said):
    shutil.copytree(trained, tmp_path / "run")
    weights = load_file(trained / "model.safetensors")
    save_file(weights, tmp_path / "run/model.safetensors", {"temperature": said})
    assert main(["show", "--wrong", "run"]) == 2
    assert "expected a positive temperature, found" in capsys.readouterr().err
