"""grad, value_and_grad, vjp, jvp, jacobian, hessian and hvp: what they take, give and refuse.
Their mathematics is in test_algebra.py."""

from __future__ import annotations

import math

import numpy as np
import pytest

import autograd
from autograd import (
    Tensor,
    grad,
    greater,
    hessian,
    hvp,
    jacobian,
    jvp,
    sin,
    value_and_grad,
    vjp,
    vmap,
)
from tests.autograd.transforms.transforms import POINT, ROWS, cubes, equal

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
def test_an_argument_named_twice_is_refused(argnums):
    with pytest.raises(ValueError, match="name an argument twice"):
        grad(lambda x, y: x * x * y, argnums)(2.0, 3.0)


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
    with pytest.raises(ValueError, match=r"grad: the function gives a .*, not one number"):
        grad(many)(2.0)


def test_an_out_axis_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match=r"vmap.*axis"):
        vmap(lambda x: x, out_axes=5)(ROWS)


def test_a_list_of_numbers_works_as_a_tuple():
    assert grad(lambda x, y: x * y, [0, 1])(1.0, 2.0) == (2.0, 1.0)
    equal(vmap(lambda x, y: x + y, in_axes=[0, None])(ROWS, np.ones(2)), ROWS + 1.0)


def test_a_batch_is_not_read_by_numpy():
    with pytest.raises(TypeError, match="vmap"):
        vmap(lambda x: np.asarray(x))(ROWS)
