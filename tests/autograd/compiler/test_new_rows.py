"""Primitives that a user adds are compiled, without a word about them anywhere else; and what they
say of themselves is held against NumPy."""

import logging

import numpy as np
import pytest

from autograd import Tensor, concatenate, jit, primitive
from autograd.compiler.runtime import build
from autograd.ops import add, logical_and, mul
from autograd.primitives import expressions as ex
from autograd.primitives.expressions import INT64, bounded, convert, equal, select
from autograd.primitives.primitive import TABLE

pytestmark = pytest.mark.skipif(build.find_compiler(None) is None, reason="there is no C compiler")


@pytest.fixture
def prim(monkeypatch, tmp_path):
    """Adds primitives to the table until the test is over."""
    monkeypatch.delenv("CHAINRULE_CC", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    before = set(TABLE)
    yield lambda name, on_array, arity=1, **fields: primitive(
        name, name, on_array, *[None] * arity, **fields
    )
    for name in set(TABLE) - before:
        del TABLE[name]


def left(step, *args):
    """The primitives that are left to NumPy."""
    step(*args)
    lowered = step.lower(*args)
    ops = lowered.plan.graph.ops
    return [ops[k.op].primitive.name for k in lowered.plan.kernels if k.kind == "numpy"]


X = np.arange(24.0).reshape(4, 6) / 7 - 1.5


def test_an_elementwise_primitive_a_reduction_and_a_view_are_compiled(prim):
    softsign = prim("softsign", lambda x: x / (1 + np.abs(x)), code=lambda x: x / (1 + abs(x)))
    product = prim(
        "prod",
        lambda x, axis, keepdims: np.prod(x, axis=axis, keepdims=keepdims),
        reduces=mul,
    )
    flip = prim(
        "flip",
        lambda x: x[..., ::-1],
        view=True,
        entry=lambda at, x: x[(*at[:-1], x.shape[-1] - 1 - at[-1])],
    )

    @jit
    def step(x, w):
        y = softsign(flip(x) @ w)
        kept = product(x, axis=(0,), keepdims=True)
        return flip(y), product(y, axis=(1,), keepdims=False), kept, x + kept

    w = X[:3].T.copy()
    y = X[:, ::-1] @ w
    y = y / (1 + abs(y))
    kept = X.prod(0, keepdims=True)
    for out, want in zip(step(X, w), (y[:, ::-1], y.prod(1), kept, X + kept), strict=True):
        np.testing.assert_allclose(out.data, want, rtol=1e-13)  # some roundings of eps 2.2e-16
    assert left(step, X, w) == []


def test_division_of_integers_is_pythons(prim):
    parts = prim("thirds", lambda x: x // 3 * 10 + x % 3, code=lambda x: x // 3 * 10 + x % 3)
    step = jit(lambda x: parts(x))
    for dtype in (np.int8, np.int64, np.uint8, np.uint64):
        x = np.array([0, 1, 2, 3, 4, 100, np.iinfo(dtype).min, np.iinfo(dtype).max], dtype)
        x = np.concatenate([x, -x[1:5]]) if np.issubdtype(dtype, np.signedinteger) else x
        with np.errstate(over="ignore"):
            np.testing.assert_array_equal(step(x).data, (x // 3 * 10 + x % 3).astype(dtype))
        assert left(step, x) == []


def test_a_roll_goes_by_the_remainder(prim):
    roll = prim(
        "roll",
        lambda x, n: np.roll(x, n, axis=0),
        entry=lambda at, x, n: x[((at[0] - n) % x.shape[0], *at[1:])],
    )
    step = jit(lambda x: roll(x, n=3) * 2.0)
    np.testing.assert_array_equal(step(X).data, np.roll(X, 3, axis=0) * 2)
    assert left(step, X) == []


@pytest.mark.parametrize("divisor", [0, -1, 2.0])
def test_what_c_does_not_define_is_no_code(prim, divisor):
    with pytest.raises(TypeError, match="the divisor is a positive integer"):
        prim("bad", lambda x: x, code=lambda x: x // divisor, cases=(((np.arange(3),), {}),))


@pytest.mark.parametrize(
    "entry",
    [lambda at, x: x[at[0] + 2], lambda at, x: x[at[0] - 1]],
    ids=["beyond the end", "before the beginning"],
)
def test_an_entry_outside_its_argument_is_not_read(prim, entry, caplog):
    shifted = prim("shifted", lambda x: x * 1.0, entry=entry)
    with caplog.at_level(logging.WARNING, "autograd.jit"):
        out = jit(lambda x: shifted(x))(np.arange(5.0))
    np.testing.assert_array_equal(out.data, np.arange(5.0))
    assert "is offset" in caplog.text


@pytest.mark.parametrize(
    "fields",
    [
        {"entry": lambda at, x: 1.0},
        {"entry": lambda at, x: x[at[0]]},
        {"reduces": add},
    ],
    ids=["a number for an entry", "too few positions", "an axis of its own"],
)
def test_what_says_nothing_that_can_be_compiled_is_left_to_numpy(prim, fields):
    twice = (lambda x, axis: x.sum(axis)) if "reduces" in fields else (lambda x, axis: x * 2.0)
    vague = prim("vague", twice, **fields)
    step = jit(lambda x: vague(x, axis=1) + 1.0)
    np.testing.assert_array_equal(step(X).data, twice(X, 1) + 1)
    assert left(step, X) == ["vague"]


def test_booleans_are_reduced_by_a_primitive_of_booleans(prim):
    every = prim(
        "every",
        lambda x, axis: np.all(x, axis),
        reduces=logical_and,
        composed=None,
    )
    object.__setattr__(logical_and, "neutral", lambda dtype: True)
    try:
        step = jit(lambda x: every(x, axis=(1,)))
        np.testing.assert_array_equal(step(X > -1).data, (X > -1).all(1))
        assert left(step, X > -1) == []
    finally:
        object.__setattr__(logical_and, "neutral", None)


def test_a_view_that_takes_positions_is_checked_also_where_a_product_reads_it(prim):
    w, labels = Tensor(np.ones((4, 3))), np.array([0, 0])
    total = Tensor(np.zeros(()))

    @jit
    def step(a, i):
        out = a[i] @ w
        total.assign(total + 1.0)
        return out

    a = np.arange(4.0).reshape(1, 4)
    np.testing.assert_array_equal(step(a, labels).data, a[labels] @ w.data)
    with pytest.raises(IndexError):
        step(a, np.array([0, 1]))
    assert total.item() == 1.0


def test_an_empty_part_is_a_view(prim):
    step = jit(lambda a, none, w: concatenate([a, none]) @ w)
    a, w = X[:, :4].copy(), X[:, :3].copy()
    out = step(a, np.zeros((0, 4)), w)
    np.testing.assert_allclose(out.data, a @ w, rtol=1e-13)  # sums of 4


def test_bounded_positions_of_a_users_primitive_are_checked(prim):
    take = prim(
        "taken",
        lambda x, i: x[i],
        arity=2,
        entry=lambda at, x, i: x[bounded(convert(i[at], INT64), x.shape[0])],
    )
    state = Tensor(np.zeros(3))

    @jit
    def step(i):
        out = take(Tensor(np.arange(5.0)), i)
        state.assign(state + 1.0)
        return out

    np.testing.assert_array_equal(step(np.array([4, 0])).data, [4, 0])
    with pytest.raises(IndexError):
        step(np.array([0, 5]))
    np.testing.assert_array_equal(state.data, np.ones(3))


def test_a_select_within_a_select_and_numbers_beyond_float32():
    x = ex.Var("x", ex.FLOAT32)
    assert str(select(x > 0, 1, select(equal(x, 0), x, -1))).count("?") == 2
    assert (x * 1e300).args[1].value == np.inf
