"""The loop language printed as C, compiled and run, against the interpreter: the same bits."""

import ctypes
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
    Run,
    Store,
    load,
)
from autograd.compiler.printers.c_files import source, sources, timed
from autograd.compiler.printers.print_c import expression, function, literal
from autograd.compiler.runtime import build, cpu
from autograd.compiler.runtime.arrays import address
from autograd.primitives.expressions import (
    BOOL,
    FLOAT32,
    FLOAT64,
    FUNCTIONS,
    INT64,
    Const,
    Load,
    bits,
    op,
)
from tests.autograd.compiler.printers.functions import (
    AT,
    DTYPES,
    Builder,
    as_run,
    constants,
    end_that_changes,
    entry_by_entry,
    int64,
    loops,
    of_function,
    own_arrays,
    panel,
    same,
    sampled,
    tile,
    view,
)

pytestmark = pytest.mark.usefixtures("compiler")
FUSED = cpu.has("fma") or cpu.architecture() == "aarch64"
FUSED_DTYPES = (FLOAT32, FLOAT64) if FUSED else ()


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


# --- expressions ---------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_expressions_of_each_dtype_compute_what_the_interpreter_does(seed):
    arrays, builder = sampled(), Builder(seed, FUSED_DTYPES)
    values = [builder.expr(dtype, depth) for dtype in DTYPES for depth in (1, 2, 2, 3)]
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
        f"{letter}_{dtype}": np.arange(1, 25).astype(dtype) for letter in "xy" for dtype in DTYPES
    }
    for dtype in DTYPES:
        others = [d for d in DTYPES if d.itemsize == dtype.itemsize and BOOL not in (d, dtype)]
        functions = [entry_by_entry(bits(Load(f"x_{d}", AT, d), dtype)) for d in others]
        if functions:
            check_all(functions, arrays | {"out": np.zeros(24, dtype)})


def test_constants_are_exact():
    one = constants()
    check_all([one], {a.name: np.zeros(a.size, a.dtype) for a in one.arrays})


def test_minus_before_a_negative_constant_is_no_decrement():
    x = Const(-np.inf, FLOAT64)
    assert expression(op("neg", x)) == "-(-INFINITY)"
    assert literal(-(2**63), INT64) == "(-9223372036854775807L - 1)"


def test_functions_of_floats_are_the_elementary_ones_or_the_c_librarys():
    names = [(name, dtype) for name in FUNCTIONS for dtype in (FLOAT32, FLOAT64)]
    functions, x = [of_function(*each) for each in names], np.linspace(0.1, 3, 24)
    library = compiled([as_run(f"f{i}", one) for i, one in enumerate(functions)])
    for i, (one, (name, dtype)) in enumerate(zip(functions, names, strict=True)):
        given = [x.astype(dtype), x[::-1].astype(dtype), np.zeros(24, dtype)]
        do(library, f"Sf{i}", given)
        expected = dict(zip(("x", "y", "out"), (a.copy() for a in given), strict=True))
        interpret(one, expected)
        if FUSED and elementary.definition(name, dtype) and dtype == FLOAT32:
            same(given[-1], expected["out"], name)
        # Two libraries, each within some 4 units in the last place.
        np.testing.assert_allclose(given[-1], expected["out"], rtol=8 * np.finfo(dtype).eps)


# --- statements ----------------------------------------------------------------------------------


def test_loops_with_each_mark_and_branches():
    # Whole numbers, whose sums are exact in any order.
    arrays = {"x": np.arange(100, dtype=np.float32), "out": np.zeros(100, np.float32)}
    functions = loops()
    check_all(functions.values(), arrays)
    check_all([functions["parallel"], functions["branches"]], arrays, parts=3)


def test_an_end_is_computed_once_where_the_loop_changes_what_it_is_of():
    check_all([end_that_changes()], {"n": np.array([5])})


def test_own_arrays_and_arrays_of_booleans():
    x = np.array([1, -1, 0, np.nan, np.inf, -2, 3, 4, 5])
    check_all([own_arrays()], {"x": x, "out": np.zeros(9, bool)})


# --- products ------------------------------------------------------------------------------------


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
        tile(build.machine(), dtype, inner, min(rows, build.machine().rows), vectors, transposed)
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
        tile(build.machine(), dtype, inner, rows, 1, transposed)
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
    functions = [panel(*case) for case in cases]
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
    values = [builder.expr(dtype, 3) for dtype in DTYPES for _ in range(4)]
    text = "\n".join(function(entry_by_entry(value), "f") for value in values)
    body = re.sub(r"\b[xy]_\w+", "", text)
    assert not re.findall(r"\b(?:np|numpy|True|False|None|nan|inf|not|and|or|//)\b", body)
    assert not re.findall(r"\b(?:float32|float64|u?int\d+|bool)\b", body)
    assert "//" not in body
