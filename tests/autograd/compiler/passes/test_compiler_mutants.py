"""The tester of the compiler, tested: what is wrong is caught by the step that is there for it.

All mutants are judged by `python -m tests.mutation --compiler`, which takes minutes; here some.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from autograd.compiler.language.statements import Array, For, Function, Run, Store
from autograd.compiler.passes import lower, memory
from autograd.compiler.passes.nest import integer
from autograd.primitives.expressions import FLOAT32, FLOAT64, ZERO, Affine, Const, Load
from tests.mutation.compiler import judge
from tests.mutation.compiler.execution import Block, FaultError, execute_group
from tests.mutation.compiler.mutants import Mutant, mutants, places, planted
from tests.mutation.compiler.reasons import REASONS
from tests.mutation.compiler.steps import STEPS
from tests.mutation.tables import reason_key

# What is lost, the function, how its wrong line begins, the step, and what is seen of it.
RACE, REFUSED = "FaultError", "states are written, and then refused"
WRONG = [
    (
        "a reader waits",
        "lower._must_wait",
        "return any((writes and",
        "old values of states as results",
        RACE,
    ),
    ("a writer waits", "lower._must_wait", "return any((writes2 and", "two states exchanged", RACE),
    (
        "a check is waited for",
        "lower._must_wait",
        "if False",
        "labels",
        "IndexError",
    ),
    (
        "a state waits",
        "lower._heeding",
        "return {emitter for emitter in emitters if plan.checked & emitter.computed}",
        "a counter beside positions",
        REFUSED,
    ),
    (
        "an array lives",
        "memory._Scratch.allocate",
        "self.live = sorted((t for t in self.live if t[2] > first_use",
        "rows after a product",
        "results differ",
    ),
    (
        "what is kept lives",
        "memory._last_reads",
        "return reads",
        "many temporaries, kept",
        "what is kept differs",
    ),
    (
        "an old value is read later",
        "plan._Planner._clobbers",
        "if False",
        "two states exchanged",
        "states differ",
    ),
    (
        "another entry is read",
        "plan._Planner._clobbers",
        "if kernel is writer and read == ",
        "a state from another of its own entries",
        RACE,
    ),
    (
        "states wait for positions",
        "plan._Planner._defer_writes",
        "if not self._clobbers",
        "states written before positions are known",
        REFUSED,
    ),
    (
        "the latest argument",
        "plan._Planner._schedule",
        "kernel = min(",
        "old values of states as results",
        "results differ",
    ),
    (
        "a check before",
        "plan._Planner._schedule",
        "new = kernel is None or kind is not",
        "positions that are looked up",
        "IndexError",
    ),
    (
        "one to one",
        "plan._Planner._joined_index",
        "if stands_for.setdefault",
        "parts of what a kernel computes",
        "IndexError",
    ),
    (
        "a stack's strides",
        "product.ProductEmitter._panel_start",
        "start: Affine = offset((*at, Affine.of('panel')), strides)",
        "attention",
        "results differ",
    ),
]


@pytest.mark.parametrize("step", STEPS)
def test_a_step_is_right_and_its_threads_stay_apart(step: str) -> None:
    """With limits so low that tiles, strips, blocks and parts are many: numbers as the replay's,
    nothing out of place, and no thread or lane touches what another writes."""
    with judge.small_limits():
        judge.trials([step])


def mutant(place: str, begins: str) -> Mutant:
    changed = [m for m in mutants() if m.place.name == place]
    return next(m for m in changed if m.change.split(" -> ", 1)[1].startswith(begins))


@pytest.mark.parametrize(("_", "place", "begins", "step", "seen"), WRONG, ids=[w[0] for w in WRONG])
def test_a_wrong_compiler_is_caught_by_the_step_that_is_there_for_it(
    _: str, place: str, begins: str, step: str, seen: str
) -> None:
    with judge.small_limits():
        (trial,), _reached = judge.trials([step])
        with planted(mutant(place, begins)):
            assert judge.fails(trial) == seen
        assert judge.fails(trial) is None


def test_there_are_mutants_of_every_function_and_every_kind() -> None:
    assert len({mutant.name for mutant in mutants()}) == len(mutants()) > 2000
    assert {mutant.place.name for mutant in mutants()} <= {place.name for place in places()}
    kinds = {mutant.kind for mutant in mutants()}
    asked = {"condition dropped", "never", "always", "comparison shifted", "off by one"}
    asked |= {"arguments swapped", "neighbour", "set lost", "max for min", "statement deleted"}
    assert asked <= kinds


def test_a_reason_is_there_for_mutants_that_are() -> None:
    keys = {reason_key(mutant.name, REASONS) for mutant in mutants()}
    assert REASONS.keys() <= keys


def test_the_compiler_is_as_it_was_also_after_an_error() -> None:
    before = lower._must_wait.__code__, memory._Scratch.allocate.__code__
    with (
        pytest.raises(KeyboardInterrupt),
        planted(mutant("lower._must_wait", "return any((writes and")),
    ):
        raise KeyboardInterrupt
    assert before == (lower._must_wait.__code__, memory._Scratch.allocate.__code__)


# --- what is seen in watched memory -------------------------------------------------------------

X, Y = Array("x", FLOAT64, 4), Array("y", FLOAT64, 4)
ROW = Affine.of("i")
LEFT = Load("x", ROW, FLOAT64)


def run(
    name: str, *body: Any, arrays: Any = (X, Y), slots: Any = ((0, 0), (1, 0)), parts: int = 0
) -> Run:
    return Run(name, Function(arrays, frozenset({"y"}), (), body), slots, parts)


def block() -> Block:
    return Block([np.arange(4.0), None], [32, 32])


def copy(**others: Any) -> For:
    return For("i", integer(0), integer(4), (Store("y", ROW, LEFT),), **others)


def test_what_parts_do_to_each_other_is_seen() -> None:
    whole = run("whole", copy(), parts=2)  # each part does all of it
    with pytest.raises(FaultError, match="at the same time"):
        execute_group([whole], block())
    reads = run("reads", copy(), slots=((1, 0), (0, 0)), parts=1)
    with pytest.raises(FaultError, match=r"at the same time|nobody has written"):
        execute_group([run("writes", copy()), reads], block())
    execute_group([run("writes", copy()), run("again", copy())], block())  # by one thread


def test_what_lanes_do_to_each_other_is_seen() -> None:
    execute_group([run("copy", copy(mark="lanes"))], block())
    shifted = Store("y", ROW + 1, Load("y", ROW, FLOAT64))
    fill = Store("y", ROW, Const(0.0, FLOAT64))
    loops = (
        For("i", integer(0), integer(4), (fill,), mark="lanes"),
        For("i", integer(0), integer(3), (shifted,), mark="lanes"),
    )
    with pytest.raises(FaultError, match="lane"):
        execute_group([run("shifted", *loops)], block())


def test_what_nobody_has_written_and_what_is_outside_is_seen() -> None:
    reads = Store("y", ZERO, Load("y", ZERO + 1, FLOAT64))
    with pytest.raises(FaultError, match="nobody has written"):
        execute_group([run("reads", reads)], block())
    wide = Array("x", FLOAT32, 9)
    with pytest.raises(FaultError, match="is given"):
        execute_group([run("wide", copy(), arrays=(wide, Y))], block())
