"""`==`, `<` and the others: NumPy's entries for Tensors, a bool for Values, never identity."""

from __future__ import annotations

import math
import operator

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import autograd
from autograd import Tensor, Value, grad, jit, vmap
from autograd.compiler.runtime import build
from autograd.graph import hooks

SIGNS = {
    "equal": operator.eq, "not_equal": operator.ne, "less": operator.lt,
    "less_equal": operator.le, "greater": operator.gt, "greater_equal": operator.ge,
}  # fmt: skip
DTYPES = ["bool", "int8", "uint8", "int32", "uint32", "int64", "float32", "float64"]
SHAPES = [(), (1,), (3,), (2, 3), (2, 1), (0,)]
ENTRIES = [0.0, -0.0, 1.0, -1.0, 2.5, math.nan, math.inf, -math.inf, 1e-40]


@st.composite
def arrays(draw):
    """An array of any of the dtypes, with the entries at which comparisons differ."""
    dtype, shape = np.dtype(draw(st.sampled_from(DTYPES))), draw(st.sampled_from(SHAPES))
    entries = st.sampled_from(ENTRIES if dtype.kind == "f" else [0, 1, 2, 100])
    size = math.prod(shape)
    flat = draw(st.lists(entries, min_size=size, max_size=size))
    return np.array(flat, dtype).reshape(shape)


OTHERS = st.one_of(arrays(), st.sampled_from([0, 1, 2.5, -0.0, math.nan, True, [1.0, 0.0, 2.5]]))


@given(st.sampled_from(sorted(SIGNS)), arrays(), OTHERS)
def test_entries_are_numpys(sign, x, y):
    """Tensor with Tensor, array, number and list, either side first, eagerly and replayed."""
    compare = SIGNS[sign]
    try:
        right = compare(x, np.asarray(y) if isinstance(y, list) else y)
    except (ValueError, OverflowError):
        assume(False)
    sides = [(Tensor(x), y), (Tensor(x), Tensor(y) if isinstance(y, np.ndarray) else y)]
    sides += [(x, Tensor(y))] if isinstance(y, np.ndarray) else []
    for left, other in sides:
        answer = compare(left, other)
        assert isinstance(answer, Tensor)
        assert answer.dtype == bool
        assert not answer.requires_grad
        np.testing.assert_array_equal(answer.data, right, strict=True)
    np.testing.assert_array_equal(getattr(autograd, sign)(Tensor(x), y).data, right)
    np.testing.assert_array_equal(jit(lambda t: compare(t, y))(x).data, right)
    if x.ndim and not isinstance(y, np.ndarray | list):
        np.testing.assert_array_equal(vmap(lambda t: compare(t, y))(x), right)


@pytest.fixture(name="compiled")
def _compiled(monkeypatch):
    monkeypatch.delenv("CHAINRULE_CC")
    if build.compiler() is None:
        pytest.skip("no C compiler")


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "uint8"])
@pytest.mark.usefixtures("compiled")
def test_compiled_entries_are_numpys(dtype):
    """All six in one step, with NaN, both zeros and infinities, beside arrays and numbers."""
    entries = ENTRIES if np.dtype(dtype).kind == "f" else [0, 1, 2, 100]
    x, y = (a.astype(dtype) for a in np.meshgrid(entries, entries))

    def step(x, y):
        return [c(a, b) for c in SIGNS.values() for a, b in ((x, y), (x, x), (x, 1), (1.0, y))]

    for answer, right in zip(jit(step)(x, y), step(x, y), strict=True):
        np.testing.assert_array_equal(answer.data, right, strict=True)


@given(st.sampled_from(sorted(SIGNS)), st.sampled_from(ENTRIES), st.sampled_from(ENTRIES))
def test_values_compare_as_numbers(sign, x, y):
    compare = SIGNS[sign]
    right = compare(x, y)
    for left, other in (
        (Value(x), Value(y)), (Value(x), y), (x, Value(y)), (Value(x), np.float64(y)),
        (np.float64(x), Value(y)), (Value(x), np.array(y)),
    ):  # fmt: skip
        assert compare(left, other) is right
    assert compare(Value(2.0) * 1.0, 2) is compare(2.0, 2)


def test_what_is_no_number_is_equal_to_nothing():
    for x in (Tensor([1.0, 2.0]), Tensor(1.0), Value(1.0)):
        for other in (None, "1.0", b"", object(), {}, {1.0}, int):
            assert (x == other) is (other == x) is False
            assert (x != other) is (other != x) is True
            with pytest.raises(TypeError, match="not supported"):
                _ = x < other
    for other in (np.array([1j]), np.array(["a"]), np.array([None]), 1j):
        with pytest.raises(TypeError, match="equal"):
            _ = Tensor([1.0]) == other
    with pytest.raises(TypeError, match="do not mix"):
        _ = Tensor([1.0]) == Value(1.0)
    with pytest.raises(ValueError, match="equal: shapes"):
        _ = Tensor([1.0, 2.0]) == np.ones(3)


@given(st.lists(st.sampled_from(ENTRIES), min_size=1, max_size=4), st.floats(-2.0, 2.0))
def test_a_choice_takes_the_branch_that_numpy_takes(entries, bound):
    """where(x == 0., 10., x) was x, because == asked for identity."""
    x = np.array(entries)
    with np.errstate(invalid="ignore"):
        for compare in SIGNS.values():
            f = lambda x, c=compare: autograd.where(c(x, bound), 3.0 * x, 5.0 * x)  # noqa: E731
            slope = np.where(compare(x, bound), 3.0, 5.0)
            np.testing.assert_array_equal(grad(lambda x, f=f: f(x).sum())(x), slope)
            np.testing.assert_array_equal(vmap(grad(f))(x), slope)


def test_branching_on_a_comparison():
    f = lambda x: x * x if (x > 0.0) and x != 2.0 else -x  # noqa: E731
    assert [grad(f)(v) for v in (3.0, 2.0, -1.0)] == [6.0, -1.0, -1.0]
    assert [grad(f)(np.array(v)).item() for v in (3.0, 2.0, -1.0)] == [6.0, -1.0, -1.0]
    with pytest.raises(RuntimeError, match="bool"):
        jit(f)(np.array(3.0))
    with pytest.raises(TypeError, match="vmap"):
        vmap(f)(np.ones(3))


def test_the_engine_looks_nodes_up_by_identity():
    """Two parameters of one value, or of shapes that do not broadcast, are two parameters."""
    a, b, c = Tensor([1.0, 2.0]), Tensor([1.0, 2.0]), Tensor(np.ones(3))
    assert len({a, b, c, a}) == 3
    assert {a: "a", b: "b"}[b] == "b"
    for leaf in (a, b, c):
        leaf.requires_grad = True
    removes = [leaf.hook(lambda g: 2.0 * g) for leaf in (a, b, c)]
    (a.sum() + b.sum() + c.sum()).backward()
    assert [leaf.grad.data[0] for leaf in (a, b, c)] == [2.0, 2.0, 2.0]
    for remove in removes:
        remove()

    @jit
    def step(x, y):
        a.assign(a * x)
        c.assign(c + y)
        return (x == y), a.sum()

    step(np.array(2.0), np.array(3.0))
    np.testing.assert_array_equal(a.data, [2.0, 4.0])
    np.testing.assert_array_equal(c.data, [4.0, 4.0, 4.0])


def test_hooks_do_not_keep_their_node():
    before = len(hooks)
    Tensor([1.0], requires_grad=True).hook(lambda g: None)
    assert len(hooks) == before
