"""What lies in a body and in an answer: arrays as JSON, as raw bytes, or as safetensors.

Both are read and written here, in the worker: a million numbers of JSON take longer than the server
may be busy with one request.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from models.mnist.datasets import Described
from models.runs.arrays import pack
from models.runs.files import plain
from viz.studio.refusal import Refusal

__all__ = ["Body", "Form", "read", "written"]

Form = Literal["json", "raw", "safetensors"]

MOST_NUMBERS = 1 << 20  # of an answer in JSON, some 20 MB
GREATEST = 1e30  # which float32 holds, and its square not by far: a network's own numbers may be 1


@dataclass(frozen=True)
class Body:
    """Images as they came. dtype: of their entries, where they are raw."""

    form: Form
    content: bytes
    dtype: str = "uint8"


def read(
    body: Body, of: Described, labelled: bool = False
) -> tuple[NDArray[Any], NDArray[np.int32]]:
    """The images in a body, (n, *shape), one or more; and where `labelled` their labels, (n,),
    else none. Raises Refusal 422.

    Raw, it is a Block: the entries of all, little-endian, and then the labels as uint16. As JSON it
    is {"images": [...], "labels": [...]}, an image being lists within lists, or one list of its
    entries.
    """
    images, labels = (_from_json if body.form == "json" else _raw)(body, of, labelled)
    if not len(images):
        raise Refusal(422, "images", "one or more", "none")
    if images.shape[1:] not in (of.shape, (math.prod(of.shape),)):
        raise Refusal(422, "images", f"each of shape {of.shape}, or flat", images.shape[1:])
    if images.dtype.kind == "f" and not (abs(images) < GREATEST).all():
        raise Refusal(422, "images", "finite numbers below 1e30", "others")
    if labelled and labels.shape != images.shape[:1]:
        raise Refusal(422, "labels", f"{len(images)}, one of each image", labels.shape)
    wrong = labels[(labels < 0) | (labels >= len(of.classes))]
    if wrong.size:
        raise Refusal(422, "labels", f"classes from 0 to {len(of.classes) - 1}", int(wrong[0]))
    return images.reshape(-1, *of.shape), labels.astype(np.int32)


def _from_json(body: Body, of: Described, labelled: bool) -> tuple[NDArray[Any], NDArray[Any]]:
    try:
        found = json.loads(body.content)
    except (ValueError, RecursionError) as error:
        raise Refusal(422, "body", "JSON", str(error)) from error
    names = ["images", "labels"] if labelled else ["images"]
    if not isinstance(found, dict) or sorted(found) != names:
        keys = sorted(found) if isinstance(found, dict) else type(found).__name__
        raise Refusal(422, "body", f"an object of {' and '.join(names)}", keys)
    # In such an object they can only stand among the numbers, and NumPy takes true for 1.
    if b"true" in body.content or b"false" in body.content:
        raise Refusal(422, "body", "numbers", "true or false")
    images = _array("images", found["images"], "if")
    return images, _array("labels", found["labels"] if labelled else [], "i")


def _array(name: str, value: object, kinds: str) -> NDArray[Any]:
    """Lists within lists as an array, of floats or of integers."""
    if not isinstance(value, list):
        raise Refusal(422, name, "a list", value)
    try:
        array = np.array(value or np.zeros(0, int))
    except ValueError as error:  # of unlike lengths
        raise Refusal(422, name, "lists of one length", str(error)) from error
    if array.dtype.kind not in kinds:
        expected = "numbers of at most 18 digits" if "f" in kinds else "whole numbers"
        raise Refusal(422, name, expected, f"{array.dtype} among them")
    return array


def _raw(body: Body, of: Described, labelled: bool) -> tuple[NDArray[Any], NDArray[Any]]:
    dtype, size = np.dtype(body.dtype).newbyteorder("<"), math.prod(of.shape)
    each = size * dtype.itemsize + 2 * labelled
    n, rest = divmod(len(body.content), each)
    if rest:
        then = " and then their labels as uint16" if labelled else ""
        wanted = f"images of {size} {body.dtype}{then}, n x {each} bytes"
        raise Refusal(422, "body", wanted, f"{len(body.content):,} bytes")
    images = np.frombuffer(body.content, dtype, n * size).reshape(n, *of.shape)
    labels = np.frombuffer(body.content, "<u2", n * labelled, images.nbytes)
    return images, labels.astype(np.int64)


def written(form: Form, raw: str, arrays: Mapping[str, NDArray[Any]], **more: Any) -> bytes:
    """An answer: JSON, with `more` in it; the raw entries of the array called `raw`; or safetensors
    of all arrays. Raises Refusal 413 for more numbers than JSON should carry."""
    if form == "raw":
        array = arrays[raw]
        return array.astype(array.dtype.newbyteorder("<")).tobytes()
    if form == "safetensors":
        return pack(arrays)
    numbers = sum(array.size for array in arrays.values())
    if numbers > MOST_NUMBERS:
        fewer = f"fewer, or another form than JSON: at most {MOST_NUMBERS:,} numbers"
        raise Refusal(413, "images", fewer, f"{numbers:,}")
    listed = {name: _listed(array) for name, array in arrays.items()}
    return json.dumps({**listed, **more}).encode()


def _listed(array: NDArray[Any]) -> Any:
    """As JSON has it: what is not finite is None."""
    is_whole = array.dtype.kind != "f" or np.isfinite(array).all()
    return array.tolist() if is_whole else plain(array)
