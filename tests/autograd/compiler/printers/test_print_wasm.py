"""The loop language printed as WebAssembly and run in wasmtime, against the interpreter: the same
bits.

The interpreter rounds a fused multiply-add once; so does relaxed SIMD in an engine that is
deterministic. Without relaxed SIMD there is a product and a sum: functions of floats stay within
their bound then.
"""

import numpy as np
import pytest

from autograd.compiler import RefusedError
from autograd.compiler.language.statements import PARTS, For, If, Let, Set, Store
from autograd.compiler.language.verify import verify
from autograd.primitives.expressions import (
    BOOL,
    COMPARES,
    FLOAT32,
    FLOAT64,
    FUNCTIONS,
    INT32,
    INT64,
    OPERATIONS,
    UINT32,
    ZERO,
    Affine,
    Const,
    Load,
    Op,
    Var,
    bits,
    convert,
    equal,
    op,
    select,
)
from tests.autograd.compiler.language.accuracy import BOUND, REFERENCES, errors, interpreted, sample
from tests.autograd.compiler.printers.assembled import Assembled, check_all
from tests.autograd.compiler.printers.drawn import Drawer, arrays
from tests.autograd.compiler.printers.functions import (
    AT,
    DTYPES,
    Builder,
    constants,
    entry_by_entry,
    function,
    int64,
    loops,
    of_function,
    own_arrays,
    same,
    sampled,
    samples,
    whole,
)

UINT8 = np.dtype(np.uint8)
BOTH = pytest.mark.parametrize("relaxed", [False, True], ids=["v128", "relaxed"])


# --- expressions ---------------------------------------------------------------------------------


def operations(dtype):
    """An expression of each operation on operands of a dtype, and of each conversion of one."""
    x, y = (Load(f"{letter}_{dtype}", AT, dtype) for letter in "xy")
    test = Load("x_bool", AT, BOOL)
    for name, (count, wrong) in OPERATIONS.items():
        if name in ("bounded", "select", *FUNCTIONS, *["fma"] * (dtype == FLOAT64)):
            continue
        if wrong((dtype,) * count):
            continue
        if name in ("//", "%"):
            yield from (op(name, x, n) for n in (1, 2, 7, 100))
        elif name in ("<<", ">>"):
            yield from (op(name, x, n) for n in (0, 1, 3, 7, 8 * dtype.itemsize - 1))
        else:
            yield op(name, *(x, y, x)[:count])
    yield select(test, x, y)
    yield from (
        convert(x, other) for other in DTYPES if not (dtype.kind == "f" and other.kind in "iu")
    )
    if dtype != BOOL:
        same_size = [d for d in DTYPES if d.itemsize == dtype.itemsize and d != BOOL]
        yield from (bits(x, other) for other in same_size)


@pytest.mark.parametrize("mark", ["", "lanes"])
def test_each_operation_of_each_dtype_computes_what_the_interpreter_does(mark):
    values = [value for dtype in DTYPES for value in operations(dtype)]
    named = {value.name for value in values if isinstance(value, Op)}
    assert named >= OPERATIONS.keys() - {"bounded", *FUNCTIONS}
    functions = [entry_by_entry(value, 23, mark) for value in values]
    given = {name: array[:23].copy() for name, array in sampled().items()}
    outs = [given | {"out": np.zeros(23, value.dtype)} for value in values]
    check_all(functions, outs, names=values)


IN_LANES = {
    "float32": {"+", "-", "*", "/", "neg", "abs", "sqrt", "fma", *COMPARES, "select", "bits"},
    "int32": {"+", "-", "*", "neg", "abs", "<<", ">>", "&", "|", "^", *COMPARES, "select", "bits"},
    "bool": {"&", "|", "^", "not", "==", "!=", "select", "convert"},
    "uint8": {"convert", "select"},
}
IN_LANES["uint32"] = IN_LANES["int32"]
for _name in ("int32", "uint32"):
    IN_LANES[_name] = IN_LANES[_name] | {"convert"}
