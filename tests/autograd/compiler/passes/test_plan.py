"""What is computed together, and what waits for what: a test for each condition of the planner.

Other tests (and `python -m tests.mutation --compiler`) see whether the numbers are right; these
name the condition that is missing.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor, jit
from autograd.compiler.passes import plan as planner
from autograd.compiler.passes.emitters import Emitter
from autograd.compiler.passes.kernels import Check
from autograd.compiler.passes.lower import _barrier_groups, _must_wait
from autograd.compiler.passes.memory import Array, _Scratch
from autograd.primitives.indexing import ARRAY
from autograd.primitives.primitive import TABLE
from tests.mutation.compiler import steps

X, SQUARE, VECTOR, COLUMN = np.ones((3, 4)), np.ones((4, 4)), np.ones(4), np.ones((4, 1))
X20 = np.random.default_rng(0).random((20, 20))


def kernels(function: Any, *args: Any) -> list[list[str]]:
    """The materialized primitives of each kernel."""
    plan = jit(function).lower(*args).plan
    return [[plan.graph.ops[each.op].primitive.name for each in k.computes] for k in plan.kernels]


def apart(function: Any, *args: Any) -> bool:
    """Whether the last result is computed in a kernel after that of the one before."""
    plan = jit(function).lower(*args).plan
    *_, one, two = (
        next(
            i
            for i, k in enumerate(plan.kernels)
            if any(s.target == ("result", n) for s in k.computes)
        )
        for n in range(len(plan.graph.results))
    )
    return two > one


# --- an op joins a kernel ... -------------------------------------------------------------------


def test_an_op_joins_if_it_needs_entries_of_the_same_iteration() -> None:
    assert not apart(lambda x: (h := ag.exp(x), h * 2.0), X)
    assert not apart(lambda x: (h := ag.exp(x), h.T + 1.0), X)
    assert not apart(lambda x, y: (h := x @ y, ag.relu(h)), X, SQUARE)
    assert not apart(lambda x: (h := x.sum(0), h / 2.0), X)


def test_axes_of_length_1_do_not_matter() -> None:
    assert not apart(lambda x: (h := ag.exp(x), h * 2.0), COLUMN)
    assert not apart(lambda x: (h := ag.exp(x), h[:, 0] * 2.0), COLUMN)
    assert not apart(lambda x: (h := ag.exp(x), h * 2.0), np.ones((5, 1, 1)))


def neighbours(x: Any, times: int) -> Any:
    """The least of each entry and its four neighbours, and of those again."""
    for _ in range(times):
        inner = x[1:-1, 1:-1]
        sides = x[:-2, 1:-1], x[2:, 1:-1], x[1:-1, :-2], x[1:-1, 2:]
        for side in sides:
            inner = ag.minimum(inner, side)
        x = inner
    return x


def test_what_is_read_at_many_places_is_not_computed_again_for_each() -> None:
    """Else n minima of neighbours, one of the other, take 5^n times the work of one."""
    for times in (1, 2, 3, 4):
        names = [name for k in kernels(lambda x, n=times: neighbours(x, n), X20) for name in k]
        assert names.count("minimum") == times
    # At two or three places, to compute again is cheaper than to store and to load.
    assert kernels(lambda x: (h := ag.exp(x))[1:] - h[:-1], X) == [["sub"]]


def test_an_op_does_not_join_if_it_needs_a_neighbour() -> None:
    """A shifted entry may not be computed yet, or by another thread."""
    assert apart(lambda x: (h := ag.exp(x), h[1:] * 2.0), X)
    assert apart(lambda x: (h := ag.exp(x), h[:-1] + h[1:]), X)


def test_an_op_does_not_join_if_it_goes_the_other_way_or_in_steps() -> None:
    assert apart(lambda x: (h := ag.exp(x), h[::-1] * 2.0), X)
    assert apart(lambda x: (h := ag.exp(x), h[::2] * 2.0), X)


def test_an_op_does_not_join_if_it_needs_one_entry_for_all() -> None:
    assert apart(lambda x: (h := ag.exp(x), h[0] * 2.0), X)
    assert apart(lambda x: (h := ag.exp(x), h - h[:, :1]), X)


def test_an_op_does_not_join_if_it_needs_an_entry_in_two_ways() -> None:
    """An array and its transpose: one of both is another entry."""
    assert apart(lambda x: (h := ag.exp(x), h.T + h), SQUARE)


def test_an_op_does_not_join_if_two_of_its_axes_are_one_of_the_kernel() -> None:
    """Only the diagonal of an outer product would be computed."""
    assert apart(lambda x: (h := ag.exp(x), h[:, None] * h), VECTOR)


def test_an_op_does_not_join_if_it_is_shorter() -> None:
    assert apart(lambda x: (h := ag.exp(x), h[:2] * 2.0), X)


def test_an_op_does_not_join_if_it_is_longer() -> None:
    """Along an axis of length 1 there is one entry for all."""
    assert apart(lambda x: (h := ag.exp(x), h * SQUARE), COLUMN)


def test_an_op_does_not_join_if_it_sums_what_the_kernel_computes() -> None:
    assert apart(lambda x: (h := ag.exp(x), h.sum()), VECTOR)
    assert apart(lambda x: (h := ag.exp(x), h.sum(1)), X)


def test_an_op_does_not_join_what_is_no_loop_over_entries() -> None:
    """NumPy computes a whole array; the entries of a scatter are done when all of them are."""
    i, scatter = np.array([0, 2, 2]), TABLE["scatter_add"]
    assert apart(lambda x: (h := ag.matmul(x, x), h * 2), np.ones((3, 3), int))
    assert apart(lambda x, i: (h := scatter(x, i, key=(ARRAY,), shape=(3, 4)), h * 2.0), X, i)


def test_an_op_does_not_join_a_product_of_one_entry() -> None:
    """A tile of one entry would be a loop of one iteration around it."""
    stack = np.ones((5, 1, 3))
    assert apart(lambda x, y: (h := ag.matmul(x, y), h * 2.0), stack, np.ones((5, 3, 1)))


def test_a_kernel_has_only_so_many_ops(monkeypatch: pytest.MonkeyPatch) -> None:
    """A compiler takes the square of a function's length."""
    monkeypatch.setattr(planner, "MAX_FUSED", 3)
    outs = kernels(lambda x: [h := ag.exp(x), *(ag.exp(h * float(i)) for i in range(4))], X)
    assert [len(names) for names in outs] == [3, 1, 1]


