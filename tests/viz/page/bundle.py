"""A page of one file, for tests of the modules that pages share."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from viz.page import FOLDER, script


def page_of(folder: Path, body: str, imports: Mapping[str, str], code: str) -> str:
    """The address of a page in a folder that has this body and runs this code. imports: by module
    of viz/page, the names that the code uses."""
    place = os.path.relpath(FOLDER, folder)
    lines = [f'import {{ {names} }} from "{place}/{name}";\n' for name, names in imports.items()]
    (folder / "code.js").write_text("".join(lines) + code)
    joined = script(folder / "code.js")
    path = folder / "page.html"
    path.write_text(
        f'<!doctype html><title>a page</title>{body}<script type="module">{joined}</script>'
    )
    return path.as_uri()
