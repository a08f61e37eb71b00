"""Stage 2, from a graph to kernels: what is computed together, in one pass over memory.

A kernel is loops over a domain. It computes an anchor, if it has one (a matrix product, or sums
down the columns), and with it, entry by entry, what depends on that at the same entry: a bias, an
activation, the update of a parameter. What is not stored anywhere is computed where it is used.
plan.py decides which op is in which kernel.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from ...primitives.expressions import Index, Shape, variables
from ...primitives.expressions import Op as Operation
from .simplify import Graph

Target = tuple[str, int]  # ("state", place), ("result", place) or ("buffer", op)


@dataclass(frozen=True)
class Stored:
    """An op's entry at `index`, given by the domain's variables, and where it is kept: None for
    what only its own kernel reads."""

    op: int
    index: Index
    target: Target | None = None


@dataclass(frozen=True)
class Kernel:
    """Loops over `domain`, which store at each entry. Of the arrays it reads, the entries, in the
    domain's variables (others, where it goes over an array itself); None for a whole array."""

    kind: ClassVar[str] = "loop"

    domain: Shape
    stores: tuple[Stored, ...]
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
    """Nothing but the stores. nested: something is reduced within an entry, by a loop inside."""

    nested: bool = False


@dataclass(frozen=True)
class Anchored(Kernel):
    """It computes an op in its own way."""

    anchor: int = -1


class Product(Anchored):
    """A matrix product, in tiles; the stores are computed while one is at hand."""

    kind = "product"


class Columns(Anchored):
    """A reduction down the columns: over all axes but some and the last, which stays."""

    kind = "columns"


class Scatter(Anchored):
    """Additions to entries that arrays of integers name."""

    kind = "scatter"


@dataclass(frozen=True)
class Check(Anchored):
    """Whether a position at which its anchor, and maybe others, read or add is in range: if it is
    not, the step ends before anything depends on it."""

    kind: ClassVar[str] = "check"

    bound: Operation | None = None  # in variables of the anchor's axes


class ByNumpy(Anchored):
    """An op that has no loops: its primitive computes it."""

    kind = "numpy"


@dataclass(frozen=True)
class Plan:
    """The kernels in order, and the graph that they compute: with copies where a result or a
    state is another's value."""

    graph: Graph
    kernels: tuple[Kernel, ...]
    checked: frozenset[int] = frozenset()  # ops whose positions are looked at

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        for number, kernel in enumerate(self.kernels):
            anchor = f" %{kernel.anchor}" if isinstance(kernel, Anchored) else ""
            yield f"kernel {number}: {kernel.kind}{anchor} over {list(kernel.domain)}"
            for store in kernel.stores:
                into = " ".join(map(str, store.target or ("nowhere",)))
                at, prim = ", ".join(map(str, store.index)), self.graph.ops[store.op].primitive
                yield f"    %{store.op} {prim.name}[{at}] -> {into}"
