"""What stands beside nodes: lists of them, and arrays of other dtypes, byte orders and classes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import autograd
from autograd import (
    Tensor,
    Value,
    concatenate,
    cross_entropy,
    gather,
    grad,
    jit,
    jvp,
    stack,
    vjp,
    vmap,
)

X = np.array([0.7, 1.3, 0.4])

# --- lists of nodes stack ------------------------------------------------------------------------


@st.composite
def lists(draw):
    """A function that puts entries of x, numbers and arrays of one shape into nested lists."""
    shape = draw(st.sampled_from([(3,), (1,), (2, 3), (2, 2, 1)]))
    entry = st.sampled_from([0, 1, 2, "x0", "x1", "x2", "x0*x1", 0.5, -2, True])
    kind = draw(st.sampled_from([list, tuple]))

    def tree(shape):
        return kind(tree(shape[1:]) for _ in range(shape[0])) if shape else draw(entry)

    drawn = tree(shape)

    def fill(part, x):
        if isinstance(part, list | tuple):
            return type(part)(fill(p, x) for p in part)
        return eval(part, {f"x{i}": x[i] for i in range(3)}) if isinstance(part, str) else part

    return lambda x: fill(drawn, x)


USES = {
    "added": lambda make, x: x[0] * 2.0 + make(x),
    "from the left": lambda make, x: make(x) * x[2],
    "exp": lambda make, x: autograd.exp(make(x)),
    "sum": lambda make, x: autograd.sum(make(x)) * x[0],
    "mean and var": lambda make, x: autograd.mean(make(x)) + autograd.var(make(x)),
    "softmax": lambda make, x: autograd.log_softmax(make(x)),
    "max": lambda make, x: autograd.max(make(x), axis=-1) + autograd.min(make(x), axis=-1),
    "reshaped": lambda make, x: autograd.reshape(make(x), (-1,)),
    "transposed": lambda make, x: autograd.transpose(make(x)),
    "concatenated": lambda make, x: concatenate([make(x), make(x)]),
    "stacked": lambda make, x: stack([make(x), make(x)]),
    "product": lambda make, x: autograd.matmul(make(x), [x[0]]),
    "clipped": lambda make, x: autograd.clip(make(x), x[2], 2.0),
    "chosen": lambda make, x: autograd.where([x[0] > 0.0], make(x), x[0]),
    "compared": lambda make, x: autograd.where(make(x) > x[0], x[0], make(x)),
    "leaky": lambda make, x: autograd.leaky_relu(x, x[1]) @ x + autograd.sum(make(x)),
}


@given(lists(), st.sampled_from(sorted(USES)))
def test_a_list_of_nodes_stacks(make, use):
    """Gradients by differences, in reverse, forward, batched and traced. A list became an array of
    constants before, and its gradient zero."""

    def f(x):
        return autograd.sum(autograd.sin(USES[use](make, x)))

    def number(x):
        return float(f(Tensor(x)).data)

    try:
        number(X)
    except ValueError:
        assume(False)  # shapes that do not go together
    step = np.eye(3) * 1e-5
    right = np.array([(number(X + h) - number(X - h)) / 2e-5 for h in step])
    ties = USES[use] in (USES["max"], USES["clipped"], USES["compared"])
    assume(
        not ties
        or np.allclose(right, [(number(X + h) - number(X)) / 1e-5 for h in step], atol=1e-3)
    )
    close = {"rtol": 1e-6, "atol": 1e-8}
    np.testing.assert_allclose(grad(f)(X), right, **close)
    np.testing.assert_allclose(vjp(f, X)[1](1.0)[0], right, **close)
    np.testing.assert_allclose(jvp(f, (X,), (np.ones(3),))[1], right.sum(), **close)
    np.testing.assert_allclose(vmap(grad(f))(np.stack([X, X]))[1], right, **close)
    np.testing.assert_allclose(jit(grad(f))(X).data, right, **close)


def test_numbers_in_a_list_are_weak():
    """They do not turn float32 into float64, nor do the entries of a nested list."""
    x = Tensor(np.float32([1.0, 2.0]), requires_grad=True)
    for answer in (
        x * [x[0], 2.0],
        x * [1, x[1]],
        stack([x[0], 0.5]),
        concatenate([[x[0], 3.0], x]),
    ):
        assert answer.dtype == np.float32
    assert (Tensor(np.arange(2)) * [Tensor(np.array(1)), 2.5]).dtype == np.float64


def test_a_list_of_indices_may_hold_nodes():
    x, i = Tensor([1.0, 2.0, 4.0], requires_grad=True), Tensor(np.array(2))
    np.testing.assert_array_equal(x[[i, 0]].data, [4.0, 1.0])
    np.testing.assert_array_equal(jit(lambda i: x[[i, 0]] * 1.0)(np.array(1)).data, [2.0, 1.0])
    picked = vmap(lambda i: x[[i, 0]])(np.array([1, 2]))
    np.testing.assert_array_equal(picked.data[1], [4.0, 1.0])
    logits = Tensor(np.eye(3))
    assert cross_entropy(logits, [i, 0, 1]).item() == cross_entropy(logits, [2, 0, 1]).item()


def test_a_new_tensor_is_a_leaf_and_says_so():
    x = Tensor([1.0, 2.0], requires_grad=True)
    for make in (lambda: Tensor(x), lambda: Tensor([x[0], x[1]]), lambda: Tensor([[x[0], 2.0]])):
        with pytest.raises(TypeError, match=r"autograd\.stack"):
            make()
    for f in (lambda x: (Tensor(x) * x).sum(), lambda x: Tensor([x[0], x[1]]).sum() * x[0]):
        for transform in (grad, jit, vmap):
            with pytest.raises(TypeError, match=r"autograd\.stack"):
                transform(f)(Tensor(np.eye(2), requires_grad=True))
    y = Tensor([1.0, 2.0])
    np.testing.assert_array_equal(Tensor([y[0], y[1], 3.0]).data, [1.0, 2.0, 3.0])
    with pytest.raises(TypeError, match="use Tensors"):
        Tensor([Value(1.0)])


def test_what_wants_an_integer_takes_no_node():
    x = Tensor(np.ones((2, 2)), requires_grad=True)
    one = Tensor(1.0)
    for call in (lambda: x.sum(axis=one), lambda: x.reshape(one, 4), lambda: x.transpose((one, 0)),
                 lambda: x.softmax(axis=one), lambda: stack([x, x], axis=one)):  # fmt: skip
        with pytest.raises(TypeError, match="cannot be interpreted as an integer"):
            call()


# --- foreign arrays ------------------------------------------------------------------------------

FOREIGN = {
    "complex": np.array([1j, 2.0]),
    "complex64": np.array([1j, 2.0], np.complex64),
    "float16": np.array([1.0, 2.0], np.float16),
    "longdouble": np.array([1.0, 2.0], np.longdouble),
    "objects": np.array([1.0, 2.0], object),
    "text": np.array(["1", "2"]),
    "bytes": np.array([b"1", b"2"]),
    "dates": np.array(["2020-01-01", "2020-01-02"], "datetime64[D]"),
    "spans": np.array([1, 2], "timedelta64[s]"),
    "fields": np.zeros(2, [("a", float)]),
    "matrix": np.array([1.0, 2.0]).view(np.matrix),
    "masked": np.ma.array([1.0, 2.0], mask=[True, False]),
    "complex scalar": np.complex128(1j),
    "longdouble scalar": np.longdouble(2.0),
    "complex number": 1j,
    "list of complex": [1j, 2.0],
    "list of text": ["1", "2"],
    "set": {1.0},
    "none": None,
    "decimal": __import__("decimal").Decimal(2),
}
TWO = Tensor([1.0, 2.0], requires_grad=True)
DOORS = {
    "mul": lambda a: TWO * a,
    "on the left": lambda a: a * TWO,
    "add": lambda a: autograd.add(a, TWO),
    "where": lambda a: autograd.where(TWO > 1.0, TWO, a),
    "maximum": lambda a: autograd.maximum(TWO, a),
    "matmul": lambda a: TWO @ a,
    "concatenate": lambda a: concatenate([TWO, a]),
    "stack": lambda a: stack([TWO, a]),
    "list": lambda a: TWO * [TWO[0], a],
    "index": lambda a: TWO[a] if a is not None else TWO * a,
    "labels": lambda a: gather(Tensor(np.eye(2)), a),
    "Tensor": Tensor,
    "assign": lambda a: Tensor([1.0, 2.0]).assign(a),
    "data": lambda a: setattr(Tensor([1.0, 2.0]), "data", a),
    "seed": lambda a: (TWO * 2.0).backward(a),
    "cotangent": lambda a: vjp(lambda x: x * 2.0, np.ones(2))[1](a),
    "tangent": lambda a: jvp(lambda x: x * 2.0, (np.ones(2),), (a,)),
    "grad": lambda a: grad(lambda x: (x * 2.0).sum())(a),
    "beside in vmap": lambda a: vmap(lambda x: x * a)(np.ones((3, 2))),
    "batch": lambda a: vmap(lambda x: x * 2.0)(a),
    "beside in jit": lambda a: jit(lambda x: x * a)(np.ones(2)),
}


# What is refused for another reason than its dtype: it is no index, or no tree of one leaf.
SCALARS = ("complex scalar", "longdouble scalar", "complex number", "set", "decimal")
TREES = {
    "seed": ("none",),
    "batch": ("none",),
    "cotangent": ("none", "list of complex", "list of text"),
    "tangent": ("none", "list of complex", "list of text"),
}


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
@pytest.mark.parametrize("door", DOORS)
def test_a_foreign_array_is_refused_by_name(door):
    """Its imaginary part, digits, mask or meaning would be lost on the way."""
    for kind, foreign in FOREIGN.items():
        error = ValueError if kind in TREES.get(door, ()) else TypeError
        error = IndexError if door == "index" and kind in SCALARS else error
        with pytest.raises(error):
            DOORS[door](foreign)


NUMPYS = {
    "mul": lambda x, a: x * a,
    "on the left": lambda x, a: a * x,
    "add": lambda x, a: a + x,
    "where": lambda x, a: np.where(x > 1.0, x, a),
    "maximum": lambda x, a: np.maximum(x, a),
    "matmul": lambda x, a: x @ a,
    "concatenate": lambda x, a: np.concatenate([x, a]),
    "stack": lambda x, a: np.stack([x, a]),
    "beside in vmap": lambda x, a: np.ones((3, 2)) * a,
    "beside in jit": lambda x, a: np.ones(2) * a,
}


@given(st.sampled_from(sorted(NUMPYS)), st.sampled_from(["?", *"bhilqBHILQfd"]), st.booleans(),
       st.booleans())  # fmt: skip
def test_any_dtype_and_byte_order_gives_numpys_numbers(door, code, swapped, readonly):
    """The doors that compute: as NumPy does with the same array in this machine's order."""
    array = np.array([1, 0], np.dtype(code))
    array = array.astype(array.dtype.newbyteorder()) if swapped else array
    array.flags.writeable = not readonly
    native = array.astype(array.dtype.newbyteorder("="))
    answer = DOORS[door](array)
    np.testing.assert_array_equal(getattr(answer, "_data", answer), NUMPYS[door](TWO.data, native))


