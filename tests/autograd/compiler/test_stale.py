"""What a step reads from outside is looked at before every call: never an old number under jit."""

from __future__ import annotations

import builtins
import contextlib
import cProfile
import datetime
import functools
import gc
import io
import itertools
import logging
import operator
import os
import pathlib
import pstats
import random
import secrets
import subprocess
import sys
import time
import types
import uuid
import weakref

import numpy as np
import pytest

import autograd
from autograd import Tensor, TraceError, jit
from autograd.nn import Activation, BatchNorm, Dropout, Linear, Module, Sequential
from autograd.optim import SGD
from autograd.primitives.primitive import TABLE, primitive
from tests import stale

X = np.array([1.0, 2.0, 3.0])
here = sys.modules[__name__]
SCALE = 2.0


def scaled(x):
    return x * SCALE


@pytest.mark.parametrize("number", range(25))
def test_drawn_programs_agree(number):
    """Else a compiled step keeps an old number."""
    programs = [stale.draw(random.Random(f"test/{number}/{i}")) for i in range(20)]
    said = [f"{stale.disagreement(drawn)}\n{drawn}" for drawn in programs]
    wrong = [text for text in said if not text.startswith("\n")]
    assert not wrong, wrong[0]


@pytest.mark.parametrize("number", range(20))
def test_compiled_programs_agree(number, monkeypatch):
    """The same through the C compiler, with its bindings of memory."""
    monkeypatch.delenv("CHAINRULE_CC")
    drawn = stale.draw(random.Random(f"compiled/{number}"), calls=4)
    assert not stale.disagreement(drawn), str(drawn)


def test_the_fuzz_sees_a_guard_that_is_missing(monkeypatch):
    """Else its silence says nothing."""
    from autograd.compiler.frontend.outside.guards import Guards

    monkeypatch.setattr(Guards, "changed", lambda self: "")
    programs = [stale.draw(random.Random(f"blind/{i}")) for i in range(60)]
    assert sum(bool(stale.disagreement(drawn)) for drawn in programs) > 20


# --- patterns people use -------------------------------------------------------------------------


def follows(step, change, *args):
    """Whether the compiled step gives what the step itself gives, before and after a change."""
    compiled, x = jit(step), Tensor(X)
    for _ in range(3):
        expected = step(x, *args)
        np.testing.assert_array_equal(compiled(x, *args).data, expected.data)
        with contextlib.suppress(AttributeError):  # what can be deleted only once
            change()


def test_a_helpers_global(monkeypatch):
    follows(lambda x: scaled(autograd.mul(x, 1.0)), lambda: monkeypatch.setattr(here, "SCALE", 3.0))


def test_a_methods_object_at_any_depth():
    class Thing:
        def __init__(self):
            self.s, self.w, self.cfg = 2.0, Tensor([1.0, 2.0, 3.0]), {"lr": {"now": [0.1]}}

        def step(self, x):
            return x * self.s * self.w * self.cfg["lr"]["now"][0]

    it = Thing()
    follows(it.step, lambda: setattr(it, "s", it.s + 1.0))
    follows(it.step, lambda: setattr(it, "w", Tensor([3.0, 2.0, 1.0])))
    follows(it.step, lambda: it.cfg["lr"]["now"].__setitem__(0, 0.3))


def test_a_modules_parts_hooks_and_flags():
    def build():
        return Sequential(Linear(3, 3, dtype=np.float64), Activation("tanh"), Dropout(0.0))

    class Parts(Module):
        def __init__(self):
            self.parts = [build(), build()]
            self.more = {"m": build()}

        def forward(self, x):
            for part in self.parts:
                x = part(x) * 2.0
            return self.more["m"](x) * gain

    gain, net = 1.0, Parts()

    def louder():
        nonlocal gain
        gain += 1.0

    follows(lambda x: net(x), net.parts.reverse)
    follows(lambda x: net(x), lambda: net.more.__setitem__("m", build()))
    follows(lambda x: net(x), louder)
    follows(lambda x: net(x), lambda: setattr(getattr(net.parts[0], "1"), "name", "relu"))
    follows(lambda x: net(x), lambda: delattr(net.parts[0], "2"))


