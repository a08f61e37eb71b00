"""What a dataset of one's own is, whatever it was read from: types, classes, test set, scale."""

import hashlib
import json
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import data
from data.formats import Raw
from data.own import assemble, class_order
from tests.data.written import idx_pair, pictures, table, whole


def made(images, labels, *test, held_out=0.2, seed=0, size=None):
    parts = [Raw(np.asarray(images), np.asarray(labels), "images", "labels")]
    if test:
        parts.append(Raw(*map(np.asarray, test), "test images", "test labels"))
    return assemble(parts, size, held_out, seed)


def test_a_pair_of_idx_files(tmp_path):
    """Else own files cannot be read, or shape and classes are not theirs to say."""
    images = np.arange(120, dtype=np.uint8).reshape(6, 5, 4)
    mine = data.load(*idx_pair(tmp_path, images, np.uint8([7, 3, 7, 3, 3, 7])))
    assert (mine.name, mine.shape, mine.classes) == ("images", (5, 4), ("3", "7"))
    found, labels = whole(mine)
    assert np.array_equal(found, images) and labels.tolist() == [1, 0, 1, 0, 0, 1]
    assert (len(mine.train), len(mine.test)) == (4, 2)
    for part in (mine.train, mine.test):
        assert part.images.dtype == np.uint8 and part.labels.dtype == np.int64
        assert not part.images.flags.writeable and not part.labels.flags.writeable


def test_two_pairs_of_idx_files(tmp_path):
    """Else the test set is drawn from training examples although there is one."""
    train = idx_pair(tmp_path, np.full((4, 2, 2), 9, np.uint8), np.uint8([0, 1, 0, 1]))
    test = idx_pair(tmp_path, np.full((1, 2, 2), 8, np.uint8), np.uint8([1]), "test-")
    mine = data.load(*train, *test)
    assert (len(mine.train), len(mine.test), mine.scale) == (4, 1, 9.0)
    assert mine.train.rows is None and mine.test.labels.tolist() == [1]


@given(place=st.integers(0, 43), byte=st.integers(0, 255), cut=st.booleans())
def test_a_damaged_pair_is_read_or_refused(place, byte, cut):
    """Else damage ends in a traceback."""
    with tempfile.TemporaryDirectory() as folder:
        images = np.arange(16, dtype=np.uint8).reshape(4, 2, 2)
        paths = idx_pair(folder, images, np.uint8([0, 0, 1, 1]))
        sound = b"".join(path.read_bytes() for path in paths)
        assert len(sound) == 44
        damaged = bytearray(sound)
        damaged[place] = byte
        damaged = damaged[:place] if cut else damaged
        paths[0].write_bytes(damaged[:32])
        paths[1].write_bytes(damaged[32:])
        try:
            data.load(*paths)
        except data.DataError as error:
            assert str(error).isprintable()


# --- numbers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["?", "u1", "i1", "i2", ">i4", "i8", "u8", "f2", ">f4", "f8"])
def test_whole_numbers_of_a_byte_are_bytes(dtype):
    """Else a float64 file of pixels takes eight times the memory, or equal files train apart."""
    train, test, _, scale = made(np.array([[0, 1], [1, 0]] * 2, dtype), [0, 0, 1, 1])
    assert train.images.dtype == np.uint8 and scale == 1.0
    assert sorted(whole_rows(train, test)) == [[0, 1], [0, 1], [1, 0], [1, 0]]


def whole_rows(train, test):
    return [*train.images.tolist(), *test.images.tolist()]


@pytest.mark.parametrize("odd", [0.5, -1.0, 256.0, 1e30])
def test_other_numbers_are_float32(odd):
    """Else they are cut to a byte."""
    train, test, _, _ = made(np.array([[odd, 255], [1, 0]] * 2), [0, 0, 1, 1])
    assert train.images.dtype == test.images.dtype == np.float32
    assert np.float32(odd) in whole_rows(train, test)[0] + whole_rows(train, test)[1]


def test_train_and_test_are_of_one_type():
    """Else a batch of one has another dtype than one of the other, and a step is traced anew."""
    train, test, _, _ = made(np.ones((2, 3), np.uint8), [0, 1], np.full((1, 3), 0.5), [0])
    assert train.images.dtype == test.images.dtype == np.float32


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf, 1e39])
def test_what_is_no_finite_number_is_named_with_its_example(odd):
    """Else the first loss is NaN, and nobody knows by what."""
    images = np.ones((5, 2, 2))
    images[3, 1, 0] = odd
    with pytest.raises(data.DataError, match=r"images: expected finite.*in example 3, counted fr"):
        made(images, [0, 0, 1, 1, 1])


