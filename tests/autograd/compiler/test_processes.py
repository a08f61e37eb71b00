"""Jitted steps beside forks, threads, signals and themselves."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from autograd import Tensor, jit, matmul, primitive
from autograd.compiler.runtime import build
from autograd.primitives.primitive import TABLE

needs_compiler = pytest.mark.skipif(
    build.find_compiler(None) is None, reason="there is no C compiler"
)
SECONDS = 20.0  # after which a child counts as hanging


@pytest.fixture(autouse=True, params=["", pytest.param("cc", marks=needs_compiler)])
def replayed(request, monkeypatch, tmp_path_factory):
    """With and without a compiler."""
    monkeypatch.setenv("CHAINRULE_CC", request.param)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "processes"))


def fork(work):
    """What a child says of `work()`: its exit status, or None if it hangs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # from 3.12: threads are running
        child = os.fork()
    if child == 0:
        try:
            os._exit(0 if work() else 1)
        finally:
            os._exit(2)
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.0005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


class Background:
    """A thread that does something all the time."""

    def __init__(self, work):
        self.work, self.stop, self.error = work, threading.Event(), None
        self.thread = threading.Thread(target=self.run)

    def run(self):
        try:
            while not self.stop.is_set():
                self.work()
        except BaseException as error:
            self.error = error

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()
        assert self.error is None


W = np.ones((120, 120))


def counting():
    """A step whose result and state are known, and large enough for several threads."""
    total = Tensor(np.zeros(()))

    @jit
    def step(x):
        total.assign(total + 1.0)
        return matmul(x, W).sum()

    return step, total


@pytest.mark.parametrize("how", ["calls", "loops", "compiles", "replaces"])
def test_a_fork_beside_a_thread_in_a_step(how):
    step, total = counting()
    x = np.ones((8, 120))
    want = step(x).item()
    arrays = iter([np.zeros(())] * 10**6)

    def work():
        if how == "calls":
            step(x)
        elif how == "loops":
            step.loop((x,), np.zeros((40, 8), int))
        elif how == "compiles":
            counting()[0](x)
        else:
            total.data = next(arrays).copy()
            step(x)

    with Background(work):
        for number in range(12):
            time.sleep(0.001 * number)
            assert fork(lambda: step(x).item() == want) == 0
            assert (
                fork(lambda: step.loop((x,), np.zeros((2, 8), int)).data.tolist() == [want] * 2)
                == 0
            )
        assert fork(lambda: counting()[0](x).item() == want) == 0  # it compiles, or finds it
    assert step(x).item() == want


def test_a_child_of_multiprocessing_beside_a_thread_in_a_step():
    step, _ = counting()
    x = np.ones((8, 120))
    want = step(x).item()
    with Background(lambda: step(x)), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        for _ in range(3):
            child = multiprocessing.get_context("fork").Process(
                target=lambda: os._exit(0 if step(x).item() == want else 1)
            )
            child.start()
            child.join(SECONDS)
            assert child.exitcode == 0


@pytest.mark.parametrize("replayed", [pytest.param("cc", marks=needs_compiler)], indirect=True)
def test_threads_that_call_one_step_do_not_lose_a_step():
    """Compiled: NumPy's steps mix, as they do without jit."""
    step, total = counting()
    x = np.ones((8, 120))
    want = step(x).item()
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: step(x).item(), range(200)))
    assert found == [want] * 200 and total.item() == 201.0


def test_a_signals_handler_calls_the_step_that_it_interrupts():
    step, total = counting()
    x, order = np.ones((8, 120)), np.zeros((4000, 8), int)
    want, inner = step(x).item(), []

    def handle(*_):
        inner.append(step(x).item())
        inner.extend(step.loop((x,), order[:1]).data)

    before = signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 0.002, 0.01)
    try:
        outer = [step(x).item() for _ in range(300)]
        outer += step.loop((x,), order).data.tolist()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
    assert inner and {*outer, *inner} == {want}
    assert total.item() >= 1 + 300 + 4000  # a step that interrupts another one's Python may be lost


@pytest.mark.parametrize("forks", [False, True])
def test_a_users_primitive_calls_the_step_that_calls_it(forks):
    depth = []

    def inner(x):
        if not depth:
            depth.append(1)
            if forks:
                assert fork(lambda: np.array_equal(step(np.ones(3)).data, np.full(3, 4.0))) == 0
            assert np.array_equal(step(np.ones(3)).data, np.full(3, 4.0))
            depth.pop()
        return x + 1.0

    prim = primitive("nested", "x + 1, and more", inner, None)
    try:
        depth.append(1)  # not while it is traced
        step = jit(lambda x: prim(x * 2.0) + 1.0)
        step(np.zeros(3))
        depth.clear()
        np.testing.assert_array_equal(step(np.full(3, 2.0)).data, np.full(3, 6.0))
        np.testing.assert_array_equal(step(np.full(3, 2.0)).data, np.full(3, 6.0))
    finally:
        del TABLE["nested"]


@needs_compiler
def test_what_is_interrupted_while_it_is_bound_is_bound_again(monkeypatch):
    monkeypatch.delenv("CHAINRULE_CC", raising=False)
    w = Tensor(np.ones((3, 4)))
    step = jit(lambda: w.assign(w * 2.0))
    step()
    for name in ("lowered", "address"):
        with monkeypatch.context() as patch:

            def interrupt(*_):
                raise KeyboardInterrupt

            patch.setattr(f"autograd.compiler.runtime.native.{name}", interrupt)
            w.data = np.ones((4, 3)).T if name == "lowered" else np.ones((3, 4))
            with pytest.raises(KeyboardInterrupt):
                step()
        step()
        np.testing.assert_array_equal(w.data, np.full((3, 4), 2.0))
