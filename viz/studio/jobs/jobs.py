"""The background job "retrain": started, ended, gone on with and listed, one at a time.

A job is a run's folder with a job.json in it, and is called as the folder is. What is true of it is
read there: nothing is lost with the server.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from signal import SIGKILL, Signals
from threading import Lock
from typing import Any
from urllib.parse import quote

from data.files import reason
from models.command_line import InputError
from models.mnist.settings import Settings
from models.runs.files import MODEL
from models.training.signals import ENDING
from viz.studio.jobs.mark import MARK, UNSERVED, Mark, ending_of
from viz.studio.jobs.process import Process, Progress
from viz.studio.jobs.runs import Runs
from viz.studio.replies import Refusal

__all__ = ["ACTIVE", "Job", "Jobs", "Put"]

ACTIVE = ("queued", "running", "cancelling")
STEM = "retrain"
MOST = 500  # jobs that a list has

# Serve these weights in place of those with the ETag that If-Match says; gives their ETag. Raises a
# Refusal.
Put = Callable[[bytes, str], str]


@dataclass(frozen=True)
class Job:
    """A job as it is now. state: "queued" (it was started), "running", "cancelling" (its process
    saves what it learned), "cancelled", "interrupted" (the server or the process was ended),
    "failed" or "finished". One that is cancelled, interrupted or failed can go on.
    message: what went wrong, or what to know. weights: the ETag under which what it learned is
    served. The rest as in job.json."""

    id: str
    state: str
    created: str
    settings: Mapping[str, Any]
    dataset: str
    message: str = ""
    weights: str | None = None
    progress: Progress | None = None

    @property
    def address(self) -> str:
        """Where the API has it."""
        return f"/api/jobs/{quote(self.id)}"

    def as_json(self) -> dict[str, Any]:
        """What the API says of it."""
        return asdict(self)


@dataclass
class Running:
    """The job whose process this server watches over. if_match: what its weights may replace."""

    folder: Path
    mark: Mark
    if_match: str
    process: Process | None = None


class Jobs:
    """The jobs whose runs lie in `folder`. put: called with what a job has learned, in the thread
    that watches over it."""

    def __init__(self, folder: Path, put: Put) -> None:
        self.folder, self.put = folder, put
        self._runs = Runs(folder)
        self._running: Running | None = None
        self._is_closed = False
        self._lock = Lock()

    def all(self) -> list[Job]:
        """The newest jobs, the last one first."""
        folders = self._runs.folders(MARK)[:MOST]
        return [job for folder in folders if (job := self.of(folder))]

    def get(self, id: str) -> Job:
        """A job. Raises a Refusal where there is none."""
        folder = self._runs.folder(id)
        job = folder and self.of(folder)
        if not job:
            raise Refusal(404, "job", "one of those at /api/jobs", id)
        return job

    def active(self) -> Job | None:
        """The one at work; None where there is none."""
        return next((job for job in self.all() if job.state in ACTIVE), None)

    def of(self, folder: Path) -> Job | None:
        """The job in a folder of a run; None where there is none that can be read."""
        running = self._running
        if running and running.folder.name == folder.name:
            return self._live(running)
        try:
            mark = Mark.read(folder)
        except InputError:
            return None
        state, message = ending_of(folder, mark)
        return _job(folder, mark, state, message)

    def start(self, settings: Settings, dataset: Mapping[str, Any], if_match: str) -> Job:
        """Teach a new network on the dataset that describes itself so, and serve its weights in
        place of those with the ETag that `if_match` says.

        Raises InputError for settings that do not fit the dataset, and a Refusal where another job
        is at work.
        """
        settings.sizes(dataset["shape"], len(dataset["classes"]))
        examples = dataset["splits"]["train"]["count"]
        settings = settings.fitted(examples - settings.validated(examples))
        created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        given = {**asdict(settings), "hidden": list(settings.hidden)}  # as JSON has it
        mark = Mark(given, dict(dataset), created)
        with self._lock:
            self._refuse_second()
            return self._begin(self._new_folder(), mark, if_match)

    def resume(self, id: str, if_match: str) -> Job:
        """Go on with a job that ended before it had learned all. Raises a Refusal where it cannot,
        or another is at work."""
        with self._lock:
            job = self.get(id)
            self._refuse_second()
            if job.state == "finished":
                expected = "a job that was cancelled, interrupted or failed"
                raise Refusal(409, "job", expected, f"{id}, which is finished")
            folder = self._runs.folder(id)
            assert folder is not None
            mark = replace(Mark.read(folder), state="running", message="", weights=None)
            return self._begin(folder, mark, if_match)

    def cancel(self, id: str) -> Job:
        """End a job, and keep what it has learned; one that has ended stays as it is. Raises a
        Refusal where it is another process's."""
        with self._lock:
            job, running = self.get(id), self._running
            if job.state not in ACTIVE:
                return job
            if running is None or running.folder.name != id or running.process is None:
                expected = "a job that this server has started"
                raise Refusal(409, "job", expected, f"{id}, which goes on in another process")
            running.process.cancel()
            return self._live(running)

    def close(self) -> None:
        """Have the job at work save what it learned and end, within a second; no other begins."""
        with self._lock:
            self._is_closed, running = True, self._running
        if running and running.process:
            running.process.close()

    def _refuse_second(self) -> None:
        if self._is_closed:
            raise Refusal(503, "jobs", "a server that is not about to end", "one that is")
        if active := self.active():
            raise Refusal(
                409,
                "jobs",
                "no job at work, because one is at a time",
                f"{active.address}, which is {active.state}",
                {"Location": active.address},
            )

    def _new_folder(self) -> Path:
        """A folder by the time, made. Raises a Refusal where that cannot be."""
        name = STEM + time.strftime("-%Y%m%d-%H%M%S")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for suffix in ("", *range(-2, -100, -1)):
                folder = self.folder / f"{name}{suffix}"
                if not folder.exists():
                    folder.mkdir()
                    return folder
        except OSError as error:
            raise _not_written(self.folder, error) from error
        raise Refusal(429, "jobs", "fewer than 100 in a second", "more", {"Retry-After": "1"})

    def _begin(self, folder: Path, mark: Mark, if_match: str) -> Job:
        running = Running(folder, mark, if_match)
        try:
            mark.write(folder)
            self._running = running
            running.process = Process(folder, lambda process: self._ended(running, process))
        except OSError as error:
            self._running = None
            raise _not_written(folder, error) from error
        return self._live(running)

    def _live(self, running: Running) -> Job:
        process = running.process
        progress = process.progress if process else None
        state = "running" if progress else "queued"
        if process and process.is_cancelled:
            state = "cancelling"
        return replace(_job(running.folder, running.mark, state), progress=progress)

    def _ended(self, running: Running, process: Process) -> None:
        """Note how a job ended; of one that has learned all the weights are served."""
        state, message = _outcome(process)
        mark = replace(running.mark, state=state, message=message)
        try:
            if state == "finished":
                is_late = process.is_cancelled
                mark = replace(mark, message=UNSERVED) if is_late else self._served(running, mark)
            mark.write(running.folder)
        except OSError:
            pass  # the disk is full, or the folder gone: what it says of itself has to do
        finally:
            self._running = None

    def _served(self, running: Running, mark: Mark) -> Mark:
        try:
            content = (running.folder / MODEL).read_bytes()
            return replace(mark, weights=self.put(content, running.if_match))
        except OSError as error:
            why = reason(error)
        except (Refusal, InputError) as error:
            why = str(error)
        return replace(mark, message=f"{UNSERVED}: {why}")


def _job(folder: Path, mark: Mark, state: str, message: str = "") -> Job:
    return Job(
        folder.name,
        state,
        mark.created,
        mark.settings,
        mark.dataset["name"],
        message,
        mark.weights,
    )


def _not_written(folder: Path, error: OSError) -> Refusal:
    return Refusal(507, "runs", f"to be able to write {folder.name}", reason(error))


def _outcome(process: Process) -> tuple[str, str]:
    """The state that a process's end leaves a job in, and a message."""
    code = process.code or 0
    number = -code if code < 0 else code - 128 if code > 128 else 0
    if code == 0:
        return "finished", ""
    if process.is_cancelled:
        return "cancelled", ""
    if number == SIGKILL:
        return "interrupted", "its process was killed: by hand, or because memory ran out"
    if number in ENDING:
        return "interrupted", ""
    if number and code < 0:
        return "failed", f"its process was ended by {Signals(number).name}"
    return "failed", process.error or f"its process ended with {code}"