def test_a_hook_added_or_removed():
    w = Tensor([1.0, 2.0, 3.0], requires_grad=True)

    def step(x):
        return autograd.gradients((x * w).sum(), [w])[0]

    compiled = jit(step)
    np.testing.assert_array_equal(compiled(X).data, X)
    remove = w.hook(lambda gradient: gradient * 10.0)
    np.testing.assert_array_equal(compiled(X).data, 10.0 * X)
    remove()
    np.testing.assert_array_equal(compiled(X).data, X)


def test_a_hook_on_an_argument_is_called():
    x = Tensor(X, requires_grad=True)
    x.hook(lambda gradient: gradient * 10.0)

    def step(x):
        return autograd.gradients((x * x).sum(), [x])[0]

    np.testing.assert_array_equal(jit(step)(x).data, step(x).data)


def test_a_class_attribute_and_a_replaced_method():
    class Scaled:
        s = 2.0

        def factor(self):
            return self.s

    class Child(Scaled):
        pass

    it = Child()
    follows(lambda x: x * it.factor(), lambda: setattr(Scaled, "s", 3.0))
    follows(lambda x: x * it.factor(), lambda: setattr(Child, "s", 4.0))
    follows(lambda x: x * it.factor(), lambda: setattr(Scaled, "factor", lambda self: 7.0))
    follows(lambda x: x * it.factor(), lambda: setattr(it, "factor", lambda: 9.0))


def test_a_rule_of_the_users_that_reads_a_global(monkeypatch):
    prim = primitive(
        "steep",
        "x",
        lambda x: x * 1.0,
        lambda g, out, x: g * SCALE,
        domain=((-1, 1),),
        code=lambda x: x,
    )
    try:

        def step(x):
            return autograd.grad(lambda t: prim(t).sum())(x)

        follows(step, lambda: monkeypatch.setattr(here, "SCALE", 5.0))
    finally:
        del TABLE["steep"]


def test_an_argument_that_is_an_object():
    class Config:
        lr = 0.1

    config = Config()
    follows(lambda x, c: x * c.lr, lambda: setattr(config, "lr", 0.2), config)


def test_equal_arguments_that_hold_other_numbers():
    class Config:
        def __init__(self, lr):
            self.lr = lr

        def __eq__(self, other):
            return True

        def __hash__(self):
            return 1

    step = jit(lambda x, config: x * config.lr)
    assert step(np.ones(()), Config(2.0)).item() == 2.0
    assert step(np.ones(()), Config(3.0)).item() == 3.0


def test_what_the_step_itself_changes_is_followed():
    class Owner:
        def __init__(self):
            self.calls, self.seen = 0, {}

        def step(self, x):
            self.calls += 1
            self.seen[self.calls] = x.shape
            return x * float(len(self.seen))

    one, other = Owner(), Owner()
    step = jit(one.step)
    for _ in range(3):
        np.testing.assert_array_equal(step(X).data, other.step(Tensor(X)).data)
    assert one.calls == other.calls


# --- what costs nothing --------------------------------------------------------------------------


def test_what_the_step_does_not_read_may_change():
    """Else a training loop that keeps a history traces at every step."""

    class Trainer:
        def __init__(self):
            self.net = Linear(3, 2, dtype=np.float64)
            self.optimizer = SGD(self.net.parameters(), 0.1)
            self.losses, self.count, self.best, self.images = [], 0, None, np.zeros((10, 3))

        def step(self, x):
            self.losses.append(len(self.images) + self.images.shape[0])
            loss = self.net(x).sum()
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            return loss

    trainer = Trainer()
    step = jit(trainer.step)
    for i in range(6):
        loss = step(X.reshape(1, 3))
        trainer.count, trainer.best = i, loss
        trainer.images[0] = i
        trainer.later = i
    assert len(trainer.losses) == 1, "a list that is only added to is not read"
    assert len(step.programs) == 1


