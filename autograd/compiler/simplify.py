"""Stage 1, from a program to a graph: what a step computes, without order, memory or repetition.

A state is read as it was before the step, and what it becomes is one of the graph's answers. Rows
composed of others are taken apart, equal expressions shared, constants computed, reshapes undone,
and what nothing needs left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..indexing import ARRAY
from ..operators import Operators
from ..ops import add, mul, sqrt, sum_row
from ..rows import Row
from ..shapes import cast_row, reshape_row, transpose_row
from .program import Assign, Program

Shape = tuple[int, ...]
Spec = tuple[Shape, np.dtype[Any]]

INPUT = Row("input", "an argument of the step", lambda: None, ())
STATE = Row("state", "a Tensor from outside, as it was before the step", lambda: None, ())
CONSTANT = Row("constant", "what never changes", lambda: None, ())
LEAVES = (INPUT, STATE, CONSTANT)

# Rows whose result NumPy gives as a view: of a state, it shows what is written there later.
VIEWS = frozenset(("same", "detach", "transpose", "reshape", "broadcast_to", "index", "sum_to"))


class RefusedError(Exception):
    """This step is not compiled; the message says why."""


@dataclass(frozen=True)
class Op:
    """A row applied to older ops, by their numbers. A leaf has its place or value in `params`."""

    row: Row
    args: tuple[int, ...]
    params: dict[str, Any]
    shape: Shape
    dtype: Any
    scope: tuple[str, ...] = ()


@dataclass(frozen=True)
class Graph:
    """How many inputs there are; the ops, each after its arguments; the results; and what becomes
    of states, as pairs of a state's place in the program and an op."""

    inputs: int
    ops: tuple[Op, ...]
    results: tuple[int, ...]
    writes: tuple[tuple[int, int], ...]
    kept: tuple[int, ...] = ()  # ops that are to be in memory, though nothing needs them there

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        for number, op in enumerate(self.ops):
            args = [f"%{arg}" for arg in op.args]
            args += [f"{name}={_brief(value)}" for name, value in op.params.items()]
            shape = list(op.shape)
            yield f"%{number} = {op.row.name}({', '.join(args)}) {op.dtype}{shape}"
        for state, op_number in self.writes:
            yield f"state {state} := %{op_number}"
        yield f"results {', '.join(f'%{number}' for number in self.results)}"


def _brief(value: Any) -> str:
    return f"{value.dtype}{list(value.shape)}" if getattr(value, "shape", ()) else str(value)


def simplify(program: Program, inputs: Sequence[Spec], keep: Sequence[int] = ()) -> Graph:
    """The graph of a program on inputs of these shapes and dtypes.

    keep: slots of the program whose values are to be in memory when the step has been done.
    Raises RefusedError where a result is a view of a state that is written after it was taken.
    """
    build = _Builder()
    value: dict[int, int] = {}
    viewed: dict[int, int] = {}  # slots that are views of a state, and that state's slot
    for place, (slot, spec) in enumerate(zip(program.inputs, inputs, strict=True)):
        value[slot] = build.leaf(INPUT, place, *spec)
    for slot, constant in program.constants:
        value[slot] = build.constant(constant)
    places = {}
    for place, (slot, tensor) in enumerate(program.states):
        value[slot] = build.leaf(STATE, place, tensor.shape, tensor.dtype)
        places[slot], viewed[slot] = place, slot
    written: dict[int, int] = {}
    for step in program.steps:
        if isinstance(step, Assign):
            _, tensor = program.states[places[step.state]]
            taken = build.cast(value[step.source], tensor.shape, tensor.dtype)
            value[step.state] = written[step.state] = taken
            if any(viewed.get(slot) == step.state for slot in program.results):
                raise RefusedError("a result is a view of a state that the step writes")
            continue
        args = tuple(value[slot] for slot in step.args)
        value[step.out] = build.add(
            Op(step.row, args, step.params, step.shape, step.dtype, step.scope)
        )
        if step.row.name in VIEWS and step.args[0] in viewed:
            viewed[step.out] = viewed[step.args[0]]
    writes = tuple((places[slot], op) for slot, op in written.items())
    results = tuple(value[slot] for slot in program.results)
    kept = tuple(value[slot] for slot in keep)
    return _needed(Graph(len(inputs), tuple(build.ops), results, writes, kept))


