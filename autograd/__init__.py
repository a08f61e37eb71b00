"""Automatic differentiation of numbers (`Value`) and arrays (`Tensor`), on one table of primitives.

>>> from autograd import Value
>>> x = Value(3.0)
>>> y = x * x + 2 * x
>>> y.backward()
>>> x.grad
8.0
"""

from . import functional as functional
from . import nn as nn
from . import optim as optim
from . import random as random
from . import ranks as ranks
from .checking.anomaly import AnomalyError, detect_anomaly
from .checking.gradcheck import GradientError, gradcheck
from .compiler import TraceError, jit
from .composites import (
    binary_cross_entropy,
    clip,
    cross_entropy,
    gelu,
    hinge,
    huber,
    leaky_relu,
    mean,
    mse,
    softmax,
    var,
)
from .describe import describe_primitives as _describe_primitives
from .functional import grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp, vmap
from .graph import Node, gradients
from .modes.mode import no_grad
from .nodes.numpy_protocols import EXPORTED as _EXPORTED
from .ops import (
    abs,
    add,
    all,
    any,
    cos,
    detach,
    div,
    equal,
    exp,
    expm1,
    greater,
    greater_equal,
    less,
    less_equal,
    log,
    log1p,
    log_softmax,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    logsumexp,
    matmul,
    max,
    maximum,
    min,
    minimum,
    mul,
    neg,
    not_equal,
    power,
    relu,
    sigmoid,
    sin,
    softplus,
    sqrt,
    sub,
    sum,
    tanh,
    where,
)
from .primitives.indexing import gather, index
from .primitives.joining import concatenate, stack
from .primitives.primitive import OURS as _OURS
from .primitives.primitive import TABLE as _TABLE
from .primitives.primitive import primitive
from .primitives.shapes import astype, broadcast_to, reshape, sum_to, transpose
from .ranks import all_reduce
from .tensor import Tensor
from .value import Value

__all__ = [
    "AnomalyError",
    "GradientError",
    "Node",
    "Tensor",
    "TraceError",
    "Value",
    "abs",
    "add",
    "all",
    "all_reduce",
    "any",
    "astype",
    "binary_cross_entropy",
    "broadcast_to",
    "clip",
    "concatenate",
    "cos",
    "cross_entropy",
    "detach",
    "detect_anomaly",
    "div",
    "equal",
    "exp",
    "expm1",
    "gather",
    "gelu",
    "grad",
    "gradcheck",
    "gradients",
    "greater",
    "greater_equal",
    "hessian",
    "hinge",
    "huber",
    "hvp",
    "index",
    "jacobian",
    "jit",
    "jvp",
    "leaky_relu",
    "less",
    "less_equal",
    "log",
    "log1p",
    "log_softmax",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "logsumexp",
    "matmul",
    "max",
    "maximum",
    "mean",
    "min",
    "minimum",
    "mse",
    "mul",
    "neg",
    "no_grad",
    "not_equal",
    "power",
    "primitive",
    "relu",
    "reshape",
    "sigmoid",
    "sin",
    "softmax",
    "softplus",
    "sqrt",
    "stack",
    "sub",
    "sum",
    "sum_to",
    "tanh",
    "transpose",
    "value_and_grad",
    "var",
    "vjp",
    "vmap",
    "where",
]

_OURS.update(_TABLE.values())
_EXPORTED.update(__all__)
_describe_primitives()
