"""What Settings say, built: the model, the schedule, the optimizer, and the Trainer of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autograd import astype, reshape
from autograd.nn import cross_entropy
from autograd.optim import SGD, Adam, AdamW, Optimizer
from autograd.schedules import constant, cosine, one_cycle
from models.mlp import MLP
from models.mnist.settings import Settings
from models.training import Callback, Target, Trainer, accuracy

__all__ = ["CHECKS", "build_model", "build_optimizer", "build_schedule", "build_trainer", "reader"]

# With --stop-at the validation accuracy is checked so many times an epoch: it is often reached in
# the middle of one, and a check on 5,000 images costs 1 to 3 % of an epoch.
CHECKS = 4


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


def build_trainer(
    settings: Settings, model: MLP, steps: int, scale: float, callbacks: Sequence[Callback] = ()
) -> Trainer:
    """What teaches the model. steps: in an epoch. scale: what the examples are divided by."""
    target = [] if settings.stop_at is None else [Target("accuracy", settings.stop_at)]
    schedule = build_schedule(settings, settings.epochs * steps)
    return Trainer(
        model,
        cross_entropy,
        build_optimizer(settings, model, schedule),
        [*target, *callbacks],
        inputs=reader(scale),
        metrics={"accuracy": accuracy},
        clip=settings.clip,
        eager=settings.eager,
    )


def reader(scale: float) -> Callable[[Any], Any]:
    """Makes of examples, (n, *shape), what the model reads: rows of float32, divided by `scale`."""
    return lambda images: astype(reshape(images, (len(images), -1)), np.float32) / np.float32(scale)
