"""Modules of WebAssembly over HTTP: manifest and module fit, and are known again."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import wasmtime

from data import Examples
from tests.few import few, stand_in
from tests.viz.studio.client import client, refused
from viz.studio.datasets import Datasets

NAME = "8x8-4-3_relu_sgd_2"
MANIFEST, MODULE = (f"/api/modules/{NAME}/{what}" for what in ("manifest", "module.wasm"))


NEW = [f"/api/datasets/mnist/novelty/{what}" for what in ("manifest", "module.wasm")]


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        with client(datasets=Datasets(few())) as made:
            yield made


def test_a_manifest_is_that_of_its_module(studio):
    said, module = studio.get(MANIFEST), studio.get(MODULE)
    assert said.headers["content-type"] == "application/json"
    assert module.headers["content-type"] == "application/wasm"
    manifest = said.json()
    assert manifest["sha256"] == hashlib.sha256(module.content).hexdigest()
    exported = {each.name for each in wasmtime.Module(wasmtime.Engine(), module.content).exports}
    assert set(manifest["entries"]) <= exported
    names = {each["name"] for each in manifest["arrays"] if each["kind"] == "state"}
    assert names >= {"mean", "model.0.weight", "optimizer.rate", "optimizer.momentum"}


def test_what_tells_the_new_from_the_known_is_a_module_too(studio):
    said, module = (studio.get(address) for address in NEW)
    digest = hashlib.sha256(module.content).hexdigest()
    assert said.json()["sha256"] == digest
    assert said.json()["entries"]["novelty"]["results"] == ["share"]
    assert "immutable" in studio.get(NEW[1], params={"sha256": digest}).headers["cache-control"]
    refused(studio.get("/api/datasets/nothing/novelty/manifest"), 404, "dataset")
    colours = Examples(np.zeros((60, 4, 4, 3), np.uint8), np.zeros(60, int))
    own = Datasets(stand_in("colours", colours, colours, ["one"], 255.0))
    with client(datasets=own) as other:
        refused(other.get("/api/datasets/colours/novelty/manifest"), 404, "dataset")


@pytest.mark.parametrize("address", [MANIFEST, MODULE, *NEW])
def test_what_was_fetched_is_known_again(studio, address):
    first = studio.get(address)
    assert first.headers["cache-control"] == "no-cache"
    again = studio.get(address, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert studio.head(address).headers["content-length"] == str(len(first.content))


def test_an_address_with_the_digest_is_for_ever(studio):
    digest = studio.get(MANIFEST).json()["sha256"]
    found = studio.get(MODULE, params={"sha256": digest})
    assert "immutable" in found.headers["cache-control"]
    refused(studio.get(MODULE, params={"sha256": "other"}), 404, "sha256")


@pytest.mark.parametrize(
    ("name", "status"),
    [("8x8-4-3_relu_sgd_02", 404), ("8x8-4-3_relu_sgd", 422), ("..", 404), ("%2e%2e%2fetc", 404),
     ("8x8-4-3_relu_sgd_9999", 422), ("x" * 201, 422),
     (f"28x28{'-4096' * 8}-10_relu_adam_128", 422)],
)  # fmt: skip
def test_what_is_no_architecture_is_refused_in_words(studio, name, status):
    answer = studio.get(f"/api/modules/{name}/manifest")
    where = answer.json()["error"]["where"]
    assert where in ("architecture", "path.architecture", "address")
    refused(answer, status, where)
