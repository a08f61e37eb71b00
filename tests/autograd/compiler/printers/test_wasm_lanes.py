"""Loops over lanes printed as WebAssembly: every number of iterations, so that vectors, unrolled
ones and the rest are met; every way to load and store; sums, whose order is fixed."""

import numpy as np
import pytest

from autograd.compiler.language.statements import For, Let, Set, Store
from autograd.primitives.expressions import (
    BOOL,
    FLOAT32,
    FLOAT64,
    INT32,
    INT64,
    UINT32,
    ZERO,
    Affine,
    Const,
    Load,
    Var,
    convert,
    exp,
    select,
    zero,
)
from tests.autograd.compiler.printers.assembled import Assembled, check_all
from tests.autograd.compiler.printers.functions import AT, function, int64, same, samples, whole

MOST = 40  # iterations
COUNTS = [*range(10), *range(15, 22), 31, 32, 33, MOST]
UINT8 = np.dtype(np.uint8)
SMALL = [np.dtype(kind) for kind in "?bBhH"]
DTYPES = [*SMALL, INT32, UINT32, FLOAT32]
OFFSETS = {
    "in a row": AT + 3,
    "one for all": ZERO + 7,
    "backwards": AT * -1 + 50,
    "apart": AT * 3 + 1,
    "apart, backwards": AT * -2 + 90,
    "in a row of another": AT + Affine.of("j") * 2,
    "of data": Affine.of("p") + 1,
    "of data and in a row": Affine.of("p") + AT * 2,
    "a row of data": AT + Affine.of("q"),
}


def each_count(body, **marks):
    """Loops with constant bounds, one for each count, each in a row j of the result."""
    loops = []
    for row, count in enumerate(COUNTS):
        first = row % 3
        inside = body(Affine.of("j"))
        loop = For("i", int64(first), int64(first + count), inside, mark="lanes", **marks)
        loops += [For("j", int64(row), int64(row + 1), (loop,))]
    return loops


def unknown_bounds(body, **marks):
    """The same by bounds that come of data."""
    first, last = (convert(Load(name, Affine.of("j"), UINT8), INT64) for name in ("first", "last"))
    loop = For("i", first, last, body(Affine.of("j")), mark="lanes", **marks)
    return [For("j", int64(0), int64(len(COUNTS)), (loop,))]


BOUNDS = {"constant": each_count, "unknown": unknown_bounds}
ROWS = len(COUNTS)
SHAPES = {"first": (UINT8, ROWS), "last": (UINT8, ROWS)}
FIRST = np.arange(ROWS, dtype=np.uint8) % 3
ENDS = {"first": FIRST, "last": FIRST + np.array(COUNTS, np.uint8)}


def loaded(dtype, offset):
    """What a loop computes of the entry at an offset: in lanes for each of DTYPES."""

    def body(row):
        value = Load("x", offset, dtype)
        if dtype == BOOL:
            value = select(value, Const(1.5, FLOAT32), Const(-2.0, FLOAT32))
        elif dtype != FLOAT32:
            value = convert(value, FLOAT32)
        position = Let("p", convert(Load("at", AT + 2, INT32), INT64))
        return (position, Store("out", row * (MOST + 4) + AT, value))

    return body


@pytest.mark.parametrize("bounds", BOUNDS)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_entries_are_loaded_in_a_row_one_for_all_or_lane_by_lane(dtype, bounds):
    shapes = {**SHAPES, "x": (dtype, 160), "at": (INT32, 60), "out": (FLOAT32, ROWS * (MOST + 4))}
    functions = []
    for offset in OFFSETS.values():
        q = Let("q", convert(Load("at", ZERO + 5, INT32), INT64))
        functions.append(function(["out"], q, *BOUNDS[bounds](loaded(dtype, offset)), **shapes))
    generator = np.random.default_rng(0)
    x = samples(dtype, 160)
    given = ENDS | {"x": x, "at": generator.integers(0, 50, 60).astype(np.int32)}
    given["out"] = np.zeros(ROWS * (MOST + 4), np.float32)
    texts = check_all(functions, given, names=[*OFFSETS]).texts
    in_lanes = {name for name, text in zip(OFFSETS, texts, strict=True) if "v128.store" in text}
    row = {"in a row", "one for all", "in a row of another", "a row of data"}
    assert in_lanes == ({*OFFSETS} if dtype.itemsize == 4 else row)


