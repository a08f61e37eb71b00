"""What the served weights make of images, over HTTP: in every form, and refused in words."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load

import data
from models.mnist.checkpoint import read_snapshot
from models.mnist.scoring import probabilities
from models.runs.arrays import pack
from tests.viz.studio.client import BINARY, JSON, WRITING, client, refused

TEST = data.load("mnist").test
IMAGES, LABELS = TEST.images[:3], TEST.labels[:3]
ROWS = IMAGES.reshape(3, -1)
TENSORS = {"Accept": "application/vnd.safetensors"}
RAW = {"Content-Type": "application/octet-stream"}
BLOCK = IMAGES.tobytes() + LABELS.astype("<u2").tobytes()


@pytest.fixture(scope="module")
def studio():
    with client() as made:
        yield made


@pytest.fixture(scope="module")
def model(studio):
    return read_snapshot(studio.get("/api/weights").content, "weights").model()


def post(studio, address, content=None, headers=(), **how):
    return studio.post(address, content=content, headers={**WRITING, **dict(headers)}, **how)


def test_predictions_are_those_of_the_weights_in_every_form(studio, model):
    want = probabilities(model, IMAGES, 255.0)
    floats = IMAGES.astype("<f4").tobytes()
    asked = [
        post(studio, "/api/predict", json={"images": ROWS.tolist()}),
        post(studio, "/api/predict", IMAGES.tobytes(), RAW),
        post(studio, "/api/predict?dtype=float32", floats, RAW),
    ]
    for answer in asked:
        assert answer.status_code == 200, answer.text
        said = answer.json()
        np.testing.assert_array_equal(np.array(said["probabilities"], np.float32), want)
        assert said["prediction"] == want.argmax(1).tolist()
    raw = post(studio, "/api/predict", IMAGES.tobytes(), RAW | BINARY)
    assert raw.content == want.tobytes() and raw.headers["content-type"] == BINARY["Accept"]
    tensors = load(post(studio, "/api/predict", IMAGES.tobytes(), RAW | TENSORS).content)
    np.testing.assert_array_equal(tensors["probabilities"], want)


def test_a_picture_is_prepared_and_what_is_seen_of_it_can_be_posted(studio):
    content = BytesIO()
    paper = 255 - np.concatenate([TEST.images[0], TEST.images[1]], 1)
    Image.fromarray(paper).resize((400, 200)).save(content, "PNG")
    png = {"Content-Type": "image/png"}
    said = post(studio, "/api/prepare", content.getvalue(), png).json()
    assert said["shape"] == [28, 28] and said["dtype"] == "uint8" and len(said["boxes"]) == 2
    raw = post(studio, "/api/prepare", content.getvalue(), png | BINARY).content
    assert np.frombuffer(raw, np.uint8).reshape(2, -1).tolist() == said["images"]
    assert len(load(post(studio, "/api/prepare", content.getvalue(), png | TENSORS).content)) == 2
    assert post(studio, "/api/predict", json={"images": said["images"]}).status_code == 200
    answer = post(studio, "/api/prepare", b"no picture", png)
    assert "found a file that starts with" in refused(answer, 422, "picture")
    refused(
        post(studio, "/api/prepare", b"<svg/>", {"Content-Type": "image/svg+xml"}),
        415,
        "Content-Type",
    )


def test_activations_have_their_names_in_both_forms(studio, model):
    said = post(studio, "/api/activations", IMAGES.tobytes(), RAW | JSON).json()
    tensors = load(post(studio, "/api/activations", IMAGES.tobytes(), RAW | TENSORS).content)
    assert set(said) == set(tensors) == {"layer.0", "logits", "probabilities"}
    for name, array in tensors.items():
        np.testing.assert_array_equal(np.array(said[name], np.float32), array)
    np.testing.assert_allclose(tensors["logits"], model(ROWS / np.float32(255)).data, atol=1e-5)
    refused(post(studio, "/api/activations", IMAGES.tobytes(), RAW | BINARY), 406, "Accept")


@pytest.mark.parametrize("of", ["class", "loss"])
def test_gradients_are_of_the_images(studio, of):
    address = f"/api/gradient?of={of}"
    body = {"images": ROWS.tolist(), "labels": LABELS.tolist()}
    said = post(studio, address, json=body).json()
    raw = post(studio, address, BLOCK, RAW | BINARY).content
    gradient = np.frombuffer(raw, "<f4").reshape(3, -1)
    np.testing.assert_array_equal(np.array(said["gradient"], np.float32), gradient)
    moved = ROWS.astype("<f4")
    moved[0] += 50 * gradient[0] / np.abs(gradient[0]).max()  # uphill, a step in grey levels
    body["images"] = moved.tolist()
    assert post(studio, address, json=body).json()["value"][0] > said["value"][0]


WRONG = [
    ("/api/predict", b"", RAW, 422, "images"),
    ("/api/predict", bytes(783), RAW, 422, "body"),
    ("/api/predict", bytes(784 * 4097), RAW, 413, "images"),
    ("/api/predict", b"[]", {"Content-Type": "application/json"}, 422, "body"),
    ("/api/predict", b"{}", {"Content-Type": "application/json; charset=utf-8"}, 422, "body"),
    ("/api/predict", b"", {"Content-Type": "text/plain"}, 415, "Content-Type"),
    ("/api/predict", bytes(784), RAW | {"Accept": "text/html"}, 406, "Accept"),
    ("/api/predict?dtype=int8", bytes(784), RAW, 422, "query.dtype"),
    ("/api/gradient?of=all", BLOCK, RAW, 422, "query.of"),
    ("/api/gradient", IMAGES.tobytes(), RAW, 422, "body"),
    ("/api/gradient", bytes(784) + b"\x0a\0", RAW, 422, "labels"),
]


@pytest.mark.parametrize(("address", "content", "headers", "status", "where"), WRONG)
def test_what_is_wrong_is_refused_in_words(studio, address, content, headers, status, where):
    refused(post(studio, address, content, headers), status, where)


@pytest.mark.parametrize("address", ["/api/predict", "/api/train"])
def test_weights_too_large_to_compute_with_are_what_is_wrong(address):
    """Not the rate, and no answer without numbers."""
    with client() as studio:
        snapshot = read_snapshot(studio.get("/api/weights").content, "weights")
        arrays = {name: np.full_like(each, 3e38) for name, each in snapshot.arrays.items()}
        headers = {**WRITING, **RAW, "If-Match": "*"}
        content = pack(arrays, snapshot.metadata)
        assert studio.put("/api/weights", content=content, headers=headers).status_code == 200
        sent = BLOCK if address == "/api/train" else IMAGES.tobytes()
        assert "so large" in refused(post(studio, address, sent, headers), 422, "weights")


@pytest.mark.parametrize("name", ["predict", "prepare", "activations", "gradient"])
def test_to_compute_needs_the_token_too(studio, name):
    refused(studio.post(f"/api/{name}", content=b""), 401, "Authorization")


# --- the graph ------------------------------------------------------------------------------------

GRAPH = "/api/graph/mnist/test/5"


@pytest.mark.parametrize("of", ["loss", "layer.0/12"])
def test_a_graph_is_given_and_known_again(studio, of):
    first = studio.get(GRAPH, params={"of": of})
    assert first.json()["title"] == of and first.json()["svg"].startswith("<svg")
    known = {"If-None-Match": first.headers["etag"]}
    again = studio.get(GRAPH, params={"of": of}, headers=known)
    assert (again.status_code, again.content) == (304, b"")
    assert studio.head(GRAPH, params={"of": of}).headers["etag"] == first.headers["etag"]
    other = studio.get("/api/graph/mnist/test/6", params={"of": of}, headers=known)
    assert other.status_code == 200


def test_after_a_write_all_is_of_the_new_weights(studio):
    """And the graph's ETag is another one: else a page would go on showing the old numbers."""
    was, weights = studio.get(GRAPH), studio.get("/api/weights")
    snapshot = read_snapshot(weights.content, "weights")
    arrays = {name: array * 0 for name, array in snapshot.arrays.items()}
    headers = RAW | {"If-Match": weights.headers["etag"]}
    answer = studio.put(
        "/api/weights", content=pack(arrays, snapshot.metadata), headers={**WRITING, **headers}
    )
    assert answer.status_code == 200, answer.text
    said = post(studio, "/api/predict", IMAGES.tobytes(), RAW).json()
    np.testing.assert_allclose(said["probabilities"], 0.1, rtol=1e-6)
    assert studio.get(GRAPH).headers["etag"] != was.headers["etag"]
    back = {"If-Match": answer.headers["etag"]}
    assert (
        post(studio, "/api/weights/rollback", json={"version": 1}, headers=back).status_code == 200
    )
    assert studio.get(GRAPH).headers["etag"] == was.headers["etag"]


@pytest.mark.parametrize(
    ("address", "status", "where"),
    [
        ("/api/graph/mnist/test/10000", 404, "index"),
        ("/api/graph/mnist/test/-1", 422, "path.index"),
        ("/api/graph/nothing/test/0", 404, "dataset"),
        ("/api/graph/mnist/both/0", 422, "path.split"),
        (f"{GRAPH}?of=layer.0/512", 404, "of"),
        (f"{GRAPH}?of=layer.9/0", 404, "of"),
        (f"{GRAPH}?of={'x' * 99}", 422, "query.of"),
        (f"{GRAPH}?sha256=other", 404, "sha256"),
    ],
)
def test_a_graph_of_nothing_is_refused_in_words(studio, address, status, where):
    refused(studio.get(address), status, where)
