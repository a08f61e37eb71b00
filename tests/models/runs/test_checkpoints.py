"""Checkpoints: what is read is what was written, bit for bit, or is refused; whatever kills it."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from models.command_line import InputError
from models.runs import checkpoints
from models.runs.checkpoints import CheckpointWriter, go_on_from, newest, read, save

DTYPES = ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def small(step=1):
    return {"w": np.arange(3, dtype=np.float32), "count": np.array(step)}, {"step": step}


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_arrays_survive_bit_for_bit(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    dtype = st.sampled_from(DTYPES).map(np.dtype)
    shape = arrays_of.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
    array = arrays_of.arrays(dtype, shape)
    laid = st.sampled_from([np.array, np.asfortranarray, lambda a: np.repeat(a, 2, -1)[..., ::2]])
    written = data.draw(st.dictionaries(st.text(max_size=4), array, max_size=3))
    # A scalar has no other layout.
    given = {n: data.draw(laid)(a) if a.ndim else a for n, a in written.items()}
    found = read(save(folder, given, {"step": 0})).arrays
    assert found.keys() == written.keys()
    for name, array in written.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        assert found[name].tobytes() == array.tobytes()
        assert found[name].flags.writeable


@settings(max_examples=60, deadline=None)
@given(state=st.dictionaries(st.text(), JSON, max_size=4), step=st.integers(0, 10**15))
def test_a_state_survives(state, step, tmp_path_factory):
    state["step"] = step
    found = read(save(tmp_path_factory.mktemp("run"), {}, state))
    assert found.state == state and found.step == step


def test_infinity_is_a_state():
    """Early stopping begins with it: a training without its checkpoint would lose everything."""
    text = checkpoints._state_text({"step": 1, "best": np.inf}, b"")
    assert json.loads(text)["state"]["best"] == np.inf


@pytest.mark.parametrize(
    ("arrays", "state", "message"),
    [
        ({}, {}, '"step" in the state: a whole number from 0, found None'),
        ({}, {"step": -1}, "found -1"),
        ({}, {"step": True}, "found True"),
        ({}, {"step": 1, "a": [{"b": (1, 2)}]}, r"state\['a'\]\[0\]\['b'\]: .* found a tuple"),
        ({}, {"step": 1, "a": {2: 3}}, r"state\['a'\]: expected keys that are strings, found 2"),
        ({}, {"step": 1, "a": np.int64(3)}, "found a int64"),
        ({"w": np.array(["text"])}, {"step": 1}, "arrays that safetensors can hold"),
        ({"__metadata__": np.ones(1)}, {"step": 1}, "expected names of arrays"),
        ({3: np.ones(1)}, {"step": 1}, "expected names of arrays, found 3"),
    ],
)
def test_what_would_be_read_back_as_something_else_is_refused(tmp_path, arrays, state, message):
    with pytest.raises((TypeError, ValueError), match=message):
        save(tmp_path, arrays, state)
    assert not list(tmp_path.iterdir())


def test_the_last_three_are_kept_and_the_newest_is_the_last(tmp_path):
    for step in (9, 10, 100, 2_000_000_000_000_000):
        save(tmp_path, *small(step))
    assert names(tmp_path) == ["000000000010", "000000000100", "2000000000000000"]
    checkpoint, damaged = newest(tmp_path)
    assert checkpoint.step == 2_000_000_000_000_000 and not damaged


def test_a_step_that_is_saved_again_replaces_nothing(tmp_path):
    for value in range(12):
        save(tmp_path, {"w": np.array(value)}, {"step": 5})
    assert names(tmp_path) == ["000000000005-10", "000000000005-11", "000000000005-12"]
    assert newest(tmp_path)[0].arrays["w"] == 11


def test_going_on_from_an_earlier_one_ends_the_branch_that_went_wrong(tmp_path):
    for step in (1, 2, 3):
        save(tmp_path, *small(step))
    go_on_from(read(tmp_path / "000000000001"))
    assert newest(tmp_path)[0].step == 1
    assert any(name.endswith("03") for name in names(tmp_path))  # until the next is saved
    save(tmp_path, *small(2))
    assert names(tmp_path) == ["000000000001", "000000000002"]


@pytest.mark.parametrize("name", ["state.json", "state.safetensors"])
def test_each_byte_that_changed_is_noticed(tmp_path, name):
    save(tmp_path, *small(1))
    file = save(tmp_path, *small(2)) / name
    content = file.read_bytes()
    rng = np.random.default_rng(0)
    for i in range(len(content)):
        for flip in (1, int(rng.integers(2, 256))):
            file.write_bytes(content[:i] + bytes([content[i] ^ flip]) + content[i + 1 :])
            with pytest.raises(InputError, match="expected a whole checkpoint"):
                read(file.parent)
    checkpoint, (damaged,) = newest(tmp_path)
    assert checkpoint.step == 1
    assert damaged.startswith(f"{file}: ") and "older checkpoint" in damaged


@pytest.mark.parametrize("name", ["state.json", "state.safetensors"])
@pytest.mark.parametrize("damage", ["cut", "longer", "empty", "gone", "folder", "pipe"])
def test_a_damaged_newest_is_named_and_passed_over(tmp_path, name, damage):
    save(tmp_path, *small(1))
    file = save(tmp_path, *small(2)) / name
    content = file.read_bytes()
    file.unlink()
    match damage:
        case "cut" | "longer" | "empty":
            new = {"cut": content[:-1], "longer": content + b"\n", "empty": b""}
            file.write_bytes(new[damage])
        case "folder":
            file.mkdir()
        case "pipe":
            os.mkfifo(file)  # reading it would wait for ever
    checkpoint, damaged = newest(tmp_path)
    assert checkpoint.step == 1
    assert len(damaged) == 1 and str(file) in damaged[0] and "\n" not in damaged[0]


def forged(state_text=None, **changes):
    """A checkpoint's folder whose digests are right, and whose content is not."""
    good = {"bytes": 0, "sha256": checkpoints.hashlib.sha256(b"").hexdigest(), "state": {"step": 1}}
    rest = good | changes
    digest = checkpoints.hashlib.sha256(checkpoints._json(rest)).hexdigest()
    return state_text or checkpoints._json({**rest, "digest": digest})


