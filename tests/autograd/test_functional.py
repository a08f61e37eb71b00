"""grad, value_and_grad, vjp, jvp, jacobian, hessian, hvp and vmap: what they take, what they give,
what they refuse, under each other and inside jit. Their mathematics is in test_algebra.py."""

from __future__ import annotations

import math

import numpy as np
import pytest

import autograd
from autograd import (
    Tensor,
    Value,
    cross_entropy,
    exp,
    grad,
    gradients,
    greater,
    hessian,
    hvp,
    jacobian,
    jit,
    jvp,
    no_grad,
    sin,
    tanh,
    value_and_grad,
    vjp,
    vmap,
    where,
)
from autograd.nn import Linear, Sequential
from autograd.primitives.primitive import TABLE

ROWS = np.arange(6.0).reshape(3, 2) / 4 - 0.6
POINT = np.array([0.3, -0.7, 1.1])


def cubes(x):
    return (x * x * x).sum()


def equal(got, judge):
    """The same tree of numbers; to the few ulp in which two orders of arithmetic differ."""
    if isinstance(judge, dict):
        assert list(got) == list(judge)
        for key, value in judge.items():
            equal(got[key], value)
    elif isinstance(judge, list | tuple) and not isinstance(got, np.ndarray):
        assert type(got) is type(judge)
        assert len(got) == len(judge)
        for one, other in zip(got, judge, strict=True):
            equal(one, other)
    else:
        got = got.data if isinstance(got, Tensor | Value) else got
        assert np.shape(got) == np.shape(judge)
        np.testing.assert_allclose(got, judge, rtol=1e-14, atol=1e-15)


# --- what they take and give ---------------------------------------------------------------------


