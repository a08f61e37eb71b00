"""gradcheck itself: it lets right rules pass and catches wrong ones, each by name."""

from __future__ import annotations

import re

import numpy as np
import pytest

import autograd
from autograd import (
    GradientError,
    Tensor,
    Value,
    cross_entropy,
    detach,
    gradcheck,
    greater,
    log,
    maximum,
    power,
    primitive,
    relu,
    sin,
    sqrt,
    tanh,
    where,
)
from autograd.checking.gradcheck import STEP
from autograd.primitives.primitive import TABLE

X = np.array([0.3, -1.2, 0.7])
MATRIX = np.array([[0.3, -1.2, 0.7], [1.1, 0.4, -0.6]])


@pytest.fixture
def prim():
    """`primitive(on_array, *rules)`: a row of the table until the test is over."""
    before = set(TABLE)

    def add(on_array, *rules, name="planted", **fields):
        return primitive(name, "a primitive of a test", on_array, *rules, **fields)

    yield add
    for name in set(TABLE) - before:
        del TABLE[name]


def caught(f, *inputs, order=1, **how) -> str:
    with pytest.raises(GradientError) as error:
        gradcheck(f, *inputs, order=order, **how)
    return str(error.value)


# --- right rules pass --------------------------------------------------------------------------

ELEMENTWISE = [r for r in TABLE.values() if r.domain and any(map(r.rule, range(len(r.domain))))]
OTHERS = [r for r in TABLE.values() if r.cases and r.rule(0)]


@pytest.mark.parametrize("known", ELEMENTWISE, ids=lambda prim: prim.name)
def test_every_elementwise_primitive_passes_on_its_domain(known):
    generator = np.random.default_rng(0)
    for shape in ((), (2, 3)):
        point = [generator.uniform(low, high, shape) for low, high in known.domain]
        point = [x if shape else float(x) for x in point]
        for entries in (False, True):
            result = gradcheck(known, *point, order=2, entries=entries)
            # Rounding is a bound, so what is measured stays far below it.
            assert result.error < 0.1
            assert result.notes == []


@pytest.mark.parametrize("known", OTHERS, ids=lambda prim: prim.name)
def test_every_other_primitive_passes_on_its_cases(known):
    generator = np.random.default_rng(0)
    for args, params in known.cases:
        point = [x if isinstance(x, np.ndarray) else generator.uniform(-1, 1, x) for x in args]
        result = gradcheck(lambda *args, p=params: known(*args, **p), *point, order=2)
        assert result.error < 0.1


def test_arguments_and_results_in_lists_tuples_and_dicts():
    def network(p, x, labels, name):
        hidden = tanh(x @ p["w"] + p["b"][0]) * p["scale"]
        return {"loss": cross_entropy(hidden, labels), "hidden": (hidden, name and hidden.sum())}

    p = {"w": MATRIX.T, "b": [X[:2]], "scale": 0.5}
    result = gradcheck(network, p, X[None, :], np.array([1]), "net", order=2, entries=True)
    assert result.compared == 2 * (6 + 2 + 1 + 3)


def test_values_tensors_and_float32_are_taken():
    assert gradcheck(lambda x, y: x * y.exp(), Value(2.0), Value(0.5), order=2)
    assert gradcheck(lambda x: x.var(), Tensor(X, requires_grad=True), order=2)
    assert gradcheck(lambda x, w: tanh(x * w).sum(), X.astype(np.float32), 2.0, order=2)
    assert gradcheck(lambda xs, c: sum((x * x * c).tanh() for x in xs), [1.0, 2.0], 0.3, order=2)


def test_a_function_of_no_argument_has_gradient_zero():
    assert gradcheck(lambda x: 3.0, X, order=2).error == 0.0


def test_the_inputs_stay_as_they_are():
    x = MATRIX.copy()
    x.flags.writeable = False
    gradcheck(lambda x: (x * x).sum(), x, order=2)


def test_a_check_is_reproducible():
    first, second = (gradcheck(lambda x: tanh(x).sum(), X, seed=3) for _ in range(2))
    assert first == second


# --- wrong rules are caught, of first order ----------------------------------------------------


def cube(prim, rule, **fields):
    def f(x):
        return x * x * x

    return prim(f, rule, on_float=f, **fields)