for _name in ("int8", "int16", "uint16"):
    IN_LANES[_name] = IN_LANES["uint8"]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_what_is_computed_in_lanes(dtype):
    """If this fails, something is right and four times as slow."""
    found = set()
    for value in operations(dtype):
        text = Assembled([entry_by_entry(value)], True).texts[0]
        if isinstance(value, Op) and "v128.store" in text:
            found.add(value.name)
    stored = {"select"} if dtype in (FLOAT32, INT32, UINT32, BOOL) else set()
    expected = IN_LANES.get(str(dtype), set()) - {"select"} | stored
    assert found == expected


@BOTH
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("mark", ["", "lanes"])
def test_drawn_expressions_compute_what_the_interpreter_does(mark, seed, relaxed):
    builder = Builder(seed, [FLOAT32] * relaxed)
    values = [builder.expr(dtype, depth) for dtype in DTYPES for depth in (1, 2, 2, 3)]
    outs = [sampled() | {"out": np.zeros(24, value.dtype)} for value in values]
    check_all([entry_by_entry(value, mark=mark) for value in values], outs, relaxed, values)


def test_constants_are_exact():
    one = constants()
    check_all([one], {a.name: np.zeros(a.size, a.dtype) for a in one.arrays})


# --- functions of floats -------------------------------------------------------------------------


def of_sample(relaxed):
    """What each function of float32 gives, one by one and in lanes, of a sample of all floats."""
    x, names = sample(), [*REFERENCES]
    marked = [(name, mark) for name in names for mark in ("", "lanes")]
    functions = [of_function(name, FLOAT32, len(x), mark) for name, mark in marked]
    assembled = Assembled(functions, relaxed)
    given = {"x": x, "y": x, "out": np.zeros_like(x)}
    found = {each: assembled.run(i, given)["out"] for i, each in enumerate(marked)}
    in_lanes = {name for name in names if f"call ${name}_f32x4" in assembled.wat}
    assert in_lanes == {*names} - {"sin", "cos"}  # which need integers of 64 bits
    return x, found


def test_functions_of_float32_are_the_interpreters_where_multiply_add_is_fused():
    x, found = of_sample(True)
    for (name, mark), got in found.items():
        same(got, interpreted(name, x), (name, mark))


def test_functions_of_float32_keep_their_bound_without_fused_multiply_add():
    """And are the same in lanes as one by one."""
    x, found = of_sample(False)
    for name in REFERENCES:
        same(found[name, ""], found[name, "lanes"], name)
        off = errors(name, x, found[name, ""])
        assert off.max() <= BOUND, (name, x[off.argmax()], off.max())


def test_functions_of_float64_and_powers_are_those_of_javascript():
    """power of 1 and -1, where JavaScript's pow has nan, included; and -inf has no root."""
    x, y = (each.ravel() for each in np.meshgrid(samples(FLOAT64), samples(FLOAT64)))
    x[:5], y[:5] = (1, -1, 1, -np.inf, -0.0), (np.nan, np.inf, -np.inf, 0.5, 0.5)
    names = [(name, dtype) for name in FUNCTIONS for dtype in (FLOAT32, FLOAT64)]
    names = [(n, d) for n, d in names if (d == FLOAT64 or n == "power") and n != "erf"]
    functions = [of_function(*each, len(x)) for each in names]
    with np.errstate(over="ignore"):
        arrays = {d: {"x": x.astype(d), "y": y.astype(d)} for d in (FLOAT32, FLOAT64)}
    given = [arrays[dtype] | {"out": np.zeros(len(x), dtype)} for _, dtype in names]
    check_all(functions, given, names=names)


def test_a_function_that_neither_has_is_refused():
    with pytest.raises(RefusedError, match="erf of float64: neither WebAssembly nor JavaScript"):
        Assembled([of_function("erf", FLOAT64)], False)


# --- statements ----------------------------------------------------------------------------------


@BOTH
def test_loops_with_each_mark_and_branches(relaxed):
    """Of whole numbers, whose sums are exact in any order."""
    given = {"x": np.arange(100, dtype=np.float32), "out": np.zeros(100, np.float32)}
    check_all(loops().values(), given, relaxed)