@pytest.mark.parametrize(
    "images", [np.ones(4), np.ones((4, 0)), np.ones((0, 4)), np.ones((4, 2), complex),
               np.array([["a"]] * 4)]
)  # fmt: skip
def test_what_is_no_images_is_refused(images):
    with pytest.raises(data.DataError, match=r"images: expected images of shape"):
        made(images, [0, 0, 1, 1])


def test_grey_has_no_axis_of_its_own():
    """Else a picture of Keras's shape is of another shape than the same picture in a file."""
    train, _, _, _ = made(np.ones((4, 3, 2, 1)), [0, 0, 1, 1])
    assert train.images.shape[1:] == (3, 2)


def test_size_lays_out_columns_and_nothing_else():
    """Else a table cannot be drawn, or pictures of an array are cut up."""
    train, _, _, _ = made(np.ones((4, 6)), [0, 0, 1, 1], size=(2, 3))
    assert train.images.shape[1:] == (2, 3)
    assert made(np.ones((4, 2, 3)), [0, 0, 1, 1], size=(2, 3))[0].images.shape[1:] == (2, 3)
    for images in (np.ones((4, 7)), np.ones((4, 3, 2))):
        with pytest.raises(data.DataError, match=r"size: expected a height and a width .*resized"):
            made(images, [0, 0, 1, 1], size=(2, 3))


def test_the_scale_is_the_greatest_of_the_training_images():
    """Else a network reads numbers beyond 1, or the test set has told what it holds."""
    assert made([[3.0, -7.5], [1, 2]], [0, 1], [[99.0, 0]], [0])[3] == 7.5
    assert made([[0, 0], [0, 0]], [0, 1], [[9, 0]], [0])[3] == 1.0
    assert made([[200, 0], [0, 0]], [0, 1], [[9, 0]], [0])[3] == 200.0


def test_the_scale_is_of_the_rows_to_train_with():
    images = np.arange(100).reshape(100, 1)
    drawn = [made(images, np.arange(100) % 2, held_out=0.5, seed=seed) for seed in range(5)]
    assert all(scale == train.images.max() for train, _, _, scale in drawn)
    assert min(scale for _, _, _, scale in drawn) < 99


# --- labels ---------------------------------------------------------------------------------------


def test_classes_are_sorted_as_people_do():
    """Else class 10 comes before 9."""
    assert class_order(["10", "9", "-1", "0.5"]) == ["-1", "0.5", "9", "10"]
    assert class_order(["10", "9", "cat"]) == ["10", "9", "cat"]
    assert class_order(["nan", "2", "10"]) == ["10", "2", "nan"]


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        ([26, 1, 26, 1], ("1", "26")),
        ([-1, 1, -1, 1], ("-1", "1")),
        (["b", "a", "b", "a"], ("a", "b")),
        ([True, False] * 2, ("False", "True")),
        (np.array([2**63 + 1, 3] * 2, np.uint64), ("3", str(2**63 + 1))),
    ],
)
def test_labels_become_places_of_their_names(labels, classes):
    train, test, found, _ = made(np.ones((4, 1)), labels)
    assert found == classes
    names = [found[label] for label in train.base[1]]
    assert names == [str(label) for label in np.asarray(labels).tolist()]
    assert train.base[1] is test.base[1]


def test_a_label_that_was_not_learned_is_refused():
    """Else the test set asks for a class that no output stands for."""
    with pytest.raises(data.DataError, match=r"test labels: .*found 'c': add examples"):
        made(np.ones((2, 1)), ["a", "b"], np.ones((2, 1)), ["c", "a"])


def test_a_test_set_need_not_have_every_class():
    assert made(np.ones((2, 1)), ["a", "b"], np.ones((1, 1)), ["b"])[1].labels.tolist() == [1]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.ones(4), r"labels: expected labels of shape \(n,\), integers or texts, found float64"),
        (np.ones((4, 1), int), r"labels: expected labels of shape \(n,\), .*shape \(4, 1\)"),
        (np.array(1), r"labels: expected labels of shape \(n,\)"),
        ([0, 1, 0], r"expected one label per image, found 4 images in images and 3 labels in lab"),
        (["a", "", "a", ""], r"labels: expected a class to have a name to print, found ''"),
        (
            ["a", "\x1b[2J", "a", "a"],
            r"labels: expected a class to have a name to print, found '.x",
        ),
    ],
)
def test_labels_that_are_none_are_refused(labels, message):
    with pytest.raises(data.DataError, match=message):
        made(np.ones((4, 2)), labels)


