"""What the layers of a network hold and say while it learns, as histograms.

Looking changes nothing: no dropout draws, no `.grad` is touched, so a training that is looked at
learns the same bits. A look takes 3.6 ms (784-512-10, 2 cores of a Zen 5), 0.8 % of an epoch.
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

IMAGES = 64  # that the network is asked, always the same ones
BINS = 40
SPAN = 4  # standard deviations to both sides of the mean: further out there is too little to see
FLAT = 0.01  # where an activation is less steep than this, next to no gradient comes through


@np.errstate(all="ignore")  # of weights far off: the histograms tell
def statistics(model: MLP, examples: Examples) -> dict[str, Any]:
    """Histograms of every parameter, its gradient, and every layer's output, by name.

    Taken in evaluation, on the first IMAGES of `examples`. Of activations also `constant`, the
    share of units that give all images the same answer (a dead relu), and `flat`, the share of
    outputs where the activation's derivative is below FLAT.

    >>> from data import Examples
    >>> two = Examples(np.zeros((2, 28, 28), np.uint8), np.array([3, 7]))
    >>> found = statistics(MLP([784, 16, 10], "tanh"), two)
    >>> list(found), list(found["gradients"])
    (['weights', 'gradients', 'outputs'], ['0.weight', '0.bias', '2.weight', '2.bias'])
    >>> list(found["outputs"])
    ['0', '1', '2']
    >>> found["outputs"]["1"]["constant"]  # the two images are the same
    1.0
    """
    x: Any = inputs(examples.images[:IMAGES])
    outputs: dict[str, Any] = {}
    for i, layer in enumerate(model):
        before, x = x, layer(x)
        outputs[str(i)] = histogram(x.data)
        if isinstance(layer, Activation):
            (slope,) = gradients(x.sum(), [before])
            constant = x.data.max(0) == x.data.min(0)
            outputs[str(i)]["constant"] = float(constant.mean())
            outputs[str(i)]["flat"] = float((abs(slope.data) < FLAT).mean())
    loss = cross_entropy(x, examples.labels[:IMAGES])
    names, parameters = zip(*model.named_parameters(), strict=True)
    slopes = zip(names, gradients(loss, parameters), strict=True)
    return {
        "weights": {name: histogram(tensor.data) for name, tensor in model.named_parameters()},
        "gradients": {name: histogram(slope.data) for name, slope in slopes},
        "outputs": outputs,
    }


def histogram(array: NDArray[Any]) -> dict[str, Any]:
    """How the entries of a float array spread: `counts` in BINS equal bins from `low` to `high`.

    Those are the ends of the entries, or SPAN standard deviations from their mean where that is
    nearer; `beyond` is how many lie further out. `norm` is the array's length as a vector, `bad`
    how many entries are NaN or infinite, and left out of all the rest.

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
    least, most = distances.min(), distances.max()
    low, high = max(least, -SPAN * std), min(most, SPAN * std)
    # A bin at either end is for what lies beyond. The others are a hair too wide, so that the
    # rounding of float32 does not put the largest entry there.
    scale = BINS * (1 - 1e-6) / (high - low) if high > low else 0
    distances *= scale
    distances += 1 - low * scale
    bins = np.clip(distances, 0, BINS + 1, out=distances).astype(np.intp)
    below, *counts, above = np.bincount(bins, minlength=BINS + 2).tolist()
    numbers = {
        "low": mean + low,
        "high": mean + high,
        "min": mean + least,
        "max": mean + most,
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
