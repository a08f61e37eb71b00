"""Examples that somebody sends to learn from: a Block, or JSON."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.mnist.datasets import Described
from viz.studio.replies import Refusal

__all__ = ["of_block", "of_json"]

Examples = tuple[NDArray[Any], NDArray[np.int64]]  # images, (n, *shape), and labels, (n,)

GREATEST = 1e30  # which float32 holds, and its square not by far: a network's own numbers may be 1


def of_block(body: bytes, described: Described, dtype: str = "uint8") -> Examples:
    """The examples of a Block: their entries, little-endian, then their labels as uint16. dtype: of
    the entries. Raises a Refusal of 422."""
    kind = np.dtype(dtype).newbyteorder("<")
    size = math.prod(described.shape)
    count, more = divmod(len(body), size * kind.itemsize + 2)
    if more or not count:
        expected = f"examples of {size} {dtype} and then their labels as uint16, n x "
        raise Refusal(422, "body", f"{expected}{size * kind.itemsize + 2} bytes", len(body))
    images = np.frombuffer(body, kind, count * size).reshape(count, *described.shape)
    return _checked(images, np.frombuffer(body, "<u2", offset=images.nbytes), described)


def of_json(body: bytes, described: Described) -> Examples:
    """The examples of {"images": [...], "labels": [...]}: images as lists within lists, or each as
    one list of its entries. Raises a Refusal of 422."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refusal(422, "body", "JSON", str(error)) from error
    if not isinstance(found, dict) or found.keys() != {"images", "labels"}:
        names = list(found) if isinstance(found, dict) else found
        raise Refusal(422, "body", 'an object of "images" and "labels"', names)
    images, labels = _array("images", found["images"]), _array("labels", found["labels"])
    if labels.ndim != 1 or not labels.size or labels.dtype.kind != "i":
        raise Refusal(422, "labels", "a list of whole numbers, at least one", found["labels"])
    flat, whole = (len(labels), math.prod(described.shape)), (len(labels), *described.shape)
    if images.shape not in (flat, whole):
        raise Refusal(422, "images", f"lists of shape {whole} or {flat}", images.shape)
    return _checked(images.reshape(whole), labels, described)


def _array(name: str, value: object) -> NDArray[Any]:
    try:
        array = np.array(value)
    except ValueError as error:
        raise Refusal(422, name, "lists of one length", str(error)) from error
    if array.dtype.kind not in "if":
        raise Refusal(422, name, "numbers, of at most 19 digits", f"{array.dtype} among them")
    return array


def _checked(images: NDArray[Any], labels: NDArray[Any], described: Described) -> Examples:
    classes = len(described.classes)
    wrong = labels[(labels < 0) | (labels >= classes)]
    if wrong.size:
        raise Refusal(422, "labels", f"0 to {classes - 1}", int(wrong[0]))
    if images.dtype.kind == "f" and not (abs(images) < GREATEST).all():
        raise Refusal(422, "images", "finite numbers", "nan, inf or one beyond 1e30")
    return images, labels.astype(np.int64)
