"""An epoch of MNIST, compiled: ours against JAX's, on the same weights and the same batches.

784-128-10, relu, batches of 128 gathered from float32 images in memory, SGD with momentum 0.9, two
threads. Twice: a step at a time from Python, and the whole epoch in one call (our `loop`, JAX's
`lax.scan`). PyTorch, eagerly and compiled, scikit-learn and the machine's own matrix product stand
beside them.
"""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from typing import Any

import numpy as np

from tests.benchmarks import eager, harness

SIZES, BATCH, RATE, MOMENTUM = eager.SIZES, eager.BATCH, eager.RATE, eager.MOMENTUM
Array = np.ndarray[Any, Any]
Epoch = eager.Epoch


def our_step() -> Any:
    from autograd.optim import SGD
    from models.mlp import MLP

    model = MLP(SIZES, activation="relu")
    model.load_state_dict(eager.weights())
    return compiled_step(model, SGD(model.parameters(), RATE, MOMENTUM))


def compiled_step(model: Any, optimizer: Any) -> Any:
    """A step of ours on a batch of images and labels; gives the loss."""
    from autograd import jit
    from autograd.nn import cross_entropy

    @jit
    def step(x: Any, y: Any) -> Any:
        loss = cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return step


def our_loop(images: Array, labels: Array) -> Epoch:
    step = our_step()
    return lambda order: step.loop((images, labels), order).data.tolist()


def our_steps(images: Array, labels: Array) -> Epoch:
    step = our_step()
    return lambda order: [
        step(images.take(rows, axis=0), labels.take(rows)).item() for rows in order
    ]


def jax_step() -> tuple[Any, Any]:
    """JAX's step, from (weights, velocities) to the new ones and the loss; and where it starts."""
    import jax
    import jax.numpy as jnp

    given = {name: jnp.asarray(array) for name, array in eager.weights().items()}

    def loss_of(w: Any, x: Any, y: Any) -> Any:
        hidden = jax.nn.relu(x @ w["0.weight"].T + w["0.bias"])
        logits = hidden @ w["2.weight"].T + w["2.bias"]
        picked = jnp.take_along_axis(jax.nn.log_softmax(logits), y[:, None], axis=1)
        return -picked.mean()

    def step(state: Any, x: Any, y: Any) -> Any:
        w, v = state
        loss, g = jax.value_and_grad(loss_of)(w, x, y)
        v = jax.tree.map(lambda v, g: MOMENTUM * v + g, v, g)
        return (jax.tree.map(lambda w, v: w - RATE * v, w, v), v), loss

    return step, (given, jax.tree.map(jnp.zeros_like, given))


def jax_steps(images: Array, labels: Array) -> Epoch:
    import jax

    step, state = jax_step()
    step = jax.jit(step, donate_argnums=0)
    labels = labels.astype(np.int32)

    def epoch(order: Array) -> list[float]:
        nonlocal state
        losses = []
        for rows in order:
            state, loss = step(state, images.take(rows, axis=0), labels.take(rows))
            losses.append(loss)
        return [float(loss) for loss in losses]

    return epoch


def jax_scan(images: Array, labels: Array) -> Epoch:
    import jax
    import jax.numpy as jnp

    step, state = jax_step()
    x, y = jnp.asarray(images), jnp.asarray(labels.astype(np.int32))
    scan = jax.jit(
        lambda state, x, y, order: jax.lax.scan(
            lambda state, rows: step(state, x[rows], y[rows]), state, order
        ),
        donate_argnums=0,
    )

    def epoch(order: Array) -> Any:
        nonlocal state
        state, losses = scan(state, x, y, order.astype(np.int32))
        return np.asarray(losses).tolist()

    return epoch


def pytorch(images: Array, labels: Array) -> Epoch:
    return eager.by_steps(eager.pytorch(images, labels))


def pytorch_compiled(images: Array, labels: Array) -> Epoch:
    return eager.by_steps(eager.pytorch(images, labels, compiled=True))


