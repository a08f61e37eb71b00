"""detect_anomaly: the first operation that makes a NaN or an infinity, where, why, what instead."""

from __future__ import annotations

import math
import threading
from pathlib import Path

import numpy as np
import pytest

import autograd
from autograd import (
    AnomalyError,
    Tensor,
    Value,
    clip,
    concatenate,
    cross_entropy,
    detect_anomaly,
    div,
    exp,
    expm1,
    grad,
    gradients,
    greater,
    hvp,
    jit,
    log,
    log1p,
    log_softmax,
    logsumexp,
    power,
    relu,
    softmax,
    sqrt,
    sum,
    vmap,
    where,
)
from autograd.modes.mode import mode, special
from autograd.optim import SGD
from autograd.primitives.primitive import TABLE
from models.mlp import MLP

HERE = str(Path(__file__))


def tensor(*numbers, dtype=np.float64, name=None):
    return Tensor(np.array(numbers, dtype), requires_grad=True, name=name)


def report(f) -> str:
    with pytest.raises(AnomalyError) as error, detect_anomaly():
        f()
    assert str(error.value).isascii()
    return str(error.value)


def line_of(code: str) -> str:
    """`file:line` of the first line of this file that is `code`."""
    lines = [line.strip() for line in Path(HERE).read_text().splitlines()]
    return f"{HERE}:{lines.index(code) + 1}"


# --- the two reports in full -------------------------------------------------------------------


def test_the_report_for_the_logarithm_of_a_softmax():
    def loss():
        logits = tensor([2.0, -1000.0, 1.0], [0.0, 1.0, 2.0])
        p = softmax(logits)
        return -log(p).mean()

    text = f"""\
log made -inf in 1 of 6 entries from finite numbers

  {line_of("return -log(p).mean()")}
      return -log(p).mean()
  log: the natural logarithm of x
      x       float64 (2, 3), min 0, max 0.731059 (exp at {line_of("p = softmax(logits)")}: \
p = softmax(logits))
      result  float64 (2, 3), min -inf, max -0.313262, 1 inf
  at [0, 1]: x = 0, result = -inf

  cause:   x is a softmax; the probability exp(-1002.31) there is below 5e-324, the least
           float64, and rounded to 0, whose logarithm is -inf
  instead: log_softmax(z), with z what the softmax was given: it never forms the probability,
           and is exact there; with labels, cross_entropy(z, labels)"""
    assert report(loss) == text


def test_the_report_of_a_backward_pass_through_the_branch_not_taken():
    def backward():
        x = tensor(0.0, 1.0, 4.0, name="x")
        y = where(greater(x, 0.0), sqrt(x), 0.0)
        y.sum().backward()

    text = f"""\
the backward pass of sqrt made the gradient of x nan in 1 of 3 entries; the forward pass was finite

  {line_of("y = where(greater(x, 0.0), sqrt(x), 0.0)")}
      y = where(greater(x, 0.0), sqrt(x), 0.0)
  sqrt: the square root of x
      x                   float64 (3,), min 0, max 4 (leaf 'x')
      result              float64 (3,), min 0, max 2
      gradient of result  float64 (3,), min 0, max 1
      gradient of x       float64 (3,), min 0.25, max 0.5, 1 nan
  at [0]: x = 0, result = 0, gradient of result = 0, gradient of x = nan

  cause:   the slope of sqrt is infinite there, and the gradient that arrives is 0, as it is
           where a where() took the other branch, or a product with 0 follows: 0 * inf is nan
  instead: choose before the function too, not only after it: keep = greater(x, 0.0);
           where(keep, sqrt(where(keep, x, 1.0)), 0.0)"""
    assert report(backward) == text


def test_the_advice_of_both_reports_is_good():
    with detect_anomaly():
        z = tensor([2.0, -1000.0, 1.0])
        log_softmax(z).mean().backward()
        assert np.isfinite(z.grad.data).all()
        x = tensor(0.0, 1.0, 4.0)
        keep = greater(x, 0.0)
        where(keep, sqrt(where(keep, x, 1.0)), 0.0).sum().backward()
        np.testing.assert_array_equal(x.grad.data, [0.0, 0.5, 0.25])


# --- forward -----------------------------------------------------------------------------------

