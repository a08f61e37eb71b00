"""What a jitted step reads and writes where arrays share memory, or may not be written."""

from __future__ import annotations

import os
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograd import Tensor, jit, maximum
from autograd.compiler.frontend.program import TraceError
from autograd.compiler.runtime import build

needs_compiler = pytest.mark.skipif(
    build.find_compiler(None) is None, reason="there is no C compiler"
)
BOTH = ["", pytest.param("cc", marks=needs_compiler)]


@pytest.fixture(autouse=True)
def replayed(monkeypatch, tmp_path_factory):
    """Each test says whether there is a compiler."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "memory"))


@pytest.fixture(params=BOTH, ids=["replay", "compiled"])
def compiler(request, monkeypatch):
    monkeypatch.setenv("CHAINRULE_CC", request.param)


# --- any arrays in one memory --------------------------------------------------------------------

ENTRIES, SHAPE = 24, (2, 3)


@st.composite
def view(draw, rows=SHAPE[0]):
    """A function that makes of the memory a view of shape (rows, 3): anywhere, in any direction,
    even onto itself."""
    columns = SHAPE[1]
    strides = [draw(st.integers(-4, 4)) for _ in range(2)]
    if draw(st.booleans()):  # the ordinary layouts are rare among these
        strides = draw(st.sampled_from([[columns, 1], [1, rows], [-columns, 1], [columns, -1]]))
    ends = [(n - 1) * s for n, s in zip((rows, columns), strides, strict=True)]
    first = -sum(min(end, 0) for end in ends)
    last = ENTRIES - 1 - sum(max(end, 0) for end in ends)
    start = draw(st.integers(first, last))

    def make(memory):
        place = memory[start:]
        return np.lib.stride_tricks.as_strided(place, (rows, columns), [8 * s for s in strides])

    return make


# Exact on the small integers that are in the memory, in whatever order.
OPERATIONS = [
    lambda a, b: a + b,
    lambda a, b: a - b,
    lambda a, b: maximum(a, b),
    lambda a, b: a * 0.5 + b,
    lambda a, b: a[::-1] + b,
    lambda a, b: a[:, ::-1],
    lambda a, b: a.sum() + b,
    lambda a, b: a.sum(axis=0) - b,
]
LINES = st.lists(
    st.tuples(
        st.sampled_from(OPERATIONS),
        st.integers(0, 7),
        st.integers(0, 7),
        st.sampled_from([None, None, 0, 1]),
    ),
    min_size=1,
    max_size=6,
)


def make_step(lines, states, constant):
    """A step of such lines: an operation, what it reads, and what state it then writes."""

    def step(x, y):
        tensors, others = [*states], [*states, x, y, constant]
        for operation, a, b, target in lines:
            first = [x, *tensors]
            result = operation(first[a % len(first)], others[b % len(others)])
            if target is not None and result.shape == SHAPE:
                states[target].assign(result)
            tensors.append(result)
            others.append(result)
        return tensors[-1], x * 0.0 + others[a % len(others)]

    return step


def run(way, lines, views, calls, order):
    """The memory and the results after each call; where one raises, its error."""
    memory = np.arange(1.0, ENTRIES + 1.0)
    states = [Tensor(make(memory)) for make in views[:2]]
    step = make_step(lines, states, views[2](memory) if views[2] else np.full(SHAPE, 3.0))
    called = jit(step) if way == "jit" else step
    seen = []
    for kind, *makes in calls:
        x, y, state = (make(memory) for make in makes)
        before = memory.copy()
        try:
            if kind == "loop":
                whole = np.concatenate([x, y]) if views[3] is None else views[3](memory)
                if way == "jit":
                    results = called.loop((whole, y), order)
                else:
                    given = ([Tensor(a.take(rows, 0)) for a in (whole, y)] for rows in order)
                    steps = [[r.data.copy() for r in called(*pair)] for pair in given]
                    results = [np.stack(one) for one in zip(*steps, strict=True)]
            else:
                wrap = Tensor if kind == "tensors" else np.asarray
                results = called(Tensor(x), wrap(y))
            results = [np.array(getattr(r, "data", r)) for r in results]
        except (TraceError, ValueError, RuntimeError) as error:
            results = [type(error)]
            if way == "jit":
                np.testing.assert_array_equal(memory, before)  # nothing half done
        seen.append((results, memory.copy()))
        states[0].data = state  # it may be anywhere else at the next call
    return seen


def agree(data):
    lines = data.draw(LINES)
    whole = data.draw(st.none() | view(rows=4))
    views = [data.draw(view()), data.draw(view()), data.draw(st.none() | view()), whole]
    kinds = st.sampled_from(["arrays", "tensors", "loop"])
    calls = data.draw(st.lists(st.tuples(kinds, view(), view(), view()), min_size=1, max_size=3))
    order = np.array(
        data.draw(
            st.lists(st.lists(st.integers(0, 1), min_size=2, max_size=2), min_size=1, max_size=3)
        )
    )
    eager, jitted = (run(way, lines, views, calls, order) for way in ("eager", "jit"))
    for (want, memory), (got, other) in zip(eager, jitted, strict=True):
        if isinstance(got[0], type):
            return  # refused, and nothing done
        assert len(want) == len(got)
        for a, b in zip(want, got, strict=True):
            np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(memory, other)


@given(st.data())
def test_arrays_in_one_memory_are_read_and_written_as_without_jit(data):
    with patch.dict(os.environ, CHAINRULE_CC=""):
        agree(data)


@needs_compiler
@settings(max_examples=settings.default.max_examples // 5)
@given(st.data())
def test_arrays_in_one_memory_are_read_and_written_as_without_jit_compiled(data):
    agree(data)


def test_a_batch_is_gathered_from_what_the_steps_before_have_written(compiler):
    data = np.arange(8.0).reshape(4, 2)
    w = Tensor(data[:2])
    step = jit(lambda x: (w.assign(w * 2.0), x.sum())[-1])
    order = [[0, 3], [0, 1], [1, 2]]
    assert step.loop((data,), order).data.tolist() == [14.0, 12.0, 29.0]
    np.testing.assert_array_equal(data[:2], np.arange(4.0).reshape(2, 2) * 8.0)


def test_an_order_that_a_step_writes_is_read_as_it_is_then(compiler):
    order = np.array([[0, 1], [0, 0], [0, 0]])
    rows = Tensor(order[1:])
    step = jit(lambda x: (rows.assign(rows + 1), x.sum())[-1])
    assert step.loop((np.array([1.0, 10.0, 100.0]),), order).data.tolist() == [11.0, 20.0, 200.0]


def test_a_constant_in_memory_that_the_step_writes_is_refused(compiler):
    memory = np.arange(8.0)
    w, part = Tensor(memory[:4]), memory[2:6]
    step = jit(lambda: (w.assign(w * 2.0), (w * part).sum())[-1])
    with pytest.raises(TraceError, match=r"an array of shape \(4,\) .* is memory of a Tensor"):
        step()
    np.testing.assert_array_equal(memory, np.arange(8.0))
    w.data = np.ones(4)
    assert step().item() == 2.0 * part.sum()
    w.data = memory[4:]  # its entries are what they were
    with pytest.raises(TraceError, match="use the Tensor, or a copy"):
        step()
    columns = memory.reshape(4, 2)
    w.data, part = columns[:, 0], columns[:, 1]  # beside each other
    assert step().item() == 2.0 * (0.0 + 2 * 3 + 4 * 5 + 6 * 7)


# --- memory that may not be written, or goes away ------------------------------------------------


def read_only(kind, folder):
    """An array of ones that refuses to be written."""
    ones = np.ones(4)
    if kind == "bytes":
        return np.frombuffer(ones.tobytes())
    if kind == "a file":
        np.save(folder / "ones.npy", ones)
        return np.load(folder / "ones.npy", mmap_mode="r")
    if kind == "broadcast":
        return np.broadcast_to(1.0, (4,))
    if kind == "a window":
        return np.lib.stride_tricks.sliding_window_view(np.ones(7), 4)[0]
    ones.flags.writeable = False
    return ones[:] if kind == "a view" else ones


@pytest.mark.parametrize("kind", ["bytes", "a file", "broadcast", "a window", "a view", "a flag"])
def test_a_read_only_state_is_an_error_before_anything_is_written(kind, compiler, tmp_path):
    first, second = Tensor(np.ones(4)), Tensor(np.ones(4), name="second")

    @jit
    def step(x):
        first.assign(first + x[0])
        second.assign(second + x[1])
        return (second * x).sum()

    x = np.ones((2, 4))
    step(x)
    second.data = read_only(kind, tmp_path)
    for call in (lambda: step(x), lambda: step.loop((x,), [[0, 1]])):
        with pytest.raises(ValueError, match="destination is read-only: the array of second"):
            call()
    np.testing.assert_array_equal(first.data, np.full(4, 2.0))
    np.testing.assert_array_equal(second.data, np.ones(4))
    second.data = np.ones(4)
    assert step(x).item() == 16.0
    second.data.flags.writeable = False  # the same array as at the last call
    with pytest.raises(ValueError, match="read-only"):
        step(x)
    np.testing.assert_array_equal(first.data, np.full(4, 3.0))


def test_what_is_read_alone_may_be_read_only(compiler, tmp_path):
    for kind in ("bytes", "a file", "broadcast", "a flag"):
        state = Tensor(read_only(kind, tmp_path))
        assert jit(lambda x, s=state: (x * s).sum())(read_only(kind, tmp_path)).item() == 4.0


@needs_compiler
def test_a_state_that_is_bound_is_not_moved(monkeypatch):
    monkeypatch.delenv("CHAINRULE_CC", raising=False)
    memory = np.ones(4)
    w = Tensor(memory)
    step = jit(lambda: w.assign(w + 1.0))
    step()
    with pytest.raises(ValueError, match="cannot resize"):
        memory.resize((1 << 16,), refcheck=False)
    step()
    np.testing.assert_array_equal(memory, np.full(4, 3.0))


@pytest.mark.parametrize("kind", ["bytes", "a file", "broadcast", "a flag"])
def test_results_are_no_views_of_inputs_or_states(kind, compiler, tmp_path):
    x, w = read_only(kind, tmp_path), Tensor(read_only(kind, tmp_path))
    step = jit(lambda x: (x.reshape((2, 2)), x[::-1], w.reshape((2, 2)), w[1:]))
    results = step(x)
    for result in results:
        assert result.data.flags.writeable
        others = [x, w.data, *(other.data for other in results if other is not result)]
        assert not any(np.shares_memory(result.data, other) for other in others)


def test_states_that_are_folded_misaligned_or_empty(compiler):
    folded = np.lib.stride_tricks.as_strided(np.arange(6.0), (4, 3), (8, 8))
    odd = np.zeros(8 * 12 + 1, np.uint8)[1:].view(np.float64).reshape(4, 3)
    for make in (
        lambda: folded,
        lambda: odd,
        lambda: np.zeros((0, 3)),
        lambda: np.ones((4, 3)).T.copy().T,
    ):
        found = []
        for way in (lambda step: step, jit):
            w = Tensor(make())
            w.assign(np.arange(w.size * 1.0).reshape(w.shape))

            def step(x, w=w):
                w.assign(w[::-1] * 2.0 + x)
                return w * 1.0

            x = np.ones(w.shape)
            found.append([way(step)(x).data, w.data.copy()])
        np.testing.assert_array_equal(found[0], found[1])


def test_a_loop_of_no_steps_gives_no_results(compiler):
    step = jit(lambda x: (x.sum(), x * 2.0))
    total, twice = step.loop((np.ones((5, 3), np.float32),), np.zeros((0, 2), int))
    assert total.shape == (0,) and twice.shape == (0, 2, 3) and twice.dtype == np.float32


@needs_compiler
def test_states_that_are_replaced_between_two_slices_of_a_loop(monkeypatch):
    monkeypatch.delenv("CHAINRULE_CC", raising=False)
    import signal

    w, seen = Tensor(np.zeros((2, 2))), []
    arrays = [np.zeros((4, 4))[::2, ::2], np.zeros((2, 2), order="F"), np.zeros((2, 2))]

    def replace(*_):
        seen.append(w.data)
        if arrays:
            w.data = arrays.pop()

    step = jit(lambda x: w.assign(w + x.sum()))
    x, order = np.ones((2, 2)), np.zeros((150_000, 1), int)
    step(x[:1])
    before = signal.signal(signal.SIGALRM, replace)
    signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
    try:
        step.loop((x,), order)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
    counts = [array[0, 0] for array in {id(a): a for a in [*seen, w.data]}.values()]
    assert sum(counts) == 2.0 * (len(order) + 1)  # each step has written to one of them
