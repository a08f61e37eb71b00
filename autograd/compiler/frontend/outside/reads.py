"""What a function's bytecode reads from outside the function, by name."""

from __future__ import annotations

import dis
import functools
import types
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

# What follows the uses of each name: the attribute that is read of it at once, "len" where it is
# the argument of len(), "" for any other use.
Uses = dict[str, frozenset[str]]
ANY = frozenset([""])
Chain = tuple[str, ...] | None  # a.b.c as ("a", "b", "c"); None for other expressions

GLOBALS = ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS")
CELLS = ("LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_DEREF")
ATTRIBUTES = ("LOAD_ATTR", "LOAD_METHOD", "LOAD_SUPER_ATTR")
LOCALS = ("LOAD_FAST", "LOAD_FAST_CHECK", "LOAD_FAST_BORROW", "LOAD_FAST_AND_CLEAR")
SILENT = ("CACHE", "PUSH_NULL", "PRECALL", "RESUME", "NOP", "EXTENDED_ARG", "COPY_FREE_VARS")
# Builtins that read attributes by names that may be computed, or all of them.
BY_NAME = frozenset(("getattr", "hasattr", "setattr", "delattr"))
OF_ALL = frozenset(("vars", "dir"))
GETTERS = frozenset(("attrgetter", "methodcaller"))


@dataclass(frozen=True)
class Reads:
    """What a code object loads by name.

    modules: what it imports, each a name and a level. whole: the objects of which it may read every
    attribute, by getattr or vars (`vars(self.parts)` is "self", "parts"; None for an object without
    a name); dicts: the same, by __dict__.
    """

    globals: Uses
    cells: Uses
    attributes: Uses
    modules: tuple[tuple[str, int], ...]
    whole: tuple[Chain, ...]
    dicts: tuple[Chain, ...]


def merged(one: Uses, other: Uses) -> Uses:
    """The names of both, each with the uses of both."""
    return one | {name: one.get(name, frozenset()) | uses for name, uses in other.items()}


@functools.lru_cache(maxsize=4096)
def reads(code: types.CodeType) -> Reads:
    """What `code` reads. Functions defined in it are read when they are entered; here, only what
    they read through its cells counts."""
    lines = [line for line in dis.get_instructions(code) if line.opname not in SILENT]
    names, cells, attributes = Uses(), Uses(), Uses()
    modules: list[tuple[str, int]] = []
    whole: list[Chain] = []
    dicts: list[Chain] = []
    sized = {part[-1].offset for line in lines for part in _sized(code, line)}
    for i, line in enumerate(lines):
        if line.opname in GLOBALS:
            _note(names, lines, i, sized)
            if line.argval in BY_NAME | OF_ALL and not (line.arg or 0) & 1:  # called elsewhere
                dicts.append(None)
            elif line.argval in BY_NAME | OF_ALL:
                attribute, chain = _looked_up(code, line)
                if attribute is not None:
                    attributes |= merged(attributes, {attribute: ANY})
                else:
                    whole.append(chain)
        elif line.opname in CELLS:
            _note(cells, lines, i, sized)
        elif line.opname in ATTRIBUTES:
            _note(attributes, lines, i, sized)
            if line.argval in ("__dict__", "__getattribute__"):
                dicts.append(_chain(lines[:i], whole=False))
        elif line.opname == "IMPORT_NAME":
            modules.append((line.argval, lines[i - 2].argval or 0))
        elif line.opname == "IMPORT_FROM":
            attributes |= merged(attributes, {line.argval: ANY})
        elif line.opname == "MATCH_CLASS":
            dicts.append(None)
    for part in code.co_consts:
        if isinstance(part, types.CodeType):
            cells |= merged(cells, reads(part).cells)
    if not GETTERS.isdisjoint(code.co_names):
        dicts.append(None)
    free = {name: uses for name, uses in cells.items() if name in code.co_freevars}
    return Reads(names, free, attributes, tuple(modules), tuple(whole), tuple(dicts))


def _looked_up(code: types.CodeType, line: dis.Instruction) -> tuple[str | None, Chain]:
    """The attribute that getattr or vars reads, if the code has its name; and of which object."""
    first, *others = _arguments(code, line.offset) or [[]]
    name = others[0] if others else []
    written = len(name) == 1 and name[0].opname == "LOAD_CONST"
    if line.argval in BY_NAME and written and isinstance(name[0].argval, str):
        return name[0].argval, None
    return None, _chain(first)


def _note(uses: Uses, lines: Sequence[dis.Instruction], i: int, sized: set[int]) -> None:
    name = lines[i].argval
    following = lines[i + 1] if i + 1 < len(lines) else None
    use = "len" if lines[i].offset in sized else ""
    if following and following.opname in ATTRIBUTES:
        use = str(following.argval)
    uses[name] = uses.get(name, frozenset()) | {use}


def _sized(code: types.CodeType, line: dis.Instruction) -> list[list[dis.Instruction]]:
    """The argument of len(...), if the line loads `len`."""
    if line.opname not in GLOBALS or line.argval != "len":
        return []
    parts = _arguments(code, line.offset)
    return parts if len(parts) == 1 else []


def _chain(lines: Sequence[dis.Instruction], whole: bool = True) -> Chain:
    """The name and the attributes with which the lines end; whole: which are all of the lines. None
    where they are another expression."""
    attributes = []
    for i, line in reversed(list(enumerate(lines))):
        if line.opname in ATTRIBUTES:
            attributes.append(str(line.argval))
            continue
        named = line.opname in (*LOCALS, *GLOBALS, *CELLS) and not (whole and i)
        return (str(line.argval), *reversed(attributes)) if named else None
    return None


def _arguments(code: types.CodeType, offset: int) -> list[list[dis.Instruction]]:
    """The instructions of each argument of the call of the function that is loaded at this offset;
    no lists where they branch."""
    lines = [line for line in dis.get_instructions(code) if line.offset > offset]
    depth, ends = 0, list[int]()  # of the stack, and where each depth was left last
    for i, line in enumerate(lines):
        if line.opcode in JUMPS:
            return []
        depth += dis.stack_effect(line.opcode, line.arg, jump=False)
        if depth < 1 or (line.opname in ("PRECALL", "CALL") and depth <= 0):
            break
        del ends[depth - 1 :]
        ends += [i] * (depth - len(ends))
    starts = [0, *(end + 1 for end in ends)]
    parts = [lines[start : end + 1] for start, end in zip(starts, ends, strict=False)]
    return [[line for line in part if line.opname not in SILENT] for part in parts]


JUMPS = frozenset((*dis.hasjrel, *dis.hasjabs))


# --- uses that read no part ----------------------------------------------------------------------

# `losses.append(...)` reads nothing of a list, `images.shape` no entry of an array.
FILLS = frozenset(("append", "extend", "add", "appendleft", "extendleft", "insert"))
SIZES = frozenset(("shape", "ndim", "dtype", "size", "nbytes", "itemsize", "strides", "len"))


def fills(obj: Any, uses: frozenset[str]) -> bool:
    """Whether these uses of a container only add to it."""
    return uses <= FILLS and type(obj) in (list, set, deque)


def measures(obj: Any, uses: frozenset[str]) -> bool:
    """Whether these uses of an array only ask for its shape, dtype or size."""
    return uses <= SIZES and issubclass(type(obj), np.ndarray)