NUMBERS = [
    (log, (0.0,), "log made -inf", "the logarithm of 0", "log(where(greater(x, 0.0), x, 1.0))"),
    (log, (-1.0,), "log made nan", "a negative number", "log(abs(x))"),
    (log1p, (-1.0,), "log1p made -inf", "x has to be above -1", "maximum(x, -1 + 1e-12)"),
    (exp, (710.0,), "exp made inf", "exp overflows above 709.8 in float64", "logsumexp(z)"),
    (expm1, (710.0,), "expm1 made inf", "exp overflows above 709.8", "softplus(z)"),
    (sqrt, (-1e-20,), "sqrt made nan", "square root of a negative", "var(x) instead of"),
    (div, (1.0, 0.0), "div made inf", "division by zero", "where(equal(y, 0.0), 1.0, y)"),
    (div, (0.0, 0.0), "div made nan", "0 / 0 is nan", "see that something is in it"),
    (power, (-8.0, 1 / 3), "power made nan", "a power that is no integer", "abs(x) ** y"),
    (power, (0.0, -1.0), "power made inf", "0 to a negative power", "(x + 1e-12) ** y"),
    (power, (1e200, 2.0), "power made inf", "beyond 1.8e+308, the largest float64", "clip"),
]


@pytest.mark.parametrize("kind", [Value, tensor], ids=["Value", "Tensor"])
@pytest.mark.parametrize(("f", "args", *["title", "cause", "instead"]), NUMBERS)
def test_an_operation_of_numbers(kind, f, args, title, cause, instead):
    text = report(lambda: f(*[kind(arg) for arg in args]))
    for part in (title, "from finite numbers", "cause:   ", "instead: "):
        assert part in text
    flat = " ".join(text.split())
    assert cause in flat
    assert instead in flat
    assert f"{HERE}:" in text
    if kind is tensor:
        assert f"at [0]: x = {args[0]:.6g}, " in text


def test_operators_name_the_users_line():
    def f():
        x = Value(1e308)
        return x * x

    assert line_of("return x * x") in report(f)


def test_float32_overflows_sooner():
    assert "exp overflows above 88.7 in float32" in report(lambda: exp(tensor(100.0, dtype="f")))
    text = report(lambda: tensor(1e300).astype(np.float32))
    assert "beyond 3.4e+38, the largest float32" in text


def test_a_softmax_by_hand():
    def f():
        z = tensor([2.0, -1000.0, 1.0])
        return log(exp(z) / exp(z).sum(axis=1, keepdims=True))

    assert "x is a softmax; the probability there is below 5e-324" in report(f)
    small = report(lambda: exp(tensor(-1000.0)) / exp(tensor(-1000.0)).sum())
    assert "exponentials all rounded to 0, and 0 / 0 is nan" in small


def test_the_numbers_that_a_product_or_a_sum_is_made_of():
    x, y = Tensor(np.full((2, 3), 1e200)), Tensor(np.diag([1.0, 1e200, 1.0]))
    text = report(lambda: x @ y)
    assert "at [0, 1]: x = [1.e+200 1.e+200 1.e+200], y = [0.e+000 1.e+200 0.e+000]" in text
    big = np.array([[[1.0, 2.0], [3.0, 4.0]], [[1.0, 1e308], [0.0, 1e308]]])
    assert "at [1, 1]: x = [1.e+308 1.e+308]" in report(lambda: Tensor(big).sum(axis=1))
    assert "at [1, 0, 1]: x = [1.e+308 1.e+308]" in report(
        lambda: sum(Tensor(big), axis=1, keepdims=True)
    )


def test_the_first_operation_is_named_not_the_last():
    def f():
        x = tensor(1000.0)
        y = exp(x)
        return y - y

    assert report(f).startswith("exp made inf")


def test_the_module_is_named():
    model = MLP([2, 3, 1], seed=0)
    next(iter(model.parameters())).data[:] = 1e30
    text = report(lambda: model(np.full((4, 2), 1e30, np.float32)))
    assert "matmul in MLP.0: " in text
    assert "models/mlp.py:" in text  # to the engine, models are a user


def test_the_error_tells_a_program_too():
    with pytest.raises(FloatingPointError) as error, detect_anomaly():
        log(Value(0.0))
    assert error.value.op == "log"
    assert error.value.where.startswith(f"{HERE}:")


# --- what is not finite before -----------------------------------------------------------------


def test_a_leaf_that_is_nan_already():
    text = report(lambda: relu(tensor(1.0, np.nan, name="weight")))
    assert text.startswith("relu reads nan, which it did not make: x holds it already")
    assert "the first in x is at [1]" in text
    assert "the leaf 'weight' holds it" in text
    assert "the step before spoilt it" in text
    assert "np.isfinite(data).all()" in report(lambda: relu(Tensor(np.array([np.nan]))))


def test_a_constant_that_is_inf():
    text = report(lambda: tensor(1.0, 2.0) * np.array([1.0, np.inf]))
    assert "mul reads inf, which it did not make: y holds it already" in text
    assert "a number or an array of yours is not finite" in text


def test_nan_is_reported_even_where_the_result_hides_it():
    assert "greater reads nan" in report(lambda: greater(tensor(np.nan), 0.0))