@pytest.mark.parametrize("x", [2.0, 2, np.float64(2.0), np.float32(2.0)])
def test_a_number_gives_a_number(x):
    for found in (grad(lambda x: x * x)(x), hessian(lambda x: x * x * x)(x) / 3):
        assert isinstance(found, float | np.floating)
        assert found == 4.0
    assert jvp(lambda x: x * x, (x,), (1.0,)) == (4.0, 4.0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_arrays_give_arrays_and_tensors_tensors_of_their_dtype(dtype):
    x = POINT.astype(dtype)
    for transform in (
        grad(cubes),
        hessian(cubes),
        jacobian(lambda x: x * x, forward=True),
        jacobian(lambda x: x * x, forward=False),
        lambda x: hvp(cubes, x, x),
        lambda x: jvp(lambda x: 2.0 * x, (x,), (x,))[0],
        lambda x: jvp(lambda x: 2.0 * x, (x,), (x,))[1],
        lambda x: vjp(lambda x: 2.0 * x, x)[1](x)[0],
        vmap(lambda x: 2.0 * x),
        lambda x: value_and_grad(cubes)(x)[1],
    ):
        found = transform(x)
        assert type(found) is np.ndarray
        assert found.dtype == dtype
        node = transform(Tensor(x))
        assert isinstance(node, Tensor)
        assert node.dtype == dtype
        assert not node.requires_grad
        equal(node, found)


def test_vmap_of_grad_gives_tensors_for_tensors_too():
    assert isinstance(vmap(grad(lambda x: x * x))(Tensor(POINT)), Tensor)


def test_float32_is_not_widened_by_a_tangent_or_cotangent_in_float64():
    x = POINT.astype(np.float32)
    assert jvp(lambda x: x * x, (x,), (POINT,))[1].dtype == np.float32
    assert vjp(lambda x: x * x, x)[1](POINT)[0].dtype == np.float32
    assert hvp(cubes, x, POINT).dtype == np.float32


def test_each_of_mixed_dtypes_gets_its_own_back():
    x, y = POINT.astype(np.float32), POINT
    found = grad(lambda x, y: (x * y).sum(), (0, 1))(x, y)
    assert [g.dtype for g in found] == [np.float32, np.float64]


def test_trees_of_numbers_and_of_arrays():
    def loss(p):
        return (p["w"] * p["b"][0]).sum() + p["b"][1] * p["c"][0]

    tree = {"w": POINT, "b": [np.full(3, 2.0), 0.5], "c": (3.0,)}
    judge = {"w": np.full(3, 2.0), "b": [POINT, 3.0], "c": (0.5,)}
    equal(grad(loss)(tree), judge)
    (pulled,) = vjp(loss, tree)[1](2.0)
    equal(pulled["b"], [2 * POINT, 6.0])
    numbers = {"a": 2.0, "b": [3.0, (4.0,)]}
    equal(
        grad(lambda p: p["a"] * p["b"][0] * p["b"][1][0])(numbers), {"a": 12.0, "b": [8.0, (6.0,)]}
    )


def test_results_may_be_trees():
    def f(x):
        return {"square": x * x, "more": [sin(x), 3.0]}

    value, tangent = jvp(f, (0.5,), (2.0,))
    equal(value, {"square": 0.25, "more": [math.sin(0.5), 3.0]})
    equal(tangent, {"square": 2.0, "more": [2 * math.cos(0.5), 0.0]})
    value, pullback = vjp(f, 0.5)
    equal(pullback({"square": 10.0, "more": [1.0, 7.0]}), (10.0 + math.cos(0.5),))
    equal(vmap(lambda x: {"sum": x.sum(), "all": (x,)})(ROWS), {"sum": ROWS.sum(1), "all": (ROWS,)})


@pytest.mark.parametrize(
    ("argnums", "judge"),
    [(0, 12.0), (1, 4.0), (-1, 4.0), (-2, 12.0), ((0, 1), (12.0, 4.0)), ((-1,), (4.0,)), ((), ())],
)
def test_argnums(argnums, judge):
    assert grad(lambda x, y: x * x * y, argnums)(2.0, 3.0) == judge
    assert value_and_grad(lambda x, y: x * x * y, argnums)(2.0, 3.0) == (12.0, judge)


@pytest.mark.parametrize("argnums", [(1, 1), (1, -1)])
def test_an_argument_named_twice_gets_its_gradient_twice_or_an_error(argnums):
    try:
        found = grad(lambda x, y: x * x * y, argnums)(2.0, 3.0)
    except ValueError:
        return
    assert found == (4.0, 4.0)


def test_keywords_and_other_arguments_are_handed_on():
    def f(x, name, scale=1.0):
        return scale * x if name == "linear" else x

    assert grad(f)(2.0, "linear", scale=3.0) == 3.0


def test_value_and_grad_is_both():
    out, found = value_and_grad(cubes)(POINT)
    assert isinstance(out, np.ndarray | float)
    equal(out, np.sum(POINT**3))
    equal(found, 3 * POINT**2)
    assert value_and_grad(sin)(0.0) == (0.0, 1.0)


def test_one_array_given_twice_is_two_arguments():
    equal(grad(lambda x, y: (x * x * y).sum(), (0, 1))(POINT, POINT), (2 * POINT**2, POINT**2))


def test_an_array_without_axes_gives_an_array_without_axes():
    x = np.array(2.0)
    for found in (
        jacobian(lambda x: x * x)(x),
        jvp(lambda x: x * x, (x,), (x,))[1],
        grad(lambda x: x * x)(x),
        vjp(lambda x: x * x, x)[1](x)[0],
    ):
        assert type(found) is np.ndarray


def test_empty_arrays():
    none = np.zeros((0, 3))
    assert grad(cubes)(none).shape == (0, 3)
    assert jacobian(lambda x: x * x)(none).shape == (0, 3, 0, 3)
    assert vmap(grad(cubes))(none).shape == (0, 3)
    assert vmap(lambda x: x.sum())(none).shape == (0,)


def test_an_empty_batch_of_indices():
    assert vmap(lambda x, i: x[i])(np.zeros((0, 3)), np.zeros((0, 2), int)).shape == (0, 2)


# --- whose memory a gradient is ------------------------------------------------------------------


def test_two_gradients_share_no_memory():
    """`g0 *= 0.1` would scale g1 too."""
    first, second = grad(lambda x, y: ((x + y) * POINT).sum(), (0, 1))(POINT, POINT)
    assert not np.shares_memory(first, second)


def test_a_gradient_can_be_written():
    assert grad(lambda x: x.sum())(POINT).flags.writeable


@pytest.mark.parametrize("mode", ["cotangent", "tangent", "primal"])
def test_a_result_is_not_the_callers_own_array(mode):
    """A write to what came out would write to what went in."""
    mine = POINT.copy()
    if mode == "cotangent":
        found = vjp(lambda x: x, POINT.copy())[1](mine)[0]
    elif mode == "tangent":
        found = jvp(lambda x: x, (POINT.copy(),), (mine,))[1]
    else:
        found = jvp(lambda x: x, (mine,), (POINT.copy(),))[0]
    assert not np.shares_memory(found, mine)


def test_the_arguments_are_left_as_they_were():
    x, leaf = POINT.copy(), Tensor(POINT.copy(), requires_grad=True)
    for argument in (x, leaf):
        grad(cubes)(argument)
        hessian(cubes)(argument)
        jvp(cubes, (argument,), (POINT,))
    assert (x == POINT).all() and (leaf.data == POINT).all()
    assert leaf.grad is None and leaf.requires_grad


# --- what does not depend on an argument ---------------------------------------------------------


def test_a_function_that_ignores_its_argument_has_derivative_zero():
    assert grad(lambda x: 3.0)(1.0) == 0.0
    equal(grad(lambda x: 3.0)(POINT), np.zeros(3))
    equal(grad(lambda x, y: y.sum(), (0, 1))(POINT, ROWS), (np.zeros(3), np.ones((3, 2))))
    equal(jvp(lambda x: np.ones(2), (POINT,), (POINT,)), (np.ones(2), np.zeros(2)))
    equal(vjp(lambda x: Tensor(np.ones(2)), POINT)[1](np.ones(2)), (np.zeros(3),))
    for forward in (True, False):
        equal(jacobian(lambda x: Tensor(np.ones(2)), forward)(POINT), np.zeros((2, 3)))
    equal(hessian(lambda x: x.sum())(POINT), np.zeros((3, 3)))
    equal(hvp(lambda x: x.sum(), POINT, POINT), np.zeros(3))
    assert hessian(lambda x: 3.0 * x)(1.0) == 0.0
    equal(vmap(grad(lambda x: 3.0))(POINT), np.zeros(3))


@pytest.mark.parametrize(
    ("transform", "shape"),
    [(jacobian(lambda x: np.ones(2)), (2, 3)), (hessian(lambda x: 3.0), (3, 3))],
)
def test_a_constant_result_of_numpy_has_a_jacobian_of_zeros(transform, shape):
    equal(transform(POINT), np.zeros(shape))


@pytest.mark.parametrize(
    "inner",
    [
        lambda x: grad(lambda y: x)(x),
        lambda x: jvp(lambda y: x, (x,), (1.0,))[1],
        lambda x: vjp(lambda y: x, x)[1](1.0)[0],
    ],
    ids=["grad", "jvp", "vjp"],
)
def test_a_derivative_of_zero_is_a_node_where_others_are(inner):
    """exp is a method of every node: what an outer transform computes with must not depend on
    whether there happened to be a path."""
    assert grad(lambda x: inner(x).exp() + x)(2.0) == 1.0


@pytest.mark.parametrize(
    "transform",
    [
        grad(lambda x: 3.0),
        lambda x: grad(lambda x, y: x.sum(), (0, 1))(x, x),
        lambda x: jvp(lambda y: x * 1.0, (x,), (x,)),
    ],
    ids=["grad", "one of two", "jvp"],
)
def test_a_derivative_of_zero_can_leave_a_jitted_step(transform):
    """A parameter that a loss does not use yet is no reason for an error."""
    equal(jit(transform)(POINT), transform(POINT))


def test_the_tangent_of_a_constant_under_vmap():
    equal(vmap(lambda x: jvp(lambda y: 2.0, (x,), (x,))[1])(POINT), np.zeros(3))


def test_detach_and_no_grad_cut():
    assert grad(lambda x: x * autograd.detach(x))(3.0) == 3.0
    assert jvp(lambda x: x * autograd.detach(x), (3.0,), (1.0,)) == (9.0, 3.0)

    def frozen(x):
        with no_grad():
            factor = x * x
        return factor * x

    assert grad(frozen)(3.0) == 9.0
    with no_grad():
        assert grad(lambda x: x * x)(3.0) == 6.0


# --- what they refuse ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make", [np.arange, lambda n: Tensor(np.arange(n)), lambda n: [np.arange(n)]]
)
@pytest.mark.parametrize("name", ["grad", "jvp", "vjp", "jacobian", "value_and_grad", "hessian"])
def test_integers_have_no_derivative(name, make):
    x = make(3)
    call = {
        "jvp": lambda: jvp(lambda x: x, (x,), (x,)),
        "vjp": lambda: vjp(lambda x: x, x),
    }.get(name, lambda: getattr(autograd, name)(lambda x: x)(x))
    by = "jacobian" if name == "hessian" else name  # what it is made of
    with pytest.raises(TypeError, match=rf"{by}.*int64"):
        call()


