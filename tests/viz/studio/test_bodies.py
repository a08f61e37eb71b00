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
from viz.studio.engine.bodies import Body, read, written
from viz.studio.refusal import Refusal

OF = Described.read(drawn((2, 3), ["a", "b", "c"]).describe())
IMAGES = np.arange(12, dtype=np.uint8).reshape(2, 2, 3) * 20
LABELS = np.array([2, 0], "<u2")


def as_json(**given):
    return Body("json", json.dumps(given).encode())


@pytest.mark.parametrize("labelled", [False, True])
def test_all_forms_say_the_same(labelled):
    more = {"labels": LABELS.tolist()} if labelled else {}
    after = LABELS.tobytes() if labelled else b""
    forms = [
        as_json(images=IMAGES.tolist(), **more),
        as_json(images=IMAGES.reshape(2, -1).tolist(), **more),
        Body("raw", IMAGES.tobytes() + after),
        Body("raw", IMAGES.astype("<f4").tobytes() + after, "float32"),
    ]
    for form in forms:
        images, labels = read(form, OF, labelled)
        np.testing.assert_array_equal(images, IMAGES)
        np.testing.assert_array_equal(labels, LABELS if labelled else [])


ROW = [0] * 6
WRONG = [
    (as_json(images=[]), "images: expected one or more, found none"),
    (Body("raw", b""), "images: expected one or more, found none"),
    (Body("raw", bytes(7)), "images of 6 uint8, n x 6 bytes, found 7 bytes"),
    (Body("raw", bytes(6), "float32"), "n x 24 bytes"),
    (Body("raw", np.full(6, np.nan, "<f4").tobytes(), "float32"), "finite"),
    (as_json(images=[[0] * 5]), "each of shape (2, 3), or flat, found (5,)"),
    (as_json(images=[[]]), "each of shape (2, 3), or flat, found (0,)"),
    (as_json(images=[[[0, 0]] * 3]), "each of shape (2, 3), or flat, found (3, 2)"),
    (as_json(images=ROW), "each of shape (2, 3), or flat, found ()"),
    (as_json(images=[ROW, [0] * 5]), "images: expected lists of one length"),
    (as_json(images=[[0] * 5 + [1e39]]), "finite numbers below 1e30"),
    (as_json(images=[[0] * 5 + [10**400]]), "images: expected numbers"),
    (Body("json", b'{"images": [[0,0,0,0,0,NaN]]}'), "finite"),
    (as_json(images=[ROW], more=1), "an object of images, found ['images', 'more']"),
    (as_json(images=[ROW], labels=[0]), "an object of images"),
    (as_json(), "an object of images"),
    (as_json(images=ROW[0]), "images: expected a list"),
    (as_json(images={"0": ROW}), "images: expected a list"),
    (as_json(images=[["0"] * 6]), "images: expected numbers"),
    (as_json(images=[[None] * 6]), "images: expected numbers"),
    (as_json(images=["123456"]), "images: expected numbers"),
    (as_json(images=[[[0] * 3, [0] * 2]]), "images: expected lists of one length"),
    (as_json(images=[[[ROW[:3]] * 2]]), "each of shape (2, 3), or flat, found (1, 2, 3)"),
    (as_json(images=[[0] * 5 + [-1e31]]), "finite numbers below 1e30"),
    (as_json(images=[[True] + [0] * 5]), "body: expected numbers, found true or false"),
    (Body("json", b"["), "body: expected JSON"),
    (Body("json", b"\xff"), "body: expected JSON"),
    (Body("json", b"[" * 100_000), "body: expected JSON"),
    (Body("json", b"[]"), "an object of images, found list"),
    (Body("json", b""), "body: expected JSON"),
]


@pytest.mark.parametrize(("body", "words"), WRONG)
def test_what_are_no_images_is_refused_in_words(body, words):
    with pytest.raises(Refusal) as info:
        read(body, OF)
    assert info.value.status == 422 and words in str(info.value), info.value


@pytest.mark.parametrize(
    ("labels", "words"),
    [([3], "classes from 0 to 2, found 3"), ([-1], "found -1"), ([2**70], "whole numbers"),
     ([], "1, one of each image, found (0,)"), ([0, 1], "found (2,)"), ([0.5], "whole numbers"),
     ([[0]], "found (1, 1)"), (["0"], "whole numbers"), (None, "a list"), (0, "a list")],
)  # fmt: skip
def test_what_are_no_labels_is_refused_in_words(labels, words):
    with pytest.raises(Refusal) as info:
        read(as_json(images=[ROW], labels=labels), OF, labelled=True)
    assert info.value.status == 422 and words in str(info.value), info.value


@given(st.binary(max_size=200), st.sampled_from(["uint8", "float32"]), st.booleans())
def test_any_bytes_are_read_or_refused(content, dtype, labelled):
    for form in ("json", "raw"):
        try:
            images, labels = read(Body(form, content, dtype), OF, labelled)
        except Refusal as error:
            assert error.status == 422
        else:
            assert images.shape[1:] == (2, 3) and len(labels) == len(images) * labelled


ARRAYS = {"a": np.array([[0.5, np.inf]], np.float32), "b": np.array([3], np.int32)}


def test_an_answer_has_the_form_that_was_asked_for():
    assert json.loads(written("json", "a", ARRAYS, how="so")) == {
        "a": [[0.5, None]],
        "b": [3],
        "how": "so",
    }
    assert written("raw", "a", ARRAYS) == ARRAYS["a"].tobytes()
    for name, array in load(written("safetensors", "a", ARRAYS)).items():
        np.testing.assert_array_equal(array, ARRAYS[name])


def test_more_numbers_than_json_should_carry_are_refused_in_words(monkeypatch):
    monkeypatch.setattr(bodies, "MOST_NUMBERS", 2)
    with pytest.raises(Refusal, match="another form") as info:
        written("json", "a", ARRAYS)
    assert info.value.status == 413
    assert written("raw", "a", ARRAYS)
