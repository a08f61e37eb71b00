"""Which ops are materialized: computed once, while all others are computed where they are used.

An op is materialized if it is an output of the step; if loops of its own kind compute it (a matrix
product, a reduction of columns, a scatter), or NumPy does; if such loops, or a reshape without
strides, read it; if it says at which positions others read; or if several materialized ops need it,
or one needs many of its entries for each of its own, and it is not cheap to compute again. plan.py
puts each materialized op into a kernel, and finds a few more on the way: reductions that a loop
would repeat.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ...primitives.expressions import Op as Operation
from ...primitives.expressions import variables, walk
from .entries import (
    definition,
    entries,
    is_column_reduction,
    is_scatter,
    only_indexes,
    view_base,
    view_of,
)
from .nest import FUNCTION_NAMES
from .simplify import LEAVES, Graph

# Entries are computed by recursion, and C compilers take the square of a function's length.
MAX_DEPTH = 40  # ops on a path from one materialized op to the next
# Entries of an op that one entry of another is made of, without a loop: a minimum of neighbours is
# made of five. Computed again for each, three such, one of the other, take 125 times the work.
MAX_PLACES = 3


def materialize(
    graph: Graph,
    outputs: Collection[int],
    compiled: Sequence[bool],
    bounds: Sequence[Sequence[Operation]],
) -> set[int]:
    """The ops of a graph that are materialized; no leaves, which lie in memory already.

    compiled, bounds: of each op, whether there are loops for it, and its positions that come of
    data.
    """
    chosen = {*outputs, *graph.kept}
    for number, op in enumerate(graph.ops):
        if not compiled[number]:
            chosen |= {number, *op.args}
        elif op.primitive.product:
            chosen |= {number, *(view_base(graph, arg) for arg in op.args)}
        elif is_column_reduction(graph, op) or is_scatter(op):
            chosen.add(number)
        elif _is_strideless_view(graph, number):
            chosen.add(view_base(graph, op.args[0]))
        chosen |= _index_ops(graph, bounds[number])
    chosen = {number for number in chosen if graph.ops[number].primitive not in LEAVES}
    return _with_deep(graph, _with_shared(graph, chosen))


def _is_strideless_view(graph: Graph, number: int) -> bool:
    """Whether an op is a view that no strides give: a reshape that does more than add or drop axes
    of length 1."""
    op = graph.ops[number]
    if len(op.args) != 1 or not only_indexes(graph, number):
        return False
    return view_of(graph, number, variables(op.shape)) is None


def _index_ops(graph: Graph, bounds: Sequence[Operation]) -> set[int]:
    """The ops whose entries are positions: each is read twice, by the check of its range and by
    who uses it. Leaves and their views lie in memory already."""
    numbers = (entry.number for bound in bounds for entry in entries(bound))
    return {number for number in numbers if not _is_leaf_view(graph, number)}


def _is_leaf_view(graph: Graph, number: int) -> bool:
    op = graph.ops[number]
    return op.primitive in LEAVES or (
        len(op.args) == 1 and not op.primitive.reduces and _is_leaf_view(graph, op.args[0])
    )


def _with_shared(graph: Graph, chosen: set[int]) -> set[int]:
    """The chosen ops, and those that would be computed again, for several of them or at many
    places for one, unless that is cheap."""
    # By which chosen op each is needed, and by way of which ops that read other entries: a hash.
    needed: list[set[tuple[int, int]]] = [set() for _ in graph.ops]
    for number in range(len(graph.ops) - 1, -1, -1):
        op, places = graph.ops[number], needed[number]
        again = len(places) > MAX_PLACES or len({root for root, _ in places}) > 1
        fused = op.primitive not in LEAVES and number not in chosen
        if fused and again and not _is_cheap(graph, number, chosen):
            chosen.add(number)
        if number in chosen:
            places = {(number, 0)}
        elif op.primitive.entry:
            places = {(root, hash((way, number))) for root, way in places}
        for arg in op.args:
            needed[arg] |= places
    return chosen


def _with_deep(graph: Graph, chosen: set[int]) -> set[int]:
    """The chosen ops, and as many more as it takes that no path between two is too long."""
    depth = [0] * len(graph.ops)
    for number, op in enumerate(graph.ops):
        if op.primitive in LEAVES or number in chosen:
            continue
        depth[number] = 1 + max((depth[arg] for arg in op.args), default=0)
        if depth[number] > MAX_DEPTH:
            chosen.add(number)
            depth[number] = 0
    return chosen


def _is_cheap(graph: Graph, number: int, chosen: set[int]) -> bool:
    """Whether an op is cheap to compute again: it moves entries, or does a little arithmetic on
    what lies in memory."""
    op = graph.ops[number]
    if only_indexes(graph, number):
        return True
    if op.primitive.code is None or not all(
        graph.ops[arg].primitive in LEAVES or arg in chosen for arg in op.args
    ):
        return False
    expr = definition(graph, number, variables(op.shape))
    return expr is not None and not any(
        getattr(part, "name", "") in FUNCTION_NAMES for part in walk(expr)
    )
