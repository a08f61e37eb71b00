"""Checks by difference quotients: no right rule is called wrong, and no wrong one right."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given

from autograd import Tensor, Value, maximum, primitive, softmax, where
from autograd.primitives.primitive import TABLE
from tests.autograd.primitives.test_primitives import has_derivative
from tests.programs import programs
from viz.backprop import Send, record, unbroadcast, vjp
from viz.debugger.checks.graph import check_gradients
from viz.debugger.checks.rule import check_rule

ELEMENTWISE = [prim for prim in TABLE.values() if prim.domain and prim.on_float and prim.rule(0)]
ARRAYS = [prim for prim in TABLE.values() if prim.cases and has_derivative(prim)]
# Rules that are wrong in the ways in which rules are.
WRONG = {
    "1 % too large": lambda rule: (
        lambda g, out, *args, **params: 1.01 * rule(g, out, *args, **params)
    ),
    "the other sign": lambda rule: lambda g, out, *args, **params: -rule(g, out, *args, **params),
    "g forgotten": lambda rule: (
        lambda g, out, *args, **params: rule(0.0 * g + 1.0, out, *args, **params)
    ),
    "never anything": lambda rule: (
        lambda g, out, *args, **params: 0.0 * rule(g, out, *args, **params)
    ),
}


def checks(tape):
    sends = [event for event in tape.backward if isinstance(event, Send)]
    return [check_rule(event.node, event.i, event.upstream, event.contribution) for event in sends]


@given(programs())
def test_no_right_rule_is_called_wrong(program):
    """Else red means nothing."""
    inputs = program.inputs
    numbers = isinstance(inputs[0], float)
    leaves = [Value(x) if numbers else Tensor(x, requires_grad=True) for x in inputs]
    for check in checks(record(program(*leaves))):
        tied = "ties of m" in check.note and check.agrees is not False  # max or min
        assert tied or (check.agrees and not check.note)


@given(programs(numbers=True))
def test_no_right_gradient_is_called_wrong(program):
    """Each node's whole gradient, where a difference can be taken of the whole program."""
    tape = record(program(*map(Value, program.inputs)))
    for _, check in check_gradients(tape.nodes, tape.gradients):
        assert check.agrees and not check.note


def judged(prim, arrays, params, wrong, g):
    """What is said of each wrong rule of a primitive, applied to Values or Tensors."""
    for i, x in enumerate(arrays):
        if prim.rule(i) is None or (isinstance(x, np.ndarray) and x.dtype.kind != "f"):
            continue
        rules = [wrong(prim.rule(k)) if k == i else prim.rule(k) for k in range(len(arrays))]
        fields = {"on_float": prim.on_float, "linear": prim.linear, "kink": prim.kink}
        mine = primitive("mine", prim.doc, prim.on_array, *rules, **fields)
        del TABLE["mine"]
        if isinstance(x, float):
            node = mine(*map(Value, arrays))
        else:
            node = mine(*(Tensor(a, requires_grad=a.dtype.kind == "f") for a in arrays), **params)
        upstream = g if isinstance(x, float) else np.full(node.shape, g, node.dtype)
        contribution = unbroadcast(vjp(node, i, upstream), x)
        right = unbroadcast(prim.rule(i)(upstream, node.data, *arrays, **params), x)
        if not np.array_equal(contribution, right):
            yield check_rule(node, i, upstream, contribution)
            if not isinstance(x, float):  # the right rule's node, and another's contribution
                own = prim(*node.args, **params)
                yield check_rule(own, i, upstream, contribution)


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("prim", ELEMENTWISE, ids=lambda prim: prim.name)
def test_a_wrong_rule_of_numbers_is_seen(prim, wrong):
    numbers = [low + (high - low) * 0.61 / (i + 1) for i, (low, high) in enumerate(prim.domain)]
    for check in judged(prim, numbers, {}, wrong, 0.75):
        assert not check.agrees
        assert check.note.startswith("they differ by") and check.expected != check.found


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("prim", ARRAYS, ids=lambda prim: prim.name)
def test_a_wrong_rule_of_arrays_is_seen(prim, wrong):
    generator = np.random.default_rng(1)
    for shapes, params in prim.cases:
        arrays = [x if isinstance(x, np.ndarray) else generator.uniform(0.3, 1, x) for x in shapes]
        for check in judged(prim, arrays, params, wrong, 0.75):
            assert not check.agrees and check.note.startswith("they differ by")


