"""The numbers of nodes and of plain arguments alike."""

from __future__ import annotations

from typing import Any

from ..graph import Node


def data_of(x: Any) -> Any:
    """A node's number or array; anything else as it is."""
    return x._data if isinstance(x, Node) else x
