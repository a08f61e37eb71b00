"""A rank that dies, hangs or leaves ends the job: within 10 s, with its name and the cause on
standard error, exit code 3, and no process left. The jobs are real, of 2 and 4 processes."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from shutil import which
from socket import gethostname

import pytest

from models.keeper import PLACES, launched

pytest.importorskip("mpi4py")

# Arguments: the watch's silence; the rank that acts after a few steps (all: -1); what it does.
SCRIPT = """
import os, signal, sys, time
from models.keeper import keep
keep()
import numpy
from mpi4py import MPI
from autograd.ranks.watch import Watch

silence, actor, act = float(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
comm, total = MPI.COMM_WORLD, numpy.ones(1000, numpy.float32)
watch = Watch(comm, silence)

def steps(count):
    for _ in range(count):
        with watch:
            comm.Allreduce(MPI.IN_PLACE, total)
        time.sleep(0.01)

os.write(1, f"rank {comm.rank} is {os.getpid()} of {os.getppid()}\\n".encode())
steps(20)
if actor in (comm.rank, -1):
    os.write(1, f"acts at {time.time()}\\n".encode())
    exec(act)
steps(3000)
"""
SOON = 10.0  # seconds in which a job has to end
START = 60.0  # for all of a job, on a busy machine


class Job:
    """A job that has ended, or been ended by a signal to its launcher."""

    def __init__(
        self, ranks: int, actor: int, act: str, silence: float = 3.0, number: int | None = None
    ) -> None:
        search = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        launcher = which("mpiexec", path=search)
        assert launcher, "mpi4py is here, and no mpiexec"
        words = [sys.executable, "-c", SCRIPT, str(silence), str(actor), act]
        process = subprocess.Popen(
            [launcher, "-n", str(ranks), *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stdout
            out = ""
            while number and "acts" not in out:
                out += process.stdout.readline()
            if number:
                process.send_signal(number)
            more, self.err = process.communicate(timeout=START)
        finally:
            process.kill()
        ended = time.time()
        out += more
        self.code = process.returncode
        self.process = {int(r): int(p) for r, p in re.findall(r"rank (\d+) is (\d+)", out)}
        self.keepers = [int(p) for p in re.findall(r" of (\d+)", out)]
        self.seconds = ended - max(map(float, re.findall(r"acts at ([\d.]+)", out)))
        # In the middle of a line, where another rank was writing one.
        self.said = re.findall(r"rank \d+ \(host .*?; the job ends", self.err)
        assert len(self.process) == ranks, out + self.err

    def name(self, rank: int) -> str:
        return f"rank {rank} (host {gethostname()}, process {self.process[rank]})"

    def has_failed(self, rank: int, cause: str) -> None:
        """It ended as it should because of this rank."""
        assert self.said == [f"{self.name(rank)}{cause}; the job ends"], self.err
        assert self.code == 3
        assert self.seconds < SOON
        self.left_nothing()

    def left_nothing(self) -> None:
        late = time.monotonic() + 5
        left = [*self.process.values(), *self.keepers]
        while left := [process for process in left if _lives(process)]:
            assert time.monotonic() < late, f"left: {left}"
            time.sleep(0.05)


def _lives(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize(
    ("ranks", "rank", "name"), [(2, 1, "SIGKILL"), (4, 0, "SIGKILL"), (2, 1, "SIGTERM")]
)
def test_a_killed_rank_is_named_by_its_keeper(ranks: int, rank: int, name: str) -> None:
    job = Job(ranks, rank, f"os.kill(os.getpid(), signal.{name})")
    job.has_failed(rank, f" was killed by {name}")


@pytest.mark.parametrize("rank", [0, 2])
def test_a_stopped_rank_is_named_by_the_others(rank: int) -> None:
    """By one of them alone, though all wait for it in an Allreduce."""
    job = Job(4, rank, "os.kill(os.getpid(), signal.SIGSTOP)", silence=5)
    job.has_failed(rank, " gave no sign of life for 5 s: stopped, dead or cut off")


def test_a_rank_that_raises_ends_the_job_below_its_traceback() -> None:
    job = Job(4, 1, "raise ValueError('not\\n  good')")
    assert job.err.index("Traceback") < job.err.index("the job ends")
    job.has_failed(1, ": ValueError: not good")


def test_all_may_raise_the_same() -> None:
    job = Job(2, -1, "raise ValueError('not good')")
    line = "{}: ValueError: not good; the job ends"
    assert set(job.said) <= {line.format(job.name(0)), line.format(job.name(1))}
    assert job.said
    assert job.code == 3
    job.left_nothing()


@pytest.mark.parametrize(
    ("rank", "act", "cause"),
    [
        (1, "sys.exit(2)", " has ended with exit code 2, and others still need it"),
        (0, "raise SystemExit(2)", " has ended, and others still need it"),
    ],
)
def test_a_rank_may_not_end_while_others_wait_for_it(rank: int, act: str, cause: str) -> None:
    Job(2, rank, act).has_failed(rank, cause)


def test_all_may_end_at_different_times() -> None:
    """Rank 0 has something to do for longer than a rank may be silent: nothing is said, and the
    job ends right after it, with exit code 0."""
    job = Job(4, -1, "time.sleep(5 * (not comm.rank)); print('acts at', time.time()); sys.exit()")
    assert (job.code, job.err) == (0, "")
    assert job.seconds < 2
    job.left_nothing()


def test_all_may_end_with_an_exit_code_of_their_own() -> None:
    """As where all find the same file wrong, and rank 0 alone says so."""
    job = Job(2, -1, "sys.exit(2)")
    assert (job.code, job.said) == (2, [])
    assert job.seconds < 2
    job.left_nothing()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_to_the_launcher_is_no_failure_of_a_rank(number: int, code: int) -> None:
    job = Job(2, 0, "pass", number=number)
    assert (job.code, job.said) == (code, []), job.err
    assert job.seconds < SOON
    job.left_nothing()


def test_a_rank_ends_with_its_keeper() -> None:
    """Or a launcher that kills what it has started would leave the rank."""
    script = "from models.keeper import keep; keep(); import os, time; "
    script += "print(os.getpid(), flush=True); time.sleep(60)"
    environment = {**os.environ, "PMI_RANK": "0", "PMI_SIZE": "2"}
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=environment
    ) as keeper:
        assert keeper.stdout
        rank = int(keeper.stdout.readline())
        assert rank != keeper.pid
        keeper.kill()
    late = time.monotonic() + 5
    while _lives(rank):
        assert time.monotonic() < late
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("environment", "place"),
    [
        ({"PMI_RANK": "1", "PMI_SIZE": "2"}, (1, 2)),
        ({"OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "4"}, (0, 4)),
        ({"PMIX_RANK": "3", "SLURM_PROCID": "3", "SLURM_NTASKS": "4"}, (3, 4)),
        # A batch script of Slurm's, which is no rank.
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "4"}, None),
        ({}, None),
    ],
)
def test_launched_is_told_by_the_environment(
    environment: dict[str, str], place: tuple[int, int] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (name for pair in PLACES for name in pair):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert launched() == place
