"""The mutation run: every rule of the table, wrong in every way we know, against its own checks.

    python -m tests.mutation              all mutants, about half a minute
    python -m tests.mutation tanh max     those of some rows
    python -m tests.mutation --every 10   each tenth
    python -m tests.mutation --list       what they are and who killed them

The exit code is 1 where a mutant survives without a reason in survivors.py.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import textwrap
import time
from collections import Counter
from collections.abc import Sequence

from tests.mutation.judge import Verdict, judged
from tests.mutation.mutants import Mutant, mutants, places
from tests.mutation.survivors import SURVIVORS


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.mutation",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("rows", nargs="*", help="only these rows of the table")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="each N-th mutant")
    parser.add_argument("--list", action="store_true", help="each mutant with who killed it")
    options = parser.parse_args(arguments)

    chosen = [
        mutant
        for place in places()
        for mutant in mutants(place)
        if not options.rows or set(options.rows) & {row.name for row in place.rows}
    ][:: options.every]
    if not chosen:
        parser.error(f"no rules in {' '.join(options.rows)}")
    start = time.perf_counter()
    verdicts = run(chosen)
    if options.list:
        for verdict in verdicts:
            print(
                f"{'killed by ' + verdict.by if verdict.by else 'SURVIVES'}: {verdict.mutant.name}"
            )
        print()
    print_table("rule", [(v.mutant.place.name, v) for v in verdicts])
    print_table("kind", [(v.mutant.kind, v) for v in verdicts])
    print_killers(verdicts)
    print(f"{time.perf_counter() - start:.0f} s with the checks of the table as it is\n")
    return print_survivors(verdicts, complete=options.every == 1 and not options.rows)


def run(chosen: Sequence[Mutant]) -> list[Verdict]:
    """Judge the mutants, with a line of progress where somebody looks on."""
    verdicts: list[Verdict] = []
    watched = sys.stderr.isatty()
    if watched:
        print("the checks on the table as it is ...", end="", file=sys.stderr, flush=True)
    for verdict in judged(chosen):
        verdicts.append(verdict)
        if watched:
            line = f"{len(verdicts):4} of {len(chosen)}  {verdict.mutant.place.name}"
            print(f"\r{line:<60}", end="", file=sys.stderr, flush=True)
    if watched:
        print(f"\r{'':60}\r", end="", file=sys.stderr, flush=True)
    return verdicts


def print_table(title: str, verdicts: Sequence[tuple[str, Verdict]]) -> None:
    """One line for each name: mutants, killed, survivors, time; and a total."""
    lines: dict[str, list[Verdict]] = {}
    for name, verdict in verdicts:
        lines.setdefault(name, []).append(verdict)
    print(f"{title:<20} {'mutants':>8} {'killed':>8} {'survivors':>10} {'seconds':>8}")
    for name, line in lines.items():
        print_line(name, line)
    print("-" * 58)
    print_line("total", [verdict for _, verdict in verdicts])
    print()


def print_line(name: str, verdicts: Sequence[Verdict]) -> None:
    killed = sum(verdict.by is not None for verdict in verdicts)
    lived = len(verdicts) - killed
    seconds = sum(verdict.seconds for verdict in verdicts)
    print(f"{name:<20} {len(verdicts):8} {killed:8} {lived or '':>10} {seconds:8.1f}")


def print_killers(verdicts: Sequence[Verdict]) -> None:
    """Which check killed how many, as the first to fail."""
    print(f"{'killed by':<64} {'mutants':>8}")
    for name, count in Counter(v.by for v in verdicts if v.by).most_common():
        print(f"{name:<64} {count:8}")
    print()


def print_survivors(verdicts: Sequence[Verdict], complete: bool) -> int:
    """The survivors by reason. Gives the exit code."""
    alive = [verdict.mutant.name for verdict in verdicts if verdict.by is None]
    killed = {verdict.mutant.name for verdict in verdicts if verdict.by}
    known = {name for name in alive if name in SURVIVORS}
    width = min(100, shutil.get_terminal_size((100, 24)).columns)
    print(f"{len(alive)} survivors, {len(known)} of them with a reason:")
    for reason in dict.fromkeys(SURVIVORS.values()):
        names = [name for name in alive if SURVIVORS.get(name) == reason]
        if names:
            print(textwrap.fill(reason, width, initial_indent="- ", subsequent_indent="  "))
        for name in names:
            wrapped = textwrap.wrap(
                name, width - 4, subsequent_indent="    ", break_on_hyphens=False
            )
            print(textwrap.indent("\n".join(wrapped), "    "))
    unknown = [name for name in alive if name not in known]
    # A part of the mutants says nothing of the entries for others.
    wrong = sorted(SURVIVORS.keys() - known) if complete else sorted(SURVIVORS.keys() & killed)
    for name in unknown:
        print(f"WITHOUT A REASON: {name}")
    for name in wrong:
        print(f"{'KILLED' if name in killed else 'NO LONGER THERE'}, and called a survivor: {name}")
    return 1 if unknown or wrong else 0


if __name__ == "__main__":
    sys.exit(main())
