"""The `train` command: the files, the screen and the signals around the training loop."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from types import FrameType
from typing import Any

import data
from data import Examples
from models.command_line import SIGPIPE, InputError, mute
from models.mlp import MLP
from models.mnist import PROGRAM
from models.mnist.commands.progress import HEADER, Lines, epoch_row, screen
from models.mnist.datasets import Ahead
from models.mnist.scoring import Score, confusion_table, counts_table, score
from models.mnist.settings import Settings
from models.mnist.statistics import statistics
from models.mnist.train import Epoch, Outcome, build_model, train
from models.runs.files import finite
from models.runs.folder import Kept, RunFolder
from models.runs.open import new_run
from models.training.text import cut, duration, layer_sizes

Sets = Mapping[str, Examples]  # "train", "validation" (if there is one) and "test"
Scores = Mapping[str, Score]  # of those


def train_command(settings: Settings, out: str | None, dataset: Ahead, start: float) -> int:
    """Teach a network by `settings` and keep it in `out`; gives the exit code.

    start: when the command began, by time.perf_counter. Raises InputError. The test examples
    are scored before and after, and decide nothing.
    """
    with new_run(out, dataset.name, _say) as run, _signals() as received:
        described = dataset.describe()
        classes, scale = described["classes"], described["scale"]
        sizes = settings.sizes(described["shape"], len(classes))
        sets = _sets(dataset, settings)
        run.config(
            {
                "sizes": sizes,
                "activation": settings.activation,
                "dataset": described,
                "settings": asdict(settings) | {"lr": settings.rate},
            }
        )
        model = build_model(settings, sizes)
        print(_introduction(settings, described["name"], sizes, sets, run))
        before = _scores(model, sets, classes, scale)
        print(f"\n{counts_table('before', before)}\n", flush=True)

        outcome, seconds = _learn(model, settings, sets, run, received, scale)
        run.model(model.state_dict())  # before the scores: a second Ctrl-C loses only those
        after = _scores(model, sets, classes, scale)
        run.summary(
            {
                "reason": outcome.reason,
                "message": outcome.message,
                "seed": settings.seed,
                "parameters": sum(p.size for p in model.parameters()),
                "epochs": outcome.steps / (len(sets["train"]) // settings.batch_size),
                "steps": outcome.steps,
                **_figures(after),
                "test_class_accuracy": after["test"].class_accuracy,
                "test_confusion": after["test"].confusion.tolist(),
                "before": _figures(before),
                "training_seconds": seconds,
                "seconds": time.perf_counter() - start,
            }
        )
        kept = run.finish()
    _check_finite(outcome, kept)
    print(f"\n{_ending(outcome, settings, received, seconds)}\n")
    print(_results(after, classes, kept), flush=True)
    return 128 + received[0] if received else 0


def _learn(
    model: MLP,
    settings: Settings,
    sets: Sets,
    run: RunFolder,
    received: list[int],
    scale: float,
) -> tuple[Outcome, float]:
    """Teach the model, with a line for each epoch on the screen and in the run's files: how that
    ended, and the seconds it took."""
    training = sets["train"]
    shown = sets.get("validation", training)
    lines = screen(settings, len(training))

    def record(epoch: int, step: int) -> None:
        run.histograms(epoch, step, statistics(model, shown, scale))

    watcher = _Watcher(settings, len(training), run, lines, received, record)
    start = time.perf_counter()
    try:
        lines.show(HEADER)
        record(0, 0)
        none = Examples(training.images[:0], training.labels[:0])
        outcome = train(model, settings, training, sets.get("validation", none), watcher, scale)
    finally:
        lines.close()
    return outcome, time.perf_counter() - start


class _Watcher:
    """Tells the screen and the run's files how the training goes, and the training when to end.

    received: the signals that came. record: writes the histograms after an epoch and a step.
    """

    def __init__(
        self,
        settings: Settings,
        images: int,
        run: RunFolder,
        lines: Lines,
        received: list[int],
        record: Callable[[int, int], None],
    ) -> None:
        self.run, self.lines, self.received, self.record = run, lines, received, record
        self.epochs = settings.epochs
        self.steps_per_epoch = images // settings.batch_size

    def step(self, epoch: int, step: int, loss: float, accuracy: float) -> None:
        """Move the bar."""
        self.lines.step(epoch, step, loss, accuracy)

    def epoch(self, epoch: Epoch) -> None:
        """A line in each file, one on the screen."""
        self.run.metrics(asdict(epoch))
        self.record(epoch.epoch, epoch.step)
        try:
            self.lines.show(epoch_row(epoch, epoch.step / self.steps_per_epoch, self.epochs))
        except BrokenPipeError:  # the reader of the output has gone: end as after Ctrl-C
            self.received.append(SIGPIPE)
            mute()

    def stop(self) -> bool:
        """Whether a signal came."""
        return bool(self.received)


@contextmanager
def _signals() -> Iterator[list[int]]:
    """A list that the first Ctrl-C or SIGTERM is noted in; a second one ends the process."""
    received: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def note(number: int, frame: FrameType | None) -> None:
        received.append(number)
        restore()

    for number, handler in before.items():
        if handler != signal.SIG_IGN:  # nohup and a shell's background jobs ignore it: so do we
            signal.signal(number, note)
    try:
        yield received
    finally:
        restore()


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
        figures |= {f"{name}_accuracy": s.accuracy, f"{name}_loss": finite(s.loss)}
        figures |= {f"{name}_right": s.right, f"{name}_wrong": s.wrong}
    return figures


# --- what is printed -----------------------------------------------------------------------------


def _say(words: str) -> None:
    print(f"warning: {words}", file=sys.stderr, flush=True)


def _introduction(
    settings: Settings, name: str, sizes: Sequence[int], sets: Sets, run: RunFolder
) -> str:
    s = settings
    parts = [s.optimizer, f"{s.schedule} {s.rate:g}", f"batches of {s.batch_size}"]
    parts += [f"dropout {s.dropout:g}"] if s.dropout and s.hidden else []
    return "\n".join(
        [
            f"network {layer_sizes(sizes)}, {s.activation}, seed {s.seed}",
            f"data    {cut(name, 40)}: {', '.join(f'{len(e):,} {n}' for n, e in sets.items())}",
            f"recipe  {', '.join(parts)}",
            f"folder  {run.path}",
        ]
    )


def _check_finite(outcome: Outcome, kept: Kept) -> None:
    """Raise InputError where the training diverged."""
    if outcome.reason == "diverged":
        raise InputError(
            f"{outcome.message}; {kept.folder} keeps the weights after step {outcome.steps:,}, the "
            "last that gave a finite loss; try a lower --lr, or --clip 1"
        )


def _ending(outcome: Outcome, settings: Settings, received: list[int], seconds: float) -> str:
    if outcome.reason == "reached":
        how = f"reached --stop-at {settings.stop_at:g}"
    elif outcome.reason == "stopped":
        how = "stopped early"
        if received[0] != SIGPIPE:
            how += f" by {'Ctrl-C' if received[0] == signal.SIGINT else 'SIGTERM'}"
        how += ", keeping what was learned"
    else:
        how = "finished"
    return f"{how}: {outcome.steps:,} steps in {duration(seconds)}"


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
