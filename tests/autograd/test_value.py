"""Value: micrograd's programs, the graph's contracts, the fast sweep against the general one."""

from __future__ import annotations

import gc
import math
import random
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd
from autograd import Tensor, Value, gradients, no_grad, primitive
from autograd.primitives.primitive import TABLE

ROOT = Path(autograd.__file__).parents[1]

# --- micrograd's programs ------------------------------------------------------------------------


def sanity(Value):
    x = Value(-4.0)
    z = 2 * x + 2 + x
    q = z.relu() + z * x
    h = (z * z).relu()
    y = h + q + q * x
    y.backward()
    return y.data, x.grad


def more_ops(Value):
    a = Value(-4.0)
    b = Value(2.0)
    c = a + b
    d = a * b + b**3
    c += c + 1
    c += 1 + c + (-a)
    d += d * 2 + (b + a).relu()
    d += 3 * d + (b - a).relu()
    e = c - d
    f = e**2
    g = f / 2.0
    g += 10.0 / f
    g.backward()
    return g.data, a.grad, b.grad


def test_the_example_of_micrograds_readme():
    assert [f"{number:.4f}" for number in more_ops(Value)] == ["24.7041", "138.8338", "645.5773"]


@pytest.mark.parametrize("program", [sanity, more_ops])
def test_micrograds_own_tests_run_after_changing_the_import(program):
    engine = pytest.importorskip("micrograd.engine")
    # micrograd writes a / b as a * b**-1 and a - b as a + b * -1: a rounding each, amplified by
    # gradients of some hundreds.
    np.testing.assert_allclose(program(Value), program(engine.Value), rtol=1e-14)


def test_micrograds_network_trains_alike_on_our_values(monkeypatch):
    """Its nn.py with our Value in it: the same losses and weights over ten steps."""
    nn = pytest.importorskip("micrograd.nn")
    xs = [[2.0, 3.0], [-1.0, 0.5], [0.3, -0.7], [1.0, 1.0]]
    ys = [1.0, -1.0, -1.0, 1.0]

    def train():
        random.seed(7)
        model = nn.MLP(2, [5, 1])
        losses = []
        for step in range(10):
            out = [model(x) for x in xs]
            loss = sum((o - y) ** 2 for o, y in zip(out, ys, strict=True))
            model.zero_grad()
            loss.backward()
            for p in model.parameters():
                p.data -= 0.02 * (1.0 - 0.05 * step) * p.grad
            losses.append(loss.data)
        return losses, [p.data for p in model.parameters()]

    theirs = train()
    monkeypatch.setattr(nn, "Value", Value)
    ours = train()
    # Sums of 20 terms in another order, ten steps on: far from chaos, near to rounding.
    np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-11)
    np.testing.assert_allclose(ours[1], theirs[1], rtol=1e-11)


# --- the graph -----------------------------------------------------------------------------------


def test_a_product_with_itself_has_two_edges():
    x = Value(3.0)
    y = x * x
    assert y.args == (x, x)
    assert y.row is TABLE["mul"]
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
    assert x.row is None
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


# --- writing -------------------------------------------------------------------------------------


def test_writing_a_leaf_makes_what_was_computed_from_it_stale():
    x, w = Value(3.0, name="speed"), Value(2.0)
    y = x * w
    z = y + w
    x.data = 4.0
    for act in (z.backward, lambda: gradients(z, [w]), lambda: z.backward(create_graph=True)):
        with pytest.raises(RuntimeError, match=r"mul was computed before .*'speed' was written"):
            act()
    assert x.grad == w.grad == 0.0
    (x * w).backward()
    assert (x.grad, w.grad) == (2.0, 4.0)


def test_a_write_disturbs_only_what_depends_on_it():
    x, other = Value(3.0), Value(1.0)
    y = x * x
    other.data = 2.0
    y.backward()
    assert x.grad == 6.0


def test_writing_a_leaf_that_is_deep_in_the_graph_is_seen():
    x = Value(3.0)
    y = x * 2
    for _ in range(100):
        y = y + 1
    x.data = 1.0
    with pytest.raises(RuntimeError, match="written"):
        y.backward()


def test_a_result_cannot_be_written():
    y = Value(3.0) * 2
    with pytest.raises(RuntimeError, match="mul"):
        y.data = 1.0
    assert y.data == 6.0


def test_what_is_written_is_one_number():
    x = Value(1.0)
    x.data = np.float32(0.5)
    assert type(x.data) is float
    with pytest.raises(TypeError, match="ndarray"):
        x.data = np.ones(3)
    assert x.data == 0.5


# --- what a Value is, and is not -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        (np.ones(3), "ndarray of shape"),
        ([1.0], "list"),
        (None, "NoneType"),
        ("abc", "str"),
        (1j, "complex"),
    ],
)
def test_a_value_holds_one_number(wrong, word):
    with pytest.raises(TypeError, match=word):
        Value(wrong)
    with pytest.raises(TypeError, match=word):
        Value(1.0) + wrong
    with pytest.raises(TypeError, match=word):
        wrong * Value(1.0)


