"""Reads .npz, NumPy's archives of arrays, of which it trusts neither the archive nor the arrays.

NumPy's own reader makes an array of any size that a header claims, and raises nearly anything for a
damaged file. Here a claim is compared with the bytes that are there, a pickle is never loaded, and
each array's checksum is verified. An array that is not packed (`np.savez`) is mapped into memory.
"""

import ast
import math
import re
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError
from data.files import reason
from data.formats.raw import DEFLATE_MAX_RATIO, Content, PathLike, Raw, contents

TRAIN, TEST = ("x_train", "y_train"), ("x_test", "y_test")
PAIRS = [("x", "y"), ("images", "labels"), ("data", "target")]
EXPECTED = "x_train, y_train, x_test and y_test; or x and y, images and labels, data and target"
STEP = 2**20  # bytes at a time
LONGEST_HEADER = 2**16
# What a damaged archive makes zipfile raise: it is written for sound ones.
BROKEN = (zipfile.BadZipFile, RuntimeError, EOFError, OSError, ValueError, struct.error, zlib.error)


class _Header(NamedTuple):
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    fortran: bool
    size: int  # of the header, in bytes


def read_npz(path: PathLike) -> list[Raw]:
    """The arrays to train with, and perhaps those to test with, under one of the usual names.

    Raises `DataError` where they are not there, or others are too.
    """
    content = contents(path)
    try:
        with zipfile.ZipFile(path) as archive:
            members = _members(archive, path)
            return [
                Raw(
                    _array(archive, members[images], content, path),
                    _array(archive, members[labels], content, path),
                    f"{path}: {images}",
                    f"{path}: {labels}",
                )
                for images, labels in _pairs(set(members), path)
            ]
    except DataError:
        raise
    except BROKEN as error:
        raise DataError(
            f"{path}: expected a whole .npz file, found: {reason(error)}; get it or save it again"
        ) from error


def _members(archive: zipfile.ZipFile, path: PathLike) -> dict[str, zipfile.ZipInfo]:
    members: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        name = info.filename.removesuffix(".npy")
        if name in members:
            raise DataError(f"{path}: expected each array once, found two named {name!r}")
        members[name] = info
    return members


def _pairs(names: set[str], path: PathLike) -> list[tuple[str, str]]:
    choices = [[TRAIN, TEST], [TRAIN], *([pair] for pair in PAIRS)]
    for choice in choices:
        if names == {name for pair in choice for name in pair}:
            return choice
    found = ", ".join(map(repr, sorted(names)[:8])) or "none"
    raise DataError(f"{path}: expected arrays named {EXPECTED}, and no others; found {found}")


def _array(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, content: Content, path: PathLike
) -> NDArray[Any]:
    where = f"{path}: {info.filename}"
    if info.flag_bits & 1:
        raise DataError(
            f"{where}: expected an array, found it encrypted: save it without a password"
        )
    if info.compress_type == zipfile.ZIP_STORED:
        array = _mapped(info, content, where)
    elif info.compress_type == zipfile.ZIP_DEFLATED:
        array = _unpacked(archive, info, len(content), where)
    else:
        raise DataError(f"{where}: expected it stored or deflated: save it by np.savez_compressed")
    return _text(array, where) if array.dtype.kind in "SU" else array


def _mapped(info: zipfile.ZipInfo, content: Content, where: str) -> NDArray[Any]:
    """A view of an array that is stored as it is, its checksum verified."""
    lengths = content[info.header_offset + 26 : info.header_offset + 30]
    start = info.header_offset + 30 + sum(struct.unpack("<HH", lengths))  # a name, and extras
    stop = start + info.file_size
    if info.compress_size != info.file_size or stop > len(content):
        raise DataError(f"{where}: truncated: expected {info.file_size} bytes")
    found = 0
    for at in range(start, stop, STEP):
        found = zlib.crc32(content[at : min(at + STEP, stop)], found)
    if found != info.CRC:
        raise DataError(f"{where}: damaged: its checksum differs; get the file again")
    header = _header(lambda at, size: content[start + at : min(start + at + size, stop)], where)
    _compare(header, info.file_size, where)
    count = math.prod(header.shape)
    flat = np.frombuffer(content, header.dtype, count, start + header.size if count else 0)
    return _shaped(flat, header, where)


