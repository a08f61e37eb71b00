"""What a training left in its folder, read with suspicion.

It may have diverged, been killed in the middle of a line, be still running, or be older than a
file that is looked for here. Only a folder without a readable config.json is no run; whatever else
is amiss becomes a note, and the rest is shown.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from models.mlp import MLP
from models.mnist.checkpoint import CONFIG, HISTOGRAMS, METRICS, SUMMARY, load
from models.mnist.settings import InputError

__all__ = ["FIGURES", "Histogram", "Line", "Look", "Run", "read_runs", "whole"]

FIGURES = ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy")
KINDS = ("weights", "gradients", "outputs")


@dataclass(frozen=True)
class Line:
    """A line of metrics.jsonl: how it stood after `epochs`, which need not be a whole number."""

    epochs: float
    figures: dict[str, float | None]


@dataclass(frozen=True)
class Histogram:
    """What `models.mnist.statistics.histogram` gave. `numbers` holds low, high, mean and the rest;
    None for what it lacks, and for what is no finite number."""

    counts: list[int]
    numbers: dict[str, float | None]


@dataclass(frozen=True)
class Look:
    """A line of histograms.jsonl: of each kind (KINDS) the histograms by name."""

    epochs: float
    found: dict[str, dict[str, Histogram]]


@dataclass(frozen=True)
class Run:
    """A training. `notes` are sentences on what is amiss; `model` is None where there is none."""

    name: str
    sizes: list[int]
    activation: str
    settings: dict[str, Any]
    lines: list[Line]
    looks: list[Look]
    summary: dict[str, Any]
    model: MLP | None
    notes: list[str] = field(default_factory=list)

    @property
    def epochs(self) -> float:
        """How many it trained for."""
        ended = self.number("epochs")
        if ended is not None:
            return ended
        return self.lines[-1].epochs if self.lines else 0

    def number(self, key: str) -> float | None:
        """A number of the summary."""
        return _number(self.summary.get(key))


def read_runs(folders: Sequence[str]) -> list[Run]:
    """The trainings in these folders, called by the folder's name where that tells them apart.

    Raises InputError for the first that holds none.
    """
    names = [Path(folder).resolve().name or folder for folder in folders]
    if len(set(names)) < len(names):
        names = list(folders)
    # A name of bytes that are no UTF-8 cannot stand in a page as it is.
    shown = [name.encode("utf-8", "backslashreplace").decode() for name in names]
    return [read(Path(folder), name) for folder, name in zip(folders, shown, strict=True)]


def read(folder: Path, name: str) -> Run:
    """The training in a folder. Raises InputError where there is none."""
    if not folder.is_dir():
        found = "a file" if folder.exists() else "nothing"
        raise InputError(f"{folder}: expected the folder of a training, found {found}")
    config = _object(folder / CONFIG)
    sizes, settings = config.get("sizes"), config.get("settings")
    if not isinstance(sizes, list) or not isinstance(settings, dict):
        raise InputError(
            f'{folder / CONFIG}: expected a list of "sizes" and an object of "settings", '
            f"found {sizes!r:.60} and {settings!r:.60}"
        )
    notes: list[str] = []
    summary = {}
    try:
        summary = _object(folder / SUMMARY)
        notes += _ending(summary, settings)
    except InputError as error:
        notes.append(f"{_short(error, folder)}: the training was killed, or is still running.")
    model = None
    try:
        model = load(str(folder))
    except InputError as error:
        notes.append(f"{_short(error, folder)}. What needs the weights is left out.")
    metrics = list(_lines(folder / METRICS, notes))
    # Older runs have none.
    histograms = list(_lines(folder / HISTOGRAMS, notes)) if (folder / HISTOGRAMS).exists() else []
    per_epoch = _steps_per_epoch(summary, [*metrics, *histograms])
    lines = [Line(line["step"] / per_epoch, _numbers(line)) for line in metrics]
    looks = [
        Look(line["step"] / per_epoch, {kind: _histograms(line.get(kind)) for kind in KINDS})
        for line in histograms
    ]
    notes += _not_finite(lines, looks)
    return Run(
        name, sizes, str(config.get("activation")), settings, lines, looks, summary, model, notes
    )


def _object(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_bytes())
    except OSError as error:
        raise InputError(f"{file}: expected a training's, found: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{file}: expected JSON, found: {error}") from error
    if not isinstance(found, dict):
        raise InputError(f"{file}: expected a JSON object, found {str(found)[:40]}")
    return found


def _lines(file: Path, notes: list[str]) -> Iterator[dict[str, Any]]:
    """The objects of a JSON-lines file, with a note on the lines that are none."""
    try:
        content = file.read_bytes()
    except OSError as error:
        notes.append(f"{file.name} cannot be read: {error.strerror}.")
        return
    damaged = []
    for number, text in enumerate(content.split(b"\n"), 1):
        if not text.strip():
            continue
        try:
            line = json.loads(text)
        except (ValueError, RecursionError):
            line = None
        if isinstance(line, dict) and _counted(line, "epoch") and _counted(line, "step"):
            yield line
        else:
            damaged.append(number)
    if damaged:
        more = f" (and {len(damaged) - 1:,} more)" if damaged[1:] else ""
        notes.append(
            f"{file.name}: line {damaged[0]}{more} is damaged or half written, and left out."
        )


def _counted(line: dict[str, Any], key: str) -> bool:
    number = _number(line.get(key))
    return number is not None and number >= 0


def _steps_per_epoch(summary: dict[str, Any], lines: list[dict[str, Any]]) -> float:
    """Of the training as it was set up: it may have ended in the middle of its last epoch."""
    steps, epochs = _number(summary.get("steps")), _number(summary.get("epochs"))
    if steps and epochs and steps > 0 and epochs > 0:
        return steps / epochs
    each = (line["step"] / line["epoch"] for line in lines if line["epoch"] >= 1)
    return max(each, default=0) or 1


def _histograms(found: Any) -> dict[str, Histogram]:
    """By name, without those that are damaged."""
    histograms = {}
    for name, each in found.items() if isinstance(found, dict) else ():
        counts = each.get("counts") if isinstance(each, dict) else None
        if isinstance(counts, list) and counts and all(map(_is_count, counts)):
            histograms[str(name)] = Histogram(counts, _numbers(each))
    return histograms


def _numbers(found: dict[str, Any]) -> dict[str, float | None]:
    return {key: _number(value) for key, value in found.items()}


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**53


def _number(value: Any) -> float | None:
    """A number as it is, None for anything else, and for what a sum or a quotient could carry to
    infinity: float32 ends at 3e38."""
    is_number = type(value) in (int, float) and abs(value) < 1e100
    return value if is_number else None


def _ending(summary: dict[str, Any], settings: dict[str, Any]) -> Iterator[str]:
    """What is to be said of an end that came too early."""
    epochs = _number(summary.get("epochs"))
    when = ""
    if epochs is not None:
        when = f" after {whole(epochs)} of {settings.get('epochs')} epochs"
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


def _not_finite(lines: list[Line], looks: list[Look]) -> Iterator[str]:
    for figure in FIGURES:
        known = [line.epochs for line in lines if line.figures.get(figure) is not None]
        gaps = [line.epochs for line in lines if line.figures.get(figure) is None]
        if gaps and (known or figure == "train_loss"):  # without validation there is none at all
            yield (
                f"{figure.replace('_', ' ').capitalize()} is no finite number after "
                f"{_count(gaps[0], 'epoch')}{' and later' if gaps[1:] else ''}: a gap in the chart."
            )
    for look in looks:
        for kind, histograms in look.found.items():
            for name, histogram in histograms.items():
                if bad := histogram.numbers.get("bad"):
                    yield (
                        f"After {_count(look.epochs, 'epoch')} there is NaN or infinity in the "
                        f"{kind} of layer {name}, {bad:,.0f} in all."
                    )
                    return


def whole(number: float) -> str:
    """How many epochs, where there may be a part of one.

    >>> whole(13.0), whole(0.75)
    ('13', '0.75')
    """
    return f"{number:,.0f}" if number == round(number) else f"{number:,.2f}"


def _count(number: float, what: str) -> str:
    return f"{whole(number)} {what}{'' if number == 1 else 's'}"


def _short(error: InputError, folder: Path) -> str:
    """What went wrong with a file, which needs no folder in a run's own notes."""
    return str(error).replace(f"{folder}/", "")
