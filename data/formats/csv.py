"""Reads CSV: a row for each example, numbers, and the label in one of the columns.

What is wrong is said with its line: a table is mended by hand. A million cells are read in 0.2 s;
numbers become bytes or float32 as they come, so that a table takes no more memory than its arrays.
"""

import csv
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain, islice
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError
from data.formats.raw import PathLike, Raw, as_number, contents

DELIMITERS = (",", ";", "\t")
SAMPLE = 20  # rows to tell the delimiter by
PIECE = 2**20  # numbers that are kept as float64 until they become bytes or float32
FLOAT32_MAX = float(np.finfo(np.float32).max)
Row = tuple[int, list[str]]  # the number of its line, from 1, and its cells


def read_csv(path: PathLike, label: str | int | None) -> list[Raw]:
    """The table in a file, as (n, columns) numbers and (n,) labels as texts.

    label: the column of the labels, by its name in the first row or its place; None: the last.

    Raises `DataError` where it is no table, with the line.
    """
    if not contents(path):
        raise DataError(f"{path}: expected a table, found an empty file")
    rows = _rows(path, _delimiter(path))
    first = next(rows, None)
    if first is None:
        raise DataError(f"{path}: expected a table, found blank lines alone")
    table = _Table(path, first, label)
    if not table.has_header:
        rows = chain([first], rows)
    for line, cells in rows:
        table.add(line, cells)
    images, labels = table.finished()
    return [Raw(images, labels, str(path), str(path))]


def _rows(path: PathLike, delimiter: str) -> Iterator[Row]:
    """The rows that are not blank."""
    line = 1
    with open(path, encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=delimiter, strict=True, skipinitialspace=True)
        try:
            for cells in reader:
                if any(cells):
                    yield line, cells
                line = reader.line_num + 1
        except UnicodeDecodeError as error:
            raise DataError(
                f"{path}: line {line} or soon after: expected text in UTF-8, found {error.reason}: "
                "is it CSV? Then save it as UTF-8"
            ) from error
        except csv.Error as error:
            raise DataError(f"{path}: line {line}: expected CSV, found: {error}") from error


def _delimiter(path: PathLike) -> str:
    """The one that leaves the most numbers in the first rows: no header or label is one."""

    def numbers(delimiter: str) -> int:
        rows: list[list[str]] = []
        with suppress(DataError):  # it is raised again where the rows are read
            rows.extend(cells for _, cells in islice(_rows(path, delimiter), SAMPLE))
        # A comma that does not delimit may be a decimal one, which _Table refuses in its words.
        return sum(
            as_number(cell if delimiter == "," else cell.replace(",", ".")) is not None
            for cells in rows
            for cell in cells
        )

    return max(DELIMITERS, key=numbers)


