"""The loop language printed as C, compiled and run, against the interpreter: the same bits."""

import ctypes
import random
import re
import subprocess

import numpy as np
import pytest

from autograd.compiler.language import elementary
from autograd.compiler.language.interpret import interpret
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
from autograd.compiler.printers.c_files import source, sources, timed
from autograd.compiler.printers.print_c import TYPES, expression, function, literal
from autograd.compiler.runtime import build, cpu
from autograd.compiler.runtime.arrays import address
from autograd.primitives.expressions import (
    BOOL,
    COMPARES,
    FLOAT32,
    FLOAT64,
    FUNCTIONS,
    INT64,
    ZERO,
    Affine,
    Const,
    Load,
    Var,
    bits,
    convert,
    equal,
    minimum,
    op,
    select,
)

pytestmark = pytest.mark.usefixtures("compiler")
FUSED = cpu.has("fma") or cpu.architecture() == "aarch64"
AT = Affine.of("i")


def int64(value):
    return Const(value, INT64)


def compiled(runs):
    """A library in which each run is a segment of its own, named as it is but for an S."""
    segments = {f"S{run.name}": ((run,),) for run in runs}
    return build.library([source(segments, build.machine())], tuple(segments))


def pointers(arrays):
    return (ctypes.c_void_p * len(arrays))(*map(address, arrays))


def do(library, segment, arrays, parts=1):
    """Runs a segment on threads; `arrays` are in the slots."""
    stages = ctypes.cast(getattr(library, segment), ctypes.c_void_p)
    build.pool().run(stages, pointers(arrays), ctypes.c_long(parts), None)


def as_run(name, function, parts=1):
    """A run on slots in order."""
    return Run(name, function, tuple((slot, 0) for slot in range(len(function.arrays))), parts)


def check_all(functions, arrays, parts=1):
    """Each function writes the same bits, compiled, as the interpreter; nan is nan."""
    library = compiled([as_run(f"f{i}", one) for i, one in enumerate(functions)])
    for i, one in enumerate(functions):
        given = [arrays[array.name].copy() for array in one.arrays]
        expected = {array.name: arrays[array.name].copy() for array in one.arrays}
        do(library, f"Sf{i}", given, parts)
        for part in range(parts):
            interpret(one, expected, part, parts)
        for array, found in zip(one.arrays, given, strict=True):
            same(found, expected[array.name], one)


def same(found, expected, what):
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


class Builder:
    """Draws expressions of loads x_dtype[i] and y_dtype[i], of every operation."""

    def __init__(self, seed):
        self.draw = random.Random(seed)

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
        return self.draw.choice([d for d in TYPES if d.kind.replace("u", "i") in kinds])

    def arithmetic(self, dtype, depth):
        x, y = self.expr(dtype, depth), self.expr(dtype, depth)
        draw = self.draw.choice
        if dtype == BOOL:
            if draw((True, False)):
                other = self.dtype("bif")
                return op(draw(COMPARES), self.expr(other, depth), self.expr(other, depth))
            return op("not", x) if draw((True, False)) else op(draw("&|^"), x, y)
        if dtype.kind == "f":
            name = draw(("+", "-", "*", "/", "neg", "abs", "sqrt", *["fma"] * FUSED))
        else:
            name = draw(("+", "-", "*", "neg", "abs", "//", "%", "<<", ">>", "&", "|", "^"))
        if name in ("neg", "abs", "sqrt"):
            return op(name, x)
        if name == "fma":
            return op(name, x, y, self.leaf(dtype))
        if name in ("//", "%"):
            return op(name, x, draw((1, 2, 7, 100)))
        return op(name, x, draw((0, 1, 3, 7)) if name in ("<<", ">>") else y)


def entry_by_entry(value, n=24):
    """A function that stores an expression at each i."""
    loads = [Array(f"{letter}_{dtype}", dtype, n) for letter in "xy" for dtype in TYPES]
    out = Array("out", value.dtype, n)
    body = (Let("t", value), Store("out", AT, Var("t", value.dtype)))
    loop = For("i", int64(0), int64(n), body, mark="lanes")
    return Function((*loads, out), frozenset(["out"]), (), (loop,))


