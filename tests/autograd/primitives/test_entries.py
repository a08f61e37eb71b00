"""What primitives say of their entries in expressions is what they compute on arrays.

An entry is asked for at every index at once: the variables of an index are arrays of numbers here,
and so is what is read of an argument, which has to be there, wanted or not.
"""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograd.compiler.language.interpret import evaluate
from autograd.compiler.passes.simplify import INPUT, _Builder
from autograd.primitives.dtypes import DTYPES
from autograd.primitives.expressions import (
    BOOL,
    ZERO,
    Affine,
    Var,
    broadcast_index,
    convert,
    variables,
)
from autograd.primitives.indexing import ARRAY, gather_p, index_p, scatter_add_p, scatter_p
from autograd.primitives.joining import concatenate_p
from autograd.primitives.primitive import TABLE, primitive
from autograd.primitives.shapes import broadcast_p, reshape_p, transpose_p
from autograd.random import uniform_p

DRAWS = settings(max_examples=60, deadline=None)
CODED = [prim for prim in TABLE.values() if prim.code is not None]
KINDS = sorted(DTYPES, key=str)


class Grid:
    """All indices into a shape at once, and the arguments of a primitive as it reads them there."""

    def __init__(self, shape):
        self.shape, self.at = shape, variables(shape)
        self.values = {}
        for axis, n in enumerate(shape):
            if n != 1:
                along = [1] * len(shape)
                along[axis] = n
                self.values[f"d{axis}"] = np.arange(n).reshape(along)

    def known(self, array):
        """A variable that has an array's entries."""
        name = f"t{len(self.values)}"
        self.values[name] = array
        return Var(name, array.dtype)

    def of(self, expr):
        """The value of an expression at every index."""
        return np.broadcast_to(evaluate(expr, self.values), self.shape)


class Argument:
    """An argument of a primitive's `entry`."""

    def __init__(self, grid, array):
        self.grid, self.array = grid, array
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, array.ndim

    def __getitem__(self, index):
        index = index if isinstance(index, tuple) else (index,)
        places = []
        for position, n in zip(index, self.shape, strict=True):
            i = self.grid.of(position) if not isinstance(position, int) else position
            assert np.all((np.asarray(i) >= 0) & (np.asarray(i) < n))
            places.append(i)
        return self.grid.known(np.asarray(self.array[tuple(places)]))


def by_entries(prim, args, params, shape):
    """What a primitive's `entry` gives at every index of its result; None where it says nothing."""
    grid = Grid(shape)
    expr = prim.entry(grid.at, *(Argument(grid, arg) for arg in args), **params)
    return None if expr is None else grid.of(expr)


def assert_entries(prim, *args, **params):
    args = [np.asarray(arg) for arg in args]
    want = np.asarray(prim.on_array(*args, **params))
    got = by_entries(prim, args, params, want.shape)
    assert got is not None and got.dtype == want.dtype
    np.testing.assert_array_equal(got, want)


def drawn(draw, shape, dtype):
    """Entries of a dtype, each told from the others where it can be."""
    values = np.arange(int(np.prod(shape, dtype=int)), dtype=np.int64) - draw(st.integers(0, 9))
    return values.reshape(shape).astype(dtype)


shapes = st.lists(st.integers(0, 3) | st.just(1), max_size=3).map(tuple)
dtypes = st.sampled_from(KINDS)


def integers(low, high, shape):
    """Arrays of integers from low to high."""
    many = int(np.prod(shape, dtype=int))
    entries = st.lists(st.integers(low, high), min_size=many, max_size=many)
    return entries.map(lambda entries: np.array(entries, np.int64).reshape(shape))


# --- elementwise ---------------------------------------------------------------------------------

SPECIAL = [0.0, -0.0, 1.0, -1.5, 2.0, 0.3, np.inf, -np.inf, np.nan]
ROUNDED = {"exp", "expm1", "log", "log1p", "sin", "cos", "tanh", "sigmoid", "softplus", "power"}


def entries_of(dtype):
    if dtype.kind == "f":
        return np.array(SPECIAL, dtype)
    info = [0, 1] if dtype == BOOL else [0, 1, 3, np.iinfo(dtype).max, np.iinfo(dtype).min]
    return np.array(info, dtype)


