"""Files of arrays, held against the safetensors library; what no file may say costs nothing."""

import json
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of
from safetensors.numpy import load, save

from models.runs.arrays import DTYPES, LONGEST, MOST_AXES, pack, unpack

NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=5).filter(
    lambda name: name != "__metadata__"
)
SHAPES = arrays_of.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
ARRAYS = st.dictionaries(
    NAMES, arrays_of.arrays(st.sampled_from(list(map(np.dtype, DTYPES.values()))), SHAPES)
)
TWO = {"b": np.arange(3, dtype=np.float32), "w": np.arange(6.0).reshape(2, 3)}


def same(found, expected):
    return found.keys() == expected.keys() and all(
        (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        and found[name].tobytes() == array.tobytes()
        for name, array in expected.items()
    )


@given(ARRAYS, st.dictionaries(NAMES, st.integers() | st.text()))
def test_what_is_written_is_read_by_the_library_and_here(arrays, metadata):
    content = pack(arrays, metadata)
    found, texts = unpack(content)
    assert same(load(content), arrays) and same(found, arrays)
    assert {name: json.loads(text) for name, text in texts.items()} == metadata


@given(ARRAYS, st.dictionaries(NAMES, NAMES, min_size=1))
def test_what_the_library_writes_is_read(arrays, metadata):
    found, texts = unpack(save(arrays, metadata))
    assert same(found, arrays) and texts == metadata


@given(st.data())
def test_what_is_read_is_what_the_library_reads(data):
    """Whatever happens to a file on its way: it is refused, or it means the same to everybody."""
    content = bytearray(pack(TWO, {"step": 1}))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(content) - 1))
        piece = data.draw(st.binary(max_size=4) | st.sampled_from([b'"', b"{", b"0", b"9", b"\\"]))
        content[place : place + data.draw(st.integers(0, 4))] = piece
    try:
        found, _ = unpack(bytes(content))
    except ValueError:
        return
    assert same(load(bytes(content)), found)


# --- headers that lie -----------------------------------------------------------------------------


def entry(shape=(1,), begin=0, end=4, dtype="F32", **more):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end], **more}


def file(header, numbers=b"\0\0\0\0"):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + numbers


LIES = {
    "2**40 entries": (file({"w": entry([2**40], 0, 2**42)}), "its arrays have 4,398,046,511,104"),
    "2**40 of nothing": (file({"w": entry([2**40])}), "w is no array"),
    "2**60 entries": (file({"w": entry([2**30, 2**30])}), "w is no array"),
    "a huge shape": (file({"w": entry([2**52] * 10_000)}), "w is no array"),
    "as many axes": (file({"w": entry([1] * (MOST_AXES + 1))}), "w is no array"),
    "a negative shape": (file({"w": entry([-1, -1])}), "w is no array"),
    "a shape of floats": (file({"w": entry([1.0])}), "w is no array"),
    "a shape of bools": (file({"w": entry([True])}), "w is no array"),
    "overlapping": (file({"a": entry(), "b": entry()}), "b begins at byte 0 and not at 4"),
    "a gap": (file({"a": entry(begin=4, end=8)}, bytes(8)), "a begins at byte 4 and not at 0"),
    "beyond the end": (file({"a": entry([9], 0, 36)}), "its arrays have 36 bytes, and 4 are there"),
    "more than said": (file({"a": entry()}, bytes(5)), "its arrays have 4 bytes, and 5 are there"),
    "backwards": (file({"a": entry(begin=4, end=0)}), "a is no array"),
    "an unknown dtype": (file({"a": entry(dtype="F8_E4M3")}), "a is no array"),
    "a dtype that is none": (file({"a": entry(dtype=["F32"])}), "a is no array"),
    "more to say": (file({"a": entry(more=1)}), "a is no array"),
    "not an object": (file(b"[1]"), "its header is no object"),
    "spaces first": (file(b" {}", b""), "its header is no object"),
    "a name twice": (file(b'{"a":1,"a":2}'), "a name stands twice"),
    "a text twice": (file(b'{"__metadata__":{"a":"1","a":"2"}}', b""), "a name stands twice"),
    "no texts": (file({"__metadata__": {"a": 1}}, b""), "its __metadata__ are no texts"),
    "half a pair": (file(b'{"__metadata__":{"a":"\\ud800"}}', b""), "its header is no JSON"),
    "another code": (file("{}".encode("utf-16"), b""), "its header is no JSON"),
    "deep JSON": (file(b"[" * 1_000_000), "its header is no JSON"),
    "deep objects": (file(b'{"a":' * 500_000), "its header is no JSON"),
    "many digits": (file(b'{"a":' + b"9" * 1_000_000 + b"}"), "its header is no JSON"),
    "a long header": (file(b"{}".ljust(LONGEST + 1)), "which may be 4,194,304 at most"),
    "100 MB of header": ((10**8).to_bytes(8, "little") + b"{}", "it is cut off"),
    "2**63 of header": ((2**63).to_bytes(8, "little") + b"{}", "it is cut off"),
    "seven bytes": (bytes(7), "it is cut off"),
}


@pytest.mark.parametrize("how", LIES)
def test_a_header_that_lies_is_refused_before_anything_is_allocated(how):
    content, why = LIES[how]
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=why.replace("(", r"\(")):
            unpack(content)
        taken = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # The text of the longest header and what it is as objects: 25 times its bytes at most.
    assert taken < 30 * min(len(content), LONGEST) + 2_000_000


def test_arrays_that_are_read_take_no_memory():
    content = pack({"w": np.zeros(4_000_000, np.float32)})
    tracemalloc.start()
    arrays, _ = unpack(content)
    taken = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert taken < 100_000 and arrays["w"].shape == (4_000_000,)
    with pytest.raises(ValueError, match="read-only"):
        arrays["w"][0] = 1
