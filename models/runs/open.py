"""How a run begins, and how it goes on: its folder is claimed, or opened again, for one process."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from data.files import clear, sync, write
from models.command_line import InputError
from models.runs.checkpoints import CHECKPOINTS, Checkpoint, go_on_from, newest, read
from models.runs.files import (
    CONFIG,
    DOUBT,
    FILES,
    HISTOGRAMS,
    METRICS,
    SUMMARY,
    lines_until,
    read_object,
)
from models.runs.folder import RunFolder, Say, writing
from models.runs.lock import LOCK, Lock

__all__ = ["Resumed", "new_run", "resume"]


@contextmanager
def new_run(out: str | None, stem: str, say: Say) -> Iterator[RunFolder]:
    """The folder for a new run: `out`, or runs/<stem>-<time>; held by this process (lock.py).

    Where the run ends before an epoch has, by an error too, what it wrote is removed. A folder
    that a run was killed in before its config.json was written is taken over.
    Raises InputError where `out` holds a run already or cannot be written.
    """
    path, made, lock = _claim([Path(out)] if out is not None else _paths_by_time(stem))
    folder = RunFolder(path, lock, say)
    try:
        yield folder
    finally:
        try:
            folder.wait()
        finally:
            _leave(folder, made)


def _leave(run: RunFolder, made: list[Path]) -> None:
    """Let a folder go, without the files of a run that learned nothing."""
    unused = not run.has_learned and run.lock.is_held()  # else it is another's by now
    # The last first: killed on the way, it leaves what --resume or --out take.
    for name in reversed(run.contents) if unused else ():
        with suppress(OSError):
            (run.path / name).unlink(missing_ok=True)
    run.close()
    _remove_empty(made if unused else ())


class Resumed(NamedTuple):
    """A run that may go on: its folder, what its config.json says, and where it stands: None where
    it ended before its first checkpoint."""

    run: RunFolder
    config: dict[str, Any]
    checkpoint: Checkpoint | None

    def begin(self, is_over: bool = False) -> None:
        """Make the checkpoint the end of the run: what came after it goes, and summary.json, which
        says how it ended. Until this is called, nothing is changed.

        is_over: there is nothing more to learn, so that the line of an epoch that was not whole
        stays. Raises InputError where the folder cannot be written.
        """
        run, checkpoint = self.run, self.checkpoint
        step = -1 if checkpoint is None else checkpoint.step
        if checkpoint is not None and not is_over:
            step = _whole_epochs(checkpoint)
        with writing(run.path, "--resume"):
            clear(run.path)
            if checkpoint is not None:
                go_on_from(checkpoint)  # before the lines: those have to reach to the newest
            for name in (SUMMARY, DOUBT):
                (run.path / name).unlink(missing_ok=True)
            for name in (METRICS, HISTOGRAMS):
                lines = lines_until(run.path / name, step)
                if lines or name == METRICS:
                    run.contents[name] = bytearray(lines)
                    write(run.path / name, lines)


@contextmanager
def resume(path: str, say: Say) -> Iterator[Resumed]:
    """Go on with a run from its newest whole checkpoint, or from the one that `path` leads to:
    `Resumed.begin` begins.

    Then the lines of metrics.jsonl and histograms.jsonl after its last whole epoch go, and later
    checkpoints with the next one that is saved. Raises InputError where there is nothing to go on
    from, or the folder cannot be written.
    """
    folder, chosen = _run_of(Path(path))
    with writing(folder, "--resume"):
        lock = Lock(folder)
    run = RunFolder(folder, lock, say, "--resume")
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
    if path.absolute().name == CHECKPOINTS and not (path / CONFIG).exists():
        return Path(os.path.normpath(path / "..")), None
    if path.absolute().parent.name != CHECKPOINTS or (path / CONFIG).exists():
        return path, None
    return Path(os.path.normpath(path / ".." / "..")), path


def _resumed(run: RunFolder, chosen: Path | None) -> Resumed:
    config = _config(run.path / CONFIG)
    checkpoint, damaged = (read(chosen), []) if chosen else newest(run.path / CHECKPOINTS)
    if checkpoint is None and damaged:
        raise InputError(
            f"{run.path}: expected a whole checkpoint to go on from, "
            f"found: {'; '.join(damaged)}; train anew, with another --out"
        )
    for words in damaged:
        run.tell(f"passed over: {words}")
    run.contents[CONFIG] = bytearray((run.path / CONFIG).read_bytes())
    return Resumed(run, config, checkpoint)


def _config(file: Path) -> dict[str, Any]:
    if not os.path.lexists(file):
        raise InputError(
            f"{file.parent}: expected a run's folder, or one of its {CHECKPOINTS}, "
            f"found no {CONFIG} in it"
        )
    try:
        return read_object(file)
    except InputError as error:
        raise InputError(f"{error}; without it a run cannot go on: train anew") from error


def _whole_epochs(checkpoint: Checkpoint) -> int:
    """The steps of the epochs that are done. The line of the one at hand is written anew."""
    position = checkpoint.state.get("position", 0)
    return checkpoint.step - (position if type(position) is int else 0)


def _claim(paths: Iterable[Path]) -> tuple[Path, list[Path], Lock]:
    """The first folder without a run in it, claimed; the folders, innermost first, that had to be
    made; and its lock. Raises InputError."""
    errors = []
    for path in paths:
        made: list[Path] = []
        try:
            with writing(path):
                made += [each for each in (path, *path.parents) if not each.exists()]
                path.mkdir(parents=True, exist_ok=True)
                return path, made, _claim_one(path, made)
        except BaseException as error:
            _remove_empty(made)
            if not isinstance(error, InputError):
                raise
            errors.append(error)
    raise errors[0]


def _claim_one(path: Path, made: list[Path]) -> Lock:
    """The lock of a folder that is claimed by an empty metrics.jsonl. Raises InputError where
    there is a run or another process, OSError where it cannot be written."""
    if not os.path.lexists(path / LOCK):  # else who holds it says more
        _refuse_run(path)  # before anything is written there
    lock, is_mine = Lock(path), False
    try:
        _refuse_run(path)  # one that began and ended meanwhile
        clear(path)
        (path / METRICS).touch()
        is_mine = True
        for each in made:
            sync(each.parent)
    except BaseException:
        if is_mine:
            (path / METRICS).unlink(missing_ok=True)
        lock.release()
        raise
    return lock


def _refuse_run(path: Path) -> None:
    for name in (*FILES, CHECKPOINTS):
        if os.path.lexists(path / name) and not _is_claim(path / name):
            raise InputError(
                f"--out: expected a folder without a run in it, found {path / name}; "
                "name another one"
            )


def _is_claim(path: Path) -> bool:
    """Whether this is what claims a folder: with nothing beside it, of a run that was killed
    before it began."""
    found = path.lstat()
    return path.name == METRICS and stat.S_ISREG(found.st_mode) and not found.st_size


def _remove_empty(folders: Iterable[Path]) -> None:
    for folder in folders:
        with suppress(OSError, ValueError):  # something is in it; it could not be made
            folder.rmdir()


def _paths_by_time(stem: str) -> Iterator[Path]:
    name = stem + time.strftime("-%Y%m%d-%H%M%S")  # a stem may hold a "%"
    return (Path("runs") / f"{name}{suffix}" for suffix in ("", *range(-2, -100, -1)))
