"""The tile of a matrix product in WebAssembly, summed in registers, and the copy of a panel.

Four rows of eight columns: eight sums, a row of the right operand and an entry of the left one fill
the sixteen registers of common machines. Both are functions that all products of a kind share.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..language.tiles import CHUNK
from .wasm_helpers import CopyKind, TileKind
from .wasm_lanes import fma
from .wasm_scalars import call, get

VECTOR = 16  # bytes
UNROLLED = 4  # terms of a sum in an iteration


def tile(kind: TileKind, name: str, relaxed: bool) -> str:
    """A tile: given the addresses of its rows in the left operand, of the right operand and of
    where it is written, and the number of terms. The sums are those of language/tiles.py: of
    CHUNK terms each, which are added."""
    rows = [f"a{row}" for row in range(kind.rows)]
    params = "".join(f" (param ${each} i32)" for each in (*rows, "b", "into", "terms"))
    sums = [f"s{row}{i}" for row in range(kind.rows) for i in range(kind.vectors)]
    vectors = [*sums, *(f"b{i}" for i in range(kind.vectors)), "x"]
    lines = [
        f"(func ${name}{params}",
        "  (local $count i32) (local $turns i32) (local $later i32)",
        f"  {' '.join(f'(local ${each} v128)' for each in vectors)}",
        "  (loop $chunk",
        f"    (local.set $count (select (local.get $terms) (i32.const {CHUNK})",
        f"      (i32.lt_s (local.get $terms) (i32.const {CHUNK}))))",
        "    (local.set $terms (i32.sub (local.get $terms) (local.get $count)))",
        *(f"    (local.set ${each} (v128.const i32x4 0 0 0 0))" for each in sums),
        *_terms(kind, UNROLLED, "(i32.shr_u (local.get $count) (i32.const 2))", relaxed),
        *_terms(kind, 1, "(i32.and (local.get $count) (i32.const 3))", relaxed),
        "    (if (local.get $later) (then",
        *(f"      (local.set ${each} {_added(i, each)})" for i, each in enumerate(sums)),
        "    ))",
        *(f"    {_stored(i, each)}" for i, each in enumerate(sums)),
        "    (local.set $later (i32.const 1))",
        "    (br_if $chunk (local.get $terms)))",
    ]
    return "\n".join(lines) + ")"


def _added(number: int, sum: str) -> str:
    return call("f32x4.add", f"(v128.load offset={number * VECTOR} (local.get $into))", get(sum))


def _stored(number: int, sum: str) -> str:
    return call(f"v128.store offset={number * VECTOR}", get("into"), get(sum))


def _terms(kind: TileKind, unrolled: int, turns: str, relaxed: bool) -> list[str]:
    """A loop that adds terms to the sums, so many in each iteration."""
    label = f"$by{unrolled}"
    body = [line for term in range(unrolled) for line in _term(kind, term, relaxed)]
    moves = [(f"a{row}", kind.left) for row in range(kind.rows)] + [("b", kind.right)]
    body += [
        f"(local.set ${each} (i32.add (local.get ${each}) (i32.const {unrolled * step})))"
        for each, step in moves
    ]
    return [
        f"    (if (local.tee $turns {turns}) (then (loop {label}",
        *(f"      {line}" for line in body),
        f"      (br_if {label} (local.tee $turns (i32.sub (local.get $turns) (i32.const 1))))",
        "    )))",
    ]


def _term(kind: TileKind, term: int, relaxed: bool) -> list[str]:
    """A row of the right operand times an entry of each row of the left one."""
    lines = [
        f"(local.set $b{i} (v128.load {_beyond('b', term * kind.right + i * VECTOR)}))"
        for i in range(kind.vectors)
    ]
    for row in range(kind.rows):
        entry = f"(v128.load32_splat {_beyond(f'a{row}', term * kind.left)})"
        lines.append(f"(local.set $x {entry})")
        for i in range(kind.vectors):
            sum = f"s{row}{i}"
            value = fma(get("x"), get(f"b{i}"), get(sum), relaxed)
            lines.append(f"(local.set ${sum} {value})")
    return lines


def _beyond(name: str, bytes: int) -> str:
    """So many bytes beyond an address. An instruction can add them, if they are not negative."""
    if bytes >= 0:
        return f"offset={bytes} {get(name)}"
    return call("i32.add", get(name), f"(i32.const {bytes})")


def copy(kind: CopyKind, name: str) -> str:
    """Copies rows one after the other: given where from, where to and how many, at least one."""
    lines = [
        f"(func ${name} (param $from i32) (param $into i32) (param $rows i32)",
        "  (loop $row",
        *(f"    {line}" for line in _copied(kind.size)),
        f"    (local.set $from (i32.add (local.get $from) (i32.const {kind.down})))",
        f"    (local.set $into (i32.add (local.get $into) (i32.const {kind.size})))",
        "    (br_if $row (local.tee $rows (i32.sub (local.get $rows) (i32.const 1)))))",
    ]
    return "\n".join(lines) + ")"


def _copied(size: int) -> Iterator[str]:
    """Copies a row, a multiple of 8 bytes."""
    for at in range(0, size, VECTOR):
        type = "v128" if size - at >= VECTOR else "i64"
        value = f"({type}.load offset={at} (local.get $from))"
        yield f"({type}.store offset={at} (local.get $into) {value})"
