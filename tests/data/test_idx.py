"""The IDX reader against files written by hand here, valid and damaged."""

import gzip
import os
import random
import struct
import tempfile
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import data
from tests.data.written import CODES, idx_bytes

arrays = st.sampled_from(sorted(CODES)).flatmap(
    lambda code: hnp.arrays(np.dtype(code), hnp.array_shapes(min_dims=0, max_dims=4, min_side=0))
)


@given(array=arrays, zipped=st.booleans())
def test_what_is_written_is_read_back(array, zipped):
    """Else a type, a byte order, a rank or the gzip path is decoded wrongly."""
    content = idx_bytes(array)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "no-telling-suffix")
        path.write_bytes(gzip.compress(content) if zipped else content)
        read = data.read_idx(path)
    assert read.dtype == array.dtype and read.dtype.isnative
    assert read.shape == array.shape
    assert read.flags.c_contiguous and not read.flags.writeable
    assert read.tobytes() == array.tobytes()  # to the bit: NaNs and -0.0 too


@given(array=arrays, cut=st.integers(min_value=1), zipped=st.booleans())
def test_no_prefix_of_a_file_is_read(array, cut, zipped):
    """Else a download that broke off passes for a smaller dataset, or dies in a traceback."""
    content = idx_bytes(array)
    content = gzip.compress(content) if zipped else content
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "cut")
        path.write_bytes(content[: -(1 + cut % len(content))])
        with pytest.raises(data.DataError, match="cut: "):
            data.read_idx(path)


@given(array=arrays, place=st.integers(min_value=0), bit=st.integers(0, 7))
def test_damage_to_gzip_is_found_or_does_no_harm(array, place, bit):
    """Else a damaged download is trained on. Only IDX that is not packed has no checksum."""
    content = bytearray(gzip.compress(idx_bytes(array)))
    content[place % len(content)] ^= 1 << bit
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "damaged")
        path.write_bytes(content)
        try:
            read = data.read_idx(path)
        except data.DataError as error:
            assert str(error).isprintable()
        else:
            assert read.tobytes() == array.tobytes() and read.shape == array.shape


