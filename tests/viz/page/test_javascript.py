"""The modules that pages share: their types, and what deno's tests say.

The module that the JavaScript tests load is module.wat beside them, assembled here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from viz.page import script

HERE = Path(__file__).parent
ROOT = HERE.parents[2]

Deno = Callable[..., None]


@pytest.fixture(scope="module")
def module() -> bytes:
    wasmtime = pytest.importorskip("wasmtime")
    return bytes(wasmtime.wat2wasm((HERE / "module.wat").read_text()))


# --- deno ----------------------------------------------------------------------------------------


def test_types(deno: Deno) -> None:
    """Else the types in the comments say what is not so."""
    deno("check", "--no-remote", "viz", "tests")


def test_lint(deno: Deno) -> None:
    deno("lint", "viz", "tests")


def test_what_the_tests_in_javascript_say(deno: Deno, module: bytes, tmp_path: Path) -> None:
    (tmp_path / "module.wasm").write_bytes(module)
    allowed = ["--no-check", "--allow-read", "--allow-env=MODULE"]
    deno("test", *allowed, "tests", MODULE=str(tmp_path / "module.wasm"))


@pytest.mark.parametrize(
    "path",
    [path for room in ("viz", "tests") for path in (ROOT / room).rglob("*.js")],
    ids=lambda path: path.relative_to(ROOT).as_posix(),
)
def test_a_module_is_checked_and_nothing_in_it_is_of_any_type(path: Path) -> None:
    """Else deno passes it without having looked."""
    text = path.read_text()
    assert text.startswith("// @ts-check\n")
    assert re.findall(r"\{[^{}]*\bany\b[^{}]*\}|@ts-(?:ignore|expect|nocheck)", text) == []


# --- one script ----------------------------------------------------------------------------------


def test_a_script_holds_each_module_once_after_what_it_imports(tmp_path: Path) -> None:
    (tmp_path / "a.js").write_text('import { c } from "./c.js";\nexport const a = c;\n')
    (tmp_path / "b.js").write_text('import {\n  a,\n} from "./a.js";\nexport const b = a;\n')
    (tmp_path / "c.js").write_text('export const c = "export c";\n')
    found = script(tmp_path / "b.js", tmp_path / "c.js")
    assert found == 'const c = "export c";\n\nconst a = c;\n\nconst b = a;\n'