def test_more_classes_than_a_digest_can_write_are_refused():
    """Else labels wrap at 65,536, and two datasets have one digest."""
    labels = np.arange(2**16 + 1).repeat(2)
    with pytest.raises(data.DataError, match=r"at most 65,536 classes, found 65,537"):
        made(np.ones((len(labels), 1), np.uint8), labels)
    made(np.ones((len(labels) - 2, 1), np.uint8), labels[:-2])


# --- the test set that is drawn -------------------------------------------------------------------


@given(
    counts=st.lists(st.integers(2, 40), min_size=1, max_size=6),
    share=st.floats(0.001, 0.999),
    seed=st.integers(0, 2**64),
)
def test_a_share_of_each_class_is_held_out(counts, share, seed):
    """Else a class is never learned or never tested, or an example is in both sets."""
    labels = np.arange(len(counts)).repeat(counts)
    labels = labels[np.random.default_rng(0).permutation(len(labels))]
    images = np.arange(len(labels)).reshape(-1, 1)
    train, test, _, _ = made(images, labels, held_out=share, seed=seed)
    assert sorted([*train.rows.tolist(), *test.rows.tolist()]) == list(range(len(labels)))
    assert (np.diff(train.rows) > 0).all() and (np.diff(test.rows) > 0).all()
    held = np.bincount(test.labels, minlength=len(counts))
    for n, out in zip(counts, held.tolist(), strict=True):
        assert 1 <= out <= n - 1
        assert abs(out - share * n) <= 0.5 or out in (1, n - 1)


def test_the_test_set_follows_its_seed():
    """Else a run cannot be repeated with another NumPy, or each seed tests on the same examples.

    The rows are written down: they are drawn by numbers that NumPy promises never to change.
    """
    labels = np.zeros(10, int)
    drawn = [made(np.ones((10, 1)), labels, held_out=0.3, seed=seed)[1].rows.tolist()
             for seed in (0, 0, 1)]  # fmt: skip
    assert drawn[0] == drawn[1] == [1, 2, 3]
    assert drawn[2] != drawn[0]


def test_a_class_of_one_example_is_refused():
    """Else it is in one of the sets alone."""
    with pytest.raises(
        data.DataError, match=r"labels: .* found one of 'b', 'c': add examples, leave"
    ):
        made(np.ones((4, 1)), ["a", "b", "a", "c"])
    assert made(np.ones((2, 1)), ["a", "b"], np.ones((1, 1)), ["b"])  # which has a test set


# --- describe -------------------------------------------------------------------------------------


def test_describe_says_what_it_is_and_gives_it_again(tmp_path, monkeypatch):
    """Else a run's folder does not know what it was trained on."""
    rows = [[i, 7.5, "ab"[i % 2]] for i in range(10)]
    table(tmp_path / "t.csv", rows, ["x", "y", "kind"])
    monkeypatch.chdir(tmp_path)
    mine = data.load("t.csv", label="kind", size=(1, 2), held_out=0.4, seed=3)
    found = json.loads(json.dumps(mine.describe()))
    assert found.pop("splits")["test"]["count"] == 4
    source = found.pop("source")
    assert found == {"name": "t", "shape": [1, 2], "classes": ["a", "b"], "scale": 8.0}
    assert source["source"] == [str(tmp_path / "t.csv")]
    monkeypatch.chdir("/")
    again = data.load(*source.pop("source"), **source)
    assert again.describe() == mine.describe()


@pytest.mark.parametrize("dtype", ["u1", "<f4"])
def test_the_digest_is_of_the_bytes_of_images_and_then_labels(tmp_path, dtype):
    """Else another program cannot compute it."""
    images = np.arange(40).reshape(10, 2, 2).astype(dtype) + (0.5 if dtype == "<f4" else 0)
    np.savez(tmp_path / "d.npz", x=images.astype(dtype), y=np.array([300, 5] * 5))
    mine = data.load(tmp_path / "d.npz")
    for name, part in (("train", mine.train), ("test", mine.test)):
        content = part.images.astype(dtype).tobytes() + part.labels.astype("<u2").tobytes()
        expected = {"count": len(part), "sha256": hashlib.sha256(content).hexdigest()}
        assert mine.describe()["splits"][name] == expected


