"""From a step written eagerly to a program: traced once (trace.py), run by NumPy (replay.py)."""

from .trace import TraceError, jit

__all__ = ["TraceError", "jit"]
