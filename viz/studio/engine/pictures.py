"""A picture that somebody sends, as the network sees it."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.command_line import InputError
from models.mnist.datasets import Described
from models.mnist.image import ImageError, is_picture
from models.mnist.reading.seen import seen, white_of
from viz.studio.refusal import Refusal

__all__ = ["KINDS", "Prepared", "prepare"]

# What browsers and phones make. Pillow reads more, some of it by starting other programs.
KINDS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
MOST_PIXELS = 40_000_000  # a few kilobytes can be unpacked to billions


@dataclass(frozen=True, eq=False)
class Prepared:
    """images: (n, *shape), in the unit of the dataset: uint8, float32 where that is another than
    0 to 255. boxes: where each lies in the picture, (n, 4) int32, top, left, bottom and right in
    pixels, or (0, 4) where it was read whole. how: made of it, in words."""

    images: NDArray[Any]
    boxes: NDArray[np.int32]
    how: str


def prepare(content: bytes, described: Described) -> Prepared:
    """The bytes of a picture's file as a network reads them that learned from this dataset.

    Raises InputError for what is no such file, or damaged, or has too many pixels, or nothing in
    it; Refusal 409 where the network does not read pictures.
    """
    from PIL import Image

    if not is_picture(described.shape):
        shape = "x".join(map(str, described.shape))
        raise Refusal(409, "weights", "a network that reads pictures", f"one of shape {shape}")
    Image.MAX_IMAGE_PIXELS = MOST_PIXELS
    try:
        found = seen(BytesIO(content), described, kinds=KINDS)
    except ImageError as error:
        raise InputError(f"picture: {error}") from error
    images: NDArray[Any] = found.examples
    white = white_of(described)
    if white != described.scale:
        images = images.astype(np.float32) * np.float32(described.scale / white)
    boxes = np.array(found.boxes, np.int32).reshape(-1, 4)
    return Prepared(images, boxes, found.how)
