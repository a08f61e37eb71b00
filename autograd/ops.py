"""The table of primitives: what each computes, and the rule that differentiates it.

A rule answers: if the result moves the loss by `g` per unit, by how much does this argument? It
is called as `rule(g, out, *args)`, one rule per argument, and uses operators and the functions
of this package only, so that it works on whatever its arguments are: floats and arrays give a
gradient, nodes give a graph that can be differentiated again, symbols give the formula as text.
The sweep undoes broadcasting (graph.py); no rule mentions it. Rules avoid Python's `**`, which
raises or turns complex where IEEE arithmetic does not.

To add a primitive, add a row. The tests draw from `domain`, away from `kink`. The file is long
because it is the table: all rules can be read in one place. The linear primitives that change
shapes and read entries are in primitives/, functions composed of primitives in composites.py.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .primitives import expressions as ex
from .primitives.joining import operand
from .primitives.primitive import TABLE, Operand, Primitive, primitive
from .primitives.shapes import (
    align_batches,
    astype,
    axis_of,
    broadcast_to,
    reshape,
    reshape_p,
    total,
    transpose_p,
)

if TYPE_CHECKING:
    from .primitives.primitive import Binary, Choice, Unary

ANY = (-2.0, 2.0)
POSITIVE = (0.2, 3.0)

# --- without a derivative ------------------------------------------------------------------------

greater: Binary = primitive(
    "greater", "x > y, as a boolean", np.greater, None, None,
    on_float=operator.gt, domain=(ANY, ANY),
    code=operator.gt,
)  # fmt: skip
greater_equal: Binary = primitive(
    "greater_equal", "x >= y, as a boolean", np.greater_equal, None, None,
    on_float=operator.ge, domain=(ANY, ANY),
    code=operator.ge,
)  # fmt: skip
less: Binary = primitive(
    "less", "x < y, as a boolean", np.less, None, None,
    on_float=operator.lt, domain=(ANY, ANY),
    code=operator.lt,
)  # fmt: skip
less_equal: Binary = primitive(
    "less_equal", "x <= y, as a boolean", np.less_equal, None, None,
    on_float=operator.le, domain=(ANY, ANY),
    code=operator.le,
)  # fmt: skip
equal: Binary = primitive(
    "equal", "x == y, as a boolean", np.equal, None, None,
    on_float=operator.eq, domain=(ANY, ANY),
    code=ex.equal,
)  # fmt: skip
not_equal: Binary = primitive(
    "not_equal", "x != y, as a boolean", np.not_equal, None, None,
    on_float=operator.ne, domain=(ANY, ANY),
    code=ex.not_equal,
)  # fmt: skip

MASK = np.array([True, False])  # what tests apply the primitives of booleans to


def _of_booleans(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of booleans alone: on numbers NumPy works on bits, Python's `and` does not."""

    def checked(*args: Any) -> Any:
        for arg in map(np.asarray, args):
            if arg.dtype.kind != "b":
                raise TypeError(f"{name}: takes booleans, not {arg.dtype}; write x != 0")
        return function(*args)

    return checked


logical_not: Unary = primitive(
    "logical_not", "not x, of booleans", _of_booleans("logical_not", np.logical_not), None,
    on_float=_of_booleans("logical_not", operator.not_),
    cases=(((MASK,), {}),),
    code=operator.invert,
)  # fmt: skip
logical_and: Binary = primitive(
    "logical_and", "x and y, of booleans", _of_booleans("logical_and", np.logical_and), None, None,
    on_float=_of_booleans("logical_and", operator.and_),
    cases=(((MASK, ~MASK), {}), ((MASK, MASK), {})),
    code=operator.and_,
)  # fmt: skip
logical_or: Binary = primitive(
    "logical_or", "x or y, of booleans", _of_booleans("logical_or", np.logical_or), None, None,
    on_float=_of_booleans("logical_or", operator.or_),
    cases=(((MASK, ~MASK), {}), ((MASK, MASK), {})),
    code=operator.or_,
)  # fmt: skip
logical_xor: Binary = primitive(
    "logical_xor", "x or y but not both, of booleans",
    _of_booleans("logical_xor", np.logical_xor), None, None,
    on_float=_of_booleans("logical_xor", operator.xor),
    cases=(((MASK, ~MASK), {}), ((MASK, MASK), {})),
    code=operator.xor,
)  # fmt: skip
detach: Unary = primitive(
    "detach", "x, cut off from the graph", lambda x: x, None,
    on_float=lambda x: x,
    code=lambda x: x, view=True, composed=lambda x: x,
)  # fmt: skip
identity: Unary = primitive(
    "identity", "x itself, as a node of its own", lambda x: x,
    lambda g, out, x: g,
    on_float=lambda x: x, domain=(ANY,),
    code=lambda x: x, view=True, composed=lambda x: x,
)  # fmt: skip

