"""Makes a dataset of what was read from files of one's own: types, classes, a test set.

Images become uint8 where they are whole numbers from 0 to 255, else float32; arrays that are so
already are not copied. Labels become the places of the classes' names in their order.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError
from data.examples import Examples, pieces
from data.formats import Raw
from data.formats.raw import as_number

Array = NDArray[Any]
MOST_CLASSES = 2**16  # a digest writes a label in 16 bits
FLOAT32_MAX = float(np.finfo(np.float32).max)


def assemble(
    parts: list[Raw], size: tuple[int, int] | None, held_out: float, seed: int
) -> tuple[Examples, Examples, tuple[str, ...], float]:
    """The training and the test set, the classes' names, and the scale, of what was read.

    Raises `DataError` where it makes no sense.
    """
    images = [_image_shaped(part, size) for part in parts]
    for part, array in zip(parts, images, strict=True):
        _check_labels(part, len(array))
    if images[-1].shape[1:] != images[0].shape[1:]:
        raise DataError(
            f"{parts[-1].where}: expected test images of shape {images[0].shape[1:]} as those to "
            f"train with, found {images[-1].shape[1:]}"
        )
    images = _compact(images, [part.where for part in parts])
    classes, labels = _classified(parts)
    if len(parts) == 2:
        train, test = map(Examples, images, labels)
    else:
        _check_counts(labels[0], classes, parts[0].labels_where)
        rows = _stratified(labels[0], held_out, seed)
        train, test = (Examples(images[0], labels[0], rows=part) for part in rows)
    return train, test, classes, _greatest(train) or 1.0


def fitted(shape: tuple[int, ...], size: tuple[int, int] | None, where: str) -> tuple[int, ...]:
    """The shape of an example that is no picture from a file: its columns laid out by `size`.

    >>> fitted((64,), (8, 8), "digits.csv")
    (8, 8)
    """
    if size is None or shape[:2] == size:
        return shape
    if shape == (size[0] * size[1],):
        return size
    raise DataError(
        f"{where}: size: expected a height and a width of examples of shape {shape}, found {size}; "
        "only pictures in a folder are resized"
    )


def _image_shaped(part: Raw, size: tuple[int, int] | None) -> Array:
    """The images as (n, *shape)."""
    images = part.images
    if images.dtype.kind not in "buif" or images.ndim < 2 or 0 in images.shape:
        raise DataError(
            f"{part.where}: expected images of shape (n, height, width) or (n, columns), at least "
            f"one, of real numbers; found {images.dtype} of shape {images.shape}"
            + (": images come first, then labels" if images.ndim == 1 else "")
        )
    shape = images.shape[1:]
    if len(shape) == 3 and shape[2] == 1:  # grey, as Keras writes it
        shape = shape[:2]
    shape = fitted(shape, size, part.where)
    return images.reshape(-1, *shape) if shape != images.shape[1:] else images


def _check_labels(part: Raw, count: int) -> None:
    labels = part.labels
    if labels.dtype.kind not in "biuU" or labels.ndim != 1:
        raise DataError(
            f"{part.labels_where}: expected labels of shape (n,), integers or texts, "
            f"found {labels.dtype} of shape {labels.shape}: convert them by labels.astype(int), or "
            "one-hot ones by labels.argmax(1)"
        )
    if len(labels) != count:
        raise DataError(
            f"expected one label per image, found {count} images in {part.where} "
            f"and {len(labels)} labels in {part.labels_where}"
        )


def _compact(arrays: list[Array], names: Iterable[str]) -> list[Array]:
    """The arrays as uint8 if all hold whole numbers from 0 to 255 alone, else as float32."""
    are_bytes = [_are_bytes(array, name) for array, name in zip(arrays, names, strict=True)]
    dtype = np.dtype(np.uint8 if all(are_bytes) else np.float32)
    return [_converted(array, dtype) for array in arrays]


def _are_bytes(array: Array, where: str) -> bool:
    if array.dtype in (np.bool_, np.uint8):
        return True
    whole = True
    for piece in pieces(len(array), array[0].size):
        low, high = float(array[piece].min()), float(array[piece].max())
        if not -FLOAT32_MAX <= low <= high <= FLOAT32_MAX:  # nor where one is NaN
            raise DataError(f"{where}: expected finite numbers in float32; {_odd(array, piece)}")
        whole = whole and low >= 0 and high <= 255
        whole = whole and bool((np.rint(array[piece]) == array[piece]).all())
    return whole


def _odd(array: Array, piece: slice) -> str:
    """Where the first number is that float32 does not have."""
    with np.errstate(all="ignore"):
        rows = ~np.isfinite(array[piece].astype(np.float32))
    place = np.argwhere(rows)[0]
    found = array[piece][tuple(place)]
    place[0] += piece.start
    return f"found {found} in example {place[0]}, counted from 0: mend it or leave that example out"


def _converted(array: Array, dtype: np.dtype[Any]) -> Array:
    """A read-only array of that type, in C order: the same one where it is so already."""
    if array.dtype == dtype and array.flags.c_contiguous and array.flags.aligned:
        converted = array.view()
    else:
        converted = np.empty(array.shape, dtype)
        for piece in pieces(len(array), array[0].size):
            converted[piece] = array[piece]
    converted.flags.writeable = False
    return converted


def _greatest(examples: Examples) -> float:
    """The greatest absolute value of the images."""
    images, rows = examples.base[0], examples.rows
    greatest = 0.0
    for piece in pieces(len(examples), images[0].size):
        part = images[piece] if rows is None else images.take(rows[piece], axis=0)
        greatest = max(greatest, float(part.max()), -float(part.min()))
    return greatest


def class_order(names: Iterable[str]) -> list[str]:
    """Names as people sort them: by their value if all are numbers, else as texts.

    >>> class_order(["10", "9", "1"]), class_order(["10", "9", "cat"])
    (['1', '9', '10'], ['10', '9', 'cat'])
    """
    names = sorted(names)
    if any(as_number(name) is None for name in names):
        return names
    return sorted(names, key=float)


def _classified(parts: list[Raw]) -> tuple[tuple[str, ...], list[NDArray[np.int64]]]:
    """The classes' names, and each part's labels as their places among them."""
    found = [np.unique(part.labels) for part in parts]
    names = [[str(label) for label in values.tolist()] for values in found]
    classes = tuple(class_order(set(names[0])))
    _check_names(classes, parts[0].labels_where)
    places = {name: place for place, name in enumerate(classes)}
    unknown = [name for name in names[-1] if name not in places]
    if unknown:
        raise DataError(
            f"{parts[-1].labels_where}: expected test labels of classes to train with, found "
            f"{_listed(unknown)}: add examples of it to those to train with, or leave it out"
        )
    labels = []
    for part, values, own in zip(parts, found, names, strict=True):
        table = np.array([places[name] for name in own], np.int64)
        labels.append(table[np.searchsorted(values, part.labels)])
        labels[-1].flags.writeable = False
    return classes, labels


def _check_names(classes: tuple[str, ...], where: str) -> None:
    if len(classes) > MOST_CLASSES:
        raise DataError(
            f"{where}: expected at most {MOST_CLASSES:,} classes, found {len(classes):,}: "
            "are these labels?"
        )
    for name in classes:
        if not name.strip() or not name.isprintable():
            raise DataError(f"{where}: expected a class to have a name to print, found {name!r}")


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(map(repr, names[:5])) + more


def _check_counts(labels: NDArray[np.int64], classes: tuple[str, ...], where: str) -> None:
    counts = np.bincount(labels).tolist()
    alone = [name for name, count in zip(classes, counts, strict=True) if count < 2]
    if alone:
        raise DataError(
            f"{where}: expected two examples or more of each class, one to train with and one to "
            f"test with, found one of {_listed(alone)}: add examples, leave it out, or give a test "
            "set"
        )


def _stratified(
    labels: NDArray[np.int64], share: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows to train with and rows held out: of each class that share, and at least one in each.

    The rows held out are drawn by numbers that are the same in every version of NumPy.
    """
    counts = np.bincount(labels)
    out = np.clip(np.rint(counts * share), 1, counts - 1)
    drawn = np.argsort(np.random.PCG64(seed).random_raw(len(labels)), kind="stable")
    drawn = drawn[np.argsort(labels[drawn], kind="stable")]  # class by class
    first = np.cumsum(counts) - counts
    own = labels[drawn]
    chosen = np.zeros(len(labels), bool)
    chosen[drawn[np.arange(len(labels)) - first[own] < out[own]]] = True
    rows = np.flatnonzero(~chosen), np.flatnonzero(chosen)
    for part in rows:
        part.flags.writeable = False
    return rows
