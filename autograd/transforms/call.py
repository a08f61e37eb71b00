"""One call of a function that is being differentiated: what grad, jvp, jacobian and the rest share.

The function gets nodes of its own in the place of the arguments' numbers and arrays. Within vmap it
sees one example, a `Batched`; what lies beneath all batch axes (a node, an array or a number) is
called the *core* here, and differentiation is done on cores.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ..graph import VIEW, Node, ancestors, pullback
from ..modes.mode import mode, set_mode
from ..ops import identity
from ..primitives import shapes
from ..primitives.dtypes import check_array
from ..primitives.joining import operand
from ..primitives.memory import base_array
from ..primitives.shapes import Shape
from ..tensor import Tensor, wrap
from ..value import Value, number
from .batching import Batched
from .tree import flatten, is_number, paths, unfit, unflatten


def core_of(x: Any) -> Any:
    """The core of an example; what is no example is its own core."""
    while isinstance(x, Batched):
        x = x.batch
    return x


def hide_batch_axes(core: Any, levels: Sequence[int]) -> Any:
    """A core as the function sees it: one leading axis hidden for each level of vmap."""
    for level in levels:
        core = Batched(core, level)
    return core


def with_batch_axes(x: Any, levels: Sequence[int]) -> Any:
    """The core of x, broadcast along the batch axes that it lacks."""
    if not levels:
        return x
    *outer, level = levels
    if isinstance(x, Batched) and x.level == level:
        return with_batch_axes(x.batch, outer)
    return with_batch_axes(shapes.broadcast_to(x, (mode.batches[level], *x.shape)), outer)


def as_array(x: Any, dtype: Any, name: str) -> Any:
    """A cotangent or tangent as an array or node."""
    return np.asarray(x, dtype) if isinstance(x, int | float) else operand(x, name)


class Call:
    """One call of a function with nodes of its own for the numbers and arrays in its arguments.

    reusable: rules will be called after the caller has the result, so arrays are copied first.
    """

    create_graph: bool  # whether answers are nodes that can be differentiated again

    def __init__(
        self, name: str, args: Sequence[Any], argnums: Iterable[int], reusable: bool = False
    ) -> None:
        self.name, self.reusable = name, reusable
        self.args = list(args)
        self.levels = range(len(mode.batches))
        # Numbers become Values, but Tensors beside arrays: the two do not mix.
        beside = [x.dtype for x in flatten(self.args)[0] if hasattr(x, "dtype")]
        floats = [dtype for dtype in beside if dtype.kind == "f"]
        arrays = beside or mode.batches or mode.trace
        self.dtype = np.result_type(*floats or [float]) if arrays else None
        self.structures = []
        self.leaves: list[Any] = []
        self.nodes: list[Any] = []
        for i in argnums:
            if not -len(args) <= i < len(args):
                raise ValueError(f"{name}: there is no argument {i} of {len(args)}")
        numbers = [i % len(args) for i in argnums]
        if len(set(numbers)) < len(numbers):
            raise ValueError(f"{name}: argnums {tuple(argnums)} name an argument twice")
        for i in numbers:
            leaves, structure = flatten(args[i])
            self._check(leaves, structure, f"{name}: argument {i}")
            if args[i] is None:
                raise unfit(None, f"{name}: argument {i}")
            nodes = [self._node(leaf) for leaf in leaves]
            self.args[i] = unflatten(
                (hide_batch_axes(node, self.levels) for node in nodes), structure
            )
            self.structures.append(structure)
            self.leaves += leaves
            self.nodes += nodes
        # A plain answer shares memory with no array of the caller's and with no other answer.
        self.in_use = {id(base_array(x)) for x in self.leaves if isinstance(x, np.ndarray)}

    @staticmethod
    def _check(leaves: Sequence[Any], structure: Any, what: str) -> None:
        for leaf, path in zip(leaves, paths(structure), strict=True):
            if not is_number(leaf):
                raise unfit(leaf, what + path)

    def _node(self, leaf: Any) -> Any:
        """A node that stands for this argument alone and is connected to it. It has all batch axes:
        under vmap each example has its own gradient."""
        if not hasattr(leaf, "_record") and not isinstance(leaf, np.ndarray):
            leaf = Value(leaf) if self.dtype is None else np.array(number(leaf), self.dtype)
        elif isinstance(leaf, np.ndarray):
            leaf = check_array(leaf, self.name)
            leaf = leaf.copy() if self.reusable and not mode.trace else leaf
        if not isinstance(leaf, Value) and leaf.dtype not in (np.float32, np.float64):
            raise TypeError(f"{self.name}: an argument of {leaf.dtype} has no derivative")
        core = with_batch_axes(leaf, self.levels)
        node = identity(core if isinstance(core, Node) else wrap(core))
        node.requires_grad = True
        return node

    def run(self, function: Callable[..., Any], keywords: dict[str, Any]) -> Any:
        """The function's result, computed with recording on."""
        with set_mode(transforms=mode.transforms + 1, gradients=True):
            return function(*self.args, **keywords)

    def set_create_graph(self, outs: Iterable[Any], *others: Any) -> None:
        """Decide whether answers can be differentiated again, once the results are there.

        They can in another transform, where an argument requires a gradient, and where arguments
        are nodes and a leaf of the closure requires one. From plain arguments answers are plain.
        """
        cores = [core_of(x) for x in (*self.leaves, *others)]
        nodes = [x for x in cores if isinstance(x, Node)]
        self.create_graph = mode.transforms > 0 or any(x.requires_grad for x in nodes)
        if not self.create_graph and mode.gradients and (nodes or self.levels or mode.trace):
            self.create_graph = any(self._from_outside(core_of(out)) for out in outs)

    def _from_outside(self, root: Any) -> bool:
        """Whether a result depends on a leaf of the closure that requires a gradient."""
        if not isinstance(root, Node) or not root.requires_grad:
            return False
        own = {*self.nodes, *(arg for node in self.nodes for arg in node.args)}
        return any(node.primitive in (None, VIEW) and node not in own for node in ancestors(root))

    def cotangents(self, out: Any, seed: Any) -> list[Any]:
        """The cotangents of all nodes, as cores, from that of one result."""
        root = core_of(out)
        found = {}
        if isinstance(root, Node) and root.requires_grad:
            found = pullback(root, self.nodes, seed, self.create_graph)
        zero = self.create_graph
        return [found[node] if node in found else node._zero(zero) for node in self.nodes]

    def seed(self, out: Any, cotangent: Any) -> Any:
        """A cotangent of a result as a core; ValueError for another shape."""
        root = core_of(out)
        if not isinstance(root, Tensor):
            return root._seed(cotangent, self.create_graph) if isinstance(root, Node) else None
        cotangent = as_array(cotangent, root.dtype, self.name)
        if cotangent.shape != out.shape:
            raise ValueError(
                f"{self.name}: a cotangent of shape {cotangent.shape} for a result of {out.shape}"
            )
        core = with_batch_axes(cotangent, self.levels)
        if isinstance(core, Batched):  # only the pullback is within a vmap
            return core
        if isinstance(core, np.ndarray):
            self.in_use.add(id(base_array(core)))
        return root._seed(core, self.create_graph)

    def scalar_seed(self, out: Any) -> Any:
        """The cotangent 1 for a function whose result has to be one number."""
        shape: Shape = getattr(out, "shape", ())
        if shape != ():
            raise ValueError(f"{self.name}: the function gives shape {shape}, not one number")
        if not isinstance(out, Node | Batched | np.ndarray | np.number | int | float):
            found = f"a {type(out).__name__}"
            raise ValueError(f"{self.name}: the function gives {found}, not one number")
        dtype = getattr(out, "dtype", None)
        if dtype is not None and dtype.kind in "iub":
            raise TypeError(
                f"{self.name}: the function gives {dtype}, through which no gradient flows; "
                "compute in floats"
            )
        return self.seed(out, 1.0)

    def per_argument(self, cores: Sequence[Any]) -> list[Any]:
        """Cores, one for each node, in the structures of the arguments."""
        pairs = zip(cores, self.leaves, strict=True)
        leaves = iter([self.returned(core, type(leaf)) for core, leaf in pairs])
        return [unflatten(leaves, structure) for structure in self.structures]

    def returned(self, core: Any, kind: type) -> Any:
        """A core as the caller gets it: plain for plain arguments, unless something outside
        differentiates it again."""
        if self.levels:
            return hide_batch_axes(core, self.levels)
        if self.create_graph or mode.trace or isinstance(core, Batched):
            return wrap(core) if isinstance(core, np.ndarray) else core
        plain = core._data if isinstance(core, Node) else core
        if kind is not Tensor and kind is not np.ndarray:
            return float(plain)
        array = np.asarray(plain)
        if id(base_array(array)) in self.in_use or not array.flags.writeable:
            array = array.copy()
        self.in_use.add(id(base_array(array)))
        return wrap(array) if kind is Tensor else array

    def check_results(self, leaves: Sequence[Any], structure: Any) -> None:
        """TypeError for a result that is no number; a boolean is one, and its derivative is 0."""
        numbers = [float(x) if isinstance(x, bool | np.bool_) else x for x in leaves]
        self._check(numbers, structure, f"{self.name}: the function's result")

    def results(self, tree: Any) -> Any:
        """The function's result as the caller gets it."""
        leaves, structure = flatten(tree)
        self.check_results(leaves, structure)
        cores = [with_batch_axes(x, self.levels) if hasattr(x, "shape") else x for x in leaves]
        shown = [self.returned(core, self.result_type(core)) for core in cores]
        return unflatten(iter(shown), structure)

    def result_type(self, core: Any) -> type:
        """The type of a result for the caller, by what the arguments are."""
        numbers = not any(hasattr(leaf, "shape") for leaf in self.leaves)
        if numbers and not self.levels and np.shape(core) == ():
            return float
        if isinstance(core, Tensor | np.ndarray | Batched):
            return Tensor if any(isinstance(leaf, Tensor) for leaf in self.leaves) else np.ndarray
        return float
