"""Steps with collective kernels, compiled: what is computed in place, next to each other, in one
call, is what NumPy computes one by one. The other ranks are played by one that holds the same."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd import Tensor, all_reduce, jit, ranks
from autograd.nn import Linear
from autograd.optim import SGD
from autograd.ranks import joined

CALLS = []


class Echo:
    """A communicator of two ranks, of which the other has the same numbers."""

    def Allreduce(self, _, x):
        CALLS.append(x.size)
        with np.errstate(all="ignore"):  # between two arrays lies whatever was there
            x *= 2


@pytest.fixture(autouse=True)
def two(monkeypatch, compiler):
    monkeypatch.setattr(joined._Joined, "world", ranks.World(0, 2))
    monkeypatch.setattr(joined._Joined, "communicator", Echo())
    CALLS.clear()


# What is made of earlier arrays: some are read again after they are added up, some are leaves or
# constants, some are views, some are added up twice, some have another dtype.
MADE = {
    "all_reduce": all_reduce,
    "transposed": lambda x: all_reduce(x.T).T,
    "row": lambda x: all_reduce(x[0]) + x,
    "exp": lambda x: (x * 0.1).exp(),
    "scaled": lambda x: x * 0.5,
    "summed": lambda x: x + x.sum(axis=0),
    "product": lambda x: (x @ x.T) @ x * 0.01,
    "mean": lambda x: x + all_reduce(x.mean()),
    "double": lambda x: all_reduce(x.astype(np.float64)).astype(np.float32),
    "counted": lambda x: x + all_reduce(x > 0.5).astype(np.float32),
    "constant": lambda x: x + all_reduce(Tensor(np.float32([[1.0], [2.0], [3.0]]))),
}


@given(
    made=st.lists(st.tuples(st.sampled_from(sorted(MADE)), st.integers(0, 7)), max_size=9),
    kept=st.lists(st.integers(0, 9), max_size=3),
    written=st.integers(0, 9),
)
def test_in_place_or_not_the_numbers_are_those_of_numpy(made, kept, written):
    generator = np.random.default_rng(len(made))
    x = generator.standard_normal((3, 4)).astype(np.float32)
    start = generator.standard_normal((3, 4)).astype(np.float32)

    def program(state):
        def step(x):
            arrays = [x, state]
            for name, at in made:
                arrays.append(MADE[name](arrays[at % len(arrays)]))
            results = [arrays[at % len(arrays)] * 1.0 for at in kept]
            state.assign(arrays[written % len(arrays)])
            return [*results, all_reduce(x)]

        return step

    states = Tensor(start.copy()), Tensor(start.copy())
    eager, compiled = program(states[0]), jit(program(states[1]))
    for _ in range(2):
        for one, other in zip(eager(Tensor(x)), compiled(x), strict=True):
            # Products and sums are made in another order: some units in the last place of the
            # largest entry, which each of a dozen operations may double.
            near = 1e-5 * max(1.0, np.abs(one.data).max())
            np.testing.assert_allclose(other.data, one.data, rtol=1e-4, atol=near)
        near = 1e-5 * max(1.0, np.abs(states[0].data).max())
        np.testing.assert_allclose(states[1].data, states[0].data, rtol=1e-4, atol=near)


def step_of(layer, optimizer):
    def step(x):
        loss = layer(x).relu().mean()
        optimizer.zero_grad()
        loss.backward()
        (mean,) = ranks.average(layer.parameters(), [loss])
        optimizer.step()
        return mean

    return step


def test_a_steps_gradients_are_added_up_in_one_call_where_they_are_made():
    layer = Linear(20, 30)
    step = jit(step_of(layer, SGD(layer.parameters(), lr=0.1, momentum=0.9)))
    x = np.ones((8, 20), np.float32)
    lowered = step.lower(x)
    (kernel,) = (k for k in lowered.plan.kernels if k.kind == "collective")
    for each in kernel.computes:
        (arg,) = lowered.plan.graph.ops[each.op].args
        assert lowered.memory.ops[each.op] == lowered.memory.ops[arg]
    CALLS.clear()
    step(x)
    (size,) = CALLS
    assert 631 <= size <= 631 + 3 * 16  # 600 weights, 30 biases and the loss, on lines of 64 bytes


def test_alone_a_step_is_what_it_was(monkeypatch):
    monkeypatch.setattr(joined._Joined, "world", ranks.World())
    layer = Linear(20, 30)
    step = jit(step_of(layer, SGD(layer.parameters(), lr=0.1)))
    kinds = [kernel.kind for kernel in step.lower(np.ones((8, 20), np.float32)).plan.kernels]
    assert "collective" not in kinds and "numpy" not in kinds


def test_a_constant_is_added_up_in_the_step_not_ahead_of_it():
    step = jit(lambda x: x + all_reduce(Tensor(np.float32([1.0, 2.0]))))
    step(np.zeros(2, np.float32))
    CALLS.clear()
    np.testing.assert_array_equal(step(np.zeros(2, np.float32)).data, [2.0, 4.0])
    assert CALLS


def test_what_cannot_be_added_up_is_refused():
    with pytest.raises(ValueError, match="weight has no gradient yet"):
        ranks.average(Linear(2, 3).parameters())
    with pytest.raises(ValueError, match="3 ranks cannot have equal parts of 10"):
        ranks.World(0, 3).share(np.arange(10))