@pytest.mark.parametrize("code", [">i2", ">i4", ">i8", ">u4", "<i2", "u1", "i1", "u8", "i8"])
def test_labels_of_any_integers_are_checked(code):
    """512 as `>i2` is 2 to who overlooks the byte order, and -1 as int8 is 255 of 300 classes."""
    x = np.random.default_rng(0).normal(size=(3, 300))
    wide = np.dtype(code).itemsize > 1
    labels = np.array([0, 299 if wide else 100, 3], code)
    right = x[np.arange(3), labels.astype(int)]
    logits = Tensor(x, requires_grad=True)
    np.testing.assert_array_equal(gather(logits, labels).data, right)
    gather(logits, labels).sum().backward()
    np.testing.assert_array_equal(np.nonzero(logits.grad.data)[1], labels.astype(int))
    wrong = [512] if wide else []
    wrong += [-1] if labels.dtype.kind == "i" else []
    wrong += [2**64 - 1, 2**63] if code == "u8" else []
    for number in wrong:
        bad = np.array([0, number, 3], code)
        with pytest.raises(IndexError, match=f"gather: label {number} is outside"):
            gather(logits, bad)
        if bad.dtype.isnative:
            with pytest.raises(IndexError, match="outside"):
                jit(lambda y: gather(x, y).sum() * 1.0)(Tensor(bad))
    with pytest.raises(TypeError, match="labels are integers, not bool"):
        gather(logits, np.array([True, False, True]))


