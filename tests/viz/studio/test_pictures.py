"""A picture that somebody sends: what the network sees of it, and what is refused before it is
unpacked."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import data
from models.command_line import InputError
from models.mnist.datasets import Described
from models.mnist.reading.seen import seen
from tests.few import drawn
from viz.studio.engine import pictures
from viz.studio.engine.pictures import KINDS, MOST_PIXELS, prepare
from viz.studio.refusal import Refusal

MNIST = Described.read(data.load("mnist").describe())
SMALL = Described.read(drawn((6, 8), ["a", "b"]).describe())


def file_of(array, kind="PNG"):
    content = BytesIO()
    Image.fromarray(array).save(content, kind)
    return content.getvalue()


def digits(*labels):
    """Ink on paper, large, side by side."""
    test = data.load("mnist").test
    found = [test.images[np.flatnonzero(test.labels == label)[0]] for label in labels]
    return np.array(
        Image.fromarray(255 - np.concatenate(found, 1)).resize((200 * len(labels), 200))
    )


@pytest.mark.parametrize("kind", KINDS)
def test_digits_are_prepared_as_predict_prepares_them(kind, tmp_path):
    content = file_of(digits(7, 1), kind)
    (tmp_path / "picture").write_bytes(content)
    want, found = seen(tmp_path / "picture", MNIST), prepare(content, MNIST)
    np.testing.assert_array_equal(found.images, want.examples)
    assert found.images.shape == (2, 28, 28) and found.images.dtype == np.uint8
    assert found.boxes.tolist() == [list(box) for box in want.boxes]
    assert found.boxes[0, 1] < found.boxes[1, 1], "from left to right"
    assert found.how == want.how


def test_a_picture_of_another_dataset_is_read_whole_in_its_unit():
    picture = np.arange(48, dtype=np.uint8).reshape(6, 8) * 5
    found = prepare(file_of(picture), SMALL)
    np.testing.assert_array_equal(found.images, picture[None])
    assert found.boxes.shape == (0, 4)
    table = drawn((6, 8), ["a", "b"]).describe() | {"scale": 16.0, "source": {"source": ["t.csv"]}}
    found = prepare(file_of(picture), Described.read(table))
    # What the network divides by 16 is what `predict` divides by 255.
    np.testing.assert_allclose(found.images / 16, picture[None] / 255, rtol=1e-6)


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few hundred bytes that says it has so many pixels."""

    def chunk(kind, content):
        return (
            struct.pack(">I", len(content))
            + kind
            + content
            + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 99))


@pytest.mark.parametrize("size", [(MOST_PIXELS // 1000 + 1, 1000), (2**31 - 1, 2**31 - 1)])
def test_a_picture_of_too_many_pixels_is_refused_unread(size):
    with pytest.raises(InputError, match=f"picture: expected at most {MOST_PIXELS:,} pixels"):
        prepare(bomb(*size), MNIST)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "found an empty file"),
        (b"no picture at all", "found a file that starts with"),
        (file_of(digits(3))[:-200], "damaged"),
        (file_of(np.full((50, 50), 255, np.uint8)), "expected"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "found a file that starts with"),
    ],
    ids=["empty", "text", "cut", "blank", "a program that Ghostscript would run"],
)
def test_what_cannot_be_prepared_is_refused_in_words(content, words):
    with pytest.raises(InputError, match=words):
        prepare(content, MNIST)


def test_a_network_of_tables_reads_no_pictures():
    with pytest.raises(Refusal, match="reads pictures") as info:
        prepare(file_of(digits(3)), Described.read(drawn((9,), ["a", "b"]).describe()))
    assert info.value.status == 409


@given(st.binary(max_size=64), st.integers(0, 2000), st.sampled_from(KINDS))
def test_damage_is_refused_or_seen_through(noise, place, kind):
    content = bytearray(file_of(np.arange(48, dtype=np.uint8).reshape(6, 8), kind))
    content[place % len(content) : place % len(content) + len(noise)] = noise
    try:
        assert pictures.prepare(bytes(content), SMALL).images.shape == (1, 6, 8)
    except InputError as error:
        assert str(error).startswith("picture: ")
