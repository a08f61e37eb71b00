"""Labelled images from files: `load` for registered datasets, `read_examples` for any others.

`load` verifies every file before it returns, but unpacks a set only when it is first asked for:
MNIST takes 11 ms to verify, its training set 105 ms to unpack and its test set 17 (2 cores of a
Zen 5), and a program that only evaluates needs no training set.
"""

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.idx import DataError, PathLike, decode_idx, read_bytes
from data.registry import REGISTRY, File


@dataclass(frozen=True, eq=False, repr=False)
class Examples:
    """Images and their labels, row by row.

    `images` is (n, ...) and `labels` (n,); from `load` and `read_examples` they are uint8 and
    int64, both read-only. Labels are int64 although the files have uint8, in which the usual
    `10 * label + prediction` silently wraps at 256.

    Raises `ValueError` if there are not as many images as labels.

    >>> Examples(np.zeros((3, 28, 28), np.uint8), np.array([7, 2, 1]))
    Examples(3 of shape (28, 28))
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def __post_init__(self) -> None:
        if self.labels.shape != self.images.shape[:1]:
            raise ValueError(
                f"expected one label per image: images of shape {self.images.shape}, "
                f"labels of shape {self.labels.shape}"
            )

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        return f"Examples({len(self)} of shape {self.images.shape[1:]})"

    def take(self, index: NDArray[np.int64]) -> "Examples":
        """The examples at `index`, (k,) integers, in that order, copied.

        >>> examples = Examples(np.zeros((3, 28, 28), np.uint8), np.array([7, 2, 1]))
        >>> examples.take(np.array([2, 0])).labels
        array([1, 7])
        """
        return Examples(self.images.take(index, axis=0), self.labels.take(index))


@dataclass(frozen=True, eq=False)
class Dataset:
    """What `load` returns: `name`, `classes` (what each label is called), `train` and `test`."""

    name: str
    classes: tuple[str, ...]
    shape: tuple[int, ...]  # of one image
    scale: float  # what the images are divided by before a network reads them
    _train: tuple["_Content", "_Content"] = field(repr=False)
    _test: tuple["_Content", "_Content"] = field(repr=False)

    @cached_property
    def train(self) -> Examples:
        """The `Examples` to learn from, unpacked at the first access and kept."""
        return _decode_examples(*self._train, len(self.classes), self.shape)

    @cached_property
    def test(self) -> Examples:
        """The `Examples` to evaluate with, unpacked at the first access and kept."""
        return _decode_examples(*self._test, len(self.classes), self.shape)


def load(name: str, folder: PathLike | None = None) -> Dataset:
    """The dataset registered as `name`, its files verified by their SHA-256.

    `folder` is where its files lie, if not where the registry says. They must be the same files to
    the byte; `read_examples` reads others.

    Raises `DataError` if the name is unknown (the message lists those known), or if a file cannot
    be read or is not the one registered.

    >>> mnist = load("mnist")
    >>> mnist.train, mnist.test
    (Examples(60000 of shape (28, 28)), Examples(10000 of shape (28, 28)))
    >>> mnist.train.labels[:10]
    array([5, 0, 4, 1, 9, 2, 1, 3, 1, 4])
    """
    if name not in REGISTRY:
        raise DataError(f"unknown dataset {name!r}: expected one of {', '.join(sorted(REGISTRY))}")
    source = REGISTRY[name]
    where = source.folder if folder is None else Path(folder)
    images, labels = source.train
    test_images, test_labels = source.test
    return Dataset(
        name,
        source.classes,
        source.shape,
        source.scale,
        (_verified(where, images), _verified(where, labels)),
        (_verified(where, test_images), _verified(where, test_labels)),
    )


def read_examples(
    images: PathLike, labels: PathLike, classes: int = 10, shape: tuple[int, ...] = (28, 28)
) -> Examples:
    """The `Examples` in two IDX files of your own, gzipped or not.

    `images` holds uint8 of shape (n, *shape), `labels` integers from 0 up to `classes` - 1.

    Raises `DataError` if a file is not valid (see `read_idx`), if it holds anything else, or if the
    two disagree in n.

    >>> folder = Path(__file__).parent / "mnist"
    >>> read_examples(folder / "t10k-images-idx3-ubyte.gz", folder / "t10k-labels-idx1-ubyte.gz")
    Examples(10000 of shape (28, 28))
    """
    return _decode_examples(_read(images), _read(labels), classes, shape)


@dataclass(frozen=True)
class _Content:
    """A file in memory, still packed; the path is for messages."""

    path: PathLike
    content: bytes = field(repr=False)


def _read(path: PathLike) -> _Content:
    return _Content(path, read_bytes(path))


def _verified(folder: Path, file: File) -> _Content:
    read = _read(folder / file.name)
    found = hashlib.sha256(read.content).hexdigest()
    if found != file.sha256:
        raise DataError(
            f"{read.path}: not the registered file: expected sha256 {file.sha256}, found {found}"
        )
    return read


def _decode_examples(
    images_file: _Content, labels_file: _Content, classes: int, shape: tuple[int, ...]
) -> Examples:
    images = decode_idx(images_file.content, images_file.path)
    labels = decode_idx(labels_file.content, labels_file.path)
    if images.dtype != np.uint8 or images.ndim == 0 or images.shape[1:] != shape:
        raise DataError(
            f"{images_file.path}: expected uint8 images of shape {('n', *shape)}, "
            f"found {images.dtype} of shape {images.shape}"
        )
    if labels.dtype.kind not in "iu" or labels.ndim != 1:
        raise DataError(
            f"{labels_file.path}: expected integer labels of shape (n,), "
            f"found {labels.dtype} of shape {labels.shape}"
        )
    if len(images) != len(labels):
        raise DataError(
            f"expected one label per image, found {len(images)} images in {images_file.path} "
            f"and {len(labels)} labels in {labels_file.path}"
        )
    outside = np.flatnonzero((labels < 0) | (labels >= classes))
    if outside.size:
        first = outside[0]
        raise DataError(
            f"{labels_file.path}: expected labels from 0 to {classes - 1}, "
            f"found {labels[first]} at index {first} ({outside.size} such in all)"
        )
    labels = labels.astype(np.int64)
    labels.flags.writeable = False
    return Examples(images, labels)
