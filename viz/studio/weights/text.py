"""Weights as JSON, for who has no reader of safetensors: {"metadata": ..., "arrays": {"0.weight":
{"dtype": "float32", "shape": [512, 784], "data": [...]}, ...}}, the numbers in the order of memory.

Both ways take Python tenths of a second for a usual network: they are for the engine's process.
"""

from __future__ import annotations

import json
import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError

from models.runs.arrays import pack, unpack
from viz.studio.refusal import Refusal

__all__ = ["MOST_BYTES", "from_json", "to_json"]

MOST_NUMBERS = 2**19  # that are written as JSON
MOST_BYTES = 12 * 2**20  # of JSON that is read: as Python's objects it takes 25 times as much
FORMATS = {"float32": "%.9g", "float64": "%.17g"}  # digits that are read again to the last bit


@lru_cache(maxsize=2)
def to_json(content: bytes) -> bytes:
    """A file of weights as JSON. Raises a Refusal of 406 where that would be too long."""
    arrays, texts = unpack(content)
    numbers = sum(array.size for array in arrays.values())
    if numbers > MOST_NUMBERS:
        raise Refusal(406, "Accept", f"no JSON of over {MOST_NUMBERS:,} numbers", numbers)
    metadata = ", ".join(f"{json.dumps(name)}: {text}" for name, text in texts.items())
    written = ", ".join(f"{json.dumps(name)}: {_array(each)}" for name, each in arrays.items())
    return f'{{"metadata": {{{metadata}}}, "arrays": {{{written}}}}}'.encode()


def _array(array: NDArray[Any]) -> str:
    if array.dtype.name not in FORMATS:
        array = array.astype(np.float64)
    said = json.dumps({"dtype": array.dtype.name, "shape": array.shape})
    texts = map(FORMATS[array.dtype.name].__mod__, array.ravel().tolist())
    data = ", ".join("-0.0" if text == "-0" else text for text in texts)  # -0 is an integer
    return f'{said[:-1]}, "data": [{data}]}}'


def from_json(body: bytes) -> bytes:
    """JSON as a file of weights, of which form alone is checked. Raises a Refusal of 422.

    >>> body = b'{"metadata": {"step": 7}, "arrays": {"0.bias": {"dtype": "float32", "shape": [2], '
    >>> arrays, texts = unpack(from_json(body + b'"data": [1, 0.5]}}}'))
    >>> arrays["0.bias"], texts
    (array([1. , 0.5], dtype=float32), {'step': '7'})
    """
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refusal(422, "body", "JSON", str(error)) from error
    metadata, arrays = _members("body", found, metadata=dict, arrays=dict)
    try:
        return pack({name: _entries(name, said) for name, said in arrays.items()}, metadata)
    except (SafetensorError, ValueError, RecursionError) as error:
        raise Refusal(422, "body", "names and metadata for a file", str(error)) from error


def _entries(name: str, said: object) -> NDArray[Any]:
    place = f"arrays.{name:.60}"
    dtype, shape, data = _members(place, said, dtype=str, shape=list, data=list)
    if dtype not in FORMATS:
        raise Refusal(422, f"{place}.dtype", f"one of {', '.join(FORMATS)}", dtype)
    whole = len(shape) <= 32 and all(type(n) is int and 0 <= n < 2**53 for n in shape)
    if not whole or math.prod(shape) != len(data):
        raise Refusal(422, f"{place}.data", f"as many numbers as {shape!r:.60} has", len(data))
    if not set(map(type, data)) <= {float, int}:
        raise Refusal(422, f"{place}.data", "numbers", "something else among them")
    try:
        with np.errstate(over="ignore"):  # what becomes infinite is refused with the weights
            return np.array(data, dtype).reshape(shape)
    except OverflowError as error:  # a whole number of hundreds of digits
        raise Refusal(422, f"{place}.data", f"numbers of {dtype}", str(error)) from error


def _members(place: str, found: object, **kinds: type) -> tuple[Any, ...]:
    """The members of an object of JSON, each of its type. Raises a Refusal."""
    if not isinstance(found, dict) or found.keys() != kinds.keys():
        expected = f"an object of {', '.join(kinds)}"
        raise Refusal(422, place, expected, found if not isinstance(found, dict) else list(found))
    for name, kind in kinds.items():
        if not isinstance(found[name], kind):
            raise Refusal(422, f"{place}.{name}", f"a JSON {kind.__name__}", found[name])
    return tuple(found[name] for name in kinds)
