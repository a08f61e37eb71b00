"""The loop language: what a kernel does, between the plan and a printer.

Expressions are those of `autograd/primitives/expressions.py`; here are the statements around them,
and the function that a kernel becomes. It prints as text (`str`), is checked (`verify.py`), can be
run slowly by Python (`interpret.py`), and is printed as C (`print_c.py`). Printers decide nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ...primitives.expressions import INT64, Affine, DType, Expr, Load, Var

# What every function knows: the share of it that is wanted, and of how many.
PART, PARTS = Var("part", INT64), Var("parts", INT64)


@dataclass(frozen=True)
class Array:
    """Memory that a function is given, or has for itself: entries one after the other."""

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
    """A variable that was let takes another value."""

    name: str
    value: Expr

    def lines(self) -> Iterator[str]:
        """As text."""
        yield f"{self.name} = {self.value}"


@dataclass(frozen=True)
class Store:
    """An entry of an array takes a value."""

    array: str
    offset: Affine
    value: Expr

    def lines(self) -> Iterator[str]:
        """As text."""
        yield f"{self.array}[{self.offset}] = {self.value}"


@dataclass(frozen=True)
class For:
    """A loop; `name` is an int64 from `first` to before `last`.

    mark: how its turns depend on each other. "": they are done in order. "lanes": not at all, so
    they may be done side by side. "reduction": only by the variable `sum`, to which each adds, so
    lanes may have sums of their own that are added up in the end.
    parallel: they do not depend on each other, and each share of the function does some of them, as
    its bounds say.
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
    """One block, or the other."""

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
    """A tile of a matrix product, which stays in registers while it is summed: the array `into`,
    height x width in row-major order, becomes left (`rows` x inner) @ right (inner x width).

    right.along is 1. rows: at most `height`; what becomes of the rows beyond is not said. `grown`
    gives the same without a Tile, sums as long as CHUNK and their gathering included.
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
    """A part of a matrix, copied so that a tile reads it one entry after the other: `inner` rows of
    `width` entries of `into`, of which the first `columns` are the matrix's and the rest 0."""

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
    """A kernel: what it does to arrays. Alike kernels are one function, given other arrays.

    arrays: what it is given; those in `writes` it stores to. own: arrays for itself, whose entries
    are anything at first.
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
    """A function given its arrays: each by a slot of the step's block of pointers, and bytes from
    there. shares: in how many parts it may be done, each worth a thread's while (1: one for each
    thread); 0: by one thread alone."""

    name: str
    function: Function
    arrays: tuple[tuple[int, int], ...]
    parts: int

    def __str__(self) -> str:
        given = ", ".join(
            f"{slot}+{offset}" if offset else str(slot) for slot, offset in self.arrays
        )
        return f"run {self.name}({given}){f' in {self.parts} parts' if self.parts else ''}"


# A list of groups: the runs of one wait for none of their own; between groups is a barrier.
Segment = tuple[tuple[Run, ...], ...]


def _inside(body: Sequence[Statement]) -> Iterator[str]:
    for statement in body:
        yield from (f"    {line}" for line in statement.lines())


def load(array: Array, offset: Affine) -> Load:
    """An entry of an array."""
    return Load(array.name, offset, array.dtype)
