"""`/api/weights` over HTTP: the same numbers in each form, and writes say what they replace."""

import hashlib
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from models.mnist.checkpoint import read_snapshot
from models.mnist.cli import main
from models.runs.arrays import pack, unpack
from tests.few import drawn, run_of
from tests.viz.studio.client import BINARY, JSON, WRITING, client, refused
from tests.viz.studio.test_weights import FIRST, content
from viz.studio.refusal import Refusal
from viz.studio.weights import text
from viz.studio.weights.text import from_json, to_json

FILE = {"Accept": "application/vnd.safetensors"}
SENT = {**WRITING, "Content-Type": "application/vnd.safetensors"}


@pytest.fixture(scope="module")
def studio():
    with client() as made:
        yield made


@pytest.fixture
def tag(studio):
    """Of the small weights that every test begins with."""
    answer = studio.put("/api/weights", content=FIRST, headers={**SENT, "If-Match": "*"})
    assert answer.status_code == 200
    return answer.headers["etag"]


def test_a_studio_begins_with_the_network_that_models_mnist_trains():
    with client() as studio:
        answer = studio.get("/api/weights")
        snapshot = read_snapshot(answer.content, "body")
        assert (snapshot.sizes, snapshot.step) == ((784, 512, 10), 0)
        (version,) = studio.get("/api/weights/history").json()["versions"]
        assert (version["cause"], version["etag"]) == ("seed", answer.headers["etag"])


def json_tag(tag):
    """Of the same weights as JSON."""
    return f'{tag[:-1]}-json"'


def test_every_form_has_the_same_numbers_and_json_a_tag_of_its_own(studio, tag):
    for accept in (FILE, BINARY, {}):
        answer = studio.get("/api/weights", headers=accept)
        assert answer.content == FIRST and answer.headers["etag"] == tag
        assert answer.headers["vary"] == "Accept" and answer.headers["cache-control"] == "no-cache"
    assert tag == f'"{hashlib.sha256(FIRST).hexdigest()}"'
    answer = studio.get("/api/weights", headers=JSON)
    assert answer.headers["etag"] == json_tag(tag)
    arrays, texts = unpack(FIRST)
    said = answer.json()
    assert said["metadata"] == {name: json.loads(each) for name, each in texts.items()}
    for name, array in arrays.items():
        assert said["arrays"][name]["shape"] == list(array.shape)
        found = np.array(said["arrays"][name]["data"], said["arrays"][name]["dtype"])
        assert found.tobytes() == array.tobytes()
    refused(studio.get("/api/weights", headers={"Accept": "text/html"}), 406, "Accept")


@pytest.mark.parametrize("accept", [FILE, JSON])
def test_who_has_the_weights_is_not_sent_them_again(studio, tag, accept):
    mine, other = (json_tag(tag), tag) if accept == JSON else (tag, json_tag(tag))
    lines = [*accept.items(), ("If-None-Match", '"x"'), ("If-None-Match", mine)]
    for known in ({**accept, "If-None-Match": f'"x", {mine}'}, lines):
        answer = studio.get("/api/weights", headers=known)
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", mine)
    for unknown in ('"x"', other):
        answer = studio.get("/api/weights", headers={**accept, "If-None-Match": unknown})
        assert answer.status_code == 200
    answer = studio.head("/api/weights", headers=accept)
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (200, b"", mine)
    assert answer.headers["content-length"] != "0"


@pytest.mark.parametrize("media", ["application/vnd.safetensors", "application/octet-stream", None])
def test_what_is_put_is_served_to_the_last_bit(studio, tag, media):
    sent = {"Content-Type": media} if media else {}
    body = content(3, count=1.0)
    answer = studio.put("/api/weights", content=body, headers={**WRITING, "If-Match": tag, **sent})
    assert answer.status_code == 200 and answer.json()["etag"] == answer.headers["etag"]
    assert answer.json()["cause"] == "put" and answer.json()["bytes"] == len(body)
    assert studio.get("/api/weights").content == body


def test_what_was_got_as_json_can_be_put_as_json(studio, tag):
    body = content(4, count=2.5)
    said = to_json(body)
    sent = {**WRITING, "Content-Type": "application/json; charset=utf-8", "If-Match": tag}
    answer = studio.put("/api/weights", content=said, headers=sent)
    assert answer.status_code == 200, answer.text
    assert studio.get("/api/weights").content == body


