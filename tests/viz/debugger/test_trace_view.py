"""The trace view: its numbers are the engine's, its ids the diagram's, and red is what is wrong."""

import json
import math
import re

import numpy as np
import pytest
from hypothesis import given

import viz
from autograd import Tensor, Value, cross_entropy, gradients, logsumexp, no_grad, ops, primitive
from autograd.primitives.primitive import TABLE
from models import mlp, neuron
from tests.programs import programs
from viz.debugger.event_view import MAX_CHECKED, TIMES
from viz.debugger.labels import describe, exact
from viz.debugger.trace_view import MAX_NODES, trace_view
from viz.text import short

NODE = {"id", "label", "name", "operation", "doc", "args", "leaf", "constant", "formula", "numbers",
        "value", "exact", "entry"}  # fmt: skip
EVENT = {"view", "kind", "node", "to", "position", "from", "text", "formula", "numbers", "upstream",
         "local", "contribution", "before", "after", "exact", "check"}  # fmt: skip


def rooted(program):
    inputs = program.inputs
    if isinstance(inputs[0], float):
        return program(*map(Value, inputs))
    return program(*(Tensor(x, requires_grad=True) for x in inputs))


def backward(trace):
    return [event for event in trace["events"] if event["view"] == "backward"]


# --- the data ------------------------------------------------------------------------------------


@given(programs())
def test_it_is_what_the_page_and_the_terminal_expect(program):
    """Else one of them breaks: keys, ids that are there, and nothing that JSON cannot hold."""
    trace = trace_view(rooted(program))
    assert json.loads(json.dumps(trace, allow_nan=False)) == trace
    ids = [node["id"] for node in trace["nodes"]]
    assert len(set(ids)) == len(ids)
    seen = set()
    for node in trace["nodes"]:
        assert node.keys() == NODE and seen >= set(node["args"])
        assert node["label"] and node["value"]
        assert node["leaf"] == (not node["args"]) == (node["operation"] is None)
        assert (node["formula"] is None) == (node["numbers"] is None) == node["leaf"]
        seen.add(node["id"])
    for event in trace["events"]:
        assert event.keys() == EVENT and {event["node"], event["to"], event["from"]} <= {None, *ids}
        assert event["text"] and "\n" not in event["text"]
        if event["kind"] == "send":
            receiver = next(n for n in trace["nodes"] if n["id"] == event["node"])
            assert receiver["args"][event["position"] - 1] == event["to"]
            assert event["upstream"] and event["contribution"]


@given(programs())
def test_each_node_is_told_once_forward_and_ids_are_the_diagrams(program):
    """Else a step of the debugger lights up another box of the picture."""
    root = rooted(program)
    trace = trace_view(root)
    told = [event["node"] for event in trace["events"] if event["view"] == "forward"]
    assert told == [node["id"] for node in trace["nodes"]]
    source = viz.draw(root, fold=False).source
    assert set(re.findall(r"^ +n\w+ \[id=(n\w+) ", source, re.MULTILINE)) == set(told)
    drawn = set(re.findall(r'id="(n\w+-n\w+-\d+)"', source))
    arguments = [(node["id"], i, arg) for node in trace["nodes"]
                 for i, arg in enumerate(node["args"], 1)]  # fmt: skip
    assert drawn == {f"{arg}-{node}-{i}" for node, i, arg in arguments}


@given(programs(numbers=True))
def test_the_numbers_are_the_engines(program):
    """Else the screen shows a gradient that nobody computed. Of numbers to the last bit."""
    root = rooted(program)
    trace = trace_view(root)
    leaves = [node for node in trace["nodes"] if node["leaf"] and not node["constant"]]
    inputs = sorted(ancestors_of(root), key=lambda node: node.index)
    last = {event["node"]: event for event in backward(trace) if event["kind"] == "accumulate"}
    for node, leaf in zip(leaves, inputs, strict=True):
        assert node["exact"] == leaf.data
        (expected,) = gradients(root, [leaf])
        if node["id"] in last:
            assert last[node["id"]]["exact"]["after"] == expected
            assert last[node["id"]]["after"] == short(expected)
        else:
            assert expected == 0.0


def ancestors_of(root):
    """The leaves that take a gradient."""
    return [node for node in viz.backprop.ancestors([root]) if not node.args and node.requires_grad]


@given(programs())
def test_of_the_engines_own_rules_all_agree(program):
    """Else what is right is shown in red."""
    assert all(event["check"] is None or event["check"]["agrees"] is not False
               for event in trace_view(rooted(program))["events"])  # fmt: skip


