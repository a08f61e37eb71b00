"""Which materialized op is computed in which kernel.

Materialized ops (materialize.py) are scheduled in the order of the graph: each joins the kernel
that computes the latest of its arguments, if it may (`_Planner._joined_index` says when), or begins
a new one. Positions that come of data get kernels that check their range, and a state that may not
be overwritten yet is written elsewhere and copied at the end.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ...ops import identity
from ...primitives.expressions import ZERO, Affine, Index, Shape, variables
from ...primitives.expressions import Op as Operation
from .entries import (
    Reads,
    bounds,
    compiles,
    entries,
    is_column_reduction,
    is_scatter,
    view_chain,
)
from .kernels import (
    ByNumpy,
    Check,
    Collective,
    ColumnReduction,
    Kernel,
    Loop,
    Materialized,
    OpKernel,
    Plan,
    Product,
    Scatter,
    Target,
)
from .materialize import materialize
from .simplify import CONSTANT, LEAVES, STATE, Graph

MAX_FUSED = 100  # ops in a kernel: C compilers take the square of a function's length

# The order of a kernel is its number, but -1 of checks that need nothing which the step computes:
# they are done before all others. Positions of constants need no check.
BEFORE_ALL, UNCHECKED = -1, -2

Loads = list[tuple[int, Index | None]]  # ops and the entry that is read, None for whole arrays


def plan(graph: Graph) -> Plan:
    """Group the ops of a graph into kernels."""
    graph, targets = _targets(graph)
    return _Planner(graph, targets).plan()


def _targets(graph: Graph) -> tuple[Graph, dict[int, Target]]:
    """Where each output is written. A leaf, or what is an output already, gets a copy."""
    ops, targets = list(graph.ops), dict[int, Target]()
    outputs = [(op, ("state", state)) for state, op in graph.writes]
    outputs += [(op, ("result", result)) for result, op in enumerate(graph.results)]
    for number, target in outputs:
        copied = ops[number].primitive in LEAVES or number in targets
        if copied:
            ops.append(replace(ops[number], primitive=identity, args=(number,), params={}))
        targets[len(ops) - 1 if copied else number] = target
    return replace(graph, ops=tuple(ops)), targets


@dataclass(eq=False)
class _KernelBuilder:
    """A kernel as it grows. indices: of each op that it computes, the entry that an iteration
    computes, in the domain's variables. loads: what each op reads, in the op's own variables."""

    kind: type[Kernel]
    domain: Shape
    op: int = -1
    indices: dict[int, Index] = field(default_factory=dict)
    loads: dict[int, Loads] = field(default_factory=dict)
    inner_loops: bool = False
    bound: Operation | None = None
    order: int = BEFORE_ALL

    def in_domain(self, reader: int, index: Index | None, shape: Shape) -> Index | None:
        """An index in a reader's variables, in those of the domain. None where the reader has loops
        of its own, which go over the whole array."""
        if reader == self.op or index is None or self.kind is Collective:
            return None
        pairs = zip(variables(shape), self.indices[reader], strict=True)
        renamed = {name: position for own, position in pairs for name in own.names()}
        return tuple(position.renamed(renamed) for position in index)


class _Planner:
    def __init__(self, graph: Graph, targets: dict[int, Target]) -> None:
        self.graph, self.targets = graph, targets
        self.ops = list(graph.ops)
        numbers = range(len(self.ops))
        self.compiled = [compiles(graph, number) for number in numbers]
        self.bounds = [bounds(graph, n) if self.compiled[n] else [] for n in numbers]
        self.materialized = materialize(graph, targets, self.compiled, self.bounds)
        self.kernel_of: dict[int, _KernelBuilder] = {}  # a materialized op
        self.kernels: list[_KernelBuilder] = []
        self.first: list[_KernelBuilder] = []  # checks that come before all kernels
        self.check_of: dict[Operation, _KernelBuilder] = {}  # a position and its bound
        self.checked: dict[int, int] = {}  # of an op: the order of its last check

    def plan(self) -> Plan:
        for number in range(len(self.ops)):
            if number in self.materialized:
                self._schedule(number)
        self._defer_writes()
        kernels = [*self.first, *self.kernels]
        live = self._live_out(kernels)
        return Plan(
            replace(self.graph, ops=tuple(self.ops)),
            tuple(self._built(kernel, live) for kernel in kernels),
            frozenset(op for op, order in self.checked.items() if order != UNCHECKED),
        )

    # --- which kernel computes an op ---

    def _schedule(self, number: int) -> None:
        """Put a materialized op into a kernel, after those that it depends on."""
        op, kind = self.ops[number], self._kind(number)
        loads, reads = self._loads(number, kind)
        checks = [self._last_check(each) for each in sorted(reads.ops | {number})]
        producers = [self.kernel_of[load] for load, _ in loads if load in self.kernel_of]
        kernel = max(producers, key=lambda producer: producer.order, default=None)
        if kind is Collective and self._is_computed_with_last(number, producers, max(checks)):
            self._add(number, self.kernels[-1], variables(op.shape), loads)
            return
        new = kernel is None or kernel.order < max(checks) or kind is not Loop
        index = None if new or kernel is None else self._joined_index(number, loads, kernel)
        if kernel is None or index is None:
            kernel = _KernelBuilder(kind, op.shape, -1 if kind is Loop else number)
            index = variables(op.shape)
            self._append(kernel)
        self._add(number, kernel, index, loads)
        kernel.inner_loops |= reads.inner_loops

    def _add(self, number: int, kernel: _KernelBuilder, index: Index, loads: Loads) -> None:
        self.kernel_of[number] = kernel
        kernel.indices[number], kernel.loads[number] = index, loads

    def _is_computed_with_last(
        self, number: int, producers: Sequence[_KernelBuilder], check: int
    ) -> bool:
        """Whether a collective op may be computed in one call with those of the last kernel, on
        which it does not depend. check: the order of the last check that it depends on."""
        last = self.kernels[-1] if self.kernels else None
        if last is None or last.kind is not Collective or last in producers or check > last.order:
            return False
        one, other = self.ops[number], self.ops[last.op]
        same = one.primitive is other.primitive and one.dtype == other.dtype
        return same and not one.params and not other.params

    def _append(self, kernel: _KernelBuilder) -> None:
        kernel.order = len(self.kernels)
        self.kernels.append(kernel)

    def _kind(self, number: int) -> type[Kernel]:
        op = self.ops[number]
        if not self.compiled[number]:
            together = op.primitive.collective and number not in self.targets
            return Collective if together else ByNumpy
        if op.primitive.product:
            return Product
        if is_scatter(op):
            return Scatter
        return ColumnReduction if is_column_reduction(self.graph, op) else Loop

    def _loads(self, number: int, kind: type[Kernel]) -> tuple[Loads, Reads]:
        """What a materialized op reads from memory, and how its arguments are computed of that."""
        op, reads = self.ops[number], self._reads(variables(self.ops[number].shape))
        if kind is Product:
            chains = [view_chain(self.graph, arg) for arg in op.args]
            reads.ops |= {view for views, _ in chains for view in views}
            return [(base, None) for _, base in chains], reads
        if kind is Loop:
            reads.add_arguments(number, variables(op.shape))
            return list(reads.found), reads
        loads, ops = Loads(), set[int]()
        for arg in op.args:
            index = variables(self.ops[arg].shape)
            reads = self._reads(index)
            reads.add(arg, index)
            loads, ops = [*loads, *reads.found], ops | reads.ops
        reads.ops = ops
        return loads, reads

    def _reads(self, loops: Index) -> Reads:
        """Finds what is read in loops over the variables of an index. A reduction that they would
        repeat is materialized on the way."""

        def stored(number: int, index: Index) -> bool:
            if number in self.materialized or self.ops[number].primitive in LEAVES:
                return True
            if not self._is_repeated(number, index, loops):
                return False
            self.materialized.add(number)
            self._schedule(number)
            return True

        return Reads(self.graph, stored)

    def _is_repeated(self, number: int, index: Index, loops: Index) -> bool:
        """Whether loops would compute an entry of a reduction again and again. Once is enough if it
        depends on the outermost loops and no others: it is computed before the others begin."""
        if not self.ops[number].primitive.reduces:
            return False
        names = [name for position in loops for name in position.names()]
        used = {name for position in index for name in position.names()}
        return used != set(names[: len(used)])

    def _joined_index(self, number: int, loads: Loads, kernel: _KernelBuilder) -> Index | None:
        """The entry of an op that an iteration of a kernel may compute; None if it may not join.

        The invariant of a kernel: an iteration over its domain computes one entry of each of its
        ops and, of what the kernel computes, reads these entries and no others. So iterations may
        be done in any order and by any thread, and what only they read stays in registers.

        An op joins if, by its reads of what the kernel computes, each of its variables stands for
        one of the domain's:
        - Each axis is read at one variable, perhaps plus a constant: not backwards, not in steps,
          not at the same entry by all.
        - A variable stands for the same one in all reads: not an array beside its transpose.
        - No two variables stand for the same one: not an outer product of an array with itself.
        - A variable runs as far as the one it stands for. So a constant added to it is 0: an array
          without its first entry is shorter.
        - No other variables are read at: a sum needs entries of other iterations.
        NumPy and a scatter finish no entry before the last iteration, so nothing joins them. What
        depends on a product of single entries is faster in loops of its own.
        """
        single = kernel.kind is Product and kernel.domain[-2:] == (1, 1)
        if single or issubclass(kernel.kind, ByNumpy | Scatter) or len(kernel.indices) >= MAX_FUSED:
            return None
        stands_for: dict[str, Affine] = {}
        for load, read in loads:
            for position, own in zip(kernel.indices.get(load, ()), read or (), strict=False):
                if not position.names():
                    continue  # an axis of length 1
                factors = [factor for _, factor in own.terms]
                if factors != [1] or stands_for.setdefault(own.names()[0], position) != position:
                    return None
        shape = self.ops[number].shape
        lengths = dict(zip(variables(kernel.domain), kernel.domain, strict=True))
        for own, n in zip(variables(shape), shape, strict=True):
            if n != 1 and lengths.get(stands_for.get(own.names()[0], ZERO)) != n:
                return None
        if not len({*stands_for.values()}) == len(stands_for) == sum(n != 1 for n in shape):
            return None
        return tuple(position.renamed(stands_for) for position in variables(shape))

    # --- checks of positions ---

    def _last_check(self, number: int) -> int:
        """Have the positions of an op checked that come of data. Gives the order of the last kernel
        that does, or UNCHECKED."""
        if number not in self.checked:
            orders = [self._check(number, bound) for bound in self.bounds[number]]
            self.checked[number] = max(orders, default=UNCHECKED)
        return self.checked[number]

    def _check(self, number: int, bound: Operation) -> int:
        if all(self._is_constant(entry.number) for entry in entries(bound)):
            return UNCHECKED  # the trace has checked it
        if bound not in self.check_of:
            reads = self._reads(())
            reads.add_expression(bound)
            kernel = _KernelBuilder(Check, (), number, {}, {number: [*reads.found]}, bound=bound)
            self.check_of[bound] = kernel
            if any(load in self.kernel_of for load, _ in reads.found):
                self._append(kernel)
            else:
                self.first.append(kernel)
        return self.check_of[bound].order

    def _is_constant(self, number: int) -> bool:
        op = self.ops[number]
        if op.primitive in LEAVES:
            return op.primitive is CONSTANT
        return all(map(self._is_constant, op.args))

    # --- where an op is written ---

    def _defer_writes(self) -> None:
        """Write a state elsewhere, and copy it at the end, where its old value is read later, or
        where a later check or NumPy may still end the step."""
        readers = self._readers()
        may_fail = (k.order for k in self.kernels if issubclass(k.kind, Check | ByNumpy))
        last = max(may_fail, default=BEFORE_ALL)
        for number, (kind, state) in list(self.targets.items()):
            kernel = self.kernel_of[number]
            if kind != "state":
                continue
            if kernel.order > last and not self._clobbers(number, readers[state]):
                continue
            copied, shape = len(self.ops), self.ops[number].shape
            op = replace(self.ops[number], primitive=identity, args=(number,), params={})
            self.ops.append(op)
            self.targets[copied] = self.targets.pop(number)
            index = variables(shape)
            copy = _KernelBuilder(Loop, shape, -1, {copied: index}, {copied: [(number, index)]})
            self.kernel_of[copied] = copy
            self._append(copy)

    def _readers(self) -> dict[int, list[tuple[_KernelBuilder, int, Index | None]]]:
        """Of each state: the kernels and ops that read it, and which entry."""
        readers = defaultdict[int, list[tuple[_KernelBuilder, int, Index | None]]](list)
        for kernel in [*self.first, *self.kernels]:
            for reader, loads in kernel.loads.items():
                for load, index in loads:
                    op = self.ops[load]
                    if op.primitive is STATE:
                        readers[op.params["place"]].append((kernel, reader, index))
        return readers

    def _clobbers(
        self, number: int, readers: Sequence[tuple[_KernelBuilder, int, Index | None]]
    ) -> bool:
        """Whether the kernel of an op, if it overwrote a state, would change what these read of it:
        later kernels, or its own iterations, if they read another entry than they write."""
        writer = self.kernel_of[number]
        for kernel, reader, index in readers:
            if kernel.order > writer.order:
                return True
            read = kernel.in_domain(reader, index, self.ops[reader].shape)
            if kernel is writer and read != writer.indices[number]:
                return True
        return False

    def _live_out(self, kernels: Sequence[_KernelBuilder]) -> set[int]:
        """The ops that are read outside the kernel that computes them."""
        live = set(self.graph.kept)
        for kernel in kernels:
            for loads in kernel.loads.values():
                live |= {op for op, _ in loads if self.kernel_of.get(op, kernel) is not kernel}
        return live

    def _built(self, kernel: _KernelBuilder, live: set[int]) -> Kernel:
        """The kernel, with scratch memory for the ops that live on after it."""
        computed = []
        for op, at in kernel.indices.items():
            target = self.targets.get(op)
            if target is None and op in live:
                target = ("scratch", op)
            computed.append(Materialized(op, at, target))
        reads = dict[tuple[int, Index | None], None]()
        for reader, loads in kernel.loads.items():
            for load, index in loads:
                if load not in kernel.indices:
                    shape = self.ops[reader].shape
                    reads[load, kernel.in_domain(reader, index, shape)] = None
        parts = kernel.domain, tuple(computed), tuple(reads)
        if kernel.kind is Loop:
            return Loop(*parts, kernel.inner_loops)
        if kernel.kind is Check:
            return Check(*parts, kernel.op, kernel.bound)
        assert issubclass(kernel.kind, OpKernel)
        return kernel.kind(*parts, kernel.op)
