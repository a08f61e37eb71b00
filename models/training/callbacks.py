"""Callbacks that look at the validation set: to stop in time, to keep the best."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from models.training.trainer import Arrays, Callback, Trainer

__all__ = ["BestWeights", "EarlyStopping", "Target"]


class Watching(Callback):
    """Looks at a figure of the validation set, by its name."""

    def __init__(self, metric: str) -> None:
        self.metric = metric

    def begin(self, trainer: Trainer) -> None:
        if not trainer.validates:
            raise ValueError(f"{type(self).__name__}: fit(..., validation=...) is needed for it")
        if self.metric not in trainer.figures:
            raise ValueError(
                f"{type(self).__name__}: there is no {self.metric!r} of the validation set; there "
                f"are {', '.join(trainer.figures)}"
            )


class Best(Watching):
    """Knows the best value so far of a figure of the validation set: of "loss" the least, of a
    metric the greatest (or the least, where `least`)."""

    def __init__(self, metric: str = "loss", least: bool | None = None) -> None:
        super().__init__(metric)
        self.sign = 1.0 if (metric == "loss" if least is None else least) else -1.0
        self.best = math.inf

    def improved(self, validation: Mapping[str, float]) -> bool:
        """Whether this is the best so far, which it is noted as."""
        value = self.sign * validation[self.metric]
        if not value < self.best:  # also where it is nan
            return False
        self.best = value
        return True

    def begin(self, trainer: Trainer) -> None:
        super().begin(trainer)
        if trainer.place.step == 0:  # another training than the last one, with a best of its own
            self.restore({}, {"best": None, "waited": 0})

    def state(self) -> tuple[Arrays, dict[str, Any]]:
        # JSON has no infinity.
        return {}, {"best": self.best if math.isfinite(self.best) else None}

    def restore(self, arrays: Arrays, state: Mapping[str, Any]) -> None:
        best = state["best"]
        self.best = math.inf if best is None else float(best)


class EarlyStopping(Best):
    """Ends the training when `patience` looks in a row at the validation set were not better than
    the best before them (Prechelt, "Early Stopping - But When?", 1998).

    >>> EarlyStopping(patience=3).metric
    'loss'
    """

    def __init__(self, metric: str = "loss", patience: int = 5, least: bool | None = None) -> None:
        super().__init__(metric, least)
        if patience < 1:
            raise ValueError(f"EarlyStopping: patience is at least 1, not {patience}")
        self.patience, self.waited = patience, 0

    def check(self, trainer: Trainer, validation: Mapping[str, float]) -> None:
        self.waited = 0 if self.improved(validation) else self.waited + 1
        if self.waited >= self.patience:
            trainer.stop("no longer better")

    def state(self) -> tuple[Arrays, dict[str, Any]]:
        return {}, {**super().state()[1], "waited": self.waited}

    def restore(self, arrays: Arrays, state: Mapping[str, Any]) -> None:
        super().restore(arrays, state)
        self.waited = int(state["waited"])


class BestWeights(Best):
    """Leaves the model with the weights that were best on the validation set, at the end.

    Where there is no end (the process is killed), the checkpoint has both: the best, and the last
    to go on from.
    """

    def __init__(self, metric: str = "loss", least: bool | None = None) -> None:
        super().__init__(metric, least)
        self.weights: dict[str, NDArray[Any]] = {}

    def check(self, trainer: Trainer, validation: Mapping[str, float]) -> None:
        if self.improved(validation):
            held = trainer.model.named_state()
            self.weights = {name: tensor.data.copy("K") for name, tensor in held}

    def end(self, trainer: Trainer) -> None:
        for name, tensor in trainer.model.named_state():
            if name in self.weights:
                tensor.assign(self.weights[name])

    def state(self) -> tuple[Arrays, dict[str, Any]]:
        return self.weights, super().state()[1]

    def restore(self, arrays: Arrays, state: Mapping[str, Any]) -> None:
        super().restore(arrays, state)
        self.weights = dict(arrays)


class Target(Watching):
    """Ends the training when a metric of the validation set is at least `at`."""

    def __init__(self, metric: str, at: float) -> None:
        super().__init__(metric)
        self.at = at

    def check(self, trainer: Trainer, validation: Mapping[str, float]) -> None:
        if validation[self.metric] >= self.at:
            trainer.stop("reached")
