"""Folding: what becomes one box, that nothing is lost, and that no fold makes a cycle."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import viz
from autograd import Tensor, Value
from autograd.nn import Activation, Linear, Module
from autograd.primitives.primitive import TABLE
from tests.programs import programs
from viz import diagram
from viz.diagram import folding
from viz.diagram.folding import fold, span, unfolded
from viz.diagram.items import items_of_nodes

MOST = 800


def repeated(count):
    """(x * w).tanh(), so often."""
    y, w = Value(0.5, name="x"), Value(0.9, name="w")
    for _ in range(count):
        y = (y * w).tanh()
    return y


def tangle(count):
    """Operations on any of the last 200 nodes, without a pattern."""
    draw = random.Random(0)
    nodes = [Value(draw.random()) for _ in range(20)]
    for _ in range(count):
        x, y = draw.choice(nodes[-200:]), draw.choice(nodes[-200:])
        nodes.append(draw.choice([x * y, x + y, x - y, x.tanh()]))
    return sum(nodes[-200:], Value(0.0))


class Blocks(Module):
    """The same two layers, several times."""

    def __init__(self, count):
        self.blocks = [[Linear(4, 4), Activation("tanh")] for _ in range(count)]
        for i, (linear, activation) in enumerate(self.blocks):
            setattr(self, f"linear{i}", linear)
            setattr(self, f"activation{i}", activation)

    def forward(self, x):
        for linear, activation in self.blocks:
            x = activation(linear(x))
        return x


def check(boxes, items):
    """Every item is in one box, and every box comes after those that it reads."""
    place = {member: number for number, box in enumerate(boxes) for member in box.members}
    assert sorted(place) == list(range(len(items)))
    assert sum(len(box.members) for box in boxes) == len(items)
    for number, box in enumerate(boxes):
        for member in box.members:
            assert all(place[arg] <= number for arg in items[member].args)


def test_what_repeats_is_one_box_that_says_how_often():
    """Else a chain of 500 layers is 1,000 boxes."""
    drawn = viz.draw(repeated(500))
    assert drawn.items == 1002 and drawn.boxes < 10
    assert r"mul,\ tanh\l499\ times\l998\ operations" in drawn.source


def test_a_module_that_repeats_is_one_box_too():
    """Else a deep network is as many boxes as it has layers."""
    y = Blocks(12)(Tensor(np.ones((2, 4), np.float32))).sum()
    source = viz.draw(y, fold=True).source
    assert r"12\ times" in source
    assert r"Blocks\ /\ linear0,\ Blocks\ /\ activation0" in source


def test_a_small_graph_is_not_folded_unless_asked():
    """Else a newcomer does not see the graph that was written."""
    y = repeated(50)
    assert viz.draw(y).boxes == viz.draw(y).items == 102
    assert viz.draw(y, fold=True).boxes < 10
    assert viz.draw(repeated(500), fold=False).boxes == 1002


def test_few_boxes_with_long_arrows_are_folded_as_well():
    """Else the layout of some 900 boxes that all read one leaf takes minutes."""
    y = repeated(400)
    items = items_of_nodes([y])
    assert len(items) < diagram.MOST_BOXES and span(unfolded(items), items) > diagram.MOST_SPAN
    assert viz.draw(y).boxes < 10


@pytest.mark.parametrize("count", [1_000, 10_000])
def test_a_tangle_without_modules_or_repetition_is_cut_into_pieces(count):
    """Else it is too large for a picture, and the layout never ends."""
    items = items_of_nodes([tangle(count)])
    boxes = fold(items)
    check(boxes, items)
    assert len(boxes) <= folding.MOST_BOXES
    assert span(boxes, items) <= folding.MOST_SPAN or len(boxes) <= 2 * folding.PIECES + 1


def test_a_hundred_thousand_nodes_are_a_few_boxes():
    """Else large graphs cannot be seen."""
    items = items_of_nodes([repeated(50_000)])
    boxes = fold(items)
    check(boxes, items)
    assert len(items) == 100_002 and len(boxes) < 10


@pytest.mark.parametrize("graph", [repeated(500), tangle(1500)])
def test_the_root_stays_in_sight(graph):
    """Else the loss is somewhere in a box."""
    graph.name = "loss"
    drawn = viz.draw(graph)
    assert drawn.boxes < 100 and "loss" in drawn.source
    assert f"{drawn.items:,}\\ nodes\\ folded\\ into" in drawn.source


def test_more_roots_than_can_be_told_apart_are_folded_too():
    """Else 3,000 losses are 3,000 boxes, and as many colours."""
    x = Value(1.0, name="x")
    drawn = viz.draw([x * float(i) for i in range(3000)])
    assert drawn.boxes < 100 and r"3,000\ roots" in drawn.source


def test_many_leaves_fold_as_well_as_many_operations():
    """Else one operation of 1,500 arguments has no picture."""
    leaves = [Tensor([1.0], requires_grad=True) for _ in range(1500)]
    drawn = viz.draw(TABLE["concatenate"](*leaves, axis=0).sum())
    assert drawn.items == 1502 and drawn.boxes == 3


def test_several_calls_of_a_module_are_one_box_that_says_how_many():
    """Else a layer used five times looks like one of fifteen operations."""
    layer = Linear(4, 4)
    y = Tensor(np.ones((2, 4), np.float32))
    for _ in range(5):
        y = layer(y)
    source = viz.draw(y.sum(), fold=True).source
    assert r"transpose,\ matmul,\ add\l5\ times\l15\ operations" in source


@given(program=programs())
def test_no_item_is_lost_and_no_fold_makes_a_cycle(program):
    """Else a folded picture shows another graph."""
    nodes = [Tensor(x, requires_grad=True) for x in map(np.asarray, program.inputs)]
    items = items_of_nodes([program(*nodes)])
    check(unfolded(items), items)
    check(fold(items), items)


@given(program=programs(), most=st.integers(1, 30))
def test_that_holds_for_every_way_to_fold_further(program, most):
    """Else it holds only for graphs that the first round makes small enough."""
    nodes = [Tensor(x, requires_grad=True) for x in map(np.asarray, program.inputs)]
    items = items_of_nodes([program(*nodes)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folding, "MOST_BOXES", most)
        patch.setattr(folding, "PIECES", 3)
        check(fold(items), items)


@given(keys=st.lists(st.integers(0, 2), max_size=40))
def test_a_repetition_repeats(keys):
    """Else a box says "x 12" of things that differ."""
    end = 0
    for start, period, times in folding._repetitions(np.array(keys, int)):
        assert start >= end and times >= 2
        end = start + period * times
        assert keys[start:end] == keys[start : start + period] * times
