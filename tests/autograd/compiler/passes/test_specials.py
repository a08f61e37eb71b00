"""Zeros with a sign, infinities, nan, subnormals: one answer by Value, Tensor, replay and compiled.

Arrays have every length that leaves vectors a remainder, and lie with gaps too: NumPy and the C
compiler go about their ends by other instructions than about their middles.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograd import Tensor, Value, clip, gelu, jit, leaky_relu, maximum, minimum
from autograd.primitives.primitive import TABLE
from tests.autograd.compiler.comparing import both_ways

pytestmark = pytest.mark.usefixtures("compiler")

DTYPES = [np.float32, np.float64]
ROWS = [prim for prim in TABLE.values() if prim.domain and prim.on_float and prim.code]
COMPOSED = {
    "clip": lambda x, y: clip(clip(x, y, None), None, y),
    "clip to 0": lambda x, y: clip(x, 0.0, 1.0),
    "clip to -0": lambda x, y: clip(x, -1.0, -0.0),
    "leaky_relu": lambda x, y: leaky_relu(x, 0.1),
    "gelu": lambda x, y: gelu(x),
    "1 / relu": lambda x, y: 1.0 / x.relu(),
    "1 / maximum": lambda x, y: 1.0 / maximum(x, y),
    "1 / minimum": lambda x, y: 1.0 / minimum(y, x),
    "abs of min": lambda x, y: minimum(x, y).abs(),
    "x * 0": lambda x, y: x * 0.0 + y,
}
# Functions that C and NumPy round differently, by a few units in the last place.
ROUNDED = {"exp", "expm1", "log", "log1p", "sin", "cos", "tanh", "sigmoid", "softplus", "power"}
ROUNDED |= {"gelu"}


def specials(dtype):
    info = np.finfo(dtype)
    positive = [0.0, 1.0, 0.5, 1.5, np.inf, info.tiny, info.smallest_subnormal, info.max]
    return np.array([*positive, *np.negative(positive), np.nan], dtype)


def assert_same(got, want, ulps=0, what=""):
    """The same numbers, and signs of zeros; any nan is a nan."""
    got, want = np.asarray(got), np.asarray(want)
    assert (got.shape, got.dtype) == (want.shape, want.dtype)
    same = (got == want) & (np.signbit(got) == np.signbit(want)) | (got != got) & (want != want)
    if ulps and got.dtype.kind == "f":
        with np.errstate(all="ignore"):
            size = np.maximum(np.abs(want), np.finfo(want.dtype).tiny) * np.finfo(want.dtype).eps
            same |= (np.abs(got - want) <= ulps * size) & (np.signbit(got) == np.signbit(want))
    assert same.all(), (what, got[~same][:4], want[~same][:4])


def functions():
    """Primitives and what is composed of them, as functions of two numbers."""
    for prim in ROWS:
        count = len(prim.rules)
        if prim.name == "where":
            yield prim.name, lambda x, y, prim=prim: prim(TABLE["greater"](x, y), x, y)
        else:
            yield prim.name, lambda x, y, prim=prim, count=count: prim(*(x, y)[:count])
    yield from COMPOSED.items()


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_pair_of_specials(dtype):
    pairs = np.array(list(itertools.product(specials(dtype), repeat=2)), dtype)
    x, y = (Tensor(np.ascontiguousarray(column)) for column in pairs.T)
    names, calls = zip(*functions(), strict=True)
    step = lambda x, y: [call(x, y) for call in calls]  # noqa: E731
    with np.errstate(all="ignore"):
        eager = step(x, y)
        got, want, native = both_ways(step, x, y)
        singles = [[call(Tensor(a), Tensor(b)).data for a, b in pairs] for call in calls]
    assert native.left_to_numpy == []
    # float32 powf and NumPy's, gelu's x^3: a tail of a tail.
    for name, one, two, out, single in zip(names, got, want, eager, singles, strict=True):
        ulps = {"gelu": 64, "power": 8}.get(name, 4) if name in ROUNDED else 0
        assert_same(two, out.data, what=f"{name}, replayed")
        assert_same(one, out.data, ulps, f"{name}, compiled")
        # (NumPy takes x ** 0.5 of one exponent for a root, and -0 has another than power.)
        asked = pairs[:, 1] != 0.5 if name == "power" else slice(None)
        assert_same(np.array(single)[asked], out.data[asked], ulps, f"{name}, one by one")
    if dtype == np.float32:
        return
    for name, call, out in zip(names, calls, eager, strict=True):
        numbers = [call(Value(float(a)), Value(float(b))) for a, b in pairs]
        found = np.array([float(getattr(v, "data", v)) for v in numbers]).astype(out.dtype)
        assert_same(found, out.data, 64 if name in ROUNDED else 0, f"{name}, by Value")


@settings(max_examples=2)
@given(st.integers(0, 2**32), st.sampled_from(DTYPES))
def test_every_length_and_stride(seed, dtype):
    """maximum, minimum and relu of arrays with vectors' tails, and of arrays with gaps."""
    generator = np.random.default_rng(seed)
    few = np.array([0.0, -0.0, 0.0, -0.0, 1.0, -1.0, np.nan], dtype)
    arrays = []
    for n in generator.permutation(np.arange(1, 71))[:20]:
        wide = generator.choice(few, (2, 3 * n))
        step = int(generator.choice([1, 1, 2, 3, -1]))
        arrays.append(wide[:, ::step][:, :n])
    states = [Tensor(x) for x in arrays]
    run = lambda: [  # noqa: E731
        out for x in states for out in (maximum(x[0], x[1]), minimum(x[0], x[1]), x[0].relu())
    ]
    got, want, _ = both_ways(run)
    eager = [out.data for out in run()]
    for i, (x, y) in enumerate(arrays):
        zero = (x == 0) & (y == 0)
        largest, least = eager[3 * i], eager[3 * i + 1]
        assert_same(
            largest[zero], np.where(np.signbit(x) & np.signbit(y), -0.0, 0.0)[zero].astype(dtype)
        )
        assert_same(
            least[zero], np.where(np.signbit(x) | np.signbit(y), -0.0, 0.0)[zero].astype(dtype)
        )
    for one, two, out in zip(got, want, eager, strict=True):
        assert_same(one, out)
        assert_same(two, out)


