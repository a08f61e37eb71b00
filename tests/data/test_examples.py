"""What `Examples` and `split` promise: nothing lost, nothing twice, nothing copied."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import data


def numbered(n):
    """n examples that can be told apart: image and label i both hold i."""
    images = np.arange(n, dtype=np.uint8).repeat(4).reshape(n, 2, 2)
    return data.Examples(images, np.arange(n))


def paired(images, labels):
    return bool((images == labels[:, None, None]).all())


sizes = st.integers(1, 200)
seeds = st.integers(0, 2**32 - 1)


@given(n=sizes, part=st.integers(min_value=0), seed=seeds)
def test_split_is_disjoint_and_complete(n, part, seed):
    """Else training sees validation examples, or examples vanish, or labels change owner."""
    validation = part % n
    parts = data.split(numbered(n), validation, seed)
    assert [len(part) for part in parts] == [n - validation, validation]
    assert sorted(np.concatenate([part.labels for part in parts]).tolist()) == list(range(n))
    assert all(type(part) is data.Examples for part in parts)
    assert all(paired(part.images, part.labels) for part in parts)
    assert all((np.diff(part.labels) > 0).all() for part in parts)  # in the order of the file


def test_split_follows_its_seed():
    """Else a run cannot be repeated, or every seed validates on the same examples."""
    chosen = [data.split(numbered(200), 50, seed)[1].labels.tolist() for seed in (1, 1, 2)]
    assert chosen[0] == chosen[1] != chosen[2]
    assert chosen[0] != list(range(150, 200))  # drawn, not the tail


@pytest.mark.parametrize("validation", [-1, 5, 6, 0.1])
def test_split_refuses_bad_sizes(validation):
    """Else a negative count or a fraction makes a split that nobody asked for."""
    message = rf"0 or more and below the 5 examples there are, found {validation}"
    with pytest.raises(ValueError, match=message):
        data.split(numbered(5), validation, seed=0)


def test_split_copies_nothing_and_splits_again():
    """Else a million images are in memory twice, or a part of a part is of other rows."""
    whole = numbered(50)
    training, validation = data.split(whole, 20, seed=0)
    again, rest = data.split(training, 10, seed=0)
    for part in (training, validation, again, rest):
        assert part.base[0] is whole.images and part.base[1] is whole.labels
        assert paired(part.images, part.labels)
    labels = [part.labels for part in (again, rest, validation)]
    assert sorted(np.concatenate(labels).tolist()) == list(range(50))


def test_take_counts_within_a_part():
    """Else a batch of the training set has examples to validate with."""
    training, _ = data.split(numbered(50), 20, seed=0)
    batch = training.take(np.array([3, 0, -1]))
    assert batch.labels.tolist() == training.labels[[3, 0, -1]].tolist()
    assert paired(batch.images, batch.labels) and batch.rows is None
    with pytest.raises(IndexError):
        training.take(np.array([30]))


def test_a_batch_is_a_copy_to_write_to_and_a_part_is_not():
    """Else augmenting a batch in place changes the dataset, or is a change that nobody sees."""
    examples, _ = data.split(numbered(6), 2, seed=0)
    batch = examples.take(np.arange(4))
    assert not np.shares_memory(batch.images, examples.base[0])
    assert batch.images.flags.writeable and batch.labels.flags.writeable
    assert not examples.images.flags.writeable and not examples.labels.flags.writeable