@pytest.mark.parametrize("seed", range(3))
def test_expressions_of_each_dtype_compute_what_the_interpreter_does(seed):
    arrays = {f"{letter}_{dtype}": samples(dtype) for letter in "xy" for dtype in TYPES}
    arrays |= {name: arrays[name][::-1].copy() for name in arrays if name.startswith("y")}
    builder = Builder(seed)
    values = [builder.expr(dtype, depth) for dtype in TYPES for depth in (1, 2, 2, 3)]
    functions = [entry_by_entry(value) for value in values]
    library = compiled([as_run(f"f{i}", one) for i, one in enumerate(functions)])
    for i, one in enumerate(functions):
        out = np.zeros(24, one.arrays[-1].dtype)
        expected = arrays | {"out": out.copy()}
        do(library, f"Sf{i}", [*arrays.values(), out])
        interpret(one, expected)
        same(out, expected["out"], values[i])


def test_bits_are_read_as_other_numbers():
    arrays = {
        f"{letter}_{dtype}": np.arange(1, 25).astype(dtype) for letter in "xy" for dtype in TYPES
    }
    for dtype in TYPES:
        others = [d for d in TYPES if d.itemsize == dtype.itemsize and BOOL not in (d, dtype)]
        functions = [entry_by_entry(bits(Load(f"x_{d}", AT, d), dtype)) for d in others]
        if functions:
            check_all(functions, arrays | {"out": np.zeros(24, dtype)})


def test_constants_are_exact():
    dtypes = [dtype for dtype in TYPES if dtype != BOOL]
    values = [Const(value.item(), dtype) for dtype in dtypes for value in samples(dtype)]
    values += [Const(value, BOOL) for value in (False, True)]
    outs = {dtype: [v for v in values if v.dtype == dtype] for dtype in TYPES}
    arrays = tuple(Array(f"o{i}", dtype, len(some)) for i, (dtype, some) in enumerate(outs.items()))
    body = [
        Store(array.name, ZERO + i, value)
        for array, some in zip(arrays, outs.values(), strict=True)
        for i, value in enumerate(some)
    ]
    one = Function(arrays, frozenset(a.name for a in arrays), (), tuple(body))
    check_all([one], {a.name: np.zeros(a.size, a.dtype) for a in arrays})


def test_minus_before_a_negative_constant_is_no_decrement():
    x = Const(-np.inf, FLOAT64)
    assert expression(op("neg", x)) == "-(-INFINITY)"
    assert literal(-(2**63), INT64) == "(-9223372036854775807L - 1)"


def test_functions_of_floats_are_the_elementary_ones_or_the_c_librarys():
    n = 24
    functions, names, x = [], [], np.linspace(0.1, 3, n)
    for name, count in FUNCTIONS.items():
        for dtype in (FLOAT32, FLOAT64):
            args = [load(Array("x", dtype, n), AT), load(Array("y", dtype, n), AT)][:count]
            body = (Store("out", AT, op(name, *args)),)
            arrays = tuple(Array(a, dtype, n) for a in ("x", "y", "out"))
            loop = For("i", int64(0), int64(n), body, mark="lanes")
            functions.append(Function(arrays, frozenset(["out"]), (), (loop,)))
            names.append((name, dtype))
    library = compiled([as_run(f"f{i}", one) for i, one in enumerate(functions)])
    for i, (one, (name, dtype)) in enumerate(zip(functions, names, strict=True)):
        given = [x.astype(dtype), x[::-1].astype(dtype), np.zeros(n, dtype)]
        do(library, f"Sf{i}", given)
        expected = dict(zip(("x", "y", "out"), (a.copy() for a in given), strict=True))
        interpret(one, expected)
        if FUSED and elementary.definition(name, dtype) and dtype == FLOAT32:
            same(given[-1], expected["out"], name)
        # Two libraries, each within some 4 units in the last place.
        np.testing.assert_allclose(given[-1], expected["out"], rtol=8 * np.finfo(dtype).eps)


# --- statements ----------------------------------------------------------------------------------


