"""The served weights on disk: one of two writers wins, every version is whole, and nothing that was
acknowledged is lost, whatever ends the process."""

import errno
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from models.command_line import InputError
from models.mlp import MLP
from models.mnist.checkpoint import read_snapshot
from models.runs.arrays import pack
from tests.few import drawn, run_of
from viz.studio.refusal import Refusal
from viz.studio.weights import Weights, untrained, versions
from viz.studio.weights.first import of_run, untrained_for

TINY = drawn((2, 2), "ab")
SIZES = (4, 3, 2)


def content(seed=0, **states):
    """Weights of a small network, others with every seed."""
    said = {"sizes": SIZES, "activation": "tanh", "dataset": TINY.describe(), "seed": 5}
    states = {f"optimizer.{name}": np.array(value) for name, value in states.items()}
    return pack({**MLP(SIZES, seed=seed).state_dict(), **states}, {**said, "step": seed})


FIRST = untrained(SIZES, "tanh", TINY.describe(), 5)


def opened(folder, **how):
    return Weights(Path(folder), lambda: FIRST, **how)


@pytest.fixture
def store(tmp_path):
    with closing(opened(tmp_path / "weights")) as made:
        yield made


def on_disk(folder):
    return {path.name: path.read_bytes() for path in Path(folder).iterdir() if path.name != ".lock"}


def causes(store):
    return [version.cause for version in store.history]


# --- one after the other --------------------------------------------------------------------------


def test_an_empty_store_begins_with_the_network_that_learned_nothing(store, tmp_path):
    version, served = store.content()
    assert (version.number, version.cause, served) == (1, "seed", FIRST)
    assert version.path.read_bytes() == FIRST and version.size == len(FIRST)
    assert version.etag == f'"{version.sha256}"' and version.time.endswith("Z")
    snapshot = read_snapshot(untrained_for(TINY.describe()), "body")
    assert (snapshot.sizes, snapshot.seed, snapshot.step) == ((4, 512, 2), 0, 0)


def test_a_write_replaces_the_version_that_it_saw(store):
    first = store.current
    second = store.put(content(1, count=1.0), first.etag)
    assert store.content() == (second, content(1, count=1.0))
    assert store.content(1) == (first, FIRST)
    assert causes(store) == ["seed", "put"]
    with pytest.raises(Refusal, match=r"If-Match: expected .*, which the weights have now") as info:
        store.put(content(2), first.etag)
    assert (info.value.status, info.value.headers) == (412, {"ETag": second.etag})
    assert store.put(content(2), "*", "train").number == 3
    store.put(content(2, count=5.0), f'"x", {store.current.json_etag}')
    store.put(content(2, count=6.0), f'{store.current.etag}, "x"')
    for weak in (f"W/{store.current.etag}", "", store.current.sha256):
        with pytest.raises(Refusal, match="If-Match"):
            store.put(content(3), weak)


def test_delete_goes_back_to_the_seed_and_rollback_to_any_version(store):
    learned = store.put(content(7), "*")
    assert store.content(store.delete(learned.etag).number)[1] == FIRST
    assert store.rollback(2, store.current.etag).sha256 == learned.sha256
    assert causes(store) == ["seed", "put", "delete", "rollback"]
    for write in (lambda: store.delete('"x"'), lambda: store.rollback(1, '"x"')):
        with pytest.raises(Refusal, match="If-Match"):
            write()
    with pytest.raises(Refusal, match="expected one of the versions 1 to 4, found 9") as info:
        store.rollback(9, "*")
    assert info.value.status == 404 and len(store.history) == 4


@pytest.mark.parametrize(
    "wrong",
    [b"", content()[:-1], content(count=np.nan), pack({}, {"sizes": SIZES}), content() + b"\0"],
)
def test_what_is_no_network_is_never_written(store, tmp_path, wrong):
    before = on_disk(tmp_path / "weights")
    with pytest.raises(InputError, match="body: expected "):
        store.put(wrong, "*")
    assert on_disk(tmp_path / "weights") == before and len(store.history) == 1


