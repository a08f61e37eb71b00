"""The files in a run's folder: what they are called, and how their JSON is read, without trust.

config.json         the architecture, the dataset and every setting
metrics.jsonl       a line per epoch, written when the epoch ends
histograms.jsonl    a line per epoch, and one before the first, of what statistics gave
checkpoints/        what the training can go on from (checkpoints.py)
model.safetensors   the weights, by the names that PyTorch's modules give them
doubt.safetensors   what tells of a picture that it is like nothing that was learned from
summary.json        how it ended
"""

from __future__ import annotations

import errno
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from data.files import reason
from models.command_line import InputError

MODEL, CONFIG = "model.safetensors", "config.json"
METRICS, HISTOGRAMS, SUMMARY = "metrics.jsonl", "histograms.jsonl", "summary.json"
DOUBT = "doubt.safetensors"
LONGEST = 64 << 20  # bytes of a JSON object: a confusion of 2,000 classes has as many
FILES = (MODEL, DOUBT, CONFIG, METRICS, HISTOGRAMS, SUMMARY)


def finite(number: float | None) -> float | None:
    """The number; None for NaN and infinity, which JSON does not have."""
    return number if number is not None and math.isfinite(number) else None


def plain(value: Any) -> Any:
    """The value as JSON has it: numbers and arrays of NumPy's are lists and numbers, and what is
    not finite is None.

    >>> plain({"loss": np.float32("nan"), "counts": np.arange(3)})
    {'loss': None, 'counts': [0, 1, 2]}
    """
    match value:
        case np.ndarray() | np.generic():
            return plain(value.tolist())
        case float():
            return finite(value)
        case Mapping():
            return {name: plain(each) for name, each in value.items()}
        case list() | tuple():
            return [plain(each) for each in value]
    return value


def read_object(file: Path) -> dict[str, Any]:
    """The object in a JSON file of a run. Raises InputError where there is none."""
    try:
        found = json.loads(_read(file, LONGEST))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{file}: expected JSON, found: {error}") from error
    if not isinstance(found, dict):
        raise InputError(f"{file}: expected a JSON object, found {str(found)[:40]}")
    return found


def read_lines(file: Path) -> tuple[list[dict[str, Any]], list[int]]:
    """The objects of a .jsonl file of a run, each with its "epoch" and its "step", and the numbers
    of the lines, from 1, that hold no such object. Raises InputError where there is no file."""
    texts = enumerate(_read(file).split(b"\n"), 1)
    found = [(number, read_line(text)) for number, text in texts if text.strip()]
    lines = [line for _, line in found if line is not None]
    return lines, [number for number, line in found if line is None]


def lines_until(file: Path, step: int) -> bytes:
    """The lines of a .jsonl file as they are, without damaged ones and those after `step`.

    Raises InputError where there is a file that cannot be read; where there is none, no lines.
    """
    if not file.exists():
        return b""
    texts = [(text, read_line(text)) for text in _read(file).split(b"\n")]
    return b"".join(text + b"\n" for text, line in texts if line and line["step"] <= step)


def read_number(value: Any) -> float | None:
    """A number of a run's JSON as it is; None for anything else, and for what a sum or a quotient
    could carry to infinity: float32 ends at 3e38."""
    is_number = type(value) in (int, float) and abs(value) < 1e100
    return value if is_number else None


def read_line(text: bytes) -> dict[str, Any] | None:
    """The object in a line; None where there is none with an epoch and a step."""
    try:
        line = json.loads(text)
    except (ValueError, RecursionError):
        return None
    is_line = isinstance(line, dict) and all(_is_count(line.get(key)) for key in ("epoch", "step"))
    return line if is_line else None


def _is_count(value: Any) -> bool:
    number = read_number(value)
    return number is not None and number >= 0


def _read(file: Path, most: float = math.inf) -> bytes:
    try:
        if file.exists() and not file.is_file():  # a pipe would be waited for
            raise OSError(errno.EINVAL, "not a regular file")
        size = file.stat().st_size
        if size > most:
            raise OSError(errno.EFBIG, f"{size:,} bytes, of which {most:,} are read at most")
        return file.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        raise InputError(
            f"{file}: expected a file that a training writes, found: {reason(error)}"
        ) from error
