"""Steps compiled and replayed, side by side: the same numbers, but for rounding.

The replay adds in another order than the kernels and takes other functions' last bits, so what is
asked for is a bound on rounding, of the program itself (tests/programs.py) or said at the test.
"""

from __future__ import annotations

import numpy as np

from autograd.compiler.frontend.replay import replay
from autograd.compiler.frontend.trace import trace
from autograd.compiler.runtime.native import Native
from autograd.transforms.tree import flatten


def compiled(function, *arrays):
    """The compiled step, its program and inputs."""
    leaves, structure = flatten((arrays, {}))
    traced = trace(function, leaves, structure)
    inputs = [getattr(leaves[i], "_data", leaves[i]) for i in traced.inputs]
    return Native(traced.program, [(x.shape, x.dtype) for x in inputs]), traced.program, inputs


def both_ways(function, *arrays):
    """The results of a step without state, compiled and replayed."""
    native, program, inputs = compiled(function, *arrays)
    return native(inputs), replay(program, inputs), native


def assert_close(got, want, ulps=8.0, scale=None):
    """Within so many units in the last place of the largest entry of `scale` (of `want`)."""
    assert (got.shape, got.dtype) == (want.shape, want.dtype)
    if want.dtype.kind != "f":
        np.testing.assert_array_equal(got, want)
        return
    finite = np.isfinite(want)
    np.testing.assert_array_equal(got[~finite], want[~finite])
    if finite.any():
        size = np.max(np.abs(want[finite])) if scale is None else scale
        bound = ulps * np.finfo(want.dtype).eps * max(size, np.finfo(want.dtype).tiny)
        assert np.max(np.abs(got[finite] - want[finite])) <= bound
