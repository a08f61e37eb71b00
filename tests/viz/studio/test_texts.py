"""Texts and places in files and in requests: whatever they are, they break and open nothing."""

import json
from dataclasses import asdict

import pytest

import data
from models.mnist.settings import Settings
from tests.few import drawn, run_of
from tests.viz.studio.client import WRITING, client
from viz.studio.jobs.mark import Mark
from viz.studio.weights import untrained

HALF = "half a pair: \ud800"
JOB = {
    "settings": asdict(Settings(batch_size=16, lr=0.1, momentum=0.9)),
    "dataset": drawn((2, 2), "ab", name=HALF).describe(),
    "created": HALF,
}
JOB |= {"state": "failed", "message": HALF, "weights": HALF}
SENT = {**WRITING, "If-Match": "*"}


@pytest.mark.parametrize("name", ["retrain-1", "\u65e5\u672c"])
def test_no_text_in_a_file_breaks_the_list_of_jobs(tmp_path, name):
    """One odd job.json must not hide all the others."""
    (tmp_path / name).mkdir()
    Mark(**JOB).write(tmp_path / name)
    with client(folder=tmp_path) as studio:
        (job,) = studio.get("/api/jobs").json()
        assert (job["id"], job["state"], job["message"]) == (name, "failed", HALF)
        assert studio.get(f"/api/jobs/{name}").json() == job
        assert studio.delete(f"/api/jobs/{name}", headers=WRITING).json() == job
        assert json.dumps(HALF) in studio.get(f"/api/jobs/{name}/events").text
        assert studio.get("/api/runs").status_code == 200
        answer = studio.post(f"/api/jobs/{name}/resume", headers=SENT)
        assert answer.status_code == 202 and answer.headers["location"].isascii()


def test_no_text_in_weights_breaks_an_answer(tmp_path):
    described = drawn((2, 2), "ab", name=HALF).describe() | {"classes": [HALF, "b"]}
    content = untrained([4, 2], "relu", described, 0)
    with client(folder=tmp_path) as studio:
        answer = studio.put("/api/weights", content=content, headers=SENT)
        assert answer.status_code in (200, 422), answer.text
        for path in ("weights", "weights/history", "server", "datasets"):
            sent = {"Accept": "application/json"}
            assert studio.get(f"/api/{path}", headers=sent).status_code in (200, 406)
        answer = studio.post("/api/retrain", json={}, headers=SENT)
        assert answer.status_code == 404, answer.text


@pytest.mark.parametrize(
    "body", [{"dataset": HALF}, {HALF: 1}, {"activation": HALF}, {"hidden": [HALF]}]
)
def test_no_text_in_a_request_breaks_its_refusal(studio, body):
    sent = {**SENT, "Content-Type": "application/json"}
    answer = studio.post("/api/retrain", content=json.dumps(body), headers=sent)
    assert answer.status_code in (404, 422), answer.text
    assert answer.json()["error"]["message"]


@pytest.fixture(scope="module")
def studio():
    with client() as made:
        yield made


def test_a_dataset_that_posted_weights_name_is_never_opened(tmp_path, monkeypatch):
    """Else who may write weights could have any file of this machine read at the next start."""
    dataset = drawn((2, 2), "ab", name="leaves")
    content = untrained([4, 2], "relu", dataset.describe(), 0)
    run = run_of(dataset, tmp_path / "run")
    opened = []
    load = data.load

    def noted(*source, **how):
        opened.append(source)
        return load(*source, **how) if source == ("mnist",) else dataset

    monkeypatch.setattr("data.load", noted)
    for how in ({}, {"run": str(run)}):
        with client(folder=tmp_path / "runs", **how) as studio:
            assert studio.put("/api/weights", content=content, headers=SENT).status_code == 200
        opened.clear()
        with client(folder=tmp_path / "runs") as studio:
            assert "leaves" not in studio.get("/api/datasets").json()
            assert opened == []
        with client(folder=tmp_path / "runs", run=str(run)) as studio:
            assert "leaves" in studio.get("/api/datasets").json()
