"""Run folders over HTTP: what is in them is told, nothing in them is trusted, and one that goes on
in a terminal is watched live."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest

from data.files import write
from models.mnist.checkpoint import read_snapshot
from models.runs.arrays import unpack
from models.runs.checkpoints import newest
from models.runs.lock import Lock
from tests.models.processes import (
    ENDLESS,
    ENVIRONMENT,
    RECIPE,
    begin,
    end,
    go_on,
    here,  # noqa: F401  (used by every test)
    kill,
    until,
)
from tests.viz.studio.client import client, refused
from tests.viz.studio.live import LIMIT, live
from viz.studio.jobs.runs import Runs
from viz.studio.studio import STREAMS

FILES = ("metrics", "histograms", "weights", "checkpoints")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run that ended, and the dataset that it learned from."""
    folder = tmp_path_factory.mktemp("made")
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 3, 300)
    images = 60 * labels[:, None, None] + generator.integers(0, 100, (300, 5, 5))
    np.savez(folder / "tiny.npz", images=images.astype(np.uint8), labels=labels)
    command = [sys.executable, "-m", "models.mnist", "train", "--dataset", "tiny.npz", *RECIPE]
    subprocess.run(
        [*command, "--epochs", "5", "--out", "run"], env=ENVIRONMENT, cwd=folder,
        capture_output=True, check=True,
    )  # fmt: skip
    return folder / "run"


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """A studio for all tests, which costs a process, and its folder of runs."""
    folder = tmp_path_factory.mktemp("opened")
    with client(folder=folder) as found:
        yield found, folder


@pytest.fixture
def run_folder(request, made):
    """The run, in a folder of runs; where there is a studio, in its own."""
    if "studio" in request.fixturenames:
        folder = request.getfixturevalue("opened")[1]
        for name in set(os.listdir(folder)) - {".studio"}:
            path = folder / name
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        os.symlink(folder, "runs")
    shutil.copytree(made, "runs/first")
    return Path("runs/first")


@pytest.fixture
def studio(opened, run_folder):
    return opened[0]


def lines_of(file):
    return [json.loads(text) for text in file.read_text().splitlines()]


def test_a_run_is_told_as_it_is(studio, run_folder):
    (listed,) = studio.get("/api/runs").json()
    assert listed["name"] == "first" and listed["state"] == "finished"
    assert (listed["sizes"], listed["activation"], listed["dataset"]) == (
        [25, 8, 3],
        "relu",
        "tiny",
    )
    assert (listed["epochs"], listed["epoch"]) == (5, 5)
    assert listed["accuracy"] == lines_of(run_folder / "metrics.jsonl")[-1]["validation_accuracy"]
    whole = studio.get("/api/runs/first").json()
    assert {key: whole[key] for key in listed} == listed
    for name in ("config", "summary"):
        assert whole[name] == json.loads((run_folder / f"{name}.json").read_text())
    for name in ("metrics", "histograms"):
        said = studio.get(f"/api/runs/first/{name}").json()
        assert said == lines_of(run_folder / f"{name}.jsonl")