@given(content=st.binary(max_size=64), zipped=st.booleans())
def test_arbitrary_bytes_raise_nothing_but_data_error(content, zipped):
    """Else a file that is no IDX file at all escapes the check as some other exception."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "noise")
        path.write_bytes(b"\x1f\x8b" + content if zipped else b"\0\0" + content)
        try:
            data.read_idx(path)
        except data.DataError as error:
            assert len(str(error).splitlines()) == 1


@given(array=arrays, cuts=st.lists(st.integers(min_value=0), max_size=4), padding=st.integers(0, 3))
def test_several_members_are_one_file(array, cuts, padding):
    """Else what `cat a.gz b.gz` or a parallel gzip writes is refused, or cut after the first."""
    content = idx_bytes(array)
    places = sorted(cut % (len(content) + 1) for cut in cuts)
    bounds = zip([0, *places], [*places, len(content)], strict=True)
    members = [gzip.compress(content[start:stop]) for start, stop in bounds]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "members")
        path.write_bytes((b"\0" * padding).join(members) + b"\0" * padding)
        assert data.read_idx(path).tobytes() == array.tobytes()


def test_a_large_file_of_members_and_large_steps_is_read(tmp_path):
    """Else only files shorter than a step are."""
    array = np.frombuffer(random.Random(0).randbytes(300_000), np.uint8)
    content = idx_bytes(array)
    packed = [gzip.compress(content[at : at + 90_000]) for at in range(0, len(content), 90_000)]
    (tmp_path / "large").write_bytes(b"".join(packed))
    assert np.array_equal(data.read_idx(tmp_path / "large"), array)


def test_no_more_is_unpacked_than_the_header_says(tmp_path):
    """Else three megabytes of gzip fill the memory before anyone looks at what they claim to be."""
    for name, header in {
        "no-header": b"",
        "small": idx_bytes(np.zeros((2, 3), np.uint8)),
        "huge": struct.pack(">BBBB3I", 0, 0, 8, 3, 2**31, 2**10, 2**10),
    }.items():
        bomb = tmp_path / name
        bomb.write_bytes(gzip.compress(header + bytes(2**26), 6))
        tracemalloc.start()
        try:
            with pytest.raises(data.DataError):
                data.read_idx(bomb)
            assert tracemalloc.get_traced_memory()[1] < 2**21
        finally:
            tracemalloc.stop()


def test_what_is_not_packed_is_mapped(tmp_path):
    """Else a million images are copied into memory to look at one."""
    path = tmp_path / "mapped"
    path.write_bytes(idx_bytes(np.zeros((1000, 100, 100), np.uint8)))
    tracemalloc.start()
    try:
        array = data.read_idx(path)
        assert tracemalloc.get_traced_memory()[1] < 2**16
    finally:
        tracemalloc.stop()
    assert type(array) is np.ndarray and not array.flags.writeable


SOUND = idx_bytes(np.arange(6, dtype=np.uint8).reshape(2, 3))
PACKED = gzip.compress(SOUND)
FLIPPED = PACKED[:-8] + bytes([PACKED[-8] ^ 1]) + PACKED[-7:]  # one bit of the CRC-32
LYING = PACKED[:-4] + b"\xff\xff\xff\xff"  # says 4 GiB unpacked

BROKEN = {
    "empty": (b"", r"truncated: expected a magic of 4 bytes, found 0"),
    "magic": (b"\0\0\x08", r"truncated: expected a magic of 4 bytes, found 3"),
    "png": (b"\x89PNG\r\n", r"not an IDX file: expected to start with 00 00, found 89 50"),
    "type": (
        b"\0\0\x0a\x01\0\0\0\0",
        r"expected an element type of 0x08, .*, 0x0e; found 0x0a",
    ),
    "sizes": (SOUND[:11], r"truncated: expected 8 bytes of sizes for 2 axes, found 7"),
    "short": (SOUND[:-1], r"truncated: expected 6 bytes for uint8 .* \(2, 3\), found 5"),
    "long": (SOUND + b"ab", r"trailing bytes: expected 6 bytes for uint8 .* \(2, 3\), found 8"),
    "huge": (
        b"\0\0\x0e\x04" + b"\xff" * 16 + b"few",
        r"truncated: expected \d{40} bytes for float64 .*, found 3",
    ),
    "void": (
        b"\0\0\x0e\x04" + b"\0" * 4 + b"\xff" * 12,
        r"expected a shape NumPy can hold, found \(0, 4294967295, ",
    ),
    "axes": (
        b"\0\0\x08\xff" + b"\0\0\0\x01" * 255 + b"x",
        r"expected a shape NumPy can hold, found \(1, 1, ",
    ),
    "gzip-header": (b"\x1f\x8bjunk", r"expected valid gzip, found: .*unknown compression method"),
    "gzip-crc": (FLIPPED, r"expected valid gzip, found: .*incorrect data check"),
    "gzip-length": (LYING, r"expected valid gzip, found: .*incorrect length check"),
    "gzip-short": (PACKED[:-9], r"truncated: expected a whole gzip stream, found its end missing"),
    "gzip-long": (PACKED + b"ab", r"trailing bytes: expected gzip, found 2 bytes after"),
    "gzip-of-short": (gzip.compress(SOUND[:-1]), r"truncated: expected 6 bytes .* found 5"),
    "gzip-of-long": (
        gzip.compress(SOUND + b"a"),
        r"trailing bytes: expected 6 bytes .* found more",
    ),
    "gzip-of-nothing": (gzip.compress(b""), r"truncated: expected a magic of 4 bytes, found 0"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_each_defect_is_named_in_one_line(tmp_path, name):
    """Else a user does not learn which file is broken, or how."""
    content, message = BROKEN[name]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(data.DataError, match=message) as caught:
        data.read_idx(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert len(str(caught.value).splitlines()) == 1


def test_a_file_that_is_not_there_is_a_data_error(tmp_path):
    """Else a command line that catches `DataError` shows a traceback for a mistyped path."""
    with pytest.raises(data.DataError, match=r"nowhere: cannot be read: No such file"):
        data.read_idx(tmp_path / "nowhere")
    with pytest.raises(data.DataError, match=r"cannot be read: Is a directory"):
        data.read_idx(tmp_path)
    with pytest.raises(data.DataError, match=r"cannot be read: embedded null byte"):
        data.read_idx("a\0b")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with a name here")
def test_a_pipe_is_not_waited_for(tmp_path):
    """Else a command hangs for ever before its first word."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(data.DataError, match=r"pipe: cannot be read: expected a regular file"):
        data.read_idx(tmp_path / "pipe")


def test_data_error_is_a_value_error():
    """Else `except ValueError`, which its documentation allows, misses it."""
    assert issubclass(data.DataError, ValueError)