@settings(max_examples=2)
@given(st.integers(0, 2**32), st.sampled_from(DTYPES))
def test_the_largest_of_zeros_is_one_with_a_plus_if_there_is_one(seed, dtype):
    generator = np.random.default_rng(seed)
    tables = []
    for n in (*range(1, 20), 33, 65, 130):
        few = [0.0, -0.0, -1.0, np.nan] if n % 3 == 0 else [0.0, -0.0] if n % 3 == 1 else [-0.0]
        tables.append(generator.choice(np.array(few, dtype), (n, 3)))
    step = lambda *tables: [  # noqa: E731
        out for x in tables for out in (x.max(axis=0), x.max(axis=1, keepdims=True), x.max())
    ]
    inputs = [Tensor(x) for x in tables]
    got, want, native = both_ways(step, *inputs)
    assert native.left_to_numpy == []
    eager = [out.data for out in step(*inputs)]
    for one, two, out in zip(got, want, eager, strict=True):
        assert_same(two, out)
        assert_same(one, out)
    for x, out in zip(tables, eager[2::3], strict=True):
        if not np.isnan(x).any():
            assert np.signbit(out) == np.signbit(x).all()


def test_a_sum_of_zeros_has_no_sign():
    """NumPy begins with 0, and 0 + -0 is 0; also over axes of length 1, and over none."""
    x = Tensor(np.full((1, 3, 1), -0.0))
    step = lambda x: [x.sum(axis=axes) for axes in (0, 1, (0, 2), (), None)]  # noqa: E731
    for outs in (step(x), jit(step)(x)):
        assert not any(np.signbit(out.data).any() for out in outs)
