"""How a run goes on, as events (https://html.spec.whatwg.org/multipage/server-sent-events.html),
wherever its training is: in a job, or in a terminal.

"epoch" is a line of metrics.jsonl, as it stands there; "progress" is how far a job is; "end" is
what became of it, and the last one. The id of an epoch's is the number of whole epochs until then:
the line of a part is written anew when a run goes on, and is then told again.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from io import BufferedReader
from typing import Any

from anyio import to_thread
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event

from models.runs.files import METRICS, plain, read_line
from viz.studio.jobs.jobs import ACTIVE, Job
from viz.studio.jobs.runs import Run
from viz.studio.replies import Refusal

__all__ = ["events", "last_of"]

PAUSE = 0.25  # seconds between two looks
SILENCE = 15.0  # seconds, after which proxies are told that the stream is still there
PIECE = 1 << 20  # bytes that are read at once
COMPARED = 256  # bytes: the end of a line, in which the seconds of no two are the same
ID = re.compile(r"\d{1,15}(\.\d{1,15})?", re.ASCII)

Line = dict[str, Any]


@dataclass(frozen=True)
class Place:
    """Where a line ends in a file, and what is before that."""

    offset: int = 0
    last: bytes = b""

    def is_in(self, file: BufferedReader) -> bool:
        """Whether a file still has that."""
        file.seek(self.offset - len(self.last))
        return file.read(len(self.last)) == self.last

    def after(self, content: bytes) -> Place:
        """The place behind what was read from here on."""
        return Place(self.offset + len(content), (self.last + content)[-COMPARED:])


class Tail:
    """The lines that are added to a run's metrics.jsonl, each once. A run that goes on writes the
    line of an epoch anew that was not whole: it is told again. One that goes on from an earlier
    checkpoint tells all its lines again.

    after: lines of epochs until this one are left out, until then.
    """

    def __init__(self, run: Run, after: float = -1.0) -> None:
        self._run, self._after = run, after
        self._places: tuple[Place, ...] = ()  # behind the last line, and before it

    def lines(self) -> list[Line] | None:
        """The next whole lines, without damaged ones; None where there are no more for now."""
        try:
            with self._run.path(METRICS).open("rb") as file:
                place = next(each for each in (*self._places, Place()) if each.is_in(file))
                file.seek(place.offset)
                content = file.read(PIECE)
        except (OSError, Refusal):
            return None
        if self._places and not place.offset:
            self._after = -1.0
        # A line without an end in a whole piece is none of ours.
        end = content.rfind(b"\n") + 1 or (PIECE if len(content) == PIECE else 0)
        if not end:
            return None
        begin = content.rfind(b"\n", 0, end - 1) + 1  # of the last line
        self._places = place.after(content[:end]), place.after(content[:begin])
        found = map(read_line, content[:end].split(b"\n"))
        return [plain(line) for line in found if line and line["epoch"] > self._after]


async def events(
    run: Run, look: Callable[[], Job | str | None], after: float, ending: asyncio.Event
) -> AsyncIterator[bytes]:
    """The events of a run until it has ended, or `ending` is set. look: gives the job, or without
    one the state; None where it has gone. after: as `last_of` gives it."""
    tail, told, spoken = Tail(run, after), None, time.monotonic()
    while not ending.is_set():
        now = await to_thread.run_sync(look)  # first: what was written before the end is told
        if now is None:
            return
        said = b""
        while not ending.is_set() and (lines := await to_thread.run_sync(tail.lines)) is not None:
            yield (said := b"".join(_event("epoch", line, _whole(line, run)) for line in lines))
        job = now if isinstance(now, Job) else None
        if job and job.progress and job.progress != told:
            told = job.progress
            yield (said := _event("progress", asdict(told)))
        if (job.state if job else now) not in ACTIVE:
            yield _event("end", job.as_json() if job else {"state": now})
            return
        if said:
            spoken = time.monotonic()
        elif time.monotonic() - spoken >= SILENCE:
            spoken = time.monotonic()
            yield KEEPALIVE_COMMENT
        with suppress(TimeoutError):
            await asyncio.wait_for(ending.wait(), PAUSE)


def last_of(header: str | None) -> float:
    """The number of epochs that Last-Event-ID says were told; -1 where it says none."""
    return float(header) if header and ID.fullmatch(header) else -1.0


def _whole(line: Line, run: Run) -> str:
    """The number of whole epochs at a line."""
    per_epoch = run.steps_per_epoch
    is_part = per_epoch is not None and line["step"] % per_epoch
    return str(max(0, line["epoch"] - 1) if is_part else line["epoch"])


def _event(name: str, data: Mapping[str, Any], id: str | None = None) -> bytes:
    return format_sse_event(event=name, id=id, data_str=json.dumps(plain(data), allow_nan=False))
