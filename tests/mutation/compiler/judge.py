"""Judges mutants of the compiler: a small step kills one if its results are not the replay's.

Each step is lowered, verified, and run by the interpreter on watched memory, with limits so low
that small arrays are cut into tiles, strips and parts. A step that a mutant lowers to the same
loops and memory as the compiler is right without being run. If all numbers are right, a mutant is
killed if a step needs more kernels, barriers or memory, or leaves more to NumPy.
"""

from __future__ import annotations

import signal
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

import numpy as np

from autograd.compiler.frontend.program import Apply, Program
from autograd.compiler.frontend.replay import replay
from autograd.compiler.language.verify import verify
from autograd.compiler.passes import emitters, materialize, plan, product, tiling
from autograd.compiler.passes.kernels import ByNumpy
from autograd.compiler.passes.lower import lower
from autograd.compiler.passes.memory import arrange
from autograd.compiler.passes.simplify import simplify
from autograd.compiler.passes.tiling import Machine
from autograd.compiler.runtime.lowered import Lowered
from autograd.transforms.tree import flatten
from tests.mutation.compiler.execution import Block, execute, strides
from tests.mutation.compiler.mutants import Mutant, places, planted
from tests.mutation.compiler.steps import STEPS, Step
from tests.mutation.tables import Verdict

# Tiles of 4 rows by 4 or 8 numbers of float64, and small limits.
MACHINE = Machine(vector=32, rows=4, inner_to_pack=5, cache=800)
LIMITS: list[tuple[Any, str, int]] = [
    *[(emitters, "STRIP_COLUMNS", 4), (emitters, "MIN_PARALLEL_WORK", 40)],
    *[(materialize, "MAX_DEPTH", 8), (plan, "MAX_FUSED", 6)],
    *[(product, "MIN_STRIDE_TO_PACK", 64), (product, "CACHE_BUDGET", 64)],
    *[(product, "MIN_PANELS_IN_PART", 1)],
    *[(tiling, "PAGE_SIZE", 64), (tiling, "MIN_ROWS_TO_PACK", 5)],
]
SECONDS = 10  # for one step: a mutant may never end
LARGEST = 10**7  # bytes


@dataclass
class Trial:
    """A step as it was traced, and its right results and states. Of arguments out of range it is
    right to say so."""

    name: str
    program: Program
    calls: list[tuple[list[Any], Any]]  # inputs and right results; None if they are out of range
    states: list[Any]
    exact: int
    keep: dict[int, Any]  # right values of slots that are to be in memory at the end
    base: Any = None  # what the compiler makes of it
    costs: dict[str, int] = field(default_factory=dict)  # at most


def lowered(trial: Trial) -> Lowered:
    """A trial's step, lowered for a small machine."""
    specs = [(array.shape, array.dtype) for array in trial.calls[0][0]]
    graph = simplify(trial.program, specs, tuple(trial.keep))
    planned = plan.plan(graph)
    memory = arrange(planned, [strides(state) for state in trial.states], MACHINE)
    code = lower(planned, memory, MACHINE)
    return Lowered(trial.program, graph, planned, memory, code, MACHINE)


def made(step: Lowered) -> Any:
    """All that decides what a step does."""
    memory, graph = step.memory, step.plan.graph
    ops = [(op.primitive.name, op.args) for op in graph.ops]
    return (
        step.code.segments,
        (memory.ops, memory.targets, memory.size, memory.slots, memory.flag),
        (ops, graph.results),
    )


def costs(step: Lowered) -> dict[str, int]:
    """What a mutant may not have more of, though its numbers are right."""
    segments = step.code.segments
    return {
        "more left to NumPy": sum(isinstance(segment, ByNumpy) for segment in segments),
        "more kernels": len(step.plan.kernels),
        "more barriers": sum(map(len, step.code.compiled.values())),
        "more memory": step.memory.size,
    }