def _needed(graph: Graph) -> Graph:
    """The ops that results and writes depend on, numbered anew."""
    ops = graph.ops
    wanted = {*graph.results, *(op for _, op in graph.writes), *graph.kept}
    for number in range(len(ops) - 1, -1, -1):
        if number in wanted:
            wanted.update(ops[number].args)
    order = sorted(wanted)
    new = {number: i for i, number in enumerate(order)}
    kept = (ops[number] for number in order)
    return Graph(
        graph.inputs,
        tuple(replace(op, args=tuple(new[arg] for arg in op.args)) for op in kept),
        tuple(new[number] for number in graph.results),
        tuple((state, new[number]) for state, number in graph.writes),
        tuple(new[number] for number in graph.kept),
    )


class _Builder:
    """The graph as it grows. `add` gives the number of an op that computes the same."""

    def __init__(self) -> None:
        self.ops: list[Op] = []
        self.known: dict[Any, int] = {}

    def leaf(self, row: Row, place: int, shape: Shape, dtype: Any) -> int:
        return self._append(Op(row, (), {"place": place}, shape, dtype))

    def constant(self, value: Any) -> int:
        """A number of Python's, which takes the dtype of what it meets, or an array."""
        array = np.asarray(value)
        op = Op(CONSTANT, (), {"value": value}, array.shape, array.dtype)
        if array.size > 1:
            return self._append(op)
        return self._shared((type(value), array.dtype, array.shape, array.tobytes()), op)

    def cast(self, number: int, shape: Shape, dtype: Any) -> int:
        if self.ops[number].dtype == dtype and self.ops[number].shape == shape:
            return number
        assert self.ops[number].shape == shape
        return self.add(Op(cast_row, (number,), {"dtype": dtype}, shape, dtype))

    def value(self, number: int) -> Any:
        """What a constant is; None for any other op."""
        return self.ops[number].params["value"] if self.ops[number].row is CONSTANT else None

    def add(self, op: Op) -> int:
        """The number of this op, of its parts, or of what is simpler and the same."""
        rewrite = _REWRITES.get(op.row.name)
        number = rewrite(self, op) if rewrite else None
        if number is not None:
            return number
        if callable(op.row.code):
            args = [_Ref(self, arg) for arg in op.args]
            composed = op.row.code(*args, **op.params)
            if (composed.shape, composed.dtype) == (op.shape, op.dtype):
                return int(composed.number)
        if self._folds(op):
            values = [self.value(arg) for arg in op.args]
            with np.errstate(all="ignore"):
                return self.constant(np.asarray(op.row.on_array(*values, **op.params)))
        return self._shared((op.row, op.args, _told_apart(op.params)), op)

    def _folds(self, op: Op) -> bool:
        """Whether it is a constant, and one that takes no more memory than what it is made of."""
        if not all(self.ops[arg].row is CONSTANT for arg in op.args):
            return False
        return math.prod(op.shape) <= max(math.prod(self.ops[arg].shape) for arg in op.args)

    def infer(self, row: Row, args: tuple[int, ...], params: dict[str, Any]) -> Op:
        """The op with the shape and dtype that NumPy gives it."""
        values = []
        for arg in args:
            value = self.value(arg)
            op = self.ops[arg]
            values.append(np.zeros(op.shape, op.dtype) if value is None else value)
        with np.errstate(all="ignore"):
            out = np.asarray(row.on_array(*values, **params))
        return Op(row, args, params, out.shape, out.dtype)

    def _shared(self, key: Any, op: Op) -> int:
        if key not in self.known:
            self.known[key] = self._append(op)
        return self.known[key]

    def _append(self, op: Op) -> int:
        self.ops.append(op)
        return len(self.ops) - 1


def _told_apart(params: Any) -> str:
    """A text that two ops have in common only if their params are the same to the last bit."""
    if isinstance(params, dict):
        return str({name: _told_apart(value) for name, value in params.items()})
    if isinstance(params, tuple | list):
        return str([type(params).__name__, *map(_told_apart, params)])
    if isinstance(params, np.ndarray):  # whose repr leaves out entries and digits
        return f"{params.dtype}{params.shape}{params.tobytes()!r}"
    plain = int | float | bool | str | None | slice | np.dtype | np.generic
    return repr(params) if isinstance(params, plain) else f"{type(params).__name__} {id(params)}"


