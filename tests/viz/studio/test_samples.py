"""Datasets and their examples over HTTP: each is what `data.load` gives."""

from __future__ import annotations

import json
from urllib.parse import quote

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import data
from data.examples import digest
from tests.few import drawn
from tests.viz.studio.client import BINARY, JSON, client, refused
from viz.studio.datasets import Datasets, shrunk

MNIST = data.load("mnist")
TEST = MNIST.test


@pytest.fixture(scope="module")
def studio():
    with client() as made:
        yield made


def unpacked(content: bytes, shape, dtype=np.uint8):
    """The images and the labels of a Block."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    n, rest = divmod(len(content), size + 2)
    assert rest == 0
    images = np.frombuffer(content, dtype, n * int(np.prod(shape))).reshape(n, *shape)
    return images, np.frombuffer(content, "<u2", offset=n * size)


def test_a_dataset_says_what_it_is(studio):
    assert "mnist" in studio.get("/api/datasets").json()
    said = studio.get("/api/datasets/mnist").json()
    assert (said["name"], said["shape"], said["scale"], said["dtype"]) == (
        *("mnist", [28, 28], 255.0, "uint8"),
    )
    assert said["classes"] == list("0123456789")
    assert said["splits"]["test"] == {"count": 10_000, "sha256": digest(TEST)}
    assert "source" not in said  # the folders of this machine are nobody's business


@settings(max_examples=30, deadline=None)
@given(index=st.integers(0, 9999))
def test_a_sample_is_the_one_of_its_index(studio, index):
    address = f"/api/samples/mnist/test/{index}"
    said = studio.get(address, headers=JSON).json()
    assert np.array_equal(np.reshape(said["entries"], said["shape"]), TEST.images[index])
    assert (said["label"], said["index"]) == (TEST.labels[index], index)
    assert said["name"] == MNIST.classes[said["label"]]
    images, labels = unpacked(studio.get(address, headers=BINARY).content, (28, 28))
    assert np.array_equal(images[0], TEST.images[index]) and labels.tolist() == [said["label"]]


@settings(max_examples=20, deadline=None)
@given(label=st.integers(0, 9), index=st.integers(0, 800))
def test_a_sample_of_a_class_is_the_one_of_its_index_there(studio, label, index):
    said = studio.get(f"/api/samples/mnist/test/classes/{label}/{index}").json()
    assert said["index"] == np.flatnonzero(TEST.labels == label)[index]


def test_a_random_sample_is_the_same_for_a_seed(studio):
    address = "/api/samples/mnist/test/random"
    found = [studio.get(f"{address}?seed={seed}").json()["index"] for seed in range(20)]
    assert found == [studio.get(f"{address}?seed={seed}").json()["index"] for seed in range(20)]
    assert len(set(found)) > 10
    of_class = [studio.get(f"{address}?seed={seed}&label=7").json() for seed in range(20)]
    assert {each["label"] for each in of_class} == {7}
    assert len({each["index"] for each in of_class}) > 10


def test_a_random_sample_without_a_seed_is_kept_by_nobody(studio):
    answers = [studio.get("/api/samples/mnist/test/random") for _ in range(20)]
    assert len({each.json()["index"] for each in answers}) > 10
    assert {each.headers["cache-control"] for each in answers} == {"no-store"}


@pytest.mark.parametrize(("size", "number"), [(128, 0), (128, 78), (1, 9999), (10_000, 0)])
def test_blocks_are_the_examples_in_order(studio, size, number):
    content = studio.get(f"/api/samples/mnist/test/blocks/{size}/{number}").content
    images, labels = unpacked(content, (28, 28))
    rows = slice(size * number, size * (number + 1))
    assert np.array_equal(images, TEST.images[rows])
    assert np.array_equal(labels, TEST.labels[rows])


def test_a_block_is_json_for_who_asks_for_that(studio):
    said = studio.get("/api/samples/mnist/test/blocks/100/3", headers=JSON).json()
    assert np.array_equal(said["entries"], TEST.images[300:400].reshape(100, -1))
    assert said["labels"] == TEST.labels[300:400].tolist() and said["first"] == 300


def test_thumbnails_are_all_examples_in_one_body(studio):
    answer = studio.get("/api/samples/mnist/test/thumbnails")
    assert answer.headers["content-encoding"] == "gzip"
    images, labels = unpacked(answer.content, (28, 28))
    assert np.array_equal(images, TEST.images) and np.array_equal(labels, TEST.labels)
    plain = studio.get(
        "/api/samples/mnist/test/thumbnails", headers={"Accept-Encoding": "identity"}
    )
    assert "content-encoding" not in plain.headers and plain.content == answer.content
    assert plain.headers["etag"] != answer.headers["etag"]
    assert "Accept-Encoding" in plain.headers["vary"]


ADDRESSES = ["0", "classes/3/5", "random?seed=3", "blocks/128/2", "thumbnails"]


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("form", [JSON, BINARY])
def test_what_is_known_is_not_sent_again(studio, address, form):
    if address == "thumbnails" and form == JSON:
        refused(studio.get(f"/api/samples/mnist/test/{address}", headers=form), 406, "Accept")
        return
    whole = studio.get(f"/api/samples/mnist/test/{address}", headers=form)
    tag = whole.headers["etag"]
    for known in (tag, f'"a", {tag}', f"W/{tag}", "*"):
        headers = {**form, "If-None-Match": known}
        answer = studio.get(f"/api/samples/mnist/test/{address}", headers=headers)
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["etag"] == tag
    headers = {**form, "If-None-Match": '"another"'}
    again = studio.get(f"/api/samples/mnist/test/{address}", headers=headers)
    assert again.status_code == 200 and again.content == whole.content


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_with_the_digest_is_kept_for_ever(studio, address):
    mark = "&" if "?" in address else "?"
    whole = f"/api/samples/mnist/test/{address}{mark}sha256="
    headers = {"Accept": "*/*"}
    answer = studio.get(whole + digest(TEST), headers=headers)
    assert "immutable" in answer.headers["cache-control"]
    refused(studio.get(f"{whole}0123", headers=headers), 404, "sha256")


@pytest.mark.parametrize(
    ("address", "status", "where"),
    [
        ("nothing/test/0", 404, "dataset"), ("mnist/test/10000", 404, "index"),
        ("mnist/test/classes/10/0", 404, "label"), ("mnist/test/classes/1/1135", 404, "index"),
        ("mnist/test/random?label=99", 404, "label"), ("mnist/test/blocks/128/79", 404, "number"),
        ("mnist/validation/0", 422, "path.split"), ("mnist/test/-1", 422, "path.index"),
        ("mnist/test/a", 422, "path.index"), ("mnist/test/0x1", 422, "path.index"),
        ("mnist/test/" + "9" * 5000, 422, "path.index"),
        ("mnist/test/blocks/0/0", 422, "path.size"),
        ("mnist/test/blocks/1/1e3", 422, "path.number"),
        ("mnist/test/random?seed=-1", 422, "query.seed"),
        ("..%2f..%2fetc/test/0", 404, "address"), ("%00/test/0", 404, "dataset"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_said(studio, address, status, where):
    answer = studio.get(f"/api/samples/{address}")
    if where == "address":
        assert answer.status_code == 404
    else:
        assert len(refused(answer, status, where)) < 1000


@pytest.mark.parametrize(
    "accept", ["text/html", "image/*", "application/json;q=0, */*;q=0", "rubbish", "*/json"]
)
def test_a_form_that_there_is_not_is_refused(studio, accept):
    answer = studio.get("/api/samples/mnist/test/0", headers={"Accept": accept})
    assert "application/json" in refused(answer, 406, "Accept")


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("*/*", "json"), ("application/*", "json"), ("application/octet-stream", "octet-stream"),
        ("text/html, application/octet-stream;q=0.5, */*;q=0.1", "octet-stream"),
        ("application/json;q=0, */*", "octet-stream"),
        ("application/json; q=0.9, */*;q=0.8", "json"),
        ("APPLICATION/JSON", "json"), ("application/json;q=2, application/octet-stream;q=0.1",
         "octet-stream"),
    ],
)  # fmt: skip
def test_the_form_is_the_one_that_is_liked_best(studio, accept, form):
    answer = studio.get("/api/samples/mnist/test/0", headers={"Accept": accept})
    assert answer.headers["content-type"] == f"application/{form}"
    assert "Accept" in answer.headers["vary"]


# --- datasets of any kind -------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("shape", [(5,), (8, 8), (40, 100), (6, 6, 3), (1, 90)])
def test_a_dataset_of_ones_own_is_served_as_it_is(shape, dtype):
    own = drawn(shape, ["a", "Ä b"], name="my own", dtype=dtype)
    with client(datasets=Datasets(own)) as made:
        said = made.get("/api/samples/my%20own/test/3").json()
        assert np.array_equal(np.reshape(said["entries"], shape), own.test.images[3])


def test_a_name_is_any_text():
    for name in ("two words", "お茶", "<b>", "x" * 200, "%s", "#?&", "a\\b"):
        own = drawn((4, 4), ["a", "b"], name=name)
        with client(datasets=Datasets(own)) as made:
            assert name in made.get("/api/datasets").json()
            assert made.get(f"/api/datasets/{quote(name)}").json()["name"] == name


def test_numbers_that_json_has_not_are_null():
    own = drawn((2,), ["a", "b"], name="own", dtype=np.float32)
    own.test.images[0, 0] = np.nan
    with client(datasets=Datasets(own)) as made:
        said = json.loads(made.get("/api/samples/own/test/0").content)
        assert said["entries"][0] is None


@pytest.mark.parametrize(
    "shape", [(28, 28), (32, 32), (33, 32), (500, 7), (7, 500, 3), (64, 64, 1)]
)
def test_a_thumbnail_is_small_and_as_bright(shape):
    images = np.full((3, *shape), 200, np.uint8)
    small = shrunk(images)
    assert max(small.shape[1:3]) <= 32 and small.shape[3:] == shape[2:]
    assert (small == 200).all()


def test_thumbnails_of_large_pictures_have_the_shape_that_is_said():
    own = drawn((70, 50), ["a", "b"], name="own")
    with client(datasets=Datasets(own)) as made:
        shape = made.get("/api/datasets/own").json()["thumbnail"]["shape"]
        content = made.get("/api/samples/own/train/thumbnails").content
        images, labels = unpacked(content, shape)
        assert len(images) == 60 and labels.tolist() == own.train.labels.tolist()


@pytest.mark.parametrize(
    ("header", "is_packed"),
    [("gzip", True), ("GZIP", True), ("br, gzip;q=0.5", True), ("*", True), ("x-gzip", True),
     ("gzip;q=0", False), ("gzip; q=0.0, *", False), ("notgzip", False), ("*;q=0", False),
     ("identity", False), ("", False)],
)  # fmt: skip
def test_small_pictures_are_packed_for_who_takes_that(studio, header, is_packed):
    path = "/api/samples/mnist/test/thumbnails"
    answer = studio.get(path, headers={"Accept-Encoding": header})
    assert (answer.headers.get("content-encoding") == "gzip") == is_packed
