"""Compiled epochs of MNIST at other widths, batches and optimizers: our `loop` against JAX's scan.

784-hidden-10, relu, float32, two threads, the images in memory; a tenth of an epoch each turn.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import ExitStack
from itertools import pairwise
from typing import Any

import numpy as np

import data
from tests.benchmarks import harness
from tests.benchmarks.jit import compiled_step

Array = np.ndarray[Any, Any]
RATE, MOMENTUM, BETAS, EPS = 0.01, 0.9, (0.9, 0.999), 1e-8
CELLS = [
    *((str(width), 128, "sgd") for width in (32, 128, 512, 2048)),
    *(("512-512", batch, "sgd") for batch in (16, 128, 1024)),
    ("128", 128, "adam"),
    ("512-512", 128, "adam"),
]
QUICK = [("32", 128, "sgd"), ("32", 128, "adam")]
IMAGES = 6_000


def weights(sizes: list[int]) -> list[tuple[Array, Array]]:
    """What both start from: (out, in) and (out,) of each layer."""
    generator = np.random.default_rng(0)
    return [
        (
            (generator.standard_normal((m, n)) * math.sqrt(2 / n)).astype(np.float32),
            np.zeros(m, np.float32),
        )
        for n, m in pairwise(sizes)
    ]


def chainrule(sizes: list[int], optimizer: str, images: Array, labels: Array) -> Any:
    from autograd.optim import SGD, Adam
    from models.mlp import MLP

    model = MLP(sizes)
    parameters = model.parameters()
    flat = [array for pair in weights(sizes) for array in pair]
    for parameter, array in zip(parameters, flat, strict=True):
        parameter.assign(array)
    sgd = optimizer == "sgd"
    chosen = SGD(parameters, RATE, MOMENTUM) if sgd else Adam(parameters, RATE, BETAS, EPS)
    step = compiled_step(model, chosen)
    return lambda order: step.loop((images, labels), order).data.tolist()


def jax(sizes: list[int], optimizer: str, images: Array, labels: Array) -> Any:
    import jax
    import jax.numpy as jnp

    start = [(jnp.asarray(w.T), jnp.asarray(b)) for w, b in weights(sizes)]
    zeros = jax.tree.map(jnp.zeros_like, start)
    state = (start, zeros, zeros, jnp.zeros(()))

    def loss_of(layers: Any, x: Any, y: Any) -> Any:
        *hidden, (w, b) = layers
        for weight, bias in hidden:
            x = jax.nn.relu(x @ weight + bias)
        logits = jax.nn.log_softmax(x @ w + b)
        return -jnp.take_along_axis(logits, y[:, None], axis=1).mean()

    def sgd(state: Any, g: Any) -> Any:
        w, v, unused, count = state
        v = jax.tree.map(lambda v, g: MOMENTUM * v + g, v, g)
        return jax.tree.map(lambda w, v: w - RATE * v, w, v), v, unused, count

    def adam(state: Any, g: Any) -> Any:
        w, m, v, count = state
        count = count + 1
        m = jax.tree.map(lambda m, g: BETAS[0] * m + (1 - BETAS[0]) * g, m, g)
        v = jax.tree.map(lambda v, g: BETAS[1] * v + (1 - BETAS[1]) * g * g, v, g)
        rate, root = RATE / (1 - BETAS[0] ** count), jnp.sqrt(1 - BETAS[1] ** count)
        w = jax.tree.map(lambda w, m, v: w - rate * m / (jnp.sqrt(v) / root + EPS), w, m, v)
        return w, m, v, count

    update = sgd if optimizer == "sgd" else adam
    x, y = jnp.asarray(images), jnp.asarray(labels.astype(np.int32))

    def step(state: Any, rows: Any, x: Any, y: Any) -> Any:
        loss, g = jax.value_and_grad(loss_of)(state[0], x[rows], y[rows])
        return update(state, g), loss

    scan = jax.jit(
        lambda state, x, y, order: jax.lax.scan(
            lambda state, rows: step(state, rows, x, y), state, order
        )
    )

    def epoch(order: Array) -> Any:
        nonlocal state
        state, losses = scan(state, x, y, order.astype(np.int32))
        return np.asarray(losses).tolist()

    return epoch


CONTESTANTS: dict[str, Callable[..., Any]] = {"Chainrule": chainrule, "JAX": jax}


def serve(contestant: str) -> None:
    """Answer each turn with the seconds and losses of a tenth of an epoch."""
    name, hidden, batch, optimizer = contestant.split()
    train = data.load("mnist").train
    images = train.images.reshape(-1, 784) * np.float32(1 / 255)
    sizes = [784, *map(int, hidden.split("-")), 10]
    epoch = CONTESTANTS[name](sizes, optimizer, images, train.labels)
    generator = np.random.default_rng(0)

    def turn() -> tuple[float, list[float]]:
        order = harness.epoch(generator, len(train), int(batch))
        return harness.timed(lambda: epoch(order[: max(1, IMAGES // int(batch))]))

    harness.serve(turn)


def race(cell: tuple[str, int, str], options: Any) -> tuple[list[float], list[float]]:
    """Our seconds and JAX's, of the same rounds."""
    names = [f"{name} {' '.join(map(str, cell))}" for name in CONTESTANTS]
    with ExitStack() as stack:
        turns = {
            name: stack.enter_context(harness.worker("tests.benchmarks.widths", name, options))
            for name in names
        }
        first = [np.array(turns[name]()[1][:5]) for name in names]  # compiles; not timed
        np.testing.assert_allclose(first[0], first[1], rtol=1e-3)
        answers = harness.alternate(turns, options)
    ours, theirs = ([seconds for seconds, _ in answers[name]] for name in names)
    return ours, theirs


def main() -> None:
    options = harness.arguments(str(__doc__))
    if options.serve:
        serve(options.serve)
        return
    rows = []
    for hidden, batch, optimizer in QUICK if options.quick else CELLS:
        name = f"784-{hidden}-10, batch {batch}, {optimizer}"
        if not harness.installed({"JAX": "jax"}):
            return
        ours, theirs = race((hidden, batch, optimizer), options)
        rows += [harness.row(name, ours), harness.row("    JAX", theirs, ours, 1.0)]
    harness.report("widths: a tenth of an epoch of MNIST", rows, harness.machine("jax"), options)


if __name__ == "__main__":
    main()
