"""Modules of WebAssembly over HTTP: manifest and module fit, and are known again."""

from __future__ import annotations

import hashlib

import pytest
import wasmtime

from tests.viz.studio.client import client, refused

NAME = "8x8-4-3_relu_sgd_2"
MANIFEST, MODULE = (f"/api/modules/{NAME}/{what}" for what in ("manifest", "module.wasm"))


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        with client() as made:
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


@pytest.mark.parametrize("address", [MANIFEST, MODULE])
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
