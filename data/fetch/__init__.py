"""Brings a registered dataset's files into the user's cache: from mirrors, or from a folder.

`transfer` takes one file from one address, `progress` says what happens. The beginning of a file
that was interrupted lies in the cache as NAME.part: only that is ever written to, and it is renamed
when its bytes have the registered digest. Nothing is unpacked but gzip, in memory, up to the size
that the registry knows: there are no archives, and no paths come from outside.

Who only reads what is there does not import this: it takes 45 ms, for TLS and HTTP.
"""

import gzip
import os
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from data.cache import difference, fault, place
from data.errors import DataError
from data.fetch.progress import Lines, screen
from data.fetch.transfer import RefusedError, Step, download, is_page
from data.files import reason
from data.formats import PathLike
from data.registry import File, Source, find

SLACK = 2**16  # bytes that gzip may take beyond the unpacked ones, besides a hundredth of them
GZIP = b"\x1f\x8b"


class FetchError(DataError):
    """No place gives a file. `summary`: which, and what to do; `reasons`: why, for each place."""

    def __init__(self, summary: str, reasons: Sequence[str]) -> None:
        super().__init__("; ".join([summary, *reasons]))
        self.summary, self.reasons = summary, reasons


def fetch(name: str, from_: PathLike | None = None, progress: Lines | None = None) -> Path:
    """Fetch those of a dataset's files that are missing or damaged; gives their folder.

    from_: where they are instead of at the registered mirrors: a folder, or the address of one
    (http or https). Any gzip of the registered content will do, and the content itself, unless the
    registry knows the packed file alone. progress: is told what happens; a bar or lines on standard
    error by default. What was interrupted is gone on with; another process that fetches the same
    dataset is waited for.

    Raises `DataError`; a `FetchError` where no mirror gives a file.
    """
    source, folder = find(name), place(name)
    if source.folder is not None:
        return folder
    progress = screen() if progress is None else progress
    origins = _origins(source, from_)
    try:
        with _alone(folder, name, progress):
            for file, size in source.files():
                if fault(folder / file.name, file):
                    progress.begin(f"{name}/{file.name}")
                    _keep(file, size, folder, origins, name, progress)
    except OSError as error:
        where = error.filename or folder
        raise DataError(
            f"{where}: cannot be written: {reason(error)}: make room there, or set XDG_CACHE_HOME "
            "to another folder"
        ) from error
    finally:
        progress.close()
    return folder


def _origins(source: Source, from_: PathLike | None) -> tuple[str | Path, ...]:
    if from_ is None:
        return source.mirrors
    text = os.fspath(from_)
    if re.match("https?://", text, re.IGNORECASE):
        return (text if text.endswith("/") else f"{text}/",)
    if "://" in text:
        raise DataError(f"{text}: expected a folder, or an address that begins with http(s)://")
    if not os.path.isdir(text):
        raise DataError(f"{text}: there is no such folder")
    return (Path(text),)


@contextmanager
def _alone(folder: Path, name: str, progress: Lines) -> Iterator[None]:
    """Make the folder, and hold it against other processes until this ends or dies. Where the
    system has no such locks, two that fetch at once may spoil each other's part, which is then
    fetched again; the files are renamed whole in any case."""
    for part in (*reversed(folder.parents), folder):
        part.mkdir(mode=0o700, exist_ok=True)
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress.say(f"another process fetches {name}: waiting for it")
            fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError:  # a file system without locks
            pass
        yield
    finally:
        os.close(handle)


def _keep(
    file: File,
    size: int,
    folder: Path,
    origins: Sequence[str | Path],
    name: str,
    progress: Lines,
) -> None:
    """Put a file of `size` bytes unpacked into the folder, from the first origin that gives it."""
    part, wrong = folder / f"{file.name}.part", list[str]()
    for origin in origins:
        try:
            content = _obtained(file, size, origin, part, progress.step)
            part.write_bytes(content)
            part.replace(folder / file.name)
            return
        except RefusedError as refused:
            wrong.append(f"{origin}: {refused}")
    known = find(name)
    advice = "try again later, or say where else the files are"
    if origins != known.mirrors:
        advice = "say where the files are"
    held = known.elsewhere and f", such as {known.elsewhere}"
    raise FetchError(
        f"{name}: {file.name} could not be fetched: {advice}: python -m data fetch {name} "
        f"--from FOLDER-OR-ADDRESS{held}",
        wrong,
    )


def _obtained(file: File, size: int, origin: str | Path, part: Path, step: Step) -> bytes:
    """The verified bytes of a file, as they are kept. Raises `RefusedError`."""
    if isinstance(origin, Path):
        return _kept(_read(file, size, origin), file, size)
    url = f"{origin}{file.name.removesuffix('.gz')}.gz"
    for _ in range(2):
        content, at_once = download(url, part, _limit(size), step)
        try:
            return _kept(content, file, size)
        except RefusedError as error:
            refused = error
            part.unlink()
        if at_once:
            break
        # Else it was put together, perhaps of two versions: once more from the first byte.
    raise refused


def _read(file: File, size: int, folder: Path) -> bytes:
    """The bytes of a file in a folder, packed or not."""
    plain = file.name.removesuffix(".gz")
    names = [f"{plain}.gz"] if file.name != plain else [plain, f"{plain}.gz"]
    for name in names:
        if not os.path.isfile(folder / name):
            continue
        try:
            with open(folder / name, "rb") as opened:
                content = opened.read(_limit(size) + 1)
        except OSError as error:
            raise RefusedError(f"{name} cannot be read: {reason(error)}") from error
        if len(content) > _limit(size):
            raise RefusedError(f"{name} has more than the {_limit(size):,} bytes expected")
        return content
    raise RefusedError(f"the folder has no {' or '.join(names)}")


def _limit(size: int) -> int:
    """The most bytes in which `size` bytes may come."""
    return size + size // 100 + SLACK


def _kept(content: bytes, file: File, size: int) -> bytes:
    """The bytes to keep of those that came: verified."""
    if not file.name.endswith(".gz") and content.startswith(GZIP):
        content = _unpacked(content, size)
    if is_page(content):
        raise RefusedError("a page, not the file")
    if wrong := difference(content, file):
        raise RefusedError(wrong)
    return content


def _unpacked(content: bytes, size: int) -> bytes:
    """What is packed, where it is of that size: no more is unpacked."""
    try:
        unpacked = gzip.GzipFile(fileobj=BytesIO(content)).read(size + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise RefusedError(f"the gzip is damaged: {error}") from error
    if len(unpacked) > size:
        raise RefusedError(f"the gzip unpacks to more than the {size:,} bytes expected")
    return unpacked
