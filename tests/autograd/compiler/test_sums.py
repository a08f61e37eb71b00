"""Sums round no more than pairwise sums do, however long: eagerly, replayed and compiled.

The judge is a sum in more digits. An error is measured by the sum of magnitudes, which
cancellation does not make small.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograd import Tensor, cross_entropy, gradients, jit
from autograd.primitives.shapes import sum_to, total
from tests.autograd.compiler.comparing import both_ways, compiled

pytestmark = pytest.mark.usefixtures("compiler")

TENTH = float(np.float32(0.1))


def entries(kind, shape, dtype):
    """Data on which running totals do badly, or cancel, or neither."""
    n = math.prod(shape)
    generator = np.random.default_rng(n)
    if kind == "tenths":
        flat = np.full(n, 0.1)
    elif kind == "ascending":
        flat = np.arange(n) + 0.1
    elif kind == "large and small":
        flat = np.where(np.arange(n) % 2, 1e-3, 1e3) * generator.uniform(0.5, 1, n)
    elif kind == "alternating":
        flat = np.where(np.arange(n) % 2, 1.0, -1.0) * (1 + generator.random(n))
    else:
        flat = generator.standard_normal(n)
    return flat.astype(dtype).reshape(shape)


def laid_out(x, layout):
    """The same entries, otherwise in memory."""
    if layout == "transposed":
        return np.ascontiguousarray(x.T).T
    if layout == "every other":
        wide = np.zeros((*x.shape[:-1], 2 * x.shape[-1]), x.dtype)
        wide[..., ::2] = x
        return wide[..., ::2]
    if layout == "backwards":
        return np.ascontiguousarray(x[::-1])[::-1]
    return x


def assert_rounds_little(got, x, axes, more=10):
    """Within (log2(n) + `more`) eps of the terms' magnitudes: halves of n added up pairwise round
    log2(n) times, blocks of 128 about 8 times more if all their roundings go one way."""
    wide = x.astype(np.longdouble if x.dtype == np.float64 else np.float64)
    n = math.prod(x.shape[axis] for axis in axes)
    bound = (math.log2(max(n, 1)) + more) * np.finfo(x.dtype).eps * np.abs(wide).sum(axes)
    error = np.abs(got.reshape(bound.shape) - wide.sum(axes))
    assert np.all(error <= bound), (error / bound).max()


def axes_of(shape):
    """Every choice of axes."""
    numbers = range(len(shape))
    return [c for k in range(1, len(shape) + 1) for c in itertools.combinations(numbers, k)]


lengths = st.one_of(st.integers(1, 9), st.integers(100, 1500))
cases = st.tuples(
    st.lists(lengths, min_size=1, max_size=3).filter(lambda shape: math.prod(shape) < 2**20),
    st.sampled_from(["tenths", "ascending", "large and small", "alternating", "normal"]),
    st.sampled_from([np.float32, np.float64]),
    st.sampled_from(["plain", "transposed", "every other", "backwards"]),
)


@settings(max_examples=3)
@given(st.lists(cases, min_size=3, max_size=3))
def test_sums_over_any_axes_of_any_layout(drawn):
    arrays = [laid_out(entries(kind, shape, dtype), how) for shape, kind, dtype, how in drawn]
    states = [Tensor(x) for x in arrays]

    def step():
        for x in states:
            for axes in axes_of(x.shape):
                yield x.sum(axis=axes)
                yield (x * 2.0).sum(axis=axes, keepdims=True) * 0.5

    got, want, native = both_ways(lambda: list(step()))
    assert native.left_to_numpy == []
    eager = [out.data for out in step()]
    asked = [(x, axes) for x in arrays for axes in axes_of(x.shape) for _ in range(2)]
    for one, other, out, (x, axes) in zip(got, want, eager, asked, strict=True):
        np.testing.assert_array_equal(other, out)
        assert_rounds_little(one, x, axes)
        assert_rounds_little(out, x, axes)


@pytest.mark.parametrize("shape", [(1_000_000, 2), (2, 1_000_000), (3, 300_001, 2), (3_000_001,)])
def test_a_million_tenths(shape):
    """By the first axis alone, one running total made 100958 of them."""
    x = Tensor(np.full(shape, 0.1, np.float32))
    choices = axes_of(shape)
    step = lambda x: [x.mean(axis=axes) for axes in choices]  # noqa: E731
    for out in (*step(x), *jit(step)(x)):
        np.testing.assert_allclose(out.data, TENTH, rtol=10 * 2.0**-23)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sums_in_the_middle_of_other_work(dtype):
    """A bias gradient, a norm, statistics, a loss: 0.1 is far from what a running total gives."""
    n = 70_000
    x = Tensor(np.full((n, 3), 0.1, dtype), requires_grad=True)
    bias, one = Tensor(np.zeros(3, dtype), requires_grad=True), Tensor(np.ones((n, 1), dtype))
    labels = np.zeros(n, np.int64)

    def step(x, bias, one):
        (slope,) = gradients(((x + bias) * 0.1).sum(), [bias])
        return (
            slope / n,
            ((x * one).sum(axis=(0, 1)) / (3 * n)),
            x.var(axis=0),
            (x.transpose().logsumexp(axis=1) - math.log(n)),
            cross_entropy(x, labels),
            sum_to(x * x, (1, 3)) / n,
            (x.transpose() @ one) / n,
            (one.transpose() @ x) / n,
        )

    tenth = float(dtype(0.1))
    wanted = (tenth, tenth, 0.0, tenth, math.log(3), tenth * tenth, tenth, tenth)
    # (Eagerly the products are NumPy's, whose BLAS adds 70,000 terms to one total.)
    for outs in (step(x, bias, one)[:6], jit(step)(x, bias, one)):
        for out, want in zip(outs, wanted, strict=False):
            # Thirty roundings of what is summed, which is 1 or less on average.
            np.testing.assert_allclose(out.data, want, rtol=0, atol=30 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("inner", [255, 257, 784, 5_000, 300_000])
def test_products_round_as_little_however_deep(inner, dtype):
    """Blocks of 256 terms: twice as many as a sum's, so there are some roundings more."""
    x = entries("tenths", (9, inner), dtype)
    y = entries("large and small", (inner, 3), dtype)
    (got,), _, _ = both_ways(lambda x, y: x @ y, Tensor(x), Tensor(y))
    wide = [a.astype(np.longdouble if dtype == np.float64 else np.float64) for a in (x, y)]
    want, size = wide[0] @ wide[1], np.abs(wide[0]) @ np.abs(wide[1])
    bound = (math.log2(inner) + 20) * np.finfo(dtype).eps * size
    assert np.all(np.abs(got - want) <= bound)