def test_training_and_evaluation_alternate_without_tracing_again():
    net = Sequential(Linear(3, 3, dtype=np.float64), Dropout(0.5), BatchNorm(3, dtype=np.float64))
    traces = []

    def step(x):
        traces.append(1)
        return net(x)

    step = jit(step)
    for flag in (True, False) * 4:
        net.train(flag)
        step(np.ones((4, 3)))
    assert len(traces) == 2


def test_two_numbers_that_alternate_have_a_program_each():
    traces, rate = [], 0.5

    def step(x):
        traces.append(1)
        return x * rate

    step = jit(step)
    for rate in (0.5, 0.25) * 4:  # noqa: B007 (the step reads it)
        step(X)
    assert len(traces) == 2


def test_what_differs_at_every_call_is_said_once_and_does_not_pile_up(caplog):
    config = types.SimpleNamespace(training_step=0)
    step = jit(lambda x: x * config.training_step)
    for i in range(200):
        config.training_step = i
        np.testing.assert_array_equal(step(X).data, X * i)
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "config.training_step was 4, is 5" in warnings[0]
    assert len(step.programs) <= 8


def test_a_static_argument_that_differs_at_every_call_is_said_once(caplog):
    step = jit(lambda x, i: x * i)
    for i in range(200):
        np.testing.assert_array_equal(step(X, i).data, X * i)
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "argument 1 was 4, is 5" in warnings[0]
    assert len(step.programs) <= 64


def test_many_shapes_are_no_reason_to_warn(caplog):
    step = jit(lambda x: x * 2.0)
    for n in range(1, 30):
        step(np.ones(n))
    assert not [r for r in caplog.records if r.levelno == logging.WARNING]


def test_numbers_that_are_equal_are_the_same():
    config = {"lr": float("nan"), "name": "ab"}
    step = jit(lambda x: x * config["lr"])
    step(X)
    config.update(lr=float("nan"), name="".join(["a", "b"]))
    step(X)
    assert len(step.programs) == 1


# --- what cannot be looked at --------------------------------------------------------------------

GENERATOR, PLAIN = np.random.default_rng(0), random.Random(0)
COUNTER, FILE = itertools.count(), io.StringIO("1 2 3")


@pytest.mark.parametrize(
    ("read", "what"),
    [
        (random.random, "random number"),
        (lambda: random.uniform(0, 1), "random number"),
        (lambda: random.choice([1.0, 2.0]), "random number"),
        (lambda: random.gauss(0, 1), "random number"),
        (PLAIN.random, "random number"),
        (lambda: float(np.random.rand()), "random numbers"),
        (lambda: float(np.random.standard_normal()), "random numbers"),
        (lambda: float(np.random.default_rng().random()), "without a seed"),
        (lambda: float(GENERATOR.random()), "random numbers"),
        (lambda: secrets.randbelow(9), "random"),
        (lambda: os.urandom(1)[0], "random bytes"),
        (lambda: uuid.uuid4().int % 7, "random"),
        (time.time, "clock"),
        (time.perf_counter, "clock"),
        (lambda: datetime.datetime.now().second, "clock"),
        (lambda: datetime.date.today().day, "clock"),
        (lambda: os.environ["PATH"] and 1.0, "os.environ"),
        (lambda: float(os.getenv("NOT_SET", "2")), "os.environ"),
        (lambda: float("PATH" in os.environ), "os.environ"),
        (lambda: len(os.listdir(".")), "operating system"),
        (os.getpid, "operating system"),
        (lambda: pathlib.Path(__file__).exists(), "operating system"),
        (lambda: len(pathlib.Path(__file__).read_text()), "open|read"),
        (lambda: len(builtins.open(__file__).readline()), "open"),  # noqa: SIM115
        (lambda: float(FILE.read(1) or 3), "read"),
        (lambda: next(COUNTER), "iterator"),
    ],
)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_what_nothing_could_compare_is_refused(read, what):
    def step(x):
        return x * (1.0 + read())

    with pytest.raises(TraceError, match=what) as error:
        jit(step)(X)
    assert "pass" in str(error.value), "it says what to do"


