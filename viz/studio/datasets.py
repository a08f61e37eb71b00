"""The datasets that the studio serves: those of the registry that are here, and the one that the
served weights learned from. Each is read when it is first asked for.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import cached_property
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

import data
from data.cache import missing
from data.registry import REGISTRY
from models.mnist.novelty import Novelty
from viz.studio.engine.modules import Module
from viz.studio.refusal import Refusal

__all__ = ["Datasets", "Served", "Split"]

SPLITS = ("train", "test")
THUMBNAIL = 32  # pixels of a side: what one cell of a page's texture holds
# Of zlib: 11 MB of MNIST's 47 in 0.5 s, where the usual level takes 1.3 s for 10 (2 cores of an
# Intel Xeon).
LEVEL = 1


@dataclass(frozen=True, eq=False)
class Split:
    """Examples to serve: images, (n, *shape) uint8 or float32, labels, (n,) uint16, both
    little-endian; the digest of them, as `data.examples.digest` gives it; and what the classes are
    called."""

    images: NDArray[Any]
    labels: NDArray[np.uint16]
    sha256: str
    classes: tuple[str, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one example."""
        return self.images.shape[1:]

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def by_class(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The indices of the examples, class by class, and where each class begins."""
        order = np.argsort(self.labels, kind="stable")
        starts = np.searchsorted(self.labels[order], np.arange(65_537))
        return order, starts

    def block(self, rows: slice | NDArray[np.int64]) -> bytes:
        """A Block: the examples' entries, and then their labels."""
        return self.images[rows].tobytes() + self.labels[rows].tobytes()

    @cached_property
    def thumbnails(self) -> bytes:
        """All examples as a Block, small, packed by gzip."""
        packer = zlib.compressobj(LEVEL, wbits=31)
        step = max(1, 2**20 // max(1, self.images[:1].size))
        pieces = (shrunk(self.images[i : i + step]) for i in range(0, len(self), step))
        packed = [packer.compress(piece.tobytes()) for piece in pieces]
        return b"".join([*packed, packer.compress(self.labels.tobytes()), packer.flush()])


class Served:
    """A dataset with its description, as JSON has it."""

    def __init__(self, dataset: data.Dataset) -> None:
        self.dataset, self.name = dataset, dataset.name
        self.telling: Module | None = None  # the module of `novelty`, once it was made
        self._splits: dict[str, Split] = {}
        self._lock = Lock()

    @cached_property
    def description(self) -> dict[str, Any]:
        """What the dataset says of itself, without the files that it lies in."""
        said = self.dataset.describe()
        said.pop("source")
        images = self.split("test").images
        shape = list(shrunk(images[:1]).shape[1:])
        return {**said, "dtype": images.dtype.name, "thumbnail": {"shape": shape}}

    def novelty(self) -> Novelty | None:
        """What tells which pictures are like none of its classes, with a limit by its test set;
        None where its examples are no grey pictures, or too few."""
        return Novelty.fit(self.dataset.train, self.dataset.test, self.dataset.scale)

    def split(self, name: str) -> Split:
        """The "train" or the "test" set; read at the first call."""
        found = self._splits.get(name)
        if found is None:
            with self._lock:
                found = self._splits.get(name) or self._read(name)
                self._splits[name] = found
        return found

    def ready(self, name: str) -> Split | None:
        """The set, if it was read already."""
        return self._splits.get(name)

    def _read(self, name: str) -> Split:
        examples = getattr(self.dataset, name)
        images = np.ascontiguousarray(examples.images)
        images = images.astype(images.dtype.newbyteorder("<"), copy=False)
        sha256 = self.dataset.describe()["splits"][name]["sha256"]
        return Split(images, examples.labels.astype("<u2"), sha256, self.dataset.classes)


class Datasets:
    """The datasets by name. own: the one that the served weights learned from."""

    def __init__(self, own: data.Dataset | None = None) -> None:
        self.names = [name for name in REGISTRY if not missing(name)]
        self._served: dict[str, Served] = {}
        self._lock = Lock()
        if own is not None:
            self.add(own)

    def add(self, dataset: data.Dataset) -> None:
        """Serve a further dataset, in place of one of its name."""
        if dataset.name not in self.names:
            self.names.append(dataset.name)
        self._served[dataset.name] = Served(dataset)

    def get(self, name: str) -> Served:
        """A dataset; read at the first call. Raises a Refusal where there is none of this name."""
        found = self._served.get(name)
        if found is not None:
            return found
        if name not in self.names:
            raise Refusal(404, "dataset", f"one of {', '.join(self.names)}", name)
        with self._lock:
            if name not in self._served:
                self._served[name] = Served(data.load(name))
            return self._served[name]

    def ready(self, dataset: str, split: str) -> Split | None:
        """A set of a dataset, if it was read already."""
        found = self._served.get(dataset)
        return found.ready(split) if found else None


def shrunk(images: NDArray[Any]) -> NDArray[Any]:
    """Pictures, (n, h, w) or (n, h, w, colours), whose sides are at most THUMBNAIL; rows of
    numbers, (n, k), stay. Each pixel is the mean of a square of the picture.

    >>> shrunk(np.zeros((2, 100, 50), np.uint8)).shape
    (2, 25, 12)
    """
    if images.ndim < 3:
        return images
    n, height, width = images.shape[:3]
    factor = -(-max(height, width) // THUMBNAIL)
    if factor == 1:
        return images
    rows, columns = max(1, height // factor), max(1, width // factor)
    cut = images[:, : rows * factor, : columns * factor]
    squares = cut.reshape(n, rows, min(factor, height), columns, min(factor, width), -1)
    means = squares.mean((2, 4), np.float32).reshape(n, rows, columns, *images.shape[3:])
    small: NDArray[Any] = means.astype(images.dtype)
    return small
