"""Every primitive on every dtype a Tensor has: eagerly, replayed and compiled the same, to the last
bit.

What C has no type or no definition for is left to NumPy, or refused by all.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from autograd import Tensor, concatenate, jit, primitive, where
from autograd.primitives.primitive import TABLE
from autograd.primitives.shapes import sum_to
from tests.autograd.compiler.comparing import both_ways

pytestmark = pytest.mark.usefixtures("compiler")

DTYPES = [np.dtype(kind) for kind in "?bBhHiIqQfd"]
EXACT = ["greater", "equal", "identity", "detach", "add", "sub", "mul", "div", "neg", "sqrt"]
EXACT += ["relu", "abs", "maximum", "minimum"]
NUMBERS = [0, -1, True, 0.5, -0.0, 300, -(2**63), 2**64, math.nan]


def entries(dtype):
    """Ends, zeros, and what lies between."""
    if dtype.kind == "b":
        return np.array([True, False, True, True, False, False])
    if dtype.kind == "f":
        info = np.finfo(dtype)
        few = [0.0, -0.0, 1.5, -2.5, np.inf, -np.inf, np.nan, info.max, info.tiny, 3e9, -3e9, 1e19]
        return np.array(few, dtype)
    info = np.iinfo(dtype)
    return np.array([info.min, info.max, 0, 1, 2, 7, info.max // 2 + 1, info.min + 1], dtype)


def assert_same_everywhere(calls, *arrays):
    """Each call: refused eagerly, or the same by all three routes. Gives what NumPy was left."""
    tensors = [Tensor(x) for x in arrays]
    allowed, eager = [], []
    with np.errstate(all="ignore"):
        for call in calls:
            try:
                out = call(*tensors).data
            except (TypeError, ValueError, OverflowError) as refusal:
                with pytest.raises(type(refusal)):
                    jit(call)(*tensors)
                continue
            allowed.append(call)
            eager.append(out)
        step = lambda *tensors: [call(*tensors) for call in allowed]  # noqa: E731
        got, want, native = both_ways(step, *tensors)
    for one, two, out in zip(got, want, eager, strict=True):
        for other in (one, two):
            assert (other.dtype, other.shape) == (out.dtype, out.shape)
            same = (other == out) | (other != other) & (out != out)
            if out.dtype.kind == "f":
                same &= (np.signbit(other) == np.signbit(out)) | (out != out)
            assert same.all(), (other[~same][:3], out[~same][:3])
    return native.left_to_numpy


@pytest.mark.parametrize("name", EXACT)
def test_elementwise_primitives_on_all_dtypes_and_numbers(name):
    prim, arrays = TABLE[name], [entries(dtype) for dtype in DTYPES]
    numbers = range(len(arrays))
    if len(prim.rules) == 1:
        calls = [lambda *xs, i=i: prim(xs[i]) for i in numbers]
    else:
        # Of every pair one order: to compile both takes twice as long.
        pairs = [(i, j) if (i + j) % 2 else (j, i) for i in numbers for j in range(i, 11)]
        calls = [lambda *xs, i=i, j=j: prim(xs[i][:, None], xs[j][None]) for i, j in pairs]
        for i, (k, number) in itertools.product(numbers, enumerate(NUMBERS)):
            if (i + k) % 2:
                calls.append(lambda *xs, i=i, n=number: prim(xs[i], n))
            else:
                calls.append(lambda *xs, i=i, n=number: prim(n, xs[i]))
    assert_same_everywhere(calls, *arrays)


PAIRS = list(itertools.product(range(len(DTYPES)), repeat=2))


def test_casts():
    """A float that no integer holds is undefined in C, so NumPy casts."""
    calls = [lambda *xs, i=i, j=j: xs[i].astype(DTYPES[j]) for i, j in PAIRS if i != j]
    assert set(assert_same_everywhere(calls, *map(entries, DTYPES))) == {"cast"}


def test_choices():
    calls = [
        lambda *xs, i=i, j=j: where(xs[(i + j) % 11][:6], xs[i][:6], xs[j][:6]) for i, j in PAIRS
    ]
    assert assert_same_everywhere(calls, *map(entries, DTYPES)) == []


def test_parts_put_together():
    calls = [lambda *xs, i=i, j=j: concatenate([xs[i], xs[j]]) for i, j in PAIRS]
    assert assert_same_everywhere(calls, *map(entries, DTYPES)) == []


@pytest.mark.parametrize("shape", [(4, 3), (1, 3), (3, 1), (0, 3), (3, 0), (1, 1)])
@pytest.mark.parametrize("name", ["sum", "max", "min", "sum_to"])
def test_reductions_of_all_dtypes(name, shape):
    """Also over no entries (0, or refused), over axes of length 1 and over no axes."""
    arrays = [np.resize(entries(dtype), shape) for dtype in DTYPES]
    calls = []
    for i in range(len(arrays)):
        if name == "sum_to":
            shapes = [shape, shape[1:], (1, shape[1]), (shape[0], 1), ()]
            calls += [lambda *xs, i=i, to=to: sum_to(xs[i], to) for to in shapes]
            continue
        for axes, keep in itertools.product([0, 1, (0, 1), (), None], [False, True]):
            calls.append(
                lambda *xs, i=i, axes=axes, keep=keep: getattr(xs[i], name)(axes, keepdims=keep)
            )
    left = assert_same_everywhere(calls, *arrays)
    assert set(left) <= {"max", "min"}  # of booleans


def test_what_is_left_to_numpy_has_its_params():
    """The largest of booleans: "missing 1 required positional argument: 'keepdims'"."""
    x = np.array([[True, False], [False, False]])
    step = lambda x: (x.max(axis=1), x.max(), x.max(axis=0, keepdims=True))  # noqa: E731
    for out, want in zip(jit(step)(x), ([True, False], True, [[True, False]]), strict=True):
        np.testing.assert_array_equal(out.data, want)


def test_ops_are_shared_only_where_their_params_are_equal_to_the_last_bit():
    """The repr of an array leaves out digits, and of a long one entries."""
    prim = primitive("weigh", "x times numbers", lambda x, by: x * by, None)
    try:
        many, other = np.ones(2000), np.ones(2000)
        other[1000] = 2.0
        close = (np.array([1.0]), np.array([1.0 + 1e-12]))
        step = lambda x, y: [prim(x, by=many), prim(x, by=other), *(prim(y, by=n) for n in close)]  # noqa: E731
        x, y = np.ones(2000), np.ones(1)
        got = jit(step)(Tensor(x), Tensor(y))
        for out, want in zip(got, (x * many, x * other, y * close[0], y * close[1]), strict=True):
            np.testing.assert_array_equal(out.data, want)
    finally:
        del TABLE["weigh"]
