"""Stage 2, from a graph to kernels: what is computed together, in one pass over memory.

A kernel is loops over a domain. It computes an anchor, if it has one (a matrix product, or sums
down the columns), and with it, entry by entry, what depends on that at the same entry: a bias, an
activation, the update of a parameter. What is not stored anywhere is computed where it is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from ..ops import same
from .expressions import MOVES, REDUCTIONS, Pull, adds, calls, compiles, mixes, source
from .places import ZERO, Index, Place, Shape
from .simplify import LEAVES, STATE, Graph, Op

Target = tuple[str, int]  # ("state", place), ("result", place) or ("buffer", op)

# What is pulled is pulled by recursion, and compilers take the square of a function's length:
DEEPEST = 40  # ops from one root to the next
MOST = 100  # roots in a kernel


@dataclass(frozen=True)
class Store:
    """An op's entry at `index`, given by the domain's variables, and where it is kept: None for
    what only its own kernel reads."""

    op: int
    index: Index
    target: Target | None = None


@dataclass(eq=False)
class Kernel:
    """kind: "loop", "matmul", "columns" (sums over all axes but some and the last), "scatter"
    (additions where arrays say), or "numpy"."""

    kind: str
    domain: Shape
    anchor: int | None = None
    stores: list[Store] = field(default_factory=list)
    reads: set[int] = field(default_factory=set)  # the ops whose memory it reads

    @property
    def index(self) -> Index:
        """The domain's variables, which `variables` names."""
        return variables(self.domain)


@dataclass(frozen=True)
class Plan:
    """The kernels in order, and the graph that they compute: with copies where a result or a
    state is another's value."""

    graph: Graph
    kernels: tuple[Kernel, ...]

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        for number, kernel in enumerate(self.kernels):
            anchor = "" if kernel.anchor is None else f" %{kernel.anchor}"
            yield f"kernel {number}: {kernel.kind}{anchor} over {list(kernel.domain)}"
            for store in kernel.stores:
                into = " ".join(map(str, store.target or ("nowhere",)))
                at, row = ", ".join(map(str, store.index)), self.graph.ops[store.op].row
                yield f"    %{store.op} {row.name}[{at}] -> {into}"


def variables(shape: Shape) -> Index:
    """A variable for each axis that is longer than 1."""
    return tuple(ZERO if n == 1 else Place.of(f"d{axis}") for axis, n in enumerate(shape))


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
        copied = ops[number].row in LEAVES or number in targets
        if copied:
            ops.append(replace(ops[number], row=same, args=(number,), params={}))
        targets[len(ops) - 1 if copied else number] = target
    return replace(graph, ops=tuple(ops)), targets


