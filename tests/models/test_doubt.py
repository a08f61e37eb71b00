"""Doubt: fitted on what a network learned from, kept beside it, and lost without harm."""

import errno
import os
import shutil

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import data
from data import Examples
from models.mlp import MLP
from models.mnist.checkpoint import load
from models.mnist.cli import main
from models.mnist.doubt import DOUBTED, FEWEST, Doubt, load_doubt
from models.mnist.reading.description import describe
from models.mnist.scoring import logits
from models.runs import folder as run_folder
from tests.few import (
    drawn,
    few,
    few_digits,  # noqa: F401  (used by every test)
    run_of,
)

QUICK = ["--hidden", "32", "--epochs", "3", "--batch-size", "50"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "load", lambda *source, **how: few())
        assert main(["train", *QUICK, "--validation", "500", "--out", str(folder)]) == 0
    return folder


def bars(n, seed, shape=(12, 12)):
    """Bars that stand, and bars that lie, in noise."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 60, (n, *shape))
    labels = rng.integers(0, 2, n)
    for image, label, place in zip(images, labels, rng.integers(3, 7, n), strict=True):
        where = (slice(1, 11), slice(place, place + 2))
        image[where if label == 0 else where[::-1]] += 180
    return Examples(images.astype(np.uint8), labels)


def corners(n, seed, shape=(12, 12)):
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 60, (n, *shape))
    images[:, :5, :5] += 180
    return images.astype(np.uint8)


def taught(examples, scale):
    """A linear network that tells them apart: each class's mean is its weight."""
    x = examples.images.reshape(len(examples), -1) / scale
    means = np.stack([x[examples.labels == label].mean(0) for label in (0, 1)])
    model = MLP([x.shape[1], 2])
    bias = -(means**2).sum(1) / 2
    model.load_state_dict({"0.weight": means.astype(np.float32), "0.bias": bias})
    return model


@pytest.mark.parametrize("colours", [(), (1,), (3,)])
def test_few_of_what_is_known_are_doubted_and_all_of_what_is_not(colours):
    shape = (12, 12, *colours)
    training, aside, new = (bars(n, seed, shape) for n, seed in ((600, 1), (400, 2), (2000, 3)))
    model = taught(training, 255.0)
    doubt = Doubt.fit(model, training, aside, 255.0)
    doubts = [doubt(each, logits(model, each, 255.0), 255.0)
              for each in (aside.images, new.images, corners(200, 4, shape))]  # fmt: skip
    assert doubts[0].mean() <= DOUBTED
    # 400 set a limit that 2,000 pass as often, give or take four standard deviations of 400.
    assert doubts[1].mean() <= DOUBTED + 4 * (DOUBTED / 400) ** 0.5
    assert doubts[2].all()


def test_it_is_the_same_whenever_it_is_fitted_and_by_any_unit():
    training, aside = bars(300, 1), bars(200, 2)
    model = taught(training, 255.0)
    one, two = (Doubt.fit(model, training, aside, 255.0).arrays() for _ in range(2))
    assert all(one[name].tobytes() == two[name].tobytes() for name in one)
    assert all(array.dtype == np.float32 for array in one.values())
    sixteenths = [Examples(each.images / 255.0 * 16, each.labels) for each in (training, aside)]
    other = Doubt.fit(model, *sixteenths, 16.0).arrays()
    # float64 in place of bytes: roundings of 1e-7 in numbers that are products of 600 such.
    np.testing.assert_allclose(other["threshold"], one["threshold"], rtol=1e-3)


def test_without_enough_to_judge_by_nothing_is_doubted():
    training = bars(300, 1)
    model = taught(training, 255.0)
    assert Doubt.fit(model, training, None, 255.0) is None
    assert Doubt.fit(model, training, bars(FEWEST - 1, 2), 255.0) is None
    broken = MLP([144, 2])
    broken.load_state_dict({"0.weight": np.full((2, 144), np.nan), "0.bias": np.zeros(2)})
    assert Doubt.fit(broken, training, bars(200, 2), 255.0) is None
    table = Examples(np.zeros((100, 7)), np.zeros(100, int))
    assert Doubt.fit(MLP([7, 2]), table, table, 1.0) is None


