"""Run a step's Python once and record what it computes.

While a trace is on (mode.trace) every operation on Tensors is recorded, the optimizer's
too. Tensors from outside are state, looked up at each call; numbers and arrays from outside are
constants. The tracing run itself changes no state. What Python could do that a record would get
wrong, silently, is an error that names the line.
"""

from __future__ import annotations

import contextlib
import gc
import sys
import types
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...graph import hooks, remember
from ...modes.frames import PACKAGE
from ...modes.mode import mode, set_mode
from ...nodes.numpy_protocols import COMPILED
from ...primitives.dtypes import check_native
from ...primitives.indexing import index_p
from ...primitives.memory import base_array
from ...primitives.primitive import Primitive
from ...tensor import Tensor, wrap
from ...transforms.tree import flatten, paths, unfit, unflatten
from .guards import Guards
from .program import Apply, Assign, Program, TraceError
from .replay import Replayed
from .watch import Watcher

INPUTS = (Tensor, np.ndarray)
STRINGS = (str, bytes)


def _line() -> str:
    """Where in the user's code we are."""
    frame: types.FrameType | None = sys._getframe(1)
    while frame and frame.f_code.co_filename.startswith((PACKAGE, contextlib.__file__)):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame else "unknown line"


class Trace:
    """The record of one run of a step. The engine tells it what happens (mode.trace)."""

    def __init__(self, inputs: list[Tensor]) -> None:
        self.inputs = inputs
        self.given = frozenset(inputs)  # looked up by identity; `in` a list would ask ==
        self.events: list[Tensor | tuple[Tensor, Any]] = []
        self.failed: TraceError | None = None
        self.lines: dict[Tensor, str] = {}
        self.arrays: dict[int, tuple[Any, Any, str]] = {}  # id: the array, its copy, the line
        self.owned: dict[int, Any] = {}  # arrays the engine itself made of lists
        self.created: set[Tensor] = set(inputs)  # leaves that did not exist before the step
        self.assigned: set[Tensor] = set()
        self.grads: dict[Tensor, Any] = {}  # leaves whose .grad was touched: what it was before
        self.cleared: set[Tensor] = set()  # leaves whose .grad was set to None before it was read

    def error(self, message: str) -> TraceError:
        """An error that names the user's line. It is raised whatever the step makes of it: what it
        would do instead is what it does only while it is traced."""
        error = TraceError(f"jit: {message} ({_line()})")
        self.failed = self.failed or error
        return error

    # --- what the engine tells ---

    def check(self, prim: Primitive, args: tuple[Any, ...]) -> None:
        """Called before an operation computes."""
        for i, arg in enumerate(args):
            if isinstance(arg, np.ndarray):
                self._capture(arg)
            elif isinstance(arg, Tensor):
                made_by = arg.primitive
                outside = made_by and arg not in self.lines and arg not in self.created
                if outside and arg.requires_grad:
                    raise self.error(
                        f"{prim.name} reads the result of {made_by and made_by.name} made "
                        "outside the step, through which no gradient would flow; compute it in the "
                        "step, or .detach() it"
                    )
                if prim is index_p and i and arg.dtype == np.bool_ and self._varies(arg):
                    raise self.error("index: the result's shape would depend on a traced mask")
                for leaf in self.assigned if arg.primitive else ():
                    if arg.index < leaf.index and np.may_share_memory(arg._data, leaf._data):
                        raise self.error(
                            f"{prim.name} reads a {arg.primitive.name if arg.primitive else ''} of "
                            f"{leaf.name or 'a state'} that was taken before the state was "
                            "assigned; take it again"
                        )

    def record(self, node: Tensor) -> None:
        """Called with the node of every operation."""
        self.events.append(node)
        self.lines[node] = _line()

    def captured(self, tensor: Tensor, data: Any) -> None:
        """Called with every leaf made in the step."""
        self.created.add(tensor)
        if isinstance(data, np.ndarray):
            self._capture(data)

    def own(self, array: Any) -> None:
        """Called with arrays that the engine makes of lists: constants, however short they live."""
        self.owned[id(array)] = array

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
                raise self.error(self.left_over(leaf))

    def grad_written(self, leaf: Tensor, grad: Any) -> None:
        """Called before a leaf's .grad is set."""
        if leaf not in self.grads:
            self.grads[leaf] = leaf._grad_or_none()
            if grad is None:
                self.cleared.add(leaf)

    @staticmethod
    def left_over(leaf: Tensor) -> str:
        """What to say of a gradient that a call would find from the one before."""
        return (
            f"the gradient of {leaf.name or leaf!r} from before the step would be added to; "
            "gradients live inside a step: call zero_grad() before backward()"
        )

    # --- what becomes of it ---

    def gradients(self) -> tuple[list[Tensor], list[Tensor]]:
        """The leaves from outside whose .grad the step touched, and those it had not cleared
        first, for which it must find none. An error if it would leave such a one behind."""
        touched = [leaf for leaf in self.grads if leaf not in self.created]
        uncleared = [leaf for leaf in touched if leaf not in self.cleared]
        for leaf in uncleared:
            if leaf._grad_or_none() is not None:
                raise TraceError(f"jit: {self.left_over(leaf)}")
        return touched, uncleared

    def restore(self) -> None:
        """Put every .grad back as it was before the step."""
        for leaf, grad in self.grads.items():
            leaf._grad = grad

    def _varies(self, tensor: Tensor) -> bool:
        return tensor.primitive is not None or tensor not in self.created or tensor in self.given

    def _capture(self, array: Any) -> None:
        made_here = id(array) in self.owned or id(base_array(array)) in self.owned
        if mode.rules:  # made by a rule of what are constants to it: itself one
            self.own(array)
        elif id(array) not in self.arrays and not made_here:
            self.arrays[id(array)] = (array, array.copy(), _line())

    def program(self, results: list[Tensor]) -> Program:
        """The record with every node replaced by the number of a slot."""
        slots: dict[Any, int] = {}
        states: list[tuple[int, Tensor]] = []
        constants: list[tuple[int, Any]] = []

        def slot(value: Any) -> int:
            known = isinstance(value, Tensor) and (value in self.lines or value in self.created)
            state = isinstance(value, Tensor) and not known
            if isinstance(value, Tensor) and value in self.created:
                value = value if value in self.given else value._data
            key: Any = value
            if isinstance(value, np.ndarray):
                key = id(value)
            elif not isinstance(value, Tensor):
                key = (type(value), repr(value))  # repr: -0.0 is not 0.0
            if key not in slots:
                slots[key] = len(slots)
                if state:
                    states.append((slots[key], value))
                elif not isinstance(value, Tensor):
                    _, kept, _ = self.arrays.get(id(value), (None, _copied(value), ""))
                    constants.append((slots[key], kept))
            return slots[key]

        inputs = tuple(slot(tensor) for tensor in self.inputs)
        steps: list[Apply | Assign] = []
        for event in self.events:
            if isinstance(event, tuple):
                steps.append(Assign(slot(event[0]), slot(event[1])))
            else:
                args = tuple(slot(arg) for arg in event.args)
                assert event.primitive
                what = event.shape, event.dtype, event.scope
                steps.append(Apply(event.primitive, args, event.params, slot(event), *what))
        answers = tuple(slot(result) for result in results)
        lasting = {*inputs, *answers, *(s for s, _ in states), *(s for s, _ in constants)}
        return Program(
            len(slots), inputs, tuple(states), tuple(constants),
            tuple(_freeing(steps, lasting)), answers,
        )  # fmt: skip


