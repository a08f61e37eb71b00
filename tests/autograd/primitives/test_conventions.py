"""Kinks, edges and IEEE: what a derivative is where mathematics gives a choice, and that numbers
which are none (inf, nan) flow through Value exactly as through NumPy, without an exception."""

from __future__ import annotations

import itertools
import math
import operator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd
from autograd import Tensor, Value, grad, gradients

pytestmark = pytest.mark.rules

INF, NAN = math.inf, math.nan


def slopes(function, *args):
    """The derivatives of a function of numbers, by Value both ways and by Tensor; they agree."""
    nodes = [Value(arg) for arg in args]
    out = function(*nodes)
    out.backward()
    fast = [node.grad for node in nodes]
    tensors = [Tensor(arg, requires_grad=True) for arg in args]
    with np.errstate(all="ignore"):
        result = function(*tensors)
    for others in (gradients(out, nodes), [t.item() for t in gradients(result, tensors)]):
        # Equal to rounding of the two libraries' exp and log: inf, nan and 0 exactly.
        np.testing.assert_allclose(others, fast, rtol=1e-14, atol=0)
    return fast


# --- kinks: each of these conventions is written on its primitive --------------------------------


@pytest.mark.parametrize("zero", [0.0, -0.0])
def test_relu_at_zero_is_flat(zero):
    assert slopes(autograd.relu, zero) == [0.0]


@pytest.mark.parametrize("zero", [0.0, -0.0])
def test_abs_at_zero_is_flat(zero):
    assert slopes(autograd.abs, zero) == [0.0]


def test_leaky_relu_at_zero_has_the_slope_of_the_left():
    assert slopes(lambda x: autograd.leaky_relu(x, 0.1), 0.0) == [0.1]


@pytest.mark.parametrize("prim", [autograd.maximum, autograd.minimum])
def test_a_tie_of_two_is_shared_in_halves(prim):
    assert slopes(prim, 1.5, 1.5) == [0.5, 0.5]
    assert slopes(prim, 0.0, -0.0) == [0.5, 0.5]


def test_maximum_and_minimum_of_a_number_with_itself_have_slope_one():
    assert slopes(lambda x: autograd.maximum(x, x), 2.0) == [1.0]
    assert slopes(lambda x: autograd.minimum(x, x), 2.0) == [1.0]


@pytest.mark.parametrize(
    ("x", "slope"), [(-2.0, 0.0), (-1.0, 0.5), (0.0, 1.0), (1.0, 0.5), (2.0, 0.0)]
)
def test_clip_passes_the_gradient_inside_and_half_of_it_at_a_bound(x, slope):
    assert slopes(lambda x: autograd.clip(x, -1.0, 1.0), x) == [slope]


def test_clip_without_a_bound_is_open_there():
    assert slopes(lambda x: autograd.clip(x, low=-1.0), 1e300) == [1.0]
    assert slopes(lambda x: autograd.clip(x, high=1.0), -1e300) == [1.0]
    assert slopes(autograd.clip, 3.0) == [1.0]


@pytest.mark.parametrize("reduce", [autograd.max, autograd.min])
@pytest.mark.parametrize("axis", [None, 0, 1, (0, 1)])
def test_ties_of_max_and_min_are_split_evenly(reduce, axis):
    x = Tensor(np.full((2, 3), 7.0), requires_grad=True)
    reduce(x, axis=axis).sum().backward()
    over = {None: 6, 0: 2, 1: 3, (0, 1): 6}[axis]
    np.testing.assert_array_equal(x.grad.data, np.full((2, 3), 1 / over))


def test_a_tie_does_not_take_from_entries_that_are_not_largest():
    x = Tensor([1.0, 3.0, 2.0, 3.0], requires_grad=True)
    x.max().backward()
    np.testing.assert_array_equal(x.grad.data, [0.0, 0.5, 0.0, 0.5])


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0, 3.0])
@pytest.mark.parametrize("base", [0.0, -1.5, 2.0])
def test_powers_by_whole_numbers_have_the_slope_of_school(base, exponent):
    (slope,) = slopes(lambda x: x**exponent, base)
    assert slope == (exponent * base ** (exponent - 1.0) if exponent else 0.0)


