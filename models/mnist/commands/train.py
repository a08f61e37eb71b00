"""The `train` command: the files, the screen and the signals around the Trainer."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import data
from data import Examples
from models.command_line import SIGPIPE, InputError, fail, warn
from models.mlp import MLP
from models.mnist import PROGRAM
from models.mnist.datasets import Ahead, Described
from models.mnist.scoring import Score, confusion_table, counts_table, score
from models.mnist.settings import Settings
from models.mnist.statistics import statistics
from models.mnist.train import CHECKS, build_model, build_schedule, build_trainer
from models.runs.checkpoints import Checkpoint
from models.runs.files import CONFIG, FILES
from models.runs.folder import Kept, RunFolder
from models.runs.open import new_run, resume
from models.training import Callback, Epoch, History, Progress, Trainer
from models.training.checkpoints import Saving
from models.training.screen import Screen
from models.training.signals import ENDING, noted
from models.training.text import cut, duration, layer_sizes

Sets = Mapping[str, Examples]  # "train", "validation" (if there is one) and "test"
Scores = Mapping[str, Score]  # of those


@dataclass(frozen=True)
class Start:
    """What a training begins with: a folder, and for one that goes on where it stands."""

    run: RunFolder
    settings: Settings
    checkpoint: Checkpoint | None = None
    changes: Mapping[str, Any] | None = None  # of the settings, since the checkpoint


def train_command(settings: Settings, out: str | None, dataset: Ahead, start: float) -> int:
    """Teach a network by `settings` and keep it in `out`; gives the exit code.

    start: when the command began, by time.perf_counter. Raises InputError. The test examples
    are scored before and after, and decide nothing.
    """
    with new_run(out, dataset.name, warn) as run:
        return _train(Start(run, settings), dataset, start)


def resume_command(path: str, changes: Mapping[str, Any], start: float) -> int:
    """Go on with the training in a run's folder, or in one of its checkpoints, with these changes
    of its settings; gives the exit code. Raises InputError."""
    with resume(path, warn) as (run, config, checkpoint):
        try:
            before = Settings.read(config.get("settings"))
            described = Described.read(config.get("dataset"))
        except InputError as error:
            raise InputError(f"{run.path / CONFIG}: {error}") from error
        settings = before.changed(changes)
        dataset = described.load("train", "test")
        return _train(Start(run, settings, checkpoint, changes), dataset, start)


def _train(begun: Start, dataset: Ahead, start: float) -> int:
    run, settings, screen = begun.run, begun.settings, Screen()
    described = dataset.describe()
    classes, scale = described["classes"], described["scale"]
    sizes = settings.sizes(described["shape"], len(classes))
    sets = _sets(dataset, settings)
    model = build_model(settings, sizes)
    chosen = asdict(settings) | {"lr": settings.rate}
    given = {"sizes": sizes, "activation": settings.activation, "dataset": described}
    with noted(ENDING) as received:
        screen.show(_introduction(begun, described["name"], sizes, sets))
        before = _scores(model, sets, classes, scale)
        screen.show(f"\n{counts_table('before', before)}\n")
        trainer = _trainer(begun, model, sets, described, screen, received)
        run.config({**given, "settings": chosen})
        history, seconds = _learn(trainer, settings, sets)
        # Before the scores: a second Ctrl-C loses only those.
        run.model(model.state_dict(), {**given, "seed": settings.seed, "step": history.steps})
        after = _scores(model, sets, classes, scale)
        summary = {
            "reason": history.reason,
            "message": history.message,
            "seed": settings.seed,
            "parameters": sum(p.size for p in model.parameters()),
            "epochs": history.steps / trainer.steps_per_epoch,
            "steps": history.steps,
            **_figures(after),
            "test_class_accuracy": after["test"].class_accuracy,
            "test_confusion": after["test"].confusion.tolist(),
            "before": _figures(before),
            "training_seconds": seconds,
            "seconds": time.perf_counter() - start,
        }
        run.summary(summary)
        kept = run.finish()
    if history.reason == "diverged":
        raise InputError(_divergence(history, kept, run))
    screen.show(f"\n{_ending(history, settings, received, seconds)}\n")
    screen.show(_results(after, classes, kept))
    return _code(kept, run, screen, received)


def _trainer(
    begun: Start,
    model: MLP,
    sets: Sets,
    described: Mapping[str, Any],
    screen: Screen,
    received: list[int],
) -> Trainer:
    """The Trainer of this run, standing where its checkpoint does. Raises InputError."""
    settings, shape = begun.settings, described["shape"]
    steps = len(sets["train"]) // settings.batch_size
    shown = sets.get("validation", sets["train"])
    callbacks = [
        _Recorder(begun.run, shown, described["scale"]),
        Saving(begun.run.checkpoints()),  # after its lines: those lead to the checkpoint
        Progress("images" if len(shape) > 1 else "examples", screen),
        _Signals(received, screen),
    ]
    trainer = build_trainer(settings, model, steps, described["scale"], callbacks)
    if begun.checkpoint is None:
        return trainer
    changes = begun.changes or {}
    with _another_training(begun.checkpoint):
        trainer.restore(begun.checkpoint.arrays, begun.checkpoint.state)
    trainer.optimizer.lr = build_schedule(settings, settings.epochs * steps)
    for name in ("momentum", "weight_decay"):
        if name in changes:
            setattr(trainer.optimizer, name, changes[name])
    if trainer.place.epoch >= settings.epochs:
        raise InputError(
            f"--resume: {begun.run.path} has done its {settings.epochs} epochs; more by --epochs"
        )
    return trainer


@contextmanager
def _another_training(checkpoint: Checkpoint) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise InputError(f"{checkpoint.path}: {error}") from error


def _learn(trainer: Trainer, settings: Settings, sets: Sets) -> tuple[History, float]:
    """Teach the model: how that ended, and the seconds it took."""
    start = time.perf_counter()
    history = trainer.fit(
        sets["train"],
        settings.epochs,
        settings.batch_size,
        sets.get("validation"),
        settings.seed,
        CHECKS if settings.stop_at else 1,
    )
    return history, time.perf_counter() - start


class _Recorder(Callback):
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


class _Signals(Callback):
    """Ends the training when a signal came, or when the reader of its output has gone."""

    def __init__(self, received: list[int], screen: Screen) -> None:
        self.received, self.screen = received, screen

    def steps(self, trainer: Trainer) -> None:
        if isinstance(self.screen.failed, BrokenPipeError):
            self.received.append(SIGPIPE)
        if self.received:
            trainer.stop("stopped")


def _sets(dataset: Ahead, settings: Settings) -> Sets:
    """The training examples, those set aside for validation, and the test examples."""
    examples, test = dataset["train"], dataset["test"]
    aside = settings.validated(len(examples))
    if not aside:
        return {"train": examples, "test": test}
    training, validation = data.split(examples, aside, settings.seed)
    return {"train": training, "validation": validation, "test": test}


def _scores(model: MLP, sets: Sets, classes: Sequence[str], scale: float) -> Scores:
    return {name: score(model, examples, len(classes), scale) for name, examples in sets.items()}


def _figures(scores: Scores) -> dict[str, Any]:
    """Loss, accuracy and counts of each set, for summary.json."""
    figures: dict[str, Any] = {}
    for name, s in scores.items():
        figures |= {f"{name}_accuracy": s.accuracy, f"{name}_loss": s.loss}
        figures |= {f"{name}_right": s.right, f"{name}_wrong": s.wrong}
    return figures


# --- what is printed -----------------------------------------------------------------------------


def _introduction(begun: Start, name: str, sizes: Sequence[int], sets: Sets) -> str:
    s = begun.settings
    parts = [s.optimizer, f"{s.schedule} {s.rate:g}", f"batches of {s.batch_size}"]
    parts += [f"dropout {s.dropout:g}"] if s.dropout and s.hidden else []
    lines = [
        f"network {layer_sizes(sizes)}, {s.activation}, seed {s.seed}",
        f"data    {cut(name, 40)}: {', '.join(f'{len(e):,} {n}' for n, e in sets.items())}",
        f"recipe  {', '.join(parts)}",
        f"folder  {begun.run.path}",
    ]
    if begun.checkpoint is not None:
        state = begun.checkpoint.state
        lines.append(f"resumed after step {state['step']:,}, in epoch {state['epoch'] + 1}")
    return "\n".join(lines)


def _divergence(history: History, kept: Kept, run: RunFolder) -> str:
    message = (
        f"{history.message}; {kept.folder} keeps the weights after step {history.steps:,}, the "
        "last that gave a finite loss; try a lower --lr, or --clip 1"
    )
    if history.epochs:
        message += f"; --resume {run.path} --lr RATE goes on from the end of the last epoch"
    return message


def _ending(history: History, settings: Settings, received: list[int], seconds: float) -> str:
    if history.reason == "reached":
        how = f"reached --stop-at {settings.stop_at:g}"
    elif history.reason == "stopped":
        by = "Ctrl-C" if received[0] == signal.SIGINT else signal.Signals(received[0]).name
        how = f"stopped early by {by}, keeping what was learned; --resume goes on"
    else:
        how = "finished"
    return f"{how}: {history.steps:,} steps in {duration(seconds)}"


def _results(after: Scores, classes: Sequence[str], kept: Kept) -> str:
    """How good the network became, which files hold it, and what to type next."""
    return "\n".join(
        [
            f"{counts_table('after', after)}\n",
            f"test set, {confusion_table(after['test'], classes)}\n",
            f"wrote   {kept.folder}: {', '.join(kept.names[:2])},",
            f"        {', '.join(kept.names[2:])}",
            f"next    {PROGRAM} show --wrong {kept.folder}",
        ]
    )


def _code(kept: Kept, run: RunFolder, screen: Screen, received: list[int]) -> int:
    """The exit code, after a line on what is not where it should be."""
    if received:
        return 128 + received[0]
    missing = [name for name in FILES if name not in kept.names]
    if kept.folder != run.path:
        return fail(f"{run.path} cannot be written; the network is in {kept.folder}")
    if missing:
        return fail(f"{run.path}: could not write {', '.join(missing)}; the network is there")
    return 0 if screen.failed is None else fail(f"standard output: {screen.failed.strerror}")