def scikit_learn(images: Array, labels: Array) -> Epoch:
    """By batches of its own choice, so that its losses are not comparable."""
    from sklearn.neural_network import MLPClassifier

    model = MLPClassifier(
        SIZES[1], solver="sgd", alpha=0.0, batch_size=BATCH, learning_rate_init=RATE,
        momentum=MOMENTUM, nesterovs_momentum=False,
    )  # fmt: skip

    def epoch(order: Array) -> list[float]:
        model.partial_fit(images[: order.size], labels[: order.size], classes=range(10))
        return []

    return epoch


def product(images: Array, labels: Array) -> Epoch:
    """As many flops as an epoch has, in products of 2048 x 2048 matrices."""
    x, y, out = (np.ones((2048, 2048), np.float32) for _ in range(3))
    first, last = SIZES[0] * SIZES[1], SIZES[1] * SIZES[2]

    def epoch(order: Array) -> list[float]:
        flops = order.size * (4 * first + 6 * last)  # no gradient of the input is needed
        for rows in range(round(flops / (2 * 2048**2)), 0, -2048):
            np.matmul(x[:rows], y, out=out[:rows])
        return []

    return epoch


CONTESTANTS = {
    "Chainrule, loop": our_loop,
    "JAX, scan": jax_scan,
    "Chainrule, steps": our_steps,
    "JAX, steps": jax_steps,
    "PyTorch": pytorch,
    "PyTorch, compile": pytorch_compiled,
    "scikit-learn": scikit_learn,
    "sgemm": product,
}
# A contestant of ours, whom it runs against, and what its time is to be of theirs.
RACES = [
    ("Chainrule, loop", "JAX, scan", 0.65),
    ("Chainrule, steps", "JAX, steps", 0.60),
    ("Chainrule, loop", "PyTorch", 0.27),
    ("Chainrule, loop", "PyTorch, compile", 0.27),
    ("Chainrule, loop", "scikit-learn", 0.27),
    ("Chainrule, loop", "sgemm", 1.25),
]
NEEDS = {
    "JAX, scan": "jax", "JAX, steps": "jax", "PyTorch": "torch", "PyTorch, compile": "torch",
    "scikit-learn": "sklearn",
}  # fmt: skip
DISTRIBUTIONS = {"jax": "jax", "torch": "torch", "sklearn": "scikit-learn"}


def main() -> None:
    options = harness.arguments(str(__doc__))
    if options.serve:
        eager.serve(CONTESTANTS[options.serve], 20 if options.quick else None)
        return
    peers = harness.installed(NEEDS)
    names = [name for name in CONTESTANTS if name in peers or name not in NEEDS]
    # It compiles with c++, for a quarter of a minute.
    if "PyTorch, compile" in names and (options.quick or not shutil.which("c++")):
        names.remove("PyTorch, compile")
    with ExitStack() as stack:
        turns = {
            name: stack.enter_context(harness.worker("tests.benchmarks.jit", name, options))
            for name in names
        }
        # The first epoch is not timed: it compiles, and shows that all compute the same.
        losses = {name: np.array(turns[name]()[1]) for name in names}
        eager.check({name: found for name, found in losses.items() if len(found)})
        answers = harness.alternate(turns, options)
    times = {name: [seconds for seconds, _ in epochs] for name, epochs in answers.items()}
    rows = [harness.row(name, times[name]) for name in names if name.startswith("Chainrule")]
    for ours, peer, aim in RACES:
        if peer in times:
            shown = f"{peer} (against our {ours.removeprefix('Chainrule, ')})"
            rows.append(harness.row(shown, times[peer], times[ours], aim))
    harness.report(
        "jit: one epoch of MNIST, 468 steps of 128, 784-128-10, SGD with momentum, float32",
        rows,
        harness.machine(*sorted({DISTRIBUTIONS[NEEDS[peer]] for peer in peers})),
        options,
        "sgemm: as many flops in products of 2048 x 2048 matrices by NumPy.",
    )


if __name__ == "__main__":
    main()
