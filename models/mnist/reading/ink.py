"""Where there is ink in a picture, and how much."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.mnist.image import ImageError


def find_ink(picture: ArrayLike) -> NDArray[np.float32]:
    """How far each pixel stands out from the background, 0 where it does not."""
    grey = np.asarray(picture)
    if grey.ndim != 2 or not grey.size or grey.dtype.kind not in "buif":
        found = f"{grey.dtype} of shape {grey.shape}"
        raise ImageError(f"expected a picture of real numbers of shape (h, w), found {found}")
    with np.errstate(over="ignore"):
        grey = grey.astype(np.float32)
    if not np.isfinite(grey).all():
        raise ImageError("expected finite pixels in float32, found nan or infinity")
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    background = np.median(border)
    ink = grey - background
    if -ink.min() > ink.max():
        ink = -ink
    # Six standard deviations of the border's noise (1.48 turns a median deviation into one),
    # more than noise alone reaches in any picture of a sensible size: bare paper has no ink.
    noise = 6 * 1.48 * np.median(np.abs(border - background))
    if ink.max() <= noise:
        raise ImageError(f"expected a digit, found a blank picture: all about {background:g}")
    return np.where(ink > noise, ink, np.float32(0))
