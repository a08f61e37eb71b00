"""The cost model of mnist/SCALING.md: how long a step takes that N ranks share. It computes with
numbers alone, and measures nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import log2

__all__ = ["Link", "Rank", "Step", "Work", "allreduce", "ethernet", "harmonic", "step"]

SHORT = 2048  # bytes; MPICH sends so few whole, and more in parts
FLOAT = 4  # bytes
FRAME, CARRIED = 1514, 1448  # bytes of a full Ethernet frame, and what it carries of a TCP stream


@dataclass(frozen=True)
class Work:
    """A step of training an MLP by SGD with momentum: its sizes, and the batch of all ranks.

    >>> work = Work((784, 128, 10), 128)
    >>> work.parameters, work.flops
    (101770, 409088)
    """

    sizes: Sequence[int]
    batch: int

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        return sum((fan_in + 1) * fan_out for fan_in, fan_out in pairwise(self.sizes))

    @property
    def flops(self) -> int:
        """Operations of the products, for one example: outputs, gradients of the weights, and those
        of the inputs, which the first layer has no use for."""
        products = [fan_in * fan_out for fan_in, fan_out in pairwise(self.sizes)]
        return 2 * (3 * sum(products) - products[0])

    @property
    def bytes(self) -> int:
        """What is added up: the gradients, and the loss."""
        return FLOAT * (self.parameters + 1)

    @property
    def example(self) -> int:
        """Bytes of one, which is gathered into the batch."""
        return FLOAT * self.sizes[0]


@dataclass(frozen=True)
class Rank:
    """What one rank, with one thread, computes with.

    flops: operations of products in a second. gather: bytes of examples in a second. parameter:
    seconds to update one. call: seconds that a step takes whatever its size. addition: bytes in a
    second. late: what a step takes longer than it does undisturbed, on average, as a part of that.
    """

    flops: float
    gather: float
    parameter: float
    call: float
    addition: float
    late: float


@dataclass(frozen=True)
class Link:
    """What takes messages from each rank to another: seconds before the first byte is there, and
    bytes in a second, in both directions at once."""

    latency: float
    bandwidth: float


def ethernet(megabits: float, latency: float) -> Link:
    """A link by TCP, of so many million bits a second.

    >>> ethernet(8, 1e-5).bandwidth < 1e6
    True
    """
    return Link(latency, megabits * 1e6 / 8 * CARRIED / FRAME)


@dataclass(frozen=True)
class Step:
    """Seconds of a step. Of more ranks each has a smaller share, and nothing else is shorter."""

    share: float
    update: float
    call: float
    late: float  # of the slowest rank, for which the others wait
    reduce: float

    @property
    def seconds(self) -> float:
        return self.share + self.update + self.call + self.late + self.reduce


def step(work: Work, ranks: int, rank: Rank, link: Link, crowd: float = 1.0) -> Step:
    """What a step takes. crowd: ranks that share a core, each of which then takes as many times
    longer.

    How late a rank is is taken to have an exponential distribution, in each step and on each rank
    anew: the greatest of N has a mean of `harmonic(N)` times that of one.
    """
    example = work.flops / rank.flops + work.example / rank.gather
    share = crowd * example * work.batch / ranks
    update, call = crowd * work.parameters * rank.parameter, crowd * rank.call
    late = rank.late * harmonic(ranks) * (share + update + call)
    return Step(share, update, call, late, allreduce(work.bytes, ranks, rank, link))


def allreduce(size: int, ranks: int, rank: Rank, link: Link) -> float:
    """The seconds in which N ranks add up as many bytes, as MPICH does it.

    Few bytes by recursive doubling: log2 N exchanges of all. More by Rabenseifner's algorithm:
    halves, quarters, ... are exchanged and added up until each rank has one part of the sum, and
    the parts go back the same way (R. Thakur, R. Rabenseifner, W. Gropp, Optimization of Collective
    Communication Operations in MPICH, 2005). Where N is no power of two, as many ranks as are too
    many first hand theirs to another, and are handed the sum.
    """
    together = 1 << ranks.bit_length() - 1  # the greatest power of two
    rounds, sent, added = log2(together), size / link.bandwidth, size / rank.addition
    if size <= SHORT:
        seconds = rounds * (link.latency + sent + added)
    else:
        part = 1 - 1 / together
        seconds = 2 * rounds * link.latency + part * (2 * sent + added)
    if ranks > together:
        seconds += 2 * (link.latency + sent) + added
    return seconds


def harmonic(n: int) -> float:
    """1 + 1/2 + ... + 1/n.

    >>> round(harmonic(4), 4)
    2.0833
    """
    return sum(1 / k for k in range(1, n + 1))