def test_what_is_no_loop_begins_a_kernel() -> None:
    """A product, a column reduction and a scatter have loops of their own."""
    i, scatter = np.array([0, 2, 2]), TABLE["scatter_add"]
    assert apart(lambda x, y: (h := ag.exp(x), h @ y), X, SQUARE)
    assert apart(lambda x: (h := ag.exp(x), ag.exp(h).sum(0)), X)
    assert apart(lambda x, i: (h := ag.exp(x), scatter(h, i, key=(ARRAY,), shape=(3, 4))), X, i)


def test_an_op_comes_after_the_latest_of_its_arguments() -> None:
    def step(x: Any, y: Any) -> Any:
        early, late = ag.exp(x), ag.tanh(x) @ y
        return early, late, early + late, late + early

    assert kernels(step, X, SQUARE)[-1] == ["matmul", "add", "add"]


def test_an_op_comes_after_the_check_of_its_positions() -> None:
    """In the kernel that computes these it would read before they are checked."""

    def step(x: Any, table: Any) -> Any:
        i = ag.astype(ag.exp(x) > 1.0, int) + 1
        return i, table[i]

    plan = jit(step).lower(VECTOR, VECTOR).plan
    assert [type(kernel).__name__ for kernel in plan.kernels] == ["Loop", "Check", "Loop"]