def test_the_weights_of_a_run_and_of_its_checkpoints_are_files_of_weights(studio, run_folder):
    answer = studio.get("/api/runs/first/weights")
    assert answer.headers["content-type"] == "application/vnd.safetensors"
    assert answer.content == (run_folder / "model.safetensors").read_bytes()
    again = studio.get("/api/runs/first/weights", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    head = studio.head("/api/runs/first/weights")
    assert head.headers["ETag"] == answer.headers["ETag"] and not head.content
    steps = [each["step"] for each in studio.get("/api/runs/first/checkpoints").json()]
    found, _ = newest(run_folder / "checkpoints")
    assert 1 <= len(steps) <= 3 and steps[-1] == found.step
    content = studio.get(f"/api/runs/first/checkpoints/{found.step}").content
    snapshot = read_snapshot(content, "checkpoint")
    assert snapshot.step == found.step
    last = unpack(answer.content)[0]
    assert all((snapshot.arrays[name] == array).all() for name, array in last.items())
    states = {name for name in found.arrays if name.startswith("optimizer.")}
    assert set(snapshot.states) == states and "optimizer.velocity.0" in states
    refused(studio.get("/api/runs/first/checkpoints/7"), 404, "step")


@pytest.mark.parametrize(
    "name", ["none", "%2e%2e", "%2e%2e%2fruns", ".studio", "first%00", "notes", "file", "out",
             "x" * 255, "%ff"],
)  # fmt: skip
@pytest.mark.parametrize("of", ["", *(f"/{each}" for each in FILES), "/events"])
def test_what_is_no_run_is_not_there(studio, name, of):
    for folder in ("notes", "elsewhere"):
        Path("runs" if folder == "notes" else ".", folder).mkdir(exist_ok=True)
    Path("runs/file").touch()
    shutil.copy("runs/first/config.json", "elsewhere")
    Path("runs/out").symlink_to(Path("elsewhere").absolute())
    assert studio.get(f"/api/runs/{name}{of}").status_code == 404
    assert [each["name"] for each in studio.get("/api/runs").json()] == ["first"]


@pytest.mark.parametrize("name", ["metrics.jsonl", "histograms.jsonl", "model.safetensors"])
@pytest.mark.parametrize("put", ["nothing", "a link", "a pipe", "a folder", "much"])
def test_a_file_that_is_not_a_runs_own_is_not_read(studio, run_folder, name, put):
    """No pipe is waited for, no link leads to other files, and no file fills the memory."""
    file = run_folder / name
    file.unlink()
    match put:
        case "a link":
            Path("secret").write_text('{"epoch": 1, "step": 1, "secret": 1}\n')
            file.symlink_to(Path("secret").absolute())
        case "a pipe":
            os.mkfifo(file)
        case "a folder":
            file.mkdir()
        case "much":
            with file.open("wb") as opened:
                opened.truncate(1 << 41)
    of = {"model.safetensors": "weights"}.get(name, name.removesuffix(".jsonl"))
    answer = studio.get(f"/api/runs/first/{of}")
    assert answer.status_code == (422 if put == "much" else 404)
    assert "at most" in answer.text if put == "much" else "secret" not in answer.text
    (listed,) = studio.get("/api/runs").json()
    assert (listed["epoch"] is None) == (name == "metrics.jsonl")


@pytest.mark.parametrize("name", ["config.json", "summary.json"])
@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"sizes": "x", "settings": [], "dataset": 1, "reason": {}}',
             '{"sizes": [1e999], "settings": {"epochs": NaN}, "loss": Infinity}', "[" * 100_000],
)  # fmt: skip
def test_what_a_run_says_is_not_trusted(studio, run_folder, name, text):
    (run_folder / name).write_text(text)
    (listed,) = studio.get("/api/runs").json()
    assert listed["name"] == "first"
    answer = studio.get("/api/runs/first")
    is_object = text.startswith("{") and len(text) > 1
    assert answer.status_code == (200 if is_object else 422)
    assert "NaN" not in answer.text and "Infinity" not in answer.text


@pytest.mark.parametrize("name", ["two words", "お茶", "100%", "a+b", "#1?", "é"])
def test_a_run_of_any_name_is_found(studio, run_folder, name):
    shutil.move(run_folder, Path("runs", name))
    assert [each["name"] for each in studio.get("/api/runs").json()] == [name]
    assert studio.get(f"/api/runs/{quote(name, safe='')}").json()["name"] == name


def test_lines_that_are_damaged_or_not_finite_are_left_out_or_null(studio, run_folder):
    lines = ['{"epoch": 1, "step": 2, "train_loss": NaN}', "half", '{"epoch": 2}', "\xff", "{}"]
    with open(run_folder / "metrics.jsonl", "w", encoding="latin-1") as file:
        file.write("\n".join(lines))
    said = studio.get("/api/runs/first/metrics").json()
    assert said == [{"epoch": 1, "step": 2, "train_loss": None}]


def test_ten_thousand_folders_do_not_hide_a_run(studio):
    """Lists have a bound; an address finds its run beyond it."""
    for i in range(10_001):
        os.mkdir(f"runs/other-{i}")
    assert studio.get("/api/runs/first").status_code == 200
    assert len(studio.get("/api/runs").json()) <= 1


def test_whether_a_run_goes_on_is_seen_by_its_lock(run_folder):
    found = Runs(Path("runs")).get("first")
    held = Lock(run_folder)
    assert found.state == "running"
    held.release()
    assert found.state == "finished"
    for reason, state in (("reached", "finished"), ("stopped", "stopped"), ("else", "unknown")):
        (run_folder / "summary.json").write_text(json.dumps({"reason": reason}))
        assert found.state == state
    (run_folder / "summary.json").unlink()
    assert found.state == "unknown"


# --- watched --------------------------------------------------------------------------------------


def epochs(events):
    return [(id, data["epoch"]) for event, id, data in events if event == "epoch"]


