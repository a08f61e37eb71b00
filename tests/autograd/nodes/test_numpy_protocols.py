"""NumPy's functions, `math` and Python's conversions on nodes: the right gradient or an error that
names the package, in every transform; what nobody differentiates stays readable."""

from __future__ import annotations

import copy
import math
import operator
import pickle
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd
from autograd import (
    Tensor,
    Value,
    grad,
    gradients,
    hessian,
    jacobian,
    jit,
    jvp,
    no_grad,
    value_and_grad,
    vjp,
    vmap,
)

X = np.array([[0.7, 1.3], [0.4, 2.1]])
OTHER = np.array([[1.5, -0.5], [0.25, 1.0]])
OURS = ("autograd", "Tensor", "Value", "vmap", "jit")

# --- every function of NumPy's -------------------------------------------------------------------

STRANGERS = {
    # of files, of the session, or answering with what memory happened to hold
    *("load", "loadtxt", "genfromtxt", "fromfile", "memmap", "save", "savetxt", "savez"),
    *("savez_compressed", "info", "show_config", "show_runtime", "test", "empty", "empty_like"),
    # np.bmat gives None for what it does not know; np.ma.getdata takes the data from its slot
    *(
        "from_dlpack",
        "frombuffer",
        "bmat",
        "getdata",
        "median",
        "filled",
        "seterrcall",
        "seterr",
        "setbufsize",
    ),
    *("set_printoptions", "printoptions", "errstate", "masked_all_like", "masked_all"),
}
FUNCTIONS = sorted(
    (home, name)
    for home in ("", "linalg", "fft", "ma", "emath")
    for name in dir(getattr(np, home) if home else np)
    if not name.startswith("_") and name not in STRANGERS
    if callable(thing := getattr(getattr(np, home) if home else np, name))
    if not isinstance(thing, type) or name in ("float64", "float32", "longdouble", "matrix")
)
METHODS = [("", f"{name}.{method}") for name in ("add", "multiply", "maximum")
           for method in ("reduce", "accumulate", "outer", "reduceat", "at")]  # fmt: skip
CALLS = {
    "x": lambda f, x: f(x),
    "x, x": lambda f, x: f(x, x),
    "[x, x]": lambda f, x: f([x, x]),
    "x, 1": lambda f, x: f(x, 1),
    "a, x": lambda f, x: f(OTHER.copy(), x),
    "x, a": lambda f, x: f(x, OTHER.copy()),
    "x[0], x[1]": lambda f, x: f(x[0], x[1]),
    "x[0, 0]": lambda f, x: f(x[0, 0]),
    "[x[0, 0], 2]": lambda f, x: f([x[0, 0], 2.0]),
    "x > 1, x, 0": lambda f, x: f(x > 1.0, x, 0.0),
    "ij,jk, x, x": lambda f, x: f("ij,jk", x, x),
    "a, x, out": lambda f, x: f(OTHER.copy(), x, out=np.ones((2, 2))),
}


def total(answer):
    """What a function gave as one number, a node where it holds nodes."""
    if hasattr(answer, "_record") and hasattr(answer, "shape"):  # under vmap no Tensor
        return answer.sum()
    if isinstance(answer, list | tuple):
        return sum(map(total, answer))
    if isinstance(answer, np.ndarray) and answer.dtype == object:
        return sum(map(total, answer.ravel()))
    if isinstance(answer, np.ndarray | np.generic) and answer.dtype.kind in "fiub":
        return float(answer.sum())
    return answer if isinstance(answer, int | float | Value) else 0.0


def by_jvp(f, x):
    """The gradient, from a tangent for every entry."""
    units = np.eye(x.size).reshape(-1, *x.shape)
    return np.array([jvp(f, (x,), (unit,))[1] for unit in units]).reshape(x.shape)


TRANSFORMS = {
    "grad": lambda f, x: grad(f)(x),
    "value_and_grad": lambda f, x: value_and_grad(f)(x)[1],
    "vjp": lambda f, x: vjp(f, x)[1](1.0)[0],
    "jvp": by_jvp,
    "jacobian": lambda f, x: jacobian(f)(x),
    "vmap of grad": lambda f, x: vmap(grad(f))(x[None])[0],
    "jit of grad": lambda f, x: jit(grad(f))(x).data,
    "grad of a Tensor": lambda f, x: grad(f)(Tensor(x)).data,
    "backward": lambda f, x: by_backward(f, x),
}


def by_backward(f, x):
    leaf = Tensor(x.copy(), requires_grad=True)
    out = f(leaf * 1.0)
    return gradients(out, [leaf])[0].data if isinstance(out, Tensor) else np.zeros(x.shape)


