"""Datasets for the command line: read ahead while something else is done, and compared with what a
run's config.json says of the one that it learned from. Errors take one line."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from threading import Thread
from typing import Any

import data
from data import DataError, Dataset, Examples
from models.command_line import InputError, printable

__all__ = ["MNIST", "Ahead", "Described", "Source", "named"]

Source = Mapping[str, Any]  # what `data.load` is called with: "source" in order, the rest by name
MNIST: Source = {"source": ["mnist"]}


class Ahead:
    """A dataset, found at once; the sets named in `ahead` are unpacked in threads: for MNIST 0.1 s
    of zlib, which needs no lock of Python's, while the engine is imported.

    Raises InputError where it cannot be loaded.
    """

    def __init__(self, source: Source, *ahead: str) -> None:
        how = {name: value for name, value in source.items() if name != "source"}
        try:
            self.dataset: Dataset = data.load(*source["source"], **how)
        except DataError as error:
            raise InputError(str(error)) from error
        self.name = self.dataset.name
        self.shape, self.classes = self.dataset.shape, self.dataset.classes
        self.scale = self.dataset.scale
        self._threads = {
            split: Thread(target=self._unpack, args=[split], daemon=True) for split in ahead
        }
        for thread in self._threads.values():
            thread.start()

    def _unpack(self, split: str) -> None:
        with suppress(DataError):  # it is raised again where the set is asked for
            getattr(self.dataset, split)

    def __getitem__(self, split: str) -> Examples:
        """The "train" or the "test" set."""
        if split in self._threads:
            self._threads[split].join()
        try:
            examples: Examples = getattr(self.dataset, split)
        except DataError as error:
            raise InputError(str(error)) from error
        return examples

    def describe(self) -> dict[str, Any]:
        """What the dataset says of itself, for config.json; known before it is unpacked."""
        try:
            described: dict[str, Any] = self.dataset.describe()
        except DataError as error:
            raise InputError(str(error)) from error
        return described


@dataclass(frozen=True)
class Described:
    """A dataset as a run's config.json describes it: what is there may be another one by now."""

    name: str
    shape: tuple[int, ...]  # of one example
    classes: tuple[str, ...]
    scale: float
    splits: Mapping[str, tuple[int, str]]  # by name, how many examples, and their sha256
    source: Source

    @staticmethod
    def read(found: Any) -> Described:
        """The description in a config.json, of which nothing is trusted. Raises InputError."""
        if not isinstance(found, dict):
            raise InputError(f'expected a description of the "dataset", found {found!r:.60}')
        for key, (holds, expected) in _FIELDS.items():
            if not holds(found.get(key)):
                raise InputError(
                    f'expected the "{key}" of the dataset to be {expected}, '
                    f"found {found.get(key)!r:.60}"
                )
        source = found["source"]
        return Described(
            found["name"],
            tuple(found["shape"]),
            tuple(found["classes"]),
            float(found["scale"]),
            {name: (split["count"], split["sha256"]) for name, split in found["splits"].items()},
            source | ({"size": tuple(source["size"])} if source.get("size") else {}),
        )

    def load(self, *ahead: str) -> Ahead:
        """The dataset itself. Raises InputError where it has gone, or is not the same any more."""
        name = printable(self.name)
        try:
            dataset = Ahead(self.source, *ahead)
            now = Described.read(dataset.describe())
        except InputError as error:
            raise InputError(f"its dataset, {name}, cannot be loaded: {error}") from error
        changed = f"its dataset, {name}, has changed since the training"
        if (now.shape, now.classes, now.scale) != (self.shape, self.classes, self.scale):
            raise InputError(f"{changed}: {self.difference(now) or 'another scale'}")
        for split, (count, sha256) in self.splits.items():
            found, digest = now.splits.get(split, (0, ""))
            if (found, digest) != (count, sha256):
                how = f"found {found:,}" if found != count else "found as many, but not the same"
                raise InputError(f"{changed}: expected {count:,} {split} examples, {how}")
        return dataset

    def difference(self, other: Described | Ahead) -> str:
        """What a network for this dataset cannot take of another: the first difference in words, ""
        where there is none."""
        if other.shape != self.shape:
            return f"expected examples of shape {self.shape}, found {other.shape}"
        if len(other.classes) != len(self.classes):
            return f"expected {len(self.classes)} classes, found {len(other.classes)}"
        for i, (mine, yours) in enumerate(zip(self.classes, other.classes, strict=True)):
            if mine != yours:
                return f"expected class {i} to be {mine!r:.40}, found {yours!r:.40}"
        return ""


# --- what config.json may say ---------------------------------------------------------------------


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**53


def _are(kind: Any, values: Any) -> bool:
    return isinstance(values, list) and bool(values) and all(kind(value) for value in values)


def _is_shape(value: Any) -> bool:
    # Few, before they are multiplied: of a million such numbers that would take minutes.
    return _are(_is_count, value) and len(value) <= 32 and 0 < math.prod(value) < 2**53


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and 1e-30 < value < 1e30  # which float32 holds


def _are_splits(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(split, dict) and _is_count(split.get("count")) and _is_text(split.get("sha256"))
        for split in value.values()
    )


def _is_source(value: Any) -> bool:
    """What `data.load` may be called with, by type; whether there is such a thing, it says."""
    if not isinstance(value, dict) or not _are(_is_text, value.get("source")):
        return False
    return all(name == "source" or _is_option(name, given) for name, given in value.items())


def _is_option(name: str, value: Any) -> bool:
    match name:
        case "label":
            return value is None or _is_text(value) or type(value) is int
        case "size":
            return value is None or (_are(_is_count, value) and len(value) == 2)
        case "held_out":
            return _is_number(value)
    return name == "seed" and _is_count(value)


_FIELDS: Mapping[str, tuple[Any, str]] = {
    "name": (_is_text, "a text"),
    "shape": (_is_shape, "a list of whole numbers"),
    "classes": (lambda v: _are(_is_text, v), "a list of names"),
    "scale": (_is_number, "a positive number"),
    "splits": (_are_splits, 'a "count" and a "sha256" of each set'),
    "source": (_is_source, "what it can be loaded by"),
}


def named(classes: Sequence[str], typed: str) -> int:
    """The class that was typed by its name, or else by its number. Raises InputError."""
    if typed in classes:
        return list(classes).index(typed)
    if typed.isascii() and typed.isdigit() and int(typed[:9]) < len(classes):
        return int(typed[:9])
    some = ", ".join(printable(name[:20]) for name in classes[:12])
    more = ", ..." if len(classes) > 12 else ""
    raise InputError(
        f"--class: expected a class by its name ({some}{more}) or by its number, "
        f"0 to {len(classes) - 1}, found {typed}"
    )
