"""One entry of a Tensor as scalars: the same value, the same slopes, and largest terms first."""

import re

import numpy as np
import pytest
from hypothesis import given

from autograd import Tensor, Value, log_softmax, logsumexp, primitive, where
from autograd.primitives.primitive import TABLE
from tests.programs import programs
from viz.backprop import ancestors, record, unbroadcast, vjp
from viz.debugger.entry import entry, terms

# Whose functions take arrays of numbers alone.
CLOSED = {"logsumexp", "cholesky", "solve"}


def where_read(name):
    """The argument and place that a leaf is named after: ("x0", (1, 2))."""
    argument, _, place = name.partition("[")
    return argument, tuple(map(int, re.findall(r"\d+", place)))


def magnitude(root):
    """The sum of |cotangent * value| over a graph: what relative rounding is relative to."""
    return sum(abs(gradient * node.data) for node, gradient in record(root).gradients.items())


def check(node, index):
    """An entry has the Tensor's value and slopes."""
    for i, arg in enumerate(dict.fromkeys(arg for arg in node.args if isinstance(arg, Tensor))):
        arg.name = f"x{i}"
    root = entry(node, index)
    # A rule may compute in the narrowest of the dtypes that it is given.
    eps = max(np.finfo(x.dtype).eps for x in (node, *node.args)
              if isinstance(x, Tensor) and x.dtype.kind == "f")  # fmt: skip
    # Both round each step of the same computation, the Tensor in its own dtype; sums of at most
    # 48 terms come in another order, which may cost each of them a rounding more.
    bound = 64 * eps * (magnitude(root) + abs(root.data))
    assert abs(root.data - node.data[index]) <= bound
    seed = np.zeros(node.shape, node.dtype)
    seed[index] = 1.0
    found = {leaf.name: g for leaf, g in record(root).gradients.items() if leaf.primitive is None}
    shown = {arg: np.zeros(arg.shape) for arg in node.args if isinstance(arg, Tensor)}
    for arg, total in shown.items():
        for name, gradient in found.items():
            if name and where_read(name)[0] == arg.name:
                total[where_read(name)[1]] += gradient
    for i, arg in enumerate(node.args):
        if node.primitive.rule(i) and isinstance(arg, Tensor) and arg.requires_grad:
            shown[arg] -= unbroadcast(vjp(node, i, seed), arg.data)
            if not any(arg is other for other in node.args[i + 1 :]):
                # The same few operations, in another order where an entry is read twice.
                # log_softmax's scalars cancel by the largest entry, relative to parts near 1.
                largest = 1.0 + np.max(np.abs(arg.data)) + magnitude(root)
                assert np.max(np.abs(shown[arg])) <= 64 * eps * largest


def tied(node):
    """Whether a maximum or minimum has ties, of which the graph of scalars takes the first."""
    if node.primitive.name not in ("max", "min"):
        return False
    kept = node.data.reshape(
        [1 if i in node.params["axis"] else n for i, n in enumerate(node.args[0].shape)]
    )
    ties = np.sum(node.args[0].data == kept, axis=node.params["axis"])
    return bool(np.any(ties > 1))


