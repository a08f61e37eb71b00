"""Functions composed of primitives: they need no rules, because their parts have them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .modes.mode import mode
from .ops import (
    Axis,
    axes_of,
    equal,
    exp,
    greater,
    greater_equal,
    less_equal,
    log_softmax,
    logical_and,
    maximum,
    minimum,
    relu,
    softplus,
    sum,
    tanh,
    where,
)
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


# --- losses --------------------------------------------------------------------------------------
# Each is a mean, a scalar of the outputs' dtype.


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
    """The mean squared error. The shapes are the same: to broadcast here is a mistake.

    A scalar of prediction's dtype, float64 for integers. Raises ValueError where the shapes differ,
    TypeError for Values.

    >>> from autograd import Tensor, mse
    >>> mse(Tensor([1.0, 2.0]), [0.0, 4.0]).item()
    2.5
    """
    prediction, target = _paired("mse", prediction=prediction, target=target)
    distance = prediction - target
    return mean(distance * distance)


def huber(outputs: Operand, targets: Operand, delta: float = 1.0) -> Any:
    """The mean of d * d / 2 where the distance d is at most `delta`, and of delta * (|d| - delta/2)
    beyond it: outliers pull with `delta` alone (Huber 1964; PyTorch's `huber_loss`).

    outputs and targets: of one shape. A scalar of outputs' dtype, float64 for integers. Raises
    ValueError where the shapes differ or delta is not positive, TypeError for Values.

    >>> from autograd import Tensor, huber
    >>> outputs = Tensor([0.0, 0.0], requires_grad=True)
    >>> loss = huber(outputs, [0.5, -100.0])
    >>> loss.backward(); loss.item(), outputs.grad.data
    (49.8125, array([-0.25,  0.5 ]))
    """
    if not delta > 0.0:
        raise ValueError(f"huber: delta is positive, not {delta}")
    outputs, targets = _paired("huber", outputs=outputs, targets=targets)
    distance = outputs - targets
    # No branch: a square that is not taken would overflow.
    near = clip(distance, -delta, delta)
    return mean(near * (distance - 0.5 * near))


def hinge(scores: Operand, labels: Operand) -> Any:
    """The mean of max(0, 1 - label * score): no loss beyond a margin of 1 on the label's side, the
    loss of a support vector machine (Cortes and Vapnik 1995).

    scores: any shape. labels: the same, each -1 or 1. A scalar of scores' dtype, float64 for
    integers. For more classes take cross_entropy. Raises ValueError where the shapes differ and for
    other labels (of which a compiled step makes nan), TypeError for Values.

    >>> from autograd import Tensor, hinge
    >>> hinge(Tensor([2.0, 0.5, 1.0]), [1, 1, -1]).item()
    0.8333333333333334
    """
    scores, labels = _paired("hinge", scores=scores, labels=labels)
    labels = _checked(
        labels, equal(labels * labels, 1.0), "hinge: labels are -1 or 1 (2 * y - 1 of 0 and 1)"
    )
    return mean(relu(1.0 - labels * scores))


def binary_cross_entropy(logits: Operand, targets: Operand) -> Any:
    """The mean of -log sigmoid(logit) where the target is 1 and -log(1 - sigmoid(logit)) where it
    is 0, weighed by the target between; finite and exact for any logit: the probability is never
    formed (PyTorch's `binary_cross_entropy_with_logits`).

    logits: any shape: one or more yes-or-no questions of each example. targets: the same, in
    [0, 1], also booleans. A scalar of logits' dtype, float64 for integers. Raises ValueError where
    the shapes differ and for other targets (of which a compiled step makes nan), TypeError for
    Values.

    >>> from autograd import Tensor, binary_cross_entropy
    >>> round(binary_cross_entropy(Tensor([0.0, 1e4, -1e4]), [True, True, False]).item(), 4)
    0.231
    """
    logits, targets = _paired("binary_cross_entropy", logits=logits, targets=targets)
    allowed = logical_and(greater_equal(targets, 0.0), less_equal(targets, 1.0))
    targets = _checked(targets, allowed, "binary_cross_entropy: targets are in [0, 1]")
    # softplus(logit) - target * logit is shorter, and loses the digits of a small loss.
    return mean(targets * softplus(-logits) + (1.0 - targets) * softplus(logits))


def _paired(name: str, **given: Operand) -> tuple[Any, Any]:
    """Outputs and targets, which are of one shape, as floats of the outputs' dtype."""
    (mine, outputs), (other, targets) = [(role, operand(x, name)) for role, x in given.items()]
    if outputs.shape != targets.shape:
        raise ValueError(
            f"{name}: {mine} {outputs.shape}, {other} {targets.shape}: they must have one shape "
            "(broadcast, each would meet all others); reshape one"
        )
    if outputs.dtype.kind != "f":  # the difference of small integers wraps around
        outputs = astype(outputs, np.float64)
    return outputs, targets if targets.dtype == outputs.dtype else astype(targets, outputs.dtype)


def _checked(targets: Any, allowed: Any, message: str) -> Any:
    """The targets. ValueError for those that are not allowed; where there are no numbers to look
    at yet, in a trace and under vmap, they will be nan, and so the loss."""
    if mode.trace or mode.batches:
        return where(allowed, targets, math.nan)
    wrong = getattr(targets, "_data", targets)[~getattr(allowed, "_data", allowed)]
    if wrong.size:
        raise ValueError(f"{message}, not {wrong.flat[0]:g}")
    return targets
