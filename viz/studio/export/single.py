"""An export as one HTML file, which a browser opens from a disk: page, data and modules in it.

What the page fetches lies in it as JSON, each file packed and in base 64; its workers' scripts as
text. Its content security policy forbids every request, and admits its own script alone.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
from pathlib import Path

from data.files import reason, write
from models.command_line import InputError
from viz.page import digest, read, script
from viz.studio.page import FOLDER, files

__all__ = ["check_file", "single", "write_single"]

HERE = Path(__file__).parent
WORKER = re.compile(r'\bworkerOf\("([^"]*)"\)')
INSTEAD = {FOLDER / "ask.js": HERE / "ask.js", FOLDER / "host.js": HERE / "inside.js"}
CODE = re.compile(r'<a href="(?:code|studio)/[^>]*>(.*?)</a>')  # of which a file has the name alone
STYLE = re.compile(r'<link rel="stylesheet" href="([^"]*)">')
SCRIPT = '<script type="module" src="studio/page/app.js"></script>'
END = "</body>"
POLICY = (
    "default-src 'none'; script-src {hash} 'wasm-unsafe-eval' blob:; worker-src blob:; "
    "style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; form-action 'none'"
)


def single(api: dict[str, bytes]) -> str:
    """The text of the file. api: the files that `tree.api` gives."""
    main = _inline(script(FOLDER / "app.js", instead=INSTEAD))
    policy = POLICY.format(hash=digest(main))
    names = sorted(set(WORKER.findall(main)))
    workers = {name: _inline(script(FOLDER / name, instead=INSTEAD)) for name in names}
    texts = [
        f'<script type="application/json" id="files">{_packed(api)}</script>',
        *(
            f'<script type="text/plain" id="{file}">{text}</script>'
            for file, text in workers.items()
        ),
        f'<script type="module">{main}</script>',
    ]
    styles = {address: path.read_text(encoding="utf-8") for address, path in files().items()}
    page = STYLE.sub(lambda it: f"<style>{styles[it[1]]}</style>", read(FOLDER, "index.html"))
    page = CODE.sub(r"\1", page)
    for old, new in (
        (SCRIPT, f'<meta http-equiv="Content-Security-Policy" content="{policy}">'),
        (END, "\n".join([*texts, END])),
    ):
        assert page.count(old) == 1, old
        page = page.replace(old, new)
    return page


def _inline(text: str) -> str:
    """A script as it may stand in HTML: within texts `<\\\\/` is `</`."""
    return text.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _packed(api: dict[str, bytes]) -> str:
    """The files in packs, as inside.js takes them. The modules are in one, those that are alike
    side by side: so they take half the room."""
    packs: dict[str, dict[str, bytes]] = {}
    for name in sorted(api, key=lambda name: (Path(name).name, name)):
        packs.setdefault("modules" if name.startswith("modules/") else name, {})[name] = api[name]
    said = [
        {
            "lengths": {name: len(content) for name, content in files.items()},
            "packed": base64.b64encode(gzip.compress(b"".join(files.values()), mtime=0)).decode(),
        }
        for files in packs.values()
    ]
    return json.dumps(said)


def check_file(path: Path) -> None:
    """Raise InputError where a file is not to be written."""
    if path.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"{path}: expected a file that ends in .html, which --single-file writes")
    if not path.parent.is_dir():
        raise InputError(f"{path}: expected a file within a folder that is there")
    if path.is_dir():
        raise InputError(f"{path}: expected a name for a file, found a folder")


def write_single(path: Path, text: str) -> None:
    """Write the file, whole or not at all. Raises InputError."""
    try:
        write(path, text)
    except OSError as error:
        raise InputError(f"{path}: {reason(error)}") from error