def by_code(prim, args, params, want):
    """A primitive's code at every entry, converted as the compiler does; TypeError where it has
    none."""
    rest = args[prim.conditions :]
    common = want.dtype if want.dtype != BOOL else np.result_type(*rest)
    grid = Grid(want.shape)
    entries = [Argument(grid, arg)[broadcast_index(grid.at, arg.shape)] for arg in args]
    dtypes = [BOOL] * prim.conditions + [common] * len(rest)
    expr = prim.code(*map(convert, entries, dtypes), **params)
    return grid.of(expr) if expr.dtype == want.dtype else None


def computed_by_both(prim, dtype):
    """What a primitive's code gives at every entry, and NumPy, for all params that both take."""
    every = entries_of(dtype)
    args = [
        every.reshape([-1 if i == k else 1 for i in range(prim.arity)]) for k in range(prim.arity)
    ]
    for params in [{"dtype": other} for other in KINDS] if prim.name == "cast" else [{}]:
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                want = np.asarray(prim.on_array(*args, **params))
            got = by_code(prim, args, params, want)
        except (TypeError, ValueError):  # NumPy refuses, or the code has no type: NumPy's it stays
            continue
        if got is not None:
            yield got, want


TYPED = [(prim, dtype) for prim in CODED for dtype in KINDS if any(computed_by_both(prim, dtype))]


@pytest.mark.parametrize(("prim", "dtype"), TYPED, ids=lambda of: getattr(of, "name", str(of)))
def test_code_is_what_the_primitive_computes(prim, dtype):
    for got, want in computed_by_both(prim, dtype):
        exact = np.full(want.shape, True)
        if prim.name in ROUNDED and want.dtype.kind == "f":
            exact = ~np.isfinite(want)
            # Ours and NumPy's are each at most 2 ulp off; of power NumPy promises less.
            np.testing.assert_array_max_ulp(got[~exact], want[~exact], 4)
        np.testing.assert_array_equal(got[exact], want[exact])
        if want.dtype.kind == "f":
            signed = exact & (want == want)
            np.testing.assert_array_equal(np.signbit(got[signed]), np.signbit(want[signed]))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_all_code_but_that_of_logic_is_typed_for_floats(dtype):
    typed = {prim.name for prim, kind in TYPED if kind == dtype}
    assert {prim.name for prim in CODED if not prim.name.startswith("logical")} == typed


def test_every_primitive_says_how_it_is_computed_or_what_it_is_composed_of():
    # Of models/gaussian_process.py and the README of compiler/web, where those ran before this.
    users = {"cholesky", "solve", "sort"}
    for prim in TABLE.values():
        if prim.name in users:
            continue
        assert prim.code or prim.entry or prim.reduces or prim.product or prim.composed, prim


@pytest.mark.parametrize("dtype", [d for d in KINDS if d != BOOL], ids=str)
@pytest.mark.parametrize(
    "prim", [r for r in TABLE.values() if r.reduces], ids=lambda prim: prim.name
)
def test_a_reduction_is_its_primitive_again_and_again_from_its_neutral_number(prim, dtype):
    every = entries_of(dtype)
    total = np.asarray(prim.reduces.neutral(dtype), dtype)
    for entry in every:
        kept = prim.reduces.on_array(
            np.asarray(entry), np.asarray(prim.reduces.neutral(dtype), dtype)
        )
        np.testing.assert_array_equal(kept, entry)
        with np.errstate(all="ignore"):
            total = np.asarray(prim.reduces.on_array(total, entry), dtype)
    if prim.name != "sum":
        np.testing.assert_array_equal(total, prim.on_array(every, axis=(0,), keepdims=False))


# --- entries elsewhere ---------------------------------------------------------------------------


@DRAWS
@given(st.data(), shapes, dtypes)
def test_shapes(data, shape, dtype):
    x = drawn(data.draw, shape, dtype)
    axes = tuple(data.draw(st.permutations(range(x.ndim))))
    assert_entries(transpose_p, x, axes=axes)
    wide = tuple(data.draw(st.sampled_from([1, 3])) if n == 1 else n for n in shape)
    assert_entries(broadcast_p, x, shape=(*data.draw(shapes), *wide))
    ones = list(shape)
    ones.insert(data.draw(st.integers(0, x.ndim)), 1)
    flipped = tuple(data.draw(st.permutations(shape)))
    for other in ((x.size,), tuple(ones), flipped, tuple(n for n in shape if n != 1)):
        assert_entries(reshape_p, x, shape=other)


def test_a_reshape_that_adds_axes_of_length_1_is_affine():
    grid = Grid((3, 1, 4))
    read = []

    class Seen(Argument):
        def __getitem__(self, index):
            read.append(index)
            return super().__getitem__(index)

    reshape_p.entry(grid.at, Seen(grid, np.ones((1, 3, 4))), shape=(3, 1, 4))
    assert read == [(ZERO, Affine.of("d0"), Affine.of("d2"))]


