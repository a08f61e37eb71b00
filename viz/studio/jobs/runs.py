"""The folders of runs as the API has them: which there are, and what is in one.

Nothing in them is trusted. A name is looked up in a listing and never joined to a path; a link that
leads out of the folder of runs is not followed; and no file is read that is no regular one, or
longer than its bound.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from data.files import reason
from models.command_line import InputError
from models.mnist.datasets import Described
from models.mnist.settings import Settings
from models.runs.arrays import pack
from models.runs.checkpoints import CHECKPOINTS, NAME, read
from models.runs.files import (
    CONFIG,
    METRICS,
    MODEL,
    SUMMARY,
    plain,
    read_line,
    read_number,
    read_object,
)
from models.runs.lock import in_use
from viz.studio.replies import Refusal

__all__ = ["Run", "Runs", "size_of"]

MOST = 64 << 20  # bytes of a file that is served: as many as weights may have that are put
TAIL = 65_536  # bytes in which the newest line is looked for
LISTED = 500  # runs that a list has
ENTRIES = 10_000  # of a folder, that are looked at for a list
STATES = {"finished": "finished", "reached": "finished"} | {
    reason: reason for reason in ("stopped", "diverged")
}  # by the reason in summary.json
OPTIMIZER = re.compile(r"optimizer\.")
WEIGHT = re.compile(r"model\.\d+\.(weight|bias)")  # what dropout counts is no weight


class Runs:
    """The runs in a folder."""

    def __init__(self, folder: Path) -> None:
        self.root = folder

    def folders(self, file: str) -> list[Path]:
        """The folders that hold a file of this name, the one that was changed last first."""
        found = [folder for _, folder in zip(range(ENTRIES), self._folders(), strict=False)]
        held = [(_changed(each), each) for each in found if (each / file).is_file()]
        return [folder for _, folder in sorted(held, reverse=True)]

    def folder(self, name: str) -> Path | None:
        """The folder of this name, None where there is none."""
        return next((each for each in self._folders() if each.name == name), None)

    def all(self) -> list[Run]:
        """The newest runs, the last one first."""
        return [self._run(folder) for folder in self.folders(CONFIG)[:LISTED]]

    def get(self, name: str, file: str = CONFIG) -> Run:
        """A run, that holds such a file. Raises a Refusal where there is none."""
        folder = self.folder(name)
        if folder is None or not (folder / file).is_file():
            raise Refusal(404, "run", "one of those at /api/runs", name)
        return self._run(folder)

    def _run(self, folder: Path) -> Run:
        return Run(folder, Path(os.path.realpath(self.root)))

    def _folders(self) -> Iterator[Path]:
        """Every folder whose name can stand in an address, and does not lead elsewhere."""
        root = os.path.realpath(self.root)
        with suppress(OSError), os.scandir(root) as entries:
            for entry in entries:
                is_named = entry.name.isprintable() and not entry.name.startswith(".")
                is_here = not entry.is_symlink() or _is_within(entry.path, root)
                if is_named and is_here and entry.is_dir():
                    yield self.root / entry.name


@dataclass(frozen=True)
class Run:
    """A run in `folder`; what is read has to lie in `root`."""

    folder: Path
    root: Path

    @property
    def name(self) -> str:
        """What it is called."""
        return self.folder.name

    # --- what it is ---

    def overview(self) -> dict[str, Any]:
        """What a list says of it; None for what it does not say itself."""
        config, newest = self._said(CONFIG), self._newest()
        sizes, settings, dataset = (config.get(key) for key in ("sizes", "settings", "dataset"))
        are_sizes = isinstance(sizes, list) and all(type(size) is int for size in sizes)
        return {
            "name": self.name,
            "state": self.state,
            "sizes": sizes if are_sizes else None,
            "activation": _text(config.get("activation")),
            "dataset": _text(dataset.get("name")) if isinstance(dataset, dict) else None,
            "epochs": _whole(settings.get("epochs")) if isinstance(settings, dict) else None,
            "epoch": _whole(newest.get("epoch")),
            "accuracy": _accuracy(newest),
            "changed": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(_changed(self.folder))),
        }

    @property
    def state(self) -> str:
        """Whether it is "running", or how it ended: "finished", "stopped" or "diverged"; "unknown"
        where it was killed."""
        if in_use(self.folder):
            return "running"
        return STATES.get(str(self._said(SUMMARY).get("reason")), "unknown")

    def config(self) -> dict[str, Any]:
        """Its config.json. Raises InputError where it is none."""
        found: dict[str, Any] = plain(read_object(self.path(CONFIG)))
        return found

    def summary(self) -> dict[str, Any] | None:
        """Its summary.json; None until it has ended. Raises InputError where it is none."""
        if not (self.folder / SUMMARY).exists():
            return None
        found: dict[str, Any] = plain(read_object(self.path(SUMMARY)))
        return found

    def lines(self, name: str) -> Iterator[dict[str, Any]]:
        """Those of its METRICS or HISTOGRAMS, one by one, without damaged ones. Raises a Refusal
        where there is no such file."""
        for text in self._read(name).split(b"\n"):
            if (line := read_line(text)) is not None:
                yield plain(line)

    @cached_property
    def steps_per_epoch(self) -> int | None:
        """The steps of a whole epoch, None where that cannot be told."""
        config = self._said(CONFIG)
        try:
            settings = Settings.read(config.get("settings"))
            count = Described.read(config.get("dataset")).splits["train"][0]
            return (count - settings.validated(count)) // settings.batch or None
        except (InputError, KeyError):
            return None

    # --- its weights ---

    def weights(self) -> bytes:
        """Its model.safetensors. Raises a Refusal where there is none that may be read."""
        return self._read(MODEL)

    def checkpoints(self) -> dict[int, Path]:
        """The folders of its checkpoints by their steps, the first one first; of two at a step the
        later one."""
        found = {}
        for path in sorted(self._checkpoints(), key=lambda path: (len(path.name), path.name)):
            found[int(path.name.partition("-")[0])] = path
        return dict(sorted(found.items()))

    def checkpoint(self, step: int) -> bytes:
        """The weights at a checkpoint, with the optimizer's states, as a file of weights has them.
        Raises a Refusal where there is no such, InputError where it is damaged."""
        path = self.checkpoints().get(step)
        if path is None:
            steps = ", ".join(map(str, self.checkpoints())) or "none"
            raise Refusal(404, "step", f"one of the checkpoints of {self.name}: {steps}", step)
        _check_size(f"{self.name}/{step}", size_of(path))
        found, config = read(path), self.config()
        arrays = {name: array for name, array in found.arrays.items() if OPTIMIZER.match(name)}
        for name, array in found.arrays.items():
            if WEIGHT.fullmatch(name):
                arrays[name.removeprefix("model.")] = array
        given = {key: config.get(key) for key in ("sizes", "activation", "dataset")}
        return pack(arrays, {**given, "seed": found.state.get("seed"), "step": found.step})

    # --- files ---

    def path(self, name: str) -> Path:
        """A file of it, as it may be read. Raises a Refusal where there is none."""
        path = self.folder / name
        if not path.is_file():
            raise _missing(self.name, name, "none")
        if not _is_within(path, self.root):
            raise _missing(self.name, name, "a link that leads elsewhere")
        return path

    def _read(self, name: str) -> bytes:
        path = self.path(name)
        try:
            _check_size(f"{self.name}/{name}", path.stat().st_size)
            return path.read_bytes()
        except OSError as error:
            raise _missing(self.name, name, reason(error)) from error

    def _said(self, name: str) -> dict[str, Any]:
        """What an object of it says, nothing where it cannot be read."""
        try:
            found: dict[str, Any] = plain(read_object(self.path(name)))
            return found
        except (InputError, Refusal):
            return {}

    def _newest(self) -> dict[str, Any]:
        """The last whole line of metrics.jsonl, empty where there is none."""
        with suppress(OSError, Refusal), self.path(METRICS).open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - TAIL))
            for text in reversed(file.read(TAIL).split(b"\n")):
                if line := read_line(text):
                    found: dict[str, Any] = plain(line)
                    return found
        return {}

    def _checkpoints(self) -> Iterator[Path]:
        folder = self.folder / CHECKPOINTS
        with suppress(OSError), os.scandir(folder) as entries:
            for entry, _ in zip(entries, range(ENTRIES), strict=False):
                if (
                    NAME.fullmatch(entry.name)
                    and entry.is_dir()
                    and _is_within(entry.path, self.root)
                ):
                    yield folder / entry.name


def _is_within(path: str | Path, root: str | Path) -> bool:
    """Whether a path leads to something in `root`, an absolute path without links."""
    return Path(os.path.realpath(path)).is_relative_to(root)


def _changed(folder: Path) -> float:
    """When something was last made in a folder, or its metrics were written, in seconds."""
    times = [0.0]
    for path in (folder, folder / METRICS):
        with suppress(OSError):
            times.append(path.stat().st_mtime)
    return max(times)


def size_of(folder: Path) -> int:
    """The bytes of the files in a folder."""
    with suppress(OSError), os.scandir(folder) as entries:
        return sum(entry.stat().st_size for entry in entries)
    return 0


def _missing(run: str, name: str, found: str) -> Refusal:
    return Refusal(404, f"{run}/{name}", "a file that a training writes", found)


def _check_size(where: str, size: int) -> None:
    if size > MOST:
        raise Refusal(422, where, f"at most {MOST:,} bytes", f"{size:,}")


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _whole(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value < 2**53 else None


def _accuracy(line: dict[str, Any]) -> float | None:
    """Of the validation set, or without one of the training."""
    known = (read_number(line.get(f"{split}_accuracy")) for split in ("validation", "train"))
    return next((each for each in known if each is not None), None)