def _unpacked(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, size: int, where: str
) -> NDArray[Any]:
    """An array that is deflated; size: of the whole archive."""
    packed = min(info.compress_size, size)
    if info.file_size > DEFLATE_MAX_RATIO * packed:
        raise DataError(
            f"{where}: expected {info.file_size} bytes, more than {packed} bytes unpack to"
        )
    with archive.open(info) as member:
        header = _header(lambda at, size: member.read(size), where)
        _compare(header, info.file_size, where)
        target = np.empty(info.file_size - header.size, np.uint8)
        for at in range(0, len(target), STEP):
            part = member.read(min(STEP, len(target) - at))
            if len(part) < min(STEP, len(target) - at):
                raise DataError(f"{where}: truncated: expected {info.file_size} bytes")
            target[at : at + len(part)] = np.frombuffer(part, np.uint8)
        member.read(1)  # which verifies the checksum of an array of no bytes, too
    return _shaped(target.view(header.dtype), header, where)


def _header(read: Callable[[int, int], bytes], where: str) -> _Header:
    """What an array's header says; `read(at, size)` gives bytes of it, one part after the other."""
    start = read(0, 8)
    # Version 3 is for names of fields, which no array of numbers has.
    if start[:6] != b"\x93NUMPY" or start[6] not in (1, 2):
        raise DataError(f"{where}: expected an array, as np.savez writes it, found {start[:8]!r}")
    width = 2 if start[6] == 1 else 4
    length = int.from_bytes(read(8, width), "little")
    text = read(8 + width, min(length, LONGEST_HEADER)).decode("latin1")
    try:
        fields = ast.literal_eval(text)
        descr, fortran, shape = (fields[name] for name in ("descr", "fortran_order", "shape"))
        sound = isinstance(shape, tuple) and all(type(n) is int and n >= 0 for n in shape)
    except (ValueError, SyntaxError, TypeError, KeyError, MemoryError, RecursionError):
        sound = False
    if not sound or len(text) != length:
        raise DataError(f"{where}: expected an array's header, found {text[:60]!r}")
    return _Header(_dtype(descr, where), shape, bool(fortran), 8 + width + length)


def _dtype(descr: Any, where: str) -> np.dtype[Any]:
    if isinstance(descr, str) and descr.endswith("O"):
        raise DataError(
            f"{where}: expected numbers or texts, found Python objects in a pickle, which could "
            "run any program: save an array of one type, as by np.array(list_of_texts, dtype=str)"
        )
    try:
        if isinstance(descr, str) and re.fullmatch(r"[<>|=][biufSU][0-9]+", descr):
            dtype = np.dtype(descr)
            if dtype.itemsize:
                return dtype
    except (TypeError, ValueError, OverflowError):
        pass
    raise DataError(f"{where}: expected an array of numbers or texts, found the type {descr!r}")


def _compare(header: _Header, size: int, where: str) -> None:
    expected, found = math.prod(header.shape) * header.dtype.itemsize, size - header.size
    if expected != found:
        word = "truncated" if found < expected else "trailing bytes"
        raise DataError(
            f"{where}: {word}: expected {expected} bytes for {header.dtype} elements of shape "
            f"{header.shape}, found {found}"
        )


def _shaped(flat: NDArray[Any], header: _Header, where: str) -> NDArray[Any]:
    try:
        if header.fortran:
            return flat.reshape(header.shape[::-1]).T
        return flat.reshape(header.shape)
    except (ValueError, OverflowError) as error:  # above 64 axes, or (0, 2**64)
        raise DataError(
            f"{where}: expected a shape NumPy can hold, found {header.shape}"
        ) from error


def _text(array: NDArray[Any], where: str) -> NDArray[Any]:
    """Texts as str, each of characters that there are."""
    if array.dtype.kind == "S":
        return np.char.decode(array, "utf-8")
    native = np.ascontiguousarray(array, array.dtype.newbyteorder("="))
    if native.size and native.reshape(-1).view(np.uint32).max() > 0x10FFFF:
        raise DataError(f"{where}: expected texts, found a character that does not exist")
    return native