STORES = {
    "in a row": AT,
    "apart": AT * 2,
    "backwards": AT * -1 + MOST + 3,
    "a row of data": AT + Affine.of("q"),
    "of data": Affine.of("p"),
    "of data and in a row": Affine.of("p") * 2 + AT,
}


@pytest.mark.parametrize("bounds", BOUNDS)
@pytest.mark.parametrize("dtype", [FLOAT32, INT32, UINT32, BOOL], ids=str)
def test_entries_are_stored_in_a_row_or_lane_by_lane(dtype, bounds):
    """Truths are masks, and stored as 0 and 1. To positions of data one by one."""
    shapes = {**SHAPES, "x": (INT32, 60), "at": (INT32, 60), "out": (dtype, ROWS * 100)}
    x, position = Load("x", AT, INT32), convert(Load("at", AT, INT32), INT64)
    value = x > 0 if dtype == BOOL else convert(x, dtype)
    functions = []
    for to in STORES.values():
        body = lambda row, to=to: (Let("p", position), Store("out", row * 100 + to, value))  # noqa: E731
        q = Let("q", convert(Load("at", ZERO, INT32), INT64))
        functions.append(function(["out"], q, *BOUNDS[bounds](body), **shapes))
    given = ENDS | {"x": samples(INT32, 60), "out": np.full(ROWS * 100, 85, dtype)}
    given["at"] = np.arange(47, -13, -1).astype(np.int32)
    texts = check_all(functions, given, names=[*STORES]).texts
    in_lanes = {name for name, text in zip(STORES, texts, strict=True) if "v128.store" in text}
    row = {"in a row", "a row of data"}
    assert in_lanes == row | (set() if dtype == BOOL else {"apart", "backwards"})


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_no_entry_is_read_that_is_not_there(dtype):
    """The memory ends with the array."""
    for n in (4, 5, 8, 21, 24):
        value = Load("x", AT, dtype)
        value = select(value, Const(1.0, FLOAT32), Const(0.0, FLOAT32)) if dtype == BOOL else value
        loop = whole(n, Store("out", AT, convert(value, FLOAT32)), mark="lanes")
        one = function(["out"], loop, out=(FLOAT32, n), x=(dtype, n))
        check_all([one], {"x": samples(dtype)[:n], "out": np.zeros(n, np.float32)})


def test_an_attempt_in_lanes_that_fails_leaves_nothing():
    """Neither variables nor functions nor what was computed before the loop."""
    value = Load("x", AT, FLOAT32) * 1.5
    cannot = convert(Load("y", AT, FLOAT64), FLOAT32)
    body = Let("t", exp(value)), Store("out", AT, Var("t", FLOAT32) + cannot)
    shapes = {"x": (FLOAT32, 90), "y": (FLOAT64, 90), "out": (FLOAT32, 90)}
    generator = np.random.default_rng(0)
    given = {n: generator.standard_normal(90).astype(d) for n, (d, _) in shapes.items()}
    loop = For("j", int64(0), int64(3), (whole(30, *body, mark="lanes"),))
    assembled = check_all([function(["out"], loop, **shapes)], given)
    assert "call $exp_f32" in assembled.texts[0]
    assert "x4" not in assembled.texts[0]
    assert "v128" not in assembled.texts[0]
    assert "exp_f32x4" not in assembled.wat


def test_entries_are_overwritten_in_place():
    """Each lane reads what it writes, as a step of training does; and from elsewhere before."""
    out, x = Load("out", AT, FLOAT32), Load("x", AT, FLOAT32)
    body = (
        Let("old", out),
        Store("out", AT, Var("old", FLOAT32) * 0.5 + x),
        Let("new", out),
        Store("out", AT, Var("new", FLOAT32) - Var("old", FLOAT32)),
    )
    functions = [
        function(
            ["out"],
            For("i", int64(0), int64(n), body, mark="lanes"),
            x=(FLOAT32, 40),
            out=(FLOAT32, 40),
        )
        for n in COUNTS
    ]
    check_all(functions, {"x": samples(FLOAT32, 40), "out": samples(FLOAT32, 40)[::-1].copy()})


# --- sums ----------------------------------------------------------------------------------------


