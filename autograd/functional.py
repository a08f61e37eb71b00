"""Derivatives as functions of functions: grad, vjp, jvp, jacobian, hessian, hvp.

Each hands the function nodes of its own in the place of the arguments, and walks the graph that
it leaves: backward by the rules (graph.pullback), or forward by the rules transposed (`push`).
They nest, with each other and with vmap: inside another transform, where an argument itself
requires a gradient, or where it is a node and a leaf of the closure requires one, the answer is a
node that can be differentiated again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from .graph import VIEW, Node, ancestors, pullback
from .modes.mode import mode, set_mode
from .ops import identity
from .primitives import shapes
from .primitives.dtypes import check_array
from .primitives.shapes import Shape
from .tensor import Tensor, base_array, wrap
from .transforms.batching import Batched, named, vmap
from .transforms.tree import flatten, flatten_as, is_number, paths, unfit, unflatten
from .value import Value, number

__all__ = ["grad", "hessian", "hvp", "jacobian", "jvp", "value_and_grad", "vjp", "vmap"]

Function = Callable[..., Any]


# --- under vmap: an example as the function sees it, and the whole batch beneath ----------------


def _core(x: Any) -> Any:
    """What lies beneath the batch axes: a node, an array or a number."""
    while isinstance(x, Batched):
        x = x.batch
    return x


def _covered(core: Any, levels: Sequence[int]) -> Any:
    """A core with its leading axes hidden, one for each level of vmap."""
    for level in levels:
        core = Batched(core, level)
    return core


def _full(x: Any, levels: Sequence[int]) -> Any:
    """The core of x, repeated along the batch axes that it lacks."""
    if not levels:
        return x
    *outer, level = levels
    if isinstance(x, Batched) and x.level == level:
        return _full(x.batch, outer)
    return _full(shapes.broadcast_to(x, (mode.batches[level], *x.shape)), outer)


def _given(x: Any, dtype: Any, name: str) -> Any:
    """A cotangent or tangent as an array or node."""
    return np.asarray(x, dtype) if isinstance(x, int | float) else shapes.operand(x, name)


class _Call:
    """One call of a function with nodes of its own for the numbers and arrays in its arguments."""

    create_graph: bool  # whether answers are nodes to be differentiated again; see `settle`

    def __init__(
        self, name: str, args: Sequence[Any], argnums: Iterable[int], kept: bool = False
    ) -> None:
        self.name, self.kept = name, kept  # kept: it goes on once the caller has the result
        self.args = list(args)
        self.levels = range(len(mode.batches))
        # Numbers become Values, but Tensors beside arrays: the two do not mix.
        beside = [x.dtype for x in flatten(self.args)[0] if hasattr(x, "dtype")]
        floats = [dtype for dtype in beside if dtype.kind == "f"]
        arrays = beside or mode.batches or mode.trace
        self.dtype = np.result_type(*floats or [float]) if arrays else None
        self.structures = []
        self.given: list[Any] = []
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
            self.args[i] = unflatten((_covered(node, self.levels) for node in nodes), structure)
            self.structures.append(structure)
            self.given += leaves
            self.nodes += nodes
        # Plain answers are nobody's alias: not the caller's arrays, nor each other's.
        self.taken = {id(base_array(x)) for x in self.given if isinstance(x, np.ndarray)}

    @staticmethod
    def _check(leaves: Sequence[Any], structure: Any, what: str) -> None:
        for leaf, path in zip(leaves, paths(structure), strict=True):
            if not is_number(leaf):
                raise unfit(leaf, what + path)

    def _node(self, leaf: Any) -> Any:
        """A node that stands for this argument alone, connected to it, with all batch axes: under
        vmap a gradient is each example's own."""
        if not hasattr(leaf, "_record") and not isinstance(leaf, np.ndarray):
            leaf = Value(leaf) if self.dtype is None else np.array(number(leaf), self.dtype)
        elif isinstance(leaf, np.ndarray):
            leaf = check_array(leaf, self.name)
            leaf = leaf.copy() if self.kept and not mode.trace else leaf
        if not isinstance(leaf, Value) and leaf.dtype not in (np.float32, np.float64):
            raise TypeError(f"{self.name}: an argument of {leaf.dtype} has no derivative")
        core = _full(leaf, self.levels)
        node = identity(core if isinstance(core, Node) else wrap(core))
        node.requires_grad = True
        return node

    def run(self, function: Function, keywords: dict[str, Any]) -> Any:
        """The function's answer, with recording on."""
        with set_mode(transforms=mode.transforms + 1, gradients=True):
            return function(*self.args, **keywords)

    def settle(self, outs: Iterable[Any], *others: Any) -> None:
        """Decide, with the results at hand, whether answers are to be differentiated again: in
        another transform, from nodes that require a gradient, or among nodes where the closure
        does. From plain arguments answers are plain."""
        cores = [_core(x) for x in (*self.given, *others)]
        nodes = [x for x in cores if isinstance(x, Node)]
        self.create_graph = mode.transforms > 0 or any(x.requires_grad for x in nodes)
        if not self.create_graph and mode.gradients and (nodes or self.levels or mode.trace):
            self.create_graph = any(self._from_outside(_core(out)) for out in outs)

    def _from_outside(self, root: Any) -> bool:
        """Whether a result depends on a leaf of the closure that requires a gradient."""
        if not isinstance(root, Node) or not root.requires_grad:
            return False
        own = {*self.nodes, *(arg for node in self.nodes for arg in node.args)}
        return any(node.primitive in (None, VIEW) and node not in own for node in ancestors(root))

    def cotangents(self, out: Any, seed: Any) -> list[Any]:
        """The gradients of one result, one core for each node."""
        root = _core(out)
        found = {}
        if isinstance(root, Node) and root.requires_grad:
            found = pullback(root, self.nodes, seed, self.create_graph)
        zero = self.create_graph
        return [found[node] if node in found else node._zero(zero) for node in self.nodes]

    def seed(self, out: Any, cotangent: Any) -> Any:
        """A cotangent of a result, checked, as a core."""
        root = _core(out)
        if not isinstance(root, Tensor):
            return root._seed(cotangent, self.create_graph) if isinstance(root, Node) else None
        cotangent = _given(cotangent, root.dtype, self.name)
        if cotangent.shape != out.shape:
            raise ValueError(
                f"{self.name}: a cotangent of shape {cotangent.shape} for a result of {out.shape}"
            )
        core = _full(cotangent, self.levels)
        if isinstance(core, Batched):  # of a vmap around the pullback alone
            return core
        if isinstance(core, np.ndarray):
            self.taken.add(id(base_array(core)))
        return root._seed(core, self.create_graph)

    def scalar_seed(self, out: Any) -> Any:
        """The seed of a function that gives one number."""
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
        pairs = zip(cores, self.given, strict=True)
        leaves = iter([self.shown(core, type(leaf)) for core, leaf in pairs])
        return [unflatten(leaves, structure) for structure in self.structures]

    def shown(self, core: Any, kind: type) -> Any:
        """A core as the caller expects it: plain for plain, if nothing outside goes on with it."""
        if self.levels:
            return _covered(core, self.levels)
        if self.create_graph or mode.trace or isinstance(core, Batched):
            return wrap(core) if isinstance(core, np.ndarray) else core
        plain = core._data if isinstance(core, Node) else core
        if kind is not Tensor and kind is not np.ndarray:
            return float(plain)
        array = np.asarray(plain)
        if id(base_array(array)) in self.taken or not array.flags.writeable:
            array = array.copy()
        self.taken.add(id(base_array(array)))
        return wrap(array) if kind is Tensor else array

    def _check_results(self, leaves: Sequence[Any], structure: Any) -> None:
        """A result may be a truth value too; its derivative is zero."""
        numbers = [float(x) if isinstance(x, bool | np.bool_) else x for x in leaves]
        self._check(numbers, structure, f"{self.name}: the function's result")

    def results(self, tree: Any) -> Any:
        """What the function gave, as the caller expects it."""
        leaves, structure = flatten(tree)
        self._check_results(leaves, structure)
        cores = [_full(x, self.levels) if hasattr(x, "shape") else x for x in leaves]
        return unflatten(iter([self.shown(core, self.kind(core)) for core in cores]), structure)

    def kind(self, core: Any) -> type:
        """The type that the caller, who gave these arguments, expects of a result."""
        numbers = not any(hasattr(leaf, "shape") for leaf in self.given)
        if numbers and not self.levels and np.shape(core) == ():
            return float
        if isinstance(core, Tensor | np.ndarray | Batched):
            return Tensor if any(isinstance(leaf, Tensor) for leaf in self.given) else np.ndarray
        return float


