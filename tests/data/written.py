"""Writes the files that the tests of `data` read."""

import csv
import struct
from pathlib import Path

import numpy as np

# Typed here a second time: a wrong code in the reader's table must not excuse itself.
CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


def idx_bytes(array):
    header = struct.pack(">BBBB", 0, 0, CODES[array.dtype.str[1:]], array.ndim)
    sizes = struct.pack(f">{array.ndim}I", *array.shape)
    return header + sizes + array.astype(array.dtype.newbyteorder(">")).tobytes()


def idx_pair(folder, images, labels, prefix=""):
    """The paths of two IDX files."""
    paths = Path(folder, f"{prefix}images"), Path(folder, f"{prefix}labels")
    for path, array in zip(paths, (images, labels), strict=True):
        path.write_bytes(idx_bytes(np.asarray(array)))
    return paths


def table(path, rows, header=None, delimiter=","):
    """A CSV file; gives its path."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerows([header, *rows] if header else rows)
    return path


def pictures(folder, classes, suffix="png"):
    """A folder of pictures: classes has a list of arrays for each name. Gives its path."""
    from PIL import Image

    for name, arrays in classes.items():
        where = Path(folder, name)
        where.mkdir(parents=True)
        for number, array in enumerate(arrays):
            Image.fromarray(array).save(where / f"{number:03}.{suffix}")
    return folder


def whole(dataset):
    """All of a dataset's images and labels, in the order of the source: its own split undone."""
    train, test = dataset.train, dataset.test
    if train.base[0] is test.base[0]:
        return train.base
    return tuple(np.concatenate(pair) for pair in zip(train.base, test.base, strict=True))
