"""Digits are found on paper as people photograph it: in any light, with dirt, edges and lines."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

import data
from models.mnist.image import ImageError
from models.mnist.reading import find, prepare

Grey = NDArray[np.float32]
EXAMPLES = settings(max_examples=10, deadline=None)


@cache
def digits() -> NDArray[np.uint8]:
    return data.load("mnist").test.images[:1000]


def ink(i: int, high: int = 90) -> Grey:
    """The ink of a digit alone, so many pixels high, from 0 to 1."""
    digit = digits()[i]
    rows, columns = np.flatnonzero(digit.any(1)), np.flatnonzero(digit.any(0))
    cut = digit[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    wide = max(1, round(high * cut.shape[1] / cut.shape[0]))
    drawn = Image.fromarray(cut).resize((wide, high), Image.Resampling.BICUBIC)
    return np.clip((np.asarray(drawn, np.float32) - 90) / 60, 0, 1)


def paper(i: int, noise: float = 2.0, at: tuple[int, int] = (50, 60), level: float = 220) -> Grey:
    """A digit, 90 pixels high, on paper of 200 x 200 pixels."""
    drawn = ink(i)
    picture = np.full((200, 200), level, np.float32)
    here = picture[at[0] : at[0] + drawn.shape[0], at[1] : at[1] + drawn.shape[1]]
    here -= drawn[:, : here.shape[1]] * (level - 40)
    return picture + np.random.default_rng(i).normal(0, noise, picture.shape).astype(np.float32)


def grid() -> tuple[Grey, Grey]:
    y, x = np.mgrid[-1:1:200j, -1:1:200j].astype(np.float32)
    return y, x


def apart(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    """Mean difference over the mean ink, for the best shift by at most one pixel; two different
    digits are more than 1 apart."""
    shifts = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    p, q = a.astype(float), b.astype(float)
    return float(min(np.abs(np.roll(p, s, (0, 1)) - q).mean() for s in shifts) / q.mean())


# Half a pixel of the 20 along the outline of a stroke of three is a third of its ink.
SAME = 1 / 3


@given(st.integers(0, 99), st.floats(0, 6.28), st.floats(-1, 1), st.floats(20, 120))
@EXAMPLES
def test_smooth_light_does_not_matter(i, angle, curve, levels):
    # One grey for all of the paper took the light for ink, or for noise in which all was blank.
    y, x = grid()
    dark = np.cos(angle) * x + np.sin(angle) * y + curve * (x * x + y * y)
    dark = levels * (dark - dark.min()) / np.ptp(dark)
    assert apart(prepare(paper(i) - dark), prepare(paper(i))) < SAME


@given(st.integers(0, 99), st.floats(0, 6.28), st.floats(-0.5, 0.5), st.sampled_from([0.01, 0.2]))
@EXAMPLES
def test_the_edge_of_a_shadow_is_no_ink(i, angle, at, soft):
    y, x = grid()
    inside = 1 / (1 + np.exp(-np.clip((np.cos(angle) * x + np.sin(angle) * y - at) / soft, -9, 9)))
    found = find(paper(i) * (1 - 0.4 * inside))
    assert len(found) == 1
    # Along a hard edge the stroke is seen a little thicker, or thinner.
    assert apart(found[0].pixels, prepare(paper(i))) < 2 * SAME


@given(st.integers(0, 99), st.floats(0, 8))
@EXAMPLES
def test_dark_on_light_is_read_as_light_on_dark_is(i, noise):
    picture = paper(i, noise)
    assert apart(prepare(255 - picture), prepare(picture)) < 0.02  # float32's rounding


@given(st.integers(0, 99), st.lists(st.tuples(*[st.integers(0, 195)] * 2), min_size=1, max_size=8))
@EXAMPLES
def test_specks_do_not_count(i, specks):
    picture = paper(i)
    for row, column in specks:
        if not (40 < row < 150 and 50 < column < 160):  # not on the digit
            picture[row : row + 5, column : column + 5] = 20
    (digit,) = find(picture)
    assert apart(digit.pixels, prepare(paper(i))) < 0.05


@given(st.integers(0, 99), st.lists(st.integers(0, 3), min_size=1, max_size=4, unique=True),
       st.integers(1, 8), st.booleans())  # fmt: skip
@EXAMPLES
def test_the_dark_edges_of_a_scan_do_not_count(i, sides, depth, half):
    picture = paper(i)
    for side in sides:
        np.rot90(picture, side)[:depth, : 100 if half else 200] = 20
    (digit,) = find(picture)
    assert apart(digit.pixels, prepare(paper(i))) < 0.05


@given(st.integers(0, 99), st.integers(2, 8), st.integers(1, 3), st.integers(20, 150))
@EXAMPLES
def test_a_frame_around_the_digit_does_not_count(i, at, pen, level):
    picture = np.full((200, 200), level, np.float32)
    picture[:at], picture[-at:], picture[:, :at], picture[:, -at:] = [220] * 4
    inner = slice(at + pen, -at - pen)
    picture[inner, inner] = paper(i)[inner, inner]
    (digit,) = find(picture)
    assert apart(digit.pixels, prepare(paper(i))) < 0.05


@given(st.integers(0, 99), st.integers(18, 40), st.integers(1, 2), st.floats(-0.1, 0.1),
       st.floats(120, 170), st.booleans())  # fmt: skip
@EXAMPLES
def test_lines_of_the_paper_are_no_ink(i, gap, pen, slope, level, squared):
    picture = paper(i)
    rows, columns = np.indices(picture.shape)
    lined = (rows + slope * columns) % gap < pen
    lined |= squared & ((columns - slope * rows) % gap < pen)
    found = find(np.where(lined, np.minimum(picture, np.float32(level)), picture))
    assert len(found) == 1
    # Where a stroke ends on a line, or runs along it, it may gain the line's width: 2 pixels of 13.
    assert apart(found[0].pixels, prepare(paper(i))) < SAME + 2 / 13


@given(st.lists(st.integers(0, 99), min_size=2, max_size=5), st.integers(1, 2), st.integers(8, 30))
@EXAMPLES
def test_digits_are_found_in_reading_order(chosen, rows, gap):
    picture = np.full((60 + 100 * rows, 500), 220, np.float32)
    expected = []
    for row in range(rows):
        left = 30
        for i in chosen:
            drawn, top = ink(i, 70), 30 + 100 * row
            picture[top : top + 70, left : left + drawn.shape[1]] -= 180 * drawn
            expected.append((top, left, i))
            left += drawn.shape[1] + gap
    found = find(picture)
    assert len(found) == len(expected)
    for digit, (top, left, i) in zip(found, expected, strict=True):
        assert np.abs(np.subtract(digit.box[:2], (top, left))).max() <= 8  # faint ends
        assert apart(digit.pixels, prepare(np.pad(ink(i, 70), 30))) < 0.1


@given(st.integers(0, 90), st.integers(1, 3), st.floats(-0.17, 0.17), st.integers(3, 6))
@EXAMPLES
def test_rows_may_slope(first, rows, slope, count):
    """By ten degrees, as of a photograph that was not held straight: else digits change places."""
    picture, expected = np.full((340 + 110 * rows, 620), 220, np.float32), []
    for row in range(rows):
        for column in range(count):
            drawn = ink((first + 7 * row + column) % 99, 50)
            left = 40 + 90 * column
            top = round(150 + 110 * row + slope * (left - 300))
            picture[top : top + 50, left : left + drawn.shape[1]] -= 180 * drawn
            expected.append((top, left))
    found = [digit.box[:2] for digit in find(picture)]
    assert len(found) == len(expected)
    assert np.abs(np.subtract(found, expected)).max() <= 8  # faint ends


@given(st.integers(0, 99), st.integers(2, 6))
@EXAMPLES
def test_small_digits_on_a_large_paper_are_read_not_the_paper_between_them(first, count):
    picture = np.full((600, 600), 220, np.float32)
    for i in range(count):
        drawn = ink((first + i) % 99, 55)
        picture[270:325, 60 + 80 * i : 60 + 80 * i + drawn.shape[1]] -= 180 * drawn
    assert len(find(picture)) == count


@pytest.mark.parametrize("apart", [10, 24])
def test_a_pattern_is_not_read(apart):
    picture = np.full((400, 400), 220, np.float32)
    for top in range(8, 380, apart):
        for left in range(8, 380, apart):
            picture[top : top + apart // 2, left : left + apart // 3] = 40
    with pytest.raises(ImageError, match="expected"):
        find(picture)


@pytest.mark.parametrize("width", [2, 3, 4])
def test_a_thin_pen_is_brought_to_the_width_of_a_usual_one(width):
    # A third of the usual width is one pixel of MNIST's: digits lost a tenth of their accuracy.
    picture = np.full((200, 200), 220, np.float32)
    picture[50:150, 90 : 90 + width] = 40
    assert 2 <= np.count_nonzero((prepare(picture) > 127).any(0)) <= 3


@given(st.floats(0, 6.28), st.floats(-1, 1), st.floats(0, 120), st.floats(1, 8), st.integers(0, 8),
       st.booleans(), st.integers(0, 99))  # fmt: skip
@EXAMPLES
def test_blank_paper_in_any_light_is_refused(angle, curve, levels, noise, edge, shadow, seed):
    y, x = grid()
    along = np.cos(angle) * x + np.sin(angle) * y
    dark = along + curve * (x * x + y * y)
    picture = 220 - levels * (dark - dark.min()) / np.ptp(dark)
    picture *= 1 - 0.4 * (shadow & (along > 0.2))
    picture[: 0 if shadow else edge] = 20
    picture += np.random.default_rng(seed).normal(0, noise, picture.shape)
    with pytest.raises(ImageError, match="expected a digit"):
        prepare(np.clip(np.rint(picture), 0, 255).astype(np.uint8))


def test_digits_of_mnist_are_one_each():
    # Some have a bar, or a half, that touches nothing else.
    counts = [len(find(digit)) for digit in digits()[500:800]]
    assert np.mean(np.equal(counts, 1)) >= 0.99


def test_a_photograph_of_twelve_megapixels():
    small = paper(3, noise=0)
    picture = np.kron(np.pad(small, ((0, 0), (0, 66)), mode="edge"), np.ones((15, 15), np.float32))
    (digit,) = find(picture.astype(np.uint8))
    assert apart(digit.pixels, prepare(small)) < SAME
    top, _, bottom, _ = digit.box
    assert abs(top - 15 * 50) <= 30 and abs(bottom - 15 * 140) <= 30


def test_a_digit_that_was_cut_out_closely_is_whole():
    # Its strokes end at the border, as those of scikit-learn's 8 x 8 digits do.
    for i in range(20):
        drawn = np.uint8(255 * np.pad(ink(i, 64), ((0, 0), (4, 4))))
        for picture in (drawn, 255 - drawn):
            (digit,) = find(picture)
            assert apart(digit.pixels, prepare(np.pad(drawn, 30))) < SAME
