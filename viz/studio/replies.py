"""What every route answers with: one body for errors, the form that Accept asks for, ETags.

HTTP is meant as RFC 9110 has it: content negotiation is its section 12.5.1, conditional requests
are its section 13.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from fastapi import Request, Response
from pydantic import BaseModel, ConfigDict

from models.runs.files import plain
from viz.studio.refusal import Refusal, shown

__all__ = [
    "BINARY",
    "FOREVER",
    "HTML",
    "JSON",
    "NO_CACHE",
    "ErrorBody",
    "Refusal",
    "Strict",
    "accepted",
    "answer",
    "answer_json",
    "as_json",
    "errors",
    "field",
    "is_known",
    "quoted",
    "require_match",
    "shown",
    "takes_gzip",
]

JSON, BINARY, HTML = "application/json", "application/octet-stream", "text/html"
NO_CACHE = "no-cache"  # kept, but asked for again with If-None-Match
FOREVER = "private, max-age=31536000, immutable"  # where the address says the content
TAG = re.compile(r'(?:W/)?"[!\x23-\x7e\x80-\xff]*"')
TAGS = re.compile(rf"[ \t,]*{TAG.pattern}(?:[ \t]*,[ \t,]*{TAG.pattern})*[ \t,]*")


class Strict(BaseModel):
    """A JSON body or reply: exactly these names, of exactly these types."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Error(Strict):
    """What is wrong: where, what was expected there and found; and all of it as a sentence."""

    status: int
    where: str
    expected: str
    found: str
    message: str


class ErrorBody(Strict):
    """The body of every answer from 400 on."""

    error: Error


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For OpenAPI: that a route may answer with these, besides those that all may."""
    return {status: {"model": ErrorBody} for status in statuses}


# --- the form of an answer ------------------------------------------------------------------------


def accepted(request: Request, *offers: str) -> str:
    """The media type, of those that a route offers, that the request likes best; of equals the
    first. Raises a Refusal where it takes none of them."""
    header = field(request, "accept") or "*/*"
    best = _best(header, offers)
    if best is None:
        raise Refusal(406, "Accept", f"one of {', '.join(offers)}", header)
    return best


@lru_cache(maxsize=256)
def _best(header: str, offers: Sequence[str]) -> str | None:
    weights = [(_weight(header, offer), -i) for i, offer in enumerate(offers)]
    weight, place = max(weights)
    return offers[-place] if weight > 0 else None


def _weight(header: str, offer: str) -> float:
    """How much a media type is liked, 0 to 1: what the most specific range says."""
    ranges = [offer, f"{offer.split('/', maxsplit=1)[0]}/*", "*/*"]
    found: dict[str, float] = {}
    for part in header.split(","):
        name, *parameters = (each.strip().lower() for each in part.split(";"))
        qualities = [each[2:] for each in parameters if each.startswith("q=")]
        found[name] = max(found.get(name, 0.0), _quality(*qualities[:1]))
    return next((found[each] for each in ranges if each in found), 0.0)


def _quality(text: str = "1") -> float:
    """A weight of Accept, 0 where it is none."""
    return float(text) if re.fullmatch(r"0(\.\d{0,3})?|1(\.0{0,3})?", text) else 0.0


def takes_gzip(request: Request) -> bool:
    """Whether Accept-Encoding allows gzip; where it says nothing of it, what `*` says counts."""
    found: dict[str, float] = {}
    for part in field(request, "accept-encoding").split(","):
        name, *parameters = (each.strip().lower() for each in part.split(";"))
        qualities = [each[2:] for each in parameters if each.startswith("q=")]
        found[name] = _quality(*qualities[:1])
    return next((found[each] > 0 for each in ("gzip", "x-gzip", "*") if each in found), False)


def answer(
    request: Request,
    content: bytes,
    media: str,
    tag: str,
    cache: str = NO_CACHE,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """An answer of 200; of 304, without content, where the request has it already.

    tag: the ETag, with its quotes.
    """
    said = {"ETag": tag, "Cache-Control": cache, "Vary": "Accept", **(headers or {})}
    if is_known(request, tag):
        return Response(status_code=304, headers=said)
    return Response(content, headers=said, media_type=media)


def answer_json(request: Request, content: bytes) -> Response:
    """An answer of JSON, whose ETag is that of its content."""
    tag = quoted(hashlib.sha256(content).hexdigest()[:32])
    return answer(request, content, accepted(request, JSON), tag)


def as_json(value: object) -> bytes:
    """The JSON of a reply. Not by Pydantic, which refuses to write half a surrogate pair: a text of
    a file, or of a request, may have one.

    >>> as_json({"text": "\\ud800", "loss": float("nan")})
    b'{"text": "\\\\ud800", "loss": null}'
    """
    return json.dumps(plain(value), allow_nan=False).encode()


def is_known(request: Request, tag: str) -> bool:
    """Whether If-None-Match names the tag, so that nothing need be sent."""
    header = field(request, "if-none-match")
    return header.strip() == "*" or tag.removeprefix("W/") in {
        each.removeprefix("W/") for each in TAG.findall(header)
    }


def require_match(request: Request) -> str:
    """What If-Match says: a list of tags, of which a write is meant to replace one, with their
    quotes, or "*" for any. Raises a Refusal where there is none."""
    header = field(request, "if-match").strip()
    expected = "the ETag that a GET of it gave, so that no other's write is lost"
    if not header:
        raise Refusal(428, "If-Match", expected, "none")
    if header != "*" and not TAGS.fullmatch(header):
        raise Refusal(400, "If-Match", f"{expected}, within its quotes, or *", header)
    return header


def field(request: Request, name: str) -> str:
    """A header, of all the lines that it has (RFC 9110, 5.3); empty where there is none."""
    return ", ".join(request.headers.getlist(name))


def quoted(digest: str) -> str:
    """The ETag of a digest.

    >>> quoted("ab12")
    '"ab12"'
    """
    return f'"{digest}"'
