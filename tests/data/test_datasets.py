"""The vendored files, what `load` makes of them, and what it refuses of registered datasets."""

import gzip
import hashlib
import shutil
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import data
from data.registry import REGISTRY

VENDORED = Path(data.__file__).parent / "mnist"

# The MD5 sums of the unpacked files as the world knows them; the registry's own digests are of the
# packed ones, and prove nothing about where those came from.
RAW_MD5 = {
    "train-images-idx3-ubyte.gz": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte.gz": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte.gz": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte.gz": "27ae3e4e09519cfbb04c329615203637",
}


@pytest.fixture(scope="module")
def mnist():
    return data.load("mnist")


@pytest.fixture
def write(tmp_path):
    """Writes an IDX file of uint8 and gives its path."""

    def write(name, array):
        array = np.asarray(array, dtype=np.uint8)
        header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
        path = tmp_path / name
        path.write_bytes(header + array.tobytes())
        return path

    return write


@pytest.mark.parametrize("name", RAW_MD5)
def test_the_vendored_files_are_mnist(name):
    """Else every result in this project is about other digits than everybody's MNIST."""
    assert hashlib.md5(gzip.decompress((VENDORED / name).read_bytes())).hexdigest() == RAW_MD5[name]


def test_known_facts(mnist):
    """Else rows are decoded shifted, swapped, or paired with the wrong labels."""
    train, test = mnist.train, mnist.test
    assert train.images.shape == (60_000, 28, 28) and test.images.shape == (10_000, 28, 28)
    assert train.images.dtype == test.images.dtype == np.uint8
    assert train.labels.dtype == test.labels.dtype == np.int64
    assert train.labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert test.labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert np.bincount(train.labels).tolist() == [
        5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949,
    ]  # fmt: skip
    assert np.bincount(test.labels).tolist() == [
        980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009,
    ]  # fmt: skip
    assert round(train.images.mean() / 255, 4) == 0.1307  # the mean that everyone subtracts
    assert train.images[0, 5, 12:16].tolist() == [3, 18, 18, 18]  # the top stroke of the first 5
    assert mnist.name == "mnist" and mnist.classes == tuple("0123456789")
    assert len(train) == 60_000 and repr(train) == "Examples(60000 of shape (28, 28))"


def test_unpacked_once_and_read_only(mnist):
    """Else each access costs 0.1 s, or one user's scribble is the next one's data."""
    assert mnist.train is mnist.train and mnist.test is mnist.test
    for array in (mnist.train.images, mnist.train.labels, mnist.test.images, mnist.test.labels):
        assert array.flags.c_contiguous and not array.flags.writeable


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """MNIST's files, copied to a folder to be damaged there; `load("mnist")` reads them there."""
    shutil.copytree(VENDORED, tmp_path, dirs_exist_ok=True)
    monkeypatch.setitem(REGISTRY, "mnist", replace(REGISTRY["mnist"], folder=tmp_path))
    return tmp_path


@pytest.mark.parametrize("name", RAW_MD5)
def test_load_refuses_a_file_with_one_bit_changed(elsewhere, name):
    """Else a damaged or swapped file is trained on in silence, or found only after training."""
    content = bytearray((elsewhere / name).read_bytes())
    content[4] ^= 1  # gzip's date: the unpacked content and its CRC-32 stay as they are
    (elsewhere / name).write_bytes(content)
    with pytest.raises(data.DataError, match=rf"{name}: not the registered .* sha256 \w{{64}}, fo"):
        data.load("mnist")


def test_load_names_the_file_that_is_missing(elsewhere):
    """Else an incomplete folder is found only when the file is needed, after training."""
    (elsewhere / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(data.DataError, match=r"t10k-labels-idx1-ubyte.gz: cannot be read: No such"):
        data.load("mnist")


def test_load_lists_the_names_it_knows():
    """Else a mistyped name leaves the user to search the source."""
    with pytest.raises(data.DataError, match=r"unknown dataset 'minst': expected one of .*mnist"):
        data.load("minst")


def test_a_row_is_all_a_new_dataset_needs(tmp_path, write, monkeypatch):
    """Else "add a row" in the README is not enough, or load has MNIST's numbers built in."""
    images = write("images", np.arange(12).reshape(3, 2, 2))
    labels = write("labels", [2, 0, 1])
    files = tuple(
        data.registry.File(path.name, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in (images, labels)
    )
    row = data.registry.Source(tmp_path, (2, 2), 255.0, ("cat", "dog", "owl"), files, files, (3, 3))
    monkeypatch.setitem(REGISTRY, "pets", row)
    pets = data.load("pets")
    assert pets.test.images[2].tolist() == [[8, 9], [10, 11]]
    assert [pets.classes[label] for label in pets.train.labels] == ["owl", "cat", "dog"]


def test_examples_refuses_counts_that_disagree():
    """Else arrays of the user's own are cut to the shorter one without a word."""
    with pytest.raises(ValueError, match=r"one label per image: images .*\(3, 2, 2\), .*\(2,\)"):
        data.Examples(np.zeros((3, 2, 2), np.uint8), np.zeros(2, np.int64))


def test_all_is_what_the_package_exports():
    """Else a public name is missing from the list, or the list promises one that is not there."""
    modules = {
        *("cache", "datasets", "errors", "examples", "fetch", "files", "formats", "own"),
        *("registry", "stats"),
    }
    public = {name for name in vars(data) if not name.startswith("_")} - modules
    assert public == set(data.__all__)
    assert sorted(data.__all__) == data.__all__
    assert Path(data.__file__).with_name("py.typed").exists()
