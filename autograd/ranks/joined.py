"""Which rank this process is, of how many: what `mpiexec -n N` makes of a program, by MPI."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["World", "broadcast", "gather", "join", "world"]


@dataclass(frozen=True)
class World:
    """The ranks of a job, and which of them this process is: `rank` of `size`, from 0."""

    rank: int = 0
    size: int = 1

    def share(self, rows: Any, axis: int = 0) -> Any:
        """Of an array, along an axis, the part that is this rank's: all ranks have equally many,
        one after the other. Raises ValueError where that is not possible.

        >>> import numpy as np
        >>> World(1, 2).share(np.arange(6))
        array([3, 4, 5])
        """
        n = rows.shape[axis]
        if n % self.size:
            raise ValueError(f"share: {self.size} ranks cannot have equal parts of {n}")
        own = slice(self.rank * n // self.size, (self.rank + 1) * n // self.size)
        return rows[(slice(None),) * axis + (own,)]

    def part(self, rows: Any) -> Any:
        """Of an array, along its first axis, the part that is this rank's; they differ by one at
        most, and together are the whole.

        >>> import numpy as np
        >>> [World(rank, 2).part(np.arange(5)).tolist() for rank in (0, 1)]
        [[0, 1], [2, 3, 4]]
        """
        n = rows.shape[0]
        return rows[self.rank * n // self.size : (self.rank + 1) * n // self.size]


class _Joined:
    """What `join` found, once for the process."""

    world = World()
    communicator: Any = None  # of MPI, where there is more than one rank


def world() -> World:
    """The ranks that this process has joined; itself alone before `join`."""
    return _Joined.world


def communicator() -> Any:
    """MPI's communicator of all ranks; None where there is one."""
    return _Joined.communicator


def gather(value: Any) -> list[Any]:
    """The values of all ranks, in their order; each can be pickled. All ranks wait for each other.

    >>> gather("what this rank has")
    ['what this rank has']
    """
    together = _Joined.communicator
    return [value] if together is None else list(together.allgather(value))


def broadcast(value: Any) -> Any:
    """The value that rank 0 has, on all ranks; it can be pickled."""
    together = _Joined.communicator
    return value if together is None else together.bcast(value)


def join() -> World:
    """Join the ranks that mpiexec started, and say which one this is; alone without mpiexec.

    From then on the ranks belong together: `all_reduce` adds up over all of them, `BatchNorm` takes
    its statistics of all shares, and `Dropout` numbers what it draws as one process would for the
    whole batch.
    """
    try:
        from mpi4py import MPI
    except ImportError:
        return _Joined.world
    communicator = MPI.COMM_WORLD
    if communicator.size > 1:
        _Joined.world = World(communicator.rank, communicator.size)
        _Joined.communicator = communicator
    return _Joined.world