# --- arithmetic --------------------------------------------------------------------------------

add: Binary = primitive(
    "add", "x + y", np.add,
    lambda g, out, x, y: g,
    lambda g, out, x, y: g,
    on_float=operator.add, infix="+", domain=(ANY, ANY),
    code=operator.add, neutral=lambda dtype: 0,
)  # fmt: skip
sub: Binary = primitive(
    "sub", "x - y", np.subtract,
    lambda g, out, x, y: g,
    lambda g, out, x, y: -g,
    on_float=operator.sub, infix="-", domain=(ANY, ANY),
    code=operator.sub,
)  # fmt: skip
mul: Binary = primitive(
    "mul", "x * y", np.multiply,
    lambda g, out, x, y: g * y,
    lambda g, out, x, y: g * x,
    on_float=operator.mul, infix="*", domain=(ANY, ANY),
    code=operator.mul, neutral=lambda dtype: 1,
)  # fmt: skip
div: Binary = primitive(
    "div", "x / y", np.true_divide,
    lambda g, out, x, y: g / y,
    lambda g, out, x, y: -g * out / y,
    on_float=operator.truediv, infix="/", domain=(ANY, POSITIVE),
    code=operator.truediv,
)  # fmt: skip
neg: Unary = primitive(
    "neg", "-x", np.negative,
    lambda g, out, x: -g,
    on_float=operator.neg, infix="-", domain=(ANY,),
    code=operator.neg,
)  # fmt: skip


def _base(x: Any, y: Any) -> Any:
    """x, or 1 where y is 0 and 1 / x overflows: there 0 * x**-1 would be nan instead of 0."""
    return where(equal(y, 0.0), where(equal(1.0 / (1.0 / x), 0.0), 1.0, x), x)


def _compose_power(x: Any, y: Any) -> Any:
    """The powers that NumPy computes without pow."""
    if x.value is not None or y.value is None or y.shape or y.value not in (2, 1, 0.5):
        return None
    dtype = np.result_type(x.dtype, y.value)
    if dtype.kind != "f":
        return None
    x = astype(x, dtype)
    return x * x if y.value == 2 else x if y.value == 1 else sqrt(x)


power: Binary = primitive(
    "power", "x ** y", operator.pow,  # NumPy's operator squares and takes roots; np.power loops
    # `where` chooses the argument, not the result, so that no order computes an inf.
    lambda g, out, x, y: g * y * power(_base(x, y), y - 1.0),
    lambda g, out, x, y: g * out * log(where(equal(x, 0.0), where(greater(0.0, y), x, 1.0), x)),
    on_float=math.pow, infix="**", domain=(POSITIVE, ANY),
    convention="power(x, 0)' = 0 for x; power(0, y)' for y = 0 where y >= 0, else -inf",
    code=ex.power, composed=_compose_power,
)  # fmt: skip

# --- functions of one number -------------------------------------------------------------------


def _floats(x: Any) -> Any:
    """x; integers and booleans as float64. (NumPy computes with those of 8 bits in float16.)"""
    # (An array of objects holds viz's Values, whose methods NumPy calls.)
    return x if np.asarray(x).dtype.kind in "fO" else np.asarray(x, np.float64)


