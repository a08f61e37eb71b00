"""The shape of a matrix product's loops: tiles of registers, and whether an operand is packed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .expressions import sliced, transposed
from .kernels import Kernel, Plan
from .places import Index, Place, Shape, aligned, reshaped
from .simplify import Graph

PAGE = 4096
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
class Product:
    """left (..., rows, inner) @ right (..., inner, columns), in tiles `width` columns wide."""

    left: Operand
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

    def packed_size(self, machine: Machine) -> int:
        """Entries of the packed right operand."""
        return math.prod(self.batch) * self.panels * self.inner * self.width


def product(plan: Plan, kernel: Kernel, arrays: Mapping[int, Any], machine: Machine) -> Product:
    """How a matmul kernel goes over its operands."""
    assert kernel.anchor is not None
    op = plan.graph.ops[kernel.anchor]
    *batch, rows, columns = op.shape
    inner = plan.graph.ops[op.args[0]].shape[-1]
    names = tuple(Place.of(f"b{axis}") for axis in range(len(batch)))
    left = _operand(plan.graph, op.args[0], (*names, Place.of("i"), Place.of("k")), arrays)
    right = _operand(plan.graph, op.args[1], (*names, Place.of("k"), Place.of("j")), arrays)
    lanes = machine.vector // op.dtype.itemsize
    vectors = 1 if columns <= lanes else 2
    width = vectors * lanes
    down, along = right.strides[-2:]
    far = abs(down) * op.dtype.itemsize > PAGE and rows >= MANY_ROWS
    packs = along != 1 or columns % width != 0 or far
    return Product(left, right, tuple(batch), rows, inner, columns, vectors, width, packs)


def _operand(graph: Graph, number: int, index: Index, arrays: Mapping[int, Any]) -> Operand:
    names = [place.names()[0] for place in index]
    index = aligned(index, graph.ops[number].shape)
    while number not in arrays:
        op = graph.ops[number]
        (number,) = op.args
        before = graph.ops[number].shape
        if op.row.name == "transpose":
            index = transposed(op, index)
        elif op.row.name == "broadcast_to":
            index = aligned(index, before)
        elif op.row.name == "index":
            index = sliced(op.params["key"], index, before)
        else:
            inside = reshaped(index, op.shape, before)
            assert inside is not None
            index = inside
    array = arrays[number]
    total = Place(())
    for place, stride in zip(index, array.strides, strict=True):
        total += place * stride
    return Operand(number, tuple(total.factor(name) for name in names), total.const)