def _copied(value: Any) -> Any:
    return value.copy() if isinstance(value, np.ndarray) else value


def _freeing(steps: list[Apply | Assign], lasting: set[int]) -> list[Apply | Assign]:
    """The steps, each with the slots that it is the last to read."""
    seen = set(lasting)
    out: list[Apply | Assign] = []
    for step in reversed(steps):
        if isinstance(step, Assign):
            seen.add(step.source)
            out.append(step)
        else:
            read = {*step.args, step.out}
            frees = tuple(sorted(read - seen))
            seen |= read
            out.append(replace(step, frees=frees))
    return out[::-1]


@dataclass
class Traced:
    """A program, how to give its results, and what it took for granted."""

    program: Program
    inputs: list[int]  # which of the flattened arguments the program takes
    answer: Callable[[list[Any], list[Any]], Any]
    statics: list[tuple[int, Any]]  # arguments that it takes as they are
    guards: Guards  # what it read from outside
    through: bool  # whether a result is an argument or a state, as it is
    grads: list[Tensor]  # leaves whose .grad is None after the step
    uncleared: list[Tensor]  # of these, the ones whose .grad must be None before it
    run: Replayed | None = None  # what does the program, once it was needed
    once: bool = False  # it has run once only, by NumPy


def is_input(leaf: Any) -> bool:
    """Whether an argument is an input of the program; what is not is static."""
    return isinstance(leaf, INPUTS)


