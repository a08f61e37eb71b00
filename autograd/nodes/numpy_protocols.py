"""What happens when NumPy's functions and operators, or Python's `float`, get a node.

They may compute on its plain data only if no gradient and no trace follows the node: they know
neither, and their result would be a constant. Otherwise the error names the function, and what to
write instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .. import ops
from ..modes.mode import mode
from ..primitives.primitive import Primitive


def _raise(*args: Any, **params: Any) -> Any:
    raise RuntimeError(
        "backward: a compiled step's result does not differentiate; call backward() in the step"
    )


COMPILED = Primitive("jit", "a result of a compiled step", _raise, lambda i: _raise)

# --- what to write for NumPy's functions that have another name here -------------------------

REPLACEMENTS = {
    **dict.fromkeys(["dot", "inner", "vdot", "einsum", "tensordot", "vecdot"], "autograd.matmul"),
    **dict.fromkeys(["matvec", "vecmat", "multi_dot", "matrix_power"], "autograd.matmul"),
    **dict.fromkeys(["hstack", "vstack", "dstack", "column_stack"], "autograd.concatenate"),
    **dict.fromkeys(["append", "concat", "block", "pad", "insert"], "autograd.concatenate"),
    **dict.fromkeys(["ravel", "squeeze", "expand_dims"], "autograd.reshape"),
    **dict.fromkeys(["atleast_1d", "atleast_2d", "atleast_3d"], "autograd.reshape"),
    **dict.fromkeys(["swapaxes", "moveaxis", "rollaxis"], "autograd.transpose"),
    **dict.fromkeys(["permute_dims", "matrix_transpose"], "autograd.transpose"),
    **dict.fromkeys(["take", "take_along_axis", "choose", "compress"], "x[index]"),
    **dict.fromkeys(["extract", "delete", "flip", "fliplr", "flipud"], "x[index]"),
    **dict.fromkeys(["roll", "split", "array_split", "diag", "diagonal"], "x[index]"),
    **dict.fromkeys(["tile", "repeat"], "autograd.broadcast_to and autograd.reshape"),
    **dict.fromkeys(["std", "nanstd"], "autograd.sqrt(autograd.var(x))"),
    **dict.fromkeys(["norm", "vector_norm"], "autograd.sqrt(autograd.sum(x * x))"),
    **dict.fromkeys(["argmax", "argmin", "argsort"], "np.{name}(x.detach().data)"),
    **dict.fromkeys(["isnan", "isinf", "isfinite"], "np.{name}(x.detach().data)"),
    **{"subtract": "autograd.sub", "multiply": "autograd.mul", "negative": "autograd.neg"},
    **{"divide": "autograd.div", "float_power": "autograd.power", "pow": "autograd.power"},
    **{"absolute": "autograd.abs", "fabs": "autograd.abs", "square": "x * x"},
    **{"reciprocal": "1.0 / x", "positive": "x", "amax": "autograd.max", "amin": "autograd.min"},
    **{"fmax": "autograd.maximum", "fmin": "autograd.minimum", "average": "autograd.mean"},
    **{"logaddexp": "autograd.logsumexp", "tan": "autograd.sin(x) / autograd.cos(x)"},
    **{"sinh": "0.5 * (autograd.exp(x) - autograd.exp(-x))", "exp2": "2.0 ** x"},
    **{"cosh": "0.5 * (autograd.exp(x) + autograd.exp(-x))", "cbrt": "x ** (1 / 3)"},
    **{"log2": "autograd.log(x) / math.log(2.0)", "log10": "autograd.log(x) / math.log(10.0)"},
    **{
        "hypot": "autograd.sqrt(x * x + y * y)",
        "outer": "x[:, None] * y",
        "sign": "autograd.where",
    },
    **{"diff": "x[1:] - x[:-1]", "cumsum": "np.tri(len(x)) @ x", "astype": "autograd.astype"},
}


EXPORTED: set[str] = set()  # `autograd.__all__`, once autograd is imported


def _replacement(name: str) -> str:
    """What to write in the place of a function of NumPy."""
    if name in EXPORTED:
        return f"write autograd.{name}"
    if name in REPLACEMENTS:
        return f"with autograd write {REPLACEMENTS[name].format(name=name)}"
    return "compose it of autograd's functions, or add it as a primitive (autograd.primitive)"


def _comparison(prim: Primitive, mirrored: Primitive) -> Callable[[Any, Any], Any]:
    """A comparison by the node's own method, on whichever side the node is."""
    return lambda x, y: (
        x._compared(prim, y) if isinstance(x, NumpyProtocols) else y._compared(mirrored, x)
    )