# --- backward ----------------------------------------------------------------------------------


def value_and_grad(function: Function, argnums: int | Sequence[int] = 0) -> Function:
    """`grad`, and what the function itself gives: a function giving (value, gradient).

    >>> from autograd import value_and_grad
    >>> value_and_grad(lambda x: x * x)(3.0)
    (9.0, 6.0)
    """
    return _value_and_grad("value_and_grad", function, argnums)


def grad(function: Function, argnums: int | Sequence[int] = 0) -> Function:
    """The gradient of a function of numbers or arrays that gives one number.

    argnums: with respect to which arguments; a tuple gives a tuple of gradients. An argument may
    be nested lists, tuples, dicts, namedtuples and dataclasses, with None for nothing; its gradient
    has its structure, shapes and dtypes. Numbers become Values (where they meet arrays, Tensors),
    arrays Tensors; plain arguments get plain gradients, Tensors such as can be differentiated
    again where the function reads a Tensor that requires a gradient. NumPy's functions and `math`
    are refused within: no gradient would flow through. Raises ValueError where the result is not
    one number, TypeError for an integer array or result and for what is no number, by its place.

    >>> from autograd import grad, sin
    >>> grad(sin)(0.0), grad(grad(grad(sin)))(0.0)
    (1.0, -1.0)
    >>> grad(lambda p: (p["w"] * p["w"]).sum() + p["b"])({"w": np.ones(2), "b": 0.5})
    {'w': array([2., 2.]), 'b': 1.0}
    """
    both = _value_and_grad("grad", function, argnums)

    @named(function)
    def gradient(*args: Any, **keywords: Any) -> Any:
        return both(*args, **keywords)[1]

    return gradient


