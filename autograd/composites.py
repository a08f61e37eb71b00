"""Functions composed of primitives: they need no rules, because their parts have them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .ops import Axis, axes_of, exp, greater, log_softmax, maximum, minimum, sum, tanh, where
from .primitives.indexing import gather
from .primitives.joining import operand
from .primitives.primitive import Operand
from .primitives.shapes import astype


def leaky_relu(x: Operand, slope: float = 0.01) -> Any:
    """x where it is positive, else slope * x; the derivative at 0 is `slope`.

    x: of any shape, which is the result's. Floats keep their dtype.

    >>> from autograd import Tensor
    >>> Tensor([-1.0, 2.0]).leaky_relu(0.1).data
    array([-0.1,  2. ])
    """
    return where(greater(x, 0.0), x, slope * x)


def gelu(x: Operand) -> Any:
    """x times the probability that a standard normal is below x, by its tanh approximation.

    0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))): Hendrycks and Gimpel, arXiv 1606.08415;
    PyTorch's `gelu(approximate="tanh")`. x: of any shape, which is the result's; floats keep their
    dtype.

    >>> from autograd import Tensor
    >>> Tensor([-1.0, 0.0, 1.0]).gelu().data.round(4)
    array([-0.1588,  0.    ,  0.8412])
    """
    return 0.5 * x * (1.0 + tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x * x * x)))


def clip(x: Operand, low: Operand = None, high: Operand = None) -> Any:
    """x limited to low and high (None: no bound). At a bound x and the bound get half the gradient.

    Shapes broadcast together, else ValueError. Bounds that are nodes get gradients too.

    >>> from autograd import Tensor
    >>> x = Tensor([-2.0, 0.5, 1.0], requires_grad=True)
    >>> held = x.clip(-1.0, 1.0)
    >>> held.data
    array([-1. ,  0.5,  1. ])
    >>> held.sum().backward(); x.grad.data
    array([0. , 1. , 0.5])
    """
    if low is not None:
        x = maximum(x, low)
    return x if high is None else minimum(x, high)


def mean(x: Operand, axis: Axis = None, keepdims: bool = False) -> Any:
    """The mean of x over an axis, several, or all; nan of nothing.

    Shapes and errors as `sum`. Floats keep their dtype, integers and booleans become float64.

    >>> from autograd import Tensor
    >>> Tensor([[1.0, 2.0], [3.0, 4.0]]).mean(axis=0).data
    array([2., 3.])
    """
    x = operand(x, "mean")
    return sum(x, axis, keepdims) / _count(x, axis)


def var(x: Operand, axis: Axis = None, keepdims: bool = False) -> Any:
    """The variance of x over axes: the mean squared distance from the mean, as NumPy's `var`.

    Shapes, dtypes and errors as `mean`.

    >>> from autograd import Tensor
    >>> Tensor([[1.0, 2.0], [3.0, 6.0]]).var(axis=0).data
    array([1., 4.])
    """
    x = operand(x, "var")
    distance = x - mean(x, axis, keepdims=True)
    return mean(distance * distance, axis, keepdims)


def _count(x: Any, axis: Axis) -> float:
    return float(math.prod(x.shape[i] for i in axes_of(x, axis, "mean")))


def softmax(x: Operand, axis: Axis = -1) -> Any:
    """exp(x) / sum(exp(x)) over an axis, several, or all (None), for any x without overflow.

    Shapes, dtypes and errors as `log_softmax`.

    >>> from autograd import Tensor
    >>> Tensor([1e4, 1e4]).softmax().data
    array([0.5, 0.5])
    """
    return exp(log_softmax(x, axis))


def cross_entropy(logits: Operand, labels: Operand) -> Any:
    """The mean over the batch of -log softmax(logits) at the label.

    logits: (..., classes), float. labels: (...), integers in 0..classes-1; a Tensor or an array.
    Gives a scalar of logits' dtype. Raises TypeError for labels that are no integers, ValueError
    for shapes that disagree and IndexError for a label outside the classes.

    >>> from autograd import Tensor, cross_entropy
    >>> round(cross_entropy(Tensor([[0.0, 0.0], [1e4, -1e4]]), [1, 0]).item(), 4)
    0.3466
    """
    picked = gather(log_softmax(logits), labels)
    return sum(picked) / -float(math.prod(picked.shape))  # the mean and the sign in one operation


def mse(prediction: Operand, target: Operand) -> Any:
    """The mean squared error, a scalar; the shapes must agree (broadcasting here is a mistake).

    Floats keep their dtype, integers become float64. Raises ValueError where the shapes differ.

    >>> from autograd import Tensor
    >>> from autograd.nn import mse
    >>> mse(Tensor([1.0, 2.0]), [0.0, 4.0]).item()
    2.5
    """
    aim: Any = getattr(target, "_data", target)
    if prediction.shape != np.shape(aim):
        raise ValueError(f"mse: prediction {prediction.shape}, target {np.shape(aim)}")
    if prediction.dtype.kind != "f":  # the difference of small integers wraps around
        prediction = astype(prediction, np.float64)
    distance = prediction - target
    return mean(distance * distance)
