"""Who kills a mutant: the checks that the table's own tests make for its primitives, and the
conventions.

The checks come from test_primitives.py and test_conventions.py; here they are only called, with a
few examples instead of hundreds, so that some hundred mutants are judged in a minute.
"""

from __future__ import annotations

import inspect
import itertools
import re
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings

from autograd import Tensor, gradients
from autograd.primitives.primitive import Primitive
from tests.autograd.conftest import differences
from tests.autograd.primitives import test_conventions, test_primitives
from tests.mutation.mutants import Mutant, planted
from tests.mutation.tables import Verdict

EXAMPLES = 12
settings.register_profile(
    "mutation",
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@contextmanager
def few_examples() -> Iterator[None]:
    """A handful of examples for each check, always the same, and none made smaller."""
    before = settings.get_current_profile_name()
    settings.load_profile("mutation")
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # a wrong number kills, a warning does not
            yield
    finally:
        settings.load_profile(before)


# --- checks of our own, for mutants that the table's tests let live -----------------------------


def check_linear_in_the_cotangent(prim: Primitive) -> None:
    """A gradient is linear in the cotangent, as a number and as a graph, at kinks too.

    Euler: where F is linear, the derivative of F at c in the direction c is F(c). The checks of
    second order start from a constant cotangent, and those of kinks from 1.0.
    """

    def at(args: Any, params: dict[str, Any], generator: np.random.Generator) -> None:
        positions = test_primitives.rule_positions(prim, len(args))
        wrt = test_primitives.leaves(args, positions)
        out = prim(*wrt, **params)
        wrt = [wrt[i] for i in positions]
        mixture = [generator.uniform(-1, 1, node.shape) for node in wrt]
        cotangent = Tensor(generator.uniform(-1, 1, out.shape), requires_grad=True)

        def mixed(seed: Any) -> Any:
            found = gradients(out, wrt, seed, create_graph=True)
            return sum(((f * m).sum() for f, m in zip(found, mixture, strict=True)), Tensor(0.0))

        once = mixed(cotangent)
        test_primitives.close(mixed(3.0 * cotangent.data).data, 3.0 * once.data, 1.0, 1e-12)
        if once.requires_grad:
            (slope,) = gradients(once, [cotangent])
            test_primitives.close(np.sum(slope.data * cotangent.data), once.data, 1.0, 1e-12)
        else:  # nothing flows from the cotangent, so nothing may arrive
            assert once.data == 0.0

    @given(test_primitives.arrays(prim), test_primitives.SEEDS)
    def run(point: Any, seed: int) -> None:
        args, params = point
        generator = np.random.default_rng(seed)
        at(args, params, generator)
        if prim.kink is not None:
            at([np.zeros_like(arg) for arg in args], params, generator)

    run()


def check_beside_the_kink(prim: Primitive) -> None:
    """The kink is where the primitive says, and no wider: right beside it the slope is that of the
    side.

    All numbers scale with the distance, so that differences stay exact however near they are.
    """
    positions = test_primitives.rule_positions(prim, len(prim.domain))
    for distance in (1e-3, 1e-8, -1e-3, -1e-8, 1e-150, -1e-150):
        args = [distance, *[0.0] * (len(prim.domain) - 1)]
        nodes = [Tensor(arg, requires_grad=True) for arg in args]
        found = gradients(prim(*nodes), [nodes[i] for i in positions])
        for i, slope in zip(positions, found, strict=True):
            step = np.eye(len(args))[i] * distance / 8
            right, left = prim.on_array(*(args + step)), prim.on_array(*(args - step))
            test_primitives.close(slope.data, (right - left) / (distance / 4), 1.0, 1e-12)


def check_no_rule_is_missing(prim: Primitive) -> None:
    """Where a primitive has no rule for an argument, nothing is to be had: its differences are
    zero."""

    @given(test_primitives.arrays(prim))
    def run(point: Any) -> None:
        args, params = point
        for i in set(range(len(args))) - set(test_primitives.rule_positions(prim, len(args))):
            if args[i].dtype.kind == "f":
                slope = differences(lambda *args: np.sum(prim(*args, **params)), args, i)
                test_primitives.close(slope, np.zeros_like(slope), 1.0)

    run()


OWN = (check_linear_in_the_cotangent, check_beside_the_kink, check_no_rule_is_missing)


def applies(check: Callable[[Primitive], None], prim: Primitive) -> bool:
    """Whether a check of our own says anything about this primitive."""
    if check is check_beside_the_kink:
        return prim.kink is not None
    if check is check_no_rule_is_missing:
        return bool(prim.domain or prim.cases)
    return test_primitives.has_derivative(prim)


# --- all that a primitive is checked with --------------------------------------------------------

Check = tuple[str, Callable[[], None]]


def checks(prim: Primitive) -> list[Check]:
    """The checks of a primitive that look at its gradients, those that kill most first."""
    found: list[Check] = []
    for check in (*test_primitives.GRADIENTS, test_primitives.check_float32):
        if test_primitives.applies(check, prim):
            found.append(
                (check.__name__, lambda c=check: test_primitives.run_check(c, prim, differences))
            )
    for own in OWN:
        if applies(own, prim):
            found.append((own.__name__, lambda c=own: c(prim)))
    return found + conventions(prim)


def conventions(prim: Primitive) -> list[Check]:
    """The tests in test_conventions.py that name this primitive, with each of their parameters."""
    found: list[Check] = []
    written = [rf"autograd\.{prim.name}\b", *[re.escape(prim.infix)] * (prim.infix == "**")]
    for name, test in vars(test_conventions).items():
        if not name.startswith("test_") or hasattr(test, "hypothesis"):
            continue
        body = inspect.getsource(test).partition("def test_")[2]
        for case in _parameters(test):
            words = [getattr(part, "__name__", part) for part in case.values()]
            if prim.name in words or any(re.search(word, body) for word in written):
                found.append((name, lambda t=test, c=case: t(**c)))
    return found


def _parameters(test: Callable[..., Any]) -> Iterator[dict[str, Any]]:
    """What `pytest.mark.parametrize` would call this test with."""
    choices: list[list[dict[str, Any]]] = []
    for mark in getattr(test, "pytestmark", []):
        names, values = mark.args
        names = [n.strip() for n in names.split(",")] if isinstance(names, str) else list(names)
        choice = []
        for value in values:
            given_ = getattr(value, "values", None)
            parts = given_ if isinstance(given_, tuple) else (value,) if len(names) == 1 else value
            choice.append(dict(zip(names, parts, strict=True)))
        choices.append(choice)
    for parts in itertools.product(*choices):
        yield {name: value for part in parts for name, value in part.items()}


def killer(found: list[Check]) -> str | None:
    """The name of the first check that fails, None where all pass."""
    for name, check in found:
        try:
            check()
        except Exception:  # a rule that raises is as wrong as one that gives a wrong number
            return name
    return None


def baseline(rows: Iterable[Primitive]) -> dict[Primitive, list[Check]]:
    """The checks of each primitive. Raises AssertionError where one fails on the rule as it is:
    then a check that fails on a mutant says nothing."""
    found = {prim: checks(prim) for prim in rows}
    for prim, mine in found.items():
        failed = killer(mine)
        assert failed is None, f"mutation: {failed} fails for {prim.name} before any mutation"
    return found


def judged(mutants: Sequence[Mutant]) -> Iterator[Verdict]:
    """A verdict on each mutant. The table is left as it was."""
    with few_examples():
        found = baseline(dict.fromkeys(prim for mutant in mutants for prim in mutant.place.rows))
        for mutant in mutants:
            start = time.perf_counter()
            with planted(mutant):
                by = killer([check for prim in mutant.place.rows for check in found[prim]])
            yield Verdict(mutant, by, time.perf_counter() - start)
