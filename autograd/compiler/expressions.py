"""How an entry of an op is computed, as lines of C: pulled from its arguments' entries.

Views only move indices, elementwise ops become one line, a reduction a loop. Each line stands in
the outermost loop in which its variables are known, so nothing is computed more often than need be.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..ops import add, maximum, minimum
from ..rows import Row
from .places import (
    ZERO,
    Index,
    Place,
    Shape,
    aligned,
    at,
    contiguous,
    gathered,
    ranges,
    reshaped,
    sliced,
    transposed,
    unsliced,
)
from .simplify import CONSTANT, LEAVES, Graph, Op

CHUNK = 64  # entries in a running total; a sum of more than two gathers them (GATHER, prelude.h)

TYPES = {
    np.dtype(kind): name
    for kind, name in {
        "bool": "uint8_t",
        "int8": "int8_t",
        "uint8": "uint8_t",
        "int16": "int16_t",
        "uint16": "uint16_t",
        "int32": "int32_t",
        "uint32": "uint32_t",
        "int64": "int64_t",
        "uint64": "uint64_t",
        "float32": "float",
        "float64": "double",
    }.items()
}
BOOL = np.dtype(bool)
COMPARES = ("greater", "greater_equal", "less", "less_equal", "equal", "not_equal")
LOGICAL = ("logical_not", "logical_and", "logical_or", "logical_xor")
REDUCTIONS = ("sum", "max", "min")
PULLED = ("transpose", "reshape", "broadcast_to", "concatenate", "pick", "put", "uniform")
MOVES = ("transpose", "reshape", "broadcast_to", "index")  # rows that only move indices
NUMBERED = ("index", "scatter", "pick", "put")  # rows whose arguments but the first are integers


def compiles(graph: Graph, op: Op) -> bool:
    """Whether there is C for an op; what there is none for is left to NumPy."""
    args = [graph.ops[arg] for arg in op.args]
    if op.row in LEAVES:
        return True
    if any(dtype not in TYPES for dtype in (op.dtype, *(arg.dtype for arg in args))):
        return False
    if op.row.name in NUMBERED:
        return all(_numbers(graph, arg) for arg in op.args[1:]) and not (
            adds(op) and op.dtype == BOOL
        )
    if op.row.name == "matmul":
        return bool(op.dtype.kind == "f")
    if op.row.name in REDUCTIONS:
        return bool(op.dtype != BOOL)
    if op.row.name in PULLED:
        return True
    return isinstance(op.row.code, str) and _has_type(graph, op)


def _numbers(graph: Graph, number: int) -> bool:
    """Whether these are integers that are there from the beginning, so that they can be checked
    before anything is computed."""
    op = graph.ops[number]
    if op.dtype not in TYPES or op.dtype.kind not in "iu":
        return False
    views = op.row.name in ("cast", *MOVES) and len(op.args) == 1
    return op.row in LEAVES or (views and _numbers(graph, op.args[0]))


def adds(op: Op) -> bool:
    """Whether it adds into entries that arrays name, so that one may be named twice."""
    return op.row.name == "scatter" and len(op.args) > 1


def source(graph: Graph, number: int) -> int:
    """The op whose memory a chain of views can be read from by strides."""
    op = graph.ops[number]
    if op.row.name not in MOVES or len(op.args) > 1 or mixes(graph, op):
        return number
    before = source(graph, op.args[0])
    is_number = graph.ops[before].row is CONSTANT and not graph.ops[before].shape
    return number if is_number else before


def mixes(graph: Graph, op: Op) -> bool:
    """Whether it is a reshape that does more than add or drop axes of length 1."""
    before = graph.ops[op.args[0]].shape
    lengths = [[n for n in shape if n != 1] for shape in (op.shape, before)]
    return op.row.name == "reshape" and lengths[0] != lengths[1]


def _has_type(graph: Graph, op: Op) -> bool:
    """Whether an elementwise op computes in one type of C's as NumPy does."""
    args = [graph.ops[arg] for arg in op.args]
    kinds = {arg.dtype.kind for arg in args}
    if op.row.name == "cast":  # of what no integer holds C says nothing
        return op.dtype.kind not in "iu" or kinds != {"f"}
    if op.row.name in ("where", "same", "detach", *LOGICAL):
        return True
    if op.row.name in COMPARES:
        common = compute_type(graph, op)
        exact = common.kind != "f" or "f" in kinds  # NumPy compares int64 with uint64 exactly
        return common in TYPES and exact and all(_holds(common, arg) for arg in args)
    return op.dtype != BOOL and (op.dtype.kind == "f" or not calls(op.row))


