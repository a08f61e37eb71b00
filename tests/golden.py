"""Whether the compiler gives the same bits as at another commit, on this machine, in one run.

    python -m tests.golden COMMIT                  about three minutes
    python -m tests.golden COMMIT PROGRAM ...      only these programs
    python -m tests.golden --list

The programs of corpus.py are run by this tree and by a worktree of COMMIT, which is removed
afterwards: compiled anew by each, with one thread and with two. Nothing golden is kept, for bits
depend on the machine's vectors. Every array must be equal, bit for bit, but for what the corpus
allows; any nan equals any other, because neither IEEE 754 nor C says which bits an operation gives
it. The exit code is 1 where one differs or is missing, where a program fails, is no longer compiled
or leaves more to NumPy.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tests import corpus

ROOT = Path(__file__).parents[1]
THREADS = (1, 2)
REASON = "functions of float32 whose last bits are the C library's (corpus.py, ALLOWED)"

Array = np.ndarray[Any, Any]


# --- comparing -----------------------------------------------------------------------------------


@dataclass
class Verdict:
    """What was found of a program: how many arrays, which differ more than they may, by how much
    others do, and what else is wrong or worth a word."""

    arrays: int = 0
    differing: dict[str, float] = field(default_factory=dict)
    excused: dict[str, float] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        return not self.differing and not self.wrong

    def __str__(self) -> str:
        words = [*self.wrong]
        for found, kind in ((self.differing, "differ"), (self.excused, "differ as they may")):
            if found:
                worst = max(found, key=found.__getitem__)
                words.append(f"{len(found)} {kind}, most {worst}: {_ulps(found[worst])}")
        return "; ".join([*(words or ["equal"]), *self.notes])


def _ulps(distance: float) -> str:
    return f"{distance:.0f} ulp" if math.isfinite(distance) else "altogether"


def distance(one: Array, other: Array) -> float:
    """By how many units in the last place two arrays differ at most; infinite where one has another
    shape, dtype, sign (also of zero) or a nan, and for what are no floats."""
    if (one.shape, one.dtype) != (other.shape, other.dtype):
        return math.inf
    if one.dtype.kind != "f":
        return 0.0 if np.array_equal(one, other) else math.inf
    bits = f"u{one.itemsize}"
    differ = (one.view(bits) != other.view(bits)) & ~(np.isnan(one) & np.isnan(other))
    if not differ.any():
        return 0.0
    one, other = one[differ], other[differ]
    if (np.isnan(one) | np.isnan(other) | (np.signbit(one) != np.signbit(other))).any():
        return math.inf
    least, most = np.sort(
        [one.view(bits), other.view(bits)], axis=0
    )  # of one sign they are ordered
    return float((most - least).max())


def judge(verdict: Verdict, here: Mapping[str, Array], base: Mapping[str, Array]) -> None:
    """Compare a program's arrays, by their names in corpus.py."""
    verdict.arrays += len(here)
    for name in sorted(base.keys() - here.keys()):
        verdict.wrong.append(f"{name} is missing")
    for name in sorted(here.keys() - base.keys()):
        verdict.wrong.append(f"{name} is new")
    for name in here.keys() & base.keys():
        found = distance(here[name], base[name])
        if found:
            may = corpus.allowed(name.split("/")[1], here[name].dtype)
            into = verdict.excused if found <= may else verdict.differing
            into[name] = max(found, into.get(name, 0.0))


def judge_compiled(verdict: Verdict, here: Mapping[str, Any], base: Mapping[str, Any]) -> None:
    """Compare how a program was run: `compiled` is None where nobody could tell."""
    for side, about in (("here", here), ("there", base)):
        if about["error"]:
            verdict.wrong.append(f"fails {side}: {about['error'].strip().splitlines()[-1]}")
    if base["compiled"] and here["compiled"] is False:
        verdict.wrong.append("is no longer compiled")
    left, before = Counter(here["left"]), Counter(base["left"])
    if left - before:
        verdict.wrong.append(f"leaves to NumPy, besides: {_listed(left - before)}")
    if before - left and here["compiled"]:
        verdict.notes.append(f"no longer leaves to NumPy: {_listed(before - left)}")


def _listed(rows: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(rows.items()))


# --- running -------------------------------------------------------------------------------------


@contextlib.contextmanager
def worktree(commit: str) -> Iterator[Path]:
    """A tree of a commit in a temporary folder, while it is needed."""
    with tempfile.TemporaryDirectory(prefix="golden-") as folder:
        tree = str(Path(folder, "tree"))
        try:
            _git("worktree", "add", "--quiet", "--detach", tree, commit)
            yield Path(tree)
        finally:
            heard = signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not stop it
            with contextlib.suppress(subprocess.CalledProcessError):
                _git("worktree", "remove", "--force", "--force", tree)
            signal.signal(signal.SIGINT, heard)