@DRAWS
@given(st.data(), shapes.filter(len), st.lists(dtypes, min_size=1, max_size=4))
def test_concatenate(data, shape, kinds):
    axis = data.draw(st.integers(0, len(shape) - 1))
    parts = [
        drawn(data.draw, (*shape[:axis], data.draw(st.integers(0, 3)), *shape[axis + 1 :]), kind)
        for kind in kinds
    ]
    assert_entries(concatenate_p, *parts, axis=axis)


@DRAWS
@given(st.data(), shapes, st.integers(1, 4), dtypes, st.sampled_from("bhilqBHILQ"))
def test_pick_and_put(data, shape, n, dtype, code):
    many = int(np.prod(shape, dtype=int))
    labels = np.array(
        data.draw(st.lists(st.integers(0, n - 1), min_size=many, max_size=many)), code
    )
    labels = labels.reshape(shape)
    assert_entries(gather_p, drawn(data.draw, (*shape, n), dtype), labels)
    assert_entries(scatter_p, drawn(data.draw, shape, dtype), labels, size=n)


@DRAWS
@given(st.integers(-(2**63), 2**63 - 1), st.integers(-(2**63), 2**63 - 1), shapes)
def test_uniform(seed, count, shape):
    seed, count, big = np.array(seed), np.array(count), np.array(2**64 - 1, np.uint64)
    for dtype in (np.dtype(np.float32), np.dtype(np.float64)):
        assert_entries(uniform_p, count, seed, shape=shape, dtype=dtype)
    assert_entries(uniform_p, big, seed, shape=shape, dtype=dtype)
    assert_entries(uniform_p, count, big, shape=shape, dtype=dtype)
    assert_entries(uniform_p, count, seed.astype(np.int32), shape=shape, dtype=dtype)


# --- indices -------------------------------------------------------------------------------------


@st.composite
def keys(draw, shape, arrays):
    """A key for an array of this shape: every kind of part, and the arrays in it."""
    parts, given_arrays = [], []
    together = draw(st.sampled_from([(), (2,), (3, 2), (1, 2), (0,)]))
    for n in shape[: draw(st.integers(0, len(shape)))]:
        kinds = ["slice", *["int"] * (n > 0), *["array"] * arrays]
        kind = draw(st.sampled_from(kinds))
        if kind == "int":
            parts.append(draw(st.integers(-n, n - 1)))
        elif kind == "slice":
            ends = st.none() | st.integers(-n - 1, n + 1)
            step = draw(st.none() | st.sampled_from([1, 2, -1, -2, 3]))
            parts.append(slice(draw(ends), draw(ends), step))
        else:
            own = tuple(draw(st.sampled_from([1, m])) for m in together)
            own = own[draw(st.integers(0, len(own))) :]
            own = own if n else (0,) * len(together) or (0,)
            code = draw(st.sampled_from("bhilqBHQ"))
            low = 0 if code.isupper() else -n
            given_arrays.append(draw(integers(low, max(n - 1, low), own)).astype(code))
            parts.append(ARRAY)
    for _ in range(draw(st.integers(0, 2))):
        parts.insert(draw(st.integers(0, len(parts))), None)
    if draw(st.booleans()):
        parts.insert(draw(st.integers(0, len(parts))), Ellipsis)
    return tuple(parts), given_arrays


@settings(max_examples=300, deadline=None)
@given(st.data(), shapes, dtypes, st.booleans())
def test_index_and_scatter(data, shape, dtype, arrays):
    x = drawn(data.draw, shape, dtype)
    key, named = data.draw(keys(shape, arrays))
    try:
        read = np.asarray(index_p.on_array(x, *named, key=key))
    except IndexError:  # shapes of arrays that do not broadcast
        return
    assert_entries(index_p, x, *named, key=key)
    g = drawn(data.draw, read.shape, dtype)
    if not named:
        assert_entries(scatter_add_p, g, key=key, shape=shape)
        return
    grid = Grid(g.shape)
    read_at = scatter_add_p.into(
        grid.at, *(Argument(grid, array) for array in (g, *named)), key=key, shape=shape
    )
    out = np.zeros(shape, g.dtype)
    np.add.at(out, tuple(map(grid.of, read_at)), g)
    np.testing.assert_array_equal(out, scatter_add_p.on_array(g, *named, key=key, shape=shape))


