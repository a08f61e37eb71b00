"""Stage 2, from a graph to kernels: what is computed together, in one pass over memory.

A kernel is loops over a domain. Most are built around one op that has loops of its own kind: a
matrix product, a reduction of columns. Ops that need the same entry of that join it: a bias, an
activation, the update of a parameter. What is not materialized is computed where it is used.
materialize.py and plan.py decide which op is computed where.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from ...primitives.expressions import Index, Shape, variables
from ...primitives.expressions import Op as Operation
from .simplify import Graph

# ("state", its number), ("result", its number), or ("scratch", the op)
Target = tuple[str, int]


@dataclass(frozen=True)
class Materialized:
    """An op that a kernel computes: which entry an iteration computes, in the domain's variables,
    and where it is written; None for what stays in a register, as only this kernel reads it."""

    op: int
    index: Index
    target: Target | None = None


@dataclass(frozen=True)
class Kernel:
    """Loops over `domain`, which compute one entry of each materialized op in an iteration.

    reads: the ops that are read from memory, and at which entry, in the domain's variables; None
    for a whole array.
    """

    kind: ClassVar[str] = "loop"

    domain: Shape
    computes: tuple[Materialized, ...]
    reads: tuple[tuple[int, Index | None], ...]

    @property
    def index(self) -> Index:
        """The domain's variables."""
        return variables(self.domain)

    @property
    def inputs(self) -> set[int]:
        """The ops whose memory it reads."""
        return {op for op, _ in self.reads}


@dataclass(frozen=True)
class Loop(Kernel):
    """Loops over entries. inner_loops: whether an entry is reduced by loops inside."""

    inner_loops: bool = False


@dataclass(frozen=True)
class OpKernel(Kernel):
    """Loops of the kind that one op needs, around which the kernel is built."""

    op: int = -1


class Product(OpKernel):
    """A matrix product, in tiles; ops that join are computed while a tile is in registers."""

    kind = "product"


class ColumnReduction(OpKernel):
    """A reduction whose argument's last axis stays, so that vectors go along that."""

    kind = "column reduction"


class Scatter(OpKernel):
    """Additions to the entries that arrays of integers name."""

    kind = "scatter"


@dataclass(frozen=True)
class Check(OpKernel):
    """A check that a position is in range, at which its op, and maybe others, read or add. If it is
    not, the step ends before anything depends on it."""

    kind: ClassVar[str] = "check"

    bound: Operation | None = None  # the position and its bound, in variables of the op's axes


class ByNumpy(OpKernel):
    """An op for which there are no loops: its primitive computes it with NumPy."""

    kind = "numpy"


class Collective(ByNumpy):
    """Ops of one primitive and dtype that several processes compute together: in one call, on one
    part of memory, in which their arguments are made where that is possible."""

    kind = "collective"


@dataclass(frozen=True)
class Plan:
    """The kernels in order, and the graph that they compute: with copies where a result or a state
    has the value of another."""

    graph: Graph
    kernels: tuple[Kernel, ...]
    checked: frozenset[int] = frozenset()  # ops with positions that come of data

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        for number, kernel in enumerate(self.kernels):
            op = f" %{kernel.op}" if isinstance(kernel, OpKernel) else ""
            yield f"kernel {number}: {kernel.kind}{op} over {list(kernel.domain)}"
            for each in kernel.computes:
                target = " ".join(map(str, each.target or ("register",)))
                index = ", ".join(map(str, each.index))
                name = self.graph.ops[each.op].primitive.name
                yield f"    %{each.op} {name}[{index}] -> {target}"
