"""`python -m data`: the registered datasets and the user's own, from a terminal.

The one file of `data` that knows another room: what a command line says of wrong input, and how it
ends, is written once, in `models.command_line`.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from functools import partial

from data.cache import cache, damaged, missing, remedy
from data.datasets import Dataset, load
from data.errors import DataError, printable
from data.examples import Examples
from data.fetch import FetchError, fetch
from data.registry import REGISTRY, find
from data.stats import class_counts, duplicates, numbers
from models.command_line import InputError, Parser, fail, run, whole

KNOWN = f"one of {', '.join(REGISTRY)}"
SOURCE = (
    "a name (python -m data list), a .csv or .npz file, a folder of pictures by class, or one or "
    "two pairs of IDX files: images, labels"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; gives its exit code."""
    return run(lambda: partial(_called, _parser().read(arguments)))


def _called(options: Namespace) -> int:
    chosen: Callable[[Namespace], int] = options.command
    try:
        return chosen(options)
    except FetchError as error:
        raise InputError(error.summary, *error.reasons) from error
    except DataError as error:
        raise InputError(error) from error


def _parser() -> Parser:
    parser = Parser(
        prog="python -m data", description="Datasets: those known by name, and your own."
    )
    commands = parser.add_subparsers(required=True, metavar="list|fetch|check|stats")

    def add(name: str, help: str, command: Callable[[Namespace], int]) -> ArgumentParser:
        added = commands.add_parser(name, help=help, description=f"{help[0].upper()}{help[1:]}.")
        added.set_defaults(command=command)
        return added

    add("list", "the datasets known by name, and where they are", _list)
    fetching = add(
        "fetch",
        "bring datasets into your cache: what is missing there or damaged, each file verified; "
        "what was interrupted is gone on with",
        _fetch,
    )
    fetching.add_argument("names", nargs="+", metavar="NAME", help=KNOWN)
    fetching.add_argument(
        "--from",
        dest="origin",
        metavar="FOLDER-OR-ADDRESS",
        help="a folder that holds the files, or its address (http or https), instead of the "
        "mirrors that are known",
    )
    checking = add("check", "verify the files that are there once more", _check)
    checking.add_argument("names", nargs="*", metavar="NAME", help=f"{KNOWN} (default: all)")

    stats = add("stats", "count a dataset's classes, values and duplicates", _stats)
    stats.add_argument("source", nargs="+", metavar="SOURCE", help=SOURCE)
    stats.add_argument(
        "--label",
        metavar="COLUMN",
        help="of a .csv file, the column of the label by its name or its place from 0 (default: "
        "the last)",
    )
    stats.add_argument(
        "--size",
        metavar=("H", "W"),
        nargs=2,
        type=whole,
        help="resize pictures to this height and width, or lay out the columns of a .csv file by "
        "it",
    )
    return parser


# --- list, fetch, check ---------------------------------------------------------------------------


def _list(_: Namespace) -> int:
    print(f"{'name':14} {'training':>8} {'test':>7}  {'shape':8} {'classes':>7}  files")
    for name, source in REGISTRY.items():
        train, test = source.counts
        shape, classes = _shape(source.shape), len(source.classes)
        print(f"{name:14} {train:>8,} {test:>7,}  {shape:8} {classes:>7}  {_where(name)}")
    print(f"\ncache: {printable(str(cache()))}")
    return 0


def _where(name: str) -> str:
    if find(name).folder:
        return "in this package"
    absent, files = len(missing(name)), len(list(find(name).files()))
    if absent == files:
        return "not fetched yet"
    return f"{files - absent} of {files} in the cache" if absent else "in the cache"


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _fetch(options: Namespace) -> int:
    for name in options.names:
        find(name)  # all are known before the first is fetched
    for name in options.names:
        folder = fetch(name, options.origin)
        vendored = find(name).folder is not None
        print(f"{name}: {_where(name) if vendored else f'verified, in {printable(str(folder))}'}")
    return 0


def _check(options: Namespace) -> int:
    """Without names, what was never fetched is no fault."""
    code = 0
    for name in options.names or REGISTRY:
        wrong, absent = damaged(name), missing(name)
        needed = bool(options.names) or find(name).folder is not None
        for line in wrong:
            code = fail(line)
        if wrong or (absent and needed):
            lack = f"{len(wrong)} files damaged, {len(absent)} missing"
            code = fail(f"{name}: {lack}: {remedy(name)}")
        else:
            print(f"{name}: {_where(name)}" + ("" if absent else ", as registered"))
    return code


# --- stats ----------------------------------------------------------------------------------------


def _stats(options: Namespace) -> int:
    size = options.size and tuple(options.size)
    dataset = load(*options.source, label=options.label, size=size)
    train, test = dataset.train, dataset.test
    shape = _shape(dataset.shape)
    print(f"{printable(dataset.name)}: examples of {shape}, divided by {dataset.scale:g}\n")
    _row("", "training", "test")
    _row("examples", f"{len(train):,}", f"{len(test):,}")
    _numbers(train, test)
    twice = duplicates(dataset)
    _row("duplicates", f"{twice.train:,}", f"{twice.test:,}")
    _row("also in training", "", f"{twice.shared:,}")
    _classes(dataset)
    return 0


def _row(name: str, train: str, test: str) -> None:
    print(f"{printable(name)[:19]:20}{train:>11}{test:>11}".rstrip())


def _numbers(train: Examples, test: Examples) -> None:
    both = numbers(train), numbers(test)
    _row("dtype", *(each.dtype for each in both))
    for field in ("mean", "std", "minimum", "maximum"):
        _row(field, *(f"{getattr(each, field):.5g}" for each in both))


def _classes(dataset: Dataset) -> None:
    counts = [class_counts(each, len(dataset.classes)) for each in (dataset.train, dataset.test)]
    print()
    _row("class", "training", "test")
    for name, train, test in zip(dataset.classes, *counts, strict=True):
        _row(name, f"{train:,}", f"{test:,}")


if __name__ == "__main__":
    sys.exit(main())