# With an array on the left, Python's operators call these: `array * node` is `mul(array, node)`.
OPERATORS: dict[Any, Callable[..., Any]] = {
    **{np.add: ops.add, np.subtract: ops.sub, np.multiply: ops.mul, np.true_divide: ops.div},
    **{np.power: ops.power, np.matmul: ops.matmul},
    **{np.bitwise_and: ops.logical_and, np.bitwise_or: ops.logical_or},
    **{np.bitwise_xor: ops.logical_xor},
    np.equal: _comparison(ops.equal, ops.equal),
    np.not_equal: _comparison(ops.not_equal, ops.not_equal),
    np.less: _comparison(ops.less, ops.greater),
    np.less_equal: _comparison(ops.less_equal, ops.greater_equal),
    np.greater: _comparison(ops.greater, ops.less),
    np.greater_equal: _comparison(ops.greater_equal, ops.less_equal),
}
# These read only the shape and dtype of their first argument.
SHAPES = {np.shape, np.ndim, np.size, np.zeros_like, np.ones_like, np.empty_like, np.full_like}


class NumpyProtocols:
    """The methods that NumPy calls on nodes, and those that refuse to give plain data."""

    __slots__ = ()
    _compared: Callable[[Primitive, Any], Any]  # operators.Comparisons
    _data: Any

    def _is_tracked(self) -> bool:
        """Whether a gradient or a trace follows this node: to plain data it could not."""
        if mode.trace:
            return True
        node: Any = self
        return bool(node.requires_grad and (node.primitive is not COMPILED or mode.transforms))

    def _convert(self, what: str) -> None:
        """Refuse to convert a result that requires a gradient to a plain number or array. A leaf
        outside of transforms may be read."""
        node: Any = self
        if node.primitive is not None and self._is_tracked():
            raise TypeError(
                f"{what}: the result of {node.primitive.name} requires a gradient, which plain "
                "numbers would lose; compute with autograd's functions (autograd.exp, "
                "autograd.matmul, ...), and to read it write .item() or .data"
            )

    def _read(self, what: str) -> None:
        """Refuse to be read inside a transform, where the answer would be a constant."""
        node: Any = self
        if mode.transforms and node.requires_grad:
            raise TypeError(
                f"{what} takes a constant out of what is being differentiated, and no gradient "
                "would flow through it; compute with autograd's functions (autograd.exp, "
                "autograd.matmul, ...), or write .detach().data where a constant is meant"
            )

    def __array_ufunc__(self, ufunc: Any, method: str, *args: Any, **keywords: Any) -> Any:
        prim = OPERATORS.get(ufunc)
        if prim is None or keywords or method != "__call__":
            call = ufunc if method == "__call__" else getattr(ufunc, method)
            name = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
            return _call_on_data(call, name, args, keywords)
        return prim(*args)

    def __array_function__(self, function: Any, types: Any, args: Any, keywords: Any) -> Any:
        if function in SHAPES and args and isinstance(args[0], NumpyProtocols):
            shape, dtype = getattr(args[0], "shape", ()), getattr(args[0], "dtype", float)
            return function(np.broadcast_to(np.zeros((), dtype), shape), *args[1:], **keywords)
        home = function.__module__.removeprefix("numpy").lstrip(".")
        name = f"{home}.{function.__name__}" if home else function.__name__
        return _call_on_data(function, name, args, keywords)

    @property
    def _mask(self) -> Any:
        """What np.ma reads of its arguments, besides their data."""
        if self._is_tracked():
            raise TypeError(
                "np.ma takes plain arrays, and no gradient would flow through it; write "
                "autograd.where with the mask"
            )
        return np.ma.nomask


def _call_on_data(function: Any, name: str, args: Any, keywords: dict[str, Any]) -> Any:
    """Call a function of NumPy on nodes' data; TypeError if a gradient or trace follows one."""
    if any(node._is_tracked() for node in _nodes((args, keywords))):
        if keywords.get("out") is not None:
            raise TypeError(
                f"np.{name} would write into an array, where no gradient and no trace follows a "
                "Tensor or Value; instead of array += x write array = array + x"
            )
        raise TypeError(
            f"np.{name} takes plain arrays, and no gradient or trace would follow it; "
            f"{_replacement(name.rpartition('.')[2])}, or give it x.detach().data for a constant"
        )
    return function(*_plain_data(args), **_plain_data(keywords))


def _nodes(tree: Any) -> Iterator[Any]:
    if isinstance(tree, NumpyProtocols):
        yield tree
    elif isinstance(tree, list | tuple | dict):
        for part in tree.values() if isinstance(tree, dict) else tree:
            yield from _nodes(part)


def _plain_data(tree: Any) -> Any:
    """Nested arguments with nodes replaced by their data, which is read-only: no graph would notice
    a write by NumPy."""
    if isinstance(tree, list | tuple):
        return type(tree)(map(_plain_data, tree))
    if isinstance(tree, dict):
        return {key: _plain_data(part) for key, part in tree.items()}
    if not isinstance(tree, NumpyProtocols):
        return tree
    data = tree._data
    if isinstance(data, np.ndarray):
        data = data.view()
        data.flags.writeable = False
    return data
