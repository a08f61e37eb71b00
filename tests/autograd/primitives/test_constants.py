"""What would detach, or lose a write or digits, in silence is refused; booleans, dtypes, states."""

from __future__ import annotations

import operator
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd
from autograd import Tensor, TraceError, Value, grad, jit, no_grad, value_and_grad, vmap
from autograd.nn import BatchNorm, Dropout, Linear, Sequential
from autograd.optim import SGD
from autograd.random import uniform

ONES = np.ones(2)
BOOLEANS = st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=1, max_size=3)
LOGIC = {"and": operator.and_, "or": operator.or_, "xor": operator.xor}


def test_a_value_is_made_of_no_result():
    """It would be a leaf, through which no gradient flows back."""
    a = Value(2.0)
    with pytest.raises(TypeError, match=r"result of mul.*detach"):
        Value(a * a)
    with pytest.raises(TypeError, match="result of mul"):
        a.data = a * a
    for function in (lambda v: Value(v) * v, lambda v: Value(a) * v):
        with pytest.raises(TypeError, match="detach"):
            grad(function)(2.0)
    assert [Value(a).data, Value((a * a).detach()).data] == [2.0, 4.0]
    assert grad(lambda v: Value(v.detach()) * v)(2.0) == 2.0


@pytest.mark.parametrize(
    ("write", "traced"),
    [
        (lambda w, x: w.assign(x * 2.0), TypeError),
        (lambda w, x: w.assign([x[0], x[1]]), TypeError),
        (lambda w, x: setattr(w, "data", x * 2.0), TraceError),
        (lambda w, x: autograd.exp(x, out=w), TypeError),
    ],
)
def test_nothing_differentiated_is_written_within_a_transform(write, traced):
    w = Tensor(ONES.copy())

    def loss(x):
        write(w, x)
        return (w * x).sum()

    for run, error in ((grad(loss), TypeError), (jit(grad(loss)), traced)):
        with pytest.raises(error, match=r"detach|use \.assign"):
            run(ONES)
    np.testing.assert_array_equal(w.data, ONES)
    x = Tensor(ONES, requires_grad=True)
    np.testing.assert_array_equal(
        grad(lambda y: (w.assign(y.detach() * 2.0), (w * y).sum())[1])(ONES), [2.0, 2.0]
    )
    w.assign(x * 3.0)  # outside, a leaf is written as ever
    np.testing.assert_array_equal(w.data, [3.0, 3.0])


@pytest.mark.parametrize("wrap", [lambda f: f, jit])
def test_layers_with_state_and_optimizers_work_within_transforms(wrap):
    model = Sequential(Linear(3, 4), BatchNorm(4), Dropout(0.5), Linear(4, 1))
    own = model.parameters()
    optimizer = SGD(own, 0.1, momentum=0.9)
    x = np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32)

    def step(x):
        loss, slope = value_and_grad(lambda x: (model(x) * model(x)).sum())(x)
        model(x).sum().backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss, slope

    step = wrap(step)
    for _ in range(2):
        _loss, slope = step(x)
    assert np.isfinite(np.asarray(slope)).all()
    assert dict(model.named_state())["1.num_batches_tracked"].item() == 6


@given(BOOLEANS, BOOLEANS, st.sampled_from(sorted(LOGIC)))
def test_logic_of_booleans_is_numpys(x, y, name):
    x, y = np.array(x[:1]), np.array(y)
    right = LOGIC[name](x, y)
    for left, other in ((Tensor(x), Tensor(y)), (Tensor(x), y), (x, Tensor(y))):
        np.testing.assert_array_equal(LOGIC[name](left, other).data, right)
    np.testing.assert_array_equal((LOGIC[name](True, Tensor(y))).data, LOGIC[name](True, y))
    prim = getattr(autograd, f"logical_{name}")
    assert prim(True, False) == LOGIC[name](True, False)
    np.testing.assert_array_equal(prim(Tensor(x), y).data, right)
    np.testing.assert_array_equal((~Tensor(y)).data, ~y)
    np.testing.assert_array_equal(vmap(lambda r: LOGIC[name](~r, x[0]))(y), LOGIC[name](~y, x))
    for axis in (None, 0, 1):
        assert (Tensor(y).all(axis).data == y.all(axis)).all()
        assert (Tensor(y).any(axis).data == y.any(axis)).all()
    np.testing.assert_array_equal(vmap(lambda r: r.any())(y), y.any(1))
    np.testing.assert_array_equal(vmap(lambda r: r.all())(y), y.all(1))


