"""Derivatives as functions of functions: grad, vjp, jvp, jacobian, hessian, hvp.

Each calls the function on nodes of its own in the place of the arguments (transforms/call.py), and
walks the graph that the call leaves: backward by the rules (`graph.pullback`), or forward by the
rules transposed (`forward.pushforward`). They nest, with each other and with vmap. The answer can
be differentiated again inside another transform, where an argument requires a gradient, and where
an argument is a node and a leaf of the closure requires one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .graph import Node
from .modes.mode import mode
from .primitives import shapes
from .primitives.joining import operand
from .primitives.memory import base_array
from .primitives.shapes import Shape
from .tensor import Tensor, wrap
from .transforms.batching import Batched, named, vmap
from .transforms.call import Call, as_array, core_of, with_batch_axes
from .transforms.forward import pushforward, total
from .transforms.tree import flatten, flatten_as, unflatten
from .value import Value

__all__ = ["grad", "hessian", "hvp", "jacobian", "jvp", "value_and_grad", "vjp", "vmap"]


# --- backward ----------------------------------------------------------------------------------


def value_and_grad(
    function: Callable[..., Any], argnums: int | Sequence[int] = 0
) -> Callable[..., Any]:
    """A function that gives (value, gradient): what `function` gives, and what `grad` does.

    argnums, arguments and errors are as in `grad`.

    >>> from autograd import value_and_grad
    >>> value_and_grad(lambda x: x * x)(3.0)
    (9.0, 6.0)
    """
    return _value_and_grad("value_and_grad", function, argnums)


def grad(function: Callable[..., Any], argnums: int | Sequence[int] = 0) -> Callable[..., Any]:
    """The gradient of a function of numbers or arrays that gives one number.

    argnums: the arguments to differentiate by; a tuple gives a tuple of gradients. An argument may
    be nested lists, tuples, dicts, namedtuples and dataclasses, with None for nothing; its gradient
    has its structure, shapes and dtypes. Within the function numbers are Values (beside arrays,
    Tensors) and arrays are Tensors. Plain arguments get plain gradients. Tensors get Tensors, which
    can be differentiated again if the function reads a Tensor that requires a gradient. NumPy's
    functions and `math` are refused within: no gradient would flow through. Raises ValueError where
    the result is not one number, TypeError for an integer array or result and, with its place, for
    what is no number.

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


def _value_and_grad(
    name: str, function: Callable[..., Any], argnums: int | Sequence[int]
) -> Callable[..., Any]:
    several = isinstance(argnums, Sequence)
    numbers = tuple(argnums) if isinstance(argnums, Sequence) else (argnums,)

    @named(function)
    def both(*args: Any, **keywords: Any) -> tuple[Any, Any]:
        call = Call(name, args, numbers)
        out = call.run(function, keywords)
        call.set_create_graph([out])
        found = call.per_argument(call.cotangents(out, call.scalar_seed(out)))
        return call.results(out), tuple(found) if several else found[0]

    return both


def vjp(function: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[..., Any]]:
    """(result, pullback) of a function at some primals.

    The pullback takes a cotangent, of the result's structure (dicts by key) and shapes, and gives
    a tuple of cotangents, one for each primal: the cotangent times the Jacobian. It raises
    ValueError for another structure or shape.

    >>> out, pullback = vjp(lambda x: x * x, np.array([1.0, 2.0]))
    >>> pullback(np.array([1.0, 10.0]))
    (array([ 2., 40.]),)
    """
    call = Call("vjp", primals, range(len(primals)), reusable=True)
    tree = call.run(function, {})
    outs, structure = flatten(tree)
    call.check_results(outs, structure)
    call.set_create_graph(outs)
    # The caller gets copies of the results: the rules read the results again in the pullback.
    call.in_use |= {id(base_array(x._data)) for x in map(core_of, outs) if isinstance(x, Tensor)}

    def pullback(cotangent: Any) -> tuple[Any, ...]:
        leaves = flatten_as(cotangent, structure, "vjp: the cotangent")
        call.set_create_graph(outs, *leaves)  # it may be called in a transform
        parts = [
            call.cotangents(out, call.seed(out, g)) for out, g in zip(outs, leaves, strict=True)
        ] or [call.cotangents(None, None)]  # of a result without numbers: all zero
        totals = [total(contributions) for contributions in zip(*parts, strict=True)]
        return tuple(call.per_argument(totals))

    return call.results(tree), pullback


