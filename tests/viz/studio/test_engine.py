"""The worker process: it answers call by call; what ends it costs the call at hand alone."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from models.command_line import InputError
from tests.viz.studio import tasks
from viz.studio.engine import Engine
from viz.studio.engine import engine as module
from viz.studio.refusal import Refusal


@pytest.fixture(scope="module")
def shared():
    """An engine for tests that leave it as it was, or with a new worker."""
    made = Engine()
    made.start()
    yield made
    made.close()


def called(engine, *calls):
    """What calls give that are made at once, in their order: results and errors."""

    async def run():
        tasks = [engine.call(*call) for call in calls]
        return await asyncio.gather(*tasks, return_exceptions=True)

    return asyncio.run(run())


def refused(error, status, *words):
    assert isinstance(error, Refusal), error
    assert error.status == status
    assert all(word in str(error) for word in words), error
    return error


def test_a_function_is_called_in_another_process_that_makes_room_for_the_server(shared):
    (found,) = called(shared, (tasks.process,))
    number, parent, nice, threads = found
    assert number != os.getpid() and parent == os.getpid()
    assert (nice, threads) == (os.nice(0) + 5, "1")


def test_calls_are_answered_each_with_its_own(shared):
    arrays = [np.arange(n * 1000, dtype=np.float32) for n in range(20)]
    found = called(shared, *((tasks.echo, array) for array in arrays))
    for given, got in zip(arrays, found, strict=True):
        np.testing.assert_array_equal(given, got)


def test_megabytes_go_both_ways(shared):
    """More than a pipe holds: who waits for the other to read first would wait forever."""
    given = np.random.default_rng(0).integers(0, 256, 32 << 20, np.uint8)
    (found,) = called(shared, (tasks.echo, given))
    np.testing.assert_array_equal(found, given)


def test_what_is_refused_or_expected_arrives_as_itself(shared):
    refusal, wrong = called(shared, (tasks.refuse,), (tasks.expect,))
    assert str(refused(refusal, 409)) == "here: expected this, found ['that']"
    assert refusal.headers == {"Retry-After": "7"}
    assert isinstance(wrong, InputError) and str(wrong) == "here: expected this, found that"


@pytest.mark.parametrize("task", [tasks.fail, tasks.odd])
def test_a_fault_is_logged_with_its_traceback_and_says_nothing_of_it(shared, task, caplog):
    with caplog.at_level(logging.ERROR, "chainrule.studio"):
        error, after = called(shared, (task,), (tasks.echo, 1))
    assert "fault" in str(refused(error, 500)) and "Error" not in str(error)
    assert "Traceback" in caplog.text and task.__name__ in caplog.text
    assert after == 1


@pytest.mark.parametrize(
    "call",
    [(tasks.die,), (tasks.die, signal.SIGSEGV), (tasks.closed,)],
    ids=["killed", "crashed", "exited"],
)
def test_a_worker_that_dies_is_refused_in_words_and_replaced(shared, call):
    error, after = called(shared, call, (tasks.echo, "next"))
    assert refused(error, 503, "engine", "died").headers == {"Retry-After": "1"}
    assert after == "next"


def test_a_worker_that_died_while_it_waited_is_replaced_unseen(shared):
    ((number, *_),) = called(shared, (tasks.process,))
    os.kill(number, signal.SIGKILL)
    time.sleep(0.2)  # until it is gone; else this would be the test before
    ((after, *_),) = called(shared, (tasks.process,))
    assert after != number


def test_a_call_ends_at_its_limit_and_the_next_is_made():
    engine = Engine()

    async def run():
        await engine.call(tasks.echo, 0)
        late = engine.call(tasks.sleep, 60, limit=0.2)
        return await asyncio.gather(late, engine.call(tasks.echo, 1), return_exceptions=True)

    try:
        error, after = asyncio.run(run())
        refused(error, 503, "more than 0.2 s")
        assert after == 1
    finally:
        engine.close()


def test_memory_that_is_not_there_is_refused_and_no_other_process_is_slowed(shared):
    error, after = called(shared, (tasks.take, 64), (tasks.echo, 1))
    refused(error, 413, "GiB")
    assert after == 1


def test_the_line_ends(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "WAITING", 3)
    engine, noted = Engine(), tmp_path / "noted"

    async def run():
        first = asyncio.ensure_future(engine.call(tasks.sleep, 0.3, str(noted)))
        line = [asyncio.ensure_future(engine.call(tasks.echo, i)) for i in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(Refusal) as info:
            await engine.call(tasks.echo, 4)
        found = [await each for each in (first, *line)]
        return info.value, found, await engine.call(tasks.echo, 5)

    try:
        error, found, after = asyncio.run(run())
        assert refused(error, 503, "at most 3").headers == {"Retry-After": "1"}
        assert (found, after) == (["slept", 0, 1, 2], 5)
    finally:
        engine.close()


def test_a_client_that_goes_away_does_not_break_the_next_call(tmp_path):
    """Not while its call is made, whose answer must not be taken for the next one's; nor before."""
    engine, noted = Engine(), tmp_path / "noted"

    async def run():
        made = asyncio.ensure_future(engine.call(tasks.sleep, 0.3, str(noted)))
        waits = asyncio.ensure_future(engine.call(tasks.sleep, 60))
        after = asyncio.ensure_future(engine.call(tasks.echo, "mine"))
        while not noted.exists():
            await asyncio.sleep(0.01)
        made.cancel()
        waits.cancel()
        return await asyncio.wait_for(after, 20)

    try:
        assert asyncio.run(run()) == "mine"
        assert engine._places._value == 1 + module.WAITING  # else the line grows shorter
    finally:
        engine.close()


