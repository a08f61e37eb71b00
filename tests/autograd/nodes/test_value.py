"""Value: micrograd's programs, what it holds and converts to, and writes."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

import autograd
from autograd import Tensor, Value, gradients

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
        with pytest.raises(TypeError, match="do not mix"):
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
