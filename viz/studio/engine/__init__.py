"""What computes for the server, in a process of its own: `Engine` asks, `worker.py` answers, with
the functions of the other files."""

from viz.studio.engine.engine import Engine

__all__ = ["Engine"]