def test_what_is_closed_ends_at_once_and_refuses():
    engine = Engine()

    async def run():
        number, *_ = await engine.call(tasks.process)
        busy = asyncio.ensure_future(engine.call(tasks.sleep, 60))
        waits = asyncio.ensure_future(engine.call(tasks.echo, 1))
        await asyncio.sleep(0.1)
        await asyncio.to_thread(engine.close)
        found = await asyncio.gather(busy, waits, return_exceptions=True)
        return (
            number,
            found,
            await asyncio.gather(engine.call(tasks.echo, 1), return_exceptions=True),
        )

    number, (busy, waits), (later,) = asyncio.run(run())
    for error in (busy, waits, later):
        refused(error, 503)
    assert not _is_alive(number)
    engine.close()  # twice is once


def test_a_signal_of_the_terminal_is_not_the_workers(shared):
    """Ctrl-C is for the server, which ends the worker when it has done with it."""
    ((number, *_),) = called(shared, (tasks.process,))
    assert os.getpgid(number) != os.getpgid(0)
    os.kill(number, signal.SIGINT)
    ((after, *_),) = called(shared, (tasks.process,))
    assert after == number


SERVER = """
import asyncio, sys, time
from tests.viz.studio import tasks
from viz.studio.engine import Engine

async def run():
    engine = Engine()
    number, *_ = await engine.call(tasks.process)
    print(number, flush=True)
    if sys.argv[1] == "busy":
        await engine.call(tasks.sleep, 60)
    await asyncio.sleep(60)

asyncio.run(run())
"""


@pytest.mark.parametrize("state", ["idle", "busy"])
def test_a_worker_ends_with_its_server_also_by_kill_9(state):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", SERVER, state]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as server:
        number = int(server.stdout.readline())
        time.sleep(0.2)  # so that it is at its sleep
        server.kill()
    end = time.monotonic() + 10
    while _is_alive(number):
        assert time.monotonic() < end, "it outlives its server"
        time.sleep(0.02)


def _is_alive(number: int) -> bool:
    try:
        with open(f"/proc/{number}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
