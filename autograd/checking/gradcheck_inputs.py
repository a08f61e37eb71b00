"""The arguments of a function that is checked: which of them hold floats, and what to call them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..transforms.tree import flatten, paths, unflatten
from .node_data import data_of

Function = Callable[..., Any]


def float_arguments(f: Function, inputs: Sequence[Any]) -> tuple[Function, list[Any], list[str]]:
    """f as a function of its floats alone; these floats and arrays; and what to call them."""
    flat, structure = flatten(list(inputs))
    plain = [data_of(x) for x in flat]
    arrays = any(isinstance(x, np.ndarray) for x in plain)
    floats = [i for i, x in enumerate(plain) if _is_float(x)]
    if not floats:
        raise ValueError("gradcheck: no argument holds a float, so there is nothing to check")
    # Numbers become Values, but beside arrays Tensors, as everywhere in functional.py.
    given = [np.asarray(plain[i], float) if arrays and np.isscalar(plain[i]) else plain[i]
             for i in floats]  # fmt: skip
    names = list(_names(f, inputs))

    def function(*values: Any) -> Any:
        leaves = list(flat)
        for i, x in zip(floats, values, strict=True):
            leaves[i] = x
        return f(*unflatten(iter(leaves), structure))

    point = [x if isinstance(x, np.ndarray) else float(x) for x in given]
    return function, point, [names[i] for i in floats]


def _is_float(x: Any) -> bool:
    if isinstance(x, np.ndarray):
        return bool(x.dtype.kind == "f")
    return isinstance(x, int | float | np.floating) and not isinstance(x, bool)


def _names(f: Function, inputs: Sequence[Any]) -> Iterator[str]:
    """What to call each leaf of the inputs: `argument 0 (params)['w']`."""
    try:
        parameters = list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    known = [p.name if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) else ""
             for p in parameters]  # fmt: skip
    for i, tree in enumerate(inputs):
        named = f" ({known[i]})" if i < len(known) and known[i] else ""
        for path in paths(flatten(tree)[1]):
            yield f"argument {i}{named}{path}"
