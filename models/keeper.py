"""The process that a launcher of ranks started, which sees how the rank itself ends.

A rank that is killed says nothing, and what launchers say of it has neither its number nor an exit
code of its own. So the process goes on as a child of the one that was started; that one becomes a
few megabytes of Python that run this file, and wait. Imported before NumPy, whose threads no fork
keeps; imports nothing of ours.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress

__all__ = ["keep", "launched"]

FAILED = 3  # the exit code of a job that a rank has ended, as autograd.ranks has it
# How long the launcher, or the watch of the other ranks, may need to end the job.
PATIENCE = 10.0
# How long the launcher has to pass on what was printed.
DELIVERY = 0.5
# Who told the whole group to end has a reason, and a code, of its own.
TOLD = 2.0
PR_SET_PDEATHSIG = 1
# Where MPICH (with Intel's and Microsoft's), Open MPI, and Slurm with PMIx tell a process its rank
# and the number of ranks.
PLACES = (
    ("PMI_RANK", "PMI_SIZE"),
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    ("PMIX_RANK", "SLURM_NTASKS"),
)


def launched() -> tuple[int, int] | None:
    """The rank of this process and the number of ranks, as a launcher of MPI programs says in the
    environment; None where none has started this process."""
    for rank, size in PLACES:
        if rank in os.environ and size in os.environ:
            return int(os.environ[rank]), int(os.environ[size])
    return None


def keep() -> None:
    """Go on as a child of this process, if it is one of several ranks."""
    place = launched()
    if place is None or place[1] == 1 or not sys.executable or not hasattr(os, "fork"):
        return
    # Launchers send a signal to the group of processes, so to the child too: the parent lets it be.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    parent = os.getpid()
    child = os.fork()
    if child:
        arguments = ["-I", "-S", __file__, str(place[0]), str(child)]
        os.execv(sys.executable, [sys.executable, *arguments])
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(FAILED)


def _wait(rank: str, child: int) -> int:
    """Wait for the child, and end the job if it was killed; gives the exit code."""
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code >= 0:
        return code
    number = -code
    if number in signal.sigpending():  # the whole group was told to end
        code = 128 + number
        time.sleep(TOLD)
    else:
        name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
        place = f"(host {os.uname().nodename}, process {child})"
        _write(2, f"rank {rank} {place} was killed by {name}; the job ends\n")
        time.sleep(DELIVERY)
        code = FAILED
    # If this ended now, the job would end with the code of whichever process comes last. MPICH's
    # launchers end it at once by what MPI_Abort sends them; elsewhere the other ranks find that
    # this one is silent, and end it.
    if "PMI_FD" in os.environ:
        _write(int(os.environ["PMI_FD"]), f"cmd=abort exitcode={code}\n")
    time.sleep(PATIENCE)
    return code


def _write(file: int, line: str) -> None:
    with suppress(OSError):  # nobody reads it any more
        os.write(file, line.encode())


if __name__ == "__main__":
    os._exit(_wait(sys.argv[1], int(sys.argv[2])))