def _holds(dtype: Any, op: Op) -> bool:
    """Whether a dtype holds a number of Python's; NumPy compares with any."""
    value = _weak(op)
    if dtype.kind not in "iu" or type(value) is not int:
        return True
    return bool(np.iinfo(dtype).min <= value <= np.iinfo(dtype).max)


def calls(row: Row) -> bool:
    """Whether a row's code calls a function."""
    return re.search(r"\w\(", str(row.code)) is not None


def compute_type(graph: Graph, op: Op) -> Any:
    """The dtype in which an elementwise op computes."""
    if op.row.name not in COMPARES:
        return op.dtype
    args = [graph.ops[arg] for arg in op.args]
    return np.result_type(*[_weak(arg) for arg in args])


def _weak(op: Op) -> Any:
    value = op.params.get("value") if op.row is CONSTANT else None
    return value if type(value) in (int, float, bool) else op.dtype


def literal(value: Any, dtype: Any) -> str:
    """A number as C writes it, exactly."""
    if dtype == BOOL:
        return str(int(bool(value)))
    if dtype.kind in "iu":
        return f"(({TYPES[dtype]}){int(value) % 2**64}ull)"  # C cannot write the least integer
    number = float(dtype.type(value))
    if math.isnan(number):
        return "NAN"
    if math.isinf(number):
        return "INFINITY" if number > 0 else "-INFINITY"
    text = number.hex()
    text = f"{text}f" if dtype == np.float32 else text
    return f"({text})" if text.startswith("-") else text


@dataclass
class Scope:
    """The inside of a loop (or of the function): its lines so far, and what is pulled there."""

    lines: list[str] = field(default_factory=list)
    pulled: list[Any] = field(default_factory=list)
    loops: bool = False  # whether there is a loop among the lines


Load = Callable[[int, Index], str | None]


