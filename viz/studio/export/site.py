"""An export as a folder for any static host: the page, and below api/ what it asks for."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from data.files import reason, write_folder
from models.command_line import InputError, printable
from viz.studio.page import files as page_files

__all__ = ["check_place", "site", "write_site"]

HERE = Path(__file__).parent
LIST = "files.json"  # by which an export is known, and its service worker keeps it
CONTENT = 'const CONTENT = "";'
SCRIPTS = '<script type="module" src="studio/page/app.js"></script>'
OFFLINE = '<script type="module" src="offline.js"></script>'


def site(api: dict[str, bytes]) -> dict[str, bytes]:
    """All files of the folder, by their path. api: those that `tree.api` gives."""
    page = {path or "index.html": file.read_bytes() for path, file in page_files().items()}
    index = page["index.html"].decode()
    assert index.count(SCRIPTS) == 1
    page["index.html"] = index.replace(SCRIPTS, f"{SCRIPTS}\n{OFFLINE}").encode()
    page["studio/page/ask.js"] = (HERE / "ask.js").read_bytes()
    page["offline.js"] = (HERE / "offline.js").read_bytes()
    files = page | {f"api/{path}": content for path, content in api.items()}
    worker = (HERE / "worker.js").read_text(encoding="utf-8")
    assert worker.count(CONTENT) == 1
    kept = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    name = hashlib.sha256(f"{worker}{sorted(kept.items())}".encode()).hexdigest()[:32]
    files["worker.js"] = worker.replace(CONTENT, f'const CONTENT = "{name}";').encode()
    return files | {LIST: json.dumps([*files, LIST]).encode()}


def check_place(path: Path) -> None:
    """Raise InputError where a folder cannot be written, or has something that would be lost."""
    try:
        if not path.parent.is_dir():
            raise InputError(f"{path}: expected a folder within one that is there")
        if path in (here := Path.cwd(), *here.parents):
            raise InputError(f"{path}: expected another folder than the one that you are in")
        found = {each for each in path.rglob("*") if not each.is_dir()} if path.is_dir() else set()
        if path.exists() and not path.is_dir():
            raise InputError(f"{path}: expected a name for a folder, found a file")
        if not path.is_dir() or not any(path.iterdir()):
            return
        known = _known(path)
    except OSError as error:
        raise InputError(f"{path}: {reason(error)}") from error
    if not known:
        raise InputError(f"{path}: expected a new folder, or an export, found another folder")
    others = sorted(found - {path / name for name in known})
    if others:
        some = printable(others[0].relative_to(path).as_posix())
        raise InputError(f"{path}: expected an export alone, which is replaced, found {some} too")


def _known(path: Path) -> list[str]:
    """The files of an export; none where a folder is something else."""
    try:
        said = json.loads((path / LIST).read_bytes())
    except (FileNotFoundError, ValueError):
        return []
    is_list = isinstance(said, list) and all(isinstance(name, str) for name in said)
    return said if is_list and LIST in said else []


def write_site(path: Path, files: dict[str, bytes]) -> None:
    """Write the folder, whole or not at all. Raises InputError."""
    check_place(path)  # again: what is there may be another thing by now
    try:
        write_folder(path, files, replaces=path.is_dir())
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({reason(error)})") from error