# --- forward -----------------------------------------------------------------------------------


def jvp(
    function: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]
) -> tuple[Any, Any]:
    """(result, its tangent): the Jacobian times the tangents.

    It costs a small multiple of the function, however many inputs there are.
    primals, tangents: one for each argument, of the same structure (dicts by key) and shapes, else
    ValueError. The tangent of a result that is no float is zero.

    >>> jvp(lambda x: x * x, (np.array([1.0, 2.0]),), (np.array([1.0, 10.0]),))
    (array([1., 4.]), array([ 2., 40.]))
    """
    call = Call("jvp", primals, range(len(primals)))
    if len(tangents) != len(primals):
        raise ValueError(f"jvp: {len(tangents)} tangents for {len(primals)} primals")
    pairs = zip(tangents, call.structures, strict=True)
    leaves = [
        leaf
        for i, (tangent, structure) in enumerate(pairs)
        for leaf in flatten_as(tangent, structure, f"jvp: the tangent of argument {i}")
    ]
    call.in_use |= {id(base_array(t)) for t in leaves if isinstance(t, np.ndarray)}
    tree = call.run(function, {})
    outs, shape = flatten(tree)
    call.check_results(outs, shape)
    call.set_create_graph(outs, *leaves)
    start = {n: _tangent(n, t, call) for n, t in zip(call.nodes, leaves, strict=True)}
    found = pushforward([core_of(out) for out in outs], start, call.create_graph)
    cores = [_no_tangent(out, call) if t is None else t for t, out in zip(found, outs, strict=True)]
    pairs = zip(cores, outs, strict=True)
    moved = [call.returned(t, call.result_type(core_of(out))) for t, out in pairs]
    return call.results(tree), unflatten(iter(moved), shape)


def _no_tangent(out: Any, call: Call) -> Any:
    """The tangent of a result that does not depend on the arguments, as a core: zero."""
    root = core_of(out)
    if isinstance(root, Node):
        return root._zero(call.create_graph)
    zero = np.zeros(np.shape(root))
    return with_batch_axes(zero, call.levels) if call.levels or zero.shape else 0.0


def _tangent(node: Any, tangent: Any, call: Call) -> Any:
    """A tangent of an argument as a core; ValueError for another shape."""
    if isinstance(node, Value):
        return node._seed(tangent, call.create_graph)
    tangent = as_array(tangent, node.dtype, "jvp")
    expected = node.shape[len(call.levels) :]
    if tangent.shape != expected:
        raise ValueError(f"jvp: a tangent of shape {tangent.shape} for a primal of {expected}")
    return node._seed(with_batch_axes(tangent, call.levels), call.create_graph)


# --- whole matrices ----------------------------------------------------------------------------


def jacobian(function: Callable[..., Any], forward: bool | None = None) -> Callable[..., Any]:
    """The Jacobian of a function of an array, by its first argument.

    Its shape is the result's, followed by the argument's. If the
    argument is a list or dict that holds one array, so is the answer. Of a number or a list of
    numbers, which become Values, it gives numbers or nested lists.
    forward: True computes all columns at once by forward mode, False all rows by reverse mode;
    None takes whichever are fewer. Raises TypeError for several arrays.

    >>> jacobian(lambda x: x * x)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """

    @named(function)
    def at(x: Any, *others: Any) -> Any:
        call = Call("jacobian", (x, *others), (0,))
        out = call.run(function, {})
        call.set_create_graph(flatten(out)[0])
        if any(isinstance(node, Value) for node in call.nodes):
            outs, structure = flatten(out)
            return unflatten(iter([_by_numbers(call, o) for o in outs]), structure)
        if len(call.nodes) != 1 or not isinstance(out, Tensor | Batched | np.ndarray | float | int):
            raise TypeError("jacobian: of a function from one array to one array")
        if not isinstance(core_of(out), Tensor):  # it does not depend on the argument
            shape = (*np.shape(core_of(out)), *_shape(call.nodes[0], call))
            zeros = with_batch_axes(np.zeros(shape), call.levels)
            matrix = call.returned(zeros, type(call.leaves[0]))
            return unflatten(iter([matrix]), call.structures[0])
        columns = _size(_shape(call.nodes[0], call)) <= _size(np.shape(out))
        by = _by_columns if (columns if forward is None else forward) else _by_rows
        core = by(call, out)
        matrix = call.returned(core, call.result_type(core))
        return unflatten(iter([matrix]), call.structures[0])

    return at


