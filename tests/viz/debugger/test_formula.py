"""Formulas: what is printed means what the rule computes, with not one parenthesis too many."""

import ast
import functools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd import Tensor, Value, cos, exp, primitive, where
from autograd.primitives.primitive import TABLE
from tests.autograd.primitives.test_primitives import has_derivative
from viz.backprop import unbroadcast, vjp
from viz.debugger.formula import Text, constant, formula_of_node, formula_of_rule, symbol

NUMBERS = [prim for prim in TABLE.values() if prim.domain and prim.on_float]
ROWS = [prim for prim in TABLE.values() if prim.cases and has_derivative(prim)]
OPERATIONS = [
    lambda x, y: x + y, lambda x, y: x - y, lambda x, y: x * y, lambda x, y: x / y,
    lambda x, y: -x, lambda x, y: x + 2.0, lambda x, y: -3.0 * y, lambda x, y: exp(x) - y,
]  # fmt: skip


def meaning(text, names):
    """What Python computes from a formula's text."""
    functions = {
        name: lambda *args, prim=prim: np.float64(prim.on_floats(args))
        for name, prim in TABLE.items()
        if prim.on_float
    }
    with np.errstate(all="ignore"):
        return eval(text, {**functions, **names, "inf": np.inf, "nan": np.nan})


def middle(prim):
    """Numbers in the middle of a primitive's domain, apart from each other."""
    return [low + (high - low) * 0.61 / (i + 1) for i, (low, high) in enumerate(prim.domain)]


@given(st.lists(st.tuples(st.sampled_from(OPERATIONS), st.integers(0, 9), st.integers(0, 9)),
                min_size=1, max_size=8))  # fmt: skip
def test_the_text_is_the_formula(steps):
    """Else parentheses are missing: what is read is not what was computed."""
    plain = {"a": np.float64(2.0), "b": np.float64(-3.0), "c": np.float64(0.5)}
    values = [symbol(name, float(number)) for name, number in plain.items()]
    for operation, i, j in steps:
        values.append(operation(values[i % len(values)], values[j % len(values)]))
    last = values[-1]
    np.testing.assert_equal(meaning(last.names.text, plain), np.float64(last.data))


@st.composite
def texts(draw):
    """A formula in which every step takes the newest value and another, on either side."""
    values = [symbol(name, 1.5) for name in "abc"]
    step = st.tuples(st.sampled_from(OPERATIONS), st.integers(0, 9), st.booleans())
    for operation, i, left in draw(st.lists(step, min_size=4, max_size=8)):
        pair = values[-1], values[i % len(values)]
        values.append(operation(*(pair if left else pair[::-1])))
    return values[-1].names.text


@given(texts().filter(lambda text: any(pairs(text))))
def test_no_parenthesis_can_be_left_out(text):
    """Else formulas are harder to read than they need to be."""
    meant = ast.dump(ast.parse(text))
    for start, end in pairs(text):
        less = text[:start] + text[start + 1 : end] + text[end + 1 :]
        # -(-2) may be written --2, and is not.
        assert text[start + 1] == "-" or ast.dump(ast.parse(less)) != meant


def pairs(text):
    """Where parentheses that are not those of a call open and close."""
    opened = []
    for i, character in enumerate(text):
        if character == "(":
            opened.append(i)
        elif character == ")":
            start = opened.pop()
            if not text[start - 1 : start].isalpha():
                yield start, i


@pytest.mark.parametrize("prim", NUMBERS, ids=lambda prim: prim.name)
def test_every_rule_of_numbers_is_printed_as_it_computes(prim):
    """Else the debugger shows another formula than the one that makes the number."""
    numbers = middle(prim)
    node = prim(*map(Value, numbers))
    names = "xyz"[: len(numbers)]
    args = [symbol(name, number) for name, number in zip(names, numbers, strict=True)]
    known = dict(zip(names, map(np.float64, numbers), strict=True))
    text, _ = formula_of_node(node if node.primitive else Fake(prim), args)
    assert meaning(text, known) == pytest.approx(node.data, rel=1e-14)
    for i in range(len(numbers)):
        if node.primitive and prim.rule(i):
            text, shown = formula_of_rule(node, i, 0.75, args)
            known.update(g=np.float64(0.75), out=np.float64(node.data))
            # Functions of math and of NumPy may differ in the last bit.
            assert meaning(text, known) == pytest.approx(vjp(node, i, 0.75), rel=1e-14)
            # Its numbers have four digits each.
            assert meaning(shown, {}) == pytest.approx(vjp(node, i, 0.75), rel=0.05)


class Fake:
    """A primitive that leaves no node, having no derivative."""

    def __init__(self, prim):
        self.primitive, self.params = prim, {}


@pytest.mark.parametrize("prim", ROWS, ids=lambda prim: prim.name)
def test_every_rule_of_arrays_has_a_formula(prim):
    """Else there is an operation that the debugger cannot explain. Shapes stand for arrays."""
    generator = np.random.default_rng(0)
    for shapes, params in prim.cases:
        arrays = [
            x if isinstance(x, np.ndarray) else generator.uniform(0.3, 1.0, x) for x in shapes
        ]
        node = prim(*(Tensor(x, requires_grad=x.dtype.kind == "f") for x in arrays), **params)
        args = [symbol(f"x{i}", array) for i, array in enumerate(arrays)]
        for i in range(len(arrays)):
            if node.primitive and prim.rule(i):
                g = np.ones(node.shape)
                formula, numbers = formula_of_rule(node, i, g, args)
                assert "g" in formula and numbers is not None
                assert unbroadcast(vjp(node, i, g), arrays[i]).shape == arrays[i].shape