def _git(*command: str) -> str:
    words = ["git", "-C", str(ROOT), *command]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()


def run(trees: Sequence[Path], threads: int, names: Sequence[str], folder: Path) -> list[Any]:
    """The corpus run by each tree, at the same time: each one's arrays and what it says of its
    programs. folder: where each has a cache."""
    outs = [folder / f"{i}-{threads}" for i in range(len(trees))]
    processes = list[subprocess.Popen[bytes]]()
    try:
        for i, tree in enumerate(trees):
            kept = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
            environment = kept | {
                "PYTHONPATH": str(tree),
                "XDG_CACHE_HOME": str(folder / f"cache-{i}"),
                "CHAINRULE_THREADS": str(threads),
            }
            # -P: or the folder of corpus.py, which has an `autograd` of its own, would come first.
            command = [sys.executable, "-P", str(corpus.__file__), str(outs[i]), *names]
            processes.append(subprocess.Popen(command, env=environment, cwd=folder))
        for process in processes:
            process.wait()
        if any(process.returncode for process in processes):
            sys.exit("golden: the corpus did not come to its end; see above")
    finally:
        for process in processes:
            _end(process)
    return [_read(out, tree) for out, tree in zip(outs, trees, strict=True)]


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a run that is still at work, and what it compiles."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _read(out: Path, tree: Path) -> tuple[dict[str, dict[str, Array]], dict[str, Any]]:
    """What a run wrote: by program, its arrays by name, and what is to be known of it."""
    said = json.loads(out.with_name(f"{out.name}.json").read_text())
    if not Path(said["engine"]).is_relative_to(tree):
        sys.exit(f"golden: {said['engine']} was run in place of the engine in {tree}")
    arrays: dict[str, dict[str, Array]] = {name: {} for name in said["programs"]}
    with np.load(out.with_name(f"{out.name}.npz")) as file:
        for key in file.files:
            program, name = key.split("/", 1)
            arrays[program][name] = file[key]
    return arrays, said["programs"]


def compare(commit: str, names: Sequence[str] = ()) -> dict[str, Verdict]:
    """Verdicts by program, of this tree against a commit."""
    verdicts: dict[str, Verdict] = {}
    with worktree(commit) as base, tempfile.TemporaryDirectory(prefix="golden-") as folder:
        for threads in THREADS:
            (here, said), (there, said_there) = run((ROOT, base), threads, names, Path(folder))
            for program in [*here, *(there.keys() - here.keys())]:
                verdict = verdicts.setdefault(program, Verdict())
                if program not in there:
                    verdict.notes = [f"a row that {commit} has not"]
                elif program not in here:
                    verdict.wrong = ["a row that is gone"]
                else:
                    judge(verdict, here[program], there[program])
                    judge_compiled(verdict, said[program], said_there[program])
            print(f"threads {threads}: {_compiled(said)}", flush=True)
    return verdicts


def _compiled(said: Mapping[str, Any]) -> str:
    words = {True: "compiled", False: "replayed by NumPy", None: "unknown"}
    counts = Counter(words[about["compiled"]] for about in said.values())
    partly = sum(bool(about["left"]) for about in said.values())
    return f"{_listed(counts)}; with rows left to NumPy: {partly}"


# --- the table -----------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.golden",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("commit", nargs="?", help="what this tree is compared with")
    parser.add_argument("programs", nargs="*", help="only these programs")
    parser.add_argument("--list", action="store_true", help="the programs, and nothing is run")
    options = parser.parse_args(arguments)
    if options.list:
        print("\n".join(corpus.PROGRAMS))
        return 0
    if options.commit is None:
        parser.error("which commit?")
    unknown = set(options.programs) - corpus.PROGRAMS.keys()
    if unknown:
        parser.error(f"no programs named {', '.join(sorted(unknown))}; see --list")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the worktree goes then too

    start = time.perf_counter()
    try:
        commit = _git("rev-parse", "--short", "--verify", f"{options.commit}^{{commit}}")
    except subprocess.CalledProcessError:
        parser.error(f"there is no commit {options.commit}")
    verdicts = compare(commit, options.programs)
    width = max(map(len, verdicts))
    print(f"{'program':{width}}  arrays")
    for name, verdict in verdicts.items():
        print(f"{name:{width}}  {verdict.arrays:6}  {verdict}")
    wrong = sum(not verdict.passed for verdict in verdicts.values())
    excused = sum(bool(verdict.excused) for verdict in verdicts.values())
    print(
        f"{len(verdicts)} programs, {sum(v.arrays for v in verdicts.values())} arrays against "
        f"{commit}: {wrong} programs differ ({time.perf_counter() - start:.0f} s)"
    )
    if excused:
        print(f"{excused} differ as they may: {REASON}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
