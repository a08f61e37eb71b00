"""Expressions: what Python means by them, where it knows them; else a refusal that says where."""

import math
import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from autograd import Value, clip, gelu, leaky_relu, maximum
from autograd.primitives.primitive import TABLE, primitive
from viz.expression import (
    CONSTANTS,
    MAX_LENGTH,
    MAX_NAME,
    MAX_OPERATIONS,
    ExpressionError,
    functions,
    parse,
)

NUMBERS = {"x": 0.75, "y": -1.5, "z_2": 2.25}


def value(text, **numbers):
    """What an expression comes to."""
    return parse(text)({name: Value(number) for name, number in numbers.items()}).data


def refusal(text):
    """The message, and the column in the text that the caret stands under."""
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    message, shown, caret = str(caught.value).split("\n")
    assert re.fullmatch(r" +\^", caret)
    assert len(shown) <= 62
    assert shown.isascii() and shown.isprintable()
    return message, caret.index("^") - 2


# --- as Python computes it -----------------------------------------------------------------------

leaf = st.one_of(
    st.sampled_from([*NUMBERS, "pi", "e"]),
    st.floats(0.0, 1e6).map(repr),
    st.sampled_from(["1", ".5", "2.", "1e3", "2.5E-2", "07.0"]),
)
OPERATORS = ("+", "-", "*", "/", "**", " + ", "\n-\t", " ** ")
NAMED = {"sin": math.sin, "tanh": math.tanh, "abs": math.fabs, "maximum": max}


def larger(smaller):
    """A tree of one more operation, with and without parentheses, so that precedence matters."""
    pairs = st.tuples(smaller, st.sampled_from(OPERATORS), smaller).map("".join)
    return st.one_of(
        pairs,
        pairs.map("({})".format),
        smaller.map("-{}".format),
        smaller.map("+{}".format),
        st.tuples(st.sampled_from(["sin", "tanh", "abs"]), smaller).map("{0[0]}({0[1]})".format),
        st.tuples(smaller, smaller).map("maximum({0[0]}, {0[1]})".format),
    )


trees, names = st.recursive(leaf, larger, max_leaves=12), st.sampled_from(sorted(NUMBERS))
symbols = st.sampled_from(OPERATORS)


@given(st.one_of(st.tuples(names, symbols, trees), st.tuples(trees, symbols, names)).map("".join))
def test_the_same_number_as_python(text):
    """Else precedence, associativity, a number or the order of arguments was read wrongly."""
    try:
        names = {**NAMED, **CONSTANTS, **NUMBERS}
        expected = float(eval(f"({text})", {"__builtins__": {}}, names))
    except (ArithmeticError, TypeError, ValueError):  # it raises or turns complex; IEEE does not
        assume(False)
    assert value(text, **NUMBERS) == expected


@pytest.mark.parametrize(
    ("text", "parenthesized"),
    [
        ("x - y - z_2", "(x - y) - z_2"),
        ("x / y / z_2", "(x / y) / z_2"),
        ("x ** y ** z_2", "x ** (y ** z_2)"),
        ("-x ** 2", "-(x ** 2)"),
        ("x ** -y ** 2", "x ** (-(y ** 2))"),
        ("x ** -y * z_2", "(x ** (-y)) * z_2"),
        ("x - -y * z_2", "x - ((-y) * z_2)"),
        ("--x", "-(-x)"),
    ],
)
def test_what_binds_tighter(text, parenthesized):
    """Else a graph has the right leaves and the wrong shape."""
    assert parse(text).steps == parse(parenthesized).steps


def test_a_gradient_is_the_graphs():
    """Else the number is right and the graph is another."""
    x, w, b = Value(0.5), Value(-1.2), Value(0.1)
    y = parse("tanh(x*w + b)")({"x": x, "w": w, "b": b})
    y.backward()
    slope = 1.0 - math.tanh(0.5 * -1.2 + 0.1) ** 2
    assert (x.grad, b.grad) == (pytest.approx(-1.2 * slope), pytest.approx(slope))
    assert [leaf.name for leaf in (x, w, b)] == ["x", "w", "b"]
    assert y.args[0].args[0].args == (x, w)


def test_both_uses_of_a_name_are_one_leaf():
    """Else x*x has two leaves, each with half of the gradient."""
    x = Value(3.0)
    y = parse("x*x")({"x": x})
    assert y.args == (x, x)