# --- a reduction that would be repeated ---------------------------------------------------------


def test_a_reduction_is_materialized_if_a_loop_would_repeat_it() -> None:
    """The sum of a row is computed once in the loop over rows; in the loops over the transposed
    array, each column would compute it again."""
    assert len(kernels(lambda x: x - x.sum(1, keepdims=True), X)) == 1
    assert len(kernels(lambda x: x.T - x.sum(1), X)) == 2


# --- states -------------------------------------------------------------------------------------


def copies(function: Any, *args: Any) -> int:
    """How many states are written elsewhere, and copied."""
    plan = jit(function).lower(*args).plan
    number = len(jit(function).lower(*args).graph.ops)
    return len(plan.graph.ops) - number


def state(*shape: int) -> Tensor:
    return Tensor(np.ones(shape))


def test_a_state_is_overwritten_where_nobody_else_reads_it() -> None:
    w = state(3, 4)
    assert copies(lambda x: w.assign(w - x), X) == 0


def test_a_state_is_not_overwritten_while_a_later_kernel_reads_it() -> None:
    w = state(3, 4)

    def step(x: Any) -> Any:
        new = w - x
        out = w @ SQUARE
        w.assign(new)
        return out

    assert copies(step, X) == 1


def test_a_state_is_not_overwritten_where_another_entry_is_read() -> None:
    w = state(4, 4)
    assert copies(lambda x: w.assign(w.T - x), SQUARE) == 1
    assert copies(lambda x: w.assign(w[::-1] - x), SQUARE) == 1


def test_a_state_is_overwritten_when_other_entries_have_been_read() -> None:
    w = state(4, 4)

    def step(x: Any) -> Any:
        transposed = ag.exp(w.T * 2.0)
        w.assign(w - transposed @ x)
        return transposed

    assert copies(step, SQUARE) == 0


def test_a_state_is_not_overwritten_by_the_product_that_reads_it() -> None:
    """Each entry of a product needs many of its operand."""
    w = state(4, 4)
    assert copies(lambda x: w.assign(x @ w), SQUARE) == 1


def test_a_state_is_not_overwritten_by_the_sum_that_reads_it() -> None:
    """A variable of the sums is another axis than the same variable of what is summed."""
    w = state(4)
    assert copies(lambda x: w.assign((x * w[:, None]).sum(0)), SQUARE) == 1


def test_a_state_is_not_overwritten_before_positions_are_known() -> None:
    """A step whose positions are out of range changes nothing."""
    w, table = state(3, 4), state(4, 4)

    def step(x: Any) -> Any:
        w.assign(w - x)
        i = ag.astype(ag.exp(x).sum(1) > 1.0, int)
        return table[i]

    assert copies(step, X) == 1


def test_what_is_a_state_and_a_result_is_stored_twice() -> None:
    w = state(3, 4)

    def step(x: Any) -> Any:
        y = w - x
        w.assign(y)
        return y

    assert copies(step, X) == 1


# --- who waits for whom -------------------------------------------------------------------------


class Emitters(Emitter):
    """What a kernel reads and writes, and in how many parts it is done."""

    def __init__(self, accesses: Any, parts: int = 4, kernel: Any = None) -> None:
        self.accesses, self.kernel, self._parts = accesses, kernel, parts

    @property
    def parts(self) -> int:
        return self._parts


def place(offset: int, slot: int = 0) -> Array:
    return Array(slot, offset, (2,), (1,), np.dtype(np.float64))


def test_who_reads_waits_for_who_writes_and_who_writes_for_both() -> None:
    reads, writes = Emitters({(place(0), False)}), Emitters({(place(0), True)})
    assert _must_wait(reads, writes, False)
    assert _must_wait(writes, reads, False)  # or it would spoil what is read
    assert _must_wait(writes, writes, False)
    assert not _must_wait(reads, reads, False)