@pytest.mark.parametrize("wrong", ["3.5", b"3", np.complex128(1 + 2j), "nan"])
def test_text_and_complex_numbers_are_no_numbers(wrong):
    for act in (lambda: Value(wrong), lambda: Value(1.0) + wrong, lambda: Value(1.0) < wrong):
        with pytest.raises(TypeError):
            act()


@pytest.mark.parametrize(
    "act",
    [
        lambda v, t: v + t,
        lambda v, t: t + v,
        lambda v, t: v * t,
        lambda v, t: t @ v if t.ndim else t - v,
        lambda v, t: v**t,
        lambda v, t: autograd.maximum(v, t),
        lambda v, t: autograd.where(t, v, v),
    ],
)
def test_value_and_tensor_do_not_mix(act):
    for tensor in (Tensor(1.0), Tensor([1.0, 2.0])):
        with pytest.raises((TypeError, ValueError), match=r"mix|matmul"):
            act(Value(1.0), tensor)


@pytest.mark.parametrize("act", [lambda a, v: a * v, lambda a, v: v - a, lambda a, v: a / v])
def test_an_array_times_a_value_says_what_to_do(act):
    """NumPy would make an array of objects, one node an entry."""
    with pytest.raises(TypeError, match=r"shape \(3,\); use Tensor"):
        act(np.ones(3), Value(2.0))


@pytest.mark.parametrize(
    "act", [autograd.sum, autograd.max, autograd.mean, autograd.logsumexp, autograd.softmax]
)
def test_a_reduction_of_a_value_says_what_to_do(act):
    with pytest.raises(TypeError, match="Tensor"):
        act(Value(1.0))


def test_comparison_is_by_value_and_hash_by_identity():
    a, b = Value(1.0), Value(2.0)
    assert a < b
    assert a <= b
    assert b > a
    assert b >= 2
    assert a < 1.5
    assert 1.5 > a  # noqa: SIM300
    assert not a < 1.0
    assert a == Value(1.0)
    assert a != b
    assert len({a, Value(1.0), a}) == 2
    assert max([a, b, Value(-3.0)]) is b


def test_conversions():
    assert float(Value(2.5)) == Value(2.5).item() == Value(2.5).data == 2.5
    assert bool(Value(0.1))
    assert not Value(0.0)
    assert math.floor(Value(2.5)) == 2
    assert f"{Value(2.0).data:.1f}" == "2.0"
    assert float(Value(Value(3.0))) == 3.0
    assert sum([Value(1.0), Value(2.0)]).data == 3.0


def test_repr_shows_what_there_is():
    x = Value(2.0, name="x")
    assert repr(x) == "Value(data=2.0, grad=0.0, name='x')"
    assert repr(x * 3.0) == "Value(data=6.0)"
    (x * 3.0).backward()
    assert "grad=3.0" in repr(x)
    (x * x).backward(create_graph=True)
    assert "grad=7.0" in repr(x)


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
    """A random graph: each step applies a row to results before it, or to a plain number."""
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
    if not (math.isfinite(root.data) and abs(root.data) < 1e6):
        return
    # Roundings differ by an ulp, and 25 steps may amplify each as they do the slopes.
    np.testing.assert_allclose(result.item(), root.data, rtol=1e-9, atol=1e-9)


# --- interruptions and threads -------------------------------------------------------------------


class Row:
    """A row in the table for the length of a `with`, whose rule does what it is told."""

    def __init__(self, rule):
        self.rule = rule

    def __enter__(self):
        self.row = primitive("of_a_test", "x", lambda x: x, self.rule, on_float=lambda x: x)
        return self.row

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

    with Row(rule) as row:
        x, w = Value(3.0), Value(2.0)
        y = x * w
        z = row(y) * w + y * y + x
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

    with Row(rule) as row:
        x = Value(1.0)
        (row(x) + x).backward()
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


# --- rows of one's own ---------------------------------------------------------------------------


def test_a_rule_may_do_what_no_formula_can():
    """The fast sweep writes rules down as formulas; one that calls `math` is called as it is."""
    with Row(lambda g, out, x: g * math.cos(x)) as row:
        x = Value(0.5)
        row(x).backward()
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
    with Row(rule) as row:
        x = Value(0.0)
        y = row(x)
        y.backward()
        assert x.grad == 0.0
        assert gradients(y, [x]) == [0.0]


@pytest.mark.parametrize("name", ["of-a-test", "of a test", "2test", "lambda", "g", "node", "x0"])
def test_a_row_may_have_any_name(name):
    row = primitive(
        name, "2 x", lambda x: 2 * x, lambda g, out, x: 2.0 * g, on_float=lambda x: 2 * x
    )
    try:
        x = Value(1.0)
        (row(x) * x).backward()
        assert x.grad == 4.0
    finally:
        del TABLE[name]


def test_a_rule_may_call_its_own_row():
    row = primitive(
        "of_a_test",
        "e to the x",
        np.exp,
        lambda g, out, x: g * TABLE["of_a_test"](x),
        on_float=math.exp,
    )
    try:
        x = Value(1.0)
        row(x).backward()
        assert x.grad == math.exp(1.0)
    finally:
        del TABLE["of_a_test"]