def trace(function: Callable[..., Any], leaves: list[Any], structure: Any) -> Traced:
    """Run the step once with a trace on; undo what it did to gradients, and check what it left."""
    places: dict[Tensor, int] = {}
    handed = list(leaves)
    met: dict[int, Tensor] = {}
    for i, leaf in enumerate(leaves):
        if is_input(leaf):
            # One Tensor given twice is one node, so that its gradient is whole.
            if id(leaf) not in met:
                places[_input(leaf, met)] = i
            handed[i] = met[id(leaf)]
    record = Trace(list(places))
    statics = [(i, leaf) for i, leaf in enumerate(leaves) if not is_input(leaf)]
    roots = [(f"argument {i}", leaf) for i, leaf in statics]
    watcher = Watcher([(getattr(function, "__name__", "the step"), function), *roots])
    try:
        # States keep their old values while the trace is on, so numbers in it mean nothing.
        with set_mode(trace=record, scope=()), np.errstate(all="ignore"), watcher:
            args, keywords = unflatten(iter(handed), structure)
            answer = function(*args, **keywords)
        if record.failed:
            raise record.failed
        del args, keywords, handed
        grads, uncleared = record.gradients()
    finally:
        record.restore()
    flat, shape = flatten(answer)
    del answer
    _check_results(flat, shape)
    give = [_giver(result, record, places) for result in flat]
    results = [result for result, place in zip(flat, give, strict=True) if place is None]
    gradient = [result.requires_grad for result in results]
    through = any(g and isinstance(r, Tensor) for r, g in zip(flat, give, strict=True))
    program = record.program(results)
    states = [tensor for _, tensor in program.states]
    for leaf in leaves:
        if isinstance(leaf, Tensor) and any(leaf is state for state in states):
            raise TraceError(
                f"jit: {leaf.name or leaf!r} is an argument of the step and is used from outside "
                "too; the trace would take it for two Tensors: do one of the two"
            )
    kept = [(weakref.ref(node), "an argument") for node in record.inputs]
    nodes = [
        (weakref.ref(node), str(node.primitive and node.primitive.name), line)
        for node, line in record.lines.items()
    ]
    arrays = [(_again(array), copy, line) for array, copy, line in record.arrays.values()]
    program = replace(program, captured=tuple(array for array, *_ in arrays))
    given_at = list(places.values())
    del record, places, results, flat, met
    guards, refusal = watcher.guards(), watcher.refusal
    del watcher
    _check_left(nodes, kept)
    _check_read(refusal, arrays)
    _guard(guards, states, arrays)

    def present(computed: list[Any], given: list[Any]) -> Any:
        sources = [x for x in (*given, *states) if isinstance(x, Tensor) and x.requires_grad]
        pairs = zip(computed, gradient, strict=True)
        made = iter([_result(array, sources if g else []) for array, g in pairs])
        return unflatten(iter([next(made) if g is None else g(given) for g in give]), shape)

    return Traced(program, given_at, present, statics, guards, through, grads, uncleared)


