"""The graph of Values and its gradients: edges, order, long chains, derivatives of every order, and
the fast sweep against the general one."""

from __future__ import annotations

import gc
import math
import subprocess
import sys
import time
import weakref
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import autograd
from autograd import Tensor, Value, gradients, no_grad
from autograd.primitives.primitive import TABLE

ROOT = Path(autograd.__file__).parents[1]


# --- the graph -----------------------------------------------------------------------------------


def test_a_product_with_itself_has_two_edges():
    x = Value(3.0)
    y = x * x
    assert y.args == (x, x)
    assert y.primitive is TABLE["mul"]
    y.backward()
    assert x.grad == 6.0


def test_arguments_keep_their_order():
    a, b = Value(1.0), Value(2.0)
    assert (a - b).args == (a, b)
    (four,) = [arg for arg in (4.0 - a).args if arg is not a]
    assert float(four) == 4.0
    assert (4.0 - a).args[1] is a
    assert a.index < b.index < (a - b).index


def test_a_second_backward_adds_exactly_the_same_again():
    a, b = Value(0.1), Value(0.7)
    y = (a * b + a.exp()).tanh() / b + a**b
    y.backward()
    once = [a.grad, b.grad]
    y.backward()
    assert [a.grad, b.grad] == [2 * g for g in once]  # doubling is exact: bit for bit
    y.backward()
    assert [a.grad, b.grad] == [g + g + g for g in once]


def test_gradients_accumulate_until_cleared():
    x = Value(2.0)
    (x * 3).backward()
    (x * x).backward()
    assert x.grad == 7.0
    x.grad = 0
    (x * 3).backward()
    assert x.grad == 3.0


def test_backward_uses_the_seed():
    x = Value(2.0)
    (x * x).backward(seed=-0.5)
    assert x.grad == -2.0
    x = Value(2.0)
    x.backward(seed=3.0)
    assert x.grad == 3.0


def test_inner_nodes_keep_no_gradient():
    x = Value(2.0)
    y = x * x
    (y * y).backward()
    assert y.grad is None


def test_a_leaf_starts_with_gradient_zero_and_requires_one():
    x = Value(2)
    assert x.grad == 0.0
    assert x.requires_grad
    assert x.primitive is None
    assert type(x.data) is float


def test_plain_numbers_and_numpys_on_either_side():
    x = Value(2.0)
    for y, value, slope in [
        (x + 1, 3.0, 1.0),
        (1 + x, 3.0, 1.0),
        (x - 1, 1.0, 1.0),
        (1 - x, -1.0, -1.0),
        (x * 3, 6.0, 3.0),
        (3 * x, 6.0, 3.0),
        (x / 4, 0.5, 0.25),
        (1 / x, 0.5, -0.25),
        (x**3, 8.0, 12.0),
        (2**x, 4.0, 4 * math.log(2)),
        (-x, -2.0, -1.0),
        (+x, 2.0, 1.0),
        (abs(-x), 2.0, 1.0),
        (np.float64(3) * x, 6.0, 3.0),
        (np.float32(3) - x, 1.0, -1.0),
        (x * np.int64(3), 6.0, 3.0),
        (np.array(3.0) * x, 6.0, 3.0),
        (True + x, 3.0, 1.0),
    ]:
        x.grad = 0.0
        y.backward()
        assert isinstance(y, Value)
        assert (y.data, x.grad) == pytest.approx((value, slope), rel=4e-16)


@pytest.mark.parametrize("leaf", [lambda: Value(1.0), lambda: Tensor(1.0, requires_grad=True)])
def test_a_diamond_of_a_thousand_floors_is_walked_once(leaf):
    """y = y + y doubles the paths each time: 2^1000 of them, and one sweep."""
    x = y = leaf()
    for _ in range(1000):
        y = y + y
    assert float(gradients(y, [x])[0]) == 2.0**1000
    y.backward()
    assert float(x.grad) == 2.0**1000


def chain(n):
    """Processor seconds to make and differentiate a chain of n nodes, and the slope."""
    gc.disable()  # its pauses grow with whatever else this process holds
    try:
        start = time.thread_time()
        x = y = Value(1.0)
        for _ in range(n):
            y = y + x
        y.backward()
        return time.thread_time() - start, x.grad
    finally:
        gc.enable()


def test_a_chain_takes_linear_time():
    """Eight times the nodes in about eight times the time; a quadratic sweep would take 64."""
    small, large = (min(chain(n) for _ in range(3)) for n in (10_000, 80_000))
    assert small[1] == 10_001.0
    assert large[0] < 24 * small[0]


