"""A matrix product in the loop language: its tiles, and the packing of its operand."""

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
from .bodies import AnchoredBody, over, share
from .entries import viewing
from .kernels import Product
from .nest import Nest, integer, loop
from .tiling import CACHE, Operand, Tiling, operand, tiling

FAR, MANY = 1024, 512  # bytes from one entry to the next, and entries
PANELS = 8  # of a product that one thread does, if it can


class ProductBody(AnchoredBody):
    """Tiles of a matrix product, and what is done with each while it is at hand."""

    kernel: Product

    @property
    def flops(self) -> int:
        """The product's own."""
        return 2 * math.prod(self.kernel.domain) * self.tiling.inner

    @property
    def computed(self) -> set[int]:
        """The views through which it reads, too."""
        ops = super().computed
        for arg in self.ops[self.kernel.anchor].args:
            ops |= {*viewing(self.plan.graph, arg)[0]}
        return ops

    @cached_property
    def tiling(self) -> Tiling:
        """How the product goes over its operands."""
        return tiling(self.plan.graph, self.kernel.anchor, self.memory.ops, self.machine)

    def statements(self) -> list[Statement]:
        """Stacks; blocks of rows that stay in the second cache; panels of columns, which stay in
        the first; tiles of rows."""
        self.how, self.dtype = self.tiling, self.ops[self.kernel.anchor].dtype
        how, height = self.how, self.machine.rows
        self.work = math.prod(self.kernel.domain) * how.inner // 8
        *outer, row, column = [position.names() for position in self.kernel.index]
        nest = self.nest(*outer, [*row, "r"], [*column, "c"])
        body = self._tile(nest, row, column)
        tiles, by_rows = -(-how.rows // height), self._by_rows()
        rows = share(tiles) if by_rows else (integer(0), integer(tiles))
        columns = (integer(0), integer(how.panels)) if by_rows else share(how.panels)
        block = how.block(self.machine) // height
        last = minimum(Affine.of("block") + block, Var("end", INT64))
        here = Affine.of("block"), last
        body = [For("tile", *here, tuple(body))]
        body = [For("panel", *columns, tuple(body), parallel=not by_rows)]
        if self._left_far():
            self.local("left", self.dtype, block * height * how.inner)
            body = [For("tile", *here, tuple(self._line_up())), *body]
        begin, end = rows
        body = [
            Let("end", end),
            For("block", begin, Var("end", INT64), tuple(body), block, parallel=by_rows),
        ]
        for axis in reversed(range(len(how.batch))):
            inside = [*nest.close().body, *body]
            body = [loop(f"d{axis}", how.batch[axis], inside)] if outer[axis] else inside
        return [*nest.scopes[0].body, *body]

    def _by_rows(self) -> bool:
        """Whether threads share rows, not columns."""
        return -(-self.tiling.rows // self.machine.rows) >= self.tiling.panels

    def cuts(self) -> int:
        """Tiles; but blocks, where the right operand comes from far for each share, and so many
        panels as are worth what each does to the left one."""
        how = self.tiling
        if not self._by_rows():
            return how.panels // PANELS
        size = self.ops[self.kernel.anchor].dtype.itemsize * how.inner * how.columns
        return how.rows // (how.block(self.machine) if size > 2 * CACHE else self.machine.rows)

    def _tile(self, nest: Nest, row: list[str], column: list[str]) -> list[Statement]:
        """The statements that compute a tile and use its entries."""
        how, height = self.how, self.machine.rows
        self.local("out", self.dtype, height * how.width)
        # The entry of a column is known in the loop over rows, where a sum over it may stand.
        one = how.columns == 1 and how.rows > 1
        at = Affine.of("r") * how.width + (ZERO if one else Affine.of("c"))
        entry = nest.let(Load("out", at, self.dtype))
        nest.know((self.kernel.anchor, self.kernel.index), entry)
        stores = self.stores(nest)
        inner, middle = nest.close(), nest.close()
        across = [Let(name, Affine.of("panel") * how.width + Affine.of("c")) for name in column]
        down = [Let(name, Affine.of("tile") * height + Affine.of("r")) for name in row]
        mark = "" if inner.loops or middle.loops else "lanes"
        inside = (*across, *inner.body, *stores)

        def entries(rows: Expr, columns: Expr) -> list[Statement]:
            each = For("c", integer(0), columns, inside, mark=mark)
            return [For("r", integer(0), rows, (*down, *middle.body, each))]

        return [*self._multiply(), *self._ragged(entries)]

    def _rows(self) -> list[Statement]:
        """How many rows a tile has, where it may be the last, which has fewer."""
        height = self.machine.rows
        left = Affine.of("tile") * -height + self.how.rows
        ragged = self.how.rows % height
        return [Let("rows", minimum(left, integer(height)))] if ragged else []

    @property
    def rows(self) -> Expr:
        """That number."""
        height = self.machine.rows
        return Var("rows", INT64) if self.how.rows % height else integer(height)

    @cached_property
    def left(self) -> Operand:
        """The left operand."""
        op = self.ops[self.kernel.anchor]
        return operand(self.plan.graph, op.args[0], self.memory.ops, len(op.shape) - 2)

    def _left_far(self) -> bool:
        """Whether the rows of the left operand are worth putting side by side: they are turned,
        so that each entry is on a page of its own, more than the CPU has at hand."""
        how, size = self.tiling, self.ops[self.kernel.anchor].dtype.itemsize
        far = abs(self.left.strides[-1]) * size >= FAR
        return far and how.inner >= MANY and how.panels > 1

    def _lined_up(self) -> Matrix:
        """The rows of a tile, side by side in the function's own array."""
        start = (Affine.of("tile") - Affine.of("block")) * (self.machine.rows * self.how.inner)
        return Matrix("left", start, 1, self.machine.rows)

    def _line_up(self) -> list[Statement]:
        """Copies a tile's rows of the left operand there."""
        matrix, into = self._in_place(self.left), self._lined_up()
        across = Matrix(matrix.array, matrix.start, matrix.along, matrix.down)
        height, inner = self.machine.rows, self.how.inner
        panel = Panel("left", into.start, across, inner, self.rows, height, self.dtype)
        return [*self._rows(), panel]

    def _in_place(self, operand: Operand) -> Matrix:
        """The left operand, from the first row of the tile at hand."""
        *_, down, along = operand.strides
        start = self._start(operand) + Affine.of("tile") * (self.machine.rows * down)
        return Matrix(self.array(self.memory.ops[operand.op]).name, start, down, along)

    def _multiply(self) -> list[Statement]:
        """The tile."""
        how, far, height = self.how, self._left_far(), self.machine.rows
        left = self._lined_up() if far else self._in_place(self.left)
        rows = integer(height) if far else self.rows
        right = self._right()
        parts = left, right, how.inner, rows, height, how.width, self.dtype
        return [*self._rows(), Tile("out", *parts)]

    def _ragged(self, entries: Callable[[Expr, Expr], list[Statement]]) -> list[Statement]:
        """The loops over a tile's entries; where there are as many as a tile has, by numbers that
        the compiler knows."""
        how = self.how
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
        """How many columns a panel has."""
        how = self.how
        if how.columns % how.width == 0:
            return integer(how.width)
        return minimum(Affine.of("panel") * -how.width + how.columns, integer(how.width))

    def _right(self) -> Matrix:
        """A panel of the right operand."""
        how = self.how
        if not how.packs:
            start = self._start(how.right) + Affine.of("panel") * how.width
            return Matrix(
                self.array(self.memory.ops[how.right.op]).name, start, how.right.strides[-2], 1
            )
        packed = self.array(self.memory.packed[self.number])
        return Matrix(packed.name, self._panel(), how.width, 1)

    def _panel(self) -> Affine:
        """Where a packed panel of a stack begins."""
        at, strides = self._stack(), contiguous((*self.how.batch, self.how.panels))
        start: Affine = offset((*at, Affine.of("panel")), strides) * (
            self.how.inner * self.how.width
        )
        return start

    def _start(self, matrix: Operand) -> Affine:
        """Where an operand of the stack at hand begins."""
        start: Affine = offset(self._stack(), matrix.strides[:-2]) + matrix.offset
        return start

    def _stack(self) -> Index:
        """The index in the stack."""
        return variables(self.how.batch)


class PackBody(ProductBody):
    """Copies a product's right operand into panels as wide as a tile."""

    letter = "pack"

    @property
    def flops(self) -> int:
        """It only copies."""
        return 0

    @property
    def computed(self) -> set[int]:
        """None: they are the product's."""
        return set()

    def cuts(self) -> int:
        """Panels."""
        return self.tiling.panels

    def statements(self) -> list[Statement]:
        """The panels of each matrix of a stack."""
        self.how = how = self.tiling
        packed = self.memory.packed[self.number]
        self.work = packed.shape[0] if how.panels > 1 else 0
        down, along = how.right.strides[-2:]
        start = self._start(how.right) + Affine.of("panel") * (how.width * along)
        matrix = Matrix(self.array(self.memory.ops[how.right.op]).name, start, down, along)
        into = self.array(packed, writes=True).name
        columns = self._columns()
        panel = Panel(into, self._panel(), matrix, how.inner, columns, how.width, packed.dtype)
        body: list[Statement] = [over("panel", how.panels, [panel], shared=True)]
        for axis in reversed(range(len(how.batch))):
            if how.batch[axis] != 1:
                body = [loop(f"d{axis}", how.batch[axis], body)]
        return body