@BOTH
@pytest.mark.parametrize("seed", range(2))
def test_drawn_functions_compute_what_the_interpreter_does(seed, relaxed):
    """If this fails, find out which statement, and write it down as a test of its own."""
    drawer = Drawer(seed, relaxed)
    functions = [drawer.function() for _ in range(40)]
    for one in functions:
        verify(one)
    check_all(functions, arrays(seed), relaxed)


def test_drawn_functions_have_everything_in_them():
    drawer = Drawer(0, False)
    functions = [drawer.function() for _ in range(80)]
    in_lanes = sum("v128.store" in text for text in Assembled(functions, False).texts)
    assert in_lanes >= 25
    for part in (" lanes", " reduction ", " step 3", "if ", "else", "min("):
        assert sum(part in str(one) for one in functions) >= 8, part


def test_an_end_is_computed_once_where_the_loop_changes_what_it_is_of():
    loop = For(
        "i",
        int64(0),
        convert(Load("n", ZERO, UINT8), INT64),
        (Store("n", ZERO, convert(AT + 9, UINT8)),),
    )
    check_all([function(["n"], loop, n=(UINT8, 1))], {"n": np.full(1, 5, np.uint8)})


def test_own_arrays_and_arrays_of_booleans():
    x = np.array([1, -1, 0, np.nan, np.inf, -2, 3, 4, 5])
    check_all([own_arrays()], {"x": x, "out": np.zeros(9, bool)})


def test_a_name_stands_for_another_number_in_another_block():
    """Of another dtype, width or range: what was known of the first is forgotten."""
    index, number = Affine.of("n"), Var("n", INT64)
    wide = Load("l", ZERO, INT64)
    lets = {
        "small": (Let("n", int64(3)), index),
        "of 32 bits": (Let("n", convert(Load("b", ZERO, UINT8), INT64)), index),
        "of 64 bits": (Let("n", wide), number - wide),
        "a truth": (Let("n", Load("b", ZERO, UINT8) > 0), convert(Var("n", BOOL), INT64)),
        "a byte": (Let("n", Load("b", ZERO, UINT8)), convert(Var("n", UINT8), INT64)),
        "a float": (Let("n", Load("f", ZERO, FLOAT32)), convert(Var("n", FLOAT32) > 0, INT64)),
        "an index": (Let("n", AT * 2), index),
    }
    shapes = {"l": (INT64, 4), "b": (UINT8, 4), "f": (FLOAT32, 4), "out": (INT64, 8)}
    functions = []
    for one in lets.values():
        for other in lets.values():
            pair = [(let, Store("out", AT + 2, value)) for let, value in (one, other)]
            loop = whole(3, If(equal(AT, 0), *pair))
            functions.append(function(["out"], loop, **shapes))
    large = np.array([2**40, 0, 0, 0])
    given = {"l": large, "b": np.full(4, 7, np.uint8), "f": np.ones(4, np.float32)}
    check_all(functions, given | {"out": np.zeros(8, int)})


def test_integers_of_64_bits_wrap_around_and_are_narrowed_where_they_fit():
    x, y = (Load(name, AT, INT64) for name in "xy")
    small = convert(Load("small", AT, INT32), INT64)
    byte = convert(Load("byte", AT, UINT8), INT64)
    values = [
        x * y + small, x - y * 3, small + 2**31, small - 2**31, small * small, small + small,
        small * 2**33 + byte, byte * 2**24, byte * 2**23, byte - small, -small, abs(small),
        select(small < byte, small, byte), select(x < small, x, small), (byte * 5 - 700) // 7,
        op("//", small, 7), op("%", small, 7), op("//", byte - 300, byte + 1), small & byte,
        op("%", byte - 300, byte + 1), small | 2**40, small ^ -1, small << 40, small >> 3,
        convert(small < 5, INT64), convert(convert(small, UINT8), INT64),
        convert(convert(small, UINT32), INT64) + byte, convert(convert(x, INT32), INT64),
        bits(bits(x, FLOAT64), INT64), AT * 3 + small, (AT * 2 - 9) * byte,
    ]  # fmt: skip
    compares = [
        op(name, one, other)
        for name in COMPARES
        for one, other in ((x, small), (small, byte), (byte * 2**24, 2**31))
    ]
    narrow = [convert(value, d) for value in values for d in DTYPES if d not in (BOOL, INT64)]
    functions = []
    shapes = {"x": (INT64, 24), "y": (INT64, 24), "small": (INT32, 24), "byte": (UINT8, 24)}
    outs = []
    for value in (*values, *compares, *narrow):
        body = Let("t", value), Store("out", AT, Var("t", value.dtype))
        functions.append(function(["out"], whole(24, *body), **shapes, out=(value.dtype, 24)))
        outs.append({"out": np.zeros(24, value.dtype)})
    given = {"x": samples(INT64), "y": samples(INT64)[::-1].copy()}
    given |= {"small": samples(INT32), "byte": samples(UINT8)}
    everything = [*values, *compares, *narrow]
    check_all(functions, [given | out for out in outs], names=everything)


