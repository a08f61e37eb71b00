"""The graph: what a node is, how an operation makes one, and the reverse sweep that differentiates.

An operation on nodes computes its result at once and leaves behind a node that remembers the
primitive of the table (ops.py) and the arguments it came from. `gradients` walks from a root back
to the nodes asked for, newest first, and calls the primitives' rules; it knows no rule by name.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from operator import attrgetter
from typing import Any, ClassVar, TypeVar
from weakref import finalize

import numpy as np

from .modes.mode import mode, set_mode, special, transformed
from .primitives.memory import cache_aligned, snapshot
from .primitives.primitive import Primitive

N = TypeVar("N", bound="Node")

# Creation order is a topological order: an operation is always younger than its arguments.
counter = itertools.count(1)
by_index = attrgetter("index")


def _optional(slot: str, default: Any, doc: str) -> Any:
    """A property over a slot that most nodes never write. (A `__getattr__` with the default would
    turn off CPython's fast path for all other slots.)"""

    def read(node: Any) -> Any:
        try:
            return getattr(node, slot)
        except AttributeError:
            return default

    return property(read, lambda node, value: setattr(node, slot, value), doc=doc)


class Node:
    """A value in the graph: a leaf, or the result of applying a primitive to arguments.

    `args` is ordered and may hold a node twice: `x * x` has two edges. `index` grows with every
    node made and every write to a leaf, so a node that is older than one of its arguments is stale.
    An operation writes only the slots it needs.

    >>> from autograd import Value
    >>> x = Value(3.0)
    >>> y = x * x
    >>> y.primitive, y.args == (x, x), y.requires_grad
    (<primitive mul>, True, True)
    """

    __slots__ = (
        "__weakref__",
        "_data",
        "_grad",
        "_name",
        "_params",
        "_scope",
        "args",
        "index",
        "primitive",
        "requires_grad",
    )
    _data: Any
    primitive: Primitive | None
    args: tuple[Any, ...]
    index: int
    requires_grad: bool
    _params: dict[str, Any]
    _scope: tuple[str, ...]
    params: Any = _optional("_params", {}, "The keywords that the primitive was called with.")
    grad: Any = _optional("_grad", None, "The gradient that `backward()` has added up in a leaf.")
    name: Any = _optional("_name", None, "The name that the user gave it.")
    scope: Any = _optional("_scope", (), "The path of the module that made it.")

    def backward(self, seed: Any = None, create_graph: bool = False) -> None:
        """Add the gradient of this node into `.grad` of every leaf it depends on.

        seed: the cotangent to start from, of this node's shape; 1 for a scalar.
        create_graph: make gradients that can be differentiated again; within grad and its kind they
        always can be.
        Raises ValueError for a non-scalar without a seed, RuntimeError for a stale graph and where
        nothing requires a gradient.
        """
        for leaf, cotangent in self._leaf_cotangents(seed, create_graph or transformed()):
            leaf._accumulate(cotangent)

    def _leaf_cotangents(self, seed: Any, create_graph: bool) -> Iterable[tuple[Node, Any]]:
        nodes = ancestors(self)
        found = sweep(nodes, self._seed(seed, create_graph), create_graph)
        return ((leaf, found[leaf]) for leaf in reversed(nodes) if leaf in found)

    def hook(self, function: Callable[[Any], Any]) -> Callable[[], None]:
        """Call `function(gradient)` whenever a sweep has computed this node's whole gradient.

        If it returns something, that replaces the gradient. Gives a function that removes the hook.

        >>> from autograd import Value
        >>> x = Value(3.0); y = x * x; z = y * 2
        >>> remove = y.hook(lambda gradient: print("dz/dy =", gradient))
        >>> z.backward()
        dz/dy = 2.0
        """
        (hooks.get(id(self)) or remember(hooks, self, [])).append(function)

        def remove() -> None:
            hooks[id(self)].remove(function)
            if not hooks[id(self)]:
                del hooks[id(self)]  # without hooks, Values use their fast sweep again

        return remove

    def __reduce__(self) -> Any:
        """For pickle and copy: a leaf with its gradient and hooks, in memory of its own. The copy
        gets a new index: this one means nothing in another process."""
        if mode.trace:
            raise mode.trace.error(
                "to copy or pickle a Tensor reads it, which the trace cannot see"
            )
        inner = self.primitive is not None and (self.primitive is not VIEW or mode.transforms)
        if inner and self.requires_grad:
            raise RuntimeError(
                f"pickle, copy: the result of {self.primitive and self.primitive.name} is part of "
                "a graph, which stays where it was computed; take its .detach(), or its .data"
            )
        slots = {"requires_grad": self.requires_grad, "_name": self.name, "_grad": self.grad}
        return _leaf, (type(self), self._data, slots, list(hooks.get(id(self), ())))

    # What Value and Tensor implement:
    def _seed(self, seed: Any, create_graph: bool) -> Any:
        """The cotangent to start from, checked."""
        raise NotImplementedError

    def _fit(self, cotangent: Any) -> Any:
        """A rule's answer for this node, un-broadcast to its shape and in its dtype."""
        raise NotImplementedError

    def _wrap(self, cotangent: Any) -> Any:
        """A finished cotangent as a user sees it."""
        raise NotImplementedError

    def _zero(self, create_graph: bool) -> Any:
        """The gradient by this node, as a user sees it, of a root that does not depend on it."""
        raise NotImplementedError

    def _accumulate(self, cotangent: Any) -> None:
        """Add a cotangent into this leaf's `.grad`."""
        raise NotImplementedError

    # How to call a rule of floats, which raise where IEEE arithmetic does not; None for arrays.
    _apply_rule: ClassVar[Callable[..., Any] | None] = None


hooks: dict[int, list[Callable[[Any], Any]]] = {}  # by the node's id


def remember(memory: dict[int, Any], node: Node, what: Any) -> Any:
    """Keep something under a node's id for as long as the node lives. (A weak dictionary compares
    its keys by `==`, which on Tensors compares entries.)"""
    memory[id(node)] = what
    finalize(node, memory.pop, id(node), None).atexit = False
    return what


def _leaf(cls: type[N], data: Any, slots: dict[str, Any], functions: list[Any]) -> N:
    """The leaf that `Node.__reduce__` took apart."""
    node: N = cls(cache_aligned(data) if isinstance(data, np.ndarray) else data)  # type: ignore[call-arg]
    for name, value in slots.items():
        setattr(node, name, value)
    if functions:
        remember(hooks, node, functions)
    return node


class Wrapper:
    """Something around nodes or arrays that records operations itself: a batch (batching.py)."""

    __slots__ = ()

    @classmethod
    def _record(cls, prim: Primitive, args: tuple[Any, ...], params: dict[str, Any]) -> Any:
        raise NotImplementedError


def made(
    cls: type[N], data: Any, prim: Primitive, args: tuple[Any, ...], params: dict[str, Any]
) -> N:
    """The node of an operation that has been computed.

    It keeps its arguments if one of them requires a gradient or a trace records the operation;
    otherwise it is a leaf that requires no gradient.
    """
    node = object.__new__(cls)
    node._data = data
    node.index = next(counter)
    node.requires_grad = False
    for i, arg in enumerate(args):
        if isinstance(arg, Node) and arg.requires_grad and prim.rule(i) is not None:
            flows = data.__class__ is float or data.dtype.kind == "f"  # none through integers
            node.requires_grad = flows and (mode.gradients if special else True)
            break
    traced = special and mode.trace
    if node.requires_grad or traced:
        node.primitive, node.args = prim, args if traced else tuple(map(snapshot, args))
        node._params = params
        scope = mode.scope
        if scope:
            node._scope = scope
    else:
        node.primitive, node.args = None, ()
    if special and mode.watch:
        mode.watch.made(node, prim, args, params)
    return node


# The primitive of a leaf that shows another leaf's memory, which is its argument. No gradient flows
# there, but a write to the other leaf makes what was computed from the view stale.
VIEW = Primitive("view", "a leaf in another leaf's memory", np.asarray, (None,))


def gradients(
    root: Node, wrt: Sequence[Node], seed: Any = None, create_graph: bool = False
) -> list[Any]:
    """The gradient of `root` by each node of `wrt`, leaf or not; `.grad` stays as it is.

    seed: the cotangent of root (its shape); 1 where root is a scalar.
    create_graph: the answers are nodes that can be differentiated again; within grad and its kind
    they always are.
    Gives Tensors of each node's shape and dtype for Tensors, and floats for Values (Values with
    create_graph); zero if root does not depend on a node. Raises as `Node.backward` does, and
    ValueError for a node that does not require a gradient.

    >>> from autograd import Value, gradients
    >>> x = Value(3.0)
    >>> (first,) = gradients(x * x * x, [x], create_graph=True)
    >>> first.data, gradients(first, [x])
    (27.0, [18.0])
    """
    for node in wrt:
        if not isinstance(node, Node) or not node.requires_grad:
            raise ValueError(f"gradients: {node!r} does not require a gradient")
    create_graph = create_graph or transformed()
    found = pullback(root, wrt, root._seed(seed, create_graph), create_graph)
    return [node._wrap(found[node]) if node in found else node._zero(create_graph) for node in wrt]


def pullback(root: Node, wrt: Sequence[Node], seed: Any, create_graph: bool) -> dict[Node, Any]:
    """The cotangents, as `sweep` gives them, of those nodes of `wrt` that root depends on."""
    nodes = ancestors(root)
    wanted = set(wrt)
    needed = dependents(reversed(nodes), wanted)
    on_path = [node for node in nodes if node in needed]
    return sweep(on_path, seed, create_graph, wanted) if root in needed else {}


def ancestors(*roots: Node) -> list[Node]:
    """The nodes that `roots` depend on and that require a gradient, newest first.

    It has a loop of its own: with nodes/walk.py and a function that chooses the arguments,
    backward() is 4 to 5 % slower on a graph of 600 small arrays.
    """
    for root in roots:
        if not root.requires_grad:
            raise RuntimeError(
                f"backward: {root!r} does not require a gradient; "
                "make a leaf with requires_grad=True, and compute outside no_grad()"
            )
    seen = set(roots)
    stack = list(seen)
    found = []
    while stack:
        node = stack.pop()
        if node.requires_grad:  # else it is a view of a leaf, visited only to see if it is stale
            found.append(node)
        for arg in node.args:
            if isinstance(arg, Node):
                if arg.index > node.index:
                    raise stale(node, arg)
                if node.primitive is VIEW:
                    continue
                if (
                    arg.requires_grad or (arg.primitive is VIEW and not mode.trace)
                ) and arg not in seen:
                    seen.add(arg)
                    stack.append(arg)
    found.sort(key=by_index, reverse=True)
    return found


def dependents(nodes: Iterable[Node], sources: Iterable[Node]) -> set[Node]:
    """The sources, and those of `nodes` (oldest first) that were computed from them."""
    found = set(sources)
    for node in nodes:
        if any(arg in found for arg in node.args if isinstance(arg, Node)):
            found.add(node)
    return found


def stale(node: Node, arg: Node, caller: str = "backward") -> RuntimeError:
    """The error for a node whose argument was written after the node was computed."""
    return RuntimeError(
        f"{caller}: {node.primitive and node.primitive.name} was computed before its argument "
        f"{arg.name or arg!r} was written; compute it again after the write"
    )


def sweep(
    nodes: list[Node], seed: Any, create_graph: bool, wanted: set[Node] | None = None
) -> dict[Node, Any]:
    """Cotangents of the leaves among `nodes` (or of the nodes `wanted`), from nodes[0] = root.

    Each node's cotangent is complete when its turn comes, because everything that uses the node
    is newer. On plain arrays the rules compute; on nodes (create_graph, or inside a trace) the
    same rules record the gradient's own graph.
    """
    # (One function, though it is long: a call for each node takes 2 % more on small arrays.)
    on_nodes = create_graph or mode.trace is not None
    allowed = None if wanted is None else set(nodes)
    hooked = len(hooks) > 0
    watch = mode.watch if special else None
    cotangents = {nodes[0]: seed}
    found = {}
    changes = {"gradients": create_graph, "scope": (), "rules": True}
    recording = set_mode(**changes) if on_nodes else nullcontext()
    with recording, np.errstate(all="ignore"):
        for node in nodes:
            g = cotangents.pop(node, None)
            if g is None:  # it is reached only through arguments that no gradient flows to
                continue
            if hooked:
                g = _hooked(node, g, on_nodes)
            prim = node.primitive
            apply_rule = node._apply_rule
            if (prim is None or prim is VIEW) if wanted is None else node in wanted:
                found[node] = g
            if prim is None:
                continue
            out: Any = node
            args: Sequence[Any] = node.args
            params = node.params if apply_rule else node._params
            if on_nodes:
                mode.scope = _backward(node.scope)
            else:
                out = node._data
                args = [arg._data if isinstance(arg, Node) else arg for arg in args]
            for i, arg in enumerate(node.args):
                if not isinstance(arg, Node) or not arg.requires_grad:
                    continue
                rule = prim.rule(i)
                if rule is None or (allowed is not None and arg not in allowed):
                    continue
                if apply_rule:
                    contribution = apply_rule(rule, g, out, *args, **params)
                else:
                    contribution = rule(g, out, *args, **params)
                data = arg._data
                if (
                    contribution.__class__ is not np.ndarray
                    or contribution.shape != data.shape
                    or contribution.dtype != data.dtype
                ):
                    contribution = arg._fit(contribution)
                before = cotangents.get(arg)
                cotangents[arg] = contribution if before is None else before + contribution
                if watch:
                    watch.contributed(node, i, g, contribution, cotangents[arg])
    return found


def _backward(scope: tuple[str, ...]) -> tuple[str, ...]:
    """The scope of the nodes that the rules of a module's nodes make."""
    return scope if not scope or scope[-1] == "backward" else (*scope, "backward")


def _hooked(node: Node, g: Any, on_nodes: bool) -> Any:
    """A node's cotangent after its hooks."""
    for function in tuple(hooks.get(id(node), ())):
        answer = function(node._wrap(g))
        if answer is not None:
            g = node._fit(answer if on_nodes else getattr(answer, "_data", answer))
    return g