@pytest.mark.parametrize(
    "text",
    [
        b"[]", b"3", b"null", b'{"digest": 3}', b"[" * 100_000, b"\xff\xfe", b'"digest"',
        forged(), forged(state=[1]), forged(state={"step": "1"}), forged(state={"step": 1.5}),
        forged(bytes="0"), forged(bytes=True), forged(bytes=10**30), forged(sha256=None),
        forged(sha256="0" * 64),
    ],
)  # fmt: skip
def test_a_forged_one_is_refused_in_one_line(tmp_path, text):
    (tmp_path / "state.json").write_bytes(text)
    (tmp_path / "state.safetensors").write_bytes(b"")
    with pytest.raises(InputError) as caught:
        read(tmp_path)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 600


def test_what_is_no_checkpoint_is_no_checkpoint(tmp_path):
    assert newest(tmp_path / "none") == (None, [])
    (tmp_path / ".writing-0123456789abcdef").mkdir()
    (tmp_path / "notes").mkdir()
    (tmp_path / "²00000000001").mkdir()
    assert newest(tmp_path) == (None, [])


def test_what_a_kill_left_is_removed_by_the_next_save_and_nothing_else(tmp_path):
    left = tmp_path / ".writing-0123456789abcdef"
    left.mkdir()
    (left / "state.json").write_text("half")
    (tmp_path / ".removing-000000000001").mkdir()
    (tmp_path / ".writing-notes").mkdir()
    save(tmp_path, *small(1))
    assert names(tmp_path) == [".writing-notes", "000000000001"]