def test_zero_to_the_zero_is_flat_both_ways():
    assert slopes(autograd.power, 0.0, 0.0) == [0.0, 0.0]


def test_zero_to_a_power_does_not_move_with_the_exponent():
    assert slopes(autograd.power, 0.0, 2.0) == [0.0, 0.0]


def test_the_root_of_zero_is_infinitely_steep():
    assert slopes(autograd.sqrt, 0.0) == [INF]
    assert slopes(lambda x: x**0.5, 0.0) == [INF]


@pytest.mark.parametrize("order", range(1, 7))
@pytest.mark.parametrize("exponent", [0, 1, 2, 3])
def test_powers_by_whole_numbers_at_zero_at_every_order(exponent, order):
    """The n-th derivative of x^n is n!, and 0 from the next on: nan would say where() multiplies
    a branch that is not taken."""
    x = Tensor(0.0, requires_grad=True)
    y = x**exponent
    for _ in range(order):
        (y,) = gradients(y + 0.0 * x, [x], create_graph=True)
    assert y.item() == (math.factorial(exponent) if order == exponent else 0.0)


# --- the branch not taken ------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [NAN, INF, -INF])
def test_where_gives_zero_to_the_branch_not_taken_whatever_it_holds(bad):
    for condition, one, two in [(True, 1.0, bad), (False, bad, 1.0)]:
        slope = slopes(lambda x, y, c=condition: autograd.where(c, x, y), one, two)
        assert slope == [float(condition), float(not condition)]


def test_where_picks_per_entry_and_lets_no_nan_through():
    x = Tensor([1.0, NAN, 2.0], requires_grad=True)
    y = Tensor([NAN, 5.0, INF], requires_grad=True)
    out = autograd.where(np.array([True, False, True]), x, y)
    np.testing.assert_array_equal(out.data, [1.0, 5.0, 2.0])
    out.backward([10.0, 20.0, 30.0])
    np.testing.assert_array_equal(x.grad.data, [10.0, 0.0, 30.0])
    np.testing.assert_array_equal(y.grad.data, [0.0, 20.0, 0.0])


@pytest.mark.parametrize("dtype", [bool, np.int64, np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("other", [0.0, -0.0, 1.0])
def test_where_takes_any_number_but_zero_for_true(dtype, other):
    condition = np.array([0, 1, 2, 0.5]).astype(dtype)
    taken = condition != 0
    x = Tensor([0.1, -0.2, 0.3, NAN], requires_grad=True)
    out = autograd.where(condition, x, other)
    np.testing.assert_array_equal(out.data, np.where(taken, x.data, other))
    assert np.signbit(out.data[0]) == np.signbit(other)
    out.backward(np.ones(4))
    np.testing.assert_array_equal(x.grad.data, taken.astype(float))


@pytest.mark.parametrize("dtype", [bool, np.int64, np.float32, np.float64])
def test_where_has_the_dtype_that_numpy_gives(dtype):
    condition, x = np.array([True, False]), np.ones(2, dtype)
    for other in (0.0, 1.0, 0, np.zeros(2, np.float32)):
        judge = np.where(condition, x, other)
        assert autograd.where(condition, x, other).dtype == judge.dtype
        assert autograd.where(condition, Tensor(x), other).dtype == judge.dtype


# --- IEEE ----------------------------------------------------------------------------------------

SPECIAL = [0.0, -0.0, 1.0, -1.0, 2.0, -8.0, 0.5, 1 / 3, 1000.0, -1000.0]
SPECIAL += [5e-324, -5e-324, 1e308, -1e308, 1.7976931348623157e308, INF, -INF, NAN]
UNARY = {
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "sqrt": np.sqrt,
    "sin": np.sin,
    "cos": np.cos,
    "tanh": np.tanh,
    "abs": np.abs,
    "neg": np.negative,
    "relu": lambda x: np.maximum(x, 0.0),
    "sigmoid": lambda x: 1.0 / (1.0 + np.exp(-x)),
    "softplus": lambda x: np.logaddexp(x, 0.0),
}
BINARY = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "power": np.power,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "greater": np.greater,
    "greater_equal": np.greater_equal,
    "less": np.less,
    "less_equal": np.less_equal,
    "equal": np.equal,
    "not_equal": np.not_equal,
}
OPERATORS = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": operator.truediv,
    "power": operator.pow,
}


