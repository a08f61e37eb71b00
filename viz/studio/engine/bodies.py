"""What lies in a body and in an answer: arrays as JSON, as raw bytes, or as safetensors.

Both are read and written here, in the worker: a million numbers of JSON take longer than the server
may be busy with one request.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from models.mnist.datasets import Described
from models.runs.arrays import pack
from models.runs.files import plain
from viz.studio.replies import BINARY, JSON, Refusal, Strict, shown

__all__ = ["MOST_IMAGES", "SAFETENSORS", "Body", "Images", "Labelled", "read", "written"]

SAFETENSORS = "application/vnd.safetensors"
MOST_IMAGES = 4096
MOST_NUMBERS = 1 << 20  # of an answer in JSON, some 20 MB
DTYPES: Mapping[str, np.dtype[Any]] = {"uint8": np.dtype("u1"), "float32": np.dtype("<f4")}


class Images(Strict):
    """images: of each the entries, in the order of memory, in the unit of the dataset."""

    images: list[list[float]]


class Labelled(Images):
    """labels: of each image the number of a class."""

    labels: list[int]


@dataclass(frozen=True)
class Body:
    """A body as it came. media: of Content-Type. dtype: of the images in raw bytes."""

    media: str
    content: bytes
    dtype: str = "uint8"


def read(
    body: Body, of: Described, labelled: bool = False
) -> tuple[NDArray[Any], NDArray[np.int32]]:
    """The images in a body, (n, *shape), 1 to MOST_IMAGES; and where `labelled` their labels, (n,),
    else none. In raw bytes the images lie one after the other, and then the labels as uint16.
    Raises Refusal."""
    images, labels = _from_json(body, labelled) if body.media == JSON else _raw(body, of, labelled)
    size = int(np.prod(of.shape))
    if not 1 <= len(images) <= MOST_IMAGES:
        status = 413 if len(images) else 422
        raise Refusal(status, "images", f"1 to {MOST_IMAGES:,} of them", f"{len(images):,}")
    if images.shape[1:] != (size,):
        raise Refusal(422, "images", f"{size} entries of each", images.shape[1])
    if not np.isfinite(images).all():
        raise Refusal(422, "images", "finite numbers that float32 holds", "others")
    classes = len(of.classes)
    if labelled and len(labels) != len(images):
        raise Refusal(422, "labels", f"{len(images)}, one of each image", len(labels))
    outside = labels[(labels < 0) | (labels >= classes)]
    if outside.size:
        raise Refusal(422, "labels", f"classes from 0 to {classes - 1}", int(outside[0]))
    return images.reshape(-1, *of.shape), labels.astype(np.int32)


def _from_json(body: Body, labelled: bool) -> tuple[NDArray[Any], NDArray[Any]]:
    try:
        found: Any = (Labelled if labelled else Images).model_validate_json(body.content)
    except ValidationError as error:
        raise invalid(error.errors()) from None
    widths = {len(image) for image in found.images}
    if len(widths) > 1:
        raise Refusal(422, "images", "as many entries of each", f"{min(widths)} and {max(widths)}")
    with np.errstate(over="ignore"):  # what float32 does not hold is inf, and refused
        images = np.array(found.images, np.float32).reshape(len(found.images), *widths)
    labels = np.array(found.labels if labelled else [], object)
    return images, np.where(abs(labels) < 2**31, labels, -1).astype(np.int64)


def _raw(body: Body, of: Described, labelled: bool) -> tuple[NDArray[Any], NDArray[Any]]:
    dtype, size = DTYPES[body.dtype], int(np.prod(of.shape))
    each = size * dtype.itemsize + 2 * labelled
    n, rest = divmod(len(body.content), each)
    if rest:
        what = f"images of {each} bytes each" if not labelled else f"{each} bytes of each image"
        raise Refusal(422, "body", what, f"{len(body.content):,} bytes")
    images = np.frombuffer(body.content, dtype, n * size).reshape(n, size)
    labels = np.frombuffer(body.content, "<u2", n * labelled, n * size * dtype.itemsize)
    return images, labels.astype(np.int64)


def invalid(errors: Sequence[Any]) -> Refusal:
    """What pydantic found first."""
    first = errors[0]
    where = ".".join(map(str, first["loc"])) or "body"
    expected = first["msg"].removeprefix("Input should be ")
    found = "none" if first["type"] == "missing" else shown(first.get("input"))
    return Refusal(422, where, expected[:1].lower() + expected[1:], found)


def written(media: str, raw: str, arrays: Mapping[str, NDArray[Any]], **more: Any) -> bytes:
    """An answer. media: JSON, with `more` in it; raw bytes of the array called `raw`; or
    safetensors of all arrays. Raises Refusal 413 for more numbers than JSON should carry."""
    if media == BINARY:
        array = arrays[raw]
        return array.astype(array.dtype.newbyteorder("<")).tobytes()
    if media == SAFETENSORS:
        return pack(arrays)
    numbers = sum(array.size for array in arrays.values())
    if numbers > MOST_NUMBERS:
        less = f"fewer images, or an Accept that is not {JSON}: at most {MOST_NUMBERS:,} numbers"
        raise Refusal(413, "images", less, f"{numbers:,}")
    listed = {name: _listed(array) for name, array in arrays.items()}
    return json.dumps({**listed, **more}).encode()


def _listed(array: NDArray[Any]) -> Any:
    """As JSON has it: what is not finite is None."""
    is_whole = array.dtype.kind != "f" or np.isfinite(array).all()
    return array.tolist() if is_whole else plain(array)
