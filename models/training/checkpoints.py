"""Callbacks that keep what a training needs to go on from, should the process be killed."""

from __future__ import annotations

import time
from pathlib import Path

from models.command_line import warn
from models.runs.checkpoints import CHECKPOINTS, CheckpointWriter, newest
from models.runs.lock import Lock
from models.training.place import Epoch
from models.training.trainer import Callback, Trainer

__all__ = ["Checkpoints", "Saving"]

MINUTES = 5.0  # between two checkpoints, where an epoch takes longer


class Saving(Callback):
    """Hands the state of the training to `writer` at the end of each epoch, and every `minutes`."""

    def __init__(self, writer: CheckpointWriter, minutes: float = MINUTES) -> None:
        self.writer, self.minutes = writer, minutes

    def begin(self, trainer: Trainer) -> None:
        self.saved = time.monotonic()

    def steps(self, trainer: Trainer) -> None:
        if time.monotonic() - self.saved >= 60.0 * self.minutes:
            self._save(trainer)

    def epoch(self, trainer: Trainer, epoch: Epoch) -> None:
        self._save(trainer)

    def _save(self, trainer: Trainer) -> None:
        self.writer.put(*trainer.state())
        self.saved = time.monotonic()


class Checkpoints(Saving):
    """Writes checkpoints into `folder`/checkpoints: at the end of each epoch and every `minutes`,
    in a thread; each is there whole or not at all, the last `keep` of them stay.

    resume: go on from the newest whole one, where there is one, to the same bits as if there had
    been no interruption. Without it, a folder with checkpoints is refused. What cannot be written
    is said once on standard error, and tried again; the training goes on. Raises InputError where
    another process writes there; OSError where the folder cannot be made.
    """

    def __init__(
        self, folder: str | Path, minutes: float = MINUTES, keep: int = 3, resume: bool = False
    ) -> None:
        if keep < 1:
            raise ValueError(f"Checkpoints: keep is at least 1, not {keep}")
        self.folder, self.resume = Path(folder), resume
        super().__init__(CheckpointWriter(self.folder / CHECKPOINTS, keep, warn), minutes)

    def begin(self, trainer: Trainer) -> None:
        super().begin(trainer)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.lock = Lock(self.folder)
        try:
            self._begin(trainer)
        except BaseException:
            self.lock.release()
            raise

    def _begin(self, trainer: Trainer) -> None:
        found, damaged = newest(self.writer.folder)
        for words in damaged:
            warn(f"passed over: {words}")
        if (found or damaged) and not self.resume:
            raise ValueError(
                f"Checkpoints: {self.folder} has those of another training; resume=True goes on "
                "with it, another folder begins anew"
            )
        if found:
            trainer.restore(found.arrays, found.state)

    def end(self, trainer: Trainer) -> None:
        """Wait until the last is written."""
        self.writer.close()
        self.lock.release()
