"""The `train` command: around the loop of train.py the files, the screen and the signals."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from types import FrameType
from typing import TYPE_CHECKING, Any

import data
from data import Examples
from models.mnist.cli import PROGRAM, mute
from models.mnist.digits import Digits
from models.mnist.settings import InputError, Settings

if TYPE_CHECKING:
    from models.mnist.checkpoint import Run
    from models.mnist.progress import Lines
    from models.mnist.scoring import Score
    from models.mnist.train import Epoch, Outcome

SIGPIPE = 13  # which Windows does not name

HEADER = f"{'':8}{'train':^18}{'validation':^20}\n{'epoch':8}" + f"{'loss':>8}{'accuracy':>11}" * 2


def train_command(settings: Settings, out: str | None) -> int:
    """Teach a network by `settings` and keep it in `out`; gives the exit code.

    Raises InputError. The test images are looked at before and after, and decide nothing.
    """
    start = time.perf_counter()
    digits = Digits("train", "test")
    # While a thread unpacks them:
    from models.mnist.checkpoint import FILES, new_run
    from models.mnist.progress import screen
    from models.mnist.scoring import confusion_table, counts_table, score
    from models.mnist.statistics import statistics
    from models.mnist.train import build_model, train

    with new_run(out) as run, _signals() as received:
        settings.check_counts(len(digits["train"]))
        run.config(settings)
        model = build_model(settings)
        training, validation = _split(digits["train"], settings)
        sets = {"train": training, "validation": validation, "test": digits["test"]}
        sets = {name: examples for name, examples in sets.items() if len(examples)}
        print(_introduction(settings, sets, run))
        before = {name: score(model, examples) for name, examples in sets.items()}
        print(f"\n{counts_table('before', before)}\n", flush=True)

        lines = screen(settings, len(training))
        shown = validation if len(validation) else training

        def look(epoch: int, step: int) -> None:
            run.histograms(epoch, step, statistics(model, shown))

        watcher = _Watcher(settings, len(training), run, lines, received, look)
        learning = time.perf_counter()
        try:
            lines.show(HEADER)
            look(0, 0)
            outcome = train(model, settings, training, validation, watcher)
        finally:
            lines.close()
        learned = time.perf_counter() - learning

        run.model(model)  # before the scores: a second Ctrl-C loses only those
        after = {name: score(model, examples) for name, examples in sets.items()}
        run.summary(
            {
                "reason": outcome.reason,
                "message": outcome.message,
                "seed": settings.seed,
                "parameters": sum(p.size for p in model.parameters()),
                "epochs": outcome.steps / (len(training) // settings.batch_size),
                "steps": outcome.steps,
                **_figures(after),
                "test_class_accuracy": after["test"].class_accuracy,
                "test_confusion": after["test"].confusion.tolist(),
                "before": _figures(before),
                "training_seconds": learned,
                "seconds": time.perf_counter() - start,
            }
        )

    if outcome.reason == "diverged":
        raise InputError(
            f"{outcome.message}; {run.folder} keeps the weights after step {outcome.steps:,}, the "
            "last that gave a finite loss; try a lower --lr, or --clip 1"
        )
    print(f"\n{_ending(outcome, settings, received, learned)}\n")
    print(f"{counts_table('after', after)}\n")
    print(f"test images, {confusion_table(after['test'])}\n")
    print(f"wrote   {run.folder}: {', '.join(FILES[:2])},")
    print(f"        {', '.join(FILES[2:])}")
    print(f"next    {PROGRAM} show --wrong {run.folder}", flush=True)
    return 128 + received[0] if received else 0


class _Watcher:
    """Tells the screen and metrics.jsonl how the training goes, and the training when to end."""

    def __init__(
        self,
        settings: Settings,
        images: int,
        run: Run,
        lines: Lines,
        received: list[int],
        look: Callable[[int, int], None],
    ) -> None:
        self.settings, self.run, self.lines, self.received = settings, run, lines, received
        self.look = look
        self.steps_per_epoch = images // settings.batch_size

    def step(self, epoch: int, step: int, loss: float, accuracy: float) -> None:
        """Move the bar."""
        self.lines.step(epoch, step, loss, accuracy)

    def epoch(self, epoch: Epoch) -> None:
        """A line in each file, one on the screen."""
        self.run.metrics(asdict(epoch))
        self.look(epoch.epoch, epoch.step)
        done = epoch.step / self.steps_per_epoch
        count = f"{done:.0f}" if done.is_integer() else f"{done:.2f}"
        figures = _pair(epoch.train_loss, epoch.train_accuracy)
        figures += _pair(epoch.validation_loss, epoch.validation_accuracy)
        speed = f"{epoch.images / epoch.seconds:>10,.0f} images/s"
        try:
            self.lines.show(f"{f'{count}/{self.settings.epochs}':8}{figures}{speed}")
        except BrokenPipeError:  # whoever read has gone: as if they had pressed Ctrl-C
            self.received.append(SIGPIPE)
            mute()

    def stop(self) -> bool:
        """Whether a signal came."""
        return bool(self.received)


@contextmanager
def _signals() -> Iterator[list[int]]:
    """A list that the first Ctrl-C or SIGTERM is noted in; the second does what it always does."""
    received: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def note(number: int, frame: FrameType | None) -> None:
        received.append(number)
        restore()

    for number, handler in before.items():
        if handler != signal.SIG_IGN:  # nohup, a shell's background job: let them be
            signal.signal(number, note)
    try:
        yield received
    finally:
        restore()


def _split(examples: Examples, settings: Settings) -> tuple[Examples, Examples]:
    if settings.validation:
        return data.split(examples, settings.validation, settings.seed)
    return examples, Examples(examples.images[:0], examples.labels[:0])


def _figures(scores: Mapping[str, Score]) -> dict[str, Any]:
    """Loss, accuracy and counts of each set, for a file: JSON knows no infinity."""
    figures: dict[str, Any] = {}
    for name, s in scores.items():
        figures[f"{name}_accuracy"] = s.accuracy
        figures[f"{name}_loss"] = s.loss if math.isfinite(s.loss) else None
        figures |= {f"{name}_right": s.right, f"{name}_wrong": s.count - s.right}
    return figures


def _pair(loss: float | None, accuracy: float | None) -> str:
    from models.mnist.scoring import percent

    return f"{'-' if loss is None else f'{loss:.4f}':>8}{percent(accuracy):>11}"


def _introduction(settings: Settings, sets: Mapping[str, Examples], run: Run) -> str:
    s = settings
    parts = [s.optimizer, f"{s.schedule} {s.rate:g}", f"batches of {s.batch_size}"]
    parts += [f"dropout {s.dropout:g}"] if s.dropout and s.hidden else []
    return "\n".join(
        [
            f"network {'-'.join(map(str, s.sizes))}, {s.activation}, seed {s.seed}",
            f"digits  {', '.join(f'{len(e):,} {name}' for name, e in sets.items())}",
            f"recipe  {', '.join(parts)}",
            f"folder  {run.folder}",
        ]
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
    return f"{how}: {outcome.steps:,} steps in {seconds:.1f} s"