def test_loops_with_each_mark_and_branches():
    n = 100
    x, out = Array("x", FLOAT32, n), Array("out", FLOAT32, n)
    s = Var("s", FLOAT32)
    entry = Load("x", AT, FLOAT32)
    most = minimum(Affine.of("b") + 8, int64(n))
    part_bounds = tuple(op("//", int64(n) * part, PARTS) for part in (PART, PART + 1))
    bodies = {
        "in order": (For("i", int64(1), int64(n), (Store("out", AT, entry + load(out, AT - 1)),)),),
        "lanes": (For("i", int64(0), int64(n), (Store("out", AT, entry * 2),), mark="lanes"),),
        "reduction": (
            Let("s", Const(0.0, FLOAT32)),
            For("i", int64(0), int64(n), (Set("s", s + entry),), mark="reduction", sum="s"),
            Store("out", ZERO, s),
        ),
        "steps, and ends that are computed": (
            For(
                "b",
                int64(0),
                int64(n),
                (
                    For("i", Affine.of("b"), most, (Store("out", AT, entry),), mark="lanes"),
                    For("i", Affine.of("b"), most, (Set("last", convert(AT, FLOAT32)),)),
                ),
                8,
            ),
            Store("out", ZERO + 3, Var("last", FLOAT32)),
        ),
        "parallel": (For("i", *part_bounds, (Store("out", AT, -entry),), parallel=True),),
        "branches": (
            If(
                equal(PART, 0),
                (
                    For(
                        "i",
                        int64(0),
                        int64(n),
                        (
                            If(
                                entry < 50,
                                (Store("out", AT, entry),),
                                (Store("out", AT - AT + 5, entry),),
                            ),
                            If(equal(AT % 2, 0), (Store("out", AT, Const(-1.0, FLOAT32)),)),
                        ),
                    ),
                ),
            ),
        ),
    }
    bodies["steps, and ends that are computed"] = (
        Let("last", Const(0.0, FLOAT32)),
        *bodies["steps, and ends that are computed"],
    )
    functions = [Function((x, out), frozenset(["out"]), (), body) for body in bodies.values()]
    # Whole numbers, whose sums are exact in any order.
    arrays = {"x": np.arange(n, dtype=np.float32), "out": np.zeros(n, np.float32)}
    check_all(functions, arrays)
    check_all(functions[-2:], arrays, parts=3)


def test_an_end_is_computed_once_where_the_loop_changes_what_it_is_of():
    n, end = Array("n", INT64, 1), Load("n", ZERO, INT64)
    loop = For("i", int64(0), end, (Store("n", ZERO, end + 1),))
    check_all([Function((n,), frozenset(["n"]), (), (loop,))], {"n": np.array([5])})


def test_own_arrays_and_arrays_of_booleans():
    x, out, own = Array("x", FLOAT64, 9), Array("out", BOOL, 9), Array("own", BOOL, 9)
    body = (
        For("i", int64(0), int64(9), (Store("own", AT, load(x, AT) > 0),)),
        Let("any", Const(False, BOOL)),
        For("i", int64(0), int64(9), (Set("any", Var("any", BOOL) | load(own, AT)),)),
        For("i", int64(0), int64(9), (Store("out", AT, load(own, AT) ^ Var("any", BOOL)),)),
    )
    one = Function((x, out), frozenset(["out"]), (own,), body)
    x = np.array([1, -1, 0, np.nan, np.inf, -2, 3, 4, 5])
    check_all([one], {"x": x, "out": np.zeros(9, bool)})


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
    size = array.itemsize
    strides = matrix.down * size, matrix.along * size
    return np.lib.stride_tricks.as_strided(array[matrix.start.const :], (rows, columns), strides)


def tile(dtype, inner, rows, vectors, transposed):
    machine = build.machine()
    height, width = machine.rows, vectors * machine.vector // dtype.itemsize
    a, b, left, right = matrices(dtype, inner, width, height, transposed)
    out, own = Array("out", dtype, height * width), Array("tile", dtype, height * width)
    at = Affine.of("r") * width + Affine.of("c")
    copy = For("c", int64(0), int64(width), (Store("out", at, load(own, at)),), mark="lanes")
    body = (
        Let("rows", int64(rows)),
        Tile("tile", left, right, inner, Var("rows", INT64), height, width, dtype)
        if rows < height
        else Tile("tile", left, right, inner, int64(rows), height, width, dtype),
        For("r", int64(0), int64(rows), (copy,)),
    )
    return Function((a, b, out), frozenset(["out"]), (own,), body)


