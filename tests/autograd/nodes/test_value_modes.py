"""Values under no_grad, detach and hooks, sweeps that are interrupted or run in two threads, and
primitives of one's own."""

from __future__ import annotations

import gc
import math
import sys
import threading

import numpy as np
import pytest

import autograd
from autograd import Tensor, Value, gradients, no_grad, primitive
from autograd.primitives.primitive import TABLE

# --- no_grad, detach, hooks ----------------------------------------------------------------------


def test_no_grad_records_nothing():
    x = Value(3.0)
    with no_grad():
        y = x * x
        z = y.exp() + 1
        with no_grad():
            pass
        w = x + 1
    for node in (y, z, w):
        assert not node.requires_grad
        assert node.args == ()
    with pytest.raises(RuntimeError, match="does not require a gradient"):
        y.backward()
    assert (x * y).requires_grad
    (x * y).backward()
    assert x.grad == 9.0


def test_no_grad_ends_with_an_exception_and_decorates():
    x = Value(3.0)
    with pytest.raises(ZeroDivisionError), no_grad():
        1 / 0  # noqa: B018

    @no_grad()
    def square(x):
        return x * x

    assert not square(x).requires_grad
    assert not square(x).requires_grad
    assert (x * x).requires_grad


def test_a_graph_made_outside_differentiates_inside_no_grad():
    x = Value(3.0)
    y = x * x
    with no_grad():
        y.backward()
    assert x.grad == 6.0


def test_detach_cuts():
    x = Value(3.0)
    y = x.detach() * x
    assert not x.detach().requires_grad
    y.backward()
    assert x.grad == 3.0


def test_a_hook_sees_the_whole_gradient_and_may_change_it():
    x = Value(3.0)
    y = x * x
    z = y * 2 + y.exp() * 0.0
    seen = []
    remove = y.hook(seen.append)
    z.backward()
    assert seen == [2.0]
    assert x.grad == 12.0
    remove()
    y.hook(lambda g: 10 * g)
    x.grad = 0.0
    z.backward()
    assert seen == [2.0]
    assert x.grad == 120.0


def test_hooks_run_in_the_order_given_each_on_the_last_ones_answer():
    x = Value(1.0)
    x.hook(lambda g: g + 1)
    x.hook(lambda g: g * 10)
    (x * 3).backward()
    assert x.grad == 40.0


def test_a_hook_on_a_leaf_and_on_the_root():
    x = Value(3.0)
    y = x * x
    seen = []
    x.hook(lambda g: seen.append(("leaf", g)))
    y.hook(lambda g: seen.append(("root", g)))
    y.backward()
    gradients(y, [x])
    assert seen == [("root", 1.0), ("leaf", 6.0)] * 2


def test_a_hook_may_remove_itself():
    x = Value(3.0)
    y = x * x
    seen = []
    removers = []
    removers.append(y.hook(lambda g: seen.append("once") or removers[0]()))
    y.hook(lambda g: seen.append("always"))
    y.backward()
    y.backward()
    assert seen == ["once", "always", "always"]


def test_a_removed_hook_leaves_nothing_behind():
    """A forgotten entry would send every later Value.backward() through the slow sweep."""
    gc.collect()
    before = len(autograd.graph.hooks)
    x = Value(3.0)
    remove = x.hook(lambda g: None)
    assert len(autograd.graph.hooks) == before + 1
    remove()
    assert len(autograd.graph.hooks) == before


def test_a_hook_counts_at_second_order():
    """z = (x^2)^2 with the gradient at y = x^2 doubled is 8 x^3, whose slope is 24 x^2."""
    for leaf in (Value(2.0), Tensor(2.0, requires_grad=True)):
        y = leaf * leaf
        y.hook(lambda g: 2 * g)
        (first,) = gradients(y * y, [leaf], create_graph=True)
        y.hook(lambda g: 0.5 * g)  # undo it for the walk through y's own part of the graph
        assert first.data == 64.0
        assert float(gradients(first, [leaf])[0]) == 96.0


# --- interruptions and threads -------------------------------------------------------------------


class Primitive:
    """A primitive in the table for the length of a `with`, whose rule does what it is told."""

    def __init__(self, rule):
        self.rule = rule

    def __enter__(self):
        self.primitive = primitive("of_a_test", "x", lambda x: x, self.rule, on_float=lambda x: x)
        return self.primitive

    def __exit__(self, *_):
        del TABLE["of_a_test"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, RuntimeError])