def _of_floats(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A function of one array that computes integers and booleans in float64."""
    return lambda x: function(_floats(x))


exp: Unary = primitive(
    "exp", "e to the power x", _of_floats(np.exp),
    lambda g, out, x: g * out,
    on_float=math.exp, domain=(ANY,),
    code=ex.exp,
)  # fmt: skip
expm1: Unary = primitive(
    "expm1", "exp(x) - 1, exact near 0", _of_floats(np.expm1),
    lambda g, out, x: g * exp(x),  # not out + 1, which loses a small exp(x)
    on_float=math.expm1, domain=(ANY,),
    code=ex.expm1,
)  # fmt: skip
log: Unary = primitive(
    "log", "the natural logarithm of x", _of_floats(np.log),
    lambda g, out, x: g / x,
    on_float=math.log, domain=(POSITIVE,),
    code=ex.log,
)  # fmt: skip
log1p: Unary = primitive(
    "log1p", "log(1 + x), exact near 0", _of_floats(np.log1p),
    lambda g, out, x: g / (1.0 + x),
    on_float=math.log1p, domain=((-0.7, 3.0),),
    code=ex.log1p,
)  # fmt: skip
sqrt: Unary = primitive(
    "sqrt", "the square root of x", _of_floats(np.sqrt),
    lambda g, out, x: g / (2.0 * out),
    on_float=math.sqrt, domain=(POSITIVE,), convention="sqrt'(0) = inf",
    code=ex.sqrt,
)  # fmt: skip
sin: Unary = primitive(
    "sin", "the sine of x in radians", _of_floats(np.sin),
    lambda g, out, x: g * cos(x),
    on_float=math.sin, domain=(ANY,),
    code=ex.sin,
)  # fmt: skip
cos: Unary = primitive(
    "cos", "the cosine of x in radians", _of_floats(np.cos),
    lambda g, out, x: -g * sin(x),
    on_float=math.cos, domain=(ANY,),
    code=ex.cos,
)  # fmt: skip
tanh: Unary = primitive(
    "tanh", "the hyperbolic tangent of x", _of_floats(np.tanh),
    lambda g, out, x: g * (1.0 - out * out),
    on_float=math.tanh, domain=(ANY,),
    code=ex.tanh,
)  # fmt: skip


def _sigmoid(x: Any) -> Any:
    with np.errstate(over="ignore"):  # exp(-x) = inf is the right way to 0
        return 1.0 / (1.0 + np.exp(-x))


def _softplus(x: Any) -> Any:
    return np.logaddexp(x, np.zeros((), x.dtype))


# A primitive: 1 / (1 + exp(-x)) differentiated step by step gives inf / inf.
sigmoid: Unary = primitive(
    "sigmoid", "1 / (1 + exp(-x))", _of_floats(_sigmoid),
    lambda g, out, x: g * out * (1.0 - out),
    on_float=lambda x: 1.0 / (1.0 + math.exp(-x)), domain=(ANY,),
    code=ex.sigmoid,
)  # fmt: skip
# A primitive: log(1 + exp(x)) overflows from x = 89 on in float32.
softplus: Unary = primitive(
    "softplus", "log(1 + exp(x))", _of_floats(_softplus),
    lambda g, out, x: g * sigmoid(x),
    on_float=lambda x: (x if x > 0.0 else 0.0) + math.log1p(math.exp(-math.fabs(x))), domain=(ANY,),
    code=ex.softplus,
)  # fmt: skip

# --- with a kink: the derivative there is a convention -----------------------------------------
# (At NaN, which is on no side, they let the gradient through, as PyTorch does: no silent zero.)

relu: Unary = primitive(
    "relu", "x where it is positive, else 0", lambda x: np.maximum(x, 0),
    lambda g, out, x: where(equal(out, 0.0), 0.0, g),
    on_float=lambda x: 0.0 if x <= 0.0 else x,  # NaN passes through, as in NumPy
    domain=(ANY,), kink=lambda x: x, convention="relu'(0) = 0 and relu'(nan) = 1",
    code=lambda x: ex.select(x <= 0, 0, x),
)  # fmt: skip
abs: Unary = primitive(
    "abs", "the absolute value of x", np.abs,
    lambda g, out, x: where(equal(x, 0.0), 0.0, where(greater(0.0, x), -g, g)),
    on_float=operator.abs, domain=(ANY,), kink=lambda x: x,
    convention="abs'(0) = 0 and abs'(nan) = 1",
    code=operator.abs,
)  # fmt: skip


def _with_zeros(function: Any, of_zeros: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """NumPy's maximum or minimum, but `of_zeros` where both are 0: there it depends on the CPU
    whether NumPy returns x or y."""

    def on_array(x: Any, y: Any) -> Any:
        out = function(x, y)
        if out.dtype.kind != "f" or (type(y) is float and y != 0.0) or np.all(out):
            return out
        x, y = np.asarray(x, out.dtype), np.asarray(y, out.dtype)
        return np.where((x == 0) & (y == 0), of_zeros(x, y), out)

    return on_array


def _zero_or(x: Any, y: Any, zero: Any) -> Any:
    """y, but `zero` where x and y are both 0, of whatever sign."""
    return ex.select(ex.equal(x, 0) & ex.equal(y, 0), zero, y)


maximum: Binary = primitive(
    "maximum", "the larger of x and y; 0 counts as larger than -0",
    _with_zeros(np.maximum, lambda x, y: x + y),
    lambda g, out, x, y: where(equal(x, y), 0.5 * g, where(greater(y, x), 0.0, g)),
    lambda g, out, x, y: where(equal(x, y), 0.5 * g, where(greater(x, y), 0.0, g)),
    on_float=lambda x, y: x if x > y or x != x else x + y if x == y == 0.0 else y,
    domain=(ANY, ANY),
    kink=lambda x, y: x - y, convention="at x = y each argument gets half, at nan all",
    code=lambda x, y: ex.select((x > y) | ex.not_equal(x, x), x, _zero_or(x, y, x + y)),
    neutral=lambda dtype: -math.inf if dtype.kind == "f" else np.iinfo(dtype).min,
)  # fmt: skip
minimum: Binary = primitive(
    "minimum", "the smaller of x and y; -0 counts as smaller than 0",
    _with_zeros(np.minimum, lambda x, y: -(-x - y)),
    lambda g, out, x, y: where(equal(x, y), 0.5 * g, where(greater(x, y), 0.0, g)),
    lambda g, out, x, y: where(equal(x, y), 0.5 * g, where(greater(y, x), 0.0, g)),
    on_float=lambda x, y: x if x < y or x != x else -(-x - y) if x == y == 0.0 else y,
    domain=(ANY, ANY),
    kink=lambda x, y: x - y, convention="at x = y each argument gets half, at nan all",
    code=lambda x, y: ex.select((x < y) | ex.not_equal(x, x), x, _zero_or(x, y, -(-x - y))),
    neutral=lambda dtype: math.inf if dtype.kind == "f" else np.iinfo(dtype).max,
)  # fmt: skip


BITS = {np.dtype(np.float32): np.int32, np.dtype(np.float64): np.int64}


def _where(condition: Any, x: Any, y: Any) -> Any:
    kept = y if _is_zero(x) else x if _is_zero(y) else None
    if kept.__class__ is not np.ndarray or condition.__class__ is not np.ndarray:
        return np.where(condition, x, y)
    bits = BITS.get(kept.dtype)
    if bits is None or condition.dtype != bool or condition.shape != kept.shape or not kept.shape:
        return np.where(condition, x, y)
    # Masking bits takes a third of np.where's time and, unlike a product, turns inf and nan to 0.
    mask = condition.astype(bits)
    return (kept.view(bits) & (-mask if kept is x else mask - 1)).view(kept.dtype)


def _is_zero(x: Any) -> bool:
    return x.__class__ is float and x == 0.0 and math.copysign(1.0, x) > 0


where: Choice = primitive(
    "where", "x where the condition holds, else y", _where,
    None,
    lambda g, out, condition, x, y: where(condition, g, 0.0),
    lambda g, out, condition, x, y: where(condition, 0.0, g),
    on_float=lambda condition, x, y: x if condition else y, domain=(ANY, ANY, ANY),
    kink=lambda condition, x, y: condition,
    convention="the branch not taken gets 0, also where it is inf or nan",
    code=ex.select, conditions=1,
)  # fmt: skip

# --- reductions --------------------------------------------------------------------------------

Axis = int | Sequence[int] | None


def axes_of(x: Any, axis: Axis, name: str) -> tuple[int, ...]:
    """The axes of a reduction, sorted and counted from the front."""
    if not hasattr(x, "ndim"):
        raise TypeError(
            f"{name}: works on arrays and Tensors, not on {type(x).__name__}; use Tensor"
        )
    if axis is None:
        return tuple(range(x.ndim))
    given = tuple(axis) if isinstance(axis, Sequence) else (axis,)
    axes = tuple(sorted({axis_of(i, x.shape, name) for i in given}))
    if len(axes) != len(given):
        raise ValueError(f"{name}: axis {axis} names one axis of shape {x.shape} twice")
    return axes


def _expand(r: Any, x: Any, axis: tuple[int, ...]) -> Any:
    """A reduction's result, or its cotangent, with an axis of length 1 for each axis reduced. A
    single number broadcasts as it is."""
    if len(axis) == x.ndim:
        return r
    return reshape_p(r, shape=tuple([1 if i in axis else n for i, n in enumerate(x.shape)]))


def _split_between_ties(g: Any, out: Any, x: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    """The rule of max and min: g goes to the largest or smallest entry, split between ties."""
    chosen = astype(equal(x, _expand(out, x, axis)), x.dtype)
    return chosen * (_expand(g, x, axis) / sum(chosen, axis, keepdims=True))


def _logsumexp(x: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    x = _floats(x)
    largest = x.max(axis=axis, keepdims=True)
    if not np.isfinite(largest).all():  # inf - inf is nan
        largest = np.where(np.isfinite(largest), largest, 0).astype(x.dtype)
    with np.errstate(divide="ignore"):  # log(0) = -inf is the answer where all x are -inf
        out = np.log(total(np.exp(x - largest), axis, keepdims=True)) + largest
    return out if keepdims else out.squeeze(axis)


def _batch_reduction(name: str) -> Callable[..., Any]:
    """The batching rule of a reduction: its axes are one further back."""

    def batch(args: Any, batched: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
        return TABLE[name](args[0], axis=tuple(i + 1 for i in axis), keepdims=keepdims)

    return batch


REDUCTIONS: tuple[tuple[tuple[Any, ...], dict[str, Any]], ...] = (
    (((2, 3),), {"axis": (0, 1), "keepdims": False}),
    (((2, 3, 4),), {"axis": (1,), "keepdims": False}),
    (((2, 3, 4),), {"axis": (0, 2), "keepdims": True}),
)


def _max(x: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    out = x.max(axis=axis, keepdims=keepdims)
    if x.dtype.kind != "f" or np.all(out):
        return out
    # Which of 0 and -0 NumPy returns depends on its lanes. (If 0 is the largest, none is positive.)
    negative = np.signbit(x).all(axis=axis, keepdims=keepdims)
    return np.where(out == 0, np.where(negative, -0.0, 0.0).astype(x.dtype), out)


def _min(x: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    return -_max(-x, axis, keepdims) if x.dtype.kind == "f" else x.min(axis, keepdims=keepdims)


def _drop_keepdims(prim: Primitive, x: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    """A reduction with keepdims, as one without and a reshape."""
    if not keepdims:
        return None
    shape = [1 if i in axis else n for i, n in enumerate(x.shape)]
    return reshape(prim(x, axis=axis, keepdims=False), shape)


def _compose_sum(x: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    if axis:
        return _drop_keepdims(sum_p, x, axis, keepdims)
    x = astype(x, total(np.zeros(0, x.dtype), (0,)).dtype)  # short integers become long ones
    return x + 0.0 if x.dtype.kind == "f" else x  # 0 + -0 is 0


sum_p: Primitive = primitive(
    "sum", "the sum over axes", lambda x, axis, keepdims: total(x, axis, keepdims),
    lambda g, out, x, axis, keepdims: broadcast_to(_expand(g, x, axis), x.shape),
    cases=REDUCTIONS, linear=True, batch=_batch_reduction("sum"),
    reduces=add, composed=_compose_sum,
)  # fmt: skip
max_p: Primitive = primitive(
    "max", "the largest entry over axes; 0 counts as larger than -0", _max,
    _split_between_ties,
    cases=REDUCTIONS, convention="ties of max split evenly; a nan among them makes all nan",
    batch=_batch_reduction("max"),
    reduces=maximum,
    composed=lambda x, axis, keepdims: _drop_keepdims(max_p, x, axis, keepdims) if axis else x,
)  # fmt: skip
# A primitive: -max(-x) wraps around for integers.
min_p: Primitive = primitive(
    "min", "the smallest entry over axes; -0 counts as smaller than 0", _min,
    _split_between_ties,
    cases=REDUCTIONS, convention="ties of min split evenly; a nan among them makes all nan",
    batch=_batch_reduction("min"),
    reduces=minimum,
    composed=lambda x, axis, keepdims: _drop_keepdims(min_p, x, axis, keepdims) if axis else x,
)  # fmt: skip


def _cast_to_float(x: Any) -> Any:
    """`_floats`, composed of primitives."""
    return x if x.dtype.kind == "f" else astype(x, np.float64)


def _compose_logsumexp(x: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    x = _cast_to_float(x)
    largest = max(x, axis, keepdims=True)
    largest = where(equal(largest - largest, 0.0), largest, 0.0)  # inf - inf is nan
    total = log(sum(exp(x - largest), axis, keepdims=True)) + largest
    kept = [n for i, n in enumerate(x.shape) if i not in axis]
    return total if keepdims else reshape(total, kept)


# A primitive: exp of a logit of 1e4 overflows, its logarithm does not.
logsumexp_p: Primitive = primitive(
    "logsumexp", "log(sum(exp(x))) over axes", _logsumexp,
    lambda g, out, x, axis, keepdims: _expand(g, x, axis) * exp(x - _expand(out, x, axis)),
    cases=REDUCTIONS, batch=_batch_reduction("logsumexp"),
    composed=_compose_logsumexp,
)  # fmt: skip


def _log_softmax(x: Any, axis: tuple[int, ...]) -> Any:
    x = _floats(x)
    shifted = x - x.max(axis=axis, keepdims=True)
    return shifted - np.log(total(np.exp(shifted), axis, keepdims=True))


def _compose_log_softmax(x: Any, axis: tuple[int, ...]) -> Any:
    x = _cast_to_float(x)
    shifted = x - max(x, axis, keepdims=True)
    return shifted - log(sum(exp(shifted), axis, keepdims=True))


# A primitive: x - logsumexp(x) rounds to the digits of a large x.
log_softmax_p: Primitive = primitive(
    "log_softmax", "x - logsumexp(x) over axes", _log_softmax,
    lambda g, out, x, axis: g - exp(out) * sum(g, axis, keepdims=True),
    cases=((((2, 3),), {"axis": (1,)}), (((2, 3, 2),), {"axis": (0, 2)})),
    batch=lambda args, batched, axis: log_softmax_p(args[0], axis=tuple(i + 1 for i in axis)),
    composed=_compose_log_softmax,
)  # fmt: skip


def log_softmax(x: Operand, axis: Axis = -1) -> Any:
    """The logarithm of softmax over an axis, several, or all (None), exact even where softmax
    rounds to 0.

    x: of any shape, which is the result's; integers and booleans become float64. Raises ValueError
    for an axis that is not there or named twice, TypeError for a Value.

    >>> from autograd import Tensor
    >>> Tensor([[0.0, 1e4]]).log_softmax().data
    array([[-10000.,      0.]])
    """
    x = operand(x, "log_softmax")
    return log_softmax_p(x, axis=axes_of(x, axis, "log_softmax"))


def sum(x: Operand, axis: Axis = None, keepdims: bool = False) -> Any:
    """The sum of x over an axis, several, or all (None).

    x: of any shape and dtype. The axes are removed, or with keepdims kept with length 1. Floats
    keep their dtype, booleans and short integers become int64; the sum of nothing is 0. Raises
    ValueError for an axis that is not there or named twice, TypeError for a Value.

    >>> from autograd import Tensor
    >>> Tensor([[1.0, 2.0], [3.0, 4.0]]).sum(axis=0).data
    array([4., 6.])
    """
    x = operand(x, "sum")
    return sum_p(x, axis=axes_of(x, axis, "sum"), keepdims=keepdims)


def max(x: Operand, axis: Axis = None, keepdims: bool = False) -> Any:
    """The largest entry of x over an axis, several, or all. Ties get equal parts of the gradient.

    Shapes and errors as `sum`; ValueError also if there is no entry. The dtype stays. A nan among
    the entries makes the result nan; 0 counts as larger than -0.

    >>> from autograd import Tensor
    >>> x = Tensor([[1.0, 3.0], [4.0, 4.0]], requires_grad=True)
    >>> largest = x.max(axis=1)
    >>> largest.data
    array([3., 4.])
    >>> largest.sum().backward(); x.grad.data
    array([[0. , 1. ],
           [0.5, 0.5]])
    """
    x = operand(x, "max")
    return max_p(x, axis=axes_of(x, axis, "max"), keepdims=keepdims)


def min(x: Operand, axis: Axis = None, keepdims: bool = False) -> Any:
    """The smallest entry of x over an axis, several, or all. Ties get equal parts of the gradient.

    Shapes, dtype and errors as `max`; -0 counts as smaller than 0.

    >>> from autograd import Tensor
    >>> Tensor([[1.0, 3.0], [4.0, 2.0]]).min(axis=1, keepdims=True).data
    array([[1.],
           [2.]])
    """
    x = operand(x, "min")
    return min_p(x, axis=axes_of(x, axis, "min"), keepdims=keepdims)


def all(x: Operand, axis: Axis = None, keepdims: bool = False) -> Any:
    """Whether all of the booleans x are true, over an axis, several, or all.

    Shapes and errors as `sum`; TypeError for other dtypes. Of nothing it is true. It has no
    gradient.

    >>> from autograd import Tensor
    >>> (Tensor([[1.0, 2.0], [3.0, 4.0]]) > 1.0).all(axis=1).data
    array([False,  True])
    """
    return equal(sum(logical_not(operand(x, "all")), axis, keepdims), 0)


def any(x: Operand, axis: Axis = None, keepdims: bool = False) -> Any:
    """Whether any of the booleans x is true, over an axis, several, or all.

    Shapes and errors as `sum`; TypeError for other dtypes. Of nothing it is false. It has no
    gradient.

    >>> from autograd import Tensor
    >>> (Tensor([[1.0, 2.0], [3.0, 4.0]]) > 3.0).any(axis=1).data
    array([False,  True])
    """
    return logical_not(all(logical_not(operand(x, "any")), axis, keepdims))


def logsumexp(x: Operand, axis: Axis = None, keepdims: bool = False) -> Any:
    """log(sum(exp(x))) over axes, without overflow for any x: the largest is subtracted first.

    Shapes and errors as `sum`, ValueError also if there is no entry; integers and booleans become
    float64. If all entries are -inf it is -inf.

    >>> from autograd import Tensor
    >>> Tensor([[1e4, 1e4], [0.0, 0.0]]).logsumexp(axis=1).data
    array([1.00006931e+04, 6.93147181e-01])
    """
    x = operand(x, "logsumexp")
    return logsumexp_p(x, axis=axes_of(x, axis, "logsumexp"), keepdims=keepdims)


# --- the one bilinear primitive ------------------------------------------------------------------


def _swap_last_axes(x: Any) -> Any:
    """The last two axes exchanged."""
    return transpose_p(x, axes=(*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


def _product(x: Any, y: Any) -> Any:
    """The matrix product. NumPy computes an outer product, as of per-example gradients, faster by
    broadcasting."""
    return x * y if x.shape[-1] == 1 else matmul_p(x, y)


def _compose_matmul(x: Any, y: Any) -> Any:
    if x.dtype == y.dtype:
        return None
    dtype = np.result_type(x.dtype, y.dtype)
    return matmul_p(astype(x, dtype), astype(y, dtype))


matmul_p: Primitive = primitive(
    "matmul", "the matrix product over the last two axes", np.matmul,
    lambda g, out, x, y: _product(g, _swap_last_axes(y)),
    lambda g, out, x, y: _product(_swap_last_axes(x), g),
    infix="@", linear=True, product=True, composed=_compose_matmul,
    batch=lambda args, batched: matmul_p(*align_batches(args, batched)),
    cases=(
        (((2, 3), (3, 4)), {}), (((1, 3), (3, 1)), {}), (((5, 2, 3), (3, 4)), {}),
        (((2, 1, 3, 4), (5, 4, 2)), {}),
    ),
)  # fmt: skip


def matmul(x: Operand, y: Operand) -> Any:
    """The matrix product: of vectors, matrices, or stacks of matrices, which broadcast.

    x: (..., n, k) or (k,). y: (..., k, m) or (k,). Gives (..., n, m), without n or m for a vector;
    the dtype is the wider of the two. Raises ValueError if the inner lengths differ or an argument
    is a single number.

    >>> from autograd import Tensor
    >>> (Tensor([[1.0, 2.0], [3.0, 4.0]]) @ Tensor([1.0, -1.0])).data
    array([-1., -1.])
    """
    x, y = operand(x, "matmul"), operand(y, "matmul")
    inner = -1 if y.ndim == 1 else -2
    if not x.ndim or not y.ndim or x.shape[-1] != y.shape[inner]:
        raise ValueError(f"matmul: shapes {x.shape} and {y.shape} do not go together")
    left = reshape(x, (1, *x.shape)) if x.ndim == 1 else x
    right = reshape(y, (*y.shape, 1)) if y.ndim == 1 else y
    out = matmul_p(left, right)
    if x.ndim > 1 and y.ndim > 1:
        return out
    # Drop the axis of length 1 that was added to a vector.
    rows = out.shape[:-2] if x.ndim == 1 else out.shape[:-1]
    return reshape(out, rows if y.ndim == 1 else (*rows, out.shape[-1]))
