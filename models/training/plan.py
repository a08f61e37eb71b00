"""What `fit` was asked for: the sets, cut into epochs and batches, and how many steps at a time."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autograd.random import order
from autograd.ranks import world
from data import Examples
from models.training.place import Place

__all__ = ["Data", "Pace", "Plan", "Set"]

Data = tuple[Any, Any] | Examples

SECONDS = 0.1  # of the steps between two looks at the clock, the screen and the signals


@dataclass(frozen=True, eq=False)
class Set:
    """Inputs and targets, and which of their rows belong to the set."""

    arrays: tuple[NDArray[Any], NDArray[Any]]
    rows: NDArray[np.int64]

    @classmethod
    def of(cls, name: str, data: Data) -> Set:
        """The set that was handed in. ValueError where it is no pair of equally long arrays."""
        if isinstance(data, Examples):
            rows = np.arange(len(data)) if data.rows is None else data.rows
            return cls(data.base, rows)
        if not isinstance(data, tuple | list) or len(data) != 2:
            raise ValueError(f"{name}: takes a pair of inputs and targets, or Examples")
        x, y = (np.asarray(getattr(array, "data", array)) for array in data)
        if not x.ndim or not y.ndim or len(x) != len(y):
            raise ValueError(f"{name}: one target for each input: {x.shape} and {y.shape}")
        return cls((x, y), np.arange(len(x)))


@dataclass(frozen=True, eq=False)
class Plan:
    """The sets and the numbers of a training."""

    training: Set
    validation: Set | None
    epochs: int
    batch_size: int
    seed: int
    checks: frozenset[int]  # the positions in an epoch after which validation is looked at

    @classmethod
    def of(
        cls,
        data: Data,
        epochs: int,
        batch_size: int,
        validation: Data | None,
        seed: int,
        checks: int,
    ) -> Plan:
        """The plan of `fit`'s arguments. ValueError where they make no sense."""
        training = Set.of("data", data)
        for name, number in (("epochs", epochs), ("batch_size", batch_size), ("checks", checks)):
            if not isinstance(number, Integral) or number < 1:
                raise ValueError(f"{name}: at least 1, a whole number, not {number}")
        steps = len(training.rows) // batch_size
        if not steps:
            raise ValueError(
                f"batch_size: at most the {len(training.rows)} examples, not {batch_size}"
            )
        if batch_size % world().size:
            raise ValueError(
                f"batch_size: a multiple of the {world().size} ranks that share it, not "
                f"{batch_size}"
            )
        looked = None if validation is None else Set.of("validation", validation)
        looked = looked if looked and len(looked.rows) else None
        ends = frozenset(steps * i // checks for i in range(1, checks + 1)) - {0}
        return cls(training, looked, epochs, batch_size, seed, ends | {steps})

    @property
    def steps(self) -> int:
        """How many whole batches an epoch has."""
        return len(self.training.rows) // self.batch_size

    def order(self, epoch: int) -> NDArray[np.int64]:
        """The batches of an epoch: (steps, batch_size) rows of the arrays."""
        shuffled = order(len(self.training.rows), self.seed, epoch)
        whole = shuffled[: self.steps * self.batch_size].reshape(self.steps, self.batch_size)
        rows: NDArray[np.int64] = self.training.rows[whole]
        return rows

    def next_check(self, position: int) -> int:
        """Where in the epoch the next look at the validation set is due."""
        return min(end for end in self.checks if end > position)

    def check(self, place: Place) -> None:
        """ValueError where a place is not of this training."""
        here = (len(self.training.rows), self.batch_size, self.seed)
        there = (place.examples, place.batch_size, place.seed)
        if here != there or place.position >= self.steps:
            names = ("examples", "batch_size", "seed")
            said = (
                f"{name} {b} there, {a} here"
                for name, a, b in zip(names, here, there, strict=True)
                if a != b
            )
            raise ValueError(f"fit: the checkpoint is of another training: {', '.join(said)}")


class Pace:
    """How many steps to do at a time, so that they take about SECONDS."""

    def __init__(self) -> None:
        self.steps = 4

    def took(self, steps: int, seconds: float) -> None:
        """Note how long some steps took."""
        fitting = int(SECONDS * steps / max(seconds, 1e-9))
        self.steps = max(1, min(4 * self.steps, fitting))
