"""Reading and adding at positions that come of data: the numbers of the eager step where they are
in range, and where one is not its error, and nothing has changed.

Steps are drawn and interpreted, which sees what lies outside an array; some are compiled.
"""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autograd as ag
from autograd import Tensor, gather, gradients, index, jit, primitive, where
from autograd.compiler.frontend.trace import trace
from autograd.compiler.language.interpret import interpret
from autograd.compiler.passes.kernels import ByNumpy, Check
from autograd.compiler.passes.memory import ALIGNMENT
from autograd.compiler.runtime import build
from autograd.compiler.runtime.lowered import lowered
from autograd.compiler.runtime.native import Native
from autograd.compiler.runtime.segments import run_by_numpy
from autograd.primitives.indexing import ARRAY, scatter_add_p, scatter_p
from autograd.primitives.primitive import TABLE
from autograd.transforms.tree import flatten

compiles = pytest.mark.skipif(build.find_compiler(None) is None, reason="there is no C compiler")
DRAWS = settings(max_examples=60, deadline=None)
INTEGERS = [np.dtype(letter) for letter in "bhilBHIL"]


def recorded(step, arrays):
    """The program of a step, and its inputs."""
    leaves, structure = flatten((tuple(arrays), {}))
    traced = trace(step, leaves, structure)
    return traced.program, [leaves[i] for i in traced.inputs]


# --- drawn steps, interpreted -----------------------------------------------------------------


