"""What `help` and an editor are told of every public name: names, defaults, types, an example."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pydoc

import numpy as np
import pytest

import autograd
from autograd import Tensor, Value, jit, primitive
from autograd.nn import Activation, BatchNorm, Dropout, LayerNorm, Linear, Module, Sequential
from autograd.optim import SGD, Adam, cosine
from autograd.primitives.primitive import OURS, TABLE, Primitive

ROOMS = ["autograd", "autograd.nn", "autograd.optim", "autograd.functional", "autograd.random"]
PUBLIC = [
    pytest.param(getattr(room, name), id=f"{room.__name__}.{name}")
    for room in map(importlib.import_module, ROOMS)
    for name in getattr(room, "__all__", ["uniform"])
    if callable(getattr(room, name))
]
METHODS = [
    pytest.param(cls, name, id=f"{cls.__name__}.{name}")
    for cls in (Tensor, Value)
    for name in sorted(
        {*autograd.__all__} & {*dir(cls)} - {"index", "grad", "primitive"}
    )  # of a node
]


def printed(thing) -> str:
    """The page that `help(thing)` prints."""
    return pydoc.plain(pydoc.render_doc(thing))


def run(doc: str, names=()) -> doctest.TestResults:
    """Run the examples of a docstring, with nothing imported but what they import."""
    test = doctest.DocTestParser().get_doctest(doc, dict(names), "help", None, None)
    return doctest.DocTestRunner(verbose=False).run(test)


# --- every public name ---------------------------------------------------------------------------


CALLED = [
    public
    for public in PUBLIC
    if not (isinstance(public.values[0], type) and issubclass(public.values[0], Exception))
]  # exceptions are raised


@pytest.mark.parametrize("thing", CALLED)
def test_a_signature_has_names_and_types(thing):
    """`(*args, **params)` would tell a reader nothing."""
    signature = inspect.signature(thing)
    for parameter in signature.parameters.values():
        assert parameter.annotation is not parameter.empty, parameter
    kinds = [p.kind for p in signature.parameters.values()]
    assert kinds != [inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD]


@pytest.mark.parametrize("thing", CALLED)
def test_a_docstring_has_an_example(thing):
    assert ">>>" in inspect.getdoc(thing)


@pytest.mark.parametrize(("cls", "name"), METHODS)
def test_a_method_has_the_signature_of_its_function(cls, name):
    method, function = getattr(cls, name), getattr(autograd, name)
    names = list(inspect.signature(function).parameters)
    bound = list(inspect.signature(getattr(cls(1.0), name)).parameters)
    if hasattr(method, "__wrapped__"):
        assert inspect.signature(method) == inspect.signature(function)
        assert bound == names[1:]
    else:  # those of Value that are compiled know no out=
        assert ["self", *bound] == list(inspect.signature(method).parameters) == ["self"]


@pytest.mark.parametrize(("cls", "name"), METHODS)
def test_a_method_says_what_its_function_says(cls, name):
    method, function = getattr(cls, name), getattr(autograd, name)
    if isinstance(function, Primitive):
        assert method.__doc__.startswith(function.summary)
        assert f"help(autograd.{name})" in method.__doc__
    else:
        assert method.__doc__ == function.__doc__


# --- the primitives' pages -----------------------------------------------------------------------


OWN = [prim for prim in TABLE.values() if prim in OURS]


@pytest.mark.parametrize("prim", OWN, ids=str)
def test_a_primitives_example_runs(prim):
    found = run(prim.__doc__)
    assert found.attempted > 2
    assert not found.failed


@pytest.mark.parametrize("prim", OWN, ids=str)
def test_a_primitives_page_says_what_the_primitive_says(prim):
    page = printed(prim)
    for part in (prim.name, prim.doc, prim.convention, prim.summary.splitlines()[0]):
        assert part in page
    for i, name in enumerate(inspect.signature(prim).parameters):
        if prim.arity > i:
            assert f"{name}: " in page
    assert "Raises" in page
    assert "Methods defined here" not in page, "it is the page of the class"


PAGE = """\
Python Library Documentation: Primitive in module autograd.ops