def test_integer_arguments_beside_the_differentiated_one_are_fine():
    equal(grad(lambda x, i: x[i].sum())(POINT, np.array([0, 0])), [2.0, 0.0, 0.0])


def test_float16_is_refused_as_tensor_refuses_it():
    with pytest.raises(TypeError, match="float16"):
        grad(cubes)(POINT.astype(np.float16))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: grad(lambda x: x)(POINT), ValueError, r"grad.*\(3,\).*one number"),
        (lambda: value_and_grad(lambda x: x)(POINT), ValueError, r"value_and_grad.*\(3,\)"),
        (lambda: hessian(lambda x: x)(POINT), ValueError, r"\(3,\).*one number"),
        (lambda: grad(lambda x: x, 1)(1.0), ValueError, r"grad.*argument 1 of 1"),
        (lambda: grad(lambda x: x, -2)(1.0), ValueError, r"grad.*argument -2 of 1"),
        (lambda: grad(lambda: 1.0)(), ValueError, r"grad.*argument 0 of 0"),
        (lambda: grad(lambda x: x)("a"), TypeError, "str"),
        (lambda: grad(lambda x: x)(None), TypeError, "NoneType"),
        (lambda: grad(lambda x: x)(1j * POINT), TypeError, "grad.*complex128"),
        (lambda: jvp(cubes, (POINT,), (ROWS,)), ValueError, r"jvp.*\(3, 2\).*\(3,\)"),
        (lambda: jvp(lambda x: x, (1.0,), (1.0, 2.0)), ValueError, "jvp: 2 tangents for 1"),
        (lambda: jvp(lambda x: x, ([1.0],), ((1.0,),)), ValueError, "jvp.*tuple.*list"),
        (lambda: vjp(lambda x: x, POINT)[1](ROWS), ValueError, r"vjp.*\(3, 2\).*\(3,\)"),
        (lambda: vjp(lambda x: (x, x), 1.0)[1](1.0), ValueError, "vjp.*float.*tuple"),
        (lambda: hvp(cubes, POINT, np.ones(2)), ValueError, r"\(2,\).*\(3,\)"),
        (lambda: jacobian(lambda x: x)([POINT, POINT]), TypeError, "jacobian.*one array"),
        (lambda: vmap(lambda x, y: x)(POINT, np.ones(2)), ValueError, r"vmap.*\[2, 3\]"),
        (lambda: vmap(lambda x: x, in_axes=None)(POINT), ValueError, "vmap"),
        (lambda: vmap(lambda x: x, in_axes=(0, 0))(POINT), ValueError, "vmap: 2 in_axes for 1"),
        (lambda: vmap(lambda x: x, in_axes=1)(POINT), ValueError, r"vmap.*\(3,\).*axis 1"),
        (lambda: vmap(lambda x: x)(1.0), ValueError, r"vmap.*\(\).*axis 0"),
        (lambda: vmap(lambda x: x if x > 0 else -x)(POINT), TypeError, "vmap.*where"),
        (lambda: vmap(lambda x: 1.0 if x else 0.0)(POINT), TypeError, "vmap.*where"),
        (lambda: vmap(lambda x: float(x))(POINT), TypeError, "vmap"),
        (lambda: vmap(lambda x: x[greater(x, 0.0)])(ROWS), IndexError, "vmap.*mask.*where"),
        (lambda: vmap(lambda x: x @ np.ones(3))(ROWS), ValueError, r"matmul.*\(2,\).*\(3,\)"),
    ],
)
def test_errors_say_who_refuses_what(call, error, words):
    with pytest.raises(error, match=words):
        call()
    assert grad(lambda x: x * x)(3.0) == 6.0, "an error leaves no mode behind"