def by_lanes(x, start):
    """The sum of lanes, the first two and the last two of them added; then the rest."""
    rest = len(x) // 4 * 4
    lanes = np.zeros(4, x.dtype)
    for i in range(0, rest, 4):
        lanes = lanes + x[i : i + 4]
    if rest:
        start = start + ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3]))
    for entry in x[rest:]:
        start = start + entry
    return start


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("bounds", BOUNDS)
@pytest.mark.parametrize("dtype", [FLOAT32, INT32, UINT32], ids=str)
def test_sums_are_of_four_lanes_in_a_fixed_order(dtype, bounds, swapped):
    s, x = Var("s", dtype), Load("x", AT + 2, dtype)
    start = Const(0.1015625, dtype) if dtype == FLOAT32 else Const(3, dtype)
    adds = x + s if swapped else s + x
    body = []
    for row, count in enumerate(COUNTS):
        ends = int64(row % 3), int64(row % 3 + count)
        if bounds == "unknown":
            at = ZERO + row
            ends = [convert(Load(name, at, UINT8), INT64) for name in ("first", "last")]
        loop = For("i", *ends, (Set("s", adds),), mark="reduction", sum="s")
        body += [Let("s", start) if not row else Set("s", start), loop, Store("out", ZERO + row, s)]
    one = function(["out"], *body, **SHAPES, x=(dtype, 60), out=(dtype, ROWS))
    x = samples(dtype, 60)
    if dtype == FLOAT32:
        x = np.random.default_rng(0).standard_normal(60).astype(np.float32)
    assembled = Assembled([one], False)
    assert "4.add" in assembled.texts[0]
    found = assembled.run(0, ENDS | {"x": x, "out": np.zeros(ROWS, dtype)})["out"]
    rows = [x[2 + row % 3 :][:count] for row, count in enumerate(COUNTS)]
    with np.errstate(over="ignore"):
        expected = [by_lanes(each, dtype.type(start.value)) for each in rows]
    same(found, np.array(expected, dtype), dtype)


def test_sums_that_are_not_made_in_lanes_are_made_in_order():
    """float64 and int64, and what is computed of these."""
    for dtype in (np.dtype(float), INT64):
        s, x = Var("s", dtype), Load("x", AT, dtype)
        loop = For("i", int64(0), int64(33), (Set("s", s + x),), mark="reduction", sum="s")
        one = function(
            ["out"],
            Let("s", zero(dtype)),
            loop,
            Store("out", ZERO, s),
            x=(dtype, 40),
            out=(dtype, 1),
        )
        x = np.random.default_rng(0).standard_normal(40) * 1e6
        (text,) = check_all([one], {"x": x.astype(dtype), "out": np.zeros(1, dtype)}).texts
        assert "x4" not in text


def test_a_sum_of_negative_zeros_is_a_positive_one():
    s, x = Var("s", FLOAT32), Load("x", AT, FLOAT32)
    loop = For("i", int64(0), int64(9), (Set("s", s + x),), mark="reduction", sum="s")
    one = function(
        ["out"],
        Let("s", Const(0.0, FLOAT32)),
        loop,
        Store("out", ZERO, s),
        x=(FLOAT32, 9),
        out=(FLOAT32, 1),
    )
    check_all([one], {"x": np.full(9, -0.0, np.float32), "out": np.ones(1, np.float32)})


# --- what is computed before a loop --------------------------------------------------------------


def test_what_a_loop_does_not_change_is_computed_before_it():
    """Addresses and constants; an address that an inner loop changes stays inside."""
    at = Affine.of("j") * 40 + Affine.of("k") * 400 + AT
    value = Load("x", at, FLOAT32) * 1.5 + Var("t", FLOAT32)
    inner = For("i", int64(0), int64(40), (Store("out", at, value),), mark="lanes")
    middle = For("j", int64(0), int64(9), (Let("t", Load("x", Affine.of("j"), FLOAT32)), inner))
    outer = For("k", int64(0), int64(3), (middle,))
    one = function(["out"], outer, x=(FLOAT32, 1200), out=(FLOAT32, 1200))
    x = np.random.default_rng(0).standard_normal(1200).astype(np.float32)
    (text,) = check_all([one], {"x": x, "out": np.zeros(1200, np.float32)}).texts
    inside = text[text.index("(loop $i.loop") :]
    assert "splat" not in inside
    assert inside.count("i32.mul") == 2  # the entries' bytes, of a load and a store