def test_sums_of_sums_have_loops_of_their_own():
    """The inner sum's variable would be one of the outer's."""
    x = np.random.default_rng(0).integers(-9, 9, (2, 3, 4, 5)).astype(float)
    sums = lambda x: [x.sum(3).sum((0, 1)), (x * 2.0).max(3).sum((0, 1))]  # noqa: E731
    got, right, _ = both_ways(sums, x)
    for one, other in zip(got, right, strict=True):
        np.testing.assert_array_equal(one, other)


def test_infinity_and_nan_pass_through_long_sums():
    n = 100_000
    x = np.ones((n, 6), np.float32)
    x[5, 1], x[70_000, 2], x[0, 3] = np.inf, -np.inf, np.nan
    x[[3, 90_000], 4] = np.inf, -np.inf
    x[:, 5] = 3e38  # the total is no float
    want = np.array([n, np.inf, -np.inf, np.nan, np.nan, np.inf], np.float32)
    ones = Tensor(np.ones((1, n), np.float32))
    step = lambda x: (x.sum(axis=0), x.transpose().sum(axis=1), (ones @ x)[0])  # noqa: E731
    with np.errstate(over="ignore", invalid="ignore"):
        outs = (*step(Tensor(x))[:2], *jit(step)(Tensor(x)))
    for out in outs:
        np.testing.assert_array_equal(out.data, want)


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint8", "int32", "uint32", "int64", "uint64"])
def test_sums_of_integers_are_numpys_to_the_last_bit(dtype):
    info = None if dtype == "bool" else np.iinfo(dtype)
    generator = np.random.default_rng(0)
    low, high = (0, 1) if info is None else (info.min, info.max)
    x = generator.integers(low, high, (1000, 5), endpoint=True, dtype=np.dtype(dtype))
    choices = [(0,), (1,), (0, 1)]
    step = lambda x: [x.sum(axis=axes) for axes in choices]  # noqa: E731
    got, _, native = both_ways(step, Tensor(x))
    assert native.left_to_numpy == []
    for one, axes, out in zip(got, choices, step(Tensor(x)), strict=True):
        want = x.sum(axis=axes)  # a total too large begins again from below
        assert (one.dtype, out.dtype) == (want.dtype, want.dtype)
        np.testing.assert_array_equal(one, want)
        np.testing.assert_array_equal(out.data, want)


def test_bits_of_long_sums_do_not_depend_on_threads_or_loops():
    x = entries("normal", (3000, 200), np.float32)
    state = Tensor(np.zeros(200, np.float32))

    def step(x):
        state.assign(x.sum(axis=0))
        return x.sum(axis=1), x.sum(), x.transpose() @ x

    native, _, inputs = compiled(step, Tensor(x))
    answers = []
    for parts in (1, 2, 3):
        native.threads.value = parts
        answers.append([*native(inputs), state.data.copy()])
    looped = native.loop(inputs, np.arange(3000)[None])
    answers.append([*(stack[0] for stack in looped), state.data.copy()])
    for other in answers[1:]:
        for one, two in zip(answers[0], other, strict=True):
            np.testing.assert_array_equal(one, two)


def test_a_short_sum_is_numpys():
    """Where NumPy's own sum rounds little, its bits are kept."""
    x = entries("normal", (128, 10), np.float32)
    np.testing.assert_array_equal(total(x, (0,)), x.sum(axis=0))
    np.testing.assert_array_equal(total(x, (0, 1)), x.sum())
    assert total(x[:0], (0,)).tolist() == [0.0] * 10