@pytest.mark.parametrize(
    ("function", "position", "formula", "numbers"),
    [
        (lambda x, y: x * y, 0, "g * y", "1.0 * -3.0"),
        (lambda x, y: x - y, 1, "-g", "-1.0"),
        (lambda x, y: x / y, 1, "-g * out / y", "-1.0 * -0.6667 / -3.0"),
        (lambda x, y: x.tanh(), 0, "g * (1.0 - out * out)", "1.0 * (1.0 - 0.964 * 0.964)"),
        (lambda x, y: x.relu(), 0, "where(out == 0.0, 0.0, g)", "where(2.0 == 0.0, 0.0, 1.0)"),
        (lambda x, y: y.cos(), 0, "-g * sin(y)", "-1.0 * sin(-3.0)"),
    ],
)
def test_how_a_rule_reads(function, position, formula, numbers):
    node = function(Value(2.0, "x"), Value(-3.0, "y"))
    args = [symbol(arg.name, arg.data) for arg in node.args]
    assert formula_of_rule(node, position, 1.0, args) == (formula, numbers)


@pytest.mark.parametrize(
    ("formula", "text"),
    [
        (lambda a, b: -abs(-a), "-abs(-a)"),
        (lambda a, b: (-a) ** 2.0, "(-a) ** 2.0"),
        (lambda a, b: -(a**2.0), "-a ** 2.0"),
        (lambda a, b: a**-b, "a ** -b"),
        (lambda a, b: (a**b) ** a, "(a ** b) ** a"),
        (lambda a, b: a ** (b**a), "a ** b ** a"),
        (lambda a, b: a - (b - a), "a - (b - a)"),
        (lambda a, b: a - b - a, "a - b - a"),
        (lambda a, b: a + (b + a), "a + (b + a)"),
        (lambda a, b: a / (b * a), "a / (b * a)"),
        (lambda a, b: where(a - b, cos(a), -2.0), "where(a - b, cos(a), -2.0)"),
    ],
)
def test_parentheses(formula, text):
    assert formula(symbol("a", 2.0), symbol("b", 3.0)).names.text == text


def test_a_negative_number_has_parentheses_where_it_needs_them():
    a = symbol("a", -2.0)
    shown = [each.numbers.text for each in (a * a, a - a, a**2.0, -a)]
    assert shown == ["-2.0 * -2.0", "-2.0 - -2.0", "(-2.0) ** 2.0", "-(-2.0)"]


def test_an_expression_as_a_name_is_put_in_parentheses():
    """Labels of unnamed nodes are expressions: the product of `a + b` is no sum."""
    total = symbol(Text("a + b", 1), 5.0)
    assert (total * total).names.text == "(a + b) * (a + b)"
    assert (total * total).numbers.text == "5.0 * 5.0"


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (lambda x: x[0], "x[0]"),
        (lambda x: x[:, 1:], "x[:, 1:]"),
        (lambda x: x[np.array([0, 0])], "x[array]"),
        (lambda x: x.T, "x.T"),
        (lambda x: x.sum(), "sum(x)"),
        (lambda x: x.sum(axis=0), "sum(x, axis=0)"),
        (lambda x: x.max(axis=(0, 1), keepdims=True), "max(x, keepdims=True)"),
        (lambda x: x @ x.T, "x @ x.T"),
        (lambda x: x.reshape(3, 2), "reshape(x, shape=(3, 2))"),
    ],
)
def test_how_arrays_read(function, text):
    shown = function(symbol("x", np.ones((2, 3)))).names.text
    assert shown == text


@pytest.fixture
def prim(request):
    """A primitive of one's own with the rule of the test's parameter."""
    yield primitive("mine", "2 x", lambda x: 2 * x, request.param, on_float=lambda x: 2 * x)
    del TABLE["mine"]


def _branching(g, out, x):
    return 2.0 * g if x > 0 else g + g


class _Called:
    def __call__(self, g, out, x):
        return _branching(g, out, x)


ONE_LINE = (lambda x: 2 * x, (lambda g, out, x: 2.0 * g if x > 0 else g), lambda x: (x > 1, 2))[1]


@pytest.mark.parametrize(
    ("prim", "text"),
    [
        (lambda g, out, x: 2.0 * g if x > 0 else g + g, "2.0 * g if x > 0 else g + g"),
        (_branching, "_branching(g, out, x)"),
        (eval("lambda g, out, x: 2.0 * g if x > 0 else g"), None),
        (functools.partial(_branching), "partial(g, out, x)"),
        (_Called(), "_Called(g, out, x)"),
        (ONE_LINE, "2.0 * g if x > 0 else g"),
    ],
    indirect=["prim"],
)
def test_a_rule_that_no_symbol_can_follow_is_shown_as_it_is_written(prim, text):
    """Else the debugger breaks on a rule that branches, which it computes with very well."""
    node = prim(Value(3.0))
    shown = formula_of_rule(node, 0, 1.0, [symbol("x", 3.0)])
    assert shown == (text, None)


def test_constants_are_written_in_full():
    assert constant(0.044715).names.text == "0.044715"
    assert constant(0.044715).numbers.text == "0.04471"
