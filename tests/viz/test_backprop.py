"""The tape: its events add up to the engine's own gradients, bit for bit, and touch nothing."""

import copy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd import Tensor, Value, gradients, no_grad, primitive
from autograd.primitives.primitive import TABLE
from tests.programs import programs
from viz.backprop import Accumulate, Compute, Send, Visit, ancestors, cotangents, record, replay


def nodes_of(inputs):
    """Leaves for a program's inputs."""
    return [Value(x) if isinstance(x, float) else Tensor(x, requires_grad=True) for x in inputs]


def bits(number):
    """A number as it lies in memory: -0.0 is not 0.0. The sign of a nan is nobody's to choose."""
    array = np.asarray(getattr(number, "data", number))
    return array.dtype, array.shape, np.where(array != array, np.nan, array).tobytes()


def values(node):
    return bits(node.data), None if node.grad is None else bits(node.grad)


@given(programs())
def test_replayed_events_give_the_engines_gradients_bit_for_bit(program):
    """Else what the debugger shows is not what the engine does. Leaves and inner nodes."""
    root = program(*nodes_of(program.inputs))
    tape = record(root)
    asked = [node for node in tape.nodes if node.requires_grad]
    found = replay(tape.backward)
    assert list(map(bits, map(found.get, found))) == list(map(bits, gradients(root, list(found))))
    for node, gradient in zip(asked, gradients(root, asked), strict=True):
        assert node in found or not np.any(getattr(gradient, "data", gradient))


@given(programs())
def test_replayed_events_give_what_backward_adds_to_the_leaves(program):
    leaves = nodes_of(program.inputs)
    root = program(*leaves)
    found = record(root).gradients
    root.backward()
    for leaf in leaves:
        if leaf not in found:
            assert leaf.grad == (0.0 if isinstance(leaf, Value) else None)
        elif isinstance(leaf, Value):
            assert leaf.grad == found[leaf] or np.isnan([leaf.grad, found[leaf]]).all()
        else:
            assert bits(leaf.grad) == bits(found[leaf])


@given(programs())
def test_the_order_is_the_engines(program):
    """Else a node sends before its gradient is complete: the mistake that the order avoids."""
    root = program(*nodes_of(program.inputs))
    tape = record(root)
    assert [node.index for node in tape.nodes] == sorted(node.index for node in tape.nodes)
    assert [id(event.node) for event in tape.forward] == list(map(id, tape.nodes))
    events = tape.backward
    assert events[0].node is root and events[0].sender is None
    visited, running = [], {root: events[0].after}
    for event, following in zip(events[1:], [*events[2:], None], strict=True):
        if isinstance(event, Visit):
            visited.append(event.node)
            assert event.gradient is running[event.node]
        elif isinstance(event, Send):
            assert event.node is visited[-1] and event.upstream is running[event.node]
            assert following.node is event.node.args[event.i]
            assert following.sender is event.node and following.i == event.i
            assert following.contribution is event.contribution
        else:
            assert event.node not in set(visited) and event.before is running.get(event.node)
            running[event.node] = event.after
    indices = [node.index for node in visited]
    assert indices == sorted(indices, reverse=True)
    assert set(visited) == set(running)


@given(programs())
def test_nothing_is_touched(program):
    """Else looking at a graph changes it: data, gradients, or what the next node is called."""
    root = program(*nodes_of(program.inputs))
    before = [copy.deepcopy(values(node)) for node in ancestors([root])]
    record(root), cotangents([root])
    assert [values(node) for node in ancestors([root])] == before


@given(programs())
def test_cotangents_are_the_tapes(program):
    """Else the colours of a diagram and the debugger's numbers differ."""
    root = program(*nodes_of(program.inputs))
    tape = record(root)
    found, contributions = cotangents([root])
    assert {node: bits(g) for node, g in found.items()} == {
        node: bits(g) for node, g in tape.gradients.items()
    }
    sent = {(event.node, event.i): bits(event.contribution) for event in tape.backward
            if isinstance(event, Send)}  # fmt: skip
    assert {edge: bits(contribution) for edge, contribution in contributions.items()} == sent