def as_numpy(function, *args):
    with np.errstate(all="ignore"):
        return float(function(*map(np.float64, args)))


def same(got, judge):
    """Equal as IEEE numbers go; finite ones to the few ulp in which libm and NumPy differ."""
    np.testing.assert_allclose(got, judge, rtol=1e-15, atol=5e-324)


@pytest.mark.parametrize("name", list(UNARY))
def test_functions_of_a_value_are_numpys_at_the_edges(name):
    for x in SPECIAL:
        judge = as_numpy(UNARY[name], x)
        node = Value(x)
        method = -node if name == "neg" else getattr(node, name)()
        function = getattr(autograd, name)(node)
        same([method.data, function.data, getattr(autograd, name)(x)], judge)
        method.backward()
        fast = node.grad
        assert isinstance(fast, float)
        np.testing.assert_array_equal(gradients(function, [node]), [fast])


@pytest.mark.parametrize("name", list(BINARY))
def test_arithmetic_on_values_is_numpys_at_the_edges(name):
    for x, y in itertools.product(SPECIAL, repeat=2):
        if (name, x, y) == ("power", -INF, 0.5):
            continue  # C and IEEE 754 say inf; NumPy takes a root there and says nan
        judge = as_numpy(BINARY[name], x, y)
        a, b = Value(x), Value(y)
        out = getattr(autograd, name)(a, b)
        same(out.data, judge)
        same(getattr(autograd, name)(a, y).data, judge)
        same(getattr(autograd, name)(x, b).data, judge)
        same(getattr(autograd, name)(x, y), judge)
        if name in OPERATORS:
            same([OPERATORS[name](a, b).data, OPERATORS[name](x, b).data], [judge, judge])
        if out.requires_grad:
            out.backward()
            fast = [a.grad, b.grad]
            assert all(isinstance(g, float) for g in fast)
            np.testing.assert_array_equal(gradients(out, [a, b]), fast)


@pytest.mark.parametrize(
    ("compute", "result", "slope"),
    [
        pytest.param(lambda x: 1 / x, INF, -INF, id="1 / x"),
        pytest.param(lambda x: x / 0.0, NAN, INF, id="x / 0.0"),
        pytest.param(lambda x: x.log(), -INF, INF, id="x.log()"),
        pytest.param(lambda x: (x + 1000).exp(), INF, INF, id="(x + 1000).exp()"),
        pytest.param(lambda x: (x - 1).log(), NAN, -1.0, id="(x - 1).log()"),
        pytest.param(lambda x: (x - 8.0) ** (1 / 3), NAN, NAN, id="(x - 8.0) ** (1 / 3)"),
        pytest.param(lambda x: x**-1, INF, -INF, id="x**-1"),
        pytest.param(lambda x: (x + 1e200) ** 2, INF, 2e200, id="(x + 1e200) ** 2"),
        pytest.param(lambda x: (x + INF) - INF, NAN, 1.0, id="(x + INF) - INF"),
        pytest.param(lambda x: x * INF, NAN, INF, id="x * INF"),
        pytest.param(lambda x: (x + INF).sin(), NAN, NAN, id="(x + INF).sin()"),
        pytest.param(lambda x: (x - 1).sqrt(), NAN, NAN, id="(x - 1).sqrt()"),
        pytest.param(lambda x: (x - 1000).sigmoid(), 0.0, 0.0, id="(x - 1000).sigmoid()"),
        pytest.param(lambda x: (x + 1000).softplus(), 1000.0, 1.0, id="(x + 1000).softplus()"),
    ],
)
def test_where_python_raises_or_turns_complex_a_value_goes_on(compute, result, slope):
    """1/0, log(0), exp(1000), (-8)**(1/3): inf or nan, forward and backward, no exception."""
    x = Value(0.0)
    out = compute(x)
    np.testing.assert_equal(out.data, result)
    out.backward()
    np.testing.assert_equal(x.grad, slope)


