"""Versions of weights on disk: a file each, whose name says all that is known of it.

    <folder>/000000000012-1764467736123-put-<sha256>.safetensors

is the twelfth, of that millisecond since 1970. A file is there whole or not at all, so that after
kill -9 the newest is the last that was acknowledged, or one that came after it.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, cast, get_args

from data.files import write

__all__ = ["Cause", "Version", "listed", "pruned", "read", "set_aside", "version_of", "written"]

Cause = Literal["seed", "run", "put", "train", "retrain", "delete", "rollback"]

KEPT = 100  # versions,
ROOM = 2**30  # and bytes of them all
NAME = re.compile(
    rf"(\d{{12}})-(\d{{13}})-({'|'.join(get_args(Cause))})-([0-9a-f]{{64}})\.safetensors", re.ASCII
)


@dataclass(frozen=True)
class Version:
    """A version of the weights. sha256: of the bytes. milliseconds: since 1970, when it was
    written. cause: what wrote it. size: in bytes. path: of the file; None where there is none,
    because nothing may be written."""

    number: int
    sha256: str
    milliseconds: int
    cause: Cause
    size: int
    path: Path | None = None

    @property
    def etag(self) -> str:
        """What If-Match has to say to replace it."""
        return f'"{self.sha256}"'

    @property
    def json_etag(self) -> str:
        """The ETag of the version as JSON: other bytes, and so another one."""
        return f'"{self.sha256}-json"'

    def is_named(self, if_match: str) -> bool:
        """Whether If-Match says this version, in one form or the other, or any."""
        tags = re.findall(r'(W/)?("[^"]*")', if_match)
        strong = {tag for weak, tag in tags if not weak}
        return if_match == "*" or not strong.isdisjoint({self.etag, self.json_etag})

    @property
    def time(self) -> str:
        """When it was written, in UTC."""
        written = datetime.fromtimestamp(self.milliseconds / 1000, UTC)
        return written.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def version_of(number: int, content: bytes, cause: Cause) -> Version:
    """A version that is in no file."""
    now = time.time_ns() // 1_000_000
    return Version(number, hashlib.sha256(content).hexdigest(), now, cause, len(content))


def written(folder: Path, version: Version, content: bytes) -> Version:
    """The version, in a file. Raises OSError where it cannot be written; then there is none."""
    name = f"{version.number:012}-{version.milliseconds:013}-{version.cause}-{version.sha256}"
    path = folder / f"{name}.safetensors"
    try:
        write(path, content)
    except OSError:
        with suppress(OSError):  # it was there, and only the folder could not be forced to disk
            path.unlink(missing_ok=True)
        raise
    return replace(version, path=path)


def listed(folder: Path) -> list[Version]:
    """The versions in a folder, oldest first; none where there is no folder."""
    versions = list[Version]()
    with suppress(FileNotFoundError):
        for path in folder.iterdir():
            if match := NAME.fullmatch(path.name):
                with suppress(FileNotFoundError):  # another studio has removed it meanwhile
                    versions.append(_of_name(match, path))
    return sorted(versions, key=lambda each: (each.number, each.milliseconds))


def _of_name(match: re.Match[str], path: Path) -> Version:
    number, milliseconds, cause, sha256 = match.groups()
    size = path.stat().st_size
    return Version(int(number), sha256, int(milliseconds), cast(Cause, cause), size, path)


def read(version: Version) -> bytes | None:
    """The bytes of a version; None where its file has gone, or they are not those that were
    written. Raises OSError where that cannot be told."""
    try:
        content = version.path.read_bytes() if version.path else b""
    except FileNotFoundError:
        return None
    return content if hashlib.sha256(content).hexdigest() == version.sha256 else None


def set_aside(version: Version) -> None:
    """Have a damaged file be no version any more."""
    if version.path:
        with suppress(OSError):
            version.path.rename(version.path.with_suffix(".damaged"))


def pruned(versions: Sequence[Version]) -> list[Version]:
    """The versions, oldest first, without the oldest, whose files are removed: those that there is
    no place for. The newest stays, however large it is."""
    kept, size = list[Version](), 0
    for version in reversed(versions):
        size += version.size
        if kept and (len(kept) == KEPT or size > ROOM):
            break
        kept.append(version)
    for version in versions[: -len(kept)]:
        with suppress(OSError):
            (version.path or Path()).unlink(missing_ok=True)
    return kept[::-1]
