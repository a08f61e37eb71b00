"""What is wrong with a request is said in plain words, wherever Pydantic has found it."""

import json

import pytest

from tests.viz.studio.client import WRITING, client, refused

SENT = {**WRITING, "If-Match": "*", "Content-Type": "application/json"}


@pytest.fixture(scope="module")
def studio():
    with client() as made:
        yield made


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ('{"epochs": ', "body: expected JSON, found Expecting value at character 11"),
        ("[1]", "body: expected an object, found [1]"),
        ('{"hidden": [1,1,1,1,1,1,1,1,1]}',
         "body.hidden: expected a list of at most 8, found [1, 1, 1, 1, 1, 1, 1, 1, 1]"),
        ('{"hidden": 1}', "body.hidden: expected a list, found 1"),
        ('{"hidden": [0]}', "body.hidden.0: expected at least 1, found 0"),
        ('{"hidden": ["1"]}', 'body.hidden.0: expected a whole number, found "1"'),
        ('{"epochs": 1.5}', "body.epochs: expected a whole number, found 1.5"),
        ('{"epochs": null}', "body.epochs: expected a whole number, found null"),
        ('{"epochs": 1000000000}', "body.epochs: expected at most 100000, found 1000000000"),
        ('{"lr": 0}', "body.lr: expected more than 0.0, found 0"),
        ('{"lr": "fast"}', 'body.lr: expected a number, found "fast"'),
        ('{"dropout": 1}', "body.dropout: expected less than 1.0, found 1"),
        ('{"activation": true}', "body.activation: expected text, found true"),
        ('{"out": "x"}', 'body.out: expected nothing of this name, found "x"'),
    ],
)  # fmt: skip
def test_a_body_is_refused_in_plain_words(studio, body, sentence):
    answer = studio.post("/api/retrain", content=body, headers=SENT)
    assert refused(answer, 422, sentence.split(":")[0]) == sentence


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("rate=nan", 'query.rate: expected a finite number, found "nan"'),
        ("rate=inf", 'query.rate: expected a finite number, found "inf"'),
        ("rate=x", 'query.rate: expected a number, found "x"'),
        ("rate=0", 'query.rate: expected more than 0.0, found "0"'),
        ("steps=1.5", 'query.steps: expected a whole number, found "1.5"'),
        ("steps=20000", 'query.steps: expected at most 10000, found "20000"'),
        ("dtype=int8", "query.dtype: expected 'uint8' or 'float32', found \"int8\""),
    ],
)
def test_a_parameter_is_refused_in_plain_words(studio, query, sentence):
    answer = studio.post(f"/api/train?{query}", content=b"", headers=SENT)
    assert refused(answer, 422, sentence.split(":")[0]) == sentence


def test_what_is_missing_is_said(studio):
    answer = studio.post("/api/weights/rollback", content=json.dumps({}), headers=SENT)
    assert refused(answer, 422, "body.version") == "body.version: expected a value, found none"
