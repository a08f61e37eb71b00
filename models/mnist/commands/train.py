"""The `train` command: the files, the screen and the signals around the Trainer."""

from __future__ import annotations

import shlex
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from textwrap import TextWrapper
from typing import Any

from autograd.ranks import gather, world
from models.command_line import InputError, fail, printable, terminal_width, warn
from models.mlp import MLP
from models.mnist import PROGRAM
from models.mnist.calibration import calibrate
from models.mnist.commands.callbacks import Sets, run_callbacks
from models.mnist.commands.together import Task, arguments, or_none, restore, sets_of
from models.mnist.datasets import Ahead, Described
from models.mnist.doubt import Doubt
from models.mnist.scoring import Score, Scorer, confusion_table, counts_table
from models.mnist.settings import Settings
from models.mnist.train import build_model, build_trainer, reader
from models.runs.checkpoints import CHECKPOINTS, Checkpoint
from models.runs.files import CONFIG, MODEL, SUMMARY
from models.runs.folder import Kept, RunFolder
from models.runs.open import Resumed, new_run, resume
from models.training import Callback, History, Trainer
from models.training.plan import Plan
from models.training.screen import Screen
from models.training.signals import ENDING, noted
from models.training.text import cut, duration, layer_sizes

Scores = Mapping[str, Score]  # of the sets


@dataclass(frozen=True)
class Start:
    """What a training begins with: a folder, the signals that came, and for one that goes on where
    it stands."""

    run: RunFolder
    settings: Settings
    received: list[int]
    resumed: Resumed | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)  # of the settings, since then
    callbacks: Sequence[Callback] = ()  # further ones, the last to be told

    @property
    def checkpoint(self) -> Checkpoint | None:
        """What is gone on from."""
        return self.resumed.checkpoint if self.resumed else None

    @property
    def over(self) -> str:
        """Why there is nothing more to learn; empty where there is."""
        state = self.checkpoint.state if self.checkpoint else {}
        epoch = state.get("epoch")
        if type(epoch) is int and epoch >= self.settings.epochs:
            return "finished"
        is_reached = state.get("reason") == "reached" and "stop_at" not in self.changes
        return "reached" if is_reached else ""


def train_command(
    settings: Settings,
    out: str | None,
    dataset: Ahead,
    start: float,
    callbacks: Sequence[Callback] = (),
) -> int:
    """Teach a network by `settings` and keep it in `out`; gives the exit code.

    start: when the command began, by time.perf_counter. callbacks: further ones, which are told
    after what is written was; they may raise KeyboardInterrupt, as a second Ctrl-C does. Raises
    InputError. The test examples are scored before and after, and decide nothing.
    """
    with noted(ENDING) as received, new_run(out, dataset.name, warn) as run, _interrupted(run):
        return _train(Start(run, settings, received, callbacks=callbacks), dataset, start)


def resume_command(
    path: str, changes: Mapping[str, Any], start: float, callbacks: Sequence[Callback] = ()
) -> int:
    """Go on with the training in a run's folder, or in one of its checkpoints, with these changes
    of its settings; gives the exit code. Raises InputError. The rest as `train_command`."""
    with noted(ENDING) as received, resume(path, warn) as resumed, _interrupted(resumed.run):
        run, config = resumed.run, resumed.config
        try:
            before = Settings.read(config.get("settings"))
            described = Described.read(config.get("dataset"))
        except InputError as error:
            raise InputError(f"{run.path / CONFIG}: {error}") from error
        begun = Start(run, before.changed(changes), received, resumed, changes, callbacks)
        _refuse_ended(begun)
        return _train(begun, described.load("train", "test"), start)


def _refuse_ended(begun: Start) -> None:
    """Raise InputError for a run that came to its end, and wrote all that is written there."""
    run, settings = begun.run, begun.settings
    if not begun.checkpoint or not all((run.path / name).is_file() for name in (MODEL, SUMMARY)):
        return
    if begun.over == "finished":
        how, option = f"has learned for {begun.checkpoint.state['epoch']} epochs", "--epochs"
    elif begun.over == "reached":
        how, option = f"has reached --stop-at {settings.stop_at:g}", "--stop-at"
    else:
        return
    raise InputError(f"--resume: {run.path} {how}; to go on, add a higher {option}")


@contextmanager
def _interrupted(run: RunFolder) -> Iterator[None]:
    """Say after a second Ctrl-C what is left."""
    try:
        yield
    except KeyboardInterrupt as error:
        run.wait()
        if not _has_checkpoint(run.path):
            raise
        raise KeyboardInterrupt(_goes_on(run.path)) from error


