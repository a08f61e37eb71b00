"""What a job writes into its run's folder, job.json: what it is to learn, and how that ended.

It is there before the job is answered for, so that after kill -9 at any moment the job is found
again, and can go on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from data.files import write
from models.command_line import InputError
from models.mnist.datasets import Described
from models.mnist.settings import Settings
from models.runs.files import SUMMARY, read_object
from models.runs.lock import in_use

__all__ = ["MARK", "UNSERVED", "Mark", "ending_of"]

MARK = "job.json"
FINISHED = ("finished", "reached")  # how summary.json says that all was learned
UNSERVED = "its weights are not served, and kept in its run"
ENDED = ("cancelled", "failed")  # what of how it ended the run itself does not say


@dataclass(frozen=True)
class Mark:
    """A job. dataset: what it says of itself. created: when, as ISO 8601 has it. state: "running"
    until it ended. message: what went wrong, or what to know of how it ended. weights: the ETag
    under which what it learned is served, None where it is not."""

    settings: dict[str, Any]
    dataset: dict[str, Any]
    created: str
    state: str = "running"
    message: str = ""
    weights: str | None = None

    @classmethod
    def read(cls, folder: Path) -> Mark:
        """The job that a folder is of; nothing in the file is trusted. Raises InputError."""
        file = folder / MARK
        found = read_object(file)
        try:
            mark = cls(**found)
        except TypeError as error:
            raise InputError(f"{file}: expected what a job writes, found: {error}") from error
        Settings.read(mark.settings)
        Described.read(mark.dataset)
        texts = (mark.created, mark.state, mark.message, mark.weights or "")
        if not all(isinstance(each, str) for each in texts):
            raise InputError(f"{file}: expected what a job writes, found {str(found)[:60]}")
        return mark

    def write(self, folder: Path) -> None:
        """Have it there, whole. Raises OSError."""
        write(folder / MARK, json.dumps(asdict(self), indent=1) + "\n")


def ending_of(folder: Path, mark: Mark) -> tuple[str, str]:
    """The state of a job that this process does not run, and a message: what the run says of
    itself counts, for it may have gone on in a terminal."""
    if in_use(folder):
        return "running", ""
    reason, message = _ending(folder)
    if reason in FINISHED:
        return "finished", mark.message if mark.state == "finished" else UNSERVED
    if reason == "diverged":
        return "failed", mark.message or message
    if mark.state in ENDED:
        return mark.state, mark.message
    return "interrupted", mark.message


def _ending(folder: Path) -> tuple[str, str]:
    """The reason and the message in summary.json; empty where there is none."""
    try:
        found: Mapping[str, Any] = read_object(folder / SUMMARY)
    except InputError:
        return "", ""
    return str(found.get("reason")), str(found.get("message"))
