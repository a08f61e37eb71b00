"""The callbacks of `train`: what writes a run, shows it, and ends it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from data import Examples
from models.command_line import SIGPIPE
from models.mlp import MLP
from models.mnist.statistics import statistics
from models.runs.folder import RunFolder
from models.training import Callback, Epoch, Progress, Trainer
from models.training.checkpoints import Saving
from models.training.screen import Screen

Sets = Mapping[str, Examples]  # "train", "validation" (if there is one) and "test"


def run_callbacks(
    run: RunFolder,
    sets: Sets,
    described: Mapping[str, Any],
    screen: Screen,
    received: list[int],
    over: str = "",
) -> list[Callback]:
    """What writes, shows and ends a run. described: its dataset. received: the signals that came.
    over: why there is nothing more to learn, if so."""
    return [
        Recorder(run, sets.get("validation", sets["train"]), described["scale"]),
        Saving(run.checkpoints()),  # after its lines: those lead to the checkpoint
        Progress("images" if len(described["shape"]) > 1 else "examples", screen),
        Signals(received, screen),
        Over(over),
    ]


class Recorder(Callback):
    """Writes the run's figures after each epoch."""

    def __init__(self, run: RunFolder, shown: Examples, scale: float) -> None:
        self.run, self.shown, self.scale = run, shown, scale

    def begin(self, trainer: Trainer) -> None:
        if trainer.place.step == 0:
            self._histograms(trainer, 0)

    def epoch(self, trainer: Trainer, epoch: Epoch) -> None:
        self.run.metrics(epoch.line())
        self._histograms(trainer, epoch.epoch)

    def _histograms(self, trainer: Trainer, epoch: int) -> None:
        model = trainer.model
        assert isinstance(model, MLP)
        figures = statistics(model, self.shown, self.scale)
        self.run.histograms(epoch, trainer.place.step, figures)


class Signals(Callback):
    """Ends the training when a signal came, or when the reader of its output has gone."""

    def __init__(self, received: list[int], screen: Screen) -> None:
        self.received, self.screen = received, screen

    def steps(self, trainer: Trainer) -> None:
        if isinstance(self.screen.failed, BrokenPipeError):
            self.received.append(SIGPIPE)
        if self.received:
            trainer.stop("stopped")


class Over(Callback):
    """Ends a training at once where there is nothing more to learn, and says why."""

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def begin(self, trainer: Trainer) -> None:
        if self.reason:
            trainer.stop(self.reason)