def test_a_download_is_what_models_mnist_reads(studio, tag, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    dataset = drawn((2, 2), "ab")
    monkeypatch.setattr("data.load", lambda *source, **how: dataset)
    (tmp_path / "weights.safetensors").write_bytes(studio.get("/api/weights").content)
    assert main(["evaluate", "weights.safetensors"]) == 0
    assert " 50.00 %   0.76" in capsys.readouterr().out


# --- writes ---------------------------------------------------------------------------------------

WRITES = [
    ("PUT", "/api/weights", {"content": content(1), "headers": SENT}),
    ("DELETE", "/api/weights", {"headers": WRITING}),
    ("POST", "/api/weights/rollback", {"json": {"version": 1}, "headers": WRITING}),
]


@pytest.mark.parametrize(("method", "path", "how"), WRITES)
def test_every_write_names_what_it_replaces(studio, tag, method, path, how):
    sent = {**SENT, "If-Match": tag}
    tag = studio.put("/api/weights", content=content(8), headers=sent).headers["etag"]

    def write(**more):
        return studio.request(method, path, **{**how, "headers": {**how["headers"], **more}})

    before = studio.get("/api/weights/history").json()
    refused(write(), 428, "If-Match")
    for wrong in ('"x"', f"W/{tag}", '"x", "y"'):
        answer = write(**{"If-Match": wrong})
        refused(answer, 412, "If-Match")
        assert answer.headers["etag"] == tag
    refused(write(**{"If-Match": ""}), 428, "If-Match")
    for wrong in (tag.strip('"'), f"{tag} {tag}", f"*, {tag}", f"{tag}, x"):
        assert "within its quotes" in refused(write(**{"If-Match": wrong}), 400, "If-Match")
    assert write(**{"If-Match": '"x"'}).headers["etag"] == tag
    assert studio.get("/api/weights/history").json() == before
    answer = write(**{"If-Match": f'"x", {json_tag(tag)}'})
    assert answer.status_code == 200 and answer.headers["etag"] == answer.json()["etag"]
    refused(write(**{"If-Match": tag}), 412, "If-Match")
    newest = studio.get("/api/weights/history").json()["versions"][0]
    assert newest == answer.json() and newest["version"] == before["versions"][0]["version"] + 1


def test_delete_and_rollback_go_back(studio, tag):
    learned = content(9)
    put = studio.put("/api/weights", content=learned, headers={**SENT, "If-Match": tag}).json()
    deleted = studio.delete("/api/weights", headers={**WRITING, "If-Match": "*"})
    assert studio.get("/api/weights").content == FIRST and deleted.json()["cause"] == "delete"
    back = {**WRITING, "If-Match": deleted.headers["etag"]}
    answer = studio.post("/api/weights/rollback", json={"version": put["version"]}, headers=back)
    assert answer.json()["cause"] == "rollback" and answer.headers["etag"] == put["etag"]
    assert studio.get("/api/weights").content == learned
    back["If-Match"] = "*"
    answer = studio.post("/api/weights/rollback", json={"version": 10**6}, headers=back)
    refused(answer, 404, "version")


def test_the_history_has_every_version_in_every_form(studio, tag):
    answer = studio.get("/api/weights/history")
    versions = answer.json()["versions"]
    assert [each["version"] for each in versions] == list(range(len(versions), 0, -1))
    again = studio.get("/api/weights/history", headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304
    for each in versions:
        path = f"/api/weights/history/{each['version']}"
        found = studio.get(path)
        assert found.headers["etag"] == each["etag"] and len(found.content) == each["bytes"]
        assert studio.get(path, headers={"If-None-Match": each["etag"]}).status_code == 304
        assert studio.get(path, headers=JSON).json()["metadata"]["sizes"]
    refused(studio.get(f"/api/weights/history/{len(versions) + 1}"), 404, "version")
    for wrong in ("0", "-1", "x", "1.5", "%2e%2e", "9" * 30):
        assert studio.get(f"/api/weights/history/{wrong}").status_code == 422


@pytest.mark.parametrize(
    ("body", "media", "status", "where"),
    [
        (b"", "application/octet-stream", 422, "body"),
        (FIRST[:-1], "application/octet-stream", 422, "body"),
        (content(rate=np.nan), "application/octet-stream", 422, "body"),
        (FIRST, "application/json", 422, "body"),
        (FIRST, "text/plain", 415, "Content-Type"),
        (FIRST, "multipart/form-data", 415, "Content-Type"),
        (b"{}", "application/json", 422, "body"),
        (b"[" * 10**6, "application/json", 422, "body"),
        (b" " * (text.MOST_BYTES + 1), "application/json", 413, "body"),
        (b"\0" * (2**26 + 1), "application/octet-stream", 413, "body"),
    ],
)
def test_what_is_no_network_is_refused_and_changes_nothing(studio, tag, body, media, status, where):
    sent = {**WRITING, "Content-Type": media, "If-Match": tag}
    refused(studio.put("/api/weights", content=body, headers=sent), status, where)
    assert studio.get("/api/weights").content == FIRST


def test_a_packed_body_is_refused_before_it_is_read(studio, tag):
    """One kilobyte of gzip is a megabyte of zeros."""
    sent = {**SENT, "If-Match": tag, "Content-Encoding": "gzip"}
    refused(studio.put("/api/weights", content=b"\x1f\x8b", headers=sent), 415, "Content-Encoding")


@pytest.mark.parametrize(
    "body", [{}, {"version": 0}, {"version": "1"}, {"version": 1.0}, [1], None]
)
def test_a_rollback_to_what_is_no_version_is_refused(studio, tag, body):
    sent = {**WRITING, "If-Match": tag}
    answer = studio.post("/api/weights/rollback", json=body, headers=sent)
    assert answer.status_code == 422 and answer.json()["error"]["status"] == 422


def test_a_run_that_is_named_is_served_with_its_dataset(tmp_path, monkeypatch):
    dataset = drawn((2, 2), "ab", name="leaves")
    run = run_of(dataset, tmp_path / "run")
    monkeypatch.setattr("data.load", lambda *source, **how: dataset)
    with client(run=str(run)) as studio:
        assert read_snapshot(studio.get("/api/weights").content, "body").sizes == (4, 3, 2)
        assert "leaves" in studio.get("/api/datasets").json()
        assert studio.get("/api/weights/history").json()["versions"][0]["cause"] == "run"


def test_read_only_serves_and_writes_nothing(tmp_path):
    with client(read_only=True, folder=tmp_path / "runs") as studio:
        answer = studio.get("/api/weights")
        assert read_snapshot(answer.content, "body").sizes == (784, 512, 10)
        assert len(studio.get("/api/weights/history").json()["versions"]) == 1
        for method, path, how in WRITES:
            headers = {**how["headers"], "If-Match": answer.headers["etag"]}
            refused(studio.request(method, path, **{**how, "headers": headers}), 403, "method")
    assert not (tmp_path / "runs").exists()


# --- JSON -----------------------------------------------------------------------------------------

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


@given(arrays_of.arrays(np.float64, st.integers(0, 5), elements=NUMBERS), st.booleans())
def test_numbers_are_read_from_json_as_they_were(numbers, narrow):
    if narrow:
        with np.errstate(over="ignore"):
            numbers = numbers.astype(np.float32)
        numbers = numbers[np.isfinite(numbers)]
    packed = pack({"w": numbers.reshape(1, -1), "scalar": np.array(-0.0)}, {"seed": [1, "é"]})
    assert from_json(to_json(packed)) == packed


def test_weights_of_many_numbers_are_no_json():
    packed = pack({"w": np.zeros(text.MOST_NUMBERS + 1, np.float16)})
    with pytest.raises(Refusal, match="Accept: expected no JSON of over"):
        to_json(packed)


ARRAY = {"dtype": "float32", "shape": [2], "data": [1, 2]}


@pytest.mark.parametrize(
    ("array", "where"),
    [
        ({**ARRAY, "dtype": "float16"}, "arrays.w.dtype"),
        ({**ARRAY, "dtype": 32}, "arrays.w.dtype"),
        ({**ARRAY, "shape": [2**40]}, "arrays.w.data"),
        ({**ARRAY, "shape": [2.0]}, "arrays.w.data"),
        ({**ARRAY, "shape": [-1, -2]}, "arrays.w.data"),
        ({**ARRAY, "shape": [2] + [1] * 64}, "arrays.w.data"),
        ({**ARRAY, "data": ["1", "2"]}, "arrays.w.data"),
        ({**ARRAY, "data": [True, 1]}, "arrays.w.data"),
        ({**ARRAY, "data": [[1], [2]]}, "arrays.w.data"),
        ({**ARRAY, "data": [1, 10**400]}, "arrays.w.data"),
        ({**ARRAY, "data": [1]}, "arrays.w.data"),
        ({**ARRAY, "more": 1}, "arrays.w"),
        ({"dtype": "float32"}, "arrays.w"),
        (None, "arrays.w"),
    ],
)
def test_what_is_no_array_of_json_is_refused(array, where):
    with pytest.raises(Refusal) as info:
        from_json(json.dumps({"metadata": {}, "arrays": {"w": array}}).encode())
    assert (info.value.status, info.value.where) == (422, where)


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"1", b"\xff", b"[" * 10**5, b'{"metadata": {}}',
     b'{"metadata": [], "arrays": {}}', b'{"metadata": {}, "arrays": {}, "more": 1}',
     b'{"metadata": {"\\ud800": 1}, "arrays": {}}',
     b'{"metadata": {}, "arrays": {"__metadata__": '
     b'{"dtype": "float32", "shape": [0], "data": []}}}'],
)  # fmt: skip
def test_what_is_no_json_of_weights_is_refused(body):
    """At the latest when what it says is read as a file."""
    start = time.perf_counter()
    with pytest.raises((Refusal, ValueError)):
        unpack(from_json(body))
    assert time.perf_counter() - start < 10


def test_who_reads_json_of_weights_loads_nothing_of_http():
    """The engine's process does; FastAPI would take half a second of its start."""
    program = "import sys, viz.studio.weights.text; assert 'fastapi' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], cwd=Path(__file__).parents[3], check=True)
