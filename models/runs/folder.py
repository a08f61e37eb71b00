"""A run's folder, of which nothing is lost: what is written there is kept in memory as well.

A file that cannot be written is said once, and made whole again at the next chance: the disk was
full, the folder was read-only, removed, or removed and made again. A folder that was removed is not
made again: it may have been a disk that is gone, or the name may be another run's by now. In the
end the files of a run whose folder cannot take the model go to a fresh one.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy.typing as npt

from data.files import reason, sync, write
from models.command_line import InputError
from models.runs.arrays import pack
from models.runs.checkpoints import (
    CHECKPOINTS,
    CheckpointWriter,
    save,
)
from models.runs.files import (
    CONFIG,
    DOUBT,
    FILES,
    HISTOGRAMS,
    METRICS,
    MODEL,
    SUMMARY,
    plain,
)
from models.runs.lock import Lock

__all__ = ["Kept", "RunFolder", "Say", "writing"]

Say = Callable[[str], None]


class Kept(NamedTuple):
    """What is left of a run in the end: a folder, the names of what is whole there, in the order of
    FILES and then CHECKPOINTS, if the last one is; and of what should be, but is not."""

    folder: Path
    names: list[str]
    missing: list[str]


class RunFolder:
    """The folder of a run that goes on; `new_run` and `resume` (open.py) make one.

    say: is told in one line what cannot be written, and what is written again. option: the one
    that named the folder. Of the methods, `config` and `finish` alone raise.
    """

    def __init__(self, path: Path, lock: Lock, say: Say, option: str = "--out") -> None:
        self.path, self.lock, self.say, self.option = path, lock, say, option
        self.has_learned = False  # from now on nothing is removed
        self.contents: dict[str, bytearray] = {METRICS: bytearray()}
        self._missing: set[Path] = set()
        self._writer: CheckpointWriter | None = None

    def config(self, values: Mapping[str, Any]) -> None:
        """Write config.json. Raises InputError where it cannot be written: nothing is lost yet."""
        content = bytearray(_object_text(values))
        with writing(self.path / CONFIG, self.option):
            write(self.path / CONFIG, content)
        self.contents[CONFIG] = content

    def metrics(self, figures: Mapping[str, Any]) -> None:
        """Append a line to metrics.jsonl when an epoch ends, and before its checkpoint is put.
        In all files, what is not finite becomes null."""
        self.has_learned = True
        self._append(METRICS, figures)

    def histograms(self, epoch: int, step: int, statistics: Mapping[str, Any]) -> None:
        """Append to histograms.jsonl what `statistics` gave after so many epochs and steps."""
        self._append(HISTOGRAMS, {"epoch": epoch, "step": step, **statistics})

    def model(
        self, arrays: Mapping[str, npt.NDArray[Any]], metadata: Mapping[str, Any] | None = None
    ) -> None:
        """Write model.safetensors: the arrays of a module's `state_dict`, and what says of them
        without config.json what they are, each value as JSON."""
        self.has_learned = True
        self._put(MODEL, pack(arrays, metadata))

    def doubt(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Write doubt.safetensors: by what a model's answers are doubted."""
        self._put(DOUBT, pack(arrays))

    def summary(self, summary: Mapping[str, Any]) -> None:
        """Write summary.json."""
        self._put(SUMMARY, _object_text(summary))

    def checkpoints(self, keep: int = 3) -> CheckpointWriter:
        """What writes the checkpoints of this run; it is closed with the run."""
        folder = self.path / CHECKPOINTS
        self._writer = CheckpointWriter(folder, keep, self.say, self._before_checkpoint)
        return self._writer

    def finish(self) -> Kept:
        """Make sure of every file, byte for byte, after the last is written.

        Where the run's folder cannot take the model, all files and the last checkpoint are written
        to a fresh folder: in the system's temporary folder, else here, else at home. Raises
        InputError where the model cannot be written anywhere; another call tries again.
        """
        self.wait()
        for name in self._names():
            if not self._is_whole(name):
                self._try(name, write)
        self._sync_lines()
        names = [name for name in self._names() if self._is_whole(name)]
        if MODEL not in names and MODEL in self.contents:
            return self._write_elsewhere()
        if self._writer is not None and self._has_checkpoint() and self._writer.ensure():
            names.append(CHECKPOINTS)
        return self._kept(self.path, names)

    def close(self) -> None:
        """Wait for the last checkpoint and let the folder go."""
        try:
            self.wait()
        finally:
            self.lock.release()

    def wait(self) -> None:
        """Wait until the last checkpoint is written."""
        if self._writer:
            self._writer.close()

    def tell(self, words: str) -> None:
        """Say a line, wherever that goes."""
        with suppress(OSError, ValueError):  # a closed terminal
            self.say(words)

    def _append(self, name: str, line: Mapping[str, Any]) -> None:
        text = _json(line).encode() + b"\n"
        self.contents.setdefault(name, bytearray()).extend(text)
        self._try(name, lambda path, content: _bring(path, content, len(text)))
        for each in self._names():
            if each != name:
                self._try(each, _bring)

    def _put(self, name: str, content: bytes) -> None:
        self.contents[name] = bytearray(content)
        self._try(name, write)

    def _try(self, name: str, writing: Callable[[Path, bytearray], None]) -> None:
        """Write a file; say once what is wrong, and once that it is no longer: of the file, or of
        the folder where that is not there."""
        path = self.path / name
        try:
            self._check_folder()
            writing(path, self.contents[name])
        except (OSError, InputError) as error:
            what = path if self.path.is_dir() else self.path
            if what not in self._missing:
                self._missing.add(what)
                goes_on = "" if MODEL in self.contents else "; training goes on"
                self.tell(f"cannot write {what}: {reason(error)}{goes_on}")
        else:
            for what in sorted(self._missing & {self.path, path}):
                self._missing.remove(what)
                self.tell(f"written again: {what}")

    def _check_folder(self) -> None:
        """Raise OSError or InputError where the folder is not this run's to write into."""
        if self.lock.is_held():
            return
        config = self.path / CONFIG  # the folder was made anew: by whom?
        if config.is_file() and config.read_bytes() != bytes(self.contents.get(CONFIG, b"")):
            raise OSError(errno.EEXIST, "another run is there now")
        self.lock.take()

    def _before_checkpoint(self) -> None:
        """Called in the writer's thread. A checkpoint is never on disk before the lines that lead
        to it: else a run that goes on from it after a power cut has a gap."""
        self.has_learned = True
        self._check_folder()
        self._sync_lines()

    def _sync_lines(self) -> None:
        """Force the lines onto the disk: one by one, they are not."""
        for name in (METRICS, HISTOGRAMS):
            with suppress(OSError):  # said when it was written
                sync(self.path / name)

    def _is_whole(self, name: str) -> bool:
        try:
            self._check_folder()
            path = self.path / name
            return path.is_file() and path.read_bytes() == self.contents[name]
        except (OSError, InputError):
            return False

    def _names(self) -> list[str]:
        return [name for name in FILES if name in self.contents]  # the model first

    def _has_checkpoint(self) -> bool:
        return self._writer is not None and self._writer.last is not None

    def _kept(self, folder: Path, names: list[str]) -> Kept:
        expected = self._names() + [CHECKPOINTS] * self._has_checkpoint()
        return Kept(folder, names, [name for name in expected if name not in names])

    def _write_elsewhere(self) -> Kept:
        errors = [f"{self.path}"]
        for parent in _other_places():
            fresh = None
            try:
                fresh = Path(tempfile.mkdtemp(prefix="chainrule-run-", dir=parent()))
                write(fresh / MODEL, self.contents[MODEL])
            except (OSError, RuntimeError) as error:  # RuntimeError: there is no home
                errors.append(str(error))
                if fresh:
                    shutil.rmtree(fresh, ignore_errors=True)
                continue
            return self._kept(fresh, [MODEL, *self._write_rest(fresh)])
        raise InputError(
            f"the network can be saved nowhere (tried {'; '.join(errors)}); make room, or set "
            "TMPDIR to a folder that can be written"
        )

    def _write_rest(self, fresh: Path) -> Iterator[str]:
        """Write what is not the model into a fresh folder: the names of what could be."""
        for name in self._names():
            if name != MODEL:
                with suppress(OSError):
                    write(fresh / name, self.contents[name])
                    yield name
        if self._writer is not None and self._writer.last is not None:
            with suppress(OSError):
                save(fresh / CHECKPOINTS, *self._writer.last)
                yield CHECKPOINTS


def _bring(path: Path, content: bytearray, added: int = 0) -> None:
    """Make a file as long as its content, of which the last bytes were added just now."""
    size = path.stat().st_size if path.is_file() else -1
    if size == len(content):
        return
    if size != len(content) - added:
        write(path, content)
        return
    try:
        with path.open("ab") as file:
            file.write(content[size:])
    except OSError:
        with suppress(OSError):  # half a line: the next is not to follow it
            os.truncate(path, size)
        raise


def _other_places() -> Iterator[Callable[[], str | Path]]:
    yield from (tempfile.gettempdir, Path.cwd, Path.home)


@contextmanager
def writing(path: Path, option: str = "--out") -> Iterator[None]:
    """Raise InputError, which names the option, where the path cannot be written."""
    try:
        yield
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        raise InputError(
            f"{option}: expected to be able to write {path}, found: {reason(error)}"
        ) from error


def _json(value: Any) -> str:
    return json.dumps(plain(value), allow_nan=False)


def _object_text(values: Mapping[str, Any]) -> bytes:
    """A JSON object with a line for each key: a confusion matrix needs no hundred lines."""
    lines = [f"  {_json(key)}: {_json(value)}" for key, value in values.items()]
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()
