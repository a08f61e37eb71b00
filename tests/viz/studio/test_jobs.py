"""The background job: what it learns is what the command line learns, and nothing of it is lost."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

import data
from models.command_line import InputError
from models.mnist.settings import Settings
from models.runs.files import read_lines
from models.runs.lock import in_use
from tests.few import drawn
from tests.models.processes import ENVIRONMENT, go_on, here, result, run  # noqa: F401
from tests.viz.studio.client import WRITING, client, refused
from tests.viz.studio.live import LIMIT, live
from viz.studio.datasets import Datasets
from viz.studio.jobs.jobs import ACTIVE, Jobs
from viz.studio.replies import Refusal

RECIPE = Settings(hidden=(8,), batch_size=16, lr=0.1, epochs=150)
ANY = {**WRITING, "If-Match": "*", "Content-Type": "application/json"}
ENDLESS = Settings(hidden=(8,), batch_size=16, lr=0.1, epochs=1_000_000, schedule="constant")
SERVER = """
import sys, time
from pathlib import Path
import data
from models.mnist.settings import Settings
from tests.viz.studio.client import WRITING, client, refused
from tests.viz.studio.live import LIMIT, live
from viz.studio.datasets import Datasets
from viz.studio.jobs.jobs import Jobs
jobs = Jobs(Path("runs"), lambda content, tag: "")
settings = Settings(hidden=(8,), batch_size=16, lr=0.1, epochs=1_000_000, schedule="constant")
job = jobs.start(settings, data.load("tiny.npz").describe(), "*")
while not (found := jobs.get(job.id)).progress or found.progress.epoch < 3:
    time.sleep(0.01)
print(job.id, flush=True)
time.sleep(60)
"""


class Weights:
    """What is served: a job's weights replace those with the tag, once."""

    def __init__(self):
        self.content, self.tag = b"", '"first"'

    def put(self, content, if_match):
        if if_match != self.tag:
            raise Refusal(412, "If-Match", self.tag, if_match)
        self.content, self.tag = content, '"second"'
        return self.tag


@pytest.fixture
def weights():
    return Weights()


@pytest.fixture
def jobs(weights):
    made = Jobs(Path("runs"), weights.put)
    yield made
    made.close()


def start(jobs, settings=RECIPE, tag='"first"'):
    return jobs.start(settings, data.load("tiny.npz").describe(), tag)


def until(holds):
    """Wait until something holds; gives it."""
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        if found := holds():
            return found
        time.sleep(0.01)
    pytest.fail("it never came")


def ended(jobs, id):
    """The job, when it has ended."""
    return until(lambda: (job := jobs.get(id)).state not in ACTIVE and job)


def at_work(jobs, id, epoch=3):
    """The job, when it is in this epoch."""
    return until(lambda: (job := jobs.get(id)).progress and job.progress.epoch >= epoch and job)


def child_of(jobs, id):
    """The number of a job's process."""
    return until(lambda: json.loads(Path("runs", id, ".lock").read_text() or "{}")).get("pid")


def test_what_was_interrupted_goes_on_to_the_same_bits_and_is_served(jobs, weights):
    """Closed with its server, killed, gone on with in a terminal: the run is one and the same."""
    whole = start(jobs)
    assert ended(jobs, whole.id).state == "finished"
    assert weights.content == Path("runs", whole.id, "model.safetensors").read_bytes()
    job = start(jobs, tag='"second"')
    at_work(jobs, job.id)
    jobs.close()
    again = Jobs(Path("runs"), weights.put)
    assert again.get(job.id).state == "interrupted"
    with pytest.raises(Refusal, match="about to end"):
        start(jobs)
    assert again.resume(job.id, '"first"').state == "queued"
    at_work(again, job.id, epoch=4)
    os.kill(child_of(again, job.id), signal.SIGKILL)
    killed = ended(again, job.id)
    assert killed.state == "interrupted" and "memory" in killed.message
    run(go_on(f"runs/{job.id}"))
    found = again.get(job.id)
    assert found.state == "finished" and "not served, and kept in its run" in found.message
    assert result(f"runs/{job.id}") == result(f"runs/{whole.id}")
    assert [each.id for each in again.all()] == [job.id, whole.id]
    with pytest.raises(Refusal, match="which is finished"):
        again.resume(job.id, '"second"')


