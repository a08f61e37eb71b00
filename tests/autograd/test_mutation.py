"""The tester, tested: wrong rules are caught, each by the check that is there for it.

All of the mutants are judged by `python -m tests.mutation`; here a sample of them.
"""

import ast

import numpy as np
import pytest

from autograd import ops, value
from autograd.primitives import shapes
from autograd.primitives.primitive import TABLE
from tests.autograd.primitives import test_primitives
from tests.mutation import judge
from tests.mutation.mutants import Mutant, mutants, places, planted
from tests.mutation.survivors import SURVIVORS

PLACES = {place.name: place for place in places()}
ALL = [mutant for place in PLACES.values() for mutant in mutants(place)]
STEP = 12


def check_conventions(prim):
    for _, check in judge.conventions(prim):
        check()


# Name, place, the wrong rule, the check that catches it.
WRONG = [
    (
        "sign",
        "tanh.x",
        "lambda g, out, x: -g * (1.0 - out * out)",
        test_primitives.check_value_gradients,
    ),
    (
        "sign",
        "logsumexp.x",
        "lambda g, out, x, axis, keepdims: -_expand(g, x, axis) * exp(x - _expand(out, x, axis))",
        test_primitives.check_tensor_gradients,
    ),
    (
        "swapped arguments",
        "div.x",
        "lambda g, out, x, y: g / x",
        test_primitives.check_value_gradients,
    ),
    (
        "missing factor",
        "sqrt.x",
        "lambda g, out, x: g / out",
        test_primitives.check_tensor_gradients,
    ),
    (
        "stale value",  # a cache that is looked up by shape
        "exp.x",
        "lambda g, out, x, seen={}: g * seen.setdefault(out.shape, out)",
        test_primitives.check_tensor_gradients,
    ),
    (
        "sign, second order",
        "tanh.x",
        "lambda g, out, x: g * (1.0 + out * out - 2.0 * detach(out * out))",
        test_primitives.check_second_order_of_values,
    ),
    (
        "swapped arguments, second order",
        "mul.x",
        "lambda g, out, x, y: g * (detach(y) + x - detach(x))",
        test_primitives.check_second_order_of_tensors,
    ),
    (
        "missing factor, second order",
        "tanh.x",
        "lambda g, out, x: g * (1.0 - out * detach(out))",
        test_primitives.check_second_order_of_tensors,
    ),
    (
        "stale value, second order",
        "exp.x",
        "lambda g, out, x: g * detach(out)",
        test_primitives.check_second_order_of_values,
    ),
    (
        "stale cotangent, second order",
        "exp.x",
        "lambda g, out, x: detach(g) * out",
        judge.check_linear_in_the_cotangent,
    ),
    (
        "wrong kink",
        "relu.x",
        "lambda g, out, x: where(greater(0.0, x), 0.0, g)",
        check_conventions,
    ),
    (
        "wrong tie",
        "maximum.x",
        "lambda g, out, x, y: where(greater(y, x), 0.0, g)",
        check_conventions,
    ),
    (
        "wrong cotangent at a tie",
        "maximum.x",
        "lambda g, out, x, y: where(equal(x, y), 0.5, where(greater(x, y), g, 0.0))",
        judge.check_linear_in_the_cotangent,
    ),
    (
        "kink in the wrong place",
        "relu.x",
        "lambda g, out, x: where(greater(x, 1e-6), g, 0.0)",
        judge.check_beside_the_kink,
    ),
]


@pytest.mark.parametrize(
    ("place", "rule", "check"),
    [
        pytest.param(place, rule, check, id=f"{name}, {place}, by {check.__name__}")
        for name, place, rule, check in WRONG
    ],
)
def test_a_wrong_rule_is_caught_by_the_check_that_is_there_for_it(place, rule, check, differences):
    def run():
        if check in test_primitives.CHECKS:
            test_primitives.run_check(check, PLACES[place].rows[0], differences)
        else:
            check(PLACES[place].rows[0])

    wrong = Mutant(PLACES[place], "by hand", rule, ast.parse(rule, mode="eval").body)
    with judge.few_examples():
        run()
        with planted(wrong), pytest.raises(AssertionError):
            run()


