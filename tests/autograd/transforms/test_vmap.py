"""vmap: what a loop over the examples gives, for every primitive, index and composed function."""

from __future__ import annotations

import numpy as np
import pytest

import autograd
from autograd import Tensor, cross_entropy, grad, greater, hvp, tanh, vmap, where
from autograd.nn import Linear, Sequential
from autograd.primitives.primitive import TABLE
from tests.autograd.transforms.transforms import POINT, ROWS, cubes, equal


def loop(function, axes, *args):
    """What vmap means: a Python loop over the batch."""
    size = next(arg.shape[axis] for arg, axis in zip(args, axes, strict=True) if axis is not None)
    outs = []
    for k in range(size):
        point = [
            arg if a is None else np.take(arg, k, a) for arg, a in zip(args, axes, strict=True)
        ]
        outs.append(function(*(Tensor(p) if np.asarray(p).dtype.kind == "f" else p for p in point)))
    return np.stack([out.data if isinstance(out, Tensor) else out for out in outs])


def same_as_loop(function, *args, axes=None):
    """To a few ulp: a batched product may add its terms in another order."""
    axes = axes or (0,) * len(args)
    judge = loop(function, axes, *args)
    found = vmap(function, in_axes=axes)(
        *(Tensor(arg) if arg.dtype.kind == "f" else arg for arg in args)
    )
    found = found.data if isinstance(found, Tensor) else found
    assert found.shape == judge.shape
    assert found.dtype == judge.dtype
    scale = np.max(np.abs(judge), initial=1.0) if judge.dtype.kind == "f" else 0
    np.testing.assert_allclose(found, judge, rtol=0, atol=1e-14 * scale)


def cases_of_rows():
    """Every row of the table on arguments of which any may have a batch axis, another or none."""
    generator = np.random.default_rng(0)
    for prim in TABLE.values():
        cases = prim.cases or [(((2, 1), (3,), (2, 3))[: len(prim.rules)], {})]
        for number, (shapes, params) in enumerate(cases):
            if prim.name == "uniform":
                continue
            args = []
            for i, shape in enumerate(shapes):
                if isinstance(shape, np.ndarray):
                    args.append(np.stack([shape] * 3))
                    continue
                low, high = prim.domain[i] if prim.domain else (-2.0, 2.0)
                args.append(generator.uniform(low, high, (3, *shape)))
            yield pytest.param(prim, args, params, id=f"{prim.name}-{number}")


@pytest.mark.parametrize(("prim", "args", "params"), list(cases_of_rows()))
def test_every_primitive_under_vmap_is_a_loop(prim, args, params):
    """Forward, and the gradient, with every mixture of batched and shared arguments: a primitive
    whose batching rule forgets that an argument may have no batch axis fails here."""
    weights = np.random.default_rng(1).uniform(
        0.5, 1.5, prim(*(a[0] for a in args), **params).shape
    )

    def slope(i):
        return grad(lambda *args: (prim(*args, **params) * weights).sum(), i)

    for mixture in range(1, 2 ** len(args)):
        axes = tuple(0 if mixture >> i & 1 else None for i in range(len(args)))
        if "key" in params and any(
            a is not None and arg.dtype == bool for a, arg in zip(axes, args, strict=True)
        ):
            continue  # masks that differ give no one shape
        point = [arg if a == 0 else arg[0] for arg, a in zip(args, axes, strict=True)]
        same_as_loop(lambda *args: prim(*args, **params), *point, axes=axes)
        for i, arg in enumerate(args):
            if arg.dtype.kind == "f" and prim.rule(i) is not None:
                same_as_loop(slope(i), *point, axes=axes)


X = np.random.default_rng(0).normal(size=(5, 4, 3, 2))
MASK = np.array([True, False, True])
KEYS = [
    (0,),
    (slice(None), 1),
    (Ellipsis, 0),
    (None, Ellipsis),
    (slice(None, None, -1), None, 1),
    ([0, 2, 2],),
    (slice(None), [0, 2]),
    (slice(None), [0, 2], [1, 0]),
    ([0, 2], slice(None), [1, 0]),
    (1, slice(None), [1, 0, 1]),
    ([0, 1], slice(None), 0),
    (Ellipsis, [0, 1]),
    ([[0, 1], [2, 3]],),
    (slice(None), [[0, 1], [2, 1]]),
    (slice(1, 3), [0, 1], None, [1, 1]),
    (None, [0, 1], slice(None)),
    (slice(None), MASK),
    (np.ones((4, 3), bool), 0),
    (np.array(1), slice(None), np.array([0, 1])),
    (None, None, [0, 1], [0, 1]),
]


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_every_kind_of_index_under_vmap(key):
    """Slices before arrays, arrays apart, None between: NumPy's rules for where the axes go, with
    one axis more in front; and their transpose, scatter."""
    same_as_loop(lambda x: x[key], X)
    same_as_loop(grad(lambda x: cubes(x[key])), X)
    same_as_loop(lambda v: hvp(lambda x: cubes(x[key]), np.ones((4, 3, 2)), v), X)