@pytest.mark.parametrize("classes", [2, 30, 400])
def test_classes_may_be_many_and_some_without_an_example(classes):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (500, 6, 6)).astype(np.uint8)
    labels = rng.integers(0, classes - 1, 500)
    doubt = Doubt.fit(MLP([36, classes]), *[Examples(images, labels)] * 2, 255.0)
    assert sum(array.nbytes for array in doubt.arrays().values()) < 1_000_000
    assert all(np.isfinite(array).all() for array in doubt.arrays().values())


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (28, 28), (3, 200), (70, 70, 3)])
def test_pictures_of_any_size_are_described_by_as_many_numbers(shape):
    images = np.random.default_rng(0).integers(0, 256, (5, *shape)).astype(np.uint8)
    found = describe(images, 255.0)
    assert found.dtype == np.float32 and np.isfinite(found).all()
    assert found.shape[1] <= 8 * 16 + 3 * 16 + 4
    # Each picture by itself, whichever it is described with.
    np.testing.assert_allclose(describe(images[2:3], 255.0)[0], found[2], rtol=1e-5, atol=1e-6)


# --- in a run's folder ---------------------------------------------------------------------------


def test_train_keeps_it_beside_the_model(trained):
    model, described = load(str(trained))
    doubt = load_doubt(str(trained), described)
    training, aside = data.split(few().train, 500, 0)
    fitted = Doubt.fit(model, training, aside, 255.0).arrays()
    assert all(array.tobytes() == fitted[name].tobytes() for name, array in doubt.arrays().items())
    assert (trained / "doubt.safetensors").stat().st_size < 1_000_000


@pytest.mark.parametrize("how", [["--validation", "0"], ["--validation", "40"]])
def test_a_run_without_enough_set_aside_has_none_and_says_nothing(how, tmp_path, capsys):
    assert main(["train", *QUICK, *how, "--out", "run"]) == 0
    assert not (tmp_path / "run/doubt.safetensors").exists()
    assert "doubt" not in "".join(capsys.readouterr())
    assert load_doubt("run", load("run")[1]) is None


def test_a_disk_that_is_full_then_costs_no_network(monkeypatch, tmp_path, capsys):
    real = run_folder.write

    def full(path, content):
        if path.name == "doubt.safetensors":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        real(path, content)

    monkeypatch.setattr(run_folder, "write", full)
    assert main(["train", *QUICK, "--validation", "500", "--out", "run"]) == 2
    err = capsys.readouterr().err
    assert err.endswith("error: run: could not write doubt.safetensors; the network is there\n")
    assert (tmp_path / "run/summary.json").exists()
    assert main(["evaluate", "run"]) == 0


def test_a_training_that_goes_on_leaves_no_doubt_of_another_network(trained, tmp_path):
    shutil.copytree(trained, tmp_path / "run")
    before = (tmp_path / "run/doubt.safetensors").read_bytes()
    assert main(["train", "--resume", "run", "--epochs", "4"]) == 0
    assert (tmp_path / "run/doubt.safetensors").read_bytes() != before


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("cut", "expected a whole safetensors file of floats, found 900 bytes"),
        ("less", "expected usual to be finite float32 of shape (11, 2), found nothing; remove it"),
        ("nan", "expected centre to be finite float32 of shape (148,), found float32"),
        (
            "other",
            "expected means to be finite float32 of shape (10, 80), found float32 of shape (",
        ),
        ("axes", "expected axes to be finite float32 of shape (148, 0), found float32 of shape ()"),
    ],
)
def test_what_is_no_doubt_is_refused_in_words(trained, tmp_path, capsys, how, message):
    file = shutil.copytree(trained, tmp_path / "run") / "doubt.safetensors"
    arrays = load_file(file)
    if how == "less":
        del arrays["usual"]
    elif how == "nan":
        arrays["centre"][5] = np.nan
    elif how == "other":
        arrays["means"] = arrays["means"][:-1]
    elif how == "axes":
        arrays["axes"] = np.float32(1)[...]
    save_file(arrays, file)
    if how == "cut":
        file.write_bytes(file.read_bytes()[:900])
    assert main(["predict", "run", "picture.png"]) == 2
    assert message in " ".join(capsys.readouterr().err.split())


def test_it_fits_the_network_whatever_its_dataset(tmp_path):
    dataset = drawn((9, 7, 3), ["cat", "dog"])
    run = run_of(dataset, tmp_path / "other")
    model, described = load(str(run))
    examples = Examples(np.zeros((60, 9, 7, 3), np.uint8), np.arange(60) % 2)
    doubt = Doubt.fit(model, examples, examples, 255.0)
    save_file(doubt.arrays(), run / "doubt.safetensors")
    assert load_doubt(str(run), described) is not None
