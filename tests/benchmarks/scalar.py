"""One pass forward and backward through a graph of single numbers: ours against micrograd's.

The same MLP(16, [16, 16, 1]) with the same weights and input: about 1,100 nodes. The input comes as
Values, as in micrograd's own demo, and as floats, as people also type it. Timed with Python's
garbage collector off, as `timeit` does, and again with it on: micrograd's nodes form cycles that
only the collector frees, ours go when the last name for them does.
"""

from __future__ import annotations

import gc
import importlib
import random
import sys
from contextlib import ExitStack
from typing import Any

from tests.benchmarks import harness

CONTESTANTS = {"Chainrule": "models.neuron", "micrograd": "micrograd.nn"}
SIZES = 16, [16, 16, 1]
AIM = 0.33
PASSES = 20
CASES = ["", ", floats in", ", collector on"]


def serve(contestant: str, passes: int) -> None:
    """Answer each turn with seconds a pass, by case, and with what a pass gives."""
    module = importlib.import_module(CONTESTANTS[contestant])
    model = module.MLP(*SIZES)
    draw = random.Random(0)
    for parameter in model.parameters():
        parameter.data = draw.uniform(-1.0, 1.0)
    floats = [draw.uniform(-1.0, 1.0) for _ in range(SIZES[0])]
    values = [module.Value(x) for x in floats]

    def one_pass(x: Any) -> Any:
        y = model(x)
        y.backward()
        return y

    def seconds(x: Any) -> float:
        taken, _ = harness.timed(lambda: [one_pass(x).data for _ in range(passes)])
        return taken / passes

    def turn() -> dict[str, Any]:
        model.zero_grad()
        numbers = [one_pass(floats).data, *(p.grad for p in model.parameters())]
        answer = {"numbers": numbers}
        for case in CASES:
            gc.collect()
            if case != ", collector on":
                gc.disable()
            answer[case] = seconds(floats if case == ", floats in" else values)
            gc.enable()
        return answer

    harness.serve(turn)


def check(numbers: dict[str, list[float]]) -> None:
    """End the program where an output or a gradient differs by more than 1e-9 of it."""
    ours = numbers["Chainrule"]
    for name, theirs in numbers.items():
        worst = max(abs(a - b) / max(1.0, abs(b)) for a, b in zip(ours, theirs, strict=True))
        if worst > 1e-9:
            sys.exit(f"scalar: ours and {name}'s results differ by {worst:.1e}")


def main() -> None:
    options = harness.arguments(str(__doc__))
    if options.serve:
        serve(options.serve, 1 if options.quick else PASSES)
        return
    peers = harness.installed({"micrograd": "micrograd"})
    names = ["Chainrule", *peers]
    with ExitStack() as stack:
        turns = {
            name: stack.enter_context(harness.worker("tests.benchmarks.scalar", name, options))
            for name in names
        }
        check({name: turn()["numbers"] for name, turn in turns.items()})
        answers = harness.alternate(turns, options)
    rows = []
    for case in CASES:
        seconds = {name: [answer[case] for answer in answers[name]] for name in names}
        ours = seconds["Chainrule"]
        aim = None if case == ", collector on" else AIM
        rows.append(harness.row("Chainrule" + case, ours))
        rows += [harness.row(peer + case, seconds[peer], ours, aim) for peer in peers]
    harness.report(
        "scalar: a pass forward and backward through MLP(16, [16, 16, 1]) of single numbers",
        rows,
        harness.machine(*peers),
        options,
    )


if __name__ == "__main__":
    main()