CASES = [
    (dtype, inner, rows, vectors, transposed)
    for dtype in (FLOAT32, FLOAT64)
    for inner, rows, vectors, transposed in (
        (1, 4, 2, False),
        (7, 3, 1, True),
        (256, 4, 2, False),
        (257, 1, 1, False),
        (700, 4, 1, True),
        (16400, 2, 1, False),
        (0, 4, 2, False),
    )
]


def test_tiles_give_exact_sums_of_whole_numbers():
    """Of any length: in one sum, in chunks of some hundreds, and compensated."""
    functions = [
        tile(dtype, inner, min(rows, build.machine().rows), vectors, transposed)
        for dtype, inner, rows, vectors, transposed in CASES
    ]
    library = compiled([as_run(f"f{i}", one) for i, one in enumerate(functions)])
    generator = np.random.default_rng(0)
    for i, one in enumerate(functions):
        given = [generator.integers(-8, 9, array.size).astype(array.dtype) for array in one.arrays]
        do(library, f"Sf{i}", given)
        product = one.body[1]
        rows = one.body[0].value.value
        left = view(given[0], product.left, rows, product.inner)
        right = view(given[1], product.right, product.inner, product.width)
        out = given[2].reshape(product.height, product.width)[:rows]
        assert (out == left.astype(float) @ right.astype(float)).all(), CASES[i]


@pytest.mark.skipif(not FUSED, reason="this machine has no fused multiply-add")
def test_a_tile_is_its_loops_to_the_bit():
    check = [
        tile(dtype, inner, rows, 1, transposed)
        for dtype, inner, rows, transposed in (
            (FLOAT32, 9, 4, False),
            (FLOAT32, 300, 1, True),
            (FLOAT64, 9, 3, True),
        )
    ]
    generator = np.random.default_rng(0)
    for one in check:
        arrays = {a.name: generator.standard_normal(a.size).astype(a.dtype) for a in one.arrays}
        check_all([one], arrays)


def test_panels_are_copied_turned_and_filled_up():
    lanes = build.machine().vector // 4
    cases = [
        (FLOAT32, 2 * lanes + 3, 2 * lanes, 2 * lanes, 1, 3 * lanes),  # in squares, and a rest
        (FLOAT32, 2 * lanes + 3, 2 * lanes - 1, 2 * lanes, 1, 3 * lanes),
        (FLOAT32, 40, build.machine().rows, build.machine().rows, 1, 50),  # no square is as narrow
        (FLOAT32, 40, build.machine().rows, build.machine().rows, 11, 1),
        (FLOAT32, 40, 3, build.machine().rows, 11, 1),
        (FLOAT64, 9, lanes, lanes, 40, 1),
        (FLOAT64, 9, 5, lanes, 1, 9),
    ]
    functions = []
    for dtype, inner, columns, width, down, along in cases:
        matrix = Matrix("a", ZERO + 3, down, along)
        a = Array("a", dtype, 4 + inner * down + width * along)
        out = Array("out", dtype, 2 + inner * width)
        body = (Panel("out", ZERO + 2, matrix, inner, int64(columns), width, dtype),)
        functions.append(Function((a, out), frozenset(["out"]), (), body))
    library = compiled([as_run(f"f{i}", one) for i, one in enumerate(functions)])
    for i, one in enumerate(functions):
        given = [np.arange(1, array.size + 1).astype(array.dtype) for array in one.arrays]
        expected = {a.name: array.copy() for a, array in zip(one.arrays, given, strict=True)}
        do(library, f"Sf{i}", given)
        interpret(one, expected)
        same(given[1], expected["out"], cases[i])


# --- programs ------------------------------------------------------------------------------------


