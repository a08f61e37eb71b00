"""Compiled reads of entries that arrays name, and additions to them."""

from __future__ import annotations

import numpy as np
import pytest

from autograd import Tensor, gradients, jit
from autograd.compiler.frontend.replay import replay
from tests.autograd.compiler.comparing import assert_close, both_ways, compiled

pytestmark = pytest.mark.usefixtures("compiler")


KEYS = {
    "rows": lambda i, j: (i,),
    "columns": lambda i, j: (slice(None), i),
    "both": lambda i, j: (i, j),
    "pairs": lambda i, j: (i[:, None], j[None]),
    "apart": lambda i, j: (i, slice(None), j),
    "beside a number": lambda i, j: (1, i, slice(1, 3)),
    "a number apart": lambda i, j: (1, slice(None), j),
    "between slices": lambda i, j: (slice(None, None, -2), j, slice(0, 2)),
    "new axes": lambda i, j: (None, i, None, j),
    "last": lambda i, j: (Ellipsis, j),
    "one number": lambda i, j: (i[0],),
    "unsigned": lambda i, j: (abs(i).astype(np.uint8), j.astype(np.int16)),
    "mask": lambda i, j: (np.arange(60).reshape(4, 5, 3) % 7 < 3,),
    "mask of primitives": lambda i, j: (slice(None), np.array([True, False, True, True, False]), 1),
}


@pytest.mark.parametrize(
    ("key", "held"),
    # A mask that is an input would decide the answer's shape.
    [(k, h) for k in KEYS for h in ("constant", "input") if "mask" not in k or h == "constant"],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_entries_that_arrays_name_are_read_and_added_to(key, dtype, held):
    i, j = np.array([3, 0, -2, 3, 3]), np.array([-1, 2, -1, 0, -1])
    parts = KEYS[key](i, j)
    arrays = [part for part in parts if isinstance(part, np.ndarray)]

    def step(x, arrays):
        given = iter(arrays if held == "input" else (part for part in ARRAYS))
        named = tuple(next(given) if isinstance(p, np.ndarray) else p for p in parts)
        out = (x * 2.0)[named]
        (g,) = gradients((out * out * out).sum(), [x])
        return out + 1.0, g, g * 3.0

    ARRAYS = arrays
    x = np.random.default_rng(0).standard_normal((4, 5, 3)).astype(dtype)
    got, want, native = both_ways(step, Tensor(x, True), arrays if held == "input" else ())
    assert native.left_to_numpy == []
    for one, other in zip(got, want, strict=True):
        assert_close(one, other)


@pytest.mark.parametrize("shape", [(11, 37), (11,), (11, 1), (11, 2, 5)])
def test_repeated_additions_are_made_in_order_on_any_number_of_threads(shape):
    """An embedding: float32 sums of thousands of terms to the last bit as np.add.at makes them."""
    generator = np.random.default_rng(0)
    table = generator.standard_normal(shape).astype(np.float32)
    words = generator.integers(-11, 11, (160, 150))
    g = generator.standard_normal((160, 150, *shape[1:])).astype(np.float32)
    step = lambda words, table, g: gradients((table[words] * g).sum(), [table])[0]  # noqa: E731
    native, program, inputs = compiled(step, words, Tensor(table, True), Tensor(g))
    (want,) = replay(program, inputs)
    kernels = native.lowered.plan.kernels
    (scatter,) = (c for c in native.lowered.costs if kernels[c.kernel].kind == "scatter")
    assert scatter.flops >= g.size
    assert scatter.parallel == (shape[1:] not in ((), (1,)))
    for parts in (1, 2, 3):
        native.threads.value = parts
        np.testing.assert_array_equal(native(inputs)[0], want)


def test_an_index_beyond_the_end_is_the_replays_error_and_changes_nothing():
    w = Tensor(np.arange(5.0))
    step = jit(lambda i: (w[i], w.assign(w * 2.0))[0])
    assert step(np.array([-5, 4])).data.tolist() == [0.0, 4.0]
    for wrong in (5, -6):
        with pytest.raises(IndexError, match=f"index {wrong} is out of bounds"):
            step(np.array([0, wrong]))
    np.testing.assert_array_equal(w.data, 2.0 * np.arange(5.0))


def test_a_state_that_is_read_by_index_keeps_its_old_entries_until_all_are_read():
    w, i = Tensor(np.arange(5.0)), np.array([4, 3, 2, 1, 0])
    jit(lambda i: w.assign(w + w[i]))(i)
    assert w.data.tolist() == [4.0] * 5
