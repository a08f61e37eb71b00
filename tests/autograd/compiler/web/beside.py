"""A step printed as WebAssembly, run beside the replay of its trace, from the same states."""

import numpy as np

from autograd.compiler.frontend.replay import replay
from autograd.compiler.frontend.trace import trace
from autograd.state import State
from autograd.transforms.tree import flatten
from tests.autograd.compiler.webpage import page


class Held(State):
    """States by name."""

    def __init__(self, states):
        vars(self).update(states)


class Beside:
    """A step, jitted or not, in a page, and its trace. states: by name, those that have one."""

    def __init__(self, step, args, simd="v128", states=()):
        self.web = page({"step": (step, args)}, simd=simd, held=Held(dict(states)))
        self.states = self.web.module.states
        leaves, structure = flatten((tuple(args), {}))
        # An array that is given twice is two inputs of a page.
        leaves = [leaf.view() if isinstance(leaf, np.ndarray) else leaf for leaf in leaves]
        self.traced = trace(getattr(step, "function", step), leaves, structure)

    def __call__(self, *args):
        """The results by name, of the page and of the replay, and then the states; both begin with
        the Tensors' states."""
        leaves, _ = flatten((args, {}))
        inputs = [getattr(leaves[i], "_data", leaves[i]) for i in self.traced.inputs]
        for name, tensor in self.states.items():
            self.web.arrays[name, None][...] = tensor.data
        got = self.web("step", *inputs)
        want = dict(zip(got, map(np.asarray, replay(self.traced.program, inputs)), strict=True))
        moved = {name: self.web.arrays[name, None].copy() for name in self.states}
        return got, want, moved, {name: np.array(t.data) for name, t in self.states.items()}


def off(got, want, scale=None):
    """By how many units in the last place of the largest number (or of `scale`) two arrays differ
    at most; infinite where one has another shape, dtype, infinity or nan, and for what are no
    floats."""
    if (got.shape, got.dtype) != (want.shape, want.dtype):
        return np.inf
    if want.dtype.kind != "f":
        return 0.0 if np.array_equal(got, want) else np.inf
    finite = np.isfinite(want)
    if not np.array_equal(got[~finite], want[~finite], equal_nan=True):
        return np.inf
    if not finite.any():
        return 0.0
    info = np.finfo(want.dtype)
    size = np.max(np.abs(want[finite])) if scale is None else scale
    away = np.abs(got[finite].astype(float) - want[finite])
    return float(np.max(away) / (info.eps * max(size, info.tiny)))