@pytest.mark.parametrize(
    ("function", "at", "says"),
    [
        (lambda x: x.relu(), 0.0, "relu'(0) = 0"),
        (lambda x: x.abs(), 0.0, "abs'(0) = 0"),
        (lambda x: maximum(x, 2.0), 2.0, "at x = y each argument gets half"),
    ],
)
def test_at_a_kink_it_is_a_convention(function, at, says):
    """Else red is what was agreed on. A slope that is neither side's is still wrong."""
    x = Value(at)
    node = function(x)
    (check,) = [each for each in checks(record(node)) if each][:1]
    assert check.agrees and says in check.note and " to " in check.expected
    assert not check_rule(node, 0, 1.0, 3.0).agrees
    (_, whole), *_ = check_gradients([x, *node.args[1:], node], record(node).gradients)
    assert whole.agrees and says in whole.note


@pytest.mark.parametrize("distance", [1e-4, 1e-6, 1e-8, 1e-10])
def test_beside_a_kink_smaller_steps_are_taken(distance):
    """Else a rule that is wrong near a kink is excused by it."""
    node = Value(distance).relu()
    assert check_rule(node, 0, 1.0, 1.0).note == ""
    assert not check_rule(node, 0, 1.0, 0.5).agrees


def test_in_arrays_entries_at_a_kink_are_left_out():
    x = Tensor([-1.0, 0.0, 0.0, 2.0], requires_grad=True)
    tape = record(x.relu())
    (check,) = checks(tape)
    assert check.agrees and check.note.startswith("2 of 4 entries left out, at a kink")


@pytest.mark.parametrize(
    ("function", "at"),
    [(lambda x: x.sqrt(), 0.0), (lambda x: x.log(), 0.0), (lambda x: 1.0 / x, 0.0)],
)
def test_where_there_is_no_difference_nothing_is_compared(function, at):
    (check,) = checks(record(function(Value(at))))
    assert check.agrees is None and check.note.startswith("not compared")


def test_what_is_not_finite_is_not_compared():
    node = Value(2.0) * 3.0
    assert check_rule(node, 0, float("inf"), float("inf")) is None
    assert check_rule(node, 0, float("nan"), float("nan")) is None
    x = Value(1e200)
    root = x * x * 0.0
    assert list(check_gradients(record(root).nodes, record(root).gradients)) == []
    assert check_rule(Value(float("inf")) * 0.5, 0, 1.0, 0.5) is None
    for number in (np.inf, np.nan):
        array = Tensor([2.0, 3.0], requires_grad=True) * 3.0
        assert check_rule(array, 0, np.array([number, 1.0]), np.array([number, 3.0])) is None


@pytest.mark.parametrize("at", [1e-12, 1e-6, 1.0, 1e6, 1e12, 1e100])
def test_the_size_of_the_number_does_not_matter(at):
    """Else large numbers are called wrong for their rounding, and small ones nowhere near."""
    for function in (lambda x: x * x, lambda x: x.log(), lambda x: 1.0 / x, lambda x: x.sqrt()):
        node = function(Value(at))
        i = node.primitive.name == "div"
        contribution = vjp(node, i, 1.0)
        check = check_rule(node, i, 1.0, contribution)
        assert check.agrees and not check.note
        assert not check_rule(node, i, 1.0, 1.01 * contribution).agrees


def test_float32_is_checked_in_float64():
    """Else a float32 product is called wrong for its rounding, or anything goes."""
    generator = np.random.default_rng(0)
    x, w = (generator.standard_normal(shape).astype(np.float32) for shape in ((64, 784), (784, 32)))
    node = Tensor(x) @ Tensor(w, requires_grad=True)
    (check,) = checks(record(node))
    assert check.agrees and "in float64" in check.what


def test_a_gradient_of_the_whole_graph_that_is_wrong_is_seen():
    x = Value(0.5, "x")
    y = x.tanh() * x
    right = record(y).gradients
    assert all(check.agrees for _, check in check_gradients([x, y.args[0], y], right))
    wrong = {**right, x: right[x] + 1e-6}
    found = dict(check_gradients([x, y.args[0], y], wrong))
    assert not found[x].agrees and found[y.args[0]].agrees


def test_conventions_of_a_graph_need_not_add_up():
    """relu(x) - relu(-x) is x, and its slope by the rules is 0 at 0: no rule is wrong. But neither
    is every number right: else 77 is green."""
    x = Value(0.0)
    y = x.relu() - (-x).relu()
    tape = record(y)
    for gradients in (tape.gradients, {**tape.gradients, x: 77.0}):
        check = dict(check_gradients(tape.nodes, gradients))[x]
        assert check.agrees is None
        assert check.note.startswith("not compared: at a kink the derivative is a convention: relu")


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x.log(), lambda x: x.sqrt(), lambda x: 1.0 / x, lambda x: x**0.5,
        lambda x: softmax(where(x.data > 0, x, -np.inf)),
        lambda x: (where(x.data > 0, x, np.nan) * 2.0).tanh(),
        lambda x: (where(x.data > 0, x, np.inf) * 2.0).tanh(),
    ],
)  # fmt: skip
def test_a_pole_in_an_array_turns_no_right_rule_red(function):
    """Else one masked entry makes a NaN of the sum, and red of what is right."""
    x = Tensor([0.0, 1.0, 2.0], requires_grad=True)
    with np.errstate(all="ignore"):
        found = [check for check in checks(record(function(x))) if check]
    assert found and all(check.agrees is not False for check in found)
    assert any(check.agrees for check in found)