@pytest.mark.parametrize("many", [lambda x: (x * x, x), lambda x: [x * x], lambda x: {"y": x * x}])
def test_a_tree_of_results_is_refused_by_grad(many):
    with pytest.raises((TypeError, ValueError), match="grad"):
        grad(many)(2.0)


def test_an_out_axis_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match=r"vmap.*axis"):
        vmap(lambda x: x, out_axes=5)(ROWS)


@pytest.mark.parametrize(
    "call",
    [
        lambda: grad(lambda x, y: x * y, [0, 1])(1.0, 2.0),
        lambda: vmap(lambda x, y: x + y, in_axes=[0, None])(ROWS, np.ones(2)),
    ],
    ids=["argnums", "in_axes"],
)
def test_a_list_of_numbers_works_as_a_tuple_or_is_refused_by_name(call):
    try:
        call()
    except TypeError as error:
        assert "argnums" in str(error) or "in_axes" in str(error)


def test_a_batch_is_not_read_by_numpy():
    with pytest.raises(TypeError, match="vmap"):
        vmap(lambda x: np.asarray(x))(ROWS)


# --- on nodes: the answer goes on being differentiable --------------------------------------------


def test_the_gradient_at_a_leaf_differentiates_further():
    """hessian, vmap and grad at an argument that requires a gradient give nodes."""
    x = Tensor(POINT.copy(), requires_grad=True)
    for transform, judge in {
        grad(cubes): 6 * POINT,
        vmap(grad(lambda x: x * x * x)): 6 * POINT,
        hessian(cubes): np.full(3, 6.0),
        (lambda x: jvp(cubes, (x,), (np.ones(3),))[1]): 6 * POINT,
        (lambda x: vjp(cubes, x)[1](1.0)[0]): 6 * POINT,
        (lambda x: value_and_grad(cubes)(x)[0]): 3 * POINT**2,
    }.items():
        out = transform(x)
        equal(gradients(out.sum(), [x]), [judge])
    assert x.grad is None
    a = Value(2.0)
    grad(lambda x: x * x * x)(a).backward()
    assert a.grad == 12.0


