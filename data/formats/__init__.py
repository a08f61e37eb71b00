"""Reads data of one's own: a reader for each kind of file, and nothing of what is made of it.

`read` looks at what it is given and asks the one that knows it: `idx`, `csv`, `npz` or `pictures`.
Each gives a `Raw`, or two where there are test examples as well. A reader trusts nothing: before
memory is reserved, what a header says is compared with what the file can hold. Arrays that lie in
a file as they are, in IDX and in .npz, are mapped into memory and not read.
"""

import os

from data.errors import DataError
from data.formats.csv import read_csv
from data.formats.idx import read_pairs
from data.formats.npz import read_npz
from data.formats.pictures import read_pictures
from data.formats.raw import PathLike, Raw, contents

__all__ = ["PathLike", "Raw", "read"]

ZIP = b"PK\x03\x04", b"PK\x05\x06"  # the latter of an empty one
# What people hand in that is none of the formats, by its first bytes, and what to do with it.
OTHERS = {
    b"\0\0": "IDX: give two files, its images and its labels",
    b"\x1f\x8b": "gzip: unpack it; IDX may be packed: give two files, its images and its labels",
    b"\x93NUMPY": "one array: save both together, by np.savez(path, x=images, y=labels)",
    b"\x80": "a pickle, which could run any program: save its arrays by np.savez",
    b"\x89PNG": "one picture: give a folder that has a folder of pictures for each class",
    b"\xff\xd8": "one picture: give a folder that has a folder of pictures for each class",
    b"%PDF": "PDF: give a CSV file",
    b"\x89HDF": "HDF5: save its arrays by np.savez",
    b"PAR1": "Parquet: save it as CSV",
    b"<": "a page or XML: a server may have sent it in place of the file; get that again",
    b"{": "JSON: save it as CSV",
}


def read(
    source: tuple[PathLike, ...], label: str | int | None, size: tuple[int, int] | None
) -> list[Raw]:
    """The training examples in `source`, and then the test examples, if it has any.

    label: the column of a CSV that holds it. size: of the pictures, (height, width).

    Raises `DataError` where it cannot be read, or is of no format that is known here.
    """
    if len(source) not in (1, 2, 4):
        raise DataError(
            "expected one dataset, or the images and labels of IDX files, two or four; "
            f"found {len(source)} names"
        )
    is_folder, start = os.path.isdir(source[0]), b""
    if not is_folder:
        start = contents(source[0])[:8]
    is_csv = len(source) == 1 and not (is_folder or start.startswith((*ZIP, *OTHERS)))
    if label is not None and not is_csv:
        raise DataError(f"{source[0]}: label: only a CSV file has columns: leave it out")
    if len(source) > 1:
        _check_pairs(source)
        return read_pairs(source)
    if is_folder:
        return read_pictures(source[0], size)
    if start.startswith(ZIP):
        return read_npz(source[0])
    if found := other(start):
        raise DataError(f"{source[0]}: expected CSV, .npz or a folder of pictures, found {found}")
    if os.fspath(source[0]).lower().endswith(".npz"):
        raise DataError(
            f"{source[0]}: expected .npz, which begins with PK, found {start!r}: get it or save it "
            "again; a table is called .csv"
        )
    return read_csv(source[0], label)


def other(start: bytes) -> str:
    """What a file is that begins so and is of no format that is read here, and what to do with it;
    "" where that is not known.

    >>> other(b"<!DOCTYPE html>")[:13]
    'a page or XML'
    """
    return next((found for first, found in OTHERS.items() if start.startswith(first)), "")


def _check_pairs(source: tuple[PathLike, ...]) -> None:
    """Raise DataError where several files are not IDX, each of them."""
    for path in source:
        start = b"" if os.path.isdir(path) else contents(path)[:8]
        if start.startswith((b"\0\0", b"\x1f\x8b")) or (not start and os.path.isfile(path)):
            continue  # the reader knows more
        found = "a folder" if os.path.isdir(path) else other(start) or f"{start[:2].hex(' ')}"
        raise DataError(
            f"{path}: several files are images and labels in IDX, which begins with 00 00; found "
            f"{found}; of any other format give one file or folder"
        )
