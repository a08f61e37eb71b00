"""What the functions of a module call: the elementary functions, tiles of products and copies of
panels that are to be printed with them, each once."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...primitives.expressions import FUNCTIONS, DType, Op


@dataclass(frozen=True)
class TileKind:
    """What differs between tiles: rows, vectors in a row, and the distance in bytes from one term
    to the next in the left operand, and from one row to the next in the right one."""

    rows: int
    vectors: int
    left: int
    right: int


@dataclass(frozen=True)
class CopyKind:
    """What differs between copies of panels: bytes from one row to the next, and bytes of it."""

    down: int
    size: int


@dataclass
class Helpers:
    """What functions that are being printed call. relaxed: whether products are added by an
    instruction of relaxed SIMD, which rounds once where the machine can."""

    relaxed: bool
    calls: dict[tuple[str, DType, bool], None] = field(default_factory=dict)
    kinds: dict[TileKind | CopyKind, str] = field(default_factory=dict)
    own: int = 0  # bytes that a function needs for arrays of its own

    def use(self, op: Op, lanes: bool) -> None:
        """Note the elementary function that an operation calls, of one number or of four."""
        if op.name in FUNCTIONS:
            self.calls[op.name, op.args[-1].dtype, lanes] = None

    def name(self, kind: TileKind | CopyKind) -> str:
        """The name of a tile or a copy."""
        word = "tile" if isinstance(kind, TileKind) else "copy"
        return self.kinds.setdefault(kind, f"{word}{len(self.kinds)}")
