"""`import autograd` against `import numpy`, each in a fresh process.

Both the import itself and the whole process are timed; the interpreter's own start is in the
second, and makes any two imports look alike. The aim is held against the first.
"""

from __future__ import annotations

from tests.benchmarks import harness

AIM = 1.3
CODE = """
from time import perf_counter
start = perf_counter()
import {}
print(perf_counter() - start)
"""
STARTS = 5  # a turn is the quickest of so many processes: a single start is a noisy thing


def start(module: str, starts: int) -> dict[str, float]:
    """Seconds of the import, and of the whole process."""
    code = CODE.format(module)
    runs = [harness.timed(lambda: harness.run("-c", code)) for _ in range(starts)]
    inside = min(float(process.stdout) for _, process in runs)
    return {"import": inside, "process with import": min(seconds for seconds, _ in runs)}


def main() -> None:
    options = harness.arguments(str(__doc__))
    starts = 1 if options.quick else STARTS
    turns = {
        "autograd": lambda: start("autograd", starts),
        "numpy": lambda: start("numpy", starts),
    }
    for turn in turns.values():  # until bytecode is written and files are in memory
        turn()
    answers = harness.alternate(turns, options, rest=0.0)
    rows = []
    for what, aim in (("import", AIM), ("process with import", None)):
        ours, numpys = ([answer[what] for answer in answers[name]] for name in turns)
        rows.append(harness.row(f"{what} autograd", ours))
        rows.append(harness.row(f"{what} numpy", numpys, ours, aim))
    harness.report("importing: autograd against NumPy", rows, harness.machine(), options)


if __name__ == "__main__":
    main()