def test_a_rule_that_was_left_out_is_caught():
    """What has no rule is not asked for a gradient: no comparison of gradients can miss it."""
    (wrong,) = (m for m in mutants(PLACES["matmul.y"]) if m.kind == "no gradient")
    with judge.few_examples(), planted(wrong), pytest.raises(AssertionError):
        judge.check_no_rule_is_missing(ops.matmul_p)


def test_a_missing_unbroadcast_is_caught(monkeypatch, differences):
    """The engine refuses a gradient of another shape before the check can look at it."""
    monkeypatch.setattr(shapes, "sum_to", lambda x, shape: x)
    with judge.few_examples(), pytest.raises(TypeError, match="a Tensor of shape"):
        test_primitives.check_broadcasting(ops.add, differences)


def test_a_wrong_unbroadcast_is_caught(monkeypatch, differences):
    """The first of the shares in the place of their sum: the shape is right."""

    def first(x, shape):
        grown = (1,) * (np.ndim(x) - len(shape)) + tuple(shape)
        return x[tuple(slice(0, n) for n in grown)].reshape(shape)

    monkeypatch.setattr(shapes, "sum_to", first)
    with judge.few_examples(), pytest.raises(AssertionError):
        test_primitives.check_broadcasting(ops.add, differences)


@pytest.mark.parametrize(
    ("check", "prim"),
    [
        pytest.param(check, prim, id=f"{prim.name}-{check.__name__[6:]}")
        for check in judge.OWN
        for prim in TABLE.values()
        if judge.applies(check, prim)
    ],
)
def test_the_table_passes_the_checks_that_mutants_asked_for(check, prim):
    check(prim)


def test_there_are_mutants_of_every_rule_and_every_kind():
    assert len(ALL) >= 200
    assert len({mutant.name for mutant in ALL}) == len(ALL)
    for place in PLACES.values():
        assert len(mutants(place)) >= 4
    kinds = {mutant.kind for mutant in ALL}
    asked = {"sign", "swapped argument", "dropped argument", "dropped factor", "constant changed"}
    assert asked | {"out for an input", "comparison flipped", "detached"} <= kinds


@pytest.mark.slow
def test_a_sample_of_mutants_is_killed_or_known_to_survive():
    for verdict in judge.judged(ALL[::STEP]):
        name = verdict.mutant.name
        assert (verdict.by is None) == (name in SURVIVORS), f"{name}: killed by {verdict.by}"


def test_a_reason_is_there_for_mutants_that_are():
    assert SURVIVORS.keys() <= {mutant.name for mutant in ALL}


def test_the_table_is_as_it_was_also_after_an_error():
    before = {prim: (prim.rules, prim.rule) for prim in TABLE.values()}
    helpers = (ops._base, ops._expand, ops._swap_last_axes)
    for name in ("mul.x", "index", "_expand"):
        with pytest.raises(KeyboardInterrupt), planted(mutants(PLACES[name])[0]):
            raise KeyboardInterrupt
    assert before == {prim: (prim.rules, prim.rule) for prim in TABLE.values()}
    assert helpers == (ops._base, ops._expand, ops._swap_last_axes)
    x = value.Value(3.0)
    (x * x).backward()
    assert x.grad == 6.0


def test_an_unknown_survivor_fails_the_run(monkeypatch, capsys):
    from tests.mutation import __main__ as program

    assert program.main(["exp"]) == 0
    monkeypatch.setattr(program, "SURVIVORS", {})
    assert program.main(["relu"]) == 1
    assert "WITHOUT A REASON: relu.x" in capsys.readouterr().out
    monkeypatch.setattr(program, "SURVIVORS", {ALL[0].name: "it is wrong"})
    assert program.main([ALL[0].place.rows[0].name]) == 1