def test_the_digests_of_mnist_are_known(monkeypatch):
    """Else each run unpacks and hashes all of MNIST to write its config, or writes another's."""
    mnist = data.load("mnist")
    known = mnist.describe()["splits"]
    assert "train" not in vars(mnist)  # which unpacks it
    for split in ("train", "test"):
        part = getattr(mnist, split)
        assert known[split] == {"count": len(part), "sha256": data.examples.digest(part)}


# --- what is handed to load -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"held_out": 0}, "held_out: expected a share between 0 and 1, found 0"),
        ({"held_out": 1.0}, "held_out: "),
        ({"held_out": float("nan")}, "held_out: "),
        ({"held_out": "0.2"}, "held_out: "),
        ({"seed": -1}, "seed: expected a whole number, 0 or more, found -1"),
        ({"seed": 0.5}, "seed: "),
        ({"size": (0, 3)}, r"size: expected \(height, width\) of at least 1 each, found \(0, 3\)"),
        ({"size": (3,)}, "size: "),
        ({"size": (2.5, 2)}, "size: "),
        ({"size": 28}, "size: "),
        ({"label": 1.5}, "label: "),
    ],
)
def test_options_that_make_no_sense_are_refused(options, message):
    with pytest.raises(data.DataError, match=message):
        data.load("mnist", **options)


def test_options_of_other_sources_are_refused(tmp_path):
    """Else they are ignored, and the user believes otherwise."""
    with pytest.raises(data.DataError, match="label: expected none for mnist"):
        data.load("mnist", label="y")
    with pytest.raises(data.DataError, match="size: expected a height and a width"):
        data.load("mnist", size=(8, 8))
    assert data.load("mnist", size=(28, 28)).shape == (28, 28)
    pair = idx_pair(tmp_path, np.ones((4, 2), np.uint8), np.uint8([0, 0, 1, 1]))
    with pytest.raises(data.DataError, match="label: only a CSV file has columns"):
        data.load(*pair, label="y")


CONTENTS = {
    "empty": (b"", "an empty file"),
    "idx": (b"\0\0\x08\x01\0\0\0\x01a", "found IDX: give two files"),
    "gzip": (b"\x1f\x8b\x08", "found gzip: unpack it"),
    "npy": (b"\x93NUMPY\x01\0", "found one array: save both together, by np.savez"),
    "pickle": (b"\x80\x04K\x01.", "found a pickle, which could run any program"),
    "png": (b"\x89PNG\r\n", "found one picture: give a folder"),
    "noise": (b"\xff\xfe1\0,\0", "expected text in UTF-8"),
}


@pytest.mark.parametrize("name", CONTENTS)
def test_files_of_another_kind_are_named(tmp_path, name):
    """Else a user does not learn what is expected instead."""
    content, message = CONTENTS[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(data.DataError, match=message) as caught:
        data.load(tmp_path / name)
    assert str(caught.value).startswith(f"{tmp_path / name}: ")


def test_what_is_not_there_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path, message in {
        "digits.csv": "unknown dataset 'digits.csv': expected one of .*, or a file or folder",
        "./digits.csv": "digits.csv: cannot be read: No such file",
        "./a\0b": "cannot be read: embedded null byte",
    }.items():
        with pytest.raises(data.DataError, match=message):
            data.load(path)
    for source in ((), ("a", "b", "c"), tuple("abcde")):
        with pytest.raises(data.DataError, match=f"found {len(source)} names"):
            data.load(*source)


def test_a_name_stands_before_a_file_of_that_name(tmp_path, monkeypatch):
    """Else a folder that happens to be called mnist is trained on."""
    monkeypatch.chdir(tmp_path)
    pictures(tmp_path / "mnist", {"a": [np.zeros((2, 2), np.uint8)] * 2})
    assert data.load("mnist").shape == (28, 28)
    assert data.load("./mnist").shape == data.load(Path("mnist")).shape == (2, 2)


@pytest.mark.skipif(os.name == "nt", reason="names are texts there")
def test_a_message_is_one_line_that_prints(tmp_path):
    """Else a name steers the terminal that shows it, or cannot be shown at all."""
    path = os.fsdecode(bytes(tmp_path) + b"/a\nb\x1b[2J\xff")
    with pytest.raises(data.DataError, match=r"a\\nb\\x1b\[2J\\udcff: cannot be read") as caught:
        data.load(path)
    assert str(caught.value).isprintable()
