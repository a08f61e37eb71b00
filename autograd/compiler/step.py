"""jit: trace a step at its first call, then run it compiled, and trace again when it must be."""

from __future__ import annotations

import functools
import sys
import types
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..graph import hooks
from ..modes.mode import mode
from ..ranks import world
from ..state import counted
from ..tensor import Tensor
from ..transforms.tree import flatten
from .frontend.outside.guards import MAX_SHOWN
from .frontend.program import Program, TraceError
from .frontend.record import Trace
from .frontend.replay import Replayed
from .frontend.trace import INPUTS, Traced, is_input, trace

if TYPE_CHECKING:
    from .runtime.lowered import Lowered

MAX_KEYS = 64  # for which a step keeps programs
MAX_PROGRAMS = 8  # of each key
MAX_RETRACES = 4  # traces in a row, each good for one call, before a warning


class jit:
    """Trace a step at its first call, compile it, and run that: the same numbers up to rounding,
    without the Python. (Where there is no C compiler NumPy runs the trace, with the same bits.)

    Arguments that are arrays or Tensors (also in lists, tuples and dicts) are inputs; everything
    else is static. A new trace is made for every new shape, dtype and static argument, and:

    **Everything the step reads from outside is compared before every call, and the step is traced
    again if something has changed; what cannot be compared (random numbers, clocks, files) is an
    error.**

    Arrays from outside are compared too, at every call: pass data as arguments, or hold it in a
    Tensor. If the step appends to a list, or sets an attribute of an object, that is done only when
    it is traced.

    Gradients live inside the step: `.grad` is None after it. A result does not differentiate
    further. Raises TraceError where the trace could not repeat what Python did:
    reading a traced value, writing `.data`, a gradient from before the step, a Tensor that
    outlives the step without being returned or assigned. If something differs at every call, every
    call is traced and run by NumPy, which is right but slow; a warning says once what differs.

    >>> from autograd import Tensor, jit
    >>> w = Tensor([1.0, 2.0])
    >>> @jit
    ... def step(x):
    ...     w.assign(w - 0.5 * x)
    ...     return (w * w).sum()
    >>> step(np.array([1.0, 1.0])).item(), step(np.array([1.0, 1.0])).item(), w
    (2.5, 1.0, Tensor([0., 1.]))
    >>> print(step)  # doctest: +ELLIPSIS
    jit(step): 1 trace
      float64[2]: ...
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.name = getattr(function, "__name__", type(function).__name__)
        self._traced: dict[Any, list[Traced]] = {}
        self._last_key: Any = None
        self._traces_in_a_row = 0
        self._warned = False

    def __repr__(self) -> str:
        lines = [
            f"\n  {_signature(key)}: {traced.run or 'not run yet'}"
            for key, known in self._traced.items()
            for traced in known
        ]
        return f"jit({self.name}): {counted(len(lines), 'trace')}{''.join(lines)}"

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

        args: the step's arguments, with whole arrays (n, ...) in place of batches. order:
        (steps, batch) integers in 0..n-1. Gives what the step returns, each result stacked,
        (steps, ...). The states end in the same bits as by single calls. Ctrl-C ends it after a
        step. Raises IndexError for an entry outside 0..n-1, ValueError for an order of another
        shape and for a result that is an argument or a state itself.

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
        order = checked_order(order, [leaf for leaf in leaves if is_input(leaf)])
        rows = order[0] if len(order) else np.zeros(order.shape[1], order.dtype)
        batch = [leaf.take(rows, axis=0) if is_input(leaf) else leaf for leaf in leaves]
        traced = self._find(batch, structure)
        _check_cleared(traced)
        if traced.answer.passes_through:
            raise ValueError(
                "loop: a result of the step is an argument or a state itself, which would be the "
                "same Tensor for all steps; return what is computed from it, such as x * 1.0"
            )
        first = [batch[i] for i in traced.inputs]
        results = _runner(traced, first).loop([leaves[i] for i in traced.inputs], order)
        for leaf in traced.grads:
            leaf.grad = None
        return traced.answer(results, batch)

    def lower(self, *args: Any, keep: Sequence[int] = (), **keywords: Any) -> Lowered:
        """What the step becomes for these arguments: its program, graph, kernels, memory and C,
        each of which can be printed. Nothing is run, and no state changes.

        keep: slots of the program (the %numbers of `.program`) whose values are to be in memory,
        even where fusion needs none.
        """
        from .runtime.lowered import lowered

        leaves, structure = flatten((args, keywords))
        traced = self._find(leaves, structure)
        arrays = [getattr(leaves[i], "_data", leaves[i]) for i in traced.inputs]
        states = [tensor._data for _, tensor in traced.program.states]
        return lowered(traced.program, [(a.shape, a.dtype) for a in arrays], states, keep)

    @property
    def programs(self) -> list[Program]:
        """The programs that it keeps now; print one to read it."""
        return [traced.program for known in self._traced.values() for traced in known]

    def _find(self, leaves: list[Any], structure: Any) -> Traced:
        # The key says which arguments are the same object.
        same = [id(leaf) if is_input(leaf) else None for leaf in leaves]
        pattern = tuple(same.index(one) for one in same)
        modes = mode.gradients, world()
        key = (structure, modes, mode.watch, pattern, *map(_key, leaves))
        known = self._traced.setdefault(key, [])
        cause = ""
        for i, traced in enumerate(known):
            other = _replaced_argument(traced, leaves) or traced.guards.changed()
            if not other:
                if i:
                    known.insert(0, known.pop(i))  # the last used is compared first
                if traced.single_use:
                    traced.single_use, traced.run = False, None
                self._last_key, self._traces_in_a_row = key, 0
                return traced
            cause = cause or other
        cause = cause or _difference(self._last_key, key)
        self._last_key = key
        return self._trace(leaves, structure, known, cause)

    def _trace(self, leaves: list[Any], structure: Any, known: list[Traced], cause: str) -> Traced:
        """Trace the step. cause: what has changed; empty at the first call."""
        if cause:
            self._log(cause)
        traced = trace(self.function, leaves, structure)
        itself = traced.guards.changed()
        if not itself:  # else the step itself changes what it reads, and no later call fits
            known.insert(0, traced)
            del known[MAX_PROGRAMS:]
        while len(self._traced) > MAX_KEYS:
            del self._traced[next(iter(self._traced))]
        self._traces_in_a_row = self._traces_in_a_row + 1 if cause or itself else 0
        if self._traces_in_a_row > MAX_RETRACES or itself:
            why = f"something differs at every call: {itself or cause}"
            traced.single_use, traced.run = True, Replayed(traced.program, why)
        if self._traces_in_a_row > MAX_RETRACES:
            self._warn(itself or cause)
        return traced

    def _log(self, cause: str) -> None:
        import logging  # here: `import autograd` stays cheap

        logging.getLogger("autograd.jit").info("%s: traced again: %s", self.name, cause)

    def _warn(self, cause: str) -> None:
        import logging

        if not self._warned:
            self._warned = True
            logging.getLogger("autograd.jit").warning(
                "%s is traced anew, and run by NumPy, at every call, because something differs at "
                "each: %s; pass it as an array, or hold it in a Tensor",
                self.name,
                cause,
            )


def _replaced_argument(traced: Traced, leaves: list[Any]) -> str:
    """A static argument that equals the traced one, but is another object, which may hold other
    numbers; in words, empty if there is none."""
    for i, then in traced.statics:
        if leaves[i] is not then and type(then).__module__ not in sys.stdlib_module_names:
            return f"argument {i} is another {type(then).__name__}"
    return ""


def _signature(key: Any) -> str:
    return ", ".join(map(_argument_in_words, key[4:])) or "no arguments"


def _argument_in_words(part: Any) -> str:
    """An argument in a key: an array's dtype and shape, or a static value."""
    kind, value = part[:2]
    if issubclass(kind, INPUTS):
        return f"{part[2]}{list(value)}"
    text = value if isinstance(value, str) and kind is not str else repr(value)
    return text if len(text) <= MAX_SHOWN else f"another {kind.__name__}"


