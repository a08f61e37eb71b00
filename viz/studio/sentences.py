"""What Pydantic finds wrong with a request, in the words of every other refusal."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from viz.studio.refusal import Refusal

__all__ = ["refusal"]

EXPECTED = {
    "missing": "a value",
    "extra_forbidden": "nothing of this name",
    "finite_number": "a finite number",
    "int_from_float": "a whole number",
    "string_unicode": "text of whole characters",
    "string_too_long": "at most {max_length} characters",
    "too_long": "a list of at most {max_length}",
    "too_short": "a list of at least {min_length}",
    "literal_error": "{expected}",
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
}  # by the name of the error: https://docs.pydantic.dev/latest/errors/validation_errors/
KINDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "text",
    "list": "a list",
    "dict": "an object",
    "model": "an object",
}  # by the beginning of int_type, int_parsing, ...


def refusal(error: Mapping[str, Any]) -> Refusal:
    """Of one of Pydantic's errors: where by name, body.hidden.0, and what is there as JSON.

    >>> print(refusal({"type": "less_than_equal", "loc": ("body", "hidden", 0), "msg": "...",
    ...                "input": "9", "ctx": {"le": 4}}))
    body.hidden.0: expected at most 4, found "9"
    """
    kind, place = error["type"], error["loc"]
    if kind == "json_invalid":  # the place is a number of characters
        wrong = error.get("ctx", {}).get("error", "another text")
        at = f" at character {place[1]}" if len(place) > 1 else ""
        return Refusal(422, "body", "JSON", f"{wrong}{at}")
    found = "none" if kind == "missing" else _shown(error.get("input"))
    return Refusal(422, ".".join(map(str, place)) or "request", _expected(error), found)


def _expected(error: Mapping[str, Any]) -> str:
    said = EXPECTED.get(error["type"]) or KINDS.get(error["type"].split("_")[0])
    if said is not None:
        return said.format(**error.get("ctx", {}))
    message = error["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    return str(message[:1].lower() + message[1:])


def _shown(found: object) -> str:
    """What was found, as JSON has it."""
    try:
        return json.dumps(found, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return repr(found)