def test_of_an_array_the_contribution_itself_is_checked():
    """Else the number on the screen may be anything."""
    for dtype, bound in ((np.float64, 1e-12), (np.float32, 1e-3)):
        node = Tensor(np.array([0.5, 0.1], dtype), requires_grad=True).tanh()
        g = np.ones(2, dtype)
        right = vjp(node, 0, g)
        assert check_rule(node, 0, g, right).agrees
        for wrong in (right * dtype(1.0 + bound), right + dtype(999.0), right * dtype(np.nan)):
            assert check_rule(node, 0, g, wrong).agrees is False


def test_what_is_computed_in_an_arguments_own_dtype_is_not_called_wrong():
    """Of a float32 to the power of a float64 the rule takes the logarithm in float32."""
    x = Tensor(np.array([1.415, 1.225, 2.305], np.float32), requires_grad=True)
    y = Tensor(np.array([0.33, -0.18, 1.36]), requires_grad=True)
    found = checks(record((x**y).sum()))
    assert [check.agrees for check in found] == [True] * 3


def test_what_overflows_in_float32_alone_is_not_called_right():
    """Else an infinity is green, or a right rule red."""
    x = Tensor(np.array([60.0], np.float32), requires_grad=True)
    y = x.exp()
    with np.errstate(over="ignore"):
        tape = record(y * y)
    *_, last = checks(tape)
    assert (last.found, last.agrees) == ("inf", None)
    assert last.note == "not compared: too large for float32"


def test_what_rounding_hides_is_not_compared():
    """Else a rule of 5 is green beside a difference of 0, to which 1,000 may be added."""
    node = Value(1.0) + 1e12
    check = check_rule(node, 0, 1.0, 5.0)
    assert check.agrees is None and check.note.startswith("not compared: rounding may cost")
    (_, whole), *_ = check_gradients([node.args[0], node], {node.args[0]: 5.0, node: 1.0})
    assert whole.agrees is None
    flat = Value(30.0).tanh()  # 0 beside a 0 that may be off by 1e-9 is right
    assert check_rule(flat, 0, 1.0, vjp(flat, 0, 1.0)).agrees


def test_what_takes_too_long_is_not_computed_again():
    """Else the debugger hangs where a product is large. These strides hold no numbers: whoever
    computes with them is killed."""
    x = Tensor(np.broadcast_to(1.0, (2, 2)), requires_grad=True)
    large = np.broadcast_to(1.0, (100_000, 100_000))
    node = SimpleNamespace(primitive=(x @ x).primitive, args=(large, large), data=large)
    check = check_rule(node, 0, large, large)
    assert check.agrees is None and check.note == "not compared: too large to compute again"


@pytest.mark.parametrize(
    ("function", "at", "agree"),
    [
        (lambda x: (1e9 * x).sin(), 1e8, []),  # no step is short enough: nothing is compared
        (lambda x: 1e-200 * x * 1e-200, 1.0, [True, True]),
        (lambda x: x.sin() / x, 1e-8, [True, True]),
    ],
)
def test_a_graph_that_rounds_to_nothing_turns_nothing_red(function, at, agree):
    """Else numbers at the ends of what floats hold are called a mistake of the rules."""
    tape = record(function(Value(at)))
    found = check_gradients(tape.nodes, tape.gradients)
    assert [check.agrees for _, check in found] == agree


def test_infinity_is_infinity():
    """Else "expected inf, found inf" is red."""
    node = Value(700.0).exp()
    check = check_rule(node, 0, 1e10, float("inf"))
    assert check.agrees and check.expected == "inf"
    assert check_rule(node, 0, 1e10, float("-inf")).agrees is None


@pytest.mark.parametrize("at", [1e6, 1e9, 27958039885.13, 7718457508506.4, 1e15, 1e300])
def test_a_wave_shorter_than_the_step(at):
    """Else sin is red where the points of its difference lie anywhere on it."""
    for node in (Value(at).sin(), Value(at).cos()):
        assert check_rule(node, 0, 1.0, vjp(node, 0, 1.0)).agrees is not False
    if at > 1e13:  # where in a graph rounding alone is longer than a wave
        return
    x = Value(at * 1e-9)
    tape = record((x * 1e9).sin())
    found = dict(check_gradients(tape.nodes, tape.gradients))
    assert all(check.agrees is not False for check in found.values())
