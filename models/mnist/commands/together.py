"""What all ranks of a training begin with, and what those other than the first one do: learn with
it, each from its share of the data, without files and without a screen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import data
from autograd.ranks import broadcast, gather
from models.mnist.commands.callbacks import Sets
from models.mnist.datasets import Ahead, Described
from models.mnist.scoring import Scorer
from models.mnist.settings import Settings
from models.mnist.train import CHECKS, build_model, build_schedule, build_trainer, reader
from models.runs.checkpoints import Checkpoint
from models.training import Trainer
from models.training.signals import ENDING, noted

__all__ = ["Task", "arguments", "follow", "or_none", "restore", "sets_of"]


@dataclass(frozen=True)
class Task:
    """What rank 0 has made of its command line: a training, on which data, and where it goes on."""

    settings: Settings
    described: Mapping[str, Any]
    checkpoint: Checkpoint | None

    told: ClassVar[bool] = False

    def tell(self) -> None:
        """Have the other ranks begin with it, which wait for that."""
        Task.told = True
        broadcast(self)


def arguments(settings: Settings, sets: Sets) -> tuple[Any, ...]:
    """What the Trainer's `fit` is called with."""
    checks = CHECKS if settings.stop_at else 1
    validation = sets.get("validation")
    return sets["train"], settings.epochs, settings.batch, validation, settings.seed, checks


def sets_of(dataset: Ahead, settings: Settings) -> Sets:
    """The training examples, those set aside for validation, and the test examples."""
    examples, test = dataset["train"], dataset["test"]
    aside = settings.validated(len(examples))
    if not aside:
        return {"train": examples, "test": test}
    training, validation = data.split(examples, aside, settings.seed)
    return {"train": training, "validation": validation, "test": test}


def restore(trainer: Trainer, checkpoint: Checkpoint, settings: Settings, steps: int) -> None:
    """Put a trainer where a checkpoint stands, and have it go on by `settings`, of which an epoch
    has so many steps."""
    optimizer, arrays = trainer.optimizer, checkpoint.arrays
    names = [name for name in ("momentum", "weight_decay") if hasattr(optimizer, name)]
    for name in names:  # as they were: one that is 0 is no state
        setattr(optimizer, name, float(arrays.get(f"optimizer.{name}", 0.0)))
    trainer.restore(arrays, checkpoint.state)
    for name in names:
        setattr(optimizer, name, getattr(settings, name))
    optimizer.lr = build_schedule(settings, settings.epochs * steps)


def follow() -> int:
    """Learn with rank 0, which reads the command line, writes, shows, and is sent the signals that
    end a training; gives the exit code. Raises InputError for data that are others here."""
    with noted(ENDING):
        task: Task | None = broadcast(None)
        if task is not None:
            _learn(task)
    return 0


def _learn(task: Task) -> None:
    dataset = Described.read(dict(task.described)).load("train", "test")
    scale, classes, settings = dataset.scale, len(dataset.classes), task.settings
    model = build_model(settings, settings.sizes(dataset.shape, classes))
    scorer = Scorer(model, classes, reader(scale), not settings.eager)
    scorer(dataset["test"])
    sets = sets_of(dataset, settings)
    settings = settings.fitted(len(sets["train"]))
    trainer = build_trainer(settings, model, sets["train"], scale)
    if task.checkpoint:
        restore(trainer, task.checkpoint, settings, len(sets["train"]) // settings.batch)
    if any(gather(False)):
        return
    trainer.fit(*arguments(settings, sets))
    for examples in sets.values():
        scorer(examples)
    gather(None)  # rank 0 has written all


@contextmanager
def or_none() -> Iterator[None]:
    """Within this rank 0 may find that there is nothing to learn: the others are told."""
    try:
        yield
    except BaseException:
        gather(True)
        raise
