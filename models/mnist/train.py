"""The training loop, to be read from top to bottom: batches in, weights out.

It decides nothing about files or screens: it tells a `Watcher` what happens, and asks it whether
to go on.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

import data
from autograd import jit, no_grad
from autograd.nn import cross_entropy
from autograd.optim import (
    SGD,
    Adam,
    AdamW,
    Optimizer,
    clip_by_global_norm,
    constant,
    cosine,
    one_cycle,
)
from data import Examples
from models.mlp import MLP
from models.mnist.divergence import Batch, Index, Rewind
from models.mnist.scoring import Score, inputs, score
from models.mnist.settings import Settings

# With --stop-at the validation accuracy is looked at so many times an epoch: it is often reached
# in the middle of one, and a look at 5,000 images costs 1 to 3 % of an epoch.
LOOKS = 4


@dataclass(frozen=True)
class Epoch:
    """An epoch, or the part of one after which training ended.

    The training figures are means over its batches, each taken just before the step on it (with
    dropout, and while the model still changed); the validation figures are of the model at the end.
    """

    epoch: int  # counted from 1
    step: int  # since the beginning of training
    images: int  # in this epoch
    train_loss: float
    train_accuracy: float
    validation_loss: float | None
    validation_accuracy: float | None
    lr: float  # of its last step
    seconds: float


@dataclass(frozen=True)
class Outcome:
    """How a training ended.

    reason: "finished", "reached" (--stop-at), "stopped" (by the watcher), or "diverged".
    steps: how many the model has learned from. message: of a divergence, what went bad and where.
    """

    reason: str
    steps: int
    message: str = ""


class Watcher(Protocol):
    """Who wants to know how it goes."""

    def step(self, epoch: int, step: int, loss: float, accuracy: float) -> None:
        """Called after each step, with the means of the epoch so far."""

    def epoch(self, epoch: Epoch) -> None:
        """Called at the end of each epoch, and of the training in the middle of one."""

    def stop(self) -> bool:
        """Asked after each step: whether to end here."""


def build_model(settings: Settings) -> MLP:
    """The untrained model."""
    return MLP(settings.sizes, settings.activation, settings.seed, settings.dropout)


def build_schedule(settings: Settings, steps: int) -> Callable[[Any], Any]:
    """The learning rate as a function of the steps done, `steps` in all."""
    if settings.schedule == "constant":
        return constant(settings.rate)
    return (cosine if settings.schedule == "cosine" else one_cycle)(settings.rate, steps)


def build_optimizer(settings: Settings, model: MLP, schedule: Callable[[Any], Any]) -> Optimizer:
    """What moves the model's parameters."""
    parameters, decay = model.parameters(), settings.weight_decay
    if settings.optimizer == "sgd":
        return SGD(parameters, schedule, settings.momentum, weight_decay=decay)
    kind = AdamW if settings.optimizer == "adamw" else Adam
    return kind(parameters, schedule, weight_decay=decay)


def build_step(model: MLP, optimizer: Optimizer, clip: float | None) -> Callable[..., Any]:
    """One step of learning: (batch, 784) float32 and (batch,) labels to the loss and the logits."""
    parameters = model.parameters()

    def step(x: Any, labels: Any) -> tuple[Any, Any]:
        logits = model(x)
        loss = cross_entropy(logits, labels)
        optimizer.zero_grad()
        loss.backward()
        if clip is not None:
            clip_by_global_norm(parameters, clip)
        optimizer.step()
        return loss, logits

    return step


def train(
    model: MLP, settings: Settings, training: Examples, validation: Examples, watcher: Watcher
) -> Outcome:
    """Teach `model` the `training` digits, in place, by the recipe of `settings`.

    What is left over when an epoch is cut into batches waits for the next epoch's shuffle.
    """
    steps_per_epoch = len(training) // settings.batch_size
    schedule = build_schedule(settings, settings.epochs * steps_per_epoch)
    optimizer = build_optimizer(settings, model, schedule)
    step = build_step(model, optimizer, settings.clip)
    step = step if settings.eager else jit(step)
    rewind = Rewind(model, optimizer)
    # Not default_rng(seed): the weights and the validation split were drawn from that.
    generator = np.random.default_rng([settings.seed, 1])
    looks = {steps_per_epoch * i // LOOKS for i in range(1, LOOKS)} if settings.stop_at else set()

    def batch(index: Index) -> Batch:
        examples = training.take(index)
        return inputs(examples.images), examples.labels

    model.train()
    done = 0
    for epoch in range(1, settings.epochs + 1):
        start, total_loss, right = time.perf_counter(), 0.0, 0
        whole, _ = data.order(len(training), settings.batch_size, generator)
        for i, index in enumerate(whole, 1):
            rewind.before(index)
            with np.errstate(all="ignore"):  # of inf and nan the loss will tell
                loss, hits = _measured(step, *batch(index))
                if not math.isfinite(loss):
                    where = rewind.back(step, batch)
                    message = f"epoch {epoch}, step {i}: the loss became {loss}; first bad: {where}"
                    return Outcome("diverged", max(0, done - 1), message)
            rewind.after()
            done += 1
            total_loss += loss
            right += hits
            accuracy = right / (i * settings.batch_size)
            watcher.step(epoch, done, total_loss / i, accuracy)

            stopped, last = watcher.stop(), i == steps_per_epoch
            if not (stopped or last or i in looks):
                continue
            checked = score(model, validation) if len(validation) else None
            reached = _reached(checked, settings.stop_at)
            if not (stopped or last or reached):
                continue
            watcher.epoch(
                Epoch(
                    epoch=epoch,
                    step=done,
                    images=i * settings.batch_size,
                    train_loss=total_loss / i,
                    train_accuracy=accuracy,
                    validation_loss=checked.loss if checked else None,
                    validation_accuracy=checked.accuracy if checked else None,
                    lr=_rate(schedule, done - 1),
                    seconds=time.perf_counter() - start,
                )
            )
            if reached or stopped:
                return Outcome("reached" if reached else "stopped", done)
    return Outcome("finished", done)


def _measured(step: Callable[..., Any], x: Any, labels: Any) -> tuple[float, int]:
    """Do a step: its loss, and how many of the batch were right. In a function of its own, so that
    the step's graph is freed before the next one needs memory."""
    loss, logits = step(x, labels)
    return loss.item(), int(np.count_nonzero(logits.data.argmax(1) == labels))


def _reached(checked: Score | None, stop_at: float | None) -> bool:
    return checked is not None and stop_at is not None and checked.accuracy >= stop_at


@no_grad()
def _rate(schedule: Callable[[Any], Any], done: int) -> float:
    return float(schedule(float(done)))
