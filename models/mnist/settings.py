"""Every setting of a training and its default; a value that makes no sense is refused here.

Nothing here imports NumPy, so that a mistyped option is answered at once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from types import MappingProxyType
from typing import Any

from models.command_line import InputError

ACTIVATIONS = ("relu", "leaky_relu", "gelu", "tanh", "sigmoid", "softplus", "identity")
OPTIMIZERS = ("sgd", "adam", "adamw")
SCHEDULES = ("one-cycle", "cosine", "constant")
SHOWN = 10  # examples that `show` prints unless told otherwise
# Of all weights together. Learning holds up to ten float32 arrays of them (weights, gradient,
# momentum, copies to go back to and to write): 4 GB at this bound, beyond which machines run out.
MAX_WEIGHTS = 100_000_000
# The share of the training examples that is set aside to validate with: 5,000 of MNIST's 60,000.
VALIDATED = 12
MAX_SEED = 2**32 - 1

BATCHES = (16, 256)  # the least and the greatest size of a batch where none is given
STEPS = 200  # of an epoch, where that leaves a batch within BATCHES

# The learning rate where none is given, of batches of 256. A schedule that ends low may start high.
RATES: Mapping[tuple[str, str], float] = MappingProxyType(
    {
        ("sgd", "one-cycle"): 0.4,
        ("sgd", "cosine"): 0.1,
        ("sgd", "constant"): 0.05,
        ("adam", "one-cycle"): 0.004,
        ("adam", "cosine"): 0.001,
        ("adam", "constant"): 0.001,
        ("adamw", "one-cycle"): 0.004,
        ("adamw", "cosine"): 0.001,
        ("adamw", "constant"): 0.001,
    }
)

# The power of a batch size that the rate of sgd grows with, between the usual 0.5 and 1. In batches
# of 16, on 5,000 of Fashion-MNIST's images, 0.05 is better than 0.025 and 0.1 (validation accuracy
# 87.7 %, 86.6, 84.9; 3 seeds), and 0.2 diverges. Adam is best with the same rate as for 256.
POWER = 0.75


@dataclass(frozen=True)
class Settings:
    """What a training does: with the same settings, a machine learns the same bits.

    Raises InputError, which names the option, for a value that makes no sense.

    >>> Settings().sizes((8, 8), 3), Settings(optimizer="adam").rate
    ((64, 512, 3), 0.004)
    >>> Settings(dropout=1.5)
    Traceback (most recent call last):
    models.command_line.InputError: --dropout: expected at least 0 and below 1, found 1.5
    """

    # The defaults were chosen by validation accuracy (means of 3 seeds, 2 cores of an Intel Xeon).
    # MNIST, whose validation set differs from seed to seed: 98.31 %, against 98.28 with
    # a dropout of 0.4, 98.27 with 12 epochs and 0.35, 98.40 with a weight decay of 5e-5, which over
    # 5 seeds is nothing (98.28, 98.27 without). Fashion-MNIST: 90.22, on its test set 89.84.
    hidden: tuple[int, ...] = (512,)
    activation: str = "relu"
    epochs: int = 13
    batch_size: int | None = None  # None: the one that fits the examples
    optimizer: str = "sgd"
    lr: float | None = None  # the highest of the schedule; None: the one of RATES
    schedule: str = "one-cycle"
    momentum: float = 0.9  # of sgd; the others have their own
    weight_decay: float = 0.0
    dropout: float = 0.3
    clip: float | None = None  # of the gradient's global norm
    seed: int = 0
    validation: int | None = None  # examples; None: one in VALIDATED
    stop_at: float | None = None  # end when the validation accuracy reaches this fraction
    eager: bool = False  # compute each step in NumPy, not compiled (the last bits differ)

    def __post_init__(self) -> None:
        _one_of("--activation", self.activation, ACTIVATIONS)
        _one_of("--optimizer", self.optimizer, OPTIMIZERS)
        _one_of("--schedule", self.schedule, SCHEDULES)
        for size in self.hidden:
            _expect(size >= 1, "--hidden", "layers of at least 1 neuron", size)
        _expect(self.epochs >= 1, "--epochs", "at least 1", self.epochs)
        if self.batch_size is not None:
            _expect(self.batch_size >= 1, "--batch-size", "at least 1", self.batch_size)
        _expect(0 < self.rate < math.inf, "--lr", "a positive number", self.rate)
        _expect(0 <= self.momentum < 1, "--momentum", "at least 0 and below 1", self.momentum)
        _expect(0 <= self.weight_decay < math.inf, "--weight-decay", "0 or more", self.weight_decay)
        _expect(0 <= self.dropout < 1, "--dropout", "at least 0 and below 1", self.dropout)
        if self.clip is not None:
            _expect(0 < self.clip < math.inf, "--clip", "a positive number", self.clip)
        _expect(0 <= self.seed <= MAX_SEED, "--seed", f"0 to {MAX_SEED}", self.seed)
        if self.validation is not None:
            _expect(self.validation >= 0, "--validation", "0 or more", self.validation)
            self._check_validation(self.validation)
        if self.stop_at is not None:
            fraction = "a fraction above 0 and at most 1 (0.975 is 97.5 %)"
            _expect(0 < self.stop_at <= 1, "--stop-at", fraction, self.stop_at)

    @classmethod
    def read(cls, found: Any) -> Settings:
        """The settings in a config.json, of which nothing is trusted. Raises InputError."""
        if not isinstance(found, dict):
            raise InputError(f'expected an object of "settings", found {found!r:.60}')
        given = dict(found)
        for name, kind in _KINDS.items():
            if not kind(given.get(name)):
                raise InputError(
                    f'expected "{name}" in the "settings", found {given.get(name)!r:.60}'
                )
        given["hidden"] = tuple(given["hidden"])
        return cls(**{field.name: given[field.name] for field in fields(cls)})

    def changed(self, changes: Mapping[str, Any]) -> Settings:
        """The settings of a training that goes on with these changes. Raises InputError for those
        that would make it another one."""
        for name in changes:
            if name not in CHANGEABLE:
                option = f"--{name.replace('_', '-')}"
                raise InputError(f"{option}: expected without --resume, which has it from the run")
        self.check_momentum(changes)
        return replace(self, **changes)

    def check_momentum(self, given: Mapping[str, Any]) -> None:
        """Raise InputError where a momentum was given to an optimizer that has its own."""
        if "momentum" in given:
            _expect(self.optimizer == "sgd", "--momentum", "sgd, whose it is", self.optimizer)

    def sizes(self, shape: Sequence[int], classes: int) -> tuple[int, ...]:
        """The width of every layer, from the numbers of an example of this shape to the classes.
        Raises InputError where that makes more weights than a machine learns, and for one class."""
        two = "two classes or more to tell apart (is it the right column or folder?)"
        _expect(classes >= 2, "--dataset", two, classes)
        sizes = (math.prod(shape), *self.hidden, classes)
        weights = sum(a * b for a, b in pairwise(sizes))
        few = f"sizes that make at most {MAX_WEIGHTS:,} weights"
        _expect(weights <= MAX_WEIGHTS, "--hidden", few, f"{weights:,}")
        return sizes

    @property
    def rate(self) -> float:
        """The learning rate: the one given, or the one of RATES for the size of a batch."""
        if self.lr is not None:
            return self.lr
        share: float = (self.batch / BATCHES[1]) ** POWER if self.optimizer == "sgd" else 1.0
        return float(f"{RATES[self.optimizer, self.schedule] * share:.2g}")

    @property
    def batch(self) -> int:
        """The size of a batch: the one given or fitted, or the greatest of BATCHES."""
        return BATCHES[1] if self.batch_size is None else self.batch_size

    def fitted(self, examples: int) -> Settings:
        """The settings for so many examples to train on, nothing left open: batch size and rate are
        what was given, or what fits. Raises InputError for a batch that is larger than that."""
        size = fitting(examples) if self.batch_size is None else self.batch_size
        at_most = f"at most the {examples:,} examples there are to train on"
        _expect(size <= examples, "--batch-size", at_most, size)
        sized = replace(self, batch_size=size)
        return replace(sized, lr=sized.rate)

    def validated(self, examples: int) -> int:
        """How many of the training examples are set aside to validate with. Raises InputError
        unless there are enough, for that and to train on."""
        aside = examples // VALIDATED if self.validation is None else self.validation
        fewer = f"fewer than the {examples:,} training examples"
        _expect(aside < examples, "--validation", fewer, aside)
        self._check_validation(aside)
        return aside

    def _check_validation(self, aside: int) -> None:
        some = "at least 1 example, because --stop-at is given"
        _expect(self.stop_at is None or aside >= 1, "--validation", some, aside)


# What a training that goes on may change: the rest says what its numbers mean.
CHANGEABLE = ("epochs", "lr", "schedule", "momentum", "weight_decay", "clip", "stop_at", "eager")


def fitting(examples: int) -> int:
    """The size of a batch where none is given: a power of two such that an epoch has STEPS steps
    or a few more, within BATCHES, and no more than there are examples.

    >>> [fitting(examples) for examples in (55_000, 10_000, 1_319, 11)]
    [256, 32, 16, 8]
    """
    few, many = BATCHES
    size = min(max(examples // STEPS, few), many, examples)
    return 1 << size.bit_length() - 1


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)


def _is_whole(value: Any) -> bool:
    return type(value) is int


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


_KINDS: Mapping[str, Any] = {
    "hidden": lambda v: isinstance(v, list) and all(map(_is_whole, v)),
    **dict.fromkeys(("activation", "optimizer", "schedule"), _is_text),
    **dict.fromkeys(("epochs", "seed"), _is_whole),
    **dict.fromkeys(("lr", "momentum", "weight_decay", "dropout"), _is_number),
    **dict.fromkeys(("clip", "stop_at"), lambda v: v is None or _is_number(v)),
    **dict.fromkeys(("batch_size", "validation"), lambda v: v is None or _is_whole(v)),
    "eager": lambda v: isinstance(v, bool),
}


def _expect(holds: bool, option: str, expected: str, found: object) -> None:
    if not holds:  # also where NaN was compared
        raise InputError(f"{option}: expected {expected}, found {found}")


def _one_of(option: str, name: str, names: tuple[str, ...]) -> None:
    _expect(name in names, option, f"one of {', '.join(names)}", name)
