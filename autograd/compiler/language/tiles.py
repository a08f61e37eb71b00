"""The tile of a product and the panel of an operand as plain loops, which give the same bits.

A printer may have a faster tile, in vector registers; the interpreter, the verifier and all other
printers use these loops. A sum is made of partial sums of CHUNK terms. One of more than LONG_SUM
terms is compensated, so that its error is that of a pairwise sum.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...primitives.expressions import (
    INT64,
    ZERO,
    Affine,
    Const,
    DType,
    Expr,
    Load,
    Var,
    equal,
    fma,
    minimum,
    select,
)
from .statements import For, Let, Matrix, Panel, Set, Statement, Store, Tile

CHUNK = 256  # terms of a partial sum
LONG_SUM = 64 * CHUNK  # terms


def expanded(statement: Tile | Panel) -> For:
    """A tile or a panel as loops. The names of their variables begin with that of its `into`."""
    return _tile(statement) if isinstance(statement, Tile) else _panel(statement)


def _count(name: str, first: int, last: Expr, *body: Statement, step: int = 1) -> For:
    return For(name, Const(first, INT64), last, body, step)


def _int(value: int) -> Const:
    return Const(value, INT64)


def _tile(tile: Tile) -> For:
    row, column, start, k, old, back = (
        f"{tile.into}_{name}" for name in ("row", "column", "start", "k", "old", "back")
    )
    total, lost, part = (
        Var(f"{tile.into}_{name}", tile.dtype) for name in ("total", "lost", "part")
    )
    zero = Const(0.0, tile.dtype)

    def chunk(into: Var, first: Affine, last: Expr) -> Statement:
        """Adds the terms from `first` to before `last` to a variable."""
        x = _entry(tile.left, Affine.of(row), Affine.of(k), tile.dtype)
        y = _entry(tile.right, Affine.of(k), Affine.of(column), tile.dtype)
        return For(k, first, last, (write(into, fma(x, y, into)),))

    def later() -> Iterator[Statement]:
        """Adds a chunk after the first to the total."""
        after = Affine.of(start) + CHUNK
        yield Let(part.name, zero)
        yield chunk(part, Affine.of(start), minimum(after, _int(tile.inner)))
        if is_long:
            yield from add_compensated(total, lost, part, old, back)
        else:
            yield write(total, total + part)

    is_long = tile.inner > LONG_SUM
    result = compensated(total, lost) if is_long else total
    offset = Affine.of(row) * tile.width + Affine.of(column)
    entry: list[Statement] = [Let(total.name, zero)]
    entry += [Let(lost.name, zero)] * is_long
    entry += [chunk(total, ZERO, _int(min(CHUNK, tile.inner)))]
    if tile.inner > CHUNK:
        entry += [_count(start, CHUNK, _int(tile.inner), *later(), step=CHUNK)]
    entry += [Store(tile.into, offset, result)]
    return _count(row, 0, tile.rows, _count(column, 0, _int(tile.width), *entry))


def _panel(panel: Panel) -> For:
    row, column = (f"{panel.into}_{name}" for name in ("row", "column"))
    offset = panel.start + Affine.of(row) * panel.width + Affine.of(column)
    value = _entry(panel.matrix, Affine.of(row), Affine.of(column), panel.dtype)
    copy = Store(panel.into, offset, value)
    fill = Store(panel.into, offset, Const(0.0, panel.dtype))
    columns = _count(column, 0, panel.columns, copy)
    beyond = For(column, panel.columns, _int(panel.width), (fill,))
    return _count(row, 0, _int(panel.inner), columns, beyond)


def _entry(matrix: Matrix, row: Affine, column: Affine, dtype: DType) -> Load:
    return Load(matrix.array, matrix.at(row, column), dtype)


# --- long sums -----------------------------------------------------------------------------------


def write(target: Expr, value: Expr) -> Statement:
    """The statement that gives a value to a variable or to an entry of an array."""
    if isinstance(target, Load):
        return Store(target.array, target.offset, value)
    assert isinstance(target, Var)
    return Set(target.name, value)


def add_compensated(total: Expr, lost: Expr, part: Expr, old: str, back: str) -> list[Statement]:
    """Adds `part` to `total`, and what rounding takes from that, which is exact (Knuth, The Art of
    Computer Programming 2, 4.2.2), to `lost`. old, back: names of two new variables."""
    before, rest = Var(old, total.dtype), Var(back, total.dtype)
    error = (before - (total - rest)) + (part - rest)
    return [
        Let(old, total),
        write(total, before + part),
        Let(back, total - before),
        write(lost, lost + error),
    ]


def compensated(total: Expr, lost: Expr) -> Expr:
    """The total and what it lost, which is nan, and left out, if the total is infinite or nan."""
    return select(equal(lost - lost, 0), total + lost, total)
