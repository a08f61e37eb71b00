"""Which write comes after which: one process holds the folder, and of two writers that saw the same
version one wins and the other one is told."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Lock as Mutex

from data.files import clear, reason, write
from models.command_line import InputError
from models.mnist.checkpoint import read_snapshot
from models.runs.files import read_object
from models.runs.folder import writing
from models.runs.lock import Lock
from viz.studio.refusal import Refusal
from viz.studio.weights.first import of_run, untrained
from viz.studio.weights.versions import (
    Cause,
    Version,
    listed,
    pruned,
    read,
    set_aside,
    version_of,
    written,
)

__all__ = ["Weights"]

START = "start.json"  # in the folder: the run that was begun with, and the digest of its weights


class Weights:
    """The weights that are served, and the versions before them.

    folder: of the versions; it is made. first: gives the weights to begin with where there are
    none. run: a run's folder, or a .safetensors file, whose weights become the next version, unless
    the last start had the same: then it goes on where it stood. read_only: nothing is written, and
    the folder need not be there.

    Every method may take milliseconds for the disk: call them in a thread. They raise a Refusal
    where they say so; making a Weights raises InputError where another process holds the folder, it
    cannot be written, or `run` holds no weights.
    """

    def __init__(
        self,
        folder: Path,
        first: Callable[[], bytes],
        run: str | None = None,
        read_only: bool = False,
    ) -> None:
        given = None if run is None else of_run(run)  # before anything is made
        self._folder, self._mutex, self._lock = folder, Mutex(), None
        if read_only:
            self._history = listed(folder)
            self._begin_in_memory(first, given)
            return
        with writing(folder, "studio"):
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = Lock(folder, "start the studio elsewhere")
            try:
                clear(folder)
                self._history = listed(folder)
                self._begin(first, run, given)
            except BaseException:
                self.close()
                raise

    @property
    def current(self) -> Version:
        """The weights that are served now."""
        return self._current[0]

    @property
    def history(self) -> list[Version]:
        """The versions that there are, oldest first; the last one is served. Of a folder that only
        is read another process may have removed some."""
        if self._lock is not None:
            return list(self._history)
        former = self._history[:-1]
        return [*(each for each in former if each.path and each.path.exists()), self.current]

    def content(self, number: int | None = None) -> tuple[Version, bytes]:
        """A version, by its number, with its bytes; without one those that are served.
        Raises a Refusal of 404 where it was never there or is no longer."""
        current, history = self._current, self._history
        if number in (None, current[0].number):
            return current
        for version in history:
            if version.number == number and (content := read(version)) is not None:
                return version, content
        numbers = f"{self.history[0].number} to {current[0].number}"
        raise Refusal(404, "version", f"one of the versions {numbers}", number)

    def seen(self, if_match: str) -> tuple[Version, bytes]:
        """What is served, with its bytes. Raises a Refusal of 412 unless it is what If-Match says:
        by now another one may be served."""
        current = self._current
        now = current[0].etag
        if not current[0].is_named(if_match):
            expected = f"{now}, which the weights have now"
            raise Refusal(412, "If-Match", expected, if_match, {"ETag": now})
        return current

    def put(self, content: bytes, if_match: str, cause: Cause = "put") -> Version:
        """Make a file of weights the next version.

        if_match: ETags, of which one is of the version that it is meant to replace, or "*". Raises
        a Refusal of 412 where another one is served by now, of 507 where it cannot be written;
        InputError where the content is not that of a network.
        """
        read_snapshot(content, "body")
        with self._replacing(if_match):
            return self._add(content, cause)

    def delete(self, if_match: str) -> Version:
        """Go back to what the network was before it learned, as the next version: to the same
        sizes, activation and seed. Raises as `put` does."""
        with self._replacing(if_match):
            was = read_snapshot(self._current[1], "weights")
            said = was.metadata["dataset"]
            return self._add(untrained(was.sizes, was.activation, said, was.seed), "delete")

    def rollback(self, number: int, if_match: str) -> Version:
        """Go back to a version, as the next one. Raises as `put` and `content` do."""
        with self._replacing(if_match):
            return self._add(self.content(number)[1], "rollback")

    def close(self) -> None:
        """Let the folder go, after the write at hand. There are no more."""
        with self._mutex:
            lock, self._lock = self._lock, None
        if lock is not None:
            lock.release()

    # --- the beginning ---

    def _begin(self, first: Callable[[], bytes], run: str | None, given: bytes | None) -> None:
        """Go on with the newest version that is whole, or begin anew."""
        newest = self._newest()
        if newest is not None:
            self._current = newest
        start = _start(run, given)
        is_same = start == self._last_start()
        if given is not None and (newest is None or not is_same):
            self._add(given, "run")
        elif newest is None:
            self._add(first(), "seed")
        if not is_same:  # last: where this is killed before, the next start does it again
            write(self._folder / START, json.dumps(start))

    def _begin_in_memory(self, first: Callable[[], bytes], given: bytes | None) -> None:
        newest = self._newest()
        if given is None and newest is not None:
            version, content = newest  # in no file: who writes the folder may remove that
            self._current = replace(version, path=None), content
            return
        cause: Cause = "seed" if given is None else "run"
        content = first() if given is None else given
        version = version_of(self._next_number(), content, cause)
        self._history, self._current = [*self._history, version], (version, content)

    def _newest(self) -> tuple[Version, bytes] | None:
        """The newest version whose bytes are those that were written. Those after it are no
        versions any more; what is left of them stays in the folder, under another name."""
        while self._history:
            version = self._history[-1]
            content = read(version)
            if content is not None:
                return version, content
            self._history.pop()
            if self._lock is not None:
                set_aside(version)
        return None

    def _last_start(self) -> object:
        try:
            return read_object(self._folder / START)
        except InputError:  # there was none
            return None

    # --- a write ---

    @contextmanager
    def _replacing(self, if_match: str) -> Iterator[None]:
        """One write at a time, each of the version that it is meant to replace."""
        with self._mutex:
            self.seen(if_match)
            if self._lock is None:
                raise Refusal(403, "weights", "no write to a studio that ends or only reads", "one")
            try:
                self._lock.take()  # again, where the folder was made anew
                yield
            except (OSError, InputError) as error:
                raise Refusal(507, "weights", "to be able to write them", reason(error)) from error

    def _add(self, content: bytes, cause: Cause) -> Version:
        """Write the next version, and only then serve it. Raises OSError."""
        version = version_of(self._next_number(), content, cause)
        version = written(self._folder, version, content)
        self._history = pruned([*self._history, version])
        self._current = version, content
        return version

    def _next_number(self) -> int:
        return self._history[-1].number + 1 if self._history else 1


def _start(run: str | None, given: bytes | None) -> dict[str, str]:
    """What is known of a start: the run, and the digest of its weights."""
    if run is None or given is None:
        return {}
    return {"run": str(Path(run).resolve()), "sha256": hashlib.sha256(given).hexdigest()}
