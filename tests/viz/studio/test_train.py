"""`/api/train`: one example and many are learned by the served weights, and what was learned is
served and kept."""

import json
import threading
from functools import partial

import numpy as np
import pytest
from anyio import to_thread

from models.mnist.checkpoint import read_snapshot
from tests.viz.studio.client import WRITING, client, refused
from tests.viz.studio.test_learning import IMAGES, LABELS, block
from tests.viz.studio.test_weights import content
from viz.studio.engine.learning import learn

SENT = {**WRITING, "Content-Type": "application/octet-stream"}


@pytest.fixture(scope="module")
def studio():
    with client() as made:
        yield made


@pytest.fixture
def tag(studio):
    """Of the small weights that every test begins with."""
    sent = {**SENT, "If-Match": "*"}
    return studio.put("/api/weights", content=content(), headers=sent).headers["etag"]


@pytest.mark.parametrize("count", [1, 6])
@pytest.mark.parametrize("is_json", [True, False])
def test_one_example_and_many_are_learned_served_and_kept(studio, tag, count, is_json):
    images, labels = IMAGES[:count], LABELS[:count]
    expected = learn(content(), images, labels, 0.1, 3)
    said = {"images": images.tolist(), "labels": labels.tolist()}
    body = json.dumps(said).encode() if is_json else block(images, labels)
    media = "application/json" if is_json else "application/octet-stream"
    sent = {**WRITING, "If-Match": tag, "Content-Type": media}
    answer = studio.post("/api/train?rate=0.1&steps=3", content=body, headers=sent)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert told["losses"] == expected.losses
    assert tuple(told["accuracy"].values()) == expected.accuracy
    assert told["version"]["cause"] == "train"
    assert told["version"]["etag"] == answer.headers["etag"] != tag
    served = studio.get("/api/weights")
    assert served.content == expected.content and served.headers["etag"] == answer.headers["etag"]
    assert studio.get("/api/weights/history").json()["versions"][0] == told["version"]


def test_the_loss_that_is_told_is_the_one_before_the_step(studio, tag):
    """Else a page draws a curve that is a step ahead of its weights."""
    sent = {**SENT, "If-Match": "*"}
    path, body = "/api/train?rate=0.1", block(IMAGES, LABELS)
    losses = [studio.post(path, content=body, headers=sent).json()["losses"] for _ in range(2)]
    studio.put("/api/weights", content=content(), headers=sent)
    both = studio.post(f"{path}&steps=2", content=body, headers=sent).json()["losses"]
    assert [loss for (loss,) in losses] == both


def test_a_training_names_the_weights_that_it_is_of(studio, tag):
    body = block(IMAGES, LABELS)
    refused(studio.post("/api/train", content=body, headers=SENT), 428, "If-Match")
    wrong = {**SENT, "If-Match": '"x"'}
    answer = studio.post("/api/train", content=body, headers=wrong)
    refused(answer, 412, "If-Match")
    assert answer.headers["etag"] == tag and studio.get("/api/weights").content == content()


@pytest.mark.parametrize("given", ["tag", "*"])
def test_weights_that_change_meanwhile_are_not_overwritten(studio, tag, monkeypatch, given):
    """A training takes seconds, in which somebody may have put others: theirs are kept."""

    async def slow(*args):
        put = partial(studio.put, "/api/weights", content=content(5))
        await to_thread.run_sync(partial(put, headers={**SENT, "If-Match": "*"}))
        return learn(content(), IMAGES, LABELS, 0.1, 1)

    monkeypatch.setattr(studio.app.state.studio.engine, "call", slow)
    sent = {**SENT, "If-Match": tag if given == "tag" else "*"}
    refused(studio.post("/api/train", content=b"", headers=sent), 412, "If-Match")
    assert studio.get("/api/weights").content == content(5)


@pytest.mark.parametrize(
    ("query", "body", "media", "status", "where"),
    [
        ("rate=0", block(IMAGES, LABELS), "application/octet-stream", 422, "query.rate"),
        ("rate=-1", block(IMAGES, LABELS), "application/octet-stream", 422, "query.rate"),
        ("rate=nan", block(IMAGES, LABELS), "application/octet-stream", 422, "query.rate"),
        ("rate=inf", block(IMAGES, LABELS), "application/octet-stream", 422, "query.rate"),
        ("steps=0", block(IMAGES, LABELS), "application/octet-stream", 422, "query.steps"),
        ("steps=10001", block(IMAGES, LABELS), "application/octet-stream", 422, "query.steps"),
        ("dtype=int8", block(IMAGES, LABELS), "application/octet-stream", 422, "query.dtype"),
        ("", b"", "application/octet-stream", 422, "images"),
        ("", block(IMAGES, LABELS + 2), "application/octet-stream", 422, "labels"),
        ("", b"{}", "application/json", 422, "body"),
        ("", b"\0" * (2**24 + 1), "application/octet-stream", 413, "body"),
        ("", b"", "text/plain", 415, "Content-Type"),
    ],
)
def test_what_cannot_be_learned_changes_nothing(studio, tag, query, body, media, status, where):
    sent = {**WRITING, "Content-Type": media, "If-Match": tag}
    refused(studio.post(f"/api/train?{query}", content=body, headers=sent), status, where)
    assert studio.get("/api/weights").content == content()


def test_of_trainings_at_once_each_that_is_answered_is_kept(studio, tag):
    """With a lost update fewer steps are in the weights than were answered."""
    before = studio.get("/api/weights/history").json()["versions"][0]["version"]
    done = []

    def work():
        for _ in range(6):
            sent = {**SENT, "If-Match": studio.get("/api/weights").headers["etag"]}
            answer = studio.post("/api/train", content=block(IMAGES, LABELS), headers=sent)
            assert answer.status_code in (200, 412)
            done.append(answer.status_code == 200)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    served = read_snapshot(studio.get("/api/weights").content, "body")
    assert served.step == sum(done) > 0
    newest = studio.get("/api/weights/history").json()["versions"][0]["version"]
    assert newest == before + sum(done)
    assert np.isfinite(served.arrays["0.weight"]).all()
