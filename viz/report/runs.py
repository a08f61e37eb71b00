"""Reads what a training left in its folder, and trusts none of it.

A training may have diverged, been killed in the middle of a line, still be running, or be older
than a file that is looked for here. Only a folder without a readable config.json is no run;
whatever else is wrong becomes a note, and the rest is shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from models.command_line import InputError
from models.mlp import MLP
from models.mnist.checkpoint import load, load_temperature
from models.mnist.datasets import Described
from models.runs.files import (
    CONFIG,
    HISTOGRAMS,
    METRICS,
    SUMMARY,
    read_lines,
    read_number,
    read_object,
)
from models.training.text import epoch_count

__all__ = ["FIGURES", "Histogram", "Metrics", "Run", "Snapshot", "read_runs"]

FIGURES = ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy")
KINDS = ("weights", "gradients", "outputs")


@dataclass(frozen=True)
class Metrics:
    """A line of metrics.jsonl: the figures after `epochs`, which need not be a whole number."""

    epochs: float
    figures: dict[str, float | None]


@dataclass(frozen=True)
class Histogram:
    """What `models.mnist.statistics.histogram` gave. `numbers` holds low, high, mean and the rest;
    None for what it lacks, and for what is no finite number."""

    counts: list[int]
    numbers: dict[str, float | None]


@dataclass(frozen=True)
class Snapshot:
    """A line of histograms.jsonl: of each kind (KINDS) the histograms by name."""

    epochs: float
    histograms: dict[str, dict[str, Histogram]]


@dataclass
class Run:
    """A training. `notes` are sentences on what is wrong; `model` and `described`, the dataset that
    it learned from, are None where there is none."""

    name: str
    sizes: list[int]
    activation: str
    settings: dict[str, Any]
    metrics: list[Metrics] = field(default_factory=list)
    snapshots: list[Snapshot] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    model: MLP | None = None
    described: Described | None = None
    temperature: float = 1.0  # of its probabilities
    notes: list[str] = field(default_factory=list)

    @property
    def epochs(self) -> float:
        """How many it trained for."""
        ended = self.number("epochs")
        if ended is not None:
            return ended
        return self.metrics[-1].epochs if self.metrics else 0

    def number(self, key: str) -> float | None:
        """A number of the summary."""
        return read_number(self.summary.get(key))


def read_runs(folders: Sequence[str]) -> list[Run]:
    """The trainings in these folders, called by the folder's name where that tells them apart.

    Raises InputError for the first that holds none.
    """
    names = [Path(folder).resolve().name or folder for folder in folders]
    if len(set(names)) < len(names):
        names = list(folders)
    # A name of bytes that are no UTF-8 cannot stand in a page as it is.
    shown = [name.encode("utf-8", "backslashreplace").decode() for name in names]
    return [_read_run(Path(folder), name) for folder, name in zip(folders, shown, strict=True)]


def _read_run(folder: Path, name: str) -> Run:
    """The training in a folder. Raises InputError where there is none."""
    if not folder.is_dir():
        found = "a file" if folder.exists() else "nothing"
        raise InputError(f"{folder}: expected the folder of a training, found {found}")
    config = read_object(folder / CONFIG)
    sizes, settings = config.get("sizes"), config.get("settings")
    if not isinstance(sizes, list) or not isinstance(settings, dict):
        raise InputError(
            f'{folder / CONFIG}: expected a list of "sizes" and an object of "settings", '
            f"found {sizes!r:.60} and {settings!r:.60}"
        )
    run = Run(name, sizes, str(config.get("activation")), settings)
    try:
        run.summary = read_object(folder / SUMMARY)
        run.notes += _ending(run.summary, settings)
    except InputError as error:
        why = _without_folder(error, folder)
        run.notes.append(f"{why}: the training was killed, or is still running.")
    try:
        run.model, run.described = load(str(folder))
        run.temperature = load_temperature(str(folder))
    except InputError as error:
        why = _without_folder(error, folder)
        run.notes.append(f"{why}. What needs the weights is left out.")
    _read_epochs(run, folder)
    return run


def _read_epochs(run: Run, folder: Path) -> None:
    """Add the metrics and the histograms of each epoch, and notes on what is wrong with them."""
    metrics = _lines(folder / METRICS, run.notes)
    # Older runs have no histograms.
    histograms = _lines(folder / HISTOGRAMS, run.notes) if (folder / HISTOGRAMS).exists() else []
    per_epoch = _steps_per_epoch(run.summary, [*metrics, *histograms])
    run.metrics = [Metrics(line["step"] / per_epoch, _numbers(line)) for line in metrics]
    run.snapshots = [
        Snapshot(line["step"] / per_epoch, {kind: _histograms(line.get(kind)) for kind in KINDS})
        for line in histograms
    ]
    run.notes += _not_finite(run.metrics, run.snapshots)


def _lines(file: Path, notes: list[str]) -> list[dict[str, Any]]:
    """The objects of a JSON-lines file, with a note on the lines that are none."""
    try:
        lines, damaged = read_lines(file)
    except InputError as error:
        notes.append(f"{_without_folder(error, file.parent)}.")
        return []
    if damaged:
        more = f" (and {len(damaged) - 1:,} more)" if damaged[1:] else ""
        notes.append(
            f"{file.name}: line {damaged[0]}{more} is damaged or half written, and left out."
        )
    return lines


def _steps_per_epoch(summary: dict[str, Any], lines: list[dict[str, Any]]) -> float:
    """The steps in an epoch, which a training need not have finished."""
    steps, epochs = read_number(summary.get("steps")), read_number(summary.get("epochs"))
    if steps and epochs and steps > 0 and epochs > 0:
        return steps / epochs
    each = (line["step"] / line["epoch"] for line in lines if line["epoch"] >= 1)
    return max(each, default=0) or 1


def _histograms(found: Any) -> dict[str, Histogram]:
    """The histograms by name, without those that are damaged."""
    histograms = {}
    for name, each in found.items() if isinstance(found, dict) else ():
        counts = each.get("counts") if isinstance(each, dict) else None
        if isinstance(counts, list) and counts and all(map(_is_count, counts)):
            histograms[str(name)] = Histogram(counts, _numbers(each))
    return histograms


def _numbers(found: dict[str, Any]) -> dict[str, float | None]:
    return {key: read_number(value) for key, value in found.items()}


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**53


def _ending(summary: dict[str, Any], settings: dict[str, Any]) -> Iterator[str]:
    """A sentence on a training that ended before its last epoch."""
    epochs = read_number(summary.get("epochs"))
    when = ""
    if epochs is not None:
        when = f" after {epoch_count(epochs)} of {settings.get('epochs')} epochs"
    reason = summary.get("reason")
    if reason == "diverged":
        yield (
            f"Diverged{when}: {summary.get('message')}. Its weights are the last that gave a "
            "finite loss."
        )
    elif reason == "stopped":
        yield f"Stopped early{when}."
    elif reason == "reached":
        yield f"Ended{when}: it had reached --stop-at {settings.get('stop_at')}."


def _not_finite(metrics: list[Metrics], snapshots: list[Snapshot]) -> Iterator[str]:
    for figure in FIGURES:
        known = [each.epochs for each in metrics if each.figures.get(figure) is not None]
        gaps = [each.epochs for each in metrics if each.figures.get(figure) is None]
        if gaps and (known or figure == "train_loss"):  # without validation there is none at all
            yield (
                f"{figure.replace('_', ' ').capitalize()} is no finite number after "
                f"{_count(gaps[0], 'epoch')}{' and later' if gaps[1:] else ''}: a gap in the chart."
            )
    for snapshot in snapshots:
        for kind, histograms in snapshot.histograms.items():
            for name, histogram in histograms.items():
                if bad := histogram.numbers.get("bad"):
                    yield (
                        f"After {_count(snapshot.epochs, 'epoch')} there is NaN or infinity in the "
                        f"{kind} of layer {name}, {bad:,.0f} in all."
                    )
                    return


def _count(number: float, what: str) -> str:
    return f"{epoch_count(number)} {what}{'' if number == 1 else 's'}"


def _without_folder(error: InputError, folder: Path) -> str:
    """The text of an error without the folder, which a run's own notes do not repeat."""
    return str(error).replace(f"{folder}/", "")
