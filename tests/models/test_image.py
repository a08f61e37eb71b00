"""Pictures from anywhere become what MNIST would have made of them, or one clear line of error."""

import io
import warnings
from contextlib import suppress
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageDraw

import data
from models.mnist.image import ImageError, read_image
from models.mnist.reading import prepare


@cache
def digits() -> NDArray[np.uint8]:
    """The first thousand test digits; in all of them the longer side is 20 pixels."""
    return data.load("mnist").test.images[:1000]


def box(digit):
    rows, columns = np.flatnonzero(digit.any(1)), np.flatnonzero(digit.any(0))
    return rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1


def centre(digit):
    i = np.arange(28)
    return (digit.sum(1) @ i / digit.sum(), digit.sum(0) @ i / digit.sum())


def seven(scale, pen=3.0):
    """A seven drawn by pen strokes, `scale` times 28 pixels wide: black on white, anti-aliased."""
    large = Image.new("L", (1120, 1120), 255)
    points = [(40 * x, 40 * y) for x, y in [(7, 5), (20, 5), (12, 23)]]
    ImageDraw.Draw(large).line(points, fill=0, width=round(40 * pen), joint="curve")
    return np.array(large.resize((round(28 * scale),) * 2, Image.Resampling.BOX))


def apart(a, b):
    """Mean difference over the mean ink, for the best shift by at most one pixel: a centre of
    mass near the border of a pixel may fall to either side of it."""
    shifts = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    a, b = a.astype(float), b.astype(float)
    return min(np.abs(np.roll(a, s, (0, 1)) - b).mean() for s in shifts) / b.mean()


def test_digits_of_mnist_stay_what_they_are():
    # Another centre than MNIST's, or a lossy resize, would change nearly all of them. One level:
    # a tenth of the digits are 254 at most and are stretched to 255. From 32 on: a row fainter
    # than an eighth may be cropped, which moves the digit by a pixel in 0.4 % of MNIST.
    pairs = [(digit, prepare(digit)) for digit in digits()[:500]]
    stay = [np.abs(new.astype(int) - old)[old >= 32].max() <= 1 for old, new in pairs]
    assert np.mean(stay) >= 0.99


@given(
    st.integers(0, 999),
    st.integers(1, 10),
    st.tuples(*[st.integers(0, 60)] * 4),
    st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_scale_place_and_polarity_do_not_matter(i, scale, pad, dark):
    big = np.kron(digits()[i], np.ones((scale, scale), np.uint8))
    picture = np.pad(big, (pad[:2], pad[2:]))
    # Area averages undo the enlargement exactly; one level for a float that rounds elsewhere.
    difference = prepare(255 - picture if dark else picture).astype(int) - prepare(digits()[i])
    assert np.abs(difference).max() <= 1


@given(st.integers(0, 999), st.floats(0.2, 1), st.floats(0, 1000))
@settings(max_examples=60, deadline=None)
def test_contrast_and_brightness_do_not_matter(i, contrast, level):
    # In floats no grey is rounded away: what is left are float32's seven digits of level + 255.
    picture = level + contrast * digits()[i]
    assert np.abs(prepare(picture).astype(int) - prepare(digits()[i])).max() <= 1


@pytest.mark.parametrize("scale", [0.6, 0.8, 1, 1.3, 1.6, 2, 2.5, 3.7, 5, 7.7, 10])
def test_a_drawing_of_any_resolution_gives_one_digit(scale):
    # The box is cut at whole pixels of the picture and its shorter side rounded to whole pixels
    # of the digit, so each edge of a stroke 3 wide may be off by half a pixel: a third of the ink.
    # Two different digits are more than 1 apart.
    assert apart(prepare(seven(scale)), prepare(seven(40))) < 1 / 3


@given(st.integers(0, 999), st.floats(0.4, 6), st.floats(0.5, 2))
@settings(max_examples=60, deadline=None)
def test_the_ink_is_20_long_and_centred(i, scale, aspect):
    size = round(28 * scale * aspect), round(28 * scale)
    picture = np.array(Image.fromarray(digits()[i]).resize(size, Image.Resampling.BICUBIC))
    digit = prepare(picture)
    assert digit.max() == 255
    # Blur may leave rows at the ends too faint for the least grey.
    assert 19 <= max(box(digit)) <= 20
    # Half a pixel, and the rounding of 400 greys.
    assert np.max(np.abs(np.subtract(centre(digit), 14))) <= 0.51


def test_an_unbalanced_shape_stays_within_the_frame():
    picture = np.zeros((100, 100), np.uint8)
    picture[10:90, 10:30] = 255  # nearly all of the mass at the left,
    picture[10:14, 10:90] = 255  # and a long bar to the right
    digit = prepare(picture)
    assert box(digit) == (20, 20)
    assert digit[:, -1].any()


def test_a_small_picture_is_enlarged_without_squares():
    digit = prepare(np.pad(np.eye(5), 1))
    assert box(digit) == (20, 20)
    assert len(np.unique(digit)) > 10


def test_a_thin_pen_is_not_faint():
    assert prepare(seven(30, pen=0.1)).max() == 255


def test_a_line_of_one_pixel_is_a_digit_of_a_pen_that_mnist_knows():
    assert box(prepare(np.eye(1, 1000, 500) + np.zeros((300, 1)))) in [(20, 2), (20, 3)]


def test_noise_and_shadow_of_the_paper_go():
    rng = np.random.default_rng(0)
    noisy = seven(10) * 0.6 + 60 + rng.normal(0, 5, (280, 280))
    assert apart(prepare(noisy), prepare(seven(10))) < 0.05
    with pytest.raises(ImageError, match="blank"):
        prepare(rng.normal(128, 5, (500, 500)))


@pytest.mark.parametrize("scale", [3, 10, 30])
def test_the_ringing_of_jpeg_does_not_widen_the_box(scale):
    # A box one pixel of the result too wide would make a tenth of difference and more.
    file = io.BytesIO()
    Image.fromarray(seven(scale)).save(file, "JPEG", quality=75)
    assert apart(prepare(np.array(Image.open(file))), prepare(seven(scale))) < 0.05


@pytest.mark.parametrize("dtype", [bool, np.int16, np.uint16, np.float32, np.float64])
def test_any_real_dtype(dtype):
    digit = digits()[0] > 127
    np.testing.assert_array_equal(prepare(digit.astype(dtype)), prepare(digit))


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (np.zeros((28, 28), np.uint8), "blank picture"),
        (np.full((1, 1), 255, np.uint8), "blank picture"),
        (np.zeros((0, 28), np.uint8), r"shape \(h, w\), found uint8 of shape \(0, 28\)"),
        (np.zeros((28, 28, 3), np.uint8), r"found uint8 of shape \(28, 28, 3\)"),
        (np.zeros((28, 28), complex), "real numbers .* found complex128"),
        (np.full((28, 28), np.nan), "finite"),
        (np.eye(28) * 1e300, "finite"),
    ],
)
def test_what_is_no_digit_is_an_error(picture, message):
    with pytest.raises(ImageError, match=message):
        prepare(picture)