def test_names_in_order_each_once():
    """Else --at asks for a name twice, or a picture changes from run to run."""
    assert parse("b*x + a*x + pi").names == ("b", "x", "a", "pi")


def test_pi_and_e_are_known_and_can_be_leaves():
    """Else sin(pi*x) needs --at pi=..., or a user's e is Euler's."""
    assert value("pi*x + e", x=1.0) == math.pi + math.e
    assert value("e*x", x=2.0, e=5.0) == 10.0


@pytest.mark.parametrize("name", sorted(functions()))
def test_every_function_is_the_engines(name):
    """Else a function that --help promises fails, or is another one."""
    function, counts = functions()[name]
    for count in counts:
        numbers = {"x": 0.3, "y": 0.1, "z": 0.9}
        names = list(numbers)[:count]
        found = value(f"{name}({', '.join(names)})", **{key: numbers[key] for key in names})
        assert found == function(*(Value(numbers[key]) for key in names)).data
        assert refusal(f"{name}({', '.join('x' * 7)})")[0].startswith(
            f"{name}: expected {counts[0]}"
        )


def test_which_functions_there_are():
    """Else a primitive that chooses, or that needs arrays, can be typed, or a usual one cannot."""
    assert {"exp", "log", "sqrt", "sin", "cos", "tanh", "relu", "sigmoid", "abs"} < set(functions())
    assert {"greater", "equal", "where", "detach", "sum", "matmul", "add"}.isdisjoint(functions())
    assert "identity" not in functions()  # x itself
    assert [functions()[f.__name__][0] for f in (clip, gelu, leaky_relu)] == [
        clip,
        gelu,
        leaky_relu,
    ]
    assert functions()["maximum"] == (maximum, (2,))


def test_a_primitive_of_the_users_own_can_be_called():
    """Else only the table as it was at import is known."""
    prim = primitive("cube", "x * x * x", None, lambda g, out, x: 3.0 * g * x * x,
                    on_float=lambda x: x * x * x, domain=((-2.0, 2.0),))  # fmt: skip
    try:
        assert value("cube(x)", x=2.0) == 8.0
    finally:
        del TABLE[prim.name]


def test_arithmetic_is_ieees():
    """Else a number too large hangs, or raises where the engine does not."""
    assert value("10**10**10 + x", x=1.0) == math.inf
    assert value("x/0", x=-1.0) == -math.inf
    assert math.isnan(value("x**0.5", x=-2.0))
    assert value("9" * 1000 + "*x", x=1.0) == math.inf


def test_values_that_are_missing_are_named_together():
    """Else a user learns of one missing value at a time."""
    with pytest.raises(ValueError, match=r"^expected a value for w, b$"):
        parse("x*w + b")({"x": Value(1.0)})


@pytest.mark.parametrize("text", ["2*3", "10**10**10", "sin(pi)"])
def test_numbers_alone_have_nothing_to_differentiate(text):
    """Else the root is no node, and drawing it fails elsewhere."""
    with pytest.raises(ValueError, match="expected a name to differentiate by"):
        parse(text)({})