def test_a_run_in_a_terminal_is_watched_live_also_where_it_goes_on():
    process = begin(*ENDLESS, out="runs/run")
    until(process, "2/")
    file = Path("runs/run/metrics.jsonl")
    with live(folder=Path("runs")) as served:
        watched = iter(served.events("/api/runs/run/events"))
        seen = [next(watched) for _ in range(20)]
        assert epochs(seen) == [(str(n), n) for n in range(1, 21)]
        assert [data for _, _, data in seen] == lines_of(file)[:20]
        assert end(process, signal.SIGTERM)[0] == 143
        seen += watched
        assert seen[-1] == ("end", None, {"state": "stopped"})
        lines = lines_of(file)
        assert [data for _, _, data in seen[:-1]] == lines
        process = go_on("runs/run")
        until(process, "resumed", more=4)
        again = iter(served.events("/api/runs/run/events", seen[-2][1]))
        assert epochs([next(again)]) == [(str(n), n) for n in [int(seen[-2][1]) + 1]]
        kill(process)


def test_a_stream_goes_on_after_the_last_event_that_was_seen(run_folder):
    with live(folder=Path("runs")) as served:
        whole = list(served.events("/api/runs/first/events"))
        assert epochs(whole) == [(str(n), n) for n in range(1, 6)]
        assert whole[-1] == ("end", None, {"state": "finished"})
        for last, first in (("3", 4), ("0", 1), ("5", 6), ("x", 1), ("-1", 1), ("1e3", 1)):
            seen = list(served.events("/api/runs/first/events", last))
            assert epochs(seen) == [(str(n), n) for n in range(first, 6)], last
            assert seen[-1] == whole[-1]


def test_part_of_an_epoch_is_told_again_when_it_is_whole(run_folder):
    """A run that was stopped within its third epoch, and goes on: the line is written anew."""
    file = run_folder / "metrics.jsonl"
    whole = lines_of(file)
    part = {**whole[2], "step": whole[2]["step"] - 3, "train_loss": 9.0}

    def put(*lines):
        write(file, "".join(json.dumps(line) + "\n" for line in lines))

    put(*whole[:2], part)
    with Lock(run_folder), live(folder=Path("runs")) as served:
        watched = iter(served.events("/api/runs/first/events"))
        assert epochs(next(watched) for _ in range(3)) == [("1", 1), ("2", 2), ("2", 3)]
        again = iter(served.events("/api/runs/first/events", "2"))
        assert next(again)[2] == part
        put(*whole[:2])
        put(*whole[:3])
        for each in (watched, again):
            assert next(each)[2] == whole[2]
        put(*whole[:3])  # the same, made whole again: nothing is new
        put(*whole[:4])
        for each in (watched, again):
            assert next(each)[2] == whole[3]
        other = {**whole[1], "train_loss": 9.0}
        put(whole[0], other, *whole[2:3])  # it went back to an earlier checkpoint
        for each in (watched, again):
            assert [next(each)[2] for _ in range(3)] == [whole[0], other, whole[2]]


def test_streams_are_bounded_free_their_places_and_end_with_the_server(run_folder):
    with Lock(run_folder), live(folder=Path("runs")) as served:
        opened = [served.events("/api/runs/first/events") for _ in range(STREAMS)]
        assert all(each.answer.status == 200 for each in opened)
        refused = served.events("/api/runs/first/events").answer
        assert (refused.status, refused.headers["Retry-After"]) == (503, "5")
        assert json.loads(refused.read())["error"]["where"] == "events"
        opened.pop().close()
        end = time.monotonic() + LIMIT
        while served.events("/api/runs/first/events").answer.status == 503:
            assert time.monotonic() < end
        served.close()
        for each in opened:
            assert epochs(each) == [(str(n), n) for n in range(1, 6)]


def test_a_stream_that_has_nothing_to_say_is_kept_alive(run_folder, monkeypatch):
    """Else proxies close it."""
    monkeypatch.setattr("viz.studio.jobs.events.SILENCE", 0.0)
    with Lock(run_folder), live(folder=Path("runs")) as served:
        answer = served.events("/api/runs/first/events").answer
        lines = [answer.readline() for _ in range(5 * 4 + 4)]
        assert lines[-4:] == [b": ping\n", b"\n"] * 2


def test_head_of_a_stream_is_over_at_once(studio):
    answer = studio.head("/api/runs/first/events")
    assert answer.status_code == 200 and not answer.content
    assert answer.headers["content-type"].startswith("text/event-stream")