class _Ref(Operators):
    """An op in the hands of a row's `code`, which composes it of other rows."""

    def __init__(self, build: _Builder, number: int) -> None:
        self.build, self.number = build, number
        op = build.ops[number]
        self.shape, self.dtype, self.ndim = op.shape, op.dtype, len(op.shape)

    @classmethod
    def _record(cls, row: Row, args: tuple[Any, ...], params: dict[str, Any]) -> _Ref:
        build = next(arg.build for arg in args if isinstance(arg, _Ref))
        numbers = tuple(a.number if isinstance(a, _Ref) else build.constant(a) for a in args)
        return cls(build, build.add(build.infer(row, numbers, params)))


# --- what is simpler and the same: functions that give its number, or None ------------------------


def _identity(build: _Builder, op: Op) -> int | None:
    (arg,) = op.args
    before = build.ops[arg]
    return arg if (before.shape, before.dtype) == (op.shape, op.dtype) else None


def _transpose(build: _Builder, op: Op) -> int | None:
    axes, before = op.params["axes"], build.ops[op.args[0]]
    if axes == tuple(range(len(axes))):
        return op.args[0]
    if before.row is not transpose_row:
        return None
    both = tuple(before.params["axes"][axis] for axis in axes)
    return build.add(replace(op, args=before.args, params={"axes": both}))


def _reshape(build: _Builder, op: Op) -> int | None:
    before = build.ops[op.args[0]]
    if before.shape == op.shape:
        return op.args[0]
    return build.add(replace(op, args=before.args)) if before.row is reshape_row else None


def _sum_to(build: _Builder, op: Op) -> int:
    (arg,) = op.args
    shape = build.ops[arg].shape
    lead = len(shape) - len(op.shape)
    ends = enumerate(zip(shape[lead:], op.shape, strict=True), lead)
    axes = (*range(lead), *(i for i, (n, m) in ends if n != m))
    if not axes:
        return build.add(replace(op, row=reshape_row, params={"shape": op.shape}))
    return _reduced(build, replace(op, row=sum_row, params={"axis": axes}))


def _reduced(build: _Builder, op: Op) -> int:
    """A reduction without keepdims, and then a reshape."""
    (arg,), axes = op.args, op.params["axis"]
    shape = tuple(n for i, n in enumerate(build.ops[arg].shape) if i not in axes)
    if axes:
        bare = replace(op, params={"axis": axes, "keepdims": False}, shape=shape)
        arg = build._shared((op.row, op.args, axes), bare)
    else:
        arg = build.cast(arg, shape, op.dtype)
        if op.row is sum_row and op.dtype.kind == "f":  # 0 + -0 is 0
            arg = build.add(build.infer(add, (arg, build.constant(0.0)), {}))
    return build.add(replace(op, row=reshape_row, args=(arg,), params={"shape": op.shape}))


def _power(build: _Builder, op: Op) -> int | None:
    """The powers that NumPy does not compute by pow either."""
    x, y = op.args
    value = build.value(y)
    if op.dtype.kind != "f" or value is None or np.ndim(value) or build.value(x) is not None:
        return None
    x = build.cast(x, build.ops[x].shape, op.dtype)
    if value == 2:
        return build.add(replace(op, row=mul, args=(x, x), params={}))
    if value == 1:
        return x if build.ops[x].shape == op.shape else None
    return build.add(replace(op, row=sqrt, args=(x,), params={})) if value == 0.5 else None


def _matmul(build: _Builder, op: Op) -> int | None:
    args = tuple(build.cast(arg, build.ops[arg].shape, op.dtype) for arg in op.args)
    return None if args == op.args else build.add(replace(op, args=args))


def _masks(build: _Builder, op: Op) -> int | None:
    """Masks that never change, as the integers that they stand for."""
    first, *arrays = op.args
    rest, args, key = iter(arrays), [first], list[Any]()
    for thing in op.params["key"] if arrays else ():
        if thing is not ARRAY:
            key.append(thing)
            continue
        number = next(rest)
        mask = build.value(number)
        if mask is None or build.ops[number].dtype != bool or not build.ops[number].shape:
            key.append(ARRAY)
            args.append(number)
            continue
        places = np.nonzero(mask)
        key += [ARRAY] * len(places)
        args += map(build.constant, places)
    if tuple(args) == op.args:
        return None
    return build.add(replace(op, args=tuple(args), params=op.params | {"key": tuple(key)}))


_REWRITES = {
    "index": _masks,
    "scatter": _masks,
    "same": _identity,
    "detach": _identity,
    "cast": _identity,
    "broadcast_to": _identity,
    "transpose": _transpose,
    "reshape": _reshape,
    "sum_to": _sum_to,
    "sum": _reduced,
    "max": _reduced,
    "min": _reduced,
    "power": _power,
    "matmul": _matmul,
}
