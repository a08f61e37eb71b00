"""From a step written eagerly to a program, traced once (trace.py), and from there to C, of which
README.md tells; where that cannot be, the program is run by NumPy (replay.py)."""

from .frontend.program import TraceError
from .step import jit

__all__ = ["TraceError", "jit"]
