"""Nested arguments and results (trees), flattened to their leaves and rebuilt.

Lists, tuples, namedtuples, dicts (also OrderedDict and defaultdict) and dataclasses, by their
fields, are nodes of a tree. None is a tree without leaves. Everything else is a leaf, also
instances of subclasses; the error for a leaf that is no number says where it is (`unfit`).
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

LEAF = "leaf"
NONE = "none"
DICTS = (dict, OrderedDict, defaultdict)


def flatten(tree: Any) -> tuple[list[Any], Any]:
    """The leaves of a tree in order, and its structure, which is hashable: LEAF, NONE or a tuple
    of the type, the keys and the structures of the parts.

    >>> leaves, structure = flatten({"a": [1, 2], "b": (3, None)})
    >>> leaves, list(paths(structure))
    ([1, 2, 3], ["['a'][0]", "['a'][1]", "['b'][0]"])
    """
    leaves: list[Any] = []
    return leaves, _structure(tree, leaves)


def _structure(tree: Any, leaves: list[Any]) -> Any:
    """The structure of a tree; its leaves are appended to the list."""
    kind = type(tree)
    if kind is tuple or kind is list:  # first: a jitted call's arguments are these
        return (kind, (), *[_structure(part, leaves) for part in tree])
    if kind is np.ndarray or hasattr(kind, "_record"):
        leaves.append(tree)
        return LEAF
    if tree is None:
        return NONE
    if kind in DICTS:
        # Keys with their types, since 1, True and 1.0 are equal.
        keys = [(type(key), key) for key in tree]
        factory = [_Uncompared(tree.default_factory)] if kind is defaultdict else []
        parts = tree.values()
        return (kind, (*keys, *factory), *[_structure(part, leaves) for part in parts])
    if _is_named(tree):
        return (kind, (), *[_structure(part, leaves) for part in tree])
    if is_dataclass(kind):
        names = tuple(field.name for field in fields(kind) if hasattr(tree, field.name))
        below = [_structure(getattr(tree, name), leaves) for name in names]
        return (kind, (*names, _other_attributes(tree, names)), *below)
    leaves.append(tree)
    return LEAF


def unflatten(leaves: Iterator[Any], structure: Any) -> Any:
    """The tree of a structure with these leaves.

    >>> unflatten(iter([1, 2]), flatten({"a": 0, "b": [0]})[1])
    {'a': 1, 'b': [2]}
    """
    if structure == LEAF:
        return next(leaves)
    if structure == NONE:
        return None
    kind, keys, *structures = structure
    parts = [unflatten(leaves, part) for part in structures]
    if kind in (list, tuple):
        return kind(parts)
    if kind in DICTS:
        pairs = ((key, part) for (_, key), part in zip(keys, parts, strict=False))
        return kind(keys[-1].thing, pairs) if kind is defaultdict else kind(pairs)
    if not keys:
        return kind._make(parts)
    *names, others = keys
    tree = object.__new__(kind)  # an __init__ that checks its fields may refuse Tensors
    for name, part in (*zip(names, parts, strict=True), *((name, x) for name, _, x in others)):
        object.__setattr__(tree, name, part)
    return tree


def paths(structure: Any, path: str = "") -> Iterator[str]:
    """The path to each leaf of a structure, in Python's syntax: `['w'][0]`, `.bias`."""
    if structure == LEAF:
        yield path
    elif structure != NONE:
        for key, part in zip(_steps(structure), structure[2:], strict=True):
            yield from paths(part, path + key)


def dotted(structure: Any, path: tuple[Any, ...] = ()) -> Iterator[str]:
    """The path to each leaf of a structure, in dots.

    >>> list(dotted(flatten({"layers": [1, 2]})[1]))
    ['layers.0', 'layers.1']
    """
    if structure == LEAF:
        yield ".".join(map(str, path))
    elif structure != NONE:
        for key, part in zip(_keys(structure), structure[2:], strict=True):
            yield from dotted(part, (*path, key))


