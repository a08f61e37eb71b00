"""Functions composed of rows: differentiated because their parts are."""

from __future__ import annotations

import math
from typing import Any

from .ops import Axis, _axes, exp, greater, log_softmax, maximum, minimum, sum, tanh, where
from .primitives.indexing import pick
from .primitives.shapes import operand


def leaky_relu(x: Any, slope: float = 0.01) -> Any:
    """x where it is positive, else slope * x; the derivative at 0 is `slope`.

    >>> from autograd import Tensor
    >>> Tensor([-1.0, 2.0]).leaky_relu(0.1).data
    array([-0.1,  2. ])
    """
    return where(greater(x, 0.0), x, slope * x)


def gelu(x: Any) -> Any:
    """x times the chance that a standard normal is below x, by its tanh approximation.

    0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))): Hendrycks and Gimpel, arXiv 1606.08415;
    PyTorch's `gelu(approximate="tanh")`.
    """
    return 0.5 * x * (1.0 + tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x * x * x)))


def clip(x: Any, low: Any = None, high: Any = None) -> Any:
    """x held between low and high (None: no bound). At a bound the gradient is halved."""
    if low is not None:
        x = maximum(x, low)
    return x if high is None else minimum(x, high)


def mean(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The mean of x over an axis, several, or all; nan where there is nothing to average."""
    x = operand(x, "mean")
    return sum(x, axis, keepdims) / _count(x, axis)


def var(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The variance of x over axes: the mean squared distance from the mean, as NumPy's `var`."""
    x = operand(x, "var")
    distance = x - mean(x, axis, keepdims=True)
    return mean(distance * distance, axis, keepdims)


def _count(x: Any, axis: Axis) -> float:
    return float(math.prod(x.shape[i] for i in _axes(x, axis, "mean")))


def softmax(x: Any, axis: Axis = -1) -> Any:
    """exp(x) / sum(exp(x)) over an axis, several, or all (None), for any x without overflow.

    >>> from autograd import Tensor
    >>> Tensor([1e4, 1e4]).softmax().data
    array([0.5, 0.5])
    """
    return exp(log_softmax(x, axis))


def cross_entropy(logits: Any, labels: Any) -> Any:
    """The mean over the batch of -log softmax(logits) at the label.

    logits: (..., classes), float. labels: (...), integers in 0..classes-1; a Tensor or an array.
    Gives a scalar of logits' dtype. Raises TypeError for labels that are no integers, ValueError
    for shapes that disagree and IndexError for a label outside the classes.

    >>> from autograd import Tensor, cross_entropy
    >>> round(cross_entropy(Tensor([[0.0, 0.0], [1e4, -1e4]]), [1, 0]).item(), 4)
    0.3466
    """
    picked = pick(log_softmax(logits), labels)
    return sum(picked) / -float(math.prod(picked.shape))  # the mean and its sign in one
