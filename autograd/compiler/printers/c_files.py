"""Stage 5, from the loop language to C: a step as files that a C compiler reads.

Equal functions are one function of C; tables of data say which run calls it with which arrays.
print_c.py prints the functions.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from ...primitives.expressions import FLOAT64
from ..language.statements import Function, Run, Segment
from ..passes.tiling import Machine
from .print_c import SIGNATURE, elementary_functions, function

FILE_SIZE = 1 << 15  # characters: a compiler's work of 1 s; an empty file costs it 0.05 s

# One more slot points at doubles: the time of the last lap, then the seconds of each run.
LAP = f"""#include <time.h>

static void lap({SIGNATURE}) {{
    double *laps = (double *)p[at->slot];
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    double now = t.tv_sec + 1e-9 * t.tv_nsec;
    if (at->offset) *(double *)AT(0) += now - laps[0];
    laps[0] = now;
}}"""


def source(segments: Mapping[str, Segment], machine: Machine) -> str:
    """The C of a step in one file. The stages of a segment, which threads.c runs, have its name."""
    return sources(segments, machine, sys.maxsize)[0]


def sources(segments: Mapping[str, Segment], machine: Machine, size: int = FILE_SIZE) -> list[str]:
    """The C of a step in files of about this many characters, compiled in parallel and linked."""
    names, files = _functions(segments, machine, size)
    tables = _Tables()
    lists = list[str]()
    for segment, groups in segments.items():
        stages = list[str]()
        for group in groups:
            calls = [([tables.run(run, names)], run.parts) for run in group if run.parts]
            small = [tables.run(run, names) for run in group if not run.parts]
            calls += [(small, 0)] if small else []  # one thread runs these in order
            stages += [
                f"{{{tables.calls(some)}, {parts}, {int(i == 0)}}}"
                for i, (some, parts) in enumerate(calls)
            ]
        lists.append(_stages(segment, stages))
    *others, last = files
    pieces = [*last, *_declared(names, bool(others)), *tables.texts(), *lists]
    return ["\n\n".join(some) + "\n" for some in (*others, pieces)]


def timed(
    segments: Mapping[str, Segment], machine: Machine, laps: Mapping[str, int], slot: int
) -> str:
    """The C of a step that times its runs. Each waits for all before it, and its seconds are added
    to number laps[name] of the slot's doubles."""
    names, (pieces,) = _functions(segments, machine, sys.maxsize)
    tables, lists = _Tables(), list[str]()
    for segment, groups in segments.items():
        stages = [f"{{{tables.calls([tables.lap(slot, 0)])}, 0, 1}}"]
        for run in (run for group in groups for run in group):
            stages.append(f"{{{tables.calls([tables.run(run, names)])}, {run.parts}, 1}}")
            stages.append(f"{{{tables.calls([tables.lap(slot, laps[run.name])])}, 0, 1}}")
        lists.append(_stages(segment, stages))
    return "\n\n".join([*pieces, LAP, *tables.texts(), *lists]) + "\n"


class _Tables:
    """The addresses of the arrays that runs are given, and lists of calls, as tables of C."""

    def __init__(self) -> None:
        self.addresses, self.called = list[str](), list[str]()
        self.count = 0  # of addresses

    def run(self, run: Run, names: Mapping[Function, str]) -> str:
        """A call of a run's function with its arrays."""
        return self._call(run.name, names[run.function], run.arrays)

    def lap(self, slot: int, number: int) -> str:
        """A call that adds the seconds since the last lap to one of the slot's doubles."""
        return self._call(f"lap {number}", "lap", [(slot, number * FLOAT64.itemsize)])

    def _call(self, title: str, name: str, arrays: Sequence[tuple[int, int]]) -> str:
        pairs = "".join(f"{{{slot}, {offset}}}, " for slot, offset in arrays)
        self.addresses.append(f"{pairs}/* {title} */")
        self.count += len(arrays)
        return f"{{{name}, places + {self.count - len(arrays)}}}"

    def calls(self, calls: Sequence[str]) -> str:
        """A pointer to a list of these calls."""
        first = len(self.called)
        self.called += [*calls, "{0}"]
        return f"calls + {first}"

    def texts(self) -> list[str]:
        """The definitions of both tables."""
        addresses, calls = _lines([*self.addresses, "{0}"], ""), _lines(self.called, ",")
        return [
            f"static const struct place places[] = {{\n{addresses}\n}};",
            f"static const struct call calls[] = {{\n{calls}\n}};",
        ]


def _lines(items: Sequence[str], end: str) -> str:
    return "\n".join(f"    {item}{end}" for item in items)


def _stages(name: str, stages: Sequence[str]) -> str:
    return f"const struct stage {name}[] = {{\n{_lines([*stages, '{0}'], ',')}\n}};"


def _declared(names: Mapping[Function, str], elsewhere: bool) -> list[str]:
    return [f"work {', '.join(names.values())};"] if elsewhere else []


def _functions(
    segments: Mapping[str, Segment], machine: Machine, size: int
) -> tuple[dict[Function, str], list[list[str]]]:
    """A name for each function, equal ones once, and the texts of files of about equal length."""
    runs = (run for groups in segments.values() for group in groups for run in group)
    names = dict[Function, str]()
    for run in runs:
        names.setdefault(run.function, f"body{len(names)}")
    texts = {each: function(each, name) for each, name in names.items()}
    files = [list[Function]() for _ in range(1 + sum(map(len, texts.values())) // size)]
    lengths = [0] * len(files)
    for each in sorted(texts, key=lambda each: -len(texts[each])):  # the longest first
        shortest = lengths.index(min(lengths))
        files[shortest].append(each)
        lengths[shortest] += len(texts[each])
    head = f'#define VECTOR {machine.vector}\n#define ROWS {machine.rows}\n#include "prelude.h"'
    return names, [
        [head, *elementary_functions(file), *(texts[each] for each in file)] for file in files
    ]