BATCHED_KEYS = {
    "i": lambda x, i: x[i],
    ":i": lambda x, i: x[:, i],
    "::i": lambda x, i: x[:, :, i],
    "i:i": lambda x, i: x[i, :, i],
    "1:i": lambda x, i: x[1, :, i],
    "i1": lambda x, i: x[i, 1],
    "...i": lambda x, i: x[..., i],
    "None i": lambda x, i: x[None, i],
    "i None i": lambda x, i: x[i, None, i],
    ":ii": lambda x, i: x[:, i, i],
    "i, constant": lambda x, i: x[i, np.array([0, 1, 0])],
    "i : constant": lambda x, i: x[i, :, np.array([0, 1, 0])],
    "two-dimensional": lambda x, i: x[:, i[:, None], i],
    "one entry": lambda x, i: x[:, i[0]],
    "one entry apart": lambda x, i: x[i[0], :, 1],
}
I = np.random.default_rng(1).integers(0, 2, (5, 3))  # noqa: E741


@pytest.mark.parametrize("name", BATCHED_KEYS)
@pytest.mark.parametrize("axes", [(0, 0), (0, None), (None, 0)])
def test_indices_that_differ_between_examples(name, axes):
    function = BATCHED_KEYS[name]
    args = [arg if axis == 0 else arg[0] for arg, axis in zip((X, I), axes, strict=True)]
    same_as_loop(function, *args, axes=axes)
    same_as_loop(lambda x, i: grad(lambda x: cubes(function(x, i)))(x), *args, axes=axes)


@pytest.mark.parametrize("name", BATCHED_KEYS)
def test_indices_under_two_vmaps(name):
    function, x = BATCHED_KEYS[name], Tensor(X)
    inner, outer = vmap(function, in_axes=(0, None)), vmap(function, in_axes=(None, 0))
    judge = np.stack([[function(a, b) for b in I] for a in X])
    equal(vmap(outer, in_axes=(0, None))(x, I), judge)
    equal(vmap(inner, in_axes=(None, 0))(x, I), np.swapaxes(judge, 0, 1))


COMPOSED = {
    "mean": lambda x: x.mean(),
    "mean over an axis": lambda x: x.mean(0),
    "var": lambda x: x.var(axis=-1),
    "softmax": lambda x: x.softmax(),
    "log_softmax": lambda x: x.log_softmax(0),
    "min": lambda x: x.min(axis=1),
    "T": lambda x: x.T,
    "reshape": lambda x: x.reshape(2, -1),
    "stack": lambda x: autograd.stack([x, np.ones((3, 2))], axis=-1),
    "concatenate": lambda x: autograd.concatenate([x, np.ones((1, 2))]),
    "where": lambda x: where(greater(x, 0.0), x, np.arange(2.0)),
    "clip": lambda x: x.clip(-1, 1),
    "gelu": lambda x: x.gelu(),
    "sum_to": lambda x: autograd.sum_to(x, (1, 2)),
    "casts": lambda x: x.astype(np.float32).astype(np.float64),
    "rows": lambda x: list(x)[1],
    "len": lambda x: len(x) * x.size * x.ndim * x,
    "x @ x.T": lambda x: x @ x.T,
    "x @ v": lambda x: x @ np.array([1.0, 2.0]),
    "v @ x": lambda x: np.array([1.0, 2.0, 3.0]) @ x,
    "v @ v": lambda x: x[0] @ x[1],
    "stacks @ x": lambda x: np.ones((4, 2, 3)) @ x,
    "array - x": lambda x: np.ones((4, 1, 2)) - x,
    "number / x": lambda x: 1.0 / (x * x + 1.0),
    "power": lambda x: abs(x) ** 2,
    "cross_entropy": lambda x: cross_entropy(x, np.array([0, 1, 0])),
    "huber": lambda x: autograd.huber(x, np.zeros((3, 2)), 0.4),
    "hinge": lambda x: autograd.hinge(x, np.array([[1, -1]] * 3)),
    "binary_cross_entropy": lambda x: autograd.binary_cross_entropy(x, np.array([[1, 0]] * 3)),
}


