"""The compiler's mutants judged by two processes, each of which makes the steps for itself."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Iterator, Sequence
from typing import Any

from tests.mutation.compiler import judge
from tests.mutation.compiler.mutants import Mutant, mutants
from tests.mutation.tables import Verdict

PROCESSES = min(2, os.cpu_count() or 1)

_limits = judge.small_limits()  # held: a context manager that is dropped puts back what was
_trials: Any = None


def judged(chosen: Sequence[Mutant]) -> Iterator[Verdict]:
    """Verdicts on some of `mutants()`, in their order."""
    numbers = {mutant.name: number for number, mutant in enumerate(mutants())}
    wanted = [numbers[mutant.name] for mutant in chosen]
    with multiprocessing.get_context("spawn").Pool(PROCESSES, _start) as pool:
        answers = pool.imap(_judge, wanted, chunksize=4)
        for mutant, (by, seconds) in zip(chosen, answers, strict=True):
            yield Verdict(mutant, by, seconds)


def _start() -> None:
    global _trials
    _limits.__enter__()  # for as long as the process lives
    _trials = judge.trials()


def _judge(number: int) -> tuple[str | None, float]:
    start = time.perf_counter()
    by = judge.killer(mutants()[number], _trials)
    return by, time.perf_counter() - start
