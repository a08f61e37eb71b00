"""Draws functions of the loop language at random: nests of loops of every mark, branches, variables
that are set or not, loads at affine indices and at positions that come of data.

A name that a block has given up is soon another block's, for another dtype perhaps.
"""

import random
from dataclasses import dataclass, field, replace

import numpy as np

from autograd.compiler.language.intervals import Interval, interval
from autograd.compiler.language.statements import Array, For, Function, If, Let, Set, Store
from autograd.primitives.expressions import (
    BOOL,
    COMPARES,
    FLOAT32,
    INT32,
    INT64,
    ZERO,
    Affine,
    Const,
    Load,
    Var,
    bits,
    convert,
    minimum,
    op,
    select,
)
from tests.autograd.compiler.printers.functions import int64

INT16, UINT8 = np.dtype(np.int16), np.dtype(np.uint8)
READ = {"f": FLOAT32, "i": INT32, "b": UINT8, "h": INT16, "t": BOOL, "l": INT64}
READ = {f"in_{name}": dtype for name, dtype in READ.items()}
WRITTEN = {"out": FLOAT32, "number": INT32, "mask": BOOL, "large": INT64}
SIZE, ROOM = 600, 1200  # of arrays that are read, and of those that are written
POSITIONS = 32  # numbers of in_b, in_h and in_l are below
NAMES, SETTABLE = "abcdeghkmnpqrsuvwxyz", "ABCDEGHKMNPQRSUVWXYZ"


def arrays(seed):
    """Numbers for the arrays of a function."""
    generator = np.random.default_rng(seed)
    found = {name: generator.integers(0, POSITIONS, SIZE).astype(d) for name, d in READ.items()}
    found["in_f"] = generator.standard_normal(SIZE).astype(np.float32)
    found["in_f"][::17] = -0.0
    found["in_i"] = generator.integers(-(2**31), 2**31, SIZE).astype(np.int32)
    found["in_t"] = generator.random(SIZE) < 0.5
    return found | {name: np.zeros(ROOM, dtype) for name, dtype in WRITTEN.items()}


@dataclass(frozen=True)
class Known:
    """What is in scope: indices and their ranges, other variables, those that may be set; in a loop
    over lanes its variable, what it sums, and whether all of it is to be possible in lanes."""

    indices: dict[str, Interval] = field(default_factory=dict)
    numbers: dict[str, object] = field(default_factory=dict)
    settable: dict[str, object] = field(default_factory=dict)
    lane: str = ""
    total: str = ""
    vector: bool = False

    def copy(self, **others):
        maps = {"indices": self.indices, "numbers": self.numbers, "settable": self.settable}
        return replace(self, **{name: dict(each) for name, each in maps.items()} | others)


