"""Programs drawn from the whole table, on which every route agrees; and the tester, tested."""

from __future__ import annotations

import re
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import Phase, settings

from autograd import greater, primitive, where
from autograd.ops import _split_between_ties, _swap_last_axes
from autograd.primitives.primitive import TABLE
from tests import programs
from tests.programs import Census, Program, Step, agree, as_python, features

SHARDS = 4


@pytest.mark.parametrize("shard", range(SHARDS))
def test_every_route_agrees_on_programs_of_all_primitives(shard):
    """If this fails, its report names the first wrong node, draws it, and can be pasted.

    25 examples in the profile are 75 programs in each of four shards here; `long` makes 6,000.
    """
    census = programs.run(3 * settings().max_examples, shard)
    assert census.undecided <= census.programs / 100, "differences too rough to judge anything"


def test_what_is_drawn_is_worth_checking():
    """The long run's proportions, 10,000 programs with each primitive 200 times, on 400 of them: if
    this fails, the checks above pass by looking at nothing."""
    census = Census()
    for program in programs.sample(400):
        census.add(program)
    few = {prim.name: census.rows[prim.name] for prim in programs.drawn_rows()}
    assert min(few.values()) >= 400 * 200 / 10_000, few
    assert census.features["all four"] >= 200, census
    assert np.median(census.nodes) >= 12
    for feature in ("float32", "float64", "index"):
        assert census.features[feature] >= 100
    assert census.features["numbers"] >= 20


def test_every_primitive_with_a_derivative_is_drawn():
    users = {"cholesky", "solve"}  # of models/gaussian_process.py, where that was imported
    flows = {
        prim.name for prim in TABLE.values() if any(map(prim.rule, range(programs.arity(prim))))
    }
    flows -= users
    assert {prim.name for prim in programs.drawn_rows()} == flows


def test_a_census_counts_what_is_there():
    x, y = np.ones((2, 3)), np.ones((3, 1))
    steps = (Step("matmul", (0, 1)), Step("exp", (2,)), Step("add", (0, 2)), Step("add", (3, 3)))
    assert features(Program((x, y), steps)) == {
        *("arrays", "float64", "matmul", "sharing", "broadcasting")
    }
    total = Step("sum", (0,), {"axis": (0, 1), "keepdims": False})
    assert features(Program((x,), (total,))) == {"arrays", "float64", "reduction"}
    assert features(Program((x,), (total,), closing=1)) == {"arrays", "float64"}


# --- a program is data ---------------------------------------------------------------------------


def test_a_program_prints_as_python_that_computes_the_same():
    """What a failure prints is what failed: the same primitives, params and inputs, bit for bit."""
    for program in programs.sample(60):
        text = as_python(program)
        names: dict[str, object] = {}
        exec(text.rpartition("\nagree(")[0], names)
        inputs = eval(text.rpartition("agree(program, ")[2].removesuffix(")"), names)
        assert [np.asarray(x).dtype for x in inputs] == [
            np.asarray(x).dtype for x in program.inputs
        ]
        assert names["program"](*inputs) == program(*program.inputs)


# --- the tester, tested --------------------------------------------------------------------------


@contextmanager
def planted(name, **changes):
    """A row of the table with other rules or another on_float, and as it was afterwards."""
    prim = TABLE[name]
    before = {field: getattr(prim, field) for field in ("rules", "rule", "step", *changes)}
    if "rules" in changes:
        changes["rule"] = changes["rules"].__getitem__
    try:
        for field, value in {**changes, "step": None}.items():
            object.__setattr__(prim, field, value)
        yield
    finally:
        for field, value in before.items():
            object.__setattr__(prim, field, value)


def failure(count=400, phases=(Phase.generate,)):
    """The report of the run that must fail."""
    with pytest.raises(AssertionError) as caught:
        programs.run(count, phases=phases)
    return str(caught.value)


