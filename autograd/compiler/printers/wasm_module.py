"""A WebAssembly module as text: the functions of several steps, and an entry for each step.

An entry calls the functions of a step, one after the other, with the addresses of their arrays; it
gives 1, or 0 if an index was out of range, which is known before a state is written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ...primitives.expressions import DType
from ..language.elementary import definition
from ..language.statements import Function, Run, Segment
from . import print_wasm, wasm_scalars
from .print_wasm import indented
from .wasm_helpers import CopyKind, Helpers, TileKind
from .wasm_tile import copy, tile

PAGE = 1 << 16  # bytes


@dataclass(frozen=True)
class Steps:
    """The calls of a step. slots: where the memory of each slot begins. flag: the address of the
    integer that checks set; None where there are none."""

    name: str
    groups: Segment
    slots: Sequence[int]
    flag: int | None


@dataclass(frozen=True)
class Gathered:
    """An input whose rows are gathered from `rows` rows of an array. source, into: addresses.
    size: bytes of a row."""

    source: int
    into: int
    rows: int
    size: int


@dataclass(frozen=True)
class Loop:
    """An entry that does a step for rows of `order`, the address of int32 (steps, batch). stacked:
    of each scalar result its address, where the first is stacked, and its bytes."""

    name: str
    step: str
    order: int
    steps: int
    batch: int
    inputs: Sequence[Gathered]
    stacked: Sequence[tuple[int, int, int]]


class Functions:
    """The functions of a module, equal ones once, and the helpers that they call."""

    def __init__(self, relaxed: bool) -> None:
        self.helpers = Helpers(relaxed)
        self.names: dict[Function, str] = {}
        self.texts: list[str] = []

    def add(self, run: Run, prefix: str) -> None:
        """Print the function of a run, if no other run has it."""
        if run.function in self.names:
            return
        name = f"{prefix}.{run.name}"
        text = print_wasm.function(run.function, name, self.helpers)
        self.names[run.function] = name
        self.texts.append(text)

    def all_texts(self) -> tuple[dict[str, None], list[str]]:
        """The imports of the module, and its functions, helpers first."""
        imports, elementary = dict[str, None](), dict[str, None]()
        done = set[tuple[str, DType, bool]]()
        while waiting := [each for each in self.helpers.calls if each not in done]:
            for name, dtype, lanes in waiting:
                done.add((name, dtype, lanes))
                for text in self._elementary(name, dtype, lanes):
                    (imports if text.startswith("(import") else elementary)[text] = None
        return imports, [*elementary, *self._kinds(), *self.texts]

    def _elementary(self, name: str, dtype: DType, lanes: bool) -> Iterator[str]:
        known = definition(name, dtype)
        if known is None:
            yield from wasm_scalars.imported(name, dtype)
        else:
            yield print_wasm.elementary(known, lanes, self.helpers)

    def _kinds(self) -> Iterator[str]:
        for kind, name in self.helpers.kinds.items():
            match kind:
                case TileKind():
                    yield tile(kind, name, self.helpers.relaxed)
                case CopyKind():
                    yield copy(kind, name)


def module(
    functions: Functions,
    steps: Sequence[Steps],
    loops: Sequence[Loop],
    own: int,
    size: int,
    constants: Sequence[tuple[int, bytes]],
) -> str:
    """The text of a module. own: the address of the functions' own arrays. size: of the memory, in
    bytes. constants: addresses, and the bytes that lie there at first."""
    imports, texts = functions.all_texts()
    lines = [
        *imports,
        f'(import "env" "memory" (memory {-(-size // PAGE)}))',
        f"(global $own i32 (i32.const {own}))",
        *(line for text in texts for line in ("", *text.split("\n"))),
        *(line for each in steps for line in ("", *_entry(functions, each))),
        *(line for each in loops for line in ("", *_loop(each))),
        *(f'(data (i32.const {at}) "{_escaped(data)}")' for at, data in constants),
    ]
    return "\n".join(["(module", *indented(lines)]) + ")\n"


def _escaped(data: bytes) -> str:
    return "".join(f"\\{byte:02x}" for byte in data)


def _entry(functions: Functions, steps: Steps) -> list[str]:
    """The entry of a step."""
    lines = []
    if steps.flag is not None:
        lines.append(f"(i64.store (i32.const {steps.flag}) (i64.const 0))")
    for group in steps.groups:
        for run in group:
            addresses = [steps.slots[slot] + offset for slot, offset in run.arrays]
            given = " ".join(f"(i32.const {address})" for address in addresses)
            lines.append(f"(call ${functions.names[run.function]} {given})")
        if any(steps.slots[slot] + at == steps.flag for run in group for slot, at in run.arrays):
            failed = f"(i64.ne (i64.load (i32.const {steps.flag})) (i64.const 0))"
            lines.append(f"(if {failed} (then (return (i32.const 0))))")
    head = f'(func ${steps.name}.entry (export "{steps.name}") (result i32)'
    return [head, *indented([*lines, "(i32.const 1))"])]


def _loop(loop: Loop) -> list[str]:
    """The entry of a loop: of each step it gathers the rows, does it, and stacks its results."""
    params = "(param $first i32) (param $count i32) (result i32)"
    at = "(i32.add (local.get $first) (local.get $done))"
    return [
        f'(func ${loop.name}.entry (export "{loop.name}") {params}',
        "  (local $done i32) (local $row i32) (local $index i32) (local $order i32)",
        "  (loop $next",
        "    (if (i32.ge_s (local.get $done) (local.get $count))",
        "      (then (return (local.get $done))))",
        f"    (if (i32.ge_u {at} (i32.const {loop.steps}))",
        "      (then (return (local.get $done))))",
        f"    (local.set $order (i32.add (i32.const {loop.order})",
        f"      (i32.mul {at} (i32.const {4 * loop.batch}))))",
        "    (local.set $row (i32.const 0))",
        *indented(_gathered(loop), 4),
        f"    (if (i32.eqz (call ${loop.step}.entry)) (then (return (local.get $done))))",
        *(f"    {_stacked(each, at)}" for each in loop.stacked),
        "    (local.set $done (i32.add (local.get $done) (i32.const 1)))",
        "    (br $next))",
        "  (unreachable))",
    ]


def _gathered(loop: Loop) -> list[str]:
    """Copies the rows of a step's inputs; the loop ends before a step with a row out of range."""
    if not loop.batch:
        return []
    lines = [
        "(loop $gather",
        "  (local.set $index (i32.load (i32.add (local.get $order)",
        "    (i32.mul (local.get $row) (i32.const 4)))))",
    ]
    for rows in sorted({each.rows for each in loop.inputs}):
        outside = f"(i32.ge_u (local.get $index) (i32.const {rows}))"
        lines.append(f"  (if {outside} (then (return (local.get $done))))")
    for each in loop.inputs:
        into = f"(i32.add (i32.const {each.into}) {_times('row', each.size)})"
        source = f"(i32.add (i32.const {each.source}) {_times('index', each.size)})"
        lines.append(f"  (memory.copy {into} {source} (i32.const {each.size}))")
    return [
        *lines,
        "  (local.set $row (i32.add (local.get $row) (i32.const 1)))",
        f"  (br_if $gather (i32.lt_u (local.get $row) (i32.const {loop.batch}))))",
    ]


def _stacked(stacked: tuple[int, int, int], at: str) -> str:
    source, into, size = stacked
    where = f"(i32.add (i32.const {into}) (i32.mul {at} (i32.const {size})))"
    return f"(memory.copy {where} (i32.const {source}) (i32.const {size}))"


def _times(name: str, factor: int) -> str:
    return f"(i32.mul (local.get ${name}) (i32.const {factor}))"
