"""Reads IDX, the format of the MNIST files: one array of any type and rank, gzipped or not.

A file is two zero bytes, a byte for the element type, a byte for the rank, one big-endian uint32
per axis, and then the elements, big-endian, last axis fastest. A file is not trusted: what its
header says is compared with the bytes that are there before an array is made, and no more is
unpacked than the header says. A file that is not gzipped is mapped into memory: it is there at
once, and read as far as it is used.
"""

import io
import math
import struct
import zlib
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError
from data.formats.raw import DEFLATE_MAX_RATIO, Content, PathLike, Raw, contents

_GZIP_MAGIC = b"\x1f\x8b"
_STEP = 2**16  # packed bytes at a time: zlib copies what it leaves of them
_PART = 2**20  # unpacked bytes at a time, on their way to an array
_ELEMENT_TYPES: dict[int, np.dtype[Any]] = {
    0x08: np.dtype(">u1"),
    0x09: np.dtype(">i1"),
    0x0B: np.dtype(">i2"),
    0x0C: np.dtype(">i4"),
    0x0D: np.dtype(">f4"),
    0x0E: np.dtype(">f8"),
}


def read_pairs(paths: tuple[PathLike, ...]) -> list[Raw]:
    """Images and labels to train with, and perhaps those to test with, each in a file of its own.

    Raises `DataError` as `read_idx` does.
    """
    pairs = zip(paths[::2], paths[1::2], strict=True)
    return [
        Raw(read_idx(images), read_idx(labels), str(images), str(labels))
        for images, labels in pairs
    ]


def read_idx(path: PathLike) -> NDArray[Any]:
    """Read one IDX file, gzipped or not (its first bytes decide, not its name).

    Returns a read-only, C-contiguous array in native byte order, of the shape in the header and
    of dtype uint8, int8, int16, int32, float32 or float64. Of bytes that are not gzipped it is a
    view of the file, which must stay as it is as long as the array is used.

    Raises `DataError` if the file cannot be read, is not IDX or is not valid gzip, or if it holds
    more or fewer bytes than its header says.

    >>> from pathlib import Path
    >>> import data
    >>> path = Path(data.__file__).parent / "mnist" / "t10k-labels-idx1-ubyte.gz"
    >>> read_idx(path)[:5]
    array([7, 2, 1, 0, 4], dtype=uint8)
    """
    return decode_idx(contents(path), path)


def decode_idx(content: Content, path: PathLike) -> NDArray[Any]:
    """What `read_idx` returns and raises, for the bytes of a file; errors name `path`."""
    if content[:2] == _GZIP_MAGIC:
        # Not the map: what has been read of it would count as memory in use.
        with io.BytesIO(content) if isinstance(content, bytes) else open(path, "rb") as file:
            array = _unpacked(_Gzip(file, len(content), path))
    else:
        header = content[: 4 + 4 * 255]
        dtype, shape = _header(lambda start, stop: header[start:stop], path)
        start = 4 + 4 * len(shape)
        _compare(dtype, shape, len(content) - start, path)
        array = _shaped(np.frombuffer(content, dtype, offset=start), shape, path)
    # uint8 stays a view of the file's bytes, which is read-only: so are the other dtypes.
    native: NDArray[Any] = array.astype(array.dtype.newbyteorder("="), copy=False)
    native.flags.writeable = False
    return native


def _unpacked(gzip: "_Gzip") -> NDArray[Any]:
    path = gzip.path
    dtype, shape = _header(lambda start, stop: gzip.read(stop - start), path)
    expected = math.prod(shape) * dtype.itemsize
    most = DEFLATE_MAX_RATIO * gzip.size
    if expected > most:
        raise _truncated(dtype, shape, f"at most {most}", path)
    target = np.empty(expected, np.uint8)
    found = gzip.fill(target)
    if found < expected:
        raise _truncated(dtype, shape, str(found), path)
    gzip.end(f"expected {_described(dtype, shape)}, found more")
    return _shaped(target.view(dtype), shape, path)


def _header(read: Callable[[int, int], bytes], path: PathLike) -> tuple[np.dtype[Any], Any]:
    """The element type and the shape; `read` gives the bytes from a place to another."""
    magic = read(0, 4)
    if len(magic) < 4:
        raise DataError(f"{path}: truncated: expected a magic of 4 bytes, found {len(magic)}")
    if magic[:2] != b"\0\0":
        raise DataError(
            f"{path}: not an IDX file: expected to start with 00 00, found {magic[:2].hex(' ')}"
        )
    if magic[2] not in _ELEMENT_TYPES:
        known = ", ".join(f"0x{code:02x}" for code in _ELEMENT_TYPES)
        raise DataError(f"{path}: expected an element type of {known}; found 0x{magic[2]:02x}")
    rank = magic[3]
    sizes = read(4, 4 + 4 * rank)
    if len(sizes) < 4 * rank:
        raise DataError(
            f"{path}: truncated: expected {4 * rank} bytes of sizes for {rank} axes, "
            f"found {len(sizes)}"
        )
    return _ELEMENT_TYPES[magic[2]], struct.unpack(f">{rank}I", sizes)