def test_a_seeded_generator_made_in_the_step_is_the_same_at_every_call():
    def step(x):
        return x * float(np.random.default_rng(3).random())

    np.testing.assert_array_equal(jit(step)(X).data, X * np.random.default_rng(3).random())


def test_logging_and_warnings_are_not_the_steps_numbers(caplog):
    @jit
    def step(x):
        logging.getLogger("mine").info("at %s", x.shape)
        return x * 2.0

    with caplog.at_level(logging.INFO):
        step(X)
    assert "at (3,)" in caplog.text


# --- profilers go on -----------------------------------------------------------------------------


def test_a_profiler_of_the_users_keeps_working():
    told = []

    def profile(frame, event, arg):
        told.append(frame.f_code.co_name)

    def marked(x):
        return x * 2.0

    sys.setprofile(profile)
    try:
        jit(lambda x: marked(x))(X)
        assert sys.getprofile() is profile
    finally:
        sys.setprofile(None)
    assert "marked" in told


def test_cprofile_keeps_working():
    def after():
        return sum(range(10))

    profiler = cProfile.Profile()
    profiler.enable()
    jit(lambda x: x * 2.0)(X)
    after()
    profiler.disable()
    text = io.StringIO()
    pstats.Stats(profiler, stream=text).print_stats("after")
    assert "(after)" in text.getvalue()


def test_what_a_garbage_collection_calls_is_not_the_steps():
    def told(phase, info):
        time.perf_counter()

    def step(x):
        gc.collect()
        return x * 2.0

    gc.callbacks.append(told)
    try:
        jit(step)(X)
    finally:
        gc.callbacks.remove(told)


def test_a_failing_trace_leaves_no_profiler():
    with pytest.raises(ZeroDivisionError):
        jit(lambda x: 1 / 0)(X)
    assert sys.getprofile() is None


# --- constants of rules --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "function",
    [
        lambda x: (x ** np.array([2.0, 3.0, 0.5])).sum(),
        lambda x: (np.array([2.0, 3.0, 0.5]) ** x).sum(),
        lambda x: (
            autograd.maximum(x, np.array([1.5, 1.5, 1.5])) / np.array([2.0, 3.0, 4.0])
        ).sum(),
        lambda x: autograd.where(np.array([True, False, True]), x * x, 0.0).sum(),
    ],
)
@pytest.mark.parametrize("transform", [autograd.grad, autograd.hessian])
def test_rules_may_compute_with_constant_arrays(function, transform):
    """Else their own temporaries are taken for arrays that the step made by NumPy."""
    constants = jit(transform(function))
    np.testing.assert_array_equal(constants(X).data, transform(function)(X))


def test_forward_mode_too():
    powers = np.array([2.0, 3.0, 0.5])
    step = jit(lambda x: autograd.jvp(lambda t: t**powers, (x,), (np.ones(3),))[1])
    np.testing.assert_allclose(step(X).data, powers * X ** (powers - 1.0), rtol=1e-15)


def test_a_masked_array():
    """Its numbers lie in one array, and which of them count in another."""
    readings = np.ma.array([1.0, 2.0, 4.0], mask=[False, False, True])
    step = jit(lambda x: x * float(readings.sum()))
    np.testing.assert_array_equal(step(X).data, X * 3.0)
    readings[2] = 8.0
    np.testing.assert_array_equal(step(X).data, X * 11.0)
    readings.mask = [True, False, False]
    np.testing.assert_array_equal(step(X).data, X * 10.0)


def test_a_users_rule_that_makes_an_array():
    weights = np.array([1.0, 2.0, 3.0])
    prim = primitive(
        "weighed",
        "x",
        lambda x, y: x * y,
        lambda g, out, x, y: g * np.sqrt(y * y),
        None,
        code=operator.mul,
    )
    try:
        step = jit(autograd.grad(lambda x: prim(x, weights).sum()))
        np.testing.assert_array_equal(step(X).data, weights)
        weights *= 2.0
        np.testing.assert_array_equal(step(X).data, weights)
    finally:
        del TABLE["weighed"]


