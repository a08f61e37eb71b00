"""Nested arguments and results: what is taken apart, matched by key, and refused by its place."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from dataclasses import InitVar, dataclass, field, make_dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd import Tensor, TraceError, grad, gradcheck, jit, jvp, value_and_grad, vjp, vmap
from autograd.transforms.tree import flatten, flatten_as, paths, unflatten

W = np.array([1.0, -2.0])


class Pair(NamedTuple):
    w: Any
    b: Any = None


@dataclass
class Layer:
    w: Any
    b: Any = None


@dataclass(frozen=True)
class Frozen:
    w: Any
    b: Any = None

    def __post_init__(self):
        assert not isinstance(self.w, Tensor), "it checks its fields, and knows no Tensors"


class Mine(list):
    pass


KEYS = st.one_of(st.text("ab", max_size=2), st.integers(0, 2), st.booleans(), st.just(1.0))


def containers(parts):
    return st.one_of(
        st.lists(parts, max_size=3),
        st.lists(parts, max_size=3).map(tuple),
        st.dictionaries(KEYS, parts, max_size=3),
        st.dictionaries(KEYS, parts, max_size=3).map(OrderedDict),
        st.dictionaries(KEYS, parts, max_size=3).map(lambda d: defaultdict(list, d)),
        st.builds(Pair, parts, parts),
        st.builds(Layer, parts, parts),
        st.builds(Frozen, parts, parts),
    )


LEAVES = st.one_of(st.integers(1, 9).map(float), st.none())
TREES = containers(st.recursive(LEAVES, containers, max_leaves=8))


def turned(tree):
    """The same with every dict's keys in the opposite order."""
    if isinstance(tree, dict):
        parts = {key: turned(tree[key]) for key in reversed(tree)}
        return defaultdict(list, parts) if type(tree) is defaultdict else type(tree)(parts)
    if isinstance(tree, Pair | Layer | Frozen):
        return type(tree)(turned(tree.w), turned(tree.b))
    return type(tree)(map(turned, tree)) if isinstance(tree, list | tuple) else tree


@given(TREES)
def test_a_tree_is_put_together_as_it_was(tree):
    leaves, structure = flatten(tree)
    again = unflatten(iter(leaves), structure)
    assert type(again) is type(tree)
    assert repr(again) == repr(tree)  # also the order of keys, and the types of 1, True and 1.0
    assert hash(structure) == hash(flatten(again)[1]) and structure == flatten(again)[1]
    assert len(list(paths(structure))) == len(leaves)
    assert flatten_as(turned(tree), structure, "it") == leaves


@given(TREES)
def test_gradients_have_the_structure_of_their_arguments(tree):
    leaves, structure = flatten(tree)

    def loss(tree):
        return sum((x * x for x in flatten(tree)[0]), 0.0)

    value, found = value_and_grad(loss)(tree)
    assert flatten(found) == ([2 * x for x in leaves], structure)
    assert value == sum(x * x for x in leaves)
    ones = unflatten(iter([1.0] * len(leaves)), structure)
    assert jvp(loss, (tree,), (turned(ones),))[1] == 2 * sum(leaves)


@given(TREES)
def test_results_have_any_structure_and_are_matched_by_key(tree):
    leaves, structure = flatten(tree)

    def scaled(x):
        return unflatten(iter([x * leaf for leaf in leaves]), structure)

    out, pullback = vjp(scaled, 2.0)
    assert flatten(out) == ([2 * x for x in leaves], structure)
    assert pullback(turned(tree)) == (sum(x * x for x in leaves),)
    assert flatten(jvp(scaled, (2.0,), (3.0,))[1])[0] == [3 * x for x in leaves]
    batched, same = flatten(vmap(scaled)(W))
    assert same == structure
    for leaf, batch in zip(leaves, batched, strict=True):
        np.testing.assert_array_equal(batch, leaf * W)


@pytest.mark.parametrize(
    "tree",
    [Pair(W, {"n": 2.0}), Layer(W, None), Frozen(W, (W,)), OrderedDict(b=W, a=[None, W])],
    ids=lambda tree: type(tree).__name__,
)
def test_arguments_and_results_of_a_jitted_step(tree):
    step = jit(lambda tree: unflatten(iter([x * 2 for x in flatten(tree)[0]]), flatten(tree)[1]))
    for _ in range(2):
        found, structure = flatten(step(tree))
        assert structure == flatten(tree)[1]
        for got, given_ in zip(found, flatten(tree)[0], strict=True):
            np.testing.assert_array_equal(got, np.multiply(given_, 2))
    assert len(step.programs) == 1


def test_keys_that_are_equal_and_differ_are_two_structures():
    step = jit(lambda p, x: x * (2.0 if type(next(iter(p))) is bool else 3.0))
    assert step({1: W}, W)[0].item() == 3.0
    assert step({True: W}, W)[0].item() == 2.0


def test_none_and_strings_are_static_for_jit():
    step = jit(lambda x, how, more: x * 2 if how == "double" and more is None else x * 3)
    np.testing.assert_array_equal(step(W, "double", None).data, 2 * W)
    np.testing.assert_array_equal(step(W, "triple", None).data, 3 * W)
    np.testing.assert_array_equal(step(W, "double", 1).data, 3 * W)