class Drawer:
    """Draws functions. fused: whether fma and functions of floats are drawn."""

    def __init__(self, seed, fused):
        self.random, self.fused = random.Random(seed), fused
        self.pick = self.random.choice

    def chance(self, p):
        return self.random.random() < p

    def function(self):
        given = [Array(name, dtype, SIZE) for name, dtype in READ.items()]
        given += [Array(name, dtype, ROOM) for name, dtype in WRITTEN.items()]
        body = self.block(Known(), 3, 6)
        return Function(tuple(given), frozenset(WRITTEN), (), tuple(body))

    def name(self, known, names=NAMES):
        taken = {*known.indices, *known.numbers, *known.settable, known.total}
        return self.pick([name for name in names if name not in taken])

    # --- statements ---

    def block(self, around, depth, count):
        known, made = around.copy(), []
        for _ in range(count):
            kinds = [self.index, self.number, self.store, self.variable, self.set]
            kinds += [self.loop, self.loop, self.lanes, self.lanes, self.branch] * (depth > 0)
            made += self.pick(kinds)(known, depth)
        return [*made, *self.store(known, 0)]

    def index(self, known, _):
        """A variable that is a position."""
        name, affine = self.name(known), self.affine(known, 64)
        byte = convert(self.load("in_b", known), INT64)
        positions = [byte, convert(self.load("in_h", known), INT64) % POSITIONS]
        value = self.pick([affine, affine, minimum(affine, 9), *positions])
        if known.vector:
            value = self.pick([affine, byte])
        known.indices[name] = interval(value, known.indices)
        return [Let(name, value)]

    def number(self, known, _):
        name = self.name(known)
        dtype = self.pick((FLOAT32, INT32, BOOL, *[INT64, UINT8] * (not known.vector)))
        value = self.expr(dtype, known, 2)
        known.numbers[name] = dtype
        return [Let(name, value)]

    def variable(self, known, _):
        name, dtype = self.name(known, SETTABLE), self.pick((FLOAT32, INT32, INT64, BOOL))
        value = self.expr(dtype, known, 1)
        known.settable[name] = dtype
        return [Let(name, value)]

    def set(self, known, _):
        if not known.settable:
            return []
        name, dtype = self.pick(list(known.settable.items()))
        return [Set(name, self.expr(dtype, known, 2))]

    def store(self, known, _):
        name = self.pick(list(WRITTEN))
        value = self.expr(WRITTEN[name], known, 2)
        return [Store(name, self.affine(known, ROOM), value)]

    def branch(self, known, depth):
        test = self.expr(BOOL, known, 1)
        one, other = (self.block(known, depth - 1, 2) for _ in range(2))
        return [If(test, tuple(one), tuple(other) if self.chance(0.5) else ())]

    def bounds(self, known, most):
        """Where a loop begins and ends, and the range of its variable."""
        start = self.affine(known, 6) if self.chance(0.3) else ZERO + self.pick((0, 0, 0, 1, 5))
        count = self.random.randrange(most)
        ends = [start + count, start + count, minimum(start + count, int64(most))]
        ends += [convert(self.load("in_b", known), INT64) % most + start]
        first = int64(start.const) if not start.terms else start
        last = self.pick(ends)
        last = int64(last.const) if isinstance(last, Affine) and not last.terms else last
        low = interval(first, known.indices).low
        high = interval(last, known.indices).high - 1
        return first, last, Interval(low, max(low, high))

    def loop(self, known, depth):
        name, (first, last, values) = self.name(known), self.bounds(known, 5)
        inside = known.copy()
        inside.indices[name] = values
        body = self.block(inside, depth - 1, 3)
        return [For(name, first, last, tuple(body), self.pick((1, 1, 2, 3)))]

    def lanes(self, known, _):
        """A loop over lanes, or one that sums whole numbers, which is exact in any order."""
        name, (first, last, values) = self.name(known), self.bounds(known, 23)
        sums = [each for each, dtype in known.settable.items() if dtype.kind in "if"]
        total = self.pick(sums) if sums and self.chance(0.5) else ""
        vector = self.chance(0.8)
        inside = known.copy(lane=name, total=total, settable={}, vector=vector)
        inside.indices[name] = values
        inside.numbers.update({n: d for n, d in known.settable.items() if n != total})
        body = [line for _ in range(3) for line in self.pick((self.index, self.number))(inside, 0)]
        step = self.pick((1, 1, 1, 2))
        if total:
            begin, adds = self.sum(total, known.settable[total], inside)
            return [*begin, For(name, first, last, (*body, adds), step, "reduction", total)]
        names = ["out", "number", "mask", *["large"] * (not vector)]
        for each in self.random.sample(names, self.pick((1, 1, 2))):
            offset, dtype = self.lane_offset(inside, values), WRITTEN[each]
            value = self.expr(dtype, inside, 2)
            if self.chance(0.3) and dtype != BOOL:
                value = op("+", value, Load(each, offset, dtype))
            body.append(Store(each, offset, value))
        return [For(name, first, last, tuple(body), step, self.pick(("lanes", "lanes", "")))]

    def sum(self, total, dtype, known):
        """What is summed; of floats small whole numbers, and the total before is one too."""
        if dtype == FLOAT32:
            begin = [Set(total, Const(float(self.random.randrange(9)), FLOAT32))]
            term = convert(self.load("in_b", known), FLOAT32)
        else:
            begin, term = [], self.expr(dtype, known, 1)
        return begin, Set(total, op("+", Var(total, dtype), term))

    def lane_offset(self, known, values):
        """An offset that differs from iteration to iteration."""
        others = replace(known, indices={n: r for n, r in known.indices.items() if n != known.lane})
        others = replace(others, indices={n: others.indices[n] for n in self.outer(known)})
        offset = self.affine(others, ROOM // 3)
        factor = self.pick((1, 1, 1, 1, 1, 2, -1, 3))
        span = [factor * values.low, factor * values.high]
        return offset + Affine.of(known.lane) * factor + (-min(span) if min(span) < 0 else 0)

    def outer(self, known):
        """The indices that do not depend on the lane."""
        names = list(known.indices)
        return names[: names.index(known.lane)]

    # --- expressions ---

    def affine(self, known, size, factors=(1, 1, 1, 1, 2, 3, -1, -2, 7)):
        """An affine index from 0 to before `size`."""
        names = list(known.indices)
        chosen = self.random.sample(names, min(len(names), self.pick((0, 1, 1, 2))))
        if known.lane in names and known.lane not in chosen and self.chance(0.7):
            chosen = [known.lane, *chosen[:1]]
        total = ZERO
        for name in chosen:
            more = total + Affine.of(name) * self.pick(factors)
            found = interval(more, known.indices)
            if found.high - found.low < size:
                total = more
        found = interval(total, known.indices)
        return total + (-found.low + self.random.randrange(size - (found.high - found.low)))

    def load(self, array, known):
        dtype, size = {**READ, **WRITTEN}[array], ROOM if array in WRITTEN else SIZE
        if known.vector and dtype.itemsize < 4:  # which are not read lane by lane
            return Load(array, self.affine(known, size, (1,)), dtype)
        return Load(array, self.affine(known, size), dtype)

    def leaf(self, dtype, known):
        names = {**known.numbers, **known.settable}
        names = [name for name, each in names.items() if each == dtype]
        arrays = [name for name, each in {**READ, **WRITTEN}.items() if each == dtype]
        arrays = [name for name in arrays if name in READ or not known.lane]
        if names and self.chance(0.5):
            return Var(self.pick(names), dtype)
        if dtype == INT64 and (known.vector or self.chance(0.5)):
            return self.affine(known, 999)
        if self.chance(0.15):
            few = {"f": (-0.0, 1.5, float("inf")), "b": (True, False)}.get(dtype.kind, (1, 7, 100))
            return Const(self.pick(few), dtype)
        return self.load(self.pick(arrays), known)

    def expr(self, dtype, known, depth):
        if depth == 0:
            return self.leaf(dtype, known)
        again = lambda dtype: self.expr(dtype, known, depth - 1)  # noqa: E731
        if self.chance(0.15):
            return select(again(BOOL), again(dtype), again(dtype))
        if self.chance(0.25):
            if known.vector and self.chance(0.7):
                names = ("in_i", "in_t", *["in_b", "in_h"] * (dtype != BOOL))
                return convert(self.load(self.pick(names), known), dtype)
            kinds = (INT32, BOOL, INT64, *[FLOAT32] * (dtype.kind in "fb"))
            return convert(again(self.pick((*kinds, UINT8))), dtype)
        if dtype == BOOL:
            other = self.pick((FLOAT32, INT32, *[INT64, BOOL, UINT8] * (not known.vector)))
            if self.chance(0.5):
                return op(self.pick(COMPARES), again(other), again(other))
            return op(self.pick("&|^"), again(BOOL), again(BOOL))
        if dtype == FLOAT32:
            names = ["+", "-", "*", "/", "neg", "abs", "sqrt", *["fma", "exp"] * self.fused]
        else:
            names = ["+", "-", "*", "neg", "abs", "<<", ">>", "&", "|", "^"]
            names = ["+", "-", "neg"] if dtype == INT64 and known.vector else names
            names += ["//", "%"] * (not known.vector)
            if dtype == INT32 and self.chance(0.1):
                return bits(again(FLOAT32), INT32)
        return self.operation(self.pick(names), again, dtype)

    def operation(self, name, again, dtype):
        if name in ("neg", "abs", "sqrt", "exp"):
            return op(name, again(dtype))
        if name == "fma":
            return op(name, again(dtype), again(dtype), again(dtype))
        if name in ("//", "%"):
            return op(name, again(dtype), self.pick((1, 2, 7, 100)))
        return op(
            name, again(dtype), self.pick((0, 1, 3, 7)) if name in ("<<", ">>") else again(dtype)
        )