def _value_and_grad(name: str, function: Function, argnums: int | Sequence[int]) -> Function:
    several = isinstance(argnums, Sequence)
    numbers = tuple(argnums) if isinstance(argnums, Sequence) else (argnums,)

    @named(function)
    def both(*args: Any, **keywords: Any) -> tuple[Any, Any]:
        call = _Call(name, args, numbers)
        out = call.run(function, keywords)
        call.settle([out])
        found = call.per_argument(call.cotangents(out, call.scalar_seed(out)))
        return call.results(out), tuple(found) if several else found[0]

    return both


def vjp(function: Function, *primals: Any) -> tuple[Any, Function]:
    """(result, pullback): the pullback takes a cotangent of the result, of its structure (dicts by
    key) and shapes, to a tuple of cotangents of the primals (v transposed times the Jacobian).

    >>> out, pullback = vjp(lambda x: x * x, np.array([1.0, 2.0]))
    >>> pullback(np.array([1.0, 10.0]))
    (array([ 2., 40.]),)
    """
    call = _Call("vjp", primals, range(len(primals)), kept=True)
    tree = call.run(function, {})
    outs, structure = flatten(tree)
    call._check_results(outs, structure)
    call.settle(outs)
    # Rules will read what they gave, which the caller may fill anew.
    call.taken |= {id(base_array(x._data)) for x in map(_core, outs) if isinstance(x, Tensor)}

    def pullback(cotangent: Any) -> tuple[Any, ...]:
        given = flatten_as(cotangent, structure, "vjp: the cotangent")
        call.settle(outs, *given)  # it may be called in a transform
        parts = [
            call.cotangents(out, call.seed(out, g)) for out, g in zip(outs, given, strict=True)
        ] or [call.cotangents(None, None)]  # a result without numbers moves nothing
        totals = [_total(contributions) for contributions in zip(*parts, strict=True)]
        return tuple(call.per_argument(totals))

    return call.results(tree), pullback


def _total(parts: Iterable[Any]) -> Any:
    first, *rest = parts
    for part in rest:
        first = first + part
    return first


# --- forward -----------------------------------------------------------------------------------


