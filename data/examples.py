"""Labelled images, as many as one likes, and parts of them that copy nothing.

A million small images are a gigabyte, perhaps in a file that is mapped into memory. So a part of
them, as a training set is, is the whole arrays and the rows that belong to it; the images of a
batch are copied when `take` asks for them, and no others.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Examples", "digest", "pieces", "split"]

PIECE = 2**20  # elements: some megabytes, which stay in a processor's cache
Array = NDArray[Any]


def pieces(n: int, row: int) -> Iterator[slice]:
    """Slices of n rows of `row` elements each, one after the other, PIECE elements or one row."""
    step = max(1, PIECE // max(1, row))
    return (slice(start, start + step) for start in range(0, n, step))


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Examples:
    """Images and their labels, row by row: all rows of two arrays, or those that `rows` names.

    images: (n, *shape), from `load` uint8 or float32. labels: (n,), from `load` int64, although a
    file may have uint8, in which the usual `10 * label + prediction` silently wraps at 256. rows:
    (k,) integers, or None for all. Arrays from `load` are read-only.

    Raises `ValueError` if there are not as many images as labels.

    >>> whole = Examples(np.zeros((3, 28, 28), np.uint8), np.array([7, 2, 1]))
    >>> whole
    Examples(3 of shape (28, 28))
    >>> part = Examples(*whole.base, rows=np.array([0, 2]))
    >>> len(part), part.labels, part.base[0] is whole.images
    (2, array([7, 1]), True)
    """

    base: tuple[Array, NDArray[np.int64]]
    rows: NDArray[np.int64] | None

    def __init__(
        self, images: Array, labels: NDArray[np.int64], rows: NDArray[np.int64] | None = None
    ) -> None:
        if labels.shape != images.shape[:1]:
            raise ValueError(
                f"expected one label per image: images of shape {images.shape}, "
                f"labels of shape {labels.shape}"
            )
        object.__setattr__(self, "base", (images, labels))
        object.__setattr__(self, "rows", rows)

    @property
    def images(self) -> Array:
        """(n, *shape). Where `rows` is not None, a copy is made each time: prefer `take`."""
        return self._chosen(self.base[0])

    @property
    def labels(self) -> NDArray[np.int64]:
        """(n,). Where `rows` is not None, a copy is made each time."""
        return self._chosen(self.base[1])

    def _chosen(self, array: Array) -> Array:
        if self.rows is None:
            return array
        chosen = array.take(self.rows, axis=0)
        chosen.flags.writeable = False  # who writes to it means the dataset
        return chosen

    def __len__(self) -> int:
        return len(self.base[1] if self.rows is None else self.rows)

    def __repr__(self) -> str:
        return f"Examples({len(self)} of shape {self.base[0].shape[1:]})"

    def take(self, index: NDArray[np.int64]) -> "Examples":
        """The examples at `index`, (k,) integers, in that order, copied.

        Raises `IndexError` where there is no such example.

        >>> examples = Examples(np.zeros((3, 28, 28), np.uint8), np.array([7, 2, 1]))
        >>> examples.take(np.array([2, 0])).labels
        array([1, 7])
        """
        rows = index if self.rows is None else self.rows.take(index)
        images, labels = self.base
        return Examples(images.take(rows, axis=0), labels.take(rows))


def split(examples: Examples, validation: int, seed: int) -> tuple[Examples, Examples]:
    """A training set, and a validation set of `validation` examples drawn at random.

    Together they hold each example once, each in the order of the file, and nothing is copied.

    Raises `ValueError` unless `validation` is a whole number from 0 to len(examples) - 1.

    >>> examples = Examples(np.zeros((5, 28, 28), np.uint8), np.arange(5))
    >>> training, validation = split(examples, 2, seed=0)
    >>> training, validation
    (Examples(3 of shape (28, 28)), Examples(2 of shape (28, 28)))
    """
    n = len(examples)
    if validation not in range(n):  # nor is a fraction
        raise ValueError(
            f"validation: expected a count, 0 or more and below the {n} examples there are, "
            f"found {validation}"
        )
    chosen = np.zeros(n, dtype=bool)
    chosen[np.random.default_rng(seed).permutation(n)[:validation]] = True
    return _part(examples, ~chosen), _part(examples, chosen)


def _part(examples: Examples, chosen: NDArray[np.bool_]) -> Examples:
    index = np.flatnonzero(chosen)
    rows = index if examples.rows is None else examples.rows[index]
    rows.flags.writeable = False
    return Examples(*examples.base, rows=rows)


def digest(examples: Examples) -> str:
    """The SHA-256 of the images' bytes, row by row, and then of the labels as little-endian uint16.

    Two sets have the same digest if and only if they have the same images, bit for bit, and labels
    in the same order. Images of several bytes an element count as little-endian.

    >>> digest(Examples(np.zeros((3, 28, 28), np.uint8), np.array([7, 2, 1])))[:8]
    '559458c6'
    """
    images = examples.base[0]
    found = hashlib.sha256()
    little = images.dtype.newbyteorder("<")
    for piece in pieces(len(examples), images[:1].size):
        rows = images[piece] if examples.rows is None else images.take(examples.rows[piece], axis=0)
        found.update(np.ascontiguousarray(rows, little).data.cast("B"))
    found.update(examples.labels.astype("<u2").tobytes())
    return found.hexdigest()