def _train(begun: Start, dataset: Ahead, start: float) -> int:
    run, settings, received, screen = begun.run, begun.settings, begun.received, Screen()
    described = dataset.describe()
    classes, scale = described["classes"], described["scale"]
    sizes = settings.sizes(described["shape"], len(classes))
    model = build_model(settings, sizes)
    Task(settings, described, begun.checkpoint).tell()
    scorer = Scorer(model, len(classes), reader(scale), not settings.eager)
    before = {"test": scorer(dataset["test"])}  # meanwhile the training set is unpacked
    with or_none():
        sets = sets_of(dataset, settings)
        settings = settings.fitted(len(sets["train"]))
        _check_shared(settings.batch)
        begun = replace(begun, settings=settings)
        given = {"sizes": sizes, "activation": settings.activation, "dataset": described}
        config = {**given, "settings": asdict(settings)}
        if not begun.resumed:  # at once: from now on it can be resumed
            run.config(config)
        screen.show(_introduction(begun, described["name"], sizes, sets))
        if not begun.checkpoint:
            screen.show(f"\n{counts_table('before', before)}\n")
        trainer = _trainer(begun, model, sets, described, screen, received)
    if any(gather(bool(received))):
        left = "the run is as it was" if begun.resumed else "nothing is left"
        screen.show(f"\nstopped by {_name(received)} before the first step: {left}")
        return 128 + received[0]
    if begun.resumed:
        run.config(config)  # first: where it does not fit, all is as it was
        begun.resumed.begin(bool(begun.over))
    history, seconds = _learn(trainer, settings, sets)
    # Before the scores: a second Ctrl-C loses only those.
    temperature = _keep(begun, trainer, sets, given, scale)
    after = {name: scorer(examples) for name, examples in sets.items()}
    seconds_in_all = time.perf_counter() - start
    summary = _summary(trainer, settings, before, after, (seconds, seconds_in_all))
    try:
        run.summary({**summary, "temperature": temperature})
        kept = run.finish()
    finally:
        gather(None)  # the other ranks may end
    if history.reason == "diverged":
        raise InputError(_divergence(history, kept))
    screen.show(f"\n{_ending(history, settings, received, seconds)}\n")
    screen.show(_results(after, classes, history, kept))
    return _code(kept, run, screen, received)


def _check_shared(batch: int) -> None:
    """Raise InputError unless the ranks can share a batch equally."""
    size = world().size
    if batch % size:
        raise InputError(
            f"--batch-size: expected a multiple of {size}, the ranks that share it, found {batch}"
        )


def _keep(
    begun: Start, trainer: Trainer, sets: Sets, given: Mapping[str, Any], scale: float
) -> float:
    """Write the network, and what tells how far to trust its answers: gives its temperature."""
    run, model, aside = begun.run, trainer.model, sets.get("validation")
    temperature = calibrate(model, aside, scale)
    told = {"seed": begun.settings.seed, "step": trainer.history.steps, "temperature": temperature}
    run.model(model.state_dict(), {**given, **told})
    if doubt := Doubt.fit(model, sets["train"], aside, scale):
        run.doubt(doubt.arrays())
    return temperature


def _summary(
    trainer: Trainer,
    settings: Settings,
    before: Scores,
    after: Scores,
    seconds: tuple[float, float],
) -> dict[str, Any]:
    """What summary.json says. seconds: of the training, and of the command."""
    history = trainer.history
    return {
        "reason": history.reason,
        "message": history.message,
        "seed": settings.seed,
        "parameters": sum(p.size for p in trainer.model.parameters()),
        "epochs": history.steps / trainer.steps_per_epoch,
        "steps": history.steps,
        **_figures(after),
        "test_class_accuracy": after["test"].class_accuracy,
        "test_confusion": after["test"].confusion.tolist(),
        "before": _figures(before),
        "training_seconds": seconds[0],
        "seconds": seconds[1],
    }


def _trainer(
    begun: Start,
    model: MLP,
    sets: Sets,
    described: Mapping[str, Any],
    screen: Screen,
    received: list[int],
) -> Trainer:
    """The Trainer of this run, standing where its checkpoint does. Raises InputError."""
    settings = begun.settings
    callbacks = run_callbacks(begun.run, sets, described, screen, received, begun.over)
    callbacks += begun.callbacks
    trainer = build_trainer(settings, model, sets["train"], described["scale"], callbacks)
    if begun.checkpoint is None:
        return trainer
    steps = len(sets["train"]) // settings.batch
    try:
        restore(trainer, begun.checkpoint, settings, steps)
        Plan.of(*arguments(settings, sets)).check(trainer.place)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{begun.checkpoint.path}: not a checkpoint of what {CONFIG} says ({error}); put back "
            f"the {CONFIG} that the training wrote"
        ) from error
    return trainer


