"""Arrays in bodies and in answers: what is read is what was meant, and all else is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load

from models.mnist.datasets import Described
from tests.few import drawn
from viz.studio.engine import bodies
from viz.studio.engine.bodies import SAFETENSORS, Body, read, written
from viz.studio.replies import BINARY, JSON, Refusal

OF = Described.read(drawn((2, 3), ["a", "b", "c"]).describe())
IMAGES = np.arange(12, dtype=np.uint8).reshape(2, 2, 3) * 20
LABELS = np.array([2, 0], "<u2")


def as_json(**given):
    return Body(JSON, json.dumps(given).encode())


@pytest.mark.parametrize("labelled", [False, True])
def test_all_forms_say_the_same(labelled):
    more = {"labels": LABELS.tolist()} if labelled else {}
    after = LABELS.tobytes() if labelled else b""
    forms = [
        as_json(images=IMAGES.reshape(2, -1).tolist(), **more),
        Body(BINARY, IMAGES.tobytes() + after),
        Body(BINARY, IMAGES.astype("<f4").tobytes() + after, "float32"),
    ]
    for form in forms:
        images, labels = read(form, OF, labelled)
        np.testing.assert_array_equal(images, IMAGES)
        np.testing.assert_array_equal(labels, LABELS if labelled else [])


ROW = [0] * 6
WRONG = [
    (as_json(images=[]), 422, "images: expected 1 to 4,096 of them, found 0"),
    (Body(BINARY, b""), 422, "images: expected 1 to 4,096 of them, found 0"),
    (Body(BINARY, bytes(6 * 4097)), 413, "1 to 4,096 of them, found 4,097"),
    (Body(BINARY, bytes(7)), 422, "images of 6 bytes each"),
    (Body(BINARY, bytes(6), "float32"), 422, "images of 24 bytes each"),
    (Body(BINARY, np.full(6, np.nan, "<f4").tobytes(), "float32"), 422, "finite"),
    (as_json(images=[[0] * 5]), 422, "6 entries of each, found 5"),
    (as_json(images=[[]]), 422, "6 entries of each, found 0"),
    (as_json(images=[ROW, [0] * 5]), 422, "as many entries of each, found 5 and 6"),
    (as_json(images=[[0] * 5 + [1e39]]), 422, "finite numbers that float32 holds"),
    (Body(JSON, b'{"images": [[0,0,0,0,0,NaN]]}'), 422, "finite"),
    (as_json(images=[ROW], more=1), 422, "more: expected"),
    (as_json(), 422, "images: expected"),
    (as_json(images=[["0"] * 6]), 422, "images.0.0: expected a valid number"),
    (as_json(images=[[True] * 6]), 422, "images.0.0: expected a valid number"),
    (Body(JSON, b"["), 422, "body: expected"),
    (Body(JSON, b"\xff"), 422, "body: expected"),
    (Body(JSON, b"[" * 100_000), 422, "body: expected"),
    (Body(JSON, b""), 422, "body: expected"),
]


@pytest.mark.parametrize(("body", "status", "words"), WRONG)
def test_what_are_no_images_is_refused_in_words(body, status, words):
    with pytest.raises(Refusal) as info:
        read(body, OF)
    assert info.value.status == status and words in str(info.value), info.value


@pytest.mark.parametrize(
    ("labels", "words"),
    [([3], "classes from 0 to 2, found 3"), ([-1], "found -1"), ([2**70], "classes from 0 to 2"),
     ([], "1, one of each image, found 0"), ([0, 1], "found 2"), ([0.5], "labels.0: expected"),
     ([True], "labels.0: expected"), (None, "labels: expected")],
)  # fmt: skip
def test_what_are_no_labels_is_refused_in_words(labels, words):
    with pytest.raises(Refusal) as info:
        read(as_json(images=[ROW], labels=labels), OF, labelled=True)
    assert info.value.status == 422 and words in str(info.value), info.value


@given(st.binary(max_size=200), st.sampled_from(["uint8", "float32"]), st.booleans())
def test_any_bytes_are_read_or_refused(content, dtype, labelled):
    for media in (JSON, BINARY):
        try:
            images, labels = read(Body(media, content, dtype), OF, labelled)
        except Refusal as error:
            assert error.status in (413, 422)
        else:
            assert images.shape[1:] == (2, 3) and len(labels) == len(images) * labelled


ARRAYS = {"a": np.array([[0.5, np.inf]], np.float32), "b": np.array([3], np.int32)}


def test_an_answer_has_the_form_that_was_asked_for():
    assert json.loads(written(JSON, "a", ARRAYS, how="so")) == {
        "a": [[0.5, None]],
        "b": [3],
        "how": "so",
    }
    assert written(BINARY, "a", ARRAYS) == ARRAYS["a"].tobytes()
    for name, array in load(written(SAFETENSORS, "a", ARRAYS)).items():
        np.testing.assert_array_equal(array, ARRAYS[name])


def test_more_numbers_than_json_should_carry_are_refused_in_words(monkeypatch):
    monkeypatch.setattr(bodies, "MOST_NUMBERS", 2)
    with pytest.raises(Refusal, match="Accept") as info:
        written(JSON, "a", ARRAYS)
    assert info.value.status == 413
    assert written(BINARY, "a", ARRAYS)
