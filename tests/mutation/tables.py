"""What a mutation run found, as tables: of rules and of the compiler alike."""

from __future__ import annotations

import shutil
import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Verdict:
    """A mutant (its `name`, its `kind`), who killed it (None: it survived) and how long that
    took."""

    mutant: Any
    by: str | None
    seconds: float


def print_table(title: str, verdicts: Sequence[tuple[str, Verdict]]) -> None:
    """One line for each name: mutants, killed, survivors, time; and a total."""
    lines: dict[str, list[Verdict]] = {}
    for name, verdict in verdicts:
        lines.setdefault(name, []).append(verdict)
    print(f"{title:<32} {'mutants':>8} {'killed':>8} {'survivors':>10} {'seconds':>8}")
    for name, line in lines.items():
        print_line(name, line)
    print("-" * 70)
    print_line("total", [verdict for _, verdict in verdicts])
    print()


def print_line(name: str, verdicts: Sequence[Verdict]) -> None:
    killed = sum(verdict.by is not None for verdict in verdicts)
    lived = len(verdicts) - killed
    seconds = sum(verdict.seconds for verdict in verdicts)
    print(f"{name:<32} {len(verdicts):8} {killed:8} {lived or '':>10} {seconds:8.1f}")


def print_killers(verdicts: Sequence[Verdict]) -> None:
    """Which check killed how many, as the first to fail."""
    print(f"{'killed by':<64} {'mutants':>8}")
    kinds = Counter(v.by.split(": ")[0] for v in verdicts if v.by)
    for name, count in kinds.most_common():
        print(f"{name:<64} {count:8}")
    print()


def print_survivors(
    verdicts: Sequence[Verdict], reasons: Mapping[str, str], complete: bool, brief: bool = False
) -> int:
    """The survivors by reason; brief: how many of each only. Gives the exit code."""
    alive = {v.mutant.name: reason_key(v.mutant.name, reasons) for v in verdicts if v.by is None}
    killed = {verdict.mutant.name for verdict in verdicts if verdict.by}
    unknown = [name for name, key in alive.items() if key is None]
    width = min(100, shutil.get_terminal_size((100, 24)).columns)
    print(f"{len(alive)} survivors, {len(alive) - len(unknown)} of them with a reason:")
    for reason in dict.fromkeys(reasons.values()):
        names = [name for name, key in alive.items() if key and reasons[key] == reason]
        if names:
            text = f"{len(names)}: {reason}"
            print(textwrap.fill(text, width, initial_indent="- ", subsequent_indent="  "))
        for name in () if brief else names:
            wrapped = textwrap.wrap(
                name, width - 4, subsequent_indent="    ", break_on_hyphens=False
            )
            print(textwrap.indent("\n".join(wrapped), "    "))
    # A part of the mutants says nothing of the entries for others.
    wrong = reasons.keys() - set(alive.values()) if complete else reasons.keys() & killed
    for name in unknown:
        print(f"WITHOUT A REASON: {name}")
    for name in sorted(wrong):
        print(f"{'KILLED' if name in killed else 'NO LONGER THERE'}, and called a survivor: {name}")
    return 1 if unknown or wrong else 0


def reason_key(name: str, reasons: Mapping[str, str]) -> str | None:
    """Under what a mutant has its reason: its name, or the longest beginning of it."""
    if name in reasons:
        return name
    return max((key for key in reasons if name.startswith(key)), key=len, default=None)
