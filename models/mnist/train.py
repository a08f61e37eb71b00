"""What Settings say, built: the model, the schedule, the optimizer, and the Trainer of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autograd import astype, reshape
from autograd.nn import cross_entropy
from autograd.optim import SGD, Adam, AdamW, Optimizer
from autograd.schedules import constant, cosine, one_cycle
from data import Examples
from models.mlp import MLP
from models.mnist.settings import Settings
from models.training import Callback, Target, Trainer, accuracy

__all__ = [
    "CHECKS",
    "build_model",
    "build_optimizer",
    "build_schedule",
    "build_trainer",
    "centred",
    "mean_of",
    "reader",
]

# With --stop-at the validation accuracy is checked so many times an epoch: it is often reached in
# the middle of one, and a check on 5,000 images costs 1 to 3 % of an epoch.
CHECKS = 4
SAMPLE = 4_000_000  # numbers, of at least 100 examples, whose mean is as good as that of all


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


def centred(mean: Any) -> Callable[[Sequence[Any]], None]:
    """Makes the gradients those of a first layer that reads x - mean, its bias being b + W mean:
    plain SGD, with momentum or not, then learns what it would on centred inputs, and the model
    still reads them as they are.

    Along the mean, which all examples share, the loss curves far more than elsewhere: what is a
    good rate elsewhere throws whole layers of relu units to where they are 0 for every example.
    mean: an array; or a Tensor, which may change between steps.
    """

    def reduce(parameters: Sequence[Any]) -> None:
        weight, bias, *_ = parameters
        squared = mean @ mean
        slope, offset = weight.grad, bias.grad
        weight.grad = slope - reshape(offset, (-1, 1)) * mean
        bias.grad = offset * (1 + squared) - slope @ mean  # of b = (b + W mean) - W mean

    return reduce


def mean_of(examples: Examples, scale: float) -> Any:
    """About the mean of the examples as a model reads them: float32, one number for each input."""
    some = max(100, SAMPLE // math.prod(examples.base[0].shape[1:]))
    images = examples.take(np.arange(0, len(examples), 1 + len(examples) // some)).images
    with np.errstate(all="ignore"):
        mean = images.reshape(len(images), -1).mean(0, np.float64) / scale
    return np.where(np.isfinite(mean), mean, 0).astype(np.float32)


def build_trainer(
    settings: Settings,
    model: MLP,
    training: Examples,
    scale: float,
    callbacks: Sequence[Callback] = (),
) -> Trainer:
    """What teaches the model. training: the examples to learn from. scale: their divisor."""
    target = [] if settings.stop_at is None else [Target("accuracy", settings.stop_at)]
    steps = len(training) // settings.batch
    schedule = build_schedule(settings, settings.epochs * steps)
    return Trainer(
        model,
        cross_entropy,
        build_optimizer(settings, model, schedule),
        [*target, *callbacks],
        centred(mean_of(training, scale)) if settings.optimizer == "sgd" else None,
        inputs=reader(scale),
        metrics={"accuracy": accuracy},
        clip=settings.clip,
        eager=settings.eager,
    )


def reader(scale: float) -> Callable[[Any], Any]:
    """Makes of examples, (n, *shape), what the model reads: rows of float32, divided by `scale`."""
    return lambda images: astype(reshape(images, (len(images), -1)), np.float32) / np.float32(scale)