def test_one_job_at_a_time_and_what_a_cancelled_one_learned_is_kept(jobs, weights):
    job = start(jobs, ENDLESS)
    with pytest.raises(Refusal) as caught:
        start(jobs)
    assert caught.value.status == 409 and job.id in str(caught.value)
    assert caught.value.headers == {"Location": f"/api/jobs/{job.id}"}
    progress = at_work(jobs, job.id).progress
    assert (progress.epochs, progress.steps_per_epoch) == (1_000_000, 13)
    assert progress.examples_per_second > 0 and progress.metrics["step"] <= progress.step
    os.kill(child_of(jobs, job.id), signal.SIGSTOP)  # it saves as slowly as can be
    for _ in range(2):
        assert jobs.cancel(job.id).state == jobs.get(job.id).state == "cancelling"
    os.kill(child_of(jobs, job.id), signal.SIGCONT)
    assert ended(jobs, job.id).state == "cancelled"
    assert jobs.cancel(job.id).state == "cancelled"
    kept = set(os.listdir(Path("runs", job.id)))
    assert kept >= {"model.safetensors", "summary.json", "checkpoints", "job.json"}
    assert weights.tag == '"first"'
    step = json.loads(Path("runs", job.id, "summary.json").read_text())["steps"]
    jobs.resume(job.id, "*")
    assert at_work(jobs, job.id).progress.step >= step
    jobs.close()


def test_weights_that_somebody_else_wrote_meanwhile_stay(jobs, weights):
    job = start(jobs, Settings(hidden=(), epochs=2))
    weights.tag = '"another"'
    found = ended(jobs, job.id)
    assert found.state == "finished" and found.weights is None
    assert found.message.endswith('If-Match: expected "another", found "first"')
    assert weights.content == b"" and Path("runs", job.id, "model.safetensors").is_file()
    assert Jobs(Path("runs"), weights.put).get(job.id) == found


def test_why_a_job_failed_is_said_in_the_words_of_the_command_line(jobs, weights):
    job = start(jobs, Settings(hidden=(8,), epochs=2, lr=1e30, batch_size=16))
    found = ended(jobs, job.id)
    assert found.state == "failed" and "the loss became" in found.message
    assert weights.content == b""
    os.rename("tiny.npz", "gone.npz")
    found = jobs.resume(job.id, "*")
    assert ended(jobs, job.id).message.startswith("its dataset, tiny, cannot be loaded")
    assert Jobs(Path("runs"), weights.put).get(job.id).state == "failed"


@pytest.mark.parametrize("settings", [{"batch_size": 300}, {"validation": 240}])
def test_settings_that_do_not_fit_the_dataset_are_refused_at_once(jobs, settings):
    with pytest.raises(InputError, match="expected"):
        start(jobs, Settings(**settings))
    assert not Path("runs").exists()


def test_a_job_that_had_not_begun_when_its_server_ended_begins_later(jobs, weights):
    """It was answered for with 202: it must not be forgotten."""
    job = start(jobs, Settings(hidden=(), epochs=2))
    jobs.close()
    again = Jobs(Path("runs"), weights.put)
    assert again.get(job.id).state == "interrupted"
    again.resume(job.id, '"first"')
    assert ended(again, job.id).state == "finished" and weights.tag == '"second"'


def test_the_process_of_a_killed_server_saves_what_it_learned_and_ends(jobs):
    """It must not go on unseen for ever, nor lose what it has."""
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER], env=ENVIRONMENT, stdout=subprocess.PIPE, text=True
    )
    id = server.stdout.readline().strip()
    folder = Path("runs", id)
    assert jobs.get(id).state == "running" and in_use(folder)
    for asked in (lambda: jobs.cancel(id), lambda: jobs.resume(id, "*"), lambda: start(jobs)):
        with pytest.raises(Refusal) as caught:
            asked()
        assert caught.value.status == 409 and id in str(caught.value)
    server.kill()
    server.communicate()
    until(lambda: not in_use(folder))
    assert jobs.get(id).state == "interrupted" and any((folder / "checkpoints").iterdir())
    jobs.resume(id, "*")
    assert at_work(jobs, id)


@pytest.mark.parametrize("id", ["none", "..", ".", "", "../runs", "notes", "odd", ".studio"])
def test_what_is_no_job_is_not_there(jobs, id):
    for name in ("notes", "odd", ".studio"):
        Path("runs", name).mkdir(parents=True)
    for text in ("{}", "[1]", "{", '{"settings": 1, "dataset": 2, "created": 3}', "null"):
        Path("runs/odd/job.json").write_text(text)
        with pytest.raises(Refusal) as caught:
            jobs.get(id)
        assert caught.value.status == 404
        assert jobs.all() == []


# --- over HTTP ------------------------------------------------------------------------------------

SMALL = {"dataset": "tiny", "hidden": [8], "batch_size": 16, "lr": 0.1, "epochs": 3}


@pytest.fixture
def served():
    with live(folder=Path("runs"), datasets=Datasets(data.load("tiny.npz"))) as found:
        yield found


def ask(served, method, path, body=None, tag=None, **headers):
    """The answer to a request with the token: its status, headers, and JSON."""
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=LIMIT)
    headers = {**WRITING, "Content-Type": "application/json", **headers}
    headers |= {"If-Match": tag} if tag else {}
    connection.request(method, path, body and json.dumps(body), headers)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, answer.headers, json.loads(content or "null")


