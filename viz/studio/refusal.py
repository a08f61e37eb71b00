"""A request that is refused, in words; wherever it is found to be wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING

from models.command_line import InputError, printable

if TYPE_CHECKING:
    from fastapi import Response

__all__ = ["Refusal", "shown"]

SENTENCE = re.compile(
    r"(?:(?P<where>.*?): )?expected (?P<expected>.*?),? found:? (?P<found>.*)", re.S
)
OPTION = re.compile("--([a-z-]+)")
SHOWN = 200  # characters of what was found
PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Chainrule's studio: refused</title>
<link rel="stylesheet" href="/page/page.css">
<main>
<h1>The studio cannot show this</h1>
<p>{}</p>
<p><a href="/">To the studio</a></p>
</main>
</html>
"""


class Refusal(Exception):  # noqa: N818
    """A request that is answered by an error: `where` it is wrong, what was `expected` there and
    what was `found`. status: of HTTP. headers: that the answer has besides.

    >>> print(Refusal(412, "If-Match", 'the tag "b" of the weights as they are', '"a"'))
    If-Match: expected the tag "b" of the weights as they are, found "a"
    """

    def __init__(
        self,
        status: int,
        where: str,
        expected: str,
        found: object,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, where, expected, found, headers)
        self.status, self.where, self.expected = status, where, expected
        self.found = shown(found)
        self.headers = dict(headers or {})

    def __str__(self) -> str:
        return f"{self.where}: expected {self.expected}, found {self.found}"

    @classmethod
    def of(cls, error: InputError, where: str = "request") -> Refusal:
        """What models refuse, whose sentences all say what was expected and found. An option of a
        command line, --batch-size, is a name in JSON, batch_size."""
        sentence = " ".join(str(error).split())
        read = SENTENCE.fullmatch(sentence)
        if read is None:
            return cls(422, where, "what can be read", sentence)
        place = OPTION.sub(lambda option: option[1].replace("-", "_"), read["where"] or where)
        return cls(422, place, read["expected"], read["found"])

    def response(self) -> Response:
        """The answer."""
        from fastapi import Response  # here: what computes refuses too, and knows nothing of HTTP

        return Response(self.body(), self.status, self.headers, "application/json")

    def page(self) -> Response:
        """The answer, for a person who opened an address in a tab."""
        from fastapi import Response

        said = escape(printable(str(self)))
        return Response(PAGE.format(said), self.status, self.headers, "text/html")

    def body(self) -> bytes:
        """The answer's body, JSON."""
        said = {
            "status": self.status,
            "where": printable(self.where),
            "expected": printable(self.expected),
            "found": self.found,
            "message": printable(str(self)),
        }
        return json.dumps({"error": said}).encode()


def shown(found: object) -> str:
    """What was found, as one may print it, and not too long."""
    text = printable(found if isinstance(found, str) else repr(found))
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."
