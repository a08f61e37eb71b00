"""Which rank this process is, of how many: what `mpiexec -n N` makes of a program, by MPI."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["World", "join", "world"]


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