KILLED = """
import sys, numpy as np
from models.runs.checkpoints import save
step = int(sys.argv[2])
while True:
    step += 1
    save(sys.argv[1], {"w": np.full(20_000, step), "s": np.array(step)}, {"step": step})
    print(step, flush=True)
"""


def test_after_kill_9_at_any_moment_the_newest_is_whole(tmp_path):
    folder = tmp_path / "checkpoints"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    rng, last = np.random.default_rng(0), 0
    for _ in range(20):
        process = subprocess.Popen([sys.executable, "-c", KILLED, str(folder), str(last)],
                                   env=environment, stdout=subprocess.PIPE, text=True)  # fmt: skip
        process.stdout.readline()
        time.sleep(rng.uniform(0, 0.05))
        process.send_signal(signal.SIGKILL)
        said = [int(line) for line in process.communicate()[0].split()]
        checkpoint, damaged = newest(folder)
        assert not damaged
        assert checkpoint.step >= max([last + 1, *said])
        assert (checkpoint.arrays["w"] == checkpoint.step).all()
        assert checkpoint.arrays["s"] == checkpoint.step
        last = checkpoint.step
    save(folder, *small(last + 1))
    assert len(names(folder)) == 3


# --- in the background ---------------------------------------------------------------------------


def test_the_newest_takes_the_place_of_the_one_that_waits(tmp_path, monkeypatch):
    begun, go = threading.Event(), threading.Event()
    real, steps = checkpoints.save, []

    def slow(folder, arrays, state, keep):
        steps.append(state["step"])
        begun.set()
        assert go.wait(60)
        return real(folder, arrays, state, keep)

    monkeypatch.setattr(checkpoints, "save", slow)
    writer = CheckpointWriter(tmp_path, 3, lambda words: None)
    writer.put(*small(1))
    assert begun.wait(60)
    for step in (2, 3, 4):
        writer.put(*small(step))
    go.set()
    writer.close()
    assert steps == [1, 4]
    assert names(tmp_path) == ["000000000001", "000000000004"]
    assert writer.written == tmp_path / "000000000004"


def test_the_state_may_change_after_it_was_put(tmp_path):
    writer, (arrays, state) = CheckpointWriter(tmp_path, 3, print), small(1)
    hold = threading.Event()
    writer.prepare = lambda: hold.wait(60)
    state["best"] = [1]
    writer.put(arrays, state)
    state["best"].append(2)
    hold.set()
    writer.close()
    assert newest(tmp_path)[0].state["best"] == [1]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), MemoryError()])
def test_an_error_is_said_once_and_the_next_is_tried(tmp_path, monkeypatch, error):
    said, real = [], checkpoints.save

    def fails(*arguments):
        raise error

    writer = CheckpointWriter(tmp_path, 3, said.append)
    monkeypatch.setattr(checkpoints, "save", fails)
    for step in (1, 2):
        writer.put(*small(step))
        writer.close()
    assert len(said) == 1 and said[0].startswith(f"cannot write {tmp_path}: ")
    assert "No space left" in said[0] or "MemoryError" in said[0]
    assert writer.error is error
    monkeypatch.setattr(checkpoints, "save", real)
    writer.put(*small(3))
    writer.close()
    assert said[1:] == [f"written again: {tmp_path}"]
    assert names(tmp_path) == ["000000000003"] and writer.error is None


def test_without_a_thread_the_last_is_written_in_the_end(tmp_path, monkeypatch):
    def fails(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", fails)
    said = []
    writer = CheckpointWriter(tmp_path, 3, said.append)
    for step in (1, 2):
        writer.put(*small(step))
    writer.close()
    assert names(tmp_path) == ["000000000002"]
    assert [words.split(":")[0] for words in said] == [f"cannot write {tmp_path}", "written again"]


def test_a_closed_terminal_does_not_end_the_writer(tmp_path):
    def closed(words):
        raise BrokenPipeError

    writer = CheckpointWriter(tmp_path / "none" / "here", 3, closed)
    writer.put(*small(1))
    writer.close()
    assert isinstance(writer.error, FileNotFoundError)