def test_what_stays_where_it_lies_is_refused_in_another_byte_order():
    """A Tensor does not copy, a compiled step reads its inputs in place: both say so."""
    swapped = np.array([1.0, 2.0], ">f8")
    for door in (Tensor, lambda a: jit(lambda x: x * 1.0)(a)):
        with pytest.raises(TypeError, match=r">f8.*astype"):
            door(swapped)


def test_a_jitted_steps_input_is_checked():
    step = jit(lambda x: x * 2.0)
    step(np.ones(2))
    for name in ("complex", "objects", "masked", "float16", "longdouble", "text"):
        with pytest.raises(TypeError, match="jit"):
            step(FOREIGN[name])


class Table:
    """What NumPy takes for an array, as pandas' columns are."""

    def __init__(self, numbers):
        self.numbers = numbers

    def __array__(self, dtype=None, copy=None):
        return np.array(self.numbers, dtype)


def test_what_numpy_takes_for_an_array_is_one(tmp_path):
    table = Table([3.0, 5.0])
    np.testing.assert_array_equal((TWO * table).data, [3.0, 10.0])
    np.testing.assert_array_equal((table > TWO).data, [True, True])
    np.testing.assert_array_equal(Tensor(table).data, [3.0, 5.0])
    np.save(tmp_path / "a.npy", np.array([3.0, 5.0]))
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    np.testing.assert_array_equal((TWO * mapped).data, [3.0, 10.0])
    np.testing.assert_array_equal((mapped * TWO).data, [3.0, 10.0])
    np.testing.assert_array_equal(jit(lambda x: x * mapped)(np.ones(2)).data, [3.0, 5.0])
    assert np.shares_memory(Tensor(mapped).data, mapped)
