"""What a derivative costs: each transform's time divided by that of what it is made from.

Both are ours and run in one process, call by call in turn. The functions run on plain arrays, so
that a ratio holds everything that differentiating adds: the nodes, the rules, the arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from itertools import pairwise
from typing import Any

import numpy as np

from autograd import (
    cos,
    cross_entropy,
    exp,
    gather,
    grad,
    hvp,
    jit,
    jvp,
    logsumexp,
    relu,
    sin,
    tanh,
    vmap,
)
from tests.benchmarks import harness

BATCH, CLASSES, OUTPUTS = 128, 10, 1000
SECONDS = 0.3  # of a turn, in which the two are called as often as fits
Array = np.ndarray[Any, Any]
Parameters = list[tuple[Array, Array]]
Pair = tuple[Callable[[], Any], Callable[[], Any]]


def network(*sizes: int, seed: int = 0) -> Parameters:
    """A weight (in, out) and a bias (out,) for each layer."""
    generator = np.random.default_rng(seed)
    return [
        (
            (generator.standard_normal((fan_in, fan_out)) / np.sqrt(fan_in)).astype(np.float32),
            np.zeros(fan_out, np.float32),
        )
        for fan_in, fan_out in pairwise(sizes)
    ]


def layers(activation: Any, parameters: Parameters, x: Any) -> Any:
    """(..., in) to (..., out), with the activation between layers."""
    *hidden, (weight, bias) = parameters
    for w, b in hidden:
        x = activation(x @ w + b)
    return x @ weight + bias


def digits(count: int = BATCH) -> tuple[Array, Array]:
    """Images and labels, drawn at random: the cost does not depend on them."""
    generator = np.random.default_rng(1)
    images = generator.random((count, 784), dtype=np.float32)
    return images, generator.integers(0, CLASSES, count)


def gradient() -> Pair:
    parameters, (x, y) = network(784, 256, 128, CLASSES), digits()

    def loss(parameters: Any) -> Any:
        return cross_entropy(layers(relu, parameters, x), y)

    return lambda: loss(parameters), lambda: grad(loss)(parameters)


def per_example() -> Pair:
    parameters, (x, y) = network(784, 128, CLASSES), digits()

    def loss(parameters: Any, x: Any, y: Any) -> Any:
        return cross_entropy(layers(relu, parameters, x), y)

    batched, each = grad(loss), vmap(grad(loss), in_axes=(None, 0, 0))
    pairs = zip(each(parameters, x, y), batched(parameters, x, y), strict=True)
    for (weights, _), (weight, _) in pairs:  # the batch's loss is the mean of the examples'
        np.testing.assert_allclose(weights.mean(0), weight, rtol=1e-3, atol=1e-6)
    return lambda: batched(parameters, x, y), lambda: each(parameters, x, y)


def hessian_vector() -> Pair:
    parameters, (x, y) = network(784, 256, 128, CLASSES), digits()
    generator = np.random.default_rng(2)
    direction = [
        tuple(generator.standard_normal(p.shape, dtype=np.float32) for p in layer)
        for layer in parameters
    ]

    def loss(parameters: Any) -> Any:  # tanh is curved, relu is not
        return cross_entropy(layers(tanh, parameters, x), y)

    return lambda: grad(loss)(parameters), lambda: hvp(loss, parameters, direction)


def forward_line() -> Pair:
    """1,000 losses at the points of a line through weight space."""
    parameters, direction = network(784, 128, CLASSES), network(784, 128, CLASSES, seed=3)
    x, y = digits(OUTPUTS)

    def losses(t: Any) -> Any:
        pairs = zip(parameters, direction, strict=True)
        logits = layers(relu, [(w + t * dw, b + t * db) for (w, b), (dw, db) in pairs], x)
        return logsumexp(logits, -1) - gather(logits, y)

    return _forward(losses, np.array(0.1, np.float32))


def _curve() -> tuple[Callable[[Any], Any], Array]:
    w, b = np.random.default_rng(0).standard_normal((2, OUTPUTS))
    return lambda t: tanh(sin(t * w + b) * cos(t) * exp(-t * w * w)), np.array(0.3)


def forward_curve() -> Pair:
    return _forward(*_curve())


def forward_curve_jit() -> Pair:
    function, t = _curve()
    tangents = jit(lambda t, v: jvp(function, (t,), (v,)))
    return lambda: function(t), lambda: tangents(t, np.ones_like(t))


def _forward(function: Callable[[Any], Any], t: Array) -> Pair:
    tangent = jvp(function, (t,), (np.ones_like(t),))[1]
    slope = grad(lambda t: function(t).sum())(t)  # the other mode
    assert abs(tangent.sum() - slope) <= 1e-5 * np.abs(tangent).sum()
    return lambda: function(t), lambda: jvp(function, (t,), (np.ones_like(t),))


# What is divided, what it is divided by, the two (the second first), and the ratio to stay below.
MEASURES = {
    "grad": ("grad", "the loss of 784-256-128-10, relu, batch 128", gradient, 5.0),
    "each": ("vmap(grad)", "grad of the batch, 784-128-10, 128 examples", per_example, 20.0),
    "hvp": ("hvp", "grad of 784-256-128-10, tanh, batch 128", hessian_vector, 4.0),
    "line": ("jvp", "1 to 1000: losses on a line in weight space", forward_line, 4.0),
    "curve": ("jvp", "1 to 1000: ten elementwise operations", forward_curve, 4.0),
    "jit": ("jvp under jit", "the same, not under jit", forward_curve_jit, 4.0),
}


def serve(measure: str, seconds: float) -> None:
    """Answer each turn with the least seconds of either function: what a call takes when nobody
    else has the core."""
    pair = MEASURES[measure][2]()

    def turn() -> tuple[float, float]:
        spent, quickest = 0.0, [float("inf")] * 2
        while not spent or spent < seconds:
            for i, function in enumerate(pair):
                took, _ = harness.timed(function)
                spent, quickest[i] = spent + took, min(quickest[i], took)
        return quickest[0], quickest[1]

    turn()
    harness.serve(turn)


def main() -> None:
    options = harness.arguments(str(__doc__))
    if options.serve:
        serve(options.serve, 0.0 if options.quick else SECONDS)
        return
    # Both sides of a ratio are ours and would gain alike from a second thread; one thread does
    # not wait for a core that somebody else has.
    harness.THREADS = 1
    with ExitStack() as stack:
        turns = {
            name: stack.enter_context(harness.worker("tests.benchmarks.cost", name, options))
            for name in MEASURES
        }
        answers = harness.alternate(turns, options, rest=0.0)
    rows = []
    for name, (derivative, of, _, aim) in MEASURES.items():
        function, ours = zip(*answers[name], strict=True)
        rows.append(harness.row(derivative, ours))
        rows.append(harness.row(f"  / {of}", function, ours, aim))
    harness.report("cost: a derivative against its function", rows, harness.machine(), options)


if __name__ == "__main__":
    main()
