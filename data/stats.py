"""What there is to know of a dataset before a network learns it: `python -m data stats`.

Images are read in pieces, for they may be more than memory holds.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.datasets import Dataset
from data.examples import Examples, pieces


@dataclass(frozen=True)
class Numbers:
    """The entries of some examples, as they lie in memory: not yet divided by the scale."""

    dtype: str
    mean: float
    std: float
    minimum: float
    maximum: float


def numbers(examples: Examples) -> Numbers:
    """Mean, standard deviation and range of the entries of examples; nan where there are none.

    >>> numbers(Examples(np.array([[0, 255], [255, 0]], np.uint8), np.array([0, 1])))
    Numbers(dtype='uint8', mean=127.5, std=127.5, minimum=0.0, maximum=255.0)
    """
    dtype = examples.base[0].dtype.name
    count = len(examples) * _entries(examples)
    if not count:
        return Numbers(dtype, *[math.nan] * 4)
    mean = sum(float(piece.sum(dtype=np.float64)) for piece in _images(examples)) / count
    # A sum of squares of what is left without the mean: nothing is lost where that is large.
    square = sum(float(np.square(piece - np.float64(mean)).sum()) for piece in _images(examples))
    lowest = min(float(piece.min()) for piece in _images(examples))
    highest = max(float(piece.max()) for piece in _images(examples))
    return Numbers(dtype, mean, math.sqrt(square / count), lowest, highest)


def class_counts(examples: Examples, classes: int) -> list[int]:
    """How many examples there are of each class.

    >>> class_counts(Examples(np.zeros((3, 2)), np.array([2, 0, 2])), 4)
    [1, 0, 2, 0]
    """
    found: list[int] = np.bincount(examples.labels, minlength=classes).tolist()
    return found


@dataclass(frozen=True)
class Duplicates:
    """How many examples have the bytes of another, whatever the labels are."""

    train: int  # training examples that came before in the training set
    test: int  # test examples that came before in the test set
    shared: int  # test examples that are in the training set too: to know them proves nothing


def duplicates(dataset: Dataset) -> Duplicates:
    """How many of a dataset's examples are there more than once."""
    train, test = _hashes(dataset.train), _hashes(dataset.test)
    known = set(train)
    return Duplicates(
        len(train) - len(known), len(test) - len(set(test)), sum(each in known for each in test)
    )


def _hashes(examples: Examples) -> list[int]:
    # Of 64 bits: in a million images, two that differ have one hash in a dataset out of 10**7.
    return [hash(image.tobytes()) for piece in _images(examples) for image in piece]


def _images(examples: Examples) -> Iterator[NDArray[Any]]:
    index = np.arange(len(examples))
    for piece in pieces(len(index), _entries(examples)):
        yield examples.take(index[piece]).images


def _entries(examples: Examples) -> int:
    """Of one example."""
    return math.prod(examples.base[0].shape[1:])
