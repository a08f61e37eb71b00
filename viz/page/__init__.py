"""What all pages share: modules of JavaScript, and how a page becomes one file.

`dom.js` finds and makes elements; `store.js` holds a page's one state; `wasm.js` runs a module that
`autograd.compiler.wasm` made (`manifest.js`: what lies where in it; `view.js`: an array in its
memory; `tensors.js`: dtypes); `order.js` sorts the examples of an epoch; `random.js` draws what
NumPy draws; `safetensors.js` reads and writes files of tensors; `chart.js` draws lines, by the
scales of `ticks.js`. `page.css` has the colours. A page that is opened from a disk cannot import,
so `script` joins its module and all that it imports. Its content security policy admits that one
script by its `digest`.
"""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

__all__ = ["FOLDER", "digest", "read", "script"]

FOLDER = Path(__file__).parent
IMPORT = re.compile(r'^import [^;]*? from "(\.[^"]*)";\n', re.MULTILINE)
EXPORT = re.compile(r"^export ", re.MULTILINE)


def digest(text: str) -> str:
    """The hash by which a content security policy admits a script or a style.

    >>> digest("")
    "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"
    """
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def read(folder: Path, name: str) -> str:
    """The text of a file that is part of a page."""
    return (folder / name).read_text(encoding="utf-8")


def script(*modules: Path) -> str:
    """Modules and all that they import as one: each once, after what it imports.

    Their top-level names share one scope: where two have the same, a browser refuses the whole.

    >>> "export" in script(FOLDER / "dom.js", FOLDER / "store.js")
    False
    """
    files: list[Path] = []
    for module in modules:
        _collect(module.resolve(), files)
    texts = [read(file.parent, file.name) for file in files]
    return "\n".join(EXPORT.sub("", IMPORT.sub("", text)) for text in texts)


def _collect(file: Path, files: list[Path]) -> None:
    """Add a module to the list, after those that it imports and that are not there yet."""
    if file in files:
        return
    for name in IMPORT.findall(read(file.parent, file.name)):
        _collect((file.parent / name).resolve(), files)
    files.append(file)