def test_logic_in_a_compiled_step():
    step = jit(lambda x, y: ((x > 0.0) & ~(y > 0.0) | (x == y) ^ (x < -1.0)).any(axis=1))
    generator = np.random.default_rng(0)
    for _ in range(3):
        x, y = generator.integers(-2, 3, (2, 4, 5)).astype(float)
        right = ((x > 0.0) & ~(y > 0.0) | (x == y) ^ (x < -1.0)).any(axis=1)
        np.testing.assert_array_equal(np.asarray(step(x, y)), right)


def test_logic_takes_booleans_alone():
    x = Tensor(ONES)
    calls = [lambda: ~x, lambda: x & True, lambda: (x > 0.0) | 1, lambda: ~Value(1.0), x.any, x.all]
    for call in calls:
        with pytest.raises(TypeError, match="booleans"):
            call()
    empty = Tensor(np.zeros(0, bool))
    assert (empty.all().item(), empty.any().item()) == (True, False)


@pytest.mark.parametrize("dtype", [int, bool, np.uint8, np.float32, float])
def test_dropout_drops_about_half_whatever_the_dtype(dtype):
    """Draws in an integer dtype would all be 0, and everything fell."""
    out = Dropout(0.5)(np.ones(1000, dtype)).data
    assert set(np.unique(out)) == {0.0, 2.0}
    assert 400 < np.count_nonzero(out) < 600  # six standard deviations of 16
    if np.dtype(dtype).kind != "f":
        with pytest.raises(TypeError, match="uniform"):
            uniform(0, (2,), dtype=dtype)


@pytest.mark.parametrize("dtype", [np.float16, complex, object, str, np.longdouble, "M8[s]"])
def test_astype_makes_only_what_tensors_hold(dtype):
    for call in (lambda: Tensor(ONES).astype(dtype), lambda: vmap(lambda x: x.astype(dtype))(ONES)):
        with pytest.raises(TypeError, match="astype"):
            call()
    assert Tensor(ONES).astype(">f8").dtype == np.dtype(float)
    assert Tensor(ONES).astype(">i4").dtype == np.dtype(np.int32)


def test_a_state_takes_only_what_it_can_hold():
    norm = BatchNorm(2)
    before = norm.state_dict()
    for name, array, kind in (
        ("num_batches_tracked", np.array(2.7), ValueError),
        ("num_batches_tracked", np.array(np.nan), ValueError),
        ("weight", np.ma.masked_array(ONES, [0, 1]), TypeError),
        ("weight", ONES * 1j, TypeError),
    ):
        with pytest.raises(kind, match=name):
            norm.load_state_dict({**before, name: array})
    np.testing.assert_equal(norm.state_dict(), before)
    norm.load_state_dict({**before, "num_batches_tracked": np.array(2.0), "weight": [2, 3]})
    assert norm.num_batches_tracked.item() == 2


def test_a_parameter_is_not_renamed_in_a_loop_by_hand():
    p = q = Tensor(ONES, requires_grad=True)
    for move in (operator.isub, operator.iadd, operator.imul, operator.itruediv):
        with no_grad(), pytest.raises(TypeError, match="assign"):
            move(p, 1.0)
        with no_grad():
            assert move(Tensor(ONES), 1.0).shape == (2,)
        assert move(q, 1.0).requires_grad


@given(
    st.sampled_from([2j, 2 + 0j, 10**400, Fraction(2), Fraction(1, 3), Decimal(2), True, 2, 2.5])
)
def test_a_value_compares_as_its_number_does(other):
    v = Value(2.0)
    assert ((v == other), (other == v), (v != other)) == (other == 2.0, other == 2.0, other != 2.0)
    if not isinstance(other, complex):
        assert ((v < other), (other < v)) == (other > 2.0, other < 2.0)


def test_a_value_is_no_other_thing():
    v = Value(2.0)
    assert v in [None, "a", (2.0,), [2.0], v]
    assert (v == (2.0,), v != [2.0], v == "a", v == None) == (False, True, False, False)  # noqa: E711


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: operator.setitem(Tensor(ONES), 0, 1.0), "autograd.where"),
        (lambda: SGD(Linear(2, 2)), "model.parameters"),
        (lambda: SGD(Sequential(Linear(2, 2))), "model.parameters"),
        (lambda: SGD([Value(1.0)]), "Tensors"),
        (lambda: setattr(Tensor(ONES), "grad", 0), "grad = None"),
        (lambda: Tensor(ONES).sum(dim=0), "axis"),
        (lambda: Tensor(ONES).max(keepdim=True), "keepdims"),
        (lambda: Sequential([Linear(2, 2)]), r"\*modules"),
        (lambda: vmap(lambda i: ONES[i])(np.array([0, 1])), r"Tensor\(a\)\[i\]"),
    ],
)
def test_an_error_says_what_to_write(call, words):
    with pytest.raises(TypeError, match=words):
        call()
