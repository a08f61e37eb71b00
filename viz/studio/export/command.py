"""`python -m viz export`: from options to a folder, or a file."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import data
from data import DataError, Dataset
from data.files import reason
from models.command_line import InputError, can_redraw, printable
from models.mnist.checkpoint import Snapshot, read_snapshot
from viz.studio.datasets import Served
from viz.studio.export.grid import architectures
from viz.studio.export.single import check_file, single, write_single
from viz.studio.export.site import check_place, site, write_site
from viz.studio.export.tree import api
from viz.studio.refusal import Refusal
from viz.studio.weights.first import of_run

__all__ = ["Options", "export_command"]

SINGLE = 14_000  # examples of a page that is one file: 12,000 and 2,000 of MNIST's


@dataclass(frozen=True)
class Options:
    """What the command line says."""

    path: str
    architectures: str
    weights: str | None
    samples: int | None
    single_file: bool


def export_command(options: Options) -> int:
    """Write the page; gives the exit code. Raises InputError."""
    path = _place(options.path)
    (check_file if options.single_file else check_place)(path)
    if options.samples is not None and options.samples < 2:
        raise InputError(f"--samples: expected 2 examples or more, found {options.samples}")
    content = None if options.weights is None else of_run(options.weights)
    run = None if content is None else read_snapshot(content, "--weights")
    served = Served(_dataset(run))
    names = _names(options.architectures, served.description, run)
    samples = SINGLE if options.samples is None and options.single_file else options.samples
    made = api(served, names, samples, content, tell)
    if options.single_file:
        text = single(made)
        write_single(path, text)
        tell(f"wrote {printable(options.path)}: {_megabytes(len(text))}", last=True)
        return 0
    files = site(made)
    write_site(path, files)
    size = _megabytes(sum(map(len, files.values())))
    shown = printable(options.path)
    tell(f"wrote {shown}: {len(files):,} files, {size}", last=True)
    print(f"python -m http.server -d {shown} shows it at http://127.0.0.1:8000/")
    return 0


def _place(typed: str) -> Path:
    try:
        return Path(os.path.realpath(typed))
    except (OSError, ValueError) as error:
        raise InputError(f"DIR: {reason(error)}") from error


def _names(text: str, said: dict[str, Any], run: Snapshot | None) -> list[str]:
    """The networks that the page trains: those of the text, and that of the run."""
    if said["dtype"] != "uint8":
        return []  # the page learns from bytes alone, and says so
    found = architectures(text, said["shape"], len(said["classes"]), said["scale"])
    if run is not None:
        hidden, activation = tuple(run.sizes[1:-1]), run.activation
        try:
            found += [replace(each, hidden=hidden, activation=activation) for each in found]
        except Refusal as error:
            raise InputError(f"--weights: {error}") from error
    return list(dict.fromkeys(map(str, found)))


def _dataset(run: Snapshot | None) -> Dataset:
    """The one that the weights learned from, else MNIST."""
    if run is not None:
        return run.described.load().dataset
    try:
        return data.load("mnist")
    except DataError as error:
        raise InputError(str(error)) from error


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


def tell(text: str, last: bool = False) -> None:
    """Say what is being done: on a terminal in place of what was said before."""
    if can_redraw():
        print(f"\r\x1b[K{text}", end="\n" if last else "", flush=True)
    elif last:
        print(text)
