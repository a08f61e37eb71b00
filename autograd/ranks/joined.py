"""Which rank this process is, of how many: what `mpiexec -n N` makes of a program, by MPI."""

from __future__ import annotations

import hashlib
import os
import platform
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

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


PATIENCE = 10.0  # seconds that the watch, or who keeps a rank that is killed, may need


class _Joined:
    """What `join` found, once for the process."""

    world = World()
    communicator: Any = None  # of MPI, where there is more than one rank
    watch: Any = nullcontext()


def world() -> World:
    """The ranks that this process has joined; itself alone before `join`."""
    return _Joined.world


@contextmanager
def together() -> Iterator[Any]:
    """MPI's communicator of all ranks, who wait for each other within this; None where there is
    one rank."""
    with _Joined.watch:
        try:
            yield _Joined.communicator
        except RuntimeError:  # as MPI's errors are, such as one of a rank that has just died
            # Whoever knows the cause ends the job by then, and names that.
            time.sleep(PATIENCE)
            raise


def gather(value: Any) -> list[Any]:
    """The values of all ranks, in their order; each can be pickled. All ranks wait for each other.

    >>> gather("what this rank has")
    ['what this rank has']
    """
    with together() as ranks:
        return [value] if ranks is None else list(ranks.allgather(value))


def broadcast(value: Any) -> Any:
    """The value that rank 0 has, on all ranks; it can be pickled."""
    with together() as ranks:
        return value if ranks is None else ranks.bcast(value)


def join() -> World:
    """Join the ranks that mpiexec started, and say which one this is; alone without mpiexec.

    From then on the ranks belong together: `all_reduce` adds up over all of them, `BatchNorm` takes
    its statistics of all shares, `Dropout` numbers what it draws as one process would for the whole
    batch, and those of one machine divide its cores among them (unless CHAINRULE_THREADS says how
    many threads each has). A rank that dies, hangs or raises ends the job (watch.py). Called again,
    it gives the same. Raises ImportError without mpi4py, RuntimeError where the mpiexec is that of
    another MPI, and where ranks run different versions.
    """
    count = _launched()
    if _Joined.communicator is not None or count is None:
        return _Joined.world
    if count == 1:
        return _Joined.world
    try:
        MPI = _mpi()
    except (ImportError, RuntimeError) as error:  # the latter where there is no MPI beneath it
        raise ImportError(
            f"mpiexec started {count} ranks, which need mpi4py and an MPI; to install both: "
            f"python -m pip install 'chainrule[mpi]' ({error})"
        ) from error
    library = MPI.Get_library_version()
    is_theirs = "OMPI_COMM_WORLD_SIZE" not in os.environ or "Open MPI" in library
    if is_theirs and not MPI.Is_initialized():  # else MPICH ends the process, in words of its own
        MPI.Init_thread(MPI.THREAD_MULTIPLE)
    ranks = MPI.COMM_WORLD
    if is_theirs:
        ranks.Set_errhandler(MPI.ERRORS_RETURN)  # mpi4py raises them
    if not is_theirs or ranks.size != count:
        raise RuntimeError(
            f"mpiexec started {count} ranks that do not find each other: it is not that of "
            f"mpi4py's MPI ({library.splitlines()[0].strip()}); use the one that "
            "chainrule[mpi] installs beside python, or an mpi4py for yours"
        )
    _check_alike(ranks)
    threads = _threads(ranks.Split_type(MPI.COMM_TYPE_SHARED))
    os.environ.setdefault("CHAINRULE_THREADS", str(threads))
    from .watch import Watch

    _Joined.world, _Joined.communicator = World(ranks.rank, ranks.size), ranks
    _Joined.watch = Watch(ranks)
    return _Joined.world


def _mpi() -> Any:
    """mpi4py's MPI, not begun yet. Raises ImportError or RuntimeError without one."""
    import mpi4py

    mpi4py.rc.initialize, mpi4py.rc.finalize = False, True
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of an mpiexec of another MPI, which `join` says
        from mpi4py import MPI
    return MPI


# Where MPICH (with Intel's and Microsoft's), Open MPI, and Slurm with PMIx tell a process its rank
# and the number of ranks; models/keeper.py has the same.
PLACES = (
    ("PMI_RANK", "PMI_SIZE"),
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    ("PMIX_RANK", "SLURM_NTASKS"),
)


def _launched() -> int | None:
    """How many ranks a launcher says that it started; None where there was none."""
    sizes = (os.environ.get(size) for rank, size in PLACES if rank in os.environ)
    return next((int(size) for size in sizes if size), None)


def _check_alike(ranks: Any) -> None:
    """RuntimeError, on all ranks, unless they run the same versions: else they would compile
    different steps, or learn different things."""
    files = sorted(Path(__file__).parents[1].rglob("*.py"))
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]
    mine = {"Python": platform.python_version(), "NumPy": np.__version__, "autograd": digest}
    host = platform.node()
    first_host, first = ranks.bcast((host, mine))
    found = [
        f"rank {rank} (host {other}) has {name} {theirs[name]}, rank 0 (host {first_host}) has "
        f"{first[name]}"
        for rank, (other, theirs) in enumerate(ranks.allgather((host, mine)))
        for name in mine
        if theirs[name] != first[name]
    ]
    if found:
        raise RuntimeError(f"ranks need the same versions, found: {found[0]}")


def _threads(local: Any) -> int:
    """How many threads a rank of this machine has: the cores that it may use, divided by the ranks
    that may use them too. local: the communicator of those."""
    if not hasattr(os, "sched_getaffinity"):
        return max(1, (os.cpu_count() or 1) // int(local.size))
    mine = os.sched_getaffinity(0)
    sharing = sum(bool(mine & other) for other in local.allgather(mine))
    return max(1, len(mine) // sharing)