# --- what is refused, and where ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("", 0, "expected a number, a name or '(', found the end"),
        ("x *", 3, "expected a number, a name or '(', found the end"),
        ("x y", 2, "expected an operator, found 'y' (a product is written *)"),
        ("2x", 1, "expected an operator, found 'x' (a product is written *)"),
        ("2(x)", 1, "expected an operator, found '(' (a product is written *)"),
        ("x^2", 1, "expected an operator, found '^' (a power is written **)"),
        ("x // y", 3, "expected a number, a name or '(', found '/'"),
        ("(x + (y)", 0, "expected ')' for this '(', found the end"),
        ("x + y)", 5, "expected an operator, found ')' (no '(' is open)"),
        ("x, y", 1, "expected an operator, found ',' (no '(' is open)"),
        ("tanh((x, y))", 7, "expected ')', found ',' (a comma stands between arguments)"),
        ("1 + tanh(x, y)", 4, "tanh: expected 1 argument, found 2"),
        ("leaky_relu(x, y, z)", 0, "leaky_relu: expected 1 or 2 arguments, found 3"),
        ("tanh()", 5, "expected a number, a name or '(', found ')'"),
        ("2 * tanh", 4, "expected '(' after tanh, which is a function"),
        ("x + tahn(x)", 4, "expected a function, found 'tahn' (is tanh meant?)"),
        ("x = 3", 2, "expected an operator, found '=' (an expression assigns nothing)"),
        ("x < y", 2, "expected an operator, found '<'"),
        ("x.real", 1, "expected an operator, found '.' (nothing in an expression has attributes)"),
        ("x[0]", 1, "expected an operator, found '[' (nothing in an expression has entries)"),
        ("'x'", 0, 'expected a number, a name or \'(\', found "\'" (an expression has no '
         "strings)"),
        ("lambda x: x", 0, "expected a number, a name or '(', found 'lambda' (no Python is run)"),
        ("x if y else z", 2, "expected an operator, found 'if' (no Python is run)"),
        ("0x10", 1, "expected an operator, found 'x10' (a product is written *)"),
        ("a \N{MULTIPLICATION SIGN} b", 2, "expected an operator, found '\N{MULTIPLICATION SIGN}' "
         "(a product is written *)"),
        ("\N{CYRILLIC SMALL LETTER A}*b", 0, "expected a number, a name or '(', found "
         "'\N{CYRILLIC SMALL LETTER A}' (CYRILLIC SMALL LETTER A; names are made of a to z, digits "
         "and _)"),
        ("x\0", 1, "expected an operator, found '\\x00'"),
        ("x * \x1b[2J", 4, "expected a number, a name or '(', found '\\x1b'"),
        ("x * \udc80", 4, "expected a number, a name or '(', found '\\udc80'"),
        ("<img src=x>", 0, "expected a number, a name or '(', found '<'"),
        ('x"; n1 [label="', 1, "expected an operator, found '\"' (an expression has no strings)"),
    ],
)  # fmt: skip
def test_what_is_refused(text, place, message):
    """Else a user is not told what was expected, what was found, or where."""
    assert refusal(text) == (message, place)


@pytest.mark.parametrize(
    "text", ["__import__('os')", "exec(x)", "eval(x)", "getattr(x, y)", "x.__class__", "open(x)"]
)
def test_python_is_not_run(text):
    """Else an expression from a stranger does what it likes."""
    message, _ = refusal(text)
    assert message.startswith(("expected a function, found", "expected an operator, found '.'"))


@pytest.mark.parametrize(
    "text",
    [
        "(" * 1_000_000,
        "(" * MAX_LENGTH,
        "1+" * 500_000 + "1",
        "x+" * (MAX_LENGTH // 2 - 1) + "x",
        "-" * (MAX_LENGTH - 1) + "x",
        "abs(" * (MAX_LENGTH // 4),
        "x**" * (MAX_LENGTH // 4) + "x",
        "x" * MAX_LENGTH,
        "f" * 1000 + "(x)",
    ],
    ids=lambda text: f"{len(text)} of {text[:4]}",
)
def test_too_much_is_refused(text):
    """Else it ends in RecursionError, takes minutes, or makes a picture of no use."""
    message, _ = refusal(text)
    assert len(message) < 300


def test_any_depth_of_parentheses_is_read():
    """Else reading knows recursion."""
    depth = MAX_LENGTH // 2 - 1
    assert value("(" * depth + "x" + ")" * depth, x=2.0) == 2.0


def test_as_many_operations_as_are_promised():
    """Else the limit is another than the one that is said."""
    assert value("x" + "+x" * MAX_OPERATIONS, x=1.0) == MAX_OPERATIONS + 1
    assert "at most 1,000 operations" in refusal("x" + "+x" * (MAX_OPERATIONS + 1))[0]
    assert parse("x" * MAX_NAME).names == ("x" * MAX_NAME,)


def test_the_place_is_shown_in_a_long_text():
    """Else the caret stands under another place, or beyond the edge of the terminal."""
    with pytest.raises(ExpressionError) as caught:
        parse("x + " * 50 + "? + " + "x + " * 50 + "x")
    _, shown, caret = str(caught.value).split("\n")
    assert shown[caret.index("^")] == "?"


@given(st.text(st.sampled_from("xye01.+-*/(), \n\0é\"'[]=<>_") | st.characters(), max_size=30))
def test_any_text_is_read_or_refused(text):
    """Else some text ends in another error."""
    try:
        expression = parse(text)
    except ExpressionError:
        assert refusal(text)
        return
    values = {name: Value(0.5) for name in expression.names}
    if values:
        assert isinstance(expression(values), Value)