class _Planner:
    def __init__(self, graph: Graph, targets: dict[int, Target]) -> None:
        self.graph, self.targets = graph, targets
        self.ops = graph.ops
        self.users: list[list[int]] = [[] for _ in self.ops]
        for number, op in enumerate(self.ops):
            for arg in op.args:
                self.users[arg].append(number)
        self.roots = self._roots()
        self.home: dict[int, Kernel] = {}  # of a root: the kernel that computes it
        self.kernels: list[Kernel] = []
        self.position: dict[Kernel, int] = {}
        self.loads: dict[int, list[tuple[int, Index]]] = {}

    # --- what is stored ---

    def _roots(self) -> set[int]:
        """The ops that are kept in memory, or are computed by a loop of their own kind."""
        roots = {*self.targets, *self.graph.kept}
        for number, op in enumerate(self.ops):
            if not compiles(self.graph, op):
                roots |= {number, *(arg for arg in op.args if self.ops[arg].row not in LEAVES)}
            elif op.row.name == "matmul":
                roots |= {number, *(source(self.graph, arg) for arg in op.args)}
            elif self.is_columns(op) or adds(op):
                roots.add(number)
            elif op.row.name == "reshape":
                roots |= {source(self.graph, op.args[0])} if mixes(self.graph, op) else set()
        roots = {number for number in roots if self.ops[number].row not in LEAVES}
        return self._shared(roots)

    def is_columns(self, op: Op) -> bool:
        """Whether it is a reduction whose argument's last axis stays: then that is the axis to
        go along in vectors."""
        if op.row.name not in REDUCTIONS:
            return False
        shape = self.ops[op.args[0]].shape
        long = [axis for axis, n in enumerate(shape) if n > 1]
        return bool(long) and long[-1] not in op.params["axis"]

    def _shared(self, roots: set[int]) -> set[int]:
        """The roots, and what several roots would compute again, unless that is next to nothing."""
        roots = set(roots)
        wanted: list[set[int]] = [set() for _ in self.ops]
        for number in range(len(self.ops) - 1, -1, -1):
            op = self.ops[number]
            for user in self.users[number]:
                wanted[number] |= {user} if user in roots else wanted[user]
            if op.row in LEAVES or number in roots or len(wanted[number]) < 2:
                continue
            if not self._cheap(op, roots):
                roots.add(number)
        return self._shallow(roots)

    def _shallow(self, roots: set[int]) -> set[int]:
        """The roots, and as many more as it takes that none is far from the next."""
        depth = [0] * len(self.ops)
        for number, op in enumerate(self.ops):
            if op.row in LEAVES or number in roots:
                continue
            depth[number] = 1 + max((depth[arg] for arg in op.args), default=0)
            if depth[number] > DEEPEST:
                roots.add(number)
                depth[number] = 0
        return roots

    def _cheap(self, op: Op, roots: set[int]) -> bool:
        if op.row.name in MOVES:
            return True
        plain = isinstance(op.row.code, str) and not calls(op.row)
        return plain and all(self.ops[arg].row in LEAVES or arg in roots for arg in op.args)

    # --- which kernel computes it ---

    def plan(self) -> Plan:
        for number in range(len(self.ops)):
            if number in self.roots:
                self._place(number)
        self._commit()
        self._choose_targets()
        return Plan(replace(self.graph, ops=tuple(self.ops)), tuple(self.kernels))

    def _place(self, number: int) -> None:
        """Put a root into a kernel, after those that it depends on."""
        op, kind = self.ops[number], self._kind(self.ops[number])
        self.loads[number] = self._loads(number, kind)
        homes = [self.home[load] for load, _ in self.loads[number] if load in self.home]
        latest = max(homes, key=self.position.__getitem__, default=None)
        index = self._joins(number, latest) if latest and kind == "loop" else None
        if latest is None or index is None:
            latest = Kernel(kind, op.shape, None if kind == "loop" else number)
            index = latest.index
            self._append(latest)
        self.home[number] = latest
        latest.stores.append(Store(number, index))

    def _append(self, kernel: Kernel) -> None:
        self.position[kernel] = len(self.kernels)
        self.kernels.append(kernel)

    def _kind(self, op: Op) -> str:
        if not compiles(self.graph, op):
            return "numpy"
        if op.row.name == "matmul":
            return "matmul"
        if adds(op):
            return "scatter"
        return "columns" if self.is_columns(op) else "loop"

    def _loads(self, number: int, kind: str) -> list[tuple[int, Index]]:
        """The entries in memory that a root is computed from; of whole arrays, no entry."""
        args = self.ops[number].args
        if kind == "numpy":
            return [(arg, ()) for arg in args]
        if kind == "matmul":
            return [(source(self.graph, arg), ()) for arg in args]
        if kind == "scatter":
            return [
                load for arg in args for load in self._reads(arg, variables(self.ops[arg].shape))
            ]
        if kind == "columns":
            return self._reads(args[0], variables(self.ops[args[0]].shape))
        return self._reads(number)

    def _reads(self, number: int, index: Index | None = None) -> list[tuple[int, Index]]:
        """The entries in memory that one entry of a root is computed from (or that of any op at
        an index). A reduction that would be repeated becomes a root on the way."""
        computed = number if index is None else None
        index = variables(self.ops[number].shape) if index is None else index
        found: list[tuple[int, Index]] = []

        def load(other: int, place: Index) -> str | None:
            if other == computed:
                return None
            stored = other in self.roots or self.ops[other].row in LEAVES
            if not stored and not self._repeats(other, place, index):
                return None
            if not stored:
                self.roots.add(other)
                self._place(other)
            found.append((other, place))
            return "0"

        pull = Pull(self.graph, load)
        for place in index:
            for name in place.names():
                pull.open(name)
        pull.entry(number, index)
        return found

    def _repeats(self, number: int, place: Index, index: Index) -> bool:
        """Whether it is a reduction inside a loop that it does not depend on."""
        if self.ops[number].row.name not in REDUCTIONS:
            return False
        names = [name for p in index for name in p.names()]
        used = {name for p in place for name in p.names()}
        return used != set(names[: len(used)])

    def _joins(self, number: int, kernel: Kernel) -> Index | None:
        """The index at which a root is computed inside a kernel; None where it is not, because it
        needs entries of the kernel's results other than the one at hand."""
        single = kernel.kind == "matmul" and kernel.domain[-2:] == (1, 1)
        if single or kernel.kind in ("numpy", "scatter") or len(kernel.stores) >= MOST:
            return None
        at = {store.op: store.index for store in kernel.stores}
        inside = [(at[load], index) for load, index in self.loads[number] if load in at]
        moved: dict[str, Place] = {}
        for there, here in inside:
            for place, own in zip(there, here, strict=True):
                if own.const or len(own.terms) > 1 or any(n != 1 for _, n in own.terms):
                    return None
                if (own == ZERO) != (place == ZERO):
                    return None
                for name in own.names():
                    if moved.setdefault(name, place) != place:
                        return None
        shape = self.ops[number].shape
        index = variables(shape)
        lengths = dict(zip(kernel.index, kernel.domain, strict=True))
        if any(lengths.get(moved.get(f"d{axis}", ZERO), n) != n for axis, n in enumerate(shape)):
            return None
        names = {name for place in index for name in place.names()}
        whole = {name for place in kernel.index for name in place.names()}
        reached = {name for place in moved.values() for name in place.names()}
        if names != set(moved) or whole != reached or len(names) != len(whole):
            return None
        return tuple(place.renamed(moved) for place in index)

    # --- where it goes ---

    def _commit(self) -> None:
        """Where a state would be overwritten while its old value is still read, write elsewhere
        and copy at the end."""
        for number, (kind, place) in list(self.targets.items()):
            if kind != "state" or not self._overwrites(number, place):
                continue
            copied = len(self.ops)
            op = replace(self.ops[number], row=same, args=(number,), params={})
            self.ops = (*self.ops, op)
            self.targets[copied] = self.targets.pop(number)
            kernel = Kernel("loop", op.shape)
            kernel.stores.append(Store(copied, kernel.index))
            self.loads[copied], self.home[copied] = [(number, kernel.index)], kernel
            self._append(kernel)

    def _overwrites(self, number: int, state: int) -> bool:
        """Whether the kernel of an op, if it wrote to this state, would spoil what others read."""
        home = self.home[number]
        position = self.position[home]
        own = next(store.index for store in home.stores if store.op == number)
        for reader, loads in self.loads.items():
            after = self.position[self.home[reader]]
            for load, index in loads:
                op = self.ops[load]
                if op.row is not STATE or op.params["place"] != state or after < position:
                    continue
                if after > position or self._inside(reader, index) != own:
                    return True
        return False

    def _inside(self, reader: int, index: Index) -> Index | None:
        """An index that a root reads, by the variables of the kernel it is in."""
        home = self.home[reader]
        if home.kind != "loop" and home.anchor == reader:
            return None
        store = next(store for store in home.stores if store.op == reader)
        names = variables(self.ops[reader].shape)
        moved = {
            name: place
            for own, place in zip(names, store.index, strict=True)
            for name in own.names()
        }
        return tuple(place.renamed(moved) for place in index)

    def _choose_targets(self) -> None:
        """Give memory to what is read outside its kernel."""
        outside = set(self.graph.kept)
        for reader, loads in self.loads.items():
            home = self.home[reader]
            joined = home.anchor != reader or home.kind == "loop"
            for load, _ in loads:
                if load in self.home and not (joined and self.home[load] is home):
                    outside.add(load)
        for kernel in self.kernels:
            for i, store in enumerate(kernel.stores):
                into: Target | None = self.targets.get(store.op)
                if into is None and (store.op in outside or kernel.kind == "numpy"):
                    into = ("buffer", store.op)
                kernel.stores[i] = replace(store, target=into)
            ops = {store.op for store in kernel.stores} | {kernel.anchor}
            kernel.reads = {load for op in ops if op in self.loads for load, _ in self.loads[op]}
