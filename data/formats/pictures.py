"""Reads a folder of pictures: a folder for each class, named as it is, and in it its pictures.

What the pictures are is not guessed at: all are grey or all in colour, and of one size, unless they
are to be resized. Names that begin with a dot are other programs' and are passed over; whatever
else is no picture is refused by its name, so that nothing is left out without a word.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError
from data.files import reason
from data.formats.raw import PathLike, Raw

if TYPE_CHECKING:
    from PIL import Image

# Not all that Pillow knows: for some it starts other programs.
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM")
Classes = dict[str, list[Path]]


def read_pictures(folder: PathLike, size: tuple[int, int] | None) -> list[Raw]:
    """The pictures in a folder, or in its folders train and test, class by class, sorted by name.

    They are (n, height, width) if all are grey, or (n, height, width, 3): uint8, or float32 for
    greys of more than 8 bits. What is transparent lies on white. size: (height, width) that each is
    resized to by Lanczos's filter, also where that changes its proportions.

    Raises `DataError` where a file is no whole picture, or is unlike the others, or a class has
    none.
    """
    _check_size(size, folder)
    parts = [Path(folder)]
    below = {entry.name: entry for entry in _entries(parts[0])}
    if {"train", "test"} <= set(below) and any(path.is_dir() for path in _entries(below["train"])):
        _refuse_others(below, ("train", "test"))
        parts = [below["train"], below["test"]]
    found = [_classes(part) for part in parts]
    unlike = set(found[0]) ^ set(found[-1])
    if unlike:
        raise DataError(
            f"{folder}: expected the same classes in train and test, "
            f"found {min(unlike)!r} in one alone"
        )
    first = next(iter(found[0].values()))[0]
    like = first, _picture(first, size)
    return [_read(part, classes, size, like) for part, classes in zip(parts, found, strict=True)]


def _check_size(size: tuple[int, int] | None, folder: PathLike) -> None:
    """A picture is resized before its memory could be refused, and Linux may end the process."""
    from PIL import Image

    most = Image.MAX_IMAGE_PIXELS
    if size is not None and most is not None and size[0] * size[1] > most:
        raise DataError(
            f"{folder}: size: expected at most {most:,} pixels, found {size[0]} x {size[1]}: "
            "give a smaller size"
        )


def _entries(folder: Path) -> list[Path]:
    """What is in a folder, sorted by name."""
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except (OSError, ValueError) as error:
        raise DataError(f"{folder}: cannot be read: {reason(error)}") from error


def _refuse_others(below: dict[str, Path], known: tuple[str, ...]) -> None:
    for name, path in below.items():
        if name not in known:
            raise DataError(f"{path}: expected nothing beside {' and '.join(known)}: move it away")


def _classes(folder: Path) -> Classes:
    """The files of each class, by its name."""
    classes: Classes = {}
    for entry in _entries(folder):
        if not entry.is_dir():
            raise DataError(
                f"{entry}: expected a folder of pictures for each class, found a file: move it "
                "into its class, or away"
            )
        files = _entries(entry)
        if not files:
            raise DataError(
                f"{entry}: expected pictures, found none: add some, or remove the folder"
            )
        for file in files:
            if not file.is_file():
                found = "a folder" if file.is_dir() else "no file that can be read"
                raise DataError(f"{file}: expected a picture, found {found}: move it away")
        classes[entry.name] = files
    if not classes:
        raise DataError(f"{folder}: expected a folder of pictures for each class, found none")
    return classes


def _read(
    folder: Path,
    classes: Classes,
    size: tuple[int, int] | None,
    like: tuple[Path, NDArray[Any]],
) -> Raw:
    """The pictures of all classes, each like the one that is given."""
    files = [file for paths in classes.values() for file in paths]
    first, model = like
    try:
        images = np.empty((len(files), *model.shape), model.dtype)
    except MemoryError as error:
        raise DataError(
            f"{folder}: {len(files)} pictures of {_described(model)} do not fit into memory: "
            "give a smaller size"
        ) from error
    for row, file in zip(images, files, strict=True):
        picture = _picture(file, size)
        if picture.shape[:2] != model.shape[:2]:
            raise DataError(
                f"{file}: expected {_extent(model)} pixels as {first} has, found "
                f"{_extent(picture)}: give a size to resize all to"
            )
        if _kind(picture) != _kind(model):
            raise DataError(
                f"{file}: expected a picture {_kind(model)} as {first} is, found one "
                f"{_kind(picture)}: convert them to one kind"
            )
        row[...] = picture
    labels = np.repeat(np.array(list(classes)), [len(paths) for paths in classes.values()])
    return Raw(images, labels, str(folder), str(folder))


def _extent(picture: NDArray[Any]) -> str:
    return f"{picture.shape[0]} x {picture.shape[1]}"


def _kind(picture: NDArray[Any]) -> str:
    if picture.ndim == 3:
        return "in colour"
    return "in grey" if picture.dtype == np.uint8 else "in grey of more than 8 bits"


def _described(picture: NDArray[Any]) -> str:
    return f"{_extent(picture)} pixels {_kind(picture)}"


def _picture(path: Path, size: tuple[int, int] | None) -> NDArray[Any]:
    """A picture as an array. Whatever Pillow raises or warns of becomes a DataError."""
    from PIL import Image, UnidentifiedImageError

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # Up to twice its limit Pillow only warns.
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(path, formats=FORMATS) as picture:
                picture.verify()  # PNG's checksums, at which its decoder does not look
            with Image.open(path, formats=FORMATS) as picture:
                return _array(picture, size)
        except UnidentifiedImageError as error:
            raise DataError(
                f"{path}: expected a picture ({', '.join(FORMATS)}): move it away"
            ) from error
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            limit = f"at most {Image.MAX_IMAGE_PIXELS:,} pixels"
            raise DataError(f"{path}: expected a picture of {limit}, found more") from error
        except Exception as error:  # Pillow's decoders raise nearly any type on damaged data
            if isinstance(error, OSError) and error.strerror:
                raise DataError(f"{path}: cannot be read: {reason(error)}") from error
            raise DataError(
                f"{path}: damaged or unsupported: {error}: replace it, or move it away"
            ) from error


def _array(picture: Image.Image, size: tuple[int, int] | None) -> NDArray[Any]:
    from PIL import Image, ImageOps

    frames = getattr(picture, "n_frames", 1)
    if frames > 1 and picture.format != "MPO":  # cameras add a preview
        raise ValueError(f"expected one picture, found {frames} frames: save each as a file")
    upright = _flattened(ImageOps.exif_transpose(picture))
    if size is not None and upright.size != size[::-1]:
        upright = upright.resize(size[::-1], Image.Resampling.LANCZOS)
    return np.asarray(upright)


def _flattened(picture: Image.Image) -> Image.Image:
    """In one of three modes: L, 8 bits of grey; F, more; RGB."""
    from PIL import Image

    if picture.mode.startswith(("I", "F")):
        return picture.convert("F")
    mode = "L" if picture.mode in ("1", "L", "LA", "La") else "RGB"
    if not picture.has_transparency_data:
        return picture.convert(mode)
    drawn = picture.convert("RGBA")
    white = Image.new("RGBA", drawn.size, "white")
    return Image.alpha_composite(white, drawn).convert(mode)
