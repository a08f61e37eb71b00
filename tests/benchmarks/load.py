"""An epoch of MNIST, compiled, while others want the CPU: by how much it slows down, beside JAX.

784-128-10, batches of 128, SGD with momentum 0.9, float32: ours by `loop` on two threads and on
one, and JAX's scan, each alone, beside one process that is always busy, and beside two. A round is
the median of eight epochs; the worst round counts, for luck hides what threads do to each other.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from tests.benchmarks import eager, harness, jit

ROUNDS, EPOCHS = 5, 8
NEIGHBOURS = (0, 1, 2)
TWO, ONE, JAX = "Chainrule, two threads", "Chainrule, one thread", "JAX, scan"
BESIDE = {0: "alone", 1: "beside one", 2: "beside two"}


def ours(threads: int) -> Callable[[Any, Any], eager.Epoch]:
    def on_threads(images: Any, labels: Any) -> eager.Epoch:
        os.environ["CHAINRULE_THREADS"] = str(threads)
        return jit.our_loop(images, labels)

    return on_threads


CONTESTANTS = {TWO: ours(harness.THREADS), ONE: ours(1), JAX: jit.jax_scan}


@contextmanager
def busy(count: int) -> Iterator[None]:
    """So many processes that want a core each, always."""
    command = [sys.executable, "-c", "while True: pass"]
    processes = [subprocess.Popen(command) for _ in range(count)]
    try:
        time.sleep(0.3)  # they are at work, and the last contestant's threads asleep
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def epochs(turn: Callable[[], Any], neighbours: int, options: Any) -> list[float]:
    """The seconds of a round's epochs."""
    with busy(neighbours):
        return [turn()[0] for _ in range(1 if options.quick else EPOCHS)]


def main() -> None:
    options = harness.arguments(str(__doc__))
    if options.serve:
        eager.serve(CONTESTANTS[options.serve], 20 if options.quick else None)
        return
    names = [TWO, ONE, *harness.installed({JAX: "jax"})]
    with ExitStack() as stack:
        turns = {
            name: stack.enter_context(harness.worker("tests.benchmarks.load", name, options))
            for name in names
        }
        for turn in turns.values():
            turn()  # compiles
        rounds: dict[int, dict[str, list[list[float]]]] = {
            n: harness.alternate(
                {name: lambda t=turns[name], n=n: epochs(t, n, options) for name in names},
                options,
                rest=0.0,
                rounds=ROUNDS,
            )
            for n in NEIGHBOURS
        }
    harness.report(
        f"load: an epoch of MNIST beside busy processes, medians of {EPOCHS} epochs a round",
        [row for n in NEIGHBOURS for row in rows(names, n, rounds)],
        harness.machine(*(["jax"] if JAX in names else [])),
        options,
        "slowdown: against its own median alone, median (worst) round. p90: the 90th percentile of "
        "all epochs, by their median. ours / its, of worst rounds: two threads' time by one's, and "
        "their slowdown by JAX's.",
    )


def rows(names: list[str], n: int, rounds: dict[int, Any]) -> Iterator[dict[str, Any]]:
    """The table's lines of so many neighbours."""
    medians = {name: [statistics.median(r) for r in rounds[n][name]] for name in names}
    alone = {
        name: statistics.median([statistics.median(r) for r in rounds[0][name]]) for name in names
    }
    slower = {name: [seconds / alone[name] for seconds in medians[name]] for name in names}
    for name in names:
        every = sorted(seconds for r in rounds[n][name] for seconds in r)
        line = harness.row(f"{name}, {BESIDE[n]}", medians[name])
        line["slowdown"] = f"{statistics.median(slower[name]):.2f} ({max(slower[name]):.2f})"
        line["p90"] = f"{every[int(0.9 * len(every))] / statistics.median(every):.2f}"
        if name == ONE and n:  # what our two threads have of this
            worst = max(medians[TWO]) / max(medians[ONE])
            line |= {"ratio": harness.spread([worst]), "aim": 1.15}
        if name == JAX and n:
            worst = max(slower[TWO]) / max(slower[JAX])
            line |= {"ratio": harness.spread([worst]), "aim": 1.10}
        yield line


if __name__ == "__main__":
    main()
