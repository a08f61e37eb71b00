"""One file from one address, into a part file that a later call goes on with.

The other side is not trusted: it may stall, cut off, send a page, another file than yesterday, or
never end. `download` gives up on it in words, and takes no more than `limit` bytes. Whether they
are the right ones is for the caller to verify.
"""

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from http.client import HTTPException, HTTPMessage, HTTPResponse, RemoteDisconnected
from pathlib import Path
from typing import IO
from urllib import error, request

from data.errors import printable
from data.files import reason

SILENCE = 20.0  # seconds without an answer or a byte, after which a connection is given up
SLOWEST = 1024  # bytes a second; one that is slower for SILENCE seconds is given up too
TRIES = 3  # in a row that bring less than GAIN bytes more, before an address is given up
GAIN = 2**16
PAUSE = 1.0  # seconds before another try
CHUNK = 2**16
HEAD = 10_000  # bytes of a part's first line, at most

Step = Callable[[int, int | None], None]  # bytes so far, and of how many where the server says so


class RefusedError(Exception):
    """An address does not give the file; the message says why, without the address.

    It quotes the other side: shortened, and with codes for what would steer a terminal.
    """

    def __init__(self, message: str) -> None:
        super().__init__(printable(" ".join(message.split())[:300]))


class CutOffError(RefusedError):
    """A connection stalled or ended too early: another may bring the rest."""


@dataclass(frozen=True)
class Part:
    """The beginning of a download in a file: a line that says of what, then the bytes."""

    path: Path
    url: str
    version: str | None = None  # what the server calls this version of the file
    size: int = 0  # bytes that are there

    def begun(self) -> "Part":
        """With what the file has of this address: nothing where it is of another, or missing."""
        try:
            with open(self.path, "rb") as file:
                line = file.readline(HEAD)
            url, version = json.loads(line)
            size = self.path.stat().st_size - len(line)
        except (OSError, ValueError, TypeError):
            return self
        ours = url == self.url and isinstance(version, str | None) and line.endswith(b"\n")
        return replace(self, version=version, size=size) if ours else self

    def open(self) -> IO[bytes]:
        """The file, to be gone on with; one without bytes is begun anew."""
        file = open(self.path, "ab" if self.size else "wb")  # noqa: SIM115
        if not self.size:
            file.write(json.dumps([self.url, self.version]).encode() + b"\n")
        return file

    def content(self) -> bytes:
        """The bytes after the first line."""
        with open(self.path, "rb") as file:
            file.readline(HEAD)
            return file.read()


def download(url: str, path: Path, limit: int, step: Step) -> tuple[bytes, bool]:
    """The bytes at an address, and whether one answer brought them all.

    They stay in `path` too, which is then the caller's to remove. Where this raises RefusedError,
    or is interrupted, `path` holds what a later call goes on with. An OSError is about `path`.
    """
    empty = Part(path, url)
    furthest, tries = empty.begun().size, 0
    while True:
        try:
            start = _transfer(empty.begun(), limit, step)
            return empty.content(), start == 0
        except CutOffError as cut:
            size = empty.begun().size
            tries = 0 if size >= furthest + GAIN else tries + 1
            furthest = max(furthest, size)
            if tries == TRIES:
                raise RefusedError(f"{cut}; tried {TRIES} times") from cut
            time.sleep(PAUSE)


def is_page(content: bytes) -> bool:
    """Whether bytes are HTML or XML, such as a portal's or an error's: no data begin so."""
    return content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")