def test_a_variable_that_is_set_is_read_anew():
    """A count of 64 bits, a position that moves, a truth: in no iteration an old one."""
    count, at, odd = Var("count", INT64), Affine.of("at"), Var("odd", BOOL)
    body = (
        Let("count", int64(2**31 - 2)),
        Let("at", int64(1)),
        Let("odd", Const(False, BOOL)),
        whole(
            9,
            Set("count", count + 1),
            Store("large", at, count),
            For(
                "j", int64(0), int64(2), (Store("out", at + Affine.of("j"), convert(AT, FLOAT32)),)
            ),
            Set("at", at + 2),
            If(odd, (Set("at", at + 1),)),
            Set("odd", op("not", odd)),
        ),
        Store("large", ZERO, count),
    )
    one = function(["large", "out"], *body, large=(INT64, 40), out=(FLOAT32, 40))
    check_all([one], {"large": np.zeros(40, int), "out": np.zeros(40, np.float32)})


def test_loops_that_may_have_no_iteration():
    """By bounds that are known, or come of data; the end before the beginning too."""
    first, last = (convert(Load("ends", ZERO + i, UINT8), INT64) for i in range(2))
    store = Store("out", AT, Load("out", AT, FLOAT32) + 1)
    loops = [
        For("i", one, other, (store,), step, mark)
        for step in (1, 2, 3)
        for mark in ("", "lanes")
        for one, other in ((first, last), (int64(3), last), (first, int64(17)))
    ]
    loops += [
        For("i", int64(one), int64(other), (store,), step, mark)
        for one, other in ((0, 0), (5, 5), (5, 4), (9, 3), (4, 5), (4, 21), (20, 40))
        for step in (1, 2, 3)
        for mark in ("", "lanes")
    ]
    functions = [function(["out"], each, ends=(UINT8, 2), out=(FLOAT32, 64)) for each in loops]
    for ends in ((0, 0), (5, 4), (9, 3), (4, 5), (0, 40), (7, 40), (30, 12)):
        given = {"ends": np.array(ends, np.uint8), "out": np.zeros(64, np.float32)}
        check_all(functions, given)


def test_a_loop_too_long_for_addresses_is_refused():
    last = Load("n", ZERO, INT64)
    one = function(
        ["out"], For("i", int64(0), last, (Store("out", ZERO, last),)), n=(INT64, 1), out=(INT64, 1)
    )
    with pytest.raises(RefusedError, match="too long for 32-bit addresses"):
        Assembled([one], False)


def test_what_is_known_is_neither_tested_nor_looped():
    """A module has no branch that is never taken, and no loop of one iteration."""
    body = (
        whole(1, Store("out", AT, Const(1.0, FLOAT32))),
        whole(8, Store("out", AT, Const(2.0, FLOAT32)), mark="lanes"),
        If(equal(op("//", PARTS * 8, PARTS), 8), (), (Store("out", ZERO, Const(3.0, FLOAT32)),)),
        whole(0, Store("out", AT, Const(4.0, FLOAT32))),
    )
    given = {"out": np.zeros(8, np.float32)}
    (text,) = check_all([function(["out"], *body, out=(FLOAT32, 8))], given).texts
    assert "(loop" not in text
    assert "(if" not in text
    assert text.count("v128.store") == 2
