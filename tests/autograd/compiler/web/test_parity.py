"""Steps printed as WebAssembly give what the replay gives, but for rounding: every primitive on
every dtype, the programs of the corpus, and drawn ones.

Sums are made in four lanes, products in chunks of terms that are rounded once or twice: another
order than NumPy's. Elementary functions are other polynomials than NumPy's.
"""

import warnings
import zlib
from functools import partial

import numpy as np
import pytest
from hypothesis import settings

import autograd as ag
from autograd import Tensor, primitive
from autograd.compiler import RefusedError, wasm
from autograd.primitives.expressions import erf
from autograd.primitives.primitive import TABLE
from tests import programs
from tests.autograd.compiler.web.beside import Beside, off
from tests.corpus import ELEMENTWISE, PROGRAMS

# --- every dtype ---------------------------------------------------------------------------------

DTYPES = [np.dtype(kind) for kind in "?bBhHiIqQfd"]
PAIRED = ("add", "mul", "maximum", "less", "equal", "where", "concatenate")


def is_refused(name, dtype, other):
    """What C has no type or no definition for is left to NumPy, which a page has not. If this
    changes, so does the README of compiler/ ("What is not compiled")."""
    if name in ("add", "mul", "abs", "maximum", "minimum", "max", "min"):
        return dtype.kind == other.kind == "b"
    if name in ("power", "matmul"):
        return dtype.kind != "f"
    if name == "cast":
        return dtype.kind == "f" and other.kind in "iu"
    kinds = dtype.kind + other.kind
    return name in ("less", "equal") and "uint64" in (dtype, other) and kinds in ("iu", "ui")


def numbers(dtype, shape, low, generator):
    """Small numbers of any dtype."""
    if dtype.kind == "f":
        return generator.uniform(low, 7, shape).astype(dtype)
    return generator.integers(0 if dtype.kind in "ub" else low, 8, shape).astype(dtype)


def calls_of(dtype):
    """Calls of primitives on arrays of a dtype, by what they are, and of some on it and another."""
    generator = np.random.default_rng(dtype.num)
    x, y = numbers(dtype, (5, 9), -7, generator), numbers(dtype, (9,), 1, generator)
    for name, prim in ELEMENTWISE.items():
        args = (x > 2, x, y) if name == "where" else (x, y, y)
        yield (name, dtype, dtype), prim, args[: len(prim.domain or prim.rules)]
    for name in ("sum", "max", "min", "logsumexp"):
        for axes in ((0,), (1,), (0, 1)):
            yield (name, dtype, dtype), partial(getattr(ag, name), axis=axes), (x,)
    yield ("matmul", dtype, dtype), TABLE["matmul"], (x, x.T.copy())
    for other in DTYPES:
        z = numbers(other, (5, 9), 1, generator)
        if other != dtype:
            yield ("cast", dtype, other), partial(ag.astype, dtype=other), (x,)
        for name in PAIRED:
            function, args = TABLE[name], (z > 2, x, z) if name == "where" else (x, z)
            if name == "concatenate":
                function = lambda *parts: ag.concatenate(parts)  # noqa: E731
            yield (name, dtype, other), function, args


def accepted(calls):
    """Those that are no error without jit."""
    for what, function, args in calls:
        try:
            with np.errstate(all="ignore"):
                function(*map(Tensor, args))
        except (TypeError, ValueError, OverflowError):
            continue
        yield what, function, args


def in_one_step(calls):
    """A step that makes all these calls, and its argument."""

    def step(args):
        return [function(*given) for (_, function, _), given in zip(calls, args, strict=True)]

    return step, ([list(args) for _, _, args in calls],)


def printed_and_refused(calls):
    """Calls that can be printed; and what is refused, with the words."""
    try:
        wasm({"step": in_one_step(calls)})
        return calls, {}
    except RefusedError as error:
        if len(calls) == 1:
            return [], {calls[0][0]: str(error)}
    middle = len(calls) // 2
    (one, refused), (other, more) = map(printed_and_refused, (calls[:middle], calls[middle:]))
    return one + other, refused | more


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_primitives_of_every_dtype_are_right_or_refused_by_name(dtype):
    """Integers to the last bit. If a primitive is refused that was not, or the other way round,
    REFUSED and the README of compiler/ say so too."""
    calls = list(accepted(calls_of(dtype)))
    printed, refused = printed_and_refused(calls)
    assert {*refused} == {what for what, _, _ in calls if is_refused(*what)}
    for (name, *_), words in refused.items():
        assert words.startswith(f"wasm: entry step: {name} of {dtype}[5"), words
        assert f"made at {__file__}:" in words
        assert words.endswith("only NumPy has code for it")
    step, args = in_one_step(printed)
    with np.errstate(all="ignore"):
        got, want, _, _ = Beside(step, args)(*args)
    for (what, *_), one, other in zip(printed, got.values(), want.values(), strict=True):
        # Functions of 4 units in the last place, and sums of 45 numbers of either sign.
        assert off(one, other) <= 8, what


