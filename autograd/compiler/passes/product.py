"""Emits a matrix product as functions of the loop language: its tiles, and the packing of its right
operand."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property

from ...primitives.expressions import (
    INT64,
    ZERO,
    Affine,
    Expr,
    Index,
    Load,
    Var,
    contiguous,
    equal,
    minimum,
    offset,
    variables,
)
from ..language.statements import For, If, Let, Matrix, Panel, Statement, Tile
from .emitters import OpEmitter
from .entries import view_chain
from .kernels import Product
from .nest import LoopNest, axis_loop, integer, loop, part_bounds
from .tiling import CACHE_BUDGET, Operand, Tiling, operand, tiling

# When the rows of the left operand are packed: bytes from one entry of a row to the next.
MIN_STRIDE_TO_PACK = 1024
MIN_PANELS_IN_PART = 8  # each part reads all of the left operand


class ProductEmitter(OpEmitter):
    """Emits the tiles of a product; ops that joined are computed while a tile is in registers."""

    kernel: Product

    @property
    def flops(self) -> int:
        """Of the product alone, exactly."""
        return 2 * math.prod(self.kernel.domain) * self.tiling.inner

    @property
    def computed(self) -> set[int]:
        """Also the views through which it reads."""
        ops = super().computed
        for arg in self.ops[self.kernel.op].args:
            ops |= {*view_chain(self.plan.graph, arg)[0]}
        return ops

    @cached_property
    def tiling(self) -> Tiling:
        """How the product is tiled."""
        return tiling(self.plan.graph, self.kernel.op, self.memory.ops, self.machine)

    def statements(self) -> list[Statement]:
        """Loops over batch axes; blocks of rows, which stay in the L2 cache; panels of columns,
        which stay in the L1 cache; and tiles."""
        self.dtype = self.ops[self.kernel.op].dtype
        how, height = self.tiling, self.machine.rows
        self.work = math.prod(self.kernel.domain) * how.inner // 8
        *outer, row, column = [position.names() for position in self.kernel.index]
        nest = self.nest(*outer, [*row, "r"], [*column, "c"])
        body = self._tile(nest, row, column)
        tiles, by_rows = -(-how.rows // height), self._splits_rows()
        rows = part_bounds(tiles) if by_rows else (integer(0), integer(tiles))
        columns = (integer(0), integer(how.panels)) if by_rows else part_bounds(how.panels)
        block = how.block(self.machine) // height
        last = minimum(Affine.of("block") + block, Var("end", INT64))
        here = Affine.of("block"), last
        body = [For("tile", *here, tuple(body))]
        body = [For("panel", *columns, tuple(body), parallel=not by_rows)]
        if self._packs_left():
            self.local("left", self.dtype, block * height * how.inner)
            body = [For("tile", *here, tuple(self._pack_left())), *body]
        begin, end = rows
        body = [
            Let("end", end),
            For("block", begin, Var("end", INT64), tuple(body), block, parallel=by_rows),
        ]
        for axis in reversed(range(len(how.batch))):
            inside = [*nest.close().body, *body]
            body = [loop(f"d{axis}", how.batch[axis], inside)] if outer[axis] else inside
        return [*nest.scopes[0].body, *body]

    def _splits_rows(self) -> bool:
        """Whether threads split the rows; else they split the columns."""
        return -(-self.tiling.rows // self.machine.rows) >= self.tiling.panels

    def max_parts(self) -> int:
        """One for each tile of rows; for each block, if the right operand is too large for a cache
        and each part reads it from memory. Of columns, see MIN_PANELS_IN_PART."""
        how = self.tiling
        if not self._splits_rows():
            return how.panels // MIN_PANELS_IN_PART
        size = self.ops[self.kernel.op].dtype.itemsize * how.inner * how.columns
        large = size > 2 * CACHE_BUDGET
        return how.rows // (how.block(self.machine) if large else self.machine.rows)

    def _tile(self, nest: LoopNest, row: list[str], column: list[str]) -> list[Statement]:
        """The statements that compute a tile and use its entries."""
        how, height = self.tiling, self.machine.rows
        self.local("out", self.dtype, height * how.width)
        # The entry of a single column is let in the loop over rows, where a sum over it may be.
        one = how.columns == 1 and how.rows > 1
        at = Affine.of("r") * how.width + (ZERO if one else Affine.of("c"))
        entry = nest.let(Load("out", at, self.dtype))
        nest.know((self.kernel.op, self.kernel.index), entry)
        stores = self.stores(nest)
        inner, middle = nest.close(), nest.close()
        across = [Let(name, Affine.of("panel") * how.width + Affine.of("c")) for name in column]
        down = [Let(name, Affine.of("tile") * height + Affine.of("r")) for name in row]
        mark = "" if inner.has_loop or middle.has_loop else "lanes"
        inside = (*across, *inner.body, *stores)

        def entries(rows: Expr, columns: Expr) -> list[Statement]:
            each = For("c", integer(0), columns, inside, mark=mark)
            return [For("r", integer(0), rows, (*down, *middle.body, each))]

        return [*self._multiply(), *self._ragged(entries)]

    def _rows(self) -> list[Statement]:
        """Lets `rows`, the number of rows of a tile, if the last tile has fewer."""
        height = self.machine.rows
        left = Affine.of("tile") * -height + self.tiling.rows
        ragged = self.tiling.rows % height
        return [Let("rows", minimum(left, integer(height)))] if ragged else []

    @property
    def rows(self) -> Expr:
        """The number of rows of a tile."""
        height = self.machine.rows
        return Var("rows", INT64) if self.tiling.rows % height else integer(height)

    @cached_property
    def left(self) -> Operand:
        """The left operand."""
        op = self.ops[self.kernel.op]
        return operand(self.plan.graph, op.args[0], self.memory.ops, len(op.shape) - 2)

    def _packs_left(self) -> bool:
        """Whether to pack the rows of the left operand. It is transposed, so that each entry of a
        row lies on another page, and a row has more pages than the CPU's TLB."""
        how, size = self.tiling, self.ops[self.kernel.op].dtype.itemsize
        far = abs(self.left.strides[-1]) * size >= MIN_STRIDE_TO_PACK
        return far and how.inner >= self.machine.inner_to_pack and how.panels > 1

    def _packed_left(self) -> Matrix:
        """The rows of a tile, packed in an array of the function."""
        start = (Affine.of("tile") - Affine.of("block")) * (self.machine.rows * self.tiling.inner)
        return Matrix("left", start, 1, self.machine.rows)

    def _pack_left(self) -> list[Statement]:
        """Packs the rows of a tile."""
        matrix, into = self._left_rows(self.left), self._packed_left()
        across = Matrix(matrix.array, matrix.start, matrix.along, matrix.down)
        height, inner = self.machine.rows, self.tiling.inner
        panel = Panel("left", into.start, across, inner, self.rows, height, self.dtype)
        return [*self._rows(), panel]

    def _left_rows(self, operand: Operand) -> Matrix:
        """The left operand in its own memory, from the first row of the tile."""
        *_, down, along = operand.strides
        start = self._matrix_start(operand) + Affine.of("tile") * (self.machine.rows * down)
        return Matrix(self.array(self.memory.ops[operand.op]).name, start, down, along)

    def _multiply(self) -> list[Statement]:
        """The statement that multiplies a tile."""
        how, packed, height = self.tiling, self._packs_left(), self.machine.rows
        left = self._packed_left() if packed else self._left_rows(self.left)
        rows = integer(height) if packed else self.rows
        right = self._right_panel()
        parts = left, right, how.inner, rows, height, how.width, self.dtype
        return [*self._rows(), Tile("out", *parts)]

    def _ragged(self, entries: Callable[[Expr, Expr], list[Statement]]) -> list[Statement]:
        """The loops over the entries of a tile. Those of a full tile have constant bounds, which C
        compilers unroll."""
        how = self.tiling
        if how.columns < how.width or how.columns % how.width == 0:
            return entries(self.rows, integer(min(how.columns, how.width)))
        columns = Var("columns", INT64)
        return [
            Let("columns", self._columns()),
            If(
                equal(columns, how.width),
                tuple(entries(self.rows, integer(how.width))),
                tuple(entries(self.rows, columns)),
            ),
        ]

    def _columns(self) -> Expr:
        """The number of columns of a panel."""
        how = self.tiling
        if how.columns % how.width == 0:
            return integer(how.width)
        return minimum(Affine.of("panel") * -how.width + how.columns, integer(how.width))

    def _right_panel(self) -> Matrix:
        """A panel of the right operand."""
        how = self.tiling
        if not how.packs:
            start = self._matrix_start(how.right) + Affine.of("panel") * how.width
            return Matrix(
                self.array(self.memory.ops[how.right.op]).name, start, how.right.strides[-2], 1
            )
        packed = self.array(self.memory.packed[self.number])
        return Matrix(packed.name, self._panel_start(), how.width, 1)

    def _panel_start(self) -> Affine:
        """The offset of a packed panel."""
        at, strides = self._batch_index(), contiguous((*self.tiling.batch, self.tiling.panels))
        start: Affine = offset((*at, Affine.of("panel")), strides) * (
            self.tiling.inner * self.tiling.width
        )
        return start

    def _matrix_start(self, matrix: Operand) -> Affine:
        """The offset of an operand's matrix."""
        start: Affine = offset(self._batch_index(), matrix.strides[:-2]) + matrix.offset
        return start

    def _batch_index(self) -> Index:
        """The index of a matrix in its batch."""
        return variables(self.tiling.batch)


class PackEmitter(ProductEmitter):
    """Emits the packing of a product's right operand into panels as wide as a tile."""

    prefix = "pack"

    @property
    def flops(self) -> int:
        """None: it only copies."""
        return 0

    @property
    def computed(self) -> set[int]:
        """No ops: the product computes them."""
        return set()

    def max_parts(self) -> int:
        """One for each panel."""
        return self.tiling.panels

    def statements(self) -> list[Statement]:
        """The panels of each matrix of the batch."""
        how = self.tiling
        packed = self.memory.packed[self.number]
        self.work = packed.shape[0] if how.panels > 1 else 0
        down, along = how.right.strides[-2:]
        start = self._matrix_start(how.right) + Affine.of("panel") * (how.width * along)
        matrix = Matrix(self.array(self.memory.ops[how.right.op]).name, start, down, along)
        into = self.array(packed, writes=True).name
        columns = self._columns()
        panel = Panel(
            into, self._panel_start(), matrix, how.inner, columns, how.width, packed.dtype
        )
        body: list[Statement] = [axis_loop("panel", how.panels, [panel], split=True)]
        for axis in reversed(range(len(how.batch))):
            if how.batch[axis] != 1:
                body = [loop(f"d{axis}", how.batch[axis], body)]
        return body