where = <primitive where>
    where(condition: Operand, x: Operand, y: Operand, /, *, out: Tensor | None = None) -> Any

    x where the condition holds, else y.

    Entry by entry: shapes broadcast together.

    By convention the branch not taken gets 0, also where it is inf or nan.

    out: a Tensor that takes the result, as by `out.assign`, and is given back.

    Dtypes: float32, float64, int64, bool -> the same.

    Cotangents, where g is that of the result `out`:
        condition: none
        x: where(condition, g, 0.0)
        y: where(condition, 0.0, g)

    Raises TypeError for other dtypes (complex, float16) and for a Value beside a Tensor,
    ValueError for shapes that do not broadcast.

    >>> from autograd import Tensor, where
    >>> condition = Tensor([True, False, True])
    >>> x = Tensor([-1.0, 0.0, 1.0], requires_grad=True)
    >>> y = Tensor(1.0, requires_grad=True)
    >>> out = where(condition, x, y)
    >>> out.data
    array([-1.,  1.,  1.])
    >>> out.sum().backward()
    >>> x.grad.data, y.grad.data
    (array([1., 0., 1.]), array(1.))
"""


def test_the_page_of_where():
    lines = [line.rstrip() for line in printed(autograd.where).splitlines()]
    assert lines == PAGE.splitlines()


def test_the_class_still_has_a_page_of_its_own():
    assert Primitive.__doc__.startswith("One primitive")
    assert "on_array" in inspect.signature(Primitive).parameters


def test_a_primitive_that_a_user_adds_has_a_page_and_a_signature():
    try:
        twice = primitive(
            "twice", "2 x", lambda value: 2 * value, lambda g, out, value: 2.0 * g,
            on_float=lambda value: 2 * value, convention="none", domain=((0.0, 4.0),),
        )  # fmt: skip
        assert (
            str(inspect.signature(twice))
            == "(value: 'Operand', /, *, out: 'Tensor | None' = None) -> 'Any'"
        )
        page = printed(twice)
        assert "value: 2.0 * g" in page
        assert "array([2., 4., 6.])" in page
        assert not run(twice.__doc__, {"twice": twice}).failed
    finally:
        del TABLE["twice"]


def test_a_primitive_of_which_nothing_is_known_has_a_page_without_an_example():
    def odd(*args, **params):
        raise KeyError("no")

    prim = Primitive("odd", "whatever", odd, (odd, None))
    assert (
        str(inspect.signature(prim)) == "(x: 'Operand', y: 'Operand', /, **params: 'Any') -> 'Any'"
    )
    assert "whatever" in prim.__doc__
    assert ">>>" not in prim.__doc__


def test_to_look_at_a_page_within_a_step_leaves_no_trace():
    """grad(exp) copies the docstring of exp, whose example records operations."""
    prim = Primitive("fresh", "3 x", lambda x: 3 * x, (lambda g, out, x: 3.0 * g,), lambda x: 3 * x)

    @jit
    def step(x):
        assert "array([-3.,  0.,  3.])" in prim.__doc__
        return x + 1.0

    assert step(np.ones(2)).data.tolist() == [2.0, 2.0]
    assert len(step.programs[0].steps) == 1


# --- what is printed of what holds Tensors -------------------------------------------------------


def test_a_users_module_says_what_it_holds():
    class Block(Module):
        def __init__(self):
            self.width, self.act, self.betas, self._hidden = 3, autograd.relu, (0.9, 0.99), "x"
            self.scales = [Tensor(np.ones(3)), Tensor(np.ones((), np.float32), requires_grad=True)]
            self.heads = {"a": Linear(3, 2), "b": Sequential(Activation("tanh"))}
            self.losses = [0.5, 0.25]  # no setting

    assert (
        repr(Block())
        == """\