def save(tmp_path, picture, name="digit.png", **options):
    picture.save(tmp_path / name, **options)
    return tmp_path / name


@pytest.mark.parametrize("suffix", ["png", "bmp", "gif", "tif", "webp"])
@pytest.mark.parametrize("mode", ["L", "RGB", "P", "1"])
def test_formats_and_modes(tmp_path, suffix, mode):
    seven_of_two_greys = np.where(seven(2) < 128, 0, 255).astype(np.uint8)  # all that "1" holds
    picture = Image.fromarray(seven_of_two_greys).convert(mode)
    options = {"lossless": True} if suffix == "webp" else {}
    grey = read_image(str(save(tmp_path, picture, f"digit.{suffix}", **options)))
    assert grey.dtype == np.uint8
    assert grey.flags.writeable
    np.testing.assert_array_equal(grey, seven_of_two_greys)


def test_jpeg_in_cmyk(tmp_path):
    path = save(tmp_path, Image.fromarray(seven(4)).convert("CMYK"), "digit.jpg", quality=95)
    assert apart(prepare(read_image(path)), prepare(seven(4))) < 0.02


def drawing(shade):
    """A seven in one shade of ink; what lies under full transparency is any colour."""
    alpha = 255 - seven(4)
    hidden = np.random.default_rng(0).integers(0, 256, alpha.shape, dtype=np.uint8)
    ink = Image.fromarray(np.where(alpha > 0, np.uint8(shade), hidden))
    return Image.merge("LA", [ink, Image.fromarray(alpha)])


@pytest.mark.parametrize("shade", [0, 60, 200, 255])
@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_a_drawing_on_transparency_is_seen_whatever_its_shade(tmp_path, shade, mode):
    path = save(tmp_path, drawing(shade).convert(mode))
    grey = read_image(path)
    assert grey[0, 0] == (255 if shade < 128 else 0)
    # A shade like 60 has fewer levels between itself and its paper.
    assert apart(prepare(grey), prepare(seven(4))) < 0.01


@pytest.mark.parametrize("suffix", ["png", "gif"])
def test_a_transparent_colour_of_a_palette_is_paper(tmp_path, suffix):
    ink = seven(4) < 128
    picture = Image.fromarray(ink.astype(np.uint8), "P")
    picture.putpalette([250, 250, 250, 255, 255, 255])  # white on nearly white, if it were seen
    path = save(tmp_path, picture, f"digit.{suffix}", transparency=0)
    np.testing.assert_array_equal(read_image(path), np.where(ink, 255, 0))