def test_a_function_that_no_page_has_is_refused_where_it_was_called():
    """Not at the end of its kernel, nor without a line."""
    prim = primitive("bell", "erf of x", lambda x: x, None, code=lambda x: erf(x))
    try:
        step = lambda x: prim(x + 1.0) * 2.0  # noqa: E731
        words = r"entry step: bell of float64\[3\], made at .*: erf of float64: neither WebAssembly"
        with pytest.raises(RefusedError, match=words):
            wasm({"step": (step, (np.ones(3),))})
        wasm({"step": (step, (np.ones(3, np.float32),))})
    finally:
        del TABLE["bell"]


# --- the corpus ----------------------------------------------------------------------------------

# What they stumble over first.
REFUSED = {
    **{
        f"primitives of {dtype}": f"power of {dtype}"
        for dtype in ("int8", "uint8", "int32", "int64")
    },
    **{
        f"products of {dtype}": f"matmul of {dtype}"
        for dtype in ("int32", "int64", "uint8", "bool")
    },
    "primitives of bool": "add of bool",
    "reductions of bool": "max of bool",
    "primitives of mixed dtypes and float32": "power of int8[7, 37] and uint8[7, 37] to int16,",
    "positions that the step computes float32": "cast of float32[30] to int64",
    "positions that the step computes float64": "cast of float64[30] to int64",
}
# Each function of float64 is a call of Python here: this one makes a million.
SLOW = ["long reductions float64"]
# Entries of either sign are summed, to less than a twentieth of the largest total on the way.
CANCELLING = ("sum of axes float32", "gradient of sum float32", "sum of axes float64")
BOUND = 16  # units in the last place of the largest entry


def case_of(name):
    """A program of the corpus."""
    with np.errstate(all="ignore"):
        return PROGRAMS[name](np.random.default_rng(zlib.crc32(name.encode())))


def differences(name, simd):
    """By how much the results and the states of a program are off; states beside the largest."""
    case = case_of(name)
    beside = Beside(case.step, tuple(case.args), simd, case.states)
    for _ in range(3 if case.states else 1):
        with np.errstate(all="ignore"):
            got, want, moved, states = beside(*case.args)
        yield from ((key, off(got[key], array)) for key, array in want.items())
        sizes = [np.max(np.abs(x)) for x in states.values() if x.dtype.kind == "f" and x.size]
        largest = max(sizes, default=0)
        yield from ((key, off(moved[key], x, largest)) for key, x in states.items())


def check_corpus(names, simd):
    """Programs within the bound; gives the words of those that are refused."""
    refused = {}
    for name in names:
        try:
            for key, away in differences(name, simd):
                assert away <= (2 * BOUND if name in CANCELLING else BOUND), (name, key, away)
        except RefusedError as error:
            refused[name] = str(error)
    return refused


FLOAT64 = [name for name in PROGRAMS if name.endswith("float64") and name not in SLOW]
OTHERS = [name for name in PROGRAMS if not name.endswith("float64")]
MULTIPLIED = ("product", "matmul", "MNIST", "attention", "activations", "derivative", "example")
RELAXED = [name for name in OTHERS if any(word in name for word in MULTIPLIED)]


@pytest.mark.parametrize(
    ("names", "simd"),
    [(OTHERS, "v128"), (RELAXED, "relaxed"), (FLOAT64, "v128")],
    ids=["v128", "relaxed", "float64"],
)
def test_programs_of_the_corpus_are_right_or_refused(names, simd):
    """All primitives by their cases, with gradients; reductions, views, products, positions; steps
    of training, each from the same states."""
    refused = check_corpus(names, simd)
    assert {*refused} == REFUSED.keys() & {*names}
    for name, words in refused.items():
        assert words.startswith(f"wasm: entry step: {REFUSED[name]}"), words
        assert "corpus.py:" in words


# --- drawn programs ------------------------------------------------------------------------------


@pytest.mark.parametrize(("simd", "shard"), [("v128", 0), ("relaxed", 1)])
def test_drawn_programs_and_their_gradients_are_right(simd, shard):
    """Within the bound on rounding that the programs' own sweep gives, which knows cancellation."""
    count = 0

    def judge(program):
        nonlocal count
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            routes = programs.Routes(program, [np.asarray(x) for x in program.inputs])
            both = ag.value_and_grad(program, routes.all)
            got, _, _, _ = Beside(both, tuple(routes.arrays), simd)(*routes.arrays)
        out, *found = got.values()
        programs.close("wasm", out, routes.out, "Tensor", 2 * routes.noise)
        programs.close(
            "wasm's slope", routes.along(found), routes.slope, "Tensor", 2 * routes.slope_noise
        )
        count += 1

    programs.each(judge, settings().max_examples, shard)
    assert count
