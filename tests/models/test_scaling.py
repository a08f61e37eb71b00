"""The cost model's terms are what they say: each is played through, step by step."""

import numpy as np
import pytest

from models.scaling import Link, Rank, Work, allreduce, harmonic, step

RANK = Rank(flops=2e11, gather=1e10, parameter=2e-10, call=1e-5, addition=5e10, late=0.05)
LINK = Link(latency=1e-5, bandwidth=1e9)


def played(size, ranks, rank, link):
    """Rabenseifner's algorithm, exchange by exchange: seconds until all ranks have the sum."""
    seconds, together = 0.0, 2 ** int(np.log2(ranks))
    if together < ranks:  # the others hand theirs over first
        seconds += link.latency + size / link.bandwidth + size / rank.addition
    parts = [size]
    while len(parts) <= np.log2(together):
        parts.append(parts[-1] / 2)
    for part in parts[1:]:
        seconds += link.latency + part / link.bandwidth + part / rank.addition
    for part in parts[:0:-1]:
        seconds += link.latency + part / link.bandwidth
    if together < ranks:
        seconds += link.latency + size / link.bandwidth
    return seconds


@pytest.mark.parametrize("ranks", [1, 2, 3, 4, 6, 8, 12, 1024])
def test_an_allreduce_takes_the_sum_of_its_exchanges(ranks):
    assert allreduce(1 << 20, ranks, RANK, LINK) == pytest.approx(
        played(1 << 20, ranks, RANK, LINK)
    )


def test_a_short_array_is_sent_whole():
    """In half as many exchanges: what a long one would take in latencies alone is twice that."""
    assert allreduce(8, 8, RANK, LINK) == pytest.approx(3 * (1e-5 + 8e-9 + 8 / 5e10))
    assert allreduce(2048, 8, RANK, LINK) < allreduce(2052, 8, RANK, LINK)


def test_the_latest_of_many_ranks():
    """Mean of 20,000 draws, of a deviation of 1.3 at most: within five of its errors, 0.05."""
    drawn = np.random.default_rng(0).exponential(size=(20_000, 64)).max(1).mean()
    assert harmonic(64) == pytest.approx(drawn, abs=0.05)


def test_ranks_divide_the_share_alone():
    work = Work((784, 512, 512, 10), 512)
    one, four = (step(work, n, RANK, LINK) for n in (1, 4))
    assert one.share == pytest.approx(4 * four.share)
    assert (one.update, one.call) == (four.update, four.call)
    assert one.reduce == 0
    computed = four.share + four.update + four.call
    assert four.seconds == pytest.approx(computed * (1 + 0.05 * 25 / 12) + four.reduce)


def test_ranks_that_share_a_core_compute_longer_and_send_as_before():
    work = Work((784, 128, 10), 128)
    alone, crowded = (step(work, 4, RANK, LINK, crowd) for crowd in (1, 2))
    assert crowded.reduce == alone.reduce
    assert crowded.seconds - crowded.reduce == pytest.approx(2 * (alone.seconds - alone.reduce))


def test_the_flops_are_those_of_the_products():
    """784-128-10 by hand: outputs, gradients of weights, and of the second layer's inputs."""
    first, second = 784 * 128, 128 * 10
    assert Work((784, 128, 10), 1).flops == 2 * (2 * first + 3 * second)
