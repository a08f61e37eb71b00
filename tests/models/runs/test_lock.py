"""One process per folder: the second is told, and the lock dies with the first."""

import json
import os
import platform
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from models.command_line import InputError
from models.runs import lock
from models.runs.lock import LOCK, Lock, in_use

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
HOLDER = """
import os, sys, time
from models.runs.lock import Lock
held = Lock(sys.argv[1])
if sys.argv[2] == "fork":
    end, begin = os.pipe()
    if os.fork() == 0:
        os.close(1)
        os.write(begin, b"!")
        time.sleep(60)
    os.read(end, 1)  # the child runs
print(os.getpid(), flush=True)
time.sleep(60)
"""


@pytest.fixture(params=["flock", "none"])
def system(request, monkeypatch):
    """A file system with flock, and one without."""
    if request.param == "none":
        monkeypatch.setattr(lock, "flock", lambda descriptor: None)
    return request.param


def hold(folder, how="alone"):
    """Another process that holds the folder."""
    command = [sys.executable, "-c", HOLDER, str(folder), how]
    process = subprocess.Popen(
        command, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert int(process.stdout.readline()) == process.pid
    return process


def end(process):
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def test_the_second_process_is_told_who_holds_it(tmp_path, system):
    process = hold(tmp_path)
    try:
        with pytest.raises(InputError) as caught:
            Lock(tmp_path)
    finally:
        end(process)
    words = str(caught.value)
    assert f"process {process.pid} on {platform.node()}, since 20" in words
    assert "\n" not in words
    Lock(tmp_path).release()  # kill -9 freed it
    assert not list(tmp_path.iterdir())


def test_whether_a_folder_is_in_use_is_told_without_taking_it(tmp_path):
    assert not in_use(tmp_path)
    process = hold(tmp_path)
    try:
        assert in_use(tmp_path)
    finally:
        end(process)
    assert (tmp_path / LOCK).exists() and not in_use(tmp_path)  # kill -9 freed it
    held = Lock(tmp_path)
    assert in_use(tmp_path)
    held.release()
    assert not in_use(tmp_path)


@pytest.mark.parametrize("text", ["", "{}", "words"])
def test_a_lock_that_nobody_holds_is_not_in_use_whatever_it_says(tmp_path, text):
    """A process that has the number of a dead one is not taken for it."""
    words = json.dumps({"pid": os.getpid(), "host": platform.node(), "since": "20"})
    (tmp_path / LOCK).write_text(text or words)
    assert not in_use(tmp_path)
    (tmp_path / LOCK).unlink()
    os.mkfifo(tmp_path / LOCK)
    assert not in_use(tmp_path)


def test_a_forked_child_does_not_hold_the_lock_of_its_dead_parent(tmp_path):
    process = hold(tmp_path, "fork")
    try:
        process.kill()
        process.wait()
        Lock(tmp_path).release()
    finally:
        end(process)


def test_a_forked_child_does_not_let_go_what_its_parent_holds(tmp_path):
    held = Lock(tmp_path)
    child = os.fork()
    if not child:
        held.release()
        os._exit(held.is_held())
    assert os.waitpid(child, 0)[1] == 0
    assert held.is_held()
    held.release()


def test_the_same_process_is_told_too(tmp_path, system):
    """Two trainings in one notebook."""
    with Lock(tmp_path) as held:
        with pytest.raises(InputError, match=f"process {os.getpid()} "):
            Lock(tmp_path)
        assert held.is_held()
    Lock(tmp_path).release()
    held.release()


def test_a_folder_that_was_made_again_is_taken_again(tmp_path, system):
    held = Lock(tmp_path)
    (tmp_path / LOCK).unlink()
    assert not held.is_held()
    other = Lock(tmp_path)
    with pytest.raises(InputError):
        held.take()
    other.release()
    held.take()
    assert held.is_held()
    held.release()
    assert not list(tmp_path.iterdir())


def test_the_one_that_lost_the_folder_does_not_remove_the_lock_of_the_next(tmp_path):
    lost = Lock(tmp_path)
    (tmp_path / LOCK).unlink()
    with Lock(tmp_path) as held:
        lost.release()
        assert held.is_held()


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"[]", b"\xff", b'{"pid": "1", "host": "a", "since": "b"}', b"[" * 5000,
     b'{"pid": 1, "host": "\\u001b[31m", "since": ""}', b'{"pid": -1, "host": "a", "since": "b"}'],
)  # fmt: skip
def test_what_the_file_says_is_not_trusted(tmp_path, system, text):
    (tmp_path / LOCK).write_bytes(text)
    if system == "flock":
        Lock(tmp_path).release()
        return
    with pytest.raises(InputError, match="another process writes into this folder; if it has "):
        Lock(tmp_path)


def test_without_flock_the_lock_of_another_machine_stays(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "flock", lambda descriptor: None)
    (tmp_path / LOCK).write_text('{"pid": 1, "host": "elsewhere", "since": "yesterday"}')
    with pytest.raises(InputError, match=f"process 1 on elsewhere.*remove {tmp_path / LOCK}"):
        Lock(tmp_path)


def test_a_full_disk_does_not_break_the_lock(tmp_path, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with Lock(tmp_path), pytest.raises(InputError, match="another process"):
        Lock(tmp_path)


def test_a_folder_that_is_not_there_or_a_link_that_leads_nowhere(tmp_path):
    with pytest.raises(FileNotFoundError):
        Lock(tmp_path / "none")
    (tmp_path / LOCK).symlink_to("none/none")
    with pytest.raises(OSError, match="leads nowhere"):
        Lock(tmp_path)
