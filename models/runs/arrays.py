"""Arrays by name, and texts that say what they are, as one file: safetensors.

https://github.com/huggingface/safetensors#format: a header in JSON, of each array its dtype, shape
and place, then the numbers. It is read here and not by the library, which gives the texts of a file
only, never of bytes, and allocates before it has looked: nothing in the bytes is trusted.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from models.runs.files import plain

__all__ = ["pack", "unpack"]

Array = npt.NDArray[Any]

METADATA = "__metadata__"
# Bytes of a header. One of a few layers has 1,000; as Python's objects it takes up to 25 times as
# much memory as it has bytes.
LONGEST = 1 << 22
MOST_AXES = 32  # of an array: NumPy's own bound, before 2.0
DTYPES = {
    **{"F64": np.float64, "F32": np.float32, "F16": np.float16, "C64": np.complex64},
    **{"I64": np.int64, "I32": np.int32, "I16": np.int16, "I8": np.int8, "BOOL": np.bool_},
    **{"U64": np.uint64, "U32": np.uint32, "U16": np.uint16, "U8": np.uint8},
}


def pack(arrays: Mapping[str, Array], metadata: Mapping[str, Any] | None = None) -> bytes:
    """The file of arrays, and of metadata, each value as JSON: of the same, the same bytes.

    Raises SafetensorError or ValueError for what a file cannot hold.

    >>> content = pack({"w": np.arange(3.0)}, {"step": 7})
    >>> arrays, texts = unpack(content)
    >>> arrays["w"], texts
    (array([0., 1., 2.]), {'step': '7'})
    """
    from safetensors.numpy import save

    # Not ascontiguousarray, which gives a scalar an axis.
    ordered = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    texts = {
        name: json.dumps(plain(value), allow_nan=False) for name, value in (metadata or {}).items()
    }
    return _in_one_order(save(ordered, texts or None))


def unpack(content: bytes) -> tuple[dict[str, Array], dict[str, str]]:
    """The arrays of a file, and the texts of its metadata.

    The arrays are views of the bytes: they take no memory, and cannot be written. Raises ValueError
    where the bytes are no whole file, in words that say why.

    >>> unpack(bytes(3))
    Traceback (most recent call last):
    ValueError: it is cut off
    """
    start, header = _header(content)
    texts = header.pop(METADATA, {})
    if not isinstance(texts, dict) or not all(map(_is_text, texts.values())):
        raise ValueError(f"its {METADATA} are no texts")
    places = {name: _place(name, entry) for name, entry in header.items()}
    _check_order(places.items(), len(content) - start)
    arrays = {
        name: np.ndarray(place.shape, place.dtype, content, start + place.begin)
        for name, place in places.items()
    }
    return arrays, texts


def _in_one_order(content: bytes) -> bytes:
    """A file with its metadata sorted: the library writes them in an order that differs from
    process to process, and the same weights are to be the same bytes."""
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:end])
    header[METADATA] = dict(sorted(header.get(METADATA, {}).items()))
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # as the format has it, so that the arrays are aligned
    return len(text).to_bytes(8, "little") + text + content[end:]


# --- a header, of which nothing is trusted --------------------------------------------------------


class _Place(NamedTuple):
    """Where an array lies among the numbers: its bytes from `begin` to `end`."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    begin: int
    end: int


def _header(content: bytes) -> tuple[int, dict[str, Any]]:
    """Where the numbers start, and the object before them."""
    size = int.from_bytes(content[:8], "little")
    if len(content) < 8 or size > len(content) - 8:
        raise ValueError("it is cut off")
    if size > LONGEST:
        raise ValueError(f"its header has {size:,} bytes, which may be {LONGEST:,} at most")
    try:
        text = content[8 : 8 + size].decode()
        found = json.loads(text, object_pairs_hook=_members)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"its header is no JSON: {error}") from error
    if not text.startswith("{") or not isinstance(found, dict):
        raise ValueError("its header is no object")
    return 8 + size, found


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON. Raises ValueError where a name stands twice, of which each reader takes
    another, and for a text that UTF-8 does not have."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice in it")
    for text in filter(_is_text, [*found, *found.values()]):
        text.encode()
    return found


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < 2**53


def _place(name: str, entry: object) -> _Place:
    """Where an array lies, as the header says; whether it can lie there is checked as well."""
    match entry:
        case {"dtype": str(code), "shape": list(shape), "data_offsets": [begin, end], **rest}:
            is_known = code in DTYPES and len(shape) <= MOST_AXES and not rest
            if is_known and all(map(_is_count, (*shape, begin, end))):
                dtype = np.dtype(DTYPES[code])
                if math.prod(shape) * dtype.itemsize == end - begin:
                    return _Place(dtype, tuple(shape), begin, end)
    raise ValueError(
        f"{name:.60} is no array with a dtype of {', '.join(DTYPES)}, a shape and its place: "
        f"{entry!r:.200}"
    )


def _check_order(places: Iterable[tuple[str, _Place]], size: int) -> None:
    """Raise ValueError unless the arrays fill so many bytes, without a gap and without sharing."""
    expected = 0
    for name, place in sorted(places, key=lambda each: each[1][2:]):
        if place.begin != expected:
            raise ValueError(f"{name:.60} begins at byte {place.begin:,} and not at {expected:,}")
        expected = place.end
    if expected != size:
        raise ValueError(f"its arrays have {expected:,} bytes, and {size:,} are there")