class Pull:
    """Writes the lines that compute entries.

    load: the C expression that reads an op's entry from memory, or None for an op to be computed.
    """

    def __init__(self, graph: Graph, load: Load) -> None:
        self.graph, self.load = graph, load
        self.scopes = [Scope()]
        self.depth: dict[str, int] = {}  # of a name: the scope it is known in
        self.known: dict[Any, str] = {}  # (op, index): the name of that entry
        self.count = 0
        self.computed: set[int] = set()  # the ops that its lines compute

    # --- names and loops ---

    def name(self, letter: str) -> str:
        self.count += 1
        return f"{letter}{self.count}"

    def let(self, kind: str, text: str, uses: Sequence[str]) -> str:
        """A line that names an expression of names and variables."""
        name = self.name("t")
        self.depth[name] = max((self.depth.get(use, 0) for use in uses), default=0)
        self.scopes[self.depth[name]].lines.append(f"{kind} {name} = {text};")
        return name

    def open(self, *variables: str) -> Scope:
        """Enter a loop over variables."""
        self.scopes.append(Scope())
        for variable in variables:
            self.depth[variable] = len(self.scopes) - 1
        return self.scopes[-1]

    def close(self) -> Scope:
        """Leave the innermost loop: what was pulled in it is not known outside."""
        scope = self.scopes.pop()
        for key in scope.pulled:
            del self.known[key]
        return scope

    @contextmanager
    def outside(self, depth: int) -> Iterator[None]:
        """Write for a while as if the scopes deeper than this were not there."""
        inner = self.scopes[depth + 1 :]
        del self.scopes[depth + 1 :]
        yield
        self.scopes[depth + 1 :] = inner

    def deepest(self, index: Index) -> int:
        return max((self.depth.get(n, 0) for place in index for n in place.names()), default=0)

    # --- entries ---

    def entry(self, number: int, index: Index) -> str:
        """The name of an op's entry."""
        key = (number, index)
        if key in self.known:
            return self.known[key]
        op = self.graph.ops[number]
        if op.row is CONSTANT and not op.shape:
            return literal(op.params["value"], op.dtype)
        text = self.load(number, index)
        if text is not None:
            uses = [name for place in index for name in place.names()]
            name = self.let(_register(op.dtype), text, uses)
        else:
            name = self._computed(number, index)
        self.know(key, name)
        return name

    def know(self, key: tuple[int, Index], name: str) -> None:
        """From now on an entry has this name, until its scope is closed."""
        if key not in self.known:
            self.known[key] = name
            self.scopes[self.depth.get(name, 0)].pulled.append(key)

    def typed(self, number: int, index: Index, dtype: Any) -> str:
        """An entry, converted."""
        op = self.graph.ops[number]
        if op.row is CONSTANT and not op.shape:
            return literal(np.asarray(op.params["value"]).astype(dtype)[()], dtype)
        name = self.entry(number, index)
        if op.dtype == dtype:
            return name
        # On a line of its own: in one expression GCC takes -(-x - y), x an integer, for x + y.
        text = f"{name} != 0" if dtype == BOOL else name
        return self.let(_register(dtype), text, _words([name]))

    def _computed(self, number: int, index: Index) -> str:
        self.computed.add(number)
        op = self.graph.ops[number]
        rule = _RULES.get(op.row.name)
        return rule(self, op, index) if rule else self._elementwise(op, index)

    def _elementwise(self, op: Op, index: Index) -> str:
        dtype = compute_type(self.graph, op)
        names = {}
        for i, (letter, arg) in enumerate(zip("xyz", op.args, strict=False)):
            place = aligned(index, self.graph.ops[arg].shape)
            chooses = op.row.name == "where" and i == 0
            names[letter] = self.entry(arg, place) if chooses else self.typed(arg, place, dtype)
        return self.let(_register(op.dtype), put_in(op.row, names), _words(names.values()))

    def _transpose(self, op: Op, index: Index) -> str:
        return self.entry(op.args[0], transposed(index, op.params["axes"]))

    def _broadcast(self, op: Op, index: Index) -> str:
        return self.entry(op.args[0], aligned(index, self.graph.ops[op.args[0]].shape))

    def _reshape(self, op: Op, index: Index) -> str:
        before = self.graph.ops[op.args[0]].shape
        inside = reshaped(index, op.shape, before)
        if inside is None:
            inside = self.divided(at(index, contiguous(op.shape)), before)
        return self.entry(op.args[0], inside)

    def divided(self, place: Place, shape: Shape) -> Index:
        """The index of the entry that stands at a place in row-major order."""
        index = []
        for n, stride in zip(shape, contiguous(shape), strict=True):
            text = f"({place}) / {max(stride, 1)} % {max(n, 1)}"
            index.append(Place.of(self.let("long", text, place.names())) if n != 1 else ZERO)
        return tuple(index)

    def _index(self, op: Op, index: Index) -> str:
        arg, *arrays = op.args
        shape = self.graph.ops[arg].shape
        if arrays:
            return self.entry(arg, self.named(op.params["key"], arrays, index, shape))
        return self.entry(arg, sliced(op.params["key"], index, shape))

    def named(self, key: Any, arrays: Sequence[int], index: Index, shape: Shape) -> Index:
        """The index of the entry that arrays of integers, and what else is in the key, name."""
        axes = max(len(self.graph.ops[array].shape) for array in arrays)
        at_arrays, inner = gathered(key, axes, index, shape)
        rest, places = iter(arrays), []
        for place, n in zip(inner, shape, strict=True):
            number = self._number(next(rest), at_arrays, n) if place is None else place
            places.append(ZERO if n == 1 else number)
        return tuple(places)

    def _number(self, array: int, index: Index, n: int) -> Place:
        """An entry of an array of integers; a negative one counts from the end."""
        op = self.graph.ops[array]
        name = self.typed(array, aligned(index, op.shape), np.dtype(np.int64))
        text = name if op.dtype.kind == "u" else f"{name} < 0 ? {name} + {n} : {name}"
        return Place.of(self.let("long", text, _words([name])))

    def _scatter(self, op: Op, index: Index) -> str:
        """What was written to the entry if the slices name it, else 0."""
        (arg,) = op.args
        inner, conditions = [], []
        for place, (start, step, count) in zip(
            index, ranges(op.params["key"], op.shape), strict=True
        ):
            sign = 1 if step > 0 else -1
            off = self.let("long", f"({place + Place((), -start)}) * {sign}", place.names())
            size = abs(step) if count is not None else 1
            limit = size * (1 if count is None else count)
            text = f"{off} >= 0 && {off} < {limit} && {off} % {size} == 0"
            conditions.append(self.let("int", text, [off]))
            if count is not None:
                where = f"{conditions[-1]} ? {off} / {size} : 0"
                inner.append(Place.of(self.let("long", where, [off, conditions[-1]])))
        shape = self.graph.ops[arg].shape
        into = unsliced(op.params["key"], inner, shape)
        if not math.prod(shape):
            return literal(0, op.dtype)
        name = self.typed(arg, into, op.dtype)
        test = " && ".join(conditions) or "1"
        return self.let(_register(op.dtype), f"{test} ? {name} : 0", _words([name, *conditions]))

    def _concatenate(self, op: Op, index: Index) -> str:
        axis = op.params["axis"]
        place, start = index[axis], 0
        text, uses = literal(0, op.dtype), []
        for arg in op.args:
            n = self.graph.ops[arg].shape[axis]
            if not n:
                continue
            off = place + Place((), -start)
            here = self.let("int", f"{off} >= 0 && {off} < {n}", place.names())
            inside = self.let("long", f"{here} ? {off} : 0", [here, *place.names()])
            inner = (*index[:axis], Place.of(inside) if n != 1 else ZERO, *index[axis + 1 :])
            name = self.typed(arg, inner, op.dtype)
            text, start = f"{here} ? {name} : {text}", start + n
            uses += [here, *_words([name])]
        return self.let(_register(op.dtype), text, uses)

    def _pick(self, op: Op, index: Index) -> str:
        x, labels = op.args
        label = self.let("long", (name := self.entry(labels, index)), _words([name]))
        wide = self.graph.ops[x].shape[-1] != 1
        return self.entry(x, (*index, Place.of(label) if wide else ZERO))

    def _put(self, op: Op, index: Index) -> str:
        g, labels = op.args
        label, name = self.entry(labels, index[:-1]), self.typed(g, index[:-1], op.dtype)
        uses = [*index[-1].names(), *_words([label, name])]
        text = f"{index[-1]} == (long){label} ? {name} : 0"
        return self.let(_register(op.dtype), text, uses)

    def _uniform(self, op: Op, index: Index) -> str:
        draw, seed = self.typed(op.args[0], (), np.dtype(np.uint64)), op.params["seed"]
        text = f"draw_start({seed & (2**64 - 1)}ull, {draw})"
        start = self.let("uint32_t", text, _words([draw]))
        stride = self.let("uint32_t", f"mix({start} + 0x9E3779B9u) | 1", [start])
        place = at(index, contiguous(op.shape))
        text = f"draw_at({start}, {stride}, (uint32_t)({place}))"
        return self.let(_register(op.dtype), text, [start, stride, *place.names()])

    # --- reductions ---

    def _reduction(self, op: Op, index: Index) -> str:
        """A loop over the axes that go, the last of them in vectors."""
        (arg,) = op.args
        shape, axes = self.graph.ops[arg].shape, op.params["axis"]
        variables = {axis: self.name("r") for axis in axes if shape[axis] != 1}
        places = dict.fromkeys(axes, ZERO)
        places |= {axis: Place.of(name) for axis, name in variables.items()}
        rest = iter(index)
        inner = tuple(places[i] if i in places else next(rest) for i in range(len(shape)))
        if not variables:
            name = self.typed(arg, inner, op.dtype)
            text = f"0 + {name}" if op.row.name == "sum" else name  # 0 + -0 is 0
            return self.let(TYPES[op.dtype], text, _words([name]))
        depth = self.deepest(index)
        with self.outside(depth):
            for name in variables.values():
                self.open(name)
            entry = self.typed(arg, inner, op.dtype)
            out = self.name("t")
            loops = [(name, shape[axis]) for axis, name in variables.items()]
            lines = self._gathered(loops, op, out, entry)
            self.depth[out] = depth
            self.scopes[depth].lines += lines
            self.scopes[depth].loops = True
        return out

    def _gathered(self, loops: Loops, op: Op, out: str, entry: str) -> list[str]:
        """The lines of nested loops that gather the entry into `out`."""
        start = f"{TYPES[op.dtype]} {{}} = {neutral(op.row.name, op.dtype)};".format
        simple = op.row.name == "sum" and not self.scopes[-1].loops
        called = any(re.search(r"\w\(", line) for line in self.scopes[-1].lines)
        wide = simple and not called and loops[-1][1] > CHUNK
        chunk = 8 * CHUNK if wide else CHUNK  # in vectors each lane has a total
        in_blocks = rounds(op, loops, chunk)
        into = self.name("s") if in_blocks else out
        pragma = [f'_Pragma("omp simd reduction(+:{into})")'] if simple else []
        lines = [step(op.row.name, into, entry)]
        if not in_blocks:
            return [start(out), *nested(loops, lines, self.close, pragma)]
        lost = self.name("s")
        around = [start(into)], [f"GATHER({out}, {lost}, {into});"]
        lines = nested(loops, lines, self.close, pragma, around, chunk)
        return [start(out), start(lost), *lines, f"{out} = GATHERED({out}, {lost});"]