BAD = ["3.0", b"x", {1.0}, True, 1j, object(), Mine([1.0]), iter([1.0]), range(2), len]


@pytest.mark.parametrize("bad", BAD, ids=lambda x: type(x).__name__)
def test_a_leaf_that_is_no_number_is_refused_by_its_place(bad):
    tree = {"w": W, "b": [1.0, bad]}

    def loss(tree):
        return (tree["w"] * tree["w"]).sum()

    place = rf"argument 0\['b'\]\[1\] is a {type(bad).__name__}, not a number"
    for call in (
        lambda: grad(loss)(tree),
        lambda: vjp(loss, tree),
        lambda: jvp(loss, (tree,), (tree,)),
    ):
        with pytest.raises(TypeError, match=place):
            call()
    if bad is not True:
        with pytest.raises(TypeError, match=place):
            vmap(loss)({"w": W, "b": [W, bad]})
        for call in (lambda f: vjp(f, W), lambda f: jvp(f, (W,), (W,)), lambda f: vmap(f)(W)):
            with pytest.raises(TypeError, match=rf"result\['y'\] is a {type(bad).__name__}"):
                call(lambda x: {"x": x, "y": bad})


@pytest.mark.parametrize("wrap", [lambda x: {x}, lambda x: Mine([x]), lambda x: (y for y in [x])])
def test_a_result_of_jit_that_hides_tensors_is_refused_by_its_type(wrap):
    """ "Return it", the error was, to someone who did."""
    with pytest.raises(TraceError, match=r"the result\['a'\] is a (set|Mine|generator)"):
        jit(lambda x: {"a": wrap(x * 2)})(W)


@pytest.mark.parametrize(
    ("cotangent", "words"),
    [
        ({"a": 1.0}, r"cotangent has the keys \['a'\] where \['a', 'b'\]"),
        ({"a": 1.0, "c": (1.0,)}, "keys"),
        ({"a": 1.0, "b": [1.0]}, r"cotangent\['b'\] is a list where a tuple"),
        ({"a": 1.0, "b": (1.0, 2.0)}, r"cotangent\['b'\] has 2 entries where 1"),
        ({"a": [1.0], "b": (1.0,)}, r"cotangent\['a'\] is a list where one number"),
        ([1.0, (1.0,)], "is a list where a dict"),
    ],
)
def test_a_cotangent_of_another_structure_is_refused_by_its_place(cotangent, words):
    with pytest.raises(ValueError, match=rf"vjp: the cotangent.*{words}|vjp: the {words}"):
        vjp(lambda x: {"a": x, "b": (x,)}, 1.0)[1](cotangent)


def test_gradcheck_names_the_place():
    assert gradcheck(lambda p: p.w * p.b, Layer(2.0, 3.0))


@given(
    st.lists(st.sampled_from(["field", "class", "init", "unset"]), max_size=5),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_dataclasses_of_any_shape(kinds, frozen, slots, named):
    """Fields are the leaves; what belongs to the class or to __init__ alone, and what is unset, is
    none; a name given in __post_init__ is still there."""
    types = {"class": (ClassVar[int], {"default": 7}), "init": (InitVar[int], {"default": 8})}
    types |= {"field": (Any, {"default": None}), "unset": (Any, {"init": False})}
    drawn = enumerate(types[kind] for kind in kinds)
    parts = [(f"a{i}", kind, field(**options)) for i, (kind, options) in drawn]

    def name_it(self, *rest):
        if named and not slots:
            object.__setattr__(self, "name", "n")

    space = {"__post_init__": name_it}
    cls = make_dataclass("Drawn", parts, frozen=frozen, slots=slots, namespace=space)
    names = [f"a{i}" for i, kind in enumerate(kinds) if kind == "field"]
    tree = cls(**{name: float(i) for i, name in enumerate(names)})
    leaves, structure = flatten(tree)
    assert leaves == [float(i) for i in range(len(names))]
    assert list(paths(structure)) == [f".{name}" for name in names]
    assert flatten_as(tree, structure, "it") == leaves
    assert hash(structure) == hash(flatten(tree)[1])
    again = unflatten(iter([2.0 * leaf for leaf in leaves]), structure)
    assert type(again) is cls
    assert [getattr(again, name) for name in names] == [2.0 * leaf for leaf in leaves]
    if named and not slots:
        assert again.name == "n"


@dataclass
class Derived:
    w: Any
    scale: InitVar[float] = 2.0

    def __post_init__(self, scale):
        self.doubled, self.kind = self.w * scale, "linear"


def test_what_was_computed_from_fields_is_no_constant():
    """It would have no gradient, and in a compiled step the number of the first call."""
    derived = Derived(3.0)
    assert grad(lambda p: p.w * p.w if p.kind == "linear" else p.w)(derived).w == 6.0
    with pytest.raises(AttributeError, match="doubled"):
        grad(lambda p: p.doubled)(derived)
