"""jit: trace a step at its first call, run it compiled from then on, retrace when that is due."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..graph import changes, mode
from ..nn import State
from ..tensor import Tensor
from ..tree import flatten
from .program import Program
from .trace import Trace, Traced, TraceError, is_input, trace

if TYPE_CHECKING:
    from .native import Lowered, Replayed

SCALARS = (int, float, bool, complex, str, bytes, type(None))
MOST = 64  # programs a step keeps: a static argument that always changes would pile them up


class jit:
    """Trace a step at its first call, compile it, and run that: the same numbers, but for rounding,
    without the Python. (Where there is no C compiler NumPy runs the trace: the same bits.)

    Arguments that are arrays or Tensors (also in lists, tuples and dicts) are inputs; everything
    else is static. A new trace is made for every new shape, dtype, static argument and training
    flag, and when what the step's own names stand for outside it has changed: a number, an array's
    entries, a number or Tensor in a list, dict or object that they name, an attribute of a Module.
    What lies deeper is taken as it was. Arrays that the step uses from outside are compared at
    every call, so pass data as arguments, or hold it in a Tensor.

    Gradients live inside the step: `.grad` is None after it. A result does not differentiate
    further. Raises TraceError where the trace could not repeat what Python did:
    reading a traced value, writing `.data`, a gradient from before the step, a Tensor that
    outlives the step without being returned or assigned, an array made in the step by NumPy.

    >>> from autograd import Tensor, jit
    >>> w = Tensor([1.0, 2.0])
    >>> @jit
    ... def step(x):
    ...     w.assign(w - 0.5 * x)
    ...     return (w * w).sum()
    >>> step(np.array([1.0, 1.0])).item(), step(np.array([1.0, 1.0])).item(), w
    (2.5, 1.0, Tensor([0., 1.]))
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.name = getattr(function, "__name__", repr(function))
        self._version = -1
        self._traced: dict[Any, list[tuple[Traced, dict[str, Any]]]] = {}

    def __get__(self, instance: Any, owner: Any) -> Any:
        return self if instance is None else types.MethodType(self, instance)

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        if mode.trace or mode.batches:  # within another trace, or on the examples of a vmap
            return self.function(*args, **keywords)
        leaves, structure = flatten((args, keywords))
        traced = self._find(leaves, structure)
        _check_cleared(traced)
        arrays = [getattr(leaves[i], "_data", leaves[i]) for i in traced.inputs]
        results = _runner(traced, arrays)(arrays)
        for leaf in traced.grads:
            leaf.grad = None
        return traced.answer(results, leaves)

    def loop(self, args: Sequence[Any], order: Any) -> Any:
        """A step for each row of `order`, on the entries of `args` that it names: an epoch.

        args: what the step takes batches of, as whole arrays, (n, ...); other arguments as they
        are. order: (steps, batch) integers in 0..n-1. Gives what the step returns, each result
        stacked, (steps, ...). The states end in the same bits as by single calls. Ctrl-C ends
        it after a step. Raises IndexError for an entry that is not there, ValueError for an order
        of another shape.

        >>> from autograd import Tensor, jit
        >>> total = Tensor(0.0)
        >>> @jit
        ... def step(x):
        ...     total.assign(total + x.sum())
        ...     return total * 1.0
        >>> step.loop((np.array([1.0, 2.0, 4.0]),), [[0, 1], [2, 2]])
        Tensor([ 3., 11.])
        """
        leaves, structure = flatten((tuple(args), {}))
        leaves = [getattr(leaf, "_data", leaf) for leaf in leaves]
        order = _checked_order(order, [leaf for leaf in leaves if is_input(leaf)])
        rows = order[0] if len(order) else np.zeros(order.shape[1], order.dtype)
        batch = [leaf.take(rows, axis=0) if is_input(leaf) else leaf for leaf in leaves]
        traced = self._find(batch, structure)
        _check_cleared(traced)
        first = [batch[i] for i in traced.inputs]
        results = _runner(traced, first).loop([leaves[i] for i in traced.inputs], order)
        for leaf in traced.grads:
            leaf.grad = None
        return traced.answer(results, batch)

    def lower(self, *args: Any, keep: Sequence[int] = (), **keywords: Any) -> Lowered:
        """What the step becomes for these arguments: its program, graph, kernels, memory and C,
        each to be printed. Nothing is run, and no state changes.

        keep: slots of the program (the %numbers of `.program`) whose values are to be in memory,
        though fusion would do without.
        """
        from .native import lowered

        leaves, structure = flatten((args, keywords))
        traced = self._find(leaves, structure)
        arrays = [getattr(leaves[i], "_data", leaves[i]) for i in traced.inputs]
        states = [tensor._data for _, tensor in traced.program.states]
        return lowered(traced.program, [(a.shape, a.dtype) for a in arrays], states, keep)

    @property
    def programs(self) -> list[Program]:
        """The programs it holds now; print one to read it."""
        return [traced.program for known in self._traced.values() for traced, _ in known]

    def _log(self, cause: str) -> None:
        import logging  # here: `import autograd` is to cost little beside NumPy

        logging.getLogger("autograd.jit").info("%s: traced again: %s", self.name, cause)

    def _find(self, leaves: list[Any], structure: Any) -> Traced:
        if self._version != changes.count:
            if self._traced:
                self._log("an attribute of a module was set")
            self._traced.clear()
            self._version = changes.count
        # Which arguments are one and the same Tensor is part of the key.
        same = [id(leaf) if is_input(leaf) else None for leaf in leaves]
        pattern = tuple(same.index(one) for one in same)
        key = (structure, mode.gradients, pattern, *map(_key, leaves))
        captured = _captured(self.function)
        for i, leaf in enumerate(leaves):
            if not is_input(leaf):
                _add_inside(f"argument {i}", leaf, captured)
        known = self._traced.setdefault(key, [])
        causes = []
        for traced, then in known:
            cause = _changed(traced, then, captured)
            if not cause:
                return traced
            causes.append(cause)
        if causes:
            self._log(causes[-1])
            # What is different at every call must not pile up programs.
            known[:] = [k for k, c in zip(known, causes, strict=True) if ".training" in c]
        traced = trace(self.function, leaves, structure)
        known.append((traced, captured))
        while len(self._traced) > MOST:
            del self._traced[next(iter(self._traced))]
        return traced


