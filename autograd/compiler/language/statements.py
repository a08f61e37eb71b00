"""The loop language: what a kernel does, between the plan and a printer.

Expressions are those of `autograd/primitives/expressions.py`; here are the statements, and the
function that a kernel becomes. `str` gives it as text, `verify.py` checks it, `interpret.py` runs
it slowly, and `print_c.py` prints it as C. Printers decide nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ...primitives.expressions import INT64, Affine, DType, Expr, Load, Var

# Variables of every function: which part of it is to be done, and of how many.
PART, PARTS = Var("part", INT64), Var("parts", INT64)


@dataclass(frozen=True)
class Array:
    """Contiguous memory, which a function is given or has for itself."""

    name: str
    dtype: DType
    size: int

    def __str__(self) -> str:
        return f"{self.name}: {self.dtype}[{self.size}]"


@dataclass(frozen=True)
class Let:
    """A new variable, known from here to the end of the block."""

    name: str
    value: Expr

    def lines(self) -> Iterator[str]:
        """As text."""
        yield f"{self.name}: {self.value.dtype} = {self.value}"


@dataclass(frozen=True)
class Set:
    """Gives another value to a variable that was let."""

    name: str
    value: Expr

    def lines(self) -> Iterator[str]:
        """As text."""
        yield f"{self.name} = {self.value}"


@dataclass(frozen=True)
class Store:
    """Gives a value to an entry of an array."""

    array: str
    offset: Affine
    value: Expr

    def lines(self) -> Iterator[str]:
        """As text."""
        yield f"{self.array}[{self.offset}] = {self.value}"


@dataclass(frozen=True)
class For:
    """A loop; `name` is an int64 from `first` to before `last`.

    mark: how iterations depend on each other. "": they are done in order. "lanes": not at all, so
    they may be vectorized. "reduction": only by the variable `sum`, to which each adds, so lanes
    may have sums of their own, added up in the end.
    parallel: they do not depend on each other, and each part of the function does those that the
    bounds say.
    """

    name: str
    first: Expr
    last: Expr
    body: tuple[Statement, ...]
    step: int = 1
    mark: str = ""
    sum: str = ""
    parallel: bool = False

    def lines(self) -> Iterator[str]:
        """As text."""
        step = f" step {self.step}" if self.step != 1 else ""
        mark = f"{' parallel' * self.parallel} {self.mark} {self.sum}".rstrip()
        yield f"for {self.name} from {self.first} to {self.last}{step}{mark}:"
        yield from _inside(self.body)


@dataclass(frozen=True)
class If:
    """Runs one block or the other."""

    test: Expr
    body: tuple[Statement, ...]
    otherwise: tuple[Statement, ...] = ()

    def lines(self) -> Iterator[str]:
        """As text."""
        yield f"if {self.test}:"
        yield from _inside(self.body)
        if self.otherwise:
            yield "else:"
            yield from _inside(self.otherwise)


@dataclass(frozen=True)
class Matrix:
    """A matrix in an array: where it begins, and the strides of its rows and columns."""

    array: str
    start: Affine
    down: int
    along: int

    def at(self, row: Affine, column: Affine) -> Affine:
        """The offset of an entry in the array."""
        offset: Affine = self.start + row * self.down + column * self.along
        return offset

    def __str__(self) -> str:
        return f"{self.array}[{self.start}] by ({self.down}, {self.along})"


@dataclass(frozen=True)
class Tile:
    """A tile of a matrix product, summed in registers: the array `into`, height x width in
    row-major order, becomes left (`rows` x inner) @ right (inner x width).

    right.along is 1. rows: at most `height`; rows beyond are undefined. `tiles.expanded` gives the
    loops that it stands for.
    """

    into: str
    left: Matrix
    right: Matrix
    inner: int
    rows: Expr
    height: int
    width: int
    dtype: DType

    def lines(self) -> Iterator[str]:
        """As text."""
        size = f"{self.height} x {self.width}"
        yield f"tile {self.into} ({size}, {self.rows} rows) = {self.left} @ {self.right}"
        yield f"    over {self.inner}"


@dataclass(frozen=True)
class Panel:
    """Packs a part of a matrix, so that a tile reads contiguous memory: `inner` rows of `width`
    entries of `into`, the first `columns` of each copied and the rest 0."""

    into: str
    start: Affine
    matrix: Matrix
    inner: int
    columns: Expr
    width: int
    dtype: DType

    def lines(self) -> Iterator[str]:
        """As text."""
        size = f"{self.inner} x {self.width}, {self.columns} columns"
        yield f"panel {self.into}[{self.start}] ({size}) = {self.matrix}"


Statement = Let | Set | Store | For | If | Tile | Panel


@dataclass(frozen=True)
class Function:
    """What a kernel does to arrays. Kernels that differ only in their arrays are one function.

    arrays: those that it is given; `writes` are the names of those that it stores to. own: arrays
    that it has for itself, undefined at first.
    """

    arrays: tuple[Array, ...]
    writes: frozenset[str]
    own: tuple[Array, ...]
    body: tuple[Statement, ...]

    def lines(self, name: str) -> Iterator[str]:
        """As text."""
        shown = [f"{array}{' written' * (array.name in self.writes)}" for array in self.arrays]
        yield f"{name}({', '.join(shown)}):"
        yield from (f"    own {array}" for array in self.own)
        yield from _inside(self.body)

    def __str__(self) -> str:
        return "\n".join(self.lines("function"))


@dataclass(frozen=True)
class Run:
    """A call of a function. arrays: each as a slot of the step's block of pointers and an offset in
    bytes. parts: how many parts are each worth waking a thread for (1: one for each thread); 0: one
    thread does it all."""

    name: str
    function: Function
    arrays: tuple[tuple[int, int], ...]
    parts: int

    def __str__(self) -> str:
        given = ", ".join(
            f"{slot}+{offset}" if offset else str(slot) for slot, offset in self.arrays
        )
        return f"run {self.name}({given}){f' in {self.parts} parts' if self.parts else ''}"


# Groups with a barrier between; the runs of a group do not depend on each other.
Segment = tuple[tuple[Run, ...], ...]


def _inside(body: Sequence[Statement]) -> Iterator[str]:
    for statement in body:
        yield from (f"    {line}" for line in statement.lines())


def load(array: Array, offset: Affine) -> Load:
    """An entry of an array."""
    return Load(array.name, offset, array.dtype)