def test_the_contract_is_one_sentence_in_both_places():
    page = pathlib.Path(autograd.__file__).with_name("README.md").read_text()
    sentence = (
        "Everything the step reads from outside is compared before every call, and the step is "
        "traced again if something has changed; what cannot be compared (random numbers, clocks, "
        "files) is an error."
    )
    for text in (page, jit.__doc__):
        assert sentence in " ".join(text.split())


# --- what a review found ----------------------------------------------------------------------


def test_an_error_that_the_step_swallows_is_raised_all_the_same():
    """Else the step does while it is traced what it does at no other time."""

    def step(x):
        try:
            return x * float(x.sum())
        except Exception:
            return x

    with pytest.raises(TraceError, match="reads a traced value"):
        jit(step)(X)


def test_a_cache_that_was_filled_before_and_is_filled_anew():
    config = {"s": 2.0}

    @functools.cache
    def scale():
        return config["s"]

    def change():
        config["s"] += 1.0
        scale.cache_clear()
        scale()

    scale()
    follows(lambda x: x * scale(), change)


@pytest.mark.parametrize("kind", [np.poly1d, np.polynomial.Polynomial])
def test_what_numpys_own_objects_hold(kind):
    it = kind([1.0, 2.0])
    inside = it.coeffs if kind is np.poly1d else it.coef
    follows(lambda x: x * float(it(3.0)), lambda: inside.__setitem__(0, inside[0] + 1.0))


def test_a_weak_proxy():
    class Thing:
        s = 2.0

    it = Thing()
    proxy = weakref.proxy(it)
    follows(lambda x: x * proxy.s, lambda: setattr(it, "s", it.s + 1.0))


def test_an_iterator_that_the_step_leaves_alone_is_no_matter():
    class Stream:
        def __init__(self, items):
            self.items, self.scale = items, 2.0

    stream, table = Stream(iter([1, 2])), Stream({"a": 2.0})
    follows(
        lambda x: x * stream.scale * sum(table.items.values()),
        lambda: setattr(stream, "scale", stream.scale + 1.0),
    )


def test_a_file_read_line_by_line_is_refused(tmp_path):
    (tmp_path / "numbers").write_text("2.0\n3.0\n")
    with (tmp_path / "numbers").open() as file, pytest.raises(TraceError, match="a file"):
        jit(lambda x: x * float(next(file)))(X)


def test_zeros_in_a_frozen_set_are_told_apart():
    step = jit(lambda x, k: 1.0 / (x * next(iter(k))))
    with np.errstate(all="ignore"):
        assert step(np.ones(()), frozenset([0.0])).item() == np.inf
        assert step(np.ones(()), frozenset([-0.0])).item() == -np.inf


def test_functions_of_the_same_text_read_their_own_globals():
    """Their code is equal, and yet another's."""
    spaces = [{"S": 2.0}, {"S": 3.0}]
    for space in spaces:
        exec("def scaled(x): return x * S", space)
    one, other = (space["scaled"] for space in spaces)
    follows(lambda x: other(one(x)), lambda: spaces[1].__setitem__("S", spaces[1]["S"] + 1.0))


def test_random_numbers_are_refused_where_the_step_is_the_first_to_name_their_module():
    """NumPy imports numpy.random when it is first named."""
    code = """
import sys, numpy as np
from autograd import TraceError, jit
assert "numpy.random" not in sys.modules
try:
    jit(lambda x: x * float(np.random.rand()))(np.ones(3))
except TraceError as error:
    print(error)
"""
    root = str(pathlib.Path(stale.__file__).parents[1])
    environment = os.environ | {"PYTHONPATH": root}
    command = [sys.executable, "-c", code]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert "numpy.random draws random numbers" in ran.stdout