def test_a_pullback_is_a_function_that_differentiates():
    """It is linear in its cotangent: its own Jacobian is that of f, transposed. A 0 here is wrong
    in silence."""
    _, pullback = vjp(lambda x: x * x, POINT)
    equal(grad(lambda g: pullback(g)[0].sum())(np.ones(3)), 2 * POINT)


def test_a_pullback_carries_tangents():
    _, pullback = vjp(lambda x: x * x, POINT)
    equal(jvp(lambda g: pullback(g)[0], (np.ones(3),), (np.ones(3),))[1], 2 * POINT)


def test_a_pullback_is_mapped_over_many_cotangents():
    _, pullback = vjp(lambda x: x * x, POINT)
    equal(vmap(lambda g: pullback(g)[0])(np.eye(3)), np.diag(2 * POINT))


def test_a_pullback_made_inside_does_all_that():
    def pulled(g):
        return vjp(lambda x: x * x, POINT)[1](g)[0]

    equal(vmap(pulled)(np.eye(3)), np.diag(2 * POINT))
    equal(jacobian(pulled)(np.ones(3)), np.diag(2 * POINT))


def test_a_pullback_can_be_called_again():
    _, pullback = vjp(lambda x: x * x, POINT)
    for _ in range(2):
        equal(pullback(np.ones(3)), (2 * POINT,))


