"""The debugger as one HTML file that needs no other: `render` joins the files of this folder.

The scripts are ES modules, each with its exports; here they become one module, because a page that
is opened from a disk cannot import. The page's content security policy admits this one script by
its hash, so that nothing in a node's name can run, and forbids every request.
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
# In the order of their imports.
MODULES = ("dom.js", "state.js", "graph.js", "panels.js", "page.js")


def render(page: dict[str, Any]) -> str:
    """A page (a title, and traces, each with nodes, events and a picture) as the text of a file.

    Raises ValueError where the dictionary holds a NaN or an infinity as a float.

    >>> trace = {"title": "", "text": "", "svg": "<svg></svg>", "nodes": [], "events": []}
    >>> html = render({"title": "</title>", "traces": [trace]})
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


def script_text() -> str:
    """The modules as one, without their `import` lines and the word `export`."""
    text = "\n".join(read(FOLDER, name) for name in MODULES)
    return re.sub(r"^import .*\n|^export ", "", text, flags=re.MULTILINE)
