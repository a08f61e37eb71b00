"""Sees that a rank that fails ends the job: the others would wait for it for ever.

A thread in every rank tells rank 0 once a second that it lives, and rank 0 tells all. A rank that
falls silent, raises, or ends while others wait for it is named in a line on standard error, with
the cause, and the job ends with exit code 3. A process that is killed is for the launcher to see
first, or for models/keeper.py. Not seen is a rank whose main thread alone hangs.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
import time
import traceback
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, NoReturn

if TYPE_CHECKING:
    from mpi4py import MPI

__all__ = ["Watch"]

FAILED = 3  # the exit code of a job that a rank has ended
BEAT = 1.0  # seconds from one sign of life to the next
POLL = 0.2  # seconds from one look at what the others say to the next
ENDING_POLL = 0.002  # the same in a rank that has ended, and waits for the others
# A probe looks first and lets MPI work then, at one message at most: what has come is found by the
# next one, or by the one after that.
PROBES = 10
# Seconds that a launcher has to pass on what was printed: it ends at once when MPI_Abort tells it.
DELIVERY = 0.5


class _Sign(NamedTuple):
    """What a rank tells rank 0 of itself."""

    ended: bool = False
    code: int | None = None  # its exit code, where that is known
    waiting: bool = False
    last: bool = False  # it goes, and says no more


class Watch:
    """The watch of this rank over the others, and theirs over this one, until the process ends.

    comm: all ranks of the job, which begin this together; a thread uses a duplicate of it.
    silence: after so many seconds without a sign of life a rank counts as lost.

    `with watch:` stands around what waits for the other ranks: one that has ended with exit code 0
    may have had no more to do, and ends the job only if another waits for it.
    """

    def __init__(self, comm: MPI.Intracomm, silence: float = 5.0) -> None:
        from mpi4py import MPI

        if MPI.Query_thread() != MPI.THREAD_MULTIPLE:
            raise RuntimeError(
                "expected an MPI that all threads may call, found one begun without "
                "MPI_THREAD_MULTIPLE; leave mpi4py.rc.thread_level as it is, or use an MPI with it"
            )
        self._waiting = False
        self._comm, self._world, self._status = comm.Dup(), MPI.COMM_WORLD, MPI.Status()
        self._rank, self._process = comm.rank, os.getpid()
        place = f"(host {MPI.Get_processor_name()}, process {self._process})"
        self._names = comm.allgather(f"rank {self._rank} {place}")
        self._silence = silence
        # Beats of this rank since the last sign of each that it watches.
        self._silent = dict.fromkeys(range(1, comm.size) if self._rank == 0 else [0], 0)
        self._signs = [_Sign()] * comm.size  # rank 0's, of all
        self._kept = 0  # beats that one which has ended has kept others waiting
        self._over = False  # all have ended
        self._sent: list[MPI.Request] = []

        self._code: int | None = None
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._hook, sys.excepthook = sys.excepthook, self._raised
        self._exit, sys.exit = sys.exit, self._note_exit
        atexit.register(self._leave)  # it runs before mpi4py ends MPI, which waits for all ranks
        self._thread.start()

    def __enter__(self) -> None:
        self._waiting = True

    def __exit__(self, *raised: object) -> None:
        self._waiting = False

    # The main thread: how it ends.

    def _raised(
        self, kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        """sys.excepthook: nobody has caught this exception."""
        self._hook(kind, error, trace)
        if os.getpid() != self._process:  # a child that was forked
            return
        with suppress(OSError, ValueError):
            sys.stdout.flush()
        if issubclass(kind, KeyboardInterrupt):  # Ctrl-C: no failure
            self._abort(128 + signal.SIGINT)
        self._fail(self._rank, ": " + " ".join(traceback.format_exception_only(error)[-1].split()))

    def _note_exit(self, code: object = None) -> NoReturn:
        """sys.exit: what code it was given is not to be known later, while the process lives."""
        self._code = code if isinstance(code, int) else int(code is not None)
        self._exit(code)  # type: ignore[arg-type]

    def _leave(self) -> None:
        """Wait until all ranks have come to their end, or one has failed."""
        if os.getpid() != self._process:
            return
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):  # they are for those that still work
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), signal.SIG_IGN)
        with suppress(OSError, ValueError):
            sys.stdout.flush()
        self._leaving.set()
        self._thread.join()

    # The thread.

    def _run(self) -> None:
        try:
            self._watch()
        except BaseException as error:
            self._fail(self._rank, f": its watch failed: {error!r}")

    def _watch(self) -> None:
        due, told = 0.0, None
        while True:
            self._receive()
            sign = _Sign(self._leaving.is_set(), self._code, self._waiting, self._over)
            news: _Sign | bool = sign
            if self._rank == 0:
                self._signs[0] = sign
                news = self._over = all(sign.ended for sign in self._signs)
            beat = time.monotonic() >= due and not self._over
            if beat:
                # Counted are beats, not seconds: if this process itself was stopped, or was given
                # no core, that says nothing of the others.
                due = time.monotonic() + BEAT
                self._judge()
            if beat or (sign.ended and news != told):
                told = news
                self._tell(news)
            if self._over and (self._rank > 0 or all(sign.last for sign in self._signs[1:])):
                break  # all that was sent has been received
            time.sleep(ENDING_POLL) if sign.ended else self._leaving.wait(POLL)
        for request in self._sent:
            request.Wait()

    def _receive(self) -> None:
        missed = 0
        while missed < PROBES:
            message = self._comm.improbe(status=self._status)
            if message is None:
                missed += 1
                continue
            missed = 0
            news, rank = message.recv(), self._status.Get_source()
            self._silent[rank] = 0
            if self._rank == 0:
                self._signs[rank] = news
            else:
                self._over = news

    def _tell(self, news: _Sign | bool) -> None:
        self._sent = [request for request in self._sent if not request.Test()]
        self._sent += [self._comm.isend(news, rank) for rank in self._silent]

    def _judge(self) -> None:
        """At each beat: whether the job has to end."""
        # The first of the others speaks for all if rank 0 is lost; they act if it does not.
        silence = self._silence + 2 * (self._rank > 1)
        for rank in self._silent:
            self._silent[rank] += 1
            if self._silent[rank] * BEAT > silence:
                seconds = f"{self._silence:g} s"
                self._fail(rank, f" gave no sign of life for {seconds}: stopped, dead or cut off")
        if self._rank == 0:
            self._judge_ended()

    def _judge_ended(self) -> None:
        ended = [rank for rank, sign in enumerate(self._signs) if sign.ended]
        failed = [rank for rank in ended if self._signs[rank].code]
        is_kept = any(sign.waiting and not sign.ended for sign in self._signs)
        if not failed and not (ended and is_kept):
            self._kept = 0
            return
        self._kept += 1
        if self._kept * BEAT > self._silence:
            rank = (failed or ended)[0]
            code = self._signs[rank].code
            how = "" if code is None else f" with exit code {code}"
            self._fail(rank, f" has ended{how}, and others still need it")

    def _fail(self, rank: int, what: str) -> NoReturn:
        """Say which rank has failed, and end the job."""
        with suppress(OSError):  # not by sys.stderr, which the main thread may hold, or have closed
            os.write(2, f"{self._names[rank]}{what}; the job ends\n".encode())
        self._abort(FAILED)

    def _abort(self, code: int) -> NoReturn:
        time.sleep(DELIVERY)
        # That of all: MPICH's launcher hears of no other, and ends with the code of a killed rank.
        self._world.Abort(code)
        os._exit(code)  # MPICH's comes back, and the launcher takes a moment
