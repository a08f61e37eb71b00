"""What `split`, `order` and `batches` promise: nothing lost, nothing twice, the same by seed."""

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


@given(n=sizes, batch_size=sizes, seed=seeds)
def test_order_holds_each_index_once(n, batch_size, seed):
    """Else an epoch skips examples or repeats them."""
    whole, rest = data.order(n, batch_size, np.random.default_rng(seed))
    assert whole.shape == (n // batch_size, batch_size) and rest.shape == (n % batch_size,)
    assert sorted([*whole.ravel().tolist(), *rest.tolist()]) == list(range(n))


@given(n=sizes, batch_size=sizes, seed=seeds)
def test_batches_follow_order_and_keep_labels_with_images(n, batch_size, seed):
    """Else the loop trains on another order than the compiled one, or on mixed-up labels."""
    found = list(data.batches(numbered(n), batch_size, np.random.default_rng(seed)))
    assert all(paired(images, labels) for images, labels in found)
    whole, rest = data.order(n, batch_size, np.random.default_rng(seed))
    expected = [*whole.tolist(), rest.tolist()] if len(rest) else whole.tolist()
    assert [labels.tolist() for _, labels in found] == expected


def test_drop_last_leaves_out_the_smaller_batch_alone():
    """Else a compiled step meets a second shape, or loses a whole batch."""

    def lengths(n, drop_last):
        epoch = data.batches(numbered(n), 4, np.random.default_rng(0), drop_last=drop_last)
        return [len(labels) for _, labels in epoch]

    assert lengths(10, drop_last=False) == [4, 4, 2]
    assert lengths(10, drop_last=True) == [4, 4]
    assert lengths(8, drop_last=False) == lengths(8, drop_last=True) == [4, 4]


def test_epochs_differ_and_repeat_with_the_generator():
    """Else every epoch has one order, or the same seed gives another run."""
    one, two = np.random.default_rng(3), np.random.default_rng(3)
    first, second = data.order(100, 10, one)[0], data.order(100, 10, one)[0]
    assert not np.array_equal(first, second)
    assert np.array_equal(first, data.order(100, 10, two)[0])
    assert np.array_equal(second, data.order(100, 10, two)[0])


def test_batches_refuse_bad_sizes_at_the_call():
    """Else the mistake shows at the first batch, or as an epoch of none."""
    generator = np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"n and batch_size of at least 1, found 5 and 0"):
        data.batches(numbered(5), 0, generator)
    with pytest.raises(ValueError, match=r"n and batch_size of at least 1, found 0 and 2"):
        data.order(0, 2, generator)
    with pytest.raises(ValueError, match=r"drop_last: expected a batch_size of at most 5, found 6"):
        data.batches(numbered(5), 6, generator, drop_last=True)


def test_a_batch_is_a_copy():
    """Else augmenting a batch in place changes the dataset."""
    examples = numbered(6)
    images, labels = next(data.batches(examples, 6, np.random.default_rng(0)))
    assert not np.shares_memory(images, examples.images)
    assert not np.shares_memory(labels, examples.labels)
    assert images.flags.writeable and labels.flags.writeable
