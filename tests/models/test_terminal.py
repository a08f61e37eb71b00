"""What is printed is the picture: the tests read the escape codes back into pixels."""

import re
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.mnist.commands.terminal import SHADES, render

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (5, 28, 28), dtype=np.uint8)
RUN = re.compile(r"\x1b\[38;2;(\d+);\1;\1;48;2;(\d+);\2;\2m(▀+)")


def pixels(line):
    """The two rows of greys that one line of half blocks shows."""
    runs = [(int(a), int(b), len(blocks)) for a, b, blocks in RUN.findall(line)]
    assert RUN.sub("", line).replace("\x1b[0m", "").strip() == ""
    return [[run[i] for run in runs for _ in range(run[2])] for i in (0, 1)]


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 4), st.randoms(use_true_random=False))
def test_the_colours_are_the_pixels(height, width, levels, random):
    shape = (height, width)
    image = np.array([random.randrange(levels) * 60 for _ in range(height * width)], np.uint8)
    text = render(image.reshape(shape), colour=True)
    shown = np.array([row for line in text.split("\n") for row in pixels(line)])
    np.testing.assert_array_equal(shown[:height], image.reshape(shape))
    assert not shown[height:].any()  # an odd height ends in black


def test_colours_end_with_each_picture():
    # Else the gap between two pictures, or the shell's prompt, would take on their grey.
    for line in render(IMAGES[:2], width=80, colour=True).split("\n"):
        first, second = line.split("  ")
        assert first.endswith("▀\x1b[0m")
        assert second.endswith("▀\x1b[0m")


def test_equal_neighbours_share_an_escape_code():
    assert render(np.zeros((2, 28), np.uint8), colour=True).count("\x1b") == 2


def test_shades_grow_with_the_light():
    ramp = np.linspace(0, 255, 10).round().astype(np.uint8)
    assert render(np.stack([ramp, ramp]), colour=False) == SHADES
    assert render(np.array([[255, 0, 200], [0, 255, 255]], np.uint8), colour=False) == "==%"


@pytest.mark.parametrize(
    ("width", "across"), [(160, 5), (80, 2), (58, 2), (57, 1), (40, 1), (28, 1)]
)
def test_as_many_stand_side_by_side_as_fit(width, across):
    text = render(np.full_like(IMAGES, 255), width=width, colour=False)
    blocks = text.split("\n\n")
    assert len(blocks) == -(-5 // across)
    assert blocks[0].split("\n") == ["  ".join(["@" * 28] * across)] * 14


def test_captions_stand_beneath_their_pictures_and_are_not_broken():
    captions = ["#42 label 7\npredicted 9 (0.63)", "#43 label 1"]
    lines = render(IMAGES[:2], captions, width=80, colour=False).split("\n")
    assert lines[14:] == ["#42 label 7                   #43 label 1", "predicted 9 (0.63)"]
    narrow = render(IMAGES[:2], captions, width=40, colour=False).split("\n")
    assert narrow[14:17] == ["#42 label 7", "predicted 9 (0.63)", ""]
    assert narrow[31:] == ["#43 label 1"]


def test_a_caption_may_be_wider_than_its_picture():
    """Else those of an 8 x 8 digit are cut to "#1234: 7"."""
    small = np.full((2, 4, 8), 255, np.uint8)
    lines = render(small, ["#1234: お (12.3%)", "x" * 99], width=80, colour=False).split("\n")
    assert lines[:2] == ["@" * 8 + " " * 26 + "@" * 8] * 2
    assert lines[2] == "#1234: お (12.3%)" + " " * 17 + "x" * 31 + "…"  # お takes two columns


@given(st.integers(1, 40), st.integers(1, 200), st.integers(1, 100), st.sampled_from([(), (3,)]))
def test_pictures_of_any_size_fit(height, width, columns, colours):
    image = np.full((1, height, width, *colours), 255, np.uint8)
    lines = render(image, width=columns, colour=False).split("\n")
    assert max(map(len, lines)) == min(width, columns)
    assert len(lines) == -(-max(1, round(height * min(1, columns / width))) // 2)


def test_colours_are_the_pixels_too():
    image = RNG.integers(0, 256, (1, 2, 3, 3), dtype=np.uint8)
    codes = re.findall(
        r"38;2;(\d+);(\d+);(\d+);48;2;(\d+);(\d+);(\d+)m▀", render(image, colour=True)
    )
    assert np.array(codes, int).reshape(3, 2, 3).swapaxes(0, 1).tolist() == image[0].tolist()


def test_what_is_too_wide_is_averaged():
    image = np.array([[0, 100, 50, 50], [200, 100, 50, 50]], np.uint8)
    assert pixels(render(image, colour=True, widest=2)) == [[100, 50], [0, 0]]


def test_no_pictures_are_no_text():
    assert render(IMAGES[:0]) == ""


@pytest.mark.parametrize(
    ("terminal", "encoding", "environment", "colour"),
    [
        (True, "utf-8", {}, True),
        (True, "UTF-8", {"NO_COLOR": ""}, True),  # no-color.org: only when not empty
        (True, "utf-8", {"NO_COLOR": "1"}, False),
        (True, "utf-8", {"TERM": "dumb"}, False),
        (True, "ascii", {}, False),
        (False, "utf-8", {}, False),
    ],
)
def test_colour_by_default_only_where_it_shows(
    monkeypatch, terminal, encoding, environment, colour
):
    class Output:
        def isatty(self):
            return terminal

    output = Output()
    output.encoding = encoding
    monkeypatch.setattr(sys, "stdout", output)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    text = render(IMAGES[0])
    assert ("\x1b" in text) == colour
    assert text.isascii() != colour


def test_the_width_is_the_terminals(monkeypatch):
    monkeypatch.setenv("COLUMNS", "90")
    assert render(IMAGES, colour=False) == render(IMAGES, width=90, colour=False)


@pytest.mark.parametrize(
    ("error", "message", "arguments"),
    [
        (TypeError, "expected uint8 .* found float64", {"images": IMAGES / 255}),
        (ValueError, r"found \(784,\)", {"images": IMAGES[0].ravel()}),
        (ValueError, r"found \(28, 0\)", {"images": IMAGES[0, :, :0]}),
        (ValueError, "expected 5 captions, found 1", {"captions": ["a"]}),
        (ValueError, r"found \(5, 28, 28, 2\)", {"images": np.stack([IMAGES] * 2, axis=-1)}),
    ],
)
def test_errors_say_what_was_expected(error, message, arguments):
    with pytest.raises(error, match=message):
        render(**{"images": IMAGES, **arguments})
