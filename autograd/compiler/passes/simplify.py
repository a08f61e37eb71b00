"""Stage 1, from a program to a graph: what a step computes, without order, memory or repetition.

A state is read as it was before the step, and its new value is one of the graph's outputs.
Primitives composed of others are replaced by these, common subexpressions shared, constants folded,
and dead ops left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...nodes.methods import ArrayMethods, Operators
from ...primitives.primitive import Primitive
from ...primitives.shapes import cast_p, reshape_p
from ..frontend.program import Assign, Program, RefusedError

Shape = tuple[int, ...]
Spec = tuple[Shape, np.dtype[Any]]

INPUT = Primitive("input", "an argument of the step", lambda: None, ())
STATE = Primitive("state", "a Tensor from outside, as it was before the step", lambda: None, ())
CONSTANT = Primitive("constant", "a value that never changes", lambda: None, ())
LEAVES = (INPUT, STATE, CONSTANT)


@dataclass(frozen=True)
class Op:
    """A primitive applied to earlier ops, by their numbers. The params of an input or a state have
    its number as `place`, those of a constant its `value`."""

    primitive: Primitive
    args: tuple[int, ...]
    params: dict[str, Any]
    shape: Shape
    dtype: Any
    scope: tuple[str, ...] = ()
    line: str = ""  # of the user's code that made it


@dataclass(frozen=True)
class Graph:
    """What a step computes. inputs: how many there are. ops: each after its arguments. writes: the
    number of a state in the program, and the op that is its new value."""

    inputs: int
    ops: tuple[Op, ...]
    results: tuple[int, ...]
    writes: tuple[tuple[int, int], ...]
    kept: tuple[int, ...] = ()  # ops that must be in memory at the end of the step

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        for number, op in enumerate(self.ops):
            args = [f"%{arg}" for arg in op.args]
            args += [f"{name}={_brief(value)}" for name, value in op.params.items()]
            shape = list(op.shape)
            yield f"%{number} = {op.primitive.name}({', '.join(args)}) {op.dtype}{shape}"
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
            stored = build.cast(value[step.source], tensor.shape, tensor.dtype)
            value[step.state] = written[step.state] = stored
            if any(viewed.get(slot) == step.state for slot in program.results):
                raise RefusedError("a result is a view of a state that the step writes")
            continue
        args = tuple(value[slot] for slot in step.args)
        build.made = step.scope, step.line
        op = Op(step.primitive, args, step.params, step.shape, step.dtype, *build.made)
        value[step.out] = build.add(op)
        if step.primitive.view and step.args[0] in viewed:
            viewed[step.out] = viewed[step.args[0]]
    writes = tuple((places[slot], op) for slot, op in written.items())
    results = tuple(value[slot] for slot in program.results)
    kept = tuple(value[slot] for slot in keep)
    return _needed(Graph(len(inputs), tuple(build.ops), results, writes, kept))


def _needed(graph: Graph) -> Graph:
    """The graph without dead ops, which no output depends on."""
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
    """A graph as it grows."""

    def __init__(self) -> None:
        self.ops: list[Op] = []
        self.known: dict[Any, int] = {}
        self.made: tuple[tuple[str, ...], str] = (), ""  # scope and line of ops that are added

    def leaf(self, prim: Primitive, place: int, shape: Shape, dtype: Any) -> int:
        return self._append(Op(prim, (), {"place": place}, shape, dtype))

    def constant(self, value: Any) -> int:
        """The op of an array, or of a Python number, which takes the dtype of other operands."""
        array = np.asarray(value)
        op = Op(CONSTANT, (), {"value": value}, array.shape, array.dtype)
        if array.size > 1:
            return self._append(op)
        return self._unique((type(value), array.dtype, array.shape, array.tobytes()), op)

    def cast(self, number: int, shape: Shape, dtype: Any) -> int:
        if self.ops[number].dtype == dtype and self.ops[number].shape == shape:
            return number
        assert self.ops[number].shape == shape
        return self.add(Op(cast_p, (number,), {"dtype": dtype}, shape, dtype))

    def value(self, number: int) -> Any:
        """The value of a constant; None for any other op."""
        return self.ops[number].params["value"] if self.ops[number].primitive is CONSTANT else None

    def add(self, op: Op) -> int:
        """The number of this op, or of one with the same result: known, constant or simpler."""
        if op.primitive.composed:
            args = [_Ref(self, arg) for arg in op.args]
            composed = op.primitive.composed(*args, **op.params)
            if composed and (composed.shape, composed.dtype) == (op.shape, op.dtype):
                return int(composed.number)
        if op.primitive is reshape_p and self.ops[op.args[0]].primitive is INPUT:
            # The entries of an input lie one after the other: in another shape it is an input too.
            reshaped = replace(self.ops[op.args[0]], shape=op.shape)
            return self._unique((INPUT, op.args, op.shape), reshaped)
        if self._folds(op):
            values = [self.value(arg) for arg in op.args]
            with np.errstate(all="ignore"):
                return self.constant(np.asarray(op.primitive.on_array(*values, **op.params)))
        return self._unique((op.primitive, op.args, _params_key(op.params)), op)

    def _folds(self, op: Op) -> bool:
        """Whether an op is a constant that takes no more memory than its arguments. Sums are left
        to kernels, so that their last bits do not depend on being constant."""
        prim, constants = op.primitive, (self.ops[arg].primitive is CONSTANT for arg in op.args)
        if prim.reduces or prim.collective or not all(constants):
            return False
        return math.prod(op.shape) <= max(math.prod(self.ops[arg].shape) for arg in op.args)

    def infer(self, prim: Primitive, args: tuple[int, ...], params: dict[str, Any]) -> Op:
        """An op, with the shape and dtype that NumPy gives it."""
        values = []
        for arg in args:
            value = self.value(arg)
            op = self.ops[arg]
            values.append(np.zeros(op.shape, op.dtype) if value is None else value)
        with np.errstate(all="ignore"):
            out = np.asarray(prim.on_array(*values, **params))
        return Op(prim, args, params, out.shape, out.dtype, *self.made)

    def _unique(self, key: Any, op: Op) -> int:
        if key not in self.known:
            self.known[key] = self._append(op)
        return self.known[key]

    def _append(self, op: Op) -> int:
        self.ops.append(op)
        return len(self.ops) - 1


def _params_key(params: Any) -> str:
    """A text that is equal for two ops only if their params are, to the last bit."""
    if isinstance(params, dict):
        return str({name: _params_key(value) for name, value in params.items()})
    if isinstance(params, tuple | list):
        return str([type(params).__name__, *map(_params_key, params)])
    if isinstance(params, np.ndarray):  # its repr leaves out entries and digits
        return f"{params.dtype}{params.shape}{params.tobytes()!r}"
    plain = int | float | bool | str | None | slice | np.dtype | np.generic
    return repr(params) if isinstance(params, plain) else f"{type(params).__name__} {id(params)}"


class _Ref(Operators, ArrayMethods):
    """What a primitive's `composed` is given for an argument: it records what is done with it."""

    def __init__(self, build: _Builder, number: int) -> None:
        self.build, self.number = build, number
        op = build.ops[number]
        self.shape, self.dtype, self.ndim = op.shape, op.dtype, len(op.shape)
        self.primitive, self.params, self.value = op.primitive, op.params, build.value(number)

    @property
    def args(self) -> list[_Ref]:
        """The arguments of the op."""
        return [_Ref(self.build, arg) for arg in self.build.ops[self.number].args]

    @classmethod
    def _record(cls, prim: Primitive, args: tuple[Any, ...], params: dict[str, Any]) -> _Ref:
        build = next(arg.build for arg in args if isinstance(arg, _Ref))
        numbers = tuple(a.number if isinstance(a, _Ref) else build.constant(a) for a in args)
        return cls(build, build.add(build.infer(prim, numbers, params)))