# --- vmap -----------------------------------------------------------------------------------------


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
    for row in TABLE.values():
        cases = row.cases or [(((2, 1), (3,), (2, 3))[: len(row.rules)], {})]
        for number, (shapes, params) in enumerate(cases):
            if row.name == "uniform":
                continue
            args = []
            for i, shape in enumerate(shapes):
                if isinstance(shape, np.ndarray):
                    args.append(np.stack([shape] * 3))
                    continue
                low, high = row.domain[i] if row.domain else (-2.0, 2.0)
                args.append(generator.uniform(low, high, (3, *shape)))
            yield pytest.param(row, args, params, id=f"{row.name}-{number}")


@pytest.mark.parametrize(("row", "args", "params"), list(cases_of_rows()))
def test_every_row_under_vmap_is_a_loop(row, args, params):
    """Forward, and the gradient, with every mixture of batched and shared arguments: a row whose
    batching rule forgets that an argument may have no batch axis fails here."""
    weights = np.random.default_rng(1).uniform(0.5, 1.5, row(*(a[0] for a in args), **params).shape)

    def slope(i):
        return grad(lambda *args: (row(*args, **params) * weights).sum(), i)

    for mixture in range(1, 2 ** len(args)):
        axes = tuple(0 if mixture >> i & 1 else None for i in range(len(args)))
        if any(a is not None and arg.dtype == bool for a, arg in zip(axes, args, strict=True)):
            continue  # masks that differ give no one shape
        point = [arg if a == 0 else arg[0] for arg, a in zip(args, axes, strict=True)]
        same_as_loop(lambda *args: row(*args, **params), *point, axes=axes)
        for i, arg in enumerate(args):
            if arg.dtype.kind == "f" and row.rule(i) is not None:
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


# --- inside jit, and around it --------------------------------------------------------------------


@pytest.mark.parametrize(
    "transform",
    [
        grad(cubes),
        value_and_grad(cubes),
        lambda x: jvp(lambda x: exp(x) * x, (x,), (x,)),
        lambda x: jvp(lambda x: x.logsumexp() * x, (x,), (x,)),
        lambda x: hvp(cubes, x, x),
        lambda x: vjp(lambda x: x * x, x)[1](x),
        grad(lambda x: (grad(cubes)(x) * x).sum()),
        vmap(grad(lambda x: x * x * x)),
        vmap(lambda x: x.exp()),
        lambda x: vmap(lambda a: vmap(lambda b: a * b)(x))(x),
    ],
    ids=[
        *("grad", "value_and_grad", "jvp", "jvp of a reduction", "hvp", "vjp", "grad of grad"),
        *("vmap of grad", "vmap", "vmap of vmap"),
    ],
)
def test_transforms_inside_jit(transform):
    """Traced and replayed on other numbers: what they eagerly give."""
    step = jit(transform)
    for x in (POINT, 2 * POINT):
        found, judge = step(x), transform(x)
        equal(found, judge)


@pytest.mark.parametrize("forward", [True, False])
def test_jacobians_inside_jit(forward):
    transform = jacobian(lambda x: x * x.sum(), forward)
    step = jit(transform)
    for x in (POINT, 2 * POINT):
        equal(step(x), transform(x))


def test_hessians_inside_jit():
    equal(jit(hessian(cubes))(POINT), np.diag(6 * POINT))


@pytest.mark.parametrize(
    "transform",
    [
        lambda f: grad(f)(POINT),
        lambda f: jvp(f, (POINT,), (POINT,)),
        lambda f: vjp(f, POINT)[1](np.ones(())),
        lambda f: jacobian(f)(POINT),
        lambda f: gradients(f(leaf := Tensor(POINT, requires_grad=True)), [leaf]),
    ],
    ids=["grad", "jvp", "vjp", "jacobian", "gradients"],
)
def test_nothing_differentiates_through_a_compiled_call_in_silence(transform):
    """It may differentiate, or raise as backward() does. 0 is wrong."""
    try:
        found = transform(jit(cubes))
    except (RuntimeError, TypeError):
        return
    assert np.any(np.asarray(found[-1].data if isinstance(found[-1], Tensor) else found[-1]))


def test_jit_under_vmap_is_the_function_itself():
    equal(vmap(jit(lambda x: (x * x).sum()))(ROWS), (ROWS**2).sum(1))