@pytest.mark.parametrize(
    ("function", "at"),
    [
        (lambda x, y: x / y, (1.0, 0.0)),
        (lambda x, y: (x - x) / (y - y), (1.0, 2.0)),
        (lambda x, y: x.log() * y, (0.0, 3.0)),
        (lambda x, y: x.log() * y, (-1.0, 3.0)),
        (lambda x, y: (x * 1000.0).exp() * y, (5.0, 0.0)),
        (lambda x, y: x**y, (0.0, -1.0)),
        (lambda x, y: x**y, (-8.0, 1 / 3)),
        (lambda x, y: (x * y).sqrt(), (0.0, 1.0)),
        (lambda x, y: (-x).relu() * y, (0.0, -0.0)),
    ],
)
def test_arithmetic_is_ieees(function, at):
    """Else a division by zero ends the debugger, where the engine goes on with inf."""
    leaves = list(map(Value, at))
    root = function(*leaves)
    found = record(root).gradients
    nodes = list(found)
    assert [bits(found[node]) for node in nodes] == list(map(bits, gradients(root, nodes)))


def test_x_times_x_sends_twice():
    """Else x * x has the slope x."""
    x = Value(3.0)
    y = x * x
    events = record(y).backward
    assert [type(event) for event in events] == [
        Accumulate, Visit, Send, Accumulate, Send, Accumulate, Visit,
    ]  # fmt: skip
    assert [(e.i, e.before, e.contribution, e.after) for e in events if e.__class__ is Accumulate
            ] == [(None, None, 1.0, 1.0), (0, None, 3.0, 3.0), (1, 3.0, 3.0, 6.0)]  # fmt: skip


def test_several_roots_add_up():
    """A root that another one uses has 1 of its own and what that one sends."""
    x = Value(3.0)
    y = x * x
    z = y * 2.0
    found, _ = cotangents([z, y])
    assert found == {z: 1.0, y: 3.0, x: 18.0}


def test_a_tensor_that_is_no_scalar_starts_with_ones():
    x = Tensor(np.arange(3, dtype=np.float32), requires_grad=True)
    y = x * x
    (expected,) = gradients(y.sum(), [x])
    found = record(y).gradients
    assert bits(found[x]) == bits(expected)


def test_without_a_gradient_only_the_forward_pass_is_there():
    """Else a forward pass under no_grad could not be looked at."""
    with no_grad():
        y = Value(2.0) * 3.0
    for root in (y, Tensor(np.ones(2)), Tensor([1.0]).reshape(1, 1)):
        tape = record(root)
        assert tape.nodes[-1] is root and len(tape.forward) == len(tape.nodes)
        assert tape.backward == [] and tape.gradients == {}
        assert cotangents([root]) == ({}, {})


def test_constants_are_visited_and_get_nothing():
    x = Value(2.0)
    y = x * 4.0
    tape = record(y)
    assert [type(event) for event in tape.forward] == [Visit, Visit, Compute]
    assert set(tape.gradients) == {x, y}


def test_hooks_are_not_called():
    """Else stepping through a graph clips, prints or counts once more."""
    x = Value(2.0)
    y = x * x
    remove = y.hook(lambda gradient: pytest.fail("a hook was called"))
    record(y), cotangents([y])
    remove()


def test_a_stale_graph_is_an_error():
    """Else it shows a gradient of numbers that no longer belong together."""
    x = Value(2.0, name="x")
    y = x * x
    x.data = 3.0
    for call in (record, lambda root: cotangents([root])):
        with pytest.raises(RuntimeError, match="mul was computed before its argument 'x' was writ"):
            call(y)


@pytest.mark.parametrize("root", [1.0, "x", None, np.ones(2)])
def test_only_nodes_are_taken(root):
    with pytest.raises(TypeError, match="takes a Value or a Tensor, not"):
        record(root)


def test_a_long_chain_needs_no_recursion():
    """Else a graph of 20,000 nodes ends in a RecursionError."""
    x = y = Value(1.0)
    for _ in range(20_000):
        y = y + x
    assert cotangents([y])[0][x] == 20_001.0
    assert record(y).gradients[x] == 20_001.0


@given(st.sampled_from([np.float32, np.float64]), st.booleans())
def test_a_rule_of_ones_own_may_answer_with_less(dtype, number):
    """A number for all entries, or another dtype: un-broadcast as the engine does."""
    prim = primitive("total", "the sum", lambda x: x.sum(), lambda g, out, x: 2.0 if number else g)
    try:
        x = Tensor(np.ones((2, 3), dtype), requires_grad=True)
        y = prim(x) * np.float64(0.1)
        assert bits(record(y).gradients[x]) == bits(gradients(y, [x])[0])
    finally:
        del TABLE["total"]
