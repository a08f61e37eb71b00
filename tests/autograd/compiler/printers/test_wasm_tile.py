"""Tiles of products and panels printed as WebAssembly: the sums of their loops, to the bit."""

from itertools import product

import numpy as np
import pytest

from autograd.compiler.language.interpret import evaluate
from autograd.compiler.language.statements import Let, Matrix, Tile
from autograd.compiler.language.tiles import CHUNK
from autograd.compiler.passes.tiling import Machine
from autograd.compiler.web.module import MACHINES
from autograd.primitives.expressions import (
    FLOAT32,
    FLOAT64,
    INT64,
    ZERO,
    Load,
    Var,
    convert,
    fma,
)
from tests.autograd.compiler.printers.assembled import Assembled, check_all
from tests.autograd.compiler.printers.functions import function, int64, panel, same, tile, view

UINT8 = np.dtype(np.uint8)
BOTH = pytest.mark.parametrize("simd", MACHINES)
INNERS = [0, 1, 2, 3, 4, 5, 7, 8, 30, 255, 256, 257, 259, 300, 511, 512, 513, 600]


def numbers(array, generator, whole=False):
    """Random numbers, or small whole ones, whose sums are exact."""
    found = (
        generator.integers(-8, 9, array.size) if whole else generator.standard_normal(array.size)
    )
    return found.astype(array.dtype)


X, Y, Z = (Var(name, FLOAT32) for name in "xyz")
TERM = {"v128": Z + X * Y, "relaxed": fma(X, Y, Z)}


def in_chunks(left, right, term):
    """The product, term by term, in chunks."""
    total = zeros = np.zeros((left.shape[0], right.shape[1]), np.float32)
    for start in range(0, left.shape[1], CHUNK):
        part = zeros
        for k in range(start, min(start + CHUNK, left.shape[1])):
            part = evaluate(term, {"x": left[:, k, None], "y": right[k], "z": part})
        total = total + part if start else part
    return total


def operands(one, arrays):
    """The matrices that the tile of a function reads."""
    let, whole, _ = one.body
    left = view(arrays["a"], whole.left, let.value.value, whole.inner)
    return left, view(arrays["b"], whole.right, whole.inner, whole.width)


@BOTH
@pytest.mark.parametrize("transposed", [False, True])
def test_tiles_are_chains_of_terms_in_chunks(transposed, simd):
    """Of every number of rows and vectors, and of inner lengths about a chunk. With multiply-add
    each term is rounded once, as the interpreter does it; without, twice."""
    machine, generator = MACHINES[simd], np.random.default_rng(0)
    cases = [(n, machine.rows, 2) for n in INNERS] + [(n, 1, 1) for n in INNERS]
    cases += [(n, rows, 1 + rows % 2) for n in (9, 300) for rows in range(1, machine.rows + 1)]
    functions = [tile(machine, FLOAT32, *case, transposed) for case in cases]
    given = [{a.name: numbers(a, generator) for a in one.arrays} for one in functions]
    assembled = Assembled(functions, simd == "relaxed")
    assert "call $tile" in assembled.texts[0]
    for i, (one, arrays) in enumerate(zip(functions, given, strict=True)):
        left, right = operands(one, arrays)
        found = assembled.run(i, arrays)["out"].reshape(machine.rows, -1)[: left.shape[0]]
        same(found, in_chunks(left, right, TERM[simd]), cases[i])


@BOTH
def test_operands_may_lie_in_any_order(simd):
    """Backwards, with every entry far from the next, one row for all, one column for all."""
    machine, generator = MACHINES[simd], np.random.default_rng(0)
    height, width, inner = machine.rows, 8, 10
    functions = []
    strides = (-12, 1), (12, -1), (-12, -1), (1, -30), (-1, 30), (0, 1), (1, 0), (0, -2)
    shapes = dict.fromkeys("ab", (FLOAT32, 900)) | {"out": (FLOAT32, height * width)}
    for rows, (down, along), below in product((1, height), strides, (8, 20, -8, -20, 0)):
        left = Matrix("a", ZERO + 450, down, along)
        right = Matrix("b", ZERO + 450, below, 1)
        whole = Tile("out", left, right, inner, int64(rows), height, width, FLOAT32)
        functions.append(function(["out"], whole, **shapes))
    given = [{a.name: numbers(a, generator, True) for a in one.arrays} for one in functions]
    assembled = Assembled(functions, simd == "relaxed")
    for i, (one, arrays) in enumerate(zip(functions, given, strict=True)):
        (whole,) = one.body
        rows = whole.rows.value
        left = view(arrays["a"], whole.left, rows, inner)
        right = view(arrays["b"], whole.right, inner, width)
        found = assembled.run(i, arrays)["out"].reshape(height, width)[:rows]
        assert (found == left @ right).all(), whole


@BOTH
def test_no_row_is_read_that_is_not_there(simd):
    """Of a tile with fewer rows: the memory ends with the operand."""
    machine, inner, width = MACHINES[simd], 16, 8
    right = Matrix("b", ZERO, width, 1)
    generator = np.random.default_rng(0)
    for rows in range(1, machine.rows + 1):
        left, count = Matrix("a", ZERO, inner, 1), convert(Load("n", ZERO, UINT8), INT64)
        shapes = {"out": (FLOAT32, machine.rows * width), "b": (FLOAT32, inner * width)}
        shapes |= {"n": (UINT8, 1), "a": (FLOAT32, rows * inner)}
        product = Tile("out", left, right, inner, Var("rows", INT64), machine.rows, width, FLOAT32)
        one = function(["out"], Let("rows", count), product, **shapes)
        given = {a.name: numbers(a, generator, True) for a in one.arrays}
        given["n"][0] = rows
        found = Assembled([one], simd == "relaxed").run(0, given)["out"].reshape(-1, width)[:rows]
        assert (found == given["a"].reshape(rows, inner) @ given["b"].reshape(inner, width)).all()


@BOTH
def test_long_sums_and_float64_are_plain_loops(simd):
    """Of whole numbers, whose sums are exact in any order."""
    machine, generator = MACHINES[simd], np.random.default_rng(0)
    functions = [
        tile(machine, FLOAT32, 16_400, 1, 1, False),
        tile(Machine(vector=16, rows=2), FLOAT64, 300, 2, 2, False),
    ]
    given = [{a.name: numbers(a, generator, True) for a in one.arrays} for one in functions]
    assembled = Assembled(functions, simd == "relaxed")
    assert "call $tile" not in assembled.wat
    for i, (one, arrays) in enumerate(zip(functions, given, strict=True)):
        left, right = operands(one, arrays)
        found = assembled.run(i, arrays)["out"].reshape(-1, right.shape[1])[: left.shape[0]]
        assert (found == left @ right).all(), i


def test_panels_are_copied_turned_and_filled_up():
    cases = [
        (FLOAT32, 11, columns, width, *strides)
        for width in (4, 6, 8, 10)
        for columns in {1, width - 1, width}
        for strides in ((1, 12), (14, 1), (40, 1), (3, 20), (0, 1))
    ]
    cases += [(FLOAT64, 9, 4, 4, 40, 1), (FLOAT64, 9, 3, 4, 1, 9), (FLOAT32, 0, 8, 8, 8, 1)]
    functions = [panel(*case) for case in cases]
    given = [
        {a.name: np.arange(1, a.size + 1).astype(a.dtype) for a in one.arrays} for one in functions
    ]
    check_all(functions, given, names=cases)
