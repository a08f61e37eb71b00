"""What a step answers: which of its results are computed, and how the others are given."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...nodes.numpy_protocols import COMPILED
from ...tensor import Tensor, wrap
from ...transforms.tree import flatten, paths, unfit, unflatten
from .program import TraceError
from .record import Trace

STRINGS = (str, bytes)


@dataclass
class Answer:
    """How to give a step's results, once those that are computed are there."""

    structure: Any
    # Of each result a function of the arguments; None where it is computed.
    sources: list[Callable[[list[Any]], Any] | None]
    differentiable: list[bool]  # of each computed result
    passes_through: bool  # whether a result is an argument or a state, as it is
    states: list[Tensor] = field(default_factory=list)

    def __call__(self, computed: list[Any], arguments: list[Any]) -> Any:
        """What the step returns. computed: arrays; arguments: flattened, as the call has them."""
        tensors = (*arguments, *self.states)
        parents = [x for x in tensors if isinstance(x, Tensor) and x.requires_grad]
        pairs = zip(computed, self.differentiable, strict=True)
        made = iter([_result(array, parents if yes else []) for array, yes in pairs])
        flat = [next(made) if source is None else source(arguments) for source in self.sources]
        return unflatten(iter(flat), self.structure)


def answer_of(
    returned: Any, record: Trace, argument_numbers: dict[Tensor, int]
) -> tuple[Answer, list[Tensor]]:
    """How to give what the step returned; and the nodes of its computed results. Raises TraceError
    for a result that the trace cannot follow."""
    flat, structure = flatten(returned)
    for result, path in zip(flat, paths(structure), strict=True):
        # An object that holds Tensors would give the same ones at every call.
        known = isinstance(result, (Tensor, np.ndarray, *STRINGS))
        if not known and isinstance(result, Iterable):
            raise TraceError(f"jit: {unfit(result, f'the result{path}')}")
    sources = [_source(result, record, argument_numbers) for result in flat]
    pairs = list(zip(flat, sources, strict=True))
    computed = [result for result, source in pairs if source is None]
    through = any(source is not None and isinstance(result, Tensor) for result, source in pairs)
    return Answer(structure, sources, [r.requires_grad for r in computed], through), computed


def _source(result: Any, record: Trace, argument_numbers: dict[Tensor, int]) -> Any:
    """A function of the arguments that gives a result; None where the program computes it."""
    if isinstance(result, np.ndarray):
        raise TraceError(
            "jit: a result is a NumPy array, which the trace cannot follow; return a Tensor"
        )
    if isinstance(result, Tensor) and result in argument_numbers:
        return lambda arguments, i=argument_numbers[result]: arguments[i]
    if isinstance(result, Tensor) and (result.primitive is not None or result in record.created):
        return None
    return lambda arguments: result


def _result(data: Any, parents: list[Tensor]) -> Tensor:
    """A result that knows what it depends on, and refuses to be differentiated by it."""
    node = wrap(data)
    if parents:
        node.primitive, node.args, node.params = COMPILED, tuple(parents), {}
        node.requires_grad = True
    return node