# --- loops ---

Loops = Sequence[tuple[str, int]]  # variables and how far they go, the outermost loop first


def loop(variable: str, first: str, last: str, body: Sequence[str], step: str = "1") -> list[str]:
    """The lines of a loop."""
    up = f"{variable}++" if step == "1" else f"{variable} += {step}"
    return [f"for (long {variable} = {first}; {variable} < {last}; {up}) {{", *body, "}"]


def nested(
    loops: Loops,
    lines: Sequence[str],
    close: Callable[[], Scope],
    pragma: Sequence[str] = (),
    around: tuple[Sequence[str], Sequence[str]] | None = None,
    chunk: int = CHUNK,
) -> list[str]:
    """Loops around lines, written from the inside out: what `close` gives stands in each, a pragma
    before the innermost. `around` are lines before and after every `chunk` turns or fewer."""
    turns = 1  # of the loops inside
    for variable, n in reversed(loops):
        inside = [*close().lines, *lines]
        if around and turns <= chunk < turns * n:
            first = f"{variable}_first"
            end = f"MIN({n}, {first} + {chunk // turns})"
            block = [*around[0], *pragma, *loop(variable, first, end, inside), *around[1]]
            lines = loop(first, "0", str(n), block, str(chunk // turns))
        else:
            lines = [*pragma, *loop(variable, "0", str(n), inside)]
        turns, pragma = turns * n, ()
    return list(lines)


# --- reductions ---


def rounds(op: Op, loops: Loops, chunk: int = CHUNK) -> bool:
    """Whether it is a sum so long that the rounding of a running total shows."""
    count = math.prod(n for _, n in loops)
    return op.row.name == "sum" and op.dtype.kind == "f" and count > 2 * chunk


def step(reducer: str, into: str, entry: str) -> str:
    """The line that takes one more entry into a reduction."""
    row = {"sum": add, "max": maximum, "min": minimum}[reducer]
    return f"{into} = {put_in(row, {'x': into, 'y': entry})};"


def put_in(row: Row, names: Mapping[str, str]) -> str:
    """An elementwise row's code, with names for its arguments x, y and z."""
    return re.sub(r"\b[xyz]\b", lambda match: names[match.group()], str(row.code))


def neutral(reducer: str, dtype: Any) -> str:
    """What a reduction of nothing gives."""
    if reducer == "sum":
        return "0"
    if dtype.kind == "f":
        return "-INFINITY" if reducer == "max" else "INFINITY"
    limits = np.iinfo(dtype)
    return literal(limits.min if reducer == "max" else limits.max, dtype)


_RULES: dict[str, Callable[[Pull, Op, Index], str]] = {
    "transpose": Pull._transpose,
    "broadcast_to": Pull._broadcast,
    "reshape": Pull._reshape,
    "index": Pull._index,
    "scatter": Pull._scatter,
    "concatenate": Pull._concatenate,
    "pick": Pull._pick,
    "put": Pull._put,
    "uniform": Pull._uniform,
    "sum": Pull._reduction,
    "max": Pull._reduction,
    "min": Pull._reduction,
}


def _register(dtype: Any) -> str:
    """The C type of a variable: a truth value is an int, as comparisons give it."""
    return "int" if dtype == BOOL else TYPES[dtype]


def _words(texts: Any) -> list[str]:
    """The names in expressions."""
    return [word for text in texts for word in re.findall(r"[a-z_]+\d+\w*", text)]
