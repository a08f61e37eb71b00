"""The training loop, to be read from top to bottom: batches in, weights out.

It knows nothing of files or screens: it tells a `Watcher` what happens, and asks it whether to go
on.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

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
from autograd.random import order
from data import Examples
from models.mlp import MLP
from models.mnist.divergence import Batch, Index, Rewind
from models.mnist.scoring import Score, inputs, score
from models.mnist.settings import Settings

# With --stop-at the validation accuracy is checked so many times an epoch: it is often reached in
# the middle of one, and a check on 5,000 images costs 1 to 3 % of an epoch.
CHECKS = 4


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
    steps: how many the model has learned from. message: after a divergence, what went bad where.
    """

    reason: str
    steps: int
    message: str = ""


class Watcher(Protocol):
    """What wants to know how the training goes."""

    def step(self, epoch: int, step: int, loss: float, accuracy: float) -> None:
        """Called after each step, with the means of the epoch so far."""

    def epoch(self, epoch: Epoch) -> None:
        """Called at the end of each epoch, and of the training in the middle of one."""

    def stop(self) -> bool:
        """Called after each step: whether to end the training here."""


def build_model(settings: Settings, sizes: Sequence[int]) -> MLP:
    """The untrained model. sizes: as `settings.sizes` gives them."""
    return MLP(sizes, settings.activation, settings.seed, settings.dropout)


def build_schedule(settings: Settings, steps: int) -> Callable[[Any], Any]:
    """The learning rate as a function of the steps done; `steps` is their number in the end."""
    match settings.schedule:
        case "constant":
            return constant(settings.rate)
        case "cosine":
            return cosine(settings.rate, steps)
        case "one-cycle":
            return one_cycle(settings.rate, steps)
    raise ValueError(f"build_schedule: {settings.schedule!r} is in SCHEDULES, but not built here")


def build_optimizer(settings: Settings, model: MLP, schedule: Callable[[Any], Any]) -> Optimizer:
    """The optimizer of the model's parameters."""
    parameters, decay = model.parameters(), settings.weight_decay
    match settings.optimizer:
        case "sgd":
            return SGD(parameters, schedule, settings.momentum, weight_decay=decay)
        case "adam":
            return Adam(parameters, schedule, weight_decay=decay)
        case "adamw":
            return AdamW(parameters, schedule, weight_decay=decay)
    raise ValueError(
        f"build_optimizer: {settings.optimizer!r} is in OPTIMIZERS, but not built here"
    )


def build_step(model: MLP, optimizer: Optimizer, clip: float | None) -> Callable[..., Any]:
    """One step of learning: of inputs, (batch, numbers) float32, and labels, (batch,), it gives the
    loss and the logits."""
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


@dataclass
class _Sums:
    """The sums that an epoch's training figures are the means of."""

    batch_size: int
    start: float = field(default_factory=time.perf_counter)
    steps: int = 0
    loss: float = 0.0
    right: int = 0

    def add(self, loss: float, right: int) -> None:
        """Count a batch in."""
        self.steps += 1
        self.loss += loss
        self.right += right

    @property
    def mean_loss(self) -> float:
        return self.loss / self.steps

    @property
    def accuracy(self) -> float:
        return self.right / (self.steps * self.batch_size)

    def epoch(self, epoch: int, step: int, checked: Score | None, lr: float) -> Epoch:
        """The figures until now. checked: the score on the validation set, if there is one."""
        return Epoch(
            epoch=epoch,
            step=step,
            images=self.steps * self.batch_size,
            train_loss=self.mean_loss,
            train_accuracy=self.accuracy,
            validation_loss=checked.loss if checked else None,
            validation_accuracy=checked.accuracy if checked else None,
            lr=lr,
            seconds=time.perf_counter() - self.start,
        )


def train(
    model: MLP,
    settings: Settings,
    training: Examples,
    validation: Examples,
    watcher: Watcher,
    scale: float,
) -> Outcome:
    """Teach `model` the `training` examples, divided by `scale`, in place, as `settings` say.

    The examples that are left over when an epoch is cut into batches are not used in it.
    """
    steps = len(training) // settings.batch_size  # in an epoch
    schedule = build_schedule(settings, settings.epochs * steps)
    optimizer = build_optimizer(settings, model, schedule)
    step = build_step(model, optimizer, settings.clip)
    step = step if settings.eager else jit(step)
    rewind = Rewind(model, optimizer)
    checks = {steps * i // CHECKS for i in range(1, CHECKS)} if settings.stop_at else set()

    classes = model.parameters()[-1].size
    model.train()
    done = 0
    for epoch in range(1, settings.epochs + 1):
        sums = _Sums(settings.batch_size)
        drawn = order(len(training), settings.seed, epoch)
        whole = drawn[: steps * settings.batch_size].reshape(steps, -1)
        for i, index in enumerate(whole, 1):
            loss, right, bad = _learned(step, rewind, training, index, scale)
            if bad:
                message = f"epoch {epoch}, step {i}: the loss became {loss}; first bad: {bad}"
                return Outcome("diverged", max(0, done - 1), message)
            done += 1
            sums.add(loss, right)
            watcher.step(epoch, done, sums.mean_loss, sums.accuracy)
            stopped, last = watcher.stop(), i == steps
            if not (stopped or last or i in checks):
                continue
            checked = score(model, validation, classes, scale) if len(validation) else None
            reached = _reached(checked, settings.stop_at)
            if stopped or last or reached:
                watcher.epoch(sums.epoch(epoch, done, checked, _rate(schedule, done - 1)))
            if stopped or reached:
                return Outcome("reached" if reached else "stopped", done)
    return Outcome("finished", done)


def _learned(
    step: Callable[..., Any], rewind: Rewind, training: Examples, index: Index, scale: float
) -> tuple[float, int, str]:
    """Do the step on the batch at `index`: its loss, how many of the batch were right, and "".

    Where the loss is not finite, the step and the one before it are undone, and the last is what
    went bad first.
    """

    def batch(index: Index) -> Batch:
        examples = training.take(index)
        return inputs(examples.images, scale), examples.labels

    rewind.before(index)
    with np.errstate(all="ignore"):  # the loss shows inf and nan
        loss, right = _measured(step, *batch(index))
        if not math.isfinite(loss):
            return loss, right, rewind.back(step, batch)
    rewind.after()
    return loss, right, ""


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