def _described(dtype: np.dtype[Any], shape: tuple[int, ...]) -> str:
    count = math.prod(shape) * dtype.itemsize
    return f"{count} bytes for {dtype.name} elements of shape {shape}"


def _truncated(
    dtype: np.dtype[Any], shape: tuple[int, ...], found: str, path: PathLike
) -> DataError:
    return DataError(f"{path}: truncated: expected {_described(dtype, shape)}, found {found}")


def _compare(dtype: np.dtype[Any], shape: tuple[int, ...], found: int, path: PathLike) -> None:
    """Raise DataError unless so many bytes are what the header says."""
    expected = math.prod(shape) * dtype.itemsize
    if found < expected:
        raise _truncated(dtype, shape, str(found), path)
    if found > expected:
        described = _described(dtype, shape)
        raise DataError(f"{path}: trailing bytes: expected {described}, found {found}")


def _shaped(array: NDArray[Any], shape: tuple[int, ...], path: PathLike) -> NDArray[Any]:
    try:
        return array.reshape(shape)
    except ValueError as error:  # above 64 axes, or (0, 2**32 - 1, 2**32 - 1, ...)
        raise DataError(f"{path}: expected a shape NumPy can hold, found {shape}") from error


class _Gzip:
    """Unpacks a gzip file of one member or several, as far as it is asked to."""

    def __init__(self, file: BinaryIO, size: int, path: PathLike) -> None:
        self.size, self.path = size, path
        self._file = file
        self._rest = b""  # what the stream was given and has not looked at
        self._stream = _member()
        self._count = 0

    def read(self, size: int) -> bytes:
        """The next bytes: fewer than `size` only where the file ends."""
        target = np.empty(size, np.uint8)
        return target[: self.fill(target)].tobytes()

    def fill(self, target: NDArray[np.uint8]) -> int:
        """Write the next bytes to `target`, as many as it holds; how many there were."""
        filled = 0
        while filled < len(target):
            part = self._next(min(_PART, len(target) - filled))
            if not part:
                break
            target[filled : filled + len(part)] = np.frombuffer(part, np.uint8)
            filled += len(part)
        return filled

    def end(self, message: str) -> None:
        """Raise DataError where bytes are left; the checks of the last member are made as well."""
        if self._next(1):
            raise DataError(f"{self.path}: trailing bytes: {message}")

    def _next(self, limit: int) -> bytes:
        """Some bytes, at most `limit`, or none at the end of the file."""
        while not self._stream.eof or self._open_next():
            fed = bool(self._rest) or self._feed()
            part = self._decompress(limit)  # which may hold some, also where nothing was fed
            if part:
                return part
            if not (fed or self._stream.eof):
                raise DataError(
                    f"{self.path}: truncated: expected a whole gzip stream, "
                    f"found its end missing after {self._count} unpacked bytes"
                )
        return b""

    def _feed(self) -> bool:
        packed = self._file.read(_STEP)
        self._rest += packed
        return bool(packed)

    def _decompress(self, limit: int) -> bytes:
        stream = self._stream
        try:
            part: bytes = stream.decompress(self._rest, limit)
        except zlib.error as error:
            raise DataError(f"{self.path}: expected valid gzip, found: {error}") from error
        self._rest = stream.unused_data if stream.eof else stream.unconsumed_tail
        self._count += len(part)
        return part

    def _open_next(self) -> bool:
        """Begin the next member, if there is one. Zeros between members are padding."""
        self._rest = self._rest.lstrip(b"\0")
        while len(self._rest) < 2 and self._feed():
            self._rest = self._rest.lstrip(b"\0")
        if not self._rest:
            return False
        if not self._rest.startswith(_GZIP_MAGIC):
            left = len(self._rest) + self.size - self._file.tell()
            raise DataError(
                f"{self.path}: trailing bytes: expected gzip, found {left} bytes after its end"
            )
        self._stream = _member()
        return True


def _member() -> Any:
    return zlib.decompressobj(wbits=31)  # 31: a gzip header, and its CRC-32 verified