def test_half_transparent_edges_are_blended(tmp_path):
    picture = np.zeros((1, 4, 4), np.uint8)
    picture[0, :, 3] = [0, 51, 204, 255]
    path = save(tmp_path, Image.fromarray(picture, "RGBA"))
    np.testing.assert_array_equal(read_image(path), [[255, 204, 51, 0]])


@pytest.mark.parametrize("invert", [False, True])
def test_a_cut_out_with_its_own_paper_keeps_it(tmp_path, invert):
    # Black ink on white paper with a transparent rim: by the mean alone, the light paper would
    # pass for the ink.
    grey = 255 - seven(4) if invert else seven(4)
    alpha = np.zeros_like(grey)
    alpha[8:-8, 8:-8] = 255
    path = save(tmp_path, Image.merge("LA", [Image.fromarray(grey), Image.fromarray(alpha)]))
    np.testing.assert_array_equal(prepare(read_image(path)), prepare(seven(4)))


def test_nothing_but_transparency_is_blank(tmp_path):
    path = save(tmp_path, Image.new("RGBA", (28, 28), (0, 0, 0, 0)))
    with pytest.raises(ImageError, match="blank"):
        prepare(read_image(path))


@pytest.mark.parametrize("name", ["deep.png", "deep.tif", "deep.pgm"])
def test_16_bits_are_scaled_not_clipped(tmp_path, name):
    # Pillow's own conversion has clipped at 255, or kept the low byte.
    ramp = np.arange(10, 138, dtype=np.uint16).reshape(8, 16)  # neither black nor white in it
    path = save(tmp_path, Image.fromarray(ramp * 257), name)
    np.testing.assert_array_equal(read_image(path), ramp)


def test_float_pictures_are_scaled(tmp_path):
    ramp = np.linspace(-0.5, 0.5, 256, dtype=np.float32).reshape(16, 16)
    path = save(tmp_path, Image.fromarray(ramp), "deep.tif")
    np.testing.assert_array_equal(read_image(path).ravel(), np.arange(256))
    path = save(tmp_path, Image.fromarray(ramp * np.nan), "deep.tif")
    with pytest.raises(ImageError, match="nan"):
        read_image(path)


def test_exif_orientation_turns_the_picture(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be seen turned by 90 degrees clockwise
    stored = Image.fromarray(np.rot90(seven(2)))
    path = save(tmp_path, stored, exif=exif)
    np.testing.assert_array_equal(read_image(path), seven(2))


def test_an_animation_gives_its_first_frame(tmp_path):
    frames = [Image.fromarray(seven(2)), Image.new("L", (56, 56), 255)]
    path = save(tmp_path, frames[0], "digit.gif", save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(read_image(path), seven(2))


def error_of(path):
    """The message, which is one line and begins with the path."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ImageError) as caught:
            read_image(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    return message.removeprefix(f"{path}: ")


def test_a_missing_file_and_a_folder(tmp_path):
    assert error_of(tmp_path / "none.png") == "No such file or directory"
    assert error_of(tmp_path) == "Is a directory"
    assert "null" in error_of("a\0b")


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "an empty file"),
        (b"%PDF-1.7\n\n", "a file that starts with b'%PDF-1.7'"),
        (b"P5 0 0 255\n", "a file that starts with b'P5 0 0 2'"),
    ],
)
def test_what_is_not_an_image_is_named(tmp_path, content, found):
    path = tmp_path / "digit.png"
    path.write_bytes(content)
    assert error_of(path) == f"expected an image (PNG, JPEG, ...), found {found}"


def test_an_error_that_is_no_oserror_is_one_line_too(tmp_path):
    path = save(tmp_path, Image.fromarray(seven(2)))
    content = bytearray(path.read_bytes())
    at = content.index(b"IDAT")
    content[at - 4 : at] = (1).to_bytes(4, "big")  # a chunk too short: Pillow's SyntaxError
    path.write_bytes(content)
    assert error_of(path).startswith("the image is damaged")


@pytest.mark.parametrize("factor", [1.5, 4])
def test_a_decompression_bomb_is_not_opened(tmp_path, monkeypatch, factor):
    # Pillow warns from its limit on and raises from twice the limit on: both are one error here.
    path = save(tmp_path, Image.new("1", (100, 100)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", round(10_000 / factor))
    assert error_of(path).startswith("expected at most")


@pytest.mark.parametrize("suffix", ["png", "jpg", "gif", "bmp", "tif", "webp"])
def test_damaged_files_are_errors_or_pictures_and_nothing_else(tmp_path, recwarn, suffix):
    rng = np.random.default_rng(0)
    path = save(tmp_path, Image.fromarray(seven(2)), f"digit.{suffix}")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])
    assert error_of(path)
    for _ in range(100):
        damaged = bytearray(content)
        for i in rng.integers(0, len(content), 5):
            damaged[i] = rng.integers(256)
        path.write_bytes(damaged)
        with suppress(ImageError):
            assert read_image(path).ndim == 2
    assert not recwarn.list  # Pillow's warnings would be a second and third line
