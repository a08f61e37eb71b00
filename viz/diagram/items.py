"""The items that a picture shows: of a graph, of a traced program, of a compiled step, of a module.

An item is a leaf, a constant or an operation; it knows which earlier items it reads, in order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np

from autograd import Node, Tensor
from autograd.compiler.frontend.program import Assign, Program
from autograd.compiler.passes.simplify import CONSTANT, STATE
from autograd.nn import Module, Sequential
from autograd.nodes.walk import walk
from autograd.primitives.primitive import Primitive
from viz.text import amount

__all__ = [
    "Item",
    "Lowered",
    "ShapeDtype",
    "items_of_lowered",
    "items_of_module",
    "items_of_nodes",
    "items_of_program",
]


@dataclass(frozen=True)
class ShapeDtype:
    """An array that a program will compute: only its shape and dtype are known."""

    shape: tuple[int, ...]
    dtype: Any


@runtime_checkable
class Lowered(Protocol):
    """What a step's `lower()` gives, as far as a picture shows it. A protocol, so that drawing need
    not load the compiler."""

    @property
    def program(self) -> Program:
        """The traced step."""

    @property
    def plan(self) -> Any:
        """The graph of its operations, and the kernels that compute them."""

    @property
    def costs(self) -> Sequence[Any]:
        """What each function of the step computes and touches."""

    def measure(self) -> list[float]:
        """The seconds that each function takes, in the order of `costs`."""


@dataclass(slots=True)
class Item:
    """A leaf, a constant or an operation. `args` are the positions of the items it reads."""

    id: str
    data: Any = None  # a number, an array, ShapeDtype, or None
    args: tuple[int, ...] = ()
    primitive: Primitive | None = None
    params: dict[str, Any] = field(default_factory=dict)
    name: Any = None
    scope: tuple[str, ...] = ()
    kind: str = "result"  # or "leaf", "constant", "root"
    first_root: int = 0  # the number of the first root that needs it
    node: Any = None  # the Node that it is, if it is one
    lines: tuple[str, ...] = ()  # more text for its label


def _oldest_first(roots: Sequence[Any]) -> list[tuple[Any, int]]:
    """Every node that the roots were computed from, oldest first, and which root needs it first."""
    first: dict[Any, int] = {}
    for number, root in enumerate(roots):
        first.update(dict.fromkeys(walk([root], stop=first), number))
    # A leaf that was written has a new index; it still comes before what was computed from it.
    age: dict[Any, float] = {node: node.index for node in first}
    for node in first:
        for arg in node.args:
            if isinstance(arg, Node) and age[arg] >= node.index:
                age[arg] = node.index - 0.5
    return sorted(first.items(), key=lambda pair: age[pair[0]])


def items_of_nodes(roots: Sequence[Any]) -> list[Item]:
    """The graph behind some nodes. Node number i is n{i}; a number or an array that is the
    second argument of n5 is an item of its own, n5_2."""
    items: list[Item] = []
    positions: dict[Any, int] = {}
    named = set(roots)
    for number, (node, first_root) in enumerate(_oldest_first(roots), 1):
        name, args = f"n{number}", []
        for i, arg in enumerate(node.args, 1):
            if not isinstance(arg, Node):
                items.append(Item(f"{name}_{i}", arg, kind="constant", first_root=first_root))
                args.append(len(items) - 1)
            else:
                args.append(positions[arg])
        positions[node] = len(items)
        kind = "result" if node.primitive else "leaf" if node.requires_grad else "constant"
        items.append(
            Item(
                name, node.data, tuple(args), node.primitive,
                node.params if node.primitive else {}, node.name, node.scope,
                "root" if node in named and node.primitive else kind, first_root, node,
            )
        )  # fmt: skip
    return items


def items_of_program(program: Program) -> list[Item]:
    """A traced step: its inputs, states and constants, what it computes, what it assigns."""
    items: list[Item] = []
    positions: dict[int, int] = {}

    def add(slot: int, item: Item) -> None:
        positions[slot] = len(items)
        items.append(item)

    for i, slot in enumerate(program.inputs, 1):
        add(slot, Item(f"input{i}", name=f"input {i}", kind="constant"))
    names: dict[int, Any] = {}
    for i, (slot, tensor) in enumerate(program.states, 1):
        kind = "leaf" if tensor.requires_grad else "constant"
        names[slot] = tensor.name or f"state {i}"
        known = ShapeDtype(tensor.shape, tensor.dtype)
        add(slot, Item(f"state{i}", known, name=names[slot], kind=kind))
    for i, (slot, value) in enumerate(program.constants, 1):
        add(slot, Item(f"constant{i}", value, kind="constant"))
    for i, step in enumerate(program.steps, 1):
        if isinstance(step, Assign):
            source = positions[step.source]
            lines = (f"to {names[step.state]}",)
            scope = items[source].scope
            items.append(Item(f"n{i}", args=(source,), scope=scope, name="assign", lines=lines))
            continue
        read = tuple(positions[slot] for slot in step.args)
        data = ShapeDtype(step.shape, step.dtype)
        add(step.out, Item(f"n{i}", data, read, step.primitive, step.params, scope=step.scope))
    for slot in program.results:
        items[positions[slot]].kind = "root"
    return items


def items_of_lowered(lowered: Lowered) -> list[Item]:
    """A compiled step: its operations by the kernels that compute them, each with its time on this
    machine, its arithmetic and the bytes that it touches."""
    graph, kernel_of = lowered.plan.graph, _kernel_of_each(lowered)
    names = [tensor.name or f"state {i}" for i, (_, tensor) in enumerate(lowered.program.states, 1)]
    titles = ["", *_costs(lowered)]
    items: list[Item] = []
    positions: dict[int, int] = {}
    writes: dict[int, list[str]] = {}
    for state, number in graph.writes:
        writes.setdefault(number, []).append(names[state])
    for number in sorted(range(len(graph.ops)), key=lambda n: (kernel_of[n], n)):
        op = graph.ops[number]
        data: Any = ShapeDtype(op.shape, op.dtype)
        scope = tuple(filter(None, [titles[kernel_of[number] + 1]]))
        positions[number] = len(items)
        if op.args:
            args = tuple(positions[arg] for arg in op.args)
            lines = tuple(f"to {name}" for name in writes.get(number, ()))
            kind = "root" if number in graph.results else "result"
            item = Item(f"n{number}", data, args, op.primitive, op.params, scope=scope, kind=kind)
            item.lines = lines
        elif op.primitive is CONSTANT:
            item = Item(f"n{number}", op.params["value"], kind="constant")
        else:
            place = op.params["place"]
            name = names[place] if op.primitive is STATE else f"input {place + 1}"
            kind = "leaf" if op.primitive is STATE else "constant"
            item = Item(f"n{number}", data, name=name, kind=kind)
        items.append(item)
    return items


def _kernel_of_each(lowered: Lowered) -> list[int]:
    """The number of the first kernel that computes each operation; -1 for inputs and constants."""
    first: dict[int, int] = {}
    for cost in lowered.costs:
        for number in cost.ops:
            first.setdefault(number, cost.kernel)
    kernel_of: list[int] = []
    for number, op in enumerate(lowered.plan.graph.ops):
        # A view that no kernel makes stands with the array that it is a view of.
        kernel_of.append(first.get(number, max((kernel_of[arg] for arg in op.args), default=-1)))
    return kernel_of


def _costs(lowered: Lowered) -> list[str]:
    """A line for each kernel: what it does and costs, with what is packed for it."""
    from autograd.compiler.runtime.build import BuildError

    try:
        seconds = lowered.measure()
    except BuildError:  # without a C compiler the rest is known all the same
        seconds = []
    said = []
    for number, kernel in enumerate(lowered.plan.kernels):
        own = [i for i, cost in enumerate(lowered.costs) if cost.kernel == number]
        flops = sum(lowered.costs[i].flops for i in own)
        size = sum(lowered.costs[i].bytes for i in own)
        time = f"{1e6 * sum(seconds[i] for i in own):.1f} us, " if seconds else ""
        said.append(f"kernel {number}, {kernel.kind}: {time}{amount(flops)}flop, {amount(size)}B")
    return said


def items_of_module(module: Module) -> list[Item]:
    """A module's layers: each module that holds Tensors, or no module, once, in the order in which
    they were set. Neighbours in a Sequential are joined by an arrow."""
    items: list[Item] = []
    for path, part, follows in _layers(module):
        own = [(name, t) for name, t in vars(part).items() if isinstance(t, Tensor)]
        name = f"{path} {getattr(part, 'name', type(part).__name__)}".strip()
        items.append(
            Item(
                f"n{len(items) + 1}",
                args=(len(items) - 1,) if follows else (),
                name=name,
                scope=(type(module).__name__, *path.split(".")[:-1]),
                node=part,
                lines=tuple(f"{name} {kind_of(tensor.data)}" for name, tensor in own),
            )
        )
    return items


def _layers(module: Module) -> Iterator[tuple[str, Module, bool]]:
    """The layers by path, and whether each takes the result of the one before it."""
    seen: set[int] = set()
    stack: list[tuple[str, Any, Any]] = [("", module, None)]
    before: Any = None  # the Sequential that the last layer stood in
    while stack:
        path, part, parent = stack.pop()
        values = part if isinstance(part, list | tuple | dict) else vars(part)
        pairs = values.items() if isinstance(values, dict) else enumerate(values)
        prefix = f"{path}." if path else ""
        inside = [
            (f"{prefix}{key}", value, part)
            for key, value in pairs
            if isinstance(value, Module | list | tuple | dict) and str(key)[:1] != "_"
        ]
        stack += reversed(inside)
        if not isinstance(part, Module) or id(part) in seen:
            continue
        seen.add(id(part))
        leaf = not any(isinstance(value, Module) for _, value, _ in inside)
        if leaf or any(isinstance(value, Tensor) for value in vars(part).values()):
            yield path, part, leaf and isinstance(parent, Sequential) and parent is before
            before = parent if leaf else None
        else:
            before = None


def kind_of(data: Any) -> str:
    """dtype and shape of an array.

    >>> kind_of(np.zeros((2, 3)))
    'float64 (2, 3)'
    """
    return f"{data.dtype} {tuple(data.shape)}"


def shape_of(data: Any) -> tuple[int, ...]:
    """The shape of what an item holds; of a number ()."""
    return data.shape if isinstance(data, np.ndarray | ShapeDtype) else ()