def test_wrong_sign(prim):
    text = caught(cube(prim, lambda g, out, x: -3.0 * g * x * x), 2.0)
    assert text == (
        "gradcheck, order 1: wrong gradient of argument 0 (x)\n"
        "  the rules say -12, differences say 12: error 24, tolerance 2e-08\n"
        "  wrong entries: 1 of 1 of argument 0 (x)\n"
        "  the sign is wrong"
    )


def test_missing_factor(prim):
    text = caught(prim(lambda x: x * x, lambda g, out, x: g * x), X)
    assert "a factor is wrong: the rules give 0.5 times what they should" in text
    assert "these are gradients of <w, f>, w random" in text
    assert "wrong entries: 3 of 3 of argument 0 (x)" in text


def test_a_factor_wrong_by_a_millionth(prim):
    assert caught(cube(prim, lambda g, out, x: 3.000003 * g * x * x), X)


def test_swapped_arguments(prim):
    product = prim(np.multiply, lambda g, out, x, y: g * x, lambda g, out, x, y: g * y)
    text = caught(lambda a, b: product(a, b), X, X[::-1] + 0.1)
    assert re.search(r"wrong gradient of argument [01] \([ab]\)\[\d\]\n", text)
    assert "the gradients of two arguments, 0 and 1, are swapped" in text


def test_the_result_in_the_place_of_the_argument(prim):
    assert caught(cube(prim, lambda g, out, x: 3.0 * g * out), X)


def test_missing_cotangent(prim):
    forgets = cube(prim, lambda g, out, x: 3.0 * x * x)
    assert "wrong gradient" in caught(forgets, X)
    # Of a single number, where the cotangent is 1, it takes another cotangent to see it.
    text = caught(forgets, 2.0)
    assert "the gradient of argument 0 (x) is 12 for a cotangent of zero" in text
    assert "a rule that leaves out g, or adds to it" in text


def test_a_cotangent_squared(prim):
    text = caught(cube(prim, lambda g, out, x: 3.0 * g * g * x * x), 2.0)
    assert (
        "the gradient of argument 0 (x) is not linear in the cotangent: for 3 v - 2 w it is" in text
    )


def test_missing_unbroadcast(prim):
    """A rule that gives the bias the gradient of the first primitive, not the sum over the
    primitives."""
    bias = prim(np.add, lambda g, out, x, b: g, lambda g, out, x, b: g[0])
    text = caught(lambda x, b: bias(x, b), MATRIX, X, entries=True)
    assert "wrong gradient of argument 1 (b)[" in text
    assert "wrong entries: 0 of 6 of argument 0 (x), 3 of 3 of argument 1 (b)" in text


def test_an_engine_that_does_not_undo_broadcasting(monkeypatch):
    monkeypatch.setattr(Tensor, "_fit", lambda self, cotangent: np.asarray(cotangent))
    text = caught(lambda x, b: x + b, MATRIX, X)
    assert "the gradient of argument 1 (b) has shape (2, 3) and dtype float64" in text
    assert "the argument (3,) and float64" in text


def test_an_engine_that_loses_float32(monkeypatch):
    fit = Tensor._fit
    monkeypatch.setattr(Tensor, "_fit", lambda self, c: np.asarray(fit(self, c), np.float64))
    text = caught(lambda x: x * x.astype(np.float64), X.astype(np.float32))
    assert "has shape (3,) and dtype float64, the argument (3,) and float32" in text


def test_a_value_kept_from_the_first_call(prim):
    seen = []

    def rule(g, out, x):
        seen.append(x)
        return 3.0 * g * seen[0] * seen[0]

    assert "wrong gradient" in caught(cube(prim, rule), X)


def test_a_value_kept_from_the_call_before(prim):
    seen = [X]

    def rule(g, out, x):
        seen.append(x)
        return 3.0 * g * seen[-2] * seen[-2]

    assert "wrong gradient" in caught(cube(prim, rule), X)


def test_a_rule_right_only_the_first_time(prim):
    def rule(g, out, x):
        answer = 3.0 * g * x * x
        x += 1e-3
        return answer

    text = caught(cube(prim, rule), X.copy())
    assert "the gradient of argument 0 (x)[1] is not the same on a second call" in text


def test_a_kink_in_the_wrong_place(prim):
    late = prim(lambda x: np.maximum(x, 0), lambda g, out, x: where(greater(x, 0.5), g, 0.0))
    text = caught(lambda x: late(x), X)
    assert "wrong gradient of argument 0 (x)[0]" in text
    assert "wrong entries: 1 of 3 of argument 0 (x)" in text
    assert "no gradient gets there" in text


