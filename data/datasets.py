"""A dataset by its name or from files of one's own: `load`, and what it gives.

A registered dataset is verified file by file before `load` returns, but a set of it is unpacked
only when it is first asked for: MNIST takes 11 ms to verify, its training set 105 ms to unpack and
its test set 17 (2 cores of a Zen 5), and a program that only evaluates needs no training set.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from data.cache import difference, missing, place, remedy
from data.errors import DataError
from data.examples import Examples, digest
from data.files import reason
from data.formats import PathLike, read
from data.formats.idx import decode_idx
from data.own import assemble, fitted
from data.registry import REGISTRY, File, Source


@dataclass(frozen=True, eq=False)
class Dataset:
    """What `load` returns: labelled examples to train and to test with, and what they are.

    shape: of one example, (28, 28), or (64,) of a table's columns, or (8, 8, 3) in colour.
    classes: classes[label] is what people call it. scale: what the entries are divided by before a
    network reads them, so that they are between -1 and 1.
    """

    name: str
    shape: tuple[int, ...]
    classes: tuple[str, ...]
    scale: float
    _source: dict[str, Any] = field(repr=False)
    _read: Callable[[str], Examples] = field(repr=False)
    _known: dict[str, dict[str, Any]] | None = field(default=None, repr=False)

    @cached_property
    def train(self) -> Examples:
        """The `Examples` to learn from, unpacked at the first access and kept."""
        return self._read("train")

    @cached_property
    def test(self) -> Examples:
        """The `Examples` to evaluate with, unpacked at the first access and kept."""
        return self._read("test")

    def describe(self) -> dict[str, Any]:
        """What this is, as JSON: name, shape, classes, scale; of each split the count and `digest`;
        and the source, by which `load` gives it again.

        The digests of a registered dataset are known; others read all examples, once.

        >>> found = load("mnist").describe()
        >>> found["name"], found["shape"], found["scale"], found["splits"]["test"]["count"]
        ('mnist', [28, 28], 255.0, 10000)
        >>> source = found["source"]
        >>> load(*source.pop("source"), **source).name
        'mnist'
        """
        return {
            "name": self.name,
            "shape": list(self.shape),
            "classes": list(self.classes),
            "splits": {split: dict(known) for split, known in self._splits.items()},
            "scale": self.scale,
            "source": {**self._source, "source": list(self._source["source"])},
        }

    @cached_property
    def _splits(self) -> dict[str, dict[str, Any]]:
        if self._known:
            return self._known
        return {
            split: {"count": len(examples), "sha256": digest(examples)}
            for split, examples in (("train", self.train), ("test", self.test))
        }


def load(
    *source: PathLike,
    label: str | int | None = None,
    size: tuple[int, int] | None = None,
    held_out: float = 0.2,
    seed: int = 0,
) -> Dataset:
    """A dataset: a registered one by its name, or one made of files of your own.

    - `load("mnist")`: one that is registered. Its files are verified by their SHA-256; those of
      fashion-mnist and kmnist are fetched the first time.
    - `load("digits.csv", label="target")`: a table with a row for each example. `label` is the
      column of the labels, by its name or its place, from 0 or, counted from the end, -1; without
      it, the last one.
    - `load("digits.npz")`: arrays named x_train, y_train, x_test and y_test; or x and y, images and
      labels, data and target.
    - `load("pictures", size=(8, 8))`: a folder with a folder of pictures for each class; or with
      two such, train and test. Pictures are resized to `size`; without it, all must be of one.
    - `load(images, labels)` and `load(images, labels, test_images, test_labels)`: IDX files.

    Numbers that are whole and from 0 to 255 are uint8, others float32. Columns are laid out by
    `size`, (height, width). Where there are no test examples, the share `held_out` of each class,
    at least one and not all, is drawn by `seed` to be those.

    Raises `DataError` where the files are not there, or are not what this says.

    >>> mnist = load("mnist")
    >>> mnist.train, mnist.test
    (Examples(60000 of shape (28, 28)), Examples(10000 of shape (28, 28)))
    >>> mnist.train.labels[:10]
    array([5, 0, 4, 1, 9, 2, 1, 3, 1, 4])
    """
    size = _checked(label, size, held_out, seed)
    options = {"label": label, "size": size and list(size), "held_out": held_out, "seed": seed}
    names = [each for each in source if isinstance(each, str) and each in REGISTRY]
    if names and len(source) == 1:
        return _registered(names[0], options)
    if names and not os.path.lexists(names[0]):
        raise DataError(f"expected one dataset, found {names[0]} and {len(source) - 1} more")
    return _own(source, options)


def _checked(
    label: str | int | None, size: tuple[int, int] | None, held_out: float, seed: int
) -> tuple[int, int] | None:
    """The size as a tuple, whatever sequence it is. Raises DataError for options that make no
    sense."""
    if label is not None and not isinstance(label, str | int):
        raise DataError(f"label: expected a column's name or place, found {label!r}")
    if not isinstance(held_out, int | float) or not 0 < held_out < 1:
        raise DataError(f"held_out: expected a share between 0 and 1, found {held_out!r}")
    if not isinstance(seed, int) or seed < 0:
        raise DataError(f"seed: expected a whole number, 0 or more, found {seed!r}")
    if size is None:
        return None
    found = tuple(size) if isinstance(size, tuple | list) else ()
    if len(found) != 2 or not all(isinstance(n, int) and n > 0 for n in found):
        raise DataError(f"size: expected (height, width) of at least 1 each, found {size!r}")
    return found[0], found[1]


def _own(source: tuple[PathLike, ...], options: dict[str, Any]) -> Dataset:
    if len(source) == 1 and not os.path.lexists(source[0]) and Path(source[0]).name == source[0]:
        known = ", ".join(sorted(REGISTRY))
        raise DataError(
            f"unknown dataset {source[0]!r}: expected one of {known}, or a file or folder; "
            "there is none of that name"
        )
    size = options["size"] and tuple(options["size"])
    parts = read(source, options["label"], size)
    train, test, classes, scale = assemble(parts, size, options["held_out"], options["seed"])
    return Dataset(
        _name(source[0]),
        train.base[0].shape[1:],
        classes,
        scale,
        {"source": [os.path.abspath(path) for path in source], **options},
        {"train": train, "test": test}.__getitem__,
    )


def _name(path: PathLike) -> str:
    """What data of one's own is called: its folder's name, or its file's without what tells the
    format; as `DataError` shows names, for it is printed and drawn."""
    base = os.path.basename(os.path.abspath(path))
    if not os.path.isdir(path):
        base = os.path.splitext(base.removesuffix(".gz"))[0]
    return str(DataError(base))


def _registered(name: str, options: dict[str, Any]) -> Dataset:
    source = REGISTRY[name]
    if options["label"] is not None:
        raise DataError(f"label: expected none for {name}, found {options['label']!r}: "
                        "it names a column of a CSV file")  # fmt: skip
    fitted(source.shape, options["size"] and tuple(options["size"]), name)
    folder = place(name)
    if missing(name):
        from data.fetch import fetch  # here: to read what is there needs no HTTP

        fetch(name)
    files = {
        split: [_verified(folder / file.name, file, name) for file in pair]
        for split, pair in (("train", source.train), ("test", source.test))
    }
    known = {
        split: {"count": count, "sha256": sha256}
        for split, count, sha256 in zip(files, source.counts, source.digests, strict=False)
    }
    return Dataset(
        name,
        source.shape,
        source.classes,
        source.scale,
        {"source": [name], **options},
        lambda split: _decoded(source, *files[split]),
        known,
    )


@dataclass(frozen=True)
class _Content:
    """A file in memory, still packed; the path is for messages."""

    path: Path
    content: bytes = field(repr=False)


def _verified(path: Path, file: File, name: str) -> _Content:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {reason(error)}") from error
    if wrong := difference(content, file):
        raise DataError(f"{path}: {wrong}: {remedy(name)}")
    return _Content(path, content)


def _decoded(source: Source, images_file: _Content, labels_file: _Content) -> Examples:
    """A set of a registered dataset, held against its row."""
    images = decode_idx(images_file.content, images_file.path)
    labels = decode_idx(labels_file.content, labels_file.path)
    if images.dtype != np.uint8 or images.shape[1:] != source.shape:
        raise DataError(
            f"{images_file.path}: expected uint8 images of shape {('n', *source.shape)}, "
            f"found {images.dtype} of shape {images.shape}"
        )
    last = len(source.classes) - 1
    if labels.dtype != np.uint8 or labels.shape != images.shape[:1] or labels.max() > last:
        raise DataError(
            f"{labels_file.path}: expected {len(images)} labels from 0 to {last}, "
            f"found {labels.dtype} of shape {labels.shape} up to {labels.max()}"
        )
    labels = labels.astype(np.int64)
    labels.flags.writeable = False
    return Examples(images, labels)