def _transfer(part: Part, limit: int, step: Step) -> int:
    """Write what the server sends to the part; gives the byte from which on it did."""
    with _answer(part) as response:
        part, total = _place(part, response)
        if total is not None and total > limit:
            raise RefusedError(
                f"the server announces {total:,} bytes, of at most {limit:,} expected"
            )
        chunk = _read(response)
        if not part.size and is_page(chunk):
            raise RefusedError("the server sent a page, not the file")
        size, seen, since = part.size, part.size, time.monotonic()
        with part.open() as file:
            while chunk:
                size += len(chunk)
                if size > limit:
                    break
                file.write(chunk)
                step(size, total)
                if time.monotonic() - since > SILENCE:
                    if size - seen < SLOWEST * SILENCE:
                        raise CutOffError(f"only {size - seen:,} bytes came in {SILENCE:g} s")
                    seen, since = size, time.monotonic()
                chunk = _read(response)
    if size > limit:
        part.path.unlink()
        raise RefusedError(f"the server sends more than the {limit:,} bytes expected")
    if size < (total or 1):
        end = f"after {size:,} of {total:,} bytes" if total else "before the first byte"
        raise CutOffError(f"the connection ended {end}")
    return part.size


def _answer(part: Part) -> HTTPResponse:
    """The server's answer, to a request for what the part lacks."""
    headers = {"User-Agent": "chainrule", "Accept-Encoding": "identity"}
    if part.size:
        headers["Range"] = f"bytes={part.size}-"
        headers |= {"If-Range": part.version} if part.version else {}
    try:
        opener = request.build_opener(_Redirects)
        answer: HTTPResponse = opener.open(
            request.Request(part.url, headers=headers), timeout=SILENCE
        )
        return answer
    except error.HTTPError as answer:
        answer.close()
        raise _refusal(answer, part) from None
    except error.URLError as problem:
        why = problem.reason
        raise RefusedError(
            f"no connection: {reason(why) if isinstance(why, OSError) else why}"
        ) from None
    except TimeoutError:
        raise CutOffError(f"no answer in {SILENCE:g} s") from None
    except (OSError, RemoteDisconnected):
        raise CutOffError("the connection ended without an answer") from None
    except (HTTPException, ValueError) as problem:
        raise RefusedError(f"no answer of HTTP: {problem or type(problem).__name__}") from None


def _refusal(answer: error.HTTPError, part: Part) -> RefusedError:
    if answer.code == 416 and part.size:  # the file has become shorter
        part.path.unlink()
        return CutOffError("the server has no more than is here already")
    if answer.code not in range(300, 400):
        return RefusedError(f"the server answers {answer.code} {answer.reason}")
    if request.HTTPRedirectHandler.inf_msg[:30] in answer.reason:
        return RefusedError("the server redirects in circles")
    return RefusedError(
        f"the server redirects to {answer.headers['Location']!r}, expected an address of http(s)"
    )


def _place(part: Part, response: HTTPResponse) -> tuple[Part, int | None]:
    """The part that an answer goes on with, empty where it brings the whole file; and how many
    bytes that has, where the server says so."""
    version = _version(response.headers)
    if response.status == 200:
        return replace(part, version=version, size=0), response.length
    if response.status != 206:
        raise RefusedError(f"the server answers {response.status} {response.reason}")
    found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers["Content-Range"] or "")
    if not found or int(found[1]) != part.size or version not in (None, part.version):
        part.path.unlink(missing_ok=True)  # the next try asks for the whole
        raise CutOffError("the server sent another part than asked for")
    return part, None if found[2] == "*" else int(found[2])


def _version(headers: HTTPMessage) -> str | None:
    """What an If-Range of RFC 9110 can name: a strong entity tag, else a date."""
    tag = headers["ETag"] or "W/"
    name = str((headers["Last-Modified"] if tag.startswith("W/") else tag) or "")
    return name if re.fullmatch("[ -~]{1,200}", name) else None


def _read(response: HTTPResponse) -> bytes:
    try:
        return response.read1(CHUNK)
    except TimeoutError:
        raise CutOffError(f"no byte came in {SILENCE:g} s") from None
    except (OSError, HTTPException):
        raise CutOffError("the connection was cut off") from None


class _Redirects(request.HTTPRedirectHandler):
    """Follows http and https alone, and reads nothing of the body of a redirection, which may
    never end."""

    def redirect_request(
        self,
        req: request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> request.Request | None:
        """The request for where an answer leads."""
        fp.close()
        if not re.match("https?:", newurl, re.IGNORECASE):
            raise error.HTTPError(newurl, code, msg, headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)
