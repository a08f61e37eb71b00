"""Checkpoints: folders of all that a training needs to go on, each there whole or not at all.

    <run>/checkpoints/000000000750/state.safetensors   the arrays of model and optimizer
    <run>/checkpoints/000000000750/state.json          the rest, and a digest of every byte

A folder is called by the step; -2 is added where that step was saved before. One process writes
into a run's folder (lock.py); anybody may read.
"""

from __future__ import annotations

import copy
import hashlib
import json
import math
import re
import shutil
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy.typing as npt

from data.files import clear, reason, sync, write_folder
from models.command_line import InputError
from models.runs.arrays import pack, unpack

__all__ = ["CHECKPOINTS", "Checkpoint", "CheckpointWriter", "go_on_from", "newest", "read", "save"]

CHECKPOINTS = "checkpoints"  # the folder in a run's folder
ARRAYS, STATE = "state.safetensors", "state.json"
NAME = re.compile(r"(\d{12,})(?:-(\d+))?", re.ASCII)
REMOVED = ".removing-"  # begins the name of one that is to go: a kill leaves no half of one

Arrays = Mapping[str, npt.NDArray[Any]]


class Checkpoint(NamedTuple):
    """One that was read: its folder, the arrays by name, and the JSON object beside them."""

    path: Path
    arrays: dict[str, npt.NDArray[Any]]
    state: dict[str, Any]

    @property
    def step(self) -> int:
        """The steps that were done when it was saved."""
        return int(self.state["step"])


# --- written -------------------------------------------------------------------------------------


def save(folder: str | Path, arrays: Arrays, state: Mapping[str, Any], keep: int = 3) -> Path:
    """Write a checkpoint into a folder of such, and then remove all but the last `keep`.

    arrays: of any shape and of the dtypes that safetensors has, given back bit for bit. state: JSON
    with "step", the steps done; infinity and NaN may be in it. The folder itself is made, but not
    its parents. Raises OSError where it cannot be written; ValueError or TypeError for arrays or a
    state that would not be read back as they are.

    >>> import tempfile, numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = save(folder, {"model.w": np.ones(2)}, {"step": 750, "epoch": 1})
    ...     path.name, read(path).arrays["model.w"].tolist(), read(path).state["epoch"]
    ('000000000750', [1.0, 1.0], 1)
    """
    folder = Path(folder)
    packed = _pack(arrays)
    content = _state_text(_checked(dict(state)), packed)
    if not folder.is_dir():
        folder.mkdir()
        sync(folder.parent)
    path = folder / _free_name(folder, state["step"])
    write_folder(path, {ARRAYS: packed, STATE: content})
    for old in _folders(folder)[: -max(keep, 1)]:
        if old != path:
            _set_aside(old)
    _clean(folder)
    return path


def go_on_from(checkpoint: Checkpoint) -> None:
    """Take a checkpoint for the last: the later ones, damaged or of a training that went wrong, do
    not count any more. They are removed when the next one is saved. Raises OSError."""
    folder, name = checkpoint.path.parent, checkpoint.path.name
    place = _place(checkpoint.path) if NAME.fullmatch(name) else (checkpoint.step, math.inf)
    for later in _folders(folder):
        if _place(later) > place:
            _set_aside(later)
    sync(folder)


class CheckpointWriter:
    """Writes checkpoints in a thread, so that the training goes on meanwhile.

    One is being written and one waits: a newer one takes the place of that. Nothing is raised into
    the training: `error` keeps what went wrong last, and `say` is told (in the thread) once, until
    one is written again. prepare: called in the thread before each is written; it may raise.
    """

    def __init__(
        self,
        folder: str | Path,
        keep: int,
        say: Callable[[str], None],
        prepare: Callable[[], None] = lambda: None,
    ) -> None:
        self.folder, self.keep, self.say, self.prepare = Path(folder), keep, say, prepare
        self.written: Path | None = None
        self.last: tuple[Arrays, Mapping[str, Any]] | None = None  # that was put
        self.error: Exception | None = None
        self._waiting: tuple[Arrays, Mapping[str, Any]] | None = None
        self._thread: threading.Thread | None = None
        self._mutex = threading.Lock()

    def put(self, arrays: Arrays, state: Mapping[str, Any]) -> None:
        """Have this written soon. The arrays must not change any more: hand in copies."""
        with self._mutex:
            self._waiting = self.last = dict(arrays), copy.deepcopy(dict(state))
            if self._thread is None:
                self._start()

    def close(self) -> None:
        """Wait until the last one is written."""
        thread = self._thread
        if thread is not None:
            thread.join()
        self._work()  # where no thread could be started

    def ensure(self) -> bool:
        """Whether the last one is there; where it is not, it is tried again."""
        self.close()
        if not self._is_there():
            self._waiting = self.last
            self._work()
        return self._is_there()

    def _is_there(self) -> bool:
        return self.error is None and self.written is not None and self.written.is_dir()

    def _start(self) -> None:
        # Not a daemon: a program that ends waits until its last checkpoint is whole.
        thread = threading.Thread(target=self._work, name="checkpoints")
        try:
            thread.start()
        except RuntimeError as error:  # the system has no more threads
            self._failed(error)
        else:
            self._thread = thread

    def _work(self) -> None:
        while True:
            with self._mutex:
                job, self._waiting = self._waiting, None
                if job is None:
                    self._thread = None
                    return
            try:
                self.prepare()
                self.written = save(self.folder, *job, self.keep)
            except Exception as error:
                self._failed(error)
            else:
                self._succeeded()

    def _failed(self, error: Exception) -> None:
        before, self.error = self.error, error
        if before is None:
            self._tell(f"cannot write {self.folder}: {reason(error)}; training goes on")

    def _succeeded(self) -> None:
        before, self.error = self.error, None
        if before is not None:
            self._tell(f"written again: {self.folder}")

    def _tell(self, words: str) -> None:
        with suppress(OSError, ValueError):  # a closed terminal
            self.say(words)