Block(
  width=3
  act=relu
  betas=(0.9, 0.99)
  scales.0: float64[3]
  scales.1: float32[]
  (heads.a): Linear(weight: float32[2, 3], bias: float32[2])  # 8 parameters
  (heads.b): Sequential(
    (0): Activation(name='tanh')
  )
)  # 9 parameters"""
    )


def test_a_parameter_that_two_modules_share_counts_once():
    one, two = Linear(2, 2), Linear(2, 2)
    two.weight = one.weight
    assert repr(Sequential(one, two)).endswith("# 8 parameters")


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (Linear(2, 3), "Linear(weight: float32[3, 2], bias: float32[3])  # 9 parameters"),
        (Activation("gelu"), "Activation(name='gelu')"),
        (Dropout(0.2, seed=7), "Dropout(p=0.2, seed=7)"),
        (Sequential(), "Sequential()"),
        (
            LayerNorm((2, 3), dtype=np.float64),
            "LayerNorm(eps=1e-05, weight: float64[2, 3], bias: float64[2, 3])  # 12 parameters",
        ),
    ],
    ids=lambda x: type(x).__name__,
)
def test_a_layer_in_a_line(layer, text):
    assert repr(layer) == text


def test_many_attributes_have_a_line_each():
    assert (
        repr(BatchNorm(2))
        == """\
BatchNorm(
  eps=1e-05
  momentum=0.1
  weight: float32[2]
  bias: float32[2]
  running_mean: float32[2]
  running_var: float32[2]
  num_batches_tracked: int64[]
)  # 4 parameters"""
    )


def test_an_optimizer_says_its_numbers_and_how_far_it_is():
    parameters = [Tensor(np.ones((2, 3)), requires_grad=True) for _ in range(2)]
    optimizer = Adam(parameters, lr=cosine(0.1, 50))
    for _ in range(3):
        parameters[0].grad = Tensor(np.ones((2, 3)))
        optimizer.step()
    assert repr(optimizer) == (
        "Adam(lr=cosine(rate=0.1, steps=50), betas=(0.9, 0.999), eps=1e-08, weight_decay=0.0)"
        "  # 2 parameters, 12 numbers, 3 steps"
    )
    optimizer.lr = 0.25
    assert "lr=0.25" in repr(optimizer)


def test_a_model_and_an_optimizer_can_be_printed_within_a_step():
    """Their shapes and settings are no values that the trace would take for constants."""
    model = Linear(2, 2)
    optimizer = SGD(model.parameters())
    seen = []

    @jit
    def step(x):
        seen.append(f"{model} {optimizer}")
        return model(x)

    step(np.ones((1, 2), np.float32))
    assert seen == [f"{model} {optimizer}"]


def test_a_jitted_function_says_what_it_was_traced_for_and_what_runs_it():
    @jit
    def scaled(x, n, mode="plain"):
        return x * n

    assert repr(scaled) == "jit(scaled): 0 traces"
    scaled(np.ones(3), 2.5)
    scaled.lower(np.ones((2, 3), np.float32), 2, mode="loud")
    assert (
        repr(scaled)
        == """\
jit(scaled): 2 traces
  float64[3], 2.5: replayed by NumPy: there is no C compiler
  float32[2, 3], 2, 'loud': not run yet"""
    )
    (_, program) = scaled.programs
    assert repr(program) == "<program: 1 operation, 1 input, 0 states, 1 result>"
    lowered = scaled.lower(np.ones(3), 2.5)
    assert repr(lowered) == "<lowered step: 1 operation, 1 kernel, 0 bytes of scratch>"


def test_a_step_that_is_traced_at_every_call_says_why():
    @jit
    def scaled(x, n):
        return x * n

    for n in range(7):
        scaled(np.ones(3), n)
    assert "replayed by NumPy: something differs at every call: argument 1 was 5, is 6" in repr(
        scaled
    )