class Interpreted:
    """A step in the loop language, run by the interpreter, on states of its own. `order` is random:
    what a group holds may be done in any order, but for what one thread does."""

    def __init__(self, program, inputs, order):
        self.order, self.program = order, program
        specs = [(x.shape, x.dtype) for x in inputs]
        self.lowered = lowered(program, specs, [tensor._data for _, tensor in program.states])

    def __call__(self, inputs):
        """The results, or None where a position is out of range; and the states."""
        graph, memory = self.lowered.plan.graph, self.lowered.memory
        states = [np.array(tensor._data, order="C") for _, tensor in self.program.states]
        results = [np.empty(graph.ops[n].shape, graph.ops[n].dtype) for n in graph.results]
        room = np.zeros(-(-memory.size // ALIGNMENT) * ALIGNMENT, np.uint8)
        copies = [np.array(x, order="C") for x in inputs]
        self.slots = [*copies, *states, *memory.constants, *results, room]
        for segment in self.lowered.code.segments:
            if isinstance(segment, ByNumpy):
                run_by_numpy(self.lowered, segment, self.slots)
            elif not self._segment(segment, memory.flag, room):
                return None, states
        assert all(map(np.array_equal, copies, inputs))
        return results, states

    def _segment(self, segment, flag, room):
        for group in segment:
            once = [(run, 0, 1) for run in group if not run.parts]
            others = [(run, part, 2) for run in group if run.parts for part in (0, 1)]
            self.order.shuffle(others)
            for _ in range(len(once)):
                others.insert(self.order.randint(0, len(others)), None)
            rest = iter(once)
            for work in others:
                self._run(*(work or next(rest)))
            if flag and room[flag.offset : flag.offset + 8].any():
                return False
        return True

    def _run(self, run, part, parts):
        given = {}
        for array, (slot, offset) in zip(run.function.arrays, run.arrays, strict=True):
            flat = self.slots[slot].reshape(-1).view(np.uint8)[offset:]
            given[array.name] = flat[: array.size * array.dtype.itemsize].view(array.dtype)
        interpret(run.function, given, part, parts)


@st.composite
def keys(draw):
    """The shape of an array, an index into it, and for each array in that: its shape, and the
    length of the axis that it is for."""
    shape, key, arrays = [], [], []
    common = draw(st.sampled_from([(), (1,), (3,), (2, 3), (2, 0)]))
    for _ in range(draw(st.integers(1, 3))):
        n = draw(st.integers(1, 4))
        kind = draw(st.sampled_from(["array", "array", "slice", "number", "new"]))
        if kind == "array":
            lead = draw(st.integers(0, len(common)))
            lengths = [1 if draw(st.integers(0, 3)) == 0 else m for m in common[lead:]]
            arrays.append((tuple(lengths), n))
            key.append(ARRAY)
        elif kind == "slice":
            n = draw(st.sampled_from([0, n, n]))
            key.append(draw(st.sampled_from([slice(None), slice(None, None, -2), slice(1, None)])))
        elif kind == "number":
            key.append(draw(st.integers(-n, n - 1)))
        if kind == "new":
            key.append(None)
        else:
            shape.append(n)
    if not arrays:
        arrays.append((common, 3))
        key.append(ARRAY)
        shape.append(3)
    if draw(st.booleans()):
        key.append(Ellipsis)
        shape += draw(st.sampled_from([[], [2], [1]]))
    return tuple(shape), tuple(key), arrays


def positions(draw, shape, n, negative=True):
    """An array of integers in range, maybe negative ones, and of any dtype."""
    dtype = draw(st.sampled_from(INTEGERS))
    low = -n if negative and dtype.kind == "i" else 0
    many = int(np.prod(shape, dtype=int))
    entries = draw(st.lists(st.integers(low, n - 1), min_size=many, max_size=many))
    return np.array(entries, dtype).reshape(shape)


STATES = ("state", "moving")
PLACES = ["input", "state", "moving", "constant", "sum", "where", "view", "read", "numpy"]


class Positions:
    """Arrays of positions, each where it is said to be: `values` are to be given to the step, and
    `states` are its own."""

    def __init__(self, arrays, places):
        self.places, self.values, self.states, self.constants = places, [], [], []
        for array, place in zip(arrays, places, strict=True):
            if place in STATES:
                self.states.append(Tensor(array.copy()))
            elif place == "constant":
                self.constants.append(array.copy())
            else:
                self.values.append(array.copy())

    def all(self, given):
        """As the step has them."""
        given, states, constants = iter(given), iter(self.states), iter(self.constants)
        for place in self.places:
            if place in STATES:
                yield next(states)
            elif place == "constant":
                yield next(constants)
            else:
                yield getattr(self, f"_{place}")(next(given))

    def move(self):
        """States that are read, and then written."""
        places = [place for place in self.places if place in STATES]
        for place, state in zip(places, self.states, strict=True):
            if place == "moving":
                state.assign(state * 0)

    def _input(self, i):
        return i

    def _sum(self, i):
        return i * 2 - i

    def _where(self, i):
        return where(i >= 0, i, i - 0)

    def _view(self, i):
        return index(i[None], (slice(None, None, -1),)).reshape(i.shape)

    def _read(self, i):
        """By an index of its own."""
        return index(i.reshape(i.size), np.arange(i.size)).reshape(i.shape) if i.ndim else i * 1

    def _numpy(self, i):
        return (i * 1.0).astype(i.dtype)


def spoiled(draw, positions, lengths, least):
    """One entry of one of them, out of range; False where there is none to be."""
    every = [*positions.states, *positions.values]
    order = sorted(range(len(positions.places)), key=lambda i: positions.places[i] not in STATES)
    order = [i for i in order if positions.places[i] != "constant"]
    which = [i for i, array in enumerate(every) if array.shape == () or 0 not in array.shape]
    if not which:
        return False
    i = draw(st.sampled_from(which))
    array, n = getattr(every[i], "_data", every[i]), lengths[order[i]]
    info = np.iinfo(array.dtype)
    wrong = [n, n + 1, least(n) - 1, info.max, info.min]
    wrong = [w for w in wrong if info.min <= w <= info.max and not least(n) <= w < n]
    array.reshape(-1)[draw(st.integers(0, array.size - 1))] = draw(st.sampled_from(wrong))
    return True


def agree(draw, step, states, positions, lengths, least):
    """A step interpreted, and by itself; then one of its positions is out of range."""
    order = draw(st.randoms(use_true_random=False))
    program, inputs = recorded(step, positions.values)
    one = Interpreted(program, inputs, order)
    own = {id(tensor): place for place, (_, tensor) in enumerate(program.states)}
    every = [*states, *positions.states]
    for wrong in (False, True):
        if wrong and not spoiled(draw, positions, lengths, least):
            return
        before = [tensor._data.copy() for tensor in every]
        found, left = one(positions.values)
        left = [left[own[id(t)]] if id(t) in own else b for t, b in zip(every, before, strict=True)]
        if found is None:
            assert wrong
            for array, then in zip(left, before, strict=True):
                assert array.tobytes() == then.tobytes()
        try:
            with np.errstate(invalid="ignore"):  # of a float that is no integer of the dtype
                want = [out._data for out in step(*map(Tensor, positions.values))]
        except (IndexError, OverflowError):  # the latter of NumPy: a number of no 64 bits
            assert wrong and found is None
            return
        if found is not None:
            for array, other in zip(found, want, strict=True):
                np.testing.assert_array_equal(array, other)
            for array, tensor in zip(left, every, strict=True):
                np.testing.assert_array_equal(array, tensor._data)
        for tensor, then in zip(every, before, strict=True):
            tensor._data[...] = then


def whole(shape):
    """Small numbers, whose sums are exact in any order."""
    return np.arange(np.prod(shape, dtype=int)).reshape(shape) % 7 - 3.0


@DRAWS
@given(st.data())
def test_an_index_and_its_gradient(data):
    shape, key, arrays = data.draw(keys())
    made = [positions(data.draw, lengths, n) for lengths, n in arrays]
    places = [data.draw(st.sampled_from(PLACES)) for _ in made]
    at = Positions(made, places)
    table, count = Tensor(whole(shape), requires_grad=True), Tensor(np.zeros(3))

    def step(*given):
        count.assign(count + 1.0)
        every = iter(at.all(given))
        out = index(table, tuple(next(every) if part is ARRAY else part for part in key))
        (slope,) = gradients((out * out).sum(), [table])
        table.assign(table.detach() - slope)
        at.move()
        return out * 1.0, slope

    lengths = [n for _, n in arrays]
    agree(data.draw, step, [table, count], at, lengths, lambda n: -n)


@DRAWS
@given(st.data())
def test_a_scatter_and_its_gradient(data):
    shape, key, arrays = data.draw(keys())
    made = [positions(data.draw, lengths, n) for lengths, n in arrays]
    at = Positions(made, [data.draw(st.sampled_from(PLACES)) for _ in made])
    size = np.zeros(shape)[_filled(key, made)].shape
    g, total = Tensor(whole(size), requires_grad=True), Tensor(np.zeros(shape))

    def step(*given):
        out = scatter_add_p(g, *at.all(given), key=key, shape=shape)
        (slope,) = gradients((out * out).sum(), [g])
        total.assign(total + out.detach())
        at.move()
        return out * 1.0, slope

    lengths = [n for _, n in arrays]
    agree(data.draw, step, [g, total], at, lengths, lambda n: -n)


def _filled(key, arrays):
    rest = iter(arrays)
    return tuple(next(rest) if part is ARRAY else part for part in key)


@DRAWS
@given(st.data())
def test_labels_picked_and_put(data):
    lead = data.draw(st.sampled_from([(), (1,), (4,), (2, 3), (0,)]))
    n = data.draw(st.integers(1, 5))
    labels = positions(data.draw, lead, n, negative=False)
    at = Positions([labels], [data.draw(st.sampled_from(PLACES))])
    w, before = Tensor(whole((*lead, n)), requires_grad=True), Tensor(np.zeros(2))

    def step(*given):
        before.assign(before + 1.0)
        (label,) = at.all(given)
        out = gather(w, label)
        (slope,) = gradients((out * out).sum(), [w])
        w.assign(w.detach() - slope)
        put = scatter_p(out.detach(), label, size=n)
        at.move()
        return out * 2.0, put, slope

    agree(data.draw, step, [w, before], at, [n], lambda n: 0)


def test_what_is_empty_is_not_read():
    """A position that no loop changes is read before the loops, also before one of no turns."""
    table, at = Tensor(whole((3, 4))), Tensor(np.zeros((2, 0), np.int64))
    program, inputs = recorded(lambda: index(table, at) * 2.0, ())
    (out,), _ = Interpreted(program, inputs, random.Random(0))(inputs)
    assert out.shape == (2, 0, 4)


# --- compiled ------------------------------------------------------------------------------------


@pytest.fixture
def native(compiler):
    """Makes a compiled step of a function, for such arguments."""

    def make(step, *arrays):
        program, inputs = recorded(step, arrays)
        return Native(program, [(x.shape, x.dtype) for x in inputs])

    return make


def embedding():
    """A table that is read at positions made of two arguments; momentum; and a state that is
    written before anything is looked at."""
    generator = np.random.default_rng(0)
    table = Tensor(generator.standard_normal((50, 32)).astype(np.float32), requires_grad=True)
    speed, count = Tensor(np.zeros((50, 32), np.float32)), Tensor(0)

    def step(words, shift):
        count.assign(count + 1)
        rows = index(table, words + shift)
        loss = (rows * rows).sum()
        (slope,) = gradients(loss, [table])
        speed.assign(0.5 * speed + slope)
        table.assign(table.detach() - 0.1 * speed)
        return loss

    words, shift = generator.integers(0, 49, (40, 30)), np.array(1, np.int8)
    return step, [table, speed, count], (words, shift)


def classes():
    """Labels computed in the step, and cross-entropy with its gradient."""
    generator = np.random.default_rng(1)
    w = Tensor(generator.standard_normal((20, 10)), requires_grad=True)

    def step(x, y):
        loss = ag.cross_entropy(ag.matmul(x, w), where(y < 0, y + 10, y))
        (slope,) = gradients(loss, [w])
        w.assign(w.detach() - slope)
        return loss

    return step, [w], (generator.standard_normal((400, 20)), generator.integers(-9, 9, 400))


def places():
    """A state that says where to read, and is another afterwards; a second check, of what is read
    where the first one looked."""
    at, table = Tensor(np.array([0, 1, 2, 3])), Tensor(np.arange(4) * 2.0)

    def step(order, x):
        found = index(order, at)
        table.assign(table + 1.0)
        at.assign(found)
        return index(x, found) + index(table, index(order, found))

    return step, [at, table], (np.array([1, 2, 3, 0]), np.arange(4.0))


def between():
    """NumPy computes the positions, so there are two segments."""
    w, total = Tensor(np.arange(6.0), requires_grad=True), Tensor(0.0)

    def step(x):
        total.assign(total + x.sum())
        (slope,) = gradients((index(w, x.astype(np.int64)) * 3.0).sum(), [w])
        w.assign(w.detach() - slope)
        return total * 1.0

    return step, [w, total], (np.array([0.0, 5.0, 5.0]),)


# Of each step: which argument has which entry out of range.
STEPS = {
    "embedding, the first": (embedding, 0, (0, 0), 49),
    "embedding, the last": (embedding, 0, (-1, -1), 49),
    "embedding, in the middle, below": (embedding, 0, (20, 7), -52),
    "embedding, all of them": (embedding, 1, (), 120),
    "classes, the first": (classes, 1, 0, 10),
    "classes, the last": (classes, 1, -1, -11),
    "places, the first check": (places, 0, 2, 7),
    "places, the second check": (places, 0, 1, 9),
    "between": (between, 0, 1, 6.0),
}


@compiles
@pytest.mark.parametrize("name", STEPS)
def test_a_position_out_of_range_is_the_eager_error_and_changes_nothing(native, name):
    make, argument, entry, wrong = STEPS[name]
    step, states, good = make()
    eager, same_states, _ = make()
    compiled = native(step, *good)
    assert compiled.left_to_numpy == (["cast"] if make is between else [])
    bad = [array.copy() for array in good]
    bad[argument][entry] = wrong
    for parts in (1, 2, 3):
        compiled.threads.value = parts
        results = compiled([array.copy() for array in good])
        want = eager(*map(Tensor, good))
        np.testing.assert_allclose(results[0], want._data, rtol=1e-5)  # sums in another order
        for state, other in zip(states, same_states, strict=True):
            np.testing.assert_allclose(state.data, other.data, rtol=1e-5, atol=1e-6)
            other.assign(state.data)
        before = [state.data.tobytes() for state in states]
        given = [array.copy() for array in bad]
        with pytest.raises(IndexError) as raised:
            compiled(given)
        assert [state.data.tobytes() for state in states] == before
        assert all(map(np.array_equal, given, bad))
        with pytest.raises(IndexError) as expected:
            eager(*map(Tensor, bad))
        assert str(raised.value) == str(expected.value)
        for state, other in zip(states, same_states, strict=True):
            other.assign(state.data)  # the eager step has written some


@compiles
@pytest.mark.parametrize("parts", [1, 2, 3])
@pytest.mark.parametrize("make", [embedding, classes])
def test_a_loop_keeps_the_steps_before_the_one_that_fails(native, make, parts):
    step, states, good = make()
    other, same_states, _ = make()
    argument, wholes = (0, [good[0], np.ones((40, 1), np.int8)]) if make is embedding else (1, good)
    order = np.arange(20).reshape(5, 4)
    compiled = native(step, *(whole[order[0]] for whole in wholes))
    single = native(other, *(whole[order[0]] for whole in wholes))
    compiled.threads.value = parts
    wrong = [whole.copy() for whole in wholes]
    wrong[argument][order[3, 2]] = 60
    with pytest.raises(IndexError, match=r"60|61"):
        compiled.loop(wrong, order)
    for rows in order[:3]:
        single([whole[rows] for whole in wholes])
    for state, same in zip(states, same_states, strict=True):
        assert state.data.tobytes() == same.data.tobytes()
    results = compiled.loop(wholes, order)
    for rows, result in zip(order, results[0], strict=True):
        (want,) = single([whole[rows] for whole in wholes])
        assert result.tobytes() == want.tobytes()


@compiles
def test_a_primitive_that_raises_changes_nothing(native):
    """One of a user's, that NumPy computes after other states would have been written."""
    prim = primitive("fussy", "x, none of it negative", lambda x: np.sqrt(_checked(x)), None)
    try:
        w, v = Tensor(np.ones(3)), Tensor(np.zeros(3))

        def step(x):
            w.assign(w * 2.0)
            v.assign(v + prim(x + 0.0))

        compiled = native(step, np.ones(3))
        compiled([np.ones(3)])
        with pytest.raises(ValueError, match="negative"):
            compiled([-np.ones(3)])
        assert w.data.tolist() == [2.0] * 3 and v.data.tolist() == [1.0] * 3
    finally:
        del TABLE["fussy"]


def _checked(x):
    if (x < 0).any():
        raise ValueError("fussy: negative")
    return x


def test_without_a_compiler_nothing_has_changed_either(monkeypatch):
    monkeypatch.setenv("CHAINRULE_CC", "")
    count, memory = Tensor(np.zeros(2)), np.arange(3.0)
    one, other = Tensor(memory[:2]), Tensor(memory[1:])  # which share an entry

    @jit
    def step(x, i):
        count.assign(count + 1.0)
        one.assign(one * 2.0)
        other.assign(other + 5.0)
        return index(x, i)

    x = np.arange(3.0)
    step(x, np.array([0]))
    before = memory.copy()
    with pytest.raises(IndexError, match="out of bounds"):
        step(x, np.array([3]))
    assert count.data.tolist() == [1.0, 1.0]
    np.testing.assert_array_equal(memory, before)


# --- what the plan is ----------------------------------------------------------------------------


def stages(step, *arrays):
    """Of each group: what its runs compute."""
    program, inputs = recorded(step, arrays)
    states = [tensor._data for _, tensor in program.states]
    low = lowered(program, [(x.shape, x.dtype) for x in inputs], states)
    (segment,) = low.code.segments
    return [{run.name for run in group} for group in segment], low


def test_labels_are_looked_at_once_beside_the_first_product():
    *_, good = classes()
    w = Tensor(np.ones((20, 10)), requires_grad=True)

    def plain(x, y):
        (slope,) = gradients(ag.cross_entropy(ag.matmul(x, w), y), [w])
        w.assign(w.detach() - slope)

    groups, low = stages(plain, good[0], np.abs(good[1]))
    checks = [i for i, kernel in enumerate(low.plan.kernels) if isinstance(kernel, Check)]
    assert checks == [0]
    assert {"kernel0", "kernel1"} <= groups[0], "a check holds up what does not heed it"


def test_measuring_reads_at_no_position_out_of_range(compiler):
    """Of the inputs that are made up for it: all integers are 0."""
    if build.compiler() is None:
        pytest.skip("there is no C compiler")
    step = jit(lambda x, i: index(x, i * 1_000_000 - 1_000_000_000))
    low = step.lower(np.ones(4), np.array([1000]))
    with pytest.raises(IndexError, match="measure: an index is out of range"):
        low.measure()
    low = jit(lambda x, i: index(x, i + 1)).lower(np.ones(4), np.array([1]))
    assert len(low.measure()) == len(low.costs)


# --- what they are for ---------------------------------------------------------------------------


@compiles
def test_an_augmentation_shifts_each_image_by_an_offset_computed_in_the_step(native):
    """What lies outside is the edge's."""
    images = np.arange(4 * 5 * 6.0).reshape(4, 5, 6)

    def step(images, seeds):
        down = (seeds * 7 - seeds * 6).reshape(4, 1, 1)
        rows = ag.maximum(ag.minimum(np.arange(5).reshape(1, 5, 1) + down, 4), 0)
        columns = ag.maximum(ag.minimum(np.arange(6).reshape(1, 1, 6) - down, 5), 0)
        return index(images, (np.arange(4).reshape(4, 1, 1), rows, columns)) * 1.0

    seeds = np.array([0, 1, -1, 2])
    compiled = native(step, images, seeds)
    assert compiled.left_to_numpy == []
    (out,) = compiled([images, seeds])
    for image, moved, by in zip(images, out, seeds, strict=True):
        rows = np.clip(np.arange(5) + by, 0, 4)
        columns = np.clip(np.arange(6) - by, 0, 5)
        np.testing.assert_array_equal(moved, image[np.ix_(rows, columns)])