# --- in words ------------------------------------------------------------------------------------


def test_how_a_pass_reads():
    a, b, c = Value(2.0, "a"), Value(-3.0, "b"), Value(10.0, "c")
    e = (a * b + c) / a
    e.name = "e"
    assert [event["text"] for event in trace_view(e)["events"]] == [
        "a is a leaf with the value 2.0; it takes a gradient",
        "b is a leaf with the value -3.0; it takes a gradient",
        "c is a leaf with the value 10.0; it takes a gradient",
        "a * b = 2.0 * -3.0 = -6.0",
        "a * b + c = -6.0 + 10.0 = 4.0",
        "e = (a * b + c) / a = 4.0 / 2.0 = 2.0",
        "the backward pass begins at e, whose own gradient is 1.0",
        "e has its whole gradient, 1.0, and its rules are called for a * b + c and a",
        "e sends 1.0 \N{MULTIPLICATION SIGN} 0.5 = 0.5 to a * b + c",
        "a * b + c gets its first contribution, 0.5",
        "e sends 1.0 \N{MULTIPLICATION SIGN} -1.0 = -1.0 to a",
        "a gets its first contribution, -1.0",
        "a * b + c has its whole gradient, 0.5, and its rules are called for a * b and c",
        "a * b + c sends 0.5 \N{MULTIPLICATION SIGN} 1.0 = 0.5 to a * b",
        "a * b gets its first contribution, 0.5",
        "a * b + c sends 0.5 \N{MULTIPLICATION SIGN} 1.0 = 0.5 to c",
        "c gets its first contribution, 0.5",
        "a * b has its whole gradient, 0.5, and its rules are called for a and b",
        "a * b sends 0.5 \N{MULTIPLICATION SIGN} -3.0 = -1.5 to a",
        "a adds -1.5 to its -1.0: -2.5",
        "a * b sends 0.5 \N{MULTIPLICATION SIGN} 2.0 = 1.0 to b",
        "b gets its first contribution, 1.0",
        "the gradient of c is complete: 0.5",
        "the gradient of b is complete: 1.0",
        "the gradient of a is complete: -2.5",
    ]


def test_a_send_shows_the_rule_with_its_numbers():
    x = Value(1.0, "x")
    send = next(event for event in trace_view(x.tanh())["events"] if event["kind"] == "send")
    assert send["formula"] == "g * (1.0 - out * out)"
    assert send["numbers"] == "1.0 * (1.0 - 0.7616 * 0.7616)"
    assert (send["upstream"], send["local"], send["contribution"]) == ("1.0", "0.42", "0.42")
    slope = 1.0 - math.tanh(1.0) ** 2
    assert send["exact"]["contribution"] == send["exact"]["local"] == pytest.approx(slope)
    assert send["check"]["expected"] == send["check"]["found"] == "0.42"


def test_both_edges_of_x_times_x_are_told_apart():
    x = Value(3.0, "x")
    sends = [event for event in trace_view(x * x)["events"] if event["kind"] == "send"]
    assert [(event["position"], event["text"][-19:]) for event in sends] == [
        (1, "to x as its argument 1"[-19:]),
        (2, "to x as its argument 2"[-19:]),
    ]


def test_what_nodes_are_called():
    """By name, else by a short expression, else by number; a constant is its number."""
    a, b = Value(2.0, "a"), Value(3.0)
    product = a * b
    long = (product + a) * (product - a) * 4.0
    labels = {node["id"]: node["label"] for node in trace_view(long)["nodes"]}
    assert list(labels.values()) == [
        "a", "n2", "a * n2", "a * n2 + a", "a * n2 - a", "n6", "4.0", "n6 * 4.0",
    ]  # fmt: skip


def test_two_nodes_of_one_name_are_told_apart():
    """Every layer of a module has a parameter called weight."""
    x, y = Value(2.0, "w"), Value(3.0, "w")
    assert [node["label"] for node in trace_view(x * y)["nodes"]] == ["w_n1", "w_n2", "w_n1 * w_n2"]
    assert [node["name"] for node in trace_view(x * y)["nodes"]] == ["w", "w", None]