def test_the_worst_entry_is_named(prim):
    def rule(g, out, x):
        wrong = np.ones((2, 3))
        wrong[1, 2] = 1.5
        return g * wrong

    f = prim(lambda x: x * 1.0, rule)
    text = caught(lambda p: f(p["w"][0]), {"w": [MATRIX]})
    assert "wrong gradient of argument 0 (p)['w'][0][1, 2]\n" in text
    assert "the rules give 1.5 times what they should" in text


def test_a_primitive_that_is_not_linear_though_it_says_so(prim):
    """Forward mode sends tangents through a linear primitive itself."""
    f = prim(lambda x: x * x * x, lambda g, out, x: 3.0 * g * x * x, linear=True)
    text = caught(f, X)
    assert "forward and reverse mode disagree: <w, J v> = " in text


# --- of second order: right at the first -------------------------------------------------------


def second_order_only(f, *inputs) -> str:
    assert gradcheck(f, *inputs, order=1)
    text = caught(f, *inputs, order=2)
    assert text.startswith("gradcheck, order 2: wrong gradient of ")
    assert "the gradient is right; this is the gradient of <w, gradient>, w random" in text
    return text


def test_second_order_missing(prim):
    text = second_order_only(cube(prim, lambda g, out, x: 3.0 * g * detach(x * x)), X)
    assert "no gradient gets there: a rule that is None or gives 0, or a detach()" in text


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        (lambda g, out, x: g * sin(x), "the sign is wrong"),
        (lambda g, out, x: -0.5 * g * sin(x), "the rules give 0.5 times what they should"),
        (lambda g, out, x: -g * sin(out), ""),
    ],
    ids=["sign", "missing factor", "out for x"],
)
def test_second_order_by_the_rule_of_a_rule(prim, rule, says):
    slope = prim(np.cos, rule, name="slope")
    assert says in second_order_only(prim(np.sin, lambda g, out, x: g * slope(x)), X)


def test_second_order_swapped_arguments(prim):
    slope = prim(
        lambda x, y: 2.0 * x * y,
        lambda g, out, x, y: 2.0 * g * x,
        lambda g, out, x, y: 2.0 * g * y,
        name="slope",
    )
    f = prim(
        lambda x, y: x * x * y,
        lambda g, out, x, y: g * slope(x, y),
        lambda g, out, x, y: g * x * x,
    )
    second_order_only(f, X, X[::-1] + 0.1)


def test_second_order_missing_unbroadcast(prim):
    times = prim(
        np.multiply,
        lambda g, out, x, s: g * s,
        lambda g, out, x, s: (g * x)[0],
        name="times",
    )
    f = prim(np.multiply, lambda g, out, x, s: times(g, s), lambda g, out, x, s: g * x)
    text = second_order_only(lambda x, s: f(x, s), MATRIX, X)
    assert "of argument 1 (s)[" in text


def test_second_order_stale_value(prim):
    seen = []

    def stale(g, out, x):
        seen.append(getattr(x, "_data", x))
        return 2.0 * g * seen[0]

    square = prim(lambda x: x * x, stale, name="square")
    second_order_only(cube(prim, lambda g, out, x: 3.0 * g * square(x)), X)


def test_second_order_kink_in_the_wrong_place(prim):
    late = prim(
        lambda x: np.maximum(x, 0), lambda g, out, x: where(greater(x, 0.5), g, 0.0), name="late"
    )
    f = prim(lambda x: np.maximum(x, 0) ** 2, lambda g, out, x: 2.0 * g * late(x))
    text = second_order_only(lambda x: f(x), X)
    assert "wrong entries: 1 of 3 of argument 0 (x)" in text


# --- points where differences say little -------------------------------------------------------


@pytest.mark.parametrize("at", [0.0, 1e-10])
def test_a_kink_at_the_point_is_said_and_no_alarm(at):
    result = gradcheck(relu, at)
    assert result
    (note,) = result.notes
    said = "order 1: at argument 0 (x) there is a kink within 2e-08 of the point: slope "
    assert note.startswith(said)
    assert note.endswith(" on one side, 1 on the other")


@pytest.mark.parametrize("distance", [0.9 * STEP, 0.1 * STEP, 1e-3 * STEP])
def test_a_kink_beside_the_point_is_stepped_around(distance):
    result = gradcheck(relu, distance)
    assert result.notes == []
    assert result.error < 0.1


