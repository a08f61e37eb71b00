"""`/api/debug`: an expression as a page, whose address anybody may have made."""

from __future__ import annotations

import base64
import gzip
import json
import re

import pytest

from tests.viz.studio.client import JSON, WRITING, client, refused

IN_A_TAB = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
NEURON = {"of": "relu(w1*a1 + rest + bias)", "at": "w1=2 a1=3 rest=0.5 bias=-1"}


@pytest.fixture(scope="module")
def studio():
    with client(origins=("https://blog.example",)) as made:
        yield made


def trace(html: str):
    """The passes that a page of the debugger steps through."""
    packed = re.search(r'id="data">([^<]*)<', html)[1]
    return json.loads(gzip.decompress(base64.b64decode(packed)))["traces"][0]


def test_a_page_steps_through_the_expression_at_its_numbers(studio):
    answer = studio.get("/api/debug", params=NEURON, headers=IN_A_TAB)
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/html")
    shown = trace(answer.text)
    assert [each["value"] for each in shown["nodes"] if each["name"] == "rest"] == ["0.5"]
    assert shown["nodes"][-1]["value"] == "5.5"
    known = {"If-None-Match": answer.headers["etag"]}
    assert studio.get("/api/debug", params=NEURON, headers=known).status_code == 304


def test_the_page_is_in_an_origin_of_its_own_and_no_site_frames_it(studio):
    """Else what an address says could run as the studio: it has a script, and styles of its own."""
    headers = studio.get("/api/debug", params=NEURON).headers
    policy = headers["content-security-policy"].split("; ")
    assert headers.get_list("content-security-policy") == ["; ".join(policy)], "one, and not two"
    assert "sandbox allow-scripts" in policy and "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy, "nor may a site that --allow-origin names"
    assert headers.get_list("cross-origin-opener-policy") == ["unsafe-none"]
    assert headers["x-content-type-options"] == "nosniff"


WRONG = [
    ({"of": "2 x", "at": "x=1"}, "of", "a product is written *"),
    ({"of": "x", "at": "x=one"}, "at", "expected a number for x, found 'one'"),
    ({"of": "x*y", "at": "x=1"}, "of", "expected a number for y"),
    ({"of": "1"}, "of", "found only numbers"),
    ({"of": "x", "at": "x=1 y=2"}, "at", "expected a name of the expression"),
    ({"of": "+".join(["x"] * 500), "at": "x=1"}, "of", "at most 400"),
    ({"of": "x" * 4001}, "query.of", "at most 4000 characters"),
    ({"at": "x=1"}, "query.of", "a value"),
    ({"of": "x", "at": "x=1", "x": "2"}, "query", "one of of, at"),
    ({"of": "x.__class__", "at": "x=1"}, "of", "nothing in an expression has attributes"),
    ({"of": "models.neuron:main"}, "of", "expected"),
    ({"of": "<script>alert(1)</script>"}, "of", "expected a number, a name"),
]


@pytest.mark.parametrize(("asked", "where", "words"), WRONG)
def test_what_is_wrong_is_refused_in_words_that_can_be_read_in_a_tab(studio, asked, where, words):
    assert words in refused(studio.get("/api/debug", params=asked), 422, where)
    answer = studio.get("/api/debug", params=asked, headers=IN_A_TAB)
    assert answer.status_code == 422 and answer.headers["content-type"].startswith("text/html")
    assert "<h1>The studio cannot show this</h1>" in answer.text
    assert (
        "<script" not in answer.text and "inline" not in answer.headers["content-security-policy"]
    )


def test_it_is_a_page_or_nothing_and_needs_no_token(studio):
    refused(studio.get("/api/debug", params=NEURON, headers=JSON), 406, "Accept")
    refused(studio.post("/api/debug", params=NEURON, headers=WRITING), 405, "/api/debug")


@pytest.mark.parametrize(
    "of",
    [
        "+".join(f"x{i % 16}*x{i % 13}" for i in range(144)),
        "sin(" * 299 + "x0" + ")" * 299,
        "+".join(f"gelu(x{i})" for i in range(16)),
    ],
)  # tangled; as many as are checked one by one; long rules
def test_no_expression_takes_long(studio, of):
    """A second on a quiet machine, while others wait for the engine; after ten it is ended."""
    at = " ".join(f"x{i}=0.{i}" for i in range(16) if re.search(rf"\bx{i}\b", of))
    answer = studio.get("/api/debug", params={"of": of, "at": at})
    assert answer.status_code == 200, answer.text[:300]