def _check_cleared(traced: Traced) -> None:
    for leaf in traced.uncleared:
        if leaf.grad is not None:
            raise TraceError(f"jit: {Trace.left_over(leaf)}")


def _runner(traced: Traced, arrays: list[Any]) -> Replayed:
    if traced.run is None:
        from .native import runner  # here: `import autograd` is to cost little beside NumPy

        traced.run = runner(traced.program, arrays)
    return traced.run


def _checked_order(order: Any, arrays: list[Any]) -> Any:
    order = np.asarray(order)
    if order.ndim != 2 or order.dtype.kind not in "iu":
        raise ValueError(
            f"loop: the order is integers of shape (steps, batch), not {order.dtype} of "
            f"shape {order.shape}"
        )
    sizes = {array.shape[0] if array.ndim else 0 for array in arrays}
    if order.size and sizes and not 0 <= order.min() <= order.max() < min(sizes):
        raise IndexError(f"loop: an entry of the order is outside 0..{min(sizes) - 1}")
    return order


def _key(leaf: Any) -> Any:
    if isinstance(leaf, Tensor):
        return Tensor, leaf.shape, leaf.dtype, leaf.requires_grad
    if isinstance(leaf, np.ndarray):
        return type(leaf), leaf.shape, leaf.dtype
    try:
        hash(leaf)
    except TypeError:
        raise TypeError(
            f"jit: an argument is an array, a Tensor or something hashable, not {leaf!r}"
        ) from None
    return type(leaf), repr(leaf) if isinstance(leaf, float) else leaf  # -0.0 is not 0.0


def _captured(function: Callable[..., Any]) -> dict[str, Any]:
    """What the step's own names outside it stand for now, and one level into what they name."""
    code = getattr(function, "__code__", None)
    if code is None:
        return {}
    cells = zip(code.co_freevars, function.__closure__ or (), strict=True)
    names = function.__globals__
    found = {name: names[name] for name in _names(code) if name in names}
    found |= {name: cell.cell_contents for name, cell in cells if _filled(cell)}
    for name, thing in list(found.items()):
        _add_inside(name, thing, found)
    return found


@functools.cache
def _names(code: types.CodeType) -> tuple[str, ...]:
    """The global names of a function and of those written in it."""
    inner = (_names(part) for part in code.co_consts if isinstance(part, types.CodeType))
    return sum(inner, code.co_names)


# What has no numbers of its own that a step could capture, or says itself when they change.
OPAQUE = (State, type, types.ModuleType, types.FunctionType, jit)


def _add_inside(name: str, thing: Any, found: dict[str, Any]) -> None:
    """Add the numbers and Tensors that a list, dict or plain object holds. (A Module counts its
    own changes, graph.changes.)"""
    if type(thing) in (list, tuple):
        parts: Any = ((f"{name}[{i}]", part) for i, part in enumerate(thing[:MOST]))
    elif type(thing) is dict:
        parts = ((f"{name}[{key!r}]", thing[key]) for key in list(thing)[:MOST])
    elif isinstance(thing, OPAQUE):
        return
    else:
        parts = ((f"{name}.{key}", part) for key, part in getattr(thing, "__dict__", {}).items())
    found.update((key, p) for key, p in parts if type(p) in SCALARS or isinstance(p, Tensor))


def _filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:  # the name has no value yet
        return False


def _changed(traced: Traced, then: dict[str, Any], now: dict[str, Any]) -> str:
    """What changed since the trace so that it no longer holds; nothing if nothing did."""
    for name in now.keys() | then.keys():
        if not _same(now.get(name), then.get(name)):
            return f"{name} was {then.get(name)!r}, is {now.get(name)!r}"
    for tensor, requires_grad in traced.frozen:
        if tensor.requires_grad is not requires_grad:
            return f"{tensor.name or 'a state'}.requires_grad is {tensor.requires_grad}"
    for reference, copy in traced.arrays:
        array = reference()
        if array is None or not _equal_bytes(array, copy):
            return f"an array of shape {copy.shape} that it uses was changed"
    for module, training in traced.training.items():
        if module._training is not training:
            return f"{type(module).__name__}.training is {module._training}"
    return ""


def _equal_bytes(array: Any, copy: Any) -> bool:
    if array.shape != copy.shape:
        return False
    if array.flags.c_contiguous and copy.flags.c_contiguous:
        return np.array_equal(array.reshape(-1).view(np.uint8), copy.reshape(-1).view(np.uint8))
    return bool(array.tobytes() == copy.tobytes())


def _same(now: Any, then: Any) -> bool:
    if now is then or type(now) is not type(then) or type(now) not in SCALARS:
        return now is then
    return repr(now) == repr(then)  # nan is nan, and -0.0 is not 0.0