def test_one_kink_among_many_entries_hides_no_other(prim):
    half = prim(lambda x: np.maximum(x, 0), lambda g, out, x: where(greater(x, 0.0), 0.5 * g, 0.0))
    x = np.array([0.0, 1.0, -1.0])
    assert "a kink" in gradcheck(relu, x).notes[0]
    text = caught(half, x, entries=True)
    assert "wrong gradient of argument 0 (x)[1]" in text
    assert "note: order 1: at argument 0 (x)[0] there is a kink within" in text


def test_a_slope_outside_those_of_both_sides_is_wrong_also_at_a_kink(prim):
    def f(x):
        return np.maximum(x, 0)

    steep = prim(f, lambda g, out, x: 1.5 * g, on_float=f)
    assert "the rules say 1.5, differences say between 0 and 1" in caught(steep, 0.0)


def test_ties_of_maximum_pass():
    assert len(gradcheck(maximum, 1.0, 1.0, entries=True).notes) == 2


def test_a_jump_is_said():
    result = gradcheck(lambda x: where(greater(x, 0.0), x + 1.0, x), 0.0)
    assert "differences do not settle as the step shrinks" in result.notes[0]
    assert result.compared == 0


@pytest.mark.parametrize("at", [1e-4, 1e-6, 1e-8])
def test_near_the_edge_of_a_domain_the_step_shrinks(at, prim):
    result = gradcheck(log, at, order=2)
    assert result.notes == []
    assert result.compared == 2
    assert caught(prim(np.log, lambda g, out, x: 1.001 * g / x, on_float=np.log), at)


def test_on_the_edge_of_a_domain_nothing_can_be_said():
    result = gradcheck(lambda x: power(x, 1.5), 0.0)
    assert result.compared == 0
    assert "f is not finite on both sides" in result.notes[0]


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_functions_of_any_scale(scale, prim):
    for f in (lambda x: scale * tanh(x), lambda x: tanh(x * scale), lambda x: sin(x / scale)):
        assert gradcheck(f, X / scale if scale > 1 else X, order=2).error < 0.1
    wrong = prim(np.tanh, lambda g, out, x: 1.0001 * g * (1.0 - out * out))
    assert caught(lambda x: scale * wrong(x), X)


def test_a_badly_conditioned_function_is_no_false_alarm_and_is_said():
    result = gradcheck(lambda x: (x + 1e9) - 1e9, 1.0)
    assert "f is badly conditioned, this check says little" in result.notes[0]


def test_many_entries_and_many_kinks():
    generator = np.random.default_rng(0)
    w = [generator.normal(size=(20, 30)), generator.normal(size=(30, 4))]
    x, labels = generator.normal(size=(16, 20)), generator.integers(0, 4, 16)

    def loss(w):
        return cross_entropy(relu(x @ w[0]) @ w[1], labels)

    assert gradcheck(loss, w, order=2).error < 0.1
    wrong = caught(lambda w: loss([w[0], 1.001 * w[1] - 0.001 * detach(w[1])]) + 0.0 * sum_of(w), w)
    assert "argument 0 (w)[" in wrong


def sum_of(w):
    return w[0].sum() + w[1].sum()


# --- what is no function to check --------------------------------------------------------------


def test_random_numbers_are_said_to_be():
    generator = np.random.default_rng(0)
    text = caught(lambda x: x * generator.normal(), X)
    assert "the function gives other numbers the second time" in text


def test_a_function_or_a_gradient_that_is_not_finite():
    with np.errstate(all="ignore"):
        assert "the function is not finite at this point: result 0 is -inf" in caught(log, 0.0)
        assert "the gradient of argument 0 (x) is inf" in caught(sqrt, 0.0)
        text = caught(lambda x: sqrt(x), np.array([1.0, 0.0]))
        assert re.search(r"the gradient of argument 0 \(x\)\[1\] is -?inf", text)


def test_arguments_that_do_not_fit():
    with pytest.raises(ValueError, match="order must be 1 or 2, not 3"):
        gradcheck(sin, 0.5, order=3)
    with pytest.raises(ValueError, match="no argument holds a float"):
        gradcheck(relu, np.arange(3))
    with pytest.raises(TypeError, match="result 0 of the function is array"):
        gradcheck(lambda x: greater(x, 0.0), X)


def test_gradient_error_is_an_assertion():
    assert issubclass(GradientError, AssertionError)
    assert autograd.gradcheck is gradcheck