def test_an_interrupted_sweep_leaves_nothing_behind(error):
    """Ctrl-C in the middle: no gradient is half added, and the next sweep starts clean."""
    interrupt = [True]

    def rule(g, out, x):
        if interrupt[0]:
            raise error
        return g

    with Primitive(rule) as prim:
        x, w = Value(3.0), Value(2.0)
        y = x * w
        z = prim(y) * w + y * y + x
        for _ in range(2):
            with pytest.raises(error):
                z.backward()
            assert x.grad == w.grad == 0.0
        interrupt[0] = False
        z.backward()
        # z = x w^2 + (x w)^2 + x
        assert (x.grad, w.grad) == (4.0 + 24.0 + 1.0, 12.0 + 36.0)
        (y * 1.0).backward()
        assert (x.grad, w.grad) == (31.0, 51.0)


def test_a_rule_may_differentiate_another_graph():
    def rule(g, out, x):
        inner = Value(2.0)
        (inner * inner * inner).backward()
        return g * inner.grad

    with Primitive(rule) as prim:
        x = Value(1.0)
        (prim(x) + x).backward()
        assert x.grad == 13.0


def test_two_threads_differentiate_two_graphs():
    def work(k, answers):
        found = set()
        for _ in range(200):
            x = y = Value(1.0)
            for _ in range(30):
                y = y * float(k) + x
            y.backward()
            found.add(x.grad)
        answers[k] = found

    answers: dict[int, set[float]] = {}
    threads = [threading.Thread(target=work, args=(k, answers)) for k in (1, 2, 3)]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    for k in (1, 2, 3):
        assert answers[k] == {float(sum(k**i for i in range(31)))}


def test_no_grad_in_another_thread_is_that_threads_alone():
    inside, done = threading.Event(), threading.Event()
    recorded = []

    def quiet():
        with no_grad():
            inside.set()
            done.wait(10)
            recorded.append((Value(1.0) * 2).requires_grad)

    thread = threading.Thread(target=quiet)
    thread.start()
    inside.wait(10)
    x = Value(3.0)
    y = x * x + x.exp() * 0
    y.backward()
    done.set()
    thread.join()
    assert x.grad == 6.0
    assert recorded == [False]


# --- primitives of one's own ---------------------------------------------------------------------


def test_a_rule_may_do_what_no_formula_can():
    """The fast sweep writes rules down as formulas; one that calls `math` is called as it is."""
    with Primitive(lambda g, out, x: g * math.cos(x)) as prim:
        x = Value(0.5)
        prim(x).backward()
        assert x.grad == math.cos(0.5)


@pytest.mark.parametrize(
    "rule",
    [
        lambda g, out, x: 0.0 if x == 0.0 else g,
        lambda g, out, x: g if x else 0.0,
        lambda g, out, x: g if x != 0.0 else 0.0,
        lambda g, out, x: g if x not in (0.0, 1.0) else 0.0,
        lambda g, out, x: g if x > 0.0 else 0.0,
        lambda g, out, x: g if not x <= 0.0 else 0.0,
    ],
    ids=["==", "bool", "!=", "in", ">", "<="],
)
def test_a_rule_with_a_condition_means_the_same_in_both_sweeps(rule):
    with Primitive(rule) as prim:
        x = Value(0.0)
        y = prim(x)
        y.backward()
        assert x.grad == 0.0
        assert gradients(y, [x]) == [0.0]


@pytest.mark.parametrize("name", ["of-a-test", "of a test", "2test", "lambda", "g", "node", "x0"])
def test_a_primitive_may_have_any_name(name):
    prim = primitive(
        name, "2 x", lambda x: 2 * x, lambda g, out, x: 2.0 * g, on_float=lambda x: 2 * x
    )
    try:
        x = Value(1.0)
        (prim(x) * x).backward()
        assert x.grad == 4.0
    finally:
        del TABLE[name]


def test_a_rule_may_call_its_own_primitive():
    prim = primitive(
        "of_a_test",
        "e to the x",
        np.exp,
        lambda g, out, x: g * TABLE["of_a_test"](x),
        on_float=math.exp,
    )
    try:
        x = Value(1.0)
        prim(x).backward()
        assert x.grad == math.exp(1.0)
    finally:
        del TABLE["of_a_test"]
