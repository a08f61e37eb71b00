"""From a step written eagerly to a program: traced once (trace.py), run by NumPy (replay.py)."""

from .step import jit
from .trace import TraceError

__all__ = ["TraceError", "jit"]