def hessian(function: Callable[..., Any]) -> Callable[..., Any]:
    """The second derivatives of a function that gives one number, by its first argument.

    Their shape is the argument's, twice; they are computed forward over reverse. Raises as `grad`
    and `jacobian` do.

    >>> hessian(lambda x: (x * x * x).sum())(np.array([1.0, 2.0]))
    array([[ 6.,  0.],
           [ 0., 12.]])
    """
    return jacobian(grad(function), forward=True)


def hvp(function: Callable[..., Any], x: Any, v: Any) -> Any:
    """The Hessian of `function` at x times v, without computing the Hessian: forward over reverse.

    x, v and the answer have one structure and the same shapes. Raises as `grad` and `jvp` do.

    >>> hvp(lambda x: (x * x * x).sum(), np.array([1.0, 2.0]), np.array([1.0, 1.0]))
    array([ 6., 12.])
    """
    moved, structure = flatten(jvp(grad(function), (x,), (v,))[1])
    pairs = zip(moved, flatten(x)[0], strict=True)
    # Beside arrays a number became an array without axes; the caller gets a number.
    plain = (
        float(m) if isinstance(m, np.ndarray) and not isinstance(g, np.ndarray) else m
        for m, g in pairs
    )
    return unflatten(plain, structure)


def _size(shape: Shape) -> int:
    return math.prod(shape)


def _shape(node: Any, call: Call) -> Shape:
    """The shape of an argument as the function sees it."""
    return tuple(node.shape[len(call.levels) :])


def _basis(shape: Shape, core: Any, call: Call) -> Any:
    """All unit arrays of a shape, as one batch of cotangents or tangents of `core`."""
    n, sizes = _size(shape), core.shape[: len(call.levels)]
    unit = np.eye(n, dtype=core.dtype).reshape(n, *(1,) * len(sizes), *shape)
    units = np.broadcast_to(unit, (n, *sizes, *shape))
    return Batched(wrap(units) if mode.trace else units, len(mode.batches))


def _by_columns(call: Call, out: Any) -> Any:
    """The Jacobian as a core, from one pushforward of all unit tangents."""
    node, root = call.nodes[0], core_of(out)
    shape = _shape(node, call)
    (found,) = pushforward([root], {node: _basis(shape, node, call)}, call.create_graph)
    found = root._fit(0.0) if found is None else found
    columns = _basis_axis(found, _size(shape), root)
    last = shapes.moveaxis(columns, 0, columns.ndim - 1)
    return shapes.reshape(last, (*last.shape[:-1], *shape))


def _by_rows(call: Call, out: Any) -> Any:
    """The Jacobian as a core, from one pullback of all unit cotangents."""
    node, root = call.nodes[0], core_of(out)
    (found,) = call.cotangents(out, _basis(out.shape, root, call))
    rows = _basis_axis(found, _size(out.shape), node)
    levels = len(call.levels)
    rows = shapes.moveaxis(rows, 0, levels)
    return shapes.reshape(rows, (*rows.shape[:levels], *out.shape, *_shape(node, call)))


def _by_numbers(call: Call, out: Any) -> Any:
    """The derivatives of a result by numbers, one row after the other: Values have no batch."""
    if not getattr(out, "shape", ()):
        return call.per_argument(call.cotangents(out, call.seed(out, 1.0)))[0]
    rows = [flatten(_by_numbers(call, out[at]))[0] for at in np.ndindex(out.shape)]
    leaves, structure = flatten(call.args[0])
    columns = zip(*rows, strict=True) if rows else [()] * len(leaves)
    arrays = [operand(list(column), "jacobian") for column in columns]
    return unflatten((shapes.reshape(array, out.shape) for array in arrays), structure)


def _basis_axis(x: Any, size: int, like: Any) -> Any:
    """x with the axis of the unit arrays in front, also where x does not depend on them."""
    return x.batch if isinstance(x, Batched) else shapes.broadcast_to(x, (size, *like.shape))
