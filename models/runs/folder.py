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
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from data.files import clear, reason, sync, write
from models.command_line import InputError
from models.runs.checkpoints import (
    CHECKPOINTS,
    Checkpoint,
    CheckpointWriter,
    go_on_from,
    newest,
    read,
)
from models.runs.lock import Lock
from models.runs.files import (
    CONFIG,
    FILES,
    HISTOGRAMS,
    METRICS,
    MODEL,
    SUMMARY,
    finite,
    lines_until,
    read_object,
)

__all__ = ["Kept", "Resumed", "RunFolder", "new_run", "resume"]

Say = Callable[[str], None]


class Kept(NamedTuple):
    """What is left of a run in the end: a folder, and the names of the files that are whole there,
    in the order of FILES."""

    folder: Path
    names: list[str]


class RunFolder:
    """The folder of a run that goes on; `new_run` and `resume` make one.

    say: is told in one line what cannot be written, and what is written again. Of the methods,
    `config` and `finish` alone raise.
    """

    def __init__(self, path: Path, lock: Lock, say: Say) -> None:
        self.path, self.lock, self.say = path, lock, say
        self.has_learned = False  # from now on nothing is removed
        self.contents: dict[str, bytearray] = {METRICS: bytearray()}
        self._missing: set[str] = set()
        self._writer: CheckpointWriter | None = None

    def config(self, values: Mapping[str, Any]) -> None:
        """Write config.json. Raises InputError where it cannot be written: nothing is lost yet."""
        with _writing(self.path / CONFIG):
            write(self.path / CONFIG, _object_text(values))
        self.contents[CONFIG] = bytearray(_object_text(values))

    def metrics(self, figures: Mapping[str, Any]) -> None:
        """Append a line to metrics.jsonl at the end of an epoch; what is not finite becomes null.
        Call it before the checkpoint of that step is put."""
        self.has_learned = True
        finished = {
            name: finite(value) if isinstance(value, float) else value
            for name, value in figures.items()
        }
        self._append(METRICS, finished)

    def histograms(self, epoch: int, step: int, statistics: Mapping[str, Any]) -> None:
        """Append to histograms.jsonl what `statistics` gave after so many epochs and steps."""
        self._append(HISTOGRAMS, {"epoch": epoch, "step": step, **statistics})

    def model(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Write model.safetensors: the arrays of a module's `state_dict`."""
        from safetensors.numpy import save

        # Not ascontiguousarray, which gives a scalar an axis.
        plain = {name: np.asarray(array, order="C") for name, array in arrays.items()}
        self.has_learned = True
        self._put(MODEL, save(plain))

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

        Where the run's folder cannot take the model, all files are written to a fresh folder: in
        the system's temporary folder, else here, else at home. Raises InputError where the model
        cannot be written anywhere; another call tries again.
        """
        self._close_writer()
        for name in self._names():
            if not self._is_whole(name):
                self._try(name, write)
        names = [name for name in self._names() if self._is_whole(name)]
        if MODEL in names or MODEL not in self.contents:
            return Kept(self.path, names)
        return self._write_elsewhere()

    def close(self) -> None:
        """Wait for the last checkpoint and let the folder go."""
        try:
            self._close_writer()
        finally:
            self.lock.release()

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
        """Write a file; say once what is wrong, and once that it is no longer."""
        path = self.path / name
        try:
            self._check_folder()
            writing(path, self.contents[name])
        except (OSError, InputError) as error:
            if name not in self._missing:
                self._missing.add(name)
                self.tell(f"cannot write {path}: {reason(error)}; training goes on")
        else:
            if name in self._missing:
                self._missing.remove(name)
                self.tell(f"written again: {path}")

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
            for name in self._names():
                with suppress(OSError):
                    write(fresh / name, self.contents[name])
            return Kept(fresh, [name for name in self._names() if (fresh / name).exists()])
        raise InputError(
            f"the network can be saved nowhere (tried {'; '.join(errors)}); make room, or set "
            "TMPDIR to a folder that can be written"
        )

    def _close_writer(self) -> None:
        if self._writer:
            self._writer.close()


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


# --- begun and gone on with ----------------------------------------------------------------------


@contextmanager
def new_run(out: str | None, stem: str, say: Say) -> Iterator[RunFolder]:
    """The folder for a new run: `out`, or runs/<stem>-<time>; held by this process (lock.py).

    Where the run ends before an epoch has, by an error too, what it wrote is removed.
    Raises InputError where `out` holds a run already or cannot be written.
    """
    path, made, lock = _claim([Path(out)] if out is not None else _paths_by_time(stem))
    folder = RunFolder(path, lock, say)
    try:
        yield folder
    finally:
        unused = not folder.has_learned and lock.is_held()  # else it is another's by now
        for name in folder.contents if unused else ():
            with suppress(OSError):
                (path / name).unlink(missing_ok=True)
        folder.close()
        _remove_empty(made if unused else ())


class Resumed(NamedTuple):
    """A run that goes on: its folder, what its config.json says, and where it stands."""

    run: RunFolder
    config: dict[str, Any]
    checkpoint: Checkpoint


@contextmanager
def resume(path: str, say: Say) -> Iterator[Resumed]:
    """Go on with a run from its newest whole checkpoint, or from the one that `path` leads to.

    The lines of metrics.jsonl and histograms.jsonl after it go, and later checkpoints with the next
    one that is saved. Raises InputError where there is nothing to go on from, or the folder cannot
    be written.
    """
    folder, chosen = _run_of(Path(path))
    with _writing(folder, "--resume"):
        lock = Lock(folder)
    run = RunFolder(folder, lock, say)
    try:
        yield _resumed(run, chosen)
    finally:
        run.close()


def _run_of(path: Path) -> tuple[Path, Path | None]:
    """A run's folder, and the checkpoint in it that the path leads to, if it does."""
    if not path.is_dir():
        found = "a file" if path.exists() else "nothing"
        raise InputError(
            f"{path}: expected a run's folder, or one of its {CHECKPOINTS}, found {found}"
        )
    if path.absolute().parent.name != CHECKPOINTS or (path / CONFIG).exists():
        return path, None
    return Path(os.path.normpath(path / ".." / "..")), path


def _resumed(run: RunFolder, chosen: Path | None) -> Resumed:
    config = read_object(run.path / CONFIG)
    checkpoint, damaged = (read(chosen), []) if chosen else newest(run.path / CHECKPOINTS)
    if checkpoint is None:
        found = f"found: {'; '.join(damaged)}" if damaged else "found none"
        raise InputError(f"{run.path}: expected a whole checkpoint to go on from, {found}")
    for words in damaged:
        run.tell(f"passed over: {words}")
    run.has_learned = True
    run.contents[CONFIG] = bytearray((run.path / CONFIG).read_bytes())
    with _writing(run.path, "--resume"):
        clear(run.path)
        go_on_from(checkpoint)  # before the lines: those have to reach to the newest checkpoint
        for name in (METRICS, HISTOGRAMS):
            lines = lines_until(run.path / name, checkpoint.step)
            if lines or name == METRICS:
                run.contents[name] = bytearray(lines)
                write(run.path / name, lines)
    return Resumed(run, config, checkpoint)


def _claim(paths: Iterable[Path]) -> tuple[Path, list[Path], Lock]:
    """The first folder without a run in it, claimed; the folders, innermost first, that had to be
    made; and its lock. Raises InputError."""
    errors = []
    for path in paths:
        made: list[Path] = []
        try:
            with _writing(path):
                made += [each for each in (path, *path.parents) if not each.exists()]
                path.mkdir(parents=True, exist_ok=True)
                return path, made, _claim_one(path, made)
        except InputError as error:
            _remove_empty(made)
            errors.append(error)
    raise errors[0]


def _claim_one(path: Path, made: list[Path]) -> Lock:
    """The lock of a folder that is claimed by an empty metrics.jsonl. Raises InputError where
    there is a run or another process, OSError where it cannot be written."""
    _refuse_run(path)  # before anything is written there
    lock = Lock(path)
    try:
        _refuse_run(path)  # one that began and ended meanwhile
        clear(path)
        (path / METRICS).touch(exist_ok=False)
        for each in made:
            sync(each.parent)
    except BaseException:
        lock.release()
        raise
    return lock


def _refuse_run(path: Path) -> None:
    for name in (*FILES, CHECKPOINTS):
        if os.path.lexists(path / name):
            raise InputError(
                f"--out: expected a folder without a run in it, found {path / name}; "
                "name another one"
            )


def _remove_empty(folders: Iterable[Path]) -> None:
    for folder in folders:
        with suppress(OSError, ValueError):  # something is in it; it could not be made
            folder.rmdir()


def _paths_by_time(stem: str) -> Iterator[Path]:
    name = time.strftime(f"{stem}-%Y%m%d-%H%M%S")
    return (Path("runs") / f"{name}{suffix}" for suffix in ("", *range(-2, -100, -1)))


@contextmanager
def _writing(path: Path, option: str = "--out") -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        raise InputError(
            f"{option}: expected to be able to write {path}, found: {reason(error)}"
        ) from error


def _json(value: Any) -> str:
    return json.dumps(value, allow_nan=False)


def _object_text(values: Mapping[str, Any]) -> bytes:
    """A JSON object with a line for each key: a confusion matrix needs no hundred lines."""
    lines = [f"  {_json(key)}: {_json(value)}" for key, value in values.items()]
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()
