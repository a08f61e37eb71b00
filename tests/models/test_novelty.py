"""Novelty: what is like no class is told apart from what is, and the page computes the same."""

import gzip
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageDraw, ImageFont

import data
from autograd import Tensor, no_grad
from autograd.compiler import wasm
from data import Examples
from models.mnist.image import ImageError
from models.mnist.novelty import FEWEST, NEW, Novelty
from models.mnist.reading import prepare
from models.mnist.reading.description import describe, traced
from tests.autograd.compiler.webpage import Page

SIDE = 140  # pixels of a drawing
UNLIKE = "ACEFGHKLMNPRTUWX"  # letters that are like no digit
DEBIAN = Path("/usr/share/datasets/fashion-mnist/t10k-images-idx3-ubyte.gz")


@pytest.fixture(scope="module")
def novelty():
    """By all of MNIST, but for every other test digit."""
    mnist = data.load("mnist")
    return Novelty.fit(mnist.train, mnist.test.take(np.arange(0, 10_000, 2)), 255.0)


@given(
    st.tuples(st.integers(1, 4), st.integers(1, 70), st.integers(1, 70)).flatmap(
        lambda shape: arrays(np.uint8, shape)
    )
)
def test_the_graph_describes_a_picture_as_numpy_does(images):
    """Squares, because most are roots of sums, of which 0 may be 1e-9 in another order."""
    with no_grad():
        found = traced(Tensor(images.astype(np.float32) / np.float32(255))).data
    np.testing.assert_allclose(found**2, describe(images, 255.0) ** 2, rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("shape", [(28, 28), (9, 9, 1), (40, 40)])
def test_webassembly_gives_what_python_gives(shape):
    """One example more or less: of distances that are equal but for rounding, either may be so."""
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (300, *shape)).astype(np.uint8)
    images[::2, : shape[0] // 2] //= 4
    examples = Examples(images, np.arange(300) % 3)
    novelty = Novelty.fit(examples, examples, 255.0)
    page = Page(wasm(novelty.entries(shape, 255.0)))
    found = [float(page("novelty", image[None])["share"]) for image in images[:40]]
    assert len(set(found)) > 30
    np.testing.assert_allclose(found, novelty.share(images[:40], 255.0), atol=1.001 / 300)


def test_of_test_digits_that_set_no_limit_one_percent_is_new(novelty):
    assert novelty(data.load("mnist").test.images[1::2], 255.0).mean() <= 1.1 * NEW


def drawn(kind, generator):
    """Something that is no digit, as a hand or a press leaves it."""
    canvas = Image.new("L", (SIDE, SIDE))
    pen, middle = ImageDraw.Draw(canvas), SIDE / 2
    wide, tall = generator.uniform(20, 60, 2)
    if kind == "dot":
        pen.ellipse([middle - wide / 2] * 2 + [middle + wide / 2] * 2, fill=255)
    elif kind == "lying line":
        slope = generator.uniform(-0.4, 0.4) * wide
        ends = [(middle - wide, middle - slope), (middle + wide, middle + slope)]
        pen.line(ends, fill=255, width=int(generator.integers(8, 16)))
    elif kind == "filled box":
        pen.rectangle([middle - wide, middle - tall, middle + wide, middle + tall], fill=255)
    elif kind == "chessboard":
        cells, cell = int(generator.integers(3, 7)), int(generator.integers(10, 20))
        board = (np.indices((cells, cells)).sum(0) % 2).repeat(cell, 0).repeat(cell, 1)
        canvas.paste(Image.fromarray((255 * board).astype(np.uint8)), (10, 10))
    elif kind == "letter":
        font = ImageFont.load_default(int(generator.integers(50, 120)))
        letter = generator.choice(list(UNLIKE))
        pen.text((middle, middle), letter, fill=255, font=font, anchor="mm")
    elif kind == "two digits":
        digits = generator.choice(data.load("mnist").test.images, 2)
        pair = Image.fromarray(np.hstack([each[:, 3:25] for each in digits]))
        canvas.paste(pair.resize((132, 84), Image.Resampling.BICUBIC), (4, 28))
    elif kind == "scribble":
        corners = generator.uniform(20, 120, (int(generator.integers(9, 16)), 2))
        pen.line([*map(tuple, corners)], fill=255, width=int(generator.integers(5, 12)))
    return np.asarray(canvas)


@pytest.mark.parametrize(
    ("kind", "new", "rare"),
    [
        ("dot", 1, 1),
        ("lying line", 1, 1),
        ("filled box", 0.9, 0.9),
        ("chessboard", 1, 1),
        ("letter", 0.6, 0.9),
        ("two digits", 0.7, 0.95),
        ("scribble", 0.6, 0.9),
    ],
)
def test_most_of_what_is_no_digit_is_new_or_rare(novelty, kind, new, rare):
    """Of 25 each, but for what is refused; models/mnist/novelty.py has the shares of many."""
    generator = np.random.default_rng(4)
    examples = []
    for _ in range(25):
        with suppress(ImageError):  # too flat
            sheet = 255 - drawn(kind, generator)
            examples += [prepare(np.pad(sheet, SIDE // 2, constant_values=255))]
    share = novelty.share(np.array(examples), 255.0)
    assert (share < NEW).mean() >= new
    assert (share < 0.05).mean() >= rare


@pytest.mark.skipif(not DEBIAN.exists(), reason="no package dataset-fashion-mnist")
def test_clothes_are_new(novelty):
    clothes = np.frombuffer(gzip.decompress(DEBIAN.read_bytes()), np.uint8, offset=16)
    assert novelty(clothes.reshape(-1, 28, 28)[:500], 255.0).mean() > 0.95


def test_nothing_is_told_by_too_few_or_by_what_is_no_grey_picture():
    def examples(n, *shape):
        return Examples(np.zeros((n, *shape), np.uint8), np.arange(n) % 2)

    assert Novelty.fit(examples(60, 8, 8), examples(FEWEST - 1, 8, 8), 255.0) is None
    assert Novelty.fit(examples(60, 8, 8, 3), examples(60, 8, 8, 3), 255.0) is None
    assert Novelty.fit(examples(60, 7), examples(60, 7), 1.0) is None
    broken = Examples(np.full((60, 8, 8), np.inf), np.arange(60) % 2)
    assert Novelty.fit(broken, broken, 1.0) is None
    # All alike, which have no variance.
    assert not Novelty.fit(examples(60, 8, 8), examples(60, 8, 8), 255.0)(
        np.zeros((1, 8, 8), np.uint8), 255.0
    )


def test_a_class_without_an_example_draws_nothing_to_it():
    """Its mean would be that of all, which much is near to that is like none."""
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (200, 8, 8)).astype(np.uint8)
    images[:100, :4] = 0
    images[100:, 4:] = 0
    labels = np.where(np.arange(200) < 100, 0, 2)
    novelty = Novelty.fit(*[Examples(images, labels)] * 2, 255.0)
    assert len(novelty.means) == 2
    between = (images[:50] // 2 + images[-50:] // 2).astype(np.uint8)
    assert novelty(between, 255.0).all()
