"""The debugger as one HTML file that needs nothing else: `render` joins what lies in this folder.

The scripts are ES modules of one page, each with its exports; here they become one module, so that
a file opened from a disk can run it. The page's content security policy admits this one script by
its hash, so that nothing in a name could ever run, and forbids every request.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from viz.html import digest, read

__all__ = ["notebook", "render"]

FOLDER = Path(__file__).parent
# What each one imports comes before it.
MODULES = ("dom.js", "state.js", "graph.js", "panels.js", "page.js")


def render(page: dict[str, Any]) -> str:
    """A page (a title, and chapters of nodes, events and a picture) as the text of an HTML file.

    Raises ValueError where the dictionary holds a NaN or an infinity that is not written out.

    >>> chapter = {"title": "", "text": "", "svg": "<svg></svg>", "nodes": [], "events": []}
    >>> html = render({"title": "</title>", "chapters": [chapter]})
    >>> html.splitlines()[0], html.count("</title>")
    ('<!doctype html>', 1)
    """
    script = script_text()
    return Template(read(FOLDER, "page.html")).substitute(
        title=escape(page["title"]),
        script=script,
        style=read(FOLDER, "page.css"),
        script_hash=digest(script),
        data=packed(page),
    )


def notebook(page: dict[str, Any]) -> str:
    """The page in a frame of its own, which sees nothing of the notebook around it.

    >>> notebook({"title": "a & b", "chapters": []}).split(" style")[0]
    '<iframe title="a &amp; b" sandbox="allow-scripts"'
    """
    return (
        f'<iframe title="{escape(page["title"])}" sandbox="allow-scripts" '
        f'style="width:100%;height:760px;border:0" srcdoc="{escape(render(page))}"></iframe>'
    )


def packed(page: dict[str, Any]) -> str:
    """The data, compressed to a tenth: that is all letters and digits, so no name in it can be
    markup."""
    text = json.dumps(page, allow_nan=False, separators=(",", ":"))
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


def script_text() -> str:
    """The modules as one: without the lines that import one from another, and without `export`."""
    text = "\n".join(read(FOLDER, name) for name in MODULES)
    return re.sub(r"^import .*\n|^export ", "", text, flags=re.MULTILINE)