def fails(trial: Trial) -> str | None:
    """What is wrong with a step; None if nothing is."""
    try:
        with _limited(SECONDS):
            return _fails(trial)
    except Exception as error:
        return type(error).__name__


def _fails(trial: Trial) -> str | None:
    step = lowered(trial)
    if made(step) == trial.base:
        return None
    for run in step.code.runs:
        verify(run.function)
    for inputs, right in trial.calls:
        if wrong := _wrong(step, trial, inputs, right):
            return wrong
    more = (name for name, cost in costs(step).items() if cost > trial.costs.get(name, cost))
    return next(more, None)


def _wrong(step: Lowered, trial: Trial, inputs: list[Any], right: Any) -> str | None:
    """What is wrong with one call; None if nothing is."""
    graph, constants = step.plan.graph, step.memory.constants
    ends = [np.empty(graph.ops[n].shape, graph.ops[n].dtype) for n in graph.results]
    given = [*inputs, *trial.states, *constants]
    arrays = [*given, *ends]
    sizes = [_reach(array) for array in arrays] + [step.memory.size]
    if step.memory.slots != len(sizes) or max(sizes) > LARGEST:
        return "memory"
    block = Block([*given, *[None] * len(ends), None], sizes)
    done = execute(step, block)
    now = [block.copied(slot, array) for slot, array in enumerate(arrays)]
    if not (_all_same(now, inputs) and _all_same(now[len(given) - len(constants) :], constants)):
        return "an input or a constant is written"
    states, results = now[len(inputs) :][: len(trial.states)], now[len(given) :]
    if done != (right is not None):
        return "wrong positions"
    if right is None:
        return None if _all_same(states, trial.states) else "states are written, and then refused"
    if not _all_same(states, right[1]):
        return "states differ"
    kept = [block.view(step.memory.ops[number]) for number in graph.kept]
    if not _all_same(kept, list(trial.keep.values())):
        return "what is kept differs"
    return None if _all_same(results, right[0], trial.exact) else "results differ"


def _reach(array: Any) -> int:
    """How many bytes there are from an array's first to its last."""
    ends = [(n - 1) * abs(stride) for n, stride in zip(array.shape, array.strides, strict=True)]
    return sum(ends) + int(array.itemsize) if array.size else 0


def _all_same(found: Sequence[Any], right: Sequence[Any], exact: int = 0) -> bool:
    return all(_same(one, two, exact) for one, two in zip(found, right, strict=False))


def _same(found: Any, right: Any, exact: int) -> bool:
    """Whether arrays are the same, but for the order of sums."""
    if found.shape != right.shape:
        return False
    if found.dtype.kind != "f":
        return bool(np.array_equal(found, right))
    eps = float(np.finfo(found.dtype).eps)
    relative, absolute = (exact * eps, 0.0) if exact else (2e4 * eps, 1e3 * eps)
    zeros = (found == 0) & (right == 0)
    signs = np.array_equal(np.signbit(found[zeros]), np.signbit(right[zeros]))
    return signs and np.allclose(found, right, relative, absolute, equal_nan=True)


@contextmanager
def _limited(seconds: float) -> Iterator[None]:
    """Raises TimeoutError after so long, on systems with signals."""

    def late(*_: Any) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def small_limits() -> Iterator[None]:
    """Sets limits of the compiler so low that small arrays reach them."""
    before = [getattr(module, name) for module, name, _ in LIMITS]
    for module, name, value in LIMITS:
        setattr(module, name, value)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            yield
    finally:
        for (module, name, _), value in zip(LIMITS, before, strict=True):
            setattr(module, name, value)


# --- the trials ---------------------------------------------------------------------------------


