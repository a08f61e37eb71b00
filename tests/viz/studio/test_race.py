"""Laps of a race on the server: it learns what Python learns, on as many threads as it says, never
beside a job, and no longer than somebody waits for it."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("fastapi")

from autograd.random import order
from models.mlp import MLP
from models.mnist.settings import Settings
from models.mnist.train import build_trainer
from tests.few import few
from tests.viz.studio.client import WRITING, client, refused
from viz.studio.api.race import _unless_gone
from viz.studio.datasets import Datasets
from viz.studio.jobs.jobs import Jobs
from viz.studio.race import workers as races
from viz.studio.race.workers import Race
from viz.studio.refusal import Refusal

FEW = few()
STEPS = 6
ENTRY = {"dataset": "mnist", "architecture": "28x28-12-10_relu_sgd_64", "steps": STEPS, "seed": 3}


@pytest.fixture(scope="module")
def studio():
    with client(datasets=Datasets(few())) as made:
        yield made


def raced(studio, **entry):
    answer = studio.post("/api/race", json={**ENTRY, **entry}, headers=WRITING)
    assert answer.status_code == 200, answer.text
    return answer.json()


def eager(optimizer="sgd", dropout=0.0, **how):
    """What the Trainer of models.mnist loses in these steps, without a compiler."""
    settings = Settings(
        (12,), "relu", 1, 64, optimizer, schedule="constant", seed=3, dropout=dropout, eager=True,
        **how,
    )  # fmt: skip
    model = MLP((784, 12, 10), "relu", 3, dropout)
    trainer = build_trainer(settings, model, FEW.train, FEW.scale)
    rows = order(len(FEW.train), 3, 0)[: STEPS * 64].reshape(STEPS, 64)
    batches = [FEW.train.take(batch) for batch in rows]
    return [float(trainer._step(each.images, each.labels)[0].data) for each in batches]


@pytest.mark.parametrize(
    ("name", "how", "sent"),
    [
        ("sgd", {"lr": 0.1, "momentum": 0.9}, {}),
        ("sgd", {"lr": 0.05, "momentum": 0.0, "weight_decay": 0.01, "dropout": 0.3},
         {"rate": 0.05, "momentum": 0.0, "decay": 0.01}),
        ("adam", {"lr": 0.001}, {"rate": 0.001}),
    ],
)  # fmt: skip
def test_a_lap_loses_what_python_loses_and_each_lap_the_same(studio, name, how, sent):
    """From the same weights, by the same examples in the same order. Adam divides by what is nearly
    0, which makes more of rounding."""
    dropped = f"_d{how['dropout']}" if "dropout" in how else ""
    architecture = f"28x28-12-10_relu_{name}_64{dropped}"
    laps = [raced(studio, architecture=architecture, **sent) for _ in range(2)]
    np.testing.assert_allclose(laps[0]["losses"], eager(name, **how), rtol=1e-5)
    assert laps[0]["losses"] == laps[1]["losses"], "a lap does not begin where the other did"
    for each in laps:
        assert (each["by"], each["threads"]) == ("C", 1), each
        assert each["how"].startswith("compiled to C")
        assert 0 < each["seconds"] < 5


def test_all_threads_are_those_that_the_server_may_use_and_lose_the_same(studio, monkeypatch):
    """Their sums are in the same order."""
    one = raced(studio)
    monkeypatch.setattr(races, "all_threads", lambda: 3)
    studio.app.state.studio.race.close()
    studio.app.state.studio.race._engines.clear()
    found = raced(studio, threads="all")
    assert (found["threads"], found["cores"]) == (3, 3)
    assert found["losses"] == one["losses"]


def test_without_a_compiler_it_is_never_called_c(monkeypatch):
    monkeypatch.setenv("CHAINRULE_CC", "")
    with client(datasets=Datasets(few())) as made:
        found = raced(made)
    assert (found["by"], found["how"]) == ("NumPy", "replayed by NumPy: there is no C compiler")
    np.testing.assert_allclose(found["losses"], eager(lr=0.1, momentum=0.9), rtol=1e-5)


def test_a_loss_that_is_no_number_is_none(studio):
    assert raced(studio, rate=1e9)["losses"][-1] is None


@pytest.mark.parametrize(
    ("entry", "status", "where", "words"),
    [
        ({"steps": 0}, 422, "body.steps", "at least 1"),
        ({"steps": 10_001}, 422, "body.steps", "at most 10000"),
        ({"steps": 32}, 422, "body.steps", "at most 31 "),  # of an epoch of 2,000 digits
        ({"rate": -1}, 422, "body.rate", "at least 0"),
        ({"momentum": 1.5}, 422, "body.momentum", "at most 1"),
        ({"threads": "two"}, 422, "body.threads", "'one' or 'all'"),
        ({"threads": 4}, 422, "body.threads", ""),
        ({"dataset": "none"}, 404, "dataset", "mnist"),
        ({"architecture": "28x28-12-10"}, 422, "architecture", "a name such as"),
        ({"architecture": "28x28-12-10_relu_sgd_64_relaxed"}, 422, "body.architecture", "without"),
        ({"architecture": "8x8-12-10_relu_sgd_64"}, 422, "body.dataset", "uint8 8x8"),
        ({"architecture": "28x28-12-7_relu_sgd_64"}, 422, "body.dataset", "7 classes"),
        ({"architecture": "28x28-12-10_relu_sgd_2048"}, 422, "body.steps", "at most 0 "),
        ({"architecture": "28x28-4096-4096-10_relu_sgd_1024", "steps": 1}, 200, "", ""),
        ({"architecture": "28x28-4096-4096-4096-4096-4096-10_relu_sgd_2000", "steps": 1}, 422,
         "body.steps", "at most 0 "),
        ({"more": 1}, 422, "body.more", "nothing"),
    ],
)  # fmt: skip
def test_what_does_not_fit_or_takes_too_long_is_refused_in_words(
    studio, monkeypatch, entry, status, where, words
):
    made = SimpleNamespace(by="C", how="", threads=1, seconds=1.0, losses=np.zeros(1))
    monkeypatch.setattr(Race, "lap", lambda *_: asyncio.sleep(0, made))
    answer = studio.post("/api/race", json={**ENTRY, **entry}, headers=WRITING)
    if status == 200:
        assert answer.status_code == 200
    else:
        assert words in refused(answer, status, where)


def test_it_needs_the_token_and_a_server_that_is_read_only_races_too(studio):
    assert studio.post("/api/race", json=ENTRY).status_code == 401
    with client(datasets=Datasets(few()), read_only=True) as made:
        assert raced(made)["by"] == "C"


def test_beside_a_job_nothing_is_raced(studio, monkeypatch):
    job = SimpleNamespace(address="/api/jobs/retrain-1", state="running")
    monkeypatch.setattr(Jobs, "active", lambda self: job)
    answer = studio.post("/api/race", json=ENTRY, headers=WRITING)
    assert "no job at work, which it would slow" in refused(answer, 409, "race")
    assert "/api/jobs/retrain-1, which is running" in answer.text


def numbers(race):
    """The numbers of the processes of its workers."""
    return [engine._worker.process.pid for engine in race._engines.values()]


def is_gone(number):
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return True
    return False


def soon(holds):
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_of_two_races_the_second_waits_for_nobody_and_workers_end_when_nobody_asks(monkeypatch):
    monkeypatch.setattr(races, "IDLE", 0.3)
    with client(datasets=Datasets(few())) as made:
        race = made.app.state.studio.race
        answers = []
        threads = [
            threading.Thread(
                target=lambda: answers.append(
                    made.post("/api/race", json=ENTRY, headers=WRITING).status_code
                )
            )
            for _ in range(2)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(answers) == [200, 409]
        (number,) = numbers(race)
        soon(lambda: is_gone(number))
        assert raced(made)["by"] == "C"  # another one is made


def test_a_client_that_goes_ends_the_lap_and_the_next_is_made(monkeypatch):
    """A lap may take seconds: who has gone is to take no cores from others."""
    monkeypatch.setattr(races, "lap", slow)
    race = Race()

    async def run():
        made = asyncio.ensure_future(race.lap(None, "one"))
        gone = asyncio.Event()

        async def receive():
            await gone.wait()
            return {"type": "http.disconnect"}

        answer = asyncio.ensure_future(_unless_gone(SimpleNamespace(receive=receive), made))
        await asyncio.to_thread(soon, lambda: race._engines and race._engines["one"]._worker)
        (number,) = numbers(race)
        gone.set()
        with pytest.raises(Refusal, match="gone"):
            await answer
        await asyncio.to_thread(soon, lambda: is_gone(number))
        monkeypatch.setattr(races, "lap", quick)
        return await race.lap("next", "one")

    assert asyncio.run(run()) == "next"
    race.close()


def slow(_):
    time.sleep(60)


def quick(task):
    return task