def picture(report):
    return Path(re.search(r"drawn in (\S+)", report)[1]).read_text()


@pytest.mark.slow
def test_a_wrong_tanh_is_shrunk_named_printed_and_drawn():
    """The whole way of a failure: the smallest program with the fault in it, as Python that fails
    when it is pasted, and a picture in which the node is marked."""
    with planted("tanh", rules=(lambda g, out, x: g * (1.0 - out),)):
        report = failure(phases=(Phase.generate, Phase.shrink))
        assert "The first wrong node is y1 = tanh: reverse mode" in report
        text = report[report.index("\n\n") :]
        assert text.count("    y") <= 3, "it shrinks to tanh, and what makes one number of it"
        with pytest.raises(programs.Disagreement, match=r"reverse mode.*differences"):
            exec(text, {})
    marked = re.search(r"WRONG.*", picture(report))
    assert marked, "the node says so"
    assert "#b3001b" in marked[0], "and is red"
    exec(text, {})  # mended, it passes


WRONG = {
    "a hundred-thousandth": ("exp", lambda g, out, x: 1.00001 * g * out),
    "a sign": ("log1p", lambda g, out, x: -g / (1.0 + x)),
    "arguments swapped": ("mul", lambda g, out, x, y: g * x, lambda g, out, x, y: g * y),
    "the wrong side of a kink": ("relu", lambda g, out, x: where(greater(x, 0.0), 0.0, g)),
    "a product untransposed": (
        *("matmul", lambda g, out, x, y: TABLE["matmul"](g, _swap_last_axes(y))),
        lambda g, out, x, y: 0.5 * TABLE["matmul"](_swap_last_axes(x), g),
    ),
    "a mean for a sum": ("max", lambda *args, **params: 0.5 * _split_between_ties(*args, **params)),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_rule_is_caught_and_its_primitive_named(kind):
    name, *rules = WRONG[kind]
    with planted(name, rules=tuple(rules)):
        report = failure()
    assert re.search(rf"The first wrong node is y\d+ = {name}:", report), report


def test_a_wrong_twin_on_floats_is_caught():
    """Value and Tensor computing two functions is no matter of derivatives."""
    with planted("add", on_float=lambda x, y: (x + y) * (1 + 1e-12)):
        assert re.search(r"The first wrong node is y\d+ = add: Value", failure())


def test_a_wrong_batching_rule_is_caught():
    def batch(args, batched, axis, keepdims):
        return TABLE["logsumexp"](args[0][::-1], axis=tuple(i + 1 for i in axis), keepdims=keepdims)

    with planted("logsumexp", batch=batch):
        report = failure()
    assert re.search(r"vmap.*; the loop", report)
    assert re.search(r"The first wrong node is y\d+ = logsumexp: vmap", report)


def test_a_new_primitive_joins_the_programs_by_itself():
    """A primitive with a domain and a wrong rule is found without a word about it here."""
    name = "cube_of_programs"
    try:
        primitive(
            *(name, "x * x * x", lambda x: x * x * x, lambda g, out, x: 3.0 * g * x),
            on_float=lambda x: x * x * x,
            domain=((0.5, 2.0),),
        )
        assert f"= {name}:" in failure()
    finally:
        del TABLE[name]


def test_an_error_in_one_route_is_a_disagreement_too():
    def unbatched(args, batched, shape):
        raise NotImplementedError("no batches of this")

    with planted("reshape", batch=unbatched):
        assert "no batches of this" in failure()


def test_agree_judges_any_function():
    """What a failure's text calls: a function of numbers, and one of arrays in both dtypes."""
    agree(lambda x, y: TABLE["mul"](x, y), [0.5, 2.0])
    for dtype in (np.float32, np.float64):
        agree(lambda x: (x * x).sum(), [np.ones(3, dtype)])
    with pytest.raises(programs.Disagreement, match="reverse mode"):
        agree(lambda x: x * TABLE["detach"](x), [0.5])
