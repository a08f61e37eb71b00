"""The record of one run of a step: what it computes, captures, assigns, and does to gradients.

While a trace is on (mode.trace) the engine calls it for every operation on Tensors, the optimizer's
too. What Python could do that a record would silently get wrong is an error that names the line.
"""

from __future__ import annotations

import contextlib
import sys
import types
from typing import Any

import numpy as np

from ...modes.frames import PACKAGE
from ...modes.mode import mode
from ...primitives.indexing import index_p
from ...primitives.memory import base_array
from ...primitives.primitive import Primitive
from ...tensor import Tensor
from .program import TraceError

LARGE = 1 << 20  # bytes of a result that is not kept


def _line() -> str:
    """The line of the user's code that runs now."""
    frame: types.FrameType | None = sys._getframe(1)
    while frame and frame.f_code.co_filename.startswith((PACKAGE, contextlib.__file__)):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame else "unknown line"


class Trace:
    """The record of one run of a step. The engine tells it what happens (mode.trace)."""

    def __init__(self, inputs: list[Tensor]) -> None:
        self.inputs = inputs
        self.input_set = frozenset(inputs)  # looked up by identity; `in` a list would call ==
        self.events: list[Tensor | tuple[Tensor, Any]] = []
        self.first_error: TraceError | None = None
        self.lines: dict[Tensor, str] = {}  # of the results of operations
        self.captured: dict[int, tuple[Any, Any, str]] = {}  # by id: an array, its copy, the line
        self.engine_arrays: dict[int, Any] = {}  # by id: arrays that the engine made of lists
        self.created: set[Tensor] = set(inputs)  # leaves that did not exist before the step
        self.assigned: set[Tensor] = set()  # states
        self.grads: dict[Tensor, Any] = {}  # leaves whose .grad was read or set: its value before
        self.cleared: set[Tensor] = set()  # leaves whose .grad was set to None before it was read
        self.blank: Any = np.zeros(0, np.uint8)

    def error(self, message: str) -> TraceError:
        """An error that names the user's line. `trace` raises it even if the step catches it: what
        the step does then is done only while it is traced."""
        error = TraceError(f"jit: {message} ({_line()})")
        self.first_error = self.first_error or error
        return error

    # --- called by the engine ---

    def check(self, prim: Primitive, args: tuple[Any, ...]) -> None:
        """Called before an operation computes."""
        for i, arg in enumerate(args):
            if isinstance(arg, np.ndarray):
                self._capture(arg)
            elif isinstance(arg, Tensor):
                if prim is index_p and i and arg.dtype == np.bool_ and self._varies(arg):
                    raise self.error("index: the result's shape would depend on a traced mask")
                if arg.primitive is not None:
                    self._check_result(prim, arg, arg.primitive)

    def _check_result(self, prim: Primitive, arg: Tensor, made_by: Primitive) -> None:
        """An operation reads the result of another, which must be of the step, and up to date."""
        outside = arg not in self.lines and arg not in self.created
        if outside and arg.requires_grad:
            raise self.error(
                f"{prim.name} reads the result of {made_by.name} made outside the step, through "
                "which no gradient would flow; compute it in the step, or .detach() it"
            )
        for leaf in self.assigned:
            if arg.index < leaf.index and np.may_share_memory(arg._data, leaf._data):
                raise self.error(
                    f"{prim.name} reads a {made_by.name} of {leaf.name or 'a state'} that was "
                    "taken before the state was assigned; take it again"
                )

    def record(self, node: Tensor) -> None:
        """Called with the node of every operation."""
        self.events.append(node)
        self.lines[node] = _line()
        data = node._data
        is_own = data.base is None and all(data is not getattr(a, "_data", a) for a in node.args)
        if is_own and data.nbytes >= LARGE:
            node._data = self._blank(data)

    def _blank(self, array: Any) -> Any:
        """Zeros in place of an array, in memory that all such arrays share and nothing touches: the
        record keeps every result, and the numbers in it mean nothing."""
        if self.blank.size < array.nbytes:
            self.blank = np.zeros(array.nbytes, np.uint8)
        return self.blank[: array.nbytes].view(array.dtype).reshape(array.shape)

    def leaf_created(self, tensor: Tensor, data: Any) -> None:
        """Called with every leaf made in the step."""
        self.created.add(tensor)
        if isinstance(data, np.ndarray):
            self._capture(data)

    def array_created(self, array: Any) -> None:
        """Called with every array that the engine makes of a list: a constant, with no array
        outside to compare it with."""
        self.engine_arrays[id(array)] = array

    def assign(self, leaf: Tensor, value: Any) -> None:
        """Called instead of copying into a leaf."""
        if leaf in self.created:
            raise self.error(
                "assign to an argument or to a Tensor made in the step; state lives outside it"
            )
        if isinstance(value, np.ndarray):
            self._capture(value)
        self.events.append((leaf, value))
        self.assigned.add(leaf)

    def grad_read(self, leaf: Tensor) -> None:
        """Called before a leaf's .grad is read."""
        if leaf not in self.grads:
            self.grads[leaf] = leaf._grad_or_none()
            if self.grads[leaf] is not None and leaf not in self.cleared:
                raise self.error(self.stale_gradient(leaf))

    def grad_written(self, leaf: Tensor, grad: Any) -> None:
        """Called before a leaf's .grad is set."""
        if leaf not in self.grads:
            self.grads[leaf] = leaf._grad_or_none()
            if grad is None:
                self.cleared.add(leaf)

    @staticmethod
    def stale_gradient(leaf: Tensor) -> str:
        """The message about a gradient that is there before a call."""
        return (
            f"the gradient of {leaf.name or leaf!r} from before the step would be added to; "
            "gradients live inside a step: call zero_grad() before backward()"
        )

    # --- after the run ---

    def gradients(self) -> tuple[list[Tensor], list[Tensor]]:
        """The leaves from outside whose .grad the step reads or sets; and of these the ones that it
        does not clear first, whose .grad must be None before a call. Raises TraceError where such
        a .grad is left by the step."""
        outside = [leaf for leaf in self.grads if leaf not in self.created]
        uncleared = [leaf for leaf in outside if leaf not in self.cleared]
        for leaf in uncleared:
            if leaf._grad_or_none() is not None:
                raise TraceError(f"jit: {self.stale_gradient(leaf)}")
        return outside, uncleared

    def restore(self) -> None:
        """Put every .grad back as it was before the step."""
        for leaf, grad in self.grads.items():
            leaf._grad = grad

    def _varies(self, tensor: Tensor) -> bool:
        return (
            tensor.primitive is not None or tensor not in self.created or tensor in self.input_set
        )

    def _capture(self, array: Any) -> None:
        made_here = id(array) in self.engine_arrays or id(base_array(array)) in self.engine_arrays
        if mode.rules:  # a rule has computed it from constants, so it is a constant
            self.array_created(array)
        elif id(array) not in self.captured and not made_here:
            self.captured[id(array)] = (array, array.copy(), _line())