def test_where_may_drop_nan():
    with detect_anomaly():
        x = tensor(1.0, np.nan)
        where(np.array([True, False]), x, 0.0).sum().backward()
        np.testing.assert_array_equal(x.grad.data, [1.0, 0.0])
    assert "where reads nan" in report(lambda: where(np.array([True, True]), x, 0.0))


def test_infinities_that_do_no_harm_pass():
    with detect_anomaly():
        assert exp(tensor(-np.inf)).item() == 0.0
        assert clip(tensor(1.0), -np.inf, 0.5).item() == 0.5
        assert logsumexp(tensor(-np.inf, 0.0)).item() == 0.0


def test_what_went_wrong_before_it_began():
    with np.errstate(all="ignore"):
        y = log(tensor(0.0))
    text = report(lambda: y * 2.0)
    assert "log made it before detect_anomaly() began" in text
    text = report(lambda: y.backward(np.ones(1)))
    assert "the forward pass was not finite before it" in text
    assert "run the forward pass inside detect_anomaly() too" in text


def test_an_argument_of_grad():
    text = report(lambda: grad(lambda x: x * x)(float("nan")))
    assert text.startswith("mul reads nan")
    assert "(leaf)" in text


# --- backward ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Value, tensor], ids=["Value", "Tensor"])
def test_an_infinite_slope(kind):
    def f():
        y = sqrt(kind(0.0))
        (y * 3.0).backward(None if kind is Value else np.ones(1))

    text = report(f)
    assert text.startswith("the backward pass of sqrt made the gradient of x inf")
    assert line_of("y = sqrt(kind(0.0))") in text
    assert "the slope of sqrt at 0 is infinite" in text
    assert "sqrt(sum(v * v) + 1e-12)" in text


@pytest.mark.parametrize(
    ("f", "says"),
    [
        (lambda: Value(0.0) ** 0.5, "the slope of x ** y at 0 is infinite for y below 1"),
        (lambda: Value(-2.0) ** Value(3.0), "by the exponent is x ** y * log(x)"),
        (lambda: log(Value(1e-310)), "the slope of log overflows so near to 0"),
        (lambda: (Value(1.0) * 1e200) * 1e200 * 1e-300, None),
        (lambda: (Value(1e-200) * 1e200) * 1e200, "times the slope, is beyond 1.8e+308"),
        (lambda: (Value(0.0) ** 0.5) * 0.0, "where(keep, where(keep, x, 1.0) ** y, 0.0)"),
    ],
)
def test_backward_causes(f, says):
    text = report(lambda: f().backward())
    if says is None:
        assert text.startswith("mul made inf")  # forward: first things first
    else:
        assert text.startswith("the backward pass of ")
        assert says in " ".join(text.split())


def test_gradients_that_are_finite_one_by_one():
    def f():
        x = Value(1e-10)
        (x * 1.5e308 + x * 1.5e308).backward()

    text = report(f)
    assert "made the gradient of x inf, as a sum of finite gradients" in text


def test_a_rule_that_broadcasts_shows_the_entry():
    def f():
        x, y = Tensor(np.ones((2, 3)), requires_grad=True), tensor(1.0, 0.0, 4.0)
        (x * sqrt(y) + x * power(y, 0.5)).sum().backward()

    assert "at [1]: x = 0, y = 0.5, result = 0, gradient of result = 2" in report(f)


def test_a_gradient_from_outside():
    def hooked():
        x = Value(2.0)
        y = x * x
        y.hook(lambda gradient: float("nan"))
        (y * 2.0).backward()

    text = report(hooked)
    assert "the gradient of result was nan before it" in text
    assert "the seed of backward(), or a hook" in text
    assert "the seed of backward(), or a hook" in report(lambda: exp(Value(1.0)).backward(np.inf))


def test_a_gradient_of_a_gradient_names_the_operation_it_came_from():
    def f():
        x = Value(0.0)
        y = x.abs() ** 1.5
        (first,) = gradients(y, [x], create_graph=True)
        gradients(first, [x])

    text = report(f)
    assert text.startswith("the backward pass of power made")
    made = line_of("y = x.abs() ** 1.5")
    assert f"(itself made by a backward pass, that of power at {made})" in text


def test_a_graph_from_before():
    y = sqrt(tensor(0.0))
    text = report(lambda: y.sum().backward())
    assert (
        "(made before detect_anomaly() began: put the forward pass inside to see the line)" in text
    )


def test_inside_grad_and_vmap():
    assert "the slope of sqrt at 0" in report(lambda: grad(lambda x: sqrt(x * x))(0.0))
    text = report(lambda: vmap(lambda x: log(x).sum())(Tensor(np.array([[1.0], [0.0]]))))
    assert "at [1, 0]: x = 0" in text
    per_example = vmap(grad(lambda x: sqrt(x).sum()))
    assert "the slope of sqrt at 0" in report(lambda: per_example(np.array([[1.0], [0.0]])))


