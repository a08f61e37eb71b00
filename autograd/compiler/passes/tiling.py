"""How a matrix product is cut: tiles of registers, and whether an operand is packed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...primitives.expressions import Affine, Shape, broadcast_index, place
from .entries import source, viewed
from .simplify import Graph

PAGE = 4096
CACHE = 3 << 17  # bytes: less than half of the second cache of common machines
MANY_ROWS = 64


@dataclass(frozen=True)
class Machine:
    """vector: bytes of a register. rows: of a tile, so that it leaves no register unused."""

    vector: int = 64
    rows: int = 8


@dataclass(frozen=True)
class Operand:
    """A matrix, or a stack of them, in memory: an op's array, and the strides of the product's
    axes in it (0 where it broadcasts)."""

    op: int
    strides: tuple[int, ...]
    offset: int = 0


@dataclass(frozen=True)
class Tiling:
    """Something (..., rows, inner) @ right (..., inner, columns), in tiles `width` columns wide."""

    right: Operand
    batch: Shape
    rows: int
    inner: int
    columns: int
    vectors: int  # of a tile's row
    width: int
    packs: bool

    @property
    def panels(self) -> int:
        """Strips of `width` columns."""
        return -(-self.columns // self.width)

    def block(self, machine: Machine) -> int:
        """Rows of the left operand, in whole tiles, that fit in the cache beside a panel."""
        lanes = self.width // self.vectors
        entry = machine.vector // lanes
        fitting = CACHE // (max(self.inner, 1) * entry)
        return max(1, fitting // machine.rows) * machine.rows

    def packed_size(self) -> int:
        """Entries of the packed right operand."""
        return math.prod(self.batch) * self.panels * self.inner * self.width


def tiling(graph: Graph, number: int, arrays: Mapping[int, Any], machine: Machine) -> Tiling:
    """How a product goes over its operands, which lie in these arrays."""
    op = graph.ops[number]
    *batch, rows, columns = op.shape
    inner = graph.ops[op.args[0]].shape[-1]
    right = operand(graph, op.args[1], arrays, len(batch))
    lanes = machine.vector // op.dtype.itemsize
    vectors = 1 if columns <= lanes else 2
    width = vectors * lanes
    down, along = right.strides[-2:]
    far = abs(down) * op.dtype.itemsize > PAGE and rows >= MANY_ROWS
    packs = along != 1 or columns % width != 0 or far
    return Tiling(right, tuple(batch), rows, inner, columns, vectors, width, packs)


def operand(graph: Graph, number: int, arrays: Mapping[int, Any], batch: int) -> Operand:
    """The memory that a product with so many batch axes reads through an argument's views."""
    names = [*(f"b{axis}" for axis in range(batch)), "row", "column"]
    index, base = (
        broadcast_index(tuple(map(Affine.of, names)), graph.ops[number].shape),
        source(graph, number),
    )
    while number != base:
        view = viewed(graph, number, index)
        assert view is not None
        number, index = view
    total = place(index, arrays[number].strides)
    return Operand(number, tuple(total.factor(name) for name in names), total.const)