class _Table:
    """Collects the rows of a table."""

    def __init__(self, path: PathLike, first: Row, label: str | int | None) -> None:
        self._path = path
        self._line, cells = first[0], [cell.strip() for cell in first[1]]
        self._width = len(cells)
        if self._width < 2:
            raise DataError(
                f"{path}: line {self._line}: expected columns separated by commas, semicolons or "
                f"tabs, found one"
            )
        named = isinstance(label, str) and not _is_place(label, self._width)
        self._label = self._named(cells, label) if named else self._place(label)
        features = cells[: self._label] + cells[self._label + 1 :]
        self.has_header = named or any(as_number(cell) is None for cell in features)
        if self.has_header:
            self._check_names(cells)
            if label in cells:
                self._label = cells.index(str(label))  # a name that looks like a place
        self._labels: list[str] = []
        self._pending: list[NDArray[np.float64]] = []
        self._pieces: list[NDArray[Any]] = []

    def _named(self, cells: list[str], label: str | int | None) -> int:
        """The place of the column of labels, by its name."""
        if label in cells:
            return cells.index(str(label))
        known = ", ".join(map(repr, cells[:8])) + (", ..." if self._width > 8 else "")
        raise DataError(f"{self._path}: label: no column is named {label!r}: there are {known}")

    def _place(self, label: str | int | None) -> int:
        """The place of the column of labels, from 0."""
        place = -1 if label is None else int(label)
        if not -self._width <= place < self._width:
            raise DataError(
                f"{self._path}: label: expected a place from 0 to {self._width - 1}, found {place}"
            )
        return place % self._width

    def _check_names(self, names: list[str]) -> None:
        where, seen = f"{self._path}: line {self._line}", set[str]()
        for place, name in enumerate(names):
            if not name:
                raise DataError(
                    f"{where}: expected a name for each column, found none for column {place}, "
                    "from 0: name it, or leave the column out if it counts the rows"
                )
            if name in seen:
                raise DataError(
                    f"{where}: expected different names of columns, found {name!r} twice: "
                    "rename one"
                )
            seen.add(name)

    def add(self, line: int, cells: list[str]) -> None:
        """Take a row."""
        if len(cells) != self._width:
            raise DataError(
                f"{self._path}: line {line}: expected {self._width} cells as in line {self._line}, "
                f"found {len(cells)}: mend it, or leave the row out; quote what holds a comma"
            )
        label = cells.pop(self._label).strip()
        if not label.isprintable() or label.lower() in ("", "nan"):
            raise DataError(
                f"{self._path}: line {line}: expected a label, found {label!r}: fill it in, or "
                "leave the row out"
            )
        try:
            numbers = np.fromiter(map(float, cells), np.float64, len(cells))
        except ValueError:
            self._refuse(line, cells)
        if not (np.abs(numbers) <= FLOAT32_MAX).all() or "_" in "".join(cells):
            self._refuse(line, cells)
        self._labels.append(label)
        self._pending.append(numbers)
        if len(self._pending) * self._width >= PIECE:
            self._pack()

    def _refuse(self, line: int, cells: list[str]) -> NoReturn:
        """Say which cell is no number."""
        numbers = map(as_number, cells)
        wrong = [number is None or abs(number) > FLOAT32_MAX for number in numbers]
        place = wrong.index(True)
        cell = cells[place]
        if not cell.strip():
            hint = "an empty one: fill it in, or leave the row out"
        elif as_number(cell.replace(",", ".", 1)) is not None and "," in cell:
            hint = f"{cell!r}: write it with a point"
        elif _is_odd(cell):
            hint = f"{cell[:40]!r}: fill it in, or leave the row out"
        else:
            hint = f"{cell[:40]!r}: only the column of labels holds texts"
        column = place + (place >= self._label)
        raise DataError(
            f"{self._path}: line {line}: expected finite numbers, found in column {column}, "
            f"from 0, {hint}"
        )

    def _pack(self) -> None:
        piece = np.array(self._pending)
        whole = (piece == np.rint(piece)).all() and piece.min() >= 0 and piece.max() <= 255
        self._pieces.append(piece.astype(np.uint8 if whole else np.float32))
        self._pending.clear()

    def finished(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """The numbers and the labels of all rows."""
        if self._pending:
            self._pack()
        if not self._labels:
            raise DataError(
                f"{self._path}: expected rows of numbers, found none after the header: is this the "
                "whole file?"
            )
        dtype = np.result_type(*self._pieces)
        images = np.empty((len(self._labels), self._width - 1), dtype)
        stop = len(images)
        while self._pieces:  # each is freed when it has been copied
            piece = self._pieces.pop()
            images[stop - len(piece) : stop] = piece
            stop -= len(piece)
        labels = _names(self._labels)
        if self._is_header_of_numbers():
            return images[1:], _names(self._labels[1:])
        return images, labels

    def _is_header_of_numbers(self) -> bool:
        """Whether the first row was one: names as pandas gives them, 0, 1, ..., "target". No number
        tells that, but a label that is none, above labels that all are."""
        if self.has_header or as_number(self._labels[0]) is not None:
            return False
        others = set(self._labels[1:])
        return bool(others) and all(as_number(label) is not None for label in others)


def _is_place(text: str, width: int) -> bool:
    """Whether a text is a number of one of so many columns: a year, say, is a name."""
    digits = text.removeprefix("-")
    return digits.isdecimal() and len(digits) < 10 and -width <= int(text) < width


def _is_odd(text: str) -> bool:
    """Whether a text is a number to Python, but none that float32 has: nan, inf, 1e999."""
    try:
        return not abs(float(text)) <= FLOAT32_MAX
    except ValueError:
        return False


def _names(labels: list[str]) -> NDArray[Any]:
    """The labels; where all are numbers, each as it is usually written: 5.0e+00 is 5."""
    numbers = {label: as_number(label) for label in set(labels)}
    if None in numbers.values():
        return np.array(labels)
    names = {label: _usual(label, number or 0.0) for label, number in numbers.items()}
    return np.array([names[label] for label in labels])


def _usual(label: str, number: float) -> str:
    try:
        return str(int(label))  # not int(number), which is another one from 2**53 on
    except ValueError:
        return str(int(number)) if number.is_integer() else repr(number)