def test_a_job_is_watched_to_its_end_and_then_served(served):
    first = served.studio.weights.current.etag
    status, headers, job = ask(served, "POST", "/api/retrain", SMALL, first)
    assert status == 202 and job["state"] in ACTIVE
    assert headers["Location"] == f"/api/jobs/{job['id']}"
    status, again, error = ask(served, "POST", "/api/retrain", SMALL, first)
    assert (status, again["Location"]) == (409, headers["Location"])
    assert headers["Location"] in error["error"]["message"]
    seen = list(served.events(f"{headers['Location']}/events"))
    lines = [data for event, _, data in seen if event == "epoch"]
    assert [line["epoch"] for line in lines] == [1, 2, 3]
    assert lines == read_lines(Path("runs", job["id"], "metrics.jsonl"))[0]
    progress = [data for event, _, data in seen if event == "progress"]
    # On a machine that does much else there may be none: a slow reader of a short job.
    assert all(each["epochs"] == 3 for each in progress)
    assert [each["step"] for each in progress] == sorted(each["step"] for each in progress)
    assert seen[-1][0] == "end" and seen[-1][2]["state"] == "finished"
    now = served.studio.weights.current
    assert seen[-1][2]["weights"] == now.etag and now.cause == "retrain"
    assert ask(served, "GET", headers["Location"])[2] == seen[-1][2]
    assert ask(served, "GET", "/api/jobs")[2] == [seen[-1][2]]
    (run,) = ask(served, "GET", "/api/runs")[2]
    assert (run["name"], run["state"]) == (job["id"], "finished")
    assert ask(served, "POST", f"{headers['Location']}/resume", tag=now.etag)[0] == 409


def test_a_job_is_cancelled_and_goes_on(served):
    endless = {**SMALL, "epochs": 100_000, "schedule": "constant"}
    address = ask(served, "POST", "/api/retrain", endless, "*")[1]["Location"]
    watched = iter(served.events(f"{address}/events"))
    assert any(event == "epoch" for event, _, _ in watched)
    status, _, job = ask(served, "DELETE", address)
    assert (status, job["state"]) == (200, "cancelling")
    *_, (event, _, job) = watched
    assert event == "end" and job["state"] == "cancelled"
    status, headers, _ = ask(served, "POST", f"{address}/resume", tag="*")
    assert (status, headers["Location"]) == (202, address)
    assert any(event == "progress" for event, _, _ in served.events(f"{address}/events"))
    served.close()
    served.thread.join(LIMIT)
    found = Jobs(Path("runs"), lambda content, tag: tag).get(job["id"])
    assert found.state == "interrupted"


@pytest.fixture(scope="module")
def studio():
    with client(datasets=Datasets(drawn((5, 5), "abc", name="tiny"))) as found:
        yield found


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"hidden": [0]}, "body.hidden.0"),
        ({"hidden": [8] * 9}, "body.hidden"),
        ({"hidden": [4097]}, "body.hidden.0"),
        ({"epochs": 0}, "body.epochs"),
        ({"epochs": 1.5}, "body.epochs"),
        ({"epochs": "3"}, "body.epochs"),
        ({"epochs": 10**9}, "body.epochs"),
        ({"lr": -1}, "body.lr"),
        ({"lr": float("nan")}, "body.lr"),
        ({"lr": float("inf")}, "lr"),
        ({"dropout": 1}, "body.dropout"),
        ({"activation": "sine"}, "activation"),
        ({"optimizer": "adam", "momentum": 0.5}, "momentum"),
        ({"stop_at": 0.9, "validation": 0}, "validation"),
        ({"batch_size": 10_000}, "batch_size"),
        ({"out": "/etc"}, "body.out"),
        ({"eager": True}, "body.eager"),
    ],
)
def test_what_cannot_be_taught_is_refused_in_words_and_leaves_nothing(studio, change, where):
    answer = studio.post("/api/retrain", content=json.dumps({**SMALL, **change}), headers=ANY)
    refused(answer, 422, where)
    assert studio.get("/api/jobs").json() == []


def test_a_job_names_a_dataset_and_the_weights_that_it_is_to_replace(studio):
    send = partial(studio.post, "/api/retrain")
    refused(send(json={**SMALL, "dataset": "../tiny.npz"}, headers=ANY), 404, "dataset")
    refused(send(json=SMALL, headers=WRITING), 428, "If-Match")
    old = {**WRITING, "If-Match": '"old"'}
    answer = send(json=SMALL, headers=old)
    refused(answer, 412, "If-Match")
    assert answer.headers["etag"] == studio.head("/api/weights").headers["etag"]
    refused(studio.post("/api/jobs/none/resume", headers=ANY), 404, "job")
    refused(studio.delete("/api/jobs/none", headers=WRITING), 404, "job")
    refused(studio.get("/api/jobs/none/events"), 404, "job")
    refused(studio.post("/api/retrain", json=SMALL), 401, "Authorization")