def _difference(then: Any, now: Any) -> str:
    """The static argument in which two keys differ; empty if they differ in something else."""
    if then is None or len(then) != len(now) or then[0] != now[0]:
        return ""
    for i, (one, other) in enumerate(zip(then[4:], now[4:], strict=True)):
        if one != other and one[0] is other[0] not in INPUTS:
            return f"argument {i} was {_argument_in_words(one)}, is {_argument_in_words(other)}"
    return ""


def _check_cleared(traced: Traced) -> None:
    for leaf in traced.uncleared:
        if leaf.grad is not None:
            raise TraceError(f"jit: {Trace.stale_gradient(leaf)}")


def _runner(traced: Traced, arrays: list[Any]) -> Replayed:
    if traced.run is None:
        try:
            from .runtime.native import runner  # here: `import autograd` stays cheap
        except OSError as error:
            _print_once(f"a step is replayed by NumPy, not compiled: {error}")
            traced.run = Replayed(traced.program, str(error))
        else:
            traced.run = runner(traced.program, arrays)
    return traced.run


@functools.cache
def _print_once(message: str) -> None:
    """Print a message once: so many files are open that `logging` cannot be imported."""
    print(message, file=sys.stderr)


def checked_order(order: Any, arrays: Sequence[Any]) -> Any:
    """The order of a loop, as an array. ValueError if it has another shape or dtype; IndexError if
    an entry of it is not in all arrays."""
    order = np.asarray(order)
    if order.ndim != 2 or order.dtype.kind not in "iu":
        raise ValueError(
            f"loop: order must be integers of shape (steps, batch), not {order.dtype} of "
            f"shape {order.shape}"
        )
    sizes = {array.shape[0] if array.ndim else 0 for array in arrays}
    if order.size and sizes and not 0 <= order.min() <= order.max() < min(sizes):
        raise IndexError(f"loop: an entry of the order is outside 0..{min(sizes) - 1}")
    return order


def _key(leaf: Any) -> Any:
    if isinstance(leaf, Tensor):
        hooked = tuple(hooks.get(id(leaf), ())) if hooks else ()
        return Tensor, leaf.shape, leaf.dtype, leaf.requires_grad, leaf.name, hooked
    if isinstance(leaf, np.ndarray):
        return type(leaf), leaf.shape, leaf.dtype
    try:
        hash(leaf)
    except TypeError:
        raise TypeError(
            f"jit: an argument must be an array, a Tensor or hashable, not a {type(leaf).__name__}"
        ) from None
    exact = isinstance(leaf, float | complex | frozenset)  # -0.0 is not 0.0
    return type(leaf), repr(leaf) if exact else leaf
