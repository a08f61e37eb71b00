"""What all pages share: modules of JavaScript, and how a page becomes one file.

`dom.js` finds and makes elements; `store.js` holds a page's one state; `wasm.js` runs a module that
`autograd.compiler.wasm` made (`manifest.js`: what lies where in it; `view.js`: an array in its
memory; `tensors.js`: dtypes); `order.js` sorts the examples of an epoch; `random.js` draws what
NumPy draws; `safetensors.js` reads and writes files of tensors; `chart.js` draws lines, by the
scales of `ticks.js`; `points.js` finds what is looked at there by a person's `gestures.js`.
`page.css` has the colours. A page that is opened from a disk cannot import, so `script` joins its
module and all that it imports. Its content security policy admits that one script by its `digest`.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

__all__ = ["FOLDER", "digest", "read", "script"]

FOLDER = Path(__file__).parent
IMPORT = re.compile(r'^import \{([^}]*)\} from "(\.[^"]*)";\n', re.MULTILINE)
LATER = re.compile(r'\bawait import\("(\.[^"]*)"\)')  # of a part that is not needed at once
EXPORT = re.compile(r"^export ((?:async )?(?:function\*?|class|const) (\w+))", re.MULTILINE)
# What one script cannot have: other kinds of these two, and an address of its own.
LEFT = re.compile(r"^(?:import|export)\b.*|\bimport\.meta\b.*", re.MULTILINE)


def digest(text: str) -> str:
    """The hash by which a content security policy admits a script or a style.

    >>> digest("")
    "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"
    """
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def read(folder: Path, name: str) -> str:
    """The text of a file that is part of a page."""
    return (folder / name).read_text(encoding="utf-8")


def script(*modules: Path, instead: Mapping[Path, Path] | None = None) -> str:
    """Modules and all that they import, now or later, as one module: each once, after what it
    imports, in a scope of its own. instead: files that others stand in for.

    Raises ValueError for what this cannot join: a circle of imports, `import * as`, a default
    export, `import.meta`.

    >>> script(FOLDER / "order.js").splitlines()[0]
    'let $0; {'
    """
    files: dict[Path, str] = {}  # what it exports is in a constant of this name
    others = {place.resolve(): file.resolve() for place, file in (instead or {}).items()}
    texts: list[str] = []
    for module in modules:
        _collect(module.resolve(), others, files, texts)
    return "\n".join(texts)


def _collect(
    file: Path, others: Mapping[Path, Path], files: dict[Path, str], texts: list[str]
) -> str:
    """Add a module, after those that it imports, where it is not there yet; gives its name."""
    file = others.get(file, file)
    if file in files:
        if not files[file]:
            raise ValueError(f"{file}: it imports a module that imports it")
        return files[file]
    files[file] = ""  # its turn comes

    def imported(found: re.Match[str]) -> str:
        name = _collect((file.parent / found[2]).resolve(), others, files, texts)
        return f"const {{{found[1].replace(' as ', ': ')}}} = {name};\n"

    def awaited(found: re.Match[str]) -> str:
        return _collect((file.parent / found[1]).resolve(), others, files, texts)

    text = LATER.sub(awaited, IMPORT.sub(imported, read(file.parent, file.name)))
    exported = ", ".join(name for _, name in EXPORT.findall(text))
    text = EXPORT.sub(r"\1", text)
    if left := LEFT.search(text):
        raise ValueError(f"{file}: this cannot be part of one script: {left[0].strip()}")
    files[file] = f"${len(texts)}"
    # A block and no function: within one a module may await, as at its top.
    texts.append(f"let {files[file]}; {{\n{text}{files[file]} = {{ {exported} }};\n}}\n")
    return files[file]
