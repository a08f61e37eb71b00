"""What the benchmarks share: the environment they run in, taking turns, and the table.

A time on its own says little: a machine's clock drifts by a third between minutes. So contestants
take turns, and what counts is the ratio within a round, of neighbours in time.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import metadata, util
from pathlib import Path
from typing import Any, TypeVar

from tests.launched import MPIEXEC

T = TypeVar("T")

ROOT = Path(__file__).parents[2]
ROUNDS = 7
THREADS = 2


def arguments(doc: str) -> argparse.Namespace:
    """The switches every benchmark has; `doc` is its module's docstring."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument(
        "--quick", action="store_true", help="the smallest run, to see that it works"
    )
    parser.add_argument("--serve", metavar="CONTESTANT", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.quick:  # among other tests: threads that wait for each other's core wait for long
        global THREADS
        THREADS = 1
    return options


def installed(peers: Mapping[str, str]) -> list[str]:
    """Those of `peers` (name of a contestant: module it needs) that can be measured."""
    missing = [peer for peer, module in peers.items() if util.find_spec(module) is None]
    if missing:
        print(
            f"Not measured, because not installed: {', '.join(missing)}; "
            "`pip install -e '.[bench]'` brings them.",
            file=sys.stderr,
        )
    return [peer for peer in peers if peer not in missing]


# --- where contestants run ---------------------------------------------------------------------


def environment() -> dict[str, str]:
    """The same for every contestant: as many threads, OpenBLAS's kernels for this CPU, bytecode
    cached. What the caller's environment says of these is dropped."""
    from autograd.compiler.runtime import cpu  # here: workers choose what they import

    dropped = ("OPENBLAS_", "OMP_", "MKL_", "XLA_", "JAX_", "PYTHON")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    threads = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NPROC")  # last: XLA
    # On a CPU without AVX-512 these kernels would be illegal instructions.
    core = {"OPENBLAS_CORETYPE": "SKYLAKEX"} if cpu.has(*cpu.AVX512) else {}
    return kept | dict.fromkeys(threads, str(THREADS)) | core


def run(*command: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run Python with these arguments to its end; SystemExit with its last line if it fails."""
    result = subprocess.run(
        [sys.executable, *command],
        env=environment() | environ,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        said = (result.stderr or result.stdout).strip().splitlines() or ["nothing"]
        sys.exit(f"`python {' '.join(command)}` ended with {result.returncode}: {said[-1]}")
    return result


@contextmanager
def worker(
    module: str, contestant: str, options: argparse.Namespace, ranks: int = 1, **environ: str
) -> Iterator[Callable[[], Any]]:
    """A process of the contestant's own that stays alive, or as many as ranks; each call is one
    turn of it.

    Threads of one contestant (OpenBLAS's spin for tens of milliseconds) must not take the
    cores from the next; nor may the environment of one rule the other.
    """
    command = [sys.executable, "-m", module, "--serve", contestant]
    command += ["--quick"] if options.quick else []
    command = [MPIEXEC, "-n", str(ranks), *command] if ranks > 1 else command
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=environment() | environ, cwd=ROOT, **pipes) as process:
        assert process.stdin and process.stdout
        to, answers = process.stdin, process.stdout

        def turn() -> Any:
            to.write("go\n")
            to.flush()
            answer = answers.readline()
            return json.loads(answer) if answer else sys.exit(f"{contestant} ended; see above")

        yield turn
        to.close()


def serve(turn: Callable[[], Any]) -> None:
    """The worker's side: a turn for each line that comes in."""
    for _ in sys.stdin:
        print(json.dumps(turn()), flush=True)


def serve_together(turn: Callable[[], Any]) -> None:
    """The same on every rank of a worker: all take the turn, and what the first one gives is the
    answer. Between turns they sleep, where MPI would spin and take the core from the next."""
    from mpi4py import MPI

    ranks = MPI.COMM_WORLD

    def told() -> bool:
        if ranks.rank == 0:
            line = sys.stdin.readline()
            for other in range(1, ranks.size):
                ranks.send(line, other)
        else:
            while not ranks.iprobe(0):
                time.sleep(0.001)
            line = ranks.recv(source=0)
        return bool(line)

    while told():
        answer = turn()
        if ranks.rank == 0:
            print(json.dumps(answer), flush=True)


# --- turns -------------------------------------------------------------------------------------


def alternate(
    turns: Mapping[str, Callable[[], T]],
    options: argparse.Namespace,
    rest: float = 0.2,
    rounds: int = ROUNDS,
) -> dict[str, list[T]]:
    """Each contestant's answers, round by round; every other round runs in reverse order.

    rest: seconds between turns, in which the last one's threads fall asleep.
    """
    answers: dict[str, list[T]] = {name: [] for name in turns}
    for number in range(1 if options.quick else rounds):
        for name in list(turns)[:: -1 if number % 2 else 1]:
            time.sleep(rest)
            answers[name].append(turns[name]())
    return answers


def timed(function: Callable[[], T]) -> tuple[float, T]:
    """How many seconds a call took, and its answer."""
    start = time.perf_counter()
    answer = function()
    return time.perf_counter() - start, answer


Spread = dict[str, float]


def epoch(generator: Any, n: int, batch: int) -> Any:
    """A shuffled epoch of n examples by a NumPy generator: whole batches alone, (n // batch, batch)
    indices."""
    return generator.permutation(n)[: n - n % batch].reshape(-1, batch)


def spread(numbers: Sequence[float]) -> Spread:
    return {"median": statistics.median(numbers), "min": min(numbers), "max": max(numbers)}


def row(
    name: str,
    seconds: Sequence[float],
    ours: Sequence[float] | None = None,
    aim: float | None = None,
    **more: Any,
) -> dict[str, Any]:
    """A line of the table. ours: our seconds in the same rounds, to be divided by these."""
    ratios = None if ours is None else [a / b for a, b in zip(ours, seconds, strict=True)]
    ratio = ratios and spread(ratios)
    return {"name": name, "seconds": spread(seconds), "ratio": ratio, "aim": aim, **more}


# --- what is printed ---------------------------------------------------------------------------


def machine(*libraries: str) -> dict[str, Any]:
    """What the figures were measured on. libraries: distributions whose versions matter."""
    from autograd.compiler.runtime import cpu  # here: workers choose what they import

    versions = {name: metadata.version(name) for name in ("numpy", *libraries)}
    spoken = run("-c", "import numpy", OPENBLAS_VERBOSE="2").stderr
    blas = [line.removeprefix("Core: ") for line in spoken.splitlines() if "Core: " in line]
    return {
        "cpu": cpu.model(),
        "cores": len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count(),
        "avx512": cpu.has(*cpu.AVX512),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "versions": versions,
        "blas_core": blas[-1] if blas else "not OpenBLAS",
        "threads": THREADS,
    }


def report(
    title: str,
    rows: Sequence[dict[str, Any]],
    on: dict[str, Any],
    options: argparse.Namespace,
    note: str = "",
) -> None:
    """Print the rows as a table, or as JSON; `on` is what `machine` gave."""
    if options.json:
        print(json.dumps({"benchmark": title, "machine": on, "rows": list(rows), "note": note}))
        return
    from rich.console import Console  # here, so that workers, who print nothing, have a small heap
    from rich.table import Table

    table = Table(title=title, title_justify="left", caption=note, caption_justify="left")
    extra = [key for key in rows[0] if key not in ("name", "seconds", "ratio", "aim")]
    for heading in ("", "time (min to max)", "ours / its (min to max)", "aim", *extra):
        table.add_column(heading, justify="left" if not heading else "right")
    for line in rows:
        ratio, aim = line["ratio"], line["aim"]
        table.add_row(
            line["name"],
            _text(line["seconds"], *_unit(line["seconds"]["median"])),
            _text(ratio, 1, "") if ratio else "",
            f"{aim:.2f} {'met' if ratio['median'] <= aim else 'missed'}" if aim else "",
            *(str(line.get(key, "")) for key in extra),
        )
    console = Console(width=None if sys.stdout.isatty() else 110)
    console.print(table)
    versions = ", ".join(f"{name} {version}" for name, version in on["versions"].items())
    console.print(
        f"{on['cpu']}, {on['cores']} cores, {'' if on['avx512'] else 'no '}AVX-512, "
        f"{on['threads']} threads, load {on['load']}; "
        f"Python {on['python']}, {versions}; OpenBLAS core {on['blas_core']}",
        highlight=False,
    )


def _unit(seconds: float) -> tuple[float, str]:
    return (1, " s") if seconds >= 1 else (1e3, " ms") if seconds >= 1e-3 else (1e6, " us")


def _text(numbers: Spread, scale: float, unit: str) -> str:
    median, low, high = (f"{numbers[key] * scale:.3g}" for key in ("median", "min", "max"))
    return f"{median}{unit} ({low} to {high})"