@cache
def telling():
    """Each function by name, with those of the dozen calls that have a slope on plain arrays, and
    the slope: what fails there too, or does not depend on x, shows nothing."""
    found = {}
    for home, name in FUNCTIONS + METHODS:
        function = operator.attrgetter(f"{home}.{name}" if home else name)(np)
        for call in CALLS.values():
            f = lambda x, call=call, function=function: total(call(function, x))  # noqa: E731
            try:
                right = differences(f, X)
            except Exception:
                continue
            if np.any(right) and np.isfinite(right).all():
                found.setdefault(f"{home}.{name}", []).append((f, right))
    return found


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("transform", sorted(TRANSFORMS))
@given(st.deferred(lambda: st.sampled_from(sorted(telling()))))
def test_a_function_of_numpys_differentiates_or_names_the_package(transform, name):
    for f, right in telling()[name]:
        try:
            found = TRANSFORMS[transform](f, X.copy())
        except Exception as error:
            assert isinstance(error, TypeError | RuntimeError | ValueError | IndexError)
            assert any(word in str(error) for word in OURS), error
        else:
            np.testing.assert_allclose(found, right, rtol=1e-5, atol=1e-6)


def differences(f, x):
    """By entries, central; 1e-5 steps leave 1e-10 f''' and 1e-11 of rounding."""
    slopes = np.zeros(x.shape)
    for at in np.ndindex(x.shape):
        step = np.zeros(x.shape)
        step[at] = 1e-5
        slopes[at] = (f(x + step) - f(x - step)) / 2e-5
    return slopes


