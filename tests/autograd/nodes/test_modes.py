"""no_grad and the other modes of a thread: whatever ends a block, in whatever order, the mode is
what it was; and in a decorated generator or coroutine it holds for the body alone."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import sys
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd import Tensor, detect_anomaly, grad, jit, no_grad, vmap
from autograd.modes.mode import mode, set_mode, special
from autograd.nn import Linear

X = Tensor(np.ones(2), requires_grad=True)


def records():
    return (X * 2.0).requires_grad


def at_rest():
    return records() and not special and not mode.scope and not mode.transforms


@contextlib.contextmanager
def turned_off():
    with no_grad():
        yield


@given(st.lists(st.integers(0, 3), min_size=1, max_size=24), st.data())
def test_generators_that_take_turns_leave_the_mode_as_it_was(turns, data):
    """Blocks that end in any order: in between gradients are off while any block that turned
    them off is open, and its own last word counts; after them they are on."""

    def body(off):
        with set_mode(gradients=not off, scope=("g",)):
            yield
            yield

    live = {}
    for turn in turns:
        if turn not in live:
            live[turn] = body(data.draw(st.booleans()))
        if next(live[turn], "done") == "done":
            del live[turn]
    for left in data.draw(st.permutations(list(live))):
        live.pop(left).close()
    assert at_rest()


def test_two_generators_do_not_leave_gradients_off():
    first, second = turned_off(), turned_off()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert not records()
    second.__exit__(None, None, None)
    assert at_rest()


def test_a_block_may_be_used_again_and_within_itself():
    block = no_grad()
    with block:
        with block:
            assert not records()
        assert not records()
    assert at_rest()
    with contextlib.ExitStack() as stack:
        stack.enter_context(block)
        assert not records()
    assert at_rest()


def test_a_block_left_by_another_thread_is_undone_in_its_own():
    block = no_grad()
    block.__enter__()
    thread = threading.Thread(target=block.__exit__, args=(None, None, None))
    thread.start()
    thread.join()
    assert at_rest()


# --- the decorator -------------------------------------------------------------------------------


def test_a_decorated_generator_is_without_gradients_in_its_body_alone():
    seen = []

    @no_grad()
    def steps(n):
        """Doc."""
        for _ in range(n):
            try:
                seen.append((records(), (yield records())))
            except KeyError:
                seen.append(records())
        return "end"

    assert (steps.__name__, steps.__doc__) == ("steps", "Doc.")
    one, other = steps(3), steps(1)
    assert next(one) is False and records() and next(other) is False and records()
    assert one.send("sent") is False and records()
    assert one.throw(KeyError) is False and records()
    with pytest.raises(StopIteration) as end:
        next(one)
    assert end.value.value == "end"
    other.close()
    assert seen == [(False, "sent"), False, (False, None)] and at_rest()


def test_a_decorated_coroutine_and_async_generator():
    @no_grad()
    async def wait(n):
        for _ in range(n):
            await asyncio.sleep(0)
            assert not records()
        return n

    @no_grad()
    async def stream(n):
        for i in range(n):
            await asyncio.sleep(0)
            assert not records()
            yield i

    async def beside():
        for _ in range(20):
            assert records()
            await asyncio.sleep(0)

    async def consume():
        found = []
        async for i in stream(5):
            assert records()
            found.append(i)
        return found

    async def main():
        return await asyncio.gather(wait(5), beside(), consume(), beside())

    assert asyncio.run(main()) == [5, None, [0, 1, 2, 3, 4], None]
    assert at_rest()


# --- what interrupts a block ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "call",
    [
        lambda f: grad(f)(np.ones(2)),
        lambda f: vmap(f)(np.ones((2, 2))),
        lambda f: jit(f)(np.ones(2)),
        lambda f: no_grad()(f)(X),
        lambda f: detect_anomaly()(f)(X),
    ],
    ids=["grad", "vmap", "jit", "no_grad", "detect_anomaly"],
)
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_error_inside_leaves_the_mode_as_it_was(call, error):
    layer = Linear(2, 2)

    def fails(x):
        layer(Tensor(np.ones((1, 2), np.float32)))
        raise error

    with pytest.raises(error):
        call(fails)
    gc.collect()
    assert at_rest()


def block():
    with no_grad(), set_mode(scope=("inside",)):
        pass


FILE = set_mode.__enter__.__code__.co_filename


def interrupted_at(line, opcodes):
    """Run `block` with a KeyboardInterrupt at one of its lines (or opcodes); whether it came."""
    count = 0

    def trace(frame, event, arg):
        nonlocal count
        ours = frame.f_code.co_filename == FILE or frame.f_code is block.__code__
        if not ours or frame.f_code.co_name == "__del__":
            return None
        frame.f_trace_opcodes = opcodes
        if event == ("opcode" if opcodes else "line"):
            count += 1
            if count == line:
                raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        block()
    except KeyboardInterrupt:
        pass
    finally:
        sys.settrace(before)
    return count >= line


@pytest.mark.parametrize("opcodes", [False, True])
def test_an_interrupt_at_any_line_leaves_the_mode_as_it_was(opcodes):
    line = 1
    while interrupted_at(line, opcodes):
        assert at_rest(), f"at number {line}"
        line += 1
    assert line > 30


def test_ctrl_c_at_any_time_leaves_the_mode_as_it_was():
    def stop(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, stop)
    try:
        for i in range(300):
            try:
                signal.setitimer(signal.ITIMER_REAL, 1e-5 + 1e-6 * (i % 50))
                while True:
                    block()
            except KeyboardInterrupt:
                pass
            assert at_rest()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
