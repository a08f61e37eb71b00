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
from autograd.rows import OURS, TABLE, Row

ROOMS = ["autograd", "autograd.functional", "autograd.random"]
PUBLIC = [
    pytest.param(getattr(room, name), id=f"{room.__name__}.{name}")
    for room in map(importlib.import_module, ROOMS)
    for name in getattr(room, "__all__", ["uniform"])
    if callable(getattr(room, name))
]
METHODS = [
    pytest.param(cls, name, id=f"{cls.__name__}.{name}")
    for cls in (Tensor, Value)
    for name in sorted({*autograd.__all__} & {*dir(cls)} - {"index", "grad"})  # of a node
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
    if isinstance(function, Row):
        assert method.__doc__.startswith(function.summary)
        assert f"help(autograd.{name})" in method.__doc__
    else:
        assert method.__doc__ == function.__doc__


# --- the rows' pages ------------------------------------------------------------------------------


OWN = [row for row in TABLE.values() if row in OURS]


@pytest.mark.parametrize("row", OWN, ids=str)
def test_a_rows_example_runs(row):
    found = run(row.__doc__)
    assert found.attempted > 2
    assert not found.failed


@pytest.mark.parametrize("row", OWN, ids=str)
def test_a_rows_page_says_what_the_row_says(row):
    page = printed(row)
    for part in (row.name, row.doc, row.convention, row.summary.splitlines()[0]):
        assert part in page
    for i, name in enumerate(inspect.signature(row).parameters):
        if row.arity > i:
            assert f"{name}: " in page
    assert "Raises" in page
    assert "Methods defined here" not in page, "it is the page of the class"


PAGE = """\
Python Library Documentation: Row in module autograd.ops

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
    assert Row.__doc__.startswith("One primitive")
    assert "on_array" in inspect.signature(Row).parameters


def test_a_row_that_a_user_adds_has_a_page_and_a_signature():
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


def test_a_row_of_which_nothing_is_known_has_a_page_without_an_example():
    def odd(*args, **params):
        raise KeyError("no")

    row = Row("odd", "whatever", odd, (odd, None))
    assert (
        str(inspect.signature(row)) == "(x: 'Operand', y: 'Operand', /, **params: 'Any') -> 'Any'"
    )
    assert "whatever" in row.__doc__
    assert ">>>" not in row.__doc__


def test_to_look_at_a_page_within_a_step_leaves_no_trace():
    """grad(exp) copies the docstring of exp, whose example records operations."""
    row = Row("fresh", "3 x", lambda x: 3 * x, (lambda g, out, x: 3.0 * g,), lambda x: 3 * x)

    @jit
    def step(x):
        assert "array([-3.,  0.,  3.])" in row.__doc__
        return x + 1.0

    assert step(np.ones(2)).data.tolist() == [2.0, 2.0]
    assert len(step.programs[0].steps) == 1
