"""A run's folder: its files are written here, each whole or not at all, and its JSON is read here.

model.safetensors   the weights: 0.weight, 0.bias, 2.weight, ... as PyTorch's Sequential names them
config.json         the architecture and every setting
metrics.jsonl       a line per epoch, written when the epoch ends
histograms.jsonl    a line per epoch, and one before the first, of what statistics.py gives
summary.json        how it ended

checkpoint.py makes a model again of the first two.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from data.files import reason, write
from models.command_line import InputError
from models.mlp import MLP
from models.mnist.settings import Settings

MODEL, CONFIG = "model.safetensors", "config.json"
METRICS, HISTOGRAMS, SUMMARY = "metrics.jsonl", "histograms.jsonl", "summary.json"
FILES = (MODEL, CONFIG, METRICS, HISTOGRAMS, SUMMARY)

# --- written -------------------------------------------------------------------------------------


class RunFolder:
    """The folder of a run that goes on; `new_run` makes one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.written = {METRICS}

    def config(self, settings: Settings) -> None:
        """Write config.json."""
        chosen = asdict(settings) | {"lr": settings.rate}
        config = {"sizes": settings.sizes, "activation": settings.activation, "settings": chosen}
        self._write(CONFIG, _object_text(config))

    def metrics(self, figures: Mapping[str, Any]) -> None:
        """Append a line to metrics.jsonl, which is on disk at once."""
        self._append(METRICS, {name: finite(number) for name, number in figures.items()})

    def histograms(self, epoch: int, step: int, statistics: Mapping[str, Any]) -> None:
        """Append to histograms.jsonl what `statistics` gave after so many epochs and steps."""
        self._append(HISTOGRAMS, {"epoch": epoch, "step": step, **statistics})

    def model(self, model: MLP) -> None:
        """Write model.safetensors."""
        from safetensors.numpy import save

        self._write(MODEL, save(model.state_dict()))

    def summary(self, summary: Mapping[str, Any]) -> None:
        """Write summary.json."""
        self._write(SUMMARY, _object_text(summary))

    def _append(self, name: str, line: Mapping[str, Any]) -> None:
        with _writing(self.path / name), (self.path / name).open("ab") as file:
            self.written.add(name)
            file.write((_json(line) + "\n").encode())

    def _write(self, name: str, content: bytes) -> None:
        with _writing(self.path / name):
            write(self.path / name, content)
            self.written.add(name)


@contextmanager
def new_run(out: str | None) -> Iterator[RunFolder]:
    """The folder for a new run: `out`, or runs/mnist-<time>.

    Where the run ends without weights (no model.safetensors), what it wrote is removed.
    Raises InputError where `out` holds a run already or cannot be written.
    """
    path, made = _claim([Path(out)] if out is not None else _paths_by_time())
    folder = RunFolder(path)
    try:
        yield folder
    finally:
        if MODEL not in folder.written:
            for name in folder.written:
                (path / name).unlink(missing_ok=True)
            with suppress(OSError):  # someone else put something there
                for parent in made:
                    parent.rmdir()


def _claim(paths: Iterable[Path]) -> tuple[Path, list[Path]]:
    """The first folder without a run in it, claimed by an empty metrics.jsonl, which only one of
    two processes can create; and the folders, innermost first, that had to be made."""
    for path in paths:
        with _writing(path):
            made = [each for each in (path, *path.parents) if not each.exists()]
            path.mkdir(parents=True, exist_ok=True)
            present = next((name for name in FILES if os.path.lexists(path / name)), METRICS)
            with suppress(FileExistsError):
                (path / present).touch(exist_ok=False)
                return path, made
    raise InputError(
        f"--out: expected a folder without a run in it, found {path / present}; name another one"
    )


def _paths_by_time() -> Iterator[Path]:
    stem = time.strftime("mnist-%Y%m%d-%H%M%S")
    return (Path("runs") / f"{stem}{suffix}" for suffix in ("", *range(-2, -100, -1)))


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        raise InputError(
            f"--out: expected to be able to write {path}, found: {reason(error)}"
        ) from error


def finite(number: float | None) -> float | None:
    """The number; None for NaN and infinity, which JSON does not have."""
    return number if number is not None and math.isfinite(number) else None


def _json(value: Any) -> str:
    return json.dumps(value, allow_nan=False)


def _object_text(values: Mapping[str, Any]) -> bytes:
    """A JSON object with a line for each key: a confusion matrix needs no hundred lines."""
    lines = [f"  {_json(key)}: {_json(value)}" for key, value in values.items()]
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


# --- read ----------------------------------------------------------------------------------------


def read_object(file: Path) -> dict[str, Any]:
    """The object in a JSON file of a run. Raises InputError where there is none."""
    try:
        found = json.loads(_read(file))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{file}: expected JSON, found: {error}") from error
    if not isinstance(found, dict):
        raise InputError(f"{file}: expected a JSON object, found {str(found)[:40]}")
    return found


def read_lines(file: Path) -> tuple[list[dict[str, Any]], list[int]]:
    """The objects of a .jsonl file of a run, each with its "epoch" and its "step", and the numbers
    of the lines, from 1, that hold no such object. Raises InputError where there is no file."""
    lines, damaged = [], []
    for number, text in enumerate(_read(file).split(b"\n"), 1):
        if not text.strip():
            continue
        try:
            line = json.loads(text)
        except (ValueError, RecursionError):
            line = None
        if isinstance(line, dict) and all(_is_count(line.get(key)) for key in ("epoch", "step")):
            lines.append(line)
        else:
            damaged.append(number)
    return lines, damaged


def read_number(value: Any) -> float | None:
    """A number of a run's JSON as it is; None for anything else, and for what a sum or a quotient
    could carry to infinity: float32 ends at 3e38."""
    is_number = type(value) in (int, float) and abs(value) < 1e100
    return value if is_number else None


def _is_count(value: Any) -> bool:
    number = read_number(value)
    return number is not None and number >= 0


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        raise InputError(
            f"{file}: expected a file that a training writes, found: {reason(error)}"
        ) from error
