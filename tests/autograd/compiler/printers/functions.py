"""Functions of the loop language, and numbers for them, with which printers are tested: each has to
compute what the interpreter does."""

import random

import numpy as np

from autograd.compiler.language.statements import (
    PART,
    PARTS,
    Array,
    For,
    Function,
    If,
    Let,
    Matrix,
    Panel,
    Run,
    Set,
    Store,
    Tile,
    load,
)
from autograd.compiler.language.verify import verify
from autograd.primitives.expressions import (
    BOOL,
    COMPARES,
    FLOAT32,
    FUNCTIONS,
    INT64,
    ZERO,
    Affine,
    Const,
    Load,
    Var,
    convert,
    equal,
    minimum,
    op,
    select,
)

AT = Affine.of("i")
DTYPES = [np.dtype(kind) for kind in "?bBhHiIqQfd"]


def int64(value):
    return Const(value, INT64)


def as_run(name, function, parts=1):
    """A run on slots in order."""
    return Run(name, function, tuple((slot, 0) for slot in range(len(function.arrays))), parts)


def same(found, expected, what):
    """The same bits; nan is nan."""
    number = expected == expected  # a nan has many bits
    assert (number == (found == found)).all(), what
    assert found[number].tobytes() == expected[number].tobytes(), what


# --- expressions ---------------------------------------------------------------------------------


def samples(dtype, count=24):
    """Numbers of a dtype, those at its ends too."""
    generator = np.random.default_rng(dtype.num)
    if dtype == BOOL:
        return generator.random(count) < 0.5
    if dtype.kind == "f":
        x = (generator.standard_normal(count) * 8).astype(dtype)
        tiny = np.finfo(dtype).smallest_subnormal
        x[:8] = [0, -0.0, np.inf, -np.inf, np.nan, np.finfo(dtype).max, tiny, 1]
        return generator.permutation(x)
    limits = np.iinfo(dtype)
    x = generator.integers(limits.min, limits.max, count, dtype, endpoint=True)
    x[:6] = [0, 1, limits.max, limits.min, limits.max - 1, 7]
    return generator.permutation(x)


def sampled():
    """The arrays x_dtype and y_dtype of samples, which `Builder` loads."""
    arrays = {f"x_{dtype}": samples(dtype) for dtype in DTYPES}
    return arrays | {f"y_{dtype}": samples(dtype)[::-1].copy() for dtype in DTYPES}


class Builder:
    """Draws expressions of loads x_dtype[i] and y_dtype[i], of every operation. fused: the dtypes
    whose fma is rounded once."""

    def __init__(self, seed, fused=()):
        self.draw, self.fused = random.Random(seed), fused

    def expr(self, dtype, depth):
        if depth == 0:
            return self.leaf(dtype)
        choices = [self.select, self.converted, self.arithmetic]
        return self.draw.choice(choices)(dtype, depth - 1)

    def leaf(self, dtype):
        if self.draw.random() < 0.3:
            value = self.draw.choice(samples(dtype)).item()
            return Const(value, dtype)
        return Load(f"{self.draw.choice('xy')}_{dtype}", AT, dtype)

    def select(self, dtype, depth):
        return select(self.expr(BOOL, depth), self.expr(dtype, depth), self.expr(dtype, depth))

    def converted(self, dtype, depth):
        kinds = "bi" if dtype.kind in "iu" else "bif"
        return convert(self.expr(self.dtype(kinds), depth), dtype)

    def dtype(self, kinds):
        return self.draw.choice([d for d in DTYPES if d.kind.replace("u", "i") in kinds])

    def arithmetic(self, dtype, depth):
        x, y = self.expr(dtype, depth), self.expr(dtype, depth)
        draw = self.draw.choice
        if dtype == BOOL:
            if draw((True, False)):
                other = self.dtype("bif")
                return op(draw(COMPARES), self.expr(other, depth), self.expr(other, depth))
            return op("not", x) if draw((True, False)) else op(draw("&|^"), x, y)
        if dtype.kind == "f":
            fma = ["fma"] * (dtype in self.fused)
            name = draw(("+", "-", "*", "/", "neg", "abs", "sqrt", *fma))
        else:
            name = draw(("+", "-", "*", "neg", "abs", "//", "%", "<<", ">>", "&", "|", "^"))
        if name in ("neg", "abs", "sqrt"):
            return op(name, x)
        if name == "fma":
            return op(name, x, y, self.leaf(dtype))
        if name in ("//", "%"):
            return op(name, x, draw((1, 2, 7, 100)))
        return op(name, x, draw((0, 1, 3, 7)) if name in ("<<", ">>") else y)


def entry_by_entry(value, n=24, mark="lanes"):
    """A function that stores an expression at each i."""
    loads = [Array(f"{letter}_{dtype}", dtype, n) for letter in "xy" for dtype in DTYPES]
    out = Array("out", value.dtype, n)
    body = (Let("t", value), Store("out", AT, Var("t", value.dtype)))
    loop = For("i", int64(0), int64(n), body, mark=mark)
    return Function((*loads, out), frozenset(["out"]), (), (loop,))


def constants():
    """A function that stores constants of every dtype, those at its ends too."""
    arrays = [Array(f"o{i}", dtype, 24) for i, dtype in enumerate(DTYPES)]
    body = [
        Store(array.name, ZERO + i, Const(value.item(), array.dtype))
        for array in arrays
        for i, value in enumerate(samples(array.dtype))
    ]
    return Function(tuple(arrays), frozenset(a.name for a in arrays), (), tuple(body))