def test_the_oldest_versions_go_and_the_served_one_never(store, tmp_path, monkeypatch):
    monkeypatch.setattr(versions, "KEPT", 3)
    for seed in range(1, 6):
        store.put(content(seed), "*")
    assert [version.number for version in store.history] == [4, 5, 6]
    monkeypatch.setattr(versions, "ROOM", 2.5 * len(content()))
    store.put(content(6), "*")
    assert [version.number for version in store.history] == [6, 7]
    monkeypatch.setattr(versions, "ROOM", 1)
    last = store.put(content(7), "*")
    assert store.history == [last] and store.content()[1] == content(7)
    assert {path.suffix for path in (tmp_path / "weights").glob("0*")} == {".safetensors"}
    assert [path.read_bytes() for path in (tmp_path / "weights").glob("0*")] == [content(7)]
    with pytest.raises(Refusal, match="expected one of the versions 8 to 8, found 7"):
        store.content(7)


class Machine(RuleBasedStateMachine):
    """The store against a list, through restarts; a writer may have seen any version."""

    @initialize()
    def begin(self):
        self.folder = Path(tempfile.mkdtemp())
        self.store, self.expected = opened(self.folder), [FIRST]

    def tag(self, seen):
        """The tag of a version that was served once, and whether it still is what is served."""
        content = self.expected[seen % len(self.expected)]
        return versions.version_of(0, content, "put").etag, content == self.expected[-1]

    @rule(seen=st.integers(-1, 5), seed=st.integers(0, 3))
    def put(self, seen, seed):
        self.write(seen, content(seed), lambda tag: self.store.put(content(seed), tag))

    @rule(seen=st.integers(-1, 5))
    def delete(self, seen):
        self.write(seen, FIRST, self.store.delete)

    @rule(seen=st.integers(-1, 5), back=st.integers(0, 5))
    def rollback(self, seen, back):
        back %= len(self.expected)
        self.write(seen, self.expected[back], lambda tag: self.store.rollback(back + 1, tag))

    def write(self, seen, result, write):
        tag, is_served = self.tag(seen)
        if is_served:
            assert write(tag).number == len(self.expected) + 1
            self.expected.append(result)
            return
        with pytest.raises(Refusal, match="If-Match"):
            write(tag)

    @rule()
    def restart(self):
        self.store.close()
        self.store = opened(self.folder)

    @invariant()
    def serves_the_last_and_keeps_the_rest(self):
        assert self.store.content()[1] == self.expected[-1]
        assert [self.store.content(i + 1)[1] for i in range(len(self.expected))] == self.expected
        assert [version.path.read_bytes() for version in self.store.history] == self.expected

    def teardown(self):
        self.store.close()
        shutil.rmtree(self.folder)


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=20, stateful_step_count=12, deadline=None)


# --- at once --------------------------------------------------------------------------------------


