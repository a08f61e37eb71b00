"""Compiled matrix products: shapes that no tile divides, vectors of every width, stacks of them."""

from __future__ import annotations

import numpy as np
import pytest

from autograd import Tensor, matmul
from autograd.compiler.passes.tiling import Machine
from autograd.compiler.runtime import build
from tests.autograd.compiler.comparing import assert_close, both_ways

pytestmark = pytest.mark.usefixtures("compiler")


SIZES = [1, 7, 10, 17, 100, 129]


@pytest.mark.parametrize("rows", SIZES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_products_of_shapes_that_no_tile_divides(rows, dtype):
    generator = np.random.default_rng(rows)
    lefts = [generator.standard_normal((rows, inner)).astype(dtype) for inner in SIZES]
    rights = [generator.standard_normal((inner, SIZES[-1])).astype(dtype) for inner in SIZES]

    def step(lefts, rights):
        out = [matmul(x, y[:, :n]) for x, y, n in zip(lefts, rights, SIZES, strict=True)]
        out += [matmul(y[:, :n].T, x.T) for x, y, n in zip(lefts, rights, SIZES, strict=True)]
        return out

    got, want, native = both_ways(step, lefts, rights)
    assert native.left_to_numpy == []
    for one, other in zip(got, want, strict=True):
        # Each of up to 129 terms rounds once, in either order; their sizes are about 1.
        assert_close(one, other, ulps=129, scale=1.0 + np.max(np.abs(other)) / 4)


@pytest.mark.parametrize("machine", [Machine(64, 8), Machine(32, 6), Machine(16, 4)], ids=str)
def test_products_in_vectors_of_every_width(machine, monkeypatch):
    if machine.vector > build.machine().vector:
        pytest.skip("this CPU has no such vectors")
    monkeypatch.setattr(build, "machine", lambda: machine)
    generator = np.random.default_rng(0)
    x, w = (generator.standard_normal(shape).astype(np.float32) for shape in ((50, 70), (96, 70)))
    transposed = np.asfortranarray(generator.standard_normal((96, 70)).astype(np.float32))
    state = Tensor(transposed)
    step = lambda x, w: (matmul(x, w.T), matmul(matmul(x, state.T), state))  # noqa: E731
    got, want, _ = both_ways(step, Tensor(x), Tensor(w))
    for one, other in zip(got, want, strict=True):
        assert_close(one, other, ulps=96)


def test_products_of_a_turned_and_long_left_operand():
    generator = np.random.default_rng(0)
    x, y = (
        generator.standard_normal(shape).astype(np.float32) for shape in ((700, 300), (700, 77))
    )
    (got,), (want,), native = both_ways(lambda x, y: matmul(x.T, y), Tensor(x), Tensor(y))
    assert "left" in native.lowered.source
    assert_close(got, want, ulps=700, scale=1.0 + np.max(np.abs(want)) / 16)


def test_stacks_of_products_broadcast():
    generator = np.random.default_rng(0)
    x, y = generator.standard_normal((2, 1, 9, 4)), generator.standard_normal((5, 4, 33))
    got, want, _ = both_ways(
        lambda x, y: (matmul(x, y), matmul(y.transpose((0, 2, 1)), x[0, 0].T)), Tensor(x), Tensor(y)
    )
    for one, other in zip(got, want, strict=True):
        assert_close(one, other, ulps=16)


def test_nothing_at_all_has_sums_and_products():
    x, y = np.zeros((0, 3)), np.zeros((3, 0))
    step = lambda x, y: (matmul(x, y), matmul(y, x), x.sum(), x.sum(axis=0), x * 2.0)  # noqa: E731
    got, want, _ = both_ways(step, Tensor(x), Tensor(y))
    for one, other in zip(got, want, strict=True):
        assert_close(one, other)
