"""The peers, from npm's registry: the files that the page needs, kept in the user's cache."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

JAX_JS, TFJS, TFJS_WASM = "jax-js", "tfjs", "tfjs-wasm"
# A package, its version and which of its files, by the folder in which the page finds them.
PACKAGES = {
    JAX_JS: ("@jax-js/jax", "0.1.25", ["dist/*.js"]),
    TFJS: ("@tensorflow/tfjs", "4.22.0", ["dist/tf.es2017.min.js"]),
    TFJS_WASM: (
        "@tensorflow/tfjs-backend-wasm",
        "4.22.0",
        ["dist/tf-backend-wasm.es2017.min.js", "dist/*.wasm"],
    ),
}
PATIENCE = (
    "--loglevel=error",
    "--fetch-retries=1",
    "--fetch-timeout=60000",
)  # else npm tries for minutes


def fetch() -> dict[str, Path]:
    """The folder of each package that could be had. Says which could not, and why."""
    return {name: folder for name in PACKAGES if (folder := _folder(name))}


def versions(names: Iterable[str]) -> dict[str, str]:
    """The versions of these, by package."""
    return dict(PACKAGES[name][:2] for name in names)


def _folder(name: str) -> Path | None:
    package, version, files = PACKAGES[name]
    package = f"{package}@{version}"
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(root, "chainrule", "peers", package.replace("/", "_"))
    if folder.is_dir():
        return folder
    if shutil.which("npm") is None:
        print(f"Not measured: {package}, which npm would fetch; there is no npm.", file=sys.stderr)
        return None
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder.parent) as temporary:
        command = ["npm", "pack", package, "--pack-destination", temporary, *PATIENCE]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            said = done.stderr.strip().splitlines() or ["nothing"]
            print(f"Not measured: {package}; npm says: {said[0]}", file=sys.stderr)
            return None
        _unpack(next(Path(temporary).glob("*.tgz")), files, Path(temporary, "files"))
        Path(temporary, "files").rename(folder)
    return folder


def _unpack(archive: Path, patterns: Sequence[str], into: Path) -> None:
    """The files of a package that match a pattern, without their folders."""
    into.mkdir()
    with tarfile.open(archive) as tar:
        for member in tar:
            name = Path(member.name)
            if any(name.match(f"package/{pattern}") for pattern in patterns):
                source = tar.extractfile(member)
                assert source, f"{name} is no file"
                Path(into, name.name).write_bytes(source.read())
