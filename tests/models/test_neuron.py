"""neuron.py is micrograd's nn: the same weights give the same outputs and gradients."""

import random

import pytest

from models.neuron import MLP, Layer, Neuron


def test_outputs_and_gradients_are_micrograds():
    nn = pytest.importorskip("micrograd.nn")
    theirs, ours = nn.MLP(3, [4, 4, 1]), MLP(3, [4, 4, 1], seed=1)
    draw = random.Random(0)
    for t, o in zip(theirs.parameters(), ours.parameters(), strict=True):
        t.data = o.data = draw.uniform(-1, 1)
    x = [0.5, -1.5, 2.0]
    a, b = theirs(x), ours(x)
    a.backward()
    b.backward()
    assert b.data == a.data  # to the last bit: the sums run in the same order
    for t, o in zip(theirs.parameters(), ours.parameters(), strict=True):
        assert o.grad == pytest.approx(t.grad, rel=1e-14)  # here they may not


def test_reprs_are_micrograds():
    assert repr(Neuron(2)) == "ReLUNeuron(2)"
    assert repr(Layer(2, 1, nonlinear=False)) == "Layer of [LinearNeuron(2)]"
    assert repr(MLP(1, [1])) == "MLP of [Layer of [LinearNeuron(1)]]"


def test_several_outputs_are_a_list_and_one_is_a_value():
    assert len(MLP(2, [3, 2], seed=0)([1.0, 2.0])) == 2
    assert MLP(2, [3, 1], seed=0)([1.0, 2.0]).requires_grad


def test_the_seed_decides_the_weights_and_zero_grad_clears():
    one, same = MLP(2, [3, 1], seed=4), MLP(2, [3, 1], seed=4)
    assert [p.data for p in one.parameters()] == [p.data for p in same.parameters()]
    one([1.0, 2.0]).backward()
    assert any(p.grad for p in one.parameters())
    one.zero_grad()
    assert not any(p.grad for p in one.parameters())