def jvp(function: Function, primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """(result, its tangent): the Jacobian times the tangents, at a small multiple of the cost of
    the function however many inputs there are.

    primals, tangents: one for each argument, alike in structure (dicts by key) and shapes. The
    tangent of a result that is no float is zero.

    >>> jvp(lambda x: x * x, (np.array([1.0, 2.0]),), (np.array([1.0, 10.0]),))
    (array([1., 4.]), array([ 2., 40.]))
    """
    call = _Call("jvp", primals, range(len(primals)))
    if len(tangents) != len(primals):
        raise ValueError(f"jvp: {len(tangents)} tangents for {len(primals)} primals")
    pairs = zip(tangents, call.structures, strict=True)
    given = [
        leaf
        for i, (tangent, structure) in enumerate(pairs)
        for leaf in flatten_as(tangent, structure, f"jvp: the tangent of argument {i}")
    ]
    call.taken |= {id(base_array(t)) for t in given if isinstance(t, np.ndarray)}
    tree = call.run(function, {})
    outs, shape = flatten(tree)
    call._check_results(outs, shape)
    call.settle(outs, *given)
    start = {n: _tangent(n, t, call) for n, t in zip(call.nodes, given, strict=True)}
    found = push([_core(out) for out in outs], start, call.create_graph)
    cores = [_no_tangent(out, call) if t is None else t for t, out in zip(found, outs, strict=True)]
    moved = [call.shown(t, call.kind(_core(out))) for t, out in zip(cores, outs, strict=True)]
    return call.results(tree), unflatten(iter(moved), shape)


def _no_tangent(out: Any, call: _Call) -> Any:
    """Zero, as the core of what does not depend on the arguments."""
    root = _core(out)
    if isinstance(root, Node):
        return root._zero(call.create_graph)
    zero = np.zeros(np.shape(root))
    return _full(zero, call.levels) if call.levels or zero.shape else 0.0


def _tangent(node: Any, tangent: Any, call: _Call) -> Any:
    if isinstance(node, Value):
        return node._seed(tangent, call.create_graph)
    tangent = _given(tangent, node.dtype, "jvp")
    expected = node.shape[len(call.levels) :]
    if tangent.shape != expected:
        raise ValueError(f"jvp: a tangent of shape {tangent.shape} for a primal of {expected}")
    return node._seed(_full(tangent, call.levels), call.create_graph)


def push(roots: Sequence[Any], tangents: dict[Node, Any], create_graph: bool) -> list[Any]:
    """The tangents of the roots, from those of some nodes beneath them, oldest node first.

    The tangent of a result is the sum over its arguments of the rule transposed: the rule itself
    where it is elementwise (a diagonal is its own transpose), the primitive itself where it is
    linear, and elsewhere the gradient of the rule with respect to its g.
    """
    on_nodes = create_graph or mode.trace is not None
    alive = [r for r in roots if isinstance(r, Node) and r.requires_grad]
    nodes = reversed(ancestors(*alive))
    tangents = dict(tangents)
    with set_mode(gradients=create_graph, rules=True), np.errstate(all="ignore"):
        for node in nodes:
            prim = node.primitive
            moving = [i for i, arg in enumerate(node.args) if _hashed(arg) in tangents]
            if prim is None or node in tangents or not moving:
                continue
            out, args = node, node.args
            if not on_nodes:
                out = node._data
                args = tuple([arg._data if isinstance(arg, Node) else arg for arg in args])
            parts = []
            for i in moving:
                rule, t = prim.rule(i), tangents[node.args[i]]
                if rule is None:
                    continue
                if prim.on_float is not None:
                    call = node._apply_rule or _plainly
                    part = call(rule, t, out, *args, **node.params)
                elif prim.linear:
                    part = prim(*args[:i], t, *args[i + 1 :], **node.params)
                else:
                    part = _transposed(rule, t, node, out, args, create_graph)
                parts.append(node._fit(part))
            if parts:
                tangents[node] = _total(parts)
    return [tangents.get(_hashed(root)) for root in roots]


def _plainly(rule: Function, *args: Any, **params: Any) -> Any:
    return rule(*args, **params)


def _hashed(x: Any) -> Any:
    return x if isinstance(x, Node) else None


def _transposed(
    rule: Function, t: Any, node: Any, out: Any, args: tuple[Any, ...], create_graph: bool
) -> Any:
    """The rule is linear in g; the gradient of <rule(g), t> with respect to g is its transpose
    times t."""
    g = wrap(np.zeros(node.shape, node.dtype))
    g.requires_grad = True
    with set_mode(gradients=True):
        answer = rule(g, out, *args, **node.params)
        return pullback(answer, [g], t, create_graph)[g]


# --- whole matrices ----------------------------------------------------------------------------


def jacobian(function: Function, forward: bool | None = None) -> Function:
    """The Jacobian by a function's first argument, an array: the result's shape, then its own.
    (Where the argument is a list or dict that holds one array, the answer is one too.)

    forward: by columns (forward mode, all at once) or by rows (reverse mode, all at once);
    None: whichever there are fewer of. A function of a number or a list of numbers, on Values,
    gives numbers or nested lists.

    >>> jacobian(lambda x: x * x)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """

    @named(function)
    def at(x: Any, *others: Any) -> Any:
        call = _Call("jacobian", (x, *others), (0,))
        out = call.run(function, {})
        call.settle(flatten(out)[0])
        if any(isinstance(node, Value) for node in call.nodes):
            outs, structure = flatten(out)
            return unflatten(iter([_by_numbers(call, o) for o in outs]), structure)
        if len(call.nodes) != 1 or not isinstance(out, Tensor | Batched | np.ndarray | float | int):
            raise TypeError("jacobian: of a function from one array to one array")
        if not isinstance(_core(out), Tensor):  # what depends on nothing
            shape = (*np.shape(_core(out)), *_shape(call.nodes[0], call))
            zeros = call.shown(_full(np.zeros(shape), call.levels), type(call.given[0]))
            return unflatten(iter([zeros]), call.structures[0])
        columns = _size(_shape(call.nodes[0], call)) <= _size(np.shape(out))
        by = _by_columns if (columns if forward is None else forward) else _by_rows
        matrix = by(call, out)
        return unflatten(iter([call.shown(matrix, call.kind(matrix))]), call.structures[0])

    return at


def hessian(function: Function) -> Function:
    """The second derivatives, by its first argument, of a function that gives a number: the
    argument's shape twice. Forward over reverse.

    >>> hessian(lambda x: (x * x * x).sum())(np.array([1.0, 2.0]))
    array([[ 6.,  0.],
           [ 0., 12.]])
    """
    return jacobian(grad(function), forward=True)


def hvp(function: Function, x: Any, v: Any) -> Any:
    """The Hessian of `function` at x times v, without the Hessian: forward over reverse.

    >>> hvp(lambda x: (x * x * x).sum(), np.array([1.0, 2.0]), np.array([1.0, 1.0]))
    array([ 6., 12.])
    """
    moved, structure = flatten(jvp(grad(function), (x,), (v,))[1])
    pairs = zip(moved, flatten(x)[0], strict=True)
    # Beside arrays a number is an array without axes; to the caller it is a number.
    plain = (
        float(m) if isinstance(m, np.ndarray) and not isinstance(g, np.ndarray) else m
        for m, g in pairs
    )
    return unflatten(plain, structure)


def _size(shape: Shape) -> int:
    return math.prod(shape)


def _shape(node: Any, call: _Call) -> Shape:
    return tuple(node.shape[len(call.levels) :])


def _basis(shape: Shape, core: Any, call: _Call) -> Any:
    """Every unit array of a shape, as a batch of cotangents or tangents of `core`."""
    n, sizes = _size(shape), core.shape[: len(call.levels)]
    unit = np.eye(n, dtype=core.dtype).reshape(n, *(1,) * len(sizes), *shape)
    units = np.broadcast_to(unit, (n, *sizes, *shape))
    return Batched(wrap(units) if mode.trace else units, len(mode.batches))


def _by_columns(call: _Call, out: Any) -> Any:
    node, root = call.nodes[0], _core(out)
    shape = _shape(node, call)
    (found,) = push([root], {node: _basis(shape, node, call)}, call.create_graph)
    found = root._fit(0.0) if found is None else found
    columns = _opened(found, _size(shape), root)
    last = shapes.moveaxis(columns, 0, columns.ndim - 1)
    return shapes.reshape(last, (*last.shape[:-1], *shape))


def _by_rows(call: _Call, out: Any) -> Any:
    node, root = call.nodes[0], _core(out)
    (found,) = call.cotangents(out, _basis(out.shape, root, call))
    rows = _opened(found, _size(out.shape), node)
    levels = len(call.levels)
    rows = shapes.moveaxis(rows, 0, levels)
    return shapes.reshape(rows, (*rows.shape[:levels], *out.shape, *_shape(node, call)))


def _by_numbers(call: _Call, out: Any) -> Any:
    """The slopes of a result by numbers, one row after the other: Values know no batch."""
    if not getattr(out, "shape", ()):
        return call.per_argument(call.cotangents(out, call.seed(out, 1.0)))[0]
    rows = [flatten(_by_numbers(call, out[at]))[0] for at in np.ndindex(out.shape)]
    leaves, structure = flatten(call.args[0])
    columns = zip(*rows, strict=True) if rows else [()] * len(leaves)
    arrays = [shapes.operand(list(column), "jacobian") for column in columns]
    return unflatten((shapes.reshape(array, out.shape) for array in arrays), structure)


def _opened(x: Any, size: int, like: Any) -> Any:
    """The batch beneath, also where nothing depends on it."""
    return x.batch if isinstance(x, Batched) else shapes.broadcast_to(x, (size, *like.shape))