def test_memory_that_is_used_again_is_waited_for() -> None:
    """Other arrays lie there now, but in the same bytes."""
    early = Emitters({(place(0), False)})
    assert _must_wait(Emitters({(place(8), True)}), early, False)
    assert not _must_wait(Emitters({(place(16), True)}), early, False)
    assert not _must_wait(Emitters({(place(0, slot=1), True)}), early, False)
    assert _must_wait(early, Emitters({(place(8), True)}), False)
    assert not _must_wait(early, Emitters({(place(16), True)}), False)


def groups(*emitters: Any, heeding: Any = ()) -> list[int]:
    """How many runs there are between barriers. heeding: those that wait for checks."""
    runs: Any = dict.fromkeys(emitters)
    return [len(group) for group in _barrier_groups(emitters, runs, {*heeding})]


def test_one_thread_does_what_it_does_in_order() -> None:
    writes, reads = {(place(0), True)}, {(place(0), False)}
    assert groups(Emitters(writes, 0), Emitters(reads, 0), Emitters(reads, 0)) == [3]


def test_others_wait_for_what_one_thread_does_and_it_for_them() -> None:
    writes, reads = {(place(0), True)}, {(place(0), False)}
    assert groups(Emitters(writes, 0), Emitters(reads, 4)) == [1, 1]
    assert groups(Emitters(writes, 4), Emitters(reads, 0)) == [1, 1]
    assert groups(Emitters(writes, 4), Emitters(reads, 4)) == [1, 1]


def test_the_flag_of_a_check_is_read_before_what_heeds_it() -> None:
    """Even if one thread does both: between them the step may end."""
    check, heeds = Emitters({(place(0), True)}, 0, Check((), (), ())), Emitters(set(), 0)
    assert groups(check, heeds) == [2]
    assert groups(check, heeds, heeding=[heeds]) == [1, 1]


def test_a_state_is_written_after_every_check() -> None:
    """Also if what is written does not depend on positions."""
    w = state(3, 4)

    def step(x: Any, i: Any) -> Any:
        w.assign(w - x)
        return (x * 2.0)[i]

    lowered = jit(step).lower(X, np.array([0, 1]))
    assert isinstance(lowered.plan.kernels[0], Check)
    ((first, *_),) = lowered.code.compiled.values()
    assert [run.name for run in first] == ["kernel0"]


# --- live ranges --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["many temporaries", "training, with momentum", "attention"])
def test_arrays_that_are_needed_at_one_time_are_apart(name: str) -> None:
    made = steps.STEPS[name]()
    lowered = made.step.lower(*made.args)
    kernels, memory = lowered.plan.kernels, lowered.memory
    spans = dict[Array, tuple[int, int]]()
    for time, kernel in enumerate(kernels):
        own = [each.op for each in kernel.computes if each.target]
        for number in (*own, *kernel.inputs):
            if number in memory.ops and memory.ops[number].slot == memory.slots - 1:
                array = memory.ops[number]
                spans[array] = spans.get(array, (time, time))[0], time
    assert spans
    for one, two in combinations(spans, 2):
        (begin, end), (first, last) = spans[one], spans[two]
        assert not one.overlaps(two) or end < first or last < begin


def test_memory_is_allocated_again_only_after_its_last_use() -> None:
    scratch = _Scratch()
    first, second = scratch.allocate(64, 0, 2), scratch.allocate(64, 1, 1)
    assert first != second
    assert scratch.allocate(64, 2, 3) == second  # its last use was at 1
    assert scratch.allocate(64, 3, 3) == first
    assert scratch.size == 128


def test_memory_between_live_arrays_is_allocated_only_if_it_is_large_enough() -> None:
    scratch = _Scratch()
    places = [scratch.allocate(64, 0, until) for until in (9, 0, 9)]
    assert places == [0, 64, 128]
    assert scratch.allocate(128, 1, 9) == 192
    assert scratch.allocate(64, 1, 9) == 64