def scaled(factor, dtype=FLOAT32, n=8):
    """out = x * factor."""
    x, out = Array("x", dtype, n), Array("out", dtype, n)
    part_bounds = tuple(op("//", int64(n) * part, PARTS) for part in (PART, PART + 1))
    loop = For("i", *part_bounds, (Store("out", AT, load(x, AT) * factor),), parallel=True)
    return Function((x, out), frozenset(["out"]), (), (loop,))


def step():
    """A segment: two runs side by side, then two that wait, by one thread in order."""
    double, triple = scaled(2.0), scaled(3.0)
    first = Run("k0", double, ((0, 0), (1, 0)), 4), Run("k1", triple, ((0, 0), (2, 0)), 4)
    small = Run("k2", double, ((1, 0), (2, 32)), 0), Run("k3", scaled(2.0), ((2, 32), (2, 64)), 0)
    return {"segment0": (first, small)}


@pytest.mark.parametrize("parts", [1, 3])
def test_a_step_is_done_in_order_on_its_slots(parts):
    library = build.library([source(step(), build.machine())], ["segment0"])
    x, one, others = (
        np.arange(8, dtype=np.float32),
        np.zeros(8, np.float32),
        np.zeros(24, np.float32),
    )
    do(library, "segment0", [x, one, others], parts)
    assert (one == x * 2).all()
    assert (others.reshape(3, 8) == [x * 3, x * 4, x * 8]).all()


def test_functions_that_are_alike_are_one():
    text = source(step(), build.machine())
    assert text.count("void body") == 2
    called = ["{body0, places + 0},", "{0},", "{body1, places + 2},", "{0},"]
    called += ["{body0, places + 4},", "{body0, places + 6},", "{0},"]
    assert "\n".join(f"    {line}" for line in called) in text
    assert "{calls + 0, 4, 1},\n    {calls + 2, 4, 0},\n    {calls + 4, 0, 1},\n    {0}," in text


def test_a_step_in_several_files_is_the_same_step(tmp_path):
    """Each has the functions that it needs; the stages are in the last."""
    texts = sources(step(), build.machine(), 500)
    assert [text.count("void body") for text in texts] == [1, 1]
    files = [tmp_path / f"{i}.c" for i in range(2)]
    for file, text in zip(files, texts, strict=True):
        file.write_text(text)
    out = tmp_path / "step.so"
    command = [build.compiler(), *build.FLAGS, f"-I{build.HEADERS}", *files, "-o", out]
    subprocess.run(command, check=True, capture_output=True)
    x, one, others = (
        np.arange(8, dtype=np.float32),
        np.zeros(8, np.float32),
        np.zeros(24, np.float32),
    )
    do(ctypes.CDLL(str(out)), "segment0", [x, one, others], 2)
    assert (one == x * 2).all()
    assert (others.reshape(3, 8) == [x * 3, x * 4, x * 8]).all()


def test_zeros_of_either_sign_are_not_alike():
    runs = [Run(f"k{i}", scaled(zero), ((0, 0), (1, 0)), 1) for i, zero in enumerate((0.0, -0.0))]
    assert source({"segment0": (tuple(runs),)}, build.machine()).count("void body") == 2


def test_the_clock_is_looked_at_after_each_run():
    laps = {f"k{i}": i + 1 for i in range(4)}
    text = timed(step(), build.machine(), laps, 3)
    library = build.library([text], ["segment0"])
    seconds = np.zeros(5)
    arrays = [np.ones(8, np.float32), np.zeros(8, np.float32), np.zeros(24, np.float32), seconds]
    do(library, "segment0", arrays)
    assert (seconds > 0).all()
    assert (arrays[2][16:] == 8).all()


def test_no_word_of_pythons_or_numpys_is_printed():
    builder = Builder(7)
    values = [builder.expr(dtype, 3) for dtype in TYPES for _ in range(4)]
    text = "\n".join(function(entry_by_entry(value), "f") for value in values)
    body = re.sub(r"\b[xy]_\w+", "", text)
    assert not re.findall(r"\b(?:np|numpy|True|False|None|nan|inf|not|and|or|//)\b", body)
    assert not re.findall(r"\b(?:float32|float64|u?int\d+|bool)\b", body)
    assert "//" not in body
