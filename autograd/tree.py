"""Nested lists, tuples and dicts of arguments, taken apart and put together again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

LEAF = "leaf"


def flatten(tree: Any) -> tuple[list[Any], Any]:
    """The leaves of a tree in order, and its structure, which is hashable.

    >>> flatten({"a": [1, 2], "b": (3,)})
    ([1, 2, 3], ('dict', ('a', 'b'), ('list', 'leaf', 'leaf'), ('tuple', 'leaf')))
    """
    if type(tree) in (list, tuple):
        keys: tuple[Any, ...] = ()
        parts = tree
    elif type(tree) is dict:
        keys, parts = (tuple(tree),), tree.values()
    else:
        return [tree], LEAF
    flat = [flatten(part) for part in parts]
    leaves = [leaf for part, _ in flat for leaf in part]
    return leaves, (type(tree).__name__, *keys, *(structure for _, structure in flat))


def unflatten(leaves: Iterator[Any], structure: Any) -> Any:
    """The tree of a structure with these leaves.

    >>> unflatten(iter([1, 2]), flatten({"a": 0, "b": [0]})[1])
    {'a': 1, 'b': [2]}
    """
    if structure == LEAF:
        return next(leaves)
    if structure[0] == "dict":
        return {k: unflatten(leaves, s) for k, s in zip(structure[1], structure[2:], strict=True)}
    parts = [unflatten(leaves, s) for s in structure[1:]]
    return parts if structure[0] == "list" else tuple(parts)
