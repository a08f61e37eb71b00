"""Which op is computed in which kernel.

An op is a **root** if it is kept in memory or is computed by loops of its own kind. Roots are
placed one after the other: each joins the kernel of its latest argument, if it may
(`_Planner._joined` says when), or begins one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ...ops import identity
from ...primitives.expressions import ZERO, Affine, Index, Shape, variables, walk
from ...primitives.expressions import Op as Operation
from .entries import (
    Reads,
    adds,
    bounds,
    compiles,
    definition,
    entries,
    moves,
    source,
    viewed,
    viewing,
)
from .kernels import (
    Anchored,
    ByNumpy,
    Check,
    Columns,
    Kernel,
    Loop,
    Plan,
    Product,
    Scatter,
    Stored,
    Target,
)
from .nest import CALLS
from .simplify import CONSTANT, LEAVES, STATE, Graph, Op

# Entries are computed by recursion, and compilers take the square of a function's length:
DEEPEST = 40  # ops from one root to the next
MOST = 100  # roots in a kernel

NEVER = -2  # before the kernels that are first of all, whose position is -1

Loads = list[tuple[int, Index | None]]


def plan(graph: Graph) -> Plan:
    """Group the ops of a graph into kernels."""
    graph, targets = _targets(graph)
    return _Planner(graph, targets).plan()


def _targets(graph: Graph) -> tuple[Graph, dict[int, Target]]:
    """Where answers go. A leaf, or what is an answer already, gets a copy of its own."""
    ops, targets = list(graph.ops), dict[int, Target]()
    answers = [(op, ("state", state)) for state, op in graph.writes]
    answers += [(op, ("result", place)) for place, op in enumerate(graph.results)]
    for number, target in answers:
        copied = ops[number].primitive in LEAVES or number in targets
        if copied:
            ops.append(replace(ops[number], primitive=identity, args=(number,), params={}))
        targets[len(ops) - 1 if copied else number] = target
    return replace(graph, ops=tuple(ops)), targets


@dataclass(eq=False)
class _Building:
    """A kernel as it grows: its roots, the index at which each is computed, and what each reads, in
    its own variables."""

    kind: type[Kernel]
    domain: Shape
    anchor: int = -1
    at: dict[int, Index] = field(default_factory=dict)
    loads: dict[int, Loads] = field(default_factory=dict)
    nested: bool = False
    bound: Operation | None = None
    position: int = -1  # among the kernels

    def inside(self, reader: int, index: Index | None, shape: Shape) -> Index | None:
        """An index in a reader's variables, in the kernel's; None for what goes over an array in
        its own way."""
        if reader == self.anchor or index is None:
            return None
        pairs = zip(variables(shape), self.at[reader], strict=True)
        moved = {name: place for own, place in pairs for name in own.names()}
        return tuple(place.renamed(moved) for place in index)


class _Planner:
    def __init__(self, graph: Graph, targets: dict[int, Target]) -> None:
        self.graph, self.targets = graph, targets
        self.ops = list(graph.ops)
        self.compiled = [compiles(graph, number) for number in range(len(self.ops))]
        self.users: list[list[int]] = [[] for _ in self.ops]
        for number, op in enumerate(self.ops):
            for arg in op.args:
                self.users[arg].append(number)
        self.bounds = [bounds(graph, n) if self.compiled[n] else [] for n in range(len(self.ops))]
        self.checked: dict[int, int] = {}  # of an op: the last kernel that looks at its positions
        self.looks: dict[Operation, _Building] = {}  # of a position: the kernel that does
        self.home: dict[int, _Building] = {}  # of a root: the kernel that computes it
        self.kernels: list[_Building] = []
        self.first: list[_Building] = []  # checks of what is there before the step begins
        self.roots = self._roots()

    # --- what is stored ---

    def _roots(self) -> set[int]:
        """The ops that are kept in memory, or are computed by a loop of their own kind."""
        roots = {*self.targets, *self.graph.kept}
        for number, op in enumerate(self.ops):
            if not self.compiled[number]:
                roots |= {number, *op.args}
            elif op.primitive.product:
                roots |= {number, *(source(self.graph, arg) for arg in op.args)}
            elif self._is_columns(op) or adds(op):
                roots.add(number)
            elif self._mixes(number):
                roots.add(source(self.graph, op.args[0]))
            roots |= self._positions(number)
        roots = {number for number in roots if self.ops[number].primitive not in LEAVES}
        return self._shared(roots)

    def _is_columns(self, op: Op) -> bool:
        """Whether it is a reduction whose argument's last axis stays: then that is the axis to
        go along in vectors."""
        if not op.primitive.reduces:
            return False
        shape = self.ops[op.args[0]].shape
        long = [axis for axis, n in enumerate(shape) if n > 1]
        return bool(long) and long[-1] not in op.params["axis"]

    def _mixes(self, number: int) -> bool:
        """Whether it is a view by no strides: a reshape that does more than add or drop axes."""
        op = self.ops[number]
        if len(op.args) != 1 or not moves(self.graph, number):
            return False
        return viewed(self.graph, number, variables(op.shape)) is None

    def _positions(self, number: int) -> set[int]:
        """The ops that say where it reads or adds: what is in memory is looked at and read again,
        leaves and their views are so already."""
        said = (entry.number for bound in self.bounds[number] for entry in entries(bound))
        return {op for op in said if not self._steady(op)}

    def _steady(self, number: int) -> bool:
        op = self.ops[number]
        return op.primitive in LEAVES or (
            len(op.args) == 1 and not op.primitive.reduces and self._steady(op.args[0])
        )

    def _shared(self, roots: set[int]) -> set[int]:
        """The roots, and what several roots would compute again, unless that is next to nothing."""
        wanted: list[set[int]] = [set() for _ in self.ops]
        for number in range(len(self.ops) - 1, -1, -1):
            op = self.ops[number]
            for user in self.users[number]:
                wanted[number] |= {user} if user in roots else wanted[user]
            if op.primitive in LEAVES or number in roots or len(wanted[number]) < 2:
                continue
            if not self._cheap(number, roots):
                roots.add(number)
        return self._shallow(roots)

    def _shallow(self, roots: set[int]) -> set[int]:
        """The roots, and as many more as it takes that none is far from the next."""
        depth = [0] * len(self.ops)
        for number, op in enumerate(self.ops):
            if op.primitive in LEAVES or number in roots:
                continue
            depth[number] = 1 + max((depth[arg] for arg in op.args), default=0)
            if depth[number] > DEEPEST:
                roots.add(number)
                depth[number] = 0
        return roots

    def _cheap(self, number: int, roots: set[int]) -> bool:
        """Whether it is next to nothing to compute: an entry moved, or a little arithmetic on what
        is in memory."""
        op = self.ops[number]
        if moves(self.graph, number):
            return True
        if op.primitive.code is None or not all(
            self.ops[arg].primitive in LEAVES or arg in roots for arg in op.args
        ):
            return False
        expr = definition(self.graph, number, variables(op.shape))
        return expr is not None and not any(getattr(e, "name", "") in CALLS for e in walk(expr))

    # --- which kernel computes it ---

    def plan(self) -> Plan:
        for number in range(len(self.ops)):
            if number in self.roots:
                self._place(number)
        self._commit()
        kernels = [*self.first, *self.kernels]
        stored = self._stored(kernels)
        return Plan(
            replace(self.graph, ops=tuple(self.ops)),
            tuple(self._finished(kernel, stored) for kernel in kernels),
            frozenset(op for op, position in self.checked.items() if position != NEVER),
        )

    def _place(self, number: int) -> None:
        """Put a root into a kernel, after those that it depends on."""
        op, kind = self.ops[number], self._kind(number)
        loads, reads = self._loads(number, kind)
        checks = [self._check(each) for each in sorted(reads.ops | {number})]
        homes = [self.home[load] for load, _ in loads if load in self.home]
        kernel = max(homes, key=lambda home: home.position, default=None)
        early = kernel is None or kernel.position < max(checks) or kind is not Loop
        index = None if early or kernel is None else self._joined(number, loads, kernel)
        if kernel is None or index is None:
            kernel = _Building(kind, op.shape, -1 if kind is Loop else number)
            index = variables(op.shape)
            self._append(kernel)
        self.home[number] = kernel
        kernel.at[number], kernel.loads[number] = index, loads
        kernel.nested |= reads.loops

    def _append(self, kernel: _Building) -> None:
        kernel.position = len(self.kernels)
        self.kernels.append(kernel)

    def _kind(self, number: int) -> type[Kernel]:
        op = self.ops[number]
        if not self.compiled[number]:
            return ByNumpy
        if op.primitive.product:
            return Product
        if adds(op):
            return Scatter
        return Columns if self._is_columns(op) else Loop

    def _loads(self, number: int, kind: type[Kernel]) -> tuple[Loads, Reads]:
        """The entries in memory that a root is computed from; of whole arrays, no index."""
        op, reads = self.ops[number], self._reads(variables(self.ops[number].shape))
        if kind is Product:
            sources = [viewing(self.graph, arg) for arg in op.args]
            reads.ops |= {view for views, _ in sources for view in views}
            return [(base, None) for _, base in sources], reads
        if kind is Loop:
            reads.computed(number, variables(op.shape))
            return list(reads.found), reads
        loads, ops = Loads(), set[int]()
        for arg in op.args:
            index = variables(self.ops[arg].shape)
            reads = self._reads(index)
            reads.read(arg, index)
            loads, ops = [*loads, *reads.found], ops | reads.ops
        reads.ops = ops
        return loads, reads

    def _reads(self, index: Index) -> Reads:
        """Tells what is read in loops over the variables of an index. A reduction that would be
        repeated in them becomes a root on the way."""

        def stored(number: int, place: Index) -> bool:
            if number in self.roots or self.ops[number].primitive in LEAVES:
                return True
            if not self._repeats(number, place, index):
                return False
            self.roots.add(number)
            self._place(number)
            return True

        return Reads(self.graph, stored)

    def _repeats(self, number: int, place: Index, index: Index) -> bool:
        """Whether it is a reduction inside a loop that it does not depend on."""
        if not self.ops[number].primitive.reduces:
            return False
        names = [name for p in index for name in p.names()]
        used = {name for p in place for name in p.names()}
        return used != set(names[: len(used)])

    def _joined(self, number: int, loads: Loads, kernel: _Building) -> Index | None:
        """The index at which a root is computed inside a kernel; None where it is not.

        The invariant: at each entry of its domain a kernel computes one entry of each of its ops,
        and none needs of the others' entries any but those. Then it does not matter in which order
        entries are computed, nor by which thread. So a root joins if, of what the kernel computes,
        - it reads along each axis by a variable of its own: in no other direction, not in steps,
          not one entry for all;
        - by the same variable everywhere along an axis of the domain, and by no other: not an array
          as it is and transposed, and no outer product of an array with itself;
        - by all of its variables, which are as long as the domain's axes, so it begins where they
          do and needs no neighbour; and by nothing else: what it sums is not at hand.
        NumPy and sums into entries have no entry at hand. What depends on products of one entry
        is better off in loops of its own.
        """
        single = kernel.kind is Product and kernel.domain[-2:] == (1, 1)
        if single or kernel.kind in (ByNumpy, Scatter) or len(kernel.at) >= MOST:
            return None
        moved: dict[str, Affine] = {}
        for load, here in loads:
            for place, own in zip(kernel.at.get(load, ()), here or (), strict=False):
                if not place.names():
                    continue  # an axis of length 1
                factors = [factor for _, factor in own.terms]
                if factors != [1] or moved.setdefault(own.names()[0], place) != place:
                    return None
        shape = self.ops[number].shape
        lengths = dict(zip(variables(kernel.domain), kernel.domain, strict=True))
        for own, n in zip(variables(shape), shape, strict=True):
            if n != 1 and lengths.get(moved.get(own.names()[0], ZERO)) != n:
                return None
        if not len({*moved.values()}) == len(moved) == sum(n != 1 for n in shape):
            return None
        return tuple(place.renamed(moved) for place in variables(shape))

    # --- positions ---

    def _check(self, number: int) -> int:
        """Have an op's positions looked at that come of data; gives the position of the kernel that
        is the last to do so, NEVER where none is."""
        if number not in self.checked:
            looked = [self._look(number, one) for one in self.bounds[number]]
            self.checked[number] = max(looked, default=NEVER)
        return self.checked[number]

    def _look(self, number: int, bound: Operation) -> int:
        if all(self._constant(entry.number) for entry in entries(bound)):
            return NEVER  # it was looked at when it was traced
        if bound not in self.looks:
            reads = self._reads(())
            reads.of(bound)
            kernel = _Building(Check, (), number, {}, {number: [*reads.found]}, bound=bound)
            self.looks[bound] = kernel
            if any(load in self.home for load, _ in reads.found):
                self._append(kernel)
            else:
                self.first.append(kernel)
        return self.looks[bound].position

    def _constant(self, number: int) -> bool:
        op = self.ops[number]
        if op.primitive in LEAVES:
            return op.primitive is CONSTANT
        return all(map(self._constant, op.args))

    # --- where it goes ---

    def _commit(self) -> None:
        """Where a state would be overwritten while its old value is still read, or before it is
        known that nothing fails, write elsewhere and copy at the end."""
        readers = self._readers()
        fails = (k.position for k in self.kernels if k.kind in (Check, ByNumpy))
        known = max(fails, default=-1)
        for number, (kind, place) in list(self.targets.items()):
            home = self.home[number]
            if kind != "state":
                continue
            if home.position > known and not self._overwrites(number, readers[place]):
                continue
            copied, shape = len(self.ops), self.ops[number].shape
            copy = replace(self.ops[number], primitive=identity, args=(number,), params={})
            self.ops.append(copy)
            self.targets[copied] = self.targets.pop(number)
            at = variables(shape)
            kernel = _Building(Loop, shape, -1, {copied: at}, {copied: [(number, at)]})
            self.home[copied] = kernel
            self._append(kernel)

    def _readers(self) -> dict[int, list[tuple[_Building, int, Index | None]]]:
        """Of each state, who reads it, and which entry."""
        readers = defaultdict[int, list[tuple[_Building, int, Index | None]]](list)
        for kernel in [*self.first, *self.kernels]:
            for reader, loads in kernel.loads.items():
                for load, index in loads:
                    op = self.ops[load]
                    if op.primitive is STATE:
                        readers[op.params["place"]].append((kernel, reader, index))
        return readers

    def _overwrites(
        self, number: int, readers: Sequence[tuple[_Building, int, Index | None]]
    ) -> bool:
        """Whether the kernel of an op, if it wrote to a state, would spoil what others read of it:
        in a later kernel, or in the same one another entry than that at hand."""
        home = self.home[number]
        for kernel, reader, index in readers:
            if kernel.position > home.position:
                return True
            inside = kernel.inside(reader, index, self.ops[reader].shape)
            if kernel is home and inside != home.at[number]:
                return True
        return False

    def _stored(self, kernels: Sequence[_Building]) -> set[int]:
        """The ops that are read outside their kernel."""
        stored = set(self.graph.kept)
        for kernel in kernels:
            for loads in kernel.loads.values():
                stored |= {load for load, _ in loads if self.home.get(load, kernel) is not kernel}
        return stored

    def _finished(self, kernel: _Building, stored: set[int]) -> Kernel:
        """The kernel, with memory for what is read outside it."""
        stores = []
        for op, at in kernel.at.items():
            into = self.targets.get(op)
            if into is None and op in stored:
                into = ("buffer", op)
            stores.append(Stored(op, at, into))
        reads = dict[tuple[int, Index | None], None]()
        for reader, loads in kernel.loads.items():
            for load, index in loads:
                if load not in kernel.at:
                    reads[load, kernel.inside(reader, index, self.ops[reader].shape)] = None
        parts = kernel.domain, tuple(stores), tuple(reads)
        if kernel.kind is Loop:
            return Loop(*parts, kernel.nested)
        if kernel.kind is Check:
            return Check(*parts, kernel.anchor, kernel.bound)
        assert issubclass(kernel.kind, Anchored)
        return kernel.kind(*parts, kernel.anchor)