@pytest.mark.parametrize(
    ("call", "ours"),
    [
        (lambda x: np.dot(x, x), "matmul"),
        (lambda x: np.concatenate([x, x]), "concatenate"),
        (lambda x: np.stack([x[0], x[1]]), "stack"),
        (lambda x: np.exp(x), "exp"),
        (lambda x: np.sum(x), "sum"),
        (lambda x: np.where(x > 0.0, x, 0.0), "where"),
        (lambda x: np.linalg.norm(x), "sqrt"),
        (lambda x: np.maximum(0.0, x), "maximum"),
        (lambda x: np.add.reduce(x), "autograd"),
        (lambda x: np.cumsum(x), "tri"),
        (lambda x: np.fft.fft(x), "autograd"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("how", [grad, vmap, jit, lambda f: f], ids=["grad", "vmap", "jit", "leaf"])
def test_the_error_says_what_to_write(call, ours, how):
    """Also for a leaf outside: what np.dot(w, x) gives would be cut off from w in silence."""
    with pytest.raises(TypeError, match=ours):
        how(call)(Tensor(X, requires_grad=True))


READS = {
    "float": lambda x: float(x[0]),
    "int": lambda x: int(x[0]),
    "complex": lambda x: complex(x[0]),
    "math.exp": lambda x: math.exp(x[0]),
    "math.floor": lambda x: math.floor(x[0]),
    "np.asarray": lambda x: np.asarray(x),
    "np.array of a list": lambda x: np.array([x[0], x[1]]),
    "np.float64": lambda x: np.float64(x[0]),
    "np.vectorize": lambda x: np.vectorize(lambda t: t)(x),
}
EXPLICIT = {
    "item": lambda x: x[0].item(),
    "data": lambda x: x.data,
    "data of a row": lambda x: x[0].data,
}


@pytest.mark.parametrize("read", (READS | EXPLICIT).values(), ids=(READS | EXPLICIT).keys())
def test_nothing_is_read_out_of_a_transform(read):
    """Its gradient would be zero, and nobody would know."""
    for f in (lambda x: np.sum(read(x)) * 1.0, lambda x: np.sum(read(x * 2.0)) * 1.0):
        for transform in (grad, value_and_grad, hessian, lambda f: lambda x: vjp(f, x)):
            with pytest.raises(TypeError, match=r"detach\(\)|autograd"):
                transform(f)(np.array([0.5, 0.25]))
        with pytest.raises(TypeError, match="vmap"):
            vmap(f)(np.array([[0.5, 0.25]]))


@pytest.mark.parametrize("read", READS.values(), ids=READS.keys())
def test_a_result_is_not_converted_but_by_name(read):
    """loss = float(w * w) + ... would be a loss without w; item() and data say what they do."""
    w = Tensor([0.5, 0.25], requires_grad=True)
    with pytest.raises(TypeError, match=r"item\(\)|autograd"):
        read(w * 2.0)
    read((w * 2.0).detach())
    with no_grad():
        read(w * 2.0)
    for explicit in EXPLICIT.values():
        explicit(w * 2.0)
    leaf = Tensor(0.25, requires_grad=True)  # nobody's result
    assert float(leaf) == np.asarray(leaf) == math.sqrt(leaf) / 2.0 == 0.25


def test_an_entry_of_an_array_takes_no_node():
    """NumPy puts its own words around ours."""
    for into in (lambda x: np.zeros(2).__setitem__(0, x[0]), lambda x: np.fromiter(x, float)):
        with pytest.raises(ValueError, match="array element") as caught:
            grad(into)(np.array([0.5, 0.25]))
        assert "autograd" in str(caught.value.__cause__)


def test_what_a_transform_may_read():
    """Shapes, booleans to branch on, what was detached, and text for the reader."""

    def f(x):
        shape = np.shape(x), np.ndim(x), np.size(x)
        assert shape == ((2,), 1, 2)
        scale = float(x[0].detach()) if x[0] > 0.0 else 0.0
        scale += float(np.sum(np.ones_like(x))) + len(f"{x} {x[0]:.3f}") * 0.0
        return (x * x).sum() * scale

    np.testing.assert_array_equal(grad(f)(np.array([0.5, 0.25])), [2.5, 1.25])


def test_values_are_read_alike():
    for read in (float, math.exp, math.sqrt, complex, math.floor, np.exp, lambda v: np.dot(v, v)):
        with pytest.raises(TypeError, match="autograd"):
            grad(lambda v, read=read: read(v) * v)(0.5)
    for read in (float, math.exp, np.exp, np.float64):
        with pytest.raises(TypeError, match="autograd"):
            read(Value(2.0) * 3.0)
    with pytest.raises(TypeError, match="detach"):
        grad(lambda v: v.data * v)(0.5)
    assert grad(lambda v: v.detach().data * v)(0.5) == 0.5
    v = Value(2.0)
    assert float(v) == 2.0
    assert math.sqrt((v * 2.0).item()) == 2.0
    assert f"{v * 2.0:.1f}" == "4.0"


def test_what_nobody_differentiates_is_plain_data():
    x = Tensor([1.0, 2.0])
    assert np.sum(x) == 3.0
    assert type(np.exp(x)) is np.ndarray
    np.testing.assert_array_equal(np.concatenate([x, [3.0]]), [1.0, 2.0, 3.0])
    total = np.ones(2)
    total += x
    np.testing.assert_array_equal(total, [2.0, 3.0])
    with pytest.raises(ValueError, match="read-only"):
        np.copyto(x, 0.0)  # what is computed from x would not be stale
    with pytest.raises(ValueError, match="read-only"):
        np.exp(total, out=x)


def test_a_compiled_steps_result_is_plain_too():
    """It refuses to be differentiated, so nothing is lost."""
    w = Tensor([1.0, 2.0], requires_grad=True)
    loss = jit(lambda x: (w * x).sum())(np.ones(2))
    assert float(loss) == math.fsum([1.0, 2.0])
    assert np.mean(loss) == 3.0
    with pytest.raises(TypeError, match="gradient"):
        grad(lambda x: x * float(jit(lambda y: (w * y).sum())(x)))(Tensor(1.0))


def test_an_array_on_the_left_gives_nodes():
    x, a = Tensor([1.0, 2.0], requires_grad=True), np.array([3.0, 5.0])
    for f in (
        lambda a, x: a + x, lambda a, x: a - x, lambda a, x: a * x, lambda a, x: a / x,
        lambda a, x: a @ x, lambda a, x: a**x, lambda a, x: a > x, lambda a, x: a == x,
    ):  # fmt: skip
        answer = f(a, x)
        assert isinstance(answer, Tensor)
        np.testing.assert_allclose(answer.data, f(a, x.data), rtol=1e-15)
    assert isinstance(np.float64(2.0) * x, Tensor)
    with pytest.raises(TypeError, match="write array = array"):
        a += x


def test_nodes_are_copied_and_pickled():
    x = Tensor([1.0, 2.0], requires_grad=True)
    for y in (copy.copy(x), copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        np.testing.assert_array_equal(y.data, x.data)


# --- a number that meets an array ----------------------------------------------------------------

A = np.array([0.5, -1.5, 2.0])
WITH_ARRAYS = {
    "product": lambda v: (v * A).sum(),
    "array first": lambda v: (A**2 * v * v).sum(),
    "branch": lambda v: (v * A).sum() * v if v > 0.5 else v * v,
    "compared": lambda v: autograd.where(v < A, v * v * v, A).sum(),
    "lists": lambda v: autograd.sum([v, v * v, 2.0]) * v,
    "stack": lambda v: autograd.stack([v, v * v, v.exp()]) @ A,
    "there and back": lambda v: v.sin() * (v * A).sum() + v.exp() * (A / v).sum(),
    "in a matrix": lambda v: (np.outer(A, A) @ autograd.stack([v, 1.0, v * v])).tanh().sum(),
    "float32": lambda v: (v * v * A.astype(np.float32)).sum(),
    "inside vmap": lambda v: vmap(lambda a: v * v * a)(A).sum(),
    "inside grad": lambda v: grad(lambda u: (u * u * v * v * A).sum())(v),
    "pole": lambda v: (1.0 / (v - v) * A[:1]).sum() * 0.0 + v,
}


@pytest.mark.parametrize("name", [name for name in WITH_ARRAYS if name != "pole"])
def test_a_number_may_meet_arrays(name):
    """It becomes a Tensor where it meets one; first and second derivatives by differences."""
    f = WITH_ARRAYS[name]
    tolerance = 1e-5 if name == "float32" else 1e-8  # float32 sums of about 1 round at 1e-7

    def plain(v):
        return float(value_and_grad(f)(v)[0])

    x, step = 0.75, 1e-3
    values = [plain(x + k * step) for k in (-2, -1, 0, 1, 2)]
    first = (8.0 * (values[3] - values[1]) - values[4] + values[0]) / (12.0 * step)
    second = (16.0 * (values[3] + values[1]) - values[4] - values[0] - 30.0 * values[2]) / (
        12.0 * step**2
    )
    close = {"rtol": 1e-6, "atol": 1e-6} if name != "float32" else {"rtol": 2e-3, "atol": 0.3}
    np.testing.assert_allclose(grad(f)(x), first, **close)
    np.testing.assert_allclose(vjp(f, x)[1](1.0)[0], grad(f)(x), rtol=tolerance)
    np.testing.assert_allclose(jvp(f, (x,), (1.0,))[1], grad(f)(x), rtol=tolerance)
    np.testing.assert_allclose(jacobian(f)(x), grad(f)(x), rtol=tolerance)
    for again in (grad(grad(f))(x), hessian(f)(x), autograd.hvp(f, x, 1.0)):
        np.testing.assert_allclose(again, second, **close)
    assert [type(answer) for answer in value_and_grad(f)(x)] == [float, float]


def test_a_pole_among_values_below_a_tensor_is_ieees():
    """Values raise where arrays do not: each node of a mixed graph is treated as its kind is."""
    with np.errstate(all="ignore"):
        assert math.isnan(grad(WITH_ARRAYS["pole"])(1.0))


def test_slopes_of_an_array_by_numbers():
    np.testing.assert_array_equal(jacobian(lambda v: v * v * A)(2.0), 4.0 * A)
    by_a, by_b = jacobian(lambda p: p[0] * A + p[1] * A[:, None])([2.0, 3.0])
    np.testing.assert_array_equal(by_a, np.tile(A, (3, 1)))
    np.testing.assert_array_equal(by_b, np.tile(A[:, None], (1, 3)))
    assert jacobian(lambda v: v * A[:0])(2.0).shape == (0,)
    np.testing.assert_array_equal(jit(jacobian(lambda v: v * v * A))(Tensor(2.0)).data, 4.0 * A)


def test_numbers_in_a_traced_step_are_tensors():
    step = jit(lambda x: x * grad(lambda v: (v * v * x).sum())(3.0))
    np.testing.assert_array_equal(step(A).data, A * 6.0 * A.sum())


def test_outside_of_transforms_values_and_tensors_do_not_mix():
    for mix in (
        lambda: Value(1.0) * Tensor(A), lambda: Tensor(A) * Value(1.0), lambda: Value(1.0) * A,
        lambda: A * Value(1.0), lambda: autograd.exp([Value(1.0)]), lambda: Value(1.0) > A,
        lambda: autograd.sum([Value(1.0), Value(2.0)]), lambda: Tensor([Value(1.0)]),
    ):  # fmt: skip
        with pytest.raises(TypeError, match="Tensor"):
            mix()


def test_a_gradient_with_respect_to_a_value_crosses_arrays():
    """Its graph holds both kinds, so the sweep written for Values alone must not take it."""
    leaf = Value(2.0)
    slope = grad(lambda v: (v * v * v * A).sum())(leaf)
    slope.backward()
    np.testing.assert_allclose(leaf.grad, 6.0 * 2.0 * A.sum(), rtol=1e-14)
