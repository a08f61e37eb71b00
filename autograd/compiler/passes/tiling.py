"""How a matrix product is cut: tiles of registers, and whether an operand is packed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...primitives.expressions import Affine, Shape, broadcast_index, offset
from .entries import view_base, view_of
from .simplify import Graph

CACHE_LINE = 64  # bytes
PAGE_SIZE = 4096  # bytes of a page of virtual memory
CACHE_BUDGET = 3 << 17  # bytes: less than half of the L2 cache of common machines
MIN_ROWS_TO_PACK = 64  # of the left operand: each reads the packed panel once more


@dataclass(frozen=True)
class Machine:
    """vector: bytes of a vector register. rows: of a tile, as many as fill the registers.
    inner_to_pack: entries of a row of a transposed left operand from which rows are packed.
    cache: bytes of the left operand that are done before the next."""

    vector: int = 64
    rows: int = 8
    inner_to_pack: int = 512
    cache: int = CACHE_BUDGET


@dataclass(frozen=True)
class Operand:
    """A matrix, or a stack of them, in memory: an op's array, and the strides of the product's
    axes in it (0 where it broadcasts)."""

    op: int
    strides: tuple[int, ...]
    offset: int = 0


@dataclass(frozen=True)
class Tiling:
    """A product left (..., rows, inner) @ right (..., inner, columns), in tiles of `width` columns.
    packs: whether the right operand is copied first, into panels as wide as a tile."""

    right: Operand
    batch: Shape
    rows: int
    inner: int
    columns: int
    vectors: int  # in a row of a tile
    width: int
    packs: bool

    @property
    def panels(self) -> int:
        """How many panels, of `width` columns each, the right operand has."""
        return -(-self.columns // self.width)

    def block(self, machine: Machine) -> int:
        """How many rows of the left operand, in whole tiles, fit in the cache beside a panel."""
        lanes = self.width // self.vectors
        entry = machine.vector // lanes
        fitting = machine.cache // (max(self.inner, 1) * entry)
        return max(1, fitting // machine.rows) * machine.rows

    def packed_size(self) -> int:
        """How many entries the packed right operand has."""
        return math.prod(self.batch) * self.panels * self.inner * self.width


def tiling(graph: Graph, number: int, arrays: Mapping[int, Any], machine: Machine) -> Tiling:
    """How a product is tiled, whose operands lie in these arrays."""
    op = graph.ops[number]
    *batch, rows, columns = op.shape
    inner = graph.ops[op.args[0]].shape[-1]
    right = operand(graph, op.args[1], arrays, len(batch))
    lanes = machine.vector // op.dtype.itemsize
    vectors = 1 if columns <= lanes else 2
    width = vectors * lanes
    down, along = right.strides[-2:]
    page_per_row = abs(down) * op.dtype.itemsize > PAGE_SIZE and rows >= MIN_ROWS_TO_PACK
    part_of_line = width * op.dtype.itemsize < CACHE_LINE and columns > width
    part_of_line &= rows >= MIN_ROWS_TO_PACK
    packs = along != 1 or columns % width != 0 or page_per_row or part_of_line
    return Tiling(right, tuple(batch), rows, inner, columns, vectors, width, packs)


def operand(graph: Graph, number: int, arrays: Mapping[int, Any], batch: int) -> Operand:
    """The matrix that a product with so many batch axes reads, through views of an op in memory."""
    names = [*(f"b{axis}" for axis in range(batch)), "row", "column"]
    index, base = (
        broadcast_index(tuple(map(Affine.of, names)), graph.ops[number].shape),
        view_base(graph, number),
    )
    while number != base:
        view = view_of(graph, number, index)
        assert view is not None
        number, index = view
    total = offset(index, arrays[number].strides)
    return Operand(number, tuple(total.factor(name) for name in names), total.const)