def test_masks_are_left_to_numpy():
    x, mask = np.ones((3, 2)), np.array([True, False, True])
    assert by_entries(index_p, [x, mask], {"key": (ARRAY,)}, (2, 2)) is None
    grid = Grid((2, 2))
    args = [Argument(grid, a) for a in (np.ones((2, 2)), mask)]
    assert scatter_add_p.into(grid.at, *args, key=(ARRAY,), shape=(3, 2)) is None


@pytest.mark.parametrize("n", [1, 3])
def test_a_position_that_comes_of_data_is_marked(n):
    grid = Grid((2,))
    index = []

    class Seen(Argument):
        def __getitem__(self, at):
            index.append(at)
            return self.grid.known(np.zeros(2))

    x, labels = Seen(grid, np.zeros((2, n))), Argument(grid, np.array([0, 0]))
    gather_p.entry(grid.at, x, labels)
    index_p.entry(grid.at, Seen(grid, np.zeros(n)), labels, key=(ARRAY,))
    assert all(at[-1].name == "bounded" and at[-1].args[1].value == n for at in index)


# --- composed ------------------------------------------------------------------------------------


def computed(build, number, arrays):
    op = build.ops[number]
    if op.primitive is INPUT:
        return arrays[op.params["place"]].reshape(op.shape)  # of an input, another shape is one too
    if "value" in op.params:
        return op.params["value"]
    return op.primitive.on_array(*(computed(build, arg, arrays) for arg in op.args), **op.params)


CASES = [
    pytest.param(prim, case, id=f"{prim.name}-{i}")
    for prim in TABLE.values()
    if prim.composed
    for i, case in enumerate(prim.cases or ((((2, 3),) * prim.arity, {}),))
]


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "bool"])
@pytest.mark.parametrize(("prim", "case"), CASES)
def test_what_a_primitive_is_composed_of_gives_the_same(prim, case, dtype):
    generator = np.random.default_rng(0)
    args = [
        x if isinstance(x, np.ndarray) else generator.integers(0, 4, x).astype(dtype)
        for x in case[0]
    ]
    want = np.asarray(prim.on_array(*args, **case[1]))
    build = _Builder()
    leaves = tuple(build.leaf(INPUT, i, x.shape, x.dtype) for i, x in enumerate(args))
    number = build.add(build.infer(prim, leaves, dict(case[1])))
    got = np.asarray(computed(build, number, args))
    assert (got.shape, got.dtype) == (want.shape, want.dtype)
    # logsumexp takes its largest out and puts it back in another order: a rounding of a sum each.
    np.testing.assert_allclose(
        got, want, rtol=8 * np.finfo(want.dtype).eps if want.dtype.kind == "f" else 0
    )


# --- what primitive() refuses --------------------------------------------------------------------


def refused(code, **fields):
    fields = {"domain": ((-2, 2),)} | fields
    with pytest.raises(TypeError) as error:
        primitive("cube", "x", lambda x: x, lambda g, out, x: g, code=code, **fields)
    assert "cube" not in TABLE
    return str(error.value)


def test_ill_typed_code_is_refused_by_name_argument_and_dtype():
    told = refused(lambda x: x & 1)
    assert told.startswith("primitive: the code of 'cube' is ill-typed for float32: & of x, 1")
    assert "float32: " in refused(lambda x: x + Var("y", np.dtype("float64")))
    assert "for float64: + of x, y" in refused(lambda x: x + Var("y", np.dtype("float32")))
    assert "for bool" in refused(lambda x: x + 1, domain=(), cases=(((np.array([True]),), {}),))


@pytest.mark.parametrize(
    ("code", "cure"),
    [
        (lambda x: x if x == 0 else 0 * x, "use equal"),
        (lambda x: x != 0, "use equal and not_equal"),
        (lambda x: x * (abs(x) == 1), "use equal"),
        (lambda x: x if x > 0 else 0 * x, "use select"),
        (lambda x: x > 0 and x < 1, "&"),
        (lambda x: 1.0, "gives 1.0, which is no expression"),
        ("x * x", "not callable"),
        (lambda x, y: x, "missing 1 required positional argument: 'y'"),
    ],
)
def test_code_that_is_no_expression_is_refused_with_the_cure(code, cure):
    assert cure in refused(code)


def test_code_of_integers_alone_is_a_primitives_own_business():
    try:
        prim = primitive("odd", "x % 2", lambda x: x % 2, None, code=lambda x: x & 1)
        assert TABLE["odd"] is prim
    finally:
        del TABLE["odd"]