finite = st.floats(allow_nan=False, allow_infinity=False)


@given(finite, finite)
def test_any_two_floats_go_through_arithmetic_without_an_exception(x, y):
    a, b = Value(x), Value(y)
    out = a * b + a / b - (b - a) * (a + b) + a**b + (a * b).exp() * (a - b).tanh()
    with np.errstate(all="ignore"):
        p, q = np.float64(x), np.float64(y)
        judge = p * q + p / q - (q - p) * (p + q) + np.power(p, q) + np.exp(p * q) * np.tanh(p - q)
        terms = [p * q, p / q, (q - p) * (p + q), np.power(p, q), np.exp(p * q)]
    if np.isfinite(judge):
        # The terms may cancel: rounding is relative to the largest of them.
        assert abs(out.data - judge) <= 1e-14 * max(1.0, *map(abs, terms))
    else:
        np.testing.assert_equal(out.data, float(judge))
    out.backward()
    np.testing.assert_array_equal([a.grad, b.grad], gradients(out, [a, b]))


@pytest.mark.parametrize("x", [-1e4, -745.2, -37.0, 37.0, 709.8, 1e4])
def test_sigmoid_softplus_and_tanh_saturate_without_overflow(x):
    for dtype in (np.float32, np.float64):
        array = np.array([x], dtype)
        assert autograd.sigmoid(array)[0] == pytest.approx(float(x > 0), abs=1e-15)
        assert autograd.softplus(array)[0] == pytest.approx(max(x, 0.0), abs=1e-15)
        assert autograd.tanh(array)[0] == math.copysign(1.0, x)
    for prim, slope in ((autograd.sigmoid, 0.0), (autograd.softplus, float(x > 0))):
        assert slopes(prim, x)[0] == pytest.approx(slope, abs=1e-15)


@pytest.mark.parametrize("name", ["expm1", "log1p"])
@given(x=st.floats(-1e-8, 1e-8))
def test_expm1_and_log1p_keep_their_digits_near_zero(name, x):
    """x -+ x^2/2 is exact to x^3: what exp(x) - 1 loses, these are for."""
    judge = x + (x * x / 2 if name == "expm1" else -x * x / 2)
    for got in (getattr(autograd, name)(x), getattr(autograd, name)(np.array([x]))[0]):
        assert abs(got - judge) <= 4 * np.spacing(abs(judge))


def test_the_slope_of_expm1_is_not_lost_where_expm1_is_minus_one():
    assert slopes(autograd.expm1, -100.0)[0] == pytest.approx(math.exp(-100.0), rel=1e-14)


# --- powers, where they are not smooth ---


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("times", [0, 1, 1000])
def test_powers_of_numbers_whose_reciprocal_overflows(dtype, sign, times):
    """x ** 0 is 1 everywhere: its slope is 0 also where 0 * x ** -1 is 0 * inf."""
    x = np.array(sign * times * np.finfo(dtype).smallest_subnormal, dtype)
    at = Tensor(x, requires_grad=True)
    assert gradients(at**0.0, [at])[0].item() == 0.0
    assert gradients(at**1.0, [at])[0].item() == 1.0
    number = Value(float(x))
    (number**0).backward()
    assert number.grad == 0.0
    # the mixed derivative at y = 0 stays that of y * x ** (y - 1): 1 / x
    assert grad(grad(lambda x, y: x**y), 1)(2.0, 0.0) == 0.5


@pytest.mark.parametrize("zero", [0.0, -0.0])
@pytest.mark.parametrize("y", [-1.0, -2.0, -0.5])
def test_powers_at_their_pole(zero, y):
    """x ** y goes to infinity as x goes to 0, the faster the smaller y: the slope by y is -inf."""
    slope = INF if math.copysign(1.0, zero) < 0 and y == -1.0 else -INF  # an odd power's pole
    base, exponent = Tensor(zero, requires_grad=True), Tensor(y, requires_grad=True)
    with np.errstate(divide="ignore"):
        assert gradients(base**exponent, [exponent])[0].item() == slope
    assert grad(autograd.power, 1)(zero, y) == slope