def of_function(name, dtype, n=24, mark="lanes"):
    """out = a function of floats of x, or of x and y."""
    arrays = tuple(Array(a, dtype, n) for a in ("x", "y", "out"))
    args = [load(array, AT) for array in arrays[: FUNCTIONS[name]]]
    loop = For("i", int64(0), int64(n), (Store("out", AT, op(name, *args)),), mark=mark)
    return Function(arrays, frozenset(["out"]), (), (loop,))


# --- statements ----------------------------------------------------------------------------------


def function(writes, *body, own=(), **given):
    """A function of arrays, given as the dtype and size of each by name."""
    given = tuple(Array(name, np.dtype(dtype), size) for name, (dtype, size) in given.items())
    one = Function(given, frozenset(writes), own, body)
    verify(one)
    return one


ENTRY, SUM = Load("x", AT, FLOAT32), Var("s", FLOAT32)


def whole(n, *body, name="i", **marks):
    """A loop from 0 to n."""
    return For(name, int64(0), int64(n), body, **marks)


def in_steps(n):
    """Loops in steps, whose ends are computed."""
    most = minimum(Affine.of("b") + 8, int64(n))
    inside = (
        For("i", Affine.of("b"), most, (Store("out", AT, ENTRY),), mark="lanes"),
        For("i", Affine.of("b"), most, (Set("last", convert(AT, FLOAT32)),)),
    )
    return (
        Let("last", Const(0.0, FLOAT32)),
        For("b", int64(0), int64(n), inside, 8),
        Store("out", ZERO + 3, Var("last", FLOAT32)),
    )


def branches(n):
    """Branches in a loop and around it."""
    low = If(ENTRY < 50, (Store("out", AT, ENTRY),), (Store("out", AT - AT + 5, ENTRY),))
    even = If(equal(AT % 2, 0), (Store("out", AT, Const(-1.0, FLOAT32)),))
    return (If(equal(PART, 0), (whole(n, low, even),)),)


def loops(n=100):
    """Functions, by what is in them, of x to out."""
    part_bounds = tuple(op("//", int64(n) * part, PARTS) for part in (PART, PART + 1))
    bodies = {
        "in order": (
            For("i", int64(1), int64(n), (Store("out", AT, ENTRY + Load("out", AT - 1, FLOAT32)),)),
        ),
        "lanes": (whole(n, Store("out", AT, ENTRY * 2), mark="lanes"),),
        "reduction": (
            Let("s", Const(0.0, FLOAT32)),
            whole(n, Set("s", SUM + ENTRY), mark="reduction", sum="s"),
            Store("out", ZERO, SUM),
        ),
        "steps, and ends that are computed": in_steps(n),
        "parallel": (For("i", *part_bounds, (Store("out", AT, -ENTRY),), parallel=True),),
        "branches": branches(n),
    }
    arrays = Array("x", FLOAT32, n), Array("out", FLOAT32, n)
    return {name: Function(arrays, frozenset(["out"]), (), body) for name, body in bodies.items()}


def end_that_changes():
    """A loop that writes what its end is loaded from."""
    n, end = Array("n", INT64, 1), Load("n", ZERO, INT64)
    loop = For("i", int64(0), end, (Store("n", ZERO, end + 1),))
    return Function((n,), frozenset(["n"]), (), (loop,))


def own_arrays():
    """Arrays of the function, of booleans."""
    x, out, own = Array("x", np.dtype(float), 9), Array("out", BOOL, 9), Array("own", BOOL, 9)
    body = (
        whole(9, Store("own", AT, load(x, AT) > 0)),
        Let("any", Const(False, BOOL)),
        whole(9, Set("any", Var("any", BOOL) | load(own, AT))),
        whole(9, Store("out", AT, load(own, AT) ^ Var("any", BOOL))),
    )
    return Function((x, out), frozenset(["out"]), (own,), body)


# --- products ------------------------------------------------------------------------------------


def matrices(dtype, inner, width, height, transposed):
    """Arrays of two operands, padded, and the matrices in them."""
    down, along = (1, height + 3) if transposed else (inner + 5, 1)
    left = Matrix("a", ZERO + 2, down, along)
    right = Matrix("b", ZERO + 1, width + 7, 1)
    a = Array("a", dtype, 2 + (height + 3) * (inner + 5))
    b = Array("b", dtype, 1 + inner * (width + 7))
    return a, b, left, right


def view(array, matrix, rows, columns):
    """The matrix in an array."""
    size = array.itemsize
    strides = matrix.down * size, matrix.along * size
    return np.lib.stride_tricks.as_strided(array[matrix.start.const :], (rows, columns), strides)


def tile(machine, dtype, inner, rows, vectors, transposed):
    """A function that writes a tile of so many rows, and copies it to `out`."""
    height, width = machine.rows, vectors * machine.vector // dtype.itemsize
    a, b, left, right = matrices(dtype, inner, width, height, transposed)
    out, own = Array("out", dtype, height * width), Array("tile", dtype, height * width)
    at = Affine.of("r") * width + Affine.of("c")
    copy = For("c", int64(0), int64(width), (Store("out", at, load(own, at)),), mark="lanes")
    count = Var("rows", INT64) if rows < height else int64(rows)
    body = (
        Let("rows", int64(rows)),
        Tile("tile", left, right, inner, count, height, width, dtype),
        For("r", int64(0), int64(rows), (copy,)),
    )
    return Function((a, b, out), frozenset(["out"]), (own,), body)


def panel(dtype, inner, columns, width, down, along):
    """A function that packs a panel."""
    matrix = Matrix("a", ZERO + 3, down, along)
    a = Array("a", dtype, 4 + inner * down + width * along)
    out = Array("out", dtype, 2 + inner * width)
    body = (Panel("out", ZERO + 2, matrix, inner, int64(columns), width, dtype),)
    return Function((a, out), frozenset(["out"]), (), body)
