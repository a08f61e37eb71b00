"""The constants of models/mnist/SCALING.md, measured on this machine, and the model held against
1, 2 and 4 ranks here; with --hosts also against two and four hosts with slow links (hosts.py).

Ranks have a thread each. Two of them measure what the constants are fitted to: how long each
computes between two Allreduces, at several sizes and shares of a batch, and how long an Allreduce
takes of several sizes, from when both ranks are there.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np

from models.scaling import Link, Rank, Work, allreduce, ethernet, step
from tests.benchmarks import harness, hosts
from tests.benchmarks.ranks import chainrule, sizes_of
from tests.launched import MPIEXEC

WORKS = {"512-512": 512, "128": 128}  # hidden widths, and the batch of all ranks
FITTED = [
    (hidden, share) for hidden in ("32", "128", "512", "512-512") for share in (16, 64, 256, 512)
]
SIZES = [4 << n for n in range(12, 20)]  # bytes: 16 KB to 2 MB
RATES = (10, 100, 1000)  # Mbit/s
HEADERS = (
    1514 / 1448
)  # a full Ethernet frame, as tbf counts it, and what it carries of a TCP stream
SECONDS = 1.0  # of steps that are measured
Launch = Callable[[int, str], Any]  # so many ranks measure something; gives what the first answers


# --- by ranks ----------------------------------------------------------------------------------


def computing(hidden: str, share: int, steps: int) -> tuple[Any, Any]:
    """Seconds that each rank computes in a step, and those of the Allreduce: (steps,) each. All
    ranks wait for each other before they add up."""
    from mpi4py import MPI

    from autograd import ranks
    from autograd.compiler.runtime import native

    original: Any = native.run_by_numpy
    began, ended = [], []

    def timed(*given: Any) -> None:
        began.append(MPI.Wtime())
        MPI.COMM_WORLD.Barrier()
        original(*given)
        ended.append(MPI.Wtime())

    native.run_by_numpy = timed
    try:
        epoch = chainrule(sizes_of(hidden))
        order = np.random.default_rng(ranks.world().rank).integers(0, 60_000, (steps + 10, share))
        epoch(order)
    finally:
        native.run_by_numpy = original
    # The first steps warm up; what follows an Allreduce, the update, belongs to the next step.
    return np.array(began)[-steps:] - np.array(ended)[-steps - 1 : -1]


def constants(quick: bool) -> dict[str, Any]:
    """Rank and Link, fitted, and how far the fit is from what was measured, by cell."""
    from autograd import ranks

    steps, rows, measured, late = 20 if quick else 150, [], [], []
    for hidden, share in FITTED:
        seconds = np.array(ranks.gather(computing(hidden, share, steps)))  # (ranks, steps)
        undisturbed = float(np.quantile(seconds, 0.1))
        work = Work(sizes_of(hidden), share)
        rows.append([work.flops * share, work.example * share, work.parameters, 1.0])
        measured.append(undisturbed)
        late.append(float(seconds.mean() / undisturbed - 1))
    found = fitted(rows, measured)
    flop, byte, parameter, call = found
    addition = added_in_a_second()
    reduced = []
    for size in SIZES:
        array = np.ones(size // 4, np.float32)
        seconds = np.array(ranks.gather([reducing(array) for _ in range(50)]))
        reduced.append(float(np.median(seconds.max(0))))
    pure = np.subtract(reduced, np.array(SIZES) / 2 / addition)
    message, sent = fitted([[2.0, size] for size in SIZES], pure)
    rank = Rank(1 / flop, 1 / byte, parameter, call, addition, float(np.median(late)))
    link = Link(message, 1 / sent)
    errors = {
        f"784-{hidden}-10 by {share}": np.dot(row, found) / seconds - 1
        for (hidden, share), row, seconds in zip(FITTED, rows, measured, strict=True)
    }
    errors |= {
        f"Allreduce of {size >> 10} KB": allreduce(size, 2, rank, link) / seconds - 1
        for size, seconds in zip(SIZES, reduced, strict=True)
    }
    return {"rank": asdict(rank), "link": asdict(link), "errors": errors, "late": late}


def fitted(rows: Any, measured: Any) -> list[float]:
    """What to multiply the columns by, such that the relative errors are least."""
    scaled = np.array(rows) / np.array(measured)[:, None]
    found: list[float] = np.linalg.lstsq(scaled, np.ones(len(scaled)), rcond=None)[0].tolist()
    return found


def reducing(array: Any) -> float:
    from mpi4py import MPI

    array[...] = 1.0
    MPI.COMM_WORLD.Barrier()
    seconds, _ = harness.timed(lambda: MPI.COMM_WORLD.Allreduce(MPI.IN_PLACE, array))
    return seconds


def added_in_a_second() -> float:
    a, b = np.ones((2, 1 << 18), np.float32)
    return a.nbytes / min(harness.timed(lambda: np.add(a, b, out=a))[0] for _ in range(50))


def stepping(hidden: str, batch: int, steps: int) -> float:
    """The mean seconds of a step of all ranks."""
    from autograd import ranks

    world = ranks.world()
    epoch, generator = chainrule(sizes_of(hidden)), np.random.default_rng(0)
    order = world.share(generator.integers(0, 60_000, (steps, batch)), 1)
    epoch(order[:1])
    found = []
    for _ in range(3):
        ranks.gather(None)
        found.append(max(ranks.gather(harness.timed(lambda: epoch(order))[0])) / steps)
    return float(np.median(found))


def latency() -> float:
    """Seconds that an empty message takes from the first rank to the second."""
    from mpi4py import MPI

    together, nothing = MPI.COMM_WORLD, bytearray(8)

    def there_and_back() -> None:
        if together.rank == 0:
            together.Send(nothing, 1)
            together.Recv(nothing, 1)
        elif together.rank == 1:
            together.Recv(nothing, 0)
            together.Send(nothing, 0)

    together.Barrier()
    return float(np.median([harness.timed(there_and_back)[0] for _ in range(200)])) / 2


def serve(what: str, quick: bool) -> None:
    """A rank's part: measure, and the first one prints."""
    from autograd import ranks

    ranks.join()
    name, *given = what.split(", ")
    if name == "constants":
        answer: Any = constants(quick)
    elif name == "latency":
        answer = latency()
    else:
        hidden, batch, steps = given
        answer = stepping(hidden, int(batch), int(steps))
    if ranks.world().rank == 0:
        print(json.dumps(answer))


