"""Splits examples for training: a validation set, and shuffled mini-batches of the rest.

All randomness comes from the seed or the generator that is passed in: the same one gives the same
result.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from data.datasets import Examples


def split(examples: Examples, validation: int, seed: int) -> tuple[Examples, Examples]:
    """A training set, and a validation set of `validation` examples drawn at random.

    Together they hold each example once, each in the order of the file, copied.

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
    return examples.take(np.flatnonzero(~chosen)), examples.take(np.flatnonzero(chosen))


def order(
    n: int, batch_size: int, generator: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The indices of one epoch, shuffled: whole batches, and the rest.

    The first array is (n // batch_size, batch_size), the second (n % batch_size,); together they
    hold each of 0 .. n - 1 once.

    Raises `ValueError` unless n and batch_size are at least 1.

    >>> whole, rest = order(60_000, 128, np.random.default_rng(0))
    >>> whole.shape, rest.shape
    ((468, 128), (96,))
    """
    if n < 1 or batch_size < 1:
        raise ValueError(f"expected n and batch_size of at least 1, found {n} and {batch_size}")
    index = generator.permutation(n)
    whole = n - n % batch_size
    return index[:whole].reshape(-1, batch_size), index[whole:]


def batches(
    examples: Examples, batch_size: int, generator: np.random.Generator, drop_last: bool = False
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.int64]]]:
    """One epoch of mini-batches in shuffled order: (images, labels), copied when asked for.

    The last batch is smaller where batch_size does not divide n, so that each example comes once;
    `drop_last` leaves it out. The order is drawn from `generator` at the call, as `order` draws it.

    Raises `ValueError` if `examples` is empty, if batch_size is below 1, or if `drop_last` would
    leave no batch.

    >>> examples = Examples(np.zeros((5, 28, 28), np.uint8), np.arange(5))
    >>> for images, labels in batches(examples, 2, np.random.default_rng(0)):
    ...     print(images.shape, labels.shape)
    (2, 28, 28) (2,)
    (2, 28, 28) (2,)
    (1, 28, 28) (1,)
    """
    whole, rest = order(len(examples), batch_size, generator)
    if drop_last and not len(whole):
        raise ValueError(
            f"drop_last: expected a batch_size of at most {len(examples)}, found {batch_size}"
        )
    partial = [rest] if len(rest) and not drop_last else []
    # No `yield` in this function: wrong arguments raise at the call, not at the first batch.
    parts = map(examples.take, [*whole, *partial])
    return ((part.images, part.labels) for part in parts)