def test_of_writers_that_saw_the_same_version_one_wins(store):
    """Each adds 1 to what it read, as a training does: with a lost update the sum is too small."""
    won, barrier = [], threading.Barrier(8)

    def work(me):
        for _ in range(6):
            version, served = store.content()
            step = read_snapshot(served, "body").step
            barrier.wait(10)  # all have seen the same
            try:
                store.put(content(step + 1, writer=float(me)), version.etag)
            except Refusal as refusal:
                assert refusal.status == 412
            else:
                won.append(step + 1)
            barrier.wait(10)

    threads = [threading.Thread(target=work, args=[me]) for me in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert won == [1, 2, 3, 4, 5, 6] and len(store.history) == 7


def test_a_second_studio_in_the_same_folder_is_refused(store, tmp_path):
    words = (
        f"weights: process {os.getpid()} on .* wait until it ends, or start the studio elsewhere"
    )
    with pytest.raises(InputError, match=words):
        opened(tmp_path / "weights")
    store.close()
    opened(tmp_path / "weights").close()


def test_where_a_folder_was_made_anew_and_is_another_studios_nothing_is_written(store, tmp_path):
    folder = tmp_path / "weights"
    folder.rename(tmp_path / "gone")
    with pytest.raises(Refusal, match="expected to be able to write them, found No such") as info:
        store.put(content(1), "*")
    assert info.value.status == 507 and store.content()[1] == FIRST  # still served
    with closing(opened(folder)), pytest.raises(Refusal, match="writes into this folder"):
        store.put(content(1), "*")
    assert store.put(content(1), "*").number == 2  # it has ended, and this one goes on


def test_a_disk_without_room_changes_nothing(store, tmp_path, monkeypatch):
    before = on_disk(tmp_path / "weights")

    def full(path, content):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(versions, "write", full)
    with pytest.raises(Refusal, match="write them, found No space left on device"):
        store.put(content(1), "*")
    assert store.content()[1] == FIRST and on_disk(tmp_path / "weights") == before


def test_the_folder_is_let_go_after_the_write_at_hand(store, tmp_path, monkeypatch):
    """Else a studio that starts meanwhile does not see it, and numbers its own alike."""
    begun, go_on, write = threading.Event(), threading.Event(), versions.write

    def slow(path, content):
        begun.set()
        go_on.wait(10)
        write(path, content)

    monkeypatch.setattr(versions, "write", slow)
    threads = [threading.Thread(target=store.put, args=[content(1), "*"])]
    threads.append(threading.Thread(target=store.close))
    threads[0].start()
    begun.wait(10)
    threads[1].start()
    with pytest.raises(InputError, match="writes into this folder"):
        opened(tmp_path / "weights")
    go_on.set()
    for thread in threads:
        thread.join()
    with pytest.raises(Refusal, match="no write to a studio that ends"):
        store.put(content(2), "*")
    with closing(opened(tmp_path / "weights")) as again:
        assert again.content()[1] == content(1)


# --- starting again -------------------------------------------------------------------------------


def test_a_start_goes_on_with_the_last_version(store, tmp_path):
    store.put(content(1), "*")
    history = store.history
    store.close()
    with closing(opened(tmp_path / "weights")) as again:
        assert again.history == history and again.content()[1] == content(1)


def test_a_damaged_version_is_passed_over_and_kept_aside(store, tmp_path):
    store.put(content(1), "*")
    store.close()
    store.current.path.write_bytes(content(2))
    with closing(opened(tmp_path / "weights")) as again:
        assert again.content()[1] == FIRST and causes(again) == ["seed"]
        assert again.put(content(3), "*").number == 2
        assert len(list((tmp_path / "weights").glob("*.damaged"))) == 1


def test_a_run_that_is_named_is_served_and_the_same_command_loses_nothing(tmp_path):
    run, other = (str(run_of(TINY, tmp_path / name)) for name in ("run", "other"))
    folder = tmp_path / "weights"

    def start(path, first=None):
        """What is served after a start, and after it one write."""
        with closing(opened(folder, run=path)) as store:
            served = store.content()[1]
            store.put(content(len(store.history)), "*")
            return served

    weights, learned = of_run(run), content
    assert start(run) == weights
    assert start(run) == learned(1)  # what was written since
    assert start(other) == of_run(other)
    assert start(run) == weights  # another command than the last one
    assert start(None) == learned(6)
    assert start(run) == weights
    file = Path(run) / "model.safetensors"
    file.write_bytes(pack(MLP(SIZES, seed=9).state_dict()))  # it was taught anew
    assert start(run) == of_run(run) != weights
    assert start(str(file)) == of_run(run)  # the same bytes by another name


@pytest.mark.parametrize("path", ["nowhere", "empty", "text.safetensors", "\0"])
def test_a_run_without_weights_is_refused_before_anything_is_made(tmp_path, path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.safetensors").write_text("no weights")
    with pytest.raises(InputError, match="expected a "):
        opened("weights", run=path)
    assert not Path("weights").exists()


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "weights").write_text("a file")
    with pytest.raises(InputError, match=r"studio: expected to be able to write .*weights, found"):
        opened(tmp_path / "weights")


def test_who_only_reads_serves_on_what_another_studio_removes(tmp_path, monkeypatch):
    """The engine is given bytes, not a file that may be gone; and the history has no such one."""
    monkeypatch.setattr(versions, "KEPT", 3)
    with closing(opened(tmp_path)) as other:
        for step in range(3):
            other.put(content(step + 1), "*")
        gone = other.current.path.name.replace("000000000004", "000000000001")
        (tmp_path / gone).symlink_to("nothing")  # listed, and removed before it was looked at
        store = opened(tmp_path, read_only=True)
        (tmp_path / gone).unlink()
        assert [each.number for each in store.history] == [2, 3, 4]
        for step in range(2):
            other.put(content(step + 7), "*")
        assert [each.number for each in store.history] == [4] and store.current.path is None
        assert store.content()[1] == store.content(4)[1] == content(3)
        with pytest.raises(Refusal, match="expected one of the versions 4 to 4, found 2"):
            store.content(2)


def test_read_only_writes_nothing_and_needs_no_lock(tmp_path):
    folder = tmp_path / "weights"
    run = str(run_of(TINY, tmp_path / "run"))
    for how, served in (({}, FIRST), ({"run": run}, of_run(run))):
        store = opened(folder, read_only=True, **how)
        assert store.content()[1] == served and store.current.path is None
        assert not folder.exists()
    with closing(opened(folder)) as other:
        other.put(content(1), "*")
        before = on_disk(folder)
        store = opened(folder, read_only=True)
        assert store.content()[1] == content(1)
        assert [each.etag for each in store.history] == [each.etag for each in other.history]
        with pytest.raises(Refusal, match="no write to a studio that ends or only reads"):
            store.put(content(2), "*")
        assert opened(folder, read_only=True, run=run).content()[1] == of_run(run)
        assert on_disk(folder) == before


# --- kill -9 --------------------------------------------------------------------------------------

WRITER = """
import sys, threading
from tests.viz.studio.test_weights import content, opened
store = opened(sys.argv[1])
print("started", flush=True)
def work(me):
    for i in range(10**6):
        version = store.put(content(i % 50, writer=float(me)), "*")
        sys.stdout.write(f"{version.number} {version.sha256}\\n")
        sys.stdout.flush()
for me in range(4):
    threading.Thread(target=work, args=[me]).start()
"""


def test_after_kill_9_all_that_was_acknowledged_is_there_and_all_is_whole(tmp_path):
    """The versions on disk are the acknowledged ones and at most one after them, in their order."""
    folder, last = tmp_path / "weights", 0
    for lines in (3, 40):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(folder)], stdout=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        )  # fmt: skip
        said = [process.stdout.readline() for _ in range(lines)]
        process.kill()
        said += process.communicate()[0].splitlines(keepends=True)
        told = dict(line.split() for line in said[1:] if line.endswith("\n"))
        with closing(opened(folder)) as store:
            found = {str(each.number): each.sha256 for each in store.history}
            kept = {number: tag for number, tag in told.items() if number in found}
            assert kept.items() <= found.items()
            gone = [int(number) for number in told.keys() - found.keys()]
            assert all(number < store.history[0].number for number in gone)
            assert last <= max(map(int, told)) <= store.current.number
            last = store.current.number
            for version in store.history:
                read_snapshot(store.content(version.number)[1], "body")
        assert not list(folder.glob(".writing-*"))
    assert json.loads((folder / "start.json").read_text()) == {}
