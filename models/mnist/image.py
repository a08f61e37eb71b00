"""Pictures from files, and examples of any dataset as pictures.

`read_image` reads a picture from a file, and `resize` brings it to a dataset's shape. What is drawn
in it, `models.mnist.reading` finds.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from data.files import reason

if TYPE_CHECKING:
    from PIL import Image


class ImageError(ValueError):
    """A picture that cannot be read or prepared; one line says what was expected and found."""


def is_picture(shape: Sequence[int]) -> bool:
    """Whether examples of this shape can be drawn: (h, w) or (h, w, 1), grey, and (h, w, 3), red,
    green and blue.

    >>> is_picture((8, 8)), is_picture((32, 32, 3)), is_picture((64,))
    (True, True, False)
    """
    return len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3))


def pixels(examples: NDArray[Any], scale: float) -> NDArray[np.uint8]:
    """Examples of a dataset, (n, *shape), as pictures to draw: (n, h, w) or (n, h, w, 3) uint8.

    From 0 to `scale`, by which a network divides them, is from black to white; where some entries
    lie further out, black is the least and white the greatest of these.

    >>> pixels(np.array([[[0, 8, 16]]]), scale=16)
    array([[[  0, 128, 255]]], dtype=uint8)
    """
    if examples.shape[3:] == (1,):
        examples = examples[..., 0]
    if examples.dtype == np.uint8 and scale == 255:
        return examples
    with np.errstate(all="ignore"):
        numbers = np.nan_to_num(examples.astype(np.float64), posinf=scale, neginf=0)
        low, high = min(0.0, numbers.min(initial=0)), max(scale, numbers.max(initial=0))
        levels: NDArray[np.uint8] = np.rint((numbers - low) * (255 / (high - low))).astype(np.uint8)
    return levels


def resize(picture: NDArray[np.uint8], shape: Sequence[int]) -> NDArray[np.uint8]:
    """A picture, (h, w) or (h, w, 3), in the height and width of `shape`, and of its rank.

    >>> resize(np.zeros((30, 40), np.uint8), (8, 8, 1)).shape
    (8, 8, 1)
    """
    from PIL import Image

    height, width = shape[:2]
    shrinks = picture.shape[0] > height or picture.shape[1] > width
    method = Image.Resampling.BOX if shrinks else Image.Resampling.BILINEAR
    resized = Image.fromarray(picture).resize((width, height), method)
    array: NDArray[np.uint8] = np.array(resized)
    return array.reshape(shape)


def read_image(
    source: str | os.PathLike[str] | BinaryIO,
    colour: bool = False,
    kinds: Sequence[str] | None = None,
) -> NDArray[np.uint8]:
    """The picture in a file that Pillow can open, upright, as (h, w) uint8 greys; in `colour` as
    (h, w, 3) of red, green and blue. source: a path, or an open file. kinds: of files that are
    read, by Pillow's names ("PNG"), if not all are; some start other programs.

    An animation gives its first frame. Transparency becomes paper that contrasts with the drawing:
    white behind dark ink, black behind light ink. Greys of more than 8 bits are scaled.

    Raises ImageError when there is no such file, or it is a folder, not an image, damaged, or
    larger than Pillow's limit against decompression bombs (`Image.MAX_IMAGE_PIXELS`).

    >>> read_image("no-such-file.png")  # doctest: +IGNORE_EXCEPTION_DETAIL
    Traceback (most recent call last):
    ImageError: no-such-file.png: No such file or directory
    """
    if not isinstance(source, str | os.PathLike):
        return _decode(source, colour, kinds)
    try:
        with Path(source).open("rb") as file:
            return _decode(file, colour, kinds)
    except ImageError as error:
        raise ImageError(f"{source}: {error}") from error
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        raise ImageError(f"{source}: {reason(error)}") from error


def _decode(file: BinaryIO, colour: bool, kinds: Sequence[str] | None) -> NDArray[np.uint8]:
    """The picture in an open file; whatever Pillow raises or warns of becomes an ImageError."""
    from PIL import Image, UnidentifiedImageError

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # Up to twice its limit Pillow only warns.
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(file, formats=None if kinds is None else list(kinds)) as picture:
                return _colours(picture) if colour else _grey(picture)
        except UnidentifiedImageError as error:
            file.seek(0)
            start = file.read(8)
            found = f"a file that starts with {start!r}" if start else "an empty file"
            raise ImageError(f"expected an image (PNG, JPEG, ...), found {found}") from error
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            limit = f"at most {Image.MAX_IMAGE_PIXELS:,} pixels"
            raise ImageError(f"expected {limit}, found an image of more") from error
        except Exception as error:  # Pillow's decoders raise nearly any type on damaged data
            raise ImageError(f"the image is damaged or unsupported: {error}") from error


def _grey(picture: Image.Image) -> NDArray[np.uint8]:
    """An opened picture, turned as its EXIF orientation says, as greys."""
    from PIL import ImageOps

    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith(("I", "F")):
        return _scaled(np.asarray(picture, np.float64))
    if not picture.has_transparency_data:
        return np.array(picture.convert("L"))
    picture = picture.convert("RGBA")
    grey = np.asarray(picture.convert("L"), np.float32)
    alpha = np.asarray(picture.getchannel("A"), np.float32)
    # The edges of a drawing may be tinted by a paper it once lay on; its most opaque part is not.
    solid = grey[alpha == alpha.max()]
    # A single shade is ink, and needs paper of the opposite shade; several shades include paper.
    opposite = 255 if solid.mean() < 128 else 0
    paper = opposite if np.ptp(solid) < 128 else np.median(solid)
    return np.rint(paper + (grey - paper) * alpha / 255).astype(np.uint8)


def _colours(picture: Image.Image) -> NDArray[np.uint8]:
    """An opened picture, turned as its EXIF orientation says, as red, green and blue; what can be
    seen through is white."""
    from PIL import Image, ImageOps

    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith(("I", "F")):
        return np.stack([_scaled(np.asarray(picture, np.float64))] * 3, axis=-1)
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        paper = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(paper, picture)
    return np.array(picture.convert("RGB"))


def _scaled(deep: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Greys of more than 8 bits as 8: 16-bit ones by the range of 16 bits; others, which may be in
    any unit, from the least to the greatest."""
    if not np.isfinite(deep).all():
        raise ValueError("it has pixels that are nan or infinite")
    low, high = float(deep.min()), float(deep.max())
    if low >= 0 and 255 < high < 65536:
        low, high = 0.0, 65535.0
    return np.rint((deep - low) * (255 / ((high - low) or 1.0))).astype(np.uint8)