def _pack(arrays: Arrays) -> bytes:
    from safetensors import SafetensorError

    if wrong := [name for name in arrays if not isinstance(name, str) or name == "__metadata__"]:
        raise ValueError(f"expected names of arrays, found {wrong[0]!r}")
    try:
        return pack(arrays)
    except SafetensorError as error:
        raise ValueError(f"expected arrays that safetensors can hold, found: {error}") from error


def _checked(state: dict[str, Any]) -> dict[str, Any]:
    step = state.get("step")
    if type(step) is not int or step < 0:
        raise ValueError(f'expected "step" in the state: a whole number from 0, found {step!r}')
    _check_json(state, "state")
    return state


def _check_json(value: Any, place: str) -> None:
    """Raise TypeError for what JSON would give back as something else, as it does a tuple."""
    if isinstance(value, dict):
        for key, each in value.items():
            if not isinstance(key, str):
                raise TypeError(f"{place}: expected keys that are strings, found {key!r}")
            _check_json(each, f"{place}[{key!r}]")
    elif isinstance(value, list):
        for i, each in enumerate(value):
            _check_json(each, f"{place}[{i}]")
    elif value is not None and not isinstance(value, str | int | float):
        kind = type(value).__name__
        raise TypeError(f"{place}: expected a dict, list, str, number or None, found a {kind}")


def _state_text(state: Mapping[str, Any], packed: bytes) -> bytes:
    """state.json, which one way alone to write it makes: what differs is damaged."""
    sha256 = hashlib.sha256(packed).hexdigest()
    rest = {"bytes": len(packed), "sha256": sha256, "state": state}
    return _json({**rest, "digest": hashlib.sha256(_json(rest)).hexdigest()})


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True) + "\n").encode()


def _free_name(folder: Path, step: int) -> str:
    taken = [_place(each)[1] for each in _folders(folder) if _place(each)[0] == step]
    return f"{step:012d}" + (f"-{max(taken) + 1}" if taken else "")


def _set_aside(path: Path) -> None:
    shutil.rmtree(path.with_name(REMOVED + path.name), ignore_errors=True)
    path.rename(path.with_name(REMOVED + path.name))


def _clean(folder: Path) -> None:
    clear(folder)
    for each in folder.glob(f"{REMOVED}*"):
        shutil.rmtree(each, ignore_errors=True)


# --- read ----------------------------------------------------------------------------------------


def newest(folder: str | Path) -> tuple[Checkpoint | None, list[str]]:
    """The newest whole checkpoint in a folder of such, None where there is none; and a line on
    each that is newer, but damaged."""
    damaged: list[str] = []
    for path in reversed(_folders(Path(folder))):
        try:
            return read(path), damaged
        except InputError as error:
            damaged.append(str(error))
    return None, damaged


def read(folder: str | Path) -> Checkpoint:
    """The checkpoint in a folder. Raises InputError where a single bit of it is not as written."""
    folder = Path(folder)
    found = _read_state(folder / STATE)
    file, state = folder / ARRAYS, found["state"]
    content = _content(file, found["bytes"])
    if hashlib.sha256(content).hexdigest() != found["sha256"]:
        raise _damaged(file, "its bytes are not those that were written")
    return Checkpoint(folder, _unpack(file, content), state)


def _read_state(file: Path) -> dict[str, Any]:
    content = _content(file)
    try:
        found = json.loads(content)
        found.pop("digest")
        whole = _json({**found, "digest": hashlib.sha256(_json(found)).hexdigest()})
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise _damaged(file, "it is not the JSON of a checkpoint") from None
    if content != whole:
        raise _damaged(file, "its bytes are not those that were written")
    state = found.get("state")
    try:
        _checked(state if isinstance(state, dict) else {})
    except (TypeError, ValueError) as error:
        raise _damaged(file, str(error)) from error
    if type(found.get("bytes")) is not int or not isinstance(found.get("sha256"), str):
        raise _damaged(file, 'it lacks "bytes" or "sha256"')
    return dict(found)


def _content(file: Path, size: int | None = None) -> bytes:
    """The bytes of a regular file, of this size if one is known."""
    try:
        if file.exists() and not file.is_file():
            raise _damaged(file, "it is not a regular file")
        found = file.stat().st_size
        if size not in (None, found):
            raise _damaged(file, f"{found:,} bytes of {size:,}")
        return file.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        raise _damaged(file, reason(error)) from error


def _unpack(file: Path, content: bytes) -> dict[str, npt.NDArray[Any]]:
    try:
        # Copies: the arrays share the bytes and cannot be written.
        return {name: array.copy() for name, array in unpack(content)[0].items()}
    except ValueError as error:
        raise _damaged(file, f"what are no arrays ({error})") from error


def _damaged(file: Path, why: str) -> InputError:
    advice = f"go on from an older checkpoint in {file.parent.parent}"
    return InputError(f"{file}: expected a whole checkpoint, found: {why}; {advice}")


def _folders(folder: Path) -> list[Path]:
    """The committed checkpoints, oldest first."""
    try:
        found = [each for each in folder.iterdir() if NAME.fullmatch(each.name)]
    except OSError:
        return []
    return sorted(found, key=_place)


def _place(path: Path) -> tuple[int, int]:
    match = NAME.fullmatch(path.name)
    return (int(match[1]), int(match[2] or 1)) if match else (-1, 0)
