"""The mutation run: every rule of the table, wrong in every way we know, against its own checks;
or the functions of the compiler that decide, against small steps.

    python -m tests.mutation                     all rules, about half a minute
    python -m tests.mutation tanh max            those of some primitives
    python -m tests.mutation --every 10          each tenth
    python -m tests.mutation --list              what they are and who killed them
    python -m tests.mutation --compiler          the compiler, about eight minutes on two cores
    python -m tests.mutation --compiler memory   a file of it

The exit code is 1 where a mutant survives without a reason in survivors.py or reasons.py.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Sequence
from typing import Any

from tests.mutation.compiler import parallel
from tests.mutation.compiler.mutants import mutants as compiler_mutants
from tests.mutation.compiler.reasons import REASONS
from tests.mutation.judge import judged
from tests.mutation.mutants import mutants, places
from tests.mutation.survivors import SURVIVORS
from tests.mutation.tables import Verdict, print_killers, print_survivors, print_table


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.mutation",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", help="only these rows of the table, or files")
    parser.add_argument("--compiler", action="store_true", help="the compiler in place of rules")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="each N-th mutant")
    parser.add_argument("--list", action="store_true", help="each mutant with who killed it")
    options = parser.parse_args(arguments)
    chosen = (_of_compiler if options.compiler else _of_rules)(options.names)[:: options.every]
    if not chosen:
        parser.error(f"nothing to change in {' '.join(options.names)}")

    start = time.perf_counter()
    verdicts = run(parallel.judged(chosen) if options.compiler else judged(chosen), len(chosen))
    if options.list:
        for verdict in verdicts:
            print(
                f"{'killed by ' + verdict.by if verdict.by else 'SURVIVES'}: {verdict.mutant.name}"
            )
        print()
    print_table(
        "function" if options.compiler else "rule", [(v.mutant.place.name, v) for v in verdicts]
    )
    print_table("kind", [(v.mutant.kind, v) for v in verdicts])
    print_killers(verdicts)
    print(f"{time.perf_counter() - start:.0f} s with the checks of what is as it is\n")
    reasons = REASONS if options.compiler else SURVIVORS
    complete = options.every == 1 and not options.names
    return print_survivors(verdicts, reasons, complete, options.compiler and not options.list)


def _of_rules(names: Sequence[str]) -> list[Any]:
    """The mutants of these primitives, of all if there are no names."""
    return [
        mutant
        for place in places()
        for mutant in mutants(place)
        if not names or set(names) & {prim.name for prim in place.rows}
    ]


def _of_compiler(names: Sequence[str]) -> list[Any]:
    """The mutants of these files."""
    return [m for m in compiler_mutants() if not names or m.place.name.split(".")[0] in names]


def run(judged: Iterable[Verdict], count: int) -> list[Verdict]:
    """All verdicts, with a line of progress where somebody looks on."""
    verdicts: list[Verdict] = []
    watched = sys.stderr.isatty()
    if watched:
        print("the checks of what is as it is ...", end="", file=sys.stderr, flush=True)
    for verdict in judged:
        verdicts.append(verdict)
        if watched:
            line = f"{len(verdicts):4} of {count}  {verdict.mutant.place.name}"
            print(f"\r{line:<60}", end="", file=sys.stderr, flush=True)
    if watched:
        print(f"\r{'':60}\r", end="", file=sys.stderr, flush=True)
    return verdicts


if __name__ == "__main__":
    sys.exit(main())
