"""Where a training stands, and what it says of an epoch."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

__all__ = ["Epoch", "History", "Place"]


@dataclass(frozen=True)
class Epoch:
    """An epoch, or the part of one after which training ended.

    train: the loss and the metrics, means over its batches, each taken just before the step on it
    (with dropout, and while the model still changed). validation: those of the model at the end,
    None where there is no validation set.
    """

    epoch: int  # counted from 1
    step: int  # since the beginning of training
    examples: int  # in this epoch
    train: Mapping[str, float]
    validation: Mapping[str, float] | None
    lr: float  # of its last step
    seconds: float

    def line(self) -> dict[str, Any]:
        """A line of metrics.jsonl: train_loss, train_accuracy, ..., validation_loss, ...; None for
        what was not measured."""
        figures: dict[str, Any] = {"epoch": self.epoch, "step": self.step}
        figures["examples"] = self.examples
        for name, value in self.train.items():
            figures[f"train_{name}"] = value
            figures[f"validation_{name}"] = (self.validation or {}).get(name)
        return {**figures, "lr": self.lr, "seconds": self.seconds}


@dataclass
class History:
    """What a training came to.

    reason: why it ended: "finished", "stopped" (by Ctrl-C), "diverged", or what a callback said.
    message: after a divergence, what went bad where. epochs: those of this call, in order.
    """

    reason: str
    steps: int  # that the model has learned from
    message: str = ""
    epochs: list[Epoch] = field(default_factory=list, repr=False)  # a page, in a notebook


@dataclass
class Place:
    """A place in a training, between two steps: what, beside the states, is needed to go on.

    examples, batch_size, seed: those that decide the order; they must be the same to go on.
    """

    examples: int
    batch_size: int
    seed: int
    epoch: int = 0  # how many are done
    position: int = 0  # steps done in the next one
    step: int = 0  # in all
    sums: list[float] = field(default_factory=list)  # of loss and metrics, in this epoch
    seconds: float = 0.0  # spent in this epoch
    started: float = field(default_factory=time.perf_counter, compare=False)

    @classmethod
    def read(cls, state: Mapping[str, Any]) -> Place:
        """The place that `state` gave, from JSON. ValueError where it is no such thing."""
        names = [name for name in cls.__dataclass_fields__ if name != "started"]
        held = {name: state.get(name) for name in names}
        counts = [held[name] for name in ("examples", "batch_size", "epoch", "position", "step")]
        sums = held["sums"]
        numbers = [held["seconds"], *sums] if isinstance(sums, list) else [None]
        if (
            not all(type(count) is int and count >= 0 for count in counts)
            or type(held["seed"]) is not int
            or not all(type(number) in (int, float) for number in numbers)
        ):
            raise ValueError(f"expected the place that a training wrote, found {held}")
        return cls(**held)  # type: ignore[arg-type]

    def state(self) -> dict[str, Any]:
        """The place, for JSON."""
        held = asdict(self)
        held["seconds"] += time.perf_counter() - held.pop("started")
        return held

    def copy(self) -> Place:
        """The place as it is now."""
        return Place(**{**vars(self), "sums": list(self.sums)})

    def resume(self) -> None:
        """Count the seconds from here on."""
        self.started = time.perf_counter()

    def advance(self, figures: Sequence[Any]) -> None:
        """Go on by the steps whose figures these are: of the loss and each metric, (steps,)."""
        self.position += len(figures[0])
        self.step += len(figures[0])
        sums = self.sums or [0.0] * len(figures)
        # One after the other: the sum must not depend on how many came at once.
        self.sums = [
            float(np.cumsum([total, *part], dtype=np.float64)[-1])
            for total, part in zip(sums, figures, strict=True)
        ]

    def means(self) -> list[float]:
        """The means of loss and metrics in this epoch so far."""
        return [total / max(1, self.position) for total in self.sums]

    def spent(self) -> float:
        """The seconds spent in this epoch."""
        return self.seconds + time.perf_counter() - self.started

    def next_epoch(self) -> None:
        """Go to the beginning of the next epoch."""
        self.epoch, self.position, self.sums = self.epoch + 1, 0, []
        self.seconds = 0.0
        self.started = time.perf_counter()
