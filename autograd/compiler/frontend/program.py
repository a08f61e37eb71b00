"""A traced program: a list of operations on numbered slots, without nodes or Python."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ...primitives.primitive import Primitive
from ...state import counted
from ...tensor import Tensor


class TraceError(RuntimeError):
    """The step does something in Python that the program could not repeat."""


class RefusedError(Exception):
    """A step cannot be compiled; the message says why."""


@dataclass(frozen=True)
class Apply:
    """slots[out] = primitive(slots[args], **params)."""

    primitive: Primitive
    args: tuple[int, ...]
    params: dict[str, Any]
    out: int
    shape: tuple[int, ...]
    dtype: Any
    scope: tuple[str, ...] = ()  # the path of the module that made it
    line: str = ""  # of the user's code
    frees: tuple[int, ...] = ()  # slots that nothing reads after this


@dataclass(frozen=True)
class Assign:
    """The memory of the state in slot `state` takes the value of slot `source`."""

    state: int
    source: int


@dataclass(frozen=True)
class Program:
    """A traced step. `results` are slots, in the order of the flattened answer; `captured` are
    references to the arrays that constants are copies of (they give None once these are gone)."""

    slots: int
    inputs: tuple[int, ...]
    states: tuple[tuple[int, Tensor], ...]
    constants: tuple[tuple[int, Any], ...]
    steps: tuple[Apply | Assign, ...]
    results: tuple[int, ...]
    captured: tuple[Callable[[], Any], ...] = ()

    def __repr__(self) -> str:
        applied = sum(isinstance(step, Apply) for step in self.steps)
        counts = {"input": self.inputs, "state": self.states, "result": self.results}
        held = ", ".join(counted(len(slots), noun) for noun, slots in counts.items())
        return f"<program: {counted(applied, 'operation')}, {held}>"

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield f"inputs {', '.join(f'%{slot}' for slot in self.inputs)}"
        for slot, tensor in self.states:
            yield f"%{slot} = state {tensor.name or ''} {tensor.dtype}{list(tensor.shape)}"
        for slot, value in self.constants:
            shown = f"{value.dtype}{list(value.shape)}" if hasattr(value, "shape") else repr(value)
            yield f"%{slot} = constant {shown}"
        for step in self.steps:
            if isinstance(step, Assign):
                yield f"%{step.state} := %{step.source}"
                continue
            args = ", ".join(f"%{slot}" for slot in step.args)
            params = "".join(f", {name}={value}" for name, value in step.params.items())
            called = f"{step.primitive.name}({args}{params})"
            yield f"%{step.out} = {called} {step.dtype}{list(step.shape)}"
        yield f"results {', '.join(f'%{slot}' for slot in self.results)}"