def test_a_chain_of_a_million_nodes_differentiates_and_is_freed():
    """In a process of its own, because what would be wrong is a crash of the interpreter: by
    recursion in the sweep, or in freeing a chain of a million tuples."""
    program = """
import gc, resource
from autograd import Tensor, Value, gradients
x = y = Value(1.0)
for _ in range(1_000_000):
    y = y + x
y.backward()
assert x.grad == 1_000_001.0, x.grad
megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
assert megabytes < 1500, megabytes
del y
x = y = Value(1.0)
for _ in range(100_000):
    y = y + x
assert gradients(y, [x]) == [100_001.0]
t = s = Tensor(1.0, requires_grad=True)
for _ in range(100_000):
    s = s + t
s.backward()
assert t.grad.item() == 100_001.0
del s
gc.collect()
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120, cwd=ROOT)


@pytest.mark.parametrize("leaf", [lambda: Value(1.0), lambda: Tensor(1.0, requires_grad=True)])
def test_a_graph_is_freed_with_its_last_reference(leaf):
    """By counting references alone: a cycle would keep a training loop's graphs until the
    collector comes."""
    gc.disable()
    try:
        x = y = leaf()
        made = []
        for _ in range(100):
            y = (y * x).tanh() + 1.0
            made.append(weakref.ref(y))
        y.backward()
        (first,) = gradients(y * y, [x], create_graph=True)
        made.append(weakref.ref(first))
        gradients(first, [x])
        del y, first
        assert not any(ref() is not None for ref in made)
    finally:
        gc.enable()


# --- gradients() ---------------------------------------------------------------------------------


def test_gradients_touches_nothing_and_reaches_inner_nodes():
    x, other = Value(2.0), Value(5.0)
    y = x * x
    z = y * y + y
    assert gradients(z, [y, x, z, other, y]) == [9.0, 36.0, 1.0, 0.0, 9.0]
    assert gradients(z, [x], seed=0.5) == [18.0]
    assert x.grad == other.grad == 0.0
    assert y.grad is None
    assert gradients(z, []) == []


def test_create_graph_gives_values():
    x, other = Value(2.0), Value(5.0)
    found = gradients(x * x, [x, other], create_graph=True)
    assert found[0].data == 4.0
    assert gradients(found[0], [x]) == [2.0]
    assert float(found[1]) == 0.0


def test_create_graph_gives_values_for_what_is_unreachable_too():
    (zero,) = gradients(Value(2.0) * 2, [Value(5.0)], create_graph=True)
    assert isinstance(zero, Value)


def test_gradients_of_what_requires_none_is_an_error():
    x = Value(2.0)
    with no_grad():
        flat = x * x
    with pytest.raises(ValueError, match="does not require"):
        gradients(x * x, [flat])
    with pytest.raises(RuntimeError, match="does not require"):
        gradients(flat, [x])


@pytest.mark.parametrize(
    ("order", "slope"), [(1, 4 * 27), (2, 12 * 9), (3, 24 * 3), (4, 24), (5, 0)]
)
def test_every_order_of_a_polynomial(order, slope):
    x = Value(3.0)
    y = x * x * x * x
    for _ in range(order):
        (y,) = gradients(y + 0.0 * x, [x], create_graph=True)
    assert y.item() == slope


def test_backward_with_create_graph_gives_a_gradient_to_differentiate():
    x = Value(3.0)
    (x * x * x).backward(create_graph=True)
    first = x.grad
    assert first.data == 27.0
    x.grad = 0.0
    first.backward()
    assert x.grad == 18.0


# --- one sweep or the other ----------------------------------------------------------------------


UNARY = ("exp", "tanh", "relu", "sin", "sigmoid", "softplus", "abs", "neg", "sqrt", "log")
BINARY = ("add", "sub", "mul", "div", "power", "maximum", "minimum")
STEPS = st.lists(
    st.tuples(st.sampled_from((*UNARY, *BINARY, "where")), st.integers(0, 99), st.integers(0, 99)),
    max_size=25,
)
NUMBERS = st.floats(-3, 3, width=16)


def graph(leaves, steps):
    """A random graph: each step applies a primitive to results before it, or to a plain number."""
    nodes = list(leaves)
    for name, i, j in steps:
        a, b = nodes[i % len(nodes)], nodes[j % len(nodes)]
        b = 1.5 if j > 80 else b
        if name == "where":
            nodes.append(autograd.where(autograd.greater(a, b), a, nodes[0]))
        else:
            nodes.append(TABLE[name](a) if name in UNARY else TABLE[name](a, b))
    return nodes[-1]


def test_a_condition_takes_no_gradient_in_either_sweep():
    """Not even a zero: through log's infinite slope at 0 it would come out as nan."""
    x = Value(0.0)
    y = autograd.where(x.log(), 2.0 * x, 1.0)
    y.backward()
    assert [x.grad] == gradients(y, [x]) == [2.0]


@given(st.tuples(NUMBERS, NUMBERS, NUMBERS), STEPS)
def test_the_fast_sweep_equals_the_general_one(numbers, steps):
    """Bit for bit, inf and nan included, also where results are used many times over."""
    leaves = [Value(number) for number in numbers]
    root = graph(leaves, steps)
    root.backward()
    np.testing.assert_array_equal([x.grad for x in leaves], gradients(root, leaves))
    assert all(type(x.grad) is float for x in leaves)


@given(st.tuples(NUMBERS, NUMBERS, NUMBERS), STEPS)
def test_values_and_tensors_agree_on_random_graphs(numbers, steps):
    leaves = [Value(number) for number in numbers]
    tensors = [Tensor(number, requires_grad=True) for number in numbers]
    root = graph(leaves, steps)
    with np.errstate(all="ignore"):
        result = graph(tensors, steps)
    assume(abs(root.data) < 1e6)  # nor is it nan
    # Roundings differ by an ulp, and 25 steps may amplify each as they do the slopes.
    np.testing.assert_allclose(result.item(), root.data, rtol=1e-9, atol=1e-9)