# --- no false alarms ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "prim", [r for r in TABLE.values() if r.domain], ids=lambda prim: prim.name
)
def test_primitives_on_their_domain_raise_nothing(prim):
    generator = np.random.default_rng(0)
    point = [generator.uniform(low, high, 4) for low, high in prim.domain]
    if any(map(prim.rule, range(len(point)))):
        with detect_anomaly():
            hvp(lambda x: prim(*x).sum(), point, point)


def test_training_raises_nothing_and_learns_the_same():
    generator = np.random.default_rng(0)
    x, labels = generator.normal(size=(8, 4)).astype("f"), generator.integers(0, 3, 8)

    def train():
        model = MLP([4, 8, 3], seed=0)
        optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9)
        for _ in range(3):
            loss = cross_entropy(model(x), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return loss.item()

    with detect_anomaly():
        watched = train()
    assert watched == train()


# --- where it is on ----------------------------------------------------------------------------


def test_outside_nothing_is_watched():
    with detect_anomaly():
        assert mode.watch is not None
    assert mode.watch is None
    assert not special  # what Value's operators look at, so they are the fast ones again
    with np.errstate(all="ignore"):
        assert log(Value(0.0)).data == -np.inf


def test_it_ends_with_an_error_too():
    report(lambda: log(Value(0.0)))
    assert mode.watch is None
    assert not special


def test_inside_another_it_knows_what_was_made_outside():
    def nested():
        y = sqrt(Value(0.0))
        with detect_anomaly():
            y.backward()

    text = report(nested)
    assert text.startswith("the backward pass of sqrt")
    assert line_of("y = sqrt(Value(0.0))") in text


def test_as_a_decorator():
    @detect_anomaly()
    def f(x):
        return log(x)

    assert f(Value(1.0)).data == 0.0
    with pytest.raises(AnomalyError):
        f(Value(0.0))


def test_another_thread_is_not_watched():
    found = []
    with detect_anomaly():
        thread = threading.Thread(target=lambda: found.append(log(Value(0.0)).data))
        thread.start()
        thread.join()
    assert found == [-np.inf]


def test_numpys_warnings_are_off_inside_alone():
    with detect_anomaly(), pytest.raises(AnomalyError):
        exp(tensor(1000.0))
    with pytest.warns(RuntimeWarning, match="overflow"):
        exp(tensor(1000.0))


def test_it_keeps_no_node_alive():
    with detect_anomaly():
        for _ in range(3):
            x = tensor(1.0)
            (x * x + x).backward(np.ones(1))
        del x
        assert len(mode.watch.sites) == 0


def test_a_jitted_step_is_refused_traced_or_not():
    @jit
    def step(x):
        return log(x).sum()

    for traced in (False, True):
        if traced:
            step(np.ones(2))
        with detect_anomaly(), pytest.raises(RuntimeError, match=r"call step\.function\("):
            step(np.ones(2))
        assert "log made -inf" in report(lambda: step.function(tensor(1.0, 0.0)))
    assert step(np.ones(2)).item() == 0.0


def test_inside_a_jitted_step_it_is_refused():
    @jit
    def step(x):
        with detect_anomaly():
            return log(x).sum()

    with pytest.raises(RuntimeError, match=r"step\.function"):
        step(np.ones(2))


def test_a_primitive_of_a_user_without_a_domain():
    prim = autograd.primitive("halved", "x / 2", lambda x: x / 2, lambda g, out, x: g / (x * 0.0))
    try:
        text = report(lambda: prim(tensor(1.0, 2.0)).sum().backward())
        assert text.startswith("the backward pass of halved made the gradient of x inf in 2 of 2")
        assert "halved: x / 2" in text
    finally:
        del TABLE["halved"]


def test_the_slope_of_a_users_primitive_is_what_is_not_finite():
    """And not "numbers that grow from step to step": the primitive's own rule says which it is."""
    prim = autograd.primitive(
        "cbrt_of_a_test", "the cube root", np.cbrt, lambda g, out, x: g / (3.0 * out * out),
        on_float=math.cbrt, domain=((0.2, 3.0),),
    )  # fmt: skip
    try:
        text = report(lambda: prim(tensor(0.0, 2.0)).sum().backward())
        assert "the slope of cbrt_of_a_test is not finite at 0" in text
        assert "learning rate" not in text
    finally:
        del TABLE["cbrt_of_a_test"]


def test_primitives_of_many_arguments():
    text = report(lambda: concatenate([tensor(1.0), tensor(np.inf)]))
    assert "concatenate reads inf, which it did not make: argument 1 holds it already" in text
