"""A training as `models.mnist train` runs it, against the bare `step.loop` over the same batches.

The Trainer's has progress, validation on 5,000 digits, histograms and checkpoints after each epoch,
and waits until the last checkpoint is on the disk; its epochs are ordered within the time. The bare
one is handed its orders, an epoch in one call, and gives the losses. Same model, optimizer, dropout
and bytes of images, divided in the step: both end in the same bits, which is checked after each
turn.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack, redirect_stdout
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

import data
from autograd.random import order
from models.mnist.settings import Settings
from tests.benchmarks import harness

AIM = 1.10
VALIDATION = 5000
WIDTHS = {"784-128-10 by 128": (128, 128), "784-512-10 by 256": (512, 256)}  # hidden, batch
EPOCHS = {"784-128-10 by 128": 6, "784-512-10 by 256": 3}  # in a turn
Turn = Callable[[], Any]  # gives seconds and a digest of the model


def settings_of(width: str, options: Any) -> Settings:
    """The default recipe, at this width. (Its rate falls to nothing in the first turn and stays
    there: to compute is the same.)"""
    hidden, batch = WIDTHS[width]
    return Settings(
        hidden=(hidden,), batch_size=batch, epochs=1 if options.quick else EPOCHS[width]
    )


def sets(options: Any) -> dict[str, data.Examples]:
    """What is trained on, as `train` divides it."""
    examples = data.load("mnist").train
    if options.quick:
        examples = data.Examples(*examples.base, rows=np.arange(VALIDATION + 2000))
    training, validation = data.split(examples, VALIDATION, seed=0)
    return {"train": training, "validation": validation}


def digest(model: Any) -> str:
    return sha256(b"".join(array.tobytes() for array in model.state_dict().values())).hexdigest()


def trainer(settings: Settings, given: dict[str, data.Examples], folder: str) -> Turn:
    from models.mnist.commands.callbacks import run_callbacks
    from models.mnist.train import build_model, build_trainer
    from models.runs.open import new_run
    from models.training.screen import Screen

    described = data.load("mnist").describe()
    model = build_model(settings, settings.sizes((28, 28), 10))
    teacher = build_trainer(settings, model, given["train"], described["scale"])
    runs = iter(range(sys.maxsize))

    def turn() -> Any:
        with new_run(str(Path(folder, str(next(runs)))), "mnist", print) as run:
            teacher.callbacks = run_callbacks(run, given, described, Screen(), [])
            run.config({"settings": {}})
            seconds, _ = harness.timed(lambda: fit(run))
        return seconds, digest(model)

    def fit(run: Any) -> None:
        with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
            teacher.fit(
                given["train"],
                settings.epochs,
                settings.batch,
                given["validation"],
                settings.seed,
            )
        run.wait()

    return turn


def bare(settings: Settings, given: dict[str, data.Examples], folder: str) -> Turn:
    from autograd import astype, jit, reshape
    from autograd.nn import cross_entropy
    from models.mnist.train import build_model, build_optimizer, build_schedule, centred, mean_of

    training, batch = given["train"], settings.batch
    steps = len(training) // batch
    model = build_model(settings, settings.sizes((28, 28), 10))
    schedule = build_schedule(settings, settings.epochs * steps)
    optimizer = build_optimizer(settings, model, schedule)
    centre = centred(mean_of(training, 255.0))
    assert training.rows is not None
    orders = [
        training.rows[order(len(training), settings.seed, epoch)[: steps * batch]]
        for epoch in range(settings.epochs)
    ]

    @jit
    def step(images: Any, labels: Any) -> Any:
        pixels = astype(reshape(images, (len(images), -1)), np.float32)
        loss = cross_entropy(model(pixels / np.float32(255)), labels)
        optimizer.zero_grad()
        loss.backward()
        centre(model.parameters())
        optimizer.step()
        return loss

    def train() -> None:
        for rows in orders:
            step.loop(training.base, rows.reshape(steps, batch))

    def turn() -> Any:
        seconds, _ = harness.timed(train)
        return seconds, digest(model)

    return turn


CONTESTANTS = {"Trainer": trainer, "loop": bare}


def main() -> None:
    options = harness.arguments(str(__doc__))
    if options.serve:
        who, width = options.serve.split(", ")
        with tempfile.TemporaryDirectory() as folder:
            harness.serve(CONTESTANTS[who](settings_of(width, options), sets(options), folder))
        return
    rows = [line for width in WIDTHS for line in race(width, options)]
    harness.report(
        "trainer: an epoch by Trainer.fit, with all that `train` does, and by the bare loop",
        rows,
        harness.machine(),
        options,
        "Both ended in the same bits after each turn.",
    )


def race(width: str, options: Any) -> list[dict[str, Any]]:
    """Both at one width: the lines of the table."""
    names = [f"{who}, {width}" for who in CONTESTANTS]
    as_train_has_it = {"OPENBLAS_THREAD_TIMEOUT": "4"}  # NumPy computes the histograms
    with ExitStack() as stack:
        turns = {
            name: stack.enter_context(
                harness.worker("tests.benchmarks.trainer", name, options, **as_train_has_it)
            )
            for name in names
        }
        for turn in turns.values():
            turn()  # compiles
        answers = harness.alternate(turns, options)
    ours, theirs = ([found for _, found in answers[name]] for name in names)
    if ours != theirs:
        sys.exit(f"trainer: at {width}, the Trainer ends in other bits than the loop")
    epochs = settings_of(width, options).epochs
    seconds = {name: [taken / epochs for taken, _ in answers[name]] for name in names}
    return [
        harness.row(names[0], seconds[names[0]]),
        harness.row(names[1], seconds[names[1]], seconds[names[0]], AIM),
    ]


if __name__ == "__main__":
    main()
