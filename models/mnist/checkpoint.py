"""A run's folder: what is written there, whole or not at all, and read back with suspicion.

model.safetensors   the weights: 0.weight, 0.bias, 2.weight, ... as PyTorch's Sequential has them
config.json         the architecture and every setting
metrics.jsonl       a line per epoch, written as it goes
histograms.jsonl    another, and one before the first epoch, of what statistics.py gives
summary.json        how it ended
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from models.mlp import MLP
from models.mnist.settings import CLASSES, INPUTS, InputError, Settings

MODEL, CONFIG = "model.safetensors", "config.json"
METRICS, HISTOGRAMS, SUMMARY = "metrics.jsonl", "histograms.jsonl", "summary.json"
FILES = (MODEL, CONFIG, METRICS, HISTOGRAMS, SUMMARY)


class Run:
    """A run's folder while it is written; `new_run` makes one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.written = {METRICS}

    def config(self, settings: Settings) -> None:
        """Write config.json."""
        chosen = asdict(settings) | {"lr": settings.rate}
        config = {"sizes": settings.sizes, "activation": settings.activation, "settings": chosen}
        self._write(CONFIG, _table(config))

    def metrics(self, line: Mapping[str, Any]) -> None:
        """Append a line to metrics.jsonl, at once on disk."""
        self._append(METRICS, {name: finite(number) for name, number in line.items()})

    def histograms(self, epoch: int, step: int, found: Mapping[str, Any]) -> None:
        """Append to histograms.jsonl what `statistics` found after so many epochs and steps."""
        self._append(HISTOGRAMS, {"epoch": epoch, "step": step, **found})

    def model(self, model: MLP) -> None:
        """Write model.safetensors."""
        from safetensors.numpy import save

        self._write(MODEL, save(model.state_dict()))

    def summary(self, summary: Mapping[str, Any]) -> None:
        """Write summary.json."""
        self._write(SUMMARY, _table(summary))

    def _append(self, name: str, line: Mapping[str, Any]) -> None:
        with _writing(self.folder / name), (self.folder / name).open("ab") as file:
            self.written.add(name)
            file.write((_json(line) + "\n").encode())

    def _write(self, name: str, content: bytes) -> None:
        """Beside it first, then renamed: whoever looks finds the whole file or none."""
        path = self.folder / name
        beside = path.with_name(f".{name}.{os.getpid()}")
        with _writing(path):
            try:
                beside.write_bytes(content)
                beside.replace(path)
                self.written.add(name)
            finally:
                beside.unlink(missing_ok=True)


@contextmanager
def new_run(out: str | None) -> Iterator[Run]:
    """The folder for a new run: `out`, or runs/mnist-<time>.

    If nothing was learned in the end (no model.safetensors), nothing is left behind.
    Raises InputError where `out` holds a run already or cannot be written.
    """
    folder, made = _claim([Path(out)] if out is not None else _by_time())
    run = Run(folder)
    try:
        yield run
    finally:
        if MODEL not in run.written:
            for name in run.written:
                (folder / name).unlink(missing_ok=True)
            with suppress(OSError):  # someone else put something there
                for parent in made:
                    parent.rmdir()


def _claim(folders: Iterable[Path]) -> tuple[Path, list[Path]]:
    """The first folder without a run in it, taken by an empty metrics.jsonl, which only one of
    two processes can create; and the folders, innermost first, that had to be made."""
    for folder in folders:
        with _writing(folder):
            made = [path for path in (folder, *folder.parents) if not path.exists()]
            folder.mkdir(parents=True, exist_ok=True)
            held = next((name for name in FILES if os.path.lexists(folder / name)), METRICS)
            with suppress(FileExistsError):
                (folder / held).touch(exist_ok=False)
                return folder, made
    raise InputError(
        f"--out: expected a folder without a run in it, found {folder / held}; name another one"
    )


def _by_time() -> Iterator[Path]:
    stem = time.strftime("mnist-%Y%m%d-%H%M%S")
    return (Path("runs") / f"{stem}{suffix}" for suffix in ("", *range(-2, -100, -1)))


def load(path: str) -> MLP:
    """The model in a run's folder, or in the .safetensors file within one.

    Nothing in the files is believed: names, shapes and numbers are compared with what config.json
    says before a model is made. Raises InputError.
    """
    file = Path(path)
    if file.is_dir():
        file = file / MODEL
    config = file.with_name(CONFIG)
    arrays = _arrays(file)
    sizes, activation = _architecture(config)
    wanted: dict[str, tuple[int, ...]] = {}
    for i, (size, following) in enumerate(pairwise(sizes)):
        wanted |= {f"{2 * i}.weight": (following, size), f"{2 * i}.bias": (following,)}
    for name in sorted(wanted.keys() | arrays.keys()):
        expected, found = wanted.get(name), arrays[name].shape if name in arrays else None
        if expected != found:
            raise InputError(
                f"{file}: expected {name} {_shaped(expected)}, as {CONFIG} says, "
                f"found it {_shaped(found)}"
            )
        if arrays[name].dtype.kind != "f" or not np.isfinite(arrays[name]).all():
            what = "nan or inf in it" if arrays[name].dtype.kind == "f" else arrays[name].dtype
            raise InputError(f"{file}: expected {name} to be finite floats, found {what}")
    model = MLP(sizes, activation)
    model.load_state_dict(arrays)
    return model


def _arrays(file: Path) -> dict[str, Any]:
    from safetensors import SafetensorError
    from safetensors.numpy import load as decode

    try:
        content = file.read_bytes()
    except OSError as error:
        raise InputError(f"{file}: expected a checkpoint, found: {error.strerror}") from error
    try:
        return decode(content)
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
        # The last three: types that NumPy lacks.
        raise InputError(
            f"{file}: expected a whole safetensors file of floats, "
            f"found {len(content):,} bytes that are not one ({error})"
        ) from error


def _architecture(file: Path) -> tuple[tuple[int, ...], str]:
    try:
        config = json.loads(file.read_bytes())
    except OSError as error:
        raise InputError(f"{file}: expected beside the weights, found: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{file}: expected JSON, found: {error}") from error
    given = config if isinstance(config, dict) else {}
    sizes, activation = given.get("sizes"), given.get("activation")
    if not isinstance(sizes, list) or not isinstance(activation, str):
        raise InputError(
            f'{file}: expected a list of "sizes" and the name of an "activation", '
            f"found {sizes!r} and {activation!r}"
        )
    if not all(type(n) is int for n in sizes) or [*sizes[:1], *sizes[-1:]] != [INPUTS, CLASSES]:
        raise InputError(
            f"{file}: expected sizes from {INPUTS} pixels to {CLASSES} digits, found {sizes}"
        )
    try:
        Settings(hidden=tuple(sizes[1:-1]), activation=activation)
    except InputError as error:
        raise InputError(f"{file}: {str(error).removeprefix('--')}") from error
    return tuple(sizes), activation


def _shaped(shape: tuple[int, ...] | None) -> str:
    return "missing" if shape is None else f"of shape {shape}"


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"--out: expected to be able to write {path}, found: {reason}") from error


def finite(number: float | None) -> float | None:
    """The number, or None where it is none or infinite: JSON knows neither."""
    return number if number is not None and math.isfinite(number) else None


def _json(value: Any) -> str:
    return json.dumps(value, allow_nan=False)


def _table(values: Mapping[str, Any]) -> bytes:
    """A JSON object with a line for each key: a confusion matrix needs no hundred lines."""
    lines = [f"  {_json(key)}: {_json(value)}" for key, value in values.items()]
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()
