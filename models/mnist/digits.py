"""MNIST for the command line: unpacked while something else is done; errors take one line."""

from __future__ import annotations

from contextlib import suppress
from threading import Thread

import data
from data import DataError, Dataset, Examples
from models.command_line import InputError


class Digits:
    """MNIST, verified at once; the sets named in `ahead` are unpacked in threads: 0.1 s of zlib,
    which needs no lock of Python's, while the engine is imported.

    Raises InputError where a file is missing or damaged.
    """

    def __init__(self, *ahead: str) -> None:
        try:
            self._dataset: Dataset = data.load("mnist")
        except DataError as error:
            raise InputError(str(error)) from error
        self._threads = {
            split: Thread(target=self._unpack, args=[split], daemon=True) for split in ahead
        }
        for thread in self._threads.values():
            thread.start()

    def _unpack(self, split: str) -> None:
        with suppress(DataError):  # it is raised again where the set is asked for
            getattr(self._dataset, split)

    def __getitem__(self, split: str) -> Examples:
        """The "train" or the "test" set."""
        if split in self._threads:
            self._threads[split].join()
        try:
            examples: Examples = getattr(self._dataset, split)
        except DataError as error:
            raise InputError(str(error)) from error
        return examples
