"""Walks over a graph: which nodes, and in which order."""

import pytest

from autograd import Value, no_grad
from autograd.graph import ancestors, dependents
from autograd.nodes.walk import check_order, walk


def test_a_walk_gives_every_node_once_arguments_first():
    """Else a node used twice is swept twice, or a result comes before its argument."""
    x, y = Value(2.0), Value(3.0)
    product = x * y
    total = product * product + x
    assert walk([total]) == [x, y, product, total.args[0], total]
    with no_grad():
        assert len(walk([x * 2.0])) == 1  # nothing was recorded


def test_a_walk_from_several_roots_stops_where_it_is_told():
    """Else a drawing of several roots counts what they share twice."""
    x, y = Value(2.0), Value(3.0)
    first, second = x * y, x + 1.0
    assert walk([first, second]) == [x, y, first, *second.args[1:], second]
    assert walk([second], stop={first, x}) == [*second.args[1:], second]
    assert walk([second], stop={second}) == []


def test_ancestors_are_those_that_a_gradient_reaches():
    """Else forward mode of two results goes over what they share twice, or out of order."""
    x, constant = Value(2.0), Value(3.0).detach()
    first, second = x * constant, x * x
    assert ancestors(first, second) == [second, first, x]
    assert ancestors() == []


def test_dependents_are_what_is_computed_from_the_sources():
    """Else a gradient is sent where nobody asked for it, or not to where it was asked for."""
    x, y = Value(2.0), Value(3.0)
    square, other = x * x, y * y
    total = square + other
    assert dependents(walk([total]), [x]) == {x, square, total}
    assert dependents(walk([total]), []) == set()


def test_a_node_older_than_its_argument_is_an_error():
    """Else a gradient is computed from numbers that do not belong together."""
    x = Value(2.0, name="x")
    y = x * x
    check_order(walk([y]))
    x.data = 3.0
    with pytest.raises(RuntimeError, match=r"^viz: mul was computed before its argument .x. was"):
        check_order(walk([y]), "viz")


def test_a_long_chain_needs_no_recursion():
    """Else a graph of 100,000 nodes ends in a RecursionError."""
    y = x = Value(1.0)
    for _ in range(100_000):
        y = y + x
    assert len(walk([y])) == len(dependents(walk([y]), [x])) == 100_001