@given(programs(numbers=False))
def test_an_entry_has_the_tensors_value_and_slopes(program):
    """Else what opens is another computation than the one that is shown."""
    root = program(*(Tensor(x, requires_grad=True) for x in program.inputs))
    for node in ancestors([root]):
        if node.primitive is None or not node.size or tied(node):
            continue
        for place in {0, node.size // 2, node.size - 1}:
            index = tuple(int(i) for i in np.unravel_index(place, node.shape))
            if node.primitive.name in CLOSED:
                with pytest.raises(
                    ValueError, match=f"^entry: {node.primitive.name} cannot be opened"
                ):
                    entry(node, index)
            else:
                check(node, index)


@pytest.mark.parametrize("prim", [prim for prim in TABLE.values() if prim.cases and prim.rule(0)],
                         ids=lambda prim: prim.name)  # fmt: skip
def test_every_primitive_with_cases_opens_or_says_why_not(prim):
    """Else a primitive that is added breaks the debugger where it is clicked."""
    rng = np.random.default_rng(0)
    for shapes, params in prim.cases:
        arrays = [x if isinstance(x, np.ndarray) else rng.uniform(0.3, 1.0, x) for x in shapes]
        args = [Tensor(x, requires_grad=x.dtype.kind == "f") for x in arrays]
        node = prim(*args, **params)
        index = (0,) * node.ndim
        if prim.name in CLOSED:
            with pytest.raises(ValueError, match=f"^entry: {prim.name} cannot be opened"):
                entry(node, index)
        else:
            check(node, index)


def test_a_product_opens_into_its_products_largest_first():
    x = Tensor([[1.0, -4.0, 2.0]], requires_grad=True, name="x")
    w = Tensor([[3.0], [5.0], [0.25]], requires_grad=True, name="w")
    shown = [
        (term.primitive.name, [arg.name for arg in term.args], term.data)
        for term in terms(entry(x @ w, (0, 0)))
    ]
    assert shown == [
        ("mul", ["x[0,1]", "w[1,0]"], -20.0),
        ("mul", ["x[0,0]", "w[0,0]"], 3.0),
        ("mul", ["x[0,2]", "w[2,0]"], 0.5),
    ]


def test_of_a_large_product_only_what_is_read_becomes_values():
    """Else 256 x 784 x 512 takes minutes and gigabytes."""
    rng = np.random.default_rng(0)
    x = Tensor(rng.standard_normal((256, 784)), name="x")
    w = Tensor(rng.standard_normal((784, 512)), requires_grad=True, name="w")
    out = x @ w
    before = Value(0.0).index
    root = entry(out, (200, 500))
    assert root.index - before < 4 * 784  # 2 leaves, a product and a sum for each
    first, *_ = terms(root)
    k = int(np.argmax(np.abs(x.data[200] * w.data[:, 500])))
    assert [arg.name for arg in first.args] == [f"x[200,{k}]", f"w[{k},500]"]


def test_a_node_used_twice_is_one_value():
    """Else the slope of x * x is x."""
    x = Tensor([1.0, 3.0], requires_grad=True, name="x")
    root = entry(x * x, (1,))
    assert record(root).gradients[root.args[0]] == 6.0


def test_arguments_have_the_names_they_are_given():
    x = Tensor([1.0, 3.0], requires_grad=True)
    assert entry(x * 2.0, (1,)).args[0].name == "argument 1[1]"
    assert entry(x * 2.0, (1,), ["n1", "n2_2"]).args[0].name == "n1[1]"
    assert entry(x * 2.0, (1,)).args[1].data == 2.0


def test_what_is_broadcast_is_named_by_its_own_place():
    bias = Tensor([1.0, 3.0], requires_grad=True, name="b")
    x = Tensor(np.ones((3, 1)), name="x")
    assert [arg.name for arg in entry(x + bias, (2, 1)).args] == ["x[2,0]", "b[1]"]


def test_the_softmax_opens():
    x = Tensor([[1.0, 2.0, 3.0]], requires_grad=True)
    check(log_softmax(x), (0, 2))


def test_what_cannot_be_opened_says_so():
    x = Tensor([[1.0, 2.0]], requires_grad=True, name="x")
    with pytest.raises(ValueError, match=r"^entry: logsumexp cannot be opened: its function takes"):
        entry(logsumexp(x), ())
    with pytest.raises(ValueError, match=r"^entry: a leaf is not computed from anything"):
        entry(x, (0, 0))
    with pytest.raises(ValueError, match=r"^entry: \(0,\) is no index of an entry of shape"):
        entry(x * 2.0, (0,))
    with pytest.raises(IndexError):
        entry(x * 2.0, (0, 2))
    with pytest.raises(TypeError, match=r"^entry: takes a Tensor, not Value"):
        entry(Value(1.0) * 2.0, ())


def test_an_unknown_primitive_opens_with_all_that_it_may_read():
    prim = primitive("reversed", "x backwards", lambda x: x[::-1], lambda g, out, x: prim(g))
    try:
        x = Tensor(np.arange(3.0), requires_grad=True, name="x")
        assert entry(prim(x), (0,)).name == "x[2]"
    finally:
        del TABLE["reversed"]


def test_a_primitive_that_makes_floats_of_its_arguments_says_so():
    """Else a number stands there with no graph behind it, as if nothing had moved it."""
    doubled = primitive("doubled", "2 x", lambda x: 2.0 * np.asarray(x, float), lambda g, out, x: g)
    upper = primitive("upper", "no entry below the diagonal", np.triu, lambda g, out, x: g)
    del TABLE["doubled"], TABLE["upper"]
    x = Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True, name="x")
    with pytest.raises(ValueError, match=r"^entry: doubled cannot be opened: its function takes"):
        entry(doubled(x), (0, 0))
    assert entry(upper(x), (0, 1)).name == "x[0,1]"
    assert entry(upper(x), (1, 0)).data == 0.0


def test_too_many_numbers_are_not_opened():
    """Else the sum of a batch of images fills the memory."""
    x = Tensor(np.ones(100_001), requires_grad=True)
    with pytest.raises(ValueError, match=r"^entry: it is computed from 100,001 numbers, too many"):
        entry(x.sum(), ())


def test_a_branch_not_taken_is_there():
    x = Tensor([-1.0, 2.0], requires_grad=True, name="x")
    root = entry(where(x.data > 0, x, x * 0.5), (0,))
    assert root.primitive.name == "where" and root.data == -0.5
