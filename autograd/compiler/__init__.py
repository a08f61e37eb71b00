"""jit: a step written eagerly is traced once to a program (frontend/), which becomes C (README.md);
where that is not possible, NumPy runs the program (frontend/replay.py)."""

from .frontend.program import TraceError
from .step import jit

__all__ = ["TraceError", "jit"]