def flatten_as(tree: Any, structure: Any, what: str) -> list[Any]:
    """The leaves of a tree in the order of a given structure: dicts are matched by key.

    Raises ValueError, with the path, where the two differ. what: the tree's name in errors.
    """
    if structure == LEAF:
        if flatten(tree)[1] != LEAF:
            raise ValueError(f"{what} is a {_name(tree)} where one number or array is wanted")
        return [tree]
    if structure == NONE:
        if tree is not None:
            raise ValueError(f"{what} is a {_name(tree)} where None is wanted")
        return []
    kind, keys, *structures = structure
    alike = type(tree) in DICTS if kind in DICTS else type(tree) is kind
    if not alike:
        raise ValueError(f"{what} is a {_name(tree)} where a {kind.__name__} is wanted")
    if kind in DICTS:
        names = _keys(structure)
        if tree.keys() != set(names):
            raise ValueError(f"{what} has the keys {list(tree)} where {names} are wanted")
        parts = [tree[name] for name in names]
    elif keys:
        parts = [getattr(tree, key) for key in keys[:-1]]
    else:
        parts = list(tree)
    if len(parts) != len(structures):
        raise ValueError(f"{what} has {len(parts)} entries where {len(structures)} are wanted")
    steps = _steps(structure)
    return [
        leaf
        for step, part, inner in zip(steps, parts, structures, strict=True)
        for leaf in flatten_as(part, inner, what + step)
    ]


def unfit(leaf: Any, where: str, wanted: str = "a number, an array or a Tensor") -> TypeError:
    """The error for a leaf that is not what is wanted."""
    hint = ""
    if isinstance(leaf, list | tuple | dict | set | frozenset) or hasattr(leaf, "__next__"):
        hint = "; lists, tuples, namedtuples, dicts and dataclasses may hold what is inside"
    return TypeError(f"{where} is a {_name(leaf)}, not {wanted}{hint}")


def is_number(leaf: Any) -> bool:
    """Whether a leaf is a real number, a plain array or a node. A boolean is not."""
    if isinstance(leaf, np.ndarray) or hasattr(leaf, "_record"):
        return True
    return isinstance(leaf, int | float | np.number) and not isinstance(leaf, bool | complex)


def _keys(structure: Any) -> Sequence[Any]:
    """The keys of a dict's parts, the names of fields, or the numbers of entries."""
    kind, keys, *structures = structure
    if kind in DICTS:
        return [key for _, key in keys[: len(structures)]]
    return keys[:-1] if keys else getattr(kind, "_fields", range(len(structures)))


def _steps(structure: Any) -> list[str]:
    keys = _keys(structure)
    named = structure[0] not in DICTS and not isinstance(keys, range)
    return [f".{key}" if named else f"[{key!r}]" for key in keys]


def _is_named(tree: Any) -> bool:
    return isinstance(tree, tuple) and hasattr(type(tree), "_fields")


def _other_attributes(tree: Any, names: tuple[str, ...]) -> tuple[tuple[str, type, Any], ...]:
    """A dataclass's attributes beside its fields, except numbers and arrays. Those may have been
    computed from the fields: in a tree with other leaves they would be wrong, and constant."""
    held = vars(tree) if hasattr(tree, "__dict__") else {}
    return tuple(
        (name, type(x), x) for name, x in held.items() if name not in names and _holds_no_number(x)
    )


def _holds_no_number(x: Any) -> bool:
    try:
        hash(x)
    except TypeError:
        return False
    kinds = (float, complex, np.inexact, np.ndarray)
    return not any(isinstance(y, kinds) or hasattr(y, "_record") for y in flatten(x)[0])


def _name(tree: Any) -> str:
    return type(tree).__name__


class _Uncompared:
    """Something in a structure that does not count when structures are compared."""

    def __init__(self, thing: Any) -> None:
        self.thing = thing

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Uncompared)

    def __hash__(self) -> int:
        return 0