@pytest.mark.parametrize(
    "names",
    [
        ("layer1.block.attention.weight", "layer1.block.attention.bias", None),
        ("n2", None, None), (None, "n1", None), ("w", "w", None), ("n3", "n4", "n5"),
        ("a", "a", "a_n1"),
    ],
)  # fmt: skip
def test_no_two_nodes_have_one_label(names):
    """Else a sentence says "n2 sends to n2", and means two nodes."""
    x, y, z = (Value(float(i), name) for i, name in enumerate(names, 2))
    trace = trace_view((x * y + z) * x)
    labels = [node["label"] for node in trace["nodes"]]
    assert len(set(labels)) == len(labels)
    ids = {node["label"]: node["id"] for node in trace["nodes"]}
    assert all(ids.get(id, id) == id for id in ids.values())


def test_nodes_that_are_computed_alike_are_told_apart():
    """Else one cannot run to the second, and a sum of two nodes reads as twice the first."""
    x, ones = Value(3.0, "x"), np.ones(2)
    trace = trace_view(x * x + x * x)
    assert [node["label"] for node in trace["nodes"]] == ["x", "x * x", "n3", "x * x + n3"]
    labels = [node["label"] for node in trace_view((x + 2.0) * 2.0)["nodes"]]
    assert labels == ["x", "2.0", "x + 2.0", "2.0 (n4)", "(x + 2.0) * 2.0"]
    y = Tensor([1.0, 2.0], requires_grad=True, name="y")
    nodes = trace_view(y * ones + ones)["nodes"]
    assert nodes[-1]["formula"] == "y * array_n2_2 + array_n3_2"
    assert [node["label"] for node in nodes if node["constant"]] == ["array_n2_2", "array_n3_2"]


def test_a_name_that_is_no_identifier_is_one_thing_in_a_formula():
    """Else the product of "a+b" and "-c" reads as another formula."""
    a, b, c = Value(2.0, "a+b"), Value(3.0, "-c"), Value(4.0, "layers.0.w[1]'")
    labels = [node["label"] for node in trace_view(a * b**2.0 - c)["nodes"]]
    assert labels[:2] == ["a+b", "-c"] and "(-c) ** 2.0" in labels
    y = a * b
    assert trace_view(y)["nodes"][-1]["formula"] == "(a+b) * (-c)"
    assert trace_view(c * c)["nodes"][-1]["formula"] == "layers.0.w[1]' * layers.0.w[1]'"
    a.name = "a * b"
    labels = [node["label"] for node in trace_view(Value(1.0, "a") * Value(1.0, "b") + a)["nodes"]]
    assert len(set(labels)) == len(labels)


def test_a_name_is_shown_as_text_whatever_it_is():
    """Else a line break or an escape code gets into a terminal."""
    x = Value(2.0, "a\n\x1b[31m<b>{|}")
    trace = trace_view(x * 2.0)
    assert trace["nodes"][0]["label"] == "a\\n\\x1b[31m<b>{|}"
    assert all(text.isprintable() for text in strings(trace))


def strings(data):
    if isinstance(data, str):
        yield data
    for part in data.values() if isinstance(data, dict) else data if isinstance(data, list) else ():
        yield from strings(part)


@pytest.mark.parametrize(
    ("data", "text", "number"),
    [
        (0.1234567, "0.1235", 0.1234567),
        (float("nan"), "nan", "nan"),
        (float("-inf"), "-inf", "-inf"),
        (np.array(2.5, np.float32), "2.5", 2.5),
        (np.array(3), "3", 3.0),
        (np.array([1.0, 2.0]), "float64 (2,): 1.0 2.0", None),
        (np.array([[1.0], [2.0]], np.float32), "float32 (2, 1): 1.0; 2.0", None),
        (np.full((9, 9), 0.5), "float64 (9, 9), all 0.5", None),
        (np.arange(9.0), "float64 (9,), from 0.0 to 8.0, norm 14.28", None),
        (np.arange(9), "int64 (9,), from 0 to 8", None),
        (np.full(9, np.nan), "float64 (9,), all nan", None),
        (np.array([np.nan] + [1.0] * 8), "float64 (9,), from 1.0 to 1.0, norm nan", None),
        (np.zeros((0, 3)), "float64 (0, 3)", None),
    ],
)
def test_numbers_and_arrays_in_a_few_words(data, text, number):
    assert describe(data) == text
    assert exact(data) == number


# --- Tensors -------------------------------------------------------------------------------------


def test_a_node_opens_into_the_scalars_behind_its_largest_entry():
    x = Tensor([[1.0, -4.0], [0.5, 0.5]], name="x")
    w = Tensor([[3.0], [5.0]], requires_grad=True, name="w")
    (product,) = [node for node in trace_view(x @ w)["nodes"] if node["operation"]]
    assert product["entry"] == {
        "index": "[0, 0]",
        "value": "-17.0",
        "rows": [
            {"term": "x[0,1] * w[1,0]", "numbers": "-4.0 * 5.0", "value": "-20.0"},
            {"term": "x[0,0] * w[0,0]", "numbers": "1.0 * 3.0", "value": "3.0"},
        ],
        "rest": None,
    }