# --- by who starts them ------------------------------------------------------------------------


def launch(quick: bool, *prefix: str, **environ: str) -> Launch:
    """Starts ranks by mpiexec with these options."""

    def launched(ranks: int, what: str) -> Any:
        command = [*prefix, "-n", str(ranks), sys.executable, "-m", "tests.benchmarks.scaling"]
        run = subprocess.run(
            [*command, "--serve", what, *(["--quick"] if quick else [])],
            env=harness.environment() | {"CHAINRULE_THREADS": "1"} | environ,
            cwd=harness.ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        if run.returncode:
            sys.exit(f"{' '.join(command)} ended with {run.returncode}: {run.stderr}")
        return json.loads(run.stdout.splitlines()[-1])

    return launched


def compare(title: str, launch: Launch, n: int, rank: Rank, link: Link, quick: bool) -> None:
    """Print what a step of each work takes on n ranks, predicted and measured."""
    for hidden, batch in WORKS.items():
        cores = len(os.sched_getaffinity(0))
        predicted = step(Work(sizes_of(hidden), batch), n, rank, link, max(1.0, n / cores)).seconds
        steps = 1 if quick else max(1, min(100, round(SECONDS / 3 / predicted)))
        measured = launch(n, f"step, {hidden}, {batch}, {steps}")
        print(
            f"{title:12} {n} ranks, {f'784-{hidden}-10 by {batch}':22}predicted "
            f"{1e3 * predicted:8.3f} ms, measured {1e3 * measured:8.3f} ms: "
            f"{predicted / measured:.2f}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--hosts", action="store_true", help="compare with hosts with slow links")
    parser.add_argument("--quick", action="store_true", help="the smallest run")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve, options.quick)
        return
    if options.hosts:
        hosts.enter()
    harness.THREADS = 1
    here = launch(options.quick, MPIEXEC)
    found = here(2, "constants")
    rank, link = Rank(**found["rank"]), Link(**found["link"])
    worst = max(found["errors"], key=lambda name: abs(found["errors"][name]))
    print(shown(rank), shown(link), sep="\n")
    print(f"These are off by {found['errors'][worst]:+.0%} at most, at {worst}", end="; ")
    print(f"late: {min(found['late']):.3f} to {max(found['late']):.3f}")
    for n in (1, 2, 4):
        compare("here", here, n, rank, link, options.quick)
    for n in (2, 4) if options.hosts else ():
        for megabits in RATES[-1:] if options.quick else RATES:
            with hosts.network(n, megabits) as how:
                there = launch(options.quick, MPIEXEC, *how, **hosts.ENVIRONMENT)
                slow = ethernet(megabits, there(n, "latency"))
                print(shown(slow))
                compare(f"{megabits} Mbit/s", there, n, rank, slow, options.quick)


def shown(constants: Rank | Link) -> str:
    """As Python, in three digits."""
    given = ", ".join(f"{name}={value:.3g}" for name, value in asdict(constants).items())
    return f"{type(constants).__name__}({given})"


if __name__ == "__main__":
    main()