@pytest.mark.parametrize("name", COMPOSED)
def test_composed_functions_under_vmap(name):
    """Values, gradients and products with the Hessian of what users call."""
    function, x = COMPOSED[name], X[:, 0]
    same_as_loop(function, x)
    same_as_loop(grad(lambda x: cubes(function(x))), x)
    same_as_loop(lambda v: hvp(lambda x: cubes(function(x)), x[0], v), x)


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -3])
def test_in_axes_and_out_axes(axis):
    x = np.arange(24.0).reshape(2, 3, 4)
    moved = np.moveaxis(x, axis, 0)
    equal(vmap(lambda a: 2.0 * a, in_axes=axis, out_axes=axis)(x), 2 * x)
    equal(vmap(lambda a: a.sum(), in_axes=axis)(x), moved.sum((1, 2)))
    equal(vmap(lambda a: a, out_axes=axis)(x), np.moveaxis(x, 0, axis))
    equal(vmap(lambda a, b: a - b, in_axes=(axis, None))(x, moved[0]), moved - moved[0])


def test_vmaps_nest_in_any_order_with_axes_anywhere():
    x, y = np.arange(6.0).reshape(2, 3), np.arange(12.0).reshape(4, 3)
    pairs = vmap(vmap(lambda a, b: a * b, in_axes=(0, None)), in_axes=(None, 0), out_axes=2)
    equal(pairs(x, y), np.einsum("ac,bc->acb", x, y))
    equal(vmap(lambda a: vmap(lambda b: a @ b)(y))(x), x @ y.T)
    equal(vmap(lambda a: vmap(lambda b: a)(y))(x), np.broadcast_to(x[:, None], (2, 4, 3)))
    columns = vmap(lambda a: vmap(lambda b: a * b)(y[:, 0]), out_axes=1)(x[1])
    equal(columns, np.outer(y[:, 0], x[1]))


def test_a_batched_condition_and_a_comparison():
    equal(
        vmap(lambda c, x: where(c, x, 0.0))(np.array([True, False]), np.ones((2, 2))),
        [[1, 1], [0, 0]],
    )
    assert vmap(lambda x: greater(x, 0.0))(ROWS).dtype == bool


def test_a_shared_array_has_the_methods_that_a_batched_one_has():
    """The same function must not need to know which of its arguments are mapped."""
    equal(
        vmap(lambda w, x: w.tanh() @ x, in_axes=(None, 0))(np.ones(2), ROWS),
        ROWS.sum(1) * np.tanh(1),
    )


def test_a_shared_array_takes_a_batched_index():
    equal(vmap(lambda w, i: w[i], in_axes=(None, 0))(POINT, np.array([2, 0])), POINT[[2, 0]])


def test_a_mapped_model_can_be_trained():
    """model(array) eagerly gives a Tensor to call backward() on; vmap(model)(array) must too."""
    w = Tensor(np.ones(2), requires_grad=True)
    vmap(lambda x: (x * w).sum())(ROWS).sum().backward()
    equal(w.grad, ROWS.sum(0))


def test_per_example_gradients_are_a_loop_of_gradients():
    """Of a network's loss, in one pass: what clipping per example is made of."""
    generator = np.random.default_rng(0)
    params = [generator.normal(size=shape) for shape in ((4, 3), (4,), (2, 4), (2,))]
    images, labels = generator.normal(size=(5, 3)), np.array([0, 1, 1, 0, 1])

    def loss(params, x, y):
        w1, b1, w2, b2 = params
        return cross_entropy(w2 @ tanh(w1 @ x + b1) + b2, y)

    found = vmap(grad(loss), in_axes=(None, 0, 0))(params, images, labels)
    for k in range(5):
        one = grad(loss)(params, images[k], labels[k])
        equal([g[k] for g in found], one)
    batch = grad(lambda p: vmap(loss, in_axes=(None, 0, 0))(p, images, labels).mean())(params)
    for each, mean in zip(found, batch, strict=True):
        np.testing.assert_allclose(each.mean(0), mean, rtol=1e-13, atol=1e-15)


def test_a_module_under_vmap_is_the_module():
    generator = np.random.default_rng(0)
    net = Sequential(Linear(2, 3, generator=generator), tanh, Linear(3, 1, generator=generator))
    x = Tensor(ROWS.astype(np.float32))
    # Sums of a few float32 numbers of about 1, in another order.
    np.testing.assert_allclose(vmap(net)(x).data, net(x).data, rtol=0, atol=1e-6)
