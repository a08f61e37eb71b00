"""jit: a step written eagerly is traced once to a program (frontend/), which becomes C (README.md);
where that is not possible, NumPy runs the program (frontend/replay.py). wasm: steps as a module of
WebAssembly."""

from .browser import wasm
from .frontend.program import RefusedError, TraceError
from .step import jit

__all__ = ["RefusedError", "TraceError", "jit", "wasm"]
