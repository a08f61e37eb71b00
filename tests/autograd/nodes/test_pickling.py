"""Leaves, modules and optimizers pickled and copied: they go on learning; results of a graph are
refused in words."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys

import numpy as np
import pytest

from autograd import Tensor, Value, grad, jit, ops
from autograd.nn import Activation, BatchNorm, Dropout, LayerNorm, Linear, Sequential, mse
from autograd.optim import SGD, Adam, AdamW, constant, cosine, one_cycle

X = np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)


def through_pickle(thing):
    return pickle.loads(pickle.dumps(thing))


WAYS = pytest.mark.parametrize("way", [through_pickle, copy.deepcopy], ids=["pickle", "deepcopy"])


def network():
    generator = np.random.default_rng(1)
    return Sequential(
        Linear(3, 5, generator=generator), BatchNorm(5), Activation("tanh"), Dropout(0.3),
        LayerNorm(5), Linear(5, 2, generator=generator),
    )  # fmt: skip


def train(model, optimizer, steps=3):
    for _ in range(steps):
        loss = mse(model(Tensor(X)), X[:, :2])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.state_dict()


@WAYS
@pytest.mark.parametrize(
    "make",
    [
        lambda p: SGD(p, 0.1, momentum=0.9),
        lambda p: Adam(p, cosine(0.1, 10)),
        lambda p: AdamW(p, one_cycle(0.1, 10)),
        lambda p: SGD(p, constant(0.1)),
    ],
    ids=["sgd", "adam", "adamw", "constant"],
)
def test_a_model_and_its_optimizer_go_on_as_one(way, make):
    """In one pickle they keep one set of parameters, and learn what the originals learn."""
    model = network()
    optimizer = make(model.parameters())
    train(model, optimizer)
    twin, its = way((model, optimizer))
    assert all(a is b for a, b in zip(twin.parameters(), its._parameters, strict=True))
    before = train(twin, its)
    for name, array in train(model, optimizer).items():
        np.testing.assert_array_equal(before[name], array, err_msg=name)


@WAYS
def test_a_leaf_keeps_what_it_has(way):
    leaf = Tensor(np.asfortranarray(np.ones((3, 2), np.float32)), requires_grad=True, name="w")
    leaf.grad = Tensor(np.full((3, 2), 2.0, np.float32))
    twin = way(leaf)
    assert (twin.name, twin.requires_grad, twin.dtype) == ("w", True, np.float32)
    np.testing.assert_array_equal(twin.grad.data, leaf.grad.data)
    assert twin.data.flags.f_contiguous and twin.data.ctypes.data % 64 == 0
    assert not np.shares_memory(twin.data, leaf.data)
    assert twin.index > leaf.index
    value = Value(2.0, name="v")
    (value * value).backward()
    twin = way(value)
    (twin * twin).backward()
    assert (twin.grad, value.grad, twin.name) == (8.0, 4.0, "v")


@WAYS
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [bool, np.int8, np.int64, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3), (2, 0, 3), (2, 3, 4)])
def test_arrays_of_any_kind(way, order, dtype, shape):
    array = np.asarray(np.arange(np.prod(shape, dtype=int)).reshape(shape), dtype, order=order)
    twin = way(Tensor(array))
    assert twin.dtype == dtype and twin.shape == shape
    assert twin.data.flags.f_contiguous == array.flags.f_contiguous
    np.testing.assert_array_equal(twin.data, array)


def double(gradient):
    return gradient * 2.0


@WAYS
def test_a_hook_goes_along(way):
    leaf = Tensor(np.ones(2), requires_grad=True)
    leaf.hook(double)
    twin = way(leaf)
    twin.sum().backward()
    np.testing.assert_array_equal(twin.grad.data, [2.0, 2.0])


@pytest.mark.parametrize("way", [through_pickle, copy.deepcopy, copy.copy])
@pytest.mark.parametrize("make", [lambda: Value(1.0), lambda: Tensor(1.0, requires_grad=True)])
def test_the_result_of_a_deep_graph_is_refused(way, make):
    """Without recursion, and by the name of the operation."""
    node = make()
    for _ in range(20_000):
        node = node * 1.0
    with pytest.raises(RuntimeError, match=r"result of mul.*detach"):
        way(node)
    assert float(way(node.detach()).data) == 1.0


def test_a_copy_inside_a_trace_or_a_transform_is_refused():
    with pytest.raises(RuntimeError, match="copy or pickle"):
        jit(lambda x: copy.deepcopy(x) * 2)(X)
    with pytest.raises(RuntimeError, match="copy"):
        grad(lambda x: (copy.deepcopy(x) * x).sum())(X)


def test_a_primitive_is_itself():
    assert through_pickle(ops.relu) is ops.relu is copy.deepcopy(ops.relu)


def test_another_process_learns(tmp_path):
    """There the counter of nodes starts anew: an index of this process would be in its future."""
    model = network()
    optimizer = Adam(model.parameters())
    file = tmp_path / "model.pickle"
    file.write_bytes(pickle.dumps((model, optimizer)))
    code = f"""
import pickle, numpy as np
from autograd import Tensor
model, optimizer = pickle.load(open({str(file)!r}, "rb"))
(model(Tensor(np.ones((4, 3), np.float32))) ** 2).sum().backward()
optimizer.step()
print(all(p.grad is not None for p in model.parameters()))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"
