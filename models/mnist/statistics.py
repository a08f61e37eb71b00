"""The weights, gradients and outputs of a network's layers while it learns, as histograms.

Taking them changes nothing: dropout draws no numbers and no `.grad` is touched, so a training that
is watched learns the same bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from autograd import gradients, jit
from autograd.nn import Activation, cross_entropy
from data import Examples
from models.mlp import MLP
from models.mnist.scoring import inputs

FIRST = 64  # examples that the network is run on, always the same ones
BINS = 40
SPAN = 4  # standard deviations on both sides of the mean; what lies further out is only counted
FLAT_SLOPE = 0.01  # below this derivative an activation passes next to no gradient on


class Statistics:
    """Histograms of every parameter of `model`, its gradient, and every layer's output, by name.

    Taken in evaluation mode, on the first FIRST of `examples`, divided by `scale`. Of activations
    also `constant`, the share of units that give all examples the same answer (a dead relu), and
    `flat`, the share of outputs where the activation's derivative is below FLAT_SLOPE. compiled:
    compute what they are of without NumPy's products, after which its threads would be in the way
    of the next steps for tens of milliseconds.

    >>> from data import Examples
    >>> two = Examples(np.zeros((2, 8, 8), np.uint8), np.array([2, 1]))
    >>> found = Statistics(MLP([64, 16, 3], "tanh"), two, scale=255, compiled=False)()
    >>> list(found), list(found["gradients"])
    (['weights', 'gradients', 'outputs'], ['0.weight', '0.bias', '2.weight', '2.bias'])
    >>> list(found["outputs"])
    ['0', '1', '2']
    >>> found["outputs"]["1"]["constant"]  # the two examples are the same
    1.0
    """

    def __init__(self, model: MLP, examples: Examples, scale: float, compiled: bool = True) -> None:
        first = examples.take(np.arange(min(FIRST, len(examples))))
        self.model, self.layers = model, list(model)
        self.x, self.labels = inputs(first.images, scale), first.labels
        self._look: Any = jit(self._arrays) if compiled else self._arrays

    @np.errstate(all="ignore")  # weights may be far off: the histograms show it
    def __call__(self) -> dict[str, Any]:
        found = [tensor.data for tensor in self._look(self.x, self.labels)]
        outputs, found = found[: len(self.layers)], found[len(self.layers) :]
        histograms = {str(i): histogram(array) for i, array in enumerate(outputs)}
        for i, layer in enumerate(self.layers):
            if isinstance(layer, Activation):
                slope = found.pop(0)
                constant = outputs[i].max(0) == outputs[i].min(0)
                histograms[str(i)]["constant"] = float(constant.mean())
                histograms[str(i)]["flat"] = float((abs(slope) < FLAT_SLOPE).mean())
        named = list(self.model.named_parameters())
        return {
            "weights": {name: histogram(tensor.data) for name, tensor in named},
            "gradients": {
                name: histogram(slope) for (name, _), slope in zip(named, found, strict=True)
            },
            "outputs": histograms,
        }

    def _arrays(self, x: Any, labels: Any) -> list[Any]:
        """What each layer gives, the slope of each activation, and the gradients."""
        outputs, slopes = [], []
        for layer in self.layers:
            before, x = x, layer(x)
            outputs.append(x * 1.0)  # an identity gives what it was given
            if isinstance(layer, Activation):
                slopes += gradients(x.sum(), [before])
        loss = cross_entropy(x, labels)
        return [*outputs, *slopes, *gradients(loss, self.model.parameters())]


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