@pytest.mark.parametrize("error", [KeyError("no such"), IndexError(), ValueError("no"), OSError()])
def test_a_primitive_that_does_not_open_says_why(error):
    """Else the table of an array is empty without a word, or one's own primitive ends the
    debugger."""

    def on_array(x):
        if x.dtype == object:
            raise error
        return x

    odd = primitive("odd", "x", on_array, lambda g, out, x: g)
    del TABLE["odd"]
    x = Tensor([1.0, 4.0], requires_grad=True, name="x")
    entry = trace_view(odd(x))["nodes"][-1]["entry"]
    assert (entry["index"], entry["value"], entry["rows"]) == ("[1]", "4.0", [])
    assert str(error) in entry["rest"]
    entry = trace_view(logsumexp(x))["nodes"][-1]["entry"]
    assert entry["rest"] == (
        "logsumexp cannot be opened: its function takes arrays of numbers alone"
    )


def test_of_a_long_sum_the_rest_is_summed_up():
    x = Tensor(np.arange(1.0, 101.0), requires_grad=True, name="x")
    entry = trace_view(x.sum())["nodes"][-1]["entry"]
    assert [row["term"] for row in entry["rows"]] == [f"x[{i}]" for i in range(99, 91, -1)]
    assert entry["rest"] == "92 more terms, together 4278.0"


def test_a_train_step_on_tensors():
    """Plain arguments are boxes of their own, and every rule is checked."""
    model = mlp.MLP([6, 5, 3], seed=0)
    loss = cross_entropy(
        model(np.linspace(-1, 1, 24, dtype=np.float32).reshape(4, 6)), [0, 1, 2, 0]
    )
    trace = trace_view(loss)
    assert [node["id"] for node in trace["nodes"] if "_" in node["id"]]
    sends = [event for event in backward(trace) if event["kind"] == "send"]
    assert all(event["check"]["agrees"] and event["formula"] for event in sends)
    assert any(event["local"] for event in sends) and not all(event["local"] for event in sends)


# --- red -----------------------------------------------------------------------------------------


@pytest.fixture
def wrong_tanh():
    """tanh with a rule whose slope at 0 is 1 and elsewhere too large, put right afterwards."""
    right = ops.tanh.rule
    object.__setattr__(ops.tanh, "rule", lambda i: lambda g, out, x: g * (1.0 - 0.5 * out * out))
    yield
    object.__setattr__(ops.tanh, "rule", right)


def red(trace):
    return [
        event for event in trace["events"] if event["check"] and event["check"]["agrees"] is False
    ]


def test_a_wrong_rule_turns_red_at_its_send(wrong_tanh):
    """Else the debugger does not show where it is wrong. What is computed from it is red too."""
    w, x = Value(0.5, "w"), Value(0.8, "x")
    y = (w * x).tanh() * x
    trace = trace_view(y)
    first, *rest = red(trace)
    assert first["kind"] == "send" and first["text"].startswith("tanh(w * x) sends")
    slope = 1.0 - math.tanh(0.4) ** 2
    assert first["check"]["expected"] == short(0.8 * slope)
    assert first["check"]["found"] == short(0.8 * (1.0 - 0.5 * math.tanh(0.4) ** 2))
    assert first["check"]["note"].startswith("they differ by 0.05774; ")
    assert [event["node"] for event in rest] == ["n3", "n1", "n2"]  # w * x, w, x
    assert all(event["kind"] == "accumulate" for event in rest)


def test_a_wrong_rule_of_tensors_turns_red_at_its_sends_alone(wrong_tanh):
    x = Tensor(np.linspace(-1, 1, 6, dtype=np.float32), requires_grad=True, name="x")
    trace = trace_view(((x * 2.0).tanh() * x).sum())
    (event,) = red(trace)
    assert event["text"].startswith("tanh(x * 2.0) sends")


@pytest.fixture
def tanh_rule():
    """Gives tanh another rule, and the right one back afterwards."""
    right = ops.tanh.rule
    yield lambda rule: object.__setattr__(ops.tanh, "rule", lambda i: rule)
    object.__setattr__(ops.tanh, "rule", right)