def _learn(trainer: Trainer, settings: Settings, sets: Sets) -> tuple[History, float]:
    """Teach the model: how that ended, and the seconds it took."""
    start = time.perf_counter()
    history = trainer.fit(*arguments(settings, sets))
    return history, time.perf_counter() - start


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
    parts = [s.optimizer, f"{s.schedule} {s.rate:g}", f"batches of {s.batch}"]
    parts += [f"dropout {s.dropout:g}"] if s.dropout and s.hidden else []
    lines = [
        f"network {layer_sizes(sizes)}, {s.activation}, seed {s.seed}",
        f"data    {cut(name, 40)}: {', '.join(f'{len(e):,} {n}' for n, e in sets.items())}",
        f"recipe  {', '.join(parts)}",
        f"folder  {printable(str(begun.run.path))}",
    ]
    if (size := world().size) > 1:
        lines.append(f"ranks   {size}, each with {s.batch // size} of a batch's {s.batch} examples")
    if begun.resumed and not begun.checkpoint:
        lines.append("resumed from the beginning: it has no checkpoint yet")
    elif begun.checkpoint and begun.over:
        lines.append(f"resumed after its last step, {begun.checkpoint.step:,}: its end is missing")
    elif begun.checkpoint:
        state = begun.checkpoint.state
        lines.append(f"resumed after step {state['step']:,}, in epoch {state['epoch'] + 1}")
    return _fitting(lines)


def _fitting(lines: Sequence[str]) -> str:
    """Lines that begin with a word in the first column, broken where the terminal ends."""
    width = terminal_width()
    if width is None:
        return "\n".join(lines)
    how = TextWrapper(
        width, subsequent_indent=" " * 8, break_long_words=False, break_on_hyphens=False
    )
    return "\n".join(map(how.fill, lines))


def _divergence(history: History, kept: Kept) -> str:
    message = (
        f"{history.message}; {kept.folder} keeps the weights after step {history.steps:,}, the "
        "last that gave a finite loss; try a lower --lr, or --clip 1"
    )
    if _has_checkpoint(kept.folder):
        message += (
            f"; --resume {_typed(kept.folder)} --lr RATE goes on from the end of the last epoch"
        )
    return message


def _ending(history: History, settings: Settings, received: list[int], seconds: float) -> str:
    if history.reason == "reached":
        how = f"reached --stop-at {settings.stop_at:g}"
    elif history.reason == "stopped":
        how = f"stopped early by {_name(received)}, keeping what was learned"
    else:
        how = "finished"
    return f"{how}: {history.steps:,} steps in {duration(seconds)}"


def _name(received: Sequence[int]) -> str:
    """Of the signal that ended a training."""
    return "Ctrl-C" if received[0] == signal.SIGINT else signal.Signals(received[0]).name


def _has_checkpoint(folder: Path) -> bool:
    return any((folder / CHECKPOINTS).glob("[0-9]*"))


def _goes_on(folder: Path) -> str:
    return f"{PROGRAM} train --resume {_typed(folder)} goes on"


def _typed(folder: Path) -> str:
    """As one types it in a shell."""
    return shlex.quote(printable(str(folder)))


def _results(after: Scores, classes: Sequence[str], history: History, kept: Kept) -> str:
    """How good the network became, which files hold it, and what to type next."""
    lines = [
        f"{counts_table('after', after)}\n",
        f"{confusion_table(after['test'], classes, 'test set, ')}\n",
        _fitting(
            [
                f"wrote   {printable(str(kept.folder))}: {', '.join(kept.names[:2])},",
                f"        {', '.join(kept.names[2:])}",
            ]
        ),
        f"next    {PROGRAM} show --wrong {_typed(kept.folder)}",
    ]
    if history.reason == "stopped" and CHECKPOINTS in kept.names:
        lines.append(f"        {_goes_on(kept.folder)}")
    return "\n".join(lines)


def _code(kept: Kept, run: RunFolder, screen: Screen, received: list[int]) -> int:
    """The exit code, after a line on what is not where it should be."""
    code = 0
    if kept.folder != run.path:
        code = fail(f"{run.path} cannot be written; the network is in {kept.folder}")
    if kept.missing:
        code = fail(
            f"{kept.folder}: could not write {', '.join(kept.missing)}; the network is there"
        )
    if not code and not received and screen.failed is not None:
        code = fail(f"standard output: {screen.failed.strerror}; the network is in {kept.folder}")
    return 128 + received[0] if received else code
