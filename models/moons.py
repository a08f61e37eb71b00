"""micrograd's demo: a small MLP of single numbers learns to tell two moons apart.

`python -m models.moons` runs it: it prints the loss as it falls, then both moons and the border
that was learned between them, as characters.
"""

from __future__ import annotations

import gc
import math
import random
import sys
from collections.abc import Callable

from autograd import Value, no_grad
from models.command_line import run
from models.neuron import MLP

__all__ = ["learn", "main", "moons"]

Point = tuple[float, float]
WIDTH, HEIGHT = 58, 24  # of the picture, in characters


def moons(n: int, noise: float, seed: int) -> tuple[list[Point], list[int]]:
    """n points on two interleaving half circles by turns, and for each its moon: -1 or 1.

    noise: the standard deviation of both coordinates. The half circles are those of
    scikit-learn's make_moons.

    >>> points, labels = moons(4, noise=0.0, seed=0)
    >>> [(round(x, 1), round(y, 1)) for x, y in points], labels
    ([(1.0, 0.0), (0.0, 0.5), (-1.0, 0.0), (2.0, 0.5)], [-1, 1, -1, 1])
    """
    draw = random.Random(seed)
    points, labels = [], []
    for i in range(n):
        angle = math.pi * (i // 2) / max(1, n // 2 - 1)
        x, y = math.cos(angle), math.sin(angle)
        if i % 2:
            x, y = 1.0 - x, 0.5 - y
        points.append((x + draw.gauss(0.0, noise), y + draw.gauss(0.0, noise)))
        labels.append(2 * (i % 2) - 1)
    return points, labels


def learn(
    net: MLP,
    points: list[Point],
    labels: list[int],
    steps: int = 100,
    report: Callable[[int, float, float], None] = lambda step, loss, accuracy: None,
) -> float:
    """Teach `net` in place, with all points in each step; gives the accuracy before the last step.

    The loss is the max-margin mean(relu(1 - label * score)), plus 1e-4 of the squared weights.
    """
    parameters = net.parameters()
    accuracy = 0.0
    for step in range(steps):
        scores = [_score(net, point) for point in points]
        margins = [(1.0 - label * s).relu() for s, label in zip(scores, labels, strict=True)]
        squares: Value = sum((p * p for p in parameters), Value(0.0))
        loss = sum(margins, Value(0.0)) / len(margins) + 1e-4 * squares
        accuracy = _right(scores, labels) / len(labels)

        net.zero_grad()
        loss.backward()
        rate = 1.0 - 0.9 * step / steps
        for p in parameters:
            p.data -= rate * p.grad
        report(step, loss.item(), accuracy)
    return accuracy


def _score(net: MLP, point: Point) -> Value:
    score = net(point)
    assert isinstance(score, Value)  # the net has one output
    return score


def _right(scores: list[Value], labels: list[int]) -> int:
    """How many scores have the sign of their label."""
    return sum((s > 0) == (label > 0) for s, label in zip(scores, labels, strict=True))


@no_grad()
def picture(net: MLP, points: list[Point], labels: list[int]) -> str:
    """The plane: "." where `net` sees one moon, ":" where the other; the points as "o" and "x"."""
    left, right = min(x for x, _ in points) - 0.3, max(x for x, _ in points) + 0.3
    low, high = min(y for _, y in points) - 0.3, max(y for _, y in points) + 0.3
    xs = [left + (right - left) * (i + 0.5) / WIDTH for i in range(WIDTH)]
    ys = [high - (high - low) * (i + 0.5) / HEIGHT for i in range(HEIGHT)]
    rows = [[":" if _score(net, (x, y)) > 0 else "." for x in xs] for y in ys]
    for (x, y), label in zip(points, labels, strict=True):
        column = int((x - left) / (right - left) * WIDTH)
        rows[int((high - y) / (high - low) * HEIGHT)][column] = "x" if label > 0 else "o"
    return "\n".join("".join(row) for row in rows)


def main() -> None:
    """The demo: 100 points, 100 steps."""
    points, labels = moons(100, noise=0.1, seed=1)
    net = MLP(2, [16, 16, 1], seed=1)
    print(f"two moons: 100 points, {len(net.parameters())} parameters, 100 steps")

    def report(step: int, loss: float, accuracy: float) -> None:
        if step % 10 == 0:
            print(f"step {step:3}   loss {loss:.4f}   {accuracy:4.0%} right", flush=True)

    learn(net, points, labels, report=report)
    with no_grad():
        scores = [_score(net, point) for point in points]
    print(f"in the end {_right(scores, labels)} of {len(points)} points are right\n")
    print(picture(net, points, labels))


if __name__ == "__main__":
    # A step makes 65,000 nodes without a cycle: reference counts free them all, and a search for
    # cycles would take two thirds of the time.
    gc.disable()
    sys.exit(run(lambda: main))