def _trial(name: str) -> Trial:
    """A step, traced and replayed."""
    step = STEPS[name]()
    program = _traced(step, step.args)[0]
    tensors = [tensor for _, tensor in program.states]
    states = [_alike(tensor._data) for tensor in tensors]
    calls = list[tuple[list[Any], Any]]()
    for i, args in enumerate((step.args, *step.wrong)):
        inputs = _traced(step, args)[1]
        longer = [np.asarray(x, np.longdouble) if step.exact else x for x in inputs]
        try:
            right = replay(program, longer), [_alike(tensor._data) for tensor in tensors]
        except IndexError:
            right = None
        assert (right is None) == (i > 0), f"{name}: call {i} is not what it is said to be"
        for tensor, state in zip(tensors, states, strict=True):
            tensor._data[...] = state
        calls.append((inputs, right))
    keep = _slots(program, calls[0][0]) if step.keep else {}
    return Trial(name, program, calls, states, step.exact, keep)


def _traced(step: Step, args: Sequence[Any]) -> tuple[Program, list[Any]]:
    """The program of a step for such arguments, and the arrays among them."""
    leaves, structure = flatten((tuple(args), {}))
    traced = step.step._find(leaves, structure)
    return traced.program, [getattr(leaves[at], "_data", leaves[at]) for at in traced.inputs]


def _slots(program: Program, inputs: Sequence[Any]) -> dict[int, Any]:
    """The value of each slot that a program without states computes."""
    slots = dict(zip(program.inputs, inputs, strict=True)) | dict(program.constants)
    computed = [step for step in program.steps if isinstance(step, Apply)]
    for step in computed:
        out = step.primitive.on_array(*[slots[slot] for slot in step.args], **step.params)
        slots[step.out] = np.asarray(out)
    return {step.out: slots[step.out] for step in computed}


def _alike(array: Any) -> Any:
    """A copy of an array with the same order of axes in memory."""
    return np.copy(array, order="K")


def trials(
    names: Sequence[str] | None = None,
) -> tuple[list[Trial], dict[tuple[str, int], set[str]]]:
    """The steps, and by file and line of the compiler the names of those that get there. Raises
    AssertionError where one fails with the compiler as it is: then it says nothing of a mutant."""
    found, reached = list[Trial](), dict[tuple[str, int], set[str]]()
    files = {place.function.__code__.co_filename for place in places()}
    for name in names or STEPS:
        trial = _trial(name)
        for line in _lines(trial, files):
            reached.setdefault(line, set()).add(name)
        failed = fails(trial)
        assert failed is None, f"mutation: {name} fails before any mutation: {failed}"
        step = lowered(trial)
        trial.base, trial.costs = made(step), costs(step)
        found.append(trial)
    return found, reached


def _lines(trial: Trial, files: set[str]) -> set[tuple[str, int]]:
    """The lines of these files that run while a step is lowered."""
    reached = set[tuple[str, int]]()

    def tracer(frame: FrameType, event: str, _: Any) -> Any:
        file = frame.f_code.co_filename
        if file not in files:
            return None
        reached.add((file, frame.f_lineno))
        return tracer

    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        lowered(trial)
    finally:
        sys.settrace(before)
    return reached


# --- verdicts -----------------------------------------------------------------------------------


def killer(mutant: Mutant, found: Any) -> str | None:
    """The first step that a mutant makes wrong, and how; None if it survives."""
    large = [name for module, name, small in LIMITS if getattr(module, name) != small]
    assert not large, f"mutation: {', '.join(large)} are so large that small steps pass them by"
    steps, reached = found
    file = mutant.place.function.__code__.co_filename
    wanted = {name for line in mutant.lines for name in reached.get((file, line), ())}
    for trial in steps:
        if trial.name in wanted:
            with planted(mutant):
                failed = fails(trial)
            if failed:
                return f"{failed}: {trial.name}"
    return None


def judged(mutants: Sequence[Mutant], found: Any = None) -> Iterator[Verdict]:
    """A verdict on each mutant. The compiler is left as it was."""
    with small_limits():
        found = found or trials()
        for mutant in mutants:
            start = time.perf_counter()
            by = killer(mutant, found)
            yield Verdict(mutant, by, time.perf_counter() - start)
