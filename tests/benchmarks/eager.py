"""An epoch of MNIST, eagerly: ours against PyTorch's, on the same weights and the same batches.

784-128-10, relu, batches of 128 gathered from float32 images in memory, SGD with momentum 0.9, two
threads. NumPy by hand, with no engine at all, stands beside them as the floor for ours.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import numpy as np

import data
from tests.benchmarks import harness

SIZES, BATCH, RATE, MOMENTUM = [784, 128, 10], 128, 0.1, 0.9
AIM = 0.70
Array = np.ndarray[Any, Any]
Step = Callable[[Any], float]
Epoch = Callable[[Any], Any]  # of an order (steps, batch), to the losses


def weights() -> dict[str, Array]:
    """What every contestant starts from, by PyTorch's names."""
    generator = np.random.default_rng(0)
    arrays: dict[str, Array] = {}
    for name, fan_in, fan_out in (("0", 784, 128), ("2", 128, 10)):
        weight = generator.standard_normal((fan_out, fan_in)) * math.sqrt(2 / fan_in)
        arrays[f"{name}.weight"] = weight.astype(np.float32)
        arrays[f"{name}.bias"] = np.zeros(fan_out, np.float32)
    return arrays


def chainrule(images: Array, labels: Array) -> Step:
    from autograd.nn import cross_entropy
    from autograd.optim import SGD
    from models.mlp import MLP

    model = MLP(SIZES, activation="relu")
    model.load_state_dict(weights())
    optimizer = SGD(model.parameters(), lr=RATE, momentum=MOMENTUM)

    def step(batch: Array) -> float:
        loss = cross_entropy(model(images.take(batch, axis=0)), labels.take(batch))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return float(loss.item())

    return step


def pytorch(images: Array, labels: Array, compiled: bool = False) -> Step:
    import torch
    from torch import nn

    torch.set_num_threads(harness.THREADS)
    x, y = torch.from_numpy(images), torch.from_numpy(labels.copy())  # ours is read-only
    model = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
    model.load_state_dict({name: torch.from_numpy(array) for name, array in weights().items()})
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE, momentum=MOMENTUM)

    def loss_of(x: Any, y: Any) -> Any:
        return nn.functional.cross_entropy(model(x), y)

    if compiled:
        loss_of = torch.compile(loss_of)

    def step(batch: Array) -> float:
        index = torch.from_numpy(batch)
        loss = loss_of(x[index], y[index])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return float(loss.item())

    return step


def by_hand(images: Array, labels: Array) -> Step:
    given = weights()
    w1, w2 = (np.asfortranarray(given[f"{name}.weight"]).T for name in "02")  # (in, out), C order
    b1, b2 = given["0.bias"], given["2.bias"]
    parameters = [w1, b1, w2, b2]
    gradients = [np.empty_like(p) for p in parameters]
    velocities = [np.zeros_like(p) for p in parameters]
    gw1, gb1, gw2, gb2 = gradients
    x = np.empty((BATCH, 784), np.float32)
    h, gh = np.empty((2, BATCH, 128), np.float32)
    p = np.empty((BATCH, 10), np.float32)
    rows = np.arange(BATCH)

    def step(batch: Array) -> float:
        images.take(batch, axis=0, out=x, mode="clip")  # "raise" would gather into a copy first
        y = labels[batch]
        np.maximum(np.add(np.matmul(x, w1, out=h), b1, out=h), 0, out=h)
        np.add(np.matmul(h, w2, out=p), b2, out=p)
        np.subtract(p, p.max(axis=1, keepdims=True), out=p)
        chosen = p[rows, y]
        np.exp(p, out=p)
        total = p.sum(axis=1, keepdims=True)
        loss = np.log(total).mean() - chosen.mean()

        np.divide(p, total, out=p)
        p[rows, y] -= 1
        np.multiply(p, np.float32(1 / BATCH), out=p)
        np.matmul(h.T, p, out=gw2)
        p.sum(axis=0, out=gb2)
        np.multiply(np.matmul(p, w2.T, out=gh), h > 0, out=gh)
        np.matmul(x.T, gh, out=gw1)
        gh.sum(axis=0, out=gb1)
        for parameter, gradient, velocity in zip(parameters, gradients, velocities, strict=True):
            np.add(np.multiply(velocity, MOMENTUM, out=velocity), gradient, out=velocity)
            np.subtract(parameter, np.multiply(velocity, RATE, out=gradient), out=parameter)
        return float(loss)

    return step


CONTESTANTS = {"Chainrule": chainrule, "PyTorch": pytorch, "NumPy by hand": by_hand}


def by_steps(step: Step) -> Epoch:
    """An epoch of such steps."""
    return lambda order: [step(batch) for batch in order]


def serve(contestant: Callable[[Array, Array], Epoch], steps: int | None) -> None:
    """Answer each turn with an epoch's seconds and losses; `steps` cuts the epoch short."""
    train = data.load("mnist").train
    images = train.images.reshape(-1, 784) * np.float32(1 / 255)
    epoch = contestant(images, train.labels)
    generator = np.random.default_rng(0)

    def turn() -> tuple[float, list[float]]:
        order = harness.epoch(generator, len(train), BATCH)
        return harness.timed(lambda: epoch(order[:steps]))

    harness.serve(turn)


def main() -> None:
    options = harness.arguments(str(__doc__))
    if options.serve:
        make = CONTESTANTS[options.serve]
        serve(lambda x, y: by_steps(make(x, y)), 20 if options.quick else None)
        return
    peers = harness.installed({"PyTorch": "torch"})
    names = ["Chainrule", *peers, "NumPy by hand"]
    with ExitStack() as stack:
        turns = {
            name: stack.enter_context(harness.worker("tests.benchmarks.eager", name, options))
            for name in names
        }
        # The first epoch is not timed: it warms up, and shows that all compute the same.
        losses = {name: np.array(turns[name]()[1]) for name in names}
        check(losses)
        answers = harness.alternate(turns, options)
    times = {name: [seconds for seconds, _ in epochs] for name, epochs in answers.items()}
    ours = times["Chainrule"]
    rows = [harness.row("Chainrule", ours)]
    rows += [harness.row(peer, times[peer], ours, AIM) for peer in peers]
    rows += [harness.row("NumPy by hand", times["NumPy by hand"], ours)]
    harness.report(
        "eager: one epoch of MNIST, 468 steps of 128, 784-128-10, SGD with momentum, float32",
        rows,
        harness.machine(*("torch" for _ in peers)),
        options,
        "Mean loss of the first epoch: "
        + ", ".join(f"{name} {losses[name].mean():.4f}" for name in names),
    )


def check(losses: dict[str, Array]) -> None:
    """End the program if a contestant does not train the same model on the same batches.

    Rounding parts float32 trainings slowly (by 4 % in the third epoch): the first 20 steps agree
    to 1e-4, the epoch's mean to 2 %.
    """
    _, ours = next(iter(losses.items()))
    for name, theirs in losses.items():
        begin = np.abs(theirs[:20] / ours[:20] - 1).max()
        whole = abs(theirs.mean() / ours.mean() - 1)
        if begin > 1e-4 or whole > 0.02:
            sys.exit(f"eager: {name}'s losses differ by {begin:.1e} at first, {whole:.1e} in all")


if __name__ == "__main__":
    main()
