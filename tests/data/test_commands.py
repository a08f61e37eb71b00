"""`python -m data`: what it prints, and that everything wrong is one line and exit code 2."""

from __future__ import annotations

import dataclasses
import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import data
from data.__main__ import main
from data.cache import place
from data.examples import Examples
from data.registry import REGISTRY
from data.stats import numbers

VENDORED = Path(data.__file__).parent / "mnist"


@pytest.fixture(autouse=True)
def empty_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


@pytest.fixture
def fails(capsys):
    """Runs a command that fails; gives what it says."""

    def fails(*arguments):
        assert main(arguments) == 2
        return capsys.readouterr().err

    return fails


@pytest.fixture
def twin(monkeypatch):
    """A registered dataset with MNIST's files, which is not in this package."""
    mirrors = ("http://127.0.0.1:1/",)
    row = dataclasses.replace(REGISTRY["mnist"], folder=None, mirrors=mirrors)
    monkeypatch.setitem(REGISTRY, "twin", row)
    return place("twin")


def printed(capsys, *arguments):
    assert main(arguments) == 0
    return capsys.readouterr().out


def test_list_says_what_there_is_and_where(capsys, twin, tmp_path):
    lines = printed(capsys, "list").splitlines()
    assert [line.split()[0] for line in lines[1:4]] == ["mnist", "fashion-mnist", "kmnist"]
    assert " ".join(lines[1].split()) == "mnist 60,000 10,000 28 x 28 10 in this package"
    assert lines[2].endswith("not fetched yet")
    assert lines[-1] == f"cache: {tmp_path / 'chainrule' / 'data'}"
    assert max(map(len, lines[:-1])) < 80
    twin.mkdir(parents=True)
    shutil.copy(VENDORED / "t10k-labels-idx1-ubyte.gz", twin)
    assert "1 of 4 in the cache" in printed(capsys, "list")


def test_fetch_brings_a_dataset_from_a_folder(capsys, twin):
    assert printed(capsys, "fetch", "twin", "--from", str(VENDORED)) == (
        f"twin: verified, in {twin}\n"
    )
    assert printed(capsys, "check", "twin") == "twin: in the cache, as registered\n"
    assert len(data.load("twin").test) == 10_000


def test_fetch_says_in_a_line_for_each_mirror_why_it_fails(fails, twin):
    lines = fails("fetch", "twin").splitlines()
    assert lines[-2].startswith("error: twin: train-images-idx3-ubyte.gz could not be fetched: try")
    assert lines[-1] == "http://127.0.0.1:1/: no connection: Connection refused"


def test_check_names_what_is_damaged_and_what_to_do(fails, twin):
    twin.mkdir(parents=True)
    (twin / "t10k-labels-idx1-ubyte.gz").write_bytes(b"")
    damaged, whole = fails("check", "twin").splitlines()
    assert re.match(rf"error: {twin}/t10k-labels-idx1-ubyte.gz: not the registered file", damaged)
    assert whole == ("error: twin: 1 files damaged, 3 missing: run python -m data fetch twin")


def test_check_takes_what_was_never_fetched_for_no_fault_unless_it_is_asked_for(capsys, fails):
    assert printed(capsys, "check").splitlines() == [
        "mnist: in this package, as registered",
        "fashion-mnist: not fetched yet",
        "kmnist: not fetched yet",
    ]
    assert fails("check", "kmnist") == (
        "error: kmnist: 0 files damaged, 4 missing: run python -m data fetch kmnist\n"
    )


def test_a_damaged_package_is_to_be_installed_again(fails, tmp_path, monkeypatch):
    row = dataclasses.replace(REGISTRY["mnist"], folder=tmp_path)
    monkeypatch.setitem(REGISTRY, "mnist", row)
    assert "mnist: 0 files damaged, 4 missing: install Chainrule again" in fails("check")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("fetch", "the following arguments are required: NAME"),
        ("fetch minst", "unknown dataset 'minst': expected one of fashion-mnist, kmnist, mnist"),
        ("fetch kmnist minst", "unknown dataset 'minst'"),
        ("check minst", "unknown dataset 'minst'"),
        ("fetch kmnist --from nowhere", "nowhere: there is no such folder"),
        ("fetch kmnist --from ftp://h/", "ftp://h/: expected a folder, or an address that"),
        ("stats minst", "unknown dataset 'minst'"),
        ("stats a b c", "error: "),
        ("stats mnist --size 28", "--size: expected 2 arguments"),
        ("stats mnist --size 8 x", "--size: expected a whole number, found 'x'"),
        ("stats mnist --size 8 8", "mnist: size: expected a height and a width"),
        ("stats mnist --label 0", "label: expected none for mnist"),
    ],
)
def test_what_makes_no_sense_is_one_line(fails, arguments, message):
    said = fails(*arguments.split())
    assert message in said and said.count("\n") == 1


def idx(path, array):
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    path.write_bytes(header + array.astype(np.uint8).tobytes())
    return str(path)


def test_stats_counts_classes_values_and_duplicates(capsys, tmp_path):
    images = np.array([[[0, 4]], [[0, 4]], [[8, 4]]])
    files = [
        idx(tmp_path / "images", images),
        idx(tmp_path / "labels", np.array([0, 1, 1])),
        idx(tmp_path / "test-images", images[[2, 2]]),
        idx(tmp_path / "test-labels", np.array([0, 1])),
    ]
    lines = [line.split() for line in printed(capsys, "stats", *files).splitlines()]
    assert " ".join(lines[0]).startswith("images: examples of 1 x 2, divided by ")
    assert lines[2:] == [
        ["training", "test"],
        ["examples", "3", "2"],
        ["dtype", "uint8", "uint8"],
        ["mean", "3.3333", "6"],
        ["std", f"{np.std(images):.5g}", "2"],
        ["minimum", "0", "4"],
        ["maximum", "8", "8"],
        ["duplicates", "1", "1"],
        ["also", "in", "training", "2"],
        [],
        ["class", "training", "test"],
        ["0", "1", "1"],
        ["1", "2", "1"],
    ]


@pytest.mark.parametrize("label", ["kind", "0"])
def test_stats_takes_the_column_of_labels_by_name_or_place(capsys, tmp_path, label):
    table = tmp_path / "pets.csv"
    table.write_text("kind,weight\n" + "cat,4\ndog,9\n" * 5)
    lines = printed(capsys, "stats", str(table), "--label", label).splitlines()
    assert [line.split() for line in lines[-2:]] == [["cat", "4", "1"], ["dog", "4", "1"]]


def test_a_part_of_a_dataset_is_counted_without_the_rest():
    """Else what is held out to test with is counted among the training examples."""
    examples = Examples(np.array([[1.0], [1e9], [3.0]]), np.array([0, 1, 0]), rows=np.array([0, 2]))
    found = numbers(examples)
    assert (found.mean, found.std, found.minimum, found.maximum) == (2.0, 1.0, 1.0, 3.0)


def test_a_large_mean_leaves_the_deviation_its_digits():
    """Else mean(x**2) - mean(x)**2 is all rounding: 0, or the root of a negative number."""
    examples = Examples(np.array([[1e9], [1e9 + 1]]), np.array([0, 1]))
    assert numbers(examples).std == 0.5


def test_it_runs_as_a_module():
    command = [sys.executable, "-m", "data", "check", "mnist"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "mnist: in this package, as registered\n" and not done.stderr