@pytest.mark.parametrize("kind", [Value, Tensor])
def test_a_rule_that_forgets_what_comes_from_upstream_is_no_product(tanh_rule, kind):
    """Else the sentence that should show it says that -0.9 * 0.8 is 0.8."""
    tanh_rule(lambda g, out, x: 1.0 - out * out)
    x = Value(0.5, "x") if kind is Value else Tensor([0.5], requires_grad=True, name="x")
    y = x.tanh() * -3.0
    sent = red(trace_view(y if kind is Value else y.sum()))[0]
    assert sent["local"] is None and sent["exact"]["local"] is None
    assert TIMES not in sent["text"]
    assert sent["text"].endswith("to x; its rule is not upstream times something")


def test_as_many_digits_are_shown_as_it_takes_to_part(tanh_rule):
    """Else it says that -0.7269 was expected and -0.7269 found, and that they differ."""
    tanh_rule(lambda g, out, x: g * (1.0 - out * out) * 1.0000001)
    check = red(trace_view(Value(0.5, "x").tanh()))[0]["check"]
    assert (check["expected"], check["found"]) == ("0.7864477", "0.7864478")


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (lambda g, out, x: 1 / 0, "raised ZeroDivisionError: division by zero"),
        (lambda g, out, x: g.size, "raised AttributeError: 'float' object has no"),
        (lambda g, out, x: None, "gave None, which is no gradient"),
        (lambda g, out, x: "a", "gave 'a', which is no gradient"),
        (lambda g, out, x: np.ones(2), "gave an array of shape (2,), which does not fit"),
    ],
)
def test_a_rule_that_fails_is_named(tanh_rule, rule, said):
    """Else "division by zero" may be anywhere."""
    tanh_rule(rule)
    with pytest.raises(RuntimeError) as failed:
        trace_view(Value(0.5, "x").tanh())
    assert str(failed.value).startswith(f"tanh: its rule for argument 1 {said}")


def test_at_a_kink_nothing_is_red():
    x = Value(0.0, "x")
    trace = trace_view(x.relu() + x.abs())
    assert not red(trace)
    notes = {event["check"]["note"] for event in trace["events"] if event["check"]}
    assert "at a kink the derivative is a convention: relu'(0) = 0 and relu'(nan) = 1" in notes
    both = "relu'(0) = 0 and relu'(nan) = 1; abs'(0) = 0 and abs'(nan) = 1"
    assert f"at a kink the derivative is a convention: {both}" in notes


# --- what cannot be stepped through --------------------------------------------------------------


def test_without_a_gradient_there_is_the_forward_pass():
    with no_grad():
        y = Value(2.0, "x") * 3.0
    trace = trace_view(y)
    assert [event["view"] for event in trace["events"]] == ["forward"]
    assert trace["nodes"][0]["constant"]


def test_a_graph_too_large_says_what_to_do():
    x = y = Value(1.0)
    for _ in range(MAX_NODES):
        y = y + x
    with pytest.raises(ValueError, match=r"401 nodes are too many to step through, at most 400; "):
        trace_view(y)


def test_what_is_not_checked_is_said():
    """Else a gradient without a check looks as if it had been checked."""
    x = y = Value(1.0)
    for _ in range(MAX_CHECKED):
        y = y + x
    said = trace_view(y, text="A text.")["text"]
    assert said.startswith("A text.\n\nEach rule is checked by a difference, but not each node's")
    assert trace_view(y.args[0])["text"] == ""


@pytest.mark.parametrize("root", [1.0, [1.0], None, "x * x"])
def test_only_nodes_have_a_trace_view(root):
    with pytest.raises(TypeError, match="takes a Value or a Tensor, not"):
        trace_view(root)


def test_numbers_that_are_not_finite_are_told():
    x = Value(0.0, "x")
    trace = trace_view(1.0 / x)
    assert trace["nodes"][-1]["exact"] == "inf"
    last = [event for event in trace["events"] if event["kind"] == "accumulate"][-1]
    assert last["exact"]["after"] == "-inf" and last["after"] == "-inf"


def test_an_mlp_of_values_is_not_too_large():
    net = neuron.MLP(3, [4, 4, 1], seed=1)
    trace = trace_view(net([1.0, -2.0, 3.0]), "A network", "Some text.")
    assert (trace["title"], trace["text"]) == ("A network", "Some text.")
    assert not red(trace)


def test_the_root_gives_the_title():
    x = Value(2.0, "x")
    y = x * x + 1.0
    assert trace_view(y)["title"] == "x * x + 1.0"
    y.name = "y"
    assert trace_view(y)["title"] == "y"