def _input(leaf: Any, met: dict[int, Tensor]) -> Tensor:
    """The node that stands for an argument in the trace."""
    if not isinstance(leaf, Tensor):
        met[id(leaf)] = node = wrap(check_native(leaf, "jit"))
        return node
    met[id(leaf)] = node = wrap(leaf._data)
    node.requires_grad, node.name = leaf.requires_grad, leaf.name
    if id(leaf) in hooks:
        remember(hooks, node, hooks[id(leaf)])
    return node


def _guard(guards: Guards, states: list[Tensor], arrays: list[Any]) -> None:
    """Guards for what the operations themselves took from outside."""
    for tensor in states:
        guards.requires_grad(tensor)
        guards.hooks[tensor] = tuple(hooks.get(id(tensor), ()))
    seen = {id(thing) for thing, _, _ in guards.contents}
    for again, kept, _ in arrays:
        array = again()  # None: it was made in the step, of what has guards of its own
        if array is not None and id(base_array(array)) not in seen:
            guards.arrays.append((again, kept))
    guards.freeze()


def _again(array: Any) -> Callable[[], Any]:
    """A function that gives the array for as long as someone outside holds its memory, else None.
    A view (`table.T`, `table[3]`) is made anew from the array it is a view of."""
    owner = base_array(array)
    if owner is array or not isinstance(owner, np.ndarray):
        return weakref.ref(array)
    place = array.ctypes.data - owner.ctypes.data
    shape, dtype, strides, alive = array.shape, array.dtype, array.strides, weakref.ref(owner)

    def view() -> Any:
        whole = alive()
        if whole is None:
            return None
        flat = whole if whole.flags.c_contiguous else whole.T
        return np.ndarray(shape, dtype, flat, place, strides)

    return view


def _check_results(results: list[Any], structure: Any) -> None:
    """What may hold Tensors out of sight is no result: they would never change again."""
    for result, path in zip(results, paths(structure), strict=True):
        if not isinstance(result, (*INPUTS, *STRINGS)) and isinstance(result, Iterable):
            raise TraceError(f"jit: {unfit(result, f'the result{path}')}")


def _giver(result: Any, trace: Trace, places: dict[Tensor, int]) -> Any:
    """How a result that is not computed is given: a function of the arguments; else None."""
    if isinstance(result, np.ndarray):
        raise TraceError(
            "jit: a result is a NumPy array, which the trace cannot follow; return a Tensor"
        )
    if result in places if isinstance(result, Tensor) else False:
        return lambda given, i=places[result]: given[i]
    if isinstance(result, Tensor) and (result.primitive is not None or result in trace.created):
        return None
    return lambda given: result


def _check_left(nodes: list[Any], kept: list[Any]) -> None:
    """No node may outlive the trace."""
    if any(node() is not None for node, *_ in (*nodes, *kept)):
        gc.collect()
    for node, name, line in reversed(nodes):  # the newest keeps the others alive
        if node() is not None:
            raise TraceError(
                f"jit: the result of {name} made at {line} is kept beyond the step, where it "
                "would never change again; return it, or .assign(...) it to a Tensor from outside"
            )
    for node, what in kept:
        if node() is not None:
            raise TraceError(
                f"jit: {what} is kept beyond the step, where it would never change again; return "
                "it, or .assign(...) it to a Tensor from outside"
            )


def _check_read(refusal: str, arrays: list[Any]) -> None:
    """Nothing may have been read that could change unseen."""
    if not refusal:
        return
    for again, kept, line in arrays:
        if again() is None:
            raise TraceError(
                f"jit: a NumPy array of shape {kept.shape} used at {line} was made in the step and "
                f"would be the same at every call: {refusal}"
            )
    raise TraceError(f"jit: {refusal}; it would be the same at every call")


def _result(data: Any, sources: list[Tensor]) -> Tensor:
    """A result that knows what it depends on, and refuses to be differentiated by it."""
    node = wrap(data)
    if sources:
        node.primitive, node.args, node.params, node.requires_grad = (
            COMPILED,
            tuple(sources),
            {},
            True,
        )
    return node
