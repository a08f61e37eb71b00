"""Run a step's Python once, and make a program and its guards of it.

Tensors from outside are states, looked up at each call; numbers and arrays from outside are
constants, compared at each call. The tracing run itself changes no state. record.py says what the
engine tells of the run, outside/watch.py what else the step reads.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...graph import hooks, remember
from ...modes.mode import set_mode
from ...primitives.dtypes import check_native
from ...primitives.memory import base_array
from ...tensor import Tensor, wrap
from ...transforms.tree import unflatten
from .answer import Answer, answer_of
from .outside.guards import Guards
from .outside.watch import Watcher
from .program import Program, TraceError
from .record import Trace
from .replay import Replayed
from .slots import build_program

INPUTS = (Tensor, np.ndarray)


@dataclass
class Traced:
    """A program, how to give its results, and what it took for granted."""

    program: Program
    inputs: list[int]  # which of the flattened arguments the program takes
    answer: Answer
    statics: list[tuple[int, Any]]  # arguments that it takes as they are
    guards: Guards  # what it read from outside
    grads: list[Tensor]  # leaves whose .grad is None after the step
    uncleared: list[Tensor]  # of these, the ones whose .grad must be None before it
    run: Replayed | None = None  # runs the program, once it was needed
    single_use: bool = False  # it has run only once, by NumPy


def is_input(leaf: Any) -> bool:
    """Whether an argument is an input of the program; any other is static."""
    return isinstance(leaf, INPUTS)


def trace(function: Callable[..., Any], leaves: list[Any], structure: Any) -> Traced:
    """Run the step once with a trace on; undo what it did to gradients, and check what it left."""
    statics = [(i, leaf) for i, leaf in enumerate(leaves) if not is_input(leaf)]
    roots = [(f"argument {i}", leaf) for i, leaf in statics]
    watcher = Watcher([(getattr(function, "__name__", "the step"), function), *roots])
    # No node is left in this frame: what is alive after the run is held by the user.
    run = _run(function, leaves, structure, watcher)
    guards, refusal = watcher.guards(), watcher.refusal
    del watcher
    _check_left(run.nodes, run.input_nodes)
    _check_refusal(refusal, run.captured)
    _add_guards(guards, run.answer.states, run.captured)
    return Traced(run.program, run.inputs, run.answer, statics, guards, run.grads, run.uncleared)


@dataclass
class _Run:
    """What a tracing run leaves, without its nodes."""

    program: Program
    inputs: list[int]
    answer: Answer
    captured: list[Any]  # arrays from outside: a reference, a copy, the line
    nodes: list[tuple[weakref.ref[Tensor], str, str]]  # and the operations, and their lines
    input_nodes: list[weakref.ref[Tensor]]
    grads: list[Tensor]
    uncleared: list[Tensor]


def _run(function: Callable[..., Any], leaves: list[Any], structure: Any, watcher: Watcher) -> _Run:
    nodes = _input_nodes(leaves)
    numbers: dict[Tensor, int] = {}  # the first argument that each node stands for
    for i, leaf in enumerate(leaves):
        if is_input(leaf):
            numbers.setdefault(nodes[id(leaf)], i)
    record = Trace(list(numbers))
    replaced = [nodes[id(leaf)] if is_input(leaf) else leaf for leaf in leaves]
    try:
        # States keep their old values while the trace is on, so numbers in it mean nothing.
        with set_mode(trace=record, scope=()), np.errstate(all="ignore"), watcher:
            args, keywords = unflatten(iter(replaced), structure)
            returned = function(*args, **keywords)
        if record.first_error:
            raise record.first_error
        grads, uncleared = record.gradients()
    finally:
        record.restore()
    answer, results = answer_of(returned, record, numbers)
    captured = [(_reference(a), copy, line) for a, copy, line in record.captured.values()]
    program = build_program(record, results, tuple(reference for reference, *_ in captured))
    answer.states = [tensor for _, tensor in program.states]
    _check_arguments(leaves, answer.states)
    made = [
        (weakref.ref(node), str(node.primitive and node.primitive.name), line)
        for node, line in record.lines.items()
    ]
    inputs = [weakref.ref(node) for node in record.inputs]
    return _Run(program, list(numbers.values()), answer, captured, made, inputs, grads, uncleared)


def _input_nodes(leaves: list[Any]) -> dict[int, Tensor]:
    """The nodes that stand for arguments in the trace, by the ids of these. One Tensor given twice
    is one node, so that its gradient is whole."""
    nodes: dict[int, Tensor] = {}
    for leaf in leaves:
        if not is_input(leaf) or id(leaf) in nodes:
            continue
        if not isinstance(leaf, Tensor):
            nodes[id(leaf)] = wrap(check_native(leaf, "jit"))
            continue
        nodes[id(leaf)] = node = wrap(leaf._data)
        node.requires_grad, node.name = leaf.requires_grad, leaf.name
        if id(leaf) in hooks:
            remember(hooks, node, hooks[id(leaf)])
    return nodes


def _reference(array: Any) -> Callable[[], Any]:
    """A weak reference to an array: it gives the array while someone outside holds its memory, else
    None. A view (`table.T`, `table[3]`) is made anew from the array it is a view of."""
    owner = base_array(array)
    if owner is array or not isinstance(owner, np.ndarray):
        return weakref.ref(array)
    offset = array.ctypes.data - owner.ctypes.data
    shape, dtype, strides, alive = array.shape, array.dtype, array.strides, weakref.ref(owner)

    def view() -> Any:
        whole = alive()
        if whole is None:
            return None
        flat = whole if whole.flags.c_contiguous else whole.T
        return np.ndarray(shape, dtype, flat, offset, strides)

    return view


def _add_guards(guards: Guards, states: list[Tensor], captured: list[Any]) -> None:
    """Guards for what the operations themselves took from outside."""
    for tensor in states:
        guards.requires_grad(tensor)
        guards.hooks[tensor] = tuple(hooks.get(id(tensor), ()))
    compared = {id(obj) for obj, _, _ in guards.contents}
    for reference, copy, _ in captured:
        array = reference()  # None: made in the step, from what has guards of its own
        if array is not None and id(base_array(array)) not in compared:
            guards.arrays.append((reference, copy))
    guards.freeze()


# --- checks of the run ---------------------------------------------------------------------------


def _check_arguments(leaves: list[Any], states: list[Tensor]) -> None:
    """No argument may be a state too."""
    for leaf in leaves:
        if isinstance(leaf, Tensor) and any(leaf is state for state in states):
            raise TraceError(
                f"jit: {leaf.name or leaf!r} is an argument of the step and is used from outside "
                "too; the trace would take it for two Tensors: do one of the two"
            )


def _check_left(nodes: list[Any], input_nodes: list[Any]) -> None:
    """No node may outlive the trace."""
    if any(node() is not None for node in (*(node for node, *_ in nodes), *input_nodes)):
        gc.collect()
    for node, name, line in reversed(nodes):  # the newest keeps the others alive
        if node() is not None:
            raise _left_error(f"the result of {name} made at {line}")
    if any(node() is not None for node in input_nodes):
        raise _left_error("an argument")


def _left_error(what: str) -> TraceError:
    return TraceError(
        f"jit: {what} is kept beyond the step, where it would never change again; return it, or "
        ".assign(...) it to a Tensor from outside"
    )


def _check_refusal(refusal: str, captured: list[Any]) -> None:
    """Nothing may have been read that no guard can compare."""
    if not refusal:
        return
    for reference, copy, line in captured:
        if reference() is None:
            raise TraceError(
                f"jit: a NumPy array of shape {copy.shape} used at {line} was made in the step and "
                f"would be the same at every call: {refusal}"
            )
    raise TraceError(f"jit: {refusal}; it would be the same at every call")
