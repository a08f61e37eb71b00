"""Where there is ink in a picture, and how much: from greys under any light to 0 to 1."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.mnist.image import ImageError
from models.mnist.reading.background import Grey, paper, widened
from models.mnist.reading.lines import without_lines
from models.mnist.reading.pieces import Pieces, pieces

FINEST = 640  # the longer side of what is looked at, in pixels, at most,
COARSE = 160  # and of what is looked at first
FAINT = 0.02  # of the greatest number in a picture: less contrast than that is rounding
TINY = 80  # pixels of the shorter side: strokes of fewer are few pixels wide, as lines are
SURE = 6.0  # standard deviations of noise that bare paper does not reach
# By the picture's shorter side:
LEAST = 0.12  # what stands alone and is smaller is no digit
EDGE = 0.05  # the widest dark edge that a scanner leaves
CUT = 0.4  # the widest stroke that the border may cut


@dataclass(frozen=True, eq=False)
class Ink:
    """strength: (h, w), how far pixels stand out from the paper. behind: (h, w), that paper. noise:
    a standard deviation of it. found: the pieces of what stands out enough to be ink. cut: whether
    the border cuts strokes, so that touching it says nothing."""

    strength: Grey
    behind: Grey
    noise: float
    found: Pieces
    cut: bool = False


def greys(picture: ArrayLike) -> Grey:
    """A picture that was checked: (h, w) float32, of at least a pixel, finite."""
    grey = np.asarray(picture)
    if grey.ndim != 2 or not grey.size or grey.dtype.kind not in "buif":
        found = f"{grey.dtype} of shape {grey.shape}"
        raise ImageError(f"expected a picture of real numbers of shape (h, w), found {found}")
    with np.errstate(over="ignore"):
        floats: Grey = grey.astype(np.float32)
    if not np.isfinite(floats).all():
        raise ImageError("expected finite pixels in float32, found nan or infinity")
    return floats


def shrunk(grey: Grey, most: int = FINEST) -> tuple[Grey, int]:
    """A picture of at most so many pixels a side by means of squares, and the side of a square."""
    from PIL import Image

    times = -(-max(grey.shape) // most)
    if times == 1:
        return grey, 1
    return np.array(Image.fromarray(grey).reduce(times)), times


def find_ink(grey: Grey) -> Ink:
    """The ink in a picture, dark or light. Raises ImageError where there is none.

    A small copy is looked at first, for what is paper and how wide strokes are: the narrower the
    squares that let the paper through, the more of a shadow's corner they let through.
    """
    grey = _smooth(grey, _noise(grey))
    if closely := _cut_out(grey):
        return closely
    small, times = shrunk(grey, COARSE)
    reach = max(1, min(small.shape) // 4)
    sights = [(sign, _look(sign * small, reach)) for sign in (np.float32(1), np.float32(-1))]
    sign, sight = max(sights, key=lambda each: _likely(each[1]))
    if not _is_sharp(small, sight):
        raise ImageError("expected a digit, found no strokes on paper: is it a blank picture?")
    thick = _thickness(sight.found.labels >= 0) * 3 // 4 + 2
    return _look(sign * grey, times * min(reach, thick))


def inside(found: Pieces, least: float = LEAST) -> NDArray[np.int64]:
    """The pieces that do not touch the border of the picture and are not too small for digits."""
    height, width = found.labels.shape
    boxes = found.boxes
    free = (boxes[:, :2] > 0).all(1) & (boxes[:, 2] < height) & (boxes[:, 3] < width)
    return np.flatnonzero(free & (found.sizes >= least * min(height, width)))


def _cut_out(grey: Grey) -> Ink | None:
    """The ink of a picture that was cut out closely, or None of another one: on clean paper of
    one shade, strokes reach the border, which is paper for the most part."""
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    shade = np.float32(np.median(border))
    noise = float(1.48 * np.median(np.abs(border - shade)))
    strength = grey - shade
    strength = np.maximum(-strength if -strength.min() > strength.max() else strength, 0)
    top, side = float(strength.max()), max(grey.shape)
    drawn = strength > max(SURE * noise, top / 8)
    found = pieces(drawn, strength)
    if not len(found.mass) or top < max(16 * SURE * noise, FAINT * np.abs(grey).max()):
        return None
    if min(grey.shape) >= TINY and without_lines(strength, drawn) is not strength:
        return None
    if np.mean(np.abs(border - shade) > top / 4) > 0.4:
        return None
    main = found.mass.argmax()
    large = found.boxes[:, 2:].max(0) - found.boxes[:, :2].min(0)
    if main in inside(found) or large.max() < 0.7 * side or large.min() <= EDGE * side:
        return None
    if _thickness(strength > top / 2) > CUT * side:
        return None
    return Ink(strength, np.full_like(grey, shade), noise, found, cut=True)


def _look(grey: Grey, reach: int) -> Ink:
    """What stands out in a picture with dark ink."""
    behind = paper(grey, reach)
    strength = behind - grey
    low, bare = np.percentile(strength, (25, 50))
    noise = float(1.48 * (bare - low))  # from a quartile of normal noise to its standard deviation
    strength = np.maximum(strength - np.float32(bare), 0)
    least = max(SURE * noise, 0.15 * float(strength.max()))
    if min(grey.shape) >= TINY:
        cleared = without_lines(strength, strength > least / 2)
        strength = cleared if cleared.max() > least else strength
    return Ink(strength, behind, noise, pieces(strength > least, strength))


def _likely(ink: Ink) -> float:
    """How well this sight explains the picture, beside others: digits are larger than what they
    enclose, and of thin strokes. The paper is quiet, and most of all where strokes end: there the
    picture changes, not the paper."""
    chosen = inside(ink.found)
    chosen = chosen if len(chosen) else inside(ink.found, LEAST / 2)
    if not len(ink.found.mass):
        return 0.0
    everywhere = 0.02 + _variation(ink.behind) / _variation(ink.behind - ink.strength)
    if not len(chosen):
        return 1e-9 / everywhere
    boxes = ink.found.boxes[chosen]
    size = (boxes[:, 2:].max(0) - boxes[:, :2].min(0)).max()
    drawn = np.isin(ink.found.labels, chosen).astype(np.float32)
    near = widened(drawn, 2)
    there = _variation(ink.behind, near) / _variation(ink.strength, near)
    thin = size / _thickness(drawn > 0)
    return float(thin * size**2 / ((0.1 + there) * everywhere))


def _variation(grey: Grey, where: Grey | None = None) -> float:
    """The total variation of a picture, or of where `where` is 1."""
    down, right = np.abs(np.diff(grey, axis=0)), np.abs(np.diff(grey, axis=1))
    if where is not None:
        down, right = down * where[1:], right * where[:, 1:]
    return float(down.sum() + right.sum())


def _is_sharp(grey: Grey, ink: Ink) -> bool:
    """Whether there is ink, no rounding, and some ends within a few pixels, as light does not."""
    drawn = ink.found.labels >= 0
    if not drawn.any() or ink.strength.max() < FAINT * np.abs(grey).max():
        return False
    reach = max(2, round(0.02 * max(grey.shape)))
    high, low = (widened(each, reach) for each in (grey, -grey))
    step, top = (high + low)[drawn], ink.strength[drawn].max()
    return bool(((step > 0.4 * top) & (step < 3 * top)).any())  # more is the edge of a scan


def _thickness(drawn: NDArray[np.bool_]) -> int:
    """The side of the largest square of ink, in pixels."""
    side = 0
    while drawn.any():
        side += 1
        drawn = drawn[1:, 1:] & drawn[:-1, 1:] & drawn[1:, :-1] & drawn[:-1, :-1]
    return side


def _noise(grey: Grey) -> float:
    """The standard deviation of the noise, by that of the greys' second differences both ways, in
    which smooth light has no part (Immerkær, 1996); by their median, in which ink has none."""
    if min(grey.shape) < 3:
        return 0.0
    rows = grey[:-2] - 2 * grey[1:-1] + grey[2:]
    both = rows[:, :-2] - 2 * rows[:, 1:-1] + rows[:, 2:]
    return float(1.48 * np.median(np.abs(both)) / 6)


def _smooth(grey: Grey, noise: float) -> Grey:
    """Less noise, where there is some: pixels averaged with their neighbours, up to four times."""
    if min(grey.shape) < TINY:
        return grey
    for _ in range(min(4, round(30 * noise / max(float(np.ptp(grey)), 1e-30)))):
        seen = np.pad(grey, 1, mode="edge")
        seen = (seen[:-2] + 2 * seen[1:-1] + seen[2:]) * np.float32(1 / 4)
        grey = (seen[:, :-2] + 2 * seen[:, 1:-1] + seen[:, 2:]) * np.float32(1 / 4)
    return grey


def evened(ink: Grey, behind: Grey, least: float) -> Grey:
    """Ink as strong in a shadow as outside of it: 1 where a stroke is full, 0 where there is less
    than a quarter of that.

    Strokes are fainter in less light, in proportion to it, or not at all (screenshots): a line
    fitted to the strongest ink by the paper behind it says which.
    """
    reach = max(1, round(0.03 * min(ink.shape)))
    peak = widened(ink, reach)
    core = (ink > least) & (ink >= 0.75 * peak)
    strong, light = ink[core], behind[core]
    top = np.float32(np.percentile(strong, 95))
    full = np.full_like(ink, top)
    if np.ptp(light) > 0.1 * top:
        apart = light - light.mean()
        slope = (apart * strong).sum() / np.square(apart).sum()
        full = np.clip(strong.mean() + slope * (behind - light.mean()), top / 5, top)
    even: Grey = np.clip(2 * ink / full - 0.5, 0, 1).astype(np.float32)
    return even
