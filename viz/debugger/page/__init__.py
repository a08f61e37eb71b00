"""The debugger as one HTML file that needs no other: `render` joins the files of this folder.

Its content security policy admits the one script by its hash, so that nothing in a node's name can
run, and forbids every request.
"""

from __future__ import annotations

import base64
import gzip
import json
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from viz import page as shared
from viz.page import digest, read, script

__all__ = ["notebook", "render"]

FOLDER = Path(__file__).parent


def render(page: dict[str, Any]) -> str:
    """A page (a title, and traces, each with nodes, events and a picture) as the text of a file.

    Raises ValueError where the dictionary holds a NaN or an infinity as a float.

    >>> trace = {"title": "", "text": "", "svg": "<svg></svg>", "nodes": [], "events": []}
    >>> html = render({"title": "</title>", "traces": [trace]})
    >>> html.splitlines()[0], html.count("</title>")
    ('<!doctype html>', 1)
    """
    joined = script(FOLDER / "page.js")
    return Template(read(FOLDER, "page.html")).substitute(
        title=escape(page["title"]),
        script=joined,
        style=read(shared.FOLDER, "page.css") + read(FOLDER, "page.css"),
        script_hash=digest(joined),
        data=packed(page),
    )


def notebook(page: dict[str, Any]) -> str:
    """The page in an iframe, which has no access to the notebook around it.

    >>> notebook({"title": "a & b", "traces": []}).split(" style")[0]
    '<iframe title="a &amp; b" sandbox="allow-scripts"'
    """
    return (
        f'<iframe title="{escape(page["title"])}" sandbox="allow-scripts" '
        f'style="width:100%;height:760px;border:0" srcdoc="{escape(render(page))}"></iframe>'
    )


def packed(page: dict[str, Any]) -> str:
    """The data, compressed to a tenth and in base 64, so that no name in it can be markup."""
    text = json.dumps(page, allow_nan=False, separators=(",", ":"))
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()
